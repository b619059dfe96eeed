//! The durable queue of asynchronous invocations: what was accepted is there until it has an outcome, in a file beside the
//! state's.
//!
//! An event is delivered at least once. It is in the file before its caller is answered; it leaves the file with the record
//! of its outcome, and in the same transaction what follows from it enters (the invocation of a destination, a record for a
//! bucket). An attempt that
//! was begun when the process died, and whose end is not recorded, is made again: that is the only way in which an event is
//! tried more often than its function's settings say, once for each death. What is acknowledged is on the disk; what stands
//! together in the line is written with one sync.
//!
//! ```text
//! queue          the line and the thread that serves it
//! queue/file     the file, its bounds and what is done about errors
//! queue/layout   its tables, and how they are read
//! queue/monitor  how it is doing, for people
//! queue/record   an event as bytes
//! queue/shadow   a file that is read and never written
//! ```

mod file;
mod layout;
mod monitor;
mod record;
mod shadow;

pub use file::QueueRoom;
pub use monitor::{QueueMonitor, QueueOpenError};
pub use record::{decode_attempts, decode_event, encode_attempts, encode_event};

use crate::log::disk::Disk;
use file::{Ops, QueueFile, WriteError};
use model::bucket::BucketArn;
use model::lambda::event_invoke::QualifiedArn;
use model::{FunctionArn, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait. Who asks beyond that waits in `add`.
const LINE_MAX: usize = 64;
/// Bytes of payloads that are written at once, give or take one event.
const GROUP_BYTES: usize = 8 << 20;

/// An asynchronous invocation, or the record of how one ended on its way into a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The same for all attempts.
    pub request_id: String,
    /// What is invoked, or was.
    pub function: QualifiedArn,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// The trace that it belongs to.
    pub trace_id: Option<String>,
    /// How often each function has run in the chain of destinations that led here.
    pub chain: BTreeMap<FunctionArn, u32>,
    /// A JSON document, byte for byte.
    pub payload: Vec<u8>,
    /// Nothing is invoked: the payload is a record about the function, for this bucket. There is no trace and no chain then.
    pub bucket: Option<BucketArn>,
}

/// What has happened to an event so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// How often it was run and failed.
    pub failures: u32,
    /// Not before then.
    pub due: Timestamp,
}

/// An event's place in the queue. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub u64);

/// An event that waits, without its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its place.
    pub id: EventId,
    /// What is invoked.
    pub function: QualifiedArn,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// What has happened so far.
    pub attempts: Attempts,
}

/// How an attempt is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It is tried again.
    Again(Attempts),
    /// It has its outcome.
    Gone,
    /// It has its outcome, and another comes of it.
    Followed(Box<Event>),
}

/// What whoever serves the queue has to know. Told in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// One more.
    Added(Waiting),
    /// The file was opened: these are all there are.
    Opened(Vec<Waiting>),
}

/// Why an event was not accepted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AddError {
    /// There is no room.
    #[error("the queue of asynchronous invocations is full")]
    Full,
    /// It could not be stored.
    #[error("the event could not be stored: {0}")]
    Failed(String),
    /// Another process has the queue, or this one ends.
    #[error("the queue of asynchronous invocations is closed")]
    Closed,
}

/// Why an event cannot be read or its outcome recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// There is none in this place.
    #[error("there is no such event")]
    Gone,
    /// There is no room for what should follow. Nothing was recorded.
    #[error("the queue of asynchronous invocations is full")]
    Full,
    /// The file cannot be read or written at the moment.
    #[error("{0}")]
    Failed(String),
    /// Another process has the queue, or this one ends.
    #[error("the queue of asynchronous invocations is closed")]
    Closed,
}

/// Why the queue is not open again.
#[derive(Debug, thiserror::Error)]
pub enum QueueReopenError {
    /// Its file cannot be opened.
    #[error(transparent)]
    File(QueueOpenError),
    /// The thread has ended.
    #[error("the queue of asynchronous invocations has ended")]
    Ended,
}

/// The queue. Clones share it.
#[derive(Clone, Debug)]
pub struct Queue {
    requests: mpsc::Sender<Request>,
    monitor: QueueMonitor,
}

#[derive(Debug)]
enum Request {
    Write(Write),
    Read(EventId, oneshot::Sender<Result<Event, QueueError>>),
    Close(oneshot::Sender<()>),
    Open(oneshot::Sender<Result<(), QueueOpenError>>),
}

#[derive(Debug)]
enum Write {
    Add(Box<Event>, oneshot::Sender<Result<EventId, AddError>>),
    Settle(EventId, Settlement, oneshot::Sender<Result<(), QueueError>>),
}

impl Write {
    fn bytes(&self) -> usize {
        match self {
            Self::Add(event, _) | Self::Settle(_, Settlement::Followed(event), _) => event.payload.len(),
            Self::Settle(..) => 0,
        }
    }
}

impl Queue {
    /// Opens the queue and tells `listener` what is in it, and from then on what enters. `listener` is called on the queue's
    /// own thread and must not wait.
    ///
    /// # Errors
    /// The file is another's, cannot be read, or is not as it was written; or there is no thread.
    pub fn open(
        disk: Arc<dyn Disk>,
        room: QueueRoom,
        listener: impl FnMut(News) + Send + 'static,
    ) -> Result<Self, QueueOpenError> {
        let mut file = QueueFile::closed(disk, room);
        let waiting = file.open()?;
        let mut listener: Box<dyn FnMut(News) + Send> = Box::new(listener);
        listener(News::Opened(waiting));
        Self::start(file, listener)
    }

    /// A queue that another process has: it is opened by [`Queue::open_again`].
    ///
    /// # Errors
    /// There is no thread.
    pub fn closed(
        disk: Arc<dyn Disk>,
        room: QueueRoom,
        listener: impl FnMut(News) + Send + 'static,
    ) -> Result<Self, QueueOpenError> {
        Self::start(QueueFile::closed(disk, room), Box::new(listener))
    }

    fn start(file: QueueFile, listener: Box<dyn FnMut(News) + Send>) -> Result<Self, QueueOpenError> {
        let (requests, line) = mpsc::channel(LINE_MAX);
        let monitor = file.monitor();
        let path = file.path();
        let served = Served { file, listener };
        std::thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || served.run(line))
            .map_err(|error| QueueOpenError::Io { file: path, error })?;
        Ok(Self { requests, monitor })
    }

    /// How it is doing.
    pub fn monitor(&self) -> &QueueMonitor {
        &self.monitor
    }

    /// Accepts an event. It is durable once this returns.
    ///
    /// # Cancel safety
    /// Dropping the future after the event stands in the line does not take it back.
    ///
    /// # Errors
    /// Nothing was accepted; but after [`AddError::Failed`] it may turn up all the same, as a whole.
    pub async fn add(&self, event: Event) -> Result<EventId, AddError> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Write(Write::Add(Box::new(event), answer));
        self.requests.send(request).await.map_err(|_| AddError::Closed)?;
        answered.await.unwrap_or(Err(AddError::Closed))
    }

    /// Reads an event with its payload.
    ///
    /// # Errors
    /// There is none, or the file cannot be read.
    pub async fn read(&self, id: EventId) -> Result<Event, QueueError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.requests.send(Request::Read(id, answer)).await;
        sent.map_err(|_| QueueError::Closed)?;
        answered.await.unwrap_or(Err(QueueError::Closed))
    }

    /// Records how an attempt ended. Durable once this returns.
    ///
    /// # Cancel safety
    /// Dropping the future after it stands in the line does not take it back.
    ///
    /// # Errors
    /// Nothing was recorded; but after [`QueueError::Failed`] it may be all the same, which the next try finds as
    /// [`QueueError::Gone`].
    pub async fn settle(&self, id: EventId, settlement: Settlement) -> Result<(), QueueError> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Write(Write::Settle(id, settlement, answer));
        self.requests.send(request).await.map_err(|_| QueueError::Closed)?;
        answered.await.unwrap_or(Err(QueueError::Closed))
    }

    /// Answers those that wait, then closes the file, so that another process may have it, or this one may end.
    ///
    /// # Cancel safety
    /// Dropping the future after the request stands in the line does not take it back.
    pub async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        // A thread that has ended has closed it.
        if self.requests.send(Request::Close(answer)).await.is_ok() {
            let _ = answered.await;
        }
    }

    /// Opens the file again after [`Queue::close`], and tells the listener what is in it.
    ///
    /// # Cancel safety
    /// Dropping the future after the request stands in the line does not take it back.
    ///
    /// # Errors
    /// As [`Queue::open`].
    pub async fn open_again(&self) -> Result<(), QueueReopenError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.requests.send(Request::Open(answer)).await;
        sent.map_err(|_| QueueReopenError::Ended)?;
        let opened = answered.await.map_err(|_| QueueReopenError::Ended)?;
        opened.map_err(QueueReopenError::File)
    }
}

/// The thread's own.
struct Served {
    file: QueueFile,
    listener: Box<dyn FnMut(News) + Send>,
}

impl Served {
    fn run(mut self, mut line: mpsc::Receiver<Request>) {
        let mut next = None;
        while let Some(request) = next.take().or_else(|| line.blocking_recv()) {
            match request {
                Request::Write(first) => {
                    let mut bytes = first.bytes();
                    let mut group = vec![first];
                    // Those that stand in the line already are written together: one sync for all of them.
                    while group.len() < LINE_MAX && bytes < GROUP_BYTES && next.is_none() {
                        match line.try_recv() {
                            Ok(Request::Write(write)) => {
                                bytes += write.bytes();
                                group.push(write);
                            }
                            Ok(other) => next = Some(other),
                            Err(_) => break,
                        }
                    }
                    self.write(group);
                }
                Request::Read(id, answer) => {
                    let _ = answer.send(self.file.read(id)); // nobody may wait any more
                }
                Request::Close(answer) => {
                    self.file.close();
                    let _ = answer.send(());
                }
                Request::Open(answer) => {
                    let opened = self.file.open();
                    let opened = opened.map(|waiting| (self.listener)(News::Opened(waiting)));
                    let _ = answer.send(opened);
                }
            }
        }
    }

    fn write(&mut self, group: Vec<Write>) {
        let mended = self.file.mend();
        let error = mended.as_ref().err().cloned();
        for added in mended.ok().flatten().unwrap_or_default() {
            (self.listener)(News::Added(added));
        }
        let mut batch = Batch::default();
        for write in group {
            match write {
                Write::Add(event, answer) => {
                    let entered = self.file.admit(&mut batch.ops, *event);
                    let entered = entered.ok_or(AddError::Full);
                    batch.adds.push((entered, answer));
                }
                Write::Settle(id, settlement, answer) => {
                    let settled = match self.file.knows(id) {
                        true if self.file.settle(&mut batch.ops, id, settlement) => Ok(()),
                        true => Err(QueueError::Full),
                        false => Err(QueueError::Gone),
                    };
                    batch.settled.push((settled, answer));
                }
            }
        }
        if error.is_some() {
            return batch.answer(error.as_ref());
        }
        let written = self.file.write(std::mem::take(&mut batch.ops));
        let error = written.as_ref().err().cloned();
        for added in written.unwrap_or_default() {
            (self.listener)(News::Added(added));
        }
        batch.answer(error.as_ref());
    }
}

/// What is answered when it is written, and to whom.
type Waited<T, E> = (Result<T, E>, oneshot::Sender<Result<T, E>>);

/// Writes that stand or fall together, and who waits for them.
#[derive(Default)]
struct Batch {
    ops: Ops,
    adds: Vec<Waited<EventId, AddError>>,
    settled: Vec<Waited<(), QueueError>>,
}

impl Batch {
    fn answer(self, error: Option<&WriteError>) {
        for (entered, answer) in self.adds {
            let answered = match (error, entered) {
                (Some(WriteError::Closed), _) => Err(AddError::Closed),
                (Some(WriteError::Failed(why)), Ok(_)) => Err(AddError::Failed(why.clone())),
                (_, entered) => entered,
            };
            let _ = answer.send(answered); // nobody may wait any more
        }
        for (settled, answer) in self.settled {
            let answered = match error {
                Some(WriteError::Closed) => Err(QueueError::Closed),
                Some(WriteError::Failed(why)) => settled.and(Err(QueueError::Failed(why.clone()))),
                None => settled,
            };
            let _ = answer.send(answered);
        }
    }
}
