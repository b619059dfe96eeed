use super::*;
use crate::framing::framing;

#[track_caller]
fn head_of(bytes: &str) -> RequestHead {
    let mut head = RequestHead::new();
    assert_eq!(head.tokenize(bytes.as_bytes()), Ok(()), "{bytes:?}");
    head
}

const PLAIN: Forward<'static> = Forward {
    target: None,
    framing: Framing::None,
    connection: TargetConnection::KeepAlive,
};

#[track_caller]
fn written(bytes: &str, forward: &Forward<'_>, edits: &Edits) -> String {
    let mut out = Vec::new();
    write_request(&head_of(bytes), bytes.as_bytes(), forward, edits, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Written without edits and with our own reading of the framing.
#[track_caller]
fn check(fields: &str, expected: &str) {
    let bytes = format!("POST /x HTTP/1.1\r\n{fields}\r\n");
    let framing = framing(&head_of(&bytes), bytes.as_bytes()).unwrap();
    let forward = Forward { framing, ..PLAIN };
    assert_eq!(
        written(&bytes, &forward, &Edits::new()),
        format!("POST /x HTTP/1.1\r\n{expected}\r\n"),
        "{fields:?}"
    );
}

#[test]
fn untouched_fields_keep_name_case_order_and_spelling() {
    check(
        "HOST: a\r\nx_Y:1  \r\nhost:  b\r\na: \u{e9}\r\n",
        "HOST: a\r\nx_Y:1  \r\nhost:  b\r\na: \u{e9}\r\n",
    );
}

#[test]
fn what_belongs_to_the_connection_ends_here() {
    check(
        "Connection: keep-alive\r\nA: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\nTrailer: X\r\n\
         Upgrade: h2c\r\nB: 2\r\nExpect: 100-continue\r\n",
        "A: 1\r\nB: 2\r\n",
    );
}

#[test]
fn framing_is_written_anew_where_the_client_had_it() {
    check(
        "A: 1\r\ncontent-LENGTH:  007\r\nB: 2\r\n",
        "A: 1\r\ncontent-LENGTH: 7\r\nB: 2\r\n",
    );
    check(
        "A: 1\r\ntransfer-encoding: identity, CHUNKED;x\r\nB: 2\r\n",
        "A: 1\r\ntransfer-encoding: chunked\r\nB: 2\r\n",
    );
    check(
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\n",
    );
    check("Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5\r\n");
    check("Content-Length: 5\r\nContent-Length: 6\r\n", "");
    let get = "GET / HTTP/1.1\r\nContent-Length: 9\r\nA: 1\r\n\r\n";
    let forward = Forward {
        framing: Framing::Chunked,
        ..PLAIN
    };
    let expected = "GET / HTTP/1.1\r\nA: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(written(get, &forward, &Edits::new()), expected);
}

#[test]
fn what_resembles_framing_is_never_written() {
    check(
        "Transfer_Encoding: chunked\r\nA: 1\r\nContent-Length : 5\r\nA: 1\r\n Content-Length: 5\r\n",
        "A: 1\r\nA: 1\r\n",
    );
}

#[test]
fn an_http2_request_brings_no_framing_of_its_own() {
    let (mut head, mut bytes) = (RequestHead::new(), Vec::new());
    head.begin(&mut bytes, b"POST", b"/", crate::Version::H2).unwrap();
    for (name, value) in [
        ("host", "a"),
        ("transfer-encoding", "chunked"),
        ("transfer_encoding", "chunked"),
        ("b", "c"),
    ] {
        head.push(&mut bytes, name.as_bytes(), value.as_bytes()).unwrap();
    }
    let mut out = Vec::new();
    write_request(
        &head,
        &bytes,
        &Forward {
            framing: Framing::Length(2),
            ..PLAIN
        },
        &Edits::new(),
        &mut out,
    )
    .unwrap();
    let expected = "POST / HTTP/1.1\r\nhost: a\r\nb: c\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn continuations_and_lines_without_colon_become_fields() {
    check(
        "A: 1\r\n folded\r\n\tB: 2\r\nnocolon\r\nC : 3\nD: 4\r\n",
        "A: 1\r\nfolded: \r\nB: 2\r\nnocolon: \r\nC: 3\r\nD: 4\r\n",
    );
    check(" Connection: x\r\n \r\n: v\r\nA: 1\r\n", "A: 1\r\n");
}

#[test]
fn a_field_with_bytes_that_break_lines_is_left_out() {
    check(
        "A: 1\rContent-Length: 5\r\nB\rC: 2\r\nD: \0\r\nE\0: 1\r\nF: 6\r\n",
        "F: 6\r\n",
    );
}

#[test]
fn edits_are_applied_in_their_places() {
    let bytes = "GET /old HTTP/1.0\r\nHost: a\r\nX: 1\r\nY: 2\r\nY: 3\r\nConnection: close\r\n\r\n";
    let head = head_of(bytes);
    let mut edits = Edits::new();
    edits.append(b"Last", b"z").unwrap();
    edits.replace_value(3, b"three").unwrap();
    edits.drop_field(1);
    edits.prepend(b"X-Forwarded-For", b"203.0.113.9").unwrap();
    edits.prepend(b"Host", b"b").unwrap();
    edits.drop_field(0);
    edits.replace_value(4, b"ignored").unwrap();
    edits.drop_field(2);
    edits.replace_value(2, b"two").unwrap();
    let forward = Forward {
        target: Some(b"/new"),
        framing: Framing::Length(3),
        connection: TargetConnection::Close,
    };
    let expected = "GET /new HTTP/1.1\r\nX-Forwarded-For: 203.0.113.9\r\nHost: b\r\nY: two\r\nY: three\r\nLast: z\r\n\
                    Content-Length: 3\r\nConnection: close\r\n\r\n";
    assert_eq!(written(bytes, &forward, &edits), expected);

    let fields: Vec<_> = edited_fields(&head, bytes.as_bytes(), &edits)
        .map(|(name, value)| [name, b"=", value].concat())
        .map(|field| String::from_utf8(field).unwrap())
        .collect();
    assert_eq!(
        fields,
        ["X-Forwarded-For=203.0.113.9", "Host=b", "Y=two", "Y=three", "Last=z"]
    );

    edits.clear();
    assert_eq!(
        written(bytes, &PLAIN, &edits),
        "GET /old HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: 2\r\nY: 3\r\n\r\n"
    );
}

#[test]
fn the_field_list_of_an_event_keeps_the_length_and_nothing_else_of_framing() {
    let bytes = "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nTE: x\r\n a: b\r\n\r\n";
    let (head, edits) = (head_of(bytes), Edits::new());
    let fields: Vec<_> = edited_fields(&head, bytes.as_bytes(), &edits).collect();
    assert_eq!(fields, [(&b"Content-Length"[..], &b"5"[..]), (b"a", b"b")]);
}

#[test]
fn an_upgrade_is_written_with_the_protocol_of_the_client() {
    let bytes = "GET /ws HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nA: 1\r\n\r\n";
    let forward = Forward {
        connection: TargetConnection::Upgrade,
        ..PLAIN
    };
    let expected = "GET /ws HTTP/1.1\r\nA: 1\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n";
    assert_eq!(written(bytes, &forward, &Edits::new()), expected);
}

// ALB-H-042 needs the handshake of both sides to pass; a second protocol offered beside WebSocket must not.
#[test]
fn an_upgrade_goes_on_with_its_handshake_and_never_as_h2c() {
    let upgrade = Forward {
        connection: TargetConnection::Upgrade,
        ..PLAIN
    };
    let handshake = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";
    for offered in [
        "Upgrade: websocket\r\n",
        "Upgrade: h2c, websocket\r\n",
        "Upgrade: websocket, h2c\r\n",
        "Upgrade: h2c\r\nUpgrade: websocket\r\n",
        "Upgrade: h2c\r\nUpgrade: x, websocket ,h2c\r\n",
    ] {
        let bytes = format!("GET /ws HTTP/1.1\r\n{offered}Connection: Upgrade\r\n{handshake}\r\n");
        let expected = format!("GET /ws HTTP/1.1\r\n{handshake}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        assert_eq!(written(&bytes, &upgrade, &Edits::new()), expected, "{offered:?}");
    }
    let only_h2c = "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nA: 1\r\n\r\n";
    for connection in [TargetConnection::Upgrade, TargetConnection::KeepAlive] {
        let forward = Forward { connection, ..PLAIN };
        let expected = "GET / HTTP/1.1\r\nA: 1\r\n\r\n";
        assert_eq!(written(only_h2c, &forward, &Edits::new()), expected);
    }
}

#[test]
fn a_value_may_be_written_in_place_and_thought_better_of() {
    let mut edits = Edits::new();
    for (name, wanted) in [(&b"X-A"[..], true), (b"X-B", false), (b"Host", true), (b"host", false)] {
        let write = |out: &mut Vec<u8>| {
            out.extend_from_slice(b"1, ");
            out.extend_from_slice(b"2");
            wanted
        };
        assert_eq!(edits.prepend_with(OwnName::new(name).unwrap(), write), Ok(()));
    }
    const NAME: OwnName<'_> = OwnName::literal("X-C");
    assert_eq!(NAME, OwnName::new(b"X-C").unwrap());
    assert_eq!(
        written("GET / HTTP/1.1\r\nA: 1\r\n\r\n", &PLAIN, &edits),
        "GET / HTTP/1.1\r\nX-A: 1, 2\r\nHost: 1, 2\r\nA: 1\r\n\r\n"
    );
}

#[test]
fn of_a_composed_value_what_is_theirs_is_looked_at() {
    let mut edits = Edits::new();
    let name = OwnName::literal("X-A");
    for theirs in [&b"b\r\nX-Evil: 1"[..], b"\n", b"\0"] {
        let write = |out: &mut Vec<u8>| out.extend_from_slice(theirs);
        assert_eq!(edits.prepend_composed(name, theirs, write), Err(FieldError::Value));
    }
    let write = |out: &mut Vec<u8>| out.extend_from_slice(b"b\tc:80");
    assert_eq!(edits.prepend_composed(name, b"b\tc", write), Ok(()));
    assert_eq!(
        written("GET / HTTP/1.1\r\n\r\n", &PLAIN, &edits),
        "GET / HTTP/1.1\r\nX-A: b\tc:80\r\n\r\n"
    );
}

#[test]
fn lines_that_are_kept_stand_where_single_ones_would() {
    let mut lines = OwnLines::default();
    lines.push(OwnName::literal("X-Forwarded-Proto"), b"https").unwrap();
    assert_eq!(
        lines.push(OwnName::literal("X-Bad"), b"a\r\nB: c"),
        Err(FieldError::Value)
    );
    lines.push(OwnName::literal("X-Forwarded-Port"), b"443").unwrap();
    let mut edits = Edits::new();
    edits.prepend(b"X-First", b"1").unwrap();
    edits.prepend_lines(&lines);
    edits.prepend(b"X-Last", b"2").unwrap();
    let request = "GET / HTTP/1.1\r\nA: b\r\n\r\n";
    assert_eq!(
        written(request, &PLAIN, &edits),
        "GET / HTTP/1.1\r\nX-First: 1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nX-Last: 2\r\nA: b\r\n\r\n"
    );
    let fields: Vec<_> = edited_fields(&head_of(request), request.as_bytes(), &edits)
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect();
    let expected = [
        ("X-First", "1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Port", "443"),
        ("X-Last", "2"),
        ("A", "b"),
    ];
    assert_eq!(fields, expected.map(|(name, value)| (name.into(), value.into())));
}

#[test]
fn edits_take_nothing_that_could_break_a_line_or_the_framing() {
    let mut edits = Edits::new();
    for (name, value, error) in [
        (&b"a"[..], &b"b\r\nc"[..], FieldError::Value),
        (b"a\n", b"b", FieldError::Name),
        (b"", b"b", FieldError::Name),
        (b"Content-Length", b"5", FieldError::Framing),
        (b"transfer-encoding", b"chunked", FieldError::Framing),
        (b"Transfer_Encoding", b"chunked", FieldError::Framing),
        (b"connection", b"close", FieldError::Framing),
    ] {
        assert_eq!(edits.prepend(name, value), Err(error));
        assert_eq!(edits.append(name, value), Err(error));
    }
    let write = |out: &mut Vec<u8>| {
        out.extend_from_slice(b"1\r\nB: 2");
        true
    };
    assert_eq!(
        edits.prepend_with(OwnName::literal("X-A"), write),
        Err(FieldError::Value)
    );
    for (name, error) in [(&b"X: y"[..], FieldError::Name), (b"x\n", FieldError::Name)] {
        assert_eq!(edits.prepend(name, b"1"), Err(error));
    }
    assert_eq!(edits.replace_value(0, b"\0"), Err(FieldError::Value));
    assert_eq!(
        written("GET / HTTP/1.1\r\nA: 1\r\n\r\n", &PLAIN, &edits),
        "GET / HTTP/1.1\r\nA: 1\r\n\r\n"
    );
}

// Python's http.server drops what follows a line that it cannot read, and took the body for a request.
#[test]
fn framing_stands_before_lines_that_a_target_may_not_read() {
    for (line, sent) in [
        ("X Y: z", "X Y: z"),
        ("X\u{7f}: y", "X\u{7f}: y"),
        ("\u{e9}: y", "\u{e9}: y"),
        ("GET /evil HTTP/1.1", "GET /evil HTTP/1.1: "),
        (" , folded", ", folded: "),
    ] {
        let bytes = format!("POST / HTTP/1.1\r\nA: 1\r\n{line}\r\ncontent-length: 5\r\nB: 2\r\n\r\n");
        let forward = Forward {
            framing: Framing::Length(5),
            ..PLAIN
        };
        assert_eq!(
            written(&bytes, &forward, &Edits::new()),
            format!("POST / HTTP/1.1\r\nA: 1\r\nContent-Length: 5\r\n{sent}\r\nB: 2\r\n\r\n")
        );
    }
    // What has no body needs none.
    assert_eq!(
        written("GET / HTTP/1.1\r\nX Y: z\r\n\r\n", &PLAIN, &Edits::new()),
        "GET / HTTP/1.1\r\nX Y: z\r\n\r\n"
    );
}

// A `Host` that nothing may carry is put together before that is seen, and is left out without an error.
#[test]
fn a_value_that_is_not_wanted_may_be_anything() {
    let mut edits = Edits::new();
    let write = |out: &mut Vec<u8>| {
        out.extend_from_slice(b"a\rb");
        false
    };
    assert_eq!(edits.prepend_with(OwnName::literal("Host"), write), Ok(()));
    assert_eq!(
        written("GET / HTTP/1.1\r\nA: 1\r\n\r\n", &PLAIN, &edits),
        "GET / HTTP/1.1\r\nA: 1\r\n\r\n"
    );
}

#[test]
fn a_method_or_target_that_breaks_the_line_is_refused() {
    let mut out = b"before".to_vec();
    for (bytes, target, error) in [
        ("G\rT / HTTP/1.1\r\n\r\n", None, WriteError::Method),
        ("G\0T / HTTP/1.1\r\n\r\n", None, WriteError::Method),
        ("GET /\rx HTTP/1.1\r\n\r\n", None, WriteError::Target),
        ("GET /\0 HTTP/1.1\r\n\r\n", None, WriteError::Target),
        ("GET / HTTP/1.1\r\n\r\n", Some(&b"/\n"[..]), WriteError::Target),
        ("GET / HTTP/1.1\r\n\r\n", Some(b""), WriteError::Target),
    ] {
        let forward = Forward { target, ..PLAIN };
        let result = write_request(&head_of(bytes), bytes.as_bytes(), &forward, &Edits::new(), &mut out);
        assert_eq!(result, Err(error), "{bytes:?}");
    }
    assert_eq!(out, b"before");
}
