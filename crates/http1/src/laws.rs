//! Laws of the codec that hold for every head and every body, however they are cut.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::desync::{Reason, classify};
use crate::field::{Fields, read_line};
use crate::token::{Line, check_name, check_value};
use crate::words::{blank_at, byte_at, control_at, has_control, plain_end};
use crate::*;

mod bodies;
mod responses;

/// Cases for each law.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

const SMALL: HeadLimits = HeadLimits {
    request_line_bytes_max: 24,
    header_line_bytes_max: 20,
    headers_bytes_max: 60,
};

/// Bytes that mean something to somebody.
fn any_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        select(&b"\r\n\t :;,-_0159aAzZ/?*H\0\x01\x0b\x7f\xc5\xbf\xc4\xb1"[..]),
        any::<u8>(),
    ]
}

fn any_line_end() -> impl Strategy<Value = &'static str> {
    prop_oneof![12 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r\r\n")]
}

fn any_request_line() -> impl Strategy<Value = String> {
    let method = select(vec!["GET", "POST", "HEAD", "PUT", "CONNECT", "PRI", "G(T", "get", ""]);
    let target = select(vec![
        "/",
        "/a?b=c",
        "/a b",
        "http://h:1/x?y",
        "*",
        "h:443",
        " /",
        "/\t",
        "/a ",
        "",
        "/%00",
    ]);
    let version = prop_oneof![
        6 => Just(" HTTP/1.1"),
        1 => select(vec!["", " HTTP/1.0", " HTTP/0.9", " HTTP/1.7", " HTTP/2.0", " HTTP/1.1 ", " x", " \tHTTP/1.1"]),
    ];
    (method, target, version).prop_map(|(method, target, version)| format!("{method} {target}{version}"))
}

fn any_field() -> impl Strategy<Value = String> {
    let name = select(vec![
        "Host",
        "a",
        "X-Forwarded-For",
        "x_y",
        "Connection",
        "Upgrade",
        "TE",
        "Expect",
        "Cookie",
        "a b",
        "",
        "\u{e9}",
    ]);
    let framing = select(vec![
        "Transfer-Encoding",
        "transfer-encoding",
        "Transfer_Encoding",
        "Transfer-Encoding ",
        "\u{b}Transfer-Encoding",
        "Content-Length",
        "content-LENGTH",
        "Content_Length",
        "Content-Length\t",
        "ContentLength",
    ]);
    let value = select(vec![
        "",
        "a",
        " b c ",
        "close",
        "upgrade",
        "100-continue",
        "x\u{1}",
        "\u{e9}",
        "GET / HTTP/1.1",
    ]);
    let body = select(vec![
        "chunked",
        " chunked",
        "Chunked, identity",
        "identity",
        "gzip, chunked",
        "chunked;a=b",
        "chunked, chunked",
        "br",
        "0",
        " 5",
        "005",
        "6",
        "x",
        "5, 5",
        "",
    ]);
    let lead = prop_oneof![10 => Just(""), 1 => Just(" "), 1 => Just("\t")];
    let colon = prop_oneof![12 => Just(":"), 1 => Just(""), 1 => Just(" : ")];
    prop_oneof![
        3 => (lead.clone(), name, colon.clone(), value),
        2 => (lead, framing, colon, body),
    ]
    .prop_map(|(lead, name, colon, value)| format!("{lead}{name}{colon}{value}"))
}

/// Something like a head, then a few bytes put in or replaced anywhere.
fn any_head() -> impl Strategy<Value = Vec<u8>> {
    let lines = vec((any_field(), any_line_end()), 0..7);
    let changes = prop_oneof![2 => Just(vec![]), 1 => vec((any::<Index>(), any_byte(), any::<bool>()), 1..4)];
    (any_request_line(), any_line_end(), lines, any_line_end(), changes).prop_map(
        |(first, end, lines, last, changes)| {
            let lines: String = lines.into_iter().map(|(field, end)| field + end).collect();
            let mut bytes = format!("{first}{end}{lines}{last}").into_bytes();
            change(&mut bytes, changes);
            bytes
        },
    )
}

/// Puts bytes in, or replaces some.
fn change(bytes: &mut Vec<u8>, changes: Vec<(Index, u8, bool)>) {
    for (at, byte, replace) in changes {
        let at = at.index(bytes.len());
        if replace {
            bytes[at] = byte;
        } else {
            bytes.insert(at, byte);
        }
    }
}

/// The head that the bytes begin with, if they begin with a readable one.
fn read_head(bytes: &[u8]) -> Option<(RequestHead, &[u8])> {
    let Scan::Complete { head_len } = HeadScanner::new().scan(bytes, &HeadLimits::ALB) else {
        return None;
    };
    let mut head = RequestHead::new();
    head.tokenize(&bytes[..head_len]).ok()?;
    Some((head, &bytes[..head_len]))
}

/// Takes what lies before `span` and the span itself, and gives the first.
fn gap<'a>(bytes: &'a [u8], at: &mut usize, span: Span) -> &'a [u8] {
    let gap = &bytes[*at..span.start as usize];
    *at = span.end as usize;
    gap
}

fn is_empty_lines(bytes: &[u8]) -> bool {
    bytes
        .split_inclusive(|&b| b == b'\n')
        .all(|line| line == b"\r\n" || line == b"\n")
}

fn is_line_end(bytes: &[u8]) -> bool {
    bytes == b"\r\n" || bytes == b"\n"
}

fn trim_ows(bytes: &[u8]) -> &[u8] {
    crate::token::trim_ows(bytes)
}

proptest! {
    #![proptest_config(config())]

    /// Every byte belongs to exactly one token: between two tokens stands only what separates them.
    #[test]
    fn tokens_tile_the_head(bytes in any_head()) {
        let Some((head, bytes)) = read_head(&bytes) else { return Ok(()) };
        let mut at = 0;
        let [method, target, version] = head.request_line_spans();
        prop_assert!(is_empty_lines(gap(bytes, &mut at, method)));
        prop_assert_eq!(gap(bytes, &mut at, target), b" ");
        let before_version = gap(bytes, &mut at, version);
        prop_assert!(version.is_empty() || before_version.strip_prefix(b" ").is_some_and(|b| trim_ows(b).is_empty()));
        prop_assert!(!version.is_empty() || before_version.is_empty());
        for field in head.fields() {
            // Behind the version, or nothing at all: field lines follow each other directly.
            let before = gap(bytes, &mut at, field.line());
            let first = field.line() == head.fields()[0].line();
            let expected = if first { is_line_end(trim_ows(before)) } else { before.is_empty() };
            prop_assert!(expected);
            let mut inside = field.line().start as usize;
            prop_assert!(trim_ows(gap(bytes, &mut inside, field.name_span())).is_empty());
            let between = trim_ows(gap(bytes, &mut inside, field.value_span()));
            prop_assert!(between == b":" || (between.is_empty() && field.value_span().is_empty()));
            prop_assert!(is_line_end(trim_ows(&bytes[inside..field.line().end as usize])));
        }
        let rest = trim_ows(&bytes[at..]);
        let empty_line = if head.fields().is_empty() && !version.is_empty() { 2 } else { 1 };
        prop_assert!(is_empty_lines(rest));
        prop_assert_eq!(rest.iter().filter(|&&b| b == b'\n').count(), empty_line);
    }

    /// Path and query are those of the target, however the request line was read.
    #[test]
    fn a_target_is_cut_at_its_first_question_mark(bytes in any_head()) {
        let Some((head, bytes)) = read_head(&bytes) else { return Ok(()) };
        let target = head.target(bytes);
        let parts = head.target_parts(bytes);
        if target.starts_with(b"/") {
            let mut cut = target.splitn(2, |&b| b == b'?');
            prop_assert_eq!((Some(parts.path), parts.query), (cut.next(), cut.next()));
        }
        prop_assert_eq!(parts.form == TargetForm::Origin, target.starts_with(b"/"));
    }

    #[test]
    fn scanning_does_not_depend_on_the_cuts(bytes in any_head(), cuts in vec(any::<Index>(), 0..6), small: bool) {
        let limits = if small { SMALL } else { HeadLimits::ALB };
        let whole = HeadScanner::new().scan(&bytes, &limits);
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([bytes.len()]).collect();
        ends.sort_unstable();
        let mut scanner = HeadScanner::new();
        let cut = ends.iter().map(|&end| scanner.scan(&bytes[..end], &limits)).find(|scan| *scan != Scan::Partial);
        prop_assert_eq!(cut.unwrap_or(Scan::Partial), whole);
    }

    /// One pass says what two passes say, at every first length of the buffer.
    #[test]
    fn reading_is_scanning_and_tokenizing(bytes in any_head(), cut in any::<Index>(), small: bool) {
        let limits = if small { SMALL } else { HeadLimits::ALB };
        let mut expected = RequestHead::new();
        let scan = HeadScanner::new().scan(&bytes, &limits);
        let expected_result = match scan {
            Scan::Complete { head_len } => expected.tokenize(&bytes[..head_len]).map(|()| scan),
            _ => Ok(scan),
        };
        let (mut head, mut scanner) = (RequestHead::new(), HeadScanner::new());
        let mut result = head.read(&mut scanner, &bytes[..cut.index(bytes.len() + 1)], &limits);
        if result == Ok(Scan::Partial) {
            result = head.read(&mut scanner, &bytes, &limits);
        }
        prop_assert_eq!(result, expected_result);
        if matches!(result, Ok(Scan::Complete { .. })) {
            prop_assert_eq!(format!("{head:?}"), format!("{expected:?}"));
        }
    }

    /// What is sent on is one request, and reads as we read it: no second request, no framing that we did not see.
    #[test]
    fn a_written_head_reads_back_as_the_same_request(bytes in any_head(), drop in any::<Index>(), edit: bool) {
        let Some((head, bytes)) = read_head(&bytes) else { return Ok(()) };
        let Ok(framing) = framing(&head, bytes) else { return Ok(()) };
        let mut edits = Edits::new();
        if edit {
            edits.prepend(b"X-Forwarded-Port", b"80").unwrap();
            edits.append(b"x-last", b"").unwrap();
            if !head.fields().is_empty() {
                edits.drop_field(drop.index(head.fields().len()));
                edits.replace_value(drop.index(head.fields().len()) / 2, b"v").unwrap();
            }
        }
        let forward = Forward { target: None, framing, connection: TargetConnection::KeepAlive };
        let mut out = Vec::new();
        if write_request(&head, bytes, &forward, &edits, &mut out).is_err() {
            let reason = classify(&head, bytes);
            prop_assert_eq!(reason.class, crate::desync::Class::Severe, "only severe requests cannot be written");
            return Ok(());
        }
        let loose = HeadLimits { request_line_bytes_max: 9999, header_line_bytes_max: 9999, headers_bytes_max: 9999 };
        prop_assert_eq!(HeadScanner::new().scan(&out, &loose), Scan::Complete { head_len: out.len() });
        let mut again = RequestHead::new();
        prop_assert_eq!(again.tokenize(&out), Ok(()));
        prop_assert_eq!(again.method(&out), head.method(bytes));
        prop_assert_eq!(again.target(&out), head.target(bytes));
        prop_assert_eq!(again.version(), Version::Http11);
        prop_assert_eq!(crate::framing(&again, &out), Ok(framing));
        let reason = classify(&again, &out).reason;
        let harmless = [
            Reason::AmbiguousUri,
            Reason::BadMethod,
            Reason::GetHeadZeroContentLength,
            Reason::NonCompliantHeader,
            Reason::SpaceInUri,
            Reason::UndefinedContentLengthSemantics,
            Reason::UndefinedTransferEncodingSemantics,
        ];
        prop_assert!(reason.is_none_or(|reason| harmless.contains(&reason)), "{reason:?}");
        let listed: Vec<_> = edited_fields(&head, bytes, &edits).filter(|(name, _)| !is_length(name)).collect();
        let sent: Vec<_> = again
            .fields()
            .iter()
            .map(|field| (field.name(&out), field.value(&out)))
            .filter(|(name, _)| !is_length(name) && KnownName::of(name) != KnownName::TransferEncoding)
            .collect();
        prop_assert_eq!(sent, listed, "an event lists what a target reads");
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any_byte(), 0..200), line: bool) {
        let bytes = if line { [b"POST / HTTP/1.1\r\n", &bytes[..], b"\r\n\r\n"].concat() } else { bytes };
        let mut head = RequestHead::new();
        let _ = head.tokenize(&bytes);
        // Also with a head that could not be read to its end, and with bytes that are not its own.
        for bytes in [&bytes[..], b"", &bytes[..bytes.len() / 2]] {
            let _ = (classify(&head, bytes), framing(&head, bytes), keep_alive(&head, bytes), head.target_parts(bytes));
            let _ = (is_websocket_upgrade(&head, bytes), expects_continue(&head, bytes), head.host(bytes));
            let forward =
                Forward { target: None, framing: Framing::Length(1), connection: TargetConnection::Upgrade };
            let _ = write_request(&head, bytes, &forward, &Edits::new(), &mut Vec::new());
        }
        let _ = bodies::decode_in_pieces(Framing::Chunked, &bytes, &[]);
    }

    #[test]
    fn sixteen_bytes_at_a_time_say_what_one_at_a_time_says(
        mut bytes in vec(select(&b"abcxyzABCXYZ0189-"[..]), 0..60),
        odd in vec((any::<Index>(), any_byte()), 0..2),
        spaces: bool,
    ) {
        for (at, byte) in odd {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        for from in 0..=bytes.len() {
            let first = |is: fn(&u8) -> bool| from + bytes[from..].iter().take_while(|b| !is(b)).count();
            prop_assert_eq!(plain_end(&bytes, from), first(|b| !b.is_ascii_alphanumeric() && *b != b'-'));
            prop_assert_eq!(control_at(&bytes, from), first(u8::is_ascii_control));
            prop_assert_eq!(blank_at(&bytes, from), first(|b| b.is_ascii_control() || *b == b' '));
            prop_assert_eq!(from + byte_at(b':', &bytes[from..]), first(|b| *b == b':'));
        }
        prop_assert_eq!(has_control(&bytes), bytes.iter().any(u8::is_ascii_control));
        let bad = bytes.iter().any(|b| matches!(b, 0 | b'\r' | b'\n'));
        prop_assert_eq!(check_value(&bytes).is_err(), bad);
        if spaces {
            bytes.insert(bytes.len() / 2, b' ');
        }
        let fits = !bytes.is_empty() && !bytes.iter().any(|b| *b <= b' ' || matches!(b, b':' | 0x7f));
        prop_assert_eq!(check_name(&bytes).is_ok(), fits);
    }

    /// Lines that are read in one pass are read as any line is.
    #[test]
    fn an_ordinary_line_is_read_as_any_other(bytes in any_head()) {
        let mut fields = Fields::default();
        let start = bytes.iter().position(|&b| b == b'\n').map_or(0, |lf| lf + 1);
        let end = fields.read(&bytes, start);
        let mut at = start;
        for field in fields.list() {
            let line = Line::at(&bytes, at).expect("a line");
            prop_assert_eq!(*field, read_line(&bytes, line));
            at = line.next;
        }
        let last = Line::at(&bytes, at);
        prop_assert_eq!(end, last.filter(|line| line.is_empty()).map(|line| line.next));
    }
}

fn is_length(name: &[u8]) -> bool {
    KnownName::of(name) == KnownName::ContentLength
}
