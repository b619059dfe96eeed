//! Who uses more memory than he may, whatever there is in his `/tmp`.
//!
//! On Lambda `/tmp` is a disk. Here it is memory, and the kernel counts it for whoever writes to it. So the limit that the
//! kernel holds leaves room for both, and who fills the room of his `/tmp` with something else is found out here: by
//! looking, the sooner again the less is left. What is used for less time than lies between two looks is not noticed;
//! more than both together nobody gets. Then it goes as with the kernel's limit: the largest process is killed.
//!
//! An event of the kernel's instead would make every start wait: version 1 takes milliseconds to set one up.

use super::{Group, Version};
use crate::sys::fd;
use crate::sys::mount::{Used, usage_of};
use crate::sys::process::{self, Pid};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// How many bytes somebody may come to use in a microsecond, more or less: pages have to be emptied first.
const BYTES_PER_MICROSECOND: u64 = 1_000;
/// How soon to look again at the soonest, and at the latest.
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(5);
const LOOK_AGAIN_MAX: Duration = Duration::from_millis(100);
/// What the kernel's figures may be wrong by: each processor counts some pages by itself for a while.
const TOLERANCE_BYTES: u64 = 2 << 20;
/// What the kernel needs to know of a file in `/tmp`, in bytes.
const BYTES_PER_FILE: u64 = 1024;
/// Processes among which the largest is looked for.
const PROCESSES_MAX: usize = 2048;

/// What a group may use.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    /// Besides `/tmp`. `None`: as much as there is.
    memory_bytes: Option<u64>,
    tmp: Option<Tmp>,
    /// Who was killed, until he has gone: what he had is not free before.
    victim: Option<OwnedFd>,
    /// How many were killed.
    pub(super) kills: u64,
}

/// What is at `/tmp`.
#[derive(Debug)]
struct Tmp {
    mount: OwnedFd,
    bytes_max: u64,
    /// Of an earlier group: not among the memory of this one.
    files_before: u64,
}

impl Tmp {
    fn used(&self) -> Used {
        let Used { bytes, files } = usage_of(self.mount.as_fd()).unwrap_or_default();
        Used {
            bytes,
            files: files.saturating_sub(self.files_before),
        }
    }
}

impl Group {
    /// What is going to be at its `/tmp`, and how large that may become.
    pub(crate) fn has_tmp(&mut self, mount: OwnedFd, bytes_max: u64) {
        let files_before = usage_of(mount.as_fd()).map_or(0, |used| used.files);
        self.allowance.tmp = Some(Tmp {
            mount,
            bytes_max,
            files_before,
        });
    }

    /// From now on its processes may use so much memory, and what is in `/tmp` besides. An error means that they are not
    /// limited.
    pub(crate) fn allow(&mut self, memory_bytes: Option<u64>) -> std::io::Result<()> {
        let tmp_bytes = self.allowance.tmp.as_ref().map_or(0, |tmp| tmp.bytes_max);
        if let Some(bytes) = memory_bytes {
            self.limit_memory(bytes.saturating_add(tmp_bytes))?;
        }
        self.allowance.memory_bytes = memory_bytes;
        Ok(())
    }

    /// Kills the largest process if all of them together use more than they may. `init` is not one of them. How soon to look
    /// again; `None`: they may use as much as they like.
    pub(crate) fn look(&mut self, init: Pid) -> Option<Duration> {
        let allowed = self.allowance.memory_bytes?;
        let (version, _, folder) = self.folders.iter().find(|(_, controllers, _)| controllers.memory)?;
        let in_tmp = || self.allowance.tmp.as_ref().map(Tmp::used).unwrap_or_default();
        // A group that cannot be read is going.
        let used = used_bytes(*version, folder, allowed, in_tmp).unwrap_or(0);
        if used <= allowed.saturating_add(TOLERANCE_BYTES) {
            return Some(again_after(allowed.saturating_sub(used)));
        }
        let is_dying = self.allowance.victim.as_ref().is_some_and(|victim| !has_ended(victim));
        if !is_dying && let Some(victim) = largest(folder, init) {
            self.allowance.kills += u64::from(process::kill_process(victim.as_fd()).is_ok());
            self.allowance.victim = Some(victim);
        }
        Some(LOOK_AGAIN_MIN)
    }
}

fn again_after(left_bytes: u64) -> Duration {
    Duration::from_micros(left_bytes / BYTES_PER_MICROSECOND).clamp(LOOK_AGAIN_MIN, LOOK_AGAIN_MAX)
}

/// What counts: all but the files that the kernel keeps and would forget, and but what is in `/tmp`. Where even all of it is
/// no more than `enough`, that is said.
fn used_bytes(version: Version, folder: &Path, enough: u64, in_tmp: impl FnOnce() -> Used) -> Option<u64> {
    let file = match version {
        Version::One => "memory.usage_in_bytes",
        Version::Two => "memory.current",
    };
    let all: u64 = fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok()?;
    if all <= enough {
        return Some(all);
    }
    let figures = fs::read_to_string(folder.join("memory.stat")).ok()?;
    Some(all.saturating_sub(not_counted(&figures, in_tmp())))
}

/// `name bytes`, in lines. What is in `/tmp` since before this group was made is not among its memory, and memory that is
/// shared without `/tmp` is: so it is the lesser of both.
fn not_counted(figures: &str, in_tmp: Used) -> u64 {
    let figure = |wanted| figure(figures, wanted);
    let kept = figure("inactive_file") + figure("active_file") + figure("slab_reclaimable");
    kept.saturating_add(in_tmp.bytes.min(figure("shmem")))
        .saturating_add(in_tmp.files.saturating_mul(BYTES_PER_FILE))
}

/// `name bytes`, in lines; nothing where the name is not there.
pub(super) fn figure(figures: &str, wanted: &str) -> u64 {
    let of_line = |line: &str| line.strip_prefix(wanted)?.strip_prefix(' ')?.trim().parse().ok();
    figures.lines().find_map(of_line).unwrap_or(0)
}

/// The process that has most in memory.
fn largest(folder: &Path, init: Pid) -> Option<OwnedFd> {
    let members = || fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    let text = members();
    let pids = text.lines().filter_map(|line| line.trim().parse::<Pid>().ok());
    let largest = pids
        .filter(|&pid| pid > 0 && pid != init)
        .take(PROCESSES_MAX)
        .max_by_key(|&pid| resident_pages(pid))?;
    let handle = process::open_process(largest).ok()?;
    // The number may have gone to somebody else meanwhile; who is a member now is the one that the handle means.
    let is_member = members().lines().any(|line| line.trim() == largest.to_string());
    is_member.then_some(handle)
}

fn resident_pages(pid: Pid) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0)
}

fn has_ended(process: &OwnedFd) -> bool {
    let mut entries = [fd::interest(process.as_fd(), libc::POLLIN)];
    let _ = fd::poll(&mut entries, Some(Duration::ZERO));
    entries[0].revents != 0
}

#[cfg(test)]
mod tests;
