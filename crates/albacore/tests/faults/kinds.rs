//! The faults of targets once more, as clients with TLS and clients of HTTP/2 see them.

use crate::client::{Call, fetch_all};
use crate::targets::{FAULTS, Fault, SILENCES, Seen, origins};
use crate::world::World;
use std::io::{Read, Write};
use testkit::{secure, trusting};

const ORIGIN: &str = "https://localhost:8443";

/// Everything that comes until the connection is closed, with TLS. `false`: it was cut, and not closed.
fn securely(world: &World, path: &str) -> (String, bool) {
    let mut stream = secure(world.secure_listener(), "localhost", trusting(&["http/1.1"])).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes).is_ok();
    (String::from_utf8_lossy(&bytes).into_owned(), ended)
}

#[track_caller]
fn is_logged(world: &World, path: &str, fault: &Fault) {
    let reason = match fault.seen {
        Seen::Page(_, reason) | Seen::Broken(reason) => reason,
        Seen::Whole => "-",
    };
    let record = world.record_of(ORIGIN, path);
    assert_eq!(record["error_reason"], reason, "{path}: {record}");
}

#[test]
fn a_faulty_target_costs_its_request_with_tls() {
    let (_origins, groups) = origins(FAULTS);
    let world = World::start(groups);
    for fault in FAULTS {
        let path = format!("/{}/", fault.name);
        let (bytes, ended) = securely(&world, &path);
        match fault.seen {
            Seen::Page(status, _) => {
                assert!(bytes.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {bytes:?}");
                assert!(ended && bytes.ends_with("</html>\r\n"), "{path}: {bytes:?}");
            }
            Seen::Broken(_) => assert!(!crate::targets::is_whole(bytes.as_bytes()), "{path}: {bytes:?}"),
            Seen::Whole => assert!(ended && bytes.contains("hello"), "{path}: {bytes:?}"),
        }
        is_logged(&world, &path, fault);
    }
    world.settles();
}

/// Asks all of them at once, on one connection that serves on.
#[track_caller]
fn ask_all(world: &World, faults: &[Fault]) {
    let mut paths: Vec<_> = faults.iter().map(|fault| format!("/{}/", fault.name)).collect();
    paths.push("/good/".to_owned());
    let answers = fetch_all(world, Call::Get, &paths);
    for ((fault, path), answer) in faults.iter().zip(&paths).zip(&answers) {
        let is_expected = match fault.seen {
            Seen::Page(status, _) => answer.whole && answer.status == status && answer.body.starts_with("<html>"),
            Seen::Broken(_) => !answer.whole,
            Seen::Whole => answer.whole && answer.status == 200 && answer.body == "hello",
        };
        assert!(is_expected, "{path}: {answer:?}");
        is_logged(world, path, fault);
    }
    assert_eq!(answers.last().unwrap().body, "good");
}

#[test]
fn faulty_targets_cost_their_streams_and_leave_nothing() {
    let (_origins, groups) = origins(FAULTS);
    let world = World::start(groups);
    for _ in 0..3 {
        ask_all(&world, FAULTS);
        world.settles();
    }
}

#[test]
fn silent_targets_cost_their_streams_and_leave_nothing() {
    let (_origins, groups) = origins(SILENCES);
    let world = World::start(groups);
    ask_all(&world, SILENCES);
    world.settles();
}
