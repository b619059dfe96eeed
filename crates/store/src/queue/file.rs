//! The file of the queue, kept by `redb` as the state's is: one transaction and one sync for what is written together.
//!
//! ```text
//! head      the format, the next place, how many events there must be and the sum of their checksums
//! events    by place: what was accepted, with its payload
//! attempts  by place: what has happened to those that were tried
//! ```
//!
//! Payloads stay in the file; in memory is what has to be counted. After an error the file is opened again, and what it says
//! decides whether the transaction happened. Where a sync has failed everything is copied into a new file, because the
//! kernel forgets what it could not write and reads it back as if it had.

use super::layout::{
    ATTEMPTS, EVENTS, Head, Index, Kept, Loaded, Row, Wrong, attempts_key, copy, decoded, event_key, put, read, share,
    waiting,
};
use super::monitor::{QueueMonitor, QueueOpenError};
use super::shadow::Shadow;
use super::{Attempts, Event, EventId, QueueError, Settlement, Waiting, record};
use crate::log::disk::{Disk, DiskFile};
use crate::log::embedded::file::{Failure, HeldFile};
use crate::log::embedded::frame::{FrameError, framed};
use redb::ReadableDatabase as _;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tracing::{error, info};

/// The file's name, and that of one that is being made.
const NAME: &str = "events.redb";
const NEW_NAME: &str = "events.redb.new";

/// A file that is longer than this is begun anew when nothing is in it.
const LONG_BYTES: u64 = 32 << 20;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub struct QueueRoom {
    /// Events.
    pub events: usize,
    /// Bytes of their records. What follows from an event that leaves may take a quarter more.
    pub bytes: u64,
}

impl Default for QueueRoom {
    /// 100,000 events and 256 MiB.
    fn default() -> Self {
        Self {
            events: 100_000,
            bytes: 256 << 20,
        }
    }
}

/// Why a batch was not written.
#[derive(Clone, Debug)]
pub(super) enum WriteError {
    Failed(String),
    Closed,
}

/// What is to be written, all of it or nothing.
#[derive(Default)]
pub(super) struct Ops {
    list: Vec<Op>,
    events: usize,
    bytes: u64,
}

enum Op {
    Add(u64, Event, Vec<u8>),
    Again(u64, Attempts),
    Remove(u64),
}

/// What a transaction leaves.
struct Delta {
    head: Head,
    changed: Vec<(u64, Option<Kept>)>,
    added: Vec<Waiting>,
}

pub(super) struct QueueFile {
    disk: Arc<dyn Disk>,
    room: QueueRoom,
    held: Held,
    /// What the file says of itself when nothing fails.
    head: Head,
    index: Index,
    bytes: u64,
    /// A transaction of which is not known whether it happened.
    unclear: Option<Delta>,
    monitor: QueueMonitor,
}

enum Held {
    Open(HeldFile),
    /// An error came in between.
    Broken {
        sync_failed: bool,
    },
    /// It is another process's.
    Closed,
}

impl QueueFile {
    pub(super) fn closed(disk: Arc<dyn Disk>, room: QueueRoom) -> Self {
        Self {
            disk,
            room,
            held: Held::Closed,
            head: Head::default(),
            index: Index::new(),
            bytes: 0,
            unclear: None,
            monitor: QueueMonitor::default(),
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.disk.path(NAME)
    }

    pub(super) fn monitor(&self) -> QueueMonitor {
        self.monitor.clone()
    }

    pub(super) fn close(&mut self) {
        self.held = Held::Closed;
        self.unclear = None;
        self.adopt(Head::default(), Index::new());
    }

    /// Opens the file, or begins one, and says what waits in it.
    pub(super) fn open(&mut self) -> Result<Vec<Waiting>, QueueOpenError> {
        // It may be open: then it is read anew.
        self.close();
        let named = self.disk.remove(NEW_NAME).and_then(|()| self.disk.open(NAME));
        let (file, loaded) = match named.map_err(|error| self.unopened(error.into()))? {
            Some(file) => {
                let file = HeldFile::open(file).map_err(|failure| self.unopened(failure))?;
                let loaded = self.load(&file)?;
                (file, loaded)
            }
            None => {
                let made = self.make_new(&Loaded::default(), None);
                (made.map_err(|failure| self.unopened(failure))?, Loaded::default())
            }
        };
        self.held = Held::Open(file);
        self.unclear = None;
        self.adopt(loaded.head, loaded.index);
        self.monitor.set_error(None);
        Ok(loaded.waiting)
    }

    fn adopt(&mut self, head: Head, index: Index) {
        self.head = head;
        self.bytes = index.values().map(|kept| kept.bytes).sum();
        self.index = index;
        self.tell();
    }

    fn tell(&self) {
        self.monitor.set(self.index.len(), self.bytes);
    }

    /// Whether there is such an event.
    pub(super) fn knows(&self, id: EventId) -> bool {
        self.index.contains_key(&id.0)
    }

    /// Gives an event a place; `None` when there is no room. The file must be in order.
    pub(super) fn admit(&self, ops: &mut Ops, event: Event) -> Option<EventId> {
        let encoded = record::encode_event(&event);
        let events = self.index.len() + ops.events;
        let bytes = self.bytes + ops.bytes + encoded.len() as u64;
        (events < self.room.events && bytes <= self.room.bytes).then(|| self.enter(ops, event, encoded))
    }

    fn enter(&self, ops: &mut Ops, event: Event, encoded: Vec<u8>) -> EventId {
        let id = self.head.next + ops.events as u64;
        ops.events += 1;
        ops.bytes += encoded.len() as u64;
        ops.list.push(Op::Add(id, event, encoded));
        EventId(id)
    }

    /// Records an outcome. False: what should follow has no room, and nothing is recorded.
    pub(super) fn settle(&self, ops: &mut Ops, id: EventId, settlement: Settlement) -> bool {
        match settlement {
            Settlement::Again(attempts) => ops.list.push(Op::Again(id.0, attempts)),
            Settlement::Gone => ops.list.push(Op::Remove(id.0)),
            Settlement::Followed(event) => {
                let encoded = record::encode_event(&event);
                let bytes = self.bytes + ops.bytes + encoded.len() as u64;
                if bytes > self.room.bytes.saturating_add(self.room.bytes / 4) {
                    return false;
                }
                self.enter(ops, *event, encoded);
                ops.list.push(Op::Remove(id.0));
            }
        }
        true
    }

    /// Writes what was admitted. Returns the events that are there now and were not before.
    pub(super) fn write(&mut self, ops: Ops) -> Result<Vec<Waiting>, WriteError> {
        let file = match &self.held {
            Held::Open(file) => file,
            Held::Broken { .. } => return Err(WriteError::Failed("the file is not in order".to_owned())),
            Held::Closed => return Err(WriteError::Closed),
        };
        if ops.list.is_empty() {
            return Ok(Vec::new());
        }
        let (delta, rows) = self.delta(ops);
        let written = file.guarded(|database| {
            let write = database.begin_write()?;
            put(&write, &rows, &delta.head)?;
            write.commit()?;
            Ok(())
        });
        match written {
            Ok(()) => {
                self.monitor.set_error(None);
                let added = self.enact(delta);
                self.shorten();
                Ok(added)
            }
            Err(failure) => {
                let why = failure.into_io().to_string();
                self.monitor.set_error(Some(why.clone()));
                let sync_failed = file.sync_failed();
                self.held = Held::Broken { sync_failed };
                self.unclear = Some(delta);
                // At once: what was refused should not come back after a crash, and what happened should not be refused.
                match self.mend() {
                    Ok(Some(added)) => Ok(added),
                    Ok(None) | Err(WriteError::Failed(_)) => Err(WriteError::Failed(why)),
                    Err(WriteError::Closed) => Err(WriteError::Closed),
                }
            }
        }
    }

    /// Brings in order what an error broke. `Some` when a transaction happened of which that was not known: what entered
    /// with it.
    pub(super) fn mend(&mut self) -> Result<Option<Vec<Waiting>>, WriteError> {
        let sync_failed = match self.held {
            Held::Open(_) => return Ok(None),
            Held::Closed => return Err(WriteError::Closed),
            Held::Broken { sync_failed } => sync_failed,
        };
        match self.recover(sync_failed) {
            Ok(happened) => {
                info!(file = %self.path().display(), "the queue of asynchronous invocations can be written again");
                self.monitor.set_error(None);
                let delta = self.unclear.take().filter(|_| happened);
                Ok(delta.map(|delta| self.enact(delta)))
            }
            Err(failure) => {
                let why = failure.into_io().to_string();
                error!(file = %self.path().display(), error = why, "the queue of asynchronous invocations cannot be written");
                self.monitor.set_error(Some(why.clone()));
                Err(WriteError::Failed(why))
            }
        }
    }

    /// Opens the file, and finds out whether the unclear transaction happened.
    fn recover(&mut self, sync_failed: bool) -> Result<bool, Failure> {
        let gone = || Failure::Damaged("it is gone".to_owned());
        let file = self.disk.open(NAME)?.ok_or_else(gone)?;
        let file: Arc<dyn DiskFile> = match sync_failed {
            true => Arc::new(Shadow::of(file)?),
            false => file,
        };
        let file = HeldFile::open(file)?;
        let loaded = read(&file)?.map_err(|wrong| Failure::Damaged(wrong.sentence()))?;
        let happened = self.unclear.as_ref().is_some_and(|delta| delta.head == loaded.head);
        if !happened && loaded.head != self.head {
            return Err(Failure::Damaged("it is not as it was left".to_owned()));
        }
        let file = match sync_failed {
            true => {
                let copied = self.make_new(&loaded, Some(&file));
                if copied.is_err() {
                    // It is in nobody's way; and the error before says more.
                    let _ = self.disk.remove(NEW_NAME);
                }
                copied?
            }
            false => file,
        };
        if happened
            && !sync_failed
            && let Err(error) = file.finish()
        {
            // It can be read, and may not be on the disk.
            self.held = Held::Broken { sync_failed: true };
            return Err(error.into());
        }
        self.held = Held::Open(file);
        Ok(happened)
    }

    /// A new file with what stands in `source`, in the place of the old one.
    fn make_new(&self, loaded: &Loaded, source: Option<&HeldFile>) -> Result<HeldFile, Failure> {
        let file = HeldFile::create(self.disk.create(NEW_NAME)?)?;
        file.guarded(|database| {
            let write = database.begin_write()?;
            put(&write, &[], &loaded.head)?;
            write.commit()?;
            Ok(())
        })?;
        if let Some(source) = source {
            source.guarded(|from| Ok(from.begin_read()?)).and_then(|from| {
                file.guarded(|database| {
                    let write = database.begin_write()?;
                    copy(&from, &write, EVENTS)?;
                    copy(&from, &write, ATTEMPTS)?;
                    write.commit()?;
                    Ok(())
                })
            })?;
        }
        file.finish()?;
        self.disk.rename(NEW_NAME, NAME)?;
        Ok(file)
    }

    /// A file that a long line has made long would stay so.
    fn shorten(&mut self) {
        let is_long = match &self.held {
            Held::Open(file) => self.index.is_empty() && file.length().is_ok_and(|length| length > LONG_BYTES),
            Held::Broken { .. } | Held::Closed => false,
        };
        if is_long {
            let loaded = Loaded {
                head: self.head,
                ..Loaded::default()
            };
            match self.make_new(&loaded, None) {
                Ok(file) => self.held = Held::Open(file),
                // The long one serves as well.
                Err(_) => drop(self.disk.remove(NEW_NAME)),
            }
        }
    }

    /// What `ops` leave, and the rows to be written: `None` takes one away.
    fn delta(&self, ops: Ops) -> (Delta, Vec<Row>) {
        let mut delta = Delta {
            head: self.head,
            changed: Vec::with_capacity(ops.list.len()),
            added: Vec::new(),
        };
        let mut rows = Vec::with_capacity(ops.list.len());
        for op in ops.list {
            match op {
                Op::Add(id, event, encoded) => {
                    let bytes = encoded.len() as u64;
                    let row = framed(&event_key(id), &encoded);
                    let kept = Kept {
                        bytes,
                        event_share: share(id, &row),
                        attempts_share: 0,
                    };
                    delta.head.next = delta.head.next.max(id + 1);
                    delta.head.events += 1;
                    delta.head.sum = delta.head.sum.wrapping_add(kept.event_share);
                    delta.changed.push((id, Some(kept)));
                    delta.added.push(waiting(id, &event, Attempts::default()));
                    rows.push(Row::Event(id, Some(row)));
                }
                Op::Again(id, attempts) => {
                    let Some(kept) = self.index.get(&id) else { continue };
                    let row = framed(&attempts_key(id), &record::encode_attempts(attempts));
                    let attempts_share = share(id, &row);
                    let sum = delta.head.sum.wrapping_sub(kept.attempts_share);
                    delta.head.sum = sum.wrapping_add(attempts_share);
                    delta.changed.push((
                        id,
                        Some(Kept {
                            attempts_share,
                            ..*kept
                        }),
                    ));
                    rows.push(Row::Attempts(id, Some(row)));
                }
                Op::Remove(id) => {
                    let Some(kept) = self.index.get(&id) else { continue };
                    delta.head.events -= 1;
                    let sum = delta.head.sum.wrapping_sub(kept.event_share);
                    delta.head.sum = sum.wrapping_sub(kept.attempts_share);
                    delta.changed.push((id, None));
                    rows.push(Row::Event(id, None));
                    rows.push(Row::Attempts(id, None));
                }
            }
        }
        (delta, rows)
    }

    /// A transaction happened.
    fn enact(&mut self, delta: Delta) -> Vec<Waiting> {
        self.head = delta.head;
        for (id, kept) in delta.changed {
            let before = match kept {
                Some(kept) => {
                    self.bytes += kept.bytes;
                    self.index.insert(id, kept)
                }
                None => self.index.remove(&id),
            };
            self.bytes -= before.map_or(0, |kept| kept.bytes);
        }
        self.tell();
        delta.added
    }

    /// One event with its payload.
    pub(super) fn read(&self, id: EventId) -> Result<Event, QueueError> {
        let file = match &self.held {
            Held::Open(file) => file,
            Held::Broken { .. } => return Err(QueueError::Failed("the file is not in order".to_owned())),
            Held::Closed => return Err(QueueError::Closed),
        };
        let row = file.guarded(|database| {
            let row = database.begin_read()?.open_table(EVENTS)?.get(id.0)?;
            Ok(row.map(|row| decoded(id.0, row.value())))
        });
        match row {
            Ok(Some(Ok(event))) => Ok(event),
            Ok(Some(Err(FrameError::Damaged(why) | FrameError::Unknown(why)))) => Err(QueueError::Failed(why)),
            Ok(None) => Err(QueueError::Gone),
            Err(failure) => Err(QueueError::Failed(failure.into_io().to_string())),
        }
    }

    fn load(&self, file: &HeldFile) -> Result<Loaded, QueueOpenError> {
        let loaded = read(file).map_err(|failure| self.unopened(failure))?;
        loaded.map_err(|Wrong { place, error }| match error {
            FrameError::Damaged(reason) => QueueOpenError::Damaged {
                file: self.path(),
                place,
                reason,
            },
            FrameError::Unknown(reason) => QueueOpenError::Unknown {
                file: self.path(),
                place,
                reason,
            },
        })
    }

    fn unopened(&self, failure: Failure) -> QueueOpenError {
        let file = self.path();
        match failure {
            Failure::Damaged(reason) => QueueOpenError::Damaged {
                file,
                place: "its pages".to_owned(),
                reason,
            },
            other => match other.into_io() {
                error if error.kind() == io::ErrorKind::WouldBlock => QueueOpenError::InUse { file },
                error => QueueOpenError::Io { file, error },
            },
        }
    }
}
