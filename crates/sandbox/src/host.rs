//! How strongly an environment is separated from the host, and what the host offers for it.

use crate::sys::confine;
use crate::{landlock, own_tmp};
use std::fmt;
use std::fs;
use std::path::Path;

/// How an execution environment is confined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tier {
    /// A process group, resource limits, no capabilities, `no_new_privs`, Landlock and a filter of system calls where the
    /// kernel has them ([`HostFeatures::landlock_version`], [`HostFeatures::seccomp`]), and a `/tmp` of its own where the host
    /// allows it ([`HostFeatures::temporary_mount`]). For development: it isolates nothing from a determined function, which
    /// sees the host's files, processes and network and runs as albacore's own user.
    #[default]
    Process,
    /// Namespaces of users, mounts, processes, interprocess communication, host names, control groups and networks of
    /// its own; a read-only root with the host's programs and nothing else of it; a user that the host does not have; no
    /// capabilities; Landlock where the kernel has it and a filter of system calls. The kernel is shared with the host.
    Namespace,
}

impl Tier {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Namespace => "namespace",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which control groups the host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupVersion {
    /// Version 1 alone.
    V1,
    /// Version 2 alone.
    V2,
    /// Version 1 hierarchies beside one of version 2.
    Hybrid,
}

impl fmt::Display for CgroupVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::Hybrid => "v1 and v2",
        })
    }
}

/// What the host offers. But for `temporary_mount` that is what the kernel says, and a security module may still refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostFeatures {
    /// User namespaces exist and no setting of the kernel forbids them to ordinary users.
    pub user_namespaces: bool,
    /// The control groups this process is in, if any.
    pub cgroup: Option<CgroupVersion>,
    /// The version of Landlock's interface, if it is there and on.
    pub landlock_version: Option<u32>,
    /// Filters of system calls.
    pub seccomp: bool,
    /// A process started by this one can have its own directory mounted over `/tmp`. This was tried.
    pub temporary_mount: bool,
}

impl HostFeatures {
    /// Reads them from `/proc`, and makes one mount in a child. Blocks for some milliseconds.
    pub fn detect() -> Self {
        let setting = |path: &str| {
            fs::read_to_string(path)
                .ok()
                .and_then(|text| text.trim().parse::<u64>().ok())
        };
        Self {
            user_namespaces: Path::new("/proc/self/ns/user").exists()
                && setting("/proc/sys/user/max_user_namespaces") != Some(0)
                && setting("/proc/sys/kernel/unprivileged_userns_clone") != Some(0)
                && setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") != Some(1),
            cgroup: fs::read_to_string("/proc/self/cgroup")
                .ok()
                .as_deref()
                .and_then(cgroup_version),
            landlock_version: landlock::version(),
            seccomp: confine::has_system_call_filters(),
            temporary_mount: own_tmp::is_possible(),
        }
    }
}

/// Reads `/proc/self/cgroup`: one line `number:controllers:path` for each hierarchy; that of version 2 has number 0.
fn cgroup_version(text: &str) -> Option<CgroupVersion> {
    let (v2, v1): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("0::"));
    match (v1.is_empty(), v2.is_empty()) {
        (true, true) => None,
        (true, false) => Some(CgroupVersion::V2),
        (false, true) => Some(CgroupVersion::V1),
        (false, false) => Some(CgroupVersion::Hybrid),
    }
}

#[cfg(test)]
mod tests {
    use super::{CgroupVersion, cgroup_version};

    #[test]
    fn the_hierarchies_of_a_process_name_the_version() {
        for (text, expected) in [
            ("", None),
            ("0::/\n", Some(CgroupVersion::V2)),
            ("3:memory:/\n1:name=systemd:/a\n", Some(CgroupVersion::V1)),
            ("10:pids:/\n0::/a\n", Some(CgroupVersion::Hybrid)),
        ] {
            assert_eq!(cgroup_version(text), expected, "{text:?}");
        }
    }
}
