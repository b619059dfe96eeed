//! Starting processes, looking at `/proc`, and waiting until something is so.

use sandbox::{
    Enclosure, ExitStatus, Interior, Limits, Mount, Options, Process, Reach, Spawner, SpawnerError, Spec, Tier,
};
use std::ffi::OsString;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::time::{interval, timeout};

/// Far more than anything here needs on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn start() -> Spawner {
    Spawner::start(Options::default()).expect("a spawner")
}

/// Which users of this machine cannot have the `namespace` tier: `1` is everybody, `ordinary` all but root. What nobody has
/// said so of is a failure: a tier that is broken fails to start, too.
const WITHOUT_NAMESPACES: &str = "ALBACORE_TEST_WITHOUT_NAMESPACES";

/// A spawner of the `namespace` tier; `None` where [`WITHOUT_NAMESPACES`] says that there is none.
pub(crate) fn start_apart() -> Option<Spawner> {
    start_apart_with(Options::default())
}

/// The same with more than the tier.
pub(crate) fn start_apart_with(options: Options) -> Option<Spawner> {
    if is_without_namespaces() {
        println!("not tried, as {WITHOUT_NAMESPACES} asks for");
        return None;
    }
    let options = Options {
        tier: Tier::Namespace,
        ..options
    };
    match Spawner::start(options) {
        Ok(spawner) => Some(spawner),
        Err(SpawnerError::Tier(obstacle)) => panic!(
            "the namespace tier does not start: {obstacle}; {}. Where that cannot be had, set {WITHOUT_NAMESPACES}=1, or \
             =ordinary where root has it",
            obstacle.advice()
        ),
        Err(error) => panic!("{error}"),
    }
}

/// Does [`WITHOUT_NAMESPACES`] say so of who runs this?
pub(crate) fn is_without_namespaces() -> bool {
    match std::env::var(WITHOUT_NAMESPACES).as_deref() {
        Ok("1") => true,
        Ok("ordinary") => !is_root(),
        _ => false,
    }
}

/// Is `controller` among what the spawner limits? It has to be where a group that is made by hand could be limited: albacore's
/// own look may be what is broken.
pub(crate) fn is_limited(controller: &str, limited: bool) -> bool {
    if !limited {
        assert!(
            !can_limit(controller),
            "the {controller} of a group can be limited here"
        );
        println!("not tried, because nobody can limit the {controller} of a group here");
    }
    limited
}

fn can_limit(controller: &str) -> bool {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let has = |names: &str| names.split(',').any(|name| name == controller);
    own.lines().any(|line| {
        // `4:memory:/path`, and of version 2 `0::/path`
        let mut fields = line.splitn(3, ':').skip(1);
        let (names, path) = (fields.next().unwrap(), fields.next().unwrap());
        let is_second = names.is_empty();
        // `36 35 98:0 /root /mount/point options - type source super-options`
        let group = mounts.lines().find_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let (before, after) = (
                before.split(' ').collect::<Vec<_>>(),
                after.split(' ').collect::<Vec<_>>(),
            );
            let is_it = match is_second {
                true => after[0] == "cgroup2",
                false => after[0] == "cgroup" && has(names) && has(after[2]),
            };
            let below = path.strip_prefix(before[3].trim_end_matches('/')).unwrap_or(path);
            is_it.then(|| Path::new(before[4]).join(below.trim_start_matches('/')))
        });
        let Some(group) = group else { return false };
        let by_hand = group.join(format!("by-hand-{}", std::process::id()));
        let made = fs::create_dir(&by_hand).and_then(|()| fs::remove_dir(&by_hand));
        let handed_down = || fs::write(group.join("cgroup.subtree_control"), format!("+{controller}"));
        made.is_ok() && (!is_second || handed_down().is_ok())
    })
}

/// The size of `/tmp` in [`apart`].
pub(crate) const SCRATCH_BYTES: u64 = 8 << 20;

/// An enclosure with a scratch of [`SCRATCH_BYTES`].
pub(crate) async fn enclosure(spawner: &Spawner, mounts: Vec<Mount>) -> Enclosure {
    let scratch = spawner.scratch(SCRATCH_BYTES);
    let interior = Interior {
        mounts,
        scratch,
        memory_bytes: None,
        reach: Reach::Nothing,
    };
    spawner.enclosure(&interior).await.expect("an enclosure")
}

/// A script in an enclosure.
pub(crate) fn within(enclosure: &Enclosure, script: &str) -> Spec {
    Spec {
        temporary_directory: Some("/tmp".into()),
        enclosure: Some(enclosure.clone()),
        ..shell(script)
    }
}

/// A script in an enclosure of its own.
pub(crate) async fn apart(spawner: &Spawner, script: &str) -> Spec {
    within(&enclosure(spawner, Vec::new()).await, script)
}

pub(crate) fn spec<const N: usize>(program: &str, args: [&str; N]) -> Spec {
    Spec {
        program: program.into(),
        args: args.map(OsString::from).to_vec(),
        environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
        working_directory: "/".into(),
        temporary_directory: None,
        temporary_mount: false,
        layers_directory: None,
        log_pipe: false,
        assignment_pipe: false,
        limits: Limits::default(),
        enclosure: None,
    }
}

pub(crate) fn shell(script: &str) -> Spec {
    spec("/bin/sh", ["-c", script])
}

/// A script that prints the id of a daemon it has started, in a session of its own, and then runs `rest`.
pub(crate) fn with_daemon(rest: &str) -> Spec {
    shell(&format!(
        "(setsid sh -c 'echo $$; exec sleep 1000 >/dev/null 2>&1' &); {rest}"
    ))
}

pub(crate) async fn read_all(fd: Option<OwnedFd>) -> String {
    let mut text = String::new();
    receiver(fd).read_to_string(&mut text).await.expect("text");
    text
}

pub(crate) async fn read_line(reader: &mut BufReader<Receiver>) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).await.expect("a line");
    line.trim_end().to_owned()
}

pub(crate) fn receiver(fd: Option<OwnedFd>) -> BufReader<Receiver> {
    BufReader::new(Receiver::from_owned_fd(fd.expect("taken once")).expect("a pipe"))
}

/// Runs to the end: standard output, standard error, status.
pub(crate) async fn run(spawner: &Spawner, spec: Spec) -> (String, String, ExitStatus) {
    let mut process = spawner.spawn(spec).await.expect("started");
    let (stdout, stderr) = (process.take_stdout(), process.take_stderr());
    let (stdout, stderr) = tokio::join!(read_all(stdout), read_all(stderr));
    (stdout, stderr, process.wait().await)
}

/// Starts a process with a daemon; returns it with its own id, the daemon's and its init's.
pub(crate) async fn start_with_daemon(spawner: &Spawner, rest: &str) -> (Process, [u32; 3]) {
    let mut process = spawner.spawn(with_daemon(rest)).await.expect("started");
    let mut output = receiver(process.take_stdout());
    let daemon = read_line(&mut output).await.parse().expect("the daemon's id");
    let main = process.pid();
    let init = process.init_pid();
    assert_eq!(parent_of(main), Some(init));
    // It has printed from inside `setsid`, so from here on it is an orphan in a session of its own or about to be.
    until("the daemon is an orphan", || parent_of(daemon) == Some(init)).await;
    (process, [main, daemon, init])
}

/// Waits until `condition` holds; fails when it does not in [`LIMIT`].
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let mut look = interval(Duration::from_millis(2));
    let holds = async {
        while !condition() {
            look.tick().await;
        }
    };
    assert!(timeout(LIMIT, holds).await.is_ok(), "not so in time: {what}");
}

pub(crate) async fn until_dead(pids: &[u32]) {
    until(&format!("{pids:?} are dead"), || !pids.iter().any(|&pid| alive(pid))).await;
}

/// State and parent from `/proc/<pid>/stat`.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// A zombie is dead: whose duty it is to collect an orphan of ours is not ours to say.
pub(crate) fn alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

pub(crate) fn parent_of(pid: u32) -> Option<u32> {
    Some(stat(pid)?.1)
}

/// The children of a process, zombies included.
pub(crate) fn children_of(pid: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").expect("/proc").flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&it| parent_of(it) == Some(pid))
        .collect()
}

/// The children of a spawner but for those that fork.
pub(crate) fn inits_of(spawner: u32) -> Vec<u32> {
    let mut children = children_of(spawner);
    children.retain(|pid| !FORKERS.contains(&name_of(*pid).as_str()));
    children
}

/// Those that fork: where the spawner stands, and in the host's network for an ordinary user.
const FORKERS: [&str; 2] = [FORKER, "albacore-net"];
pub(crate) const FORKER: &str = "albacore-fork";

pub(crate) fn name_of(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end().to_owned()
}

/// The numbers of a process's open descriptors.
pub(crate) fn fds_of(process: &str) -> Vec<u32> {
    let entries = fs::read_dir(format!("/proc/{process}/fd"))
        .expect("descriptors")
        .flatten();
    let mut fds: Vec<u32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    fds.sort_unstable();
    fds
}

pub(crate) fn signal(name: &str, pid: u32) {
    let status = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status()
        .expect("kill");
    assert!(status.success(), "kill -s {name} {pid}: {status}");
}

/// A directory that is removed again.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "albacore-sandbox-{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a new directory");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn is_root() -> bool {
    // SAFETY: cannot fail and touches no memory.
    unsafe { libc::geteuid() == 0 }
}

/// Runs the tests whose names contain one of `filters` once more as the user `nobody`, if this is root.
pub(crate) async fn as_an_ordinary_user(filters: &[&str]) {
    /// User and group, by tradition.
    const NOBODY: u32 = 65534;
    if !is_root() {
        return;
    }
    let mut command = Command::new("/proc/self/exe");
    command.args(filters).stdin(Stdio::null()).uid(NOBODY).gid(NOBODY);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("an end");
    let output = match output {
        // In a user namespace, where this user has no number, nobody can become it.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => return,
        output => output.expect("this program"),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && !text.contains(" 0 passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
