//! The end of the access log that the thread runs: appending, rotation, and what to do when the disk refuses.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::cache::Cache;
use super::{AccessLogEvent, AccessLogLimits, AccessLogStatus, Shared, open_file};
use crate::append::{Unwritten, append_all, half_line, whole_lines};
use crate::batch::{Batch, Message};

pub(super) struct Writer {
    path: PathBuf,
    /// `None` while the file is gone and no new one can be opened.
    file: Option<File>,
    cache: Cache,
    limits: AccessLogLimits,
    shared: Arc<Shared>,
    on_event: Box<dyn FnMut(AccessLogEvent) + Send>,
    checked: Instant,
    reopen_failed: bool,
    /// The file ends in half a line that could not be cut off.
    mid_line: bool,
    /// Lines lost since writing began to fail.
    failing: Option<u64>,
    queue_full_reported: u64,
}

impl Writer {
    pub(super) fn new(
        path: PathBuf,
        file: File,
        limits: AccessLogLimits,
        shared: Arc<Shared>,
        on_event: Box<dyn FnMut(AccessLogEvent) + Send>,
    ) -> Self {
        Self {
            path,
            file: Some(file),
            cache: Cache::new(),
            limits,
            shared,
            on_event,
            checked: Instant::now(),
            reopen_failed: false,
            mid_line: false,
            failing: None,
            queue_full_reported: 0,
        }
    }

    /// Writes until it is told to stop or every sender is gone, then what is still queued.
    pub(super) fn run(mut self, queue: &Receiver<Message>) {
        while let Ok(message) = queue.recv() {
            self.take(message);
            if self.shared.stop.load(Ordering::Acquire) {
                break;
            }
        }
        while let Ok(message) = queue.try_recv() {
            self.take(message);
        }
        self.report_drops();
    }

    fn take(&mut self, message: Message) {
        let Message::Batch(batch) = message else { return };
        if self.checked.elapsed() >= self.limits.check_interval {
            self.follow_the_name();
            self.report_drops();
            self.checked = Instant::now();
        }
        self.write(&batch);
        batch.recycle(&self.limits.batch());
    }

    fn write(&mut self, batch: &Batch) {
        let lines = batch.lines();
        let (whole, outcome) = match self.append(&batch.bytes) {
            Ok(()) => (lines, Ok(())),
            Err(Unwritten { written, error }) => {
                let written = batch.bytes.get(..written).unwrap_or_default();
                self.cut_half_line(written);
                (whole_lines(written), Err(error))
            }
        };
        self.shared.written.fetch_add(whole, Ordering::Relaxed);
        match outcome {
            Ok(()) => self.succeeded(),
            Err(error) => self.failed(&error, lines.saturating_sub(whole)),
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Unwritten> {
        if self.file.is_none() {
            self.file = Some(open_file(&self.path).map_err(Unwritten::nothing)?);
            self.mid_line = false;
        }
        // Set above.
        let Some(file) = &mut self.file else { return Ok(()) };
        if self.mid_line {
            append_all(file, b"\n").map_err(|unwritten| Unwritten::nothing(unwritten.error))?;
            self.mid_line = false;
        }
        append_all(file, bytes)?;
        self.cache.written(bytes.len(), file);
        Ok(())
    }

    /// A disk that fills up takes half a batch. The half line at its end is cut off, or, where that is impossible,
    /// closed before the next batch, so that it never runs into another line.
    fn cut_half_line(&mut self, written: &[u8]) {
        let half = half_line(written);
        if half == 0 {
            return;
        }
        let cut = self.file.as_ref().is_some_and(|file| {
            let length = file
                .metadata()
                .ok()
                .filter(fs::Metadata::is_file)
                .map(|metadata| metadata.len());
            length
                .and_then(|length| length.checked_sub(half))
                .is_some_and(|length| file.set_len(length).is_ok())
        });
        self.mid_line = !cut;
    }

    fn succeeded(&mut self) {
        if let Some(lines_lost) = self.failing.take() {
            self.set_status(AccessLogStatus::Writing);
            (self.on_event)(AccessLogEvent::Recovered { lines_lost });
        }
    }

    fn failed(&mut self, error: &io::Error, lines: u64) {
        self.shared.not_written.fetch_add(lines, Ordering::Relaxed);
        let before = self.failing.replace(self.failing.unwrap_or(0).saturating_add(lines));
        let error = error.to_string();
        self.set_status(AccessLogStatus::Failing { error: error.clone() });
        if before.is_none() {
            (self.on_event)(AccessLogEvent::Failing { error });
        }
    }

    fn set_status(&self, status: AccessLogStatus) {
        *self.shared.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// Opens the file anew when the name leads elsewhere. A file that was moved stays in use until there is a new one:
    /// rotation tools move it first and create the new one, with the right owner, a moment later.
    fn follow_the_name(&mut self) {
        let open = self.file.as_ref().and_then(|file| file.metadata().ok());
        let named = fs::metadata(&self.path).ok();
        let identity = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
        if open.is_some() && open.as_ref().map(identity) == named.as_ref().map(identity) {
            return;
        }
        match open_file(&self.path) {
            Ok(file) => {
                self.file = Some(file);
                (self.mid_line, self.reopen_failed) = (false, false);
                (self.on_event)(AccessLogEvent::Reopened);
            }
            Err(error) => {
                // Nobody will ever read a deleted file: better to say that lines are lost.
                if open.is_none_or(|metadata| metadata.nlink() == 0) {
                    self.file = None;
                }
                if !self.reopen_failed {
                    self.reopen_failed = true;
                    (self.on_event)(AccessLogEvent::ReopenFailed {
                        error: error.to_string(),
                    });
                }
            }
        }
    }

    fn report_drops(&mut self) {
        let dropped = self.shared.dropped.queue_full.load(Ordering::Relaxed);
        let lines_lost = dropped.saturating_sub(self.queue_full_reported);
        if lines_lost > 0 {
            self.queue_full_reported = dropped;
            (self.on_event)(AccessLogEvent::QueueFull { lines_lost });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDirectory;

    fn writer(path: PathBuf) -> Writer {
        let file = open_file(&path).unwrap();
        Writer::new(path, file, AccessLogLimits::default(), Arc::default(), Box::new(|_| {}))
    }

    #[test]
    fn half_a_line_is_cut_off_the_file() {
        for (written, left) in [
            ("one\nhal", "one\n"),
            ("half", ""),
            ("one\ntwo\n", "one\ntwo\n"),
            ("", ""),
        ] {
            let directory = TestDirectory::new();
            let mut writer = writer(directory.file("access.log"));
            writer
                .append(b"before\n")
                .unwrap_or_else(|unwritten| panic!("{}", unwritten.error));
            writer
                .append(written.as_bytes())
                .unwrap_or_else(|unwritten| panic!("{}", unwritten.error));
            writer.cut_half_line(written.as_bytes());
            assert!(!writer.mid_line);
            assert_eq!(directory.read("access.log"), format!("before\n{left}"));
        }
    }

    #[test]
    fn half_a_line_that_cannot_be_cut_off_is_closed() {
        let directory = TestDirectory::new();
        let mut writer = writer(PathBuf::from("/dev/null"));
        writer.cut_half_line(b"one\nhalf");
        assert!(writer.mid_line, "a device cannot be cut");
        writer.file = Some(open_file(&directory.file("access.log")).unwrap());
        writer
            .append(b"two\n")
            .unwrap_or_else(|unwritten| panic!("{}", unwritten.error));
        writer
            .append(b"three\n")
            .unwrap_or_else(|unwritten| panic!("{}", unwritten.error));
        assert_eq!(directory.read("access.log"), "\ntwo\nthree\n");
    }
}
