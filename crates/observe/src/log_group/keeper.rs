//! What is done to log groups beside what functions write: events that must not be lost, and things taken away. It waits
//! for the writing thread and holds it up meanwhile; the queue takes what comes in between.

use super::streams::Streams;
use super::writer::Writer;
use super::{LogGroupEvent, Shared};
use crate::queue::QueueSender;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// How long what was handed to the writer before may take to reach its files.
const CATCH_UP: Duration = Duration::from_millis(500);

/// Changes log groups. Clones mean the same. All of it blocks on the disk.
#[derive(Clone)]
pub struct LogGroupKeeper {
    pub(super) writer: Arc<Mutex<Writer>>,
    pub(super) queue: QueueSender,
    pub(super) shared: Arc<Shared>,
    pub(super) streams: Arc<Streams>,
}

impl std::fmt::Debug for LogGroupKeeper {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LogGroupKeeper").finish_non_exhaustive()
    }
}

impl LogGroupKeeper {
    /// Appends events of one group, which arrived at `ingested_ms`: all of them, before it returns.
    ///
    /// # Errors
    /// The disk refuses; some may have been written.
    pub fn append(&self, group: &str, events: &[LogGroupEvent<'_>], ingested_ms: u64) -> io::Result<()> {
        let appended = self.lock().append(group, events, ingested_ms);
        self.shared.changed.send_modify(|batches| *batches += 1);
        appended
    }

    /// Takes a group away, with everything that was written into it before.
    ///
    /// # Errors
    /// The disk refuses; what is left is an older part of it.
    pub fn delete_group(&self, group: &str) -> io::Result<()> {
        self.queue.flush(CATCH_UP);
        let deleted = self.lock().delete_group(group);
        self.streams.forget(group);
        deleted
    }

    /// Takes a stream away: the places of its events stay, and are blank.
    ///
    /// # Errors
    /// The disk refuses; some events may be blank.
    pub fn delete_stream(&self, group: &str, stream: &str) -> io::Result<()> {
        self.queue.flush(CATCH_UP);
        let blanked = self.lock().blank(group, stream);
        self.streams.forget(group);
        blanked
    }

    /// Takes away the files of a group that were written last before `before`.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn expire(&self, group: &str, before: SystemTime) -> io::Result<()> {
        if self.lock().expire(group, before)? {
            self.streams.forget(group);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        // A thread that panicked left whole lines, or half a one that is skipped.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
