//! The thread that appends lines to spools, and closes them at the end of each interval.

use super::folder::{Folder, OPEN, READY};
use super::interval::{Clock, Stamp};
use super::registry::Registry;
use super::spool::Spool;
use super::{DeliveryEvent, DeliveryLimits, Shared, Tell};
use crate::batch::{Batch, Message};
use crate::random::random_name;
use std::collections::{HashMap, HashSet};
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};
use std::{fs, mem};

/// Spools whose file is kept open.
const OPEN_FILES_MAX: usize = 128;

/// The clock is looked at at least this often while there are lines: it may jump.
const CLOCK_PACE: Duration = Duration::from_secs(1);

/// And this often otherwise.
const IDLE_PACE: Duration = Duration::from_secs(60);

pub(super) struct Writer {
    pub(super) folder: Arc<Folder>,
    pub(super) shared: Arc<Shared>,
    pub(super) limits: DeliveryLimits,
    pub(super) node: IpAddr,
    pub(super) clock: Clock,
    pub(super) tell: Tell,
    /// Wakes the thread that delivers.
    pub(super) ready: SyncSender<()>,
}

/// A writer at work.
struct Work {
    writer: Writer,
    end: Stamp,
    /// By the id of the destination.
    spools: HashMap<u64, Spool>,
    next_number: u64,
    open_files: usize,
    /// Destinations whose last lines could not be written. Told when it is no longer empty and when it is empty again.
    failing: HashSet<u64>,
    /// Lines lost since then.
    failed: u64,
    queue_full_reported: u64,
    reported: Instant,
    parts: Vec<Part>,
    gathered: Vec<u8>,
}

/// A run of a batch.
struct Part {
    to: u64,
    lines: u64,
    range: Range<usize>,
}

impl Writer {
    /// Writes until it is told to stop or every sender is gone, then what is still queued; and closes all spools.
    pub(super) fn run(self, queue: &Receiver<Message>) {
        let end = Stamp::end_of((self.clock)(), self.limits.interval);
        let mut work = Work {
            writer: self,
            end,
            spools: HashMap::new(),
            next_number: 1,
            open_files: 0,
            failing: HashSet::new(),
            failed: 0,
            queue_full_reported: 0,
            reported: Instant::now(),
            parts: Vec::new(),
            gathered: Vec::new(),
        };
        loop {
            match queue.recv_timeout(work.pace()) {
                Ok(message) => work.take(message),
                Err(RecvTimeoutError::Timeout) => work.look_at_the_clock(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if work.writer.shared.stop.load(Ordering::Acquire) {
                break;
            }
        }
        while let Ok(message) = queue.try_recv() {
            work.take(message);
        }
        work.close_all();
        work.report_drops();
    }
}

impl Work {
    fn pace(&self) -> Duration {
        let pace = if self.spools.is_empty() { IDLE_PACE } else { CLOCK_PACE };
        self.end.until((self.writer.clock)()).min(pace)
    }

    fn take(&mut self, message: Message) {
        self.look_at_the_clock();
        if let Message::Batch(batch) = message {
            self.write_batch(&batch);
            batch.recycle(&self.writer.limits.batch());
        }
        if self.reported.elapsed() >= CLOCK_PACE {
            self.report_drops();
        }
    }

    /// A clock that went back ends an interval, too.
    fn look_at_the_clock(&mut self) {
        let end = Stamp::end_of((self.writer.clock)(), self.writer.limits.interval);
        if end != self.end {
            self.close_all();
            self.end = end;
            self.forget_unused();
            self.report_drops();
            // Also for what other processes have left behind since.
            let _ = self.writer.ready.try_send(());
        }
    }

    fn forget_unused(&mut self) {
        let mut failing = mem::take(&mut self.failing);
        let was_failing = !failing.is_empty();
        self.registry(|registry| {
            registry.forget_unused();
            failing.retain(|to| registry.destination(*to).is_some());
        });
        self.failing = failing;
        self.recovered_if(was_failing);
    }

    fn registry<T>(&self, ask: impl FnOnce(&mut Registry) -> T) -> T {
        ask(&mut self.writer.shared.registry())
    }

    /// One write for each destination.
    fn write_batch(&mut self, batch: &Batch) {
        let mut parts = mem::take(&mut self.parts);
        let mut start = 0;
        parts.extend(batch.runs.iter().map(|run| Part {
            to: run.to,
            lines: run.lines,
            range: mem::replace(&mut start, run.end)..run.end,
        }));
        // Stable: the lines of one destination keep their order.
        parts.sort_by_key(|part| part.to);
        let bytes = |part: &Part| batch.bytes.get(part.range.clone()).unwrap_or_default();
        for same in parts.chunk_by(|one, other| one.to == other.to) {
            let [first, rest @ ..] = same else { continue };
            if rest.is_empty() {
                self.write(first.to, bytes(first), first.lines);
                continue;
            }
            let mut gathered = mem::take(&mut self.gathered);
            same.iter().for_each(|part| gathered.extend_from_slice(bytes(part)));
            self.write(first.to, &gathered, same.iter().map(|part| part.lines).sum());
            gathered.clear();
            gathered.shrink_to(256 * 1024);
            self.gathered = gathered;
        }
        parts.clear();
        self.parts = parts;
    }

    fn write(&mut self, to: u64, lines: &[u8], count: u64) {
        let (whole, outcome) = match self.append(to, lines) {
            Ok(()) => (count, Ok(())),
            Err((whole, error)) => (whole, Err(error)),
        };
        let shared = &self.writer.shared;
        shared.written.fetch_add(whole, Ordering::Relaxed);
        match outcome {
            Ok(()) => self.succeeded(to),
            Err(error) => self.failed(to, &error, count.saturating_sub(whole)),
        }
    }

    fn append(&mut self, to: u64, lines: &[u8]) -> Result<(), (u64, io::Error)> {
        let nothing = |error| (0, error);
        self.make_room(lines.len() as u64).map_err(nothing)?;
        if !self.spools.contains_key(&to) {
            let spool = self.new_spool(to).map_err(nothing)?;
            self.spools.insert(to, spool);
        }
        // Set above.
        let Some(spool) = self.spools.get_mut(&to) else {
            return Ok(());
        };
        let (was_open, before) = (spool.is_open(), spool.bytes());
        let mut outcome = spool.append(lines);
        if let Err((0, error)) = &outcome
            && error.kind() == ErrorKind::NotFound
        {
            outcome = self
                .writer
                .folder
                .restore()
                .map_err(nothing)
                .and_then(|()| spool.append(lines));
        }
        self.open_files = self.open_files + usize::from(spool.is_open()) - usize::from(was_open);
        let more = spool.bytes().saturating_sub(before);
        let is_done = spool.is_broken() || spool.bytes() >= self.writer.limits.file_bytes_max;
        self.writer.shared.spooled.fetch_add(more, Ordering::Relaxed);
        if is_done && let Some(spool) = self.spools.remove(&to) {
            self.finish(to, &spool);
        }
        outcome
    }

    /// Refuses what is more than the spool may hold, and closes files when too many are open.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        let shared = &self.writer.shared;
        let held = shared.spooled.load(Ordering::Relaxed) + shared.orphaned.load(Ordering::Relaxed);
        if held.saturating_add(bytes) > self.writer.limits.spool_bytes_max {
            return Err(io::Error::new(
                ErrorKind::QuotaExceeded,
                "the spool holds as much as it may: logs are not delivered",
            ));
        }
        if self.open_files >= OPEN_FILES_MAX {
            self.spools.values_mut().for_each(Spool::close);
            self.open_files = 0;
        }
        Ok(())
    }

    fn new_spool(&mut self, to: u64) -> io::Result<Spool> {
        let (end, node) = (self.end, self.writer.node);
        let object = self.registry(|registry| {
            let destination = registry.destination(to);
            destination.map(|destination| destination.log_object(end, node, &random_name()))
        });
        // Whoever holds a handle keeps the destination, and lines on their way have an interval to arrive.
        let object = object.ok_or_else(|| io::Error::new(ErrorKind::NotFound, "the destination is forgotten"))?;
        let path = self
            .writer
            .folder
            .path()
            .join(format!("{:08}.{OPEN}", self.next_number));
        self.next_number += 1;
        Spool::new(path, object)
    }

    fn close_all(&mut self) {
        for (to, spool) in mem::take(&mut self.spools) {
            self.finish(to, &spool);
        }
        self.open_files = 0;
    }

    /// Hands a spool to the thread that delivers.
    fn finish(&mut self, to: u64, spool: &Spool) {
        self.open_files = self.open_files.saturating_sub(usize::from(spool.is_open()));
        let path = spool.path().to_owned();
        let forget = |bytes| self.writer.shared.forget_spooled(bytes);
        if spool.lines() == 0 {
            // It may have a header, or half of one.
            let _ = fs::remove_file(&path);
            forget(spool.bytes());
            return;
        }
        let ready: PathBuf = path.with_extension(READY);
        if let Err(error) = fs::rename(&path, &ready) {
            if error.kind() == ErrorKind::NotFound {
                // Somebody deleted it while it was being written.
                forget(spool.bytes());
                let lines = spool.lines();
                self.writer.shared.unwrite(lines);
                self.failed(to, &error, lines);
            }
            // Otherwise it is delivered when this process ends, or by the next one.
            return;
        }
        let _ = self.writer.ready.try_send(());
    }

    fn succeeded(&mut self, to: u64) {
        let was_failing = self.failing.remove(&to);
        self.recovered_if(was_failing);
    }

    fn recovered_if(&mut self, was_failing: bool) {
        if was_failing && self.failing.is_empty() {
            self.writer.shared.set_spool_error(None);
            let lines_lost = mem::take(&mut self.failed);
            (self.writer.tell)(DeliveryEvent::SpoolRecovered { lines_lost });
        }
    }

    fn failed(&mut self, to: u64, error: &io::Error, lines: u64) {
        self.writer.shared.not_written.fetch_add(lines, Ordering::Relaxed);
        self.failed = self.failed.saturating_add(lines);
        let is_news = self.failing.is_empty();
        self.failing.insert(to);
        self.writer.shared.set_spool_error(Some(error.to_string()));
        if is_news {
            (self.writer.tell)(DeliveryEvent::SpoolFailing {
                error: error.to_string(),
            });
        }
    }

    fn report_drops(&mut self) {
        self.reported = Instant::now();
        let dropped = self.writer.shared.dropped.queue_full.load(Ordering::Relaxed);
        let lines_lost = dropped.saturating_sub(self.queue_full_reported);
        if lines_lost > 0 {
            self.queue_full_reported = dropped;
            (self.writer.tell)(DeliveryEvent::QueueFull { lines_lost });
        }
    }
}
