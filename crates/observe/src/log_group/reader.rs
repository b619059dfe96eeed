//! Reading log groups: a page at a time, in either direction. Blocks on the disk.

use super::lines::{Backward, Forward};
use super::segment::{self, Segment};
use super::streams::{LogStreamFacts, Streams};
use super::{name, record};
use crate::queue::QueueSender;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How deep folders of long group names go, with room to spare.
const FOLDER_DEPTH_MAX: usize = 16;

/// A place between two events of a group: where one begins. Stays valid when segments come and go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// The number of the segment; 0 is before the first.
    pub segment: u64,
    /// The offset in it, in bytes.
    pub offset: u64,
}

impl LogPosition {
    /// Before the oldest event.
    pub const START: Self = Self { segment: 0, offset: 0 };
}

/// From where, and which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The events that follow a position, the oldest ones first.
    ForwardFrom(LogPosition),
    /// The newest events that stand before a position, or before the end.
    BackwardFrom(Option<LogPosition>),
}

/// Which events of a group.
#[derive(Clone, Copy)]
pub struct LogQuery<'a> {
    /// From where, and which way.
    pub direction: Direction,
    /// Which streams.
    pub streams: &'a dyn Fn(&str) -> bool,
    /// No event before this time, in milliseconds since the epoch. Segments that were last written before it are not
    /// read, so events that claim to come from the future are not found in them.
    pub from_ms: Option<u64>,
    /// No event at this time or later.
    pub until_ms: Option<u64>,
    /// At most this many events.
    pub limit: usize,
    /// How much is read, in bytes; the line with which it is reached is the last.
    pub read_bytes_max: u64,
}

impl<'a> LogQuery<'a> {
    /// All streams and times, 10,000 events and 64 MiB at most.
    #[must_use]
    pub fn new(direction: Direction) -> Self {
        Self {
            direction,
            streams: &|_| true,
            from_ms: None,
            until_ms: None,
            limit: 10_000,
            read_bytes_max: 64 * 1024 * 1024,
        }
    }

    fn accepts(&self, line: &record::Line<'_>) -> bool {
        self.from_ms.is_none_or(|from| line.timestamp >= from)
            && self.until_ms.is_none_or(|until| line.timestamp < until)
            && (self.streams)(&line.stream)
    }
}

/// An event of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLogEvent {
    /// When, in milliseconds since the epoch.
    pub timestamp_ms: u64,
    /// The log stream.
    pub stream: String,
    /// When it arrived, in milliseconds since the epoch.
    pub ingested_ms: u64,
    /// The message.
    pub message: String,
    /// Where it begins. No other event of its group has the same position.
    pub position: LogPosition,
}

/// What a query found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of the file, whichever the direction was.
    pub events: Vec<StoredLogEvent>,
    /// Everything between here and `end` was looked at: a query backward goes on before it.
    pub start: LogPosition,
    /// A query forward goes on from here.
    pub end: LogPosition,
    /// There is nothing more in this direction, yet.
    pub is_last: bool,
}

/// Reads log groups. Clones mean the same.
#[derive(Clone, Debug)]
pub struct LogGroupReader {
    root: PathBuf,
    /// The way to the writer, if it is in this process.
    queue: Option<QueueSender>,
    streams: Arc<Streams>,
}

impl LogGroupReader {
    /// A reader of the groups in `root`.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            queue: None,
            streams: Arc::default(),
        }
    }

    /// One that can wait for the writer that `queue` leads to.
    pub(super) fn behind(root: PathBuf, queue: QueueSender, streams: Arc<Streams>) -> Self {
        Self {
            root,
            queue: Some(queue),
            streams,
        }
    }

    /// Blocks until everything that was handed to the writer before is in its files, for at most `within`: what follows
    /// finds what came before it. False when it is not, for example because the disk hangs. Without a writer there is
    /// nothing to wait for.
    pub fn catch_up(&self, within: Duration) -> bool {
        self.queue.as_ref().is_none_or(|queue| queue.flush(within))
    }

    /// The names of all groups, sorted.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn groups(&self) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        collect(&self.root, &[], FOLDER_DEPTH_MAX, &mut found)?;
        found.sort_unstable();
        Ok(found)
    }

    /// Whether something was written into a group.
    #[must_use]
    pub fn exists(&self, group: &str) -> bool {
        segment::is_in(&self.folder(group))
    }

    /// How much the files of a group hold, in bytes.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn bytes(&self, group: &str) -> io::Result<u64> {
        let segments = segment::list(&self.folder(group))?;
        Ok(segments.iter().map(|segment| segment.bytes).sum())
    }

    /// The streams that have events in a group, by name. The first question reads all of it.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn streams(&self, group: &str) -> io::Result<BTreeMap<String, LogStreamFacts>> {
        self.streams.of(self, group)
    }

    pub(super) fn folder(&self, group: &str) -> PathBuf {
        name::folder(&self.root, group)
    }

    /// Reads one page. A group that does not exist is empty.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(&self, group: &str, query: &LogQuery<'_>) -> io::Result<Page> {
        let folder = name::folder(&self.root, group);
        let segments = segment::list(&folder)?;
        let pass = Pass {
            folder,
            query,
            events: Vec::new(),
            left: query.read_bytes_max,
        };
        match query.direction {
            Direction::ForwardFrom(from) => pass.forward(&segments, from),
            Direction::BackwardFrom(before) => pass.backward(&segments, before),
        }
    }
}

fn collect(folder: &Path, above: &[u8], depth: usize, found: &mut Vec<String>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let Some((part, goes_on)) = entry.file_name().to_str().and_then(name::part) else {
            continue;
        };
        let whole = [above, &part].concat();
        if goes_on && depth > 0 && entry.file_type()?.is_dir() {
            collect(&entry.path(), &whole, depth - 1, found)?;
        } else if !goes_on && segment::is_in(&entry.path()) {
            found.extend(String::from_utf8(whole));
        }
    }
    Ok(())
}

/// One query at work.
struct Pass<'a> {
    folder: PathBuf,
    query: &'a LogQuery<'a>,
    events: Vec<StoredLogEvent>,
    left: u64,
}

impl Pass<'_> {
    fn forward(mut self, segments: &[Segment], from: LogPosition) -> io::Result<Page> {
        let mut end = from;
        let newest = segments.last().map(|segment| segment.number);
        for segment in segments.iter().filter(|segment| segment.number >= from.segment) {
            let start = match segment.number == from.segment {
                // The file was deleted, and begun anew.
                true if from.offset > segment.bytes => 0,
                true => from.offset,
                false => 0,
            };
            // The newest one may end in half a line, which is whole the next time.
            if self.is_before_the_time(segment) && newest != Some(segment.number) {
                end = position(segment.number, segment.bytes.max(start));
                continue;
            }
            let Some(file) = self.open(segment)? else { continue };
            let mut lines = Forward::new(file, start)?;
            loop {
                end = position(segment.number, lines.at());
                if self.is_full() {
                    return Ok(self.page(from, end, false));
                }
                let Some(line) = lines.next()? else { break };
                self.take(end, line);
            }
        }
        Ok(self.page(from, end, true))
    }

    fn backward(mut self, segments: &[Segment], before: Option<LogPosition>) -> io::Result<Page> {
        let mut end = before;
        let mut start = before.unwrap_or_default();
        let is_wanted = |segment: &&Segment| before.is_none_or(|before| segment.number <= before.segment);
        for segment in segments.iter().rev().filter(is_wanted) {
            let Some(file) = self.open(segment)? else { continue };
            let bytes = match before {
                Some(before) if before.segment == segment.number => segment.bytes.min(before.offset),
                _ => segment.bytes,
            };
            let mut lines = Backward::new(file, bytes)?;
            let end = *end.get_or_insert(position(segment.number, lines.end()));
            if self.is_before_the_time(segment) {
                break;
            }
            start = position(segment.number, lines.end()).min(end);
            loop {
                if self.is_full() {
                    self.events.reverse();
                    return Ok(self.page(start, end, false));
                }
                let Some((at, line)) = lines.next()? else { break };
                start = position(segment.number, at);
                self.take(start, line);
            }
        }
        self.events.reverse();
        let end = end.unwrap_or_default();
        Ok(self.page(start.min(end), end, true))
    }

    /// Whether it was written last before the time of the query. File systems know the time less well than we do.
    fn is_before_the_time(&self, segment: &Segment) -> bool {
        let modified = millis(segment.modified + Duration::from_secs(1));
        self.query.from_ms.is_some_and(|from| modified < from)
    }

    /// `None` when it was removed a moment ago.
    fn open(&self, segment: &Segment) -> io::Result<Option<File>> {
        match File::open(segment::path(&self.folder, segment.number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            file => file.map(Some),
        }
    }

    fn is_full(&self) -> bool {
        self.left == 0 || self.events.len() >= self.query.limit
    }

    fn take(&mut self, at: LogPosition, line: &[u8]) {
        self.left = self.left.saturating_sub(line.len() as u64 + 1);
        if let Some(line) = record::read_line(line).filter(|line| self.query.accepts(line)) {
            self.events.push(StoredLogEvent {
                timestamp_ms: line.timestamp,
                ingested_ms: line.ingested.unwrap_or(line.timestamp),
                stream: line.stream.into_owned(),
                message: line.message.into_owned(),
                position: at,
            });
        }
    }

    fn page(self, start: LogPosition, end: LogPosition, is_last: bool) -> Page {
        Page {
            events: self.events,
            start,
            end,
            is_last,
        }
    }
}

fn position(segment: u64, offset: u64) -> LogPosition {
    LogPosition { segment, offset }
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
