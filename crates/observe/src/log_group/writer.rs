//! What the thread does: batches into segments, old segments away, and what to do when the disk refuses.

use super::lines::Forward;
use super::record::{LineWriter, read_line, take_frame};
use super::{LogGroupEvent, LogGroupLimits, LogGroupNews, Shared, name, segment};
use crate::queue::QueueSender;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Instant, SystemTime};

/// Groups whose file is kept open.
const OPEN_GROUPS_MAX: usize = 128;

/// Lines of one group that are written at once, in bytes.
const CHUNK_BYTES_MAX: usize = 1024 * 1024;

pub(super) struct Writer {
    root: PathBuf,
    limits: LogGroupLimits,
    shared: Arc<Shared>,
    queue: QueueSender,
    on_news: Box<dyn FnMut(LogGroupNews) + Send>,
    groups: HashMap<String, Group>,
    lines: LineWriter,
    /// The line being made.
    line: String,
    checked: Instant,
    drops_reported: u64,
    /// Groups whose last write failed. Told when it is no longer empty and when it is empty again: a group that works
    /// says nothing about one that does not.
    failing: HashSet<String>,
    /// Events lost since then.
    failed: u64,
}

/// One group: its open file, and what is not in it yet.
struct Group {
    folder: PathBuf,
    pending: Vec<u8>,
    events: u64,
    open: Option<Open>,
    checked: Instant,
}

/// The newest segment of a group, and what it knows of the older ones.
struct Open {
    file: File,
    number: u64,
    /// Bytes in it.
    bytes: u64,
    /// It ends in half a line.
    mid_line: bool,
    /// Number and bytes of the older ones.
    older: VecDeque<(u64, u64)>,
}

impl Writer {
    pub(super) fn new(
        root: PathBuf,
        limits: LogGroupLimits,
        shared: Arc<Shared>,
        queue: QueueSender,
        on_news: Box<dyn FnMut(LogGroupNews) + Send>,
    ) -> Self {
        Self {
            root,
            limits,
            shared,
            queue,
            on_news,
            groups: HashMap::new(),
            lines: LineWriter::default(),
            line: String::new(),
            checked: Instant::now(),
            drops_reported: 0,
            failing: HashSet::new(),
            failed: 0,
        }
    }

    /// Writes a batch of frames.
    pub(super) fn take(&mut self, mut batch: &[u8]) {
        if self.groups.len() > OPEN_GROUPS_MAX {
            self.groups.clear(); // nothing is pending between batches
        }
        while let Some(event) = take_frame(&mut batch) {
            self.line.clear();
            self.lines.write(&mut self.line, &event);
            let group = match self.groups.get_mut(event.group) {
                Some(group) => group,
                None => {
                    let group = Group::new(name::folder(&self.root, event.group));
                    self.groups.entry(event.group.to_owned()).or_insert(group)
                }
            };
            let chunk = CHUNK_BYTES_MAX.min(usize::try_from(self.limits.segment_bytes).unwrap_or(usize::MAX));
            let is_full = !group.pending.is_empty() && group.pending.len() + self.line.len() > chunk;
            let outcome = is_full.then(|| group.write(&self.limits));
            group.pending.extend_from_slice(self.line.as_bytes());
            group.events += 1;
            if let Some(outcome) = outcome {
                self.tell(event.group, outcome);
            }
        }
        let waiting = self.groups.iter_mut().filter(|(_, group)| !group.pending.is_empty());
        let outcomes: Vec<_> = waiting
            .map(|(name, group)| (name.clone(), group.write(&self.limits)))
            .collect();
        for (name, outcome) in outcomes {
            self.tell(&name, outcome);
        }
        self.line.shrink_to(64 * 1024);
        self.shared.changed.send_modify(|batches| *batches += 1);
        if self.checked.elapsed() >= self.limits.check_interval {
            self.checked = Instant::now();
            self.report_drops();
        }
    }

    /// Appends events of one group, or says why not.
    pub(super) fn append(&mut self, name: &str, events: &[LogGroupEvent<'_>], ingested_ms: u64) -> io::Result<()> {
        let chunk = CHUNK_BYTES_MAX.min(usize::try_from(self.limits.segment_bytes).unwrap_or(usize::MAX));
        let mut group = match self.groups.remove(name) {
            Some(group) => group,
            None => Group::new(name::folder(&self.root, name)),
        };
        let mut written = Ok(());
        let mut events = events.iter().peekable();
        while let Some(event) = events.next() {
            self.line.clear();
            self.lines.write_ingested(&mut self.line, event, ingested_ms);
            group.pending.extend_from_slice(self.line.as_bytes());
            group.events += 1;
            if events.peek().is_none() || group.pending.len() > chunk {
                let outcome = group.write(&self.limits);
                self.shared.written.fetch_add(outcome.written, Ordering::Relaxed);
                if let Some(error) = outcome.error {
                    written = Err(error);
                    break;
                }
            }
        }
        self.groups.insert(name.to_owned(), group);
        written
    }

    /// Removes a group's files.
    pub(super) fn delete_group(&mut self, name: &str) -> io::Result<()> {
        self.groups.remove(name);
        let folder = name::folder(&self.root, name);
        // The oldest ones first, so that what a failure leaves is an end of it. Other names may go on below the folder.
        for segment in segment::list(&folder)? {
            fs::remove_file(segment::path(&folder, segment.number))?;
        }
        match fs::remove_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound || error.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
            removed => removed,
        }
    }

    /// Writes blanks over the events of a stream.
    pub(super) fn blank(&mut self, name: &str, stream: &str) -> io::Result<()> {
        let folder = name::folder(&self.root, name);
        for segment in segment::list(&folder)? {
            let path = segment::path(&folder, segment.number);
            let file = File::options().write(true).open(&path)?;
            let mut lines = Forward::new(File::open(&path)?, 0)?;
            loop {
                let at = lines.at();
                let Some(line) = lines.next()? else { break };
                if read_line(line).is_some_and(|line| line.stream == stream) {
                    file.write_all_at(&vec![b' '; line.len()], at)?;
                }
            }
        }
        Ok(())
    }

    /// Removes files that were written last before a moment; of the newest one only what is in it. Says whether something
    /// went.
    pub(super) fn expire(&mut self, name: &str, before: SystemTime) -> io::Result<bool> {
        let folder = name::folder(&self.root, name);
        let segments = segment::list(&folder)?;
        let newest = segments.last().map(|segment| segment.number);
        let mut changed = false;
        for segment in segments.iter().filter(|it| it.modified < before && it.bytes > 0) {
            let path = segment::path(&folder, segment.number);
            match newest == Some(segment.number) {
                // Its number is not used again, so that no position means something else.
                true => segment::open(&folder, segment.number + 1)
                    .map(drop)
                    .and_then(|()| fs::remove_file(path))?,
                false => fs::remove_file(path)?,
            }
            changed = true;
        }
        if changed {
            self.groups.remove(name);
        }
        Ok(changed)
    }

    /// Counts an outcome, and tells when it is another than the one before.
    fn tell(&mut self, group: &str, outcome: Outcome) {
        self.shared.written.fetch_add(outcome.written, Ordering::Relaxed);
        self.shared.not_written.fetch_add(outcome.lost, Ordering::Relaxed);
        let news = match outcome.error {
            None => {
                if !self.failing.remove(group) || !self.failing.is_empty() {
                    return;
                }
                self.set_error(None);
                LogGroupNews::Recovered {
                    events_lost: std::mem::take(&mut self.failed),
                }
            }
            Some(error) => {
                self.failed = self.failed.saturating_add(outcome.lost);
                let is_news = self.failing.is_empty();
                self.failing.insert(group.to_owned());
                self.set_error(Some(error.to_string()));
                if !is_news {
                    return;
                }
                LogGroupNews::Failing {
                    group: group.to_owned(),
                    error: error.to_string(),
                }
            }
        };
        (self.on_news)(news);
    }

    fn set_error(&self, error: Option<String>) {
        *self.shared.failing.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// Tells of events that the queue had no room for.
    pub(super) fn report_drops(&mut self) {
        let dropped = self.queue.lost();
        let events_lost = dropped.saturating_sub(self.drops_reported);
        if events_lost > 0 {
            self.drops_reported = dropped;
            (self.on_news)(LogGroupNews::QueueFull { events_lost });
        }
    }
}

/// What became of the pending events of a group.
struct Outcome {
    written: u64,
    lost: u64,
    error: Option<io::Error>,
}

impl Group {
    fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            pending: Vec::new(),
            events: 0,
            open: None,
            checked: Instant::now(),
        }
    }

    /// Appends what is pending; afterwards nothing is.
    fn write(&mut self, limits: &LogGroupLimits) -> Outcome {
        let appended = self.append(limits);
        let whole = match &appended {
            Ok(()) => self.events,
            Err((written, _)) => {
                let written = self.pending.get(..*written).unwrap_or_default();
                written.iter().filter(|byte| **byte == b'\n').count() as u64
            }
        };
        let outcome = Outcome {
            written: whole,
            lost: self.events.saturating_sub(whole),
            error: appended.err().map(|(_, error)| error),
        };
        self.pending.clear();
        self.pending.shrink_to(64 * 1024);
        self.events = 0;
        outcome
    }

    /// On failure says how many bytes of the pending ones are in the file, and why no more.
    fn append(&mut self, limits: &LogGroupLimits) -> Result<(), (usize, io::Error)> {
        let nothing = |error| (0, error);
        if self.checked.elapsed() >= limits.check_interval {
            self.checked = Instant::now();
            self.open.take_if(|open| !open.is_at(&self.folder));
        }
        let pending = self.pending.len() as u64;
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::newest(&self.folder).map_err(nothing)?,
        };
        if open.bytes > 0 && open.bytes.saturating_add(pending) > limits.segment_bytes {
            open = open.following(&self.folder).map_err(nothing)?;
        }
        open.remove_oldest(&self.folder, limits.group_bytes.saturating_sub(pending));
        // A file that refused is opened anew the next time: it may be another one then.
        open.append(&self.pending)?;
        self.open = Some(open);
        Ok(())
    }
}

impl Open {
    /// The newest segment of a folder, or its first.
    fn newest(folder: &Path) -> io::Result<Self> {
        segment::make_folder(folder)?;
        let mut older: VecDeque<_> = segment::list(folder)?
            .iter()
            .map(|segment| (segment.number, segment.bytes))
            .collect();
        let number = older.pop_back().map_or(1, |(number, _)| number);
        let mut file = segment::open(folder, number)?;
        let bytes = file.seek(SeekFrom::End(0))?;
        let mut last = [b'\n'];
        if bytes > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        Ok(Self {
            file,
            number,
            bytes,
            // Whoever wrote it was killed.
            mid_line: last != [b'\n'],
            older,
        })
    }

    /// The segment after this one.
    fn following(mut self, folder: &Path) -> io::Result<Self> {
        let number = self.number.saturating_add(1);
        let file = segment::open(folder, number)?;
        self.older.push_back((self.number, self.bytes));
        Ok(Self {
            file,
            number,
            bytes: 0,
            mid_line: false,
            older: self.older,
        })
    }

    /// Whether the file is still the one under its name: people may delete it.
    fn is_at(&self, folder: &Path) -> bool {
        let identity = |about: fs::Metadata| (about.dev(), about.ino());
        let named = fs::metadata(segment::path(folder, self.number)).ok().map(identity);
        named.is_some() && named == self.file.metadata().ok().map(identity)
    }

    /// Removes old segments until all together have at most `bytes_max`.
    fn remove_oldest(&mut self, folder: &Path, bytes_max: u64) {
        let mut all: u64 = self.bytes + self.older.iter().map(|(_, bytes)| bytes).sum::<u64>();
        while all > bytes_max
            && let Some((number, bytes)) = self.older.pop_front()
        {
            // One that cannot be removed is tried again at the next start.
            let _ = fs::remove_file(segment::path(folder, number));
            all = all.saturating_sub(bytes);
        }
    }

    fn append(&mut self, lines: &[u8]) -> Result<(), (usize, io::Error)> {
        if self.mid_line {
            self.file.write_all(b"\n").map_err(|error| (0, error))?;
            self.bytes += 1;
            self.mid_line = false;
        }
        let mut written = 0;
        let outcome = loop {
            let Some(rest) = lines.get(written..).filter(|rest| !rest.is_empty()) else {
                break Ok(());
            };
            match self.file.write(rest) {
                Ok(0) => break Err(ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.bytes += written as u64;
        outcome.map_err(|error| {
            // A disk that fills up takes half a batch. The half line at its end is cut off; where that is impossible,
            // whoever opens the file next closes it.
            let half = lines[..written].iter().rev().take_while(|byte| **byte != b'\n').count() as u64;
            if half > 0 {
                let _ = self.file.set_len(self.bytes.saturating_sub(half));
            }
            (written, error)
        })
    }
}
