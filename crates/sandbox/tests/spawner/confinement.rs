//! What a process may not do, and finds around it.

use crate::attacker::ATTACKER;
use crate::support::*;
use crate::walls::check_calls;
use sandbox::{ExitStatus, HostFeatures, Limits, Spec};
use std::fs;

fn landlock_version() -> u32 {
    HostFeatures::detect().landlock_version.unwrap_or(0)
}

pub(crate) async fn the_process_has_no_rights_and_ordinary_signals() {
    let spawner = start();
    let (text, _, _) = run(&spawner, spec("/bin/cat", ["/proc/self/status"])).await;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        u128::from_str_radix(line.expect(name).trim(), 16).expect(name)
    };
    for name in ["CapInh", "CapPrm", "CapEff", "CapAmb", "SigBlk", "SigIgn", "SigCgt"] {
        assert_eq!(field(name), 0, "{name}");
    }
    assert_eq!(field("NoNewPrivs"), 1);
    // Only who has the right can empty the bounding set, and without new privileges it is of no use.
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let effective = own.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    const SETPCAP: u64 = 1 << 8;
    if u64::from_str_radix(effective.trim(), 16).unwrap() & SETPCAP != 0 {
        assert_eq!(field("CapBnd"), 0);
    }
    spawner.shutdown().await;
}

pub(crate) async fn only_the_standard_streams_are_open() {
    // As careless parents of albacore do: a descriptor that stays open across exec.
    // SAFETY: takes a plain number; standard error is open.
    let leaked = unsafe { libc::dup(2) };
    assert!(leaked > 2);
    let spawner = start();
    let process = spawner.spawn(spec("/bin/sleep", ["1000"])).await.unwrap();
    let pid = process.pid().to_string();
    // The dynamic loader has libraries open for a moment.
    until("only the standard streams are open", || fds_of(&pid) == [0, 1, 2]).await;
    let target = |fd| {
        fs::read_link(format!("/proc/{pid}/fd/{fd}"))
            .unwrap()
            .display()
            .to_string()
    };
    assert_eq!(target(0), "/dev/null");
    assert!(target(1).starts_with("pipe:") && target(2).starts_with("pipe:") && target(1) != target(2));
    assert!(!fds_of(&spawner.pid().to_string()).contains(&leaked.unsigned_abs()));
    // SAFETY: made above and known to nobody else.
    unsafe { libc::close(leaked) };
    spawner.shutdown().await;
}

pub(crate) async fn limits_are_set() {
    let spawner = start();
    let script = shell("ulimit -Hn; ulimit -Sn; ulimit -Hc; ulimit -Hf; umask");
    let (text, _, _) = run(&spawner, script.clone()).await;
    assert_eq!(text, "1024\n1024\n0\nunlimited\n0022\n");
    let limits = Limits {
        open_files: 77,
        file_bytes: Some(1 << 20),
    };
    assert_eq!(
        run(&spawner, Spec { limits, ..script }).await.0,
        "77\n77\n0\n2048\n0022\n"
    );
    spawner.shutdown().await;
}

pub(crate) async fn only_the_temporary_directory_can_be_written() {
    let spawner = start();
    let (inside, outside) = (Directory::new(), Directory::new());
    fs::write(outside.path().join("old"), "old").unwrap();
    let script = r#"
        try() { if sh -c "$1" 2>/dev/null; then echo "$2 yes"; else echo "$2 no"; fi; }
        try 'echo a > "$IN/a" && mkdir "$IN/d" && mv "$IN/a" "$IN/b" && ln -s b "$IN/c" && rm "$IN/c"' inside
        try 'echo null > /dev/null' null
        try 'echo > /dev/stderr' pipe
        try 'cat "$OUT/old" > "$IN/copy"' read
        try 'echo a > "$OUT/a"' create
        try 'echo a >> "$OUT/old"' append
        try 'mkdir "$OUT/d"' mkdir
        try 'mv "$IN/b" "$OUT/b"' move
        try 'rm "$OUT/old"' remove
    "#;
    let path = |directory: &Directory| directory.path().as_os_str().to_owned();
    let mut spec = shell(script);
    spec.environment
        .extend([("IN".into(), path(&inside)), ("OUT".into(), path(&outside))]);
    spec.temporary_directory = Some(inside.path().into());
    let (text, _, status) = run(&spawner, spec.clone()).await;
    assert_eq!(status, ExitStatus::Code(0));
    let (allowed, denied) = text.split_at(text.find("create").expect("all tries"));
    assert_eq!(allowed, "inside yes\nnull yes\npipe yes\nread yes\n");
    let confined = landlock_version() > 0;
    for line in denied.lines() {
        assert!(line.ends_with(if confined { " no" } else { " yes" }), "{line}");
    }
    assert_eq!(outside.path().join("old").exists(), confined);

    spec.temporary_directory = None;
    let (text, _, _) = run(&spawner, spec).await;
    assert_eq!(text.starts_with("inside no\nnull yes\n"), confined, "{text}");
    spawner.shutdown().await;
}

pub(crate) async fn its_own_init_and_the_spawner_cannot_be_signalled() {
    let spawner = start();
    let script = format!(
        "kill -0 $PPID && echo init; kill -0 {} && echo spawner; kill -0 $$ && echo self",
        spawner.pid()
    );
    let (text, _, _) = run(&spawner, shell(&script)).await;
    // Scopes came with version 6; before, a function can end its own environment and the spawner.
    assert_eq!(
        text,
        if landlock_version() >= 6 {
            "self\n"
        } else {
            "init\nspawner\nself\n"
        }
    );
    spawner.shutdown().await;
}

/// The same calls as in namespaces of its own, with the same answers, and also by what it starts.
pub(crate) async fn calls_are_refused() {
    let spawner = start();
    let program = std::env::current_exe().unwrap();
    let attacker = Spec {
        program: program.clone(),
        args: vec![ATTACKER.into(), "calls".into()],
        ..shell("")
    };
    let child = shell(&format!("'{}' {ATTACKER} calls; true", program.display()));
    for spec in [attacker, child] {
        let (out, err, status) = run(&spawner, spec).await;
        assert_eq!((err.as_str(), status), ("", ExitStatus::Code(0)), "{out}");
        check_calls(&out);
    }
    let (text, ..) = run(&spawner, spec("/bin/cat", ["/proc/self/status"])).await;
    assert!(text.contains("\nSeccomp:\t2\n"), "{text}");
    // Albacore itself is under no filter of ours, and its spawner makes namespaces for others.
    let own = fs::read_to_string(format!("/proc/{}/status", spawner.pid())).unwrap();
    let line = |text: &str| {
        text.lines()
            .find(|line| line.starts_with("Seccomp:"))
            .map(str::to_owned)
    };
    assert_eq!(line(&own), line(&fs::read_to_string("/proc/self/status").unwrap()));
    assert!(spawner.host_features().seccomp);
    spawner.shutdown().await;
}

/// All of this once more, when it ran as root.
pub(crate) async fn it_is_so_for_an_ordinary_user() {
    as_an_ordinary_user(&["confinement::"]).await;
}
