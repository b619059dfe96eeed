//! How the tables are laid out, and how they are read: everything in them is looked at.

use super::{Attempts, Event, EventId, Waiting, record};
use crate::log::embedded::file::{Failure, HeldFile};
use crate::log::embedded::frame::{FrameError, framed, json, payload};
use redb::{ReadTransaction, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(super) const HEAD: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("head");
pub(super) const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
pub(super) const ATTEMPTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("attempts");
const HEAD_KEY: &str = "head";
const FORMAT: u32 = 1;

/// What the file must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub(super) format: u32,
    /// The place of the next event.
    pub(super) next: u64,
    pub(super) events: u64,
    /// The sum over places and checksums: a row that came back from an older page is noticed, too.
    pub(super) sum: u64,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            format: FORMAT,
            next: 1,
            events: 0,
            sum: 0,
        }
    }
}

/// An event of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) bytes: u64,
    /// What its rows add to the sum.
    pub(super) event_share: u64,
    pub(super) attempts_share: u64,
}

pub(super) type Index = BTreeMap<u64, Kept>;

pub(super) enum Row {
    Event(u64, Option<Vec<u8>>),
    Attempts(u64, Option<Vec<u8>>),
}

pub(super) fn put(write: &WriteTransaction, rows: &[Row], head: &Head) -> Result<(), redb::Error> {
    let mut events = write.open_table(EVENTS)?;
    let mut attempts = write.open_table(ATTEMPTS)?;
    for row in rows {
        let (table, id, row) = match row {
            Row::Event(id, row) => (&mut events, id, row),
            Row::Attempts(id, row) => (&mut attempts, id, row),
        };
        match row {
            Some(row) => drop(table.insert(id, row.as_slice())?),
            None => drop(table.remove(id)?),
        }
    }
    let head = framed(HEAD_KEY.as_bytes(), &json(head));
    write.open_table(HEAD)?.insert(HEAD_KEY, head.as_slice())?;
    Ok(())
}

pub(super) fn copy(
    from: &ReadTransaction,
    write: &WriteTransaction,
    table: TableDefinition<'_, u64, &'static [u8]>,
) -> Result<(), redb::Error> {
    let mut to = write.open_table(table)?;
    for row in from.open_table(table)?.iter()? {
        let (id, row) = row?;
        to.insert(id.value(), row.value())?;
    }
    Ok(())
}

/// What stands in a file.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) head: Head,
    pub(super) index: Index,
    pub(super) waiting: Vec<Waiting>,
}

/// Something in the file is not as it must be.
pub(super) struct Wrong {
    pub(super) place: String,
    pub(super) error: FrameError,
}

impl Wrong {
    pub(super) fn at(place: impl Into<String>) -> impl FnOnce(FrameError) -> Self {
        let place = place.into();
        |error| Self { place, error }
    }

    pub(super) fn sentence(self) -> String {
        match self.error {
            FrameError::Damaged(reason) | FrameError::Unknown(reason) => format!("{}: {reason}", self.place),
        }
    }
}

pub(super) fn read(file: &HeldFile) -> Result<Result<Loaded, Wrong>, Failure> {
    file.guarded(|database| {
        let read = database.begin_read()?;
        let mut loaded = match read.open_table(HEAD)?.get(HEAD_KEY)? {
            Some(head) => match read_head(head.value()) {
                Ok(head) => Loaded {
                    head,
                    ..Loaded::default()
                },
                Err(error) => return Ok(Err(Wrong::at("the head")(error))),
            },
            None => {
                let none = FrameError::Damaged("there is none".to_owned());
                return Ok(Err(Wrong::at("the head")(none)));
            }
        };
        let attempts_of = read.open_table(ATTEMPTS)?;
        let (mut events, mut sum) = (0, 0_u64);
        for row in read.open_table(EVENTS)?.iter()? {
            let (id, row) = row?;
            let (id, row) = (id.value(), row.value());
            let attempts = attempts_of.get(id)?;
            let attempts_row = attempts.as_ref().map(|row| row.value());
            match read_row(id, row, attempts_row) {
                Ok((kept, waiting)) => {
                    events += 1;
                    sum = sum.wrapping_add(kept.event_share).wrapping_add(kept.attempts_share);
                    loaded.index.insert(id, kept);
                    loaded.waiting.push(waiting);
                }
                Err(error) => return Ok(Err(Wrong::at(format!("the event at {id}"))(error))),
            }
        }
        let last = loaded.index.last_key_value().map_or(0, |(id, _)| *id);
        if events != loaded.head.events || sum != loaded.head.sum || last >= loaded.head.next {
            let expected = loaded.head.events;
            let reason = format!("{expected} events were written and {events} are there, or some are older ones");
            return Ok(Err(Wrong::at("the events")(FrameError::Damaged(reason))));
        }
        Ok(Ok(loaded))
    })
}

pub(super) fn read_head(bytes: &[u8]) -> Result<Head, FrameError> {
    #[derive(Deserialize)]
    struct Any {
        format: u32,
    }
    let damaged = |error: serde_json::Error| FrameError::Damaged(error.to_string());
    let payload = payload(HEAD_KEY.as_bytes(), bytes)?;
    let Any { format } = serde_json::from_slice(payload).map_err(damaged)?;
    match format {
        FORMAT => serde_json::from_slice(payload).map_err(damaged),
        _ => Err(FrameError::Unknown(format!("the format {format} is not known"))),
    }
}

pub(super) fn read_row(id: u64, row: &[u8], attempts: Option<&[u8]>) -> Result<(Kept, Waiting), FrameError> {
    let event = decoded(id, row)?;
    let known = match attempts {
        Some(row) => record::attempts(payload(&attempts_key(id), row)?)?,
        None => Attempts::default(),
    };
    let kept = Kept {
        bytes: row.len() as u64 - CHECKSUM_BYTES,
        event_share: share(id, row),
        attempts_share: attempts.map_or(0, |row| share(id, row)),
    };
    Ok((kept, waiting(id, &event, known)))
}

/// In front of every framed row.
const CHECKSUM_BYTES: u64 = 4;

pub(super) fn decoded(id: u64, row: &[u8]) -> Result<Event, FrameError> {
    record::event(payload(&event_key(id), row)?)
}

pub(super) fn waiting(id: u64, event: &Event, attempts: Attempts) -> Waiting {
    Waiting {
        id: EventId(id),
        function: event.function.clone(),
        accepted: event.accepted,
        attempts,
    }
}

pub(super) fn event_key(id: u64) -> Vec<u8> {
    [b"event ".as_slice(), &id.to_le_bytes()].concat()
}

pub(super) fn attempts_key(id: u64) -> Vec<u8> {
    [b"attempts ".as_slice(), &id.to_le_bytes()].concat()
}

/// What a row adds to the sum. Its own checksum covers table and place.
pub(super) fn share(id: u64, row: &[u8]) -> u64 {
    u64::from(crc32fast::hash(&id.to_le_bytes())) << 32 | u64::from(crc32fast::hash(row))
}
