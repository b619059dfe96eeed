//! The access log: one line for each request, whatever becomes of it.

mod causes;
mod forged;

use crate::played::*;
use crate::support::*;
use std::time::Duration;

/// `2026-02-03T09:15:27.104211Z`
fn is_time(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd.ddddddZ";
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            _ => byte == wanted,
        })
}

/// Seconds with three decimals.
fn is_duration(text: &str) -> bool {
    text.split_once('.').is_some_and(|(whole, part)| {
        whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit()) && part.len() == 3
    })
}

// ALB-G-001: a line has 33 fields in the documented order
// ALB-G-002: times are UTC with microseconds, durations have three decimals
// ALB-G-006: request shows the URL as sent, with scheme, host and port
#[test]
fn one_line_byte_for_byte() {
    let seen = Seen::default();
    let server = Setup::lambda(false, seen.answering(r#"{"statusCode":201,"body":"hello"}"#)).start();
    let mut client = server.connect();
    let address = client.stream.local_addr().unwrap();
    let request =
        "POST /orders//7?q=a%20b HTTP/1.1\r\nHost: Shop.Example\r\nUser-Agent: probe/1\r\nContent-Length: 3\r\n\r\nabc";
    client.send(request.as_bytes());
    let response = client.response();
    let line = String::from_utf8(server.requests()[0].line.clone()).unwrap();
    let fields = server.log().remove(0);
    assert_eq!(fields.len(), 33);
    assert!(is_time(&fields[1]) && is_time(&fields[21]), "{line}");
    assert!(fields[21] <= fields[1], "{line}");
    assert!(fields[5..8].iter().all(|took| is_duration(took)), "{line}");
    let trace_id = &fields[29];
    let digits = trace_id.strip_prefix("TID_").unwrap();
    assert!(
        digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{line}"
    );
    let expected = format!(
        "http {time} {load_balancer} {address} - {sending} {waiting} {answering} 201 201 {received} {sent} \
         \"POST http://Shop.Example:8080/orders//7?q=a%20b HTTP/1.1\" \"probe/1\" - - {group} \"{trace}\" \"-\" \"-\" \
         0 {created} \"forward\" \"-\" \"-\" \"-\" \"-\" \"-\" \"-\" {trace_id} \"-\" \"-\" \"-\"",
        time = fields[1],
        load_balancer = load_balancer_arn().to_string().rsplit_once("loadbalancer/").unwrap().1,
        sending = fields[5],
        waiting = fields[6],
        answering = fields[7],
        received = request.len(),
        sent = response.head.len() + response.body.len(),
        group = group_arn("orders"),
        trace = seen.events()[0]["headers"]["x-amzn-trace-id"].as_str().unwrap(),
        created = fields[21],
    );
    assert_eq!(line, expected);
}

// ALB-G-002: unset durations are -1
#[test]
fn what_was_not_forwarded_took_no_time() {
    let server = Setup::default().start();
    server.get("/");
    let log = server.log();
    assert_eq!(log[0][4..10], ["-", "-1", "-1", "-1", "200", "-"]);
    assert_eq!(
        (log[0][16].as_str(), log[0][17].as_str(), log[0][22].as_str()),
        ("-", "-", "fixed-response")
    );
}

// ALB-G-003: malformed requests are logged with 400 and `-` actions
#[test]
fn malformed_requests() {
    let server = Setup::default().start();
    let long = format!("GET /{}", "x".repeat(20_000));
    let wide = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    let requests = [
        ("GET\r\n\r\n", "400", "MalformedHead"),
        ("\u{1}\r\n\r\n", "400", "MalformedHead"),
        (" / HTTP/1.1\r\nHost: a\r\n\r\n", "400", "MalformedHead"),
        (long.as_str(), "414", "RequestLineTooLong"),
        (wide.as_str(), "400", "HeaderLineTooLong"),
    ];
    for (request, status, _) in requests {
        let response = server.ask(request);
        assert_eq!(response.status.to_string(), status, "{request:?}");
    }
    let log = server.log();
    assert_eq!(log.len(), requests.len());
    for (line, (request, status, reason)) in log.iter().zip(requests) {
        assert_eq!(line.len(), 33, "{request:?}");
        assert_eq!(
            line[12], "- http://shop-123456789.us-east-1.elb.localhost:8080- -",
            "{request:?}"
        );
        assert_eq!(
            (line[8].as_str(), line[13].as_str(), line[20].as_str()),
            (status, "-", "-"),
            "{request:?}"
        );
        assert_eq!(line[22..27], ["-", "-", reason, "-", "-"], "{request:?}");
        assert!(line[10].parse::<usize>().unwrap() > 0, "{request:?}");
    }
}

#[test]
fn a_malformed_request_behind_a_head_request_gets_its_page() {
    let server = Setup::default().start();
    let mut client = server.connect();
    client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET\r\n\r\n");
    assert_eq!(client.response_to("HEAD").status, 200);
    let refused = client.response();
    assert_eq!((refused.status, refused.body.len()), (400, 122));
    assert_eq!(client.rest(), b"");
}

// ALB-G-003: a request that is refused before any rule has `-` actions
#[test]
fn refused_requests_are_logged_with_what_they_asked() {
    let server = Setup::default().start();
    for request in [
        "GET /x HTTP/1.1\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: z\r\n\r\n",
        "TRACE /x HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        server.ask(request);
    }
    let log = server.log();
    let statuses: Vec<_> = log.iter().map(|line| line[8].as_str()).collect();
    assert_eq!(statuses, ["400", "400", "405"]);
    assert!(log.iter().all(|line| line[22] == "-" && line[20] == "-"), "{log:?}");
    assert_eq!(
        log[0][12],
        "GET http://shop-123456789.us-east-1.elb.localhost:8080/x HTTP/1.1"
    );
    assert_eq!(log[1][12], "POST http://a:8080/x HTTP/1.1");
}

// ALB-G-005: matched_rule_priority is the rule's, 0 for the default rule
// ALB-G-006: request is as sent
#[test]
fn requests_as_sent() {
    let server = Setup::default()
        .rule(42, vec![path(&["/rule*"])], fixed(200, "rule"))
        .start();
    let cases = [
        (
            "GET /rule?a=%20&b HTTP/1.1\r\nHost: A.b:99\r\n\r\n",
            "GET http://A.b:8080/rule?a=%20&b HTTP/1.1",
            "42",
        ),
        (
            "GET /./x HTTP/1.0\r\n\r\n",
            "GET http://shop-123456789.us-east-1.elb.localhost:8080/./x HTTP/1.0",
            "0",
        ),
        (
            "GET http://x.y:1/z HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://x.y:1/z HTTP/1.1",
            "0",
        ),
        (
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            "OPTIONS http://a:8080* HTTP/1.1",
            "0",
        ),
        (
            "purge /a b HTTP/1.2\r\nHost: [::1]\r\n\r\n",
            "purge http://[::1]:8080/a b HTTP/1.2",
            "0",
        ),
    ];
    for (request, _, _) in cases {
        assert_eq!(server.ask(request).status, 200, "{request:?}");
    }
    let logged: Vec<_> = server
        .log()
        .into_iter()
        .map(|line| (line[12].clone(), line[20].clone()))
        .collect();
    let expected: Vec<_> = cases
        .iter()
        .map(|(_, line, rule)| ((*line).to_owned(), (*rule).to_owned()))
        .collect();
    assert_eq!(logged, expected);
}

// ALB-G-007: redirect_url equals the Location header
#[test]
fn redirect_urls() {
    let to = model::elb::action::redirect::RedirectParts {
        protocol: Some("HTTPS"),
        path: Some("/moved/#{path}"),
        ..Default::default()
    };
    let server = Setup {
        default: redirect(&to),
        ..Setup::default()
    }
    .start();
    let mut locations = Vec::new();
    for target in ["/a?b=\"c\"", "/%22", "/plain"] {
        let response = server.get(target);
        locations.push(response.header("location").unwrap().replace('"', "\\x22"));
    }
    let log = server.log();
    assert_eq!(log.iter().map(|line| line[23].clone()).collect::<Vec<_>>(), locations);
}

#[test]
fn pipelined_requests_have_a_line_each() {
    let server = Setup::default().start();
    let mut client = server.connect();
    client.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    for _ in 0..3 {
        client.response();
    }
    server.get("/4");
    let log = server.log();
    let requests: Vec<_> = log
        .iter()
        .map(|line| (line[12].split(' ').nth(1).unwrap(), line[10].as_str()))
        .collect();
    assert_eq!(
        requests,
        [
            ("http://a:8080/1", "28"),
            ("http://a:8080/2", "53"),
            ("http://a:8080/3", "28"),
            ("http://shop.example:8080/4", "39")
        ]
    );
    // One trace id for each connection.
    assert!(log[0][29] == log[1][29] && log[1][29] == log[2][29] && log[2][29] != log[3][29]);
    assert!(log[0][3] == log[2][3] && log[2][3] != log[3][3]);
}

#[test]
fn bodies_count_as_received_with_their_framing() {
    let server = Setup::lambda(false, answering(r#"{"statusCode":200}"#)).start();
    let request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: 1\r\n\r\n";
    server.ask(request);
    assert_eq!(server.log()[0][10], request.len().to_string());
}

#[test]
fn a_client_that_leaves_in_its_body_is_logged() {
    let seen = Seen::default();
    let server = Setup::lambda(false, seen.answering(r#"{"statusCode":200}"#)).start();
    let mut client = server.connect();
    client.send(b"POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.response().status, 400);
    assert_eq!(client.rest(), b"");
    assert_eq!(seen.count(), 0);
    let log = server.log();
    assert_eq!((log[0][8].as_str(), log[0][9].as_str()), ("400", "-"));
    assert_eq!(log[0][12], "POST http://a:8080/half HTTP/1.1");
}

#[test]
fn a_connection_that_is_cut_leaves_its_line() {
    let (gate, function) = Gate::before(r#"{"statusCode":200}"#);
    let mut setup = Setup::lambda(false, function);
    setup.limits.drain = Duration::from_millis(1);
    let server = setup.start();
    let mut client = server.connect();
    client.send(b"GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
    gate.wait();
    let log = server.log();
    assert_eq!(log.len(), 1);
    assert_eq!(log[0][12], "GET http://a:8080/cut HTTP/1.1");
    assert_eq!(
        (log[0][8].as_str(), log[0][9].as_str(), log[0][11].as_str()),
        ("-", "-", "0")
    );
}
