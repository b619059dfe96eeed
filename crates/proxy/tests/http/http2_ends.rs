//! How HTTP/2 connections and streams end: resets, slow readers, stalled bodies, idle time, age, draining.

use crate::frames::*;
use crate::played::{Gate, until};
use crate::secure::*;
use crate::support::*;
use h2::Reason;
use h2::client::Builder;
use http::Request;
use invoke::InvokeOutcome;
use std::sync::Arc;
use std::time::Duration;

/// Requests that have left their line.
fn finished(server: &Server) -> f64 {
    server.counter("albacore_proxy_requests_total")
}

/// A function that answers with a body of so many bytes.
fn sized(bytes: usize) -> Function {
    Arc::new(move |_| {
        let document = serde_json::json!({"statusCode": 200, "body": "x".repeat(bytes)});
        Box::pin(async move { InvokeOutcome::Buffered(document.to_string().into_bytes().into()) })
    })
}

const SECOND: Duration = Duration::from_secs(1);

fn impatient(mut setup: Setup) -> Server {
    setup.attributes.idle_timeout = SECOND;
    setup.with_tls().start()
}

// ALB-H-038: a client that resets its stream before the response is logged as 460
#[test]
fn a_stream_that_is_reset_while_its_function_runs() {
    let (gate, function) = Gate::before(r#"{"statusCode":200,"body":"late"}"#);
    let server = Setup::lambda(false, function).with_tls().start();
    let mut raw = Raw::open(&server);
    raw.send(HEADERS, WHOLE, 1, GET);
    gate.wait();
    raw.send(RST_STREAM, 0, 1, &8_u32.to_be_bytes());
    until("proxy_requests() == 1", || finished(&server) == 1.0);
    gate.release();
    gate.wait_for_end(); // nobody waits for it, and it goes on
    // The connection is still good.
    gate.release();
    raw.send(HEADERS, WHOLE, 3, GET);
    assert_eq!(raw.answers(1), 1);
    drop(raw);
    let log = server.log();
    assert_eq!((&*log[0][8], &*log[0][9], &*log[0][11]), ("460", "-", "0"));
    assert_eq!(&*log[1][8], "200");
}

#[test]
fn a_connection_that_is_lost_while_functions_run() {
    let (gate, function) = Gate::before(r#"{"statusCode":200}"#);
    let server = Setup::lambda(false, function).with_tls().start();
    let mut raw = Raw::open(&server);
    for stream in 0..5 {
        raw.send(HEADERS, WHOLE, 2 * stream + 1, GET);
    }
    (0..5).for_each(|_| gate.wait());
    drop(raw);
    until("proxy.connections() == 0 && proxy_requests() == 5", || {
        server.proxy.connections() == 0 && finished(&server) == 5.0
    });
    assert!(server.log().iter().all(|line| line[8] == "460"));
}

#[test]
fn a_client_that_reads_slowly_gets_everything() {
    let server = Setup::lambda(false, sized(700_000)).with_tls().start();
    run(async {
        let mut builder = Builder::new();
        builder.initial_window_size(1000).initial_connection_window_size(70_000);
        let (requests, connection) = connect(&server, &builder).await;
        tokio::task::spawn_local(connection);
        let answer = ask(&requests, get("/")).await.unwrap();
        assert_eq!(answer.body.len(), 700_000);
    });
}

#[test]
fn a_client_that_opens_no_window_is_let_go() {
    let server = impatient(Setup::lambda(false, sized(700_000)));
    let mut raw = Raw::open(&server);
    raw.send(HEADERS, WHOLE, 1, GET);
    let reset = raw.until(RST_STREAM).unwrap();
    assert_eq!((reset.stream, reset.code()), (1, u32::from(Reason::CANCEL)));
    assert!(raw.until(GOAWAY).is_some());
    while raw.next().is_some() {}
    drop(raw);
    until("proxy.connections() == 0", || server.proxy.connections() == 0);
}

// ALB-H-036: a client that stalls in the middle of a body gets 408
#[test]
fn a_stalled_body() {
    let server = impatient(Setup::lambda(false, echo()));
    run(async {
        let (requests, _) = client(&server).await;
        let request = Request::post("https://shop.example/")
            .header("content-length", 10)
            .body(())
            .unwrap();
        let (response, mut stream) = requests.ready().await.unwrap().send_request(request, false).unwrap();
        stream.send_data("half".into(), false).unwrap();
        let answer = answer(response).await.unwrap();
        assert_eq!((answer.status, answer.body.len()), (408, 132));
    });
    assert_eq!(&*server.log()[0][8], "408");
}

#[test]
fn an_idle_connection_is_closed() {
    let server = impatient(Setup::default());
    let mut raw = Raw::open(&server);
    raw.send(HEADERS, WHOLE, 1, GET);
    assert_eq!(raw.answers(1), 1);
    let goaway = raw.until(GOAWAY).unwrap();
    assert_eq!(goaway.code(), 0);
    while raw.next().is_some() {}
    drop(raw);
    // One that never sent its preface, one in the middle of a head, and one that answers no pings.
    let mut silent = server.secure(Offer::alpn(&["h2"]));
    let mut half = Raw::open(&server);
    half.send(HEADERS, END_STREAM, 1, GET);
    let mut mute = Raw::open(&server);
    mute.polite = false;
    let _ = std::io::Read::read_to_end(&mut silent.stream, &mut Vec::new());
    for mut raw in [half, mute] {
        assert_eq!(raw.until(GOAWAY).unwrap().code(), 0);
        while raw.next().is_some() {}
    }
    drop(silent);
    until("all connections are gone", || server.proxy.connections() == 0);
}

#[test]
fn pings_do_not_keep_a_connection() {
    let server = impatient(Setup::default());
    let mut raw = Raw::open(&server);
    raw.send(PING, 0, 0, &[7; 8]);
    // Each answered ping is followed by the next; only the idle timeout ends this.
    let goaway = std::iter::from_fn(|| {
        raw.next()
            .inspect(|_| drop(raw.try_bytes(&encode(PING, 0, 0, &[7; 8]))))
    })
    .find(|frame| frame.kind == GOAWAY);
    assert_eq!(goaway.unwrap().code(), 0);
}

#[test]
fn a_function_may_take_longer_than_the_idle_timeout() {
    let (gate, function) = Gate::before(r#"{"statusCode":200,"body":"at last"}"#);
    let server = impatient(Setup::lambda(false, function));
    let mut slow = Raw::open(&server);
    slow.send(HEADERS, WHOLE, 1, GET);
    gate.wait();
    // Two idle connections, one after the other, are closed in the meantime.
    for _ in 0..2 {
        let mut idle = Raw::open(&server);
        while idle.next().is_some() {}
    }
    gate.release();
    assert_eq!(slow.answers(1), 1);
}

// ALB-H-039: after the client keep-alive duration a GOAWAY follows
#[test]
fn a_connection_has_an_age() {
    let mut setup = Setup::default().with_tls();
    setup.attributes.client_keep_alive = SECOND;
    let server = setup.start();
    let answered = run(async {
        let (requests, ended) = client(&server).await;
        let mut answered = 0;
        while ask(&requests, get("/")).await.is_ok() {
            answered += 1;
        }
        let _ = ended.await.unwrap(); // the server may close first
        answered
    });
    assert!(answered > 0);
    assert_eq!(server.log().len(), answered);
}

#[test]
fn draining_lets_streams_finish_and_closes() {
    let (gate, function) = Gate::before(r#"{"statusCode":200,"body":"done"}"#);
    let server = Setup::lambda(false, function).with_tls().start();
    let mut busy = Raw::open(&server);
    busy.send(HEADERS, WHOLE, 1, GET);
    let mut reset = Raw::open(&server);
    reset.send(HEADERS, WHOLE, 1, GET);
    let mut idle = Raw::open(&server);
    assert!(idle.until(SETTINGS).is_some());
    (0..2).for_each(|_| gate.wait());
    let proxy = server.proxy.clone();
    let draining = std::thread::spawn(move || run(async { proxy.drain().await }));
    for raw in [&mut idle, &mut busy, &mut reset] {
        assert_eq!(raw.until(GOAWAY).unwrap().code(), 0);
    }
    while idle.next().is_some() {}
    drop(idle);
    reset.send(RST_STREAM, 0, 1, &8_u32.to_be_bytes());
    while reset.next().is_some() {}
    drop(reset);
    (0..2).for_each(|_| gate.release());
    assert_eq!(busy.answers(1), 1);
    while busy.next().is_some() {}
    drop(busy);
    draining.join().unwrap();
    assert_eq!(server.counter("albacore_proxy_drain_expired_total"), 0.0);
    let mut statuses: Vec<_> = server.log().into_iter().map(|line| line[8].clone()).collect();
    statuses.sort();
    assert_eq!(statuses, ["200", "460"]);
}

#[test]
fn a_deleted_listener_lets_streams_finish_and_closes() {
    let (gate, function) = Gate::before(r#"{"statusCode":200,"body":"done"}"#);
    let mut setup = Setup::lambda(false, function).with_tls();
    setup.limits.let_go_after = Duration::from_millis(100);
    let server = setup.start();
    let mut busy = Raw::open(&server);
    busy.send(HEADERS, WHOLE, 1, GET);
    let mut idle = Raw::open(&server);
    assert!(idle.until(SETTINGS).is_some());
    gate.wait();
    server.proxy.apply(&state_of(&[])).unwrap();
    for raw in [&mut idle, &mut busy] {
        assert_eq!(raw.until(GOAWAY).unwrap().code(), 0);
    }
    while idle.next().is_some() {}
    gate.release();
    assert_eq!(busy.answers(1), 1);
    while busy.next().is_some() {}
    drop((idle, busy));
    until("proxy.connections() == 0", || server.proxy.connections() == 0);
}

#[test]
fn draining_cuts_what_does_not_end() {
    let (gate, function) = Gate::before(r#"{"statusCode":200}"#);
    let mut setup = Setup::lambda(false, function).with_tls();
    setup.limits.drain = Duration::from_millis(300);
    let server = setup.start();
    let mut raw = Raw::open(&server);
    raw.send(HEADERS, WHOLE, 1, GET);
    gate.wait();
    let proxy = server.proxy.clone();
    run(async { proxy.drain().await });
    while raw.next().is_some() {}
    assert_eq!(server.counter("albacore_proxy_drain_expired_total"), 1.0);
    assert_eq!(server.log().len(), 1);
}

// Closing while the client still sends would make the kernel throw away what it has not delivered.
#[test]
fn an_answer_on_its_way_survives_the_end_of_the_connection() {
    let (gate, function) = Gate::before(Box::leak(
        format!(r#"{{"statusCode":200,"body":"{}"}}"#, "x".repeat(900_000)).into_boxed_str(),
    ));
    let server = Setup::lambda(false, function).with_tls().start();
    let mut raw = Raw::open_with(&server, 64 * 1024);
    raw.send(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
    raw.send(WINDOW_UPDATE, 0, 0, &0x7000_0000_u32.to_be_bytes());
    raw.send(HEADERS, WHOLE, 1, GET);
    gate.wait();
    let proxy = server.proxy.clone();
    let draining = std::thread::spawn(move || run(async { proxy.drain().await }));
    assert!(raw.until(PING).is_some());
    gate.release();
    let (mut body, mut ended) = (0, false);
    while let Some(frame) = raw.next() {
        if frame.kind == DATA {
            body += frame.payload.len();
            // Late, but not wrong.
            let _ = raw.try_bytes(&encode(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()));
        }
        ended |= frame.ends_stream();
    }
    assert!(ended && body == 900_000, "{body} bytes");
    drop(raw);
    draining.join().unwrap();
}
