//! The log: batches of changes, one revision each.

pub mod disk;
pub(crate) mod embedded;

pub use embedded::{EmbeddedLog, OpenError, Room};

use model::{Change, Revision, State};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Where batches are appended before their answers are sent.
///
/// Implementations may block: the writer calls them from its own thread.
pub trait Log: Send + 'static {
    /// Appends the batches that follow `after`, durably once this returns: all of them or none. They lead to `next`.
    fn append(&mut self, after: Revision, batches: &[Vec<Change>], next: &State) -> Result<(), AppendError>;

    /// Lets go of everything that another process needs to open the same log. Until [`Log::open_again`] nothing is
    /// appended.
    fn close(&mut self) {}

    /// Takes it back. What the other process appended is in the state that is given; `None` when it did nothing.
    fn open_again(&mut self) -> Result<Option<State>, OpenError> {
        Ok(None)
    }
}

/// Why batches were not appended. The state is as before.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else wrote first.
    #[error("the log has moved on to revision {}", .newest.0)]
    Stale {
        /// The newest revision in the log.
        newest: Revision,
    },
    /// The log could not be written. It is tried again with the next batch.
    #[error("{} could not be written", .file.display())]
    Io {
        /// The log's file.
        file: PathBuf,
        /// The system's reason.
        #[source]
        error: Arc<std::io::Error>,
    },
    /// Another process has the log now.
    #[error("another albacore is taking over the state")]
    Closed,
}

/// How a log is doing, for people. Clones mean the same log.
#[derive(Clone, Debug)]
pub struct LogMonitor {
    file: PathBuf,
    error: Arc<Mutex<Option<String>>>,
}

impl LogMonitor {
    fn new(file: PathBuf) -> Self {
        Self {
            file,
            error: Arc::default(),
        }
    }

    /// The log's file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What the system said, when the last append could not be written.
    pub fn error(&self) -> Option<String> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, error: Option<String>) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

/// A log that keeps nothing but its length: for `--ephemeral`.
#[derive(Debug, Default)]
pub struct MemoryLog {
    newest: Revision,
}

impl Log for MemoryLog {
    fn append(&mut self, after: Revision, batches: &[Vec<Change>], _next: &State) -> Result<(), AppendError> {
        if after != self.newest {
            return Err(AppendError::Stale { newest: self.newest });
        }
        self.newest = Revision(after.0 + batches.len() as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_must_follow_the_newest_one() {
        let (mut log, state) = (MemoryLog::default(), State::default());
        assert!(log.append(Revision(0), &[vec![], vec![]], &state).is_ok());
        assert!(matches!(
            log.append(Revision(0), &[vec![]], &state),
            Err(AppendError::Stale { newest: Revision(2) })
        ));
        assert!(log.append(Revision(2), &[vec![]], &state).is_ok());
    }
}
