//! Targets of HTTP/2 and gRPC that do everything wrong that a server can, frame by frame and cut at every byte.

use crate::client::{Answer, Call, fetch_all};
use crate::world::{Group, World};
use testkit::{Frame, Line, Origin, header_block};

const ORIGIN: &str = "https://localhost:8443";
const GOAWAY: u8 = Frame::GOAWAY;
const CONTINUATION: u8 = 9;
const WINDOW_UPDATE: u8 = 8;
const HEAD: u8 = Frame::END_HEADERS;
const WHOLE: u8 = Frame::END_HEADERS | Frame::END_STREAM;

/// What the client of a faulty target sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// The load balancer's page with this status, and this `error_reason` in the log.
    Page(u16, &'static str),
    /// A response that never looks whole, for this reason: its stream is reset, or it had not begun and there is a page.
    Broken(&'static str),
    /// The response as if nothing was wrong.
    Whole,
}
use Seen::{Broken, Page, Whole};

struct Fault {
    name: &'static str,
    seen: Seen,
    play: fn(&mut Line),
}

const CLOSED: &str = "TargetConnectionClosed";
const INVALID: &str = "TargetInvalidResponse";
const LARGE: &str = "TargetResponseHeadersTooLarge";
const SHORT: &str = "TargetResponseIncomplete";
const UNCONNECTED: &str = "TargetConnectionTimeout";
const SILENT: &str = "TargetResponseTimeout";

fn frame(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Vec<u8> {
    Frame::new(kind, flags, stream, payload).encode()
}

fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    header_block(&fields.collect::<Vec<_>>())
}

fn head(flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    let fields = [&[(":status", "200"), ("content-type", "application/grpc")], fields].concat();
    frame(Frame::HEADERS, flags, 1, block(&fields))
}

fn data(flags: u8, text: &str) -> Vec<u8> {
    frame(Frame::DATA, flags, 1, text)
}

/// Reads up to the first request; `false` when the connection ends before.
fn asked(line: &mut Line) -> bool {
    line.bytes(24);
    loop {
        let Ok(head) = <[u8; 9]>::try_from(line.bytes(9)) else {
            return false;
        };
        line.bytes(u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize);
        if head[3] == Frame::HEADERS {
            return true;
        }
    }
}

/// Answers every request as soon as it has begun.
pub(crate) fn answer_all(line: &mut Line) {
    line.send(hello());
    line.bytes(24);
    while let Ok(its) = <[u8; 9]>::try_from(line.bytes(9)) {
        line.bytes(u32::from_be_bytes([0, its[0], its[1], its[2]]) as usize);
        let stream = u32::from_be_bytes([its[5], its[6], its[7], its[8]]);
        if its[3] == Frame::HEADERS {
            line.send(frame(Frame::HEADERS, HEAD, stream, block(&[(":status", "200")])));
            line.send(frame(Frame::DATA, Frame::END_STREAM, stream, "good"));
        }
    }
}

/// Settings, and the acknowledgement of the other side's.
fn hello() -> Vec<u8> {
    [frame(Frame::SETTINGS, 0, 0, ""), frame(Frame::SETTINGS, 1, 0, "")].concat()
}

/// Says hello, is asked, and sends these frames.
fn says(line: &mut Line, frames: &[Vec<u8>]) {
    if line.send(hello()) && asked(line) {
        line.send(frames.concat());
    }
}

/// The same, and then nothing more for as long as the other side likes.
fn says_and_holds(line: &mut Line, frames: &[Vec<u8>]) {
    says(line, frames);
    line.hold();
}

fn says_and_resets(line: &mut Line, frames: &[Vec<u8>]) {
    says(line, frames);
    line.reset();
}

fn reset(code: u32) -> Vec<u8> {
    frame(Frame::RST_STREAM, 0, 1, code.to_be_bytes())
}

const fn fault(name: &'static str, seen: Seen, play: fn(&mut Line)) -> Fault {
    Fault { name, seen, play }
}

const FAULTS: &[Fault] = &[
    fault("closes", Page(502, CLOSED), |_| {}),
    fault("resets", Page(502, CLOSED), |line| {
        line.read_more();
        line.reset();
    }),
    fault("talks-http-1", Page(502, INVALID), |line| {
        line.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        line.hold();
    }),
    fault("talks-ssh", Page(502, INVALID), |line| {
        line.send("SSH-2.0-OpenSSH_9.2\r\n");
        line.hold();
    }),
    fault("closes-when-asked", Page(502, CLOSED), |line| says(line, &[])),
    fault("resets-when-asked", Page(502, CLOSED), |line| {
        says_and_resets(line, &[]);
    }),
    fault("closes-in-the-head", Page(502, CLOSED), |line| {
        says(line, &[head(HEAD, &[])[..20].to_vec()]);
    }),
    fault("resets-the-stream", Page(502, CLOSED), |line| {
        says_and_holds(line, &[reset(2)]);
    }),
    fault("goes-away", Page(502, CLOSED), |line| {
        says(line, &[frame(GOAWAY, 0, 0, [0, 0, 0, 1, 0, 0, 0, 2])]);
    }),
    fault("sends-no-body", Page(504, SHORT), |line| {
        says_and_holds(line, &[head(HEAD, &[("content-length", "5")]), data(1, "")]);
    }),
    fault("closes-in-the-body", Broken(CLOSED), |line| {
        says(line, &[head(HEAD, &[]), data(0, "hello")]);
    }),
    fault("resets-in-the-body", Broken(CLOSED), |line| {
        says_and_resets(line, &[head(HEAD, &[]), data(0, "hello")]);
    }),
    fault("resets-the-stream-in-the-body", Broken(CLOSED), |line| {
        says_and_holds(line, &[head(HEAD, &[]), data(0, "hello"), reset(2)]);
    }),
    fault("sends-too-little", Broken(SHORT), |line| {
        says_and_holds(line, &[head(HEAD, &[("content-length", "9")]), data(1, "hello")]);
    }),
    fault("sends-too-much", Broken(SHORT), |line| {
        says_and_holds(line, &[head(HEAD, &[("content-length", "3")]), data(1, "hello")]);
    }),
    fault("has-two-lengths", Page(502, INVALID), |line| {
        let lengths = [("content-length", "5"), ("content-length", "6")];
        says_and_holds(line, &[head(HEAD, &lengths), data(1, "hello")]);
    }),
    fault("has-a-length-in-letters", Page(502, INVALID), |line| {
        says_and_holds(line, &[head(HEAD, &[("content-length", "five")]), data(1, "hello")]);
    }),
    fault("has-two-heads", Broken(INVALID), |line| {
        says_and_holds(
            line,
            &[head(HEAD, &[]), data(0, "hello"), head(HEAD, &[]), data(1, "hello")],
        );
    }),
    fault("has-no-status", Page(502, INVALID), |line| {
        says_and_holds(line, &[frame(Frame::HEADERS, WHOLE, 1, block(&[("x", "y")]))]);
    }),
    fault("knows-no-status", Page(502, INVALID), |line| {
        says_and_holds(line, &[frame(Frame::HEADERS, WHOLE, 1, block(&[(":status", "2x0")]))]);
    }),
    fault("says-connection", Page(502, INVALID), |line| {
        says_and_holds(line, &[head(WHOLE, &[("connection", "close")])]);
    }),
    fault("shouts", Page(502, INVALID), |line| {
        says_and_holds(line, &[head(WHOLE, &[("X-Loud", "y")])]);
    }),
    fault("splits-a-header", Page(502, INVALID), |line| {
        says_and_holds(line, &[head(WHOLE, &[("x", "a\r\nset-cookie: b")])]);
    }),
    fault("compresses-wrongly", Page(502, INVALID), |line| {
        says_and_holds(line, &[frame(Frame::HEADERS, WHOLE, 1, [0xff; 9])]);
    }),
    fault("sends-too-much-head", Page(502, LARGE), |line| {
        let much = "x".repeat(8_000);
        let mut fields = block(&[(":status", "200")]);
        (0..5).for_each(|_| fields.extend(block(&[("x-much", &much)])));
        let mut frames = vec![frame(Frame::HEADERS, Frame::END_STREAM, 1, &fields[..16_000])];
        frames.push(frame(CONTINUATION, 0, 1, &fields[16_000..32_000]));
        frames.push(frame(CONTINUATION, Frame::END_HEADERS, 1, &fields[32_000..]));
        says_and_holds(line, &frames);
    }),
    fault("sends-a-head-without-end", Page(502, INVALID), |line| {
        let mut frames = vec![frame(Frame::HEADERS, 0, 1, block(&[(":status", "200")]))];
        frames.extend((0..1_000).map(|_| frame(CONTINUATION, 0, 1, block(&[("x", &"y".repeat(1_000))]))));
        says_and_holds(line, &frames);
    }),
    fault("sends-interim-responses-for-ever", Page(502, INVALID), |line| {
        let interim = frame(Frame::HEADERS, HEAD, 1, block(&[(":status", "103")]));
        says_and_holds(line, &vec![interim; 10_001]);
    }),
    fault("sends-a-body-before-its-head", Page(502, INVALID), |line| {
        says_and_holds(line, &[data(0, "hello"), head(WHOLE, &[])]);
    }),
    fault("speaks-on-another-stream", Page(502, INVALID), |line| {
        says_and_holds(line, &[frame(Frame::DATA, 0, 7, "hello")]);
    }),
    fault("sends-a-frame-that-is-too-large", Page(502, INVALID), |line| {
        says_and_holds(line, &[frame(Frame::DATA, 0, 1, vec![0; 100_000])]);
    }),
    fault("widens-its-window-too-far", Page(502, INVALID), |line| {
        says_and_holds(line, &vec![frame(WINDOW_UPDATE, 0, 0, [0x7f, 0xff, 0xff, 0xff]); 2]);
    }),
    fault("promises", Page(502, INVALID), |line| {
        let promise = [&2_u32.to_be_bytes()[..], &block(&[(":method", "GET")])].concat();
        says_and_holds(line, &[frame(5, Frame::END_HEADERS, 1, promise)]);
    }),
    fault("says-more-behind-its-answer", Whole, |line| {
        says_and_holds(line, &[head(HEAD, &[]), data(1, "hello"), data(1, "hello")]);
    }),
    fault("closes-behind-its-answer", Whole, |line| {
        says(line, &[head(HEAD, &[]), data(1, "hello")]);
    }),
];

/// What takes the idle timeout to be over.
const SILENCES: &[Fault] = &[
    fault("does-not-say-hello", Page(504, UNCONNECTED), |line| line.hold()),
    fault("begins-with-no-settings", Page(504, UNCONNECTED), |line| {
        line.send(frame(Frame::PING, 0, 0, [0; 8]));
        line.hold();
    }),
    fault("switches-protocols", Page(504, SILENT), |line| {
        says_and_holds(line, &[frame(Frame::HEADERS, HEAD, 1, block(&[(":status", "101")]))]);
    }),
    fault("is-silent", Page(504, SILENT), |line| says_and_holds(line, &[])),
    fault("is-silent-in-the-head", Page(504, SILENT), |line| {
        says_and_holds(line, &[frame(Frame::HEADERS, 0, 1, block(&[(":status", "200")]))]);
    }),
    fault("is-silent-behind-the-head", Broken(SILENT), |line| {
        says_and_holds(line, &[head(HEAD, &[])]);
    }),
    fault("is-silent-in-the-body", Broken(SILENT), |line| {
        says_and_holds(line, &[head(HEAD, &[]), data(0, "hello")]);
    }),
];

/// A group of this protocol version for each fault.
fn world(faults: &[Fault], more: &'static str) -> (Vec<Origin>, World) {
    let origins: Vec<_> = faults.iter().map(|fault| Origin::playing(fault.play)).collect();
    let groups = faults.iter().zip(&origins).map(|(fault, origin)| Group {
        more,
        ..Group::of(fault.name, origin.address())
    });
    let world = World::start(groups.collect());
    (origins, world)
}

/// Asks all of them at once, on one connection.
#[track_caller]
fn ask_all(world: &World, faults: &[Fault], call: Call) {
    let paths: Vec<_> = faults.iter().map(|fault| format!("/{}/", fault.name)).collect();
    let answers = fetch_all(world, call, &paths);
    let mut wrong = Vec::new();
    for ((fault, path), answer) in faults.iter().zip(&paths).zip(&answers) {
        let (is_expected, reason) = match fault.seen {
            Page(status, reason) => (answer.whole && answer.status == status && is_page(answer, call), reason),
            Broken(reason) => (!answer.whole || [502, 504].contains(&answer.status), reason),
            Whole => (answer.whole && answer.status == 200 && answer.body == "hello", "-"),
        };
        let record = world.record_of(ORIGIN, path);
        if !is_expected || record["error_reason"] != reason {
            wrong.push(format!("{path}: {answer:?}, {}", record["error_reason"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// gRPC is told in its own words. Source: ALB 4.2.
fn is_page(answer: &Answer, call: Call) -> bool {
    let status = answer.headers.get("grpc-status");
    match call {
        Call::Get => answer.body.starts_with("<html>") && status.is_none(),
        Call::Grpc => answer.body.is_empty() && status.is_some_and(|status| status == "14"),
    }
}

const KINDS: [(Call, &str); 2] = [
    (Call::Get, ", protocol_version: http2"),
    (Call::Grpc, ", protocol_version: grpc"),
];

#[test]
fn faulty_targets_of_http_2_cost_their_request_and_leave_nothing() {
    for (call, more) in KINDS {
        let (_origins, world) = world(FAULTS, more);
        ask_all(&world, FAULTS, call);
        world.settles();
    }
}

#[test]
fn silent_targets_of_http_2_cost_their_request_and_leave_nothing() {
    std::thread::scope(|scope| {
        for (call, more) in KINDS {
            scope.spawn(move || {
                let (_origins, world) = world(SILENCES, more);
                ask_all(&world, SILENCES, call);
                world.settles();
            });
        }
    });
}

// Whatever is missing of a response, it never looks whole.
#[test]
fn a_target_of_http_2_may_break_at_every_byte() {
    let trailers = frame(Frame::HEADERS, WHOLE, 1, block(&[("grpc-status", "0")]));
    let answer = [hello(), head(HEAD, &[]), data(0, "hello"), trailers].concat();
    let lost = answer.len();
    for resets in [false, true] {
        let bytes = answer.clone();
        let cut = move |line: &mut Line| {
            // So much of the answer as the number of the connection says.
            let some = &bytes[..line.number.min(bytes.len() - 1)];
            let (hello, rest) = some.split_at(some.len().min(hello().len()));
            // Who is not greeted does not ask.
            if line.send(hello) && some.len() >= 18 && asked(line) {
                line.send(rest);
            }
            if resets {
                line.reset();
            }
        };
        let origin = Origin::playing(cut);
        let group = Group {
            more: ", protocol_version: grpc",
            ..Group::of("cut", origin.address())
        };
        let world = World::start(vec![group]);
        for bytes in 0..lost {
            let path = format!("/cut/{bytes}");
            let [answer] = <[Answer; 1]>::try_from(fetch_all(&world, Call::Grpc, &[path])).unwrap();
            let is_page = answer.whole && [502, 504].contains(&answer.status) && is_page(&answer, Call::Grpc);
            let is_broken = !answer.whole && answer.trailers.is_empty();
            assert!(is_page || is_broken, "{bytes} bytes: {answer:?}");
            // Each has a connection of its own; one that ends before a request is written on it is replaced.
            assert!(origin.accepted() > bytes, "{} connections", origin.accepted());
        }
        world.settles();
    }
}
