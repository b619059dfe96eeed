//! Clients that leave, at every point of what they do: with a word or with a reset, in clear text and with TLS, over
//! HTTP/1.1 and HTTP/2.

use crate::world::{GOOD, Group, World};
use rustix::net::sockopt::set_socket_linger;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use testkit::{Origin, until};

/// How a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    Close,
    Reset,
    /// It sends no more, but would read.
    HalfClose,
}
use Leaving::{Close, HalfClose, Reset};

fn leave(socket: TcpStream, leaving: Leaving) -> Option<TcpStream> {
    match leaving {
        Close => None,
        Reset => {
            set_socket_linger(&socket, Some(Duration::ZERO)).unwrap();
            None
        }
        HalfClose => {
            socket.shutdown(std::net::Shutdown::Write).unwrap();
            Some(socket)
        }
    }
}

/// A connection on which so much was sent.
fn sent(world: &World, bytes: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(world.listener()).unwrap();
    socket.set_read_timeout(Some(testkit::BOUND)).unwrap();
    socket.write_all(bytes).unwrap();
    socket
}

const REQUESTS: [&str; 4] = [
    "GET /answers/ HTTP/1.1\r\nHost: localhost\r\nX-Some: thing\r\n\r\n",
    "POST /answers/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n0123456789",
    "POST /answers/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5;a=b\r\n56789\r\n0\r\nT: t\r\n\r\n",
    "PUT /answers/ HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody",
];

#[test]
fn a_client_that_leaves_anywhere_in_its_request_leaves_nothing() {
    let origin = Origin::answering(GOOD);
    let world = World::start(vec![Group::of("answers", origin.address())]);
    for request in REQUESTS {
        for leaving in [Close, Reset, HalfClose] {
            let left: Vec<_> = (0..=request.len())
                .map(|cut| leave(sent(&world, &request.as_bytes()[..cut]), leaving))
                .collect();
            // Who still reads is told, and then the connection ends.
            for (cut, socket) in left.into_iter().enumerate() {
                let Some(mut socket) = socket else { continue };
                let mut answer = String::new();
                socket.read_to_string(&mut answer).unwrap();
                let answer = answer.trim_start_matches("HTTP/1.1 100 Continue\r\n\r\n");
                let is_expected = match cut {
                    0 => answer.is_empty(),
                    // A whole request may be answered or, since its client is gone, not be.
                    cut if cut == request.len() => answer.is_empty() || answer.ends_with("good"),
                    _ => answer.starts_with("HTTP/1.1 400 "),
                };
                assert!(is_expected, "{cut} bytes of {request:?}: {answer:?}");
            }
            world.settles();
        }
    }
}

// ALB-H-038: a client that leaves before the response is logged as 460
#[test]
fn a_client_that_does_not_wait_takes_its_request_along() {
    let origin = Origin::playing(|line| line.hold());
    let world = World::start(vec![Group::of("waits", origin.address())]);
    for (round, leaving) in [Close, Reset, HalfClose].into_iter().enumerate() {
        let path = format!("/waits/{round}");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let waiting: Vec<_> = (0..50).map(|_| sent(&world, request.as_bytes())).collect();
        until("the target has all requests", || {
            let received = origin.received();
            let mut requests = received
                .iter()
                .filter(|bytes| bytes.starts_with(format!("GET {path} ").as_bytes()));
            (requests.by_ref().count() == 50).then_some(())
        });
        world.has_tasks(50);
        let left: Vec<_> = waiting.into_iter().map(|socket| leave(socket, leaving)).collect();
        until("the target is let go of", || (origin.open() == 0).then_some(()));
        drop(left);
        assert_eq!(world.record(&path)["elb_status_code"], "460");
        world.settles();
    }
}

#[test]
fn a_client_that_leaves_in_a_download_leaves_nothing() {
    let origin = Origin::playing(|line| {
        while let Some(request) = line.request() {
            let chunked = request.target().ends_with("chunked");
            let head = match chunked {
                true => "Transfer-Encoding: chunked",
                false => "Content-Length: 1000000000",
            };
            line.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n"));
            let piece = "x".repeat(0x8000);
            let chunk = format!("8000\r\n{piece}\r\n");
            while line.send(if chunked { &chunk } else { &piece }) {}
        }
    });
    let world = World::start(vec![Group::of("downloads", origin.address())]);
    for leaving in [Close, Reset] {
        for framing in ["length", "chunked"] {
            for count in [1, 10, 100, 1_000, 20_000, 200_000, 2_000_000] {
                let request = format!("GET /downloads/{framing} HTTP/1.1\r\nHost: localhost\r\n\r\n");
                let mut socket = sent(&world, request.as_bytes());
                let mut some = vec![0; count];
                socket.read_exact(&mut some).unwrap();
                leave(socket, leaving);
            }
        }
        until("the target is let go of", || (origin.open() == 0).then_some(()));
        world.settles();
    }
}

#[test]
fn a_client_that_leaves_in_an_upload_leaves_half_a_request() {
    // A request that is not whole must never be taken for one that is.
    let origin = Origin::playing(|line| assert_eq!(line.request(), None));
    let world = World::start(vec![Group::of("uploads", origin.address())]);
    for leaving in [Close, Reset, HalfClose] {
        for framing in ["Content-Length: 10000000", "Transfer-Encoding: chunked"] {
            for count in [0, 1, 1_000, 100_000, 3_000_000] {
                let head = format!("POST /uploads/ HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n");
                let body = match framing.starts_with("Content") {
                    true => "x".repeat(count),
                    false => format!("{:x}\r\n{}", count * 2 + 1, "x".repeat(count)),
                };
                let socket = sent(&world, format!("{head}{body}").as_bytes());
                if let Some(mut socket) = leave(socket, leaving) {
                    let mut answer = String::new();
                    socket.read_to_string(&mut answer).unwrap();
                    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer:?}");
                }
            }
        }
        until("the target is let go of", || (origin.open() == 0).then_some(()));
        world.settles();
    }
}
