//! WebSockets that break, at every point and on both sides, in clear text and with TLS. Source: ALB 4.8.

use crate::world::{Group, World};
use rustix::net::sockopt::set_socket_linger;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;
use testkit::{BOUND, Line, Origin, SecureStream, secure, trusting, until};

const AGREE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
const SCHEMES: [&str; 2] = ["ws", "wss"];

fn ask(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

/// A client, with TLS or not.
enum Client {
    Clear(TcpStream),
    Secure(Box<SecureStream>),
}

impl Client {
    fn connect(world: &World, scheme: &str) -> Self {
        if scheme == "wss" {
            let stream = secure(world.secure_listener(), "localhost", trusting(&["http/1.1"])).unwrap();
            return Self::Secure(Box::new(stream));
        }
        let socket = TcpStream::connect(world.listener()).unwrap();
        socket.set_read_timeout(Some(BOUND)).unwrap();
        Self::Clear(socket)
    }

    /// Connects, and is agreed with.
    #[track_caller]
    fn upgraded(world: &World, scheme: &str, path: &str) -> Self {
        let mut client = Self::connect(world, scheme);
        client.send(ask(path).as_bytes());
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(client.bytes(1));
        }
        assert!(
            head.starts_with(b"HTTP/1.1 101 "),
            "{:?}",
            String::from_utf8_lossy(&head)
        );
        client
    }

    /// The load balancer may have closed it.
    fn send(&mut self, bytes: &[u8]) {
        let _ = match self {
            Self::Clear(stream) => stream.write_all(bytes),
            Self::Secure(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        };
    }

    #[track_caller]
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let read = match self {
            Self::Clear(stream) => stream.read_exact(&mut bytes),
            Self::Secure(stream) => stream.read_exact(&mut bytes),
        };
        read.unwrap();
        bytes
    }

    /// Everything up to the end, which may be a reset.
    fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let _ = match self {
            Self::Clear(stream) => stream.read_to_end(&mut bytes),
            Self::Secure(stream) => stream.read_to_end(&mut bytes),
        };
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn leave(self, leaving: Leaving) -> Option<Self> {
        let socket = match &self {
            Self::Clear(stream) => stream,
            Self::Secure(stream) => &stream.sock,
        };
        match leaving {
            Leaving::Close => None,
            Leaving::Reset => {
                set_socket_linger(socket, Some(Duration::ZERO)).unwrap();
                None
            }
            Leaving::HalfClose => {
                socket.shutdown(Shutdown::Write).unwrap();
                Some(self)
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Leaving {
    Close,
    Reset,
    HalfClose,
}

const LEAVINGS: [Leaving; 3] = [Leaving::Close, Leaving::Reset, Leaving::HalfClose];

struct Fault {
    name: &'static str,
    /// The status, and the `error_reason` in the log.
    seen: (u16, &'static str),
    play: fn(&mut Line),
}

const fn fault(name: &'static str, seen: (u16, &'static str), play: fn(&mut Line)) -> Fault {
    Fault { name, seen, play }
}

/// Sends this when asked, and holds.
fn says(line: &mut Line, bytes: &str) {
    line.head();
    line.send(bytes);
    line.hold();
}

/// What targets do instead of agreeing, and what they do afterwards.
const FAULTS: &[Fault] = &[
    fault("closes", (502, "TargetConnectionClosed"), |line| drop(line.head())),
    fault("resets", (502, "TargetConnectionClosed"), |line| {
        line.head();
        line.reset();
    }),
    fault("closes-in-the-head", (502, "TargetConnectionClosed"), |line| {
        line.head();
        line.send(&AGREE[..40]);
    }),
    fault("is-silent", (504, "TargetResponseTimeout"), |line| says(line, "")),
    fault("agrees-to-something-else", (502, "TargetInvalidResponse"), |line| {
        says(line, &AGREE.replace("websocket", "h2c"));
    }),
    fault("agrees-without-a-word", (502, "TargetInvalidResponse"), |line| {
        says(line, "HTTP/1.1 101 Switching Protocols\r\n\r\n");
    }),
    // What the client says is read before the end: otherwise a close is a reset, and a reset destroys what was sent.
    fault("agrees-and-closes", (101, "-"), |line| {
        line.head();
        line.send(AGREE);
        line.bytes(1);
    }),
    fault("agrees-and-resets", (101, "TargetConnectionClosed"), |line| {
        line.head();
        line.send(AGREE);
        line.bytes(1);
        line.reset();
    }),
    fault("closes-in-a-frame", (101, "-"), |line| {
        line.head();
        line.send(format!("{AGREE}\u{1}"));
        line.bytes(1);
    }),
    fault("agrees-and-is-silent", (101, "-"), |line| says(line, AGREE)),
    fault("stops-sending", (101, "-"), |line| {
        line.head();
        line.send(AGREE);
        line.stop_sending();
        line.hold();
    }),
];

#[test]
fn a_target_that_breaks_a_tunnel_leaves_nothing() {
    let origins: Vec<_> = FAULTS.iter().map(|fault| Origin::playing(fault.play)).collect();
    let groups = FAULTS.iter().zip(&origins);
    let world = World::start(
        groups
            .map(|(fault, origin)| Group::of(fault.name, origin.address()))
            .collect(),
    );
    let meet = |fault: &Fault, scheme: &str, round: usize| {
        let (path, (status, reason)) = (format!("/{}/{scheme}/{round}", fault.name), fault.seen);
        let mut client = Client::connect(&world, scheme);
        client.send(ask(&path).as_bytes());
        client.send(b"x");
        if status != 101 {
            // What came behind the request is none.
            client.send(b"\r\n\r\n");
        }
        let answer = client.rest();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer:?}");
        drop(client);
        let (origin, plain) = match scheme {
            "ws" => ("http://localhost:8080", "http"),
            _ => ("https://localhost:8443", "https"),
        };
        let record = world.record_of(origin, &path);
        assert_eq!(
            record["type"],
            if status == 101 { scheme } else { plain },
            "{path}: {record}"
        );
        assert_eq!(record["error_reason"], reason, "{path}: {record}");
        assert_eq!(record["elb_status_code"], status.to_string(), "{path}: {record}");
    };
    std::thread::scope(|scope| {
        for fault in FAULTS {
            for scheme in SCHEMES {
                for round in 0..3 {
                    let meet = &meet;
                    scope.spawn(move || meet(fault, scheme, round));
                }
            }
        }
    });
    world.settles();
}

/// Agrees, and sends back whatever comes.
fn echo(line: &mut Line) {
    if line.head().is_none() {
        return;
    }
    line.send(AGREE);
    loop {
        let some = line.bytes(1);
        if some.is_empty() || !line.send(some) {
            return;
        }
    }
}

#[test]
fn a_client_that_leaves_anywhere_in_its_upgrade_leaves_nothing() {
    let origin = Origin::playing(echo);
    let world = World::start(vec![Group::of("echoes", origin.address())]);
    let bytes = [ask("/echoes/").as_bytes(), b"\x81\x85abcdhello"].concat();
    for leaving in LEAVINGS {
        let left: Vec<_> = (0..=bytes.len())
            .map(|cut| {
                let mut client = Client::connect(&world, "ws");
                client.send(&bytes[..cut]);
                client.leave(leaving)
            })
            .collect();
        // Who still listens hears the end.
        left.into_iter().flatten().for_each(|mut client| drop(client.rest()));
        world.settles();
        until("the target is let go of", || (origin.open() == 0).then_some(()));
    }
}

#[test]
fn a_client_that_leaves_its_tunnel_leaves_nothing() {
    let echoing = Origin::playing(echo);
    // One that talks without end, and does not listen.
    let talking = Origin::playing(|line| {
        line.head();
        line.send(AGREE);
        while line.send([b'x'; 64 * 1024]) {}
    });
    let world = World::start(vec![
        Group::of("echoes", echoing.address()),
        Group::of("talks", talking.address()),
    ]);
    for scheme in SCHEMES {
        for leaving in LEAVINGS {
            for count in [1, 1_000, 300_000] {
                let mut client = Client::upgraded(&world, scheme, "/echoes/");
                client.send(b"hello");
                assert_eq!(client.bytes(5), b"hello");
                let mut left = client.leave(leaving);
                assert!(left.as_mut().is_none_or(|client| client.rest().is_empty()));

                let mut client = Client::upgraded(&world, scheme, "/talks/");
                client.bytes(count);
                // What it says last has nowhere to go.
                client.send(&vec![b'y'; count]);
                // Who only stops sending would listen for ever.
                let left = client.leave(leaving);
                drop(left);
            }
        }
        until("the targets are let go of", || {
            (echoing.open() + talking.open() == 0).then_some(())
        });
        world.settles();
    }
}
