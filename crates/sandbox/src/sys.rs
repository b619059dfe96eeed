//! The system calls of this crate behind safe functions. The few that stay `unsafe` say what their caller must
//! know.
//!
//! What a call means for an environment is decided elsewhere. None of these functions allocates, except where its
//! comment says so: the code between fork and exec may call them.

pub(crate) mod confine;
pub(crate) mod fd;
pub(crate) mod mount;
pub(crate) mod netlink;
pub(crate) mod network;
pub(crate) mod priority;
pub(crate) mod process;
pub(crate) mod socket;

use std::io;

/// The number of an error that came from the kernel. Every error in this module did.
pub(crate) fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// Turns the C convention (-1 and `errno`) into a `Result`. Does not allocate: an OS error is only a number.
fn check(returned: libc::c_int) -> io::Result<libc::c_int> {
    if returned == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(returned)
    }
}

/// The same for raw system calls.
fn check_long(returned: libc::c_long) -> io::Result<libc::c_long> {
    if returned == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(returned)
    }
}
