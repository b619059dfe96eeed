//! The `namespace` tier: what is inside, how an environment lives, and that it is all gone afterwards.

use crate::support::*;
use sandbox::{Completion, ExitStatus, Interior, Mount, Options, Reach, SpawnError, Spawner, Spec, Step};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tokio::task::JoinSet;

const KILLED: ExitStatus = ExitStatus::Signal {
    signal: libc::SIGKILL,
    core_dumped: false,
};

/// How many environments are made and ended by [`many_leave_nothing`].
const MANY: usize = 300;

pub(crate) async fn a_process_finds_what_lambda_promises() {
    let Some(spawner) = start_apart() else { return };
    let code = Directory::new();
    fs::write(code.path().join("data"), "code").unwrap();
    let folder = Mount {
        source: code.path().to_owned(),
        target: "/var/task".into(),
    };
    let enclosure = enclosure(&spawner, vec![folder]).await;
    let script = "id -u; id -g; id -un; pwd; cat data; hostname; umask; ulimit -Hn; ulimit -Hc; ulimit -Hf; \
                  stat -c %a /tmp; mkdir /dev/shm 2>/dev/null || echo no shm; ls /proc/self/fd | wc -l";
    let spec = Spec {
        working_directory: "/var/task".into(),
        ..within(&enclosure, script)
    };
    let (out, err, status) = run(&spawner, spec).await;
    assert_eq!(
        out,
        "993\n990\nsbx_user1051\n/var/task\ncodelocalhost\n0022\n1024\n0\nunlimited\n1777\nno shm\n4\n"
    );
    assert_eq!((err.as_str(), status), ("", ExitStatus::Code(0)));
    spawner.shutdown().await;
}

pub(crate) async fn outputs_can_be_opened_anew() {
    let Some(spawner) = start_apart() else { return };
    let script =
        "echo out > /dev/stdout; echo err > /dev/stderr; echo null > /dev/null; head -c 1 /dev/urandom | wc -c";
    let (out, err, _) = run(&spawner, apart(&spawner, script).await).await;
    assert_eq!((out.as_str(), err.as_str()), ("out\n1\n", "err\n"));
    spawner.shutdown().await;
}

pub(crate) async fn a_scratch_outlives_a_run_and_is_shared_with_nobody() {
    let Some(spawner) = start_apart() else { return };
    let (own, other) = (spawner.scratch(SCRATCH_BYTES), spawner.scratch(SCRATCH_BYTES));
    let mut said = Vec::new();
    for scratch in [&own, &other, &own] {
        let interior = Interior {
            mounts: Vec::new(),
            scratch: scratch.clone(),
            memory_bytes: None,
            reach: Reach::Nothing,
        };
        let enclosure = spawner.enclosure(&interior).await.unwrap();
        let script = "cat /tmp/runs 2>/dev/null; echo run >> /tmp/runs; stat -fc '%b %s' /tmp";
        said.push(run(&spawner, within(&enclosure, script)).await.0);
    }
    let size = format!("{} 4096\n", SCRATCH_BYTES / 4096);
    assert_eq!(said, [size.clone(), size.clone(), format!("run\n{size}")]);
    spawner.shutdown().await;
}

/// Whether it was made ahead, for a function like the last one, or not.
pub(crate) async fn a_scratch_is_empty_and_of_its_own_size() {
    let Some(spawner) = start_apart() else { return };
    for megabytes in [8, 8, 16, 16, 8_u64] {
        let scratch = spawner.scratch(megabytes << 20);
        let interior = Interior {
            mounts: Vec::new(),
            scratch,
            memory_bytes: None,
            reach: Reach::Nothing,
        };
        let enclosure = spawner.enclosure(&interior).await.unwrap();
        let script = "ls -A /tmp; df --output=size -B1M /tmp | tail -n 1; echo a > /tmp/a";
        let (out, ..) = run(&spawner, within(&enclosure, script)).await;
        assert_eq!(out.trim(), megabytes.to_string());
        drop(enclosure);
        until("the spawner is idle", || inits_of(spawner.pid()).len() == 4).await;
    }
    spawner.shutdown().await;
}

pub(crate) async fn several_processes_share_one() {
    let Some(spawner) = start_apart() else { return };
    let enclosure = enclosure(&spawner, Vec::new()).await;
    let script = "echo first > /tmp/first; read _ < /dev/null; exec sleep 1000";
    let first = spawner.spawn(within(&enclosure, script)).await.unwrap();
    let script = "until [ -e /tmp/first ]; do :; done; cat /tmp/first; ls /proc | grep -c '^[0-9]'; exit 3";
    let (out, _, status) = run(&spawner, within(&enclosure, script)).await;
    assert_eq!(status, ExitStatus::Code(3));
    let (text, seen) = out.split_once('\n').unwrap();
    // The init, the first, this one and what it runs.
    assert!(text == "first" && seen.trim().parse::<u32>().unwrap() >= 3, "{out}");
    assert!(alive(first.pid()) && alive(first.init_pid()));
    // One that is killed leaves the other alone.
    let mut third = spawner.spawn(within(&enclosure, "exec sleep 1000")).await.unwrap();
    assert_eq!(third.init_pid(), first.init_pid());
    third.kill();
    assert_eq!(third.wait().await, KILLED);
    assert!(alive(first.pid()));
    spawner.shutdown().await;
}

pub(crate) async fn the_last_process_takes_everything_with_it() {
    let Some(spawner) = start_apart() else { return };
    let enclosure = enclosure(&spawner, Vec::new()).await;
    let daemons =
        "(setsid sh -c 'exec sleep 1000 >/dev/null 2>&1' &); (setsid sh -c 'exec sleep 1000 >/dev/null 2>&1' &);";
    let mut first = spawner
        .spawn(within(&enclosure, &format!("{daemons} echo ready; exec sleep 1000")))
        .await
        .unwrap();
    read_line(&mut receiver(first.take_stdout())).await;
    let init = first.init_pid();
    until("the daemons are orphans", || children_of(init).len() == 3).await;
    let all = children_of(init);
    first.kill();
    assert_eq!(first.wait().await, KILLED);
    assert!(!all.iter().any(|&pid| alive(pid)), "before anybody hears of the end");
    until_dead(&[init]).await;
    // Nothing can be started there any more.
    let error = spawner.spawn(within(&enclosure, "true")).await.expect_err("over");
    assert!(matches!(error, SpawnError::Setup { step: Step::Init, .. }), "{error}");
    spawner.shutdown().await;
}

pub(crate) async fn terminate_reaches_the_process() {
    let Some(spawner) = start_apart() else { return };
    let script = "trap 'echo term; exit 5' TERM; echo ready; while :; do sleep 0.01; done";
    let mut process = spawner.spawn(apart(&spawner, script).await).await.unwrap();
    let mut output = receiver(process.take_stdout());
    assert_eq!(read_line(&mut output).await, "ready");
    process.terminate();
    assert_eq!(read_line(&mut output).await, "term");
    assert_eq!(process.wait().await, ExitStatus::Code(5));
    spawner.shutdown().await;
}

pub(crate) async fn what_cannot_be_shown_is_an_error_of_its_step() {
    let Some(spawner) = start_apart() else { return };
    let mount = |source: &str, target: &str| Mount {
        source: source.into(),
        target: target.into(),
    };
    let interior = |mounts| Interior {
        mounts,
        scratch: spawner.scratch(SCRATCH_BYTES),
        memory_bytes: None,
        reach: Reach::Nothing,
    };
    let missing = spawner
        .enclosure(&interior(vec![mount("/nowhere/at/all", "/var/task")]))
        .await;
    let SpawnError::Setup { step, errno } = missing.expect_err("not there") else {
        panic!("another error")
    };
    assert_eq!((step, errno), (Step::Code, libc::ENOENT));
    for (source, target) in [
        ("usr", "/var/task"),
        ("/usr", "var/task"),
        ("/usr", "/var/../task"),
        ("/usr", "/"),
    ] {
        let refused = spawner.enclosure(&interior(vec![mount(source, target)])).await;
        assert!(matches!(refused, Err(SpawnError::Invalid(_))), "{source} {target}");
    }
    spawner.shutdown().await;
}

pub(crate) async fn a_program_that_cannot_be_executed_is_named_with_its_error() {
    let Some(spawner) = start_apart() else { return };
    let code = Directory::new();
    fs::write(code.path().join("plain"), "#!/bin/sh\n").unwrap();
    let folder = Mount {
        source: code.path().to_owned(),
        target: "/var/task".into(),
    };
    for (program, expected) in [("/var/task/plain", libc::EACCES), ("/var/task/missing", libc::ENOENT)] {
        let spec = Spec {
            program: program.into(),
            ..within(&enclosure(&spawner, vec![folder.clone()]).await, "")
        };
        match spawner.spawn(spec).await.expect_err("not executed") {
            SpawnError::Exec { program: named, errno } => {
                assert_eq!((named.as_path(), errno), (Path::new(program), expected));
            }
            other => panic!("{other}"),
        }
    }
    spawner.shutdown().await;
}

pub(crate) async fn a_spec_for_the_host_is_of_the_process_tier() {
    let Some(spawner) = start_apart() else { return };
    let file = Directory::new();
    fs::write(file.path().join("seen"), "seen").unwrap();
    let path = file.path().join("seen").display().to_string();
    let (out, _, _) = run(&spawner, spec("/bin/cat", [path.as_str()])).await;
    assert_eq!(out, "seen");
    spawner.shutdown().await;
}

pub(crate) async fn a_killed_init_leaves_nothing() {
    let Some(spawner) = start_apart() else { return };
    let script = "(setsid sh -c 'exec sleep 1000 >/dev/null 2>&1' &); echo ready; exec sleep 1000";
    let mut process = spawner.spawn(apart(&spawner, script).await).await.unwrap();
    read_line(&mut receiver(process.take_stdout())).await;
    let all = children_of(process.init_pid());
    signal("KILL", process.init_pid());
    assert_eq!(process.wait().await, KILLED);
    until_dead(&all).await;
    spawner.shutdown().await;
}

pub(crate) async fn a_killed_shell_is_replaced() {
    let Some(spawner) = start_apart() else { return };
    let shells = inits_of(spawner.pid());
    assert!(!shells.is_empty());
    for &shell in &shells {
        signal("KILL", shell);
    }
    until_dead(&shells).await;
    assert_eq!(run(&spawner, apart(&spawner, "echo fine").await).await.0, "fine\n");
    until("there are others", || !inits_of(spawner.pid()).is_empty()).await;
    spawner.shutdown().await;
}

fn forkers_of(spawner: &Spawner) -> Vec<u32> {
    let mut children = children_of(spawner.pid());
    children.retain(|&pid| name_of(pid) == FORKER);
    children
}

pub(crate) async fn a_killed_forker_is_replaced() {
    let Some(spawner) = start_apart() else { return };
    let forkers = || forkers_of(&spawner);
    let mut environment = spawner.spawn(apart(&spawner, "exec sleep 1000").await).await.unwrap();
    for _ in 0..3 {
        // So that nothing ends but what is killed.
        until("the spawner is idle", || inits_of(spawner.pid()).len() == 1 + 4).await;
        let before = forkers();
        assert_eq!(before.len(), 1);
        // With the shells, so that others have to be forked.
        let mut all = [before.clone(), inits_of(spawner.pid())].concat();
        all.retain(|&pid| pid != environment.init_pid());
        for &pid in &all {
            signal("KILL", pid);
        }
        until_dead(&all).await;
        assert_eq!(run(&spawner, apart(&spawner, "echo fine").await).await.0, "fine\n");
        until("there is another", || forkers().iter().all(|pid| !before.contains(pid))).await;
    }
    assert!(alive(environment.pid()), "nothing else has ended");
    environment.kill();
    environment.wait().await;
    spawner.shutdown().await;
}

/// What it answers late is nobody's.
pub(crate) async fn a_forker_that_stands_still_is_replaced() {
    let Some(spawner) = start_apart() else { return };
    let (forkers, shells) = (forkers_of(&spawner), inits_of(spawner.pid()));
    for &forker in &forkers {
        signal("STOP", forker);
    }
    for &shell in &shells {
        signal("KILL", shell);
    }
    until_dead(&shells).await;
    let interior = Interior {
        mounts: Vec::new(),
        scratch: spawner.scratch(SCRATCH_BYTES),
        memory_bytes: None,
        reach: Reach::Nothing,
    };
    let failed = spawner.enclosure(&interior).await.map(|_| "an enclosure");
    let expected = SpawnError::Setup {
        step: Step::Namespaces,
        errno: libc::ETIMEDOUT,
    };
    assert_eq!(failed.unwrap_err().to_string(), expected.to_string());
    until_dead(&forkers).await;
    for _ in 0..3 {
        assert_eq!(run(&spawner, apart(&spawner, "echo fine").await).await.0, "fine\n");
    }
    spawner.shutdown().await;
}

pub(crate) async fn a_killed_spawner_leaves_nothing_and_another_one_takes_over() {
    let Some(spawner) = start_apart() else { return };
    let scratch = spawner.scratch(SCRATCH_BYTES);
    let interior = Interior {
        mounts: Vec::new(),
        scratch,
        memory_bytes: None,
        reach: Reach::Nothing,
    };
    let enclosure = spawner.enclosure(&interior).await.unwrap();
    let mut process = spawner.spawn(within(&enclosure, "exec sleep 1000")).await.unwrap();
    let before = spawner.pid();
    let all = [children_of(before), vec![process.pid()]].concat();
    signal("KILL", before);
    assert_eq!(process.wait().await, KILLED);
    until_dead(&all).await;
    // The scratch is there again, and empty.
    let again = spawner.enclosure(&interior).await.unwrap();
    assert_eq!(run(&spawner, within(&again, "ls /tmp; echo fine")).await.0, "fine\n");
    assert_ne!(spawner.pid(), before);
    spawner.shutdown().await;
}

pub(crate) async fn without_the_tier_there_is_no_enclosure() {
    let spawner = start();
    let interior = Interior {
        mounts: Vec::new(),
        scratch: spawner.scratch(SCRATCH_BYTES),
        memory_bytes: None,
        reach: Reach::Nothing,
    };
    let refused = spawner.enclosure(&interior).await.expect_err("the process tier");
    assert!(matches!(refused, SpawnError::NoNamespaces));
    spawner.shutdown().await;
}

/// What the kernel has of each kind, as far as it tells this user.
fn kernel_objects() -> BTreeMap<String, i64> {
    let text = fs::read_to_string("/proc/slabinfo").unwrap_or_default();
    let kinds = [
        "mnt_cache",
        "net_namespace",
        "user_namespace",
        "pid_namespace",
        "nsproxy",
    ];
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let name = fields.next().filter(|name| kinds.contains(name))?;
            Some((name.to_owned(), fields.next()?.parse().ok()?))
        })
        .collect()
}

pub(crate) fn mounts_of(pid: u32) -> io::Result<usize> {
    Ok(fs::read_to_string(format!("/proc/{pid}/mountinfo"))?.lines().count())
}

/// What waits may have been on its way to its groups when it was counted; of what each environment leaves there would be many.
pub(crate) fn no_more<const KINDS: usize>(now: [usize; KINDS], before: [usize; KINDS], shells: usize) -> bool {
    now.into_iter()
        .zip(before)
        .all(|(now, before)| now <= before + 4 * shells)
}

/// The control groups of a spawner, in every hierarchy.
pub(crate) fn groups_of(pid: u32) -> usize {
    let name = format!("albacore-{pid}");
    let below = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter(|entry| entry.path().is_dir()).count()
    };
    let mut folders = vec![Path::new("/sys/fs/cgroup").to_owned()];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            // Not by a link: it would be counted twice.
            if entry.file_name().to_str() == Some(&name) {
                count += below(&entry.path());
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    count
}

/// Where the host has control groups for this user, an environment is in one of its own.
pub(crate) async fn each_has_its_control_group() {
    let Some(spawner) = start_apart() else { return };
    let process = spawner.spawn(apart(&spawner, "exec sleep 1000").await).await.unwrap();
    let of = |pid: u32| fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let name = format!("albacore-{}/", spawner.pid());
    let lines = |pid: u32| of(pid).lines().filter(|line| line.contains(&name)).count();
    assert_eq!(lines(process.pid()), lines(process.init_pid()));
    // Whoever may make a group of version 2, is born into it.
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let folder = own.lines().find_map(|line| line.strip_prefix("0::/")).map(|path| {
        let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        roots
            .into_iter()
            .find(|root| root.join("cgroup.procs").exists())
            .map(|root| root.join(path))
    });
    let mine = folder
        .flatten()
        .map(|folder| folder.join(format!("albacore-{}", spawner.pid())));
    if mine.is_some_and(|folder| folder.exists()) {
        let born = format!("/albacore-{}/", spawner.pid());
        assert!(
            of(process.pid())
                .lines()
                .any(|line| line.starts_with("0::/") && line.contains(&born))
        );
    }
    if is_limited("memory", spawner.controllers().memory) {
        assert!(lines(process.pid()) > 0 && groups_of(spawner.pid()) > 0);
        // Inside, that is the root.
        let (out, ..) = run(&spawner, apart(&spawner, "cat /proc/self/cgroup").await).await;
        assert!(!out.contains("albacore"), "{out}");
    }
    let pid = spawner.pid();
    drop(process);
    spawner.shutdown().await;
    assert_eq!(groups_of(pid), 0);
}

/// Counted before and after: processes, descriptors of both sides, mounts of the spawner, and where the kernel tells it,
/// mounts and namespaces of the whole machine.
pub(crate) async fn many_leave_nothing() {
    let Some(spawner) = start_apart() else { return };
    let code = Directory::new();
    let folder = Mount {
        source: code.path().to_owned(),
        target: "/var/task".into(),
    };
    let one = async |spawner: &Spawner| {
        let enclosure = enclosure(spawner, vec![folder.clone()]).await;
        let listener = enclosure.take_listener().expect("its listener");
        let (out, ..) = run(spawner, within(&enclosure, "echo a > /tmp/a; cat /tmp/a")).await;
        assert_eq!(out, "a\n");
        drop(listener);
    };
    // The first one makes what stays.
    one(&spawner).await;
    let shells = 4;
    let pid = spawner.pid();
    let settled = || inits_of(pid).len() == shells;
    until("the spawner is idle", settled).await;
    let spawners = pid.to_string();
    let count = || {
        let descriptors = [fds_of("self"), fds_of(&spawners)].map(|fds| fds.len());
        [descriptors[0], descriptors[1], mounts_of(pid).unwrap(), groups_of(pid)]
    };
    let (before, objects) = (count(), kernel_objects());
    for _ in 0..MANY {
        one(&spawner).await;
    }
    until("the spawner is idle again", settled).await;
    until("nothing is left", || no_more(count(), before, shells)).await;
    // The kernel takes networks away at its leisure, other programs have some too, and what is free in the memory that a
    // processor has at hand counts as well, a hundred and more; each of ours would count.
    let slack = i64::try_from(MANY * 2 / 3).unwrap();
    until("the kernel has no more than before", || {
        let now = kernel_objects();
        objects
            .iter()
            .all(|(kind, &count)| now.get(kind).is_none_or(|&now| now < count + slack))
    })
    .await;
    spawner.shutdown().await;
}

pub(crate) async fn a_burst_starts_and_ends() {
    let Some(spawner) = start_apart() else { return };
    let mut starts: JoinSet<bool> = (0..30)
        .map(|number| {
            let spawner = spawner.clone();
            async move {
                let spec = apart(&spawner, &format!("echo {number}")).await;
                run(&spawner, spec).await.0 == format!("{number}\n")
            }
        })
        .collect();
    while let Some(started) = starts.join_next().await {
        assert!(started.unwrap());
    }
    spawner.shutdown().await;
}

/// So many environments, some of them at once, each with everything that one can have: code that came later, `/tmp`, a
/// listener, a second process, a share of the processors, and a time of standing still. Afterwards nothing of them is there.
pub(crate) async fn five_hundred_leave_nothing() {
    const ALL: usize = 500;
    const AT_ONCE: usize = 20;
    let options = Options {
        share_cpu: true,
        ..Options::default()
    };
    let Some(spawner) = start_apart_with(options) else {
        return;
    };
    let code = Directory::new();
    let folder = code.path().to_owned();
    one_of_many(spawner.clone(), folder.clone(), 0).await;
    let shells = 4;
    let pid = spawner.pid();
    let spawners = pid.to_string();
    let settled = || inits_of(pid).len() == shells;
    until("the spawner is idle", settled).await;
    let count = || {
        let descriptors = [fds_of("self"), fds_of(&spawners)].map(|fds| fds.len());
        [descriptors[0], descriptors[1], mounts_of(pid).unwrap(), groups_of(pid)]
    };
    let (before, objects) = (count(), kernel_objects());
    let mut running = JoinSet::new();
    for number in 1..=ALL {
        if running.len() == AT_ONCE {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(one_of_many(spawner.clone(), folder.clone(), number));
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
    until("the spawner is idle again", settled).await;
    until("nothing is left", || no_more(count(), before, shells)).await;
    let slack = i64::try_from(ALL / 2).unwrap();
    until("the kernel has no more than before", || {
        let now = kernel_objects();
        objects
            .iter()
            .all(|(kind, &count)| now.get(kind).is_none_or(|&now| now < count + slack))
    })
    .await;
    spawner.shutdown().await;
}

async fn one_of_many(spawner: Spawner, folder: PathBuf, number: usize) {
    let interior = Interior {
        mounts: Vec::new(),
        scratch: spawner.scratch(SCRATCH_BYTES),
        memory_bytes: None,
        reach: Reach::Nothing,
    };
    let enclosure = spawner.incomplete_enclosure(&interior).await.unwrap();
    let listener = enclosure.take_listener().expect("its listener");
    let waiting = Spec {
        assignment_pipe: true,
        ..within(
            &enclosure,
            "read -r x </proc/self/fd/63; echo a > /tmp/a; sleep 1000 & echo $x; exec sleep 1000",
        )
    };
    let mut process = spawner.spawn(waiting).await.unwrap();
    let completion = Completion {
        mounts: vec![Mount {
            source: folder,
            target: "/var/task".into(),
        }],
        memory_bytes: Some(64 << 20),
        reach: Reach::Nothing,
    };
    enclosure.complete(&completion).await.unwrap();
    let mut pipe = fs::File::from(process.take_assignment().unwrap());
    writeln!(pipe, "{number}").unwrap();
    drop(pipe);
    let mut output = receiver(process.take_stdout());
    assert_eq!(read_line(&mut output).await, number.to_string());
    enclosure.share_cpu(500);
    if number.is_multiple_of(2) {
        enclosure.freeze();
    }
    process.kill();
    assert_eq!(process.wait().await, KILLED);
    drop(listener);
}
