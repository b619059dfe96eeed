use super::*;
use crate::scan::{HeadLimits, HeadScanner, Scan};

const PLAIN: Relay<'_> = Relay {
    framing: ClientFraming::Length(5),
    connection: ClientConnection::KeepAlive,
    extra: &[],
    replaced: &[],
};

fn head_of(text: &str) -> ResponseHead {
    let mut head = ResponseHead::new();
    let scan = head.read(&mut HeadScanner::new(), text.as_bytes(), &HeadLimits::ALB_RESPONSE);
    let head_len = text.len();
    assert_eq!(scan, Ok(Scan::Complete { head_len }), "{text:?}");
    head
}

fn written(text: &str, relay: &Relay<'_>) -> String {
    let mut out = b"before|".to_vec();
    write_response(&head_of(text), text.as_bytes(), relay, &mut out).unwrap();
    String::from_utf8(out)
        .unwrap()
        .strip_prefix("before|")
        .unwrap()
        .to_string()
}

fn fields(text: &str, relay: &Relay<'_>) -> Vec<String> {
    let head = head_of(text);
    relayed_fields(&head, text.as_bytes(), relay.extra, relay.replaced)
        .map(|(name, value)| format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value)))
        .collect()
}

#[test]
fn the_order_is_date_type_framing_connection_own_fields_then_the_others_as_received() {
    let text = "HTTP/1.1 200 Fine\r\nSERVER:  nginx\r\nX_a:1\r\nconnection: close\r\ncontent-length: 5\r\n\
                Content-type: text/plain\r\ndate: now\r\nset-cookie: a=b\r\nX-Frame-Options: DENY\r\n\
                Keep-Alive: timeout=5\r\nx-last:\t\r\n\r\n";
    let relay = Relay {
        extra: &[(b"Set-Cookie", b"AWSALB=x"), (b"Set-Cookie", b"AWSALBCORS=y")],
        replaced: &[
            (b"x-frame-options", b"SAMEORIGIN"),
            (b"Strict-Transport-Security", b"max-age=1"),
        ],
        ..PLAIN
    };
    assert_eq!(
        written(text, &relay),
        "HTTP/1.1 200 Fine\r\ndate: now\r\nContent-type: text/plain\r\nContent-Length: 5\r\n\
         Connection: keep-alive\r\nSet-Cookie: AWSALB=x\r\nSet-Cookie: AWSALBCORS=y\r\nSERVER:  nginx\r\nX_a:1\r\n\
         set-cookie: a=b\r\nx-last:\t\r\nx-frame-options: SAMEORIGIN\r\nStrict-Transport-Security: max-age=1\r\n\r\n"
    );
    assert_eq!(
        fields(text, &relay),
        [
            "date: now",
            "Content-type: text/plain",
            "content-length: 5",
            "Set-Cookie: AWSALB=x",
            "Set-Cookie: AWSALBCORS=y",
            "SERVER: nginx",
            "X_a: 1",
            "set-cookie: a=b",
            "x-last: ",
            "x-frame-options: SAMEORIGIN",
            "Strict-Transport-Security: max-age=1",
        ]
    );
}

// ALB-H-047: a configured `x_frame_options` value replaces the target's header
#[test]
fn every_field_of_a_replaced_name_goes_also_those_that_stand_first() {
    let text =
        "HTTP/1.1 200 OK\r\nContent-Type: a\r\nX-FRAME-OPTIONS: 1\r\nA: 1\r\nx-frame-options: 2\r\nDate: d\r\n\r\n";
    let relay = Relay {
        replaced: &[(b"X-Frame-Options", b"DENY"), (b"content-type", b"b")],
        ..PLAIN
    };
    assert_eq!(
        written(text, &relay),
        "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 5\r\nConnection: keep-alive\r\nA: 1\r\n\
         X-Frame-Options: DENY\r\ncontent-type: b\r\n\r\n"
    );
    assert_eq!(
        fields(text, &relay),
        ["Date: d", "A: 1", "X-Frame-Options: DENY", "content-type: b"]
    );
}

#[test]
fn the_status_line_has_our_version_and_the_phrase_of_the_target() {
    for (line, expected) in [
        ("HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n"),
        ("HTTP/1.1 299 Very  Fine \r\n", "HTTP/1.1 299 Very  Fine \r\n"),
        ("HTTP/1.1 200 \r\n", "HTTP/1.1 200 \r\n"),
        ("HTTP/1.1 200\r\n", "HTTP/1.1 200 \r\n"),
        ("HTTP/1.1 200\n", "HTTP/1.1 200 \r\n"),
        ("HTTP/1.1 200 OK\n", "HTTP/1.1 200 OK\r\n"),
        ("HTTP/1.0 404 None\r\n", "HTTP/1.1 404 None\r\n"),
        ("HTTP/1.2 404 None\r\n", "HTTP/1.1 404 None\r\n"),
        ("\r\nHTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n"),
    ] {
        let expected = format!("{expected}Content-Length: 5\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(written(&format!("{line}\r\n"), &PLAIN), expected, "{line:?}");
    }
    let (mut head, mut bytes, mut out) = (ResponseHead::new(), Vec::new(), Vec::new());
    head.begin(&mut bytes, 418);
    head.push(&mut bytes, b"a", b"b").unwrap();
    write_response(&head, &bytes, &PLAIN, &mut out).unwrap();
    assert_eq!(
        out,
        b"HTTP/1.1 418 \r\nContent-Length: 5\r\nConnection: keep-alive\r\na: b\r\n\r\n"
    );
}

#[test]
fn loose_lines_are_written_in_one_way() {
    let text = "HTTP/1.1 200 OK\r\nServer : a \r\nB: 1\nDate\t: d\nC:2\r\nD:  3\r\n\r\n";
    assert_eq!(
        written(text, &PLAIN),
        "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 5\r\nConnection: keep-alive\r\nServer: a\r\nB: 1\r\nC:2\r\n\
         D:  3\r\n\r\n"
    );
}

#[test]
fn what_belongs_to_the_connection_or_looks_like_framing_ends_here() {
    let text = "HTTP/1.1 200 OK\r\nConnection: upgrade\r\nUpgrade: h2,h2c\r\nTransfer-Encoding: chunked\r\n\
                Content-Length: 7\r\nTransfer_Encoding: chunked\r\nContentLength: 7\r\nTrailer: a\r\n\
                Proxy-Connection: x\r\nTE: a\r\nA: 1\r\n\r\n";
    let relay = Relay {
        framing: ClientFraming::Chunked,
        connection: ClientConnection::Close,
        ..PLAIN
    };
    assert_eq!(
        written(text, &relay),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nA: 1\r\n\r\n"
    );
    assert_eq!(fields(text, &relay), ["A: 1"]);
    let until_close = Relay {
        framing: ClientFraming::UntilClose,
        ..relay
    };
    assert_eq!(
        written(text, &until_close),
        "HTTP/1.1 200 OK\r\nConnection: close\r\nA: 1\r\n\r\n"
    );
}

#[test]
fn without_a_body_the_length_of_the_target_is_told_where_it_may_stand() {
    let none = Relay {
        framing: ClientFraming::None,
        ..PLAIN
    };
    for (lines, told) in [
        ("200 OK\r\nContent-Length: 007\r\n", Some("7")),
        (
            "304 Not Modified\r\nContent-Length: 7\r\nContent-Length: 7\r\n",
            Some("7"),
        ),
        ("304 Not Modified\r\n", None),
        ("200 OK\r\n", None),
        ("200 OK\r\nTransfer-Encoding: chunked\r\n", None),
        ("200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n", None),
        ("204 No Content\r\nContent-Length: 7\r\n", None),
        ("101 Switching Protocols\r\nContent-Length: 7\r\n", None),
    ] {
        let out = written(&format!("HTTP/1.1 {lines}\r\n"), &none);
        let line = out.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        assert_eq!(line, told, "{lines:?}");
        assert!(!out.contains("chunked"), "{lines:?}");
    }
}

// ALB-H-048: HTTP/2 responses contain no `connection` header
#[test]
fn an_http2_client_is_told_nothing_of_connections() {
    let text = "HTTP/1.1 200 OK\r\nConnection: close\r\nKeep-Alive: a\r\nTransfer-Encoding: chunked\r\n\
                Upgrade: x\r\nProxy-Connection: x\r\nDate: d\r\n\r\n";
    assert_eq!(fields(text, &PLAIN), ["Date: d"]);
}

#[test]
fn an_upgrade_names_websocket_and_nothing_else() {
    let upgrade = Relay {
        framing: ClientFraming::None,
        connection: ClientConnection::Upgrade,
        ..PLAIN
    };
    let text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nUpgrade: x, WebSocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
    assert!(accepts_websocket(&head_of(text), text.as_bytes()));
    assert_eq!(
        written(text, &upgrade),
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
    );
    for (text, accepts) in [
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", false),
        ("HTTP/1.1 101 A\r\nConnection: upgrade\r\n\r\n", false),
        ("HTTP/1.1 101 A\r\nUpgrade: websocket\r\n\r\n", false),
        ("HTTP/1.1 101 A\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", false),
        (
            "HTTP/1.0 101 A\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            false,
        ),
        (
            "HTTP/1.1 200 A\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            false,
        ),
        (
            "HTTP/1.1 101 A\r\nconnection: x, UPGRADE\r\nupgrade: WebSocket\r\n\r\n",
            true,
        ),
    ] {
        assert_eq!(accepts_websocket(&head_of(text), text.as_bytes()), accepts, "{text:?}");
    }
    let mut out = b"before".to_vec();
    let text = "HTTP/1.1 101 A\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n";
    let result = write_response(&head_of(text), text.as_bytes(), &upgrade, &mut out);
    assert_eq!((result, out), (Err(FieldError::Framing), b"before".to_vec()));
}

#[test]
fn fields_of_ours_that_could_split_a_response_are_refused_and_leave_no_trace() {
    let text = "HTTP/1.1 200 OK\r\nA: 1\r\n\r\n";
    for (name, value, error) in [
        (&b"a"[..], &b"b\r\nSet-Cookie: c"[..], FieldError::Value),
        (b"a", b"b\0", FieldError::Value),
        (b"a\n", b"b", FieldError::Name),
        (b"a b", b"b", FieldError::Name),
        (b"", b"b", FieldError::Name),
        (b"content-length", b"5", FieldError::Framing),
        (b"Transfer_Encoding", b"chunked", FieldError::Framing),
        (b"Connection", b"close", FieldError::Framing),
    ] {
        let own = [(name, value)];
        let (extra, replaced) = (
            Relay { extra: &own, ..PLAIN },
            Relay {
                replaced: &own,
                ..PLAIN
            },
        );
        for relay in [extra, replaced] {
            let mut out = b"before".to_vec();
            let result = write_response(&head_of(text), text.as_bytes(), &relay, &mut out);
            assert_eq!((result, out), (Err(error), b"before".to_vec()));
        }
    }
}

#[test]
fn a_cookie_is_found_by_its_name() {
    let text = "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/; b=9\r\nset-cookie:b = \"2\" ;HttpOnly\r\n\
                Set-Cookie: A=3\r\nSet-Cookie: broken\r\nSet-Cookie: e=\r\nSet-Cookie: a=x=y\r\n\r\n";
    let head = head_of(text);
    for (name, value) in [
        ("a", Some("x=y")),
        ("A", Some("3")),
        ("b", Some("\"2\"")),
        ("e", Some("")),
        ("Path", None),
        ("broken", None),
        ("", None),
    ] {
        let found = set_cookie_named(&head, text.as_bytes(), name.as_bytes());
        assert_eq!(found, value.map(str::as_bytes), "{name:?}");
    }
}
