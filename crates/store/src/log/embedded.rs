//! The log in one file, kept by `redb`: pages that are copied when they change, checksums, and a header that says which
//! pages count.
//!
//! ```text
//! head      the format, what the checkpoint must hold, the newest revision
//! rows      the checkpoint: one record for each resource, by kind and ARN
//! log       the batches after the checkpoint, by revision
//! ```
//!
//! A batch is appended in one transaction with one sync. When the log has grown, the same transaction folds it into the
//! checkpoint: only what differs is written, so neither an append nor a start takes long. Rows and batches carry
//! checksums of their own, and the head says how many there must be: `redb` does not look at its checksums unless it was
//! killed, and a disk that lost a page must not cost a resource silently.
//!
//! After an error the file is opened again. Where a sync has failed it is written anew from memory and put in the old
//! one's place: the kernel forgets what it could not write, and reads back as if it had.

pub(crate) mod file;
pub(crate) mod frame;
mod load;

pub use load::OpenError;

use super::disk::Disk;
use super::{AppendError, Log, LogMonitor};
use crate::record;
use file::{Failure, HeldFile};
use frame::{Checkpoint, HEAD_KEY, Head};
use model::{Change, Revision, State};
use redb::{ReadableDatabase as _, TableDefinition, WriteTransaction};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tracing::{error, info};

/// The file's name, and that of one that is being made.
const NAME: &str = "state.redb";
const NEW_NAME: &str = "state.redb.new";

const HEAD: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("head");
const ROWS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("rows");
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");

/// How much may stand in the log until it is folded into the checkpoint.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Batches.
    pub batches: usize,
    /// Bytes of their records.
    pub bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            batches: 256,
            bytes: 1 << 20,
        }
    }
}

/// A log in a file that outlives the process.
#[derive(Debug)]
pub struct EmbeddedLog {
    disk: Arc<dyn Disk>,
    room: Room,
    held: Held,
    /// What the file says of itself when nothing fails.
    head: Head,
    /// Bytes of the batches in the log.
    log_bytes: usize,
    /// What stands in the rows.
    checkpoint: State,
    /// Everything that was acknowledged.
    acknowledged: State,
    monitor: LogMonitor,
}

#[derive(Debug)]
enum Held {
    Open(HeldFile),
    /// An error came in between.
    Broken {
        sync_failed: bool,
    },
    /// It is another process's.
    Closed,
}

/// What an append left.
struct Written {
    head: Head,
    log_bytes: usize,
    /// Is everything in the checkpoint now?
    folded: bool,
}

impl EmbeddedLog {
    /// A log that another process has: it is opened by [`Log::open_again`].
    pub fn closed(disk: Arc<dyn Disk>, room: Room) -> Self {
        Self {
            monitor: LogMonitor::new(disk.path(NAME)),
            disk,
            room,
            held: Held::Closed,
            head: Head::default(),
            log_bytes: 0,
            checkpoint: State::default(),
            acknowledged: State::default(),
        }
    }

    /// Opens the log, or begins one, and reads the state that it leads to.
    ///
    /// # Errors
    /// It is another's, cannot be read, or is not as it was written.
    pub fn open(disk: Arc<dyn Disk>, room: Room) -> Result<(Self, State), OpenError> {
        let mut log = Self::closed(disk, room);
        // One that was not finished: it may hold keys.
        let removed = log.disk.remove(NEW_NAME);
        match removed.and_then(|()| log.disk.open(NAME)) {
            Ok(None) => log.write_anew().map_err(|failure| log.unopened(failure.into_io()))?,
            Ok(Some(file)) => log.adopt(load::load(&*log.disk, file)?),
            Err(error) => return Err(log.unopened(error)),
        }
        let state = log.acknowledged.clone();
        Ok((log, state))
    }

    /// Has an error come in between that could not be mended yet? Each append tries again.
    pub fn is_broken(&self) -> bool {
        matches!(self.held, Held::Broken { .. })
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.disk.path(NAME)
    }

    /// How it will be doing.
    pub fn monitor(&self) -> LogMonitor {
        self.monitor.clone()
    }

    fn unopened(&self, error: io::Error) -> OpenError {
        load::io_error(&*self.disk, error)
    }

    fn adopt(&mut self, loaded: load::Loaded) {
        self.held = Held::Open(loaded.file);
        self.head = loaded.head;
        self.log_bytes = loaded.log_bytes;
        self.checkpoint = loaded.checkpoint;
        self.acknowledged = loaded.state;
    }

    /// Mends what an error broke.
    fn mend(&mut self) -> Result<(), Failure> {
        if let Held::Broken { sync_failed } = self.held {
            self.recover(sync_failed)?;
            info!(file = %self.path().display(), "the state can be written again");
        }
        Ok(())
    }

    fn file(&self) -> Result<&HeldFile, Failure> {
        match &self.held {
            Held::Open(file) => Ok(file),
            Held::Broken { .. } | Held::Closed => Err(Failure::Closed),
        }
    }

    /// Makes the file hold what was acknowledged and nothing else.
    fn recover(&mut self, sync_failed: bool) -> Result<(), Failure> {
        if !sync_failed && let Some(file) = self.reopened() {
            self.held = Held::Open(file);
            return Ok(());
        }
        self.write_anew()
    }

    /// The file when it is as it was before the error.
    fn reopened(&self) -> Option<HeldFile> {
        let file = HeldFile::open(self.disk.open(NAME).ok()??).ok()?;
        let head = file.guarded(|database| {
            let read = database.begin_read()?;
            let head = read.open_table(HEAD)?.get(HEAD_KEY)?;
            Ok(head.and_then(|head| Head::read(head.value()).ok()))
        });
        (head.ok()? == Some(self.head)).then_some(file)
    }

    /// A new file with everything that was acknowledged, in the place of the old one.
    fn write_anew(&mut self) -> Result<(), Failure> {
        let made = self.make_new();
        if made.is_err() {
            // It is in nobody's way; and the error before says more.
            let _ = self.disk.remove(NEW_NAME);
        }
        let (file, head) = made?;
        self.held = Held::Open(file);
        self.head = head;
        self.log_bytes = 0;
        self.checkpoint = self.acknowledged.clone();
        Ok(())
    }

    fn make_new(&self) -> Result<(HeldFile, Head), Failure> {
        let file = HeldFile::create(self.disk.create(NEW_NAME)?)?;
        let nothing = (Checkpoint::default(), State::default());
        let head = file.guarded(|database| {
            let write = database.begin_write()?;
            let head = fold(&write, nothing.0, &nothing.1, &self.acknowledged)?;
            write.commit()?;
            Ok(head)
        })?;
        file.finish()?;
        self.disk.rename(NEW_NAME, NAME)?;
        Ok((file, head))
    }

    fn write(&mut self, batches: &[Vec<Change>], next: &State) -> Result<Written, Failure> {
        self.mend()?;
        let first = self.acknowledged.revision.0 + 1;
        let entries: Vec<_> = (first..)
            .zip(batches)
            .map(|(revision, changes)| (revision, frame::entry(revision, changes)))
            .collect();
        let log_bytes = self.log_bytes + entries.iter().map(|(_, entry)| entry.len()).sum::<usize>();
        let length = next.revision.0 - self.head.checkpoint.revision;
        let folds = log_bytes > self.room.bytes || length > self.room.batches as u64;
        let head = self.file()?.guarded(|database| {
            let write = database.begin_write()?;
            let head = match folds {
                true => fold(&write, self.head.checkpoint, &self.checkpoint, next)?,
                false => add(&write, self.head.checkpoint, &entries, next.revision)?,
            };
            write.commit()?;
            Ok(head)
        })?;
        Ok(match folds {
            true => Written {
                head,
                log_bytes: 0,
                folded: true,
            },
            false => Written {
                head,
                log_bytes,
                folded: false,
            },
        })
    }

    fn refused(&self, failure: Failure) -> AppendError {
        match failure {
            Failure::Closed => AppendError::Closed,
            other => {
                let error = other.into_io();
                self.monitor.set(Some(error.to_string()));
                AppendError::Io {
                    file: self.path(),
                    error: Arc::new(error),
                }
            }
        }
    }
}

impl Log for EmbeddedLog {
    fn append(&mut self, after: Revision, batches: &[Vec<Change>], next: &State) -> Result<(), AppendError> {
        let newest = self.acknowledged.revision;
        if after != newest {
            return Err(AppendError::Stale { newest });
        }
        match self.write(batches, next) {
            Ok(written) => {
                self.head = written.head;
                self.log_bytes = written.log_bytes;
                self.acknowledged = next.clone();
                if written.folded {
                    self.checkpoint = next.clone();
                }
                self.monitor.set(None);
                Ok(())
            }
            Err(failure) => {
                if let Held::Open(file) = &self.held {
                    let sync_failed = file.sync_failed();
                    self.held = Held::Broken { sync_failed };
                    // At once: what was refused must not come back after a crash.
                    if let Err(failure) = self.recover(sync_failed) {
                        error!(file = %self.path().display(), error = %failure.into_io(), "the state cannot be written");
                    }
                }
                Err(self.refused(failure))
            }
        }
    }

    fn close(&mut self) {
        self.held = Held::Closed;
    }

    fn open_again(&mut self) -> Result<Option<State>, OpenError> {
        let (log, state) = Self::open(self.disk.clone(), self.room)?;
        let news = (state != self.acknowledged).then_some(state);
        let monitor = self.monitor.clone();
        *self = Self { monitor, ..log };
        Ok(news)
    }
}

/// Adds batches to the log.
fn add(
    write: &WriteTransaction,
    checkpoint: Checkpoint,
    entries: &[(u64, Vec<u8>)],
    newest: Revision,
) -> Result<Head, redb::Error> {
    let mut log = write.open_table(LOG)?;
    for (revision, entry) in entries {
        log.insert(revision, entry.as_slice())?;
    }
    put_head(write, checkpoint, newest)
}

/// Makes `next` the checkpoint, where `was` is now, and empties the log.
fn fold(write: &WriteTransaction, checkpoint: Checkpoint, was: &State, next: &State) -> Result<Head, redb::Error> {
    let mut checkpoint = checkpoint;
    {
        let mut rows = write.open_table(ROWS)?;
        for (key, change) in differences(was, next) {
            let old = match &change {
                Some(change) => {
                    let row = frame::row(&key, change);
                    checkpoint.count(&key, &row);
                    rows.insert(key.as_str(), row.as_slice())?
                }
                None => rows.remove(key.as_str())?,
            };
            if let Some(old) = old {
                checkpoint.discount(&key, old.value());
            }
        }
    }
    write.open_table(LOG)?.retain(|_, _| false)?;
    checkpoint.revision = next.revision.0;
    put_head(write, checkpoint, next.revision)
}

fn put_head(write: &WriteTransaction, checkpoint: Checkpoint, newest: Revision) -> Result<Head, redb::Error> {
    let head = Head::new(checkpoint, newest.0);
    write.open_table(HEAD)?.insert(HEAD_KEY, head.to_bytes().as_slice())?;
    Ok(head)
}

/// By key, what differs: the change that puts it, or `None` when it is gone. Everything is compared and not only what
/// changes name, because a change may have effects besides: tags go with what has them.
fn differences(was: &State, next: &State) -> Vec<(String, Option<Change>)> {
    let old = record::beyond(was, next);
    let mut old: BTreeMap<String, Change> = old.map(|it| (frame::key(&it), it)).collect();
    let mut differing = Vec::new();
    for change in record::beyond(next, was) {
        let key = frame::key(&change);
        let known = old.remove(&key);
        if known.is_none_or(|known| !record::is_same(&known, &change)) {
            differing.push((key, Some(change)));
        }
    }
    differing.extend(old.into_keys().map(|key| (key, None)));
    differing
}
