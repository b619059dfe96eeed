//! What the function gets.

use super::*;
use serde_json::json;

fn event(asked: Asked) -> Value {
    let world = World::returning("1");
    assert_eq!(world.ask(asked).status(), 200);
    world.event()
}

// LAM-U-008, LAM-U-009, LAM-U-010, LAM-U-023
#[test]
fn a_whole_event() {
    let world = World::returning("1");
    let host = world.host_name();
    let host_field = format!("{host}:4566");
    let headers = [
        ("Host", host_field.as_str()),
        ("User-Agent", "curl/8.9"),
        ("X-Trace", "one"),
        ("Cookie", "sid=42; theme=dark"),
        ("x-trace", "two"),
        ("cookie", "last=1"),
        ("Connection", "keep-alive, x-hop"),
        ("X-Hop", "1"),
        ("Transfer-Encoding", "chunked"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Amzn-Trace-Id", "Root=1-67891233-abcdef012345678912345678"),
    ];
    let response = world.ask(asked(
        "GET",
        "/items/pa2%2Fth/7?tag=a&tag=b%20c&sort=asc+x&flag",
        &headers,
        b"",
    ));
    let event = world.event();
    let context = &event["requestContext"];
    let request_id = context["requestId"].as_str().unwrap();
    assert_eq!(response.headers()["x-amzn-requestid"], request_id);
    assert_eq!(
        world.invoked.lock().unwrap()[0].request_id.unwrap().as_str(),
        request_id
    );
    assert_eq!(
        response.headers()["x-amzn-trace-id"],
        "Root=1-67891233-abcdef012345678912345678"
    );
    let (time, epoch) = (
        context["time"].as_str().unwrap(),
        context["timeEpoch"].as_u64().unwrap(),
    );
    assert_eq!(time.len(), "09/Oct/2025:08:53:20 +0000".len());
    assert!(epoch > 1_700_000_000_000);
    let expected = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/items/pa2%2Fth/7",
        "rawQueryString": "tag=a&tag=b%20c&sort=asc+x&flag",
        "cookies": ["sid=42", "theme=dark", "last=1"],
        "headers": {
            "host": host_field,
            "user-agent": "curl/8.9",
            "x-trace": "one,two",
            "x-forwarded-for": "203.0.113.5",
            "x-forwarded-port": "4566",
            "x-forwarded-proto": "http",
            "x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678",
        },
        "queryStringParameters": { "tag": "a,b c", "sort": "asc x", "flag": "" },
        "requestContext": {
            "accountId": "anonymous",
            "apiId": id().as_str(),
            "domainName": host,
            "domainPrefix": id().as_str(),
            "http": {
                "method": "GET",
                "path": "/items/pa2%2Fth/7",
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.5",
                "userAgent": "curl/8.9",
            },
            "requestId": request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": time,
            "timeEpoch": epoch,
        },
        "isBase64Encoded": false,
    });
    assert_eq!(event, expected);
}

// LAM-U-008
#[test]
fn what_is_not_there_is_no_member() {
    let event = event(get());
    let members: Vec<_> = event.as_object().unwrap().keys().cloned().collect();
    for absent in ["body", "cookies", "queryStringParameters"] {
        assert!(!members.contains(&absent.to_owned()), "{absent} in {members:?}");
    }
    assert_eq!(event["rawQueryString"], "");
    let trace = event["headers"]["x-amzn-trace-id"].as_str().unwrap();
    let parts: Vec<_> = trace.strip_prefix("Root=").unwrap().split('-').map(str::len).collect();
    assert_eq!(parts, [1, 8, 24], "{trace}");
}

// LAM-U-011
#[test]
fn bodies_are_text_or_base64() {
    for (content_type, body, expected, is_base64) in [
        ("text/plain", "plain text".as_bytes(), "plain text", false),
        ("text/html; charset=utf-8", "é".as_bytes(), "é", false),
        ("application/json", b"{\"a\": \"\\n\"}", "{\"a\": \"\\n\"}", false),
        ("application/vnd.api+json", b"1", "1", false),
        ("image/svg+xml", b"<a/>", "<a/>", false),
        ("application/javascript", b"1", "1", false),
        ("multipart/form-data; boundary=x", b"abc", "YWJj", true),
        ("application/x-www-form-urlencoded", b"a=1", "YT0x", true),
        ("application/octet-stream", b"abc", "YWJj", true),
        ("", b"abc", "YWJj", true),
        // What it says it is, it is not.
        ("text/plain", b"\xff\xfe", "//4=", true),
    ] {
        let headers = [("content-type", content_type)];
        let event = event(asked(
            "POST",
            "/",
            if content_type.is_empty() { &[] } else { &headers },
            body,
        ));
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&json!(expected), &json!(is_base64)),
            "{content_type}"
        );
    }
    let coded = [("content-type", "text/plain"), ("content-encoding", "br")];
    assert_eq!(event(asked("POST", "/", &coded, b"abc"))["body"], "YWJj");
}

#[test]
fn odd_queries_stay_readable() {
    let query = |text: &str| event(asked("GET", &format!("/?{text}"), &[], b""))["queryStringParameters"].clone();
    assert_eq!(query("a=%zz%4&=x&&b=%41%"), json!({ "a": "%zz%4", "": "x", "b": "A%" }));
    assert_eq!(query("a=%ff"), json!({ "a": "\u{fffd}" }));
}

// ALB's limit is 1 MB; here it is Invoke's
#[test]
fn events_that_are_too_large_are_refused() {
    let world = World::returning("1");
    let text = |bytes| asked("POST", "/", &[("content-type", "text/plain")], &vec![b'a'; bytes]);
    assert_eq!(world.ask(text(EVENT_BYTES_MAX)).status(), 413);
    assert_eq!(world.ask(text(EVENT_BYTES_MAX - 4096)).status(), 200);
    let unread = Asked { body: None, ..get() };
    assert_eq!(world.ask(unread).status(), 413);
    assert_eq!(world.invoked.lock().unwrap().len(), 1);
}

#[test]
fn every_method_of_urls_and_no_other() {
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] {
        assert_eq!(
            event(asked(method, "/", &[], b""))["requestContext"]["http"]["method"],
            method
        );
    }
    let world = World::returning("1");
    assert_eq!(world.ask(asked("TRACE", "/", &[], b"")).status(), 405);
    assert!(world.invoked.lock().unwrap().is_empty());
}
