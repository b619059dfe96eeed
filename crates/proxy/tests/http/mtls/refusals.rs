//! Clients that do not get in. What each refusal is called in the connection log is tested beside the code, and in `logged`.

use super::*;
use crate::authority::Client as Shown;
use crate::played::until;
use model::{Command, Context, decide};
use rcgen::{CustomExtension, ExtendedKeyUsagePurpose, KeyPair};
use rustls::AlertDescription as Alert;
use std::io::{Read, Write};

const ERRORS: &str = "albacore_proxy_tls_negotiation_errors_total";

/// The alert that ends the handshake. In TLS 1.3 the client believes to be through before it comes.
fn alert(server: &Server, offer: Offer) -> Option<Alert> {
    let refused = match server.handshake(&offer.config(), "shop.example") {
        Err(refused) => refused,
        Ok(mut client) => {
            let _ = client.stream.write_all(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"); // it may be closed
            let mut bytes = Vec::new();
            let refused = client.stream.read_to_end(&mut bytes).expect_err("it is not let in");
            assert!(bytes.is_empty(), "not a byte of HTTP: {bytes:?}");
            refused
        }
    };
    match refused
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(rustls::Error::AlertReceived(alert)) => Some(*alert),
        _ => None,
    }
}

fn versions() -> [fn() -> Offer; 2] {
    [tls13, Offer::tls12]
}

// ALB-X-007: verify without a client certificate fails in the handshake and produces no access-log line
#[test]
fn a_client_without_a_certificate() {
    let root = Authority::root("Root");
    let server = verifying(Setup::default(), &root).start();
    for offer in versions() {
        assert_eq!(alert(&server, offer()), Some(Alert::CertificateRequired));
    }
    until("both are counted", || server.counter(ERRORS) == 2.0);
    assert!(server.log().is_empty());
}

#[test]
fn clients_whose_certificate_is_no_good() {
    let root = Authority::root("Root");
    let other = Authority::root("Other");
    let fake = root.under("No Authority", |params| params.is_ca = rcgen::IsCa::ExplicitNoCa);
    let one = root.under("One", as_is);
    let self_signed = || {
        let no_authority = |params: &mut rcgen::CertificateParams| params.is_ca = rcgen::IsCa::NoCa;
        Authority::root_with("alone", crate::authority::key(), no_authority).shown()
    };
    let garbage = || Shown {
        chain: vec![CertificateDer::from(b"garbage".to_vec())],
        ..root.client("x", as_is)
    };
    let thief = || Shown {
        key: root.client("x", as_is).key,
        ..root.client("stolen", as_is)
    };
    let servers_own = || {
        root.client("server", |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        })
    };
    let large = |bytes: usize| {
        root.client("large", |params| {
            let padding = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 9999], vec![0; bytes]);
            params.custom_extensions.push(padding);
        })
    };
    let huge = || {
        let mut huge = large(60_000);
        huge.chain.push(large(60_000).chain.remove(0));
        huge
    };
    type Case<'a> = (&'a str, &'a dyn Fn() -> Shown, Option<Alert>);
    let cases: [Case<'_>; 14] = [
        ("self-signed", &self_signed, Some(Alert::UnknownCA)),
        (
            "of another authority",
            &|| other.client("a", as_is),
            Some(Alert::UnknownCA),
        ),
        (
            "expired",
            &|| root.client("a", valid(-3, -2)),
            Some(Alert::CertificateExpired),
        ),
        (
            "not yet valid",
            &|| root.client("a", valid(2, 3)),
            Some(Alert::CertificateExpired),
        ),
        (
            "revoked",
            &|| root.client("a", serial_number(666)),
            Some(Alert::CertificateRevoked),
        ),
        (
            "of no authority",
            &|| fake.client("a", as_is).with(&[&fake]),
            Some(Alert::UnknownCA),
        ),
        (
            "without the authority between",
            &|| one.client("a", as_is),
            Some(Alert::UnknownCA),
        ),
        (
            "five certificates",
            &|| root.client("a", as_is).with(&[&one, &one, &one, &one]),
            Some(Alert::UnknownCA),
        ),
        ("for servers", &servers_own, Some(Alert::UnsupportedCertificate)),
        ("garbage", &garbage, Some(Alert::BadCertificate)),
        ("not its own", &thief, Some(Alert::DecryptError)),
        ("large", &|| large(40_000), Some(Alert::BadCertificate)),
        ("larger than a certificate can be", &|| large(70_000), None),
        ("larger than a message can be", &huge, None),
    ];
    let store = trust_store(&[&root], &[root.revokes(&[666]), other.revokes(&[1])]);
    let server = Setup::default().with_tls().asking(verify(), Some(store)).start();
    let mut refused = 0.0;
    for (what, client, expected) in cases {
        for offer in versions() {
            let got = alert(&server, offer().showing(client()));
            assert!(got == expected || expected.is_none(), "{what}: {got:?}");
            refused += 1.0;
            until(what, || server.counter(ERRORS) == refused);
        }
    }
    for offer in versions() {
        let good = offer().showing(root.client("good", serial_number(1)));
        assert_eq!(
            server.secure(good).get().status,
            200,
            "another authority's list does not count"
        );
    }
    assert_eq!(server.counter("albacore_proxy_new_connections_total"), refused + 2.0);
    until("nobody is left", || server.proxy.connections() == 0);
    assert_eq!(server.log().len(), 2);
}

#[test]
fn keys_that_are_not_accepted() {
    let root = Authority::root("Root");
    let edwards = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    // Such a client is told that its key cannot be used, and shows nothing.
    for setup in [verifying(Setup::default(), &root), passing(Setup::default())] {
        let passes = matches!(&setup.protocol, model::elb::listener::ListenerProtocol::Https(tls) if tls.mutual_authentication == MutualAuthentication::Passthrough);
        let server = setup.start();
        for offer in versions() {
            let client = root.client_with("edwards", &edwards, as_is);
            match passes {
                true => assert_eq!(server.secure(offer().showing(client)).get().status, 200),
                false => assert!(alert(&server, offer().showing(client)).is_some()),
            }
        }
    }
}

#[test]
fn a_chain_that_is_passed_through_must_be_its_clients_own() {
    let root = Authority::root("Root");
    let server = passing(Setup::default()).start();
    for offer in versions() {
        let thief = Shown {
            key: root.client("x", as_is).key,
            ..root.client("stolen", as_is)
        };
        assert_eq!(alert(&server, offer().showing(thief)), Some(Alert::DecryptError));
        let garbage = Shown {
            chain: vec![CertificateDer::from(vec![0x30; 1000])],
            ..root.client("x", as_is)
        };
        assert_eq!(alert(&server, offer().showing(garbage)), Some(Alert::BadCertificate));
        let many: Vec<_> = (0..20).map(|_| &root).collect();
        assert!(alert(&server, offer().showing(root.client("a", as_is).with(&many))).is_some());
    }
    until("all are counted", || server.counter(ERRORS) == 6.0);
    assert!(server.log().is_empty());
}

// ALB-X-013: a trust store in use cannot be deleted
#[test]
fn a_trust_store_in_use_stays() {
    let root = Authority::root("Root");
    let setup = verifying(Setup::default(), &root);
    let state = state_of(&setup.commands());
    let delete = Command::DeleteTrustStore(trust_store_arn());
    let refused = decide(&state, &delete, &Context::default()).unwrap_err();
    assert!(
        refused.to_string().contains("in use") || refused.to_string().contains("used"),
        "{refused}"
    );
    let unused = Setup::default()
        .with_tls()
        .asking(MutualAuthentication::Passthrough, Some(trust_store(&[&root], &[])));
    assert!(decide(&state_of(&unused.commands()), &delete, &Context::default()).is_ok());
}
