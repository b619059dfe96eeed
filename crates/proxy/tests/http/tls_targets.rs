//! TLS towards targets, end to end. What is offered under which policy, and which certificates are taken, is tested beside
//! the code. Source: ALB 4.3, 6.3.

use crate::authority::{self, Authority, as_is, valid};
use crate::played::until;
use crate::relay::origin::{GET, Line, OK, Origin, group};
use crate::secure::*;
use crate::support::*;
use model::elb::target_group::TargetProtocol;
use rustls::crypto::aws_lc_rs;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a target saw of its client.
#[derive(Clone, Debug, PartialEq)]
struct Shaken {
    version: ProtocolVersion,
    kind: HandshakeKind,
    server_name: Option<String>,
    alpn: Option<Vec<u8>>,
}

/// A target that speaks TLS and shows such a certificate, whatever it is worth.
struct TlsTarget {
    origin: Origin,
    seen: Arc<Mutex<Vec<Shaken>>>,
}

impl TlsTarget {
    fn showing(shown: authority::Client) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let key = provider.key_provider.load_private_key(shown.key).unwrap();
        let resolver = SingleCertAndKey::from(CertifiedKey::new(shown.chain, key));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = Arc::new(config);
        let seen: Arc<Mutex<Vec<Shaken>>> = Arc::default();
        let told = seen.clone();
        let origin = Origin::playing(move |line| drop(serve(line, &config, &told)));
        Self { origin, seen }
    }

    fn seen(&self) -> Vec<Shaken> {
        self.seen.lock().unwrap().clone()
    }
}

/// One request after a handshake. Health checks come this way too.
fn serve(line: &mut Line, config: &Arc<ServerConfig>, seen: &Mutex<Vec<Shaken>>) -> std::io::Result<()> {
    let mut session = ServerConnection::new(config.clone()).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut line.stream)?;
    }
    seen.lock().unwrap().push(Shaken {
        version: session.protocol_version().unwrap(),
        kind: session.handshake_kind().unwrap(),
        server_name: session.server_name().map(|name| format!("{name:?}")),
        alpn: session.alpn_protocol().map(<[u8]>::to_vec),
    });
    let mut stream = StreamOwned::new(session, &mut line.stream);
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    stream.write_all(&OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").into_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// All requests go to this server, over TLS.
fn to(address: SocketAddr) -> Setup {
    Setup {
        default: forward(&[("web", 1)], None),
        extra: vec![group("web", &[address], |servers| {
            servers.protocol = TargetProtocol::Https;
        })],
        ..Setup::default()
    }
}

/// Of an authority that nobody has heard of.
fn unknown() -> authority::Client {
    Authority::root("Nobody Knows Me").client("somebody.else", as_is)
}

// ALB-H-041: self-signed target certificates are accepted
#[test]
fn a_certificate_that_nobody_vouches_for() {
    let expired = Authority::root("Old").client("old", valid(-3, -2));
    for shown in [Authority::root("alone").shown(), unknown(), expired] {
        let target = TlsTarget::showing(shown);
        let server = to(target.origin.address()).start();
        assert_eq!(server.get("/").text(), "ok");
        let [seen] = &target.seen()[..] else {
            panic!("{:?}", target.seen())
        };
        assert_eq!((&seen.server_name, &seen.alpn), (&None, &None));
    }
}

#[test]
fn the_version_follows_the_listeners_policy() {
    for (policy, version) in [
        (None, ProtocolVersion::TLSv1_2),
        (Some("ELBSecurityPolicy-2016-08"), ProtocolVersion::TLSv1_2),
        (Some("ELBSecurityPolicy-TLS13-1-3-2021-06"), ProtocolVersion::TLSv1_3),
        (Some("ELBSecurityPolicy-TLS13-1-2-PQ-2025-09"), ProtocolVersion::TLSv1_3),
    ] {
        let target = TlsTarget::showing(unknown());
        let setup = to(target.origin.address());
        let body = match policy {
            None => setup.start().get("/").body,
            Some(policy) => {
                let server = setup.secure(policy, &[&ecdsa(1, &["shop.example"])]).start();
                server.secure(Offer::default()).get().body
            }
        };
        assert_eq!(
            (&body[..], target.seen()[0].version),
            (&b"ok"[..], version),
            "{policy:?}"
        );
    }
}

#[test]
fn sessions_are_resumed() {
    let target = TlsTarget::showing(unknown());
    let server = to(target.origin.address()).start();
    for _ in 0..3 {
        assert_eq!(server.get("/").text(), "ok");
    }
    let kinds: Vec<_> = target.seen().iter().map(|seen| seen.kind).collect();
    assert_eq!(
        kinds,
        [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed]
    );
}

#[test]
fn handshakes_that_do_not_come_about() {
    const ERRORS: &str = "albacore_proxy_target_tls_negotiation_errors_total";
    let thief = authority::Client {
        key: unknown().key,
        ..unknown()
    };
    let thief = TlsTarget::showing(thief);
    let clear_text = Origin::playing(|line| {
        line.bytes(5);
        line.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        line.rest();
    });
    let closing = Origin::playing(|_| {});
    let silent = Origin::playing(|line| drop(line.rest()));
    for (address, status) in [
        (thief.origin.address(), 502),
        (clear_text.address(), 502),
        (closing.address(), 502),
        (silent.address(), 504),
    ] {
        let mut setup = to(address);
        setup.limits.target_handshake_timeout = Duration::from_millis(300);
        let server = setup.start();
        assert_eq!(server.ask(GET).status, status);
        until("it is counted", || server.counter(ERRORS) == 1.0);
        let log = server.log();
        assert_eq!((&*log[0][8], &*log[0][9]), (&*status.to_string(), "-"));
    }
}
