//! Whoever dies, and however: nothing below is left, and nobody above waits.

use crate::support::*;
use sandbox::{ExitStatus, SpawnError};
use std::future::pending;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

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

pub(crate) async fn a_killed_spawner_leaves_nothing_and_nobody_waits() {
    let spawner = start();
    let (mut process, pids) = start_with_daemon(&spawner, "sleep 1000").await;
    signal("KILL", spawner.pid());
    assert_eq!(process.wait().await, KILLED);
    until_dead(&pids).await;
    for _ in 0..2 {
        let error = spawner.spawn(shell("exit 0")).await.expect_err("no spawner");
        assert!(matches!(error, SpawnError::SpawnerGone), "{error}");
    }
    spawner.shutdown().await;
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
