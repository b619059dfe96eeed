//! Attempts to hide a request inside another one.

use crate::played::*;
use crate::support::*;

/// Sends bytes, reads all answers until the connection is closed, and tells which paths the function and the log saw.
/// A connection that stays open is ended by one last request.
fn paths(mode: &str, bytes: &[u8]) -> (Vec<String>, Vec<String>) {
    let seen = Seen::default();
    let server = Setup::lambda(false, seen.answering(r#"{"statusCode":200}"#))
        .attribute("routing.http.desync_mitigation_mode", mode)
        .start();
    let mut client = server.connect();
    client.send(bytes);
    // The client sends nothing more: what is incomplete is not waited for.
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    client.rest();
    let asked = seen
        .events()
        .iter()
        .map(|event| event["path"].as_str().unwrap().to_owned())
        .collect();
    let logged = server.log().iter().map(|line| line[12].clone()).collect();
    (asked, logged)
}

#[track_caller]
fn never_seen(bytes: &str) {
    for mode in ["monitor", "defensive", "strictest"] {
        let (asked, logged) = paths(mode, bytes.as_bytes());
        assert!(
            !asked.iter().any(|path| path.contains("evil")),
            "{mode}: {bytes:?} asked {asked:?}"
        );
        assert!(
            !logged.iter().any(|line| line.contains("evil")),
            "{mode}: {bytes:?} logged {logged:?}"
        );
        assert!(
            asked.len() <= 1 && logged.len() <= 1,
            "{mode}: {bytes:?} {asked:?} {logged:?}"
        );
    }
}

const EVIL: &str = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";

fn length_of(text: &str) -> usize {
    text.len()
}

// ALB-D-021: no request hidden behind two ways to frame a body is read as a request
#[test]
fn two_framings() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\n";
    let chunked_empty = format!("0\r\n\r\n{EVIL}");
    let all = length_of(&chunked_empty);
    for framing in [
        // CL.TE and TE.CL
        format!("Content-Length: {all}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {all}\r\n"),
        format!("Content-Length: 0\r\nContent-Length: {all}\r\n"),
        format!("Content-Length: {all}\r\nContent-Length: 0\r\n"),
        // TE.TE: one of the two is not recognised by somebody
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n".to_owned(),
        "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\nTransfer-encoding: identity\r\n".to_owned(),
        format!("Transfer-Encoding : chunked\r\nContent-Length: {all}\r\n"),
        format!("Transfer-Encoding\t: chunked\r\nContent-Length: {all}\r\n"),
        format!("X: x\r\n Transfer-Encoding: chunked\r\nContent-Length: {all}\r\n"),
        format!("X: x\nTransfer-Encoding: chunked\nContent-Length: {all}\r\n"),
        format!("Transfer-Encoding: xchunked\r\nContent-Length: {all}\r\n"),
        format!("Transfer-Encoding: \u{b}chunked\r\nContent-Length: {all}\r\n"),
        format!("Transfer-Encoding: chunked\0\r\nContent-Length: {all}\r\n"),
        format!("Transfer_Encoding: chunked\r\nContent-Length: {all}\r\n"),
        format!("Content_Length: 0\r\nContent-Length: {all}\r\n"),
        format!("Content-Length: {all}\r\n Content-Length: 0\r\n"),
        "Content-Length: 0x0\r\n".to_owned(),
        "Content-Length: -1\r\n".to_owned(),
        "Content-Length: 0, 0\r\n".to_owned(),
        "Content-Length : 0\r\n".to_owned(),
        "Transfer-Encoding : chunked\r\n".to_owned(),
    ] {
        never_seen(&format!("{head}{framing}\r\n{chunked_empty}"));
    }
}

// ALB-D-021: no request hidden in a chunk is read as a request
// ALB-H-051: nothing behind a malformed chunk is read as a request
#[test]
fn malformed_chunks() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        format!("x\r\n{EVIL}"),
        format!("-1\r\n{EVIL}"),
        format!("+0\r\n\r\n{EVIL}"),
        format!("0x0\r\n\r\n{EVIL}"),
        format!("ffffffffffffffffffff\r\n{EVIL}"),
        format!("10000000000000000\r\n{EVIL}"),
        format!("2\r\nhixx{EVIL}"),
        format!("2\r\nhi{EVIL}"),
        format!(" 0\r\n\r\n{EVIL}"),
        format!("\r\n\r\n{EVIL}"),
        format!("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n{EVIL}"),
        format!("5;{}\r\n{EVIL}", "x".repeat(70_000)),
        format!("0\r\nTrailer: {}\r\n\r\n{EVIL}", "x".repeat(70_000)),
        format!("0\r\n{EVIL}"),
        format!("{:x}\r\n{EVIL}", EVIL.len() + 100),
    ] {
        never_seen(&format!("{head}{body}"));
    }
}

// ALB-H-051: a malformed chunk answers 400 and closes
#[test]
fn a_malformed_chunk_is_400() {
    let seen = Seen::default();
    let server = Setup::lambda(false, seen.answering(r#"{"statusCode":200}"#)).start();
    for chunk in ["zz\r\n", "-1\r\n", "11111111111111111\r\n", "2\r\nhi!\r\n0\r\n\r\n"] {
        let mut client = server.connect();
        client
            .send(format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{EVIL}").as_bytes());
        let response = client.response();
        assert_eq!(
            (response.status, response.header("connection")),
            (400, Some("close")),
            "{chunk:?}"
        );
        assert_eq!(client.rest(), b"");
    }
    assert_eq!(seen.count(), 0);
    assert_eq!(server.log().len(), 4);
}

// ALB-D-021: a request in a body is a body
#[test]
fn a_request_in_a_body_is_a_body() {
    for mode in ["monitor", "defensive"] {
        let size = EVIL.len();
        for request in [
            format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n{EVIL}"),
            format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n{EVIL}\r\n0\r\n\r\n"),
            // GET with a body is odd, and still its body is a body.
            format!("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n{EVIL}"),
            format!("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n{EVIL}"),
        ] {
            let (asked, logged) = paths(mode, request.as_bytes());
            assert_eq!((asked, logged.len()), (vec!["/".to_owned()], 1), "{mode}: {request:?}");
        }
    }
}

// ALB-D-021: no request hidden in a header value, a fold or a line end is read as a request
#[test]
fn heads_with_a_request_inside() {
    for head in [
        // Bare CR is no line end.
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: x\r\r\r{EVIL}"),
        "GET / HTTP/1.1\r\nHost: a\r\nX: x\rGET /evil HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nX: x\0\r\n GET /evil HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\n\tGET /evil HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nGET /evil HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\n GET /evil HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
    ] {
        never_seen(&head);
    }
}

// HTTP/0.9 has no headers: whatever follows its line is not read.
#[test]
fn nothing_follows_http_0_9() {
    never_seen(&format!("GET /\r\n{EVIL}"));
    never_seen(&format!("POST /\r\nContent-Length: 0\r\n\r\n{EVIL}"));
}

#[test]
fn a_refused_upgrade_or_http_2_opens_no_tunnel() {
    never_seen(&format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{EVIL}"));
    let request = format!("CONNECT evil:80 HTTP/1.1\r\nHost: a\r\n\r\n{EVIL}");
    let (asked, logged) = paths("defensive", request.as_bytes());
    // CONNECT is refused as a request of its own; the next one on the connection is an ordinary one.
    assert!(
        asked.len() <= 1 && logged[0].starts_with("CONNECT "),
        "{asked:?} {logged:?}"
    );
}

// The event of a chunked body does not claim a length that contradicts it.
#[test]
fn content_length_beside_chunks_is_dropped() {
    let seen = Seen::default();
    let server = Setup::lambda(false, seen.answering(r#"{"statusCode":200}"#)).start();
    server.ask(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 100\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    );
    let event = &seen.events()[0];
    assert_eq!(
        (&event["body"], event["headers"].get("content-length")),
        (&"hi".into(), None)
    );
}
