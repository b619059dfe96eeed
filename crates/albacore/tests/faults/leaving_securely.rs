//! Clients that leave in the middle of TLS and HTTP/2.

use crate::http2_targets;
use crate::world::{GOOD, Group, World};
use rustix::net::sockopt::set_socket_linger;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use testkit::{Frame, Http2, Origin, header_block, preface, secure, trusting, until};

/// A socket that lets so many bytes out and no more.
struct Cut {
    socket: TcpStream,
    left: usize,
}

impl Write for Cut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let some = bytes.len().min(self.left);
        if some == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.left -= some;
        self.socket.write(&bytes[..some])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Cut {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.socket.read(bytes)
    }
}

fn abandon(socket: &TcpStream, reset: bool) {
    if reset {
        set_socket_linger(socket, Some(Duration::ZERO)).unwrap();
    }
}

#[test]
fn a_client_that_leaves_in_its_handshake_leaves_nothing() {
    let world = World::start(Vec::new());
    for reset in [false, true] {
        let mut complete = 0;
        for left in (0..100).chain((100..3_000).step_by(29)) {
            let mut cut = Cut {
                socket: TcpStream::connect(world.secure_listener()).unwrap(),
                left,
            };
            let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
            let mut session = rustls::ClientConnection::new(trusting(&["h2", "http/1.1"]), name).unwrap();
            while session.is_handshaking() {
                if session.complete_io(&mut cut).is_err() {
                    break;
                }
            }
            complete += usize::from(!session.is_handshaking());
            abandon(&cut.socket, reset);
        }
        assert!(complete > 0, "some had enough for a whole handshake");
        world.settles();
    }
}

fn request(method: &str, path: &str) -> Vec<u8> {
    header_block(&[
        (b":method", method.as_bytes()),
        (b":scheme", b"https"),
        (b":authority", b"localhost"),
        (b":path", path.as_bytes()),
    ])
}

#[test]
fn a_client_that_leaves_anywhere_in_http_2_leaves_nothing() {
    let http1 = Origin::answering(GOOD);
    let http2 = Origin::playing(http2_targets::answer_all);
    let world = World::start(vec![
        Group::of("http1", http1.address()),
        Group {
            more: ", protocol_version: http2",
            ..Group::of("http2", http2.address())
        },
    ]);
    for path in ["/http1/", "/http2/"] {
        let bytes = [
            preface(),
            Frame::new(Frame::HEADERS, Frame::END_HEADERS, 1, request("POST", path)).encode(),
            Frame::new(Frame::DATA, 0, 1, "some").encode(),
            Frame::new(Frame::HEADERS, 5, 3, request("GET", path)).encode(),
            Frame::new(Frame::DATA, Frame::END_STREAM, 1, "more").encode(),
            Frame::new(Frame::GOAWAY, 0, 0, [0; 8]).encode(),
        ]
        .concat();
        for reset in [false, true] {
            for cut in 0..=bytes.len() {
                let mut stream = secure(world.secure_listener(), "localhost", trusting(&["h2"])).unwrap();
                stream.write_all(&bytes[..cut]).unwrap();
                if cut == bytes.len() {
                    // One that leaves at once may be gone before anybody is asked.
                    let asked = if path == "/http1/" { &http1 } else { &http2 };
                    until("the target is asked", || (asked.accepted() > 0).then_some(()));
                }
                abandon(&stream.sock, reset);
            }
            world.settles();
        }
    }
}

// ALB-H-038: a client that leaves before the response is logged as 460
#[test]
fn streams_that_are_reset_let_their_targets_go() {
    let waiting = Origin::playing(|line| line.hold());
    let sending = Origin::playing(|line| {
        line.request();
        line.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        while line.send([b'x'; 64 * 1024]) {}
    });
    let world = World::start(vec![
        Group::of("waits", waiting.address()),
        Group::of("sends", sending.address()),
    ]);
    for by in ["stream", "goaway", "close", "reset"] {
        let path = format!("/waits/{by}");
        let mut client = Http2::open(world.secure_listener()).unwrap();
        let streams: Vec<u32> = (0..30).map(|index| 2 * index + 1).collect();
        for (index, stream) in streams.iter().enumerate() {
            let (block, flags) = match index % 3 {
                0 => (request("GET", &path), Frame::END_HEADERS | Frame::END_STREAM),
                1 => (request("POST", &format!("{path}/upload")), Frame::END_HEADERS),
                _ => (request("GET", "/sends/"), Frame::END_HEADERS | Frame::END_STREAM),
            };
            client.send(&Frame::new(Frame::HEADERS, flags, *stream, block)).unwrap();
            if index % 3 == 1 {
                client.send(&Frame::new(Frame::DATA, 0, *stream, "some")).unwrap();
            }
        }
        until("all are asked", || {
            (waiting.open() == 20 && sending.open() == 10).then_some(())
        });
        // The connection's, and one for each stream.
        world.has_tasks(31);
        match by {
            "stream" => {
                for stream in &streams {
                    let cancel = Frame::new(Frame::RST_STREAM, 0, *stream, 8_u32.to_be_bytes());
                    client.send(&cancel).unwrap();
                }
            }
            // It says goodbye, and closes.
            "goaway" => client.send(&Frame::new(Frame::GOAWAY, 0, 0, [0; 8])).unwrap(),
            _ => abandon(&client.stream.sock, by == "reset"),
        }
        let left = (by == "stream").then_some(client);
        until("targets are let go of", || {
            (waiting.open() + sending.open() == 0).then_some(())
        });
        drop(left);
        for (path, status) in [(path.clone(), "460"), (format!("{path}/upload"), "400")] {
            let record = world.record_of("https://localhost:8443", &path);
            assert_eq!(record["elb_status_code"], status, "{by}: {record}");
        }
        world.settles();
    }
}
