//! Real clients against the real binary: HTTP and HTTPS listeners, and a function behind them.
//!
//! The clients are programs in `tests/clients`; each checks the details itself, and ends with a status other than 0 and a
//! message when something is not as expected.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod world;

use rustix::process::Signal;
use testkit::{children, open_files, repository, run, until, zombies};
use world::{World, python};

// ALB-H-018: `Expect` is answered at once. ALB-A-021: HEAD has the headers alone
// ALB-L-034: bodies above 1 MB get 413. ALB-L-025: no length where the client wrote none
#[test]
fn curl() {
    World::start().client("bash", "curl.sh").expect_success();
}

// ALB-X-001: unknown server names get the default certificate. ALB-X-003: our cipher order counts
// ALB-X-004: the TLS 1.3 policy turns older clients away. ALB-X-006: without HTTP/2, ALPN does not offer it
#[test]
fn openssl() {
    World::start().client("bash", "openssl.sh").expect_success();
}

#[test]
fn python_requests() {
    World::start().client(&python(), "with_requests.py").expect_success();
}

#[test]
fn python_http_client() {
    World::start().client(&python(), "with_http_client.py").expect_success();
}

#[test]
fn python_sockets() {
    World::start().client(&python(), "with_sockets.py").expect_success();
}

#[test]
fn python_httpx() {
    World::start().client(&python(), "with_httpx.py").expect_success();
}

#[test]
fn node_fetch() {
    World::start().client("node", "fetch.mjs").expect_success();
}

#[test]
fn node_https() {
    World::start().client("node", "https.mjs").expect_success();
}

#[test]
fn node_http2_and_a_stop() {
    let mut world = World::start();
    world.client("node", "http2.mjs").expect_success();
    assert_eq!(world.server.exit_code(), Some(0), "the client has stopped it");
}

#[test]
fn a_thousand_connections_leave_nothing_behind() {
    let world = World::start();
    let server = &world.server;
    // What is opened once for the first request is open now, and perhaps a connection that is just ending.
    world.warm_up();
    let (files, spawner) = (open_files(server.pid()), children(server.pid()));
    world.client(&python(), "load.py").expect_success();
    until("no connection is left", || {
        (server.own_api("status").1["connections"] == 0).then_some(())
    });
    until("no file is left open", || {
        (open_files(server.pid()) <= files).then_some(())
    });
    assert_eq!(children(server.pid()), spawner);
    for process in spawner.into_iter().chain([server.pid()]) {
        assert_eq!(zombies(process), []);
    }
    assert_eq!(server.metric("albacore_proxy_panics_total"), Some(0.0));
    server.signal(Signal::TERM);
}

/// A program that is not run by a test above proves nothing.
#[test]
fn every_client_is_run() {
    let tests = std::fs::read_to_string(repository("crates/albacore/tests/clients/main.rs")).unwrap();
    for file in std::fs::read_dir(repository("tests/clients")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let is_shared = name == "clients.py" || name.starts_with("__");
        assert!(is_shared || tests.contains(&format!("\"{name}\"")), "{name} is not run");
    }
    run(std::process::Command::new("node").arg("--version")).expect(0, "v", "");
}
