//! What a process gives up before it runs a function: rights, resources, parts of the file system.

use super::{check, check_long};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A resource that can be limited.
#[derive(Clone, Copy)]
pub(crate) enum Resource {
    CoreBytes,
    FileBytes,
    LockedBytes,
    OpenFiles,
    /// Counted for a user, in each user namespace apart.
    Processes,
}

impl Resource {
    #[allow(
        clippy::unnecessary_cast,
        reason = "the C type of these small constants differs between libcs"
    )]
    fn number(self) -> u32 {
        match self {
            Self::CoreBytes => libc::RLIMIT_CORE as u32,
            Self::FileBytes => libc::RLIMIT_FSIZE as u32,
            Self::LockedBytes => libc::RLIMIT_MEMLOCK as u32,
            Self::OpenFiles => libc::RLIMIT_NOFILE as u32,
            Self::Processes => libc::RLIMIT_NPROC as u32,
        }
    }
}

fn limit_of(resource: Resource) -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel writes one rlimit to `limit`.
    check(unsafe { libc::getrlimit(resource.number() as _, &raw mut limit) })?;
    Ok(limit)
}

fn set_limit(resource: Resource, limit: libc::rlimit) -> io::Result<()> {
    // SAFETY: the rlimit is borrowed for the call.
    check(unsafe { libc::setrlimit(resource.number() as _, &raw const limit) })?;
    Ok(())
}

/// Sets the soft and the hard limit, or keeps the hard limit in force when that is lower: raising it needs a right.
pub(crate) fn lower_limit(resource: Resource, wanted: u64) -> io::Result<()> {
    let value = limit_of(resource)?.rlim_max.min(wanted);
    set_limit(
        resource,
        libc::rlimit {
            rlim_cur: value,
            rlim_max: value,
        },
    )
}

/// Allows as many as the hard limit does.
pub(crate) fn raise_soft_limit(resource: Resource) -> io::Result<()> {
    let hard = limit_of(resource)?.rlim_max;
    set_limit(
        resource,
        libc::rlimit {
            rlim_cur: hard,
            rlim_max: hard,
        },
    )
}

/// No program executed from now on gains rights from its file (set-user-id bits, file capabilities). For good.
pub(crate) fn no_new_privileges() -> io::Result<()> {
    // SAFETY: this option takes one number.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    Ok(())
}

/// Empties every capability set of this process, and the bounding set when it has the right to.
///
/// A process without that right keeps its bounding set; [`no_new_privileges`] makes it meaningless.
pub(crate) fn drop_capabilities() -> io::Result<()> {
    drop_bounding_set()?;
    // Emptying the permitted and inheritable sets empties the ambient set with them.
    keep_capabilities(0)
}

/// No program executed from now on can have a capability by its file, where this process may decide that.
pub(crate) fn drop_bounding_set() -> io::Result<()> {
    /// Capability sets have 64 bits.
    const CAPABILITIES_MAX: libc::c_ulong = 64;

    for capability in 0..CAPABILITIES_MAX {
        // SAFETY: this option takes one number.
        if let Err(error) = check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) }) {
            match error.raw_os_error() {
                Some(libc::EINVAL | libc::EPERM) => break, // past the last one the kernel knows; not allowed
                _ => return Err(error),
            }
        }
    }
    Ok(())
}

/// Keeps the rights to start processes of other users and to signal them, and no other.
pub(crate) fn keep_rights_over_processes() -> io::Result<()> {
    const KILL: u32 = 1 << 5;
    const SETGID: u32 = 1 << 6;
    const SETUID: u32 = 1 << 7;
    /// To empty the bounding set.
    const SETPCAP: u32 = 1 << 8;
    keep_capabilities(KILL | SETGID | SETUID | SETPCAP)
}

/// `_LINUX_CAPABILITY_VERSION_3`
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// Of the first 32 capabilities those in `low` stay effective, the others go. None is inherited.
fn keep_capabilities(low: u32) -> io::Result<()> {
    let header: [u32; 2] = [CAPABILITY_VERSION, 0]; // version, then the process: 0 is this one
    let sets: [u32; 6] = [low, low, 0, 0, 0, 0]; // effective, permitted, inheritable; low words, then high words
    // SAFETY: both have the layout of version 3: two ints, and twice three ints; the kernel only reads the sets.
    check_long(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) })?;
    Ok(())
}

/// Makes every right effective that this process may have.
pub(crate) fn use_capabilities() -> io::Result<()> {
    let header: [u32; 2] = [CAPABILITY_VERSION, 0];
    let mut sets = [0_u32; 6];
    // SAFETY: both have the layout that `keep_capabilities` describes; the kernel writes the sets.
    check_long(unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()) })?;
    (sets[0], sets[3]) = (sets[1], sets[4]);
    // SAFETY: as before; the kernel only reads the sets.
    check_long(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) })?;
    Ok(())
}

const SET_MODE_FILTER: libc::c_uint = 1;

/// Does this kernel have filters of system calls, and may this process set one?
pub(crate) fn has_system_call_filters() -> bool {
    let nowhere: *const libc::sock_fprog = std::ptr::null();
    // SAFETY: the kernel does not follow a null pointer: it says `EFAULT` where it would have read a filter.
    let asked = check_long(unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, 0, nowhere) });
    asked.is_err_and(|error| error.raw_os_error() == Some(libc::EFAULT))
}

/// Puts this process and all its descendants under a filter of system calls, for good. Needs [`no_new_privileges`].
pub(crate) fn filter_system_calls(program: &[libc::sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let filter = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: pointer and length describe one borrowed slice, which the kernel only reads.
    check_long(unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, 0, &raw const filter) })?;
    Ok(())
}

/// `struct landlock_ruleset_attr`. Older kernels know only its beginning.
#[repr(C)]
pub(crate) struct RulesetAttributes {
    pub(crate) handled_access_fs: u64,
    pub(crate) handled_access_net: u64,
    pub(crate) scoped: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneath {
    allowed_access: u64,
    parent_fd: i32,
}

/// The version of Landlock's interface; an error when the kernel has no Landlock or it is switched off.
pub(crate) fn landlock_version() -> io::Result<u32> {
    const CREATE_RULESET_VERSION: libc::c_uint = 1;
    let nothing: *const RulesetAttributes = std::ptr::null();
    // SAFETY: this is the documented way to ask for the version: no attributes, size 0.
    let version = check_long(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            nothing,
            0_usize,
            CREATE_RULESET_VERSION,
        )
    })?;
    Ok(u32::try_from(version).unwrap_or(0))
}

/// A new ruleset (close-on-exec). `size` says how much of `attributes` the kernel knows, see the version.
pub(crate) fn landlock_ruleset(attributes: &RulesetAttributes, size: usize) -> io::Result<OwnedFd> {
    let size = size.min(size_of::<RulesetAttributes>());
    // SAFETY: the kernel reads `size` bytes, at most the whole struct.
    let fd = check_long(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::from_ref(attributes),
            size,
            0_u32,
        )
    })?;
    // SAFETY: the kernel has just made this descriptor for us; it is an int.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
}

/// Allows `access` on `parent` (a directory and all beneath it, or a file).
pub(crate) fn landlock_allow(ruleset: BorrowedFd<'_>, parent: BorrowedFd<'_>, access: u64) -> io::Result<()> {
    const RULE_PATH_BENEATH: libc::c_uint = 1;
    let rule = PathBeneath {
        allowed_access: access,
        parent_fd: parent.as_raw_fd(),
    };
    // SAFETY: the rule has the layout its type number says and lives through the call.
    check_long(unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            RULE_PATH_BENEATH,
            &raw const rule,
            0_u32,
        )
    })?;
    Ok(())
}

/// Puts this process and all its descendants under `ruleset`, for good. Needs [`no_new_privileges`].
pub(crate) fn landlock_restrict_self(ruleset: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes plain numbers; the descriptor is borrowed, so open.
    check_long(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0_u32) })?;
    Ok(())
}
