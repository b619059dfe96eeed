//! Namespaces of mounts and of users.

use super::check;
use std::ffi::CStr;
use std::io;
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

/// The user and the group this process acts as.
pub(crate) fn own_user_and_group() -> (libc::uid_t, libc::gid_t) {
    // SAFETY: cannot fail and touch no memory.
    unsafe { (libc::geteuid(), libc::getegid()) }
}
