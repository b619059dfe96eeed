//! Which certificate, version and suite a client gets, and what the log says about it.

use crate::played::until;
use crate::secure::*;
use crate::support::*;
use rustls::{CipherSuite, HandshakeKind, SignatureScheme};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

/// Lower-case names of rustls's suites begin like this for certificates with RSA keys.
fn is_rsa(suite: CipherSuite) -> bool {
    format!("{suite:?}").starts_with("TLS_ECDHE_RSA_")
}

// ALB-X-001: SNI without a match gets the default certificate
#[test]
fn sni_chooses_the_certificate() {
    let default = ecdsa(1, &["default.example"]);
    let wildcard = ecdsa(2, &["*.wild.example"]);
    let exact = ecdsa(3, &["a.example", "deep.er.wild.example"]);
    let server = Setup::default().secure(POLICY, &[&default, &wildcard, &exact]).start();
    let config = Offer::default().config();
    for (name, expected) in [
        ("default.example", &default),
        ("nobody.example", &default),
        ("127.0.0.1", &default), // no SNI for addresses
        ("x.wild.example", &wildcard),
        ("X.Wild.Example", &wildcard),
        ("wild.example", &default),
        ("x.y.wild.example", &default),
        ("a.example", &exact),
        ("deep.er.wild.example", &exact),
    ] {
        let client = server.handshake(&config, name).unwrap();
        assert!(client.leaf() == leaf_of(expected), "{name}");
    }
}

// ALB-X-002: with ECDSA and RSA certificates for one name, an ECDSA-capable client gets ECDSA
#[test]
fn the_best_certificate_that_the_client_can_use() {
    let (small, large) = (rsa(1, "shop.example"), ecdsa(2, &["shop.example"]));
    let server = Setup::default().secure(POLICY, &[&small, &large]).start();
    let rsa_schemes = || -> Vec<SignatureScheme> {
        let all = Offer::default().schemes;
        all.into_iter()
            .filter(|scheme| format!("{scheme:?}").starts_with("RSA"))
            .collect()
    };
    let without_ecdsa = |offer: Offer| Offer {
        schemes: rsa_schemes(),
        ..offer
    };
    for (client, offer, expected) in [
        ("both, 1.3", Offer::default(), &large),
        ("both, 1.2", Offer::tls12(), &large),
        ("no ECDSA signatures, 1.3", without_ecdsa(Offer::default()), &small),
        ("no ECDSA signatures, 1.2", without_ecdsa(Offer::tls12()), &small),
        (
            "ECDSA signatures but only RSA suites",
            Offer::tls12().only_suites(is_rsa),
            &small,
        ),
    ] {
        assert!(server.secure(offer).leaf() == leaf_of(expected), "{client}");
    }
}

// ALB-X-003: the server's cipher order decides
#[test]
fn the_servers_order_decides() {
    let server = Setup::default().with_tls().start();
    for versions in [vec![&rustls::version::TLS13], vec![&rustls::version::TLS12]] {
        let mut offer = Offer {
            versions,
            ..Offer::default()
        };
        let first = server.secure(Offer {
            versions: offer.versions.clone(),
            ..Offer::default()
        });
        offer.provider.cipher_suites.reverse();
        assert_eq!(server.secure(offer).suite(), first.suite());
        assert!(
            format!("{:?}", first.suite()).contains("AES_128_GCM"),
            "{:?}",
            first.suite()
        );
    }
}

// ALB-X-004: a policy with TLS 1.3 alone refuses TLS 1.2 clients
#[test]
fn a_policy_with_tls_1_3_alone() {
    let shop = ecdsa(1, &["shop.example"]);
    let server = Setup::default()
        .secure("ELBSecurityPolicy-TLS13-1-3-2021-06", &[&shop])
        .start();
    let refused = server
        .handshake(&Offer::tls12().config(), "shop.example")
        .err()
        .unwrap();
    assert!(refused.to_string().contains("ProtocolVersion"), "{refused}");
    until("counter(albacore_proxy_tls_negotiation_errors_total) == 1.0", || {
        server.counter("albacore_proxy_tls_negotiation_errors_total") == 1.0
    });
    assert_eq!(server.secure(Offer::default()).get().status, 200);
    assert_eq!(server.log().len(), 1);
}

// ALB-X-006: without http2 there is no h2 in ALPN
#[test]
fn alpn() {
    let with = Setup::default().with_tls().start();
    let without = Setup::default()
        .attribute("routing.http2.enabled", "false")
        .with_tls()
        .start();
    for (offered, expected, expected_without) in [
        (&["h2", "http/1.1"][..], Some("h2"), Some("http/1.1")),
        (&["http/1.1", "h2"], Some("h2"), Some("http/1.1")),
        (&["http/1.1"], Some("http/1.1"), Some("http/1.1")),
        (&["spdy/3", "http/1.1"], Some("http/1.1"), Some("http/1.1")),
        (&[], None, None),
        (&["spdy/3"], None, None),
        (&["h2"], Some("h2"), None),
    ] {
        for (server, expected) in [(&with, expected), (&without, expected_without)] {
            let mut client = server.secure(Offer::alpn(offered));
            let agreed = client.stream.conn.alpn_protocol().map(<[u8]>::to_vec);
            assert_eq!(agreed.as_deref(), expected.map(str::as_bytes), "{offered:?}");
            if agreed.as_deref() != Some(b"h2") {
                assert_eq!(client.get().status, 200, "{offered:?}");
            }
        }
    }
}

#[test]
fn a_replaced_certificate_serves_the_next_handshake() {
    let old = ecdsa(1, &["shop.example"]);
    let new = ecdsa(1, &["shop.example"]);
    assert!(leaf_of(&old) != leaf_of(&new));
    let server = Setup::default().secure(POLICY, &[&old]).start();
    let mut open = server.secure(Offer::default());
    assert_eq!(open.get().status, 200);
    let changed = Setup::default().secure(POLICY, &[&new]).commands();
    server.proxy.apply(&state_of(&changed)).unwrap();
    assert!(server.secure(Offer::default()).leaf() == leaf_of(&new));
    assert_eq!(open.get().status, 200);
    assert!(open.leaf() == leaf_of(&old));
}

// ALB 6.1: new handshakes use the new certificate, and requests in flight are unaffected.
#[test]
fn certificates_change_under_load() {
    let certificates = [
        ecdsa(1, &["shop.example"]),
        ecdsa(1, &["shop.example"]),
        rsa(1, "shop.example"),
    ];
    let leaves: Vec<_> = certificates.iter().map(leaf_of).collect();
    let setup = |at: usize| Setup::default().secure(POLICY, &[&certificates[at % 3]]);
    let mut first = setup(0);
    first.cores = 2;
    let server = first.start();
    let (over, address) = (AtomicBool::new(false), server.address);
    std::thread::scope(|scope| {
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(scope.spawn(|| {
                let config = Offer::default().config();
                let mut seen = BTreeSet::new();
                let mut kept = handshake(address, &config, "shop.example").unwrap();
                let first = kept.leaf().to_vec();
                while !over.load(Ordering::Relaxed) || seen.len() < 2 {
                    let mut client = handshake(address, &config, "shop.example").unwrap();
                    assert_eq!((client.get().status, kept.get().status), (200, 200));
                    seen.extend(leaves.iter().position(|leaf| client.leaf() == leaf));
                }
                assert!(kept.leaf() == first, "a connection keeps its certificate");
                seen.len()
            }));
        }
        for at in 1..40 {
            server.proxy.apply(&state_of(&setup(at).commands())).unwrap();
            // The new one serves from the next handshake on.
            assert!(server.secure(Offer::default()).leaf() == leaves[at % 3]);
        }
        over.store(true, Ordering::Relaxed);
        assert!(seen.into_iter().all(|thread| thread.join().unwrap() > 1));
    });
    assert_eq!(server.counter("albacore_proxy_tls_negotiation_errors_total"), 0.0);
}

#[test]
fn sessions_are_resumed_on_every_core() {
    let mut setup = Setup::default().with_tls();
    setup.cores = 2;
    let server = setup.start();
    for offer in [Offer::default(), Offer::tls12()] {
        let config = offer.config();
        // More than enough connections for both cores to see both kinds.
        for round in 0..24 {
            let mut client = server.handshake(&config, "shop.example").unwrap();
            assert_eq!(client.get().status, 200);
            let kind = client.stream.conn.handshake_kind().unwrap();
            assert_eq!(kind == HandshakeKind::Resumed, round > 0, "round {round}: {kind:?}");
        }
        // A ticket is for the name it was given to.
        let other = server.handshake(&config, "other.example").unwrap();
        assert_ne!(other.stream.conn.handshake_kind(), Some(HandshakeKind::Resumed));
    }
    let log = server.log();
    assert_eq!(log.iter().filter(|line| line[19] == "session-reused").count(), 46);
    assert_eq!(
        log.iter().filter(|line| line[19].starts_with("arn:aws:acm:")).count(),
        2
    );
}

// ALB-H-017: x-amzn-tls-* headers only after enabling the attribute
#[test]
fn tls_headers_and_log_fields() {
    let certificate = ecdsa(7, &["shop.example"]);
    let version = "x-amzn-tls-version";
    for enabled in [false, true] {
        let setup = Setup::lambda(false, echo()).secure(POLICY, &[&certificate]);
        let attribute = "routing.http.x_amzn_tls_version_and_cipher_suite.enabled";
        let server = setup.attribute(attribute, &enabled.to_string()).start();
        for (offer, suite, protocol) in [
            (Offer::default(), "TLS_AES_128_GCM_SHA256", "TLSv1.3"),
            (Offer::tls12(), "ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2"),
        ] {
            let event = server.secure(offer).get().json();
            let headers = &event["headers"];
            if enabled {
                assert_eq!(
                    (&headers[version], &headers["x-amzn-tls-cipher-suite"]),
                    (&protocol.into(), &suite.into())
                );
            } else {
                assert!(headers.get(version).is_none(), "{headers}");
            }
            assert_eq!(headers["x-forwarded-proto"], "https");
        }
        assert_eq!(
            server
                .handshake(&Offer::default().config(), "x.example")
                .unwrap()
                .get()
                .status,
            200
        );
        let log = server.log();
        let tls_fields: Vec<_> = log
            .iter()
            .map(|line| (&*line[14], &*line[15], &*line[18], &*line[19]))
            .collect();
        let arn = certificate.arn.as_str();
        assert_eq!(
            tls_fields,
            [
                ("TLS_AES_128_GCM_SHA256", "TLSv1.3", "shop.example", arn),
                ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2", "shop.example", arn),
                ("TLS_AES_128_GCM_SHA256", "TLSv1.3", "-", arn),
            ]
        );
        assert!(log.iter().all(|line| line[0] == "https"));
        assert!(
            log[0][12].starts_with("GET https://shop.example:8080/ HTTP/1.1"),
            "{}",
            log[0][12]
        );
    }
}

#[test]
fn a_client_of_openssl_is_served() {
    let shop = rsa(1, "shop.example");
    for (policy, options, expected) in [
        (
            "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
            &[
                "-tls1_2",
                "-cipher",
                "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256",
            ][..],
            "ECDHE-RSA-AES128-GCM-SHA256",
        ),
        (
            "ELBSecurityPolicy-TLS13-1-3-2021-06",
            &[
                "-tls1_3",
                "-ciphersuites",
                "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384",
            ],
            "TLS_AES_256_GCM_SHA384",
        ),
        ("ELBSecurityPolicy-2016-08", &[], "ECDHE-RSA-AES128-GCM-SHA256"),
    ] {
        let server = Setup::default().secure(policy, &[&shop]).start();
        let mut child = std::process::Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &server.address.to_string()])
            .args(["-servername", "shop.example"])
            .args(options)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        std::io::Write::write_all(
            &mut input,
            b"GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
        )
        .unwrap();
        // Its end of input stays open until it has read the answer: otherwise it closes before.
        let output = std::thread::spawn(move || child.wait_with_output().unwrap())
            .join()
            .unwrap();
        drop(input);
        let answer = String::from_utf8_lossy(&output.stdout);
        assert!(
            answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("default"),
            "{answer} {output:?}"
        );
        let log = server.log();
        assert_eq!(log[0][14], expected);
    }
}

#[test]
fn many_handshakes_at_once() {
    let server = Setup::default().with_tls().start();
    let address = server.address;
    let config = Offer::default().config();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(handshake(address, &config, "shop.example").unwrap().get().status, 200);
                }
            });
        }
    });
    assert_eq!(server.counter("albacore_proxy_tls_negotiation_errors_total"), 0.0);
    assert_eq!(server.counter("albacore_proxy_new_connections_total"), 160.0);
}
