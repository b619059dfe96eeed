//! Environments that are begun before anybody knows what will run in them, and those that are stopped for a while.

use crate::support::*;
use sandbox::{
    ASSIGNMENT_DESCRIPTOR, Completion, Enclosure, ExitStatus, Interior, Mount, Options, Process, Reach, SpawnError,
    Spawner, Spec, Step,
};
use std::fs;
use std::fs::File;
use std::io::Write;
use std::path::Path;

const KILLED: ExitStatus = ExitStatus::Signal {
    signal: libc::SIGKILL,
    core_dumped: false,
};

async fn incomplete(spawner: &Spawner) -> Enclosure {
    let interior = Interior {
        mounts: Vec::new(),
        scratch: spawner.scratch(SCRATCH_BYTES),
        memory_bytes: None,
        reach: Reach::Nothing,
    };
    spawner.incomplete_enclosure(&interior).await.unwrap()
}

fn completion(folder: &Path) -> Completion {
    Completion {
        mounts: vec![Mount {
            source: folder.to_owned(),
            target: "/var/task".into(),
        }],
        memory_bytes: Some(64 << 20),
        reach: Reach::Nothing,
    }
}

/// A shell that waits for its assignment, and then runs it.
fn waiting(enclosure: &Enclosure) -> Spec {
    let script = "exec 9<&0; ls -A /var/task; read -r assignment <&63; exec 63<&-; eval \"$assignment\"";
    // Shells know descriptors of one digit only; Python would take longer to start.
    let script = script.replace("<&63", "</proc/self/fd/63").replace("; exec 63<&-", "");
    Spec {
        assignment_pipe: true,
        ..within(enclosure, &script)
    }
}

fn assign(process: &mut Process, text: &str) {
    let mut pipe = File::from(process.take_assignment().expect("taken once"));
    writeln!(pipe, "{text}").unwrap();
    assert!(process.take_assignment().is_none());
}

pub(crate) async fn code_comes_later() {
    let Some(spawner) = start_apart() else { return };
    let code = Directory::new();
    fs::write(code.path().join("file"), "text").unwrap();
    let enclosure = incomplete(&spawner).await;
    let mut process = spawner.spawn(waiting(&enclosure)).await.unwrap();
    let mut output = receiver(process.take_stdout());
    assert_eq!(
        read_line(&mut output).await,
        "bootstrap",
        "what every environment has there"
    );
    enclosure.complete(&completion(code.path())).await.unwrap();
    let wanted = "cat /var/task/file; echo; touch /var/task/new 2>/dev/null || echo refused; echo a >/tmp/a && cat /tmp/a; \
                  grep CapEff /proc/1/status; grep -c Seccomp:.2 /proc/self/status; exit 3";
    assign(&mut process, wanted);
    let mut lines = Vec::new();
    for _ in 0..5 {
        lines.push(read_line(&mut output).await);
    }
    // The init may signal and set users, and no longer mount.
    assert_eq!(lines[..3], ["text", "refused", "a"]);
    assert_eq!(lines[4], "1");
    let rights = lines[3].rsplit_once('\t').unwrap().1;
    assert_eq!(u64::from_str_radix(rights, 16).unwrap() & (1 << 21), 0, "{rights}");
    assert_eq!(process.wait().await, ExitStatus::Code(3));
    spawner.shutdown().await;
}

pub(crate) async fn its_memory_is_limited_from_then_on() {
    let Some(spawner) = start_apart() else { return };
    if !is_limited("memory", spawner.controllers().memory) {
        return;
    }
    let code = Directory::new();
    let enclosure = incomplete(&spawner).await;
    let mut process = spawner.spawn(waiting(&enclosure)).await.unwrap();
    enclosure.complete(&completion(code.path())).await.unwrap();
    // A shell that doubles a text until it has more than it may.
    assign(&mut process, "x=0123456789abcdef; while :; do x=$x$x; done");
    assert_eq!(process.wait().await, ExitStatus::OutOfMemory);
    spawner.shutdown().await;
}

pub(crate) async fn code_that_cannot_be_shown_is_an_error_of_its_step() {
    let Some(spawner) = start_apart() else { return };
    let enclosure = incomplete(&spawner).await;
    let mut process = spawner.spawn(waiting(&enclosure)).await.unwrap();
    match enclosure.complete(&completion(Path::new("/nowhere"))).await {
        Err(SpawnError::Setup {
            step: Step::Code,
            errno: libc::ENOENT,
        }) => {}
        other => panic!("{other:?}"),
    }
    drop(enclosure);
    process.kill();
    assert_eq!(process.wait().await, KILLED);
    assert!(process.has_ended());
    spawner.shutdown().await;
}

pub(crate) async fn it_can_be_completed_once() {
    let Some(spawner) = start_apart() else { return };
    let code = Directory::new();
    let enclosure = incomplete(&spawner).await;
    let mut process = spawner.spawn(waiting(&enclosure)).await.unwrap();
    enclosure.complete(&completion(code.path())).await.unwrap();
    // Its init has no rights any more, and takes it for a mistake.
    assert!(enclosure.complete(&completion(code.path())).await.is_err());
    assert_eq!(process.wait().await, KILLED);
    spawner.shutdown().await;
}

pub(crate) async fn a_parked_one_dies_with_its_spawner() {
    let Some(spawner) = start_apart() else { return };
    let code = Directory::new();
    let enclosure = incomplete(&spawner).await;
    let mut process = spawner.spawn(waiting(&enclosure)).await.unwrap();
    assert!(!process.has_ended());
    let all = [process.pid(), process.init_pid()];
    signal("KILL", spawner.pid());
    assert_eq!(process.wait().await, KILLED);
    until_dead(&all).await;
    let gone = enclosure.complete(&completion(code.path())).await;
    assert!(gone.is_err(), "{gone:?}");
    spawner.shutdown().await;
}

pub(crate) async fn the_assignment_pipe_is_there_only_when_asked_for() {
    let spawner = start();
    let list = |assignment_pipe| Spec {
        assignment_pipe,
        ..shell("ls /proc/self/fd | tr '\\n' ' '")
    };
    // `ls` has one of its own, 3, for the folder.
    assert_eq!(run(&spawner, list(false)).await.0, "0 1 2 3 ");
    assert_eq!(
        run(&spawner, list(true)).await.0,
        format!("0 1 2 3 {ASSIGNMENT_DESCRIPTOR} ")
    );
    let mut process = spawner.spawn(list(false)).await.unwrap();
    assert!(process.take_assignment().is_none());
    process.wait().await;
    spawner.shutdown().await;
}

/// How often the script of [`counting`] has counted, once it has counted further than `least`.
async fn count_beyond(file: &Path, least: u64) -> u64 {
    let mut now = least;
    until("it counts", || {
        now = count_in(file).unwrap_or(least);
        now > least
    })
    .await;
    now
}

fn count_in(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Counts as fast as it can, in a file that is seen from outside.
fn counting(enclosure: &Enclosure) -> Spec {
    within(enclosure, "i=0; while :; do i=$((i+1)); echo $i > /tmp/count; done")
}

/// Nobody in it uses the processor any more.
async fn until_still(pid: u32) {
    let used = || fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
    let mut before = used();
    let mut alike = 0;
    // Between two looks it would have run many times.
    until("it is still", || {
        let now = used();
        alike = if now == before { alike + 1 } else { 0 };
        before = now;
        alike > 50
    })
    .await;
}

pub(crate) async fn a_frozen_one_stands_still_and_goes_on() {
    let Some(spawner) = start_apart() else { return };
    let enclosure = enclosure(&spawner, Vec::new()).await;
    let mut process = spawner.spawn(counting(&enclosure)).await.unwrap();
    let file = Path::new("/proc")
        .join(process.pid().to_string())
        .join("root/tmp/count");
    let before = if is_root() { count_beyond(&file, 0).await } else { 0 };
    enclosure.freeze();
    enclosure.freeze();
    until_still(process.pid()).await;
    enclosure.thaw();
    let used = fs::read_to_string(format!("/proc/{}/schedstat", process.pid())).unwrap();
    until("it runs again", || {
        fs::read_to_string(format!("/proc/{}/schedstat", process.pid())).unwrap() != used
    })
    .await;
    if is_root() {
        count_beyond(&file, before).await;
    }
    process.kill();
    assert_eq!(process.wait().await, KILLED);
    spawner.shutdown().await;
}

pub(crate) async fn a_frozen_one_hears_sigterm_and_can_be_killed() {
    let Some(spawner) = start_apart() else { return };
    for (polite, expected) in [(true, ExitStatus::Code(7)), (false, KILLED)] {
        let enclosure = enclosure(&spawner, Vec::new()).await;
        let script = "trap 'exit 7' TERM; echo ready; while :; do :; done";
        let mut process = spawner.spawn(within(&enclosure, script)).await.unwrap();
        let mut output = receiver(process.take_stdout());
        assert_eq!(read_line(&mut output).await, "ready");
        enclosure.freeze();
        until_still(process.pid()).await;
        if polite {
            process.terminate();
        } else {
            process.kill();
        }
        assert_eq!(process.wait().await, expected);
    }
    spawner.shutdown().await;
}

pub(crate) async fn frozen_ones_die_with_their_spawner() {
    let Some(spawner) = start_apart() else { return };
    let enclosure = enclosure(&spawner, Vec::new()).await;
    let process = spawner.spawn(counting(&enclosure)).await.unwrap();
    let all = [process.pid(), process.init_pid()];
    enclosure.freeze();
    until_still(process.pid()).await;
    signal("KILL", spawner.pid());
    until_dead(&all).await;
    spawner.shutdown().await;
}

pub(crate) async fn freezing_works_for_an_ordinary_user() {
    // Who has no control groups: with signals.
    as_an_ordinary_user(&[
        "parked::a_frozen_one",
        "parked::frozen_ones",
        "parked::code_comes_later",
    ])
    .await;
}

/// Time is not asserted: the kernel says itself how often it has held a group back.
pub(crate) async fn a_share_of_the_processors_is_kept() {
    let options = Options {
        share_cpu: true,
        ..Options::default()
    };
    let Some(spawner) = start_apart_with(options) else {
        return;
    };
    if !is_limited("cpu", spawner.controllers().cpu) {
        return;
    }
    let enclosure = enclosure(&spawner, Vec::new()).await;
    // A child of it, too.
    let process = spawner
        .spawn(within(&enclosure, "(while :; do :; done) & while :; do :; done"))
        .await
        .unwrap();
    let groups = || fs::read_to_string(format!("/proc/{}/cgroup", process.pid())).unwrap();
    let name = format!("/albacore-{}/", spawner.pid());
    let path = || {
        let groups = groups();
        let line = groups
            .lines()
            .find(|line| {
                line.split(':')
                    .nth(1)
                    .is_some_and(|names| names.split(',').any(|name| name == "cpu"))
            })
            .or_else(|| groups.lines().find(|line| line.starts_with("0::")))?;
        let path = line.splitn(3, ':').nth(2)?;
        path.contains(&name).then(|| path.trim_start_matches('/').to_owned())
    };
    let path = path().expect("it was born in its group");
    enclosure.share_cpu(100);
    let roots = ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup"].map(Path::new);
    let Some(folder) = roots
        .into_iter()
        .map(|root| root.join(&path))
        .find(|it| it.join("cpu.stat").exists())
    else {
        panic!("no such group: {path}")
    };
    let held_back = || {
        let text = fs::read_to_string(folder.join("cpu.stat")).unwrap();
        let times = text.lines().find_map(|line| line.strip_prefix("nr_throttled "));
        times.and_then(|times| times.parse::<u64>().ok()).unwrap_or(0)
    };
    until("it is held back", || held_back() > 3).await;
    drop(process);
    spawner.shutdown().await;
}
