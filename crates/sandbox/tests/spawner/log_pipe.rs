//! The third pipe of a process, besides its standard output and standard error.

use crate::support::*;
use sandbox::{ExitStatus, LOG_DESCRIPTOR, Limits, Process, SpawnError, Spawner, Spec};
use std::fs;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

fn with_log(spec: Spec) -> Spec {
    Spec { log_pipe: true, ..spec }
}

pub(crate) async fn it_is_descriptor_62_of_the_process_and_its_children() {
    assert_eq!(LOG_DESCRIPTOR, 62);
    let spawner = start();
    let script = "echo own > /proc/self/fd/62; sh -c 'echo child > /proc/self/fd/62'; echo out; echo err >&2";
    // The limit is for what the process opens itself.
    for open_files in [1024, 16] {
        let limits = Limits {
            open_files,
            ..Limits::default()
        };
        let mut process = spawner
            .spawn(Spec {
                limits,
                ..with_log(shell(script))
            })
            .await
            .unwrap();
        let (log, stdout, stderr) = (process.take_log(), process.take_stdout(), process.take_stderr());
        let (log, stdout, stderr) = tokio::join!(read_all(log), read_all(stdout), read_all(stderr));
        assert_eq!((&*log, &*stdout, &*stderr), ("own\nchild\n", "out\n", "err\n"));
        assert_eq!(process.wait().await, ExitStatus::Code(0));
        assert!(process.take_log().is_none(), "taken once");
    }
    spawner.shutdown().await;
}

pub(crate) async fn it_is_there_only_when_asked_for() {
    let spawner = start();
    let sleep = spec("/bin/sleep", ["1000"]);
    let mut without = spawner.spawn(sleep.clone()).await.unwrap();
    let with = spawner.spawn(with_log(sleep)).await.unwrap();
    assert!(without.take_log().is_none());
    // The dynamic loader has libraries open for a moment.
    let fds = |process: &Process| fds_of(&process.pid().to_string());
    until("only the streams are open", || {
        fds(&without) == [0, 1, 2] && fds(&with) == [0, 1, 2, 62]
    })
    .await;
    let target = |fd: u32| fs::read_link(format!("/proc/{}/fd/{fd}", with.pid())).unwrap();
    assert!(target(62).to_string_lossy().starts_with("pipe:"));
    assert!(target(62) != target(1) && target(62) != target(2));
    // Nobody between us and the process holds the pipe open.
    let init = parent_of(with.pid()).unwrap();
    for holder in [init, spawner.pid()] {
        for fd in fds_of(&holder.to_string()) {
            let held = fs::read_link(format!("/proc/{holder}/fd/{fd}"));
            assert!(held.is_ok_and(|held| held != target(62)), "{holder} {fd}");
        }
    }
    spawner.shutdown().await;
}

pub(crate) async fn it_ends_with_the_environment() {
    let spawner = start();
    let mut process = spawner.spawn(with_log(with_daemon("exec sleep 1000"))).await.unwrap();
    let mut log = receiver(process.take_log());
    process.kill();
    process.wait().await;
    let mut rest = Vec::new();
    log.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
    spawner.shutdown().await;
}

/// Descriptors of the spawner and of a new init reach and pass 62 on the way: neither the log nor the word about a
/// program that cannot be executed may get lost for it.
pub(crate) async fn each_environment_has_its_own_however_many_there_are() {
    let spawner = start();
    let mut processes = JoinSet::new();
    let mut running = Vec::new();
    for number in 0..80 {
        let spawner: Spawner = spawner.clone();
        let script = format!("echo {number} > /proc/self/fd/62; exec sleep 1000");
        let mut process = spawner.spawn(with_log(shell(&script))).await.unwrap();
        let mut log = receiver(process.take_log());
        processes.spawn(async move { (number.to_string(), read_line(&mut log).await) });
        running.push(process);
        let missing = spawner.spawn(with_log(spec("/nonexistent", []))).await;
        assert!(
            matches!(
                missing,
                Err(SpawnError::Exec {
                    errno: libc::ENOENT,
                    ..
                })
            ),
            "{number}: {missing:?}"
        );
    }
    while let Some(read) = processes.join_next().await {
        let (expected, found) = read.unwrap();
        assert_eq!(found, expected);
    }
    spawner.shutdown().await;
}
