//! What becomes of a function's answer.

use crate::played::*;
use crate::support::*;
use invoke::InvokeOutcome;
use std::sync::Arc;

fn document_server(multi_value: bool) -> Server {
    Setup::lambda(multi_value, parrot()).start()
}

// ALB-L-038: a status code that is a string is 502
// ALB-L-039: no status code is 502
// ALB-L-040: a document that is no object is 502
// ALB-L-041: a statusDescription of null is 502
// ALB-L-042: headers of null in single mode are 502
// ALB-L-043: header values that are numbers or booleans are 502, content-length included
// ALB-L-044: a body of null is 502
// ALB-L-045: a body that is an object is 502
// ALB-L-061: the page is the standard one, with Server
// ALB-L-070: isBase64Encoded of null is 502
// ALB-L-071: base64 with line breaks is 502
#[test]
fn documents_that_are_refused() {
    let documents = [
        r#"{"statusCode":"200"}"#,
        r#"{"statusCode":null}"#,
        r#"{"statusCode":200.5}"#,
        r#"{"statusCode":600}"#,
        r#"{"statusCode":0}"#,
        r#"{"body":"hi"}"#,
        r#"{}"#,
        r#""hello""#,
        "[]",
        "7",
        "null",
        "true",
        "no JSON",
        r#"{"statusCode":200,"statusDescription":null}"#,
        r#"{"statusCode":200,"statusDescription":7}"#,
        r#"{"statusCode":200,"headers":null}"#,
        r#"{"statusCode":200,"headers":[]}"#,
        r#"{"statusCode":200,"headers":{"x":1}}"#,
        r#"{"statusCode":200,"headers":{"x":true}}"#,
        r#"{"statusCode":200,"headers":{"x":null}}"#,
        r#"{"statusCode":200,"headers":{"content-length":2}}"#,
        r#"{"statusCode":200,"headers":{"a b":"c"}}"#,
        r#"{"statusCode":200,"body":null}"#,
        r#"{"statusCode":200,"body":{"a":1}}"#,
        r#"{"statusCode":200,"body":[1]}"#,
        r#"{"statusCode":200,"body":7}"#,
        r#"{"statusCode":200,"isBase64Encoded":null}"#,
        r#"{"statusCode":200,"isBase64Encoded":"true","body":"aGk="}"#,
        r#"{"statusCode":200,"isBase64Encoded":true,"body":"aG\nk="}"#,
        r#"{"statusCode":200,"isBase64Encoded":true,"body":"%%%"}"#,
    ];
    let server = document_server(false);
    for document in documents {
        let response = server.ask(&post(document));
        assert_eq!((response.status, response.body.len()), (502, 122), "{document}");
        assert_eq!(response.header("server"), Some("awselb/2.0"));
        assert_eq!(response.header("content-type"), Some("text/html"));
        assert_eq!(response.header("connection"), Some("keep-alive"));
    }
    let multi = document_server(true);
    for document in [
        r#"{"statusCode":200,"multiValueHeaders":null}"#,
        r#"{"statusCode":200,"multiValueHeaders":{"x":"1"}}"#,
        r#"{"statusCode":200,"multiValueHeaders":{"x":["1",2]}}"#,
    ] {
        assert_eq!(multi.ask(&post(document)).status, 502, "{document}");
    }
    let kept = server.requests();
    assert_eq!(kept.len(), documents.len());
    assert!(kept.iter().all(|entry| entry.verdict.is_some()));
    let log = server.log();
    assert!(log.iter().all(|line| line[24] == "LambdaInvalidResponse"));
    assert!(
        log.iter()
            .all(|line| line[8..10] == ["502", "-"] && line[7] == "-1" && line[6] != "-1")
    );
}

// An interim status is no answer: the client would wait for ever, or speak another protocol.
#[test]
fn interim_statuses_are_refused() {
    let server = document_server(false);
    for status in [100, 101, 103, 199] {
        let mut client = server.connect();
        client.send(post(&format!("{{\"statusCode\":{status}}}")).as_bytes());
        assert_eq!(client.response().status, 502, "{status}");
        client.send(post(r#"{"statusCode":204}"#).as_bytes());
        assert_eq!(client.response().status, 204);
    }
}

// ALB-L-037: a status code alone is an answer with an empty body
// ALB-L-072: without a content type it is application/octet-stream
#[test]
fn a_status_code_alone() {
    let response = document_server(false).ask(&post(r#"{"statusCode":200}"#));
    assert_eq!((response.status, response.header("content-length")), (200, Some("0")));
    assert_eq!(response.header("content-type"), Some("application/octet-stream"));
    assert_eq!(response.header("server"), Some("awselb/2.0"));
    assert!(response.head.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(response.header("date").is_some());
}

// ALB-L-046: multiValueHeaders of null in single mode are no failure
// ALB-L-049: in single mode multiValueHeaders is ignored
#[test]
fn single_mode_reads_headers() {
    let server = document_server(false);
    assert_eq!(
        server
            .ask(&post(r#"{"statusCode":200,"multiValueHeaders":null}"#))
            .status,
        200
    );
    let response = server.ask(&post(
        r#"{"statusCode":201,"headers":{"X-A":"1"},"multiValueHeaders":{"X-B":["2"],"x-a":["3"]}}"#,
    ));
    assert_eq!(response.headers("x-a").collect::<Vec<_>>(), ["1"]);
    assert_eq!(response.header("x-b"), None);
    assert!(
        response.head.contains("\r\nX-A: 1\r\n"),
        "the name as given: {}",
        response.head
    );
}

// ALB-L-047: in multi mode two Set-Cookie elements are two lines
// ALB-L-048: in multi mode headers is ignored
#[test]
fn multi_mode_reads_multi_value_headers() {
    let server = document_server(true);
    let response = server.ask(&post(
        r#"{"statusCode":200,"headers":{"X-A":"1"},"multiValueHeaders":{"Set-Cookie":["a=1; Path=/","b=2"],"Content-Type":["text/css"]}}"#,
    ));
    assert_eq!(
        response.headers("set-cookie").collect::<Vec<_>>(),
        ["a=1; Path=/", "b=2"]
    );
    assert_eq!(response.headers("content-type").collect::<Vec<_>>(), ["text/css"]);
    assert_eq!(response.header("x-a"), None);
    let malformed = server.ask(&post(r#"{"statusCode":200,"headers":null}"#));
    assert_eq!((malformed.status, malformed.body.len()), (200, 0));
}

// ALB-L-050: the client gets decoded bytes and their length
#[test]
fn base64_bodies_are_decoded() {
    let server = document_server(false);
    let document = r#"{"statusCode":200,"isBase64Encoded":true,"body":"/wD+","headers":{"Content-Type":"image/png"}}"#;
    let response = server.ask(&post(document));
    assert_eq!(
        (response.body.as_slice(), response.header("content-length")),
        (&[0xff, 0, 0xfe][..], Some("3"))
    );
    assert_eq!(response.header("content-type"), Some("image/png"));
    let text = server.ask(&post(r#"{"statusCode":200,"body":"h\u00e9\r\n"}"#));
    assert_eq!((text.text(), text.header("content-length")), ("hé\r\n", Some("5")));
}

// ALB-L-051: Content-Length is ours
// ALB-L-052: Connection and Transfer-Encoding of the function do not reach the client
#[test]
fn framing_and_connection_are_ours() {
    let server = document_server(false);
    let mut client = server.connect();
    let headers = r#""Content-Length":"999","content-length":"1","Connection":"close","Transfer-Encoding":"chunked",
        "Keep-Alive":"timeout=5","Upgrade":"websocket","TE":"x","Trailer":"x","Proxy-Authenticate":"Basic","Expect":"100-continue",
        "Transfer_Encoding":"chunked","Content_Length":"0","ContentLength":"0","Date":"never","Server":"mine","X-Kept":"yes""#;
    client.send(
        post(&format!(
            r#"{{"statusCode":200,"body":"hello","headers":{{{headers}}}}}"#
        ))
        .as_bytes(),
    );
    let response = client.response();
    assert_eq!((response.status, response.text()), (200, "hello"));
    let names: Vec<_> = response
        .head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        names,
        [
            "Server",
            "Date",
            "Content-Type",
            "Content-Length",
            "Connection",
            "X-Kept"
        ]
    );
    assert_eq!(response.header("server"), Some("awselb/2.0"));
    assert_eq!(response.header("connection"), Some("keep-alive"));
    client.send(post(r#"{"statusCode":200,"body":"again"}"#).as_bytes());
    assert_eq!(client.response().text(), "again");
}

// ALB-L-053: the reason phrase is that of statusDescription
#[test]
fn phrases() {
    let server = document_server(false);
    for (document, line) in [
        (
            r#"{"statusCode":299,"statusDescription":"299 Custom"}"#,
            "HTTP/1.1 299 Custom",
        ),
        (
            r#"{"statusCode":404,"statusDescription":"200 All Fine"}"#,
            "HTTP/1.1 404 All Fine",
        ),
        (
            r#"{"statusCode":404,"statusDescription":"OK"}"#,
            "HTTP/1.1 404 Not Found",
        ),
        (r#"{"statusCode":299}"#, "HTTP/1.1 299 "),
        (
            r#"{"statusCode":200,"statusDescription":"200 a\r\nX-Evil: 1"}"#,
            "HTTP/1.1 200 OK",
        ),
    ] {
        assert_eq!(
            server.ask(&post(document)).head.lines().next(),
            Some(line),
            "{document}"
        );
    }
}

// ALB-L-073: a value with a line break is 502, and no part of it reaches the client
#[test]
fn headers_cannot_be_injected() {
    for multi_value in [false, true] {
        let server = document_server(multi_value);
        for text in [
            "a\\r\\nX-Evil: 1",
            "a\\nX-Evil: 1",
            "a\\rX-Evil: 1",
            "X-Evil\\u0000",
            "X-Evil\\u0001",
            "X-Evil\\u007f",
        ] {
            for name in ["X-Good", "Content-Type", "Content-Length", "Set-Cookie"] {
                let document = match multi_value {
                    false => format!(r#"{{"statusCode":200,"headers":{{"{name}":"{text}"}}}}"#),
                    true => format!(r#"{{"statusCode":200,"multiValueHeaders":{{"{name}":["ok","{text}"]}}}}"#),
                };
                let response = server.ask(&post(&document));
                assert_eq!(response.status, 502, "{document}");
                let all = format!("{}{}", response.head, response.text());
                assert!(!all.contains("X-Evil") && !all.contains("X-Good"), "{all}");
            }
        }
    }
}

// Header lines are bounded as those of servers are: over it nothing of them reaches the client.
#[test]
fn header_lines_are_bounded() {
    let server = document_server(false);
    let of = |bytes: usize| {
        // Two lines, each with its name, colon, blank and line end.
        let (one, two) = ("x".repeat(16_000), "y".repeat(bytes - 16_000 - 2 * 5));
        post(&format!(
            r#"{{"statusCode":200,"headers":{{"a":"{one}","b":"{two}"}}}}"#
        ))
    };
    assert_eq!(server.ask(&of(32 * 1024)).status, 200);
    let refused = server.ask(&of(32 * 1024 + 1));
    assert_eq!((refused.status, refused.header("b")), (502, None));
    let verdict = server.requests().pop().unwrap().verdict.unwrap();
    assert_eq!(verdict, "headers has 32769 bytes; ALB accepts up to 32768");
}

#[test]
fn an_empty_content_type_is_none() {
    let server = document_server(false);
    let response = server.ask(&post(r#"{"statusCode":200,"headers":{"Content-Type":""}}"#));
    assert_eq!(response.header("content-type"), Some("application/octet-stream"));
}

fn sized(bytes: usize) -> Function {
    Arc::new(move |_| {
        let before = r#"{"statusCode":200,"body":""#;
        let filler = "x".repeat(bytes - before.len() - 2);
        let document = format!("{before}{filler}\"}}");
        assert_eq!(document.len(), bytes);
        Box::pin(async move { InvokeOutcome::Buffered(document.into()) })
    })
}

// ALB-L-054: a document over 1 MB is 502 and logged as LambdaResponseTooLarge
#[test]
fn documents_are_bounded() {
    let server = Setup::lambda(false, sized(1 << 20)).start();
    let whole = server.get("/");
    assert_eq!((whole.status, whole.body.len()), (200, (1 << 20) - 28));
    let server = Setup::lambda(false, sized((1 << 20) + 1)).start();
    let refused = server.get("/");
    assert_eq!((refused.status, refused.body.len()), (502, 122));
    assert_eq!(server.log()[0][24], "LambdaResponseTooLarge");
}

// ALB-L-060: HEAD invokes the function with HEAD and gets no body
#[test]
fn head_has_no_body() {
    let seen = Seen::default();
    let server = Setup::lambda(false, seen.answering(r#"{"statusCode":200,"body":"hello"}"#)).start();
    let mut client = server.connect();
    client.send(b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let response = client.response_to("HEAD");
    assert_eq!((response.status, response.header("content-length")), (200, Some("5")));
    let after = client.response();
    assert_eq!((after.status, after.text()), (200, "hello"));
    assert_eq!(client.rest(), b"");
    let methods: Vec<_> = seen.events().iter().map(|event| event["httpMethod"].clone()).collect();
    assert_eq!(methods, ["HEAD", "GET"]);
}

#[test]
fn statuses_without_a_body() {
    let server = document_server(false);
    for status in [204, 304] {
        let mut client = server.connect();
        client.send(post(&format!(r#"{{"statusCode":{status},"body":"not sent"}}"#)).as_bytes());
        let response = client.response();
        assert_eq!((response.status, response.header("content-length")), (status, None));
        client.send(post(r#"{"statusCode":200,"body":"next"}"#).as_bytes());
        assert_eq!(client.response().text(), "next");
    }
}
