//! The log: batches of changes, one revision each.

use model::{Change, Revision};
use std::sync::Arc;

/// Where batches are appended before their answer is sent.
///
/// Implementations may block: the writer calls them from its own thread.
pub trait Log: Send + 'static {
    /// Appends the batch that follows `after`, durably once this returns.
    fn append(&mut self, after: Revision, changes: &[Change]) -> Result<(), AppendError>;
}

/// Why a batch was not appended. The state is as before.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else wrote first.
    #[error("the log has moved on to revision {}", .newest.0)]
    Stale {
        /// The newest revision in the log.
        newest: Revision,
    },
    /// The log could not be written.
    #[error("the log could not be written")]
    Io(#[source] Arc<std::io::Error>),
}

/// A log that keeps nothing but its length: for `--ephemeral` and until the embedded store exists.
#[derive(Debug, Default)]
pub struct MemoryLog {
    newest: Revision,
}

impl Log for MemoryLog {
    fn append(&mut self, after: Revision, _changes: &[Change]) -> Result<(), AppendError> {
        if after != self.newest {
            return Err(AppendError::Stale { newest: self.newest });
        }
        self.newest = Revision(after.0 + 1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_must_follow_the_newest_one() {
        let mut log = MemoryLog::default();
        assert!(log.append(Revision(0), &[]).is_ok());
        assert!(matches!(
            log.append(Revision(0), &[]),
            Err(AppendError::Stale { newest: Revision(1) })
        ));
        assert!(log.append(Revision(1), &[]).is_ok());
    }
}
