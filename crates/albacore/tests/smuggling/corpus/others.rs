//! Headers that are for one hop, interim answers, upgrades, bodies where none are expected, many requests at once, large ones.

use super::{CASE, Case, EVIL, NEXT, get, post};

/// Lines that ask for other lines to be dropped, or that are for the next hop alone. With a body behind them.
const HOPS: &[&str] = &[
    "Connection: Content-Length",
    "Connection: close, Content-Length",
    "Connection: content-length, transfer-encoding, host",
    "Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Port, X-Amzn-Trace-Id",
    "Connection: Host",
    "Connection: Connection",
    "Connection: keep-alive, close",
    "Connection: \"close\"",
    "Connection: close\r\nConnection: keep-alive",
    "Connection: ,,,",
    "Connection:",
    "Connection : Content-Length",
    "Connection: Content-Length\r\n , Host",
    "Keep-Alive: timeout=1, max=1",
    "Proxy-Connection: close",
    "Proxy-Authorization: Basic eDp5",
    "TE: trailers",
    "TE: chunked",
    "TE: trailers, chunked;q=0",
    "Trailer: Content-Length, Transfer-Encoding",
    "Trailers: x",
    "HTTP2-Settings: AAMAAABkAAQAAP__",
    "Via: 1.1 evil",
    "Max-Forwards: 0",
];

/// Expectations. With a body behind them.
const EXPECTATIONS: &[&str] = &[
    "Expect: 100-continue",
    "Expect: 100-Continue",
    "Expect:100-continue",
    "Expect: 100-continue, 100-continue",
    "Expect: 100-continue\r\nExpect: 100-continue",
    "Expect: 100-continue\r\nExpect: 200-ok",
    "Expect: 200-ok",
    "Expect: 100-continue;a=b",
    "Expect: ",
    "Expect : 100-continue",
    "Expect:\r\n 100-continue",
    "Expect: y 100-continue",
];

/// Offers to speak something else. What stands behind them is HTTP/1.1 if nobody takes the offer.
const UPGRADES: &[&str] = &[
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
    "Connection: Upgrade\r\nUpgrade: h2c",
    "Connection: Upgrade\r\nUpgrade: HTTP/2.0",
    "Connection: Upgrade\r\nUpgrade: TLS/1.2",
    "Connection: Upgrade\r\nUpgrade: foo",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Connection: Upgrade\r\nUpgrade: websocket, foo\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    let length = EVIL.len();
    let chunked = format!("{length:x}\r\n{EVIL}\r\n0\r\n\r\n");
    for line in HOPS.iter().chain(EXPECTATIONS).chain(UPGRADES) {
        for begin in [post(), get(), post().replace("HTTP/1.1", "HTTP/1.0")] {
            cases.push(Case::new(format!(
                "{begin}{line}\r\nContent-Length: {length}\r\n\r\n{EVIL}"
            )));
            cases.push(Case::new(format!(
                "{begin}Content-Length: {length}\r\n{line}\r\n\r\n{EVIL}"
            )));
            cases.push(Case::new(format!(
                "{begin}{line}\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"
            )));
        }
    }
    let next = format!("GET {NEXT} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for line in UPGRADES {
        cases.push(Case {
            nexts: 1,
            ..Case::new(format!("{}{line}\r\n\r\n{next}", get()))
        });
    }
    // Bodies of methods that have none.
    for method in ["GET", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "X"] {
        let begin = format!("{method} {CASE} HTTP/1.1\r\nHost: localhost\r\n");
        cases.push(Case::new(format!("{begin}Content-Length: {length}\r\n\r\n{EVIL}")));
        cases.push(Case::new(format!("{begin}Transfer-Encoding: chunked\r\n\r\n{chunked}")));
    }
    // Many requests at once: each is one.
    for count in [2, 10, 100] {
        cases.push(Case {
            nexts: count - 1,
            ..Case::new(format!("{}\r\n{}", get(), next.repeat(count - 1)))
        });
        let posts = format!("POST {NEXT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{EVIL}");
        cases.push(Case {
            nexts: count - 1,
            ..Case::new(format!("{}\r\n{}", get(), posts.repeat(count - 1)))
        });
        let posts = format!("POST {NEXT} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}");
        cases.push(Case {
            nexts: count - 1,
            ..Case::new(format!("{}\r\n{}", get(), posts.repeat(count - 1)))
        });
    }
    // Heads at and over the limits, with a request in the part that somebody cuts off.
    for (lines, length) in [
        (1, 8_000),
        (1, 16_300),
        (1, 16_400),
        (1, 65_000),
        (7, 8_000),
        (9, 8_000),
        (100, 600),
        (2_000, 20),
        (20_000, 5),
    ] {
        let mut head = get();
        for number in 0..lines {
            head += &format!("X-{number}: {}\r\n", "x".repeat(length));
        }
        cases.push(Case::new(format!("{head}Content-Length: {}\r\n\r\n{EVIL}", EVIL.len())));
    }
    for length in [8_000, 16_000, 17_000, 70_000] {
        cases.push(Case::new(format!(
            "GET {CASE}/{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "x".repeat(length)
        )));
    }
    // What is no HTTP/1 at all.
    cases.push(Case::new(format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{EVIL}")));
    cases.push(Case::new(
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], EVIL.as_bytes()].concat(),
    ));
    cases.push(Case::new(format!("\0\0\0\0{EVIL}")));
    cases.push(Case::new(format!("PROXY TCP4 9.9.9.9 8.8.8.8 1 2\r\n{EVIL}")));
    cases
}
