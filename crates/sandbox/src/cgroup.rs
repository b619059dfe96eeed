//! Control groups: how much memory an environment may use, and how many processes it may have.
//!
//! One group for each environment, below one for this spawner, in every hierarchy that has something to offer: that of
//! version 2 where it can be written, in which a child is born into its group; and of version 1 those whose controllers
//! version 2 has not got. There a process has to move, which takes milliseconds and holds up every fork on the machine
//! meanwhile. So an init does that itself, for all groups at once, long before it is needed; all that runs in the
//! environment later is born there, and whoever starts something only writes limits.
//!
//! The group of a spawner that was killed is removed by the next one.

mod allowance;
mod used;

pub use used::GroupMemory;

use crate::sys::process::{self, Pid};
use allowance::Allowance;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What our groups begin with; the number of the spawner follows.
const NAME: &str = "albacore-";
/// Processor time is shared out anew so often. Short, so that nobody who has used up his share waits for long.
pub(crate) const PERIOD_US: u64 = 20_000;
/// Groups of one spawner that are looked at when it is gone.
const LEFT_MAX: usize = 10_000;

/// What can be limited here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Controllers {
    /// Memory.
    pub memory: bool,
    /// The number of processes and threads.
    pub processes: bool,
    /// Processor time, if that was asked for ([`crate::Options::share_cpu`]).
    pub cpu: bool,
}

impl Controllers {
    pub(crate) fn bits(self) -> i32 {
        i32::from(self.memory) | i32::from(self.processes) << 1 | i32::from(self.cpu) << 2
    }

    pub(crate) fn from_bits(bits: i32) -> Self {
        Self {
            memory: bits & 1 != 0,
            processes: bits & 2 != 0,
            cpu: bits & 4 != 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// One tree of groups, with the folder of this spawner in it.
#[derive(Debug)]
struct Hierarchy {
    version: Version,
    controllers: Controllers,
    folder: PathBuf,
}

/// The groups of one spawner.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    hierarchies: Vec<Hierarchy>,
    made: u64,
}

/// One environment's in one hierarchy.
type Folder = (Version, Controllers, PathBuf);

/// The group of one environment: a folder in each hierarchy.
#[derive(Debug)]
pub(crate) struct Group {
    folders: Vec<Folder>,
    /// Where its memory is limited, and its memory with what is swapped out; opened ahead, for they are written to while
    /// somebody waits.
    memory_files: Option<(File, Option<File>)>,
    /// Out-of-memory kills that have been told.
    kills_told: u64,
    allowance: Allowance,
}

impl Groups {
    /// Finds out what this process may use. Whatever fails is not used.
    pub(crate) fn prepare(share_cpu: bool) -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut groups = Self::default();
        for (version, controllers, folder) in candidates(&mounts, &own) {
            let had = groups.controllers();
            let news = Controllers {
                memory: controllers.memory && !had.memory,
                processes: controllers.processes && !had.processes,
                cpu: share_cpu && controllers.cpu && !had.cpu,
            };
            if version == Version::One && news == Controllers::default() {
                continue;
            }
            clear_out(&folder);
            groups.hierarchies.extend(claim(version, news, &folder));
        }
        groups
    }

    pub(crate) fn controllers(&self) -> Controllers {
        let all = self.hierarchies.iter().map(|it| it.controllers);
        all.fold(Controllers::default(), |sum, it| Controllers {
            memory: sum.memory || it.memory,
            processes: sum.processes || it.processes,
            cpu: sum.cpu || it.cpu,
        })
    }

    /// A new group with so many processes and threads at most; `None` where there are none.
    pub(crate) fn make(&mut self, processes: u64) -> io::Result<Option<Group>> {
        if self.hierarchies.is_empty() {
            return Ok(None);
        }
        self.made += 1;
        let mut group = Group::of(Vec::new());
        for hierarchy in &self.hierarchies {
            let folder = hierarchy.folder.join(self.made.to_string());
            if let Err(error) = fs::create_dir(&folder) {
                group.remove();
                return Err(error);
            }
            group.folders.push((hierarchy.version, hierarchy.controllers, folder));
        }
        if let Err(error) = group.limit_processes(processes) {
            group.remove();
            return Err(error);
        }
        // If not now, then when they are wanted.
        group.memory_files = group.open_memory_files().ok();
        Ok(Some(group))
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for hierarchy in &self.hierarchies {
            remove_below(&hierarchy.folder);
        }
    }
}

impl Group {
    fn of(folders: Vec<Folder>) -> Self {
        Self {
            folders,
            memory_files: None,
            kills_told: 0,
            allowance: Allowance::default(),
        }
    }

    /// Where a child can be born, if that is possible.
    pub(crate) fn birthplace(&self) -> Option<File> {
        let (.., folder) = self.folders.iter().find(|(version, ..)| *version == Version::Two)?;
        let open = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY)
            .open(folder);
        open.ok()
    }

    /// What a child writes to, once each, to move into the group. Like all descriptors closed on exec.
    pub(crate) fn entrances(&self) -> io::Result<Vec<OwnedFd>> {
        let old = self.folders.iter().filter(|(version, ..)| *version == Version::One);
        old.map(|(.., folder)| entrance(folder)).collect()
    }

    /// From now on its processes have so much processor time in each period of [`PERIOD_US`], and once as much again if they
    /// have not used it before, where the kernel (5.14) can remember that: what works little and seldom is not held back.
    pub(crate) fn share_cpu(&self, quota_us: u64) -> io::Result<()> {
        let Some((version, _, folder)) = self.folders.iter().find(|(_, controllers, _)| controllers.cpu) else {
            return Ok(());
        };
        let set = |file: &str, value: String| set(folder, file, &value);
        match version {
            Version::One => {
                set("cpu.cfs_period_us", PERIOD_US.to_string())?;
                set("cpu.cfs_quota_us", quota_us.to_string())?;
                let _ = set("cpu.cfs_burst_us", quota_us.to_string());
            }
            Version::Two => {
                set("cpu.max", format!("{quota_us} {PERIOD_US}"))?;
                let _ = set("cpu.max.burst", quota_us.to_string());
            }
        }
        Ok(())
    }

    /// Stops its processes where they are, or lets them go on. False: here only signals can do that. Version 1 has groups
    /// for it, too, but what is stopped by one cannot be killed, and would outlive us if nobody were left to let it go on.
    pub(crate) fn freeze(&self, frozen: bool) -> bool {
        let folder = self.folders.iter().find(|(version, ..)| *version == Version::Two);
        folder.is_some_and(|(.., folder)| set(folder, "cgroup.freeze", if frozen { "1" } else { "0" }).is_ok())
    }

    /// Kills all its processes at once, those included that are being forked, however they stand. False: here only signals
    /// can do that.
    pub(crate) fn kill(&self) -> bool {
        let folder = self.folders.iter().find(|(version, ..)| *version == Version::Two);
        folder.is_some_and(|(.., folder)| set(folder, "cgroup.kill", "1").is_ok())
    }

    /// From now on there are so many processes and threads in it at most. An error means that they are not limited.
    fn limit_processes(&self, processes: u64) -> io::Result<()> {
        let mut limited = self.folders.iter().filter(|(_, controllers, _)| controllers.processes);
        limited.try_for_each(|(.., folder)| set(folder, "pids.max", &processes.to_string()))
    }

    /// From now on the kernel lets its processes use so much memory. An error means that they are not limited.
    fn limit_memory(&mut self, bytes: u64) -> io::Result<()> {
        let Some((version, ..)) = self.folders.iter().find(|(_, controllers, _)| controllers.memory) else {
            return Ok(());
        };
        let swapped = match version {
            Version::One => bytes,
            Version::Two => 0,
        };
        let files = self.memory_files.take().map_or_else(|| self.open_memory_files(), Ok);
        let (file, with_swapped) = files?;
        file.write_all_at(bytes.to_string().as_bytes(), 0)?;
        let _ = with_swapped.map(|file| file.write_all_at(swapped.to_string().as_bytes(), 0));
        Ok(())
    }

    /// The second one is not there where swap is not counted.
    fn open_memory_files(&self) -> io::Result<(File, Option<File>)> {
        let mut limited = self.folders.iter();
        let (version, _, folder) = limited
            .find(|(_, controllers, _)| controllers.memory)
            .ok_or(io::ErrorKind::NotFound)?;
        let (memory, with_swapped) = match version {
            Version::One => ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
            Version::Two => ("memory.max", "memory.swap.max"),
        };
        let open = |name: &str| OpenOptions::new().write(true).open(folder.join(name));
        match open(with_swapped) {
            Ok(with_swapped) => Ok((open(memory)?, Some(with_swapped))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((open(memory)?, None)),
            Err(error) => Err(error),
        }
    }

    /// Was one of its processes killed for want of memory, since this was asked the last time?
    pub(crate) fn was_out_of_memory(&mut self) -> bool {
        let limited = self.folders.iter().find(|(_, controllers, _)| controllers.memory);
        let kills = limited.and_then(|(version, _, folder)| {
            let file = match version {
                Version::One => "memory.oom_control",
                Version::Two => "memory.events",
            };
            kills_in(&fs::read_to_string(folder.join(file)).ok()?)
        });
        let kills = kills.unwrap_or(0) + self.allowance.kills;
        let news = kills > self.kills_told;
        self.kills_told = kills;
        news
    }

    /// Nobody is in it any more.
    pub(crate) fn remove(&self) {
        for (.., folder) in &self.folders {
            // What is left is removed with the spawner.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Writes to one of the kernel's files, which is there or is not.
fn set(folder: &Path, file: &str, value: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(folder.join(file))?;
    file.write_all(value.as_bytes())
}

fn entrance(folder: &Path) -> io::Result<OwnedFd> {
    let file = OpenOptions::new().write(true).open(folder.join("cgroup.procs"))?;
    Ok(file.into())
}

/// Moves this process through an entrance of [`Group::entrances`].
pub(crate) fn enter(entrance: BorrowedFd<'_>) -> io::Result<()> {
    crate::sys::fd::write(entrance, b"0")
}

/// `oom_kill N`
fn kills_in(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
    line.trim().parse().ok()
}

/// Every hierarchy with something in it for us, version 2 first, and the group that this process is in.
fn candidates(mounts: &str, own: &str) -> Vec<(Version, Controllers, PathBuf)> {
    let mut found = Vec::new();
    for line in mounts.lines() {
        // `36 35 98:0 /root /mount/point options - type source super-options`
        let Some((before, after)) = line.split_once(" - ") else {
            continue;
        };
        let (mut before, mut after) = (before.split(' ').skip(3), after.split(' '));
        let (Some(root), Some(at)) = (before.next(), before.next()) else {
            continue;
        };
        let (kind, options) = (after.next().unwrap_or_default(), after.nth(1).unwrap_or_default());
        let version = match kind {
            "cgroup" => Version::One,
            "cgroup2" => Version::Two,
            _ => continue,
        };
        let has = |name: &str| options.split(',').any(|option| option == name);
        let of_one = Controllers {
            memory: has("memory"),
            processes: has("pids"),
            cpu: has("cpu"),
        };
        // `4:memory:/path`, and of version 2 `0::/path`
        let path = own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            let is_it = match version {
                Version::One => controllers.split(',').any(|name| !name.is_empty() && has(name)),
                Version::Two => controllers.is_empty(),
            };
            is_it.then_some(path)
        });
        let Some(path) = path else { continue };
        let within = path.strip_prefix(root.trim_end_matches('/')).unwrap_or(path);
        let folder = Path::new(at).join(within.trim_start_matches('/'));
        match version {
            Version::One if of_one == Controllers::default() => {}
            Version::One => found.push((version, of_one, folder)),
            Version::Two => found.insert(0, (version, offered(&folder), folder)),
        }
    }
    found
}

/// What a group of version 2 can hand to those below it.
fn offered(folder: &Path) -> Controllers {
    let text = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
    let has = |name: &str| text.split_ascii_whitespace().any(|it| it == name);
    Controllers {
        memory: has("memory"),
        processes: has("pids"),
        cpu: has("cpu"),
    }
}

/// Makes the folder of this spawner, where that is allowed.
fn claim(version: Version, controllers: Controllers, group: &Path) -> Option<Hierarchy> {
    let folder = group.join(format!("{NAME}{}", process::own_pid()));
    fs::create_dir(&folder).ok()?;
    let mut hierarchy = Hierarchy {
        version,
        controllers,
        folder,
    };
    if version == Version::Two && !(hand_down(group, controllers) && hand_down(&hierarchy.folder, controllers)) {
        // Groups without controllers are of use too: a child is born into one.
        hierarchy.controllers = Controllers::default();
    }
    Some(hierarchy)
}

/// Lets the groups below `folder` use these controllers. A group with processes of its own may not, but for the root.
fn hand_down(folder: &Path, controllers: Controllers) -> bool {
    let names = [
        (controllers.memory, "+memory"),
        (controllers.processes, "+pids"),
        (controllers.cpu, "+cpu"),
    ];
    names
        .iter()
        .filter(|(wanted, _)| *wanted)
        .all(|(_, name)| fs::write(folder.join("cgroup.subtree_control"), name).is_ok())
}

/// Removes what spawners have left that are not there any more.
fn clear_out(group: &Path) {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    for entry in entries.take(LEFT_MAX) {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_prefix(NAME)?.parse::<Pid>().ok());
        if pid.is_some_and(|pid| process::open_process(pid).is_err()) {
            remove_below(&entry.path());
        }
    }
}

/// Groups cannot be removed with the files in them, which are the kernel's.
fn remove_below(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries
        .take(LEFT_MAX)
        .filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir()))
    {
        let _ = fs::remove_dir(entry.path());
    }
    let _ = fs::remove_dir(folder);
}

#[cfg(test)]
mod tests;
