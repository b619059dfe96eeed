//! Answers, connections, limits of HTTP/1.

use crate::support::*;
use model::elb::action::redirect::RedirectParts;

// ALB-A-022: fixed responses carry the load balancer's Server
#[test]
fn a_fixed_response_byte_for_byte() {
    let server = Setup {
        default: fixed(404, "nothing here"),
        ..Setup::default()
    }
    .start();
    let response = server.get("/");
    let (before, after) = response.head.split_once("Date: ").unwrap();
    let (date, after) = after.split_once("\r\n").unwrap();
    assert_eq!(before, "HTTP/1.1 404 Not Found\r\nServer: awselb/2.0\r\n");
    assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
    assert_eq!(
        after,
        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 12\r\nConnection: keep-alive\r\n\r\n"
    );
    assert_eq!(response.text(), "nothing here");
}

// ALB-A-021: a fixed response to HEAD has headers and no body
#[test]
fn head_gets_headers_only() {
    let server = Setup::default().start();
    let mut client = server.connect();
    client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let head = client.response_to("HEAD");
    assert_eq!((head.status, head.header("content-length")), (200, Some("7")));
    assert_eq!(client.response().text(), "default");
    assert_eq!(client.rest(), b"");
}

// ALB-H-049: pipelined requests are answered in order
#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut setup = Setup::default();
    for number in 1..=20 {
        setup = setup.rule(
            number,
            vec![path(&[&format!("/{number}")])],
            fixed(200, &number.to_string()),
        );
    }
    let server = setup.start();
    let mut client = server.connect();
    let requests: String = (1..=20)
        .map(|number| format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .collect();
    client.send(requests.as_bytes());
    for number in 1..=20 {
        assert_eq!(client.response().text(), number.to_string());
    }
}

#[test]
fn a_request_may_arrive_byte_by_byte() {
    let server = Setup::default().start();
    let mut client = server.connect();
    for byte in b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: a\r\n\r\n" {
        client.send(&[*byte]);
    }
    assert_eq!((client.response().status, client.response().status), (200, 200));
}

#[test]
fn bodies_that_nobody_reads_are_skipped() {
    let server = Setup::default().start();
    let mut client = server.connect();
    client.send(
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n{}",
            "x".repeat(300_000)
        )
        .as_bytes(),
    );
    assert_eq!(client.response().status, 200);
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: 1\r\n\r\n");
    assert_eq!(client.response().header("connection"), Some("keep-alive"));
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 200);
}

// ALB-H-018: 100-continue is answered at once
#[test]
fn expect_is_answered_before_the_body_is_sent() {
    let server = Setup::lambda(false, echo()).start();
    let mut client = server.connect();
    client.send(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(client.response().head, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send(b"hi");
    let event = client.response().json();
    assert_eq!(event["body"], "hi");
    assert!(event["headers"].get("expect").is_none(), "{event}");
}

// ALB-H-027: TRACE is not allowed
// ALB-H-028: a body in gzip is 501
// ALB-H-044: the standard pages with their lengths
// ALB-H-045: they are text/html
// ALB-H-050: HTTP/1.1 needs a Host
#[test]
fn refusals() {
    let server = Setup::default().start();
    for (request, status, length) in [
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, 122),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400, 122),
        ("GET / HTTP/1.1\r\n\r\n", 400, 122),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, 122),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            501,
            130,
        ),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, 152),
    ] {
        let response = server.ask(request);
        assert_eq!((response.status, response.body.len()), (status, length), "{request}");
        assert_eq!(response.header("content-type"), Some("text/html"), "{request}");
        assert_eq!(response.header("server"), Some("awselb/2.0"), "{request}");
    }
}

#[test]
fn a_host_that_names_no_host_is_refused() {
    let preserving = Setup::default().attribute("routing.http.preserve_host_header.enabled", "true");
    for server in [Setup::default().start(), preserving.start()] {
        for host in [
            "a b", "a\tb", "\"a\"", "<a>", "a/b", "a?b", "a#b", "u@a", "a\\b", "a|b", "{a}", "`a`", "a^b",
        ] {
            let response = server.ask(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert_eq!((response.status, response.body.len()), (400, 122), "{host}");
        }
        for host in [
            "a",
            "A_b.c:80",
            "xn--bcher-kva.example",
            "[::1]:8080",
            "%41",
            "a*b",
            "a~b",
            "",
            "a,b",
        ] {
            let response = server.ask(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert_eq!(response.status, 200, "{host}");
        }
        // The host of an absolute-form target is the one that counts.
        assert_eq!(server.ask("GET http://a|b/ HTTP/1.1\r\nHost: a\r\n\r\n").status, 400);
        assert_eq!(
            server.ask("GET http://u:p@a/ HTTP/1.1\r\nHost: a b\r\n\r\n").status,
            200
        );
        for url in ["http:///", "http://:80/"] {
            let response = server.ask(&format!("GET {url} HTTP/1.1\r\nHost: a\r\n\r\n"));
            assert_eq!(response.status, 400, "{url}");
        }
    }
}

/// A rule for `/admin` must not be passed by a spelling that a target takes for the same path. Source: ALB 4.10.
#[test]
fn a_url_with_two_readings_is_refused() {
    for mode in ["monitor", "defensive", "strictest"] {
        let setup = Setup::default().attribute("routing.http.desync_mitigation_mode", mode);
        let server = setup.start();
        let ask = |url: &str| server.ask(&format!("GET {url} HTTP/1.1\r\nHost: a\r\n\r\n")).status;
        for url in [
            " /admin",
            "  /admin",
            "\t/admin",
            "\x0b/admin",
            "\u{a0}/admin",
            "/admin ",
            "/admin\t",
            "/admin#.png",
            "/admin?a=b#c",
            "http://a/admin#",
            "http:/admin",
            "admin",
            "?/admin",
        ] {
            assert_eq!(ask(url), 400, "{url:?} in {mode}");
        }
        for url in [
            "/",
            "//admin",
            "/%23",
            "/a?",
            "/\u{e0}",
            "*",
            "http://a",
            "http://a?b",
            "x://a/",
        ] {
            assert_eq!(ask(url), 200, "{url:?} in {mode}");
        }
        assert_eq!(ask("/a b"), if mode == "strictest" { 400 } else { 200 }, "{mode}");
    }
}

// ALB-H-006: 31 addresses are too many
#[test]
fn forwarded_for_is_bounded() {
    let server = Setup::default().start();
    let ask = |count: usize| {
        let addresses = vec!["192.0.2.1"; count].join(", ");
        server.ask(&format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {addresses}\r\n\r\n"
        ))
    };
    assert_eq!(ask(30).status, 200);
    let refused = ask(31);
    assert_eq!((refused.status, refused.header("content-length")), (463, Some("0")));
    assert!(refused.head.starts_with("HTTP/1.1 463 \r\n"));
}

// ALB-H-029: a request line over 16 K is refused
// ALB-H-030: a header line of 16,384 bytes is refused
#[test]
fn heads_are_bounded() {
    let server = Setup::default().start();
    let line = |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(bytes - 14));
    assert_eq!(server.ask(&line(16_384)).status, 200);
    assert_eq!(server.ask(&line(16_385)).status, 414);
    let header = |bytes: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "x".repeat(bytes - 3));
    assert_eq!(server.ask(&header(16_383)).status, 200);
    assert_eq!(server.ask(&header(16_384)).status, 400);
    // All header lines with their ends, and the empty line.
    let all = |bytes: usize| {
        let mut headers = "Host: a\r\n".to_owned();
        (0..6).for_each(|at| headers += &format!("A{at}: {}\r\n", "x".repeat(10_000)));
        let last = bytes - headers.len() - "B: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\n{headers}B: {}\r\n\r\n", "x".repeat(last))
    };
    assert_eq!(server.ask(&all(64 * 1024)).status, 200);
    assert_eq!(server.ask(&all(64 * 1024 + 1)).status, 400);
}

#[test]
fn a_gigabyte_of_header_is_refused_early() {
    let server = Setup::default().start();
    let mut client = server.connect();
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nA: ");
    let mut sent = 0;
    while sent < 1 << 30 {
        match std::io::Write::write(&mut client.stream, &[b'x'; 65536]) {
            Ok(count) => sent += count,
            Err(_) => break,
        }
    }
    assert!(sent < 64 << 20, "{sent} bytes were taken");
}

#[test]
fn http_1_0_and_0_9() {
    let server = Setup::default().start();
    let closed = String::from_utf8(server.until_closed(b"GET / HTTP/1.0\r\n\r\n")).unwrap();
    assert!(
        closed.starts_with("HTTP/1.1 200 OK\r\n") && closed.contains("Connection: close\r\n"),
        "{closed}"
    );
    let kept = server.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(kept.header("connection"), Some("keep-alive"));
    assert_eq!(server.until_closed(b"GET /\r\n"), b"default");
}

// ALB-A-013: a redirect to HTTPS 443 writes the port
// ALB-G-007: redirect_url is the Location
#[test]
fn redirects() {
    let to_https = RedirectParts {
        protocol: Some("HTTPS"),
        port: Some("443"),
        ..RedirectParts::default()
    };
    let server = Setup {
        default: redirect(&to_https),
        ..Setup::default()
    }
    .start();
    let response = server.get("/a/b?c=d");
    assert_eq!((response.status, response.body.len()), (301, 134));
    assert_eq!(response.header("location"), Some("https://shop.example:443/a/b?c=d"));
    let log = server.log();
    assert_eq!(log[0][23], "https://shop.example:443/a/b?c=d");
    assert_eq!(log[0][22], "redirect");
}

// ALB-A-017: a location over 8 K is 507 and counted
#[test]
fn a_location_that_is_too_long() {
    let to_https = RedirectParts {
        protocol: Some("HTTPS"),
        ..RedirectParts::default()
    };
    let server = Setup {
        default: redirect(&to_https),
        ..Setup::default()
    }
    .start();
    let response = server.get(&format!("/{}", "x".repeat(8200)));
    assert_eq!((response.status, response.body.len()), (507, 140));
    assert_eq!(server.counter("albacore_proxy_redirect_url_limit_exceeded_total"), 1.0);
}

// ALB-H-051: a malformed chunk answers 400 and closes
#[test]
fn a_malformed_body_is_refused_even_when_nobody_wants_it() {
    let server = Setup::default().start();
    for chunk in [
        "zz\r\nabc\r\n0\r\n\r\n",
        "-1\r\n",
        "0x1\r\na\r\n",
        "10000000000000000\r\n",
        "1\na\n0\n\n",
    ] {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut client = server.connect();
        client.send(format!("{head}{chunk}").as_bytes());
        let response = client.response();
        assert_eq!(
            (response.status, response.header("connection")),
            (400, Some("close")),
            "{chunk:?}"
        );
        assert_eq!(client.rest(), b"", "{chunk:?}");
    }
}

#[test]
fn half_a_head_is_refused_and_logged() {
    let server = Setup::default().start();
    let mut client = server.connect();
    client.send(b"GET /a HTTP/1.1\r\nHos");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.response().status, 400);
    let log = server.log();
    assert_eq!((log.len(), log[0][8].as_str()), (1, "400"));
}

#[test]
fn expect_is_answered_without_looking_at_the_length() {
    let server = Setup::default().start();
    for rest in ["Content-Length: 0\r\n\r\n", "Content-Length: 2\r\n\r\nhi", "\r\n"] {
        let mut client = server.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{rest}").as_bytes());
        assert_eq!(
            (client.response().status, client.response().status),
            (100, 200),
            "{rest:?}"
        );
    }
}

#[test]
fn what_was_sent_whole_is_answered_after_a_half_close() {
    let server = Setup::lambda(false, echo())
        .rule(1, vec![path(&["/fixed"])], fixed(200, "fixed"))
        .start();
    let mut client = server.connect();
    client.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /fixed HTTP/1.1\r\nHost: a\r\n\r\n");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.response().json()["path"], "/a");
    assert_eq!(client.response().text(), "fixed");
    assert_eq!(server.log().len(), 2);
}

#[test]
fn user_and_password_of_an_absolute_target_go_nowhere() {
    let server = Setup::lambda(false, echo()).start();
    let response = server.ask("GET http://user:secret@Shop.example/a HTTP/1.1\r\nHost: other\r\n\r\n");
    assert_eq!(response.json()["headers"]["host"], "shop.example:8080");
}
