//! Good, failing, slow, hanging, exiting, killed, forking and nonsense-talking functions behind one listener, all at
//! once and for a while: every request is answered once and as its function deserves, and nothing is left behind.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod clients;
mod mixed;
mod world;
