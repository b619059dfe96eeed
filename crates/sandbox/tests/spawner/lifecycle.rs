//! Starting, ending and waiting.

use crate::support::*;
use sandbox::{ExitStatus, InvalidSpec, Options, REQUEST_BYTES_MAX, SpawnError, Spawner, Spec, Step};
use std::fs;
use std::future::ready;
use std::os::unix::fs::PermissionsExt;
use tokio::task::JoinSet;

const KILLED: ExitStatus = ExitStatus::Signal {
    signal: libc::SIGKILL,
    core_dumped: false,
};

pub(crate) async fn output_and_exit_code_arrive() {
    let spawner = start();
    let outcome = run(&spawner, shell("echo out; echo err >&2; pwd; cat; exit 7")).await;
    assert_eq!(outcome, ("out\n/\n".into(), "err\n".into(), ExitStatus::Code(7)));
    let nested = Spec {
        working_directory: "/usr/bin".into(),
        ..spec("/bin/pwd", [])
    };
    assert_eq!(run(&spawner, nested).await.0, "/usr/bin\n");
    spawner.shutdown().await;
}

pub(crate) async fn a_signal_is_reported() {
    let spawner = start();
    for (name, expected) in [
        ("KILL", "signal: killed"),
        ("SEGV", "signal: segmentation fault"),
        ("TERM", "signal: terminated"),
    ] {
        let (_, _, status) = run(&spawner, shell(&format!("kill -s {name} $$"))).await;
        assert_eq!(status.to_string(), expected, "{name}");
    }
    spawner.shutdown().await;
}

pub(crate) async fn the_environment_is_exactly_what_was_given() {
    let spawner = start();
    let environment = [("B", "two words"), ("A", "1=2"), ("EMPTY", "")];
    let environment = environment.map(|(name, value)| (name.into(), value.into())).to_vec();
    for (environment, expected) in [(environment, "B=two words\nA=1=2\nEMPTY=\n"), (vec![], "")] {
        assert_eq!(
            run(
                &spawner,
                Spec {
                    environment,
                    ..spec("/usr/bin/env", [])
                }
            )
            .await
            .0,
            expected
        );
    }
    spawner.shutdown().await;
}

pub(crate) async fn a_large_request_arrives_whole_and_a_larger_one_is_refused() {
    let spawner = start();
    let half = "x".repeat(90 * 1024);
    let spec = spec("/bin/sh", ["-c", "echo ${#1} ${#2}", "sh", &half, &half]);
    assert_eq!(run(&spawner, spec.clone()).await.0, "92160 92160\n");
    let larger = Spec {
        environment: vec![("A".into(), "x".repeat(20 * 1024).into())],
        ..spec
    };
    let error = spawner.spawn(larger).await.expect_err("too large");
    assert!(matches!(error, SpawnError::Invalid(InvalidSpec::TooLarge { bytes }) if bytes > REQUEST_BYTES_MAX));
    spawner.shutdown().await;
}

pub(crate) async fn a_program_that_cannot_be_executed_is_named_with_its_error() {
    let spawner = start();
    let directory = Directory::new();
    let file = |name: &str, mode, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    for (program, expected) in [
        ("/no/such/program".into(), libc::ENOENT),
        ("/etc/passwd/program".into(), libc::ENOTDIR),
        (file("not-executable", 0o644, "#!/bin/sh\n"), libc::EACCES),
        (file("not-a-program", 0o755, "what is this?\n"), libc::ENOEXEC),
        (file("no-interpreter", 0o755, "#!/no/such/interpreter\n"), libc::ENOENT),
    ] {
        let spec = Spec {
            program: program.clone(),
            ..spec("/", [])
        };
        match spawner.spawn(spec).await.expect_err("cannot be executed") {
            SpawnError::Exec { program: named, errno } => assert_eq!((named, errno), (program, expected)),
            other => panic!("{program:?}: {other:?}"),
        }
    }
    let error = spawner
        .spawn(spec("/no/such/program", []))
        .await
        .expect_err("cannot be executed");
    assert_eq!(
        error.to_string(),
        "cannot execute /no/such/program: No such file or directory (os error 2)"
    );
    until("no child is left", || children_of(spawner.pid()).is_empty()).await;
    spawner.shutdown().await;
}

pub(crate) async fn a_missing_directory_is_an_error_of_its_step() {
    let spawner = start();
    let spec = Spec {
        working_directory: "/no/such/directory".into(),
        ..spec("/bin/true", [])
    };
    let error = spawner.spawn(spec).await.expect_err("no working directory");
    let expected = (Step::WorkingDirectory, libc::ENOENT);
    assert!(
        matches!(error, SpawnError::Setup { step, errno } if (step, errno) == expected),
        "{error}"
    );
    spawner.shutdown().await;
}

pub(crate) async fn kill_ends_one_environment_and_no_other() {
    let spawner = start();
    let (mut killed, killed_pids) = start_with_daemon(&spawner, "sleep 1000").await;
    let (other, other_pids) = start_with_daemon(&spawner, "sleep 1000").await;
    killed.kill();
    assert_eq!(killed.wait().await, KILLED);
    let [main, daemon, _] = killed_pids;
    assert!(!alive(main) && !alive(daemon), "wait says that nothing is left");
    assert!(other_pids.iter().all(|&pid| alive(pid)));
    drop(other);
    until_dead(&other_pids).await;
    spawner.shutdown().await;
}

pub(crate) async fn terminate_lets_the_process_decide() {
    let spawner = start();
    // `wait` is interrupted by the signal. The `sleep` in the same process group gets it too.
    let script = "trap 'echo asked; exit 3' TERM; sleep 1000 & echo ready; wait";
    let mut process = spawner.spawn(shell(script)).await.unwrap();
    let mut output = receiver(process.take_stdout());
    assert_eq!(read_line(&mut output).await, "ready");
    process.terminate();
    assert_eq!(read_line(&mut output).await, "asked");
    assert_eq!(process.wait().await, ExitStatus::Code(3));
    spawner.shutdown().await;
}

pub(crate) async fn a_dropped_process_is_killed() {
    let spawner = start();
    let (process, pids) = start_with_daemon(&spawner, "sleep 1000").await;
    drop(process);
    until_dead(&pids).await;
    spawner.shutdown().await;
}

pub(crate) async fn a_dropped_spawn_leaves_nothing() {
    let spawner = start();
    tokio::select! {
        biased;
        _ = spawner.spawn(shell("sleep 1000")) => panic!("the reply cannot be there at the first poll"),
        () = ready(()) => {}
    }
    // Requests are carried out in order, so that one has been started by now.
    assert_eq!(run(&spawner, spec("/bin/true", [])).await.2, ExitStatus::Code(0));
    until("no child is left", || children_of(spawner.pid()).is_empty()).await;
    spawner.shutdown().await;
}

pub(crate) async fn wait_can_be_dropped_and_called_again() {
    let spawner = start();
    let mut process = spawner.spawn(shell("sleep 1000")).await.unwrap();
    tokio::select! {
        biased;
        status = process.wait() => panic!("still sleeping: {status}"),
        () = ready(()) => {}
    }
    process.kill();
    process.kill();
    assert_eq!(process.wait().await, KILLED);
    assert_eq!(process.wait().await, KILLED);
    assert!(process.take_stdout().is_some() && process.take_stdout().is_none());
    spawner.shutdown().await;
}

pub(crate) async fn there_are_at_most_so_many_processes() {
    let spawner = Spawner::start(Options {
        processes_max: 1,
        ..Options::default()
    })
    .unwrap();
    let mut process = spawner.spawn(shell("sleep 1000")).await.unwrap();
    let error = spawner.spawn(shell("exit 0")).await.expect_err("one too many");
    assert!(matches!(error, SpawnError::TooManyProcesses(1)), "{error}");
    process.kill();
    process.wait().await;
    assert_eq!(run(&spawner, shell("exit 0")).await.2, ExitStatus::Code(0));
    spawner.shutdown().await;
}

pub(crate) async fn two_hundred_spawns_leave_no_zombie_and_no_descriptor() {
    let spawner = start();
    let spawner_pid = spawner.pid().to_string();
    let before = (fds_of("self"), fds_of(&spawner_pid));
    for number in 0..200 {
        let program = if number % 10 == 0 {
            "/no/such/program"
        } else {
            "/bin/true"
        };
        if let Ok(mut process) = spawner.spawn(spec(program, [])).await {
            assert_eq!(process.wait().await, ExitStatus::Code(0));
        }
    }
    until("no child is left", || children_of(spawner.pid()).is_empty()).await;
    until("no descriptor is left", || {
        (fds_of("self"), fds_of(&spawner_pid)) == before
    })
    .await;
    spawner.shutdown().await;
}

pub(crate) async fn a_hundred_at_once_start_and_end() {
    fn is_shareable<T: Send + Sync + Clone>(_: &T) {}
    let spawner = start();
    is_shareable(&spawner);
    let mut starting = JoinSet::new();
    for _ in 0..100 {
        let spawner = spawner.clone();
        starting.spawn(async move { spawner.spawn(spec("/bin/sleep", ["1000"])).await.unwrap() });
    }
    let processes = starting.join_all().await;
    let pids: Vec<u32> = processes.iter().map(|process| process.pid()).collect();
    assert!(pids.iter().all(|&pid| alive(pid)));
    drop(processes); // far more requests at once than the socket takes
    until_dead(&pids).await;
    until("no child is left", || children_of(spawner.pid()).is_empty()).await;
    spawner.shutdown().await;
}
