use super::*;
use crate::scan::{HeadLimits, HeadScanner, Limit, Scan};

type Reading = Result<Scan, ResponseError>;

/// Reads bytes that end at each of the `ends`, until there is an answer.
fn read_at(bytes: &[u8], limits: &HeadLimits, ends: impl Iterator<Item = usize>) -> (ResponseHead, Reading) {
    let (mut head, mut scanner) = (ResponseHead::new(), HeadScanner::new());
    let mut reading = Ok(Scan::Partial);
    for end in ends {
        reading = head.read(&mut scanner, &bytes[..end], limits);
        if reading != Ok(Scan::Partial) {
            break;
        }
    }
    (head, reading)
}

/// The answer for the whole buffer, which must be the same for one byte more at a time.
#[track_caller]
fn read(bytes: &[u8]) -> (ResponseHead, Reading) {
    let limits = &HeadLimits::ALB_RESPONSE;
    let (head, reading) = read_at(bytes, limits, std::iter::once(bytes.len()));
    let (_, stepwise) = read_at(bytes, limits, 0..=bytes.len());
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(stepwise, reading, "a byte at a time: {text:?}");
    (head, reading)
}

/// Status, phrase, version, then the fields as `name|value`.
#[track_caller]
fn check(text: &str, status: u16, phrase: &str, version: Version, fields: &[(&str, &str)]) {
    let bytes = text.as_bytes();
    let (head, reading) = read(bytes);
    let head_len = bytes.len();
    assert_eq!(reading, Ok(Scan::Complete { head_len }), "{text:?}");
    assert_eq!((head.status(), head.version()), (status, version), "{text:?}");
    assert_eq!(head.phrase(bytes), phrase.as_bytes(), "{text:?}");
    let found: Vec<_> = head
        .fields()
        .iter()
        .map(|field| (field.name(bytes), field.value(bytes)))
        .collect();
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    assert_eq!(found, fields, "{text:?}");
}

#[test]
fn an_ordinary_head_becomes_its_tokens() {
    check(
        "HTTP/1.1 200 OK\r\nServer: a\r\nx-empty:\r\nX_Y:\t v w\t \r\nSet-Cookie: a=\u{e9}; Path=/\r\n\r\n",
        200,
        "OK",
        Version::Http11,
        &[
            ("Server", "a"),
            ("x-empty", ""),
            ("X_Y", "v w"),
            ("Set-Cookie", "a=\u{e9}; Path=/"),
        ],
    );
}

#[test]
fn versions_and_phrases() {
    check(
        "HTTP/1.0 404 Not  Found \r\n\r\n",
        404,
        "Not  Found ",
        Version::Http10,
        &[],
    );
    check("HTTP/1.7 100 \r\n\r\n", 100, "", Version::Http11, &[]);
    check("HTTP/1.1 999\r\n\r\n", 999, "", Version::Http11, &[]);
    check(
        "HTTP/1.1 200 sch\u{f6}n\t1\r\n\r\n",
        200,
        "sch\u{f6}n\t1",
        Version::Http11,
        &[],
    );
}

#[test]
fn what_has_one_meaning_only_is_tolerated() {
    check(
        "HTTP/1.1 200 OK\nA: 1\nB: 2\r\n\n",
        200,
        "OK",
        Version::Http11,
        &[("A", "1"), ("B", "2")],
    );
    check("\r\n\nHTTP/1.1 200 OK\r\n\r\n", 200, "OK", Version::Http11, &[]);
    check(
        "HTTP/1.1 200 OK\r\nServer : a\r\nX \t:b\r\n\r\n",
        200,
        "OK",
        Version::Http11,
        &[("Server", "a"), ("X", "b")],
    );
    check(
        "HTTP/1.1 200 OK\r\nA: \x01\x7f\r\n\r\n",
        200,
        "OK",
        Version::Http11,
        &[("A", "\x01\x7f")],
    );
    check(
        "HTTP/1.1 200 OK\r\nContent_Length: 5\r\n\r\n",
        200,
        "OK",
        Version::Http11,
        &[("Content_Length", "5")],
    );
}

#[test]
fn a_malformed_head_is_refused() {
    use ResponseError as E;
    for (line, error) in [
        ("", E::StatusLine),
        ("HTTP/1.1", E::StatusLine),
        ("HTTP/1.1 ", E::StatusLine),
        ("HTTP/1.1 20", E::StatusLine),
        ("HTTP/1.1 2000 OK", E::StatusLine),
        ("HTTP/1.1 099 OK", E::StatusLine),
        ("HTTP/1.1 -20 OK", E::StatusLine),
        ("HTTP/1.1 2x0 OK", E::StatusLine),
        ("HTTP/1.1  200 OK", E::StatusLine),
        ("HTTP/1.1\t200 OK", E::StatusLine),
        ("HTTP/1.1 200\tOK", E::StatusLine),
        ("HTTP/1.1 200OK", E::StatusLine),
        ("HTTP/1.10 200 OK", E::StatusLine),
        ("HTTP/1. 200 OK", E::StatusLine),
        ("HTTP/1.x 200 OK", E::StatusLine),
        ("HTTP/2.0 200 OK", E::StatusLine),
        ("HTTP/0.9 200 OK", E::StatusLine),
        ("http/1.1 200 OK", E::StatusLine),
        (" HTTP/1.1 200 OK", E::StatusLine),
        ("ICY 200 OK", E::StatusLine),
        ("GET / HTTP/1.1", E::StatusLine),
        ("<html>", E::StatusLine),
        ("SSH-2.0-OpenSSH_9.6", E::StatusLine),
        ("\x15\x03\x01\x02", E::StatusLine),
        ("HTTP/1.1 200 O\x01K", E::StatusLine),
        ("HTTP/1.1 200 O\0K", E::StatusLine),
        ("HTTP/1.1 200 O\rK", E::StatusLine),
        ("HTTP/1.1 200 OK\r", E::StatusLine),
        ("HTTP/1.1 200\r", E::StatusLine),
        ("HTTP/1.1 200 OK\r\n A: 1", E::Folded),
        ("HTTP/1.1 200 OK\r\nA: 1\r\n\tfolded", E::Folded),
        ("HTTP/1.1 200 OK\r\nA: 1\r\n Content-Length: 5", E::Folded),
        ("HTTP/1.1 200 OK\r\n ", E::Folded),
        ("HTTP/1.1 200 OK\r\nnocolon", E::NoColon),
        ("HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK", E::NoColon),
        ("HTTP/1.1 200 OK\r\n: v", E::Name),
        ("HTTP/1.1 200 OK\r\na b: v", E::Name),
        ("HTTP/1.1 200 OK\r\na\0: v", E::Name),
        ("HTTP/1.1 200 OK\r\na\rb: v", E::Name),
        ("HTTP/1.1 200 OK\r\n\x0bContent-Length: 5", E::Name),
        ("HTTP/1.1 200 OK\r\ncaf\u{e9}: v", E::Name),
        ("HTTP/1.1 200 OK\r\n(a): v", E::Name),
        ("HTTP/1.1 200 OK\r\nTran\u{17f}fer-Encoding: chunked", E::Name),
        ("HTTP/1.1 200 OK\r\nContent-Length : 5", E::FramingName),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding\t: chunked", E::FramingName),
        ("HTTP/1.1 200 OK\r\nTransfer_Encoding : chunked", E::FramingName),
        ("HTTP/1.1 200 OK\r\na: b\0c", E::Value),
        ("HTTP/1.1 200 OK\r\na: b\rSet-Cookie: c", E::Value),
        ("HTTP/1.1 200 OK\r\na: b\r", E::Value),
        ("HTTP/1.1 200 OK\r\na: \r", E::Value),
    ] {
        // More empty lines than are skipped, for the first row.
        let lead = if line.is_empty() {
            "\r\n".repeat(8)
        } else {
            String::new()
        };
        let text = format!("{lead}{line}\r\n\r\n");
        assert_eq!(read(text.as_bytes()).1, Err(error), "{text:?}");
    }
}

// The client must not wait for the idle timeout when a target speaks another protocol and then waits itself.
#[test]
fn what_is_no_response_is_refused_with_its_first_wrong_byte() {
    for (text, good) in [
        ("SSH-2.0", 0),
        ("HTTX", 3),
        ("HTTP/2", 5),
        ("HTTP/1.a", 7),
        ("HTTP/1.1 0", 9),
        ("HTTP/1.1 20x", 11),
        ("HTTP/1.1 2000", 12),
        ("HTTP/1.1 200\r\r\n", 13),
        ("\r\nX", 2),
        ("\rH", 1),
        ("\r\n\n\r\n\r\n\r\n\r\n\r\n\r\n\r", 15),
    ] {
        let (_, reading) = read_at(text.as_bytes(), &HeadLimits::ALB_RESPONSE, 0..=good);
        assert_eq!(reading, Ok(Scan::Partial), "{text:?}");
        assert_eq!(read(text.as_bytes()).1, Err(ResponseError::StatusLine), "{text:?}");
    }
    for text in [
        "",
        "\r",
        "\r\n\r",
        "H",
        "HTTP/1.1 200",
        "HTTP/1.1 200\r",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200\r\nA",
    ] {
        assert_eq!(read(text.as_bytes()).1, Ok(Scan::Partial), "{text:?}");
    }
}

// ALB-H-031: response headers over 32 K from a target answer 502
#[test]
fn a_head_of_32_k_is_taken_and_one_byte_more_is_not() {
    let one_line = |len: usize| [b"HTTP/1.1 200 OK\r\na: ", &vec![b'x'; len - 24][..], b"\r\n\r\n"].concat();
    let many_lines = |len: usize| {
        let mut bytes = b"HTTP/1.1 200 OK\r\n".to_vec();
        while bytes.len() + 40 < len {
            bytes.extend_from_slice(b"a: 456789\r\n");
        }
        let rest = len - bytes.len();
        bytes.extend_from_slice(&[b"b: ", &vec![b'x'; rest - 7][..], b"\r\n\r\n"].concat());
        bytes
    };
    let phrase = |len: usize| [b"HTTP/1.1 200 ", &vec![b'x'; len - 17][..], b"\r\n\r\n"].concat();
    for make in [&one_line as &dyn Fn(usize) -> Vec<u8>, &many_lines, &phrase] {
        for (len, fits) in [(32_767, true), (32_768, true), (32_769, false), (40_000, false)] {
            let mut bytes = make(len);
            assert_eq!(bytes.len(), len);
            bytes.extend_from_slice(b"body");
            let limits = &HeadLimits::ALB_RESPONSE;
            let (_, whole) = read_at(&bytes, limits, std::iter::once(bytes.len()));
            let (_, stepwise) = read_at(&bytes, limits, 0..=bytes.len());
            assert_eq!(whole, stepwise, "{len}");
            if fits {
                assert_eq!(whole, Ok(Scan::Complete { head_len: len }));
            } else {
                assert!(matches!(whole, Ok(Scan::TooLarge(_))), "{len}: {whole:?}");
            }
        }
    }
}

#[test]
fn a_head_without_an_end_is_too_large_with_its_first_byte_too_many() {
    let mut bytes = b"HTTP/1.1 200 OK\r\n".to_vec();
    bytes.extend(b"a: 4567\r\n".repeat(4_000));
    let limits = &HeadLimits::ALB_RESPONSE;
    let (_, reading) = read_at(&bytes, limits, [20, 32_768].into_iter());
    assert_eq!(reading, Ok(Scan::Partial));
    let (_, reading) = read_at(&bytes, limits, [20, 32_768, 32_769].into_iter());
    assert_eq!(reading, Ok(Scan::TooLarge(Limit::AllHeaders)));
}

#[test]
fn one_head_after_the_other_is_read_with_the_same_room() {
    let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nDate: x\r\n\r\nbody";
    let (mut head, mut scanner) = (ResponseHead::new(), HeadScanner::new());
    let limits = &HeadLimits::ALB_RESPONSE;
    assert_eq!(head.read(&mut scanner, &bytes[..10], limits), Ok(Scan::Partial));
    assert_eq!(
        head.read(&mut scanner, bytes, limits),
        Ok(Scan::Complete { head_len: 25 })
    );
    assert_eq!((head.status(), head.fields().len()), (100, 0));
    let rest = &bytes[25..];
    assert_eq!(
        head.read(&mut scanner, rest, limits),
        Ok(Scan::Complete { head_len: 28 })
    );
    assert_eq!(
        (head.status(), head.first_value(rest, KnownName::Date)),
        (200, Some(&b"x"[..]))
    );
}

#[test]
fn the_accessors_find_fields_by_name() {
    let bytes = b"HTTP/1.1 200 OK\r\nset-cookie: a\r\nX-A: 1\r\nSet-Cookie: b\r\nx-a: 2\r\n\r\n";
    let (head, _) = read(bytes);
    assert!(head.contains(KnownName::SetCookie) && !head.contains(KnownName::Date));
    let values = |fields: Vec<(usize, &Field)>| {
        let pairs = fields.into_iter().map(|(at, field)| (at, field.value(bytes)[0]));
        pairs.collect::<Vec<_>>()
    };
    assert_eq!(
        values(head.fields_known(KnownName::SetCookie).collect()),
        [(0, b'a'), (2, b'b')]
    );
    assert_eq!(
        values(head.fields_named(bytes, b"X-a").collect()),
        [(1, b'1'), (3, b'2')]
    );
    assert_eq!(head.first_value(bytes, KnownName::Date), None);
}

#[test]
fn an_http2_response_becomes_the_same_type() {
    let (mut head, mut bytes) = (ResponseHead::new(), b"old".to_vec());
    head.begin(&mut bytes, 204);
    head.push(&mut bytes, b"date", b"now").unwrap();
    head.push(&mut bytes, b"x-a", b"").unwrap();
    for (name, value) in [(&b"a b"[..], &b""[..]), (b"", b""), (b"a", b"x\r\ny: z"), (b"a", b"\0")] {
        assert!(head.push(&mut bytes, name, value).is_err());
    }
    assert_eq!((head.status(), head.version()), (204, Version::H2));
    assert_eq!(head.phrase(&bytes), b"");
    assert_eq!(head.first_value(&bytes, KnownName::Date), Some(&b"now"[..]));
    let names: Vec<_> = head.fields().iter().map(|field| field.name(&bytes)).collect();
    assert_eq!(names, [&b"date"[..], b"x-a"]);
}
