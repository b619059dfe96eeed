//! Trust stores and the listeners that verify clients with them.

use super::*;
use model::elb::listener::{ListenerProtocol, MutualAuthentication};
use std::fmt::Write as _;

fn files() -> TestFolder {
    let folder = folder();
    folder.put_authority("ca", 2030);
    folder.put_authority("other", 2030);
    folder.put_authority("old", 2026);
    folder
}

/// A trust store `partners` in line 2 and a listener with `mutual_authentication` in line 9.
fn manifest(trust_store: &str, mutual_authentication: &str) -> String {
    format!(
        "trust_stores:
  partners: {trust_store}
load_balancers:
  a:
    listeners:
      - port: 443
        protocol: https
        certificates: [{{ domain: a.localhost }}]
        mutual_authentication: {mutual_authentication}
        default: {{ fixed_response: 404 }}
"
    )
}

const VERIFY: &str = "{ mode: verify, trust_store: partners }";

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let found = match files().load(text) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.all,
    };
    let found: Vec<_> = found
        .iter()
        .map(|it| format!("{}:{}: {}", it.place.line(), it.place.column(), it.message))
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn a_trust_store_is_made_of_files_that_are_watched() {
    let folder = files();
    let text = manifest(
        "{ ca_certificates_bundle: ca.pem, revocations: [ca.crl.pem, other.crl.pem] }",
        VERIFY,
    );
    let loaded = folder.load(&text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(loaded.warnings, []);
    let store = &loaded.desired.trust_stores[0].it;
    assert_eq!((store.name.as_str(), store.certificates), ("partners", 1));
    assert!(store.bundle_pem.starts_with("-----BEGIN CERTIFICATE-----"));
    let lists: Vec<_> = store.revocations.iter().map(|it| (it.id, it.entries)).collect();
    assert_eq!(lists, [(1, 1), (2, 1)]);
    assert_eq!(
        loaded.watched,
        ["albacore.yaml", "ca.crl.pem", "ca.pem", "other.crl.pem"].map(|name| folder.path(name))
    );
    // What cannot be read is watched as well: mending it may mend the manifest.
    std::fs::remove_file(folder.path("ca.pem")).unwrap();
    let broken = folder.load(&text).unwrap_err();
    assert_eq!(broken.watched, loaded.watched);
    assert!(broken.to_string().contains("`ca.pem` does not exist"), "{broken}");
}

#[test]
fn modes() {
    let of = |mutual_authentication: &str| {
        let text = manifest("{ ca_certificates_bundle: ca.pem }", mutual_authentication);
        let loaded = files().load(&text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let store = loaded.desired.trust_stores[0].it.arn.clone();
        match &loaded.desired.listeners[0].it.protocol {
            ListenerProtocol::Https(tls) => (tls.mutual_authentication.clone(), store),
            ListenerProtocol::Http => panic!("an HTTPS listener"),
        }
    };
    for off in ["off", "{ mode: off }"] {
        assert_eq!(of(off).0, MutualAuthentication::Off);
    }
    for passthrough in ["passthrough", "{ mode: passthrough }"] {
        assert_eq!(of(passthrough).0, MutualAuthentication::Passthrough);
    }
    let (verify, trust_store) = of(VERIFY);
    assert_eq!(
        verify,
        MutualAuthentication::Verify {
            trust_store,
            ignore_client_certificate_expiry: false,
            advertise_trust_store_ca_names: false,
        }
    );
    let (verify, trust_store) = of(
        "{ mode: verify, trust_store: partners, ignore_client_certificate_expiry: true, advertise_trust_store_ca_names: on }",
    );
    assert_eq!(
        verify,
        MutualAuthentication::Verify {
            trust_store,
            ignore_client_certificate_expiry: true,
            advertise_trust_store_ca_names: true,
        }
    );
}

#[test]
fn mistakes_of_trust_stores() {
    let cases: &[(&str, &[&str])] = &[
        (
            "{}",
            &[
                "2:13: the key `ca_certificates_bundle` is missing; expected a PEM file with the certificates of authorities",
            ],
        ),
        (
            "{ ca_certificates_bundle: gone.pem, revocations: [gone.crl, ca.pem], crls: [] }",
            &[
                "2:39: `gone.pem` does not exist; expected a PEM file with the certificates of authorities",
                "2:63: `gone.crl` does not exist; expected a file with a revocation list, PEM or DER",
                "2:73: `ca.pem`: expected a certificate revocation list (`BEGIN X509 CRL`, or DER), found `CERTIFICATE`",
                "2:82: found the unknown key `crls`; expected `ca_certificates_bundle` or `revocations`",
            ],
        ),
        (
            "{ ca_certificates_bundle: text }",
            &["2:39: `text`: expected certificates in PEM (`BEGIN CERTIFICATE`), found text without a PEM section"],
        ),
        (
            "{ ca_certificates_bundle: ca.pem, revocations: [] }",
            &["2:60: found an empty list; expected at least one revocation list"],
        ),
    ];
    for (trust_store, expected) in cases {
        check(&manifest(trust_store, VERIFY), expected);
    }
}

#[test]
fn mistakes_of_listeners() {
    let expected = "expected `off`, `passthrough` or `{ mode: verify, trust_store: .. }`";
    let cases: &[(&str, &[&str])] = &[
        (
            "verify",
            &["9:32: found `verify` without a trust store; expected `{ mode: verify, trust_store: .. }`"],
        ),
        ("strict", &[&format!("9:32: found the text `strict`; {expected}")]),
        ("[]", &[&format!("9:32: found a list; {expected}")]),
        (
            "{ mode: verify }",
            &["9:32: the key `trust_store` is missing; expected the name of a trust store, because the mode is verify"],
        ),
        (
            "{ trust_store: partner }",
            &[
                "9:32: the key `mode` is missing; expected `off`, `passthrough` or `verify`",
                "9:47: found the unknown trust store `partner`; did you mean `partners`?",
            ],
        ),
        (
            "{ mode: passthrough, trust_store: partners, ignore_client_certificate_expiry: true }",
            &[
                "9:53: found `trust_store` without `mode: verify`; expected it with that mode only",
                "9:76: found `ignore_client_certificate_expiry` without `mode: verify`; expected it with that mode only",
            ],
        ),
        (
            "{ mode: verify, trust_store: partners, ignore_client_certificate_expiry: on, advertise_trust_store_ca_names: true }",
            &[
                "9:105: found the text `on`; expected `true` or `false`",
                "9:141: found the truth value `true`; expected `on` or `off`",
            ],
        ),
    ];
    for (mutual_authentication, expected) in cases {
        check(
            &manifest("{ ca_certificates_bundle: ca.pem }", mutual_authentication),
            expected,
        );
    }
}

#[test]
fn what_verifies_nobody_is_told() {
    let warnings = |text: &str| -> Vec<String> {
        let loaded = files().load(text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        loaded
            .warnings
            .iter()
            .map(|it| it.to_string())
            .map(|it| it[it.find("yaml:").unwrap()..].to_owned())
            .collect()
    };
    assert_eq!(
        warnings(&manifest("{ ca_certificates_bundle: old.pem }", VERIFY)),
        [
            "yaml:2:39: `old.pem`: certificate expired at 2026-01-01T00:00:00Z, that of `CN=old`; clients of it are refused"
        ]
    );
    assert_eq!(
        warnings(&manifest("{ ca_certificates_bundle: ca.pem }", "off")),
        ["yaml:2:3: trust store `partners` is used by no listener"]
    );
}

#[test]
fn quotas() {
    let listeners: String = (443..446).fold(String::new(), |mut all, port| {
        let _ = writeln!(
            all,
            "      - {{ port: {port}, protocol: https, certificates: [{{ domain: a.localhost }}], \
             mutual_authentication: {VERIFY}, default: {{ fixed_response: 404 }} }}"
        );
        all
    });
    check(
        &format!(
            "trust_stores: {{ partners: {{ ca_certificates_bundle: ca.pem }} }}\nload_balancers:\n  a:\n    listeners:\n{listeners}"
        ),
        &["7:9: the load balancer has 2 listeners that verify client certificates, which is the limit"],
    );
    let stores: String = (0..21).fold(String::new(), |mut all, number| {
        let _ = writeln!(all, "  s{number}: {{ ca_certificates_bundle: ca.pem }}");
        all
    });
    check(
        &format!("trust_stores:\n{stores}"),
        &["22:3: there are 20 trust stores already, which is the limit"],
    );
}
