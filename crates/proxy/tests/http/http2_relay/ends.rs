//! How streams end before their time: by the target, by the client, with another length than promised. Source: ALB 4.3, 4.10.

use super::raw::{self, CANCEL, INTERNAL_ERROR, NO_ERROR, OK};
use super::target::*;
use crate::frames::{Raw, get, run, *};
use crate::relay::origin::until_quiet;
use crate::support::*;
use bytes::Bytes;
use h2::Reason;
use http::{Request, Response};
use std::sync::{Arc, Mutex};

/// What the log says of each request: the two statuses and the reason.
pub(super) fn told(server: Server) -> Vec<[String; 3]> {
    let log = server.log();
    log.iter().map(|line| [8, 9, 24].map(|at| line[at].clone())).collect()
}

pub(super) fn error_of(answered: Result<Answered, h2::Error>) -> Reason {
    answered.unwrap_err().reason().unwrap()
}

// ALB-H-034: a target that ends a request in the middle is 502
#[test]
fn a_target_that_resets() {
    let origin = raw::playing(|frames| {
        for at in 0.. {
            let Some(head) = frames.until(HEADERS) else { return };
            match at {
                0 => {}
                1 => drop(frames.send(HEADERS, END_HEADERS, head.stream, OK)),
                _ => {
                    frames.send(HEADERS, END_HEADERS, head.stream, OK);
                    frames.send(DATA, 0, head.stream, b"half");
                }
            }
            frames.reset(head.stream, INTERNAL_ERROR);
        }
    });
    let server = raw::before(&origin);
    run(async {
        let requests = client_of(&server).await;
        assert_eq!(fetch(&requests, get("/")).await.unwrap().status, 502);
        // Its head alone may have gone out, or not yet.
        match fetch(&requests, get("/")).await {
            Ok(answer) => assert_eq!(answer.status, 502),
            Err(error) => assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR)),
        }
        assert_eq!(error_of(fetch(&requests, get("/")).await), Reason::INTERNAL_ERROR);
    });
    assert_eq!(origin.accepted(), 1, "the connection is still good");
    until_quiet(&server);
    let told = told(server);
    assert_eq!(told[0], ["502", "-", "TargetConnectionClosed"]);
    assert!(
        told[1..]
            .iter()
            .all(|line| line[1] == "200" && line[2] == "TargetConnectionClosed")
    );
}

/// A target that has seen enough of an upload answers, and resets without an error. Source: RFC 9113, 8.1.
#[test]
fn a_target_that_answers_and_wants_no_more() {
    let origin = raw::playing(|frames| {
        while let Some(head) = frames.until(HEADERS) {
            frames.until(DATA).unwrap();
            // Of the connection's window others live too.
            frames.send(WINDOW_UPDATE, 0, 0, &0x10_0000_u32.to_be_bytes());
            frames.answer(head.stream, b"enough");
            frames.reset(head.stream, NO_ERROR);
        }
    });
    let server = raw::before(&origin);
    run(async {
        let requests = client_of(&server).await;
        for _ in 0..3 {
            let answer = upload(&requests, to_post("/"), vec![b'x'; 1 << 20]).await.unwrap();
            assert_eq!((answer.status, &*answer.body), (200, &b"enough"[..]));
        }
    });
    until_quiet(&server);
}

/// The same without a word of reset: what is left of the upload is nobody's.
#[test]
fn a_target_that_answers_and_lets_go() {
    let target = Target::playing(|mut asked: Asked| async move { asked.answer("early") });
    let server = before(&target);
    run(async {
        let requests = client_of(&server).await;
        for _ in 0..3 {
            let answer = upload(&requests, to_post("/"), vec![b'x'; 3 << 20]).await.unwrap();
            assert_eq!((answer.status, &*answer.body), (200, &b"early"[..]));
        }
        assert_eq!(upload(&requests, to_post("/"), "small").await.unwrap().body, b"early");
    });
    assert_eq!(target.seen.accepted(), 1);
    until_quiet(&server);
}

// ALB-H-038: a client that resets before the response is logged as 460; its target hears of it, wherever the stream is
#[test]
fn a_client_that_resets() {
    let resets: Arc<Mutex<Vec<Reason>>> = Arc::default();
    let seen = resets.clone();
    let target = Target::playing(move |mut asked: Asked| {
        let seen = seen.clone();
        async move {
            let path = asked.parts.uri.path().to_owned();
            match &*path {
                "/head" | "/upload" => {}
                "/reading" => {
                    piece(&mut asked.body).await;
                }
                path => {
                    let mut sending = asked.begin(ok());
                    sending.send_data("half".into(), false).unwrap();
                    if path == "/both" {
                        piece(&mut asked.body).await;
                    }
                    let reason = std::future::poll_fn(|cx| sending.poll_reset(cx)).await.unwrap();
                    seen.lock().unwrap().push(reason);
                    return;
                }
            }
            let reason = asked.reset().await;
            seen.lock().unwrap().push(reason);
        }
    });
    let server = before(&target);
    run(async {
        let requests = client_of(&server).await;
        let paths = ["/head", "/upload", "/reading", "/body", "/both"];
        for (at, path) in paths.into_iter().enumerate() {
            let reads_body = matches!(path, "/body" | "/both");
            let (response, mut sending) = begin(&requests, to_post(path), path == "/head" || path == "/body").await;
            if path == "/upload" {
                // More than the target's window: it does not read.
                let data = Bytes::from(vec![b'x'; 200_000]);
                assert!(send_all(&mut sending, data.slice(..100_000), false).await);
            } else if matches!(path, "/reading" | "/both") {
                sending.send_data("some".into(), false).unwrap();
            }
            until("it is there", &target, |seen| seen.running() == 1).await;
            if reads_body {
                let mut body = response.await.unwrap().into_body();
                assert_eq!(piece(&mut body).await, "half");
            }
            sending.send_reset(Reason::CANCEL);
            until("the target hears of it", &target, |seen| seen.running() == 0).await;
            assert_eq!(resets.lock().unwrap().len(), at + 1);
        }
        // The connections are as good as new.
        let (response, mut sending) = begin(&requests, to_post("/body"), false).await;
        sending.send_data("x".into(), true).unwrap();
        assert_eq!(response.await.unwrap().status(), 200);
    });
    assert_eq!(resets.lock().unwrap()[..5], [Reason::CANCEL; 5]);
    assert_eq!(target.seen.accepted(), 1);
    until_quiet(&server);
    let statuses: Vec<_> = server.log().iter().map(|line| line[8].clone()).collect();
    assert_eq!(statuses[..5], ["460", "400", "400", "200", "200"]);
}

/// A connection that is lost takes its streams with it, and their requests to the target.
#[test]
fn a_client_whose_connection_is_lost() {
    let target = Target::playing(|mut asked: Asked| async move {
        asked.reset().await;
    });
    let server = before(&target);
    let mut raw = Raw::open(&server);
    for stream in 0..5 {
        raw.send(HEADERS, WHOLE, 2 * stream + 1, GET);
    }
    for stream in 5..10 {
        raw.send(HEADERS, END_HEADERS, 2 * stream + 1, GET);
        raw.send(DATA, 0, 2 * stream + 1, b"some");
    }
    crate::played::until("they are there", || target.seen.running() == 10);
    drop(raw);
    crate::played::until("they are gone", || target.seen.running() == 0);
    until_quiet(&server);
    let statuses: Vec<_> = server.log().iter().map(|line| line[8].clone()).collect();
    assert_eq!(
        statuses.iter().filter(|status| **status == "460").count(),
        5,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|status| **status == "400").count(),
        5,
        "{statuses:?}"
    );
}

// ALB-H-037: a body that is shorter than its length ends in 504, or in a reset when it had begun
#[test]
fn lengths_that_lie() {
    let target = Target::playing(|mut asked: Asked| async move {
        let response = Response::builder().header("content-length", 10).body(()).unwrap();
        match asked.parts.uri.path() {
            "/none" => asked.begin(response).send_data(Bytes::new(), true).unwrap(),
            "/long" => asked.begin(response).send_data("more than ten".into(), true).unwrap(),
            _ => {
                let mut sending = asked.begin(response);
                sending.send_data("short".into(), false).unwrap();
                tokio::task::yield_now().await;
                let _ = sending.send_data(Bytes::new(), true);
            }
        }
    });
    let server = before(&target);
    run(async {
        let requests = client_of(&server).await;
        for path in ["/none", "/short", "/long"] {
            match fetch(&requests, get(path)).await {
                Ok(answer) => assert_eq!(answer.status, 504, "{path}"),
                Err(error) => assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR), "{path}"),
            }
        }
        assert_eq!(fetch(&requests, get("/none")).await.unwrap().status, 504);
    });
    assert_eq!(target.seen.accepted(), 1, "the connection is still good");
    assert!(told(server).iter().all(|line| line[2] == "TargetResponseIncomplete"));
}

/// HEAD and what the code of a reset says.
#[test]
fn resets_that_come_too_late() {
    let origin = raw::playing(|frames| {
        while let Some(head) = frames.until(HEADERS) {
            frames.send(HEADERS, WHOLE, head.stream, OK);
            frames.reset(head.stream, CANCEL);
        }
    });
    let server = raw::before(&origin);
    run(async {
        let requests = client_of(&server).await;
        for _ in 0..10 {
            let head = Request::head("https://shop.example/").body(()).unwrap();
            assert_eq!(fetch(&requests, head).await.unwrap().status, 200);
        }
    });
    until_quiet(&server);
}
