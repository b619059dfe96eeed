//! Namespaces of mounts and of users, and mounts that are carried from one to the other.

use super::{check, check_long};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

/// A copy of the mounts of this process, which it alone sees from now on. Needs the right to administer the system.
pub(crate) fn unshare_mounts() -> io::Result<()> {
    // SAFETY: takes plain numbers.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    Ok(())
}

/// The same in a user namespace of its own, in which this process has every right and no user or group has a number
/// yet. Needs no right, but only one thread.
pub(crate) fn unshare_users_and_mounts() -> io::Result<()> {
    // SAFETY: takes plain numbers.
    check(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) })?;
    Ok(())
}

/// No mount in this namespace hears of those in others from now on, and no other hears of its.
pub(crate) fn isolate_mounts() -> io::Result<()> {
    mount(None, c"/", libc::MS_REC | libc::MS_PRIVATE)
}

/// Shows the directory `source`, without what is mounted beneath it, at `target` too.
pub(crate) fn bind(source: &CStr, target: &CStr) -> io::Result<()> {
    mount(Some(source), target, libc::MS_BIND)
}

fn mount(source: Option<&CStr>, target: &CStr, flags: libc::c_ulong) -> io::Result<()> {
    let source = source.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: NUL-terminated strings, borrowed for the call; these kinds of mount have no file system type and no data.
    check(unsafe { libc::mount(source, target.as_ptr(), ptr::null(), flags, ptr::null()) })?;
    Ok(())
}

/// The same with everything that is mounted beneath `source`.
pub(crate) fn bind_all(source: &CStr, target: &CStr) -> io::Result<()> {
    mount(Some(source), target, libc::MS_BIND | libc::MS_REC)
}

/// Mounts of others appear in this namespace too from now on, and no other hears of its.
pub(crate) fn follow_mounts() -> io::Result<()> {
    mount(None, c"/", libc::MS_REC | libc::MS_SLAVE)
}

/// Mounts a new file system of type `kind`. Neither set-user-id bits nor device files count in it.
pub(crate) fn mount_new(kind: &CStr, target: &CStr, options: &CStr, executable: Executable) -> io::Result<()> {
    let flags = match executable {
        Executable::Yes => libc::MS_NOSUID | libc::MS_NODEV,
        Executable::No => libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC,
    };
    // SAFETY: NUL-terminated strings, borrowed for the call.
    check(unsafe {
        libc::mount(
            kind.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            flags,
            options.as_ptr().cast(),
        )
    })?;
    Ok(())
}

/// May programs be executed from a file system?
#[derive(Clone, Copy)]
pub(crate) enum Executable {
    Yes,
    No,
}

/// Takes the mount at `target` away, at the latest when nothing uses it any more.
pub(crate) fn detach(target: &CStr) -> io::Result<()> {
    // SAFETY: a NUL-terminated string, borrowed for the call.
    check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) })?;
    Ok(())
}

/// Makes the mount at `root` the root of this namespace, and takes the old one away. It is then the working directory.
pub(crate) fn change_root(root: &CStr) -> io::Result<()> {
    super::process::change_directory(root)?;
    // The old root comes to lie over the new one, and is what `.` means until it is gone.
    // SAFETY: NUL-terminated constants.
    check_long(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) })?;
    detach(c".")?;
    super::process::change_directory(c"/")
}

/// A copy of the mounts at and beneath `path` (or only of the one at it) that is mounted nowhere yet. It may be given to
/// a process in another namespace, which may put it in place with [`place`].
pub(crate) fn copy_of(path: &CStr, extent: Extent) -> io::Result<OwnedFd> {
    const OPEN_TREE_CLONE: libc::c_uint = 1;
    const AT_RECURSIVE: libc::c_uint = 0x8000;
    let flags = OPEN_TREE_CLONE
        | libc::O_CLOEXEC as libc::c_uint
        | match extent {
            Extent::One => 0,
            Extent::All => AT_RECURSIVE,
        };
    // SAFETY: a NUL-terminated string, borrowed for the call.
    let fd = check_long(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) })?;
    // SAFETY: the kernel has just made this descriptor for us; it is an int.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
}

/// How much of what is mounted somewhere is meant.
#[derive(Clone, Copy)]
pub(crate) enum Extent {
    One,
    All,
}

/// `struct mount_attr`.
#[repr(C)]
struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Nothing can be changed through these mounts, neither set-user-id bits nor, unless they shall, device files count.
/// Needs Linux 5.12.
pub(crate) fn make_read_only(mount: BorrowedFd<'_>, extent: Extent, devices: Devices) -> io::Result<()> {
    const RDONLY: u64 = 1;
    const NOSUID: u64 = 2;
    const NODEV: u64 = 4;
    const AT_RECURSIVE: libc::c_uint = 0x8000;
    let attributes = Attributes {
        set: match devices {
            Devices::No => RDONLY | NOSUID | NODEV,
            Devices::Yes => RDONLY | NOSUID,
        },
        clear: 0,
        propagation: 0,
        user_namespace: 0,
    };
    let flags = libc::AT_EMPTY_PATH as libc::c_uint
        | match extent {
            Extent::One => 0,
            Extent::All => AT_RECURSIVE,
        };
    // SAFETY: an empty path and a descriptor that is borrowed, so open; the kernel reads the attributes, whose size is
    // given.
    check_long(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    })?;
    Ok(())
}

/// Do device files count?
#[derive(Clone, Copy)]
pub(crate) enum Devices {
    Yes,
    No,
}

/// Mounts a copy of [`copy_of`] at `target`.
pub(crate) fn place(copy: BorrowedFd<'_>, target: &CStr) -> io::Result<()> {
    const FROM_EMPTY_PATH: libc::c_uint = 4;
    // SAFETY: NUL-terminated strings, borrowed for the call, and a descriptor that is borrowed, so open.
    check_long(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            copy.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            FROM_EMPTY_PATH,
        )
    })?;
    Ok(())
}

/// This process and its later children get a network of their own, with an interface `lo` that is down.
pub(crate) fn unshare_network() -> io::Result<()> {
    // SAFETY: takes plain numbers.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) })?;
    Ok(())
}

/// The control group this process is in is the root of what it sees of them.
pub(crate) fn unshare_control_groups() -> io::Result<()> {
    // SAFETY: takes plain numbers.
    check(unsafe { libc::unshare(libc::CLONE_NEWCGROUP) })?;
    Ok(())
}

/// Enters the namespace that `namespace` (a file in `/proc/PID/ns`) stands for. Only for a process with one thread.
pub(crate) fn enter(namespace: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes plain numbers; the descriptor is borrowed, so open.
    check(unsafe { libc::setns(namespace.as_raw_fd(), 0) })?;
    Ok(())
}

/// Names the host as processes of this namespace see it.
pub(crate) fn set_host_name(name: &CStr) -> io::Result<()> {
    let bytes = name.to_bytes();
    // SAFETY: pointer and length describe one borrowed string.
    check(unsafe { libc::sethostname(bytes.as_ptr().cast(), bytes.len()) })?;
    Ok(())
}

/// How much of a file system is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) bytes: u64,
    pub(crate) files: u64,
}

/// Of the file system that is mounted there.
pub(crate) fn usage_of(mount: BorrowedFd<'_>) -> io::Result<Used> {
    // SAFETY: it is plain numbers, for which zeros are a valid value.
    let mut figures: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one of them to `figures`; the descriptor is borrowed, so open.
    check(unsafe { libc::fstatfs(mount.as_raw_fd(), &raw mut figures) })?;
    let block = u64::try_from(figures.f_bsize).unwrap_or(0);
    Ok(Used {
        bytes: figures.f_blocks.saturating_sub(figures.f_bfree).saturating_mul(block),
        files: figures.f_files.saturating_sub(figures.f_ffree),
    })
}

/// The user and the group this process acts as.
pub(crate) fn own_user_and_group() -> (libc::uid_t, libc::gid_t) {
    // SAFETY: cannot fail and touch no memory.
    unsafe { (libc::geteuid(), libc::getegid()) }
}
