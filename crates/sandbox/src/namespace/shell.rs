//! An environment's namespaces from the inside: what its init process does there, before and for its main process.

use super::ids::{self, GROUP, Ids, USER};
use super::{Failure, Network};
use crate::landlock;
use crate::launch::{OWN_TMP, Plan};
use crate::seccomp::{self, LocalSockets};
use crate::spec::Step;
use crate::sys::confine::{self, Resource};
use crate::sys::mount::{self, Executable};
use crate::sys::process;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Processes and threads of one environment. Source: Lambda 3.1.
const PROCESSES_MAX: u64 = 1024;
/// Source: Lambda 3.1, `MEMLOCK`.
const LOCKED_BYTES_MAX: u64 = 65536;

/// How many times one environment may watch files where it shares that with its user, and where that is written.
const WATCHERS_MAX: &str = "16";
const WATCHERS_MAX_FILE: &str = "/proc/sys/user/max_inotify_instances";

/// What the name of every environment's host is.
const HOST_NAME: &std::ffi::CStr = c"localhost";

/// Turns a child that was forked into new namespaces, whose users have their numbers, into an environment without code.
pub(crate) fn become_shell(ids: &Ids) -> Result<(), Failure> {
    let at = |step| move |error| (step, error);
    ids::become_root(ids).map_err(at(Step::User))?;
    mount::unshare_control_groups().map_err(at(Step::Namespaces))?;
    mount::set_host_name(HOST_NAME).map_err(at(Step::Namespaces))?;
    mount::mount_new(c"proc", c"/proc", c"", Executable::No).map_err(at(Step::Proc))?;
    if !ids.has_root() {
        // They count for the user whose albacore this is, who has no more of them than the usual 128 for all that he runs.
        let _ = std::fs::write(WATCHERS_MAX_FILE, WATCHERS_MAX);
    }
    // Where the function is of the same user.
    process::hide_from_own_user().map_err(at(Step::Privileges))
}

/// Puts what came for this environment in place.
pub(crate) fn furnish(plan: &Plan<'_>, mounts: &[Option<OwnedFd>]) -> Result<(), Failure> {
    let Some((Some(scratch), mounts)) = mounts.split_first() else {
        return Err((Step::Request, io::Error::from_raw_os_error(libc::EMFILE)));
    };
    mount::place(scratch.as_fd(), OWN_TMP).map_err(|error| (Step::Mount, error))?;
    match plan.is_incomplete {
        true => place_all(plan, mounts),
        false => add_mounts(plan, mounts),
    }
}

/// Puts the last of what comes for this environment in place. Nothing can be mounted after this.
pub(crate) fn add_mounts(plan: &Plan<'_>, mounts: &[Option<OwnedFd>]) -> Result<(), Failure> {
    place_all(plan, mounts)?;
    let given_up = confine::keep_rights_over_processes().and_then(|()| confine::no_new_privileges());
    given_up.map_err(|error| (Step::Privileges, error))
}

fn place_all(plan: &Plan<'_>, mounts: &[Option<OwnedFd>]) -> Result<(), Failure> {
    if mounts.iter().flatten().count() != plan.count {
        return Err((Step::Request, io::Error::from_raw_os_error(libc::EMFILE)));
    }
    for (copy, target) in mounts.iter().flatten().zip(plan.targets()) {
        let placed = target.and_then(|target| mount::place(copy.as_fd(), target));
        placed.map_err(|error| (Step::Code, error))?;
    }
    Ok(())
}

/// What a main process does only in namespaces of its own, made before it is forked.
pub(crate) struct Confinement {
    filter: &'static [libc::sock_filter],
}

impl Confinement {
    pub(crate) fn new(network: Network, landlock_version: Option<u32>) -> Self {
        // Other than in a network of its own, local sockets of the host's may have names there.
        let local_sockets = match network {
            Network::Own => LocalSockets::All,
            Network::Host if landlock::scopes_abstract_names(landlock_version) => LocalSockets::All,
            Network::Host => LocalSockets::Pairs,
        };
        Self {
            filter: seccomp::filter(local_sockets),
        }
    }

    /// Does not allocate.
    pub(crate) fn lower_limits(&self) -> io::Result<()> {
        confine::lower_limit(Resource::Processes, PROCESSES_MAX)?;
        confine::lower_limit(Resource::LockedBytes, LOCKED_BYTES_MAX)
    }

    /// Becomes the user of functions. Does not allocate.
    pub(crate) fn become_function(&self) -> io::Result<()> {
        // Its right goes with the user.
        confine::drop_bounding_set()?;
        process::become_user(USER, GROUP)
    }

    /// Of its system calls.
    pub(crate) fn filter(&self) -> &'static [libc::sock_filter] {
        self.filter
    }
}
