//! WebSockets: a 101 ends HTTP, and bytes go both ways as they are. Source: ALB 4.8.

use super::bodies::pattern;
use super::origin::*;
use crate::played::until;
use crate::secure::*;
use crate::support::*;
use model::Command;
use model::elb::target_group::TargetId;
use std::io::Write;

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const AGREE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Agrees, then sends back whatever comes until the client closes.
fn echoing() -> Origin {
    Origin::playing(|line| {
        let head = line.head().unwrap();
        assert!(
            head.contains("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"),
            "{head}"
        );
        line.send(AGREE);
        loop {
            let bytes = line.bytes(1);
            if bytes.is_empty() {
                return;
            }
            line.send(bytes);
        }
    })
}

fn read(client: &mut Client<impl std::io::Read + std::io::Write>, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        bytes.extend(client.some());
    }
    bytes
}

// ALB-H-042: a 101 relays both directions
// ALB-H-043: the log has one entry of type ws, written at the close
#[test]
fn bytes_go_both_ways() {
    let origin = echoing();
    let server = before(&origin);
    let mut client = server.connect();
    client.send(ASK.as_bytes());
    let head = client.response();
    let expected = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    assert_eq!(head.head, expected);
    for message in [&b"\x81\x05hello"[..], b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", b"\0"] {
        client.send(message);
        assert_eq!(read(&mut client, message.len()), message);
    }
    assert!(server.requests().is_empty(), "the log waits for the end");
    drop(client);
    assert_eq!(until_quiet(&server), 0, "its connection is not used again");
    let log = server.log();
    assert_eq!(log.len(), 1);
    let line = &log[0];
    let messages = 7 + 22 + 1;
    assert_eq!(
        (line[0].as_str(), line[8].as_str(), line[9].as_str()),
        ("ws", "101", "101")
    );
    assert_eq!(line[10], (ASK.len() + messages).to_string());
    assert_eq!(line[11], (expected.len() + messages).to_string());
    assert_eq!(line[4], origin.address().to_string());
}

// ALB-H-043: through TLS it is wss
#[test]
fn through_tls() {
    let origin = echoing();
    let server = to(&[origin.address()]).with_tls().start();
    let mut client = server.secure(Offer::default());
    client.send(ASK.as_bytes());
    assert_eq!(client.response().status, 101);
    client.send(b"hello");
    assert_eq!(read(&mut client, 5), b"hello");
    drop(client);
    assert_eq!(until_quiet(&server), 0);
    assert_eq!(server.log()[0][0], "wss");
}

#[test]
fn what_came_with_the_heads_is_not_lost() {
    let origin = Origin::playing(|line| {
        line.head();
        line.send(format!("{AGREE}and me"));
        assert_eq!(line.bytes(5), b"eager");
        line.send("!");
    });
    let server = before(&origin);
    let mut client = server.connect();
    client.send(format!("{ASK}eager").as_bytes());
    assert_eq!(client.response().status, 101);
    assert_eq!(read(&mut client, 7), b"and me!");
    assert_eq!(client.rest(), b"");
}

#[test]
fn much_goes_both_ways_at_once() {
    let origin = echoing_fast();
    let server = before(&origin);
    let mut client = server.connect();
    client.send(ASK.as_bytes());
    assert_eq!(client.response().status, 101);
    let bytes = pattern(20_000_000);
    let (mut sender, sent) = (client.stream.try_clone().unwrap(), bytes.clone());
    let sending = std::thread::spawn(move || {
        sender.write_all(&sent).unwrap();
        sender.shutdown(std::net::Shutdown::Write).unwrap();
    });
    // The target sees that the client has finished, finishes too, and the end arrives.
    assert!(client.rest() == bytes);
    sending.join().unwrap();
    assert_eq!(until_quiet(&server), 0);
}

fn echoing_fast() -> Origin {
    Origin::playing(|line| {
        line.head();
        line.send(AGREE);
        let mut buffer = vec![0; 100_000];
        loop {
            match std::io::Read::read(&mut line.stream, &mut buffer) {
                Ok(count @ 1..) => drop(line.send(&buffer[..count])),
                _ => return,
            }
        }
    })
}

// Either side may stop sending and still listen.
#[test]
fn one_side_may_close_first() {
    let origin = Origin::playing(|line| {
        line.head();
        line.send(format!("{AGREE}bye"));
        line.stop_sending();
        assert_eq!(line.rest(), b"not yet");
    });
    let server = before(&origin);
    let mut client = server.connect();
    client.send(ASK.as_bytes());
    assert_eq!(client.response().status, 101);
    assert_eq!(client.rest(), b"bye");
    client.send(b"not yet");
    drop(client);
    assert_eq!(until_quiet(&server), 0);
}

#[test]
fn a_target_that_breaks_ends_the_client_too() {
    for reset in [false, true] {
        let origin = Origin::playing(move |line| {
            line.head();
            line.send(AGREE);
            line.bytes(1);
            if reset {
                line.reset();
            }
        });
        let server = before(&origin);
        let mut client = server.connect();
        client.send(ASK.as_bytes());
        assert_eq!(client.response().status, 101);
        client.send(b"x");
        assert_eq!(client.rest(), b"");
        drop(client);
        assert_eq!(until_quiet(&server), 0);
        assert_eq!(server.log()[0][8], "101");
    }
}

// The idle timeout applies (ALB 4.8), and any byte in either direction restarts it.
#[test]
fn who_says_nothing_is_cut() {
    let origin = echoing();
    let server = impatient(to(&[origin.address()])).start();
    let mut client = server.connect();
    client.send(ASK.as_bytes());
    assert_eq!(client.response().status, 101);
    for _ in 0..4 {
        Latch::default().pause(std::time::Duration::from_millis(600));
        client.send(b"x");
        assert_eq!(read(&mut client, 1), b"x");
    }
    assert_eq!(client.rest(), b"");
    drop(client);
    assert_eq!(until_quiet(&server), 0);
    until("the target was let go", || origin.open() == 0);
    assert_eq!(server.log()[0][24], "-", "that is no failure");
}

// Any other status is an ordinary response (ALB 4.8).
#[test]
fn a_target_may_refuse() {
    let origin = Origin::answering("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
    let server = before(&origin);
    let mut client = server.connect();
    for _ in 0..2 {
        client.send(ASK.as_bytes());
        let response = client.response();
        assert_eq!(
            (response.status, response.text(), response.header("connection")),
            (403, "no", Some("keep-alive"))
        );
    }
    drop(client);
    until_quiet(&server);
    assert!(server.log().iter().all(|line| line[0] == "http"));
}

// A 101 that nobody asked for, or to something else, is malformed.
#[test]
fn a_101_must_be_an_answer() {
    for (ask, answer) in [
        (GET, AGREE),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
            AGREE,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            AGREE,
        ),
        (
            ASK,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        ),
        (ASK, "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    ] {
        let origin = Origin::answering(answer);
        let server = before(&origin);
        assert_eq!(server.ask(ask).status, 502, "{ask}");
        assert_eq!(until_quiet(&server), 0);
    }
}

// Upgrade goes on for WebSockets only (ALB 4.6).
#[test]
fn other_upgrades_are_not_forwarded() {
    let origin = Origin::answering(OK);
    let server = before(&origin);
    for ask in [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
        // A body beside an upgrade could be read as frames.
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello",
    ] {
        assert_eq!(server.ask(ask).status, 200, "{ask}");
    }
    let seen = origin.received().concat().to_ascii_lowercase();
    assert!(!seen.contains("\r\nupgrade:"), "{seen}");
}

// A connection counts as one outstanding request (ALB 4.8).
#[test]
fn a_tunnel_counts_as_one_request() {
    let origin = echoing();
    let server = before(&origin);
    let mut clients: Vec<_> = (0..3)
        .map(|_| {
            let mut client = server.connect();
            client.send(ASK.as_bytes());
            assert_eq!(client.response().status, 101);
            client
        })
        .collect();
    let outstanding = || match &server.proxy.targets()[0].target {
        model::observed::ReportedTarget::Server(server) => server.outstanding,
        model::observed::ReportedTarget::Function(_) => 0,
    };
    assert_eq!(outstanding(), 3);
    clients.pop();
    until("one has ended", || outstanding() == 2);
    drop(clients);
    assert_eq!(until_quiet(&server), 0);
}

/// A client in a tunnel through this server.
fn in_tunnel(server: &Server) -> Client {
    let mut client = server.connect();
    client.send(ASK.as_bytes());
    assert_eq!(client.response().status, 101);
    client
}

// A tunnel that is open when the deregistration delay of its target ends is cut with it (ALB 4.4), and no sooner.
#[test]
fn a_tunnel_ends_with_the_deregistration_delay() {
    let origin = echoing();
    let mut setup = to(&[]);
    setup.extra = vec![group("web", &[origin.address()], |servers| {
        servers.attributes.deregistration_delay = std::time::Duration::from_secs(1);
    })];
    let mut commands = setup.commands();
    let server = setup.start();
    let mut client = in_tunnel(&server);
    commands.push(Command::DeregisterServers {
        target_group: group_arn("web"),
        targets: vec![(TargetId::Ip(origin.address().ip()), origin.address().port())],
    });
    server.proxy.apply(&state_of(&commands)).unwrap();
    client.send(b"still");
    assert_eq!(read(&mut client, 5), b"still");
    assert_eq!(client.rest(), b"");
    drop(client);
    assert_eq!(until_quiet(&server), 0);
    until("the target was let go", || origin.open() == 0);
    let log = server.log();
    assert_eq!((log[0][8].as_str(), log[0][24].as_str()), ("101", "TargetDeregistered"));
}

// The keep-alive duration ends connections between requests (ALB 4.4): a tunnel lasts for hours.
#[test]
fn a_tunnel_does_not_get_old() {
    let origin = echoing();
    let mut setup = to(&[origin.address()]);
    setup.attributes.client_keep_alive = std::time::Duration::from_millis(300);
    let server = setup.start();
    let mut client = in_tunnel(&server);
    for _ in 0..6 {
        Latch::default().pause(std::time::Duration::from_millis(200));
        client.send(b"x");
        assert_eq!(read(&mut client, 1), b"x");
    }
    drop(client);
    assert_eq!(until_quiet(&server), 0);
    drop(server.log());
}

// A stop waits for tunnels as long as for everything else, and then cuts and logs them.
#[test]
fn a_stop_cuts_tunnels_in_the_end() {
    let origin = echoing();
    let mut setup = to(&[origin.address()]);
    setup.limits.drain = std::time::Duration::from_millis(300);
    let server = setup.start();
    let mut clients: Vec<_> = (0..3).map(|_| in_tunnel(&server)).collect();
    let log = server.log();
    assert!(clients.iter_mut().all(|client| client.rest().is_empty()));
    until("the target was let go", || origin.open() == 0);
    assert_eq!(log.iter().map(|line| line[0].as_str()).collect::<Vec<_>>(), ["ws"; 3]);
}
