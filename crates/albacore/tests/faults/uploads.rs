//! Requests with a body that does not arrive, or that nobody wants.

use crate::world::{GOOD, Group, World};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{Read, Write};
use std::net::TcpStream;
use testkit::{BOUND, Line, Origin, until};

/// More than all buffers on the way hold.
const BODY_BYTES: usize = 16 * 1024 * 1024;

/// What a target reads before it does something wrong.
const SOME_BYTES: usize = 256 * 1024;

struct Fault {
    name: &'static str,
    status: u16,
    reason: &'static str,
    play: fn(&mut Line),
}

const fn fault(name: &'static str, status: u16, reason: &'static str, play: fn(&mut Line)) -> Fault {
    Fault {
        name,
        status,
        reason,
        play,
    }
}

const FAULTS: &[Fault] = &[
    fault("closes-early", 502, "TargetConnectionClosed", |line| {
        line.head();
    }),
    fault("closes-in-the-middle", 502, "TargetConnectionClosed", |line| {
        line.head();
        line.bytes(SOME_BYTES);
    }),
    fault("resets-in-the-middle", 502, "TargetConnectionClosed", |line| {
        line.head();
        line.bytes(SOME_BYTES);
        line.reset();
    }),
    fault("stops-reading", 504, "TargetResponseTimeout", |line| {
        line.head();
        line.bytes(SOME_BYTES);
        reads_nothing(line);
    }),
    fault("answers-early-and-closes", 413, "-", |line| {
        line.head();
        line.send("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    }),
    fault("answers-early-and-stops-reading", 200, "-", |line| {
        line.head();
        line.send(GOOD);
        reads_nothing(line);
    }),
    fault("answers-early-and-resets", 413, "-", |line| {
        line.head();
        line.send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
        // What was sent must have arrived, or the reset destroys it.
        line.bytes(SOME_BYTES);
        line.reset();
    }),
];

/// Reads nothing for longer than the load balancer has patience. That it has closed is then behind what was not read.
fn reads_nothing(line: &mut Line) {
    let longer = Timespec { tv_sec: 3, tv_nsec: 0 };
    poll(&mut [PollFd::new(&line.stream, PollFlags::RDHUP)], Some(&longer)).unwrap();
    line.hold();
}

/// A request whose body is announced in one of two ways.
fn head(path: &str, chunked: bool) -> String {
    let framing = match chunked {
        true => "Transfer-Encoding: chunked".to_owned(),
        false => format!("Content-Length: {BODY_BYTES}"),
    };
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{framing}\r\n\r\n")
}

/// Sends the body while reading what comes: the status that came.
fn upload(world: &World, path: &str, chunked: bool) -> u16 {
    let socket = TcpStream::connect(world.listener()).unwrap();
    socket.set_read_timeout(Some(BOUND)).unwrap();
    socket.set_write_timeout(Some(BOUND)).unwrap();
    let mut answer = Vec::new();
    std::thread::scope(|scope| {
        let mut writing = &socket;
        scope.spawn(move || {
            // Nobody may want it.
            let _ = writing.write_all(head(path, chunked).as_bytes());
            let piece = [b'x'; 64 * 1024];
            for _ in 0..BODY_BYTES / piece.len() {
                let sent = match chunked {
                    true => writing.write_all(&[b"10000\r\n", &piece[..], b"\r\n"].concat()),
                    false => writing.write_all(&piece),
                };
                if sent.is_err() {
                    return;
                }
            }
            if chunked {
                let _ = writing.write_all(b"0\r\n\r\n");
            }
        });
        let mut reading = &socket;
        let _ = reading.read_to_end(&mut answer); // it may be reset behind the answer
    });
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("{path}: {answer:?}"))
}

#[test]
fn a_target_that_wants_no_body_leaves_nothing() {
    let origins: Vec<_> = FAULTS.iter().map(|fault| Origin::playing(fault.play)).collect();
    let groups = FAULTS.iter().zip(&origins);
    let world = World::start(
        groups
            .map(|(fault, origin)| Group::of(fault.name, origin.address()))
            .collect(),
    );
    for chunked in [false, true] {
        std::thread::scope(|scope| {
            for fault in FAULTS {
                let world = &world;
                scope.spawn(move || {
                    let path = format!("/{}/{chunked}", fault.name);
                    let status = upload(world, &path, chunked);
                    assert_eq!(status, fault.status, "{path}: {}", world.record(&path));
                    let record = world.record(&path);
                    assert_eq!(record["error_reason"], fault.reason, "{path}: {record}");
                });
            }
        });
        world.settles();
        until("targets are let go of", || {
            origins.iter().all(|origin| origin.open() == 0).then_some(())
        });
    }
}

// ALB-H-036: a client that stalls in the body for the idle timeout gets 408
#[test]
fn a_client_that_stalls_in_its_body_leaves_nothing() {
    // A target that would answer if it had the whole body.
    let origin = Origin::answering(GOOD);
    let world = World::start(vec![Group::of("stalls", origin.address())]);
    for (head, some) in [
        ("Content-Length: 1000", "half"),
        ("Transfer-Encoding: chunked", "4\r\nhalf\r\n"),
    ] {
        let stalling: Vec<_> = (0..20)
            .map(|number| {
                let path = format!("/stalls/{number}");
                testkit::send(
                    world.listener(),
                    &format!("POST {path} HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n{some}"),
                )
            })
            .collect();
        for mut socket in stalling {
            let mut answer = String::new();
            socket.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
        }
        world.settles();
        until("targets are let go of", || (origin.open() == 0).then_some(()));
    }
}
