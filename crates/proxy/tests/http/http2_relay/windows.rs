//! Flow control: either side waits for the other, and nothing is held that is not asked for. Source: ALB 4.3.

use super::raw::{self, OK, latch};
use super::target::*;
use crate::frames::{Raw, connect, get, run, *};
use crate::relay::origin::{Line, Origin, until_quiet};
use bytes::Bytes;
use h2::client;
use h2::server::Builder;
use model::elb::target_group::ProtocolVersion;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::spawn_local;

fn patterned(bytes: u32) -> Bytes {
    (0..bytes).map(|at| (at * 31) as u8).collect::<Vec<_>>().into()
}

/// `SETTINGS_INITIAL_WINDOW_SIZE`.
fn window(bytes: u32) -> Vec<u8> {
    [&[0, 4][..], &bytes.to_be_bytes()].concat()
}

#[test]
fn tiny_windows() {
    let body = patterned(100_000);
    let target = Target::with(
        Builder::new()
            .initial_window_size(100)
            .initial_connection_window_size(65_535),
        None,
        |mut asked: Asked| async move {
            let (body, _) = asked.read().await;
            let mut sending = asked.begin(ok());
            send_all(&mut sending, body.into(), true).await;
        },
    );
    let server = before(&target);
    run(async {
        let mut builder = client::Builder::new();
        builder.initial_window_size(1000).initial_connection_window_size(65_535);
        let (requests, connection) = connect(&server, &builder).await;
        spawn_local(connection);
        let answer = upload(&requests, to_post("/"), body.clone()).await.unwrap();
        assert!(answer.body == body, "{} bytes", answer.body.len());
    });
    until_quiet(&server);
}

/// A client that reads nothing: its target can send no more than the windows between them.
#[test]
fn a_client_that_does_not_read() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let target = Target::playing(move |mut asked: Asked| {
        let sent = count.clone();
        async move {
            let mut sending = asked.begin(ok());
            while send_all(&mut sending, Bytes::from(vec![0; 1000]), false).await {
                sent.fetch_add(1000, Ordering::SeqCst);
            }
        }
    });
    let server = before(&target);
    run(async {
        let (response, _sending) = begin(&client_of(&server).await, get("/"), true).await;
        let mut body = response.await.unwrap().into_body();
        pause(Duration::from_millis(300)).await;
        let stalled = sent.load(Ordering::SeqCst);
        assert!(
            stalled < 64 * 1024 + 64 * 1024 + 32 * 1024 + 17_000,
            "{stalled} bytes are held"
        );
        let mut read = 0;
        while read < 2_000_000 {
            read += piece(&mut body).await.len();
        }
    });
    until_quiet(&server);
}

/// A target that reads nothing: its client can send no more than the windows between them.
#[test]
fn a_target_that_does_not_read() {
    let (go, gate) = latch();
    let http1 = Origin::playing(move |line: &mut Line| {
        if let Some(head) = line.head() {
            assert!(head.contains("chunked"));
            gate.wait();
            let mut read = 0;
            while read < 3_000_000 {
                read += line.chunk().len();
            }
            line.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
    });
    let (go2, gate2) = latch();
    let gate2 = Arc::new(gate2);
    let http2 = Target::playing(move |mut asked: Asked| {
        let gate = gate2.clone();
        async move {
            tokio::task::spawn_blocking(move || gate.wait()).await.unwrap();
            let mut read = 0;
            while read < 3_000_000 {
                read += piece(&mut asked.body).await.len();
            }
            asked.answer("ok");
        }
    });
    let targets = [
        (http1.address(), ProtocolVersion::Http1, 8 << 20, go),
        (http2.address, ProtocolVersion::Http2, 64 * 1024, go2),
    ];
    for (address, version, between, go) in targets {
        let server = to(&[address], version).start();
        run(async {
            let (response, mut sending) = begin(&client_of(&server).await, to_post("/"), false).await;
            let sent = Arc::new(AtomicUsize::new(0));
            let count = sent.clone();
            let writing = spawn_local(async move {
                while send_all(&mut sending, Bytes::from(vec![0; 1000]), false).await {
                    count.fetch_add(1000, Ordering::SeqCst);
                }
            });
            pause(Duration::from_millis(300)).await;
            // What the kernel takes for an HTTP/1 target is the kernel's.
            let stalled = sent.load(Ordering::SeqCst);
            assert!(
                stalled < between + 64 * 1024 + 64 * 1024 + 17_000,
                "{stalled} bytes are held"
            );
            go.open();
            assert_eq!(answered(response).await.unwrap().status, 200);
            writing.abort();
        });
        until_quiet(&server);
    }
}

/// Clients that do not read what they asked for leave the others on the same connection to the target alone.
#[test]
fn stalled_streams_do_not_stall_others() {
    let target = Target::playing(|mut asked: Asked| async move {
        if asked.parts.uri.path() == "/much" {
            let mut sending = asked.begin(ok());
            send_all(&mut sending, Bytes::from(vec![0; 1 << 20]), true).await;
        } else {
            asked.answer("ok");
        }
    });
    let server = before(&target);
    let mut raw = Raw::open(&server);
    let head = b"\x82\x87\x44\x05/much\x41\x01a";
    for stream in 0..90 {
        raw.send(HEADERS, WHOLE, 2 * stream + 1, head);
    }
    crate::played::until("all are there", || target.seen.heads().len() == 90);
    run(async {
        pause(Duration::from_millis(200)).await;
        let requests = client_of(&server).await;
        for _ in 0..20 {
            assert_eq!(fetch(&requests, get("/")).await.unwrap().body, b"ok");
        }
    });
    assert_eq!(target.seen.accepted(), 1, "they share a connection");
    drop(raw);
    until_quiet(&server);
}

// A client's window of the connection is one thing, that of each stream another; both may shrink.
#[test]
fn windows_that_shrink_and_grow() {
    let body = patterned(300_000);
    let whole = body.clone();
    let target = Target::playing(move |mut asked: Asked| {
        let body = whole.clone();
        async move {
            let mut sending = asked.begin(ok());
            send_all(&mut sending, body, true).await;
        }
    });
    let server = before(&target);
    let mut raw = Raw::open(&server);
    raw.send(SETTINGS, 0, 0, &window(10));
    raw.send(HEADERS, WHOLE, 1, GET);
    let mut read = Vec::new();
    let mut take = |raw: &mut Raw, until: usize| {
        while read.len() < until {
            let frame = raw.until(DATA).unwrap();
            read.extend_from_slice(&frame.payload);
        }
        read.len()
    };
    assert_eq!(take(&mut raw, 10), 10);
    // Down to less than nothing, and up again, byte by byte and at once.
    raw.send(SETTINGS, 0, 0, &window(0));
    raw.send(WINDOW_UPDATE, 0, 1, &10_u32.to_be_bytes());
    raw.send(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes());
    assert_eq!(take(&mut raw, 11), 11);
    raw.send(SETTINGS, 0, 0, &window(1000));
    assert_eq!(take(&mut raw, 1011), 1011);
    raw.send(WINDOW_UPDATE, 0, 1, &1_000_000_u32.to_be_bytes());
    assert_eq!(take(&mut raw, 65_535), 65_535, "the connection's window is used up");
    raw.send(WINDOW_UPDATE, 0, 0, &1_000_000_u32.to_be_bytes());
    assert_eq!(take(&mut raw, body.len()), body.len());
    assert!(read == body);
}

/// Windows that overflow end the stream, or the connection. Source: RFC 9113, 6.9.1.
#[test]
fn windows_that_overflow() {
    let (_go, gate) = latch();
    let origin = raw::playing(move |frames| {
        while let Some(head) = frames.until(HEADERS) {
            frames.send(HEADERS, END_HEADERS, head.stream, OK);
        }
        drop(gate.clone());
    });
    let server = raw::before(&origin);
    let mut raw = Raw::open(&server);
    let most = 0x7fff_ffff_u32.to_be_bytes();
    raw.send(HEADERS, WHOLE, 1, GET);
    assert!(raw.until(HEADERS).is_some());
    raw.send(WINDOW_UPDATE, 0, 1, &most);
    let reset = raw.until(RST_STREAM).unwrap();
    assert_eq!((reset.stream, reset.code()), (1, 3), "FLOW_CONTROL_ERROR");
    raw.send(WINDOW_UPDATE, 0, 0, &most);
    assert_eq!(raw.until(GOAWAY).unwrap().code(), 3);
    drop(raw);
    until_quiet(&server);
}

/// A target that says it takes few requests at once gets no more, on each of its connections.
#[test]
fn targets_that_take_few_requests() {
    let (most, together) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = (most.clone(), together.clone());
    let origin = raw::with_settings(raw::at_once(3), move |frames| {
        let mut open = Vec::new();
        while let Some(head) = frames.until(HEADERS) {
            open.push(head.stream);
            seen.0.fetch_max(open.len(), Ordering::SeqCst);
            // All that came are answered when the last of them is there.
            if seen.1.fetch_add(1, Ordering::SeqCst) >= 9 || open.len() == 3 {
                for stream in open.drain(..) {
                    frames.answer(stream, b"ok");
                }
            }
        }
    });
    let server = raw::before(&origin);
    run(async {
        let requests = client_of(&server).await;
        let asking: Vec<_> = (0..12)
            .map(|_| {
                let requests = requests.clone();
                spawn_local(async move { fetch(&requests, get("/")).await.unwrap().status })
            })
            .collect();
        for asking in asking {
            assert_eq!(asking.await.unwrap(), 200);
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), 3);
    assert!(
        (4..=5).contains(&origin.accepted()),
        "{} connections",
        origin.accepted()
    );
}

/// It may say so later, too.
#[test]
fn targets_that_take_fewer_requests() {
    let origin = raw::playing(move |frames| {
        let Some(first) = frames.until(HEADERS) else { return };
        if frames.line.number == 0 {
            frames.send(SETTINGS, 0, 0, &raw::at_once(1));
            frames.until(SETTINGS).unwrap();
            frames.answer(first.stream, b"first");
            let second = frames.until(HEADERS).unwrap();
            // Nothing more comes while this one runs.
            while let Some(frame) = frames.next() {
                assert!(frame.kind != HEADERS);
                if frame.kind == RST_STREAM {
                    assert_eq!(frame.stream, second.stream);
                    break;
                }
            }
            frames.answer_all();
        } else {
            frames.answer(first.stream, b"other");
            while let Some(head) = frames.until(HEADERS) {
                frames.answer(head.stream, b"other");
            }
        }
    });
    let server = raw::before(&origin);
    run(async {
        let requests = client_of(&server).await;
        assert_eq!(fetch(&requests, get("/")).await.unwrap().body, b"first");
        let (waits, mut waiting) = begin(&requests, get("/"), true).await;
        for _ in 0..5 {
            assert_eq!(fetch(&requests, get("/")).await.unwrap().body, b"other");
        }
        waiting.send_reset(h2::Reason::CANCEL);
        drop(waits);
    });
    assert_eq!(origin.accepted(), 2);
}

/// Connections that nobody needs are closed when their time is over, all but that one that is used.
#[test]
fn idle_connections() {
    let target = Target::playing(|mut asked: Asked| async move {
        if asked.parts.uri.path() == "/hold" {
            asked.reset().await;
        } else {
            asked.answer("ok");
        }
    });
    let server = impatiently_before(&target);
    run(async {
        let requests = client_of(&server).await;
        assert_eq!(fetch(&requests, get("/")).await.unwrap().body, b"ok");
    });
    assert_eq!(target.seen.open(), 1);
    assert_eq!(until_quiet(&server), 1);
    crate::played::until("it is closed", || target.seen.open() == 0);
    crate::played::until("it is counted", || {
        server.counter("albacore_proxy_target_connections") == 0.0
    });
    run(async {
        let requests = client_of(&server).await;
        assert_eq!(fetch(&requests, get("/")).await.unwrap().body, b"ok");
    });
    assert_eq!(target.seen.accepted(), 2);
}

/// More connections than may wait are closed after their last request.
#[test]
fn too_many_idle_connections() {
    let (go, gate) = latch();
    let gate = Arc::new(gate);
    let target = Target::with(
        Builder::new().max_concurrent_streams(1),
        None,
        move |mut asked: Asked| {
            let gate = gate.clone();
            async move {
                tokio::task::spawn_blocking(move || gate.wait()).await.unwrap();
                asked.answer("ok");
            }
        },
    );
    let mut setup = to(&[target.address], ProtocolVersion::Http2);
    setup.limits.idle_target_connections_max = 2;
    let server = setup.start();
    run(async {
        let requests = client_of(&server).await;
        let asking: Vec<_> = (0..10)
            .map(|_| {
                let requests = requests.clone();
                spawn_local(async move { fetch(&requests, get("/")).await.unwrap().status })
            })
            .collect();
        until("all are there", &target, |seen| seen.running() == 10).await;
        (0..10).for_each(|_| go.open());
        for asking in asking {
            assert_eq!(asking.await.unwrap(), 200);
        }
    });
    assert_eq!(target.seen.accepted(), 10);
    crate::played::until("most are closed", || target.seen.open() == 2);
    assert_eq!(until_quiet(&server), 2);
}
