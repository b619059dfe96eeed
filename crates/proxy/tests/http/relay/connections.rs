//! Connections to targets: kept, shared between clients, closed when somebody wants it, tried again exactly where that is
//! allowed. Source: ALB 4.3, 4.4.

use super::origin::*;
use crate::played::until;
use crate::support::PATIENCE;
use std::time::Duration;

#[test]
fn a_connection_is_shared_between_clients() {
    let origin = Origin::answering(OK);
    let server = before(&origin);
    for _ in 0..5 {
        assert_eq!(server.get("/").status, 200);
    }
    assert_eq!((until_quiet(&server), origin.accepted()), (1, 1));
    assert_eq!(server.counter("albacore_proxy_new_target_connections_total"), 1.0);
}

#[test]
fn requests_at_once_have_connections_of_their_own() {
    let (began, go) = (Latch::default(), Latch::default());
    let origin = Origin::playing({
        let (began, go) = (began.clone(), go.clone());
        move |line| {
            while line.request().is_some() {
                began.open();
                go.wait();
                line.send(OK);
            }
        }
    });
    let server = before(&origin);
    let mut clients: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for round in 1..=2 {
        clients.iter_mut().for_each(|client| client.send(GET.as_bytes()));
        (0..5).for_each(|_| began.wait());
        (0..5).for_each(|_| go.open());
        clients
            .iter_mut()
            .for_each(|client| assert_eq!(client.response().status, 200));
        assert_eq!(origin.accepted(), 5, "round {round}");
    }
    drop(clients);
    assert_eq!(until_quiet(&server), 5);
}

#[test]
fn a_target_that_says_close_is_obeyed() {
    for response in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nConnection: X-Mine, Close\r\nContent-Length: 2\r\n\r\nok",
        // What could be read in two ways is not read twice.
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ] {
        let origin = Origin::answering(response);
        let server = before(&origin);
        let mut client = server.connect();
        for _ in 0..2 {
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            let head = client.response_to("HEAD");
            assert_eq!(
                head.header("connection"),
                Some("keep-alive"),
                "the client's connection is another"
            );
            let mut body = client.some();
            while !body.ends_with(b"ok") && !body.ends_with(b"0\r\n\r\n") {
                body.extend(client.some());
            }
        }
        drop(client);
        assert_eq!((until_quiet(&server), origin.accepted()), (0, 2), "{response}");
    }
}

// Bytes behind a response could be taken for the answer to another client's request.
#[test]
fn what_a_target_says_unasked_is_heard_by_nobody() {
    let origin = Origin::playing(|line| {
        line.request();
        line.send(format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"));
        line.rest();
    });
    let server = before(&origin);
    for asked in 1..=3 {
        assert_eq!(server.get("/").text(), "ok");
        assert_eq!((until_quiet(&server), origin.accepted()), (0, asked));
    }
    // The same, said later.
    let later = Latch::default();
    let origin = Origin::playing({
        let later = later.clone();
        move |line| {
            line.request();
            line.send(OK);
            later.wait();
            line.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
            line.rest();
        }
    });
    let server = before(&origin);
    assert_eq!(server.get("/").text(), "ok");
    assert_eq!(until_quiet(&server), 1);
    later.open();
    until("it is closed", || origin.open() == 0);
    assert_eq!(server.get("/").text(), "ok");
    later.open();
}

/// Asks so often, one request after the other, and says for how many the answer was polled for, and for how many in vain.
#[track_caller]
fn check_polls(busy_poll: Duration, requests: usize, expected: (f64, f64)) {
    let origin = Origin::answering(OK);
    let mut setup = to(&[origin.address()]);
    setup.limits.busy_poll = busy_poll;
    let server = setup.start();
    let mut client = server.connect();
    for _ in 0..requests {
        client.send(GET.as_bytes());
        assert_eq!(client.response().text(), "ok");
    }
    let counted = |name: &str| server.counter(&format!("albacore_proxy_busy_polls{name}_total"));
    until("polls are counted", || (counted(""), counted("_in_vain")) == expected);
    drop(client);
    until_quiet(&server);
}

#[test]
fn answers_that_come_in_time_are_polled_for() {
    check_polls(PATIENCE, 40, (40.0, 0.0));
    // None comes in a nanosecond: after the first, 1, 3, 7 and 15 are waited for asleep.
    check_polls(Duration::from_nanos(1), 40, (5.0, 5.0));
    check_polls(Duration::ZERO, 40, (0.0, 0.0));
}

#[test]
fn an_idle_connection_ends_after_the_idle_timeout() {
    let origin = Origin::answering(OK);
    let server = impatient(to(&[origin.address()])).start();
    assert_eq!(server.get("/").status, 200);
    assert_eq!(until_quiet(&server), 1);
    until("it is closed", || origin.open() == 0);
    assert_eq!(until_quiet(&server), 0);
}

// Connections that targets have closed are noticed, and no client sees it.
#[test]
fn a_connection_that_was_closed_is_not_used() {
    let origin = Origin::answering_once(OK);
    let server = before(&origin);
    for asked in 1..=10 {
        assert_eq!(server.get("/").status, 200, "request {asked}");
        until("the target has closed", || origin.open() == 0);
    }
    until("none of them waits for a request", || until_quiet(&server) == 0);
    assert_eq!(origin.accepted(), 10);
}

// A connection that breaks before a byte of the request was written: tried again on a new one, whatever the method.
#[test]
fn a_stale_connection_costs_nobody_a_request() {
    let go = Latch::default();
    let origin = Origin::playing({
        let go = go.clone();
        move |line| {
            if line.number > 0 {
                return line.answer_all(OK.as_bytes());
            }
            line.request();
            line.send(OK);
            go.wait();
            line.reset();
        }
    });
    let server = before(&origin);
    assert_eq!(server.get("/").status, 200);
    assert_eq!(until_quiet(&server), 1);
    go.open();
    until("the target has closed", || origin.open() == 0);
    let response = server.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(response.status, 200);
    assert_eq!(origin.accepted(), 2);
    assert!(origin.received()[1].ends_with("\r\n\r\nhello"));
}

// A request of which something was written is never sent twice: it may have been carried out.
#[test]
fn a_request_that_was_written_is_not_tried_again() {
    let origin = Origin::playing(|line| {
        line.request();
        line.send(OK);
        line.head(); // the second request is read, and the connection ends
    });
    let server = before(&origin);
    for method in ["GET", "POST"] {
        assert_eq!(server.get("/").status, 200);
        until_quiet(&server);
        let response = server.ask(&format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(response.status, 502, "{method}");
    }
    assert_eq!(
        (until_quiet(&server), origin.accepted()),
        (0, 2),
        "one connection for each pair"
    );
}

#[test]
fn only_so_many_connections_wait() {
    let (began, go) = (Latch::default(), Latch::default());
    let origin = Origin::playing({
        let (began, go) = (began.clone(), go.clone());
        move |line| {
            while line.request().is_some() {
                began.open();
                go.wait();
                line.send(OK);
            }
        }
    });
    let mut setup = to(&[origin.address()]);
    setup.limits.idle_target_connections_max = 3;
    let server = setup.start();
    let mut clients: Vec<_> = (0..8).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(GET.as_bytes()));
    (0..8).for_each(|_| began.wait());
    (0..8).for_each(|_| go.open());
    clients
        .iter_mut()
        .for_each(|client| assert_eq!(client.response().status, 200));
    drop(clients);
    assert_eq!(until_quiet(&server), 3);
    until("the others are closed", || origin.open() == 3);
}

// A burst leaves connections that nobody needs: they are closed bit by bit, long before their idle timeout. The last few stay.
#[test]
fn what_a_burst_has_left_is_closed() {
    let (began, go) = (Latch::default(), Latch::default());
    let origin = Origin::playing({
        let (began, go) = (began.clone(), go.clone());
        move |line| {
            while line.request().is_some() {
                began.open();
                go.wait();
                line.send(OK);
            }
        }
    });
    let server = before(&origin);
    let mut clients: Vec<_> = (0..9).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(GET.as_bytes()));
    (0..9).for_each(|_| began.wait());
    (0..9).for_each(|_| go.open());
    clients
        .iter_mut()
        .for_each(|client| assert_eq!(client.response().status, 200));
    until("two are closed", || origin.open() == 7);
    go.open();
    assert_eq!(server.get("/").status, 200);
    drop(clients);
    assert_eq!((until_quiet(&server), origin.accepted()), (7, 9));
}

#[test]
fn each_target_has_its_own() {
    let origins: Vec<_> = (0..3)
        .map(|at| Origin::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{at}")))
        .collect();
    let addresses: Vec<_> = origins.iter().map(Origin::address).collect();
    let server = to(&addresses).start();
    let mut answers: Vec<_> = (0..30).map(|_| server.get("/").text().to_owned()).collect();
    answers.sort();
    assert_eq!(
        answers.concat(),
        format!("{}{}{}", "0".repeat(10), "1".repeat(10), "2".repeat(10))
    );
    assert_eq!(until_quiet(&server), 3);
    assert!(origins.iter().all(|origin| origin.accepted() == 1));
}

// Requests in hand finish when the process is to end, and say that the connection does.
#[test]
fn draining_lets_requests_finish() {
    let (began, go) = (Latch::default(), Latch::default());
    let origin = Origin::playing({
        let (began, go) = (began.clone(), go.clone());
        move |line| {
            while line.request().is_some() {
                began.open();
                go.wait();
                line.send(OK);
            }
        }
    });
    let server = before(&origin);
    let mut client = server.connect();
    client.send(GET.as_bytes());
    began.wait();
    let mut idle = server.connect();
    let draining = std::thread::spawn(move || server.log());
    assert_eq!(idle.rest(), b"", "who asks nothing is let go");
    go.open();
    let response = client.response();
    assert_eq!((response.text(), response.header("connection")), ("ok", Some("close")));
    let log = draining.join().unwrap();
    assert_eq!(log[0][8], "200");
}
