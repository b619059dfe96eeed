//! What the streams of HTTP/2 cost whose clients do not read: a process of its own, because its memory is measured.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "http/authority.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod authority;
#[path = "http/frames.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod frames;
#[path = "http/played.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod played;
#[path = "http/secure.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod secure;
#[path = "http/support.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod support;
#[path = "http/relay"]
mod relay {
    #[expect(dead_code, reason = "the other test binary uses the rest")]
    pub(crate) mod origin;
}
#[path = "http/http2_relay/target.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod target;

use bytes::Bytes;
use frames::*;
use model::elb::target_group::ProtocolVersion;
use relay::origin::{Origin, until_quiet};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::SocketAddr;
use support::*;
use target::{Asked, Target, client_of, fetch, ok, send_all, to};

const MB: usize = 1024 * 1024;
/// What is promised to a stream, and more than anybody holds.
const MUCH: usize = 4 * MB;
/// What waiting streams may hold, by the proxy's own account.
const ROOM: usize = 48 * MB;

/// Anonymous memory of this process, clients, targets and proxy.
fn anonymous() -> usize {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
    let kib: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}

/// Opens a hundred streams on each of so many connections, and reads of none of them more than the connection's window.
/// Says how many were refused.
fn stall(server: &Server, connections: usize) -> (Vec<Raw>, usize) {
    let mut refused = 0;
    let stalled = (0..connections).map(|_| {
        let mut raw = Raw::open(server);
        let (mut read, mut opened) = (0, 0);
        for _ in 0..10 {
            for _ in 0..10 {
                raw.send(HEADERS, WHOLE, 2 * opened + 1, b"\x82\x87\x44\x05/much\x41\x01a");
                opened += 1;
            }
            // Every one of them has its answer, or what of it the window lets through.
            let mut heads = 0;
            while heads < 10 || read < 65_535 {
                let frame = raw.next().unwrap();
                match frame.kind {
                    HEADERS => {
                        heads += 1;
                        refused += usize::from(frame.payload[0] != 0x88);
                    }
                    // Pages of refusals are streams' own.
                    DATA => read += frame.payload.len(),
                    _ => {}
                }
                if heads == 10 && refused > 0 {
                    break;
                }
            }
        }
        raw
    });
    let stalled = stalled.collect();
    (stalled, refused)
}

fn check(address: SocketAddr, version: ProtocolVersion) {
    let mut setup = to(&[address], version);
    setup.limits.stream_bytes_max = ROOM;
    let server = setup.start();
    let ask = || {
        let status = run(async { fetch(&client_of(&server).await, get("/")).await.unwrap().status });
        assert_eq!(status, 200, "who reads is served");
    };
    ask();
    let before = anonymous();
    let (stalled, refused) = stall(&server, 12);
    let grown = anonymous().saturating_sub(before);
    eprintln!("{version:?}: {} MB for {} streams", grown / MB, 1200 - refused);
    assert!(grown < 2 * ROOM, "{} MB", grown / MB);
    assert!(refused > 0, "there was room for all of them");
    ask();
    drop(stalled);
    until_quiet(&server);
    ask();
}

#[test]
fn stalled_streams_cost_bounded_memory() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let much = Bytes::from(vec![0; MUCH]);
    let http2 = Target::playing(move |mut asked: Asked| {
        let much = much.clone();
        async move {
            if asked.parts.uri.path() == "/much" {
                let mut sending = asked.begin(ok());
                send_all(&mut sending, much, true).await;
            } else {
                asked.answer("ok");
            }
        }
    });
    check(http2.address, ProtocolVersion::Http2);
    let http1 = Origin::playing(|line| {
        while let Some(asked) = line.request() {
            if asked.head.starts_with("GET /much") {
                line.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n"));
                let some = [0; 16 * 1024];
                if !(0..MUCH / some.len()).all(|_| line.send(some)) {
                    return;
                }
            } else {
                line.send(relay::origin::OK);
            }
        }
    });
    check(http1.address(), ProtocolVersion::Http1);
}
