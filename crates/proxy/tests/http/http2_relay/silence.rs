//! Nobody says anything, or nobody is there who speaks HTTP/2. Source: ALB 4.3, 4.4.

use super::ends::{error_of, told};
use super::raw::{self, OK, latch};
use super::target::*;
use crate::frames::{get, run, *};
use crate::relay::origin::{Latch, Origin, impatient, until_quiet};
use h2::Reason;
use model::elb::target_group::{ProtocolVersion, TargetProtocol};
use std::time::Duration;

// ALB-H-035: a target that says nothing for the idle timeout is 504
#[test]
fn silent_targets() {
    let target = Target::playing(|mut asked: Asked| async move {
        match asked.parts.uri.path() {
            "/half" => {
                let mut sending = asked.begin(ok());
                sending.send_data("half".into(), false).unwrap();
                let _ = std::future::poll_fn(|cx| sending.poll_reset(cx)).await;
            }
            _ => drop(asked.reset().await),
        }
    });
    let server = impatiently_before(&target);
    run(async {
        let requests = client_of(&server).await;
        assert_eq!(fetch(&requests, get("/")).await.unwrap().status, 504);
        assert_eq!(upload(&requests, to_post("/"), "all of it").await.unwrap().status, 504);
        // It takes no more than its window of this one.
        assert_eq!(
            upload(&requests, to_post("/"), vec![0; 1 << 20]).await.unwrap().status,
            504
        );
        assert_eq!(error_of(fetch(&requests, get("/half")).await), Reason::INTERNAL_ERROR);
    });
    crate::played::until("the target hears of it", || target.seen.running() == 0);
    until_quiet(&server);
    let told = told(server);
    assert!(
        told[..3]
            .iter()
            .all(|line| line == &["504", "-", "TargetResponseTimeout"]),
        "{told:?}"
    );
    assert_eq!(told[3], ["200", "200", "TargetResponseTimeout"]);
}

// ALB-H-036: a client that stalls in the middle of its body gets 408
#[test]
fn silent_clients() {
    let target = Target::playing(|mut asked: Asked| async move {
        if asked.parts.uri.path() == "/answered" {
            let mut sending = asked.begin(ok());
            let _ = std::future::poll_fn(|cx| sending.poll_reset(cx)).await;
        } else {
            asked.reset().await;
        }
    });
    let server = impatiently_before(&target);
    run(async {
        let requests = client_of(&server).await;
        for said in ["", "half"] {
            let (response, mut sending) = begin(&requests, to_post("/"), false).await;
            if !said.is_empty() {
                sending.send_data(said.into(), false).unwrap();
            }
            assert_eq!(answered(response).await.unwrap().status, 408);
        }
        let (response, _sending) = begin(&requests, to_post("/answered"), false).await;
        assert_eq!(error_of(answered(response).await), Reason::INTERNAL_ERROR);
    });
    crate::played::until("the target hears of it", || target.seen.running() == 0);
    until_quiet(&server);
}

// The idle timeout begins with the last byte of either side, and not when the one before it would have ended
#[test]
fn a_client_and_a_target_that_fall_silent_after_a_word() {
    let target = Target::playing(|mut asked: Asked| async move {
        if asked.parts.uri.path() == "/answered" {
            let mut sending = asked.begin(ok());
            sending.send_data("a word".into(), false).unwrap();
            let _ = std::future::poll_fn(|cx| sending.poll_reset(cx)).await;
        } else {
            asked.reset().await;
        }
    });
    let server = impatiently_before(&target);
    run(async {
        let requests = client_of(&server).await;
        let ended = std::cell::RefCell::new(Vec::new());
        let (answered_one, _open) = begin(&requests, to_post("/answered"), false).await;
        let first = async {
            assert_eq!(error_of(answered(answered_one).await), Reason::INTERNAL_ERROR);
            ended.borrow_mut().push("both silent since the answer began");
        };
        let second = async {
            // Later by half of the idle timeout.
            pause(Duration::from_millis(500)).await;
            let (response, _open) = begin(&requests, to_post("/"), false).await;
            assert_eq!(answered(response).await.unwrap().status, 408);
            ended.borrow_mut().push("the client silent");
        };
        tokio::join!(first, second);
        let expected = ["both silent since the answer began", "the client silent"];
        assert_eq!(*ended.borrow(), expected);
    });
    crate::played::until("the target hears of it", || target.seen.running() == 0);
    until_quiet(&server);
}

/// Whoever speaks keeps both sides of his stream, as long as he likes. Source: ALB 4.4.
#[test]
fn any_byte_in_either_direction() {
    let slow = Latch::default();
    let pauses = slow.clone();
    let origin = raw::playing(move |frames| {
        while let Some(head) = frames.until(HEADERS) {
            let speaks = head.flags & END_STREAM == 0;
            if speaks {
                // The client says nothing for longer than the idle timeout.
                frames.send(HEADERS, END_HEADERS, head.stream, OK);
                for _ in 0..5 {
                    frames.send(DATA, 0, head.stream, b"still here ");
                    pauses.pause(Duration::from_millis(600));
                }
                frames.send(DATA, END_STREAM, head.stream, b"done");
            } else {
                // A word in between, which is no response yet.
                for _ in 0..5 {
                    frames.send(HEADERS, END_HEADERS, head.stream, b"\x08\x03102");
                    pauses.pause(Duration::from_millis(600));
                }
                frames.answer(head.stream, b"done");
            }
        }
    });
    let server = impatient(to(&[origin.address()], ProtocolVersion::Http2)).start();
    run(async {
        let requests = client_of(&server).await;
        let (response, _sending) = begin(&requests, to_post("/"), false).await;
        let answer = answered(response).await.unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, 59));
        let answer = fetch(&requests, get("/")).await.unwrap();
        assert_eq!((answer.status, &*answer.body), (200, &b"done"[..]));
        // A client that is slow for longer than the timeout, whose target waits for it and then has its own time.
        let (response, mut sending) = begin(&requests, to_post("/"), false).await;
        for _ in 0..3 {
            sending.send_data("x".into(), false).unwrap();
            pause(Duration::from_millis(600)).await;
        }
        sending.send_data("y".into(), true).unwrap();
        assert_eq!(answered(response).await.unwrap().status, 200);
    });
}

#[test]
fn targets_that_speak_something_else() {
    for (said, reason) in [
        (
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            "TargetInvalidResponse",
        ),
        ("\0\0\0\x07\0\0\0\0\0 and more of it", "TargetInvalidResponse"),
        ("", "TargetConnectionClosed"),
    ] {
        let origin = Origin::playing(move |line| {
            line.bytes(24);
            line.send(said);
        });
        let server = raw::before(&origin);
        run(async {
            let requests = client_of(&server).await;
            assert_eq!(fetch(&requests, get("/")).await.unwrap().status, 502);
        });
        let told = told(server);
        assert_eq!(told[0][0], "502");
        assert!(
            told[0][2] == reason || told[0][2] == "TargetConnectionClosed",
            "{told:?}"
        );
    }
}

/// One that takes the connection and never says what it speaks.
#[test]
fn a_target_without_settings() {
    let (over, end) = latch();
    let origin = Origin::playing(move |_| end.wait());
    let mut setup = to(&[origin.address()], ProtocolVersion::Http2);
    setup.limits.target_connect_timeout = Duration::from_millis(300);
    let server = setup.start();
    run(async {
        let requests = client_of(&server).await;
        assert_eq!(fetch(&requests, get("/")).await.unwrap().status, 504);
    });
    over.open();
    assert_eq!(told(server)[0], ["504", "-", "TargetConnectionTimeout"]);
}

// ALB-H-033: a connection that is refused is 502, over TLS too
#[test]
fn a_target_that_is_not_there() {
    for protocol in [TargetProtocol::Http, TargetProtocol::Https] {
        let server = to_protocol(&[([127, 0, 0, 1], 1).into()], protocol, ProtocolVersion::Http2).start();
        run(async {
            let requests = client_of(&server).await;
            let asking: Vec<_> = (0..10)
                .map(|_| {
                    let requests = requests.clone();
                    tokio::task::spawn_local(async move { fetch(&requests, get("/")).await.unwrap().status })
                })
                .collect();
            for asking in asking {
                assert_eq!(asking.await.unwrap(), 502);
            }
        });
        until_quiet(&server);
        for line in server.log() {
            assert_eq!(
                [&*line[8], &*line[9], &*line[24]],
                ["502", "-", "TargetConnectionRefused"]
            );
            assert!(
                line[17].starts_with("Root=1-"),
                "as where the target speaks HTTP/1: {}",
                line[17]
            );
        }
    }
}
