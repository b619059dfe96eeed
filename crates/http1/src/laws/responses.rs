//! Laws of the responses of targets.

use super::*;

const SMALL_RESPONSE: HeadLimits = HeadLimits {
    request_line_bytes_max: 24,
    header_line_bytes_max: 20,
    headers_bytes_max: 60,
};

fn any_status_line() -> impl Strategy<Value = String> {
    let version = prop_oneof![
        8 => Just("HTTP/1.1"),
        1 => select(vec!["HTTP/1.0", "HTTP/1.7", "HTTP/2.0", "http/1.1", "", "HTTP/1.1 ", "\r\nHTTP/1.1"]),
    ];
    let status = prop_oneof![
        4 => Just("200"),
        2 => select(vec!["100", "101", "204", "304", "999", "404"]),
        1 => select(vec!["099", "20", "2000", "abc", "", "+20"]),
    ];
    let phrase = select(vec![
        " OK",
        " OK",
        " ",
        "",
        " Not Found ",
        " caf\u{e9}",
        " \t",
        "\tOK",
        " a\u{1}",
        " HTTP/1.1 200",
    ]);
    (version, status, phrase).prop_map(|(version, status, phrase)| format!("{version} {status}{phrase}"))
}

fn any_response_field() -> impl Strategy<Value = String> {
    let name = select(vec![
        "Date",
        "Content-Type",
        "Server",
        "Set-Cookie",
        "X-Frame-Options",
        "x_y",
        "Connection",
        "Upgrade",
        "Keep-Alive",
        "Trailer",
        "Server ",
        "a b",
        "",
        "\u{e9}",
        "(a)",
    ]);
    let value = select(vec![
        "",
        "a",
        " b c ",
        "close",
        "keep-alive, upgrade",
        "websocket",
        "h2c, WebSocket",
        "x\u{1}",
        "\u{e9}",
        "HTTP/1.1 200 OK",
    ]);
    let colon = prop_oneof![20 => Just(":"), 1 => Just(""), 1 => Just(" : ")];
    prop_oneof![
        4 => (name, colon, value).prop_map(|(name, colon, value)| format!("{name}{colon}{value}")),
        1 => any_field(),
    ]
}

/// Something like the head of a response, then a few bytes put in or replaced anywhere, then perhaps a body.
fn any_response() -> impl Strategy<Value = Vec<u8>> {
    let lines = vec((any_response_field(), any_line_end()), 0..7);
    let changes = prop_oneof![4 => Just(vec![]), 1 => vec((any::<Index>(), any_byte(), any::<bool>()), 1..4)];
    let body = select(vec!["", "hello", "5\r\nhello\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"]);
    (any_status_line(), any_line_end(), lines, any_line_end(), changes, body).prop_map(
        |(first, end, lines, last, changes, body)| {
            let lines: String = lines.into_iter().map(|(field, end)| field + end).collect();
            let mut bytes = format!("{first}{end}{lines}{last}{body}").into_bytes();
            change(&mut bytes, changes);
            bytes
        },
    )
}

/// The head that the bytes begin with, if they begin with a readable one.
fn read_response(bytes: &[u8]) -> Option<(ResponseHead, &[u8])> {
    let mut head = ResponseHead::new();
    match head.read(&mut HeadScanner::new(), bytes, &HeadLimits::ALB_RESPONSE) {
        Ok(Scan::Complete { head_len }) => Some((head, &bytes[..head_len])),
        _ => None,
    }
}

fn any_client_framing() -> impl Strategy<Value = ClientFraming> {
    prop_oneof![
        Just(ClientFraming::None),
        any::<u64>().prop_map(ClientFraming::Length),
        Just(ClientFraming::Chunked),
        Just(ClientFraming::UntilClose),
    ]
}

fn pairs<'a>(head: &'a ResponseHead, bytes: &'a [u8]) -> Vec<(&'a [u8], &'a [u8])> {
    head.fields()
        .iter()
        .map(|field| (field.name(bytes), field.value(bytes)))
        .collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn reading_a_response_does_not_depend_on_the_cuts(
        bytes in any_response(),
        cuts in vec(any::<Index>(), 0..6),
        small: bool,
    ) {
        let limits = if small { SMALL_RESPONSE } else { HeadLimits::ALB_RESPONSE };
        let mut expected = ResponseHead::new();
        let whole = expected.read(&mut HeadScanner::new(), &bytes, &limits);
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([bytes.len()]).collect();
        ends.sort_unstable();
        let (mut head, mut scanner) = (ResponseHead::new(), HeadScanner::new());
        let mut answers = ends.iter().map(|&end| head.read(&mut scanner, &bytes[..end], &limits));
        let answer = answers.find(|scan| *scan != Ok(Scan::Partial)).unwrap_or(Ok(Scan::Partial));
        prop_assert_eq!(answer, whole);
        if matches!(whole, Ok(Scan::Complete { .. })) {
            prop_assert_eq!(format!("{head:?}"), format!("{expected:?}"));
        }
    }

    /// Field lines follow each other without a gap from the status line to the empty line, and each is name, colon, value.
    #[test]
    fn tokens_tile_the_head_of_a_response(bytes in any_response()) {
        let Some((head, bytes)) = read_response(&bytes) else { return Ok(()) };
        let mut at = head.line.start as usize;
        prop_assert!(is_empty_lines(&bytes[..at]));
        prop_assert!(is_empty_lines(&bytes[head.line.end as usize - 1..head.line.end as usize]));
        prop_assert_eq!(gap(bytes, &mut at, head.line), b"");
        for field in head.fields() {
            prop_assert_eq!(gap(bytes, &mut at, field.line()), b"");
            let mut inside = field.line().start as usize;
            prop_assert_eq!(gap(bytes, &mut inside, field.name_span()), b"");
            prop_assert_eq!(trim_ows(gap(bytes, &mut inside, field.value_span())), b":");
            prop_assert!(is_line_end(trim_ows(&bytes[inside..field.line().end as usize])));
        }
        prop_assert!(is_line_end(&bytes[at..]));
    }

    /// What a client gets is one response that reads as we read it: no second head, no second framing, nothing of the
    /// connection to the target.
    #[test]
    fn a_written_response_reads_back_as_the_same(
        bytes in any_response(),
        framing in any_client_framing(),
        connection in select(vec![ClientConnection::KeepAlive, ClientConnection::Close, ClientConnection::Upgrade]),
        own: bool,
    ) {
        let Some((head, bytes)) = read_response(&bytes) else { return Ok(()) };
        let extra: &[(&[u8], &[u8])] = if own { &[(b"Set-Cookie", b"AWSALB=x")] } else { &[] };
        let replaced: &[(&[u8], &[u8])] = if own { &[(b"x-frame-options", b"DENY"), (b"server", b"")] } else { &[] };
        let relay = Relay { framing, connection, extra, replaced };
        let mut out = Vec::new();
        if write_response(&head, bytes, &relay, &mut out).is_err() {
            prop_assert!(connection == ClientConnection::Upgrade && !accepts_websocket(&head, bytes));
            return Ok(());
        }
        let mut again = ResponseHead::new();
        let loose = HeadLimits { request_line_bytes_max: 9999, header_line_bytes_max: 9999, headers_bytes_max: 9999 };
        let scan = again.read(&mut HeadScanner::new(), &out, &loose);
        prop_assert_eq!(scan, Ok(Scan::Complete { head_len: out.len() }));
        prop_assert_eq!((again.status(), again.version()), (head.status(), Version::Http11));
        prop_assert_eq!(again.phrase(&out), head.phrase(bytes));
        prop_assert!(!again.is_suspicious());
        let count = |known| again.fields_known(known).count();
        let framings = (count(KnownName::ContentLength), count(KnownName::TransferEncoding));
        let named = crate::response_framing::named_length(&head, bytes);
        let expected = match framing {
            ClientFraming::Length(_) => (1, 0),
            ClientFraming::Chunked => (0, 1),
            ClientFraming::UntilClose => (0, 0),
            ClientFraming::None => (usize::from(named.is_some()), 0),
        };
        prop_assert_eq!(framings, expected);
        prop_assert_eq!(count(KnownName::Connection), 1);
        prop_assert_eq!(count(KnownName::Upgrade), usize::from(connection == ClientConnection::Upgrade));
        if let ClientFraming::Length(length) = framing
            && !matches!(head.status(), 100..=199 | 204 | 304)
        {
            prop_assert_eq!(response_framing(&again, &out, false), Ok(ResponseFraming::Length(length)));
        }
        let ours = |name: &[u8]| {
            let known = KnownName::of(name);
            known.is_hop_by_hop() || known == KnownName::ContentLength
        };
        let sent: Vec<_> = pairs(&again, &out).into_iter().filter(|(name, _)| !ours(name)).collect();
        let listed: Vec<_> =
            relayed_fields(&head, bytes, extra, replaced).filter(|(name, _)| !is_length(name)).collect();
        prop_assert_eq!(sent, listed, "an HTTP/2 client reads what an HTTP/1 client reads");
    }

    /// Every field of the target is relayed, unless it is one of those that end here.
    #[test]
    fn no_other_field_is_lost(bytes in any_response()) {
        let Some((head, bytes)) = read_response(&bytes) else { return Ok(()) };
        let mut expected = pairs(&head, bytes);
        expected.retain(|(name, _)| {
            let known = KnownName::of(name);
            !known.is_hop_by_hop()
                && known != KnownName::ContentLength
                && crate::similarity::resembles(name).is_none()
        });
        let mut listed: Vec<_> = relayed_fields(&head, bytes, &[], &[]).filter(|(name, _)| !is_length(name)).collect();
        listed.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(listed, expected);
    }

    /// If another request may follow, the body has one end.
    #[test]
    fn a_connection_that_is_used_again_had_one_framing(bytes in any_response()) {
        let Some((head, bytes)) = read_response(&bytes) else { return Ok(()) };
        if response_framing(&head, bytes, false).is_ok() && response_keep_alive(&head, bytes) {
            let both = head.contains(KnownName::ContentLength) && head.contains(KnownName::TransferEncoding);
            prop_assert!(!both && head.status() != 101);
        }
    }

    #[test]
    fn arbitrary_responses_never_panic(bytes in vec(any_byte(), 0..200), line: bool) {
        let bytes = if line { [b"HTTP/1.1 200 OK\r\n", &bytes[..], b"\r\n\r\n"].concat() } else { bytes };
        let mut head = ResponseHead::new();
        let _ = head.read(&mut HeadScanner::new(), &bytes, &HeadLimits::ALB_RESPONSE);
        // Also with a head that could not be read to its end, and with bytes that are not its own.
        for bytes in [&bytes[..], b"", &bytes[..bytes.len() / 2]] {
            let _ = (response_framing(&head, bytes, false), response_keep_alive(&head, bytes));
            let _ = (accepts_websocket(&head, bytes), set_cookie_named(&head, bytes, b"a"));
            let relay = Relay {
                framing: ClientFraming::None,
                connection: ClientConnection::Upgrade,
                extra: &[],
                replaced: &[(b"a", b"b")],
            };
            let _ = write_response(&head, bytes, &relay, &mut Vec::new());
            let _ = relayed_fields(&head, bytes, &[], &[]).count();
        }
    }

    /// Fields of an HTTP/2 target come out as they went in.
    #[test]
    fn a_response_made_by_hand_is_written_as_one_that_was_read(
        fields in vec((select(vec!["date", "a", "x_y", "content-length", "transfer_encoding", "set-cookie"]),
            vec(any_byte(), 0..8)), 0..6),
    ) {
        let (mut head, mut bytes) = (ResponseHead::new(), Vec::new());
        head.begin(&mut bytes, 200);
        for (name, value) in &fields {
            let bad = value.iter().any(|b| matches!(b, 0 | b'\r' | b'\n'));
            prop_assert_eq!(head.push(&mut bytes, name.as_bytes(), value).is_err(), bad);
        }
        let relay = Relay {
            framing: ClientFraming::UntilClose,
            connection: ClientConnection::Close,
            extra: &[],
            replaced: &[],
        };
        let mut out = Vec::new();
        prop_assert_eq!(write_response(&head, &bytes, &relay, &mut out), Ok(()));
        let (again, read) = read_response(&out).expect("what we write can be read");
        prop_assert_eq!(read.len(), out.len());
        let sent: Vec<_> = pairs(&again, &out).into_iter().filter(|(name, _)| name != b"Connection").collect();
        let listed: Vec<_> = relayed_fields(&head, &bytes, &[], &[])
            .filter(|(name, _)| !is_length(name))
            .map(|(name, value)| (name, trim_ows(value)))
            .collect();
        prop_assert_eq!(sent, listed);
    }
}
