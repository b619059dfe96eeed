//! Whoever dies, and however: nothing below is left, and nobody above waits.

use crate::support::*;
use sandbox::{ExitStatus, SpawnError};
use std::future::pending;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use tokio::time::timeout;

/// The argument that makes this program an albacore to be killed.
pub(crate) const SECOND_ALBACORE: &str = "--second-albacore";

const KILLED: ExitStatus = ExitStatus::Signal {
    signal: libc::SIGKILL,
    core_dumped: false,
};

/// Starts environments, says which processes there are, and stays.
pub(crate) async fn second_albacore() -> ExitCode {
    let spawner = start();
    let (_first, first) = start_with_daemon(&spawner, "sleep 1000").await;
    let (_second, second) = start_with_daemon(&spawner, "exec sleep 1000").await;
    let pids: Vec<String> = [&first[..], &second, &[spawner.pid()]]
        .concat()
        .iter()
        .map(u32::to_string)
        .collect();
    println!("{}", pids.join(" "));
    pending().await
}

pub(crate) async fn a_daemon_is_killed_with_its_main_process() {
    let spawner = start();
    // The main process ends by itself, once the test has seen its daemon.
    let directory = Directory::new();
    let gate = directory.path().join("gate");
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let (mut process, pids) = start_with_daemon(&spawner, &format!("read line < {}; exit 5", gate.display())).await;
    assert!(pids.iter().all(|&pid| alive(pid)));
    std::fs::write(&gate, "go\n").unwrap();
    assert_eq!(process.wait().await, ExitStatus::Code(5));
    let [main, daemon, init] = pids;
    assert!(!alive(main) && !alive(daemon), "wait says that nothing is left");
    until_dead(&[init]).await;
    spawner.shutdown().await;
}

pub(crate) async fn a_killed_albacore_leaves_nothing() {
    let program = std::env::current_exe().unwrap();
    let mut albacore = Command::new(program)
        .arg(SECOND_ALBACORE)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(albacore.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let pids: Vec<u32> = line.split_ascii_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 7);
    assert!(pids.iter().all(|&pid| alive(pid)), "{pids:?}");
    albacore.kill().unwrap();
    albacore.wait().unwrap();
    until_dead(&pids).await;
}

pub(crate) async fn a_killed_spawner_leaves_nothing_and_another_one_takes_over() {
    let spawner = start();
    let descriptors = fds_of("self").len();
    for _ in 0..3 {
        let killed = spawner.pid();
        let (mut process, pids) = start_with_daemon(&spawner, "sleep 1000").await;
        signal("KILL", killed);
        assert_eq!(process.wait().await, KILLED);
        // Asked for while there is none; what it starts is the next one's.
        let (mut next, next_pids) = start_with_daemon(&spawner, "sleep 1000").await;
        assert_ne!(spawner.pid(), killed);
        until_dead(&pids).await;
        assert!(next_pids.iter().all(|&pid| alive(pid)));
        // The handle of the old one means nothing to the new one.
        process.kill();
        drop(process);
        assert_eq!(run(&spawner, shell("exit 3")).await.2, ExitStatus::Code(3));
        next.kill();
        assert_eq!(next.wait().await, KILLED);
        drop(next);
        until("no descriptor is left", || fds_of("self").len() == descriptors).await;
    }
    assert!(timeout(Duration::ZERO, spawner.ended()).await.is_err());
    let (clone, last) = (spawner.clone(), spawner.pid());
    spawner.shutdown().await;
    clone.ended().await;
    until_dead(&[last]).await;
}

/// Between two attempts, when there is no spawner to be told.
pub(crate) async fn a_shutdown_between_two_spawners_leaves_nothing() {
    let spawner = start();
    let mut killed = 0;
    for _ in 0..6 {
        until("there is another one", || spawner.pid() != killed).await;
        killed = spawner.pid();
        signal("KILL", killed);
    }
    until("it is collected", || !Path::new(&format!("/proc/{killed}")).exists()).await;
    let clone = spawner.clone();
    spawner.shutdown().await;
    let error = clone.spawn(shell("exit 0")).await.expect_err("no spawner");
    assert!(matches!(error, SpawnError::SpawnerGone), "{error}");
    assert_eq!(children_of(std::process::id()), [0; 0]);
}

pub(crate) async fn a_killed_init_leaves_nothing() {
    let spawner = start();
    let (mut process, pids) = start_with_daemon(&spawner, "sleep 1000").await;
    let (mut other, _) = start_with_daemon(&spawner, "sleep 1000").await;
    signal("KILL", pids[2]);
    assert_eq!(process.wait().await, KILLED);
    until_dead(&pids).await;
    let rest = [parent_of(other.pid()).unwrap()];
    until("only the other init is left", || children_of(spawner.pid()) == rest).await;
    other.kill();
    assert_eq!(other.wait().await, KILLED);
    spawner.shutdown().await;
}

pub(crate) async fn shutdown_leaves_nothing() {
    let spawner = start();
    let (mut process, pids) = start_with_daemon(&spawner, "sleep 1000").await;
    let (clone, spawner_pid) = (spawner.clone(), spawner.pid());
    spawner.shutdown().await;
    assert!(!alive(spawner_pid) && !pids.iter().any(|&pid| alive(pid)));
    assert_eq!(process.wait().await, KILLED);
    let error = clone.spawn(shell("exit 0")).await.expect_err("no spawner");
    assert!(matches!(error, SpawnError::SpawnerGone), "{error}");
}

pub(crate) async fn the_last_handle_ends_the_spawner() {
    let spawner = start();
    let spawner_pid = spawner.pid();
    let mut process = spawner.spawn(shell("exit 4")).await.unwrap();
    drop(spawner);
    assert_eq!(process.wait().await, ExitStatus::Code(4));
    drop(process);
    until_dead(&[spawner_pid]).await;
}

pub(crate) async fn signals_of_a_terminal_do_not_end_the_spawner() {
    let spawner = start();
    for name in ["INT", "TERM", "HUP", "QUIT"] {
        signal(name, spawner.pid());
    }
    assert_eq!(run(&spawner, shell("exit 0")).await.2, ExitStatus::Code(0));
    spawner.shutdown().await;
}
