use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::renewal::ValidityError;
use crate::testing::{TestDirectory, in_days};

/// Makes `leaf.pem` and `leaf.key` with openssl; the arguments choose the key and the rest.
fn self_signed(directory: &TestDirectory, key: &str, rest: &str) -> Result<ServerCertificate, Vec<CertificateError>> {
    let subject = "-subj /CN=shop.localhost -keyout leaf.key -out leaf.pem";
    directory.openssl(format!("req -x509 -nodes {key} {subject} {rest}").trim_end());
    ServerCertificate::from_pem(&directory.read("leaf.pem"), &directory.read("leaf.key"))
}

#[track_caller]
fn only_error(result: Result<ServerCertificate, Vec<CertificateError>>) -> CertificateError {
    match result {
        Err(errors) if errors.len() == 1 => errors.into_iter().next().unwrap(),
        other => panic!("one error expected, not {other:?}"),
    }
}

const P256: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256";

#[test]
fn every_key_type_of_alb_is_read_in_every_encoding() {
    let directory = TestDirectory::new();
    let cases = [
        (
            "-newkey rsa:2048",
            "-sha384",
            KeyAlgorithm::Rsa2048,
            SignatureHash::Sha384,
        ),
        (
            "-newkey rsa:2048",
            "-sha512 -sigopt rsa_padding_mode:pss",
            KeyAlgorithm::Rsa2048,
            SignatureHash::Sha512,
        ),
        ("-newkey rsa:3072", "-sha1", KeyAlgorithm::Rsa3072, SignatureHash::Sha1),
        ("-newkey rsa:4096", "-md5", KeyAlgorithm::Rsa4096, SignatureHash::Md5),
        (P256, "-sha256", KeyAlgorithm::EcdsaP256, SignatureHash::Sha256),
        (
            "-newkey ec -pkeyopt ec_paramgen_curve:P-384",
            "-sha384",
            KeyAlgorithm::EcdsaP384,
            SignatureHash::Sha384,
        ),
        (
            "-newkey ec -pkeyopt ec_paramgen_curve:P-521",
            "-sha512",
            KeyAlgorithm::EcdsaP521,
            SignatureHash::Sha512,
        ),
    ];
    for (key, hash, algorithm, signature_hash) in cases {
        let certificate = self_signed(&directory, key, hash).unwrap();
        assert_eq!(certificate.leaf().key_algorithm, algorithm, "{key}");
        assert_eq!(certificate.leaf().signature_hash, signature_hash, "{key} {hash}");
        // The traditional forms: PKCS#1 for RSA, SEC1 for curves.
        directory.openssl("pkey -in leaf.key -traditional -out old.key");
        let old = directory.read("old.key");
        assert!(!old.starts_with(b"-----BEGIN PRIVATE KEY"), "{key}");
        ServerCertificate::from_pem(&directory.read("leaf.pem"), &old).unwrap();
    }
}

#[test]
fn key_types_know_their_preference() {
    let bits = |algorithm: KeyAlgorithm| (algorithm.is_ecdsa(), algorithm.bits(), algorithm.to_string());
    assert_eq!(bits(KeyAlgorithm::Rsa3072), (false, 3072, "RSA_3072".to_owned()));
    assert_eq!(bits(KeyAlgorithm::EcdsaP521), (true, 521, "EC_secp521r1".to_owned()));
    assert!(SignatureHash::Sha1 > SignatureHash::Md5 && SignatureHash::Sha512 > SignatureHash::Sha256);
}

#[test]
fn facts_agree_with_openssl() {
    let directory = TestDirectory::new();
    let names = "-addext subjectAltName=DNS:Shop.Example,DNS:*.shop.example,IP:192.0.2.1,IP:2001:db8::1,email:a@b.c";
    let certificate = self_signed(&directory, P256, names).unwrap();
    let leaf = certificate.leaf();
    assert_eq!(leaf.dns_names, ["shop.example", "*.shop.example"]);
    let addresses: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    assert_eq!(leaf.ip_addresses, addresses);
    assert_eq!(leaf.subject, "CN=shop.localhost");

    let serial = directory.openssl("x509 -in leaf.pem -noout -serial");
    assert_eq!(
        serial
            .trim_end()
            .trim_start_matches("serial=")
            .trim_start_matches('0')
            .to_lowercase(),
        leaf.serial.trim_start_matches('0')
    );
    let fingerprint = directory
        .openssl("x509 -in leaf.pem -noout -fingerprint -sha256")
        .replace(':', "");
    assert!(
        fingerprint.trim_end().ends_with(&leaf.fingerprint_hex()),
        "{fingerprint}"
    );
    let start = directory.openssl("x509 -in leaf.pem -noout -startdate -dateopt iso_8601");
    let ours = crate::renewal::Utc(leaf.validity.not_before)
        .to_string()
        .replace('T', " ");
    assert_eq!(start.trim_end(), format!("notBefore={ours}"));
    assert_eq!(
        leaf.validity.not_after,
        leaf.validity.not_before + Duration::from_secs(30 * 24 * 60 * 60)
    );
}

#[test]
fn the_common_name_stands_in_only_without_alternative_names() {
    let directory = TestDirectory::new();
    assert_eq!(
        self_signed(&directory, P256, "").unwrap().leaf().dns_names,
        ["shop.localhost"]
    );
    let address = self_signed(&directory, P256, "-addext subjectAltName=IP:127.0.0.1").unwrap();
    assert!(address.leaf().dns_names.is_empty());
}

#[test]
fn a_name_is_covered_exactly_or_by_a_wildcard_of_one_label() {
    let directory = TestDirectory::new();
    let names = "-addext subjectAltName=DNS:shop.example,DNS:*.Shop.example,DNS:f*.example,DNS:*,IP:127.0.0.1,IP:::1";
    let certificate = self_signed(&directory, P256, names).unwrap();
    for name in [
        "shop.example",
        "SHOP.example",
        "api.shop.EXAMPLE",
        "127.0.0.1",
        "::1",
        "0:0:0:0:0:0:0:1",
    ] {
        assert!(certificate.leaf().covers(name), "{name} must be covered");
    }
    let others = [
        "a.b.shop.example",
        ".shop.example",
        "fo.example",
        "localhost",
        "",
        "127.0.0.2",
        "shop.example.",
        "xshop.example",
    ];
    for name in others {
        assert!(!certificate.leaf().covers(name), "{name} must not be covered");
    }
}

#[test]
fn being_out_of_date_is_told_apart_and_carries_the_date() {
    let directory = TestDirectory::new();
    let certificate = self_signed(&directory, P256, "-days 1").unwrap();
    let validity = certificate.leaf().validity;
    let second = Duration::from_secs(1);
    assert_eq!(validity.check(validity.not_before), Ok(()));
    assert_eq!(
        validity.check(validity.not_after + second),
        Err(ValidityError::Expired {
            not_after: validity.not_after
        })
    );
    assert_eq!(
        validity.check(UNIX_EPOCH),
        Err(ValidityError::NotYetValid {
            not_before: validity.not_before
        })
    );
}

#[test]
fn key_types_alb_refuses_are_named() {
    let directory = TestDirectory::new();
    let cases = [
        ("-newkey rsa:1024", "RSA 1024"),
        ("-newkey rsa:2056", "RSA 2056"),
        ("-newkey ed25519", "Ed25519"),
        ("-newkey ed448", "Ed448"),
        ("-newkey rsa-pss -pkeyopt rsa_keygen_bits:2048", "RSASSA-PSS"),
        (
            "-newkey ec -pkeyopt ec_paramgen_curve:secp256k1",
            "ECDSA on curve 1.3.132.0.10",
        ),
        (
            "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
            "ECDSA without a named curve",
        ),
    ];
    for (key, found) in cases {
        let error = only_error(self_signed(&directory, key, ""));
        assert_eq!(
            error,
            CertificateError::UnsupportedKey {
                found: found.to_owned()
            },
            "{key}"
        );
        assert_eq!(error.part(), Part::Chain);
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let directory = TestDirectory::new();
    self_signed(&directory, P256, "").unwrap();
    let chain = directory.read("leaf.pem");
    for key in [P256, "-newkey rsa:2048", "-newkey ed25519"] {
        let _ = self_signed(&directory, key, "");
        let error = only_error(ServerCertificate::from_pem(&chain, &directory.read("leaf.key")));
        assert_eq!(error, CertificateError::KeyMismatch, "{key}");
    }
}

#[test]
fn a_chain_in_the_wrong_order_is_named_as_such() {
    let directory = TestDirectory::new();
    self_signed(&directory, P256, "").unwrap();
    let issuer = directory.read("leaf.pem");
    self_signed(&directory, P256, "").unwrap();
    let (leaf, key) = (directory.read("leaf.pem"), directory.read("leaf.key"));
    let error = only_error(ServerCertificate::from_pem(
        &[issuer.clone(), leaf.clone()].concat(),
        &key,
    ));
    assert_eq!(error, CertificateError::LeafNotFirst { position: 2 });
    assert_eq!(
        ServerCertificate::from_pem(&[leaf, issuer].concat(), &key)
            .unwrap()
            .chain()
            .len(),
        2
    );
}

#[test]
fn a_wrong_file_says_what_was_found_and_what_was_expected() {
    let directory = TestDirectory::new();
    self_signed(&directory, P256, "").unwrap();
    let (chain, key) = (directory.read("leaf.pem"), directory.read("leaf.key"));
    directory.openssl("x509 -in leaf.pem -outform der -out leaf.der");
    let der = directory.read("leaf.der");
    let hostile = b"-----BEGIN \x1b[31mRED-----\n-----END \x1b[31mRED-----\n".as_slice();
    let unclosed = b"-----BEGIN CERTIFICATE-----\nMAMC\n".as_slice();
    let cases: [(&[u8], &str); 6] = [
        (
            &key,
            "expected a certificate (`BEGIN CERTIFICATE`), found `PRIVATE KEY`",
        ),
        (
            b" \n",
            "expected a certificate (`BEGIN CERTIFICATE`), found an empty file",
        ),
        (
            b"hello",
            "expected a certificate (`BEGIN CERTIFICATE`), found text without a PEM section",
        ),
        (
            &der,
            "expected a certificate (`BEGIN CERTIFICATE`), found binary data (DER or PKCS#12? convert it to PEM)",
        ),
        (
            hostile,
            "expected a certificate (`BEGIN CERTIFICATE`), found `?[31mRED`",
        ),
        (
            unclosed,
            "certificate chain is damaged: a PEM section is not closed or is not base64",
        ),
    ];
    for (chain, message) in cases {
        let error = only_error(ServerCertificate::from_pem(chain, &key));
        assert_eq!((error.to_string().as_str(), error.part()), (message, Part::Chain));
    }
    let error = only_error(ServerCertificate::from_pem(&chain, &chain));
    assert_eq!(
        error.to_string(),
        "expected a private key (`BEGIN PRIVATE KEY`), found `CERTIFICATE`"
    );
    assert_eq!(error.part(), Part::PrivateKey);
}

#[test]
fn both_inputs_are_reported_at_once() {
    let errors = ServerCertificate::from_pem(b"", b"").unwrap_err();
    let expected = [
        CertificateError::NoCertificate { found: Found::Empty },
        CertificateError::NoPrivateKey { found: Found::Empty },
    ];
    assert_eq!(errors, expected);
}

#[test]
fn one_file_with_both_may_be_given_for_both() {
    let directory = TestDirectory::new();
    self_signed(&directory, P256, "").unwrap();
    let both = [
        b"\xef\xbb\xbf".to_vec(),
        directory.read("leaf.key"),
        directory.read("leaf.pem"),
    ]
    .concat();
    let windows = String::from_utf8(both.clone())
        .unwrap()
        .replace('\n', "\r\n")
        .into_bytes();
    for file in [both, windows] {
        ServerCertificate::from_pem(&file, &file).unwrap();
    }
}

#[test]
fn damaged_keys_and_certificates_are_told_apart() {
    let directory = TestDirectory::new();
    self_signed(&directory, P256, "").unwrap();
    let (chain, key) = (directory.read("leaf.pem"), directory.read("leaf.key"));
    directory.openssl("pkey -in leaf.key -aes256 -passout pass:secret -out new-encrypted.key");
    directory.openssl("pkey -in leaf.key -traditional -aes256 -passout pass:secret -out old-encrypted.key");
    let wrong_der = |label: &str| format!("-----BEGIN {label}-----\nMAMCAQE=\n-----END {label}-----\n").into_bytes();
    let unclosed = key[..key.len() / 2].to_vec();
    let keys = [
        (
            directory.read("new-encrypted.key"),
            CertificateError::EncryptedPrivateKey,
        ),
        (
            directory.read("old-encrypted.key"),
            CertificateError::EncryptedPrivateKey,
        ),
        (
            [key.clone(), key.clone()].concat(),
            CertificateError::SeveralPrivateKeys,
        ),
        (wrong_der("PRIVATE KEY"), CertificateError::UnusablePrivateKey),
        (wrong_der("RSA PRIVATE KEY"), CertificateError::UnusablePrivateKey),
        (unclosed, CertificateError::MalformedPem(Part::PrivateKey)),
        (
            vec![b'a'; KEY_PEM_BYTES_MAX + 1],
            CertificateError::TooLarge {
                part: Part::PrivateKey,
                bytes: 65_537,
                bytes_max: 65_536,
            },
        ),
    ];
    for (key, expected) in keys {
        assert_eq!(only_error(ServerCertificate::from_pem(&chain, &key)), expected);
    }
    let second_damaged = [chain.clone(), wrong_der("CERTIFICATE")].concat();
    let chains = [
        (
            wrong_der("CERTIFICATE"),
            CertificateError::MalformedCertificate { position: 1 },
        ),
        (second_damaged, CertificateError::MalformedCertificate { position: 2 }),
        (
            chain.repeat(17),
            CertificateError::TooManyCertificates { certificates_max: 16 },
        ),
    ];
    for (chain, expected) in chains {
        assert_eq!(only_error(ServerCertificate::from_pem(&chain, &key)), expected);
    }
}

/// Nothing a user imports may panic: every cut and every flipped byte of a certificate gives an answer.
#[test]
fn damaged_bytes_never_panic() {
    let directory = TestDirectory::new();
    self_signed(&directory, P256, "-addext subjectAltName=DNS:a.localhost,IP:127.0.0.1").unwrap();
    directory.openssl("x509 -in leaf.pem -outform der -out leaf.der");
    let der = directory.read("leaf.der");
    for index in 0..der.len() {
        let _ = Certificate::from_der(&CertificateDer::from(&der[..index]));
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = der.clone();
            damaged[index] ^= flip;
            if let Ok(certificate) = Certificate::from_der(&CertificateDer::from(damaged)) {
                let _ = (
                    certificate.validity.check(in_days(0)),
                    certificate.covers("a.localhost"),
                );
            }
        }
    }
}
