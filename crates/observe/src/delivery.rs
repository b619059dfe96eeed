//! Log delivery: what a load balancer writes to S3, every five minutes, as gzip files under AWS's names.
//!
//! Source: ALB 8.1.1, 8.5, 8.6. One [`Destination`] is one kind of log of one load balancer; a [`DeliveryHandle`] to it
//! lies in the routing table, and traffic cores write lines with it. The lines travel like those of the access-log file:
//! a buffer per core, whole batches, a bounded queue that drops and counts, never a wait.
//!
//! ```text
//! cores --batches--> writer --{spool}/{random}/00000001.open--> .ready --> deliverer --gzip--> LogStore
//! ```
//!
//! One thread appends to one spool file per destination and closes it at the end of the interval, or earlier when it is
//! long (AWS, too, delivers several files per period when there is much traffic). Another thread compresses closed ones
//! and puts them into the store, under a name that was chosen when the spool was begun: so a try that is repeated
//! replaces the same object. What a killed process left in its spool is delivered by the next one, at its start or, when
//! it is there already, at the end of its interval. Nothing is forced to the disk before the object is: the death of the
//! machine costs the lines of the open interval.
//!
//! A disk that is full costs lines, which are counted, and is told once; a store that refuses costs nothing until the
//! spool is at its limit. No lines, no object.
//!
//! Left to others: what stands in a line and escaping line breaks in it (the request record), calling
//! [`DeliverySender::flush`] every 100 to 200 ms (the core's timer), and removing old objects.

mod checks;
mod deliverer;
mod destination;
mod folder;
mod interval;
mod monitor;
mod registry;
mod spool;
mod store;
mod writer;

use crate::batch::{BatchLimits, BatchSender, Message};
use deliverer::Deliverer;
pub use destination::{Destination, DestinationError, DestinationFields, LogKind, ObjectName};
use folder::Folder;
use interval::Clock;
use monitor::Shared;
pub use monitor::{DeliveryEvent, DeliveryMonitor};
pub use registry::DeliveryHandle;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};
pub use store::{DirectoryStore, LogStore};
use writer::Writer;

/// The bounds of log delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryLimits {
    /// A core's batch is handed over when it has this many bytes. Default 32 KiB.
    pub batch_bytes: usize,
    /// A longer line is dropped and counted. Default 256 KiB.
    pub line_bytes_max: usize,
    /// Batches of all cores that wait for the disk. Default 256.
    pub queue_batches: usize,
    /// How long an interval is, in whole seconds, aligned to the clock. Default 5 min. Source: ALB 8.1.1.
    pub interval: Duration,
    /// A spool of this many bytes is delivered before its interval ends. Default 64 MiB.
    pub file_bytes_max: u64,
    /// All spools together, in bytes; what would be more is lost and counted. Default 8 GiB.
    pub spool_bytes_max: u64,
    /// How long until what the store refused is tried again. Default 10 s.
    pub retry_interval: Duration,
}

impl DeliveryLimits {
    fn batch(&self) -> BatchLimits {
        BatchLimits {
            batch_bytes: self.batch_bytes,
            line_bytes_max: self.line_bytes_max,
        }
    }
}

impl Default for DeliveryLimits {
    fn default() -> Self {
        Self {
            batch_bytes: 32 * 1024,
            line_bytes_max: 256 * 1024,
            queue_batches: 256,
            interval: Duration::from_secs(300),
            file_bytes_max: 64 * 1024 * 1024,
            spool_bytes_max: 8 * 1024 * 1024 * 1024,
            retry_interval: Duration::from_secs(10),
        }
    }
}

type Tell = Arc<dyn Fn(DeliveryEvent) + Send + Sync>;

/// Why log delivery cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The folder of spools cannot be made or locked.
    #[error("cannot use {path} for logs on their way to their buckets", path = path.display())]
    Spool {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system has no thread to give.
    #[error("cannot start a thread of log delivery")]
    Thread(#[source] io::Error),
}

/// A bucket that does not take the test object.
#[derive(Debug, thiserror::Error)]
#[error("{attribute}.bucket {bucket:?} does not take the test object {key}", attribute = kind.attribute())]
pub struct TestObjectError {
    /// Which log.
    pub kind: LogKind,
    /// The bucket.
    pub bucket: String,
    /// The key of the test object.
    pub key: String,
    /// What the store says.
    pub source: io::Error,
}

/// The owner of the threads that write and deliver.
#[derive(Debug)]
pub struct Delivery {
    queue: SyncSender<Message>,
    store: Arc<dyn LogStore>,
    shared: Arc<Shared>,
    ended: mpsc::Receiver<()>,
    threads: [JoinHandle<()>; 2],
}

impl Delivery {
    /// Makes the folder `spool`, private to the user, when it is missing, starts the threads, and delivers what is left
    /// in it from processes that are gone. Several processes may use one spool. `node` is the address of this load
    /// balancer node, which stands in the names of objects. `on_event` is called on the threads.
    ///
    /// Give each core its own clone of the sender.
    ///
    /// # Errors
    /// See [`DeliveryError`].
    pub fn open(
        spool: &Path,
        store: Arc<dyn LogStore>,
        node: IpAddr,
        limits: DeliveryLimits,
        on_event: impl Fn(DeliveryEvent) + Send + Sync + 'static,
    ) -> Result<(Self, DeliverySender), DeliveryError> {
        Self::start(
            spool,
            store,
            node,
            limits,
            Arc::new(on_event),
            Arc::new(SystemTime::now),
        )
    }

    fn start(
        spool: &Path,
        store: Arc<dyn LogStore>,
        node: IpAddr,
        limits: DeliveryLimits,
        tell: Tell,
        clock: Clock,
    ) -> Result<(Self, DeliverySender), DeliveryError> {
        let folder = Folder::make(spool).map_err(|source| DeliveryError::Spool {
            path: spool.to_owned(),
            source,
        })?;
        let folder = Arc::new(folder);
        let shared = Arc::new(Shared::default());
        let (queue, batches) = mpsc::sync_channel(limits.queue_batches.max(1));
        let (ready, woken) = mpsc::sync_channel(1);
        let (running, ended) = mpsc::sync_channel(1);
        let deliverer = Deliverer {
            spool: spool.to_owned(),
            folder: Arc::clone(&folder),
            store: Arc::clone(&store),
            shared: Arc::clone(&shared),
            tell: Arc::clone(&tell),
            retry_interval: limits.retry_interval,
            refused: HashMap::new(),
            stuck: HashSet::new(),
        };
        let writer = Writer {
            folder,
            shared: Arc::clone(&shared),
            limits,
            node,
            clock,
            tell,
            ready,
        };
        let threads = [
            spawn("log-writer", move || writer.run(&batches))?,
            spawn("log-delivery", move || {
                deliverer.run(&woken);
                drop(running); // tells `shutdown`, which can wait for a channel with a bound but not for a thread
            })?,
        ];
        let sender = BatchSender::new(queue.clone(), Arc::clone(&shared.dropped), limits.batch());
        let delivery = Self {
            queue,
            store,
            shared,
            ended,
            threads,
        };
        Ok((delivery, DeliverySender(sender)))
    }

    /// Follows exactly these destinations from now on, and returns their handles in the same order. One that was
    /// followed before keeps its handle, so calling this again with the same changes nothing. One that is not followed
    /// any more is delivered at the end of its interval and forgotten when its last handle is gone. Waits for no disk.
    pub fn follow(&self, wanted: impl IntoIterator<Item = Destination>) -> Vec<DeliveryHandle> {
        self.shared.registry().follow(wanted)
    }

    /// Writes the test object of each destination that is not followed yet: AWS refuses to enable a log whose bucket
    /// does not take it. Ask before [`Delivery::follow`], and refuse the configuration when it fails. Blocks on the
    /// store. Source: ALB 8.1.1.
    ///
    /// # Errors
    /// The first bucket that does not take its test object.
    pub fn write_test_objects(&self, wanted: &[Destination]) -> Result<(), TestObjectError> {
        let new: Vec<_> = {
            let registry = self.shared.registry();
            wanted.iter().filter(|wanted| !registry.is_followed(wanted)).collect()
        };
        let mut written = HashSet::new();
        for destination in new {
            let object = destination.test_object();
            // Load balancers that share bucket and prefix share the object.
            if written.contains(&object) {
                continue;
            }
            let text = destination.test_text();
            self.store
                .put(&object, &mut text.as_bytes())
                .map_err(|source| TestObjectError {
                    kind: destination.kind(),
                    bucket: object.bucket.clone(),
                    key: object.key.clone(),
                    source,
                })?;
            written.insert(object);
        }
        Ok(())
    }

    /// The numbers and the state, for metrics.
    #[must_use]
    pub fn monitor(&self) -> DeliveryMonitor {
        DeliveryMonitor(Arc::clone(&self.shared))
    }

    /// Writes what is queued, delivers the open intervals and ends the threads. Blocks for at most `within`; false when
    /// that took longer, or when a thread had panicked: what is in the spool then is delivered by the next process. Drop
    /// or flush all senders first: what they hold is not in the queue, and what they hand over later is lost.
    #[must_use]
    pub fn shutdown(self, within: Duration) -> bool {
        self.shared.stop.store(true, Ordering::Release);
        // Wakes a writer that waits for an empty queue. A full queue needs no waking: the writer is at work and sees
        // the flag after the batch it is at.
        let _ = self.queue.try_send(Message::Wake);
        match self.ended.recv_timeout(within) {
            Err(RecvTimeoutError::Timeout) => false,
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                let [writer, deliverer] = self.threads.map(JoinHandle::join);
                writer.is_ok() && deliverer.is_ok()
            }
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, DeliveryError> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(DeliveryError::Thread)
}

/// Takes one core's lines. A clone is for another core and shares nothing with this one but the queue.
///
/// Not `Sync` on purpose: cores that share it would have to wait for one another. Dropping it hands over what it holds.
/// It has no buffer before its first line.
#[derive(Clone)]
pub struct DeliverySender(BatchSender);

impl DeliverySender {
    /// Appends one line for a destination: `write` adds its bytes to the buffer, without a line break and without
    /// touching what is there. Writing nothing is no line. Never blocks; a full batch is handed over, and dropped when
    /// the queue is full. The handle comes from the [`Delivery`] that this sender belongs to.
    pub fn line(&self, to: &DeliveryHandle, write: impl FnOnce(&mut Vec<u8>)) {
        self.0.line(to.id(), write);
    }

    /// Hands over what was gathered, if anything. Never blocks. The core's timer calls it every 100 to 200 ms, so that
    /// lines of a quiet core are not late for their interval.
    pub fn flush(&self) {
        self.0.flush();
    }
}

impl fmt::Debug for DeliverySender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliverySender").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
