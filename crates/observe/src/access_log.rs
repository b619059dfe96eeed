//! Access-log files: lines from the traffic cores, written in batches by one thread.
//!
//! Each core gathers its lines in its own buffer and hands over whole buffers through a bounded queue; the thread
//! appends each with one write and gives the buffer back. Traffic never waits: when the queue is full the batch is
//! dropped and its lines are counted, and when the disk refuses, likewise. A file that was moved or deleted is opened
//! anew, so any tool may rotate it. The order of lines is kept per core, not between cores.
//!
//! Left to others: the fields of a line and escaping line breaks in them (the request record), calling
//! [`AccessLogSender::flush`] every 100 to 200 ms (the core's timer), compressing and deleting old files.

mod cache;
mod writer;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::batch::{BatchLimits, BatchSender, Dropped, Message};
use writer::Writer;

/// The bounds of an access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessLogLimits {
    /// A core's batch is handed over when it has this many bytes. Default 128 KiB: waking the thread that writes costs as much
    /// as a few requests do.
    pub batch_bytes: usize,
    /// A longer line is dropped and counted. Default 256 KiB: heads are bounded well below it.
    pub line_bytes_max: usize,
    /// Batches of all cores that wait for the disk. Default 64, which is 8 MiB of usual lines.
    pub queue_batches: usize,
    /// How often, at most, the file is looked for under its name and drops are reported. Default 1 s.
    pub check_interval: Duration,
}

impl AccessLogLimits {
    fn batch(&self) -> BatchLimits {
        BatchLimits {
            batch_bytes: self.batch_bytes,
            line_bytes_max: self.line_bytes_max,
        }
    }
}

impl Default for AccessLogLimits {
    fn default() -> Self {
        Self {
            batch_bytes: 128 * 1024,
            line_bytes_max: 256 * 1024,
            queue_batches: 64,
            check_interval: Duration::from_secs(1),
        }
    }
}

/// Something an operator should hear about, told once per change and not once per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogEvent {
    /// Lines cannot be written from now on; every batch is tried again.
    Failing {
        /// What the system says.
        error: String,
    },
    /// Lines are written again.
    Recovered {
        /// How many could not be written in between.
        lines_lost: u64,
    },
    /// The queue was full: the disk is slower than the traffic.
    QueueFull {
        /// How many lines were dropped since the last event of this kind.
        lines_lost: u64,
    },
    /// The file had been moved or deleted; a new one is in use.
    Reopened,
    /// The file had been moved and a new one cannot be opened; the old one stays in use while it exists.
    ReopenFailed {
        /// What the system says.
        error: String,
    },
}

/// Whether lines reach the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AccessLogStatus {
    /// The last batch was written, or none was tried yet.
    #[default]
    Writing,
    /// The last batch could not be written.
    Failing {
        /// What the system says.
        error: String,
    },
}

/// Lines that are in no file, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LostLines {
    /// The queue was full, or the writer had ended.
    pub queue_full: u64,
    /// The disk refused them.
    pub not_written: u64,
    /// They were longer than the limit, [`AccessLogLimits::line_bytes_max`] for example.
    pub too_long: u64,
}

impl LostLines {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.queue_full
            .saturating_add(self.not_written)
            .saturating_add(self.too_long)
    }
}

/// Why an access log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened or created.
    #[error("cannot open access log {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system has no thread to give.
    #[error("cannot start the access log's thread")]
    Thread(#[source] io::Error),
}

/// Why a shutdown was not clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShutdownError {
    /// The disk hangs; lines still queued may be lost.
    #[error("access log was not written in time")]
    TimedOut,
    /// The writer panicked; see the panic message.
    #[error("access log writer panicked")]
    Panicked,
}

/// The numbers and the state of an access log, for any thread.
#[derive(Clone, Debug)]
pub struct AccessLogMonitor(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    written: AtomicU64,
    dropped: Arc<Dropped>,
    not_written: AtomicU64,
    stop: AtomicBool,
    status: Mutex<AccessLogStatus>,
}

impl AccessLogMonitor {
    /// Lines in the file so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// Lines lost so far.
    #[must_use]
    pub fn lost(&self) -> LostLines {
        LostLines {
            queue_full: self.0.dropped.queue_full.load(Ordering::Relaxed),
            not_written: self.0.not_written.load(Ordering::Relaxed),
            too_long: self.0.dropped.too_long.load(Ordering::Relaxed),
        }
    }

    /// Whether lines reach the file.
    #[must_use]
    pub fn status(&self) -> AccessLogStatus {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The owner of the writing thread.
#[derive(Debug)]
pub struct AccessLog {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    ended: mpsc::Receiver<()>,
    thread: JoinHandle<()>,
}

impl AccessLog {
    /// Opens the file for appending, creates it with mode 0640 when it is missing, and starts the thread. `on_event`
    /// is called on that thread. The path may also name a terminal or a pipe that has a reader.
    ///
    /// Give each core its own clone of the sender.
    ///
    /// # Errors
    /// The file cannot be opened, or no thread can be started.
    pub fn open(
        path: &Path,
        limits: AccessLogLimits,
        on_event: impl FnMut(AccessLogEvent) + Send + 'static,
    ) -> Result<(Self, AccessLogSender), OpenError> {
        let file = open_file(path).map_err(|source| OpenError::File {
            path: path.to_owned(),
            source,
        })?;
        let shared = Arc::new(Shared::default());
        let (queue, batches) = mpsc::sync_channel(limits.queue_batches.max(1));
        let (running, ended) = mpsc::sync_channel(1);
        let writer = Writer::new(path.to_owned(), file, limits, Arc::clone(&shared), Box::new(on_event));
        let run = move || {
            writer.run(&batches);
            drop(running); // tells `shutdown`, which can wait for a channel with a bound but not for a thread
        };
        let thread = thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(run)
            .map_err(OpenError::Thread)?;
        let sender = BatchSender::new(queue.clone(), Arc::clone(&shared.dropped), limits.batch());
        Ok((
            Self {
                queue,
                shared,
                ended,
                thread,
            },
            AccessLogSender(sender),
        ))
    }

    /// The numbers and the state, for metrics.
    #[must_use]
    pub fn monitor(&self) -> AccessLogMonitor {
        AccessLogMonitor(Arc::clone(&self.shared))
    }

    /// Writes what is queued and ends the thread. Blocks for at most `within`. Drop or flush all senders first: what
    /// they hold is not in the queue, and what they hand over later is lost.
    ///
    /// # Errors
    /// The disk took longer than `within`, or the writer had panicked.
    pub fn shutdown(self, within: Duration) -> Result<(), ShutdownError> {
        self.shared.stop.store(true, Ordering::Release);
        // Wakes a writer that waits for an empty queue. A full queue needs no waking: the writer is at work and sees
        // the flag after the batch it is at.
        let _ = self.queue.try_send(Message::Wake);
        match self.ended.recv_timeout(within) {
            Err(RecvTimeoutError::Timeout) => Err(ShutdownError::TimedOut),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => self.thread.join().map_err(|_| ShutdownError::Panicked),
        }
    }
}

/// Takes one core's lines. A clone is for another core and shares nothing with this one but the queue.
///
/// Not `Sync` on purpose: cores that share it would have to wait for one another. Dropping it hands over what it holds.
#[derive(Clone)]
pub struct AccessLogSender(BatchSender);

impl AccessLogSender {
    /// Appends one line: `write` adds its bytes to the buffer, without a line break and without touching what is
    /// there. Writing nothing is no line. Never blocks; a full batch is handed over, and dropped when the queue is full.
    pub fn line(&self, write: impl FnOnce(&mut Vec<u8>)) {
        self.0.line(0, write);
    }

    /// Hands over what was gathered, if anything. Never blocks. The core's timer calls it every 100 to 200 ms, so that
    /// lines of a quiet core are seen.
    pub fn flush(&self) {
        self.0.flush();
    }
}

impl fmt::Debug for AccessLogSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLogSender").finish_non_exhaustive()
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

#[cfg(test)]
mod tests;
