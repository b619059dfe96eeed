//! The end of the access log that a traffic core holds.

use std::cell::RefCell;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};

use super::{AccessLogLimits, Shared};

/// Buffers that wait to be used again, per core. More in flight than that is a burst, and its buffers are freed.
const SPARE_BUFFERS: usize = 8;

/// Room for the line that makes a batch full, so that usual lines do not make its buffer grow.
const LAST_LINE_BYTES: usize = 4 * 1024;

/// What goes through the queue.
pub(super) enum Message {
    Batch(Batch),
    /// Nothing to write: look at the stop flag.
    Wake,
}

/// Whole lines of one core.
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: u64,
    home: SyncSender<Vec<u8>>,
}

impl Batch {
    /// Gives the buffer back to its core, or frees it when it grew or the core has enough.
    pub(super) fn recycle(self, limits: &AccessLogLimits) {
        if self.bytes.capacity() <= 2 * (limits.batch_bytes + LAST_LINE_BYTES) {
            let _ = self.home.try_send(self.bytes);
        }
    }
}

/// Takes one core's lines. A clone is for another core and shares nothing with this one but the queue.
///
/// Not `Sync` on purpose: cores that share it would have to wait for one another. Dropping it hands over what it holds.
pub struct AccessLogSender {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    limits: AccessLogLimits,
    pending: RefCell<Pending>,
    home: SyncSender<Vec<u8>>,
    spare: Receiver<Vec<u8>>,
}

/// The batch being gathered. What lies behind `whole` is the rest of a line whose writer panicked.
struct Pending {
    bytes: Vec<u8>,
    whole: usize,
    lines: u64,
}

impl AccessLogSender {
    pub(super) fn new(queue: SyncSender<Message>, shared: Arc<Shared>, limits: AccessLogLimits) -> Self {
        let (home, spare) = mpsc::sync_channel(SPARE_BUFFERS);
        let pending = RefCell::new(Pending {
            bytes: new_buffer(&limits),
            whole: 0,
            lines: 0,
        });
        Self {
            queue,
            shared,
            limits,
            pending,
            home,
            spare,
        }
    }

    /// Appends one line: `write` adds its bytes to the buffer, without a line break and without touching what is
    /// there. Writing nothing is no line. Never blocks; a full batch is handed over, and dropped when the queue is full.
    pub fn line(&self, write: impl FnOnce(&mut Vec<u8>)) {
        // Only a line written from inside another line finds the buffer taken.
        let Ok(mut pending) = self.pending.try_borrow_mut() else {
            debug_assert!(false, "a line is written inside a line");
            return;
        };
        let pending = &mut *pending;
        pending.bytes.truncate(pending.whole);
        write(&mut pending.bytes);
        let written = pending.bytes.len().saturating_sub(pending.whole);
        if written == 0 {
            return;
        }
        if written > self.limits.line_bytes_max {
            pending.bytes.truncate(pending.whole);
            self.shared.too_long.fetch_add(1, Ordering::Relaxed);
            return;
        }
        pending.bytes.push(b'\n');
        pending.whole = pending.bytes.len();
        pending.lines += 1;
        if pending.whole >= self.limits.batch_bytes {
            self.hand_over(pending);
        }
    }

    /// Hands over what was gathered, if anything. Never blocks. The core's timer calls it every 100 to 200 ms, so that
    /// lines of a quiet core are seen.
    pub fn flush(&self) {
        if let Ok(mut pending) = self.pending.try_borrow_mut()
            && pending.lines > 0
        {
            self.hand_over(&mut pending);
        }
    }

    fn hand_over(&self, pending: &mut Pending) {
        let next = self.spare.try_recv().unwrap_or_else(|_| new_buffer(&self.limits));
        let mut bytes = mem::replace(&mut pending.bytes, next);
        bytes.truncate(mem::take(&mut pending.whole));
        let batch = Batch {
            bytes,
            lines: mem::take(&mut pending.lines),
            home: self.home.clone(),
        };
        if let Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) =
            self.queue.try_send(Message::Batch(batch))
            && let Message::Batch(mut batch) = message
        {
            self.shared.queue_full.fetch_add(batch.lines, Ordering::Relaxed);
            batch.bytes.clear();
            batch.recycle(&self.limits);
        }
    }
}

impl Clone for AccessLogSender {
    fn clone(&self) -> Self {
        Self::new(self.queue.clone(), Arc::clone(&self.shared), self.limits)
    }
}

impl Drop for AccessLogSender {
    fn drop(&mut self) {
        self.flush();
    }
}

impl fmt::Debug for AccessLogSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLogSender")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

fn new_buffer(limits: &AccessLogLimits) -> Vec<u8> {
    Vec::with_capacity(limits.batch_bytes + LAST_LINE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AccessLogLimits = AccessLogLimits {
        batch_bytes: 16,
        line_bytes_max: 40,
        queue_batches: 2,
        check_interval: std::time::Duration::ZERO,
    };

    fn sender() -> (AccessLogSender, Receiver<Message>, Arc<Shared>) {
        let (queue, batches) = mpsc::sync_channel(LIMITS.queue_batches);
        let shared = Arc::new(Shared::default());
        (
            AccessLogSender::new(queue, Arc::clone(&shared), LIMITS),
            batches,
            shared,
        )
    }

    fn put(sender: &AccessLogSender, line: &str) {
        sender.line(|buffer| buffer.extend_from_slice(line.as_bytes()));
    }

    fn next(batches: &Receiver<Message>) -> Option<Batch> {
        match batches.try_recv() {
            Ok(Message::Batch(batch)) => Some(batch),
            _ => None,
        }
    }

    #[track_caller]
    fn check(batch: Option<Batch>, text: &str, lines: u64) {
        let batch = batch.unwrap();
        assert_eq!(
            (String::from_utf8_lossy(&batch.bytes).as_ref(), batch.lines),
            (text, lines)
        );
    }

    #[test]
    fn a_batch_is_handed_over_when_it_is_full_or_flushed() {
        let (sender, batches, _) = sender();
        put(&sender, "one");
        assert!(next(&batches).is_none());
        put(&sender, "");
        put(&sender, "eleven more");
        check(next(&batches), "one\neleven more\n", 2);
        sender.flush();
        assert!(next(&batches).is_none(), "an empty batch is not handed over");
        put(&sender, "two");
        sender.flush();
        check(next(&batches), "two\n", 1);
        put(&sender, "three");
        drop(sender);
        check(next(&batches), "three\n", 1);
    }

    #[test]
    fn a_full_queue_drops_the_batch_and_counts_its_lines() {
        let (sender, batches, shared) = sender();
        for line in ["a", "b", "c"] {
            put(&sender, line);
            put(&sender, line);
            sender.flush();
        }
        assert_eq!(shared.queue_full.load(Ordering::Relaxed), 2);
        check(next(&batches), "a\na\n", 2);
        put(&sender, "d");
        sender.flush();
        check(next(&batches), "b\nb\n", 2);
        check(next(&batches), "d\n", 1);
        drop(batches);
        put(&sender, "e");
        sender.flush();
        assert_eq!(
            shared.queue_full.load(Ordering::Relaxed),
            3,
            "without a writer lines are lost too"
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_dropped_alone() {
        let (sender, batches, shared) = sender();
        put(&sender, "a");
        put(&sender, &"x".repeat(41));
        put(&sender, "b");
        sender.flush();
        check(next(&batches), "a\nb\n", 2);
        assert_eq!(shared.too_long.load(Ordering::Relaxed), 1);
        put(&sender, &"y".repeat(40));
        check(next(&batches), &format!("{}\n", "y".repeat(40)), 1);
    }

    #[test]
    fn half_a_line_of_a_panicking_writer_is_cut_off() {
        let (sender, batches, _) = sender();
        put(&sender, "a");
        let half = std::panic::AssertUnwindSafe(|| {
            sender.line(|buffer| {
                buffer.extend_from_slice(b"half");
                panic!("in the middle of a line");
            });
        });
        assert!(std::panic::catch_unwind(half).is_err());
        put(&sender, "b");
        sender.flush();
        check(next(&batches), "a\nb\n", 2);
    }

    #[test]
    fn buffers_come_back_and_are_used_again() {
        let (sender, batches, _) = sender();
        put(&sender, "a");
        sender.flush();
        let mut batch = next(&batches).unwrap();
        let buffer = batch.bytes.as_ptr();
        batch.bytes.clear();
        batch.recycle(&LIMITS);
        put(&sender, "b");
        sender.flush(); // takes the spare buffer for the next batch
        put(&sender, "c");
        sender.flush();
        check(next(&batches), "b\n", 1);
        assert_eq!(next(&batches).unwrap().bytes.as_ptr(), buffer);
    }
}
