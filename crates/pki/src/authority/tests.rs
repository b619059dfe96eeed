use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::testing::{NOW_SECONDS, TestDirectory, in_days};

fn open(directory: &TestDirectory, now: SystemTime) -> Authority {
    Authority::open_or_create(directory.path(), now).unwrap()
}

fn refused(directory: &TestDirectory) -> AuthorityError {
    match Authority::open_or_create(directory.path(), in_days(0)) {
        Err(error) => error,
        Ok(authority) => panic!("must be refused, not {authority:?}"),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_authority_is_private_constrained_and_opened_again() {
    let directory = TestDirectory::new();
    let nested = directory.file("data/pki");
    let created = Authority::open_or_create(&nested, in_days(0)).unwrap();
    assert_eq!(created.origin(), AuthorityOrigin::Created);
    assert_eq!(mode(&nested), 0o700);
    assert_eq!(mode(&nested.join("ca.key")), 0o600);
    assert_eq!(mode(&nested.join("ca.pem")) & 0o600, 0o600);
    assert_eq!(
        fs::read_dir(&nested).unwrap().count(),
        2,
        "no temporary file stays behind"
    );

    let opened = Authority::open_or_create(&nested, in_days(1)).unwrap();
    assert_eq!(opened.origin(), AuthorityOrigin::Opened);
    assert_eq!(opened.certificate(), created.certificate());
    assert_eq!(opened.certificate_path(), nested.join("ca.pem"));

    let text = directory.openssl("x509 -in data/pki/ca.pem -noout -text");
    for part in [
        "CN = albacore local CA (",
        "CA:TRUE, pathlen:0",
        "Certificate Sign, CRL Sign",
        "NIST CURVE: P-256",
    ] {
        assert!(text.contains(part), "{part} must stand in {text}");
    }
    assert_eq!(opened.validity().not_before, in_days(0) - DAY);
    assert_eq!(opened.validity().not_after, in_days(0) - DAY + 3650 * DAY);
}

#[test]
fn openssl_verifies_an_issued_leaf() {
    let directory = TestDirectory::new();
    let authority = open(&directory, in_days(0));
    let names = ["Shop.localhost", "*.shop.localhost", "127.0.0.1", "::1"];
    let issued = authority.issue(&names, in_days(0)).unwrap();
    directory.put("chain.pem", &issued.chain_pem);
    directory.put("leaf.key", issued.private_key_pem.expose());

    let verify = format!("verify -x509_strict -purpose sslserver -attime {NOW_SECONDS} -CAfile ca.pem chain.pem");
    assert_eq!(directory.openssl(&verify), "chain.pem: OK\n");
    let verify_name = verify.replace("-CAfile", "-verify_hostname api.shop.localhost -CAfile");
    assert_eq!(directory.openssl(&verify_name), "chain.pem: OK\n");

    let text = directory.openssl("x509 -in chain.pem -noout -text");
    for part in [
        "DNS:shop.localhost, DNS:*.shop.localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1",
        "TLS Web Server Authentication",
        "CA:FALSE",
        "Subject: CN = shop.localhost",
        "Not Before: Dec 31 00:00:00 2025 GMT",
        "Not After : Jan 31 23:59:59 2027 GMT",
        "Signature Algorithm: ecdsa-with-SHA256",
        "NIST CURVE: P-256",
    ] {
        assert!(text.contains(part), "{part} must stand in {text}");
    }
    assert_eq!(
        directory.openssl("x509 -in chain.pem -noout -pubkey"),
        directory.openssl("pkey -in leaf.key -pubout"),
        "the key belongs to the leaf"
    );
    assert_eq!(issued.certificate.chain().len(), 2);
    assert_eq!(issued.certificate.chain()[1], authority.kept.der);
}

#[test]
fn a_leaf_is_kept_over_restarts_until_it_is_due() {
    let directory = TestDirectory::new();
    let names = ["a.localhost", "b.localhost"];
    let first = open(&directory, in_days(0)).issue(&names, in_days(0)).unwrap();
    assert_eq!(first.origin, LeafOrigin::Signed);
    for private in fs::read_dir(directory.file("issued"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        let expected = if private.extension().is_some_and(|extension| extension == "key") {
            0o600
        } else {
            0o644
        };
        assert_eq!(mode(&private) & !expected, 0, "{private:?}");
    }

    let again = open(&directory, in_days(365))
        .issue(&["B.localhost", "a.localhost"], in_days(365))
        .unwrap();
    assert_eq!(again.origin, LeafOrigin::Cached);
    assert_eq!(again.chain_pem, first.chain_pem);
    assert_eq!(again.private_key_pem, first.private_key_pem);

    let renewed = open(&directory, in_days(366)).issue(&names, in_days(366)).unwrap();
    assert_eq!(renewed.origin, LeafOrigin::Signed);
    assert_ne!(renewed.certificate.leaf().serial, first.certificate.leaf().serial);
    let kept = open(&directory, in_days(366)).issue(&names, in_days(366)).unwrap();
    assert_eq!(kept.chain_pem, renewed.chain_pem);
}

#[test]
fn callers_at_once_get_one_leaf() {
    const CALLERS: usize = 8;
    let directory = TestDirectory::new();
    let authority = open(&directory, in_days(0));
    let start = std::sync::Barrier::new(CALLERS);
    let chains: Vec<_> = std::thread::scope(|scope| {
        let issue = || {
            start.wait();
            authority.issue(&["a.localhost"], in_days(0)).unwrap().chain_pem
        };
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(issue)).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    let kept = authority.issue(&["a.localhost"], in_days(0)).unwrap();
    assert_eq!(kept.origin, LeafOrigin::Cached);
    assert!(chains.iter().all(|chain| *chain == kept.chain_pem));
}

#[test]
fn a_damaged_or_foreign_cached_leaf_is_signed_anew() {
    let directory = TestDirectory::new();
    let authority = open(&directory, in_days(0));
    let cached = |extension: &str| {
        let mut files = fs::read_dir(directory.file("issued"))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        files
            .find(|path| path.extension().is_some_and(|found| found == extension))
            .unwrap()
    };
    let mut last = authority.issue(&["a.localhost"], in_days(0)).unwrap();

    let other = TestDirectory::new();
    let foreign = open(&other, in_days(0)).issue(&["a.localhost"], in_days(0)).unwrap();
    let other_names = authority.issue(&["other.localhost"], in_days(0)).unwrap();
    fs::remove_dir_all(directory.file("issued")).unwrap();
    authority.issue(&["a.localhost"], in_days(0)).unwrap();

    let damages: [(&str, &dyn Fn()); 5] = [
        ("cut chain", &|| fs::write(cached("pem"), "-----BEGIN CERT").unwrap()),
        ("missing key", &|| fs::remove_file(cached("key")).unwrap()),
        ("key of another", &|| {
            fs::write(cached("key"), foreign.private_key_pem.expose()).unwrap();
        }),
        ("another authority", &|| {
            fs::write(cached("key"), foreign.private_key_pem.expose()).unwrap();
            fs::write(cached("pem"), &foreign.chain_pem).unwrap();
        }),
        ("other names", &|| {
            fs::write(cached("key"), other_names.private_key_pem.expose()).unwrap();
            fs::write(cached("pem"), &other_names.chain_pem).unwrap();
        }),
    ];
    for (name, damage) in damages {
        damage();
        let fresh = authority.issue(&["a.localhost"], in_days(0)).unwrap();
        assert_eq!(fresh.origin, LeafOrigin::Signed, "{name}");
        assert_eq!(fresh.certificate.leaf().dns_names, ["a.localhost"], "{name}");
        assert_ne!(fresh.chain_pem, last.chain_pem, "{name}");
        assert_eq!(
            authority.issue(&["a.localhost"], in_days(0)).unwrap().origin,
            LeafOrigin::Cached,
            "{name}"
        );
        last = fresh;
    }
}

#[test]
fn an_authority_that_is_nearly_over_is_renewed_openly() {
    let directory = TestDirectory::new();
    let old = open(&directory, in_days(0));
    // The authority ends on day 3649; with 30 days left it stays, with 29 it is renewed.
    assert_eq!(open(&directory, in_days(3619)).origin(), AuthorityOrigin::Opened);
    let leaf = open(&directory, in_days(3619))
        .issue(&["a.localhost"], in_days(3619))
        .unwrap();
    assert_eq!(
        leaf.certificate.leaf().validity.not_after,
        old.validity().not_after,
        "no leaf outlives its authority"
    );

    let renewed = open(&directory, in_days(3620));
    assert_eq!(
        renewed.origin(),
        AuthorityOrigin::Renewed {
            old_not_after: old.validity().not_after
        }
    );
    assert_ne!(renewed.certificate().serial, old.certificate().serial);
    assert_eq!(renewed.validity().not_after, in_days(3619) + 3650 * DAY);
    let leaf = renewed.issue(&["a.localhost"], in_days(3620)).unwrap();
    assert_eq!(leaf.origin, LeafOrigin::Signed);
    assert_eq!(leaf.certificate.chain()[1], renewed.kept.der);
    assert_eq!(open(&directory, in_days(3621)).origin(), AuthorityOrigin::Opened);

    assert!(matches!(
        old.issue(&["a.localhost"], in_days(3650)),
        Err(IssueError::AuthorityOutOfDate(ValidityError::Expired { .. }))
    ));
}

#[test]
fn a_damaged_authority_is_an_error_that_names_the_file_and_changes_nothing() {
    let directory = TestDirectory::new();
    open(&directory, in_days(0));
    let (certificate, key) = (directory.read("ca.pem"), directory.read("ca.key"));
    let other = TestDirectory::new();
    open(&other, in_days(0));

    let half = &certificate[..certificate.len() / 2];
    let foreign_key = other.read("ca.key");
    let cases: [(&str, &[u8], &str); 6] = [
        ("ca.pem", b"", "ca.pem cannot be used"),
        ("ca.pem", half, "ca.pem cannot be used"),
        ("ca.pem", &key, "ca.pem cannot be used"),
        ("ca.key", b"not a key", "ca.key cannot be used"),
        ("ca.key", &certificate, "ca.key cannot be used"),
        ("ca.key", &foreign_key, "ca.key is not the key of"),
    ];
    for (file, contents, message) in cases {
        directory.put(file, contents);
        let error = refused(&directory);
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(directory.read(file), contents, "{file} stays as it is");
        directory.put("ca.pem", &certificate);
        directory.put("ca.key", &key);
    }
    assert_eq!(open(&directory, in_days(0)).origin(), AuthorityOrigin::Opened);
    assert_eq!(
        mode(&directory.file("ca.key")),
        0o600,
        "a key left open is closed again"
    );

    fs::remove_file(directory.file("ca.key")).unwrap();
    assert!(refused(&directory).to_string().contains("ca.key is missing"));
    assert!(!directory.file("ca.key").exists());
}

#[test]
fn a_creation_that_was_cut_short_is_completed_with_the_same_key() {
    let directory = TestDirectory::new();
    open(&directory, in_days(0));
    let key = directory.read("ca.key");
    fs::remove_file(directory.file("ca.pem")).unwrap();
    assert_eq!(open(&directory, in_days(0)).origin(), AuthorityOrigin::Created);
    assert_eq!(directory.read("ca.key"), key);
}

#[test]
fn an_authority_made_by_openssl_is_accepted_and_a_leaf_is_not() {
    let directory = TestDirectory::new();
    directory.openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 3650 -subj /CN=Ours");
    let now = SystemTime::now();
    let authority = Authority::open_or_create(directory.path(), now).unwrap();
    let issued = authority.issue(&["a.localhost"], now).unwrap();
    directory.put("chain.pem", &issued.chain_pem);
    assert_eq!(directory.openssl("verify -CAfile ca.pem chain.pem"), "chain.pem: OK\n");

    directory.put("ca.pem", &issued.chain_pem);
    directory.put("ca.key", issued.private_key_pem.expose());
    let error = Authority::open_or_create(directory.path(), now).unwrap_err();
    assert!(matches!(error, AuthorityError::NotAnAuthority { .. }), "{error}");
}

#[test]
fn a_wrong_clock_is_an_error() {
    let directory = TestDirectory::new();
    open(&directory, in_days(100));
    let error = refused(&directory);
    assert!(
        error
            .to_string()
            .contains("ca.pem is not valid before 2026-04-10T00:00:00Z"),
        "{error}"
    );

    let empty = TestDirectory::new();
    for now in [UNIX_EPOCH - DAY, UNIX_EPOCH + CLOCK_MAX + DAY] {
        let error = Authority::open_or_create(empty.path(), now).unwrap_err();
        assert!(matches!(error, AuthorityError::ClockOutOfRange), "{error}");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = TestDirectory::new();
    let file = directory.put("file", "");
    let error = Authority::open_or_create(&file.join("pki"), in_days(0)).unwrap_err();
    assert!(error.to_string().ends_with("file/pki"), "{error}");
}

#[test]
fn debug_prints_no_key() {
    let directory = TestDirectory::new();
    let authority = open(&directory, in_days(0));
    let issued = authority.issue(&["a.localhost"], in_days(0)).unwrap();
    let printed = format!("{authority:?} {issued:?}");
    let secret = issued.private_key_pem.expose().lines().nth(1).unwrap();
    assert!(
        !printed.contains(secret) && !printed.contains("PRIVATE KEY"),
        "{printed}"
    );
    assert!(printed.contains("***"), "{printed}");
}

#[test]
fn fresh_certificates_have_keys_of_their_own_and_are_not_kept() {
    let directory = TestDirectory::new();
    let authority = open(&directory, in_days(0));
    for key in [KeyAlgorithm::Rsa2048, KeyAlgorithm::EcdsaP384, KeyAlgorithm::EcdsaP521] {
        let one = authority.issue_fresh(&["*.shop.test"], key, in_days(0)).unwrap();
        let two = authority.issue_fresh(&["*.shop.test"], key, in_days(0)).unwrap();
        assert_eq!(one.certificate.leaf().key_algorithm, key);
        assert_ne!(one.private_key_pem.expose(), two.private_key_pem.expose());
        directory.put("leaf.pem", &one.chain_pem);
        directory.openssl("verify -CAfile ca.pem -attime 1767225600 leaf.pem");
    }
    assert!(!directory.file("issued").exists());
}
