//! Memory and descriptors of a whole process: a test binary of its own, whose tests run one after the other.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "http/health/checked.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod checked;
#[path = "http/support.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod support;

use model::Command;
use model::elb::health_check::HealthCheckPort;
use model::elb::target_group::TargetId;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use support::*;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Every test ends its server before it lets the next one begin.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets how many descriptors the process may have, and gives back what it was.
fn set_descriptors_max(max: Option<u64>) -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    let current = max.or(before.maximum);
    setrlimit(Resource::Nofile, Rlimit { current, ..before }).unwrap();
    before
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count() - 1 // the directory itself
}

/// Anonymous memory of this process, client and server, in KiB.
fn anonymous_kib() -> usize {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "never happened: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

#[test]
fn five_thousand_slow_clients_cost_bounded_memory() {
    let _alone = alone();
    let before = set_descriptors_max(None);
    let server = Setup::default().start();
    let mut normal = server.connect();
    normal.send(REQUEST);
    assert_eq!(normal.response().status, 200);
    let empty = anonymous_kib();
    let slow: Vec<_> = (0..5000)
        .map(|_| {
            let mut client = server.connect();
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ");
            client
        })
        .collect();
    until("all are accepted", || server.proxy.connections() == 5001);
    normal.send(REQUEST);
    assert_eq!(normal.response().status, 200);
    let grown = anonymous_kib().saturating_sub(empty);
    assert!(grown < 100 * 1024, "{grown} KiB");
    drop(slow);
    until("all but one are gone", || server.proxy.connections() == 1);
    normal.send(REQUEST);
    assert_eq!(normal.response().status, 200);
    drop(server.log());
    setrlimit(Resource::Nofile, before).unwrap();
}

#[test]
fn idle_connections_hold_no_buffers() {
    let _alone = alone();
    let before = set_descriptors_max(None);
    let server = Setup::default().start();
    let warm = |server: &Server| {
        let mut client = server.connect();
        client.send(REQUEST);
        assert_eq!(client.response().status, 200);
        client
    };
    drop(warm(&server));
    let empty = anonymous_kib();
    // A client of this test keeps a few hundred bytes itself.
    let idle: Vec<_> = (0..5000).map(|_| warm(&server).stream).collect();
    let grown = anonymous_kib().saturating_sub(empty);
    assert!(grown < 36 * 1024, "{grown} KiB: less than a buffer each");
    drop(idle);
    drop(server.log());
    setrlimit(Resource::Nofile, before).unwrap();
}

#[test]
fn without_descriptors_accepting_pauses_and_goes_on() {
    let _alone = alone();
    let server = Setup::default().start();
    let mut before = server.connect();
    before.send(REQUEST);
    assert_eq!(before.response().status, 200);
    let limit = set_descriptors_max(Some(descriptors() as u64 + 20));
    let mut fill: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    // Room for the client's side alone.
    fill.pop();
    let mut waiting = server.connect();
    waiting.send(REQUEST);
    until("accepting fails", || {
        server.counter("albacore_proxy_accept_errors_total") >= 2.0
    });
    before.send(REQUEST);
    assert_eq!(before.response().status, 200, "who is connected is served");
    drop(fill);
    assert_eq!(waiting.response().status, 200);
    let errors = server.counter("albacore_proxy_accept_errors_total");
    assert!(errors < 100.0, "{errors} attempts: it does not pause");
    setrlimit(Resource::Nofile, limit).unwrap();
    drop(server.log());
}

#[test]
fn no_descriptor_is_left_behind() {
    let _alone = alone();
    let server = Setup::default().start();
    drop(server.connect());
    until("it is gone", || server.proxy.connections() == 0);
    let before = descriptors();
    for round in 0..1000 {
        let mut client = server.connect();
        match round % 3 {
            0 => {}
            1 => client.send(b"GET / HT"),
            _ => {
                client.send(REQUEST);
                assert_eq!(client.response().status, 200);
            }
        }
    }
    until("all are gone", || server.proxy.connections() == 0);
    until("their descriptors are too", || descriptors() <= before);
    drop(server.log());
}

#[test]
fn refused_clients_that_stay_hold_no_descriptor() {
    let _alone = alone();
    let mut setup = Setup::default();
    setup.limits.connections_max = 1;
    setup.limits.refuse_after = Duration::from_millis(1);
    let server = setup.start();
    let mut holder = server.connect();
    holder.send(REQUEST);
    assert_eq!(holder.response().status, 200);
    let before = descriptors();
    let refused: Vec<_> = (0..100).map(|_| server.connect()).collect();
    until("all are refused", || {
        server.counter("albacore_proxy_accept_refusals_total") == 100.0
    });
    until("only their own ends are left", || descriptors() <= before + 100);
    drop(refused);
    holder.send(REQUEST);
    assert_eq!(holder.response().status, 200);
    until("and no timers but the holder's", || {
        server.counter("albacore_proxy_timers") <= 1.0
    });
    drop(holder);
    until("all ends are closed", || descriptors() <= before - 2);
    drop(server.log());
}

#[test]
fn checks_that_hang_hold_a_descriptor_each_and_give_it_back() {
    let _alone = alone();
    let hanging = checked::Checked::hanging();
    let setup = checked::setup(&[], |servers| {
        let target = |port| checked::target(([127, 0, 0, 1], port).into());
        servers.targets = (1000..1030).map(target).collect();
        servers.health_check.timing = checked::timing(300, 120);
        servers.health_check.port = HealthCheckPort::Port(hanging.address().port());
    });
    let mut commands = setup.commands();
    let server = setup.start();
    until("all are asked", || hanging.open() == 30);
    let both_ends = descriptors();
    let deregister = (1000..1030).map(|port| (TargetId::Ip([127, 0, 0, 1].into()), port));
    commands.push(Command::DeregisterServers {
        target_group: group_arn(checked::GROUP),
        targets: deregister.collect(),
    });
    server.proxy.apply(&state_of(&commands)).unwrap();
    until("nobody is asked", || hanging.open() == 0);
    until("their descriptors are gone", || descriptors() <= both_ends - 60);
    assert_eq!(hanging.requests().len(), 30, "each was asked once");
    drop(server.log());
}
