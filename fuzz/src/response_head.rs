//! The head of a target's response: the same answer for every cut, and what a client gets reads back as the same single
//! response with one framing.

use http1::{
    ClientConnection, ClientFraming, Field, HeadLimits, HeadScanner, KnownName, Relay, ResponseError, ResponseFraming,
    ResponseHead, Scan, accepts_websocket, relayed_fields, response_framing, response_keep_alive, set_cookie_named,
    write_response,
};

/// Small enough for a fuzzer to reach.
const LIMITS: HeadLimits = HeadLimits {
    request_line_bytes_max: 200,
    header_line_bytes_max: 150,
    headers_bytes_max: 600,
};

/// Every way in which a response may go to a client.
pub const RELAYS: [(ClientFraming, ClientConnection); 6] = [
    (ClientFraming::Length(5), ClientConnection::KeepAlive),
    (ClientFraming::Chunked, ClientConnection::KeepAlive),
    (ClientFraming::Chunked, ClientConnection::Close),
    (ClientFraming::UntilClose, ClientConnection::Close),
    (ClientFraming::None, ClientConnection::KeepAlive),
    (ClientFraming::None, ClientConnection::Upgrade),
];

/// Panics if a law does not hold for these bytes.
pub fn check(input: &[u8]) {
    for limits in [LIMITS, HeadLimits::ALB_RESPONSE] {
        let (mut head, mut stepwise) = (ResponseHead::new(), ResponseHead::new());
        let reading = head.read(&mut HeadScanner::new(), input, &limits);
        assert_eq!(
            read_stepwise(&mut stepwise, input, &limits),
            reading,
            "a byte at a time"
        );
        let Ok(Scan::Complete { head_len }) = reading else {
            // Not a response, and still nothing may panic.
            let _ = (response_framing(&head, input, false), response_keep_alive(&head, input));
            let _ = (accepts_websocket(&head, input), set_cookie_named(&head, input, b"a"));
            continue;
        };
        assert_eq!(format!("{head:?}"), format!("{stepwise:?}"));
        let bytes = &input[..head_len];
        check_tiling(&head, bytes);
        check_framing(&head, bytes);
        for (framing, connection) in RELAYS {
            check_written(&head, bytes, framing, connection);
        }
    }
}

fn read_stepwise(head: &mut ResponseHead, input: &[u8], limits: &HeadLimits) -> Result<Scan, ResponseError> {
    let mut scanner = HeadScanner::new();
    (0..=input.len())
        .map(|end| head.read(&mut scanner, &input[..end], limits))
        .find(|reading| *reading != Ok(Scan::Partial))
        .unwrap_or(Ok(Scan::Partial))
}

/// Field lines follow each other without a gap, only the empty line follows the last, and no value spans a line.
fn check_tiling(head: &ResponseHead, bytes: &[u8]) {
    let lines: Vec<_> = head.fields().iter().map(Field::line).collect();
    assert!(lines.windows(2).all(|pair| pair[0].end == pair[1].start));
    if let Some(last) = lines.last() {
        assert!(matches!(&bytes[last.end as usize..], b"\r\n" | b"\n"));
    }
    for field in head.fields() {
        let bad = |b: &u8| matches!(b, 0 | b'\r' | b'\n');
        assert!(!field.name(bytes).iter().any(bad) && !field.value(bytes).iter().any(bad));
        assert!(!field.is_continuation() && !field.name(bytes).is_empty());
    }
}

fn check_framing(head: &ResponseHead, bytes: &[u8]) {
    let framing = response_framing(head, bytes, false);
    assert_eq!(framing.is_ok(), response_framing(head, bytes, true).is_ok());
    let both = head.contains(KnownName::ContentLength) && head.contains(KnownName::TransferEncoding);
    if both || framing.is_err() && head.contains(KnownName::TransferEncoding) {
        let may_be_used = response_keep_alive(head, bytes);
        assert!(!both || !may_be_used, "an ambiguous response ends its connection");
    }
    if let Ok(framing) = framing {
        let has_no_body = matches!(head.status(), 100..=199 | 204 | 304);
        assert_eq!(framing == ResponseFraming::None, has_no_body);
    }
}

fn check_written(head: &ResponseHead, bytes: &[u8], framing: ClientFraming, connection: ClientConnection) {
    let relay = Relay {
        framing,
        connection,
        extra: &[(b"Set-Cookie", b"AWSALB=x; Path=/")],
        replaced: &[(b"a", b"replaced"), (b"Server", b"")],
    };
    let mut out = b"before".to_vec();
    if write_response(head, bytes, &relay, &mut out).is_err() {
        assert_eq!(out, b"before");
        assert!(connection == ClientConnection::Upgrade && !accepts_websocket(head, bytes));
        return;
    }
    let out = &out[6..];
    let loose = HeadLimits {
        request_line_bytes_max: 99_999,
        header_line_bytes_max: 99_999,
        headers_bytes_max: 99_999,
    };
    let mut again = ResponseHead::new();
    let reading = again.read(&mut HeadScanner::new(), out, &loose);
    assert_eq!(reading, Ok(Scan::Complete { head_len: out.len() }), "one response");
    assert_eq!((again.status(), again.phrase(out)), (head.status(), head.phrase(bytes)));
    let count = |name: KnownName| again.fields_known(name).count();
    let framings = count(KnownName::ContentLength) + count(KnownName::TransferEncoding);
    let expected = match framing {
        ClientFraming::Length(_) | ClientFraming::Chunked => 1..=1,
        ClientFraming::UntilClose => 0..=0,
        ClientFraming::None => 0..=1,
    };
    assert!(expected.contains(&framings), "{framing:?} became {framings} framings");
    assert_eq!(count(KnownName::Connection), 1);
    assert!(!again.fields().iter().any(Field::is_suspicious));
    let ours = |name: &[u8]| {
        let known = KnownName::of(name);
        known.is_hop_by_hop() || known == KnownName::ContentLength
    };
    let sent = again.fields().iter().map(|field| (field.name(out), field.value(out)));
    let listed = relayed_fields(head, bytes, relay.extra, relay.replaced);
    assert!(
        sent.filter(|(name, _)| !ours(name))
            .eq(listed.filter(|(name, _)| !ours(name))),
        "an HTTP/2 client reads what an HTTP/1 client reads"
    );
}
