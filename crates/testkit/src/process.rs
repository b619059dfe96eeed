//! Processes: their end, their open files, their children.

use crate::wait::BOUND;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

/// A process that may end, and is not mistaken for another one then.
#[derive(Debug)]
pub struct Process(OwnedFd);

impl Process {
    /// A process that runs now.
    ///
    /// # Panics
    ///
    /// When there is none with this id.
    #[track_caller]
    pub fn of(pid: Pid) -> Self {
        Self(pidfd_open(pid, PidfdFlags::empty()).expect("the process runs"))
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    ///
    /// When it has not within [`BOUND`].
    #[track_caller]
    pub fn ended(&self) {
        assert!(self.ends_within(BOUND), "the process has not ended");
    }

    /// Waits at most so long, and says whether it has ended.
    pub(crate) fn ends_within(&self, bound: Duration) -> bool {
        let bound = Timespec::try_from(bound).unwrap();
        poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&bound)).unwrap() == 1
    }

    /// Kills it, if it still runs.
    pub fn kill(&self) {
        // Fails only when it has ended already.
        let _ = pidfd_send_signal(&self.0, Signal::KILL);
    }
}

/// How many files a process has open, but for those that albacore opens when there is something to write: that of its
/// metrics with the first minute and another one with each hour, and those of delivered logs with their first line.
///
/// # Panics
///
/// When it has ended, or belongs to somebody else.
#[track_caller]
pub fn open_files(pid: Pid) -> usize {
    let open = open_files_of(pid);
    open.iter()
        .filter(|file| file.extension().is_none_or(|it| it != "datapoints" && it != "open"))
        .count()
}

/// What a process has open: paths of files, and words for what has none.
///
/// # Panics
///
/// When it has ended, or belongs to somebody else.
#[track_caller]
pub fn open_files_of(pid: Pid) -> Vec<PathBuf> {
    let links = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())).unwrap();
    // One may be closed meanwhile.
    links
        .filter_map(|link| fs::read_link(link.unwrap().path()).ok())
        .collect()
}

/// The children of a process, those that have ended and were not collected included.
pub fn children(pid: Pid) -> Vec<Pid> {
    relatives(pid, |_| true)
}

/// The children of a process that have ended and that it has not collected.
pub fn zombies(pid: Pid) -> Vec<Pid> {
    relatives(pid, |state| state == "Z")
}

/// The processes whose environment has this variable with this value: those that were started with it, and those that
/// they have forked, wherever they hang now.
pub fn processes_with(name: &str, value: &str) -> Vec<Pid> {
    let wanted = format!("{name}={value}");
    let has_it = |pid: &Pid| {
        // It may end meanwhile, or belong to somebody else. One that has ended and is not collected has none.
        let variables = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
        variables
            .split(|byte| *byte == 0)
            .any(|variable| variable == wanted.as_bytes())
    };
    all_processes().filter(has_it).collect()
}

/// The memory of a process that belongs to no file, in kilobytes: what it has allocated and touched.
///
/// # Panics
///
/// When it has ended.
#[track_caller]
pub fn anonymous_kilobytes(pid: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn all_processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}

fn relatives(parent: Pid, is_wanted: impl Fn(&str) -> bool) -> Vec<Pid> {
    let mut found = Vec::new();
    for pid in all_processes() {
        // `pid (name) state parent ...`; the name may hold anything, a parenthesis too. A process may end meanwhile.
        let Ok(line) = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())) else {
            continue;
        };
        let Some((_, rest)) = line.rsplit_once(") ") else {
            continue;
        };
        let mut fields = rest.split(' ');
        let (state, its_parent) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        if its_parent == parent.as_raw_nonzero().to_string() && is_wanted(state) {
            found.push(pid);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::until;
    use std::process::Command;

    #[test]
    fn a_child_is_seen_until_it_is_collected() {
        let own = rustix::process::getpid();
        let mark = own.as_raw_nonzero().to_string();
        let mut command = Command::new("cat");
        command.env("CHILD_OF", &mark).stdin(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_child(&child);
        // The kernel tells of a program a moment before it tells of its variables.
        until("its variables are known", || {
            (processes_with("CHILD_OF", &mark) == [pid]).then_some(())
        });
        assert!(anonymous_kilobytes(pid) > 0);
        assert!(children(own).contains(&pid) && !zombies(own).contains(&pid));
        assert!(open_files(pid) >= 3 && open_files_of(pid).len() >= 3);
        let process = Process::of(pid);
        process.kill();
        process.ended();
        assert!(zombies(own).contains(&pid));
        assert_eq!(processes_with("CHILD_OF", &mark), []);
        child.wait().unwrap();
        assert!(!children(own).contains(&pid));
    }
}
