//! Every cause of ALB 4.10 that a server can give for an answer of our own, and what the log says of it. After each nothing
//! is left over.

use super::origin::*;
use crate::lambda::complaints::{collect, lines};
use crate::played::until;
use crate::support::*;
use model::Command;
use model::elb::target_group::{TargetId, TargetProtocol};
use socket2::{Domain, Socket, Type};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

/// The fields of a line that say what came of it: target, times, statuses, reason.
fn told(line: &[String]) -> (&str, [&str; 3], [&str; 2], &str) {
    (
        &line[4],
        [&line[5], &line[6], &line[7]],
        [&line[8], &line[9]],
        &line[24],
    )
}

/// A port on which nobody listens.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Sends one request and sees it fail before the response begins.
#[track_caller]
fn fails(setup: Setup, status: u16, reason: &str) {
    let server = setup.start();
    let response = server.get("/");
    assert_eq!(response.status, status, "{:?}", server.requests());
    assert_eq!(response.header("content-type"), Some("text/html"));
    assert_eq!(until_quiet(&server), 0, "the connection is not used again");
    let verdict = server.requests().pop().unwrap().verdict.unwrap();
    assert!(verdict.starts_with("target 127.0.0.1:"), "{verdict}");
    let log = server.log();
    let (target, _, statuses, error) = told(&log[0]);
    assert!(target.starts_with("127.0.0.1:"), "{target}");
    assert_eq!((statuses, error), ([status.to_string().as_str(), "-"], reason));
}

// ALB-H-033: a refused connection answers 502
// ALB-H-044: the 502 page is 122 bytes
#[test]
fn a_refused_connection_is_502() {
    fails(to(&[nobody()]), 502, "TargetConnectionRefused");
    let server = to(&[nobody()]).start();
    assert_eq!(server.get("/").body.len(), 122);
    assert_eq!(server.counter("albacore_proxy_target_connection_errors_total"), 1.0);
    assert_eq!(
        server.counter("albacore_proxy_target_group_requests_total"),
        1.0,
        "a target was chosen"
    );
    let log = server.log();
    assert_eq!(told(&log[0]).1, ["-1", "-1", "-1"]);
}

/// A socket that takes no more connections: those that are made wait for ever.
struct Full {
    address: SocketAddr,
    _socket: Socket,
    _waiting: Vec<Socket>,
}

impl Full {
    fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let waiting = (0..4).map(|_| {
            let waiting = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
            let _ = waiting.connect(&address.into()); // it does not finish
            waiting
        });
        Self {
            address,
            _waiting: waiting.collect(),
            _socket: socket,
        }
    }
}

// ALB-H-032: no connection in time answers 504
#[test]
fn no_connection_in_time_is_504() {
    assert_eq!(proxy::Limits::default().target_connect_timeout, Duration::from_secs(10));
    let full = Full::new();
    let mut setup = to(&[full.address]);
    setup.limits.target_connect_timeout = Duration::from_secs(1);
    fails(setup, 504, "TargetConnectionTimeout");
}

#[test]
fn a_client_that_leaves_while_a_connection_is_made_is_460() {
    let full = Full::new();
    let server = to(&[full.address]).start();
    let mut client = server.connect();
    client.send(GET.as_bytes());
    until("it is being connected", || {
        server.counter("albacore_proxy_target_group_requests_total") == 1.0
    });
    drop(client);
    assert_eq!(until_quiet(&server), 0);
    let log = server.log();
    assert_eq!(told(&log[0]).2, ["460", "-"]);
}

fn with_tls_to(address: SocketAddr) -> Setup {
    let mut setup = to(&[]);
    setup.extra = vec![group("web", &[address], |servers| {
        servers.protocol = TargetProtocol::Https;
    })];
    setup
}

#[test]
fn no_tls_session_in_time_is_504() {
    let origin = Origin::playing(|line| drop(line.rest()));
    let mut setup = with_tls_to(origin.address());
    setup.limits.target_handshake_timeout = Duration::from_secs(1);
    fails(setup, 504, "TargetTLSTimeout");
}

#[test]
fn a_target_that_speaks_no_tls_is_502() {
    for answer in [OK, ""] {
        let origin = Origin::playing(move |line| {
            line.bytes(1);
            line.send(answer);
        });
        fails(with_tls_to(origin.address()), 502, "TargetTLSNegotiationError");
    }
}

// ALB-H-034: a target that closes in the middle of a request answers 502
#[test]
fn a_target_that_closes_is_502() {
    for sent in ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"] {
        for reset in [false, true] {
            let origin = Origin::playing(move |line| {
                line.head();
                line.send(sent);
                if reset {
                    line.reset();
                }
            });
            fails(to(&[origin.address()]), 502, "TargetConnectionClosed");
        }
    }
}

// ALB-H-035: a target that is silent for the idle timeout answers 504
#[test]
fn a_silent_target_is_504() {
    for sent in ["", "HTTP/1.1 200 OK\r\n"] {
        let origin = Origin::playing(move |line| {
            line.head();
            line.send(sent);
            line.rest();
        });
        fails(impatient(to(&[origin.address()])), 504, "TargetResponseTimeout");
    }
}

#[test]
fn a_target_that_does_not_read_is_504() {
    let let_go = Latch::default();
    let origin = Origin::playing({
        let let_go = let_go.clone();
        move |_| let_go.wait()
    });
    let server = impatient(to(&[origin.address()])).start();
    let mut client = server.connect();
    client.stream.set_write_timeout(Some(PATIENCE)).unwrap();
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    let mut sender = client.stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        use std::io::Write;
        let piece = vec![b'x'; 100_000];
        while sender.write_all(&piece).is_ok() {}
    });
    assert_eq!(client.response().status, 504);
    drop(client.rest());
    drop(client);
    sending.join().unwrap();
    let_go.open();
    assert_eq!(until_quiet(&server), 0);
    assert_eq!(told(&server.log()[0]).3, "TargetResponseTimeout");
}

// ALB-H-036: a client that stalls in the middle of its body gets 408; the target's connection ends
#[test]
fn a_client_that_stalls_is_408() {
    for begin in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
    ] {
        let origin = Origin::playing(|line| drop(line.rest()));
        let server = impatient(to(&[origin.address()])).start();
        let mut client = server.connect();
        client.send(begin.as_bytes());
        let response = client.response();
        assert_eq!(
            (response.status, response.header("connection")),
            (408, Some("close")),
            "{begin}"
        );
        assert_eq!(client.rest(), b"");
        drop(client);
        assert_eq!(until_quiet(&server), 0);
        until("the target saw it end", || origin.open() == 0);
        assert_eq!(told(&server.log()[0]).2, ["408", "-"]);
    }
}

// ALB-H-037: fewer bytes than Content-Length end in 504
#[test]
fn a_body_that_never_comes_is_504() {
    for closes in [true, false] {
        let origin = Origin::playing(move |line| {
            line.head();
            line.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
            if !closes {
                line.rest();
            }
        });
        let server = impatient(to(&[origin.address()])).start();
        assert_eq!(server.get("/").status, 504);
        assert_eq!(until_quiet(&server), 0);
        let log = server.log();
        let reason = if closes {
            "TargetResponseIncomplete"
        } else {
            "TargetResponseTimeout"
        };
        let (_, times, statuses, error) = told(&log[0]);
        assert_eq!((statuses, error), (["504", "200"], reason));
        assert!(times[0].starts_with("0.") && times[1].starts_with("0."), "{times:?}");
    }
}

/// What has begun cannot be taken back: the client sees that it ends too early.
#[test]
fn a_response_that_has_begun_is_broken_off() {
    for (begun, reason) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            "TargetResponseIncomplete",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf",
            "TargetConnectionClosed",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nx\r\n",
            "TargetInvalidResponse",
        ),
    ] {
        let origin = Origin::playing(move |line| {
            line.head();
            line.send(begun);
        });
        let server = before(&origin);
        let answer = server.until_closed(GET.as_bytes());
        let text = String::from_utf8(answer).unwrap();
        assert!(
            text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("half"),
            "{text}"
        );
        assert!(
            !text.contains("\r\n0\r\n"),
            "the end of a chunked body would be a lie: {text}"
        );
        assert_eq!(until_quiet(&server), 0);
        let log = server.log();
        let (_, _, statuses, error) = told(&log[0]);
        assert_eq!((statuses, error), (["200", "200"], reason));
    }
}

/// Where only the end of the connection ends a body, it is a reset that tells.
#[test]
fn a_client_of_http_1_0_can_tell_too() {
    let origin = Origin::playing(|line| {
        line.head();
        line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf");
    });
    let server = before(&origin);
    let mut client = server.connect();
    client.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    let mut read = Vec::new();
    let ended = client.stream.read_to_end(&mut read);
    assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

// ALB-H-031: response headers over 32 K answer 502
#[test]
fn a_large_head_is_502() {
    let head = |bytes: usize| {
        let begin = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Long: ";
        format!("{begin}{}\r\n\r\n", "x".repeat(bytes - begin.len() - 4))
    };
    let most = Origin::answering(head(32 * 1024));
    assert_eq!(before(&most).get("/").status, 200, "32 K are taken");
    let more = Origin::answering(head(32 * 1024 + 1));
    fails(to(&[more.address()]), 502, "TargetResponseHeadersTooLarge");
    let endless = Origin::playing(|line| {
        line.head();
        while line.send("X: y\r\n".repeat(1000)) {}
    });
    fails(to(&[endless.address()]), 502, "TargetInvalidResponse");
    let endless = Origin::playing(|line| {
        line.head();
        line.send("HTTP/1.1 200 OK\r\n");
        while line.send("X: y\r\n".repeat(1000)) {}
    });
    fails(to(&[endless.address()]), 502, "TargetResponseHeadersTooLarge");
}

#[test]
fn a_response_that_cannot_be_read_is_502() {
    for response in [
        "garbage\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: b\r\n folded: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
        // Nobody asked for another protocol.
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let origin = Origin::answering(response);
        fails(to(&[origin.address()]), 502, "TargetInvalidResponse");
    }
}

// A head that can be read before a body that cannot.
#[test]
fn a_body_that_cannot_be_read_is_502() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    let server = before(&origin);
    assert_eq!(server.get("/").status, 502);
    assert_eq!(until_quiet(&server), 0);
    let log = server.log();
    assert_eq!(
        (told(&log[0]).2, told(&log[0]).3),
        (["502", "200"], "TargetInvalidResponse")
    );
}

// Equal lengths are one.
#[test]
fn what_has_one_meaning_is_served() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok");
    let response = before(&origin).get("/");
    assert_eq!((response.status, response.text()), (200, "ok"));
}

// ALB-B-021: a group without targets answers 503
// ALB-H-044: the 503 page is 162 bytes
#[test]
fn without_targets_it_is_503() {
    let server = to(&[]).start();
    let response = server.get("/");
    assert_eq!((response.status, response.body.len()), (503, 162));
    assert_eq!(
        server.counter("albacore_proxy_target_group_requests_total"),
        0.0,
        "no target was chosen"
    );
    let log = server.log();
    assert_eq!(told(&log[0]), ("-", ["-1", "-1", "-1"], ["503", "-"], "NoTargets"));
}

/// A proxy whose one target is being asked something, and what it takes to deregister that target at once.
fn deregistering(origin: &Origin) -> (Server, Vec<Command>) {
    let mut setup = to(&[]);
    setup.extra = vec![group("web", &[origin.address()], |servers| {
        servers.attributes.deregistration_delay = Duration::ZERO;
    })];
    let mut commands = setup.commands();
    let server = setup.start();
    commands.push(Command::DeregisterServers {
        target_group: group_arn("web"),
        targets: vec![(TargetId::Ip(origin.address().ip()), origin.address().port())],
    });
    (server, commands)
}

// A request that runs when the deregistration delay ends: 502 (ALB 4.4).
#[test]
fn a_target_that_is_gone_is_502() {
    let origin = Origin::playing(|line| {
        line.head();
        line.rest();
    });
    let (server, commands) = deregistering(&origin);
    let mut client = server.connect();
    client.send(GET.as_bytes());
    until("it is asked", || origin.open() == 1);
    server.proxy.apply(&state_of(&commands)).unwrap();
    assert_eq!(client.response().status, 502);
    drop(client);
    assert_eq!(until_quiet(&server), 0);
    let log = server.log();
    assert_eq!((told(&log[0]).2, told(&log[0]).3), (["502", "-"], "TargetDeregistered"));
}

#[test]
fn connections_that_wait_end_with_their_target() {
    let origin = Origin::answering(OK);
    let (server, commands) = deregistering(&origin);
    assert_eq!(server.get("/").status, 200);
    assert_eq!((until_quiet(&server), origin.open()), (1, 1));
    server.proxy.apply(&state_of(&commands)).unwrap();
    until("its connection is closed", || origin.open() == 0);
    assert_eq!(until_quiet(&server), 0);
}

// A malformed chunk of the client: 400; a target that got the head has its connection closed (ALB 4.9).
#[test]
fn a_client_that_frames_badly_is_400() {
    let origin = Origin::playing(|line| drop(line.rest()));
    let server = before(&origin);
    let mut client = server.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    until("the target has it", || {
        origin.received().concat().ends_with("3\r\nabc\r\n")
    });
    client.send(b"x\r\nGET /hidden HTTP/1.1\r\n\r\n");
    assert_eq!(client.response().status, 400);
    assert_eq!(client.rest(), b"");
    drop(client);
    until("its connection is closed", || origin.open() == 0);
    assert_eq!(until_quiet(&server), 0);
    let seen = origin.received().concat();
    assert!(!seen.contains("hidden") && !seen.contains("0\r\n\r\n"), "{seen}");
}

// A line for whoever runs the target, and not one for each request of a client that comes again and again.
#[test]
fn a_target_that_fails_is_complained_about_with_measure() {
    collect();
    let address = nobody();
    // The port may have been somebody's before.
    let before = lines().len();
    let server = to(&[address]).start();
    let mut client = server.connect();
    for _ in 0..50 {
        client.send(GET.as_bytes());
        assert_eq!(client.response().status, 502);
    }
    let about: Vec<_> = {
        let name = format!("target_addr=\"{address}\"");
        let all = lines();
        let since = all.iter().skip(before);
        since.filter(|line| line.contains(&name)).cloned().collect()
    };
    assert!((1..20).contains(&about.len()), "{} lines", about.len());
    for part in [
        "a target could not be reached ",
        ":targetgroup/web/",
        "error_reason=\"TargetConnectionRefused\"",
        "verdict=\"target 127.0.0.1:",
        " refused the connection: Connection refused",
        "trace_id=\"Root=1-",
    ] {
        assert!(about[0].contains(part), "{part} in {}", about[0]);
    }
}

#[test]
fn every_failure_is_counted_by_its_class() {
    let origin = Origin::answering("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    let server = before(&origin);
    for _ in 0..3 {
        assert_eq!(server.get("/").status, 503);
    }
    let text = server.metrics();
    let of_targets = text
        .lines()
        .find(|line| line.contains("target_responses_total") && line.contains("5xx"));
    assert!(of_targets.unwrap().ends_with(" 3"), "{text}");
    let own = text
        .lines()
        .find(|line| line.contains("elb_responses_total") && line.contains("5xx"));
    assert!(
        own.unwrap().ends_with(" 0"),
        "a target's 503 is not the load balancer's: {text}"
    );
}
