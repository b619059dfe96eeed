//! Mutual TLS: who gets in, what targets are told, and what nobody can make them believe. Source: ALB 6.5.

mod changes;
mod clients;
mod forged;
mod logged;
mod refusals;

use crate::authority::{Authority, as_is, serial_number, trust_store, trust_store_arn, valid};
use crate::relay::origin::{OK, Origin, to};
use crate::secure::*;
use crate::support::*;
use model::elb::listener::MutualAuthentication;
use rustls::HandshakeKind;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

pub(crate) const MTLS: &str = "x-amzn-mtls-";

pub(crate) fn verify() -> MutualAuthentication {
    MutualAuthentication::Verify {
        trust_store: trust_store_arn(),
        ignore_client_certificate_expiry: false,
        advertise_trust_store_ca_names: false,
    }
}

/// A listener that lets in whom this authority vouches for.
pub(crate) fn verifying(setup: Setup, root: &Authority) -> Setup {
    setup.with_tls().asking(verify(), Some(trust_store(&[root], &[])))
}

pub(crate) fn passing(setup: Setup) -> Setup {
    setup.with_tls().asking(MutualAuthentication::Passthrough, None)
}

fn tls13() -> Offer {
    Offer {
        versions: vec![&rustls::version::TLS13],
        ..Offer::default()
    }
}

/// The lines of the head that a target got, without what differs from run to run.
fn head(origin: &Origin) -> Vec<String> {
    let all = origin.received().concat();
    let (head, _) = all.split_once("\r\n\r\n").expect("a head");
    let steady = |line: &str| line.split_once("Root=").map_or(line, |(before, _)| before).to_owned();
    head.lines().map(steady).collect()
}

fn unescaped(value: &str) -> Vec<CertificateDer<'static>> {
    assert!(!value.contains('\n') && !value.contains(' '), "{value}");
    let pem = value.replace("%0A", "\n").replace("%20", " ");
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(Result::unwrap)
        .collect()
}

// ALB-X-008: serial number, issuer, subject, validity and leaf
// ALB-X-010: the validity reads `NotBefore=…Z;NotAfter=…Z`
#[test]
fn a_verified_client_is_told_to_the_target() {
    let root = Authority::root("Root");
    let middle = root.under("Middle", as_is);
    for offer in [tls13(), Offer::tls12()] {
        let client = middle.client("client", |params| {
            serial_number(0xa5b1)(params);
            params.not_before = rcgen::date_time_ymd(2024, 7, 28);
            params.not_after = rcgen::date_time_ymd(2094, 8, 27);
        });
        let leaf = client.chain[0].clone();
        let origin = Origin::answering(OK);
        let server = verifying(to(&[origin.address()]), &root).start();
        let mut client = server.secure(offer.showing(client.with(&[&middle])));
        client.send(b"GET / HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: probe\r\n\r\n");
        assert_eq!(client.response().status, 200);
        let lines = head(&origin);
        let (name, value) = lines[8].split_once(": ").unwrap();
        assert_eq!(name, "X-Amzn-Mtls-Clientcert-Leaf");
        assert_eq!(unescaped(value), [leaf]);
        let others: Vec<_> = lines.iter().filter(|line| *line != &lines[8]).collect();
        assert_eq!(
            others,
            [
                "GET / HTTP/1.1",
                "X-Forwarded-For: 127.0.0.1",
                "X-Forwarded-Proto: https",
                "X-Forwarded-Port: 8080",
                "X-Amzn-Mtls-Clientcert-Serial-Number: A5B1",
                "X-Amzn-Mtls-Clientcert-Issuer: CN=Middle",
                "X-Amzn-Mtls-Clientcert-Subject: CN=client",
                "X-Amzn-Mtls-Clientcert-Validity: NotBefore=2024-07-28T00:00:00Z;NotAfter=2094-08-27T00:00:00Z",
                "Host: shop.example:8080",
                "X-Amzn-Trace-Id: ",
                "User-Agent: probe",
            ]
        );
    }
}

// ALB-X-009: passthrough adds only X-Amzn-Mtls-Clientcert with the whole chain, leaf first
#[test]
fn a_chain_is_passed_through_as_it_came() {
    let root = Authority::root("Nobody Knows Me");
    let middle = root.under("Middle", as_is);
    for offer in [tls13(), Offer::tls12()] {
        let client = middle.client("expired", valid(-3, -2)).with(&[&middle, &root]);
        let chain = client.chain.clone();
        let origin = Origin::answering(OK);
        let server = passing(to(&[origin.address()])).start();
        assert_eq!(server.secure(offer.showing(client)).get().status, 200);
        let lines = head(&origin);
        let shown: Vec<_> = lines
            .iter()
            .filter(|line| line.to_lowercase().starts_with(MTLS))
            .collect();
        let [shown] = &shown[..] else { panic!("{lines:?}") };
        let (name, value) = shown.split_once(": ").unwrap();
        assert_eq!(name, "X-Amzn-Mtls-Clientcert");
        assert_eq!(unescaped(value), chain);
        assert!(lines[4] == **shown && lines[5].starts_with("Host: "), "{lines:?}");
    }
}

#[test]
fn a_long_chain_reaches_the_target_whole() {
    let root = Authority::root("Root");
    let padded = root.client("long", |params| {
        let padding = rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 9999], vec![7; 31_000]);
        params.custom_extensions.push(padding);
    });
    let leaf = padded.chain[0].clone();
    let origin = Origin::answering(OK);
    let server = passing(to(&[origin.address()])).start();
    let mut client = server.secure(Offer::default().showing(padded));
    for _ in 0..3 {
        assert_eq!(client.get().status, 200);
    }
    let received = origin.received().concat();
    let shown = received
        .lines()
        .filter_map(|line| line.strip_prefix("X-Amzn-Mtls-Clientcert: "));
    assert!(shown.map(unescaped).eq([[leaf.clone()], [leaf.clone()], [leaf]]));
}

#[test]
fn without_a_certificate_nothing_is_passed_through() {
    let server = passing(Setup::lambda(false, echo())).start();
    for offer in [tls13(), Offer::tls12()] {
        let event = server.secure(offer).get().json();
        let headers = event["headers"].as_object().unwrap();
        assert!(headers.keys().all(|name| !name.starts_with(MTLS)), "{headers:?}");
    }
}

// ALB-X-012: renaming by listener attribute changes the name that the target sees
#[test]
fn renamed_headers() {
    let root = Authority::root("Root");
    let renaming = |mut setup: Setup, names: &[(&str, &str)]| {
        for (key, name) in names {
            let key = format!("routing.http.request.x_amzn_mtls_clientcert{key}.header_name");
            setup.listener_attributes.set(&key, name, true).unwrap();
        }
        setup
    };
    let names = [
        ("_serial_number", "X-Serial"),
        ("_issuer", "X-Issuer"),
        ("_subject", "X-Who"),
        ("_validity", "X-While"),
        ("_leaf", "X-Leaf"),
    ];
    let server = renaming(verifying(Setup::lambda(false, echo()), &root), &names).start();
    let offer = Offer::default().showing(root.client("client", serial_number(0x77)));
    let event = server.secure(offer).get().json();
    let headers = event["headers"].as_object().unwrap();
    assert_eq!(
        (&headers["x-who"], &headers["x-issuer"]),
        (&"CN=client".into(), &"CN=Root".into())
    );
    assert_eq!(headers["x-serial"], "77");
    assert!(headers["x-while"].as_str().unwrap().starts_with("NotBefore="));
    assert!(headers["x-leaf"].as_str().unwrap().starts_with("-----BEGIN%20"));
    assert!(headers.keys().all(|name| !name.starts_with(MTLS)), "{headers:?}");

    let server = renaming(passing(Setup::lambda(false, echo())), &[("", "X-Chain")]).start();
    let event = server
        .secure(Offer::default().showing(root.client("client", as_is)))
        .get()
        .json();
    let headers = event["headers"].as_object().unwrap();
    assert!(headers["x-chain"].as_str().unwrap().starts_with("-----BEGIN%20"));
    assert!(headers.keys().all(|name| !name.starts_with(MTLS)), "{headers:?}");
}

#[test]
fn every_request_of_a_connection_carries_them() {
    let root = Authority::root("Root");
    let server = verifying(Setup::lambda(false, echo()), &root).start();
    let mut client = server.secure(Offer::default().showing(root.client("client", as_is)));
    for _ in 0..3 {
        let event = client.get().json();
        assert_eq!(event["headers"]["x-amzn-mtls-clientcert-subject"], "CN=client");
    }
}

#[test]
fn sessions_are_not_resumed() {
    let root = Authority::root("Root");
    for setup in [verifying(Setup::default(), &root), passing(Setup::default())] {
        let server = setup.start();
        for offer in [tls13(), Offer::tls12()] {
            let config = offer.showing(root.client("client", as_is)).config();
            for _ in 0..4 {
                let mut client = server.handshake(&config, "shop.example").unwrap();
                assert_eq!(client.get().status, 200);
                assert_eq!(client.stream.conn.handshake_kind(), Some(HandshakeKind::Full));
                assert_eq!(client.stream.conn.tls13_tickets_received(), 0);
            }
        }
        assert!(server.log().iter().all(|line| line[19].starts_with("arn:aws:acm:")));
    }
}
