//! Certificates in files and for names.

use super::*;
use crate::testing::{NOW, now, settings};
use crate::{Issued, Issuer, NotIssued, load};
use std::time::{Duration, SystemTime};

/// Makes `{name}.pem` and `{name}.key` for `domain`, valid from the first day of 2025 to the first of `year`.
fn make(folder: &TestFolder, name: &str, domain: &str, year: i32) {
    make_between(folder, name, domain, [2025, year]);
}

fn make_between(folder: &TestFolder, name: &str, domain: &str, [first, year]: [i32; 2]) {
    let mut params = rcgen::CertificateParams::new([domain.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(first, 1, 1);
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    folder.put(&format!("{name}.pem"), params.self_signed(&key).unwrap().pem());
    folder.put(&format!("{name}.key"), key.serialize_pem());
}

fn manifest(certificates: &str) -> String {
    format!(
        "load_balancers:\n  s:\n    listeners:\n      - port: 443\n        protocol: https\n        certificates:\n          \
         - {certificates}\n        default: {{ fixed_response: 404 }}\n"
    )
}

#[test]
fn mistakes_of_certificates_stand_at_their_files() {
    let folder = folder();
    make(&folder, "good", "a.example", 2030);
    make(&folder, "other", "b.example", 2030);
    make(&folder, "old", "a.example", 2026);
    make_between(&folder, "early", "a.example", [2027, 2030]);
    folder.put("empty.pem", "");
    std::fs::create_dir(folder.path("folder")).unwrap();
    let cases: &[(&str, &[&str])] = &[
        ("{ certificate: good.pem, private_key: good.key }", &[]),
        (
            "{ certificate: good.pem, private_key: good.key, domain: A.example }",
            &[],
        ),
        (
            "{ certificate: good.pem, private_key: good.key, domains: [a.example, b.example] }",
            &["7:82: found `b.example`, which `good.pem` is not for; expected `a.example`"],
        ),
        (
            "{ certificate: good.pem }",
            &["7:13: the key `private_key` is missing; expected a PEM file with the private key"],
        ),
        (
            "{ private_key: good.key }",
            &["7:13: the key `certificate` is missing; expected a PEM file with the certificate chain"],
        ),
        (
            "{ certificate: good.pem, private_key: other.key }",
            &[
                "7:51: `other.key`: private key does not belong to the certificate in `good.pem`; expected the key that it was issued for, or the certificate of this key",
            ],
        ),
        (
            "{ certificate: old.pem, private_key: old.key }",
            &[
                "7:28: `old.pem`: certificate expired at 2026-01-01T00:00:00Z; renew it, and write the new one and its key here",
            ],
        ),
        (
            "{ certificate: early.pem, private_key: early.key }",
            &[
                "7:28: `early.pem`: certificate is not valid before 2027-01-01T00:00:00Z; use one that holds now, or set this machine's clock right",
            ],
        ),
        (
            "{ certificate: empty.pem, private_key: gone.key }",
            &[
                "7:28: `empty.pem`: expected a certificate (`BEGIN CERTIFICATE`), found an empty file",
                "7:52: `gone.key` does not exist; expected a PEM file with the private key",
            ],
        ),
        (
            "{ certificate: folder, private_key: good.key }",
            &["7:28: `folder` is no regular file; expected a PEM file with the certificate"],
        ),
        (
            "{}",
            &[
                "7:13: found a certificate without a source; expected `domain`, `domains`, or `certificate` with `private_key`",
            ],
        ),
        (
            "{ domains: [] }",
            &["7:24: found an empty list; expected at least one domain name"],
        ),
        (
            "{ domains: [a.localhost, 'b c.localhost'] }",
            &[
                "7:38: `b c.localhost` is no name a certificate can be for: only letters, digits, hyphens and underscores are allowed",
            ],
        ),
        (
            "{ domain: a.localhost }\n          - { domains: [A.localhost] }",
            &["8:13: found the same certificate twice; expected it once (it stands at 7:13 already)"],
        ),
    ];
    for (certificate, expected) in cases {
        let text = manifest(certificate);
        let found = match folder.load(&text) {
            Ok(_) => Vec::new(),
            Err(mistakes) => mistakes.all,
        };
        let found: Vec<String> = found
            .iter()
            .map(|it| format!("{}:{}: {}", it.place.line(), it.place.column(), it.message))
            .collect();
        assert_eq!(found, *expected, "{text}");
    }
}

#[test]
fn files_become_a_certificate_and_are_watched() {
    let folder = folder();
    make(&folder, "good", "*.A.example", 2030);
    let loaded = folder
        .load(&manifest("{ certificate: good.pem, private_key: good.key }"))
        .unwrap();
    let certificate = &loaded.desired.certificates[0].it;
    assert_eq!(certificate.names, ["*.a.example"]);
    assert_eq!(certificate.not_after.0, 1_893_456_000_000);
    assert!(certificate.chain_pem.contains("BEGIN CERTIFICATE"));
    assert!(certificate.private_key_pem.expose().contains("PRIVATE KEY"));
    assert_eq!(
        loaded.watched,
        ["albacore.yaml", "good.key", "good.pem"].map(|name| folder.path(name))
    );
}

struct Refusing;

impl Issuer for Refusing {
    fn issue(&self, _names: &[&str], now: SystemTime) -> Result<Issued, NotIssued> {
        assert_eq!(now, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.as_secs()));
        Err(NotIssued {
            name: None,
            message: "the disk is full".to_owned(),
        })
    }
}

#[test]
fn an_issuer_that_fails_is_a_mistake_at_the_certificate() {
    let folder = folder();
    let path = folder.put("albacore.yaml", manifest("{ domain: a.localhost }"));
    let mistakes = load(&path, &settings(), &Refusing, now()).unwrap_err();
    assert_eq!(mistakes.all.len(), 1);
    assert!(mistakes.to_string().ends_with(":7:13: the disk is full"), "{mistakes}");
}
