//! Clients that want to harm targets, or others: each costs a bounded amount, and is let go.

use super::target::*;
use crate::frames::{Raw, encode, get, run, *};
use crate::relay::origin::{Line, Origin, until_quiet};
use crate::support::*;
use model::elb::target_group::ProtocolVersion;
use std::time::Duration;

const ENHANCE_YOUR_CALM: u32 = 11;

/// Asks and resets, again and again, until the connection is gone; how often.
fn hasty(server: &Server, came: impl Fn(usize)) -> usize {
    let mut raw = Raw::open(server);
    let mut sent = 0;
    for stream in (1..).step_by(2) {
        if raw.try_bytes(&encode(HEADERS, WHOLE, stream, GET)).is_err() {
            break;
        }
        came(sent);
        let _ = raw.try_bytes(&encode(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        sent += 1;
        assert!(sent < 5000, "it goes on for ever");
    }
    // What is sent after the end may destroy the last word.
    if let Some(goaway) = std::iter::from_fn(|| raw.next()).find(|frame| frame.kind == GOAWAY) {
        assert_eq!(goaway.code(), ENHANCE_YOUR_CALM);
    }
    sent
}

/// Requests that are reset once their target works on them (CVE-2023-44487): no stream is open for long, so that the bound
/// of streams bounds nothing.
#[test]
fn requests_that_are_reset_when_they_run() {
    let http1 = Origin::playing(|line: &mut Line| {
        line.head();
        line.rest();
    });
    let server = to(&[http1.address()], ProtocolVersion::Http1).start();
    let sent = hasty(&server, |sent| {
        crate::played::until("it is there", || {
            http1.accepted() > sent || server.proxy.connections() == 0
        });
    });
    assert!(sent < 1000, "{sent}");
    until_quiet(&server);
    crate::played::until("its target is free", || http1.open() == 0);

    let http2 = Target::playing(|mut asked: Asked| async move {
        match asked.parts.headers.get("x-stays") {
            Some(_) => {
                pause(Duration::from_secs(2)).await;
                asked.answer("stayed");
            }
            None => drop(asked.reset().await),
        }
    });
    let server = before(&http2);
    let mut other = Raw::open(&server);
    other.send(HEADERS, WHOLE, 1, &[GET, b"\x00\x07x-stays\x011"].concat());
    crate::played::until("it is there", || http2.seen.running() == 1);
    let sent = hasty(&server, |sent| {
        crate::played::until("it is there", || {
            http2.seen.heads().len() > sent + 1 || server.proxy.connections() == 1
        });
    });
    assert!(sent < 1000, "{sent}");
    assert_eq!(
        other.answers(1),
        1,
        "others on the connection to the target do not suffer"
    );
    assert_eq!(http2.seen.accepted(), 1);
    drop(other);
    until_quiet(&server);
}

/// A client that gives up now and then is nobody's enemy.
#[test]
fn requests_that_are_reset_now_and_then() {
    let target = Target::playing(|mut asked: Asked| async move {
        match asked.parts.uri.path() {
            "/" => asked.answer("ok"),
            _ => drop(asked.reset().await),
        }
    });
    let server = before(&target);
    run(async {
        let requests = client_of(&server).await;
        for _ in 0..260 {
            let (response, mut sending) = begin(&requests, get("/given-up"), true).await;
            sending.send_reset(h2::Reason::CANCEL);
            drop(response);
            for _ in 0..2 {
                assert_eq!(fetch(&requests, get("/")).await.unwrap().status, 200);
            }
        }
    });
    assert_eq!(target.seen.accepted(), 1);
    until_quiet(&server);
}

/// Clients that do not read, when there is no room for what waits for them: who has streams open gets no more of them, and
/// streams that nobody reads for a second end. Who reads is served.
#[test]
fn without_room_for_streams() {
    let target = Target::playing(|mut asked: Asked| async move {
        if asked.parts.uri.path() == "/much" {
            let mut sending = asked.begin(ok());
            send_all(&mut sending, vec![0; 4 << 20].into(), true).await;
        } else {
            asked.answer("ok");
        }
    });
    let mut setup = to(&[target.address], ProtocolVersion::Http2);
    setup.limits.stream_bytes_max = 0;
    let server = setup.start();
    let mut raw = Raw::open(&server);
    raw.send(HEADERS, WHOLE, 1, b"\x82\x87\x44\x05/much\x41\x01a");
    let mut read = 0;
    while read < 65_535 {
        read += raw.until(DATA).unwrap().payload.len();
    }
    raw.send(HEADERS, WHOLE, 3, GET);
    let refused = raw.until(HEADERS).unwrap();
    // `:status` with a value that is not in the table of HPACK, as 200 is.
    assert_eq!((refused.stream, refused.payload[0]), (3, 0x48));
    run(async {
        let requests = client_of(&server).await;
        assert_eq!(
            fetch(&requests, get("/")).await.unwrap().body,
            b"ok",
            "it has one stream only"
        );
    });
    let reset = std::iter::from_fn(|| raw.next())
        .find(|frame| frame.kind == RST_STREAM)
        .unwrap();
    assert_eq!(
        (reset.stream, reset.code()),
        (1, 8),
        "CANCEL, long before the idle timeout"
    );
    raw.send(WINDOW_UPDATE, 0, 0, &1000_u32.to_be_bytes());
    assert_eq!(raw.answers(1), 1, "the page of the 503 had no room either");
    raw.send(HEADERS, WHOLE, 5, GET);
    assert_eq!(raw.answers(1), 1, "nothing is open any more");
    drop(raw);
    until_quiet(&server);
    let mut statuses: Vec<_> = server.log().iter().map(|line| line[8].clone()).collect();
    statuses.sort();
    assert_eq!(statuses, ["200", "200", "200", "503"]);
}

/// Downloads that are given up while their target still sends: what arrives for them is nobody's, and no reason to give up
/// the connection that others use.
#[test]
fn downloads_that_are_given_up() {
    let target = Target::playing(|mut asked: Asked| async move {
        if asked.parts.uri.path() == "/much" {
            let mut sending = asked.begin(ok());
            send_all(&mut sending, vec![0; 4 << 20].into(), true).await;
        } else {
            asked.answer("ok");
        }
    });
    let server = before(&target);
    for _ in 0..6 {
        let mut raw = Raw::open(&server);
        for round in 0..2 {
            let streams = (0..100).map(|at| 2 * (100 * round + at) + 1);
            for stream in streams.clone() {
                raw.send(HEADERS, WHOLE, stream, b"\x82\x87\x44\x05/much\x41\x01a");
            }
            for _ in 0..100 {
                assert_eq!(raw.until(HEADERS).unwrap().payload[0], 0x88, "200");
            }
            let resets: Vec<u8> = streams
                .flat_map(|stream| encode(RST_STREAM, 0, stream, &8_u32.to_be_bytes()))
                .collect();
            raw.bytes(&resets);
            raw.send(WINDOW_UPDATE, 0, 0, &65_535_u32.to_be_bytes());
        }
    }
    run(async {
        let requests = client_of(&server).await;
        assert_eq!(fetch(&requests, get("/")).await.unwrap().body, b"ok");
    });
    assert_eq!(target.seen.accepted(), 1);
    until_quiet(&server);
}
