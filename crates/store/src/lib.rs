//! Durable state: the one writer, the log it appends to, and the state others watch.
//!
//! There is one way in, [`Writer::submit`], and one way out, the watch channel. What may be changed is decided by
//! `model`; this room orders, appends and publishes. The log is kept in memory for now: nothing survives the process.
#![forbid(unsafe_code)]

pub mod log;
pub mod writer;

pub use log::{AppendError, Log, MemoryLog};
pub use writer::{Accepted, SubmitError, Writer};
