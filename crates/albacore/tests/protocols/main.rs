//! Protocols as others speak them, through the real binary: HTTP/2 by h2spec, WebSockets and gRPC between the servers and the
//! clients of several libraries.
//!
//! The programs are in `tests/protocols`; each checks the details itself, and ends with a status other than 0 and a message
//! when something is not as expected. `make setup` installs what they need.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod grpc;
mod http2;
mod websocket;
mod world;

use testkit::repository;

/// A program that no test runs proves nothing.
#[test]
fn every_program_is_run() {
    let sources = ["grpc", "http2", "websocket"].map(|name| {
        let path = repository(&format!("crates/albacore/tests/protocols/{name}.rs"));
        std::fs::read_to_string(path).unwrap()
    });
    for file in std::fs::read_dir(repository("tests/protocols")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let is_program = name.ends_with(".py") || name.ends_with(".mjs");
        let is_shared = name.starts_with("shared");
        let is_run = sources.iter().any(|source| source.contains(&format!("\"{name}\"")));
        assert!(!is_program || is_shared || is_run, "{name} is not run");
    }
}
