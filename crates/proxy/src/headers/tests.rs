use super::*;
use crate::connection::Peer;
use crate::trace::Random;
use std::time::Instant;

fn host_on(port: u16, host: &str) -> String {
    let mut out = Vec::new();
    with_port_rule(host.as_bytes(), port, &mut out);
    String::from_utf8(out).unwrap()
}

// ALB-H-007: on port 80 `example.com:80` is sent as `example.com`
// ALB-H-008: on port 8080 `example.com` is sent as `example.com:8080`
// ALB-H-011: host names are lower-cased
#[test]
fn the_port_rule() {
    for (port, host, sent) in [
        (80, "example.com", "example.com"),
        (80, "example.com:80", "example.com"),
        (80, "example.com:8080", "example.com"),
        (443, "Example.COM:443", "example.com"),
        (8080, "example.com", "example.com:8080"),
        (8080, "example.com:8080", "example.com:8080"),
        (8080, "Example.com:80", "example.com:80"),
        (8080, "[2001:DB8::1]", "[2001:db8::1]:8080"),
        (8080, "[2001:db8::1]:9", "[2001:db8::1]:9"),
        (80, "[2001:db8::1]:80", "[2001:db8::1]"),
        (8080, "", ""),
        (80, "", ""),
    ] {
        assert_eq!(host_on(port, host), sent, "{host} on {port}");
    }
}

// ALB-H-003: with the client's port IPv4 is `ip:port` and IPv6 is `[ip]:port`
#[test]
fn addresses() {
    for (address, bare, with_port) in [
        ("203.0.113.9:51234", "203.0.113.9", "203.0.113.9:51234"),
        ("255.255.255.255:65535", "255.255.255.255", "255.255.255.255:65535"),
        ("0.0.0.0:0", "0.0.0.0", "0.0.0.0:0"),
        ("[2001:db8::1]:443", "2001:db8::1", "[2001:db8::1]:443"),
        ("[::ffff:192.0.2.1]:80", "192.0.2.1", "192.0.2.1:80"),
    ] {
        let peer = Peer::new(address.parse().unwrap(), 80, Instant::now(), &Random::new(1));
        let mut out = Vec::new();
        peer.push_ip(&mut out);
        out.push(b' ');
        peer.push_address(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{bare} {with_port}"));
    }
}

#[test]
fn what_a_header_can_carry() {
    assert!(is_sendable(b"") && is_sendable(b"a\tb \x01\xff"));
    for value in [&b"a\r"[..], b"\nb", b"\0"] {
        assert!(!is_sendable(value), "{value:?}");
    }
}
