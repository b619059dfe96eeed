//! Targets that cannot be connected to. Source: ALB 4.3, 4.4.

use crate::world::{Group, World};
use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;
use testkit::Origin;

/// A listener that never accepts, and the connections that fill its backlog: the kernel answers no further one.
struct Full {
    address: SocketAddr,
    _listener: OwnedFd,
    _waiting: Vec<TcpStream>,
}

impl Full {
    fn new() -> Self {
        let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&listener, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        listen(&listener, 0).unwrap();
        let address: SocketAddr = getsockname(&listener).unwrap().try_into().unwrap();
        let mut waiting = Vec::new();
        loop {
            match TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
                Ok(stream) => waiting.push(stream),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
                    break;
                }
            }
        }
        Self {
            address,
            _listener: listener,
            _waiting: waiting,
        }
    }
}

/// A port where nobody listens.
fn refusing() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
}

fn https(name: &str, origin: &Origin) -> Group {
    Group {
        more: ", protocol: https",
        ..Group::of(name, origin.address())
    }
}

// ALB-H-032: no connection within 10 s answers 504. ALB-H-033: a refused connection answers 502
#[test]
fn a_target_that_takes_no_connection_leaves_nothing() {
    let full = Full::new();
    let silent = Origin::playing(|line| line.hold());
    let closing = Origin::playing(|_| {});
    let garbage = Origin::playing(|line| {
        line.send("HTTP/1.1 400 Bad Request\r\n\r\n");
        line.hold();
    });
    let resetting = Origin::playing(|line| {
        line.read_more();
        line.reset();
    });
    let world = World::start(vec![
        Group::of("refuses", refusing()),
        Group::of("is-full", full.address),
        https("tls-is-silent", &silent),
        https("tls-closes", &closing),
        https("tls-is-none", &garbage),
        https("tls-resets", &resetting),
    ]);
    let seen = [
        ("refuses", 502, "TargetConnectionRefused"),
        ("is-full", 504, "TargetConnectionTimeout"),
        ("tls-is-silent", 504, "TargetTLSTimeout"),
        ("tls-closes", 502, "TargetTLSNegotiationError"),
        ("tls-is-none", 502, "TargetTLSNegotiationError"),
        ("tls-resets", 502, "TargetTLSNegotiationError"),
    ];
    let ask = |(name, status, reason): (&str, u16, &str), round| {
        let path = format!("/{name}/{round}");
        let mut connection = world.connect();
        let answer = connection.get(&path).unwrap();
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_eq!(
            connection.get("/good/").unwrap().body,
            "good",
            "{path}: the connection serves on"
        );
        assert_eq!(world.record(&path)["error_reason"], reason, "{path}");
    };
    std::thread::scope(|scope| {
        for it in seen {
            for round in 0..3 {
                let ask = &ask;
                scope.spawn(move || ask(it, round));
            }
        }
        // And of those who do not wait, nothing is left before the time is over.
        for name in ["is-full", "tls-is-silent"] {
            for leaving in 0..20 {
                let mut connection = world.connect();
                connection
                    .send(format!("GET /{name}/gone/{leaving} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
                    .unwrap();
            }
        }
    });
    assert_eq!(world.record("/is-full/gone/0")["elb_status_code"], "460");
    world.settles();
    assert_eq!((silent.open(), garbage.open()), (0, 0));
}
