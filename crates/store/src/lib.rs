//! Durable state: the one writer, the log it appends to, and the state others watch.
//!
//! There is one way in, [`Writer::submit`], and one way out, the watch channel. What may be changed is decided by
//! `model`; this room orders, appends and publishes. The log is one file in the data folder ([`EmbeddedLog`]), or, for
//! `--ephemeral`, nothing ([`MemoryLog`]).
#![forbid(unsafe_code)]

pub mod log;
pub mod objects;
pub mod packages;
pub mod queue;
pub mod record;
pub mod writer;

pub use log::disk::Folder;
pub use log::{AppendError, EmbeddedLog, Log, LogMonitor, MemoryLog, OpenError, Room};
pub use writer::{Accepted, Batch, Decision, Refused, ReopenError, SubmitError, Writer};
