//! Log groups on disk: what functions write, kept to be read again.
//!
//! Each group has a folder of segments, files that are appended to and never changed. A line is one event, a JSON
//! document: `{"time":"2026-01-02T03:04:05.678Z","timestamp":1767323045678,"stream":"...","message":"..."}`. Messages
//! may be any bytes; what is no UTF-8 becomes replacement characters. Events of one stream keep their order; those of
//! different streams may be swapped within milliseconds.
//!
//! Traffic never waits: events go through a [`lossy_queue`] to one thread, which appends them with one write for each
//! group. A full queue or a disk that refuses costs events, which are counted, and is told once. What the system has
//! taken survives the death of the process; nothing is forced to the disk, so the machine's death costs the last
//! seconds. Half a line that either leaves behind is skipped by readers.
//!
//! [`LogGroupReader`] reads, forward from a position or backward from the end. It needs no writer.
//!
//! Left to others: what is written into which group, one process at a time for one folder (the data folder's lock).

mod keeper;
mod lines;
mod name;
mod reader;
mod record;
mod segment;
mod streams;
mod writer;

use crate::queue::{Importance, QueueLimits, QueueReceiver, QueueSender, lossy_queue};
pub use keeper::LogGroupKeeper;
pub use reader::{Direction, LogGroupReader, LogPosition, LogQuery, Page, StoredLogEvent};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
pub use streams::LogStreamFacts;
use tokio::sync::watch;
use writer::Writer;

/// The bounds of log groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogGroupLimits {
    /// A segment is closed before it would be longer, in bytes. One that holds a single event may be. Default 16 MiB.
    pub segment_bytes: u64,
    /// The segments of one group together, in bytes; the oldest are removed. The newest one stays. Default 256 MiB.
    pub group_bytes: u64,
    /// The queue. Default 8 MiB, 1 MiB more for what is important, and 25 ms for others to come.
    pub queue: QueueLimits,
    /// How often, at most, files are looked for under their names and drops are reported. Default 1 s.
    pub check_interval: Duration,
}

impl Default for LogGroupLimits {
    fn default() -> Self {
        Self {
            segment_bytes: 16 * 1024 * 1024,
            group_bytes: 256 * 1024 * 1024,
            queue: QueueLimits {
                bytes_max: 8 * 1024 * 1024,
                reserved_bytes: 1024 * 1024,
                pause: Duration::from_millis(25),
            },
            check_interval: Duration::from_secs(1),
        }
    }
}

/// One event on its way to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogGroupEvent<'a> {
    /// The log group, for example `/aws/lambda/orders`.
    pub group: &'a str,
    /// The log stream.
    pub stream: &'a str,
    /// When, in milliseconds since the epoch.
    pub timestamp_ms: u64,
    /// Any bytes, newlines too.
    pub message: &'a [u8],
}

/// Something an operator should hear about, told once per change and not once per event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogGroupNews {
    /// Events cannot be written from now on; each batch is tried again.
    Failing {
        /// The group it began with.
        group: String,
        /// What the system says.
        error: String,
    },
    /// Events are written again.
    Recovered {
        /// How many could not be written in between.
        events_lost: u64,
    },
    /// The queue was full: the disk is slower than the functions.
    QueueFull {
        /// How many events were dropped since the last news of this kind.
        events_lost: u64,
    },
}

/// Why log groups cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum LogGroupsError {
    /// The folder cannot be made.
    #[error("cannot make the folder of log groups {path}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system has no thread to give.
    #[error("cannot start the thread of log groups")]
    Thread(#[source] io::Error),
}

#[derive(Debug)]
struct Shared {
    written: AtomicU64,
    not_written: AtomicU64,
    failing: Mutex<Option<String>>,
    /// Counts batches in files.
    changed: watch::Sender<u64>,
}

/// The owner of the writing thread.
#[derive(Debug)]
pub struct LogGroups {
    root: PathBuf,
    queue: QueueSender,
    shared: Arc<Shared>,
    keeper: LogGroupKeeper,
}

impl LogGroups {
    /// Makes the folder `root`, private to the user, if it is missing, and starts the thread. `on_news` is called on it.
    ///
    /// # Errors
    /// See [`LogGroupsError`].
    pub fn open(
        root: &Path,
        limits: LogGroupLimits,
        on_news: impl FnMut(LogGroupNews) + Send + 'static,
    ) -> Result<Self, LogGroupsError> {
        segment::make_folder(root).map_err(|source| LogGroupsError::Folder {
            path: root.to_owned(),
            source,
        })?;
        let shared = Arc::new(Shared {
            written: AtomicU64::new(0),
            not_written: AtomicU64::new(0),
            failing: Mutex::new(None),
            changed: watch::Sender::new(0),
        });
        let (queue, batches) = lossy_queue(limits.queue);
        let writer = Writer::new(
            root.to_owned(),
            limits,
            Arc::clone(&shared),
            queue.clone(),
            Box::new(on_news),
        );
        let writer = Arc::new(Mutex::new(writer));
        let its = Arc::clone(&writer);
        thread::Builder::new()
            .name("log-groups".to_owned())
            .spawn(move || run(&its, batches))
            .map_err(LogGroupsError::Thread)?;
        Ok(Self {
            root: root.to_owned(),
            keeper: LogGroupKeeper {
                writer,
                queue: queue.clone(),
                shared: shared.clone(),
                streams: Arc::default(),
            },
            queue,
            shared,
        })
    }

    /// Takes events. Clones lead to the same place.
    #[must_use]
    pub fn sender(&self) -> LogGroupSender {
        LogGroupSender(self.queue.clone())
    }

    /// The numbers and the state, for any thread.
    #[must_use]
    pub fn monitor(&self) -> LogGroupMonitor {
        LogGroupMonitor {
            shared: Arc::clone(&self.shared),
            queue: self.queue.clone(),
        }
    }

    /// Reads what has been written, and can wait for what is being written.
    #[must_use]
    pub fn reader(&self) -> LogGroupReader {
        LogGroupReader::behind(self.root.clone(), self.queue.clone(), self.keeper.streams.clone())
    }

    /// Changes what is there.
    #[must_use]
    pub fn keeper(&self) -> LogGroupKeeper {
        self.keeper.clone()
    }

    /// Told after each batch that reached a file. It ends when the last monitor and this are dropped.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    /// Takes nothing more, writes what is queued and ends the thread. Blocks for at most `within`; false when the disk
    /// took longer.
    pub fn shutdown(self, within: Duration) -> bool {
        self.queue.close(within)
    }
}

fn run(writer: &Mutex<Writer>, mut batches: QueueReceiver) {
    let lock = || writer.lock().unwrap_or_else(PoisonError::into_inner);
    let mut batch = Vec::new();
    while batches.next(&mut batch) {
        lock().take(&batch);
    }
    lock().report_drops();
}

/// Takes events from any thread.
#[derive(Clone, Debug)]
pub struct LogGroupSender(QueueSender);

impl LogGroupSender {
    /// Is less than half of the queue taken?
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.0.has_room()
    }

    /// Hands on one event. Never waits for the disk; when the queue is full the event is dropped and counted. The
    /// platform's own events are [`Importance::Reserved`].
    pub fn put(&self, event: &LogGroupEvent<'_>, importance: Importance) {
        // The whole queue is smaller than what has no head.
        let Some(head) = record::frame_head(event) else { return };
        let parts: [&[u8]; 4] = [&head, event.group.as_bytes(), event.stream.as_bytes(), event.message];
        self.0.push(&parts, importance);
    }
}

/// The numbers and the state of log groups.
#[derive(Clone, Debug)]
pub struct LogGroupMonitor {
    shared: Arc<Shared>,
    queue: QueueSender,
}

impl LogGroupMonitor {
    /// Events in files so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.shared.written.load(Ordering::Relaxed)
    }

    /// Events that were dropped because the queue was full.
    #[must_use]
    pub fn lost_queue_full(&self) -> u64 {
        self.queue.lost()
    }

    /// Events that the disk refused.
    #[must_use]
    pub fn lost_not_written(&self) -> u64 {
        self.shared.not_written.load(Ordering::Relaxed)
    }

    /// What the system says when events cannot be written at the moment.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        self.shared
            .failing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests;
