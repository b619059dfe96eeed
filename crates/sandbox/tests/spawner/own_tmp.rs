//! The temporary directory as `/tmp`. Where the host does not allow it, every start with it is refused.

use crate::support::*;
use sandbox::{ExitStatus, SpawnError, Spawner, Spec, Step, can_mount_over_tmp};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

const KILLED: ExitStatus = ExitStatus::Signal {
    signal: libc::SIGKILL,
    core_dumped: false,
};
/// The user and the group `nobody`, by tradition.
const NOBODY: u32 = 65534;

/// `None`, after it has seen that a start is refused, where the host does not allow the mount.
async fn with_mount(spawner: &Spawner, directory: &Path, script: Spec) -> Option<Spec> {
    let mut spec = Spec {
        temporary_directory: Some(directory.into()),
        ..script
    };
    let possible = can_mount_over_tmp(&spawner.host_features(), &spec);
    spec.temporary_mount = true;
    if possible {
        return Some(spec);
    }
    // It takes a namespace, too, and a folder that is no link.
    let is_folder = fs::symlink_metadata("/tmp").is_ok_and(|about| about.is_dir());
    assert!(is_without_namespaces() || !is_folder, "nothing can be mounted at /tmp");
    let error = spawner.spawn(spec).await.expect_err("not allowed");
    assert!(matches!(error, SpawnError::Setup { step: Step::Mount, .. }), "{error}");
    None
}

fn own_mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap()
}

fn with_path(mut spec: Spec, name: &str, path: &Path) -> Spec {
    spec.environment.push((name.into(), path.into()));
    spec
}

pub(crate) async fn it_is_the_directory_and_nobody_else_sees_it() {
    let spawner = start();
    let (own, outside) = (Directory::new(), Directory::new());
    let script = r#"
        try() { if sh -c "$1" 2>/dev/null; then echo "$2 yes"; else echo "$2 no"; fi; }
        try 'echo a > /tmp/x && mkdir /tmp/d && mv /tmp/x /tmp/y && rm -r /tmp/d && cat /tmp/y' write
        cd /tmp
        try 'mkdir d e && echo b > d/b && mv d/b e/b && mv d e/d && cat /tmp/e/b' move
        try 'echo > /dev/null' null
        try 'ls -d "$OUT"' host
        try 'ls -d "/proc/$PPID/root$OUT" || ls -d "/proc/$SPAWNER/root$OUT"' root
        try 'echo a > /var/tmp/albacore-x && rm /var/tmp/albacore-x' elsewhere
        cd /
        try 'umount /tmp' umount
        try 'umount -l /tmp' detach
        try 'unshare -rm umount /tmp' namespace
        try 'nsenter -m -t "$PPID" true' enter
    "#;
    let before = own_mounts();
    let mut script = with_path(shell(script), "OUT", outside.path());
    script
        .environment
        .push(("SPAWNER".into(), spawner.pid().to_string().into()));
    let Some(spec) = with_mount(&spawner, own.path(), script).await else {
        return spawner.shutdown().await;
    };
    let (text, _, status) = run(&spawner, spec).await;
    assert_eq!(status, ExitStatus::Code(0));
    let landlock = spawner.host_features().landlock_version;
    let elsewhere = if landlock.is_some() { "no" } else { "yes" };
    // The first version forbids every move between directories.
    let moved = if landlock == Some(1) { "move no" } else { "b\nmove yes" };
    assert_eq!(
        text,
        format!(
            "a\nwrite yes\n{moved}\nnull yes\nhost no\nroot no\nelsewhere {elsewhere}\numount no\ndetach no\n\
             namespace no\nenter no\n"
        )
    );
    assert_eq!(fs::read_to_string(own.path().join("y")).unwrap(), "a\n");
    assert!(outside.path().exists() && !Path::new("/tmp/y").exists());
    assert_eq!(own_mounts(), before);
    spawner.shutdown().await;
}

pub(crate) async fn each_process_has_its_own_and_the_host_none() {
    let spawner = start();
    let directories = [Directory::new(), Directory::new()];
    let before = own_mounts();
    let mut running = Vec::new();
    for (number, directory) in directories.iter().enumerate() {
        let script = shell(&format!("echo {number} > /tmp/mine; cat /tmp/*; exec sleep 1000"));
        let Some(spec) = with_mount(&spawner, directory.path(), script).await else {
            return spawner.shutdown().await;
        };
        let mut process = spawner.spawn(spec).await.expect("started");
        let line = read_line(&mut receiver(process.take_stdout())).await;
        assert_eq!(line, number.to_string());
        running.push(process);
    }
    assert_eq!(own_mounts(), before);
    assert!(!Path::new("/tmp/mine").exists());
    let mounts_of = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/mnt")).unwrap();
    let namespaces = [&running[0], &running[1]].map(|process| mounts_of(process.pid()));
    assert!(namespaces[0] != namespaces[1] && !namespaces.contains(&mounts_of(std::process::id())));
    // What albacore looks at in processes of an environment.
    for process in &running {
        assert_eq!(fds_of(&process.pid().to_string()), [0, 1, 2]);
    }
    // It is there for the next process of the environment.
    let again = with_mount(&spawner, directories[1].path(), shell("cat /tmp/*")).await;
    assert_eq!(run(&spawner, again.expect("as before")).await.0, "1\n");
    drop(running);
    spawner.shutdown().await;
}

pub(crate) async fn the_process_still_has_no_rights() {
    let spawner = start();
    let directory = Directory::new();
    let script = shell("cat /proc/self/status; id -u; id -g");
    let Some(spec) = with_mount(&spawner, directory.path(), script).await else {
        return spawner.shutdown().await;
    };
    let (text, _, _) = run(&spawner, spec).await;
    // Whoever could make the mount had every right to empty the bounding set too.
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(text.contains(&format!("{name}:\t0000000000000000\n")), "{text}");
    }
    assert!(text.contains("NoNewPrivs:\t1\n"));
    // SAFETY: cannot fail and touch no memory.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    assert!(text.ends_with(&format!("\n{user}\n{group}\n")), "{text}");
    spawner.shutdown().await;
}

pub(crate) async fn a_killed_init_leaves_nothing() {
    let spawner = start();
    let directory = Directory::new();
    let script = with_daemon("exec sleep 1000");
    let Some(spec) = with_mount(&spawner, directory.path(), script).await else {
        return spawner.shutdown().await;
    };
    let mut process = spawner.spawn(spec).await.expect("started");
    let daemon = read_line(&mut receiver(process.take_stdout())).await.parse().unwrap();
    signal("KILL", process.init_pid());
    assert_eq!(process.wait().await, KILLED);
    until_dead(&[process.pid(), daemon]).await;
    spawner.shutdown().await;
}

pub(crate) async fn a_mount_that_fails_is_an_error_of_its_step() {
    let spawner = start();
    let directory = Directory::new();
    // The way through another process leads to the mounts of that one, which cannot be mounted in a new namespace.
    let detour = format!("/proc/{}/root{}", std::process::id(), directory.path().display());
    let spec = Spec {
        temporary_directory: Some(detour.into()),
        temporary_mount: true,
        ..spec("/bin/true", [])
    };
    let error = spawner.spawn(spec).await.expect_err("cannot be mounted");
    assert!(matches!(error, SpawnError::Setup { step: Step::Mount, .. }), "{error}");
    until("no child is left", || children_of(spawner.pid()).is_empty()).await;
    spawner.shutdown().await;
}

/// All of the above once more, when they ran as root.
pub(crate) async fn it_is_so_for_an_ordinary_user() {
    // SAFETY: cannot fail and touches no memory.
    if unsafe { libc::geteuid() } != 0 {
        return;
    }
    let mut command = Command::new("/proc/self/exe");
    command.arg("own_tmp::").stdin(Stdio::null()).uid(NOBODY).gid(NOBODY);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("an end");
    let output = match output {
        // In a user namespace, where this user has no number, nobody can become it.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
        output => output.expect("this program"),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("6 passed"), "{output:?}");
}
