//! File descriptors: making, copying, closing and waiting for them.

use super::{check, check_long};
use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// An anonymous file in memory, close-on-exec.
pub(crate) fn memory_file() -> io::Result<File> {
    // SAFETY: the name is a NUL-terminated constant; the call touches no other memory of ours.
    let fd = check(unsafe { libc::memfd_create(c"albacore-request".as_ptr(), libc::MFD_CLOEXEC) })?;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows its number.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// A counter to wake a thread that sleeps in [`poll`]; non-blocking and close-on-exec.
pub(crate) fn event_counter() -> io::Result<File> {
    // SAFETY: takes and returns plain numbers.
    let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows its number.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Makes reads of this open file return at once.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: F_GETFL takes no argument; the descriptor is open as long as it is borrowed.
    let flags = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    // SAFETY: F_SETFL takes an int; the descriptor is open as long as it is borrowed.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    Ok(())
}

/// The three standard streams of this process.
#[derive(Clone, Copy)]
pub(crate) enum StandardStream {
    Input = 0,
    Output = 1,
    Error = 2,
}

/// Puts a copy of `fd` in the place of a standard stream. The copy stays open across exec.
pub(crate) fn replace_stream(stream: StandardStream, fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the target is 0, 1 or 2, which no `OwnedFd` of this crate ever holds; the source is borrowed, so open.
    check(unsafe { libc::dup2(fd.as_raw_fd(), stream as RawFd) })?;
    Ok(())
}

/// Gives `fd` another number, above `number`, if it has that one. Close-on-exec then.
pub(crate) fn keep_off(fd: &mut OwnedFd, numbers: RangeInclusive<RawFd>) -> io::Result<()> {
    if numbers.contains(&fd.as_raw_fd()) {
        // SAFETY: takes plain numbers; the descriptor is borrowed, so open.
        let copy = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, numbers.end() + 1) })?;
        // SAFETY: the kernel has just made this descriptor for us and nobody else knows its number.
        *fd = unsafe { OwnedFd::from_raw_fd(copy) };
    }
    Ok(())
}

/// Gives `fd` the number `number`. Close-on-exec then.
///
/// # Safety
///
/// Nothing but `fd` itself may own a descriptor of that number.
pub(crate) unsafe fn renumber(fd: OwnedFd, number: RawFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() == number {
        return Ok(fd);
    }
    // SAFETY: takes plain numbers; `fd` is open, and whatever the target was belongs to nobody, by the contract above.
    check(unsafe { libc::dup3(fd.as_raw_fd(), number, libc::O_CLOEXEC) })?;
    // SAFETY: made in the line above, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Lets the programs that this process becomes have `fd`.
pub(crate) fn keep_on_exec(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: F_SETFD takes an int; the descriptor is borrowed, so open.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0) })?;
    Ok(())
}

/// Closes every descriptor from 3 up that is not in `keep`. Needs Linux 5.9.
///
/// # Safety
///
/// No `OwnedFd`, `File` or the like outside of `keep` may be used or dropped afterwards.
pub(crate) unsafe fn close_all_except(keep: &mut [RawFd]) -> io::Result<()> {
    keep.sort_unstable();
    let mut first = 3;
    for &fd in keep.iter() {
        if fd > first {
            // SAFETY: the caller promises that nothing owns a descriptor in this gap any more.
            unsafe { close_range(first, fd - 1, 0) }?;
        }
        first = first.max(fd + 1);
    }
    // SAFETY: the caller promises that nothing owns a descriptor above the last kept one any more.
    unsafe { close_range(first, RawFd::MAX, 0) }
}

/// Marks every descriptor from 3 up close-on-exec. Needs Linux 5.11.
pub(crate) fn close_all_on_exec() -> io::Result<()> {
    // SAFETY: with this flag nothing is closed now.
    unsafe { close_range(3, RawFd::MAX, libc::CLOSE_RANGE_CLOEXEC) }
}

/// # Safety
///
/// Without a flag, nothing may own a descriptor of the range any more.
unsafe fn close_range(first: RawFd, last: RawFd, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: takes plain numbers; the caller answers for what is closed.
    check_long(unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) })?;
    Ok(())
}

/// One entry for [`poll`], waiting for `events`.
pub(crate) fn interest(fd: BorrowedFd<'_>, events: libc::c_short) -> libc::pollfd {
    libc::pollfd {
        fd: fd.as_raw_fd(),
        events,
        revents: 0,
    }
}

/// An entry for [`poll`] that is never ready.
pub(crate) fn nothing() -> libc::pollfd {
    libc::pollfd {
        fd: -1,
        events: 0,
        revents: 0,
    }
}

/// Waits until one of `entries` is ready or `timeout` is over (`None`: for ever). An interrupting signal counts as a
/// return with nothing ready.
pub(crate) fn poll(entries: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<()> {
    let millis = timeout.map_or(-1, |timeout| {
        libc::c_int::try_from(timeout.as_millis()).unwrap_or(libc::c_int::MAX)
    });
    for entry in entries.iter_mut() {
        entry.revents = 0;
    }
    // SAFETY: pointer and length describe one exclusively borrowed slice.
    match check(unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, millis) }) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        Err(error) => Err(error),
    }
}

/// A descriptor that becomes readable when one of the given signals is pending. The signals must be blocked.
pub(crate) fn signal_file(set: &libc::sigset_t) -> io::Result<OwnedFd> {
    // SAFETY: -1 asks for a new descriptor; the set is borrowed for the call.
    let fd = check(unsafe { libc::signalfd(-1, set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) })?;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Writes once.
pub(crate) fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: pointer and length describe one borrowed slice.
    let written = unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    if written == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Empties a descriptor of [`signal_file`] or [`event_counter`]: what it said is known.
pub(crate) fn drain(fd: BorrowedFd<'_>) {
    let mut buffer = [0_u8; 1024];
    loop {
        // SAFETY: pointer and length describe one exclusively borrowed array. The descriptor does not block.
        let read = unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
        if read <= 0 {
            return;
        }
    }
}
