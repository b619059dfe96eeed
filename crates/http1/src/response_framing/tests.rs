use super::*;
use crate::scan::{HeadLimits, HeadScanner, Scan};

/// The head of these lines; the first is the status line without `HTTP/1.`.
fn head_of(lines: &str) -> (ResponseHead, Vec<u8>) {
    let bytes = format!("HTTP/1.{}\r\n\r\n", lines.replace('|', "\r\n")).into_bytes();
    let mut head = ResponseHead::new();
    let scan = head.read(&mut HeadScanner::new(), &bytes, &HeadLimits::ALB_RESPONSE);
    let head_len = bytes.len();
    assert_eq!(scan, Ok(Scan::Complete { head_len }), "{lines:?}");
    (head, bytes)
}

fn framing_of(lines: &str, request_is_head: bool) -> Result<ResponseFraming, ResponseError> {
    let (head, bytes) = head_of(lines);
    response_framing(&head, &bytes, request_is_head)
}

#[test]
fn the_body_ends_where_the_head_says() {
    use ResponseFraming as F;
    for (lines, expected) in [
        ("1 200 OK|Content-Length: 5", F::Length(5)),
        ("1 200 OK|Content-Length: 0", F::Length(0)),
        ("1 200 OK|content-length:\t007 ", F::Length(7)),
        ("1 200 OK|Content-Length: 18446744073709551615", F::Length(u64::MAX)),
        ("1 200 OK|Content-Length: 5|A: b|CONTENT-LENGTH: 5", F::Length(5)),
        ("0 200 OK|Content-Length: 5", F::Length(5)),
        ("1 200 OK|Transfer-Encoding: chunked", F::Chunked),
        ("1 200 OK|Transfer-Encoding: Chunked;a=b", F::Chunked),
        ("1 200 OK|Transfer-Encoding: identity, chunked", F::Chunked),
        (
            "1 200 OK|Transfer-Encoding: identity|Transfer-Encoding: chunked",
            F::Chunked,
        ),
        ("9 200 OK|Transfer-Encoding: chunked", F::Chunked),
        ("1 200 OK|Transfer-Encoding: chunked|Content-Length: 5", F::Chunked),
        ("1 200 OK|Transfer-Encoding: identity|Content-Length: 5", F::Length(5)),
        ("1 200 OK", F::UntilClose),
        ("0 200 OK", F::UntilClose),
        ("1 200 OK|Transfer-Encoding: identity", F::UntilClose),
        ("1 200 OK|Content_Length: 5", F::UntilClose),
        ("1 200 OK|Transfer_Encoding: chunked", F::UntilClose),
        ("1 205 Reset Content|Content-Length: 0", F::Length(0)),
        ("1 404 Not Found", F::UntilClose),
        ("1 100 Continue", F::None),
        ("1 101 Switching Protocols|Content-Length: 5", F::None),
        ("1 204 No Content|Content-Length: 5", F::None),
        ("1 204 No Content|Transfer-Encoding: chunked", F::None),
        ("1 304 Not Modified|Content-Length: 5", F::None),
    ] {
        assert_eq!(framing_of(lines, false), Ok(expected), "{lines:?}");
        assert_eq!(framing_of(lines, true), Ok(F::None), "HEAD {lines:?}");
    }
}

// What makes two parsers disagree is answered 502, whatever the request was. Source: ALB 4.10.
#[test]
fn framing_that_can_be_read_in_two_ways_is_refused() {
    use ResponseError as E;
    for (lines, error) in [
        ("1 200 OK|Content-Length: ", E::ContentLength),
        ("1 200 OK|Content-Length: abc", E::ContentLength),
        ("1 200 OK|Content-Length: -1", E::ContentLength),
        ("1 200 OK|Content-Length: +1", E::ContentLength),
        ("1 200 OK|Content-Length: 0x10", E::ContentLength),
        ("1 200 OK|Content-Length: 1 2", E::ContentLength),
        ("1 200 OK|Content-Length: 5.0", E::ContentLength),
        ("1 200 OK|Content-Length: 5, 5", E::ContentLength),
        ("1 200 OK|Content-Length: 18446744073709551616", E::ContentLength),
        ("1 200 OK|Content-Length: 5\u{1}", E::ContentLength),
        ("1 200 OK|Content-Length: 5|Content-Length: 6", E::ContentLength),
        ("1 200 OK|Content-Length: 5|Content-Length: x", E::ContentLength),
        (
            "1 200 OK|Transfer-Encoding: chunked|Content-Length: x",
            E::ContentLength,
        ),
        ("1 304 Not Modified|Content-Length: x", E::ContentLength),
        ("1 200 OK|Transfer-Encoding: ", E::UnsupportedCoding),
        ("1 200 OK|Transfer-Encoding: gzip", E::UnsupportedCoding),
        ("1 200 OK|Transfer-Encoding: gzip, chunked", E::UnsupportedCoding),
        ("1 200 OK|Transfer-Encoding: xchunked", E::UnsupportedCoding),
        ("1 200 OK|Transfer-Encoding: ,chunked", E::UnsupportedCoding),
        ("1 200 OK|Transfer-Encoding: \u{b}chunked", E::UnsupportedCoding),
        ("1 200 OK|Transfer-Encoding: \"chunked\"", E::UnsupportedCoding),
        ("1 200 OK|Transfer-Encoding: chunked, identity", E::ChunkedNotLast),
        ("1 200 OK|Transfer-Encoding: chunked, gzip", E::ChunkedNotLast),
        ("1 200 OK|Transfer-Encoding: chunked, chunked", E::ChunkedNotLast),
        (
            "1 200 OK|Transfer-Encoding: chunked|A: b|transfer-encoding: chunked",
            E::ChunkedNotLast,
        ),
        ("0 200 OK|Transfer-Encoding: chunked", E::CodingInOldVersion),
        ("0 200 OK|Transfer-Encoding: identity", E::CodingInOldVersion),
    ] {
        for request_is_head in [false, true] {
            assert_eq!(framing_of(lines, request_is_head), Err(error), "{lines:?}");
        }
    }
}

#[test]
fn an_http2_response_is_framed_by_its_stream() {
    let (mut head, mut bytes) = (ResponseHead::new(), Vec::new());
    head.begin(&mut bytes, 200);
    assert_eq!(response_framing(&head, &bytes, false), Ok(ResponseFraming::UntilClose));
    head.push(&mut bytes, b"content-length", b"3").unwrap();
    assert_eq!(response_framing(&head, &bytes, false), Ok(ResponseFraming::Length(3)));
    assert_eq!(response_framing(&head, &bytes, true), Ok(ResponseFraming::None));
    assert!(response_keep_alive(&head, &bytes));
    head.push(&mut bytes, b"transfer-encoding", b"chunked").unwrap();
    assert_eq!(
        response_framing(&head, &bytes, false),
        Err(ResponseError::CodingInOldVersion)
    );
}

#[test]
fn a_connection_is_used_again_only_when_both_versions_and_the_framing_allow_it() {
    for (lines, expected) in [
        ("1 200 OK|Content-Length: 5", true),
        ("2 200 OK|Content-Length: 5", true),
        ("1 200 OK|Content-Length: 5|Connection: keep-alive", true),
        ("1 200 OK|Transfer-Encoding: chunked", true),
        ("1 200 OK|Content-Length: 5|Connection: Close", false),
        ("1 200 OK|Content-Length: 5|Connection: x , close", false),
        ("1 200 OK|Content-Length: 5|Connection: x|Connection: close", false),
        ("1 200 OK|Content-Length: 5|Connection: closed", true),
        ("0 200 OK|Content-Length: 5", false),
        ("0 200 OK|Content-Length: 5|Connection: Keep-Alive", true),
        ("0 200 OK|Content-Length: 5|Connection: keep-alive, close", false),
        ("1 200 OK|Content-Length: 5|Content-Length: 5", true),
        ("1 200 OK|Content-Length: 5|Transfer-Encoding: chunked", false),
        ("1 200 OK|Content-Length: 5|Content_Length: 6", false),
        ("1 200 OK|Content-Length: 5|Transfer_Encoding: chunked", false),
        ("1 204 No Content", true),
        ("1 204 No Content|Content-Length: 0", true),
        ("1 204 No Content|Content-Length: 5", false),
        ("1 204 No Content|Transfer-Encoding: chunked", false),
        ("1 304 Not Modified|Content-Length: 5", true),
        ("1 304 Not Modified|Transfer-Encoding: chunked", false),
        (
            "1 101 Switching Protocols|Connection: upgrade|Upgrade: websocket",
            false,
        ),
    ] {
        let (head, bytes) = head_of(lines);
        assert_eq!(response_keep_alive(&head, &bytes), expected, "{lines:?}");
    }
    assert!(!response_keep_alive(&ResponseHead::new(), b""));
}
