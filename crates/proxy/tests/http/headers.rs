//! Request headers towards a function, seen in its event.

use crate::played::*;
use crate::support::*;
use serde_json::{Value, json};

fn headers_of(server: &Server, request: &str) -> Value {
    server.ask(request).json()["headers"].clone()
}

fn server(attributes: &[(&str, &str)]) -> Server {
    let setup = Setup::lambda(false, echo());
    attributes
        .iter()
        .fold(setup, |setup, (key, value)| setup.attribute(key, value))
        .start()
}

const PRESERVE_HOST: (&str, &str) = ("routing.http.preserve_host_header.enabled", "true");
const XFF_MODE: &str = "routing.http.xff_header_processing.mode";
const XFF_PORT: (&str, &str) = ("routing.http.xff_client_port.enabled", "true");
const DROP_INVALID: (&str, &str) = ("routing.http.drop_invalid_header_fields.enabled", "true");

// ALB-H-008: on port 8080 a Host without a port gets it
// ALB-H-009: with preserve-host it is untouched
// ALB-H-010: an absolute-form target replaces Host unless it is preserved
// ALB-H-011: host names are lower-cased
// ALB-H-012: HTTP/1.0 without Host has the DNS name
// ALB-H-052: Shop.EXAMPLE becomes shop.example:8080, with preserve-host it stays
#[test]
fn host_on_port_8080() {
    let (rewriting, preserving) = (server(&[]), server(&[PRESERVE_HOST]));
    for (request, rewritten, preserved) in [
        (
            "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
            "example.com:8080",
            "example.com",
        ),
        (
            "GET / HTTP/1.1\r\nHost: example.com:8080\r\n\r\n",
            "example.com:8080",
            "example.com:8080",
        ),
        (
            "GET / HTTP/1.1\r\nHost: Shop.EXAMPLE\r\n\r\n",
            "shop.example:8080",
            "Shop.EXAMPLE",
        ),
        (
            "GET / HTTP/1.1\r\nHost: [2001:DB8::1]\r\n\r\n",
            "[2001:db8::1]:8080",
            "[2001:DB8::1]",
        ),
        (
            "GET http://Dns.Name/x HTTP/1.1\r\nHost: example.com\r\n\r\n",
            "dns.name:8080",
            "example.com",
        ),
    ] {
        assert_eq!(headers_of(&rewriting, request)["host"], rewritten, "{request}");
        assert_eq!(headers_of(&preserving, request)["host"], preserved, "{request}");
    }
    let without = headers_of(&rewriting, "GET / HTTP/1.0\r\n\r\n");
    assert_eq!(without["host"], "shop-123456789.us-east-1.elb.localhost");
    // An empty Host names nobody.
    let empty = headers_of(&rewriting, "GET / HTTP/1.1\r\nHost:\r\n\r\n");
    assert_eq!(empty["host"], "shop-123456789.us-east-1.elb.localhost");
}

// ALB-H-007: on port 80 the port of Host is removed
// ALB-H-009: with preserve-host it is untouched
#[test]
fn host_on_port_80() {
    let on_80 = |attributes: &[(&str, &str)]| {
        let mut setup = Setup::lambda(false, echo());
        setup.port = 80;
        attributes
            .iter()
            .fold(setup, |setup, (key, value)| setup.attribute(key, value))
            .start()
    };
    let (rewriting, preserving) = (on_80(&[]), on_80(&[PRESERVE_HOST]));
    for (host, rewritten) in [
        ("example.com:80", "example.com"),
        ("Example.com", "example.com"),
        ("example.com:8080", "example.com"),
    ] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let headers = headers_of(&rewriting, &request);
        assert_eq!(
            (&headers["host"], &headers["x-forwarded-port"]),
            (&json!(rewritten), &json!("80"))
        );
        assert_eq!(headers_of(&preserving, &request)["host"], host);
    }
}

// ALB-C-031: with preserve-host and two Host headers rules use the first, and both are forwarded
#[test]
fn two_hosts() {
    let mut setup = Setup::lambda(true, echo()).attribute(PRESERVE_HOST.0, PRESERVE_HOST.1);
    let host = |text: &str| model::elb::condition::pattern::HostPattern::try_from(text).unwrap();
    let condition = |text| {
        model::elb::condition::Condition::HostHeader(model::elb::condition::Alternatives::Values(vec![host(text)]))
    };
    setup = setup
        .rule(1, vec![condition("b.example")], fixed(200, "the second"))
        .rule(2, vec![condition("a.example")], forward(&[("orders", 1)], None));
    setup.default = fixed(200, "neither");
    let server = setup.start();
    let response = server.ask("GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n");
    assert_eq!(
        response.json()["multiValueHeaders"]["host"],
        json!(["a.example", "b.example"])
    );
}

// ALB-H-001: X-Forwarded-For is made when absent and extended when present
// ALB-H-005: X-Forwarded-Proto and -Port are ours
#[test]
fn forwarded_headers_in_append_mode() {
    let server = server(&[]);
    for (lines, expected) in [
        ("", "127.0.0.1"),
        ("X-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7, 127.0.0.1"),
        ("x-forwarded-for: a, b\r\nX-FORWARDED-FOR: c\r\n", "a, b, c, 127.0.0.1"),
        ("X-Forwarded-For:\r\n", "127.0.0.1"),
    ] {
        let headers = headers_of(
            &server,
            &format!("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n{lines}\r\n"),
        );
        assert_eq!(headers["x-forwarded-for"], expected);
        assert_eq!(
            (&headers["x-forwarded-proto"], &headers["x-forwarded-port"]),
            (&json!("http"), &json!("8080"))
        );
    }
}

// ALB-H-002: in preserve mode the header is not touched
// ALB-H-004: the client's port changes nothing in preserve and remove modes
// ALB-L-023: in remove mode the event has no x-forwarded-for
#[test]
fn forwarded_for_in_other_modes() {
    for port in [None, Some(XFF_PORT)] {
        let with = |mode| server(&[Some((XFF_MODE, mode)), port].into_iter().flatten().collect::<Vec<_>>());
        let (preserve, remove) = (with("preserve"), with("remove"));
        let sent = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4 ,  x\r\n\r\n";
        let none = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(headers_of(&preserve, sent)["x-forwarded-for"], "1.2.3.4 ,  x");
        for headers in [
            headers_of(&preserve, none),
            headers_of(&remove, sent),
            headers_of(&remove, none),
        ] {
            assert_eq!(headers.get("x-forwarded-for"), None);
            assert_eq!(headers["x-forwarded-proto"], "http");
        }
    }
}

#[test]
fn forwarded_for_with_the_clients_port() {
    let server = server(&[XFF_PORT]);
    let mut client = server.connect();
    let port = client.stream.local_addr().unwrap().port();
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: x\r\n\r\n");
    let headers = client.response().json()["headers"].clone();
    assert_eq!(headers["x-forwarded-for"], format!("x, 127.0.0.1:{port}"));
}

// ALB-H-013: without a trace header a Root is added
// ALB-H-014: an incoming Root stays behind a Self of ours
// ALB-H-015: an incoming Self is replaced
// ALB-H-016: custom fields are preserved
#[test]
fn trace_headers() {
    let server = server(&[]);
    let sent = |line: &str| {
        let headers = headers_of(&server, &format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n"));
        headers["x-amzn-trace-id"].as_str().unwrap().to_owned()
    };
    let is_version_1 = |text: &str| {
        let parts: Vec<_> = text.split('-').collect();
        let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        parts[0] == "1" && lengths == [1, 8, 24] && parts.iter().all(|part| part.bytes().all(hex))
    };
    let made = sent("");
    assert!(is_version_1(made.strip_prefix("Root=").unwrap()), "{made}");
    let root = "Root=1-67891233-abcdef012345678912345678";
    for (line, tail) in [
        (root.to_owned(), root),
        (
            format!("{root};CalledFrom=app"),
            "Root=1-67891233-abcdef012345678912345678;CalledFrom=app",
        ),
        (format!("Self=1-67891233-000000000000000000000000;{root}"), root),
    ] {
        let value = sent(&format!("x-amzn-trace-id: {line}\r\n"));
        let (own, rest) = value.split_once(';').unwrap();
        assert!(is_version_1(own.strip_prefix("Self=").unwrap()), "{value}");
        assert_eq!(rest, tail);
    }
    let filler = "x".repeat(7 * 1024);
    // The threshold is about headers: a long URL is none.
    let url = format!("GET /{filler} HTTP/1.1\r\nHost: a\r\nX-Amzn-Trace-Id: {root}\r\n\r\n");
    let kept = headers_of(&server, &url)["x-amzn-trace-id"].clone();
    assert!(kept.as_str().unwrap().ends_with(root), "{kept}");
    let fresh = sent(&format!("X-Amzn-Trace-Id: {root}\r\nX-Filler: {filler}\r\n"));
    assert!(is_version_1(fresh.strip_prefix("Root=").unwrap()), "{fresh}");
}

const DROPPED: &str = "albacore_proxy_dropped_invalid_header_requests_total";
const FORWARDED: &str = "albacore_proxy_forwarded_invalid_header_requests_total";

// ALB-H-019: `a_b: 1` is forwarded by default and dropped with drop_invalid_header_fields
#[test]
fn invalid_header_names() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\na_b: 1\r\nx.y: 2\r\nGood-1: 3\r\na_b: 4\r\n\r\n";
    let forwarding = server(&[]);
    let headers = headers_of(&forwarding, request);
    assert_eq!(
        (&headers["a_b"], &headers["x.y"], &headers["good-1"]),
        (&json!("4"), &json!("2"), &json!("3"))
    );
    let dropping = server(&[DROP_INVALID]);
    let headers = headers_of(&dropping, request);
    assert_eq!(
        (headers.get("a_b"), headers.get("x.y"), &headers["good-1"]),
        (None, None, &json!("3"))
    );
    // Requests are counted, not headers, and only those with an invalid one.
    forwarding.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    dropping.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((forwarding.counter(FORWARDED), forwarding.counter(DROPPED)), (1.0, 0.0));
    assert_eq!((dropping.counter(FORWARDED), dropping.counter(DROPPED)), (0.0, 1.0));
}

#[test]
fn what_belongs_to_the_connection_ends_here() {
    let server = server(&[]);
    let headers = headers_of(
        &server,
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Custom\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n\
         TE: trailers\r\nTrailer: x\r\nX-Custom: stays\r\n\r\n",
    );
    let names: Vec<_> = headers.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        names,
        [
            "host",
            "x-amzn-trace-id",
            "x-custom",
            "x-forwarded-for",
            "x-forwarded-port",
            "x-forwarded-proto"
        ]
    );
}

// In `monitor` mode a client's header may hold bytes that cannot be sent on; it must not take ours with it.
#[test]
fn unsendable_bytes_do_not_hide_the_client() {
    let seen = Seen::default();
    let server = Setup::lambda(false, seen.answering(r#"{"statusCode":200}"#))
        .attribute("routing.http.desync_mitigation_mode", "monitor")
        .start();
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1\0\r\nX-Forwarded-For: 2\r\nX-Amzn-Trace-Id: Root=\0\r\nX-Nul: \0\r\n\r\n";
    assert_eq!(server.ask(request).status, 200);
    let headers = &seen.events()[0]["headers"];
    assert_eq!(headers["x-forwarded-for"], "2, 127.0.0.1");
    assert!(headers["x-amzn-trace-id"].as_str().unwrap().starts_with("Root=1-"));
    assert_eq!(headers.get("x-nul"), None);
}
