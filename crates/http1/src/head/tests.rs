use super::*;
use crate::token::FieldError;

#[track_caller]
fn head_of(bytes: &[u8]) -> RequestHead {
    let mut head = RequestHead::new();
    assert_eq!(head.tokenize(bytes), Ok(()), "{:?}", String::from_utf8_lossy(bytes));
    head
}

/// Method, target, version, then the fields as `name|value`.
#[track_caller]
fn check(bytes: &str, line: [&str; 3], fields: &[(&str, &str)]) {
    let head = head_of(bytes.as_bytes());
    let text = |span: Span| str::from_utf8(span.of(bytes.as_bytes())).unwrap();
    assert_eq!(head.request_line_spans().map(text), line);
    let found: Vec<_> = head
        .fields()
        .iter()
        .map(|field| (text(field.name), text(field.value)))
        .collect();
    assert_eq!(found, fields);
}

#[test]
fn an_ordinary_head_becomes_its_tokens() {
    check(
        "GET /a?b HTTP/1.1\r\nHost: example.com:80\r\nx-empty:\r\nX_Y:  v w\t \r\n\r\n",
        ["GET", "/a?b", "HTTP/1.1"],
        &[("Host", "example.com:80"), ("x-empty", ""), ("X_Y", "v w")],
    );
}

#[test]
fn empty_lines_in_front_bare_line_feeds_and_no_headers() {
    check(
        "\r\n\nGET / HTTP/1.0\nHost: a\n\n",
        ["GET", "/", "HTTP/1.0"],
        &[("Host", "a")],
    );
    check("OPTIONS * HTTP/1.1\r\n\r\n", ["OPTIONS", "*", "HTTP/1.1"], &[]);
    check("GET /x\r\n", ["GET", "/x", ""], &[]);
}

#[test]
fn a_folded_line_a_line_without_colon_and_space_around_a_name_become_fields_of_their_own() {
    check(
        "GET / HTTP/1.1\r\n first: 1\r\na: b\r\n c: d\r\n\te f\r\nnocolon\r\n: v\r\n  \r\nHost : h\r\n\r\n",
        ["GET", "/", "HTTP/1.1"],
        &[
            ("first", "1"),
            ("a", "b"),
            ("c", "d"),
            ("e f", ""),
            ("nocolon", ""),
            ("", "v"),
            ("", ""),
            ("Host", "h"),
        ],
    );
}

#[test]
fn only_one_cr_belongs_to_a_line_end() {
    check(
        "GET / HTTP/1.1\r\na: b\r\r\n\r\r\n\r\n",
        ["GET", "/", "HTTP/1.1"],
        &[("a", "b\r"), ("\r", "")],
    );
}

#[test]
fn versions_are_read_strictly() {
    for (text, version) in [
        ("HTTP/1.1", Version::Http11),
        ("HTTP/1.0", Version::Http10),
        ("HTTP/0.9", Version::Http09),
        ("HTTP/1.2", Version::Http1Other(2)),
        ("HTTP/1.9 ", Version::Http1Other(9)),
        ("\tHTTP/1.1\t ", Version::Http11),
        ("http/1.1", Version::Bad),
        ("HTTP/1.10", Version::Bad),
        ("HTTP/2.0", Version::Bad),
        ("HTTP/x", Version::Bad),
    ] {
        assert_eq!(
            head_of(format!("GET / {text}\r\n\r\n").as_bytes()).version(),
            version,
            "{text:?}"
        );
    }
    assert_eq!(head_of(b"GET /\r\n").version(), Version::Http09);
}

#[test]
fn what_cannot_be_read_is_an_error() {
    for (bytes, error) in [
        ("", HeadError::Incomplete),
        ("GET / HTTP/1.1", HeadError::Incomplete),
        ("GET / HTTP/1.1\r\n", HeadError::Incomplete),
        ("GET / HTTP/1.1\r\nHost: a\r\n", HeadError::Incomplete),
        ("GET / HTTP/1.1\r\n\r\nx", HeadError::TrailingBytes),
        ("GET /\r\nHost: a\r\n\r\n", HeadError::TrailingBytes),
        ("GET\r\n", HeadError::NoTarget),
        ("GET HTTP/1.1\r\n\r\n", HeadError::NoTarget),
        ("GET  HTTP/1.1\r\n\r\n", HeadError::NoTarget),
        (" / HTTP/1.1\r\n\r\n", HeadError::NoMethod),
        ("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n", HeadError::NoRequestLine),
    ] {
        assert_eq!(RequestHead::new().tokenize(bytes.as_bytes()), Err(error), "{bytes:?}");
    }
}

#[test]
fn fields_are_found_by_name() {
    let bytes = b"GET / HTTP/1.1\r\nhost: a\r\nX-Id: 1\r\nHOST: b\r\nx-id: 2\r\n Host: c\r\n\r\n";
    let head = head_of(bytes);
    assert_eq!(head.host(bytes), Some(&b"a"[..]));
    assert_eq!(
        head.host_count(),
        3,
        "a continuation line is sent on as a header of its own, so it counts"
    );
    assert!(head.contains(KnownName::Host) && !head.contains(KnownName::Cookie));
    let named: Vec<_> = head
        .fields_named(bytes, b"x-id")
        .map(|(at, field)| (at, field.value(bytes)))
        .collect();
    assert_eq!(named, [(1, &b"1"[..]), (3, b"2")]);
    assert_eq!(head.first_value(bytes, KnownName::Cookie), None);
}

#[test]
fn invalid_names_are_told_apart() {
    for (line, valid) in [
        ("a-B9: 1", true),
        ("a_b: 1", false),
        ("a.b: 1", false),
        ("a b: 1", false),
        ("a : 1", false),
        (" a: 1", false),
        ("a", false),
        (": 1", false),
        ("\u{e9}: 1", false),
    ] {
        let bytes = format!("GET / HTTP/1.1\r\n{line}\r\n\r\n");
        let head = head_of(bytes.as_bytes());
        assert_eq!(
            (head.fields()[0].has_valid_name(), head.has_invalid_names()),
            (valid, !valid),
            "{line:?}"
        );
    }
}

#[test]
fn a_name_that_resembles_framing_is_never_framing() {
    for line in [
        "Transfer_Encoding: chunked",
        "Transfer-Encoding : chunked",
        " Content-Length: 5",
        "Content-Length\t:5",
    ] {
        let bytes = format!("POST / HTTP/1.1\r\n{line}\r\n\r\n");
        let head = head_of(bytes.as_bytes());
        assert!(head.fields()[0].is_suspicious(), "{line:?}");
        assert_eq!(head.fields()[0].known(), KnownName::Other, "{line:?}");
    }
}

#[test]
fn the_preface_of_http2_is_recognised() {
    let preface = b"PRI * HTTP/2.0\r\n\r\n";
    assert!(head_of(preface).is_h2_preface(preface));
    for other in [
        &b"PRI * HTTP/1.1\r\n\r\n"[..],
        b"GET * HTTP/2.0\r\n\r\n",
        b"PRI / HTTP/2.0\r\n\r\n",
    ] {
        assert!(!head_of(other).is_h2_preface(other));
    }
}

#[test]
fn a_built_head_reads_as_a_received_one() {
    let mut head = RequestHead::new();
    let mut bytes = b"from the request before".to_vec();
    head.begin(&mut bytes, b"POST", b"/a?b", Version::H2).unwrap();
    head.push(&mut bytes, b"host", b"example.com").unwrap();
    head.push(&mut bytes, b"x_y", b"").unwrap();
    assert_eq!(head.version(), Version::H2);
    assert_eq!(
        (head.method(&bytes), head.path(&bytes), head.query(&bytes)),
        (&b"POST"[..], &b"/a"[..], Some(&b"b"[..]))
    );
    assert_eq!(head.version_token(&bytes), b"HTTP/2");
    assert_eq!(head.host(&bytes), Some(&b"example.com"[..]));
    assert_eq!(head.fields()[1].name(&bytes), b"x_y");
    assert!(head.has_invalid_names());
    assert_eq!(head.fields()[0].line().of(&bytes), b"host: example.com\r\n");
}

#[test]
fn a_built_head_takes_nothing_that_could_break_a_line() {
    let mut head = RequestHead::new();
    let mut bytes = Vec::new();
    for (method, target) in [
        (&b""[..], &b"/"[..]),
        (b"G T", b"/"),
        (b"GET", b""),
        (b"GET", b"/\r\n"),
        (b"GET", b"\0"),
        (b"GET", b"/a b"),
    ] {
        assert_eq!(
            head.begin(&mut bytes, method, target, Version::H2),
            Err(FieldError::FirstLine)
        );
    }
    head.begin(&mut bytes, b"GET", b"/", Version::H2).unwrap();
    let before = bytes.clone();
    assert_eq!(head.push(&mut bytes, b"a b", b""), Err(FieldError::Name));
    assert_eq!(head.push(&mut bytes, b"a", b"\r\n"), Err(FieldError::Value));
    assert_eq!((bytes, head.fields().len()), (before, 0));
}

#[test]
fn reading_at_once_says_what_scanning_and_tokenizing_say() {
    use crate::{HeadLimits, HeadScanner, Scan};
    let mut head = RequestHead::new();
    let mut scanner = HeadScanner::new();
    let two = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n";
    assert_eq!(
        head.read(&mut scanner, two, &HeadLimits::ALB),
        Ok(Scan::Complete { head_len: 28 })
    );
    assert_eq!(head.target(two), b"/1");
    for end in 0..28 {
        assert_eq!(
            head.read(&mut scanner, &two[..end], &HeadLimits::ALB),
            Ok(Scan::Partial)
        );
    }
    assert_eq!(
        head.read(&mut scanner, two, &HeadLimits::ALB),
        Ok(Scan::Complete { head_len: 28 })
    );
    assert_eq!(
        head.read(&mut scanner, &two[28..], &HeadLimits::ALB),
        Ok(Scan::Complete { head_len: 28 })
    );
    assert_eq!(head.target(&two[28..]), b"/2");
    assert_eq!(
        head.read(&mut scanner, b"hello\r\n", &HeadLimits::ALB),
        Err(HeadError::NoTarget)
    );
    let long = [b"GET / HTTP/1.1\r\nx: ", &vec![b'a'; 20_000][..]].concat();
    let too_large = Scan::TooLarge(crate::Limit::HeaderLine);
    assert_eq!(
        head.read(&mut HeadScanner::new(), &long, &HeadLimits::ALB),
        Ok(too_large)
    );
}
