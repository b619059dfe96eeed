//! Good, failing, slow, hanging, exiting, killed, forking and nonsense-talking functions behind one listener, all at
//! once and for a while: every request is answered once and as its function deserves, and nothing is left behind.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod clients;
mod mixed;
mod servers;
mod world;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Each of these tests wants the machine for itself: what one of them loads would count as slowness in another.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
