//! What people are told of the queue: how it is doing, and why it cannot be opened.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Why the queue cannot be read. Each sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub enum QueueOpenError {
    /// Another process has it.
    #[error("{} is in use by another process; stop that one, or choose another folder with --data-dir", .file.display())]
    InUse {
        /// The file.
        file: PathBuf,
    },
    /// The system said no.
    #[error("{} cannot be read or written", .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Its reason.
        #[source]
        error: io::Error,
    },
    /// It is not what was written.
    #[error(
        "{} is damaged at {place}: {reason}; put a copy back in its place, or move it away: then the asynchronous \
         invocations that wait in it are lost", .file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where in it.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// It is as it was written, by an albacore that knows other things.
    #[error(
        "{} holds what this albacore does not know: {place}: {reason}; start the albacore that wrote it, or move the \
         file away: then the asynchronous invocations that wait in it are lost", .file.display()
    )]
    Unknown {
        /// The file.
        file: PathBuf,
        /// Where in it.
        place: String,
        /// What is not known.
        reason: String,
    },
}

/// How the queue is doing, for people. Clones mean the same queue.
#[derive(Clone, Debug, Default)]
pub struct QueueMonitor(Arc<Monitored>);

#[derive(Debug, Default)]
struct Monitored {
    events: AtomicU64,
    bytes: AtomicU64,
    error: Mutex<Option<String>>,
}

impl QueueMonitor {
    /// How many events wait, those that are being tried included.
    pub fn events(&self) -> u64 {
        self.0.events.load(Relaxed)
    }

    /// Bytes of their records.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Relaxed)
    }

    /// What the system said, when the last write failed.
    pub fn error(&self) -> Option<String> {
        self.0.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_error(&self, error: Option<String>) {
        *self.0.error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    pub(super) fn set(&self, events: usize, bytes: u64) {
        self.0.events.store(events as u64, Relaxed);
        self.0.bytes.store(bytes, Relaxed);
    }
}
