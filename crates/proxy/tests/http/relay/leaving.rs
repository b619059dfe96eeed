//! Clients that leave and targets that break at every point: what is told, and that nothing is left over.
//! Source: ALB 4.3, 4.10.

use super::origin::*;
use crate::played::until;
use crate::secure::*;
use crate::support::*;
use socket2::SockRef;
use std::time::Duration;

/// How a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Close,
    Reset,
}

fn leave(client: Client, way: Way) {
    if way == Way::Reset {
        SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
    drop(client);
}

// ALB-H-038: a client that leaves before the response is logged as 460
#[test]
fn before_the_response() {
    for way in [Way::Close, Way::Reset] {
        let origin = Origin::playing(|line| {
            line.request();
            line.rest();
        });
        let server = before(&origin);
        for request in [GET, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"] {
            let accepted = origin.accepted();
            let mut client = server.connect();
            client.send(request.as_bytes());
            until("it is asked", || origin.accepted() > accepted);
            leave(client, way);
            until("its connection is closed", || origin.open() == 0);
        }
        assert_eq!(until_quiet(&server), 0);
        let text = server.metrics();
        let own = text
            .lines()
            .find(|line| line.contains("elb_responses_total") && line.contains("4xx"));
        assert!(
            own.unwrap().ends_with(" 2"),
            "460 counts as a 4xx of the load balancer: {text}"
        );
        for line in server.log() {
            assert_eq!((line[8].as_str(), line[9].as_str()), ("460", "-"), "{way:?}");
            assert_eq!(line[4], origin.address().to_string());
            assert_eq!(line[6], "-1");
        }
    }
}

#[test]
fn in_the_middle_of_its_own_body() {
    for way in [Way::Close, Way::Reset] {
        for begin in [
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        ] {
            let origin = Origin::playing(|line| drop(line.rest()));
            let server = before(&origin);
            let mut client = server.connect();
            client.send(begin.as_bytes());
            until("the target has it", || origin.received().concat().contains("half"));
            leave(client, way);
            until("its connection is closed", || origin.open() == 0);
            assert_eq!(until_quiet(&server), 0);
            let log = server.log();
            assert_eq!(
                (log[0][8].as_str(), log[0][9].as_str()),
                ("400", "-"),
                "{way:?} {begin}"
            );
        }
    }
}

#[test]
fn in_the_middle_of_the_response() {
    for way in [Way::Close, Way::Reset] {
        for head in [
            "Content-Length: 1000000",
            "Transfer-Encoding: chunked",
            "X: until the close",
        ] {
            let origin = Origin::playing(move |line| {
                line.request();
                line.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n4\r\nhalf\r\n"));
                line.rest();
            });
            let server = before(&origin);
            let mut client = server.connect();
            client.send(GET.as_bytes());
            assert!(client.some().starts_with(b"HTTP/1.1 200 OK"));
            leave(client, way);
            until("the target's connection is closed", || origin.open() == 0);
            assert_eq!(until_quiet(&server), 0);
            let log = server.log();
            assert_eq!(
                (log[0][8].as_str(), log[0][9].as_str()),
                ("200", "200"),
                "{way:?} {head}"
            );
        }
    }
}

/// A client that leaves in the middle of many requests that it sent at once.
#[test]
fn with_more_requests_in_hand() {
    let origin = Origin::answering(OK);
    let server = before(&origin);
    for way in [Way::Close, Way::Reset] {
        let mut client = server.connect();
        client.send(GET.repeat(100).as_bytes());
        assert_eq!(client.response().status, 200);
        leave(client, way);
        until_quiet(&server);
    }
}

/// Who stops sending with several requests on their way is answered all but the last: alone it looks like somebody who left.
#[test]
fn who_stops_sending_is_answered() {
    let origin = Origin::answering(OK);
    let server = before(&origin);
    let mut client = server.connect();
    client.send(GET.repeat(3).as_bytes());
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    for _ in 0..2 {
        assert_eq!(client.response().text(), "ok");
    }
}

#[test]
fn through_tls() {
    let origin = Origin::playing(|line| {
        while line.request().is_some() {
            if line.number > 0 {
                line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
            }
        }
    });
    let server = to(&[origin.address()]).with_tls().start();
    let mut client = server.secure(Offer::default());
    client.send(GET.as_bytes());
    until("it is asked", || origin.accepted() == 1);
    drop(client);
    assert_eq!(until_quiet(&server), 0);
    let mut client = server.secure(Offer::default());
    client.send(GET.as_bytes());
    assert!(client.some().starts_with(b"HTTP/1.1 200 OK"));
    drop(client);
    assert_eq!(until_quiet(&server), 0);
    let statuses: Vec<_> = server.log().iter().map(|line| line[8].clone()).collect();
    assert_eq!(statuses, ["460", "200"]);
}

/// A target that resets after every number of bytes of its response: the client sees the truth each time.
#[test]
fn a_target_may_break_at_every_byte() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ] {
        let origin = Origin::playing(move |line| {
            while let Some(asked) = line.request() {
                let count: usize = asked.header("x-count").unwrap().parse().unwrap();
                line.send(&response[..count]);
                if count < response.len() {
                    return;
                }
            }
        });
        let server = before(&origin);
        let head_len = response.find("\r\n\r\n").unwrap() + 4;
        for count in 0..=response.len() {
            let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Count: {count}\r\nConnection: close\r\n\r\n");
            let answer = String::from_utf8(server.until_closed(request.as_bytes())).unwrap();
            let whole =
                answer.starts_with("HTTP/1.1 200") && (answer.ends_with("body") || answer.ends_with("0\r\n\r\n"));
            if count == response.len() {
                assert!(whole, "{answer}");
            } else if count < head_len {
                assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{count}: {answer}");
            } else if answer.starts_with("HTTP/1.1 200") {
                assert!(!whole, "{count}: {answer}");
            } else {
                assert!(answer.starts_with("HTTP/1.1 50"), "{count}: {answer}");
            }
        }
        assert_eq!(until_quiet(&server), 1, "the last one was complete");
    }
}

/// Many of all kinds at once, some of them cut: afterwards the server is as it was before.
#[test]
fn a_crowd_leaves_nothing_behind() {
    let origin = Origin::playing(|line| {
        while let Some(asked) = line.request() {
            let path = asked.head.split(' ').nth(1).unwrap().to_owned();
            match path.as_str() {
                "/hang" => return drop(line.rest()),
                "/reset" => return line.reset(),
                "/half" => {
                    line.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
                    return;
                }
                _ => line.send(OK),
            };
        }
    });
    let mut setup = to(&[origin.address()]);
    setup.cores = 2;
    let server = setup.start();
    for round in 0..20 {
        let mut clients: Vec<_> = ["/hang", "/reset", "/half", "/", "/"]
            .iter()
            .map(|path| {
                let mut client = server.connect();
                client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
                client
            })
            .collect();
        if round % 2 == 0 {
            let last = clients.pop().map(|mut client| client.response().status);
            assert_eq!(last, Some(200));
        }
        drop(clients);
    }
    until_quiet(&server);
    until("only connections that wait are left", || {
        origin.open() == server.counter("albacore_proxy_target_connections") as usize
    });
    assert_eq!(server.log().len(), 100);
}
