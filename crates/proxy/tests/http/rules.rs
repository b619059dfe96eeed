//! Rules over sockets: conditions, transforms, listener attributes, explanations, tables that change.

mod explain;
mod tables;
mod transforms;

use crate::played::*;
use crate::support::*;
use model::elb::condition::cidr::Cidr;
use model::elb::condition::{Alternatives, Condition};
use model::elb::listener::ListenerAttributes;

// ALB-C-001: rules are tried by ascending priority, whatever order they were made in
// ALB-C-002: the default rule runs when no other matches, and is logged as 0
// ALB-G-005: matched_rule_priority is 0 for the default rule
#[test]
fn priorities() {
    let server = Setup::default()
        .rule(300, vec![path(&["/*"])], fixed(200, "300"))
        .rule(20, vec![path(&["/a/*"])], fixed(200, "20"))
        .rule(100, vec![path(&["/a/b", "/c"])], fixed(200, "100"))
        .start();
    for (target, answer) in [("/a/b", "20"), ("/c", "100"), ("/d", "300"), ("*", "default")] {
        let response = server.ask(&format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(response.text(), answer, "{target}");
    }
    let log = server.log();
    let priorities: Vec<_> = log.iter().map(|line| line[20].as_str()).collect();
    assert_eq!(priorities, ["20", "100", "300", "0"]);
}

// ALB-C-014: path conditions see the normalised path, the function gets the one that was sent
#[test]
fn paths_are_normalised_for_matching_only() {
    let server = Setup::lambda(false, echo());
    let server = Setup {
        default: fixed(404, "no rule"),
        ..server
    }
    .rule(1, vec![path(&["/img/cat"])], forward(&[("orders", 1)], None))
    .start();
    for raw in ["/img/cat", "/./img/cat", "/x/../img/cat", "/img/x/./../cat"] {
        assert_eq!(server.get(raw).json()["path"], raw);
    }
    assert_eq!(server.get("/img/../cat").text(), "no rule");
}

// ALB-C-024: source-ip looks at the peer and ignores X-Forwarded-For
#[test]
fn source_ip_is_the_peer() {
    let source = |cidr: &str| vec![Condition::SourceIp(vec![Cidr::try_from(cidr).unwrap()])];
    let server = Setup::default()
        .rule(1, source("203.0.113.0/24"), fixed(200, "forged"))
        .rule(2, source("127.0.0.0/8"), fixed(200, "the peer"))
        .start();
    let response = server.ask("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n");
    assert_eq!(response.text(), "the peer");
}

#[test]
fn an_absolute_target_names_the_host() {
    let host = |text: &str| model::elb::condition::pattern::HostPattern::try_from(text).unwrap();
    let condition = Condition::HostHeader(Alternatives::Values(vec![host("inner.example")]));
    let server = Setup::default().rule(1, vec![condition], fixed(200, "inner")).start();
    let ask = |request: &str| server.ask(request).text().to_owned();
    assert_eq!(
        ask("GET http://inner.example:1/x HTTP/1.1\r\nHost: outer.example\r\n\r\n"),
        "inner"
    );
    assert_eq!(ask("GET /x HTTP/1.1\r\nHost: INNER.example:99\r\n\r\n"), "inner");
    assert_eq!(
        ask("GET http://outer.example/x HTTP/1.1\r\nHost: inner.example\r\n\r\n"),
        "default"
    );
}

// ALB-G-013: RequestCount does not count requests for which no target was chosen
// ALB-G-016: RuleEvaluations does not count the default rule
#[test]
fn what_is_counted() {
    let server = Setup::lambda(false, answering(r#"{"statusCode":200}"#))
        .rule(1, vec![path(&["/one"])], fixed(200, "1"))
        .rule(2, vec![path(&["/two"])], fixed(200, "2"))
        .start();
    let evaluations = || server.counter("albacore_proxy_rule_evaluations_total");
    let requests = || server.counter("albacore_proxy_target_group_requests_total");
    server.get("/one");
    assert_eq!((evaluations(), requests()), (1.0, 0.0));
    server.get("/two");
    assert_eq!((evaluations(), requests()), (3.0, 0.0));
    server.get("/default");
    assert_eq!((evaluations(), requests()), (5.0, 1.0));
    assert_eq!(server.counter("albacore_proxy_fixed_responses_total"), 2.0);
}

fn with_attributes(pairs: &[(&str, &str)]) -> Setup {
    let mut attributes = ListenerAttributes::default();
    for (key, value) in pairs {
        attributes.set(key, value, false).unwrap();
    }
    Setup {
        listener_attributes: attributes,
        rules: vec![
            (1, vec![path(&["/fixed"])], Default::default(), fixed(200, "fixed")),
            (
                2,
                vec![path(&["/redirect"])],
                Default::default(),
                redirect(&model::elb::action::redirect::RedirectParts {
                    path: Some("/to"),
                    ..Default::default()
                }),
            ),
        ],
        ..Setup::lambda(false, parrot())
    }
}

const FRAMED: &str =
    r#"{"statusCode":200,"headers":{"x-frame-options":"ALLOW","X-Frame-Options":"twice","Server":"mine"}}"#;

/// One answer of every kind: fixed, redirect, refusals before and after the head, of the function, of a broken one.
fn all_kinds(server: &Server) -> Vec<Response> {
    let requests = [
        "GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /redirect HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n".to_owned(),
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(17_000)),
        post(FRAMED),
        post("no answer"),
    ];
    let responses: Vec<_> = requests.iter().map(|request| server.ask(request)).collect();
    let statuses: Vec<_> = responses.iter().map(|response| response.status).collect();
    assert_eq!(statuses, [200, 301, 405, 400, 414, 200, 502]);
    responses
}

// ALB-H-046: server.enabled=false removes Server from responses of the load balancer
#[test]
fn the_server_header_can_be_turned_off() {
    for response in all_kinds(&with_attributes(&[]).start()) {
        assert_eq!(response.header("server"), Some("awselb/2.0"));
    }
    let off = with_attributes(&[("routing.http.response.server.enabled", "false")]).start();
    for response in all_kinds(&off) {
        assert_eq!(response.header("server"), None);
    }
}

// ALB-H-047: a configured x_frame_options replaces the target's header
#[test]
fn response_headers_are_set_on_every_response() {
    let server = with_attributes(&[
        ("routing.http.response.x_frame_options.header_value", "DENY"),
        ("routing.http.response.x_content_type_options.header_value", "nosniff"),
    ])
    .start();
    for response in all_kinds(&server) {
        assert_eq!(response.headers("x-frame-options").collect::<Vec<_>>(), ["DENY"]);
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    }
}
