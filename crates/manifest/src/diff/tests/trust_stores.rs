//! Trust stores and the listeners that verify with them.

use super::servers::SERVERS;
use super::*;

#[test]
fn trust_stores_follow() {
    let verifying = |stores: &str, mutual_authentication: &str| {
        let listener = SERVERS.replace(
            "        default:",
            &format!("        mutual_authentication: {mutual_authentication}\n        default:"),
        );
        format!("trust_stores: {{ {stores} }}{listener}")
    };
    let verify = "{ mode: verify, trust_store: x }";
    let x = verifying("x: { ca_certificates_bundle: ca.pem }", verify);
    check(SERVERS, &x, &["PutTrustStore", "ModifyListener"]);
    check(&x, SERVERS, &["ModifyListener", "DeleteTrustStore"]);
    let other = verifying("x: { ca_certificates_bundle: other.pem }", verify);
    check(&x, &other, &["PutTrustStore"]);
    let revoking = verifying("x: { ca_certificates_bundle: ca.pem, revocations: ca.crl.pem }", verify);
    check(&x, &revoking, &["PutTrustStore"]);
    let y = verifying(
        "y: { ca_certificates_bundle: ca.pem }",
        "{ mode: verify, trust_store: y }",
    );
    check(
        &x,
        &y,
        &["ModifyListener", "DeleteTrustStore", "PutTrustStore", "ModifyListener"],
    );
    let lenient = x.replace(
        "trust_store: x }",
        "trust_store: x, ignore_client_certificate_expiry: true }",
    );
    check(&x, &lenient, &["ModifyListener"]);
}

#[test]
fn verifying_changes_hands_under_the_limit() {
    let manifest = |verifying: [bool; 4], store: &str| {
        let mut text = format!(
            "trust_stores: {{ {store}: {{ ca_certificates_bundle: ca.pem }} }}\nload_balancers:\n  a:\n    listeners:\n"
        );
        for (port, verifies) in (443..).zip(verifying) {
            let mode = if verifies {
                format!("{{ mode: verify, trust_store: {store} }}")
            } else {
                "passthrough".to_owned()
            };
            let _ = writeln!(
                text,
                "      - {{ port: {port}, protocol: https, certificates: [{{ domain: a.localhost }}], \
                 mutual_authentication: {mode}, default: {{ fixed_response: 404 }} }}"
            );
        }
        text
    };
    let (first, last) = ([true, true, false, false], [false, false, true, true]);
    steps(&manifest(first, "x"), &manifest(last, "x"));
    steps(&manifest(first, "x"), &manifest(last, "y"));
    steps(&manifest(last, "y"), &manifest(first, "x"));
}

#[test]
fn trust_stores_change_names_under_the_limit() {
    let manifest = |from: usize| {
        let stores: String = (from..from + 20).fold(String::new(), |mut all, number| {
            let _ = writeln!(all, "  s{number}: {{ ca_certificates_bundle: ca.pem }}");
            all
        });
        format!("trust_stores:\n{stores}")
    };
    steps(&manifest(0), &manifest(15));
}
