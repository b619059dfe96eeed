//! Many connections at once, more than there are places for, and the end of all of them.

mod overload;

use crate::played::*;
use crate::secure::*;
use crate::support::*;
use model::command::listener::CreateListener;
use model::command::load_balancer::CreateLoadBalancer;
use model::elb::listener::{ListenerAttributes, ListenerProtocol};
use model::elb::load_balancer::{LoadBalancerAttributes, Scheme};
use model::elb::name::LoadBalancerName;
use model::{Command, ListenerArn, LoadBalancerArn, Owner, ResourceId, RuleArn, State};
use proxy::Limits;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A load balancer with listeners on these ports.
fn another_load_balancer(name: &str, ports: std::ops::Range<u16>) -> Vec<Command> {
    let load_balancer = LoadBalancerArn::new(&scope(), name, ResourceId(1));
    let mut commands = vec![Command::CreateLoadBalancer(CreateLoadBalancer {
        arn: load_balancer.clone(),
        name: LoadBalancerName::try_from(name).unwrap(),
        scheme: Scheme::InternetFacing,
        dns_name: format!("{name}.elb.localhost"),
        attributes: LoadBalancerAttributes::default(),
        owner: Owner::Manifest,
    })];
    commands.extend(ports.map(|port| {
        let arn = ListenerArn::new(&load_balancer, ResourceId(port.into()));
        Command::CreateListener(CreateListener {
            default_rule: RuleArn::new(&arn, ResourceId(0)),
            arn,
            load_balancer: load_balancer.clone(),
            port,
            protocol: ListenerProtocol::Http,
            default_actions: fixed(200, name),
            attributes: ListenerAttributes::default(),
            owner: Owner::Manifest,
        })
    }));
    commands
}

/// Drains in the background.
fn drain(server: &Server) -> std::thread::JoinHandle<()> {
    let proxy = server.proxy.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(proxy.drain());
    })
}

#[test]
fn the_next_client_waits_for_a_place_and_gets_it() {
    let mut setup = Setup::default();
    setup.limits.connections_max = 2;
    setup.limits.refuse_after = PATIENCE;
    let server = setup.start();
    let mut open: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for client in &mut open {
        client.send(REQUEST);
        assert_eq!(client.response().status, 200);
    }
    for _ in 0..5 {
        let mut waiting = server.connect();
        waiting.send(REQUEST);
        waiting
            .stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let early = waiting.stream.read(&mut [0; 1]).unwrap_err();
        assert_eq!(
            early.kind(),
            std::io::ErrorKind::WouldBlock,
            "nobody is served without a place"
        );
        waiting.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        open.remove(0);
        assert_eq!(waiting.response().status, 200);
        open.push(waiting);
    }
    assert!(server.counter("albacore_proxy_accept_waits_total") >= 1.0);
    assert_eq!(server.proxy.connections(), 2);
}

// A single waiter that is woken may be the socket to which nobody connects.
#[test]
fn a_free_place_is_for_every_listener() {
    let mut setup = Setup::default();
    setup.limits.connections_max = 1;
    setup.limits.refuse_after = PATIENCE;
    setup.extra = another_load_balancer("other", PORT + 1..PORT + 2);
    let server = setup.start();
    let ports: Vec<_> = server
        .proxy
        .listeners()
        .iter()
        .map(|listener| listener.socket)
        .collect();
    assert_eq!(ports.len(), 2);
    let client = |at: usize| {
        let stream = TcpStream::connect(ports[at]).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client::new(stream);
        client.send(REQUEST);
        client
    };
    // All orders of who holds the place and who waits for it.
    for (holder, waiter) in [(0, 1), (1, 0), (0, 0), (1, 1), (0, 1), (1, 0)] {
        let mut first = client(holder);
        assert_eq!(first.response().status, 200);
        let mut second = client(waiter);
        drop(first);
        assert_eq!(second.response().status, 200, "{holder} {waiter}");
    }
}

#[test]
fn a_thousand_connections_leave_nothing_behind() {
    let server = Setup::default().with_tls().start();
    let config = Offer::default().config();
    for round in 0..1000 {
        match round % 4 {
            0 => drop(server.connect()),
            1 => {
                let mut client = server.connect();
                client.send(b"\x16\x03\x01");
            }
            2 => drop(server.handshake(&config, "shop.example").unwrap()),
            _ => assert_eq!(server.handshake(&config, "shop.example").unwrap().get().status, 200),
        }
    }
    until("all connections are gone", || server.proxy.connections() == 0);
    assert_eq!(server.counter("albacore_proxy_client_connections"), 0.0);
    assert_eq!(server.log().len(), 250);
}

#[test]
fn pipelining_without_reading_is_bounded() {
    let server = Setup::default().start();
    let mut client = server.connect();
    client
        .stream
        .set_write_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let batch = REQUEST.repeat(1000);
    let mut sent = 0;
    while let Ok(count) = client.stream.write(&batch[sent % batch.len()..]) {
        sent += count;
        assert!(sent < 256 << 20, "the server takes everything");
    }
    // What was taken is answered, once somebody reads.
    let asked = sent / REQUEST.len();
    (0..asked).for_each(|_| assert_eq!(client.response().status, 200));
}

#[test]
fn draining_closes_what_is_idle_and_finishes_what_runs() {
    let (gate, function) = Gate::before(r#"{"statusCode":200,"body":"done"}"#);
    let server = Setup::lambda(false, function).start();
    let mut fresh = server.connect();
    let mut busy = server.connect();
    busy.send(REQUEST);
    gate.wait();
    let mut used = server.connect();
    used.send(REQUEST);
    gate.wait();
    gate.release();
    gate.release();
    // One of the two was let go; which one is the gate's choice.
    assert_eq!((busy.response().text(), used.response().text()), ("done", "done"));
    busy.send(REQUEST);
    gate.wait();
    let draining = drain(&server);
    assert_eq!((fresh.rest(), used.rest()), (Vec::new(), Vec::new()));
    until("nothing new is accepted", || {
        TcpStream::connect(server.address).is_err()
    });
    gate.release();
    let last = busy.response();
    assert_eq!((last.text(), last.header("connection")), ("done", Some("close")));
    draining.join().unwrap();
    assert_eq!(server.counter("albacore_proxy_drain_expired_total"), 0.0);
    assert_eq!(server.log().len(), 3);
}

#[test]
fn draining_cuts_what_does_not_end_and_logs_it() {
    let (gate, function) = Gate::before(r#"{"statusCode":200}"#);
    let mut setup = Setup::lambda(false, function);
    setup.limits.drain = Duration::from_millis(300);
    let server = setup.start();
    let mut busy = server.connect();
    busy.send(REQUEST);
    gate.wait();
    let mut half = server.connect();
    half.send(b"GET / HT");
    until("both are accepted", || server.proxy.connections() == 2);
    drain(&server).join().unwrap();
    assert_eq!((busy.rest(), half.rest()), (Vec::new(), Vec::new()));
    assert_eq!(server.counter("albacore_proxy_drain_expired_total"), 2.0);
    assert_eq!(server.proxy.connections(), 0);
    let log = server.log();
    assert_eq!((log.len(), &*log[0][8]), (1, "-"));
}

#[test]
fn draining_does_not_wait_for_handshakes_that_never_began() {
    let server = Setup::default().with_tls().start();
    let mut silent = server.connect();
    until("it is accepted", || server.proxy.connections() == 1);
    drain(&server).join().unwrap();
    assert_eq!(silent.rest(), b"");
    assert_eq!(server.counter("albacore_proxy_drain_expired_total"), 0.0);
    assert_eq!(server.counter("albacore_proxy_tls_negotiation_errors_total"), 0.0);
}

#[test]
fn more_ports_than_the_queue_of_a_core_has_places() {
    let mut setup = Setup::default();
    for (at, name) in ["one", "two", "three"].into_iter().enumerate() {
        let first = PORT + 1 + 50 * at as u16;
        setup.extra.extend(another_load_balancer(name, first..first + 50));
    }
    setup.cores = 2;
    let server = setup.start();
    let listeners = server.proxy.listeners();
    assert_eq!(listeners.len(), 151);
    for listener in &listeners {
        let stream = TcpStream::connect(listener.socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client::new(stream);
        client.send(REQUEST);
        assert_eq!(client.response().status, 200, "{}", listener.port);
    }
}

// As `terraform apply` does when it replaces a listener.
#[test]
fn a_port_may_be_closed_and_opened_again_at_once() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let setup = Setup {
        socket_port: free,
        cores: 2,
        ..Setup::default()
    };
    let commands = setup.commands();
    let server = setup.start();
    let (with, without) = (state_of(&commands), State::default());
    let mut open = server.connect();
    open.send(REQUEST);
    assert_eq!(open.response().status, 200);
    for _ in 0..50 {
        server.proxy.apply(&without).unwrap();
        assert!(TcpStream::connect(server.address).is_err());
        server.proxy.apply(&with).unwrap();
        assert_eq!(server.get("/").status, 200);
    }
    open.send(REQUEST);
    assert_eq!(
        open.response().status,
        200,
        "a connection outlives its listener's absence"
    );
}

#[test]
fn bodies_that_are_held_together_are_bounded() {
    let limits = Limits {
        body_bytes_max: 3000,
        ..Limits::default()
    };
    let server = Setup {
        limits,
        ..Setup::lambda(false, echo())
    }
    .start();
    let mut first = server.connect();
    first.send(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 801\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(first.response().head, "HTTP/1.1 100 Continue\r\n\r\n");
    first.send(&[b'x'; 800]);
    let post = |bytes: usize| {
        let body = "y".repeat(bytes);
        server.ask(&format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: {bytes}\r\n\r\n{body}"
        ))
    };
    // The first body is held as soon as a second one finds no room beside it.
    until("the first body is held", || post(1200).status == 503);
    assert_eq!(post(100).status, 200);
    first.send(b"x");
    assert_eq!(first.response().json()["body"].as_str().map(str::len), Some(801));
    assert_eq!(post(2000).status, 200);
}
