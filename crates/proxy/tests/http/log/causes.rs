//! `error_reason` of what no target causes: every error of ALB 4.10 that can be had from outside, and what is broken off.

use crate::frames::*;
use crate::played::*;
use crate::relay::origin::{Origin, group, impatient, to};
use crate::secure::*;
use crate::support::*;
use model::elb::action::redirect::RedirectParts;
use model::elb::target_group::ProtocolVersion;
use model::elb::transform::{Rewrite, Transforms};
use proxy::LogFormat;
use socket2::SockRef;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

const GET_A: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const WEBSOCKET: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const AGREE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Status and reason of each line.
fn told(server: Server) -> Vec<(String, String)> {
    let lines = server.log().into_iter();
    lines.map(|line| (line[8].clone(), line[24].clone())).collect()
}

#[track_caller]
fn tells(server: Server, status: &str, reason: &str) {
    assert_eq!(told(server), [(status.to_owned(), reason.to_owned())]);
}

fn head(lines: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n")
}

fn function() -> Setup {
    Setup::lambda(false, answering(r#"{"statusCode":200}"#))
}

/// What a client can say wrong in one go.
#[test]
fn what_clients_say() {
    let in_monitor = || function().attribute("routing.http.desync_mitigation_mode", "monitor");
    let x = |count: usize| "x".repeat(count);
    let addresses = ["192.0.2.1"; 31].join(", ");
    let cases = [
        (function(), "GET\r\n\r\n".to_owned(), 400, "MalformedHead"),
        (function(), format!("GET /{}", x(20_000)), 414, "RequestLineTooLong"),
        (function(), head(&format!("X: {}", x(20_000))), 400, "HeaderLineTooLong"),
        (
            function(),
            head(&vec![format!("X: {}", x(16_000)); 5].join("\r\n")),
            400,
            "HeadersTooLarge",
        ),
        (function(), head("Content-Length: z"), 400, "DesyncMitigation"),
        (
            in_monitor(),
            head("Transfer-Encoding: gzip"),
            501,
            "UnsupportedTransferCoding",
        ),
        (
            in_monitor(),
            head("Transfer-Encoding: chunked, identity"),
            400,
            "ChunkedNotLast",
        ),
        (
            in_monitor(),
            "GET / HTTP/x\r\nHost: a\r\n\r\n".to_owned(),
            505,
            "UnsupportedHttpVersion",
        ),
        (function(), "GET / HTTP/1.1\r\n\r\n".to_owned(), 400, "NoHost"),
        (
            function(),
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(),
            400,
            "InvalidHost",
        ),
        (function(), head("Host: b"), 400, "InvalidHost"),
        (
            function(),
            "GET http://:1/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            400,
            "InvalidHost",
        ),
        (
            function(),
            "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            400,
            "AmbiguousUrl",
        ),
        (
            function(),
            "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            405,
            "TraceNotAllowed",
        ),
        (
            function(),
            "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            400,
            "ConnectNotAllowed",
        ),
        (
            function(),
            head(&format!("X-Forwarded-For: {addresses}")),
            463,
            "TooManyForwardedAddresses",
        ),
        (
            function(),
            format!("{}x\r\n", head("Transfer-Encoding: chunked")),
            400,
            "BadChunk",
        ),
        (function().with_tls(), GET_A.to_owned(), 400, "ClearTextOnTlsPort"),
        (
            function(),
            head("Content-Length: 1048577"),
            413,
            "LambdaRequestTooLarge",
        ),
    ];
    for (setup, request, status, reason) in cases {
        let server = setup.start();
        assert_eq!(server.ask(&request).status, status, "{reason}");
        tells(server, &status.to_string(), reason);
    }
}

/// What is wrong with how the load balancer is set up, or with what it holds.
#[test]
fn what_is_configured() {
    let no_function = Setup {
        groups: vec![("orders", false, None)],
        ..function()
    };
    let no_weight = Setup {
        default: forward(&[("red", 0), ("blue", 0)], None),
        groups: vec![("red", false, Some("red")), ("blue", false, Some("blue"))],
        ..function()
    };
    let long = RedirectParts {
        protocol: Some("HTTPS"),
        ..RedirectParts::default()
    };
    let redirects = Setup {
        default: redirect(&long),
        ..Setup::default()
    };
    let mut rewrites = function();
    let transforms = Transforms {
        host: None,
        url: Some(Rewrite::new("^/(.)?", "/$7").unwrap()),
    };
    let to_function = forward(&[("orders", 1)], None);
    rewrites.rules.push((1, vec![path(&["/*"])], transforms, to_function));
    let mut small = function();
    small.limits.body_bytes_max = 100;
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(8200));
    for (setup, request, status, reason) in [
        (to(&[]), GET_A, 503, "NoTargets"),
        (no_function, GET_A, 503, "NoTargets"),
        (no_weight, GET_A, 503, "NoTargetWeight"),
        (redirects, &long_path, 507, "RedirectUrlTooLong"),
        (rewrites, GET_A, 500, "TransformReplaceError"),
        (
            small,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            503,
            "BodyMemoryLimit",
        ),
    ] {
        let server = setup.start();
        assert_eq!(server.ask(request).status, status, "{reason}");
        tells(server, &status.to_string(), reason);
    }
    // HTTP/1.1 to a group of HTTP2.
    let mut of_http2 = to(&[]).with_tls();
    of_http2.extra[0] = group("web", &[], |servers| servers.protocol_version = ProtocolVersion::Http2);
    let server = of_http2.start();
    assert_eq!(server.secure(Offer::alpn(&["http/1.1"])).get().status, 464);
    tells(server, "464", "ProtocolVersionMismatch");
}

/// How a client ends in the middle of what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Stalls,
    StopsSending,
    SendsRubbish,
}

#[test]
fn clients_that_do_not_finish() {
    use Ends::*;
    let origin = Origin::playing(|line| drop(line.rest()));
    let begun = head("Transfer-Encoding: chunked");
    for (request, ends, status, reason) in [
        ("GET / HT", Stalls, 408, "ClientTimedOut"),
        ("GET / HT", StopsSending, 400, "RequestIncomplete"),
        (&begun, Stalls, 408, "ClientTimedOut"),
        (&begun, StopsSending, 400, "RequestIncomplete"),
        (&begun, SendsRubbish, 400, "BadChunk"),
    ] {
        for setup in [function(), to(&[origin.address()])] {
            let server = impatient(setup).start();
            let mut client = server.connect();
            client.send(request.as_bytes());
            match ends {
                Stalls => {}
                StopsSending => client.stream.shutdown(Shutdown::Write).unwrap(),
                SendsRubbish => {
                    client.send(b"3\r\nabc\r\n");
                    client.send(b"x\r\n");
                }
            }
            assert_eq!(client.response().status, status, "{request:?} {ends:?}");
            drop(client);
            tells(server, &status.to_string(), reason);
        }
    }
}

// ALB-H-038: a client that leaves before the response is logged as 460
#[test]
fn clients_that_leave() {
    let (gate, waits) = Gate::before(r#"{"statusCode":200}"#);
    let origin = Origin::playing(|line| drop(line.rest()));
    let asked = origin.accepted();
    for (setup, is_function) in [(Setup::lambda(false, waits), true), (to(&[origin.address()]), false)] {
        let server = setup.start();
        let mut client = server.connect();
        client.send(GET_A.as_bytes());
        match is_function {
            true => gate.wait(),
            false => until("it is asked", || origin.accepted() > asked),
        }
        drop(client);
        until("it is noticed", || server.proxy.connections() == 0);
        tells(server, "460", "ClientClosed");
    }
}

/// A response has begun, and it is the client that has it broken off. What was sent cannot be taken back.
#[test]
fn responses_that_clients_break_off() {
    let half = Origin::playing(|line| {
        line.head();
        line.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        line.rest();
    });
    let upload = head("Transfer-Encoding: chunked");
    for (request, ends, reason) in [
        (&*upload, Some(Ends::Stalls), "ClientTimedOut"),
        (&upload, Some(Ends::SendsRubbish), "BadChunk"),
        (&upload, Some(Ends::StopsSending), "RequestIncomplete"),
        (GET_A, None, "ClientClosed"),
    ] {
        let server = impatient(to(&[half.address()])).start();
        let mut client = server.connect();
        client.send(request.as_bytes());
        assert!(client.some().starts_with(b"HTTP/1.1 200 OK"));
        match ends {
            Some(Ends::SendsRubbish) => client.send(b"x\r\n"),
            Some(Ends::StopsSending) => client.stream.shutdown(Shutdown::Write).unwrap(),
            Some(Ends::Stalls) => {}
            None => SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap(),
        }
        if ends.is_some() {
            client.rest();
        }
        drop(client);
        until("it is over", || server.proxy.connections() == 0);
        tells(server, "200", reason);
    }
    let endless = Origin::playing(|line| {
        line.head();
        line.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        while line.send([0; 100_000]) {}
    });
    let server = impatient(to(&[endless.address()])).start();
    let mut client = server.connect();
    client.send(GET_A.as_bytes());
    until("it is asked", || endless.accepted() > 0);
    until("it is given up", || server.proxy.connections() == 0);
    drop(client);
    tells(server, "200", "ClientTimedOut");
}

#[test]
fn streams_that_clients_spoil() {
    let small = |bytes: usize| {
        let (gate, waits) = Gate::before(r#"{"statusCode":200}"#);
        let mut setup = Setup::lambda(false, waits).with_tls();
        setup.limits.stream_bytes_max = bytes;
        (gate, setup.start())
    };
    // Neither `:authority` nor `Host`; then a body of another length than `content-length: 3`.
    let server = function().with_tls().start();
    let mut raw = Raw::open(&server);
    raw.send(HEADERS, WHOLE, 1, b"\x82\x87\x84");
    assert_eq!(raw.answers(1), 1);
    for (stream, body) in [(3, &b"xxxx"[..]), (5, b"xx")] {
        raw.send(HEADERS, END_HEADERS, stream, b"\x83\x87\x84\x41\x01a\x0f\x0d\x013");
        raw.send(DATA, END_STREAM, stream, body);
        assert_eq!(raw.until(RST_STREAM).unwrap().stream, stream);
    }
    drop(raw);
    let expected = ["NoHost", "MalformedBody", "MalformedBody"].map(|reason| ("400".to_owned(), reason.to_owned()));
    assert_eq!(told(server), expected);

    let (gate, server) = small(usize::MAX);
    let mut raw = Raw::open(&server);
    raw.send(HEADERS, WHOLE, 1, GET);
    gate.wait();
    raw.send(RST_STREAM, 0, 1, &8_u32.to_be_bytes());
    raw.send(HEADERS, END_HEADERS, 3, b"\x83\x87\x84\x41\x01a");
    // A stream that is reset at once has never been one.
    raw.send(PING, 0, 0, &[0; 8]);
    assert!(raw.until(PING).is_some());
    raw.send(RST_STREAM, 0, 3, &8_u32.to_be_bytes());
    drop(raw);
    until("they are over", || server.requests().len() == 2);
    let mut all = told(server);
    all.sort();
    let expected = [("400", "RequestIncomplete"), ("460", "ClientClosed")];
    assert_eq!(
        all,
        expected.map(|(status, reason)| (status.to_owned(), reason.to_owned()))
    );

    let (gate, server) = small(0);
    let mut raw = Raw::open(&server);
    raw.send(HEADERS, WHOLE, 1, GET);
    gate.wait();
    raw.send(HEADERS, WHOLE, 3, GET);
    assert_eq!(raw.answers(1), 1);
    gate.release();
    assert_eq!(raw.answers(1), 1);
    drop(raw);
    let expected = [("503", "StreamMemoryLimit"), ("200", "-")];
    assert_eq!(
        told(server),
        expected.map(|(status, reason)| (status.to_owned(), reason.to_owned()))
    );
}

/// The end of the process cuts what is not over: a function that runs, a response on its way, a WebSocket, a stream.
#[test]
fn what_draining_cuts() {
    let half = Origin::playing(|line| {
        line.head();
        line.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        line.rest();
    });
    let chat = Origin::playing(|line| {
        line.head();
        line.send(AGREE);
        line.rest();
    });
    let hurried = |mut setup: Setup| {
        setup.limits.drain = Duration::from_millis(1);
        setup.start()
    };
    for (origin, request, status) in [(&half, GET_A, "200"), (&chat, WEBSOCKET, "101")] {
        let server = hurried(to(&[origin.address()]));
        let mut client = server.connect();
        client.send(request.as_bytes());
        assert!(client.some().starts_with(b"HTTP/1.1 "));
        tells(server, status, "Draining");
    }
    let (gate, waits) = Gate::before(r#"{"statusCode":200}"#);
    let server = hurried(Setup::lambda(false, waits));
    let mut client = server.connect();
    client.send(GET_A.as_bytes());
    gate.wait();
    tells(server, "-", "Draining");

    let (gate, waits) = Gate::before(r#"{"statusCode":200}"#);
    let server = hurried(Setup::lambda(false, waits).with_tls());
    let mut raw = Raw::open(&server);
    raw.send(HEADERS, WHOLE, 1, GET);
    gate.wait();
    tells(server, "-", "Draining");

    // Who has its answer and goes on sending has lost nothing.
    let server = hurried(Setup::default());
    let mut client = server.connect();
    client.send(head("Content-Length: 10").as_bytes());
    assert_eq!(client.response().status, 200);
    tells(server, "200", "-");
}

#[test]
fn a_panic_is_nobody_elses_fault() {
    let broken: Function = Arc::new(|_| Box::pin(async { panic!("this test wants it") }));
    let server = Setup::lambda(false, broken.clone()).start();
    assert_eq!(server.until_closed(GET_A.as_bytes()), b"");
    tells(server, "-", "InternalError");
    let server = Setup::lambda(false, broken).with_tls().start();
    let mut raw = Raw::open(&server);
    raw.send(HEADERS, WHOLE, 1, GET);
    assert_eq!(raw.until(RST_STREAM).unwrap().stream, 1);
    drop(raw);
    tells(server, "-", "InternalError");
}

/// Neither what goes well has a reason, nor what a rule answers; who leaves a WebSocket ends it.
#[test]
fn what_is_no_error() {
    let chat = Origin::playing(|line| {
        line.head();
        line.send(AGREE);
        line.rest();
    });
    let setup = Setup {
        groups: vec![("orders", false, Some("orders"))],
        ..to(&[chat.address()])
    };
    let server = setup
        .rule(1, vec![path(&["/fixed"])], fixed(503, "closed today"))
        .rule(2, vec![path(&["/function"])], forward(&[("orders", 1)], None))
        .rule(
            3,
            vec![path(&["/moved"])],
            redirect(&RedirectParts {
                path: Some("/there"),
                ..RedirectParts::default()
            }),
        )
        .start();
    for (path, status) in [("/fixed", 503), ("/function", 200), ("/moved", 301)] {
        assert_eq!(server.get(path).status, status);
    }
    for resets in [false, true] {
        let mut client = server.connect();
        client.send(WEBSOCKET.as_bytes());
        assert_eq!(client.response().status, 101);
        if resets {
            SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(client);
        until("it is over", || server.proxy.connections() == 0);
    }
    let all = told(server);
    assert_eq!(all.len(), 5);
    assert!(all.iter().all(|(_, reason)| reason == "-"), "{all:?}");
}

#[test]
fn objects_have_it_too() {
    let mut setup = to(&[]);
    setup.log_format = LogFormat::Json;
    let server = setup.start();
    assert_eq!(server.get("/").status, 503);
    let line: serde_json::Value = serde_json::from_str(server.log_text().trim()).unwrap();
    assert_eq!(
        (&line["elb_status_code"], &line["error_reason"], &line["redirect_url"]),
        (&503.into(), &"NoTargets".into(), &serde_json::Value::Null)
    );
}
