//! Interfaces of this process's network.

use super::check;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Switches the interface `lo` of this process's network on.
pub(crate) fn raise_loopback() -> io::Result<()> {
    let socket = socket()?;
    let mut request = request(c"lo");
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: this request reads one ifreq, borrowed for the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) })?;
    Ok(())
}

/// The number of an interface of this process's network.
pub(crate) fn index_of(name: &CStr) -> io::Result<u32> {
    // SAFETY: a NUL-terminated string, borrowed for the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// How large a packet may be that leaves by this interface.
pub(crate) fn mtu_of(name: &CStr) -> io::Result<u32> {
    let socket = socket()?;
    let mut request = request(name);
    // SAFETY: this request reads and writes one ifreq, borrowed for the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFMTU as _, &raw mut request) })?;
    // SAFETY: the kernel has filled in the member that this request is about; all bytes are valid for it.
    let mtu = unsafe { request.ifr_ifru.ifru_mtu };
    u32::try_from(mtu).map_err(|_| io::Error::from_raw_os_error(libc::EPROTO))
}

/// A socket for a stream, in the network of this process. It does not block.
pub(crate) fn stream_socket() -> io::Result<OwnedFd> {
    open(libc::SOCK_STREAM | libc::SOCK_NONBLOCK)
}

fn socket() -> io::Result<OwnedFd> {
    open(libc::SOCK_DGRAM)
}

fn open(kind: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: takes plain numbers.
    let socket = check(unsafe { libc::socket(libc::AF_INET, kind | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

/// About the interface of this name; what does not fit is left out, and then there is none.
fn request(name: &CStr) -> libc::ifreq {
    // SAFETY: a request of zeros (an empty name, no flags) is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let last = request.ifr_name.len() - 1;
    for (place, &byte) in request.ifr_name.iter_mut().take(last).zip(name.to_bytes()) {
        *place = byte as libc::c_char;
    }
    request
}
