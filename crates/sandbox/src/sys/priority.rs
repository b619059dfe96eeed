//! Who gives way to whom.

use super::check;
use std::io;

/// The calling thread, and the threads and processes that it starts from now on, stop nobody who runs when they wake
/// (`SCHED_BATCH`), and are so much nicer than it was. The first error; what can be had is had.
pub(crate) fn give_way(nicer: i32) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: `parameters` lives for the call; 0 is the calling thread.
    let batch = check(unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) });
    // SAFETY: plain numbers; 0 is the calling thread. It cannot fail for itself, and -1 may be its nice value.
    let now = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    // SAFETY: plain numbers. More than 19 is 19.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, now + nicer) })?;
    batch.map(drop)
}
