use super::*;

#[track_caller]
fn head_of(bytes: &str) -> RequestHead {
    let mut head = RequestHead::new();
    assert_eq!(head.tokenize(bytes.as_bytes()), Ok(()), "{bytes:?}");
    head
}

/// The framing, and whether the connection may be used again, of a request with these lines.
#[track_caller]
fn check(line: &str, fields: &[&str], expected: Result<Framing, FramingError>, again: bool) {
    let bytes = format!(
        "{line}\r\n{}\r\n",
        fields.iter().map(|field| format!("{field}\r\n")).collect::<String>()
    );
    let head = head_of(&bytes);
    assert_eq!(framing(&head, bytes.as_bytes()), expected, "{bytes:?}");
    assert_eq!(
        keep_alive(&head, bytes.as_bytes()),
        again,
        "may be used again: {bytes:?}"
    );
}

const POST: &str = "POST / HTTP/1.1";

#[test]
fn ordinary_bodies() {
    check("GET / HTTP/1.1", &["Host: a"], Ok(Framing::None), true);
    check(POST, &["Content-Length: 0"], Ok(Framing::Length(0)), true);
    check(POST, &["content-length:\t005 "], Ok(Framing::Length(5)), true);
    check(
        POST,
        &["Content-Length: 18446744073709551615"],
        Ok(Framing::Length(u64::MAX)),
        true,
    );
    check(POST, &["Transfer-Encoding: Chunked"], Ok(Framing::Chunked), true);
    check(POST, &["Transfer-Encoding: chunked;q=1"], Ok(Framing::Chunked), true);
    check(
        "GET / HTTP/1.1",
        &["Transfer-Encoding: chunked"],
        Ok(Framing::Chunked),
        true,
    );
    check(
        POST,
        &["Content-Length: 5", "Content-Length: 05"],
        Ok(Framing::Length(5)),
        true,
    );
    check("POST / HTTP/1.7", &["Content-Length: 5"], Ok(Framing::Length(5)), true);
}

// ALB-H-028: Transfer-Encoding gzip answers 501; br answers 400 or 501
#[test]
fn codings_we_do_not_speak_answer_501() {
    for value in [
        "gzip",
        "compress",
        "deflate",
        "gzip, chunked",
        "br",
        "xchunked",
        "",
        "chunked,",
        "chunked\u{b}",
    ] {
        check(
            POST,
            &[&format!("Transfer-Encoding: {value}")],
            Err(FramingError::UnsupportedCoding),
            true,
        );
    }
    assert_eq!(FramingError::UnsupportedCoding.status(), 501);
}

#[test]
fn chunked_must_come_last_and_identity_says_nothing() {
    check(
        POST,
        &["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        Err(FramingError::ChunkedNotLast),
        true,
    );
    check(
        POST,
        &["Transfer-Encoding: identity, chunked"],
        Ok(Framing::Chunked),
        true,
    );
    check(POST, &["Transfer-Encoding: identity"], Ok(Framing::None), true);
    check(
        POST,
        &["Transfer-Encoding: identity", "Content-Length: 3"],
        Ok(Framing::Length(3)),
        false,
    );
    assert_eq!(FramingError::ChunkedNotLast.status(), 400);
}

#[test]
fn faulty_framing_has_one_safe_reading_and_closes() {
    check(
        POST,
        &["Content-Length: 5", "Transfer-Encoding: chunked"],
        Ok(Framing::Chunked),
        false,
    );
    check(
        POST,
        &["Transfer-Encoding: chunked", "Content-Length: x"],
        Ok(Framing::Chunked),
        false,
    );
    check(
        "POST / HTTP/1.0",
        &["Transfer-Encoding: chunked", "Connection: keep-alive"],
        Ok(Framing::Chunked),
        false,
    );
    check(
        POST,
        &["Content-Length: 5", "Content-Length: 6"],
        Ok(Framing::None),
        false,
    );
    for value in ["", "x", "-1", "+5", "5,5", "5 5", "0x5", "18446744073709551616"] {
        check(POST, &[&format!("Content-Length: {value}")], Ok(Framing::None), false);
    }
    check(
        POST,
        &["Content-Length: x", "Content-Length: 5"],
        Ok(Framing::None),
        false,
    );
    check(POST, &["Content-Length"], Ok(Framing::None), false);
}

#[test]
fn what_resembles_framing_is_none_and_closes() {
    check(POST, &["Transfer_Encoding: chunked"], Ok(Framing::None), false);
    check(POST, &["Transfer-Encoding : chunked"], Ok(Framing::None), false);
    check(POST, &["X: y", " Transfer-Encoding: chunked"], Ok(Framing::None), false);
    check(
        POST,
        &["Content_Length: 9", "Content-Length: 5"],
        Ok(Framing::Length(5)),
        false,
    );
}

#[test]
fn versions_decide_first() {
    check(
        "POST / HTTP/x",
        &["Content-Length: 5"],
        Err(FramingError::UnsupportedVersion),
        false,
    );
    check("PRI * HTTP/2.0", &[], Err(FramingError::UnsupportedVersion), false);
    check("POST / HTTP/0.9", &["Content-Length: 5"], Ok(Framing::None), false);
    let head = head_of("GET /\r\n");
    assert_eq!(framing(&head, b"GET /\r\n"), Ok(Framing::None));
    assert_eq!(FramingError::UnsupportedVersion.status(), 505);
}

#[test]
fn the_client_decides_about_its_connection() {
    for (version, fields, expected) in [
        ("HTTP/1.1", &[][..], true),
        ("HTTP/1.1", &["Connection: close"], false),
        ("HTTP/1.1", &["Connection: keep-alive, CLOSE"], false),
        ("HTTP/1.1", &["Connection: x", "connection: Close"], false),
        ("HTTP/1.1", &["Connection: closed"], true),
        ("HTTP/1.0", &[], false),
        ("HTTP/1.0", &["Connection: Keep-Alive"], true),
        ("HTTP/1.0", &["Connection: keep-alive", "Connection: close"], false),
    ] {
        check(&format!("GET / {version}"), fields, Ok(Framing::None), expected);
    }
}

#[test]
fn expectations_and_upgrades() {
    type Ask = fn(&RequestHead, &[u8]) -> bool;
    for (ask, text, expected) in [
        (
            expects_continue as Ask,
            "POST / HTTP/1.1\r\nExpect: 100-Continue\r\n\r\n",
            true,
        ),
        (expects_continue, "POST / HTTP/1.1\r\nExpect: something\r\n\r\n", false),
        (
            expects_continue,
            "POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n",
            false,
        ),
        (
            is_upgrade,
            "GET / HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: h2c\r\n\r\n",
            true,
        ),
        (is_upgrade, "GET / HTTP/1.1\r\nConnection: Upgrade\r\n\r\n", false),
        (is_upgrade, "GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", false),
        (
            is_upgrade,
            "GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
            false,
        ),
        (
            is_websocket_upgrade,
            "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\n",
            true,
        ),
        (
            is_websocket_upgrade,
            "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
            false,
        ),
        (
            is_websocket_upgrade,
            "POST / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            false,
        ),
    ] {
        assert_eq!(ask(&head_of(text), text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn an_http2_stream_reads_its_length_and_stays_open() {
    let (mut head, mut bytes) = (RequestHead::new(), Vec::new());
    head.begin(&mut bytes, b"POST", b"/", Version::H2).unwrap();
    assert_eq!(framing(&head, &bytes), Ok(Framing::None));
    head.push(&mut bytes, b"content-length", b"7").unwrap();
    assert_eq!(framing(&head, &bytes), Ok(Framing::Length(7)));
    assert!(keep_alive(&head, &bytes));
    assert!(!expects_continue(&head, &bytes) && !is_upgrade(&head, &bytes));
}
