//! Timers of ALB 4.4: idle time, stalled heads and bodies, the age of connections.

use crate::played::*;
use crate::secure::*;
use crate::support::*;
use model::Command;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn impatient(setup: Setup) -> Setup {
    let mut setup = setup;
    setup.attributes.idle_timeout = SECOND;
    setup
}

#[test]
fn an_idle_connection_is_closed_silently() {
    let clear = impatient(Setup::default()).start();
    let mut fresh = clear.connect();
    let mut used = clear.connect();
    used.send(REQUEST);
    assert_eq!(used.response().status, 200);
    assert_eq!((fresh.rest(), used.rest()), (Vec::new(), Vec::new()));
    let secure = impatient(Setup::default()).with_tls().start();
    let mut client = secure.secure(Offer::default());
    assert_eq!(client.get().status, 200);
    // Reading to the end without an error: the end was announced.
    assert_eq!(client.rest(), b"");
    for server in [clear, secure] {
        until("the connections are gone", || server.proxy.connections() == 0);
        assert_eq!(server.log().len(), 1);
    }
}

#[test]
fn a_stalled_head_is_answered_408() {
    let server = impatient(Setup::default()).start();
    for (request, kept) in [
        ("G", false),
        ("GET / HTTP/1.1\r\nHost: a\r\n", false),
        ("GET / HT", true),
    ] {
        let mut client = server.connect();
        if kept {
            client.send(REQUEST);
            assert_eq!(client.response().status, 200);
        }
        client.send(request.as_bytes());
        let response = client.response();
        assert_eq!((response.status, response.body.len()), (408, 132), "{request}");
        assert_eq!(response.header("connection"), Some("close"));
        assert_eq!(client.rest(), b"");
    }
    let log = server.log();
    assert_eq!(log.iter().filter(|line| line[8] == "408").count(), 3);
    assert_eq!(log[0][12], "- http://shop-123456789.us-east-1.elb.localhost:8080- -");
}

// ALB-H-036: a client that stalls in the middle of a body gets 408
#[test]
fn a_stalled_body_is_answered_408() {
    let seen = Seen::default();
    let server = impatient(Setup::lambda(false, seen.answering(r#"{"statusCode":200}"#))).start();
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n",
    ] {
        let mut client = server.connect();
        client.send(request.as_bytes());
        let response = client.response();
        assert_eq!(
            (response.status, response.header("connection")),
            (408, Some("close")),
            "{request}"
        );
        assert_eq!(client.rest(), b"");
    }
    assert_eq!(seen.count(), 0);
    assert!(server.log().iter().all(|line| line[8] == "408"));
}

#[test]
fn a_head_has_a_deadline_even_if_bytes_keep_coming() {
    let mut setup = impatient(Setup::default());
    setup.limits.head_timeout = 2 * SECOND;
    let server = setup.start();
    let mut client = server.connect();
    client
        .stream
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let began = Instant::now();
    client.send(b"GET / HTTP/1.1\r\n");
    let mut answer = Vec::new();
    // A byte every 200 ms: the read's timeout is the pause.
    while answer.is_empty() {
        let _ = client.stream.write_all(b"a"); // it may be closed when the answer is on its way
        let mut bytes = [0; 4096];
        if let Ok(count) = client.stream.read(&mut bytes) {
            answer.extend_from_slice(&bytes[..count]);
        }
        assert!(began.elapsed() < PATIENCE, "a client may dawdle for ever");
    }
    assert!(
        answer.starts_with(b"HTTP/1.1 408 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert!(began.elapsed() > SECOND);
}

#[test]
fn a_function_may_take_longer_than_the_idle_timeout() {
    let (gate, function) = Gate::before(r#"{"statusCode":200}"#);
    let server = impatient(Setup::lambda(false, function)).start();
    let mut waiting = server.connect();
    waiting.send(REQUEST);
    gate.wait();
    for _ in 0..2 {
        assert_eq!(server.connect().rest(), b"", "an idle connection of the same second");
    }
    gate.release();
    assert_eq!(waiting.response().status, 200);
}

// ALB-H-039: after the client keep-alive duration one more response is sent with Connection: close
#[test]
fn a_connection_has_an_age() {
    let mut setup = Setup::default();
    setup.attributes.client_keep_alive = SECOND;
    let server = setup.start();
    let began = Instant::now();
    let mut client = server.connect();
    loop {
        client.send(REQUEST);
        let response = client.response();
        assert_eq!(response.status, 200);
        if response.header("connection") == Some("close") {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "it never gets old");
    }
    assert!(began.elapsed() >= SECOND);
    assert_eq!(client.rest(), b"");
}

// ALB-H-040: changing the keep-alive attribute does not affect open connections
#[test]
fn an_age_is_fixed_when_the_connection_is_accepted() {
    let setup = Setup::default();
    let mut commands = setup.commands();
    let server = setup.start();
    let mut old = server.connect();
    old.send(REQUEST);
    assert_eq!(old.response().header("connection"), Some("keep-alive"));
    let mut changed = Setup::default();
    changed.attributes.client_keep_alive = Duration::ZERO;
    commands.push(Command::SetLoadBalancerAttributes(
        load_balancer_arn(),
        changed.attributes,
    ));
    server.proxy.apply(&state_of(&commands)).unwrap();
    let mut new = server.connect();
    new.send(REQUEST);
    assert_eq!(new.response().header("connection"), Some("close"));
    old.send(REQUEST);
    assert_eq!(old.response().header("connection"), Some("keep-alive"));
}

#[test]
fn a_client_that_never_reads_is_let_go() {
    let document = format!(r#"{{"statusCode":200,"body":"{}"}}"#, "x".repeat(900_000));
    let server = impatient(Setup::lambda(false, answering(Box::leak(document.into_boxed_str())))).start();
    let mut client = server.connect();
    client
        .stream
        .set_write_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    // As many as the kernel takes; the answers fill all buffers on the way back long before.
    for _ in 0..200 {
        if client.stream.write_all(REQUEST).is_err() {
            break;
        }
    }
    until("its connection is closed", || server.proxy.connections() == 0);
    let asked = server.counter("albacore_proxy_requests_total");
    assert!(asked < 50.0, "{asked} answers were made for nobody");
}

#[test]
fn a_client_that_never_reads_through_tls_is_let_go() {
    let document = format!(r#"{{"statusCode":200,"body":"{}"}}"#, "x".repeat(900_000));
    let setup = Setup::lambda(false, answering(Box::leak(document.into_boxed_str())));
    let server = impatient(setup).with_tls().start();
    let clients: Vec<_> = (1..20)
        .map(|requests| {
            let mut client = server.secure(Offer::default());
            // Some stop in the middle of an answer, some where the last words do not fit.
            let close = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            (1..requests).for_each(|_| client.send(REQUEST));
            client.send(close);
            client
        })
        .collect();
    until("all connections are closed", || server.proxy.connections() == 0);
    drop(clients);
}
