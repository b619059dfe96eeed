//! Both directions at once: answers that come before the request is complete, slow readers, slow writers, and what waits
//! meanwhile. Source: ALB 4.3, 4.11.

use super::bodies::{pattern, split, unchunked};
use super::origin::*;
use crate::played::until;
use crate::support::*;
use std::io::Write;
use std::time::Duration;

/// An answer reaches the client while its upload still runs, and the upload goes on.
#[test]
fn both_bodies_stream_at_once() {
    let origin = Origin::playing(|line| {
        line.head();
        line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        loop {
            let chunk = line.chunk();
            line.send(format!("{:x}\r\n", chunk.len()));
            line.send(&chunk);
            line.send("\r\n");
            if chunk.is_empty() {
                break;
            }
        }
        line.rest();
    });
    let server = before(&origin);
    let mut client = server.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let head = client.response_to("HEAD");
    assert_eq!((head.status, head.header("transfer-encoding")), (200, Some("chunked")));
    for word in ["one", "two", "three"] {
        let chunk = format!("{:x}\r\n{word}\r\n", word.len());
        client.send(chunk.as_bytes());
        let mut echoed = client.some();
        while echoed.len() < chunk.len() {
            echoed.extend(client.some());
        }
        assert_eq!(
            String::from_utf8(echoed).unwrap(),
            chunk,
            "each piece comes back before the next one is sent"
        );
    }
    client.send(b"0\r\n\r\n");
    assert_eq!(client.some(), b"0\r\n\r\n");
    drop(client);
    assert_eq!(
        until_quiet(&server),
        1,
        "complete in both directions: the connection waits for the next request"
    );
}

/// A target that refuses an upload before its end: the client gets the answer, the target's connection is not used again.
#[test]
fn an_upload_may_be_refused_early() {
    let refusal = "HTTP/1.1 413 Too Much\r\nContent-Length: 3\r\n\r\nno!";
    for closes in [false, true] {
        let origin = Origin::playing(move |line| {
            line.head();
            line.send(refusal);
            if !closes {
                line.rest();
            }
        });
        let server = before(&origin);
        let mut client = server.connect();
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nbegin");
        let response = client.response();
        assert_eq!((response.status, response.text()), (413, "no!"));
        // A body that is short enough is read and dropped, and the connection goes on.
        assert_eq!(response.header("connection"), Some("keep-alive"));
        client.send(&vec![b'x'; 100_000 - 5]);
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nbegin");
        let response = client.response();
        assert_eq!((response.status, response.header("connection")), (413, Some("close")));
        drop(client);
        assert_eq!((until_quiet(&server), origin.accepted()), (0, 2));
    }
}

/// The target answers and closes while the upload is blocked: what it said is heard.
#[test]
fn a_refusal_is_heard_although_the_upload_breaks() {
    let origin = Origin::playing(|line| {
        line.head();
        line.send("HTTP/1.1 413 Too Much\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno!");
    });
    let server = before(&origin);
    for _ in 0..20 {
        let mut client = server.connect();
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n");
        let mut sender = client.stream.try_clone().unwrap();
        let sending = std::thread::spawn(move || {
            let piece = vec![b'x'; 100_000];
            while sender.write_all(&piece).is_ok() {}
        });
        let response = client.response();
        assert!(matches!(response.status, 413 | 502), "{}", response.status);
        drop(client);
        let _ = sending.join();
    }
    assert_eq!(until_quiet(&server), 0);
    let heard = server.log().iter().filter(|line| line[9] == "413").count();
    assert!(heard >= 10, "{heard} of 20");
}

/// How many bytes go into all the buffers between two peers of which one does not read.
fn taken(stream: &mut std::net::TcpStream) -> usize {
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let piece = vec![b'x'; 64 * 1024];
    let mut taken = 0;
    loop {
        match stream.write(&piece) {
            Ok(count) => taken += count,
            Err(_) => return taken,
        }
        assert!(taken < 200_000_000, "it is held in memory");
    }
}

#[test]
fn a_slow_target_makes_the_client_wait() {
    let go = Latch::default();
    let origin = Origin::playing({
        let go = go.clone();
        move |line| {
            go.wait();
            let asked = line.request().unwrap();
            line.send(format!(
                "HTTP/1.1 200 OK\r\nX-Got: {}\r\nContent-Length: 0\r\n\r\n",
                asked.body.len()
            ));
        }
    });
    let server = before(&origin);
    let mut client = server.connect();
    const WHOLE: usize = 100_000_000;
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {WHOLE}\r\n\r\n").as_bytes());
    let begun = taken(&mut client.stream);
    go.open();
    client.stream.set_write_timeout(Some(PATIENCE)).unwrap();
    client.send(&vec![b'x'; WHOLE - begun]);
    assert_eq!(client.response().header("x-got"), Some(WHOLE.to_string().as_str()));
}

#[test]
fn a_slow_client_makes_the_target_wait() {
    const WHOLE: usize = 100_000_000;
    let full = Latch::default();
    let origin = Origin::playing({
        let full = full.clone();
        move |line| {
            line.request();
            line.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {WHOLE}\r\n\r\n"));
            let begun = taken(&mut line.stream);
            full.open();
            line.stream.set_write_timeout(Some(PATIENCE)).unwrap();
            line.send(vec![b'x'; WHOLE - begun]);
        }
    });
    let server = before(&origin);
    let mut client = server.connect();
    client.send(GET.as_bytes());
    full.wait();
    assert_eq!(client.response().body.len(), WHOLE);
}

/// Targets and clients that stall for less than the idle timeout are waited for, however long it takes in all.
#[test]
fn slow_is_not_silent() {
    let origin = Origin::playing(|line| {
        let asked = line.request().unwrap();
        assert_eq!(asked.body.len(), 4);
        line.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
        let nobody = Latch::default();
        for _ in 0..4 {
            nobody.pause(Duration::from_millis(500));
            line.send("x");
        }
    });
    let server = impatient(to(&[origin.address()])).start();
    let mut client = server.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
    let nobody = Latch::default();
    for _ in 0..4 {
        nobody.pause(Duration::from_millis(500));
        client.send(b"x");
    }
    assert_eq!(client.response().text(), "xxxx");
}

/// A target may be slower than the client's patience with an idle connection: the client's time begins with the answer.
#[test]
fn a_connection_is_not_idle_while_it_is_answered() {
    let origin = Origin::playing(|line| {
        while line.request().is_some() {
            Latch::default().pause(Duration::from_millis(700));
            line.send(OK);
        }
    });
    let server = impatient(to(&[origin.address()])).start();
    let mut client = server.connect();
    for _ in 0..3 {
        client.send(GET.as_bytes());
        assert_eq!(client.response().text(), "ok");
        Latch::default().pause(Duration::from_millis(700));
    }
}

/// What a target sends piece by piece arrives piece by piece: nothing waits for more.
#[test]
fn events_are_not_held_back() {
    for framing in ["Transfer-Encoding: chunked", "Content-Length: 12", "X: until the close"] {
        let chunked = framing.contains("chunked");
        let go = Latch::default();
        let origin = Origin::playing({
            let go = go.clone();
            move |line| {
                line.request();
                line.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n"));
                for event in ["one.", "two.", "six."] {
                    go.wait();
                    match chunked {
                        true => line.send(format!("4\r\n{event}\r\n")),
                        false => line.send(event),
                    };
                }
                go.wait();
            }
        });
        let server = before(&origin);
        let mut client = server.connect();
        client.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n");
        let mut seen = String::new();
        for event in ["one.", "two.", "six."] {
            go.open();
            while !seen.ends_with(event) {
                seen.push_str(&String::from_utf8(client.some()).unwrap());
            }
        }
        go.open();
        assert!(seen.ends_with("\r\n\r\none.two.six."), "{seen}");
    }
}

/// The head of a response of unknown length is news by itself.
#[test]
fn a_head_is_passed_on_before_its_body() {
    let origin = Origin::playing(|line| {
        line.request();
        line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        line.rest();
    });
    let server = before(&origin);
    let mut client = server.connect();
    client.send(GET.as_bytes());
    assert_eq!(client.response_to("HEAD").status, 200);
}

/// And so is the head of a request: a target may answer it alone.
#[test]
fn a_request_is_passed_on_before_its_body() {
    let origin = Origin::playing(|line| {
        line.head();
        line.send(OK);
        line.rest();
    });
    let server = before(&origin);
    let mut client = server.connect();
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.response().text(), "ok");
}

/// One client reads nothing of a large body, others go on as if nothing were.
#[test]
fn who_does_not_read_holds_up_nobody() {
    let body = pattern(5_000_000);
    let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    response.extend_from_slice(&body);
    let origin = Origin::answering(response);
    let server = before(&origin);
    let stuck: Vec<_> = (0..20)
        .map(|_| {
            let mut client = server.connect();
            client.send(GET.as_bytes());
            client
        })
        .collect();
    until("all are being answered", || origin.accepted() == 20);
    for _ in 0..3 {
        assert!(server.get("/").body == body);
    }
    drop(stuck);
    until_quiet(&server);
}

/// A client that takes nothing for the idle timeout is let go, and its target with it.
#[test]
fn who_never_reads_is_let_go() {
    let origin = Origin::playing(|line| {
        line.request();
        line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut chunk = b"10000\r\n".to_vec();
        chunk.extend(std::iter::repeat_n(b'x', 0x10000));
        chunk.extend_from_slice(b"\r\n");
        while line.send(&chunk) {}
    });
    let server = impatient(to(&[origin.address()])).start();
    let mut client = server.connect();
    client.send(GET.as_bytes());
    assert_eq!(until_quiet(&server), 0);
    until("the target is let go", || origin.open() == 0);
    let log = server.log();
    assert_eq!((log[0][8].as_str(), log[0][9].as_str()), ("200", "200"));
    drop(client);
}

/// Large and small pieces, in chunks, in both directions at the same time.
#[test]
fn much_in_both_directions() {
    let origin = Origin::playing(|line| {
        line.head();
        line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        loop {
            let chunk = line.chunk();
            line.send([format!("{:x}\r\n", chunk.len()).as_bytes(), &chunk, b"\r\n"].concat());
            if chunk.is_empty() {
                return;
            }
        }
    });
    let server = before(&origin);
    let mut client = server.connect();
    let body = pattern(10_000_000);
    let mut sender = client.stream.try_clone().unwrap();
    let sent = body.clone();
    let sending = std::thread::spawn(move || {
        sender
            .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        let (mut rest, mut size) = (sent.as_slice(), 1);
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(size.min(rest.len()));
            sender.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).unwrap();
            sender.write_all(piece).unwrap();
            sender.write_all(b"\r\n").unwrap();
            rest = behind;
            size = size * 3 % 200_003;
        }
        sender.write_all(b"0\r\n\r\n").unwrap();
    });
    let answer = client.rest();
    sending.join().unwrap();
    let (_, rest) = split(&answer);
    assert!(unchunked(rest) == body);
}
