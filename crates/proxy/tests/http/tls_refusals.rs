//! Handshakes that do not come about: told to the client, counted, and never a line in the access log.

use crate::played::until;
use crate::secure::*;
use crate::support::*;
use std::net::Shutdown;
use std::time::Duration;

const ERRORS: &str = "albacore_proxy_tls_negotiation_errors_total";

/// A ClientHello of TLS 1.2 or older with all that a server asks for.
fn hello(version: [u8; 2]) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([7; 32]); // random
    body.push(0); // no session
    body.extend([0, 4, 0xc0, 0x13, 0xc0, 0x2b]); // ECDHE-RSA-AES128-SHA, ECDHE-ECDSA-AES128-GCM-SHA256
    body.extend([1, 0]); // no compression
    let extensions = [
        &[0, 10, 0, 4, 0, 2, 0, 23][..], // supported_groups: secp256r1
        &[0, 11, 0, 2, 1, 0],            // ec_point_formats: uncompressed
        &[0, 13, 0, 4, 0, 2, 4, 3],      // signature_algorithms: ecdsa_secp256r1_sha256
        &[0, 23, 0, 0],                  // extended_master_secret
    ]
    .concat();
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let mut record = vec![0x16, 3, 1];
    record.extend((body.len() as u16 + 4).to_be_bytes());
    record.extend([1, 0]);
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}

#[test]
fn versions_before_1_2_are_refused_with_an_alert() {
    let shop = ecdsa(1, &["shop.example"]);
    // The policy names TLS 1.0 and 1.1; they are not served.
    let server = Setup::default().secure("ELBSecurityPolicy-2016-08", &[&shop]).start();
    for (count, version) in [[3, 1], [3, 2], [3, 0]].into_iter().enumerate() {
        let answer = server.until_closed(&hello(version));
        assert_eq!((answer[0], answer.len()), (0x15, 7), "{version:?}: {answer:?}");
        assert_eq!(answer[5..], [2, 70], "{version:?}: protocol_version");
        until("counter(ERRORS) == (count + 1) as f64", || {
            server.counter(ERRORS) == (count + 1) as f64
        });
    }
    let mut client = server.connect();
    client.send(&hello([3, 3]));
    assert_eq!(client.some()[0], 0x16, "a ServerHello for TLS 1.2");
    drop(client);
    assert!(server.log().is_empty());
}

#[test]
fn garbage_ends_the_handshake() {
    let server = Setup::default().with_tls().start();
    let cases = [
        vec![0; 100],
        vec![0xff; 20_000],
        b"\x16\x03\x01\x00\x05hello".to_vec(),
        b"\x16\x03\x01\xff\xff".repeat(1000),
        b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10".to_vec(), // the hello of SSL 2
        b"\x15\x03\x01\x00\x02\x02\x28".to_vec(),                 // an alert
        b"\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_vec(),
    ];
    for (count, bytes) in cases.iter().enumerate() {
        let mut client = server.connect();
        let _ = std::io::Write::write_all(&mut client.stream, bytes);
        let _ = client.stream.shutdown(Shutdown::Write);
        let _ = std::io::Read::read_to_end(&mut client.stream, &mut Vec::new());
        until("counter(ERRORS) == (count + 1) as f64", || {
            server.counter(ERRORS) == (count + 1) as f64
        });
    }
    assert_eq!(server.secure(Offer::default()).get().status, 200);
    assert_eq!(server.log().len(), 1);
}

#[test]
fn half_a_hello_and_the_end() {
    let server = Setup::default().with_tls().start();
    let hello = hello([3, 3]);
    for length in [1, 4, 5, 6, 20, hello.len() - 1] {
        let mut client = server.connect();
        client.send(&hello[..length]);
        client.stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.rest(), b"", "{length}");
    }
    until("counter(ERRORS) == 6.0", || server.counter(ERRORS) == 6.0);
    // Whoever says nothing at all has not tried a handshake.
    let mut client = server.connect();
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"");
    assert_eq!(server.counter(ERRORS), 6.0);
}

#[test]
fn a_handshake_has_a_deadline() {
    let mut setup = Setup::default().with_tls();
    setup.limits.handshake_timeout = Duration::from_millis(300);
    let server = setup.start();
    let hello = hello([3, 3]);
    let mut silent = server.connect();
    let mut half = server.connect();
    half.send(&hello[..hello.len() / 2]);
    let mut answered = server.connect();
    answered.send(&hello);
    assert_eq!((silent.rest(), half.rest()), (Vec::new(), Vec::new()));
    assert_eq!(
        answered.rest()[0],
        0x16,
        "a ServerHello, and nothing after the deadline"
    );
    until("counter(ERRORS) == 2.0", || server.counter(ERRORS) == 2.0);
    until("proxy.connections() == 0", || server.proxy.connections() == 0);
}

#[test]
fn a_hello_that_comes_byte_by_byte() {
    let server = Setup::default().with_tls().start();
    let mut client = server.connect();
    for byte in hello([3, 3]) {
        client.send(&[byte]);
    }
    assert_eq!(client.some()[0], 0x16);
}

#[test]
fn a_suite_that_is_not_served() {
    let server = Setup::default().with_tls().start();
    let offer = Offer::tls12().only_suites(|suite| format!("{suite:?}").contains("CHACHA20"));
    let refused = server.handshake(&offer.config(), "shop.example").err().unwrap();
    assert!(refused.to_string().contains("HandshakeFailure"), "{refused}");
    until("counter(ERRORS) == 1.0", || server.counter(ERRORS) == 1.0);
}

#[test]
fn clear_text_on_a_tls_port_is_answered_in_clear_text() {
    let server = Setup::default().with_tls().start();
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(100_000));
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "G",
        &long,
    ] {
        let mut client = server.connect();
        client.send(request.as_bytes());
        let response = client.response();
        assert_eq!((response.status, response.body.len()), (400, 122), "{request:.50}");
        assert_eq!(response.header("connection"), Some("close"), "{request:.50}");
        assert_eq!(client.rest(), b"", "{request:.50}");
    }
    assert_eq!(server.counter(ERRORS), 0.0);
    let log = server.log();
    assert_eq!(log.len(), 5);
    let dns_name = "shop-123456789.us-east-1.elb.localhost";
    for line in log {
        assert_eq!(
            (&*line[0], &*line[8], &*line[12]),
            ("https", "400", &*format!("- https://{dns_name}:8080- -"))
        );
        assert_eq!((&*line[14], &*line[15]), ("-", "-"));
    }
}
