//! Targets that do everything wrong that a server can. Each answer is the one of ALB 4.10, and nothing is left of it.

use crate::world::{Group, World};
use std::io::Read;
use testkit::{Line, Origin, send};

/// What the client of a faulty target sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The load balancer's page with this status, and this `error_reason` in the log. The connection serves on.
    Page(u16, &'static str),
    /// A response that ends before it is complete, for this reason.
    Broken(&'static str),
    /// The response as if nothing was wrong.
    Whole,
}
use Seen::{Broken, Page, Whole};

pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) seen: Seen,
    play: fn(&mut Line),
}

const CLOSED: &str = "TargetConnectionClosed";
const INVALID: &str = "TargetInvalidResponse";
const LARGE: &str = "TargetResponseHeadersTooLarge";
const SHORT: &str = "TargetResponseIncomplete";
const SILENT: &str = "TargetResponseTimeout";

const TEN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const ENDLESS: &str = "HTTP/1.1 200 OK\r\n\r\n";

/// Reads the request and sends this.
fn says(line: &mut Line, bytes: impl AsRef<[u8]>) {
    line.request();
    line.send(bytes);
}

/// The same, and then nothing more for as long as the other side likes.
fn says_and_holds(line: &mut Line, bytes: impl AsRef<[u8]>) {
    says(line, bytes);
    line.hold();
}

fn says_and_resets(line: &mut Line, bytes: impl AsRef<[u8]>) {
    says(line, bytes);
    line.reset();
}

/// A response with this header line.
fn with_line(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{text}\r\n\r\nhello")
}

const fn fault(name: &'static str, seen: Seen, play: fn(&mut Line)) -> Fault {
    Fault { name, seen, play }
}

/// What is over at once.
pub(crate) const FAULTS: &[Fault] = &[
    fault("closes", Page(502, CLOSED), |_| {}),
    fault("resets", Page(502, CLOSED), |line| {
        // Before that it might look like a refused connection.
        line.read_more();
        line.reset();
    }),
    fault("closes-when-asked", Page(502, CLOSED), |line| says(line, "")),
    fault("resets-when-asked", Page(502, CLOSED), |line| says_and_resets(line, "")),
    fault("half-closes", Page(502, CLOSED), |line| {
        line.stop_sending();
        line.hold();
    }),
    fault("closes-in-the-head", Page(502, CLOSED), |line| says(line, &TEN[..20])),
    fault("resets-in-the-head", Page(502, CLOSED), |line| {
        says_and_resets(line, &TEN[..20]);
    }),
    fault("sends-no-body", Page(504, SHORT), |line| says(line, TEN)),
    fault("closes-in-the-body", Broken(SHORT), |line| {
        says(line, format!("{TEN}hello"));
    }),
    fault("resets-in-the-body", Broken(CLOSED), |line| {
        says_and_resets(line, format!("{TEN}hello"));
    }),
    fault("closes-in-a-chunk", Broken(CLOSED), |line| {
        says(line, format!("{CHUNKED}5\r\nhel"));
    }),
    fault("closes-between-chunks", Broken(CLOSED), |line| {
        says(line, format!("{CHUNKED}5\r\nhello\r\n"));
    }),
    fault("resets-in-a-chunk", Broken(CLOSED), |line| {
        says_and_resets(line, format!("{CHUNKED}5\r\nhel"));
    }),
    fault("sends-a-bad-chunk", Broken(INVALID), |line| {
        says_and_holds(line, format!("{CHUNKED}5\r\nhello\r\nzz\r\n"));
    }),
    fault("sends-a-bad-first-chunk", Page(502, INVALID), |line| {
        says_and_holds(line, format!("{CHUNKED}zz\r\nhello\r\n"));
    }),
    fault("says-when-it-ends-by-closing", Whole, |line| {
        says(line, format!("{ENDLESS}hello"));
    }),
    fault("resets-without-length", Broken(CLOSED), |line| {
        says_and_resets(line, format!("{ENDLESS}hello"));
    }),
    fault("half-closes-behind-its-answer", Whole, |line| {
        says(line, with_line("Content-Length: 5"));
        line.stop_sending();
        line.hold();
    }),
    fault("says-too-much", Whole, |line| {
        says_and_holds(line, with_line("Content-Length: 5").repeat(2));
    }),
    fault("talks-garbage", Page(502, INVALID), |line| {
        says_and_holds(line, b"\x00\x01\xff\xfe\r\n\r\n");
    }),
    fault("talks-ssh", Page(502, INVALID), |line| {
        says_and_holds(line, "SSH-2.0-OpenSSH_9.2\r\n");
    }),
    fault("talks-tls", Page(502, INVALID), |line| {
        says_and_holds(line, b"\x15\x03\x01\x00\x02\x02\x16\r\n\r\n");
    }),
    fault("talks-http-2", Page(502, INVALID), |line| {
        says_and_holds(line, b"\x00\x00\x00\x04\x00\x00\x00\x00\x00\r\n\r\n");
    }),
    fault("talks-http-9", Page(502, INVALID), |line| {
        says_and_holds(line, "HTTP/9.9 200 OK\r\n\r\n");
    }),
    fault("knows-no-status", Page(502, INVALID), |line| {
        says_and_holds(line, "HTTP/1.1 2x0 OK\r\n\r\n");
    }),
    fault("sends-an-endless-line", Page(502, INVALID), |line| {
        says_and_holds(line, "x".repeat(100_000));
    }),
    fault("sends-too-much-head", Page(502, LARGE), |line| {
        says_and_holds(line, with_line(&format!("X-Much: {}\r\n", "x".repeat(8_000)).repeat(5)));
    }),
    fault("sends-interim-responses-for-ever", Page(502, INVALID), |line| {
        says_and_holds(line, "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(10_001));
    }),
    fault("switches-unasked", Page(502, INVALID), |line| {
        says_and_holds(
            line,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        );
    }),
    fault("has-a-length-in-letters", Page(502, INVALID), |line| {
        says_and_holds(line, with_line("Content-Length: five"));
    }),
    fault("has-a-negative-length", Page(502, INVALID), |line| {
        says_and_holds(line, with_line("Content-Length: -5"));
    }),
    fault("has-a-signed-length", Page(502, INVALID), |line| {
        says_and_holds(line, with_line("Content-Length: +5"));
    }),
    fault("has-two-lengths", Page(502, INVALID), |line| {
        says_and_holds(line, with_line("Content-Length: 5\r\nContent-Length: 6"));
    }),
    fault("has-a-list-of-lengths", Page(502, INVALID), |line| {
        says_and_holds(line, with_line("Content-Length: 5, 6"));
    }),
    fault("has-an-overflowing-length", Page(502, INVALID), |line| {
        says_and_holds(line, with_line("Content-Length: 18446744073709551621"));
    }),
    fault("has-a-split-header", Page(502, INVALID), |line| {
        says_and_holds(line, with_line("X: a\0b"));
    }),
];

/// What takes the idle timeout to be over.
pub(crate) const SILENCES: &[Fault] = &[
    fault("is-silent", Page(504, SILENT), |line| says_and_holds(line, "")),
    fault("does-not-even-read", Page(504, SILENT), |line| {
        line.head();
        line.hold();
    }),
    fault("is-silent-in-the-head", Page(504, SILENT), |line| {
        says_and_holds(line, &TEN[..20]);
    }),
    fault("is-silent-behind-the-head", Page(504, SILENT), |line| {
        says_and_holds(line, TEN);
    }),
    fault("is-silent-in-the-body", Broken(SILENT), |line| {
        says_and_holds(line, format!("{TEN}hello"));
    }),
    fault("is-silent-behind-chunks", Broken(SILENT), |line| {
        says_and_holds(line, CHUNKED);
    }),
    fault("is-silent-in-a-chunk", Broken(SILENT), |line| {
        says_and_holds(line, format!("{CHUNKED}5\r\nhel"));
    }),
    fault("is-silent-without-length", Broken(SILENT), |line| {
        says_and_holds(line, format!("{ENDLESS}hello"));
    }),
    fault("is-silent-behind-103", Page(504, SILENT), |line| {
        says_and_holds(line, "HTTP/1.1 103 Early Hints\r\n\r\n");
    }),
];

/// How often each fault happens.
const ROUNDS: usize = 3;

/// One origin for each fault.
pub(crate) fn origins(faults: &[Fault]) -> (Vec<Origin>, Vec<Group>) {
    let origins: Vec<_> = faults.iter().map(|fault| Origin::playing(fault.play)).collect();
    let groups = faults.iter().zip(&origins);
    let groups = groups.map(|(fault, origin)| Group::of(fault.name, origin.address()));
    let groups = groups.collect();
    (origins, groups)
}

/// One request to a faulty target, and what its client sees.
#[track_caller]
fn ask(world: &World, fault: &Fault, round: usize) {
    let path = format!("/{}/{round}", fault.name);
    let reason = match fault.seen {
        Page(status, reason) => {
            let mut connection = world.connect();
            let answer = connection.get(&path).unwrap();
            assert_eq!(answer.status, status, "{path}: {answer:?}");
            assert!(answer.body.starts_with("<html>"), "{path}: {answer:?}");
            let good = connection.get("/good/").unwrap();
            assert_eq!(good.body, "good", "{path}: the connection serves on");
            reason
        }
        Broken(reason) => {
            assert!(!is_whole(&response(world, &path)), "{path}: it looks complete");
            reason
        }
        Whole => {
            let bytes = response(world, &path);
            assert!(
                is_whole(&bytes) && contains(&bytes, "hello"),
                "{path}: {:?}",
                String::from_utf8_lossy(&bytes)
            );
            "-"
        }
    };
    assert_eq!(
        world.record(&path)["error_reason"],
        reason,
        "{path}: {}",
        world.record(&path)
    );
}

/// Everything that comes until the connection is closed or reset.
fn response(world: &World, path: &str) -> Vec<u8> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut socket = send(world.listener(), &request);
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes); // it may be reset
    bytes
}

/// Whether a response has the body that it promises.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with("0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| length.parse() == Ok(body.len()))
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

// ALB-H-031: headers over 32 K answer 502. ALB-H-034: a target that closes. ALB-H-037: one that sends too little
#[test]
fn a_faulty_target_costs_its_request_and_leaves_nothing() {
    let (_origins, groups) = origins(FAULTS);
    let world = World::start(groups);
    for fault in FAULTS {
        for round in 0..ROUNDS {
            ask(&world, fault, round);
        }
        world.settles();
    }
}

// ALB-H-035: a target that is silent for the idle timeout answers 504
#[test]
fn a_silent_target_costs_its_request_and_leaves_nothing() {
    let (_origins, groups) = origins(SILENCES);
    let world = World::start(groups);
    std::thread::scope(|scope| {
        for fault in SILENCES {
            for round in 0..ROUNDS {
                let world = &world;
                scope.spawn(move || ask(world, fault, round));
            }
        }
    });
    world.settles();
}
