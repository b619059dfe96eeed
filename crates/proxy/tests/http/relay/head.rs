//! Request heads as a target gets them. The rules for each header are tested where events show them; here is what only a
//! server sees, and the order of it all. Source: ALB 4.6.

use super::origin::*;
use crate::secure::*;
use crate::support::*;
use model::elb::transform::Transforms;
use std::net::Ipv6Addr;

fn ask(setup: Setup, request: &str) {
    assert_eq!(setup.start().ask(request).status, 200);
}

/// The head that a target gets of a request.
fn head_of(attributes: &[(&str, &str)], request: &str) -> String {
    let origin = Origin::answering(OK);
    let setup = attributes.iter().fold(to(&[origin.address()]), |setup, (key, value)| {
        setup.attribute(key, value)
    });
    ask(setup, request);
    origin.received().concat()
}

/// Without what differs from run to run.
fn steady(head: &str) -> String {
    let line = |line: &str| match line.split_once("=1-") {
        Some((before, _)) if line.starts_with("X-Amzn-Trace-Id: ") => format!("{before}=1-*"),
        _ => line.to_owned(),
    };
    head.lines().map(line).collect::<Vec<_>>().join("\n")
}

// ALB-H-001: X-Forwarded-For is created when it is absent
// ALB-H-005: X-Forwarded-Proto and -Port are on every request
// ALB-H-013: a Root is made
#[test]
fn the_order_of_a_head() {
    let head = head_of(
        &[],
        "GET /a?b=%20c HTTP/1.1\r\nUser-Agent: probe\r\nHost: Shop.Example\r\naccept: */*\r\nX-B: 2\r\nX-A: 1\r\nX-B: 3\r\n\r\n",
    );
    let expected = "GET /a?b=%20c HTTP/1.1\nX-Forwarded-For: 127.0.0.1\nX-Forwarded-Proto: http\n\
                    X-Forwarded-Port: 8080\nHost: shop.example:8080\nX-Amzn-Trace-Id: Root=1-*\n\
                    User-Agent: probe\naccept: */*\nX-B: 2\nX-A: 1\nX-B: 3\n";
    assert_eq!(steady(&head), expected);
}

// ALB-H-001: and extended when it is present
// ALB-H-014: Self is put in front of an unchanged Root
// ALB-H-015: an incoming Self is replaced
// ALB-H-016: custom fields stay
#[test]
fn what_proxies_before_us_said() {
    let head = head_of(
        &[],
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n\
         X-Amzn-Trace-Id: Self=1-1-1;Root=1-65f0c0de-0123456789abcdef01234567;Mine=7\r\n\r\n",
    );
    assert!(head.contains("\r\nX-Forwarded-For: 192.0.2.1, 127.0.0.1\r\n"), "{head}");
    assert!(
        head.contains("\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 8080\r\n"),
        "{head}"
    );
    let trace = head.lines().find(|line| line.starts_with("X-Amzn-Trace-Id: ")).unwrap();
    assert!(
        trace.starts_with("X-Amzn-Trace-Id: Self=1-") && !trace.contains("Self=1-1-1"),
        "{trace}"
    );
    assert!(
        trace.ends_with(";Root=1-65f0c0de-0123456789abcdef01234567;Mine=7"),
        "{trace}"
    );
    assert_eq!(head.matches("X-Forwarded-Proto").count(), 1);
}

const MODE: &str = "routing.http.xff_header_processing.mode";
const PORT: (&str, &str) = ("routing.http.xff_client_port.enabled", "true");

// ALB-H-002: with mode preserve X-Forwarded-For is byte-identical
// ALB-H-003: with the client port it is ip:port
// ALB-H-004: that has no effect on preserve and remove
#[test]
fn modes_of_x_forwarded_for() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\nx-FORWARDED-for:  192.0.2.1 ,x\r\n\r\n";
    let kept = head_of(&[(MODE, "preserve"), PORT], request);
    assert!(kept.contains("\r\nx-FORWARDED-for:  192.0.2.1 ,x\r\n"), "{kept}");
    let removed = head_of(&[(MODE, "remove"), PORT], request).to_ascii_lowercase();
    assert!(!removed.contains("x-forwarded-for"), "{removed}");
    let with_port = head_of(&[PORT], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let value = with_port
        .lines()
        .find_map(|line| line.strip_prefix("X-Forwarded-For: 127.0.0.1:"))
        .unwrap();
    assert!(value.parse::<u16>().is_ok(), "{value}");
}

// ALB-H-008: on port 8080 a Host without a port gets it
// ALB-H-009: with preserve-host it is untouched
// ALB-H-010: an absolute-form target replaces Host unless it is preserved
// ALB-H-011: host names are lower-cased
// ALB-H-012: HTTP/1.0 without Host has the DNS name
// ALB-H-052: Example.com becomes example.com:8080, with preserve-host it stays
#[test]
fn hosts() {
    let preserve = ("routing.http.preserve_host_header.enabled", "true");
    for (request, rewritten, preserved) in [
        (
            "GET / HTTP/1.1\r\nHost: Example.com\r\n\r\n",
            "Host: example.com:8080",
            "Host: Example.com",
        ),
        (
            "GET / HTTP/1.1\r\nHOST: example.com:8080\r\n\r\n",
            "Host: example.com:8080",
            "HOST: example.com:8080",
        ),
        (
            "GET / HTTP/1.1\r\nHost: example.com:\r\n\r\n",
            "Host: example.com:8080",
            "Host: example.com:",
        ),
        (
            "GET / HTTP/1.0\r\n\r\n",
            "Host: shop-123456789.us-east-1.elb.localhost",
            "Host: shop-123456789.us-east-1.elb.localhost",
        ),
        (
            "GET http://Dns.Name/x HTTP/1.1\r\nHost: example.com\r\n\r\n",
            "Host: dns.name:8080",
            "Host: example.com",
        ),
    ] {
        for (attributes, expected) in [(&[][..], rewritten), (&[preserve], preserved)] {
            let head = head_of(attributes, request);
            assert!(head.contains(&format!("\r\n{expected}\r\n")), "{head}");
            assert_eq!(head.to_ascii_lowercase().matches("\r\nhost:").count(), 1);
        }
    }
    // Whoever names no host means the load balancer.
    for request in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: :8080\r\n\r\n",
    ] {
        let head = head_of(&[], request);
        assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{request:?} became {head}");
        let host = "\r\nHost: shop-123456789.us-east-1.elb.localhost\r\n";
        assert!(
            head.contains(host) && head.to_ascii_lowercase().matches("\r\nhost:").count() == 1,
            "{request:?} became {head}"
        );
    }
    let origin = Origin::answering(OK);
    let oldest = to(&[origin.address()]).start().until_closed(b"GET /\r\n");
    assert_eq!(oldest, b"ok");
    assert!(
        origin
            .received()
            .concat()
            .contains("\r\nHost: shop-123456789.us-east-1.elb.localhost\r\n"),
        "{:?}",
        origin.received()
    );
}

// ALB-H-007: on port 80 the port of Host is removed
#[test]
fn hosts_on_port_80() {
    let origin = Origin::answering(OK);
    let mut setup = to(&[origin.address()]);
    setup.port = 80;
    ask(setup, "GET / HTTP/1.1\r\nHost: example.com:80\r\n\r\n");
    assert!(origin.received().concat().contains("\r\nHost: example.com\r\n"));
}

// ALB-H-017: the TLS headers are absent by default and present with the attribute
#[test]
fn headers_about_tls() {
    for enabled in ["false", "true"] {
        let origin = Origin::answering(OK);
        let setup =
            to(&[origin.address()]).attribute("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", enabled);
        let server = setup.with_tls().start();
        assert_eq!(server.secure(Offer::default()).get().status, 200);
        let head = origin.received().concat();
        assert_eq!(
            head.contains("\r\nX-Amzn-Tls-Version: TLSv1.3\r\n"),
            enabled == "true",
            "{head}"
        );
        assert_eq!(
            head.contains("\r\nX-Amzn-Tls-Cipher-Suite: TLS_"),
            enabled == "true",
            "{head}"
        );
        assert!(head.contains("\r\nX-Forwarded-Proto: https\r\n"), "{head}");
    }
}

/// A listener becomes another while its clients are connected.
#[test]
fn the_scheme_that_targets_are_told_is_that_of_the_client() {
    let origin = Origin::answering(OK);
    let setup = || to(&[origin.address()]);
    let [plain, secure] = [setup().commands(), setup().with_tls().commands()].map(|commands| state_of(&commands));

    let server = setup().start();
    let (mut client, mut silent) = (server.connect(), server.connect());
    client.send(GET.as_bytes());
    assert_eq!(client.response().status, 200);
    server.proxy.apply(&secure).unwrap();
    for client in [&mut client, &mut silent] {
        client.send(GET.as_bytes());
        assert_eq!(String::from_utf8_lossy(&client.rest()), "");
    }
    assert_eq!(server.secure(Offer::default()).get().status, 200);

    let server = setup().with_tls().start();
    let mut client = server.secure(Offer::default());
    assert_eq!(client.get().status, 200);
    server.proxy.apply(&plain).unwrap();
    client.send(GET.as_bytes());
    assert_eq!(String::from_utf8_lossy(&client.rest()), "");
    assert_eq!(server.get("/").status, 200);

    let heads = origin.received().concat();
    let told = |scheme: &str| heads.matches(&format!("\r\nX-Forwarded-Proto: {scheme}\r\n")).count();
    assert_eq!((told("http"), told("https")), (2, 2), "{heads}");
}

// ALB-H-018: Expect is answered at once and not forwarded
#[test]
fn expectations_are_met_by_the_load_balancer() {
    let origin = Origin::playing(|line| {
        let asked = line.request().unwrap();
        assert_eq!((asked.header("expect"), asked.body.as_slice()), (None, &b"hello"[..]));
        line.send(OK);
    });
    let server = before(&origin);
    let mut client = server.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.response().status, 100);
    client.send(b"hello");
    assert_eq!(client.response().text(), "ok");
}

// ALB-H-019: a_b is forwarded by default and dropped with drop_invalid_header_fields
#[test]
fn invalid_names() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\na_b: 1\r\nok: 2\r\n\r\n";
    let forwarded = head_of(&[], request);
    assert!(forwarded.contains("\r\na_b: 1\r\nok: 2\r\n"), "{forwarded}");
    let dropped = head_of(&[("routing.http.drop_invalid_header_fields.enabled", "true")], request);
    assert!(
        !dropped.contains("a_b") && dropped.contains("\r\nok: 2\r\n"),
        "{dropped}"
    );
}

#[test]
fn what_belongs_to_the_clients_connection_ends_here() {
    let head = head_of(
        &[],
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Mine\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n\
         TE: trailers\r\nUpgrade: h2c\r\nX-Other: 1\r\n\r\n",
    )
    .to_ascii_lowercase();
    for gone in [
        "\r\nconnection:",
        "keep-alive",
        "proxy-connection",
        "\r\nte:",
        "upgrade",
    ] {
        assert!(!head.contains(gone), "{gone} in {head}");
    }
    assert!(head.contains("\r\nx-other: 1\r\n"));
}

#[test]
fn transforms_change_what_is_sent() {
    let origin = Origin::answering(OK);
    let rewrite = |pattern: &str, replacement: &str| model::elb::transform::Rewrite::new(pattern, replacement).unwrap();
    let transforms = Transforms {
        host: Some(rewrite("^(.*)\\.example$", "$1.internal")),
        url: Some(rewrite("^/old/(.*)$", "/new/$1")),
    };
    let mut setup = to(&[origin.address()]);
    setup
        .rules
        .push((1, vec![path(&["/old/*"])], transforms, forward(&[("web", 1)], None)));
    let server = setup.start();
    assert_eq!(server.get("/old/a?b=c").status, 200);
    let head = origin.received().concat();
    assert!(head.starts_with("GET /new/a?b=c HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nHost: shop.internal:8080\r\n"), "{head}");
}

// ALB-H-003: IPv6 with the client port is [ip]:port; and a target may be reached over IPv6
#[test]
fn targets_over_ipv6() {
    let origin = Origin::on(Ipv6Addr::LOCALHOST.into(), |line| line.answer_all(OK.as_bytes()));
    let server = to(&[origin.address()]).start();
    assert_eq!(server.get("/").text(), "ok");
    let line = &server.log()[0];
    assert_eq!(line[4], origin.address().to_string());
    assert!(line[4].starts_with("[::1]:"));
}

// ALB-H-047: a configured x_frame_options replaces the target's header
#[test]
fn listener_attributes_replace_headers_of_responses() {
    let origin =
        Origin::answering("HTTP/1.1 200 OK\r\nx-frame-options: ALLOWALL\r\nServer: mine\r\nContent-Length: 0\r\n\r\n");
    let mut setup = to(&[origin.address()]);
    let key = "routing.http.response.x_frame_options.header_value";
    setup.listener_attributes.set(key, "DENY", false).unwrap();
    setup
        .listener_attributes
        .set("routing.http.response.server.enabled", "false", false)
        .unwrap();
    let server = setup.start();
    let response = server.get("/");
    assert_eq!(response.headers("x-frame-options").collect::<Vec<_>>(), ["DENY"]);
    assert_eq!(
        response.header("server"),
        Some("mine"),
        "the attribute is about our own responses"
    );
}

#[test]
fn the_order_of_a_response() {
    let origin = Origin::answering(
        "HTTP/1.1 418 I'm a teapot\r\nServer: tea\r\nX-A: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\
         Connection: keep-alive, X-Mine\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nx-B: 2\r\nContent-Type: text/tea\r\n\r\nok",
    );
    let server = before(&origin);
    let response = server.get("/");
    let expected = "HTTP/1.1 418 I'm a teapot\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/tea\r\n\
                    Content-Length: 2\r\nConnection: keep-alive\r\nServer: tea\r\nX-A: 1\r\nx-B: 2\r\n\r\n";
    assert_eq!(response.head, expected);
}

// A head as large as one may be (ALB 4.5) reaches its target whole, with what the load balancer adds.
#[test]
fn the_largest_head() {
    let origin = Origin::answering(OK);
    let server = before(&origin);
    let mut headers = "Host: a\r\n".to_owned();
    (0..6).for_each(|at| headers += &format!("A{at}: {}\r\n", "x".repeat(10_000)));
    let last = "y".repeat(64 * 1024 - headers.len() - "B: \r\n\r\n".len());
    let line = format!("GET /{} HTTP/1.1\r\n", "z".repeat(16_384 - 14));
    let asked = server.ask(&format!("{line}{headers}B: {last}\r\n\r\n"));
    assert_eq!(asked.status, 200);
    let seen = &origin.received()[0];
    assert!(seen.starts_with(&line) && seen.contains(&format!("\r\nB: {last}\r\n")));
    assert_eq!(seen.matches(&"x".repeat(10_000)).count(), 6);
}
