//! Who gives way to whom.

use super::check;
use std::io;

/// The calling thread, and the threads that it starts from now on, stop nobody who runs when they wake (`SCHED_BATCH`), and have
/// a smaller share where everybody wants the processor.
pub(crate) fn give_way(nice: i32) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: `parameters` lives for the call; 0 is the calling thread.
    check(unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) })?;
    // SAFETY: plain numbers; 0 is the calling thread.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) })?;
    Ok(())
}
