use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CrlIssuingDistributionPoint, CustomExtension, DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, date_time_ymd,
};

use super::*;
use crate::certificate::Found;
use crate::testing::TestDirectory;

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn pem_of(params: &CertificateParams) -> String {
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
}

fn authority(name: &str) -> String {
    pem_of(&authority_params(name)).replace("\r\n", "\n")
}

/// What `openssl req` makes of these options.
fn with_openssl(options: &str) -> String {
    let directory = TestDirectory::new();
    directory.openssl(&format!(
        "req -x509 -nodes -subj /CN=Old -keyout k -out c.pem {options}"
    ));
    String::from_utf8(directory.read("c.pem")).unwrap()
}

#[track_caller]
fn refused(pem: &str) -> TrustBundleError {
    match TrustBundle::from_pem(pem.as_bytes()) {
        Err(errors) if errors.len() == 1 => errors.into_iter().next().unwrap(),
        other => panic!("one error expected, not {other:?}"),
    }
}

#[test]
fn a_bundle_is_read_without_its_comments() {
    let (one, two) = (authority("Example Root"), authority("Second Root"));
    let written = format!("# Example's roots, kept by ops@example\n{one}# second\n#\n{two}");
    for text in [
        written.clone(),
        written.replace('\n', "\r\n"),
        format!("\u{feff}{written}"),
        written.trim_end().to_owned(),
    ] {
        let bundle = TrustBundle::from_pem(text.as_bytes()).unwrap();
        assert_eq!(bundle.pem(), format!("{one}{two}"));
        let subjects: Vec<_> = bundle.authorities().iter().map(|one| one.subject.as_str()).collect();
        assert_eq!(subjects, ["CN=Example Root", "CN=Second Root"]);
        bundle.check_advertisable().unwrap();
    }
}

#[test]
fn what_is_written_wrong_is_named_with_its_line() {
    let one = authority("Example Root");
    let lines = one.lines().count();
    let found = |text: &str| match refused(text) {
        TrustBundleError::NoCertificate { found } => found,
        other => panic!("{other}"),
    };
    assert_eq!(found(""), Found::Empty);
    assert_eq!(found("# nothing yet\n"), Found::Text);
    let binary = TrustBundle::from_pem(b"\x30\x82\x01\x00\xff").unwrap_err();
    assert_eq!(binary, [TrustBundleError::NoCertificate { found: Found::Binary }]);
    let blank = |line| TrustBundleError::BlankLine { line };
    assert_eq!(refused(&format!("\n{one}")), blank(1));
    assert_eq!(refused(&format!("{one}\n{one}")), blank(lines + 1));
    assert_eq!(refused(&format!("{one}\n")), blank(lines + 1));
    assert_eq!(refused(&one.replacen("CATE-----\n", "CATE-----\n\n", 1)), blank(2));
    let hyphen = format!("# one\n# kept by ops-team\n{one}");
    assert_eq!(refused(&hyphen), TrustBundleError::HyphenInComment { line: 2 });
    let stray = format!("Certificate:\n    Data:\n{one}");
    assert_eq!(refused(&stray), TrustBundleError::StrayLine { line: 1 });
    let key = KeyPair::generate().unwrap().serialize_pem().replace("\r\n", "\n");
    let label = "PRIVATE KEY".to_owned();
    let other = TrustBundleError::OtherSection { line: lines + 1, label };
    assert_eq!(refused(&format!("{one}{key}")), other);
    let trusted = one.replace("CERTIFICATE", "TRUSTED CERTIFICATE");
    assert!(matches!(
        refused(&trusted),
        TrustBundleError::OtherSection { line: 1, .. }
    ));
    let unclosed = TrustBundleError::Unclosed {
        position: 2,
        line: lines + 1,
    };
    let half = one.split_once("-----END").unwrap().0;
    assert_eq!(refused(&format!("{one}{half}")), unclosed);
    assert_eq!(refused(&format!("{one}{half}{one}")), unclosed);
}

#[test]
fn every_certificate_that_cannot_vouch_is_named() {
    let good = authority("Good");
    let mut leaf = authority_params("Leaf");
    leaf.is_ca = IsCa::NoCa;
    let mut explicit = authority_params("Explicit");
    explicit.is_ca = IsCa::ExplicitNoCa;
    let mut signs_nothing = authority_params("Signs Nothing");
    signs_nothing.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let edwards = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let edwards = authority_params("Edwards").self_signed(&edwards).unwrap().pem();
    let small = with_openssl("-newkey rsa:1024");
    let directory = TestDirectory::new();
    directory.openssl("req -new -nodes -newkey rsa:2048 -subj /CN=Old -keyout k -out r.pem");
    directory.openssl("x509 -req -in r.pem -signkey k -out v1.pem");
    let old = String::from_utf8(directory.read("v1.pem")).unwrap();
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let not_base64 = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    let bad = [
        pem_of(&leaf),
        pem_of(&explicit),
        pem_of(&signs_nothing),
        edwards,
        small,
        old,
    ];
    let text = format!("{good}{}{garbage}{not_base64}{good}", bad.concat());
    let errors = TrustBundle::from_pem(text.as_bytes()).unwrap_err();
    let said: Vec<_> = errors.iter().map(ToString::to_string).collect();
    let supported = "supported are RSA from 2048 to 8192 bits and ECDSA P-256, P-384, P-521";
    assert_eq!(
        said,
        [
            "certificate 2 (CN=Leaf) is not a certificate authority: its basic constraints do not say `CA:TRUE`",
            "certificate 3 (CN=Explicit) is not a certificate authority: its basic constraints do not say `CA:TRUE`",
            "certificate 4 (CN=Signs Nothing) may not sign certificates: its key usage lacks `keyCertSign`",
            &format!("certificate 5 (CN=Edwards) has a key of type Ed25519; {supported}"),
            &format!("certificate 6 (CN=Old) has a key of type RSA 1024; {supported}"),
            "certificate 7 (CN=Old) is of X.509 version 1; version 3 is needed",
            "certificate 8 is damaged",
            "certificate 9 is damaged",
        ]
    );
}

#[test]
fn every_kind_of_key_that_may_vouch() {
    for key in [
        "-newkey rsa:2048",
        "-newkey rsa:2056",
        "-newkey ec -pkeyopt ec_paramgen_curve:P-256",
        "-newkey ec -pkeyopt ec_paramgen_curve:P-384",
        "-newkey ec -pkeyopt ec_paramgen_curve:P-521",
    ] {
        TrustBundle::from_pem(with_openssl(key).as_bytes()).unwrap_or_else(|errors| panic!("{key}: {errors:?}"));
    }
    let curve = with_openssl("-newkey ec -pkeyopt ec_paramgen_curve:secp256k1");
    assert!(matches!(refused(&curve), TrustBundleError::UnsupportedKey { .. }));
}

#[test]
fn bounds_of_a_bundle() {
    let one = authority("Example Root");
    TrustBundle::from_pem(one.repeat(25).as_bytes()).unwrap();
    assert_eq!(
        refused(&one.repeat(26)),
        TrustBundleError::TooManyCertificates { certificates_max: 25 }
    );
    let padded = |bytes: usize| {
        let mut params = authority_params("Large");
        let padding = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 9999], vec![0; bytes]);
        params.custom_extensions.push(padding);
        pem_of(&params)
    };
    TrustBundle::from_pem(padded(15_000).as_bytes()).unwrap();
    assert!(matches!(
        refused(&format!("{one}{}", padded(16 * 1024))),
        TrustBundleError::CertificateTooLarge {
            position: 2,
            bytes_max: 16_384,
            ..
        }
    ));
    let comments = format!("#{}\n{one}", "x".repeat(TRUST_BUNDLE_BYTES_MAX));
    assert!(matches!(refused(&comments), TrustBundleError::TooLarge { .. }));
    // 25 subjects of 400 bytes and more cannot be told, but they can vouch.
    let long = TrustBundle::from_pem(authority(&"n".repeat(400)).repeat(25).as_bytes()).unwrap();
    assert!(matches!(
        long.check_advertisable(),
        Err(TrustBundleError::SubjectsTooLarge { bytes_max: 10_000, bytes }) if bytes > 10_000
    ));
}

fn list_params(serials: u64) -> CertificateRevocationListParams {
    let revoked = |serial: u64| RevokedCertParams {
        serial_number: SerialNumber::from(serial + 1),
        revocation_time: date_time_ymd(2026, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(2027, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: (0..serials).map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    }
}

fn list(params: &CertificateRevocationListParams) -> rcgen::CertificateRevocationList {
    let mut authority = authority_params("Example Root");
    authority.key_usages = vec![KeyUsagePurpose::CrlSign, KeyUsagePurpose::KeyCertSign];
    let issuer = Issuer::new(authority, KeyPair::generate().unwrap());
    params.signed_by(&issuer).unwrap()
}

#[test]
fn a_revocation_list_is_read_from_pem_and_der() {
    for entries in [0, 1, 300] {
        let list = list(&list_params(entries));
        let (pem, der) = (list.pem().unwrap(), list.der().to_vec());
        for input in [
            der.clone(),
            pem.clone().into_bytes(),
            format!("# of 2026\n{pem}").into_bytes(),
        ] {
            let read = RevocationList::from_pem_or_der(&input).unwrap();
            assert_eq!(u64::from(read.entries()), entries);
            assert_eq!(read.der(), der);
        }
    }
}

#[test]
fn what_is_no_revocation_list_says_what_it_is() {
    let refused = |input: &[u8]| RevocationList::from_pem_or_der(input).unwrap_err().to_string();
    let good = list(&list_params(2));
    let pem = good.pem().unwrap();
    for (input, words) in [
        (&b""[..], "found an empty file"),
        (b"hello", "found text without a PEM section"),
        (authority("A").as_bytes(), "found `CERTIFICATE`"),
        (pem.repeat(2).as_bytes(), "found several"),
        (pem.replace("-----END", "----END").as_bytes(), "is damaged"),
        (&good.der()[..good.der().len() - 1], "is damaged"),
        (&[good.der(), &b"\0"[..]].concat(), "is damaged"),
        (b"\x30\x80\x00\x00", "is damaged"),
    ] {
        let said = refused(input);
        assert!(said.contains(words), "{said:?} does not say {words:?}");
    }
    let large = vec![b'x'; REVOCATION_LIST_BYTES_MAX + 1];
    assert!(refused(&large).contains("more than 52428800"));
}

#[test]
fn a_list_that_cannot_be_honoured_is_refused() {
    let mut scoped = list_params(1);
    scoped.issuing_distribution_point = Some(CrlIssuingDistributionPoint {
        distribution_point: CrlDistributionPoint {
            uris: vec!["http://example.com/crl".to_owned()],
        },
        scope: None,
    });
    RevocationList::from_pem_or_der(list(&scoped).der()).unwrap();
    let directory = TestDirectory::new();
    directory.put("index.txt", "");
    directory.put(
        "ca.cnf",
        "[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=1\n",
    );
    directory.openssl("req -x509 -nodes -newkey rsa:2048 -subj /CN=Old -keyout k -out c.pem");
    directory.openssl("ca -gencrl -config ca.cnf -keyfile k -cert c.pem -out v1.pem");
    let refused = RevocationList::from_pem_or_der(&directory.read("v1.pem")).unwrap_err();
    assert!(refused.to_string().contains("version 2 is needed"), "{refused}");
}

#[test]
fn bounds_of_a_trust_stores_lists() {
    let read = |entries| RevocationList::from_pem_or_der(list(&list_params(entries)).der());
    let small = read(1).unwrap();
    check_revocation_lists(&vec![small.clone(); 30]).unwrap();
    assert!(matches!(
        check_revocation_lists(&vec![small; 31]),
        Err(RevocationListError::TooManyLists {
            lists: 31,
            lists_max: 30
        })
    ));
    let half = read(250_001).unwrap();
    check_revocation_lists(std::slice::from_ref(&half)).unwrap();
    assert!(matches!(
        check_revocation_lists(&[half.clone(), half]),
        Err(RevocationListError::TooManyEntries {
            entries: 500_002,
            entries_max: 500_000
        })
    ));
}

#[test]
fn damaged_bytes_never_panic() {
    let list = list(&list_params(3)).der().to_vec();
    let bundle = authority("Example Root").into_bytes();
    for (input, read) in [
        (
            list,
            (|bytes| drop(RevocationList::from_pem_or_der(bytes))) as fn(&[u8]),
        ),
        (bundle, |bytes| drop(TrustBundle::from_pem(bytes))),
    ] {
        for at in 0..input.len() {
            read(&input[..at]);
            for byte in [0, 0x7f, 0x84, 0xff] {
                let mut damaged = input.clone();
                damaged[at] = byte;
                read(&damaged);
            }
        }
    }
}
