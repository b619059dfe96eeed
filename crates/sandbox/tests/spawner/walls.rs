//! One attack for each wall of the `namespace` tier. What is attacked is real: it is there, and it could be reached
//! without that wall.

use crate::attacker::ATTACKER;
use crate::support::*;
use sandbox::{Enclosure, ExitStatus, Interior, Mount, Reach, Spawner, Spec};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixListener};

/// This program, mounted as the function.
pub(crate) fn attacker() -> Mount {
    Mount {
        source: std::env::current_exe().unwrap(),
        target: "/var/task/bootstrap".into(),
    }
}

pub(crate) fn attack(enclosure: &Enclosure, arguments: &[&str]) -> Spec {
    Spec {
        program: "/var/task/bootstrap".into(),
        args: std::iter::once(&ATTACKER)
            .chain(arguments)
            .map(|word| word.into())
            .collect(),
        ..within(enclosure, "")
    }
}

async fn outcome(spawner: &Spawner, arguments: &[&str]) -> String {
    let enclosure = enclosure(spawner, vec![attacker()]).await;
    let (out, err, status) = run(spawner, attack(&enclosure, arguments)).await;
    assert_eq!((err.as_str(), status), ("", ExitStatus::Code(0)), "{out}");
    out
}

#[track_caller]
fn check(out: &str, expected: &[(&str, &str)]) {
    let lines: Vec<_> = out.lines().collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(what, answer)| format!("{what}: {answer}"))
        .collect();
    assert_eq!(lines, expected);
}

pub(crate) async fn files_of_the_host_are_not_there() {
    let Some(spawner) = start_apart() else { return };
    let secret = Directory::new();
    let file = secret.path().join("secret");
    fs::write(&file, "secret").unwrap();
    let file = file.display().to_string();
    let detour = format!("/proc/1/root{file}");
    let out = outcome(
        &spawner,
        &[
            "read",
            &file,
            &detour,
            "/etc/shadow",
            "/root",
            "/proc/1/root/etc/shadow",
        ],
    )
    .await;
    for line in out.lines() {
        assert!(line.ends_with("ENOENT") || line.ends_with("EACCES"), "{line}");
    }
    assert_eq!(out.lines().count(), 5);
    let out = outcome(&spawner, &["list", "/", "/var", "/var/task", "/home", "/tmp"]).await;
    let mut lines = out.lines();
    let known = "bin dev etc gnu home lib lib32 lib64 libx32 mnt nix opt proc sbin sys tmp usr var";
    let root: Vec<_> = lines.next().unwrap().split(' ').collect();
    assert!(
        root.iter().all(|name| known.split(' ').any(|it| it == *name)),
        "{root:?}"
    );
    assert_eq!(lines.collect::<Vec<_>>(), ["lang runtime task", "bootstrap", "", ""]);
    spawner.shutdown().await;
}

pub(crate) async fn links_lead_nowhere() {
    let Some(spawner) = start_apart() else { return };
    let (code, secret) = (Directory::new(), Directory::new());
    let file = secret.path().join("secret");
    fs::write(&file, "secret").unwrap();
    symlink(&file, code.path().join("absolute")).unwrap();
    let name = secret.path().file_name().unwrap();
    symlink(
        std::path::Path::new("..").join(name).join("secret"),
        code.path().join("relative"),
    )
    .unwrap();
    // They do lead somewhere on the host.
    for link in ["absolute", "relative"] {
        assert_eq!(fs::read_to_string(code.path().join(link)).unwrap(), "secret");
    }
    fs::copy(std::env::current_exe().unwrap(), code.path().join("bootstrap")).unwrap();
    let folder = Mount {
        source: code.path().to_owned(),
        target: "/var/task".into(),
    };
    let enclosure = enclosure(&spawner, vec![folder]).await;
    let paths = [
        "read",
        "/var/task/absolute",
        "/var/task/relative",
        "/var/task/../../etc/shadow",
    ];
    let (out, ..) = run(&spawner, attack(&enclosure, &paths)).await;
    let expected = paths[1..].iter().map(|&path| (path, "ENOENT")).collect::<Vec<_>>();
    check(&out, &expected);
    spawner.shutdown().await;
}

pub(crate) async fn only_tmp_can_be_written() {
    let Some(spawner) = start_apart() else { return };
    let code = Directory::new();
    fs::copy(std::env::current_exe().unwrap(), code.path().join("bootstrap")).unwrap();
    fs::write(code.path().join("data"), "").unwrap();
    for path in [code.path().to_owned(), code.path().join("data")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let folder = Mount {
        source: code.path().to_owned(),
        target: "/var/task".into(),
    };
    let enclosure = enclosure(&spawner, vec![folder]).await;
    let denied = [
        "/",
        "/usr",
        "/usr/bin",
        "/etc",
        "/opt",
        "/var",
        "/var/task",
        "/var/task/data",
        "/dev",
        "/mnt",
        "/home",
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/net/ipv4/ip_forward",
    ];
    let paths = [&["write"], &denied[..], &["/tmp", "/dev/null"]].concat();
    let (out, ..) = run(&spawner, attack(&enclosure, &paths)).await;
    for line in out.lines().take(denied.len()) {
        assert!(
            ["EROFS", "EACCES", "EPERM"].iter().any(|error| line.ends_with(error)),
            "{line}"
        );
    }
    let allowed: Vec<_> = out.lines().skip(denied.len()).collect();
    assert_eq!(allowed, ["/tmp: ok", "/dev/null: ok"]);
    assert_eq!(fs::read_dir(code.path()).unwrap().count(), 2);
    spawner.shutdown().await;
}

pub(crate) async fn calls_are_refused() {
    let Some(spawner) = start_apart() else { return };
    check_calls(&outcome(&spawner, &["calls"]).await);
    spawner.shutdown().await;
}

/// What the attack of this name says wherever its calls are filtered.
#[track_caller]
pub(crate) fn check_calls(out: &str) {
    let mut lines = 0;
    for line in out.lines() {
        let (what, answer) = line.split_once(": ").unwrap();
        let expected = match what {
            "clone3" => "ENOSYS",
            "vsock" | "packets" | "crypto" => "EAFNOSUPPORT",
            _ => "EPERM",
        };
        assert_eq!(answer, expected, "{what}");
        lines += 1;
    }
    assert_eq!(lines, 23);
}

pub(crate) async fn rights_cannot_be_had() {
    let Some(spawner) = start_apart() else { return };
    let out = outcome(&spawner, &["privileges"]).await;
    let none = "0000000000000000";
    check(
        &out,
        &[
            ("CapInh", none),
            ("CapPrm", none),
            ("CapEff", none),
            ("CapBnd", none),
            ("CapAmb", none),
            ("NoNewPrivs", "1"),
            // As an ordinary user there is no root inside.
            ("setuid 0", if is_root() { "EPERM" } else { "EINVAL" }),
            ("setgid 0", if is_root() { "EPERM" } else { "EINVAL" }),
            ("raise nofile", "EPERM"),
            ("raise nproc", "EPERM"),
        ],
    );
    spawner.shutdown().await;
}

pub(crate) async fn no_other_process_is_seen_or_killed() {
    let Some(spawner) = start_apart() else { return };
    let other = spawner.spawn(apart(&spawner, "exec sleep 1000").await).await.unwrap();
    let enclosure = enclosure(&spawner, vec![attacker()]).await;
    let (out, err, _) = run(&spawner, attack(&enclosure, &["processes"])).await;
    assert_eq!(err, "");
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[0], "others: [1]", "only its own init");
    for line in &lines[1..7] {
        assert!(line.ends_with(": EACCES") || line.ends_with(": EPERM"), "{line}");
    }
    assert_eq!(*lines.last().unwrap(), "init: true");
    // Everything that it may signal is in its own environment.
    let script = "kill -9 -1; echo not reached";
    let (out, _, status) = run(&spawner, apart(&spawner, script).await).await;
    assert!(out.is_empty() || out == "not reached\n", "{out} {status}");
    assert!(alive(other.pid()) && alive(spawner.pid()));
    spawner.shutdown().await;
}

pub(crate) async fn the_host_is_not_on_its_network() {
    let Some(spawner) = start_apart() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert!(TcpStream::connect(address).is_ok());
    let name = format!("albacore-walls-{}", std::process::id());
    let local = SocketAddr::from_abstract_name(&name).unwrap();
    let _local = UnixListener::bind_addr(&local).unwrap();
    let out = outcome(&spawner, &["connect", &address.to_string(), "192.0.2.1:80"]).await;
    assert_eq!(out, "connect: ECONNREFUSED\nconnect: ENETUNREACH\n");
    assert_eq!(outcome(&spawner, &["abstract", &name]).await, "connect: ECONNREFUSED\n");
    spawner.shutdown().await;
}

pub(crate) async fn a_runtime_api_is_reached_only_from_its_own_environment() {
    let Some(spawner) = start_apart() else { return };
    let (one, other) = (
        enclosure(&spawner, vec![attacker()]).await,
        enclosure(&spawner, vec![attacker()]).await,
    );
    let (ours, theirs) = (one.take_listener().unwrap(), other.take_listener().unwrap());
    assert!(one.take_listener().is_none());
    for listener in [&ours, &theirs] {
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.local_addr().unwrap().to_string(), "127.0.0.1:9001");
    }
    // Once: an enclosure ends with its last process.
    let (out, ..) = run(&spawner, attack(&one, &["connect", "127.0.0.1:9001", "127.0.0.1:4566"])).await;
    assert_eq!(out, "connect: ok\nconnect: ok\n");
    assert!(ours.accept().is_ok(), "its own");
    assert!(theirs.accept().is_err(), "and no other");
    let (door, other_door) = (one.take_door().unwrap(), other.take_door().unwrap());
    assert!(one.take_door().is_none());
    for listener in [&door, &other_door] {
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.local_addr().unwrap().to_string(), "127.0.0.1:4566");
    }
    assert!(
        door.accept().is_ok() && other_door.accept().is_err(),
        "the same of doors"
    );
    // Whatever the host has at that address, it is not this.
    let _ = TcpStream::connect("127.0.0.1:9001");
    assert!(ours.accept().is_err() && theirs.accept().is_err());
    spawner.shutdown().await;
}

pub(crate) async fn a_fork_bomb_ends_at_its_limit() {
    let Some(spawner) = start_apart() else { return };
    let enclosure = enclosure(&spawner, vec![attacker()]).await;
    let mut bomb = spawner.spawn(attack(&enclosure, &["fork"])).await.unwrap();
    let line = read_line(&mut receiver(bomb.take_stdout())).await;
    let (children, error) = line.split_once(' ').unwrap();
    assert_eq!(error, "EAGAIN");
    // The function itself is one of them; of an ordinary user, its init is another.
    assert_eq!(children, if is_root() { "1023" } else { "1022" });
    // Others have theirs.
    let (out, ..) = run(&spawner, apart(&spawner, "(echo a); (echo b)").await).await;
    assert_eq!(out, "a\nb\n");
    bomb.kill();
    bomb.wait().await;
    assert_eq!(children_of(bomb.init_pid()), Vec::<u32>::new());
    spawner.shutdown().await;
}

/// The kernel counts them for a user, and so for whoever that user is outside.
pub(crate) async fn who_watches_files_keeps_nobody_else_from_it() {
    let Some(spawner) = start_apart() else { return };
    let mut greedy = Vec::new();
    for _ in 0..3 {
        let enclosure = enclosure(&spawner, vec![attacker()]).await;
        let mut watcher = spawner.spawn(attack(&enclosure, &["watch"])).await.unwrap();
        let watchers = read_line(&mut receiver(watcher.take_stdout())).await;
        assert!(watchers.parse::<u32>().unwrap() >= 8, "{watchers}");
        greedy.push(watcher);
    }
    // SAFETY: takes a plain number, and closes what nobody else knows.
    let outside = unsafe {
        let fd = libc::inotify_init1(0);
        libc::close(fd);
        fd
    };
    assert!(outside >= 0, "whoever runs albacore has some left");
    for watcher in &mut greedy {
        watcher.kill();
        watcher.wait().await;
    }
    spawner.shutdown().await;
}

pub(crate) async fn a_full_tmp_is_an_error_and_no_end() {
    let Some(spawner) = start_apart() else { return };
    let out = outcome(&spawner, &["fill"]).await;
    assert_eq!(out, format!("{SCRATCH_BYTES} ENOSPC\nafterwards: ok\n"));
    let out = outcome(&spawner, &["files"]).await;
    let (made, error) = out.trim().split_once(' ').unwrap();
    assert!(
        error == "ENOSPC" && made.parse::<u64>().unwrap() < SCRATCH_BYTES / 4096,
        "{out}"
    );
    spawner.shutdown().await;
}

pub(crate) async fn a_memory_bomb_ends_alone() {
    const LIMIT_BYTES: u64 = 64 << 20;
    let Some(spawner) = start_apart() else { return };
    if !is_limited("memory", spawner.controllers().memory) {
        return spawner.shutdown().await;
    }
    let bounded = async |scratch_bytes, arguments: &[&str]| {
        let interior = Interior {
            mounts: vec![attacker()],
            scratch: spawner.scratch(scratch_bytes),
            memory_bytes: Some(LIMIT_BYTES),
            reach: Reach::Nothing,
        };
        let enclosure = spawner.enclosure(&interior).await.unwrap();
        run(&spawner, attack(&enclosure, arguments)).await
    };
    let other = spawner.spawn(apart(&spawner, "exec sleep 1000").await).await.unwrap();
    let (out, _, status) = bounded(SCRATCH_BYTES, &["memory", "16"]).await;
    assert_eq!((out.as_str(), status), ("16\n", ExitStatus::Code(0)));
    let (out, _, status) = bounded(SCRATCH_BYTES, &["memory", "1000"]).await;
    assert_eq!((out.as_str(), status), ("", ExitStatus::OutOfMemory));
    // There is room for `/tmp`, and for nothing else: what is shared without a file is no `/tmp` either.
    for attack in ["hold", "hold-shared"] {
        let (_, _, status) = bounded(512 << 20, &[attack, "100"]).await;
        assert_eq!(status, ExitStatus::OutOfMemory, "{attack}");
    }
    let (out, _, status) = bounded(512 << 20, &["hold-in-tmp", "200"]).await;
    assert_eq!((out.as_str(), status), ("200 ok\n", ExitStatus::Code(0)));
    assert!(alive(other.pid()));
    // A kill that has nothing to do with memory is another thing.
    let (_, _, status) = run(&spawner, apart(&spawner, "kill -9 $$").await).await;
    assert_eq!(
        status,
        ExitStatus::Signal {
            signal: libc::SIGKILL,
            core_dumped: false
        }
    );
    spawner.shutdown().await;
}

/// All of this once more, when it ran as root.
pub(crate) async fn they_stand_for_an_ordinary_user() {
    as_an_ordinary_user(&["walls::", "namespace::"]).await;
}
