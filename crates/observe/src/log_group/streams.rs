//! What streams a group has: found by reading it once, and what was added since with each question.

use super::reader::{Direction, LogGroupReader, LogPosition, LogQuery};
use super::segment;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Mutex, PoisonError};

/// Groups that are remembered.
const GROUPS_MAX: usize = 64;
/// Streams of one group that are told apart; of more, those that were found first.
const STREAMS_MAX: usize = 100_000;
/// How much is read at once, in bytes.
const READ_BYTES: u64 = 1024 * 1024;

/// What is known of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStreamFacts {
    /// The time of its first event, in milliseconds since the epoch.
    pub first_ms: u64,
    /// The time of its last event.
    pub last_ms: u64,
    /// When its last event arrived.
    pub ingested_ms: u64,
    /// Bytes of its messages.
    pub bytes: u64,
}

/// What was found so far, by group.
#[derive(Debug, Default)]
pub(super) struct Streams(Mutex<HashMap<String, Known>>);

#[derive(Clone, Debug, Default)]
struct Known {
    /// The oldest segment that was read. When it goes, so may streams.
    first: u64,
    end: LogPosition,
    streams: BTreeMap<String, LogStreamFacts>,
}

impl Streams {
    /// A group is not what it was.
    pub(super) fn forget(&self, group: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
    }

    /// The streams of a group. Blocks on the disk.
    pub(super) fn of(&self, reader: &LogGroupReader, group: &str) -> io::Result<BTreeMap<String, LogStreamFacts>> {
        // One question at a time: the first one reads a group, and the others find it read.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let segments = segment::list(&reader.folder(group))?;
        let first = segments.first().map_or(0, |segment| segment.number);
        let newest = segments.last().map_or(LogPosition::START, |segment| LogPosition {
            segment: segment.number,
            offset: segment.bytes,
        });
        if known.len() >= GROUPS_MAX && !known.contains_key(group) {
            known.clear();
        }
        let it = known.entry(group.to_owned()).or_default();
        if it.first != first || it.end > newest {
            *it = Known {
                first,
                ..Known::default()
            };
        }
        loop {
            let query = LogQuery {
                read_bytes_max: READ_BYTES,
                ..LogQuery::new(Direction::ForwardFrom(it.end))
            };
            let page = reader.read(group, &query)?;
            it.end = page.end;
            for event in page.events {
                let bytes = event.message.len() as u64;
                if let Some(facts) = it.streams.get_mut(&event.stream) {
                    facts.first_ms = facts.first_ms.min(event.timestamp_ms);
                    facts.last_ms = facts.last_ms.max(event.timestamp_ms);
                    facts.ingested_ms = facts.ingested_ms.max(event.ingested_ms);
                    facts.bytes += bytes;
                } else if it.streams.len() < STREAMS_MAX {
                    let facts = LogStreamFacts {
                        first_ms: event.timestamp_ms,
                        last_ms: event.timestamp_ms,
                        ingested_ms: event.ingested_ms,
                        bytes,
                    };
                    it.streams.insert(event.stream, facts);
                }
            }
            if page.is_last {
                return Ok(it.streams.clone());
            }
        }
    }
}
