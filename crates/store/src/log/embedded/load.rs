//! The start: rows, then the batches after them, each of them looked at.

use super::file::{Failure, HeldFile};
use super::frame::{self, Checkpoint, FrameError, HEAD_KEY, Head};
use super::{HEAD, LOG, NAME, ROWS};
use crate::log::disk::{Disk, DiskFile};
use model::{Revision, State};
use redb::{ReadTransaction, ReadableDatabase as _, ReadableTable as _};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a state cannot be read. Each sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
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
        "{} is damaged at {place}: {reason}; put a copy back in its place, or move it away: then only what the manifest \
         says is there again", .file.display()
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
         file away: then only what the manifest says is there again", .file.display()
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

/// What stood in the file.
pub(super) struct Loaded {
    pub(super) file: HeldFile,
    pub(super) head: Head,
    pub(super) log_bytes: usize,
    /// What the rows hold.
    pub(super) checkpoint: State,
    /// What the rows and the log hold.
    pub(super) state: State,
}

/// Something in the file is not as it must be.
enum Wrong {
    File(redb::Error),
    Place(String, FrameError),
}

impl<E: Into<redb::Error>> From<E> for Wrong {
    fn from(error: E) -> Self {
        Self::File(error.into())
    }
}

impl Wrong {
    fn damaged(place: &str, reason: String) -> Self {
        Self::Place(place.to_owned(), FrameError::Damaged(reason))
    }
}

pub(super) fn load(disk: &dyn Disk, file: Arc<dyn DiskFile>) -> Result<Loaded, OpenError> {
    let file = HeldFile::open(file).map_err(|failure| open_error(disk, failure))?;
    let read = file.guarded(|database| match database.begin_read() {
        Ok(read) => Ok(parts(&read)),
        Err(error) => Ok(Err(error.into())),
    });
    let read = read.map_err(|failure| open_error(disk, failure))?;
    let (head, log_bytes, checkpoint, state) = read.map_err(|wrong| match wrong {
        Wrong::File(error) => open_error(disk, error.into()),
        Wrong::Place(place, FrameError::Damaged(reason)) => OpenError::Damaged {
            file: disk.path(NAME),
            place,
            reason,
        },
        Wrong::Place(place, FrameError::Unknown(reason)) => OpenError::Unknown {
            file: disk.path(NAME),
            place,
            reason,
        },
    })?;
    Ok(Loaded {
        file,
        head,
        log_bytes,
        checkpoint,
        state,
    })
}

pub(super) fn io_error(disk: &dyn Disk, error: io::Error) -> OpenError {
    let file = disk.path(NAME);
    match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::InUse { file },
        _ => OpenError::Io { file, error },
    }
}

fn open_error(disk: &dyn Disk, failure: Failure) -> OpenError {
    match failure {
        Failure::Damaged(reason) => OpenError::Damaged {
            file: disk.path(NAME),
            place: "its pages".to_owned(),
            reason,
        },
        other => io_error(disk, other.into_io()),
    }
}

fn parts(read: &ReadTransaction) -> Result<(Head, usize, State, State), Wrong> {
    let head = read.open_table(HEAD)?.get(HEAD_KEY)?;
    let head = head.ok_or_else(|| Wrong::damaged("the head", "there is none".to_owned()))?;
    let head = Head::read(head.value()).map_err(|error| Wrong::Place("the head".to_owned(), error))?;
    let checkpoint = rows(read, head.checkpoint)?;
    let (state, log_bytes) = log(read, checkpoint.clone(), head)?;
    Ok((head, log_bytes, checkpoint, state))
}

fn rows(read: &ReadTransaction, expected: Checkpoint) -> Result<State, Wrong> {
    let mut state = State::default();
    state.revision = Revision(expected.revision);
    let mut found = Checkpoint {
        revision: expected.revision,
        ..Checkpoint::default()
    };
    for row in read.open_table(ROWS)?.iter()? {
        let (key, row) = row?;
        let change = frame::read_row(key.value(), row.value());
        let change = change.map_err(|error| Wrong::Place(format!("the record of {}", key.value()), error))?;
        found.count(key.value(), row.value());
        state.apply(&change);
    }
    match found == expected {
        true => Ok(state),
        false => Err(Wrong::damaged(
            "the checkpoint",
            format!(
                "{} records were written and {} are there, or some are older ones",
                expected.rows, found.rows
            ),
        )),
    }
}

fn log(read: &ReadTransaction, mut state: State, head: Head) -> Result<(State, usize), Wrong> {
    let mut bytes = 0;
    for entry in read.open_table(LOG)?.iter()? {
        let (revision, entry) = entry?;
        let next = Revision(state.revision.0 + 1);
        let place = || format!("revision {} of the log", next.0);
        if revision.value() != next.0 {
            return Err(Wrong::damaged(
                &place(),
                format!("revision {} follows instead", revision.value()),
            ));
        }
        let changes = frame::read_entry(next, entry.value()).map_err(|error| Wrong::Place(place(), error))?;
        changes.iter().for_each(|change| state.apply(change));
        state.revision = next;
        bytes += entry.value().len();
    }
    match state.revision.0 == head.newest {
        true => Ok((state, bytes)),
        false => Err(Wrong::damaged(
            "the log",
            format!("it ends at revision {} and not at {}", state.revision.0, head.newest),
        )),
    }
}
