//! Which parts of the file system a function may change: its temporary directory, and `/dev/null`.
//!
//! Reading and executing are not restricted: in the `process` tier a function sees the host, and in the `namespace` tier
//! it sees nothing that is not its own to read. Landlock also keeps it
//! from signalling or tracing processes outside of its environment, its own init among them; and, in the host's network, from
//! local sockets of others, whose abstract names belong to that network.

use crate::namespace::Network;
use crate::sys::confine::{self, RulesetAttributes};
use std::ffi::{CStr, OsStr};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;

const WRITE_FILE: u64 = 1 << 1;
/// Removing directories and files, and making every kind of node, from `REMOVE_DIR` to `MAKE_SYM`.
const REMOVE_AND_MAKE: u64 = 0b1_1111_1111 << 4;
/// Moving and linking between directories, since version 2. Before, that is always refused, also in the temporary
/// directory.
const REFER: u64 = 1 << 13;
/// Since version 3.
const TRUNCATE: u64 = 1 << 14;
/// Local sockets with abstract names are connected to only if they were made under the same restriction, since version 6.
const SCOPE_ABSTRACT_NAMES: u64 = 1 << 0;
/// Signals go only to processes under the same restriction, since version 6.
const SCOPE_SIGNAL: u64 = 1 << 1;

/// The version of the kernel's Landlock, if it has one and it is on.
pub(crate) fn version() -> Option<u32> {
    confine::landlock_version().ok().filter(|&version| version > 0)
}

/// The rules for one environment, to be applied by its main process. They mean the directory itself and not its path, so
/// they hold also where it is mounted at another one.
///
/// In namespaces of its own, with `network`, what `/proc` says about the process itself may be changed as far as the kernel
/// allows it: it sees no process there but its own.
pub(crate) fn ruleset(
    version: u32,
    temporary_directory: Option<&CStr>,
    network: Option<Network>,
) -> io::Result<OwnedFd> {
    let access = handled_access(version);
    let attributes = RulesetAttributes {
        handled_access_fs: access,
        handled_access_net: 0,
        scoped: scopes(version, network),
    };
    let ruleset = confine::landlock_ruleset(&attributes, attributes_bytes(version))?;
    let null = open_path(OsStr::new("/dev/null"))?;
    confine::landlock_allow(ruleset.as_fd(), null.as_fd(), access & (WRITE_FILE | TRUNCATE))?;
    if network.is_some() {
        let processes = open_path(OsStr::new("/proc"))?;
        confine::landlock_allow(ruleset.as_fd(), processes.as_fd(), access & (WRITE_FILE | TRUNCATE))?;
    }
    if let Some(directory) = temporary_directory {
        let directory = open_path(OsStr::from_bytes(directory.to_bytes()))?;
        confine::landlock_allow(ruleset.as_fd(), directory.as_fd(), access)?;
    }
    Ok(ruleset)
}

fn scopes(version: u32, network: Option<Network>) -> u64 {
    match (version, network) {
        (0..6, _) => 0,
        (_, Some(Network::Host)) => SCOPE_SIGNAL | SCOPE_ABSTRACT_NAMES,
        // Others have their own network, or see the host.
        (_, Some(Network::Own) | None) => SCOPE_SIGNAL,
    }
}

/// Can a kernel with this version keep a process from local sockets with abstract names?
pub(crate) fn scopes_abstract_names(version: Option<u32>) -> bool {
    version.is_some_and(|version| version >= 6)
}

fn handled_access(version: u32) -> u64 {
    let since = |first: u32, access: u64| if version >= first { access } else { 0 };
    WRITE_FILE | REMOVE_AND_MAKE | since(2, REFER) | since(3, TRUNCATE)
}

/// How much of the attributes a version knows: the network came with 4, scopes with 6.
fn attributes_bytes(version: u32) -> usize {
    match version {
        0..4 => 8,
        4..6 => 16,
        _ => 24,
    }
}

/// `O_PATH`: names the file without opening it, so no permission to read it is needed.
fn open_path(path: &OsStr) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path)
}
