//! An explanation says what traffic does.

use crate::played::*;
use crate::support::*;
use model::elb::condition::cidr::Cidr;
use model::elb::condition::pattern::{HeaderName, HeaderPattern, HostPattern, Method, QueryPattern, QueryText};
use model::elb::condition::{Alternatives, Condition};
use model::elb::transform::{Rewrite, Transforms};
use proxy::{ExplainError, Question};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

fn question(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Question {
    Question {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: body.as_bytes().to_vec(),
        client: Ipv4Addr::LOCALHOST.into(),
    }
}

/// The bytes that curl would send for a question.
fn request_of(question: &Question) -> String {
    let rest = question.url.strip_prefix("http://").unwrap();
    let (authority, target) = rest.split_at(rest.find('/').unwrap());
    let mut request = format!("{} {target} HTTP/1.1\r\n", question.method);
    if !question.headers.iter().any(|(name, _)| name == "Host") {
        request += &format!("Host: {authority}\r\n");
    }
    for (name, value) in &question.headers {
        request += &format!("{name}: {value}\r\n");
    }
    if !question.body.is_empty() {
        request += &format!("Content-Length: {}\r\n", question.body.len());
    }
    request + "\r\n" + std::str::from_utf8(&question.body).unwrap()
}

fn rules(seen: &Seen) -> Setup {
    let value = |name: &str, text: &str| Condition::HttpHeader {
        name: HeaderName::try_from(name).unwrap(),
        values: Alternatives::Values(vec![HeaderPattern::try_from(text).unwrap()]),
    };
    let host = Condition::HostHeader(Alternatives::Values(vec![HostPattern::try_from("api.*").unwrap()]));
    let query = Condition::QueryString(vec![QueryPattern {
        key: Some(QueryText::try_from("v").unwrap()),
        value: QueryText::try_from("2").unwrap(),
    }]);
    let method = Condition::HttpRequestMethod(vec![Method::try_from("DELETE").unwrap()]);
    let far_away = Condition::SourceIp(vec![Cidr::try_from("203.0.113.0/24").unwrap()]);
    let to_function = || forward(&[("orders", 1)], None);
    let rewrite = |regex, replace| Some(Rewrite::new(regex, replace).unwrap());
    let mut setup = Setup::lambda(false, seen.answering(r#"{"statusCode":200}"#))
        .rule(10, vec![host, path(&["/v1/*"])], fixed(410, "gone"))
        .rule(20, vec![value("X-Beta", "yes")], to_function())
        .rule(30, vec![query, method], fixed(403, "no"))
        .rule(40, vec![far_away], fixed(200, "far"))
        .rule(
            50,
            vec![path(&["/go/*"])],
            redirect(&model::elb::action::redirect::RedirectParts {
                protocol: Some("HTTPS"),
                port: Some("443"),
                ..Default::default()
            }),
        );
    let transforms = Transforms {
        host: rewrite("^shop", "store"),
        url: rewrite("^/t/(.*)$", "/$1?t=1"),
    };
    setup.rules.push((60, vec![path(&["/t/*"])], transforms, to_function()));
    let broken = Transforms {
        host: None,
        url: rewrite("^/b", "no slash"),
    };
    setup.rules.push((70, vec![path(&["/b/*"])], broken, to_function()));
    setup.groups.push(("empty", false, None));
    setup.rule(80, vec![path(&["/empty"])], forward(&[("empty", 1)], None))
}

/// The event without the trace id, which is never the same twice.
fn without_trace(text: &str) -> String {
    let event: Value = serde_json::from_str(text).unwrap();
    let trace = event["headers"]["x-amzn-trace-id"].as_str().unwrap();
    text.replace(trace, "TRACE")
}

fn questions() -> Vec<Question> {
    let long = "x".repeat(17_000);
    vec![
        question("GET", "http://api.example:8080/v1/users?x=1", &[], ""),
        question("GET", "http://API.Example:8080/v1//users", &[], ""),
        question(
            "GET",
            "http://shop.example:8080/",
            &[("x-beta", "YES"), ("Accept", "a"), ("Accept", "b")],
            "",
        ),
        question("DELETE", "http://shop.example:8080/x?v=1&v=2", &[], ""),
        question(
            "GET",
            "http://shop.example:8080/x?v=2",
            &[("X-Forwarded-For", "203.0.113.9")],
            "",
        ),
        question("GET", "http://shop.example:8080/go/there?a=b", &[], ""),
        question("GET", "http://shop.example:8080/t/x/y", &[("Cookie", "a=1")], ""),
        question("GET", "http://shop.example:8080/b/x", &[], ""),
        question("GET", "http://shop.example:8080/empty", &[], ""),
        question(
            "POST",
            "http://shop.example:8080/p%20q?a=%20",
            &[("Content-Type", "text/plain")],
            "hello é",
        ),
        question(
            "POST",
            "http://shop.example:8080/",
            &[("Content-Type", "image/png")],
            "hello",
        ),
        question(
            "PUT",
            "http://shop.example:8080/",
            &[("a_b", "1"), ("Connection", "x"), ("TE", "trailers")],
            "x",
        ),
        question("GET", "http://shop.example:8080/", &[("Host", "Other.Example")], ""),
        question(
            "GET",
            "http://shop.example:8080/",
            &[("Connection", "upgrade"), ("Upgrade", "websocket")],
            "",
        ),
        question("TRACE", "http://shop.example:8080/", &[], ""),
        question("GET", "http://shop.example:8080/", &[("Host", "a"), ("Host", "b")], ""),
        question(
            "GET",
            "http://shop.example:8080/",
            &[("X-Forwarded-For", &"1,".repeat(31))],
            "",
        ),
        question("POST", "http://shop.example:8080/", &[("Content-Length", "x")], ""),
        question(
            "POST",
            "http://shop.example:8080/",
            &[("Transfer-Encoding", "gzip")],
            "",
        ),
        question("GET", "http://shop.example:8080/", &[("Content-Length", "0")], ""),
        question("GET", &format!("http://shop.example:8080/{long}"), &[], ""),
        question("GET", "http://shop.example:8080/", &[("X-Long", &long)], ""),
    ]
}

#[test]
fn explanations_agree_with_traffic() {
    for mode in ["defensive", "strictest"] {
        let seen = Seen::default();
        let server = rules(&seen)
            .attribute("routing.http.desync_mitigation_mode", mode)
            .start();
        let mut rules_of = Vec::new();
        for question in questions() {
            let asked = seen.count();
            let explained = serde_json::to_value(server.proxy.explain(&question).unwrap()).unwrap();
            let text = serde_json::to_string(&server.proxy.explain(&question).unwrap()).unwrap();
            assert_eq!(seen.count(), asked, "explaining asks nobody");
            let response = server.ask(&request_of(&question));
            let case = format!("{mode}: {} {} {:?}", question.method, question.url, question.headers);
            let action = &explained["action"];
            match action["type"].as_str().unwrap() {
                "refused" => {
                    assert_eq!(
                        (response.status, explained["rules"].as_array().unwrap().len()),
                        (number(&action["status"]), 0),
                        "{case}"
                    );
                    assert_eq!(seen.count(), asked, "{case}");
                }
                "fixed-response" => {
                    assert_eq!(
                        (response.status, response.text()),
                        (number(&action["status"]), action["body"].as_str().unwrap()),
                        "{case}"
                    );
                    assert_eq!(
                        response.header("content-type"),
                        action["content_type"].as_str(),
                        "{case}"
                    );
                }
                "redirect" => {
                    assert_eq!(response.status, number(&action["status"]), "{case}");
                    assert_eq!(response.header("location"), action["location"].as_str(), "{case}");
                }
                _ => {
                    let group = &action["target_groups"][0];
                    if group["event"].is_null() {
                        assert_eq!(
                            (response.status, seen.count()),
                            (number(&group["status"]), asked),
                            "{case}"
                        );
                    } else {
                        assert_eq!((response.status, seen.count()), (200, asked + 1), "{case}");
                        let invocation = seen.invocations().pop().unwrap();
                        let sent = std::str::from_utf8(&invocation.payload).unwrap();
                        // Byte for byte, so the order of all members is compared too.
                        let told = without_trace(&group["event"].to_string());
                        assert_eq!(
                            serde_json::from_str::<Value>(&told).unwrap(),
                            serde_json::from_str::<Value>(&without_trace(sent)).unwrap(),
                            "{case}"
                        );
                        assert!(without_trace_in(&text).contains(&without_trace(sent)), "{case}: {text}");
                        assert_eq!(group["function"], invocation.function.to_string(), "{case}");
                    }
                }
            }
            let matched = explained["rules"].as_array().unwrap().last();
            rules_of.push(match matched {
                None => "-".to_owned(),
                Some(rule) => {
                    assert_eq!(rule["matched"], true, "{case}");
                    rule["priority"].as_str().unwrap().replace("default", "0")
                }
            });
        }
        let logged: Vec<_> = server.log().into_iter().map(|line| line[20].clone()).collect();
        assert_eq!(rules_of, logged, "{mode}");
    }
}

fn number(value: &Value) -> u16 {
    value.as_u64().unwrap().try_into().unwrap()
}

/// The serialised explanation with the trace id of its event replaced.
fn without_trace_in(text: &str) -> String {
    let explained: Value = serde_json::from_str(text).unwrap();
    let event = &explained["action"]["target_groups"][0]["event"];
    let trace = event["headers"]["x-amzn-trace-id"].as_str().unwrap();
    text.replace(trace, "TRACE")
}

#[test]
fn rules_that_fail_say_why() {
    let server = rules(&Seen::default()).start();
    let question = question("GET", "http://shop.example:8080/v1/x?v=2", &[], "");
    let explained = serde_json::to_value(server.proxy.explain(&question).unwrap()).unwrap();
    let tried = explained["rules"].as_array().unwrap();
    let failed: Vec<_> = tried.iter().map(|rule| rule["failed_condition"].clone()).collect();
    assert_eq!(
        failed[..5],
        [
            "host-header",
            "http-header",
            "http-request-method",
            "source-ip",
            "path-pattern"
        ]
        .map(|name| json!(name))
    );
    assert!(
        tried[..5].iter().all(|rule| !rule["why"].as_str().unwrap().is_empty()),
        "{tried:?}"
    );
    assert_eq!(tried.last().unwrap()["priority"], "default");
    assert_eq!(explained["listener"], listener_arn().to_string());
    assert_eq!(
        (&explained["load_balancer"], &explained["protocol"], &explained["port"]),
        (&json!("shop"), &json!("http"), &json!(8080))
    );
}

#[test]
fn a_path_alone_and_the_port_of_the_socket() {
    let seen = Seen::default();
    let server = Setup::lambda(false, seen.answering(r#"{"statusCode":200}"#)).start();
    let alone = serde_json::to_value(server.proxy.explain(&question("GET", "/x", &[], "")).unwrap()).unwrap();
    let event = &alone["action"]["target_groups"][0]["event"];
    assert_eq!(event["headers"]["host"], "shop-123456789.us-east-1.elb.localhost:8080");
    let published = format!("http://shop.example:{}/x", server.address.port());
    let by_socket = server.proxy.explain(&question("GET", &published, &[], "")).unwrap();
    assert_eq!(by_socket.port, PORT);
    let ipv6 = server
        .proxy
        .explain(&question("GET", "http://[::1]:8080/x", &[], ""))
        .unwrap();
    let ipv6 = serde_json::to_value(ipv6).unwrap();
    assert_eq!(
        ipv6["action"]["target_groups"][0]["event"]["headers"]["host"],
        "[::1]:8080"
    );
}

#[test]
fn questions_without_an_answer() {
    let server = Setup::default().start();
    let ask = |method: &str, url: &str, headers: &[(&str, &str)]| {
        server.proxy.explain(&question(method, url, headers, "")).unwrap_err()
    };
    for url in [
        "",
        "shop.example/x",
        "ftp://shop.example/",
        "http:///x",
        "http://a:x/",
        "http://a:99999/",
        "http://",
    ] {
        assert_eq!(ask("GET", url, &[]), ExplainError::Url(url.to_owned()), "{url}");
    }
    let missing = ask("GET", "http://shop.example/", &[]);
    assert_eq!(
        missing.to_string(),
        "no http listener has port 80; there are: http://*:8080 (shop)"
    );
    assert!(matches!(
        ask("GET", "https://shop.example:8080/", &[]),
        ExplainError::NoListener { port: 8080, .. }
    ));
    for (method, url, name, value) in [
        ("GE T", "/", "a", "b"),
        ("", "/", "a", "b"),
        ("GET", "/a b", "a", "b"),
        ("GET", "/", "a b", "c"),
        ("GET", "/", "a", "b\r\nX-Evil: 1"),
        ("GET", "/", "", "b"),
    ] {
        let refused = ask(method, url, &[(name, value)]);
        assert!(
            matches!(refused, ExplainError::Unsendable(_)),
            "{method} {url} {name}: {refused}"
        );
    }
    let empty = Setup::default();
    let server = empty.start();
    server.proxy.apply(&state_of(&[])).unwrap();
    let refused = server.proxy.explain(&question("GET", "/", &[], "")).unwrap_err();
    assert!(refused.to_string().ends_with("there are: none"), "{refused}");
}
