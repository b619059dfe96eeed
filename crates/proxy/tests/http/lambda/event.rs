//! What a function gets.

use crate::played::*;
use crate::support::*;
use serde_json::{Value, json};

fn event_of(server: &Server, request: &str) -> Value {
    server.ask(request).json()
}

// ALB-L-007: the keys of the event stand in the documented order
// ALB-L-008: exactly one of the single and multi forms
// ALB-L-009: targetGroupArn is the ARN of the chosen group
// ALB-L-021: the forwarded headers and the trace id are in every event
// ALB-L-022: x-forwarded-port is the listener's port as a string
// ALB-L-024: no x-imforwards
// ALB-L-025: no content-length when the client sent none
#[test]
fn the_event_byte_for_byte() {
    let arn = group_arn("orders");
    let request = "GET /orders/7?q=a%20b&tag=y&tag=z HTTP/1.1\r\nHost: Shop.Example.net\r\nAccept: */*\r\n\
                   Connection: keep-alive\r\nTE: trailers\r\n\r\n";
    for multi_value in [false, true] {
        let server = Setup::lambda(multi_value, echo()).start();
        let response = server.ask(request);
        let (query, headers) = match multi_value {
            false => ("queryStringParameters", "headers"),
            true => ("multiValueQueryStringParameters", "multiValueHeaders"),
        };
        let trace = match multi_value {
            false => response.json()["headers"]["x-amzn-trace-id"].clone(),
            true => response.json()["multiValueHeaders"]["x-amzn-trace-id"][0].clone(),
        };
        let trace = trace.as_str().unwrap();
        assert!(trace.starts_with("Root=1-"), "{trace}");
        let value = |text: &str| match multi_value {
            false => format!("\"{text}\""),
            true => format!("[\"{text}\"]"),
        };
        let parameters = match multi_value {
            false => r#"{"q":"a%20b","tag":"z"}"#,
            true => r#"{"q":["a%20b"],"tag":["y","z"]}"#,
        };
        let lines = [
            ("accept", "*/*"),
            ("host", "shop.example.net:8080"),
            ("x-amzn-trace-id", trace),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-port", "8080"),
            ("x-forwarded-proto", "http"),
        ]
        .map(|(name, text)| format!("\"{name}\":{}", value(text)))
        .join(",");
        let expected = format!(
            r#"{{"requestContext":{{"elb":{{"targetGroupArn":"{arn}"}}}},"httpMethod":"GET","path":"/orders/7","{query}":{parameters},"{headers}":{{{lines}}},"body":"","isBase64Encoded":false}}"#
        );
        assert_eq!(response.text(), expected);
    }
}

// ALB-L-010: header names are lower-case, whatever the client sent
// ALB-L-011: in single mode the last of repeated headers wins
// ALB-L-012: in multi mode repeated headers are an array in arrival order
// ALB-L-013: a line with a comma stays one element
// ALB-L-069: Cookie lines follow the same rule
#[test]
fn headers_in_both_modes() {
    let request = "GET / HTTP/1.1\r\nHOST: a.b\r\nX-One: a, b\r\nX-TWO: 1\r\nCookie: a=1\r\nx-two: 2\r\nCookie: b=2\r\nX-Empty:\r\n\r\n";
    let single = event_of(&Setup::lambda(false, echo()).start(), request);
    let multi = event_of(&Setup::lambda(true, echo()).start(), request);
    for (name, last, all) in [
        ("x-one", "a, b", json!(["a, b"])),
        ("x-two", "2", json!(["1", "2"])),
        ("cookie", "b=2", json!(["a=1", "b=2"])),
        ("x-empty", "", json!([""])),
        ("host", "a.b:8080", json!(["a.b:8080"])),
    ] {
        assert_eq!(single["headers"][name], last, "{name}");
        assert_eq!(multi["multiValueHeaders"][name], all, "{name}");
    }
    for event in [&single["headers"], &multi["multiValueHeaders"]] {
        let names = event.as_object().unwrap().keys();
        assert!(
            names.clone().all(|name| *name == name.to_ascii_lowercase()),
            "{names:?}"
        );
    }
}

// ALB-L-014: in single mode the last of repeated keys wins
// ALB-L-015: in multi mode repeated keys are an array
// ALB-L-016: query values are not decoded
// ALB-L-017: query keys are not decoded
// ALB-L-018: a leading & makes no empty key
// ALB-L-019: no query is {} in both modes
// ALB-L-020: the path is not decoded
#[test]
fn urls_are_raw() {
    let single = Setup::lambda(false, echo()).start();
    let multi = Setup::lambda(true, echo()).start();
    for (target, path, one, all) in [
        ("/", "/", json!({}), json!({})),
        ("/?", "/", json!({}), json!({})),
        ("/x?k=1&k=2", "/x", json!({"k": "2"}), json!({"k": ["1", "2"]})),
        ("/?q=a%20b+c", "/", json!({"q": "a%20b+c"}), json!({"q": ["a%20b+c"]})),
        (
            "/?a%5B0%5D=1",
            "/",
            json!({"a%5B0%5D": "1"}),
            json!({"a%5B0%5D": ["1"]}),
        ),
        (
            "/?&a=1&b",
            "/",
            json!({"a": "1", "b": ""}),
            json!({"a": ["1"], "b": [""]}),
        ),
        ("/a%2Fb//./../c", "/a%2Fb//./../c", json!({}), json!({})),
        ("http://x.y/z?w=1", "/z", json!({"w": "1"}), json!({"w": ["1"]})),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let event = event_of(&single, &request);
        assert_eq!(
            (&event["path"], &event["queryStringParameters"]),
            (&json!(path), &one),
            "{target}"
        );
        let event = event_of(&multi, &request);
        let parameters = &event["multiValueQueryStringParameters"];
        assert_eq!((&event["path"], parameters), (&json!(path), &all), "{target}");
    }
}

// ALB-L-025: content-length appears when the client sent it, and only then
// ALB-L-026: an empty body is "" and not base64, whatever the type
// ALB-L-027: JSON with a charset is raw
// ALB-L-028: text/csv is raw
// ALB-L-029: a form is base64
// ALB-L-030: application/vnd.api+json is base64
// ALB-L-031: no content type is base64
// ALB-L-032: gzip is base64
// ALB-L-033: identity is base64 too
#[test]
fn bodies() {
    let server = Setup::lambda(false, echo()).start();
    for (headers, body, expected, base64) in [
        ("Content-Type: image/png\r\n", "", "", false),
        (
            "Content-Type: application/json; charset=utf-8\r\n",
            "{\"a\":\"é\"}",
            "{\"a\":\"é\"}",
            false,
        ),
        ("Content-Type: text/csv\r\n", "a,b\r\n", "a,b\r\n", false),
        (
            "Content-Type: application/x-www-form-urlencoded\r\n",
            "a=1",
            "YT0x",
            true,
        ),
        ("Content-Type: application/vnd.api+json\r\n", "{}", "e30=", true),
        ("", "hi", "aGk=", true),
        (
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
            "hi",
            "aGk=",
            true,
        ),
        (
            "Content-Type: text/plain\r\nContent-Encoding: identity\r\n",
            "hi",
            "aGk=",
            true,
        ),
    ] {
        let length = body.len();
        let event = event_of(
            &server,
            &format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {length}\r\n\r\n{body}"),
        );
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&json!(expected), &json!(base64)),
            "{headers}"
        );
        assert_eq!(event["headers"]["content-length"], length.to_string());
        let chunks = if length == 0 {
            String::new()
        } else {
            format!("{length:x};ext=1\r\n{body}\r\n")
        };
        let event = event_of(
            &server,
            &format!(
                "POST / HTTP/1.1\r\nHost: a\r\n{headers}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\nX-Trailer: 1\r\n\r\n"
            ),
        );
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&json!(expected), &json!(base64)),
            "{headers}"
        );
        for absent in ["content-length", "transfer-encoding", "x-trailer"] {
            assert!(event["headers"].get(absent).is_none(), "{absent}");
        }
    }
}

#[test]
fn a_body_comes_with_any_method() {
    let server = Setup::lambda(false, echo()).start();
    for method in ["GET", "DELETE", "PURGE", "get"] {
        let event = event_of(
            &server,
            &format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"),
        );
        assert_eq!((&event["httpMethod"], &event["body"]), (&json!(method), &json!("hi")));
    }
}

// ALB-L-034: a body one byte over 1 MB is 413, and the function is not invoked
#[test]
fn bodies_are_bounded() {
    let seen = Seen::default();
    let server = Setup::lambda(false, seen.answering(r#"{"statusCode":200}"#)).start();
    let mega = 1 << 20;
    let with_length = |bytes: usize| {
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n{}",
            "x".repeat(bytes)
        )
    };
    let chunked = |bytes: usize| {
        let chunk = "x".repeat(bytes / 2);
        let size = chunk.len();
        let last = if bytes % 2 == 1 { "1\r\nx\r\n" } else { "" };
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n{chunk}\r\n{size:x}\r\n{chunk}\r\n{last}0\r\n\r\n"
        )
    };
    for request in [with_length(mega), chunked(mega)] {
        assert_eq!(server.ask(&request).status, 200);
    }
    assert_eq!(seen.count(), 2);
    let encoded = seen.events()[0]["body"].as_str().unwrap().len();
    assert_eq!(encoded, mega.div_ceil(3) * 4);
    for request in [with_length(mega + 1), chunked(mega + 1)] {
        let refused = server.ask(&request);
        assert_eq!((refused.status, refused.body.len()), (413, 148));
        assert_eq!(refused.header("connection"), Some("close"));
    }
    assert_eq!(seen.count(), 2);
    assert_eq!(server.counter("albacore_proxy_lambda_user_errors_total"), 2.0);
    let log = server.log();
    assert_eq!(log[2][24], "LambdaRequestTooLarge");
    assert_eq!(log[2][5..10], ["-1", "-1", "-1", "413", "-"]);
}

// ALB-L-035: an upgrade is 400, and the function is not invoked
#[test]
fn upgrades_are_refused() {
    let seen = Seen::default();
    let server = Setup::lambda(false, seen.answering(r#"{"statusCode":200}"#)).start();
    for upgrade in ["websocket", "h2c", "anything"] {
        let request =
            format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: {upgrade}\r\n\r\n");
        assert_eq!(server.ask(&request).status, 400, "{upgrade}");
    }
    assert_eq!(seen.count(), 0);
    // Without the word in Connection it is an ordinary header, and a hop-by-hop one.
    let ordinary = server.ask("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n");
    assert_eq!((ordinary.status, seen.count()), (200, 1));
    assert!(seen.events()[0]["headers"].get("upgrade").is_none());
    assert_eq!(server.log()[0][24], "LambdaWebsocketNotSupported");
}

// ALB-L-036: JSON that is not UTF-8 is not delivered; the log says LambdaBadRequest
#[test]
fn what_is_not_utf8_is_not_delivered() {
    let seen = Seen::default();
    let server = Setup::lambda(false, seen.answering(r#"{"statusCode":200}"#)).start();
    let requests: [&[u8]; 4] = [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n\"\xff\"",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Name: \xe4\r\n\r\n",
        b"GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /?a=\xe4 HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    for request in requests {
        let mut client = server.connect();
        client.send(request);
        assert_eq!(client.response().status, 400);
    }
    assert_eq!(seen.count(), 0);
    assert_eq!(server.counter("albacore_proxy_lambda_user_errors_total"), 4.0);
    let log = server.log();
    assert!(log.iter().all(|line| line[24] == "LambdaBadRequest"), "{log:?}");
}

// What is about this connection alone ends here.
#[test]
fn hop_by_hop_headers_are_not_in_the_event() {
    for multi_value in [false, true] {
        let server = Setup::lambda(multi_value, echo()).start();
        let event = event_of(
            &server,
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x-own\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n\
             TE: trailers\r\nTrailer: x\r\nUpgrade: h2c\r\nX-Own: 1\r\n\r\n",
        );
        let member = if multi_value { "multiValueHeaders" } else { "headers" };
        let names: Vec<_> = event[member].as_object().unwrap().keys().map(String::as_str).collect();
        let ours = [
            "x-amzn-trace-id",
            "x-forwarded-for",
            "x-forwarded-port",
            "x-forwarded-proto",
            "x-own",
        ];
        assert_eq!(names, [&["host"][..], &ours].concat());
    }
}

// ALB-L-022: the port is the listener's, not the socket's and not what the client says
#[test]
fn a_client_does_not_choose_the_forwarded_headers() {
    let server = Setup::lambda(false, echo()).start();
    let event = event_of(
        &server,
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Proto: ftp\r\nX-Forwarded-Proto: x\r\n\r\n",
    );
    assert_eq!(event["headers"]["x-forwarded-port"], "8080");
    assert_eq!(event["headers"]["x-forwarded-proto"], "http");
}

#[test]
fn quotes_and_backslashes_arrive_as_they_are() {
    let server = Setup::lambda(false, echo()).start();
    let event = event_of(
        &server,
        "GET /\"a\\?b=\"c\\\" HTTP/1.1\r\nHost: a\r\nIf-None-Match: W/\"5\\\"\r\nX-Name: h\u{e9}\r\n\r\n",
    );
    assert_eq!(
        (&event["path"], &event["queryStringParameters"]["b"]),
        (&json!("/\"a\\"), &json!("\"c\\\""))
    );
    assert_eq!(
        (&event["headers"]["if-none-match"], &event["headers"]["x-name"]),
        (&json!("W/\"5\\\""), &json!("h\u{e9}"))
    );
}

#[test]
fn the_trace_id_goes_to_the_runtime_the_event_and_the_log() {
    let seen = Seen::default();
    let server = Setup::lambda(false, seen.answering(r#"{"statusCode":200}"#)).start();
    server.get("/");
    let invocation = &seen.invocations()[0];
    let trace = invocation.trace_id.as_deref().unwrap();
    assert_eq!(seen.events()[0]["headers"]["x-amzn-trace-id"], trace);
    assert_eq!(server.log()[0][17], trace);
}
