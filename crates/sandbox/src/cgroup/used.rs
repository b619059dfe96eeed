//! The most memory that the processes of an environment have used together, those that have ended included.
//!
//! The kernel keeps the highest figure of a group, but counts in it what Lambda has on a disk or not at all: what is in
//! `/tmp`, and files of the disk that the kernel keeps in memory. How much of that there was at the peak nobody says. So
//! the figure is asked for often: of one that has risen since the last look, what was there at either of both looks and was
//! more is taken away. What was written to `/tmp` and removed again between two looks counts; what was used beside files that
//! are kept no more counts less. Memory that is shared without a file is taken for `/tmp`.

use super::allowance::figure;
use super::{NAME, Version, candidates};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Looks at the memory of the group of one environment.
#[derive(Debug)]
pub struct GroupMemory {
    version: Version,
    folder: PathBuf,
    /// The kernel's highest figure, and what did not count, at the last look that found something new.
    highest: u64,
    not_counted: u64,
    peak: u64,
}

impl GroupMemory {
    /// Of the environment whose init process this is; `None` where it is in no group of its own that counts memory.
    pub fn of(init: u32) -> Option<Self> {
        // What is mounted is asked for once: it takes longer than all else here.
        static MOUNTS: OnceLock<String> = OnceLock::new();
        let mounts = MOUNTS.get_or_init(|| fs::read_to_string("/proc/self/mountinfo").unwrap_or_default());
        let groups = fs::read_to_string(format!("/proc/{init}/cgroup")).ok()?;
        let is_ours = |folder: &Path| {
            let name = folder.parent().and_then(Path::file_name);
            name.and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with(NAME))
        };
        let mut all = candidates(mounts, &groups).into_iter();
        let (version, _, folder) = all.find(|(_, controllers, folder)| controllers.memory && is_ours(folder))?;
        Some(Self::in_folder(version, folder))
    }

    fn in_folder(version: Version, folder: PathBuf) -> Self {
        Self {
            version,
            folder,
            highest: 0,
            not_counted: 0,
            peak: 0,
        }
    }

    /// The peak so far, in bytes. Takes some ten microseconds; a group that has gone has the peak that it had.
    pub fn peak_bytes(&mut self) -> u64 {
        let (usage, highest) = match self.version {
            Version::One => ("memory.usage_in_bytes", "memory.max_usage_in_bytes"),
            Version::Two => ("memory.current", "memory.peak"),
        };
        let number = |file: &str| fs::read_to_string(self.folder.join(file)).ok()?.trim().parse().ok();
        let Some(usage): Option<u64> = number(usage) else {
            return self.peak;
        };
        // Version 2 has it since Linux 5.19.
        let highest = number(highest).unwrap_or(usage);
        if usage > self.peak || highest > self.highest {
            let figures = fs::read_to_string(self.folder.join("memory.stat")).unwrap_or_default();
            let not_counted = ["inactive_file", "active_file", "slab_reclaimable", "shmem"]
                .into_iter()
                .map(|name| figure(&figures, name))
                .sum();
            let since = match highest > self.highest {
                true => highest.saturating_sub(self.not_counted.max(not_counted)),
                false => 0,
            };
            self.peak = self.peak.max(usage.saturating_sub(not_counted)).max(since);
            (self.highest, self.not_counted) = (highest, not_counted);
        }
        self.peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const MB: u64 = 1 << 20;

    /// A folder stands for a group.
    struct Group {
        folder: PathBuf,
        memory: GroupMemory,
    }

    impl Group {
        fn new(version: Version) -> Self {
            // Tests run at the same time.
            static NUMBER: AtomicUsize = AtomicUsize::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let folder = std::env::temp_dir().join(format!("albacore-used-{}-{number}", std::process::id()));
            fs::create_dir(&folder).unwrap();
            let memory = GroupMemory::in_folder(version, folder.clone());
            Self { folder, memory }
        }

        /// The peak in megabytes, after a look at these figures.
        fn peak(&mut self, used: u64, highest: Option<u64>, in_tmp: u64, kept: u64) -> u64 {
            let names = match self.memory.version {
                Version::One => ["memory.usage_in_bytes", "memory.max_usage_in_bytes"],
                Version::Two => ["memory.current", "memory.peak"],
            };
            let write = |name: &str, text: String| fs::write(self.folder.join(name), text).unwrap();
            write(names[0], format!("{}\n", used * MB));
            if let Some(highest) = highest {
                write(names[1], format!("{}\n", highest * MB));
            }
            let stat = format!(
                "anon 1\nshmem {}\nactive_file {}\ninactive_file 0\n",
                in_tmp * MB,
                kept * MB
            );
            write("memory.stat", stat);
            self.memory.peak_bytes() / MB
        }
    }

    impl Drop for Group {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.folder).unwrap();
        }
    }

    #[test]
    fn what_was_used_between_two_looks_counts_and_files_do_not() {
        for version in [Version::One, Version::Two] {
            let mut group = Group::new(version);
            assert_eq!(group.peak(30, Some(30), 10, 8), 12, "{version:?}");
            assert_eq!(group.peak(30, Some(130), 10, 8), 112, "of somebody who has ended");
            assert_eq!(group.peak(330, Some(330), 310, 8), 112, "a file in /tmp");
            assert_eq!(group.peak(20, Some(330), 0, 8), 112, "which is removed");
            assert_eq!(group.peak(500, Some(520), 0, 480), 112, "files that were read");
            assert_eq!(group.peak(150, Some(520), 0, 8), 142, "seen without a new highest");
            fs::remove_file(group.folder.join("memory.stat")).unwrap();
            for name in ["memory.usage_in_bytes", "memory.current"] {
                let _ = fs::remove_file(group.folder.join(name));
            }
            assert_eq!(group.memory.peak_bytes() / MB, 142, "gone");
        }
    }

    #[test]
    fn without_a_highest_figure_what_is_seen_counts() {
        let mut group = Group::new(Version::Two);
        assert_eq!(group.peak(30, None, 10, 8), 12);
        assert_eq!(group.peak(90, None, 10, 8), 72);
        assert_eq!(group.peak(20, None, 10, 8), 72);
    }

    #[test]
    fn a_process_in_no_group_of_ours_has_none() {
        assert!(GroupMemory::of(std::process::id()).is_none());
        assert!(GroupMemory::of(u32::MAX).is_none());
    }
}
