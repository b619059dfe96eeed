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
        question("GET", "http://shop.example:8080/a b?c d", &[], ""),
        question("GET", "http://shop.example:8080/a HTTP/1.0", &[], ""),
        question("GET", "http://shop.example:8080/ü\"<>\\^`{|}", &[], ""),
        question("GET", "http://shop.example:8080/a\tb", &[], ""),
        question("G(T", "http://shop.example:8080/", &[], ""),
        question("CONNECT", "http://shop.example:8080/", &[], ""),
        question("POST", "http://shop.example:8080/", &[("Content_Length", "1")], ""),
        question(
            "POST",
            "http://shop.example:8080/",
            &[("Content-Length", "1048577")],
            "",
        ),
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
        let (mut rules_of, mut classes) = (Vec::new(), Vec::new());
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
            let class = |name: &str| explained[name].as_str().unwrap_or("-").to_owned();
            classes.push([class("classification"), class("classification_reason")]);
            let matched = explained["rules"].as_array().unwrap().last();
            rules_of.push(match matched {
                None => "-".to_owned(),
                Some(rule) => {
                    assert_eq!(rule["matched"], true, "{case}");
                    rule["priority"].as_str().unwrap().replace("default", "0")
                }
            });
        }
        let log = server.log();
        let logged: Vec<_> = log.iter().map(|line| line[20].clone()).collect();
        assert_eq!(rules_of, logged, "{mode}");
        let logged: Vec<_> = log.iter().map(|line| [line[27].clone(), line[28].clone()]).collect();
        assert_eq!(classes, logged, "{mode}");
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

/// Method, path and headers; status and sentence.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], u16, &'a str);

#[test]
fn refusals_say_what_is_wrong() {
    let server = rules(&Seen::default()).start();
    let long = "x".repeat(17_000);
    let addresses = "1,".repeat(31);
    let lines: Vec<_> = (0..5).map(|_| ("X-Long", &long[..16_000])).collect();
    let cases: [Case<'_>; 12] = [
        ("TRACE", "/", &[], 405, "TRACE is not allowed"),
        ("GET", "/a ", &[], 400, "the path of the URL can be read in two ways"),
        ("CONNECT", "/", &[], 400, "CONNECT is not allowed"),
        (
            "GET",
            "/",
            &[("Host", "a"), ("Host", "b")],
            400,
            "the request has 2 Host headers",
        ),
        ("GET", "/", &[("Host", "a b")], 400, "the Host header names no host"),
        (
            "GET",
            "/",
            &[("X-Forwarded-For", &addresses)],
            463,
            "X-Forwarded-For has 31 addresses, and 30 are allowed",
        ),
        (
            "POST",
            "/",
            &[("Content-Length", "x")],
            400,
            "the request is classified Severe (BadContentLength), which desync mitigation mode defensive blocks",
        ),
        (
            "POST",
            "/",
            &[("Transfer-Encoding", "gzip")],
            501,
            "the transfer coding is not supported",
        ),
        (
            "POST",
            "/",
            &[("Transfer-Encoding", "chunked, identity")],
            400,
            "chunked is not the last transfer coding",
        ),
        ("GET", &long, &[], 414, "the request line has more than 16384 bytes"),
        (
            "GET",
            "/",
            &[("X-Long", &long)],
            400,
            "a header line has more than 16383 bytes",
        ),
        (
            "GET",
            "/",
            &lines,
            400,
            "the headers have together more than 65536 bytes",
        ),
    ];
    for (method, url, headers, status, why) in cases {
        let url = format!("http://shop.example:8080/{}", url.trim_start_matches('/'));
        let question = question(method, &url, headers, "");
        let explained = serde_json::to_value(server.proxy.explain(&question).unwrap()).unwrap();
        let action = &explained["action"];
        assert_eq!(
            (&action["type"], &action["status"], &action["why"]),
            (&json!("refused"), &json!(status), &json!(why))
        );
        let (class, reason) = match why {
            _ if why.contains("BadContentLength") => (Some("Severe"), Some("BadContentLength")),
            _ if why.contains("two ways") => (Some("Acceptable"), Some("SpaceInUri")),
            _ => (None, None),
        };
        for place in [action, &explained] {
            assert_eq!(place["classification"].as_str(), class, "{why}");
            assert_eq!(place["classification_reason"].as_str(), reason, "{why}");
        }
        assert_eq!(server.ask(&request_of(&question)).status, status, "{why}");
    }
}

#[test]
fn an_asterisk_is_a_target() {
    let server = Setup::default()
        .rule(1, vec![path(&["/*"])], fixed(200, "path"))
        .start();
    let explained = server.proxy.explain(&question("OPTIONS", "*", &[], "")).unwrap();
    let explained = serde_json::to_value(explained).unwrap();
    let response = server.ask("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(explained["action"]["body"], response.text());
    assert_eq!(explained["rules"].as_array().unwrap().len(), 2);
}

#[test]
fn a_stickiness_cookie_binds_as_in_traffic() {
    let seen = Seen::default();
    let hour = Some(std::time::Duration::from_secs(3600));
    let setup = Setup {
        default: forward(&[("red", 1), ("blue", 1)], hour),
        groups: vec![("red", false, Some("red")), ("blue", false, Some("blue"))],
        function: seen.answering(r#"{"statusCode":200}"#),
        ..Setup::default()
    }
    .rule(1, vec![path(&["/loose"])], forward(&[("red", 1), ("blue", 1)], None))
    .rule(2, vec![path(&["/nobody"])], forward(&[("red", 0), ("blue", 0)], hour));
    let state = state_of(&setup.commands());
    let server = setup.start();
    let ask = |path: &str, cookie: &str| {
        let cookie = [("Cookie", cookie)];
        question("GET", &format!("http://shop.example:8080{path}"), &cookie, "")
    };
    let explain = |question: &Question| serde_json::to_value(server.proxy.explain(question).unwrap()).unwrap();
    let alone = |question: &Question| serde_json::to_value(proxy::explain_state(&state, question).unwrap()).unwrap();
    let shares = |action: &Value| {
        let groups = action["target_groups"].as_array().unwrap().iter();
        groups.map(|group| group["share"].as_f64().unwrap()).collect::<Vec<_>>()
    };

    let response = server.get("/");
    let cookie = response.headers("set-cookie").next().unwrap();
    let (cookie, _) = cookie.split_once("; ").unwrap();
    let bound = seen.invocations().pop().unwrap().function;
    let asked = ask("/", &format!("theme=dark; {cookie}"));
    let action = &explain(&asked)["action"];
    assert_eq!(shares(action), [1.0]);
    let group = &action["target_groups"][0];
    assert_eq!(
        (&group["bound_by_cookie"], &group["function"]),
        (&json!(true), &json!(bound.to_string()))
    );
    for _ in 0..10 {
        server.ask(&request_of(&asked));
        assert_eq!(seen.invocations().pop().unwrap().function, bound);
    }
    let without_server = &alone(&asked)["action"];
    assert_eq!(shares(without_server), [0.5, 0.5]);
    assert_eq!(
        without_server["stickiness_cookie"],
        "cannot be read without the running albacore"
    );

    let encoded = ask("/", "AWSALBTG=a%2b");
    for explained in [explain(&encoded), alone(&encoded)] {
        let action = &explained["action"];
        assert_eq!(
            (&action["status"], &action["error_reason"]),
            (&json!(500), &json!("AWSALBTGCookieInvalid"))
        );
        assert!(shares(action).is_empty());
    }
    assert_eq!(server.ask(&request_of(&encoded)).status, 500);

    for (path, cookie, told) in [
        ("/", "AWSALBTG=x", true),
        ("/", "theme=dark", false),
        ("/loose", cookie, false),
        ("/loose", "AWSALBTG=a%2b", false),
    ] {
        let action = &explain(&ask(path, cookie))["action"];
        assert_eq!(shares(action), [0.5, 0.5], "{path} {cookie}");
        assert_eq!(action["stickiness_cookie"].is_string(), told, "{path} {cookie}");
    }
    // A cookie of another rule does not help where no group has a weight.
    let nobody = ask("/nobody", cookie);
    let action = &explain(&nobody)["action"];
    assert_eq!((&action["status"], shares(action).len()), (&json!(503), 0));
    assert_eq!(action["error_reason"], "NoTargetWeight");
    assert_eq!(server.ask(&request_of(&nobody)).status, 503);
    let log = server.log();
    assert!(log.iter().any(|line| line[24] == "AWSALBTGCookieInvalid"));
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
    for (method, url, name, value, named) in [
        ("GE T", "/", "a", "b", r#"the method "GE T""#),
        ("", "/", "a", "b", r#"the method """#),
        ("GET\n", "/", "a", "b", r#"the method "GET\n""#),
        ("GET", "/a\r\nb", "a", "b", r#"the URL "/a\r\nb""#),
        ("GET", "/\0", "a", "b", r#"the URL "/\0""#),
        ("GET", "http://a\n:8080/", "a", "b", "the URL"),
        ("GET", "/", "a b", "c", r#"the header name "a b""#),
        ("GET", "/", "", "b", r#"the header name """#),
        (
            "GET",
            "/",
            "X-A",
            "b\r\nX-Evil: 1",
            r#"the value of header "X-A" cannot be sent: it holds CR"#,
        ),
    ] {
        let refused = ask(method, url, &[(name, value)]).to_string();
        assert!(refused.starts_with(named), "{method} {url} {name}: {refused}");
    }
    let empty = Setup::default();
    let server = empty.start();
    server.proxy.apply(&state_of(&[])).unwrap();
    let refused = server.proxy.explain(&question("GET", "/", &[], "")).unwrap_err();
    assert!(refused.to_string().ends_with("there are: none"), "{refused}");
}
