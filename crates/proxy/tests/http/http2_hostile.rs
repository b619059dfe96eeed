//! HTTP/2 clients that want to do harm: each costs a bounded amount, and is let go.

use crate::frames::*;
use crate::played::until;
use crate::support::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const ENHANCE_YOUR_CALM: u32 = 11;

/// A function that counts how often it was asked.
fn counting() -> (Arc<AtomicU32>, Function) {
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let function: Function = Arc::new(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::pending())
    });
    (asked, function)
}

/// Sends until the server closes or takes nothing more; how many bytes it took.
fn flood(raw: &mut Raw, bytes: &[u8]) -> usize {
    raw.socket()
        .set_write_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let mut taken = 0;
    while raw.try_bytes(bytes).is_ok() {
        taken += bytes.len();
        assert!(taken < 256 << 20, "the server takes everything");
    }
    taken
}

/// The server answers others, and has given the place of the hostile one back.
fn survived(server: &Server, raw: Raw) {
    drop(raw);
    until("its connection is gone", || server.proxy.connections() == 0);
    run(async {
        let (requests, _) = client(server).await;
        assert_eq!(ask(&requests, get("/")).await.unwrap().status, 200);
    });
    assert_eq!(server.counter("albacore_proxy_panics_total"), 0.0);
}

#[test]
fn requests_that_are_reset_at_once_are_few() {
    let (asked, function) = counting();
    let server = Setup::lambda(false, function)
        .rule(1, vec![path(&["/"])], fixed(200, ""))
        .with_tls()
        .start();
    let mut raw = Raw::open(&server);
    let reset = 8_u32.to_be_bytes();
    let mut sent = 0;
    // `GET https://a/x`: both frames in one record, so that the reset is there before the request is looked at.
    let head = b"\x82\x87\x44\x02/x\x41\x01a";
    for stream in (1..).step_by(2) {
        let both = [
            encode(HEADERS, WHOLE, stream, head),
            encode(RST_STREAM, 0, stream, &reset),
        ]
        .concat();
        if raw.try_bytes(&both).is_err() {
            break;
        }
        sent += 1;
        assert!(sent < 100_000, "it goes on for ever");
    }
    let goaway = std::iter::from_fn(|| raw.next())
        .filter(|frame| frame.kind == GOAWAY)
        .last();
    if let Some(goaway) = goaway {
        assert_eq!(goaway.code(), ENHANCE_YOUR_CALM);
    }
    assert!(asked.load(Ordering::Relaxed) <= 11_000);
    survived(&server, raw);
}

// ALB-H-022: after 10,000 requests a GOAWAY is sent, and whoever goes on is cut
#[test]
fn a_client_that_does_not_listen_to_goaway() {
    let mut setup = Setup::default().with_tls();
    setup.default = fixed(200, "");
    let server = setup.start();
    let mut raw = Raw::open(&server);
    raw.polite = false;
    let (mut sent, mut answered, mut told) = (0_u32, 0_u32, None);
    let mut last = None;
    'all: loop {
        let batch: Vec<u8> = (sent..sent + 100)
            .flat_map(|at| encode(HEADERS, WHOLE, 2 * at + 1, GET))
            .collect();
        if raw.try_bytes(&batch).is_err() {
            break;
        }
        sent += 100;
        while answered < sent {
            match raw.next() {
                None => break 'all,
                Some(frame) if frame.kind == GOAWAY => {
                    told.get_or_insert(answered);
                    last = Some(frame.code());
                }
                Some(frame) => answered += u32::from(frame.ends_stream()),
            }
        }
        assert!(sent < 20_000, "it is served for ever");
    }
    assert!((9_900..=10_100).contains(&told.unwrap()), "{told:?}");
    assert!((10_000..=11_000).contains(&answered), "{answered}");
    assert_eq!(last, Some(ENHANCE_YOUR_CALM));
    survived(&server, raw);
}

#[test]
fn a_head_without_end() {
    let server = Setup::default().with_tls().start();
    // A field of 16 KB without compression, again and again, and the shortest frames.
    let field = [&b"\x00\x01a\x7f\x80\x7f"[..], &[b'x'; 16_255]].concat();
    for (first, continued) in [
        (GET, encode(CONTINUATION, 0, 1, &field)),
        (GET, encode(CONTINUATION, 0, 1, b"")),
    ] {
        let mut raw = Raw::open(&server);
        raw.send(HEADERS, END_STREAM, 1, first);
        let taken = flood(&mut raw, &continued.repeat(1 + 16_000 / continued.len()));
        assert!(taken < 16 << 20, "{taken} bytes were taken");
        survived(&server, raw);
    }
}

#[test]
fn a_small_head_that_becomes_a_large_one() {
    let server = Setup::default().with_tls().start();
    let mut raw = Raw::open(&server);
    // 4,000 bytes go into the table once, then a single byte stands for them, 16,000 times.
    let mut head = [GET, b"\x40\x01a\x7f\xa1\x1e", &[b'x'; 4000]].concat();
    head.extend([0xbe; 12_000]);
    raw.send(HEADERS, WHOLE, 1, &head);
    let answer = raw.until(HEADERS);
    assert!(answer.is_none_or(|frame| frame.payload.len() < 100));
    survived(&server, raw);
}

#[test]
fn floods_of_small_frames_wait_for_their_answers() {
    let server = Setup::default().with_tls().start();
    for frame in [
        encode(PING, 0, 0, &[1; 8]),
        encode(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]),
        encode(SETTINGS, 0, 0, b""),
    ] {
        // Nothing is read: the answers fill the way back, and then nothing more is taken.
        let mut raw = Raw::open_with(&server, 32 * 1024);
        let taken = flood(&mut raw, &frame.repeat(1000));
        assert!(taken < 64 << 20, "{taken} bytes were taken");
        survived(&server, raw);
    }
}

#[test]
fn tiny_frames_of_a_body_that_nobody_reads() {
    let (asked, function) = counting();
    let server = Setup::lambda(false, function)
        .rule(1, vec![path(&["/"])], fixed(200, ""))
        .with_tls()
        .start();
    let mut raw = Raw::open(&server);
    // POST https://a/x, each byte of the body in a frame of its own.
    raw.send(HEADERS, END_HEADERS, 1, b"\x83\x87\x44\x02/x\x41\x01a");
    let taken = flood(&mut raw, &encode(DATA, 0, 1, b"x").repeat(1000));
    assert!(taken < 64 << 20, "{taken} bytes were taken");
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    survived(&server, raw);
}

#[test]
fn malformed_streams_are_reset_and_the_connection_goes_on() {
    let server = Setup::default().with_tls().start();
    let mut raw = Raw::open(&server);
    let cases: [&[u8]; 6] = [
        b"\x82\x87\x41\x01a", // no path
        b"\x82\x84\x41\x01a", // no scheme
        b"\x87\x84\x41\x01a", // no method
        b"\x82\x87\x84\x41\x01a\x00\x0aconnection\x05close",
        b"\x82\x87\x84\x41\x01a\x00\x11transfer-encoding\x07chunked",
        b"\x82\x87\x84\x41\x01a\x00\x01b\x01c\x82", // a pseudo-header behind a field
    ];
    for (at, head) in cases.into_iter().enumerate() {
        raw.send(HEADERS, WHOLE, 2 * at as u32 + 1, head);
        let reset = std::iter::from_fn(|| raw.next()).find(|frame| matches!(frame.kind, RST_STREAM | HEADERS | GOAWAY));
        let reset = reset.unwrap();
        assert_eq!(
            (reset.kind, reset.stream),
            (RST_STREAM, 2 * at as u32 + 1),
            "{head:?}: {reset:?}"
        );
        assert_eq!(reset.code(), 1, "PROTOCOL_ERROR");
    }
    raw.send(HEADERS, WHOLE, 101, GET);
    assert_eq!(raw.answers(1), 1);
    drop(raw);
    // What no field can be ends the connection: an upper-case name, CR and LF in a value.
    for head in [
        &b"\x82\x87\x84\x41\x01a\x00\x01A\x01b"[..],
        b"\x82\x87\x84\x41\x01a\x00\x01b\x03c\r\n",
    ] {
        let mut raw = Raw::open(&server);
        raw.send(HEADERS, WHOLE, 1, head);
        assert_eq!(raw.until(GOAWAY).unwrap().code(), 1);
    }
    assert_eq!(server.log().len(), 1);
}

#[test]
fn a_body_of_another_length_than_promised() {
    let server = Setup::lambda(false, echo()).with_tls().start();
    let mut raw = Raw::open(&server);
    for (stream, body) in [(1, &b"xxxx"[..]), (3, b"xx")] {
        // content-length: 3
        raw.send(HEADERS, END_HEADERS, stream, b"\x83\x87\x84\x41\x01a\x0f\x0d\x013");
        raw.send(DATA, END_STREAM, stream, body);
        let reset = raw.until(RST_STREAM).unwrap();
        assert_eq!((reset.stream, reset.code()), (stream, 1));
    }
    raw.send(HEADERS, WHOLE, 5, GET);
    assert_eq!(raw.answers(1), 1);
    drop(raw);
    // The stream was reset before there was anything to say; the log has the status that HTTP/1 answers.
    let statuses: Vec<_> = server.log().iter().map(|line| line[8].clone()).collect();
    assert_eq!(statuses, ["400", "400", "200"]);
}
