//! A minute of it, and a `kill -9` in the middle of it.

use crate::clients;
use crate::world::{BEHAVIOURS, World, mark};
use rustix::process::{Pid, Signal};
use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use testkit::{anonymous_kilobytes, children, processes_with, until, zombies};

/// How long the load lasts, in seconds.
const SECONDS_VARIABLE: &str = "ALBACORE_LOAD_SECONDS";
const SECONDS_DEFAULT: u64 = 60;

/// What albacore may hold beyond what it held when the first tenth of the load was over, in kilobytes.
const GROWTH_KILOBYTES_MAX: u64 = 64 * 1024;

// ALB-L-055: what fails, exits or is killed. ALB-L-056: what hangs
#[test]
fn a_mixed_load_is_answered_and_leaves_nothing() {
    let _alone = crate::alone();
    let mut world = World::start();
    // What is opened once and kept, as the files of the log groups are, is open after one request to each function.
    world.change_functions(&BEHAVIOURS);
    for it in &BEHAVIOURS {
        let (status, _) = testkit::get(world.listener(), &format!("/{}/first/0", it.name));
        assert_eq!(status, it.status, "{}", it.name);
    }
    world.change_functions(&[]);
    until("no process is left", || world.processes().is_empty().then_some(()));
    until("no connection is left", || world.connections_are_closed().then_some(()));
    until("interpreters and empty environments are kept ready", || {
        (world.kept_ready() == world.kept_ready_wanted()).then_some(())
    });
    let files = world.open_files();
    world.change_functions(&BEHAVIOURS);
    let answers = mixed_load(&world);
    every_request_is_logged_once(&world, &answers);
    until("a minute is over, and a scrape tells of it", || {
        let (_, metrics) = world.server.own_api("metrics");
        let metrics = metrics.as_str().unwrap();
        let families =
            ["consumed_lcus", "peak_lcus"].map(|it| format!("albacore_proxy_{it}{{load_balancer=\"app/load/"));
        families.iter().all(|it| metrics.contains(it)).then_some(())
    });

    // What is left is idle, and no process is left but main processes: what functions have forked is gone. There may be
    // fewer processes than environments, because one whose process has ended gets another with its next invocation.
    until("no environment is busy", || (world.environments().0 == 0).then_some(()));
    until("each process is the main process of an environment", || {
        let (processes, mains) = (world.processes(), world.main_processes());
        (processes == mains && mains.len() as u64 <= world.environments().1).then_some(())
    });
    world.change_functions(&[]);
    until("no process is left", || world.processes().is_empty().then_some(()));
    until("no environment is left", || {
        (world.environments() == (0, 0)).then_some(())
    });
    until("interpreters and empty environments are kept ready", || {
        (world.kept_ready() == world.kept_ready_wanted()).then_some(())
    });
    until("every file is closed", || {
        let now = world.open_files();
        now.iter().zip(&files).all(|(now, before)| now <= before).then_some(())
    });
    for process in children(world.server.pid()).into_iter().chain([world.server.pid()]) {
        assert_eq!(zombies(process), []);
    }
    assert_eq!(world.server.metric("albacore_proxy_panics_total"), Some(0.0));

    // And it works as before, until it is stopped.
    world.change_functions(&BEHAVIOURS);
    let (status, body) = testkit::get(world.listener(), "/good/after/0");
    assert_eq!((status, body.as_str()), (200, "/good/after/0"));
    world.server.signal(Signal::TERM);
    assert_eq!(world.server.exit_code(), Some(0));
    until("no process is left", || world.processes().is_empty().then_some(()));
    assert!(!world.folder.path(".albacore/environments").exists());
}

#[test]
fn a_kill_under_load_leaves_no_function() {
    let _alone = crate::alone();
    let mut world = World::start();
    world.change_functions(&BEHAVIOURS);
    let stop = AtomicBool::new(false);
    let mut running = Vec::new();
    thread::scope(|scope| {
        let clients = clients::start(scope, world.listener(), &stop);
        until("every function runs", || {
            let (_, status) = world.server.own_api("status");
            let functions = status["functions"].as_array().unwrap();
            functions
                .iter()
                .all(|it| it["invocations"].as_u64() > Some(3))
                .then_some(())
        });
        running = world.processes();
        assert!(!running.is_empty());
        world.server.signal(Signal::KILL);
        assert_eq!(world.server.exit_code(), None);
        for client in clients {
            let report = client.join().unwrap();
            assert!(report.end.is_err(), "its connection was not broken");
        }
    });
    until("no function runs", || {
        let is_running = |pid: &Pid| fs::metadata(format!("/proc/{}", pid.as_raw_nonzero())).is_ok();
        let marked = processes_with("LOAD_MARK", &mark(&world.folder));
        (marked.is_empty() && !running.iter().any(is_running)).then_some(())
    });
    let server = world.folder.up(&[]);
    assert_eq!(testkit::get(server.socket(8080), "/good/after/0").0, 200);
}

/// Sends to every function for the time; returns every request with its status. Memory is watched meanwhile.
fn mixed_load(world: &World) -> BTreeMap<String, u16> {
    let seconds = std::env::var(SECONDS_VARIABLE).map_or(SECONDS_DEFAULT, |text| text.parse().unwrap());
    let duration = Duration::from_secs(seconds);
    let stop = AtomicBool::new(false);
    let (began, pid) = (Instant::now(), world.server.pid());
    let answers: BTreeMap<_, _> = thread::scope(|scope| {
        let clients = clients::start(scope, world.listener(), &stop);
        let (mut settled, mut most) = (0, 0);
        while began.elapsed() < duration && clients.iter().all(|client| !client.is_finished()) {
            thread::park_timeout(Duration::from_millis(100));
            let now = anonymous_kilobytes(pid);
            if began.elapsed() < duration / 10 {
                settled = settled.max(now);
            }
            most = most.max(now);
        }
        stop.store(true, Ordering::Relaxed);
        println!("memory: {settled} kB after a tenth of the time, at most {most} kB");
        assert!(
            most < settled + GROWTH_KILOBYTES_MAX,
            "{settled} kB have grown to {most} kB"
        );
        let reports = clients.into_iter().map(|client| client.join().unwrap());
        reports
            .flat_map(|report| {
                report.end.unwrap();
                report.answers
            })
            .collect()
    });
    for it in &BEHAVIOURS {
        let prefix = format!("/{}/", it.name);
        let count = answers.keys().filter(|path| path.starts_with(&prefix)).count();
        println!("{}: {count} requests, each answered with {}", it.name, it.status);
        assert!(count > it.clients, "{} was hardly asked", it.name);
        let invocations = format!("albacore_functions_invocations_total{{function=\"{}\"}}", it.name);
        let invoked = world.server.metric(&invocations);
        assert_eq!(invoked, Some(count as f64), "{}", it.name);
    }
    answers
}

/// Each request has one line in the access log, with the status that its client got, and the reason that its function
/// deserves.
fn every_request_is_logged_once(world: &World, answers: &BTreeMap<String, u16>) {
    let expected = BEHAVIOURS.len() + answers.len();
    let log = until("every line is written", || {
        let log = fs::read_to_string(world.folder.path(".albacore/access.log")).unwrap_or_default();
        (log.lines().count() >= expected).then_some(log)
    });
    let mut logged = BTreeMap::new();
    for line in log.lines() {
        let path = line
            .split("GET http://localhost:8080")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap();
        let name = path.split('/').nth(1).unwrap();
        let behaviour = BEHAVIOURS.iter().find(|it| it.name == name).unwrap();
        let reason = format!("\"{}\"", behaviour.error_reason);
        assert!(line.contains(&reason), "{line}");
        let status: u16 = line.split(' ').nth(8).unwrap().parse().unwrap();
        if !path.ends_with("/first/0") {
            assert_eq!(logged.insert(path.to_owned(), status), None, "logged twice: {line}");
        }
    }
    assert_eq!(&logged, answers);
}
