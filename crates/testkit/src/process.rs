//! Processes: their end, their open files, their children.

use crate::wait::BOUND;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;
use std::os::fd::OwnedFd;

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
        assert!(self.ends(), "the process has not ended");
    }

    /// Waits at most [`BOUND`], and says whether it has ended.
    pub(crate) fn ends(&self) -> bool {
        let bound = Timespec::try_from(BOUND).unwrap();
        poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&bound)).unwrap() == 1
    }

    /// Kills it, if it still runs.
    pub fn kill(&self) {
        // Fails only when it has ended already.
        let _ = pidfd_send_signal(&self.0, Signal::KILL);
    }
}

/// How many files a process has open.
///
/// # Panics
///
/// When it has ended, or belongs to somebody else.
#[track_caller]
pub fn open_files(pid: Pid) -> usize {
    fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero()))
        .unwrap()
        .count()
}

/// The children of a process, those that have ended and were not collected included.
pub fn children(pid: Pid) -> Vec<Pid> {
    relatives(pid, |_| true)
}

/// The children of a process that have ended and that it has not collected.
pub fn zombies(pid: Pid) -> Vec<Pid> {
    relatives(pid, |state| state == "Z")
}

fn relatives(parent: Pid, is_wanted: impl Fn(&str) -> bool) -> Vec<Pid> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
            .and_then(Pid::from_raw)
        else {
            continue;
        };
        // `pid (name) state parent ...`; the name may hold anything, a parenthesis too. A process may end meanwhile.
        let Ok(line) = fs::read_to_string(entry.path().join("stat")) else {
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
    use std::process::Command;

    #[test]
    fn a_child_is_seen_until_it_is_collected() {
        let own = rustix::process::getpid();
        let mut child = Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        assert!(children(own).contains(&pid) && !zombies(own).contains(&pid));
        assert!(open_files(pid) >= 3);
        let process = Process::of(pid);
        process.kill();
        process.ended();
        assert!(zombies(own).contains(&pid));
        child.wait().unwrap();
        assert!(!children(own).contains(&pid));
    }
}
