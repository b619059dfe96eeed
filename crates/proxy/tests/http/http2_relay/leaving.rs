//! Targets that want no more requests: refused streams, GOAWAY, closed connections, deregistration. Source: ALB 4.3, 4.4.

use super::ends::told;
use super::raw::{self, Frames, NO_ERROR, REFUSED_STREAM, latch};
use super::target::*;
use crate::frames::{get, run, *};
use crate::relay::origin::until_quiet;
use crate::support::*;
use h2::Reason;
use model::Command;
use model::elb::target_group::ProtocolVersion;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What the target has refused to look at is sent again, if nothing of its body is gone.
#[test]
fn refused_streams() {
    let refused = Arc::new(AtomicUsize::new(0));
    let count = refused.clone();
    let origin = raw::playing(move |frames| {
        while let Some(head) = frames.until(HEADERS) {
            match count.load(Ordering::SeqCst) {
                0 => frames.answer(head.stream, b"ok"),
                _ => {
                    if head.flags & END_STREAM == 0 {
                        frames.until(DATA);
                    }
                    count.fetch_sub(1, Ordering::SeqCst);
                    frames.reset(head.stream, REFUSED_STREAM);
                }
            }
        }
    });
    let server = raw::before(&origin);
    run(async {
        let requests = client_of(&server).await;
        for (count, status) in [(1, 200), (3, 200), (4, 502), (0, 200)] {
            refused.store(count, Ordering::SeqCst);
            assert_eq!(fetch(&requests, get("/")).await.unwrap().status, status, "{count}");
        }
        refused.store(1, Ordering::SeqCst);
        let answer = upload(&requests, to_post("/"), "gone").await.unwrap();
        assert_eq!(answer.status, 502, "nobody has its body any more");
    });
    assert_eq!(origin.accepted(), 1);
    until_quiet(&server);
}

/// GOAWAY: what the target will still do it does, what it will not is sent again on another connection.
#[test]
fn a_target_that_goes_away() {
    let origin = raw::playing(|frames| {
        let first = frames.line.number == 0;
        let mut held = Vec::new();
        while let Some(head) = frames.until(HEADERS) {
            if !first {
                frames.answer(head.stream, b"second");
                continue;
            }
            held.push(head.stream);
            if held.len() == 6 {
                frames.go_away(held[2], NO_ERROR);
                for stream in &held[..3] {
                    frames.answer(*stream, b"first");
                }
            }
        }
    });
    let server = raw::before(&origin);
    run(async {
        let requests = client_of(&server).await;
        let asking: Vec<_> = (0..6)
            .map(|_| {
                let requests = requests.clone();
                tokio::task::spawn_local(async move { fetch(&requests, get("/")).await.unwrap() })
            })
            .collect();
        let mut bodies = Vec::new();
        for asking in asking {
            let answer = asking.await.unwrap();
            assert_eq!(answer.status, 200);
            bodies.push(String::from_utf8(answer.body).unwrap());
        }
        assert_eq!(bodies.iter().filter(|body| *body == "first").count(), 3, "{bodies:?}");
        assert_eq!(bodies.iter().filter(|body| *body == "second").count(), 3, "{bodies:?}");
        assert_eq!(fetch(&requests, get("/")).await.unwrap().body, b"second");
    });
    assert_eq!(origin.accepted(), 2);
    until_quiet(&server);
}

/// One that leaves gracefully while requests run on and come: not one fails.
#[test]
fn a_target_that_leaves_gracefully() {
    let target = Target::playing(|mut asked: Asked| async move {
        let (body, _) = asked.read().await;
        asked.answer(body);
    });
    let server = before(&target);
    run(async {
        let requests = client_of(&server).await;
        let workers: Vec<_> = (0..10)
            .map(|_| {
                let requests = requests.clone();
                let seen = target.seen.clone();
                tokio::task::spawn_local(async move {
                    for round in 0..100 {
                        if round % 10 == 9 {
                            seen.leave();
                        }
                        // Those with a body may have been sent in part when the target leaves.
                        let answer = fetch(&requests, get("/")).await.unwrap();
                        assert_eq!(answer.status, 200);
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.unwrap();
        }
    });
    assert!(target.seen.accepted() > 1);
    assert_eq!(server.counter("albacore_proxy_target_connection_errors_total"), 0.0);
    until_quiet(&server);
}

// ALB-H-034: a target that closes with requests outstanding is 502
#[test]
fn a_target_that_closes() {
    for by_reset in [false, true] {
        let origin = raw::playing(move |frames| {
            for _ in 0..3 {
                if frames.until(HEADERS).is_none() {
                    return;
                }
            }
            if by_reset {
                frames.line.reset();
            }
        });
        let server = raw::before(&origin);
        run(async {
            let requests = client_of(&server).await;
            let asking: Vec<_> = (0..3)
                .map(|_| {
                    let requests = requests.clone();
                    tokio::task::spawn_local(async move { fetch(&requests, get("/")).await.unwrap().status })
                })
                .collect();
            for asking in asking {
                assert_eq!(asking.await.unwrap(), 502);
            }
        });
        assert_eq!(origin.accepted(), 1);
        assert_eq!(until_quiet(&server), 0);
        assert!(
            told(server)
                .iter()
                .all(|line| line == &["502", "-", "TargetConnectionClosed"])
        );
    }
}

/// A connection that its target has closed while nothing was on it is not used again. What is sent when the end is still on
/// its way is lost, as with HTTP/1.
#[test]
fn a_target_that_closes_idle_connections() {
    let origin = raw::playing(|frames| {
        if let Some(head) = frames.until(HEADERS) {
            frames.answer(head.stream, b"ok");
        }
    });
    let server = raw::before(&origin);
    for round in 0..20 {
        let status = run(async {
            let requests = client_of(&server).await;
            fetch(&requests, get("/")).await.unwrap().status
        });
        assert!(status == 200 || (round % 2 == 1 && status == 502), "{status}");
        if round % 2 == 1 {
            crate::played::until("the proxy has heard of the end", || {
                server.counter("albacore_proxy_target_connections") == 0.0
            });
        }
    }
    assert!(origin.accepted() >= 10);
}

fn deregister(target: &Target) -> Command {
    Command::DeregisterServers {
        target_group: group_arn("web"),
        targets: vec![(
            model::elb::target_group::TargetId::Ip(target.address.ip()),
            target.address.port(),
        )],
    }
}

/// What runs on a target when its deregistration delay is over ends. Source: ALB 4.4.
#[test]
fn targets_that_are_deregistered() {
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
    let mut setup = to(&[], ProtocolVersion::Http2);
    setup
        .extra
        .retain(|command| !matches!(command, Command::CreateTargetGroup(_)));
    setup
        .extra
        .push(crate::relay::origin::group("web", &[target.address], |servers| {
            servers.protocol_version = ProtocolVersion::Http2;
            servers.attributes.deregistration_delay = Duration::from_secs(1);
        }));
    let mut commands = setup.commands();
    let server = setup.start();
    run(async {
        let requests = client_of(&server).await;
        let (whole, _whole) = begin(&requests, get("/"), true).await;
        let (half, _half) = begin(&requests, get("/half"), true).await;
        let half = half.await.unwrap();
        until("both are there", &target, |seen| seen.running() == 2).await;
        commands.push(deregister(&target));
        server.proxy.apply(&state_of(&commands)).unwrap();
        assert_eq!(answered(whole).await.unwrap().status, 502);
        let mut half = half.into_body();
        assert_eq!(piece(&mut half).await, "half");
        assert_eq!(
            collect(&mut half).await.unwrap_err().reason(),
            Some(Reason::INTERNAL_ERROR)
        );
    });
    crate::played::until("the target hears of it", || target.seen.running() == 0);
    crate::played::until("its connection is closed", || target.seen.open() == 0);
    until_quiet(&server);
    assert!(told(server).iter().all(|line| line[2] == "TargetDeregistered"));
}

/// A stop lets relayed streams finish.
#[test]
fn draining() {
    let (go, gate) = latch();
    let origin = raw::playing(move |frames: &mut Frames<'_>| {
        if let Some(head) = frames.until(HEADERS) {
            gate.wait();
            frames.answer(head.stream, b"done");
            frames.until(GOAWAY);
        }
    });
    let server = raw::before(&origin);
    let mut raw = Raw::open(&server);
    raw.send(HEADERS, WHOLE, 1, GET);
    crate::played::until("it is there", || origin.received().concat().len() > 50);
    let proxy = server.proxy.clone();
    let draining = std::thread::spawn(move || run(async { proxy.drain().await }));
    assert!(raw.until(GOAWAY).is_some());
    go.open();
    assert_eq!(raw.answers(1), 1);
    drop(raw);
    draining.join().unwrap();
    assert_eq!(server.counter("albacore_proxy_drain_expired_total"), 0.0);
}
