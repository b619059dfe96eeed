//! Subscriptions and queues, without listeners.

use super::queue::Queue;
use super::subscription::Buffering;
use super::*;
use std::time::Duration;

const DESTINATION: &str = r#""destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:8080/path"}"#;

fn mistakes(api: Api, body: &str) -> String {
    match Subscription::read(api, body.as_bytes()) {
        Ok(subscription) => panic!("accepted: {subscription:?}"),
        Err(refusal) => refusal.parts(api).2,
    }
}

fn read(api: Api, body: &str) -> Subscription {
    Subscription::read(api, body.as_bytes()).unwrap_or_else(|refusal| panic!("{body}: {refusal:?}"))
}

// LAM-X-018: what is wrong with a subscription is said, all of it
// LAM-X-023: buffering values outside the ranges are rejected
#[test]
fn wrong_subscriptions() {
    let with = |more: &str| format!("{{\"schemaVersion\":\"2022-07-01\",\"types\":[\"platform\"],{more}}}");
    for (body, expected) in [
        (
            r#"{"schemaVersion":"2022-07-01","types":[],"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain"}}"#.to_owned(),
            "URI port is not provided; types should not be empty",
        ),
        (r#"{"types":["platform"]}"#.to_owned(), "destination is required; schemaVersion is required"),
        (
            format!(r#"{{"schemaVersion":"2020-08-15","types":["logs"],{DESTINATION}}}"#),
            "schemaVersion \"2020-08-15\" is not one of 2022-07-01, 2022-12-13, 2025-01-29; type \"logs\" is not one of \
             platform, function, extension",
        ),
        (with(r#""destination":{"protocol":"UDP"}"#), "protocol \"UDP\" is not one of HTTP, TCP"),
        (with(r#""destination":{"protocol":"TCP"}"#), "port is not provided"),
        (with(r#""destination":{"protocol":"TCP","port":70000}"#), "port should be between 1 and 65535"),
        (with(r#""destination":{"protocol":"TCP","port":9001}"#), "port 9001 is reserved"),
        (
            with(r#""destination":{"URI":"http://sandbox.localdomain:9001/"}"#),
            "port 9001 is reserved",
        ),
        (with(r#""destination":{"URI":"http://127.0.0.1:80/"}"#), "URI host should be sandbox.localdomain"),
        (with(r#""destination":{"URI":"https://sandbox:80/"}"#), "URI should begin with http://"),
        (
            with(r#""destination":{"URI":"http://sandbox:80/a\r\nb"}"#),
            "URI path has characters that a request cannot have",
        ),
        (
            with(&format!("\"buffering\":{{\"maxItems\":999,\"maxBytes\":262143,\"timeoutMs\":24}},{DESTINATION}")),
            "buffering.maxItems should be between 1000 and 10000; buffering.maxBytes should be between 262144 and \
             1048576; buffering.timeoutMs should be between 25 and 30000",
        ),
        (
            with(&format!("\"buffering\":{{\"maxItems\":10001,\"maxBytes\":1048577,\"timeoutMs\":30001}},{DESTINATION}")),
            "buffering.maxItems should be between 1000 and 10000; buffering.maxBytes should be between 262144 and \
             1048576; buffering.timeoutMs should be between 25 and 30000",
        ),
    ] {
        assert_eq!(mistakes(Api::Telemetry, &body), expected, "{body}");
    }
    assert!(mistakes(Api::Logs, "[]").starts_with("the body cannot be read"));
    let (status, error_type, _) = TelemetryRefusal::Invalid(Vec::new()).parts(Api::Logs);
    assert_eq!((status, error_type.as_str()), (400, "Logs.ValidationError"));
}

// LAM-X-022: objects come only with schema 2022-12-13 and later
#[test]
fn right_subscriptions() {
    let body = |schema: &str| format!(r#"{{{schema}"types":["function","platform","function"],{DESTINATION}}}"#);
    for (api, schema, has_objects) in [
        (Api::Telemetry, "\"schemaVersion\":\"2022-07-01\",", false),
        (Api::Telemetry, "\"schemaVersion\":\"2022-12-13\",", true),
        (Api::Telemetry, "\"schemaVersion\":\"2025-01-29\",", true),
        (Api::Logs, "\"schemaVersion\":\"2021-03-18\",", false),
        (Api::Logs, "", false),
    ] {
        let subscription = read(api, &body(schema));
        assert_eq!(subscription.has_objects, has_objects, "{schema}");
        assert_eq!(subscription.types().collect::<Vec<_>>(), ["function", "platform"]);
        assert!(!subscription.wants(RecordType::Extension));
    }
    let tcp = r#"{"types":["extension"],"buffering":{"timeoutMs":25},"destination":{"protocol":"TCP","port":4711}}"#;
    let subscription = read(Api::Logs, tcp);
    assert_eq!(subscription.destination.port(), 4711);
    assert_eq!(subscription.buffering.timeout, Duration::from_millis(25));
    assert_eq!(
        (subscription.buffering.items_max, subscription.buffering.bytes_max),
        (10_000, 262_144)
    );
}

fn queue() -> Queue {
    Queue::new(Buffering {
        items_max: 3,
        bytes_max: 10,
        timeout: Duration::from_secs(3600),
    })
}

#[tokio::test]
async fn a_batch_is_due_when_there_is_enough() {
    let queue = queue();
    for record in ["a", "b", "c", "d"] {
        queue.put(record.as_bytes());
    }
    assert_eq!(queue.batch().await.unwrap(), [b"a", b"b", b"c"]);
    queue.put(b"0123456789");
    assert_eq!(queue.batch().await.unwrap(), [&b"d"[..], b"0123456789"]);
    queue.put(b"e");
    queue.hurry();
    assert_eq!(queue.batch().await.unwrap(), [b"e"]);
    queue.close();
    assert_eq!(queue.batch().await, None);
}

#[tokio::test]
async fn what_finds_no_room_is_counted() {
    let queue = queue();
    queue.put(&[b'x'; 30]);
    for _ in 0..2 {
        queue.put(b"too much");
    }
    assert_eq!(queue.batch().await.unwrap(), [[b'x'; 30]], "one alone may be longer");
    queue.lost(&[vec![0; 5]]);
    queue.caught_up();
    queue.hurry();
    let batch = queue.batch().await.unwrap();
    let text = String::from_utf8(batch[0].clone()).unwrap();
    let record: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(record["type"], "platform.logsDropped");
    assert_eq!(
        (&record["record"]["droppedRecords"], &record["record"]["droppedBytes"]),
        (&3.into(), &21.into())
    );
    queue.caught_up();
    queue.put(b"after");
    assert_eq!(queue.batch().await.unwrap(), [b"after"], "said once");
}

#[test]
fn a_line_is_a_string_or_an_object() {
    let text = record(RecordType::Function, 1_700_000_000_123, |out| {
        write_string(out, "a \"b\"");
    });
    assert_eq!(
        String::from_utf8(text).unwrap(),
        r#"{"time":"2023-11-14T22:13:20.123Z","type":"function","record":"a \"b\""}"#
    );
    for (line, expected) in [
        (r#" {"a":1}"#, true),
        ("{\"a\":\n1}", false),
        ("{", false),
        ("[1]", false),
        ("text", false),
    ] {
        assert_eq!(is_object(line.as_bytes()), expected, "{line}");
    }
}
