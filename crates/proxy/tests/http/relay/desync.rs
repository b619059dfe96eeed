//! Requests that could be read in two ways, on their way to a server: whatever the mode, no target sees a request that we
//! have not seen, and what we let pass ends its connection. Source: ALB 4.9.

use super::origin::*;

const MODE: &str = "routing.http.desync_mitigation_mode";

/// Requests that hide another one, as far as somebody is willing to read it so.
const HIDING: &[&str] = &[
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1e\r\nGET /hidden HTTP/1.1\r\nHost:a\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent-Length: 48\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\nX-Pad: 1234\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\nContent-Length: 48\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\nX-Pad: 1234\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 43\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\nX-P: 1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\nX-Pad: 123\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 44, 0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\nX-Pad: 123\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 44\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\nX-Pad: 123\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1e\r\nGET /hidden HTTP/1.1\r\nHost:a\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0;a=\"\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\r\nGET /hidden HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: y\0\r\n\r\n",
];

/// The requests that a target of the usual kind sees in what came on one connection.
fn requests(received: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut rest = received;
    while let Some(end) = rest.find("\r\n\r\n") {
        let (head, behind) = rest.split_at(end + 4);
        all.push(head.lines().next().unwrap().to_owned());
        let value = |name: &str| {
            let lower = head.to_ascii_lowercase();
            let found: Vec<_> = lower
                .lines()
                .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
                .collect();
            assert!(found.len() <= 1, "two of {name}: {head}");
            found.first().cloned()
        };
        let (length, coding) = (value("content-length"), value("transfer-encoding"));
        assert!(length.is_none() || coding.is_none(), "both kinds of framing: {head}");
        assert!(
            !head.contains("\r\n ") && !head.replace("\r\n", "").contains('\r'),
            "{head:?}"
        );
        assert!(coding.as_deref().is_none_or(|coding| coding == "chunked"), "{head}");
        rest = match (length, coding) {
            (Some(length), _) => &behind[length.parse().unwrap()..],
            (None, Some(_)) => &behind[behind.find("0\r\n\r\n").expect("the last chunk") + 5..],
            (None, None) => behind,
        };
    }
    assert_eq!(rest, "", "half a request");
    all
}

// ALB-D-021: no hidden request reaches a target as a request
#[test]
fn no_target_sees_a_hidden_request() {
    for mode in ["monitor", "defensive", "strictest"] {
        for hiding in HIDING {
            let origin = Origin::answering(OK);
            let server = to(&[origin.address()]).attribute(MODE, mode).start();
            server.until_closed(
                hiding
                    .replacen("Host: a\r\n", "Host: a\r\nConnection: close\r\n", 1)
                    .as_bytes(),
            );
            // Another client's request comes on the connection before, if that was kept.
            assert_eq!(server.get("/next").status, 200);
            until_quiet(&server);
            for received in origin.received() {
                for request in requests(&received) {
                    assert!(!request.contains("/hidden"), "{mode}: {hiding:?} became {received:?}");
                }
            }
        }
    }
}

// ALB-D-001: in defensive an ambiguous request is forwarded, and both connections close
#[test]
fn an_ambiguous_request_ends_both_connections() {
    let origin = Origin::answering(OK);
    let server = before(&origin);
    let mut client = server.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello");
    let response = client.response();
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    assert_eq!(client.rest(), b"");
    assert_eq!(until_quiet(&server), 0);
    let seen = origin.received().concat();
    assert_eq!(seen.matches("Content-Length: 5\r\n").count(), 1, "{seen}");
    assert!(seen.contains("\r\nConnection: close\r\n"), "{seen}");
    assert_eq!(server.log()[0][27], "Ambiguous");
}

/// In `monitor` the client's connection goes on, that of the target does not.
#[test]
fn monitor_closes_the_targets_connection() {
    for (request, kept) in [
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            0,
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 0),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1),
    ] {
        let origin = Origin::answering(OK);
        let server = to(&[origin.address()]).attribute(MODE, "monitor").start();
        let mut client = server.connect();
        for _ in 0..2 {
            client.send(request.as_bytes());
            let response = client.response();
            assert_eq!(
                (response.status, response.header("connection")),
                (200, Some("keep-alive")),
                "{request}"
            );
        }
        drop(client);
        assert_eq!(until_quiet(&server), kept, "{request}");
        let close = origin
            .received()
            .iter()
            .filter(|seen| seen.contains("\r\nConnection: close\r\n"))
            .count();
        assert_eq!(close, if kept == 0 { 2 } else { 0 });
    }
}

/// What is blocked never reaches a target.
#[test]
fn what_is_blocked_is_not_forwarded() {
    let origin = Origin::answering(OK);
    let server = to(&[origin.address()]).attribute(MODE, "strictest").start();
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    ] {
        assert_eq!(server.ask(request).status, 400);
    }
    assert_eq!(origin.accepted(), 0);
}
