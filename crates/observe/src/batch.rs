//! Lines of one traffic core, gathered into batches for one thread that writes.
//!
//! Each core has a buffer of its own and hands over whole buffers through a bounded queue; the thread writes them and
//! gives the buffers back. Nobody waits: when the queue is full, the batch is dropped and its lines are counted. A line
//! says where it goes; lines for the same place that follow each other are one [`Run`].

use std::cell::RefCell;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};

/// Buffers that wait to be used again, per core. More in flight than that is a burst, and its buffers are freed.
const SPARE_BUFFERS: usize = 8;

/// Room for the line that makes a batch full, so that usual lines do not make its buffer grow.
const LAST_LINE_BYTES: usize = 4 * 1024;

/// More runs than this in a buffer are not kept.
const KEPT_RUNS_MAX: usize = 1024;

/// The bounds of a core's part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchLimits {
    /// A batch is handed over when it has this many bytes.
    pub(crate) batch_bytes: usize,
    /// A longer line is dropped and counted.
    pub(crate) line_bytes_max: usize,
}

/// Lines that never reached the thread, of all cores.
#[derive(Debug, Default)]
pub(crate) struct Dropped {
    pub(crate) queue_full: AtomicU64,
    pub(crate) too_long: AtomicU64,
}

/// What goes through the queue.
pub(crate) enum Message {
    Batch(Batch),
    /// Nothing to write: look at the clock and at the stop flag.
    Wake,
}

/// Lines that go to the same place, one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Where they go.
    pub(crate) to: u64,
    pub(crate) lines: u64,
    /// Where they end in the batch; they begin where the run before ends.
    pub(crate) end: usize,
}

/// Whole lines of one core.
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) runs: Vec<Run>,
    home: SyncSender<Buffers>,
}

type Buffers = (Vec<u8>, Vec<Run>);

impl Batch {
    pub(crate) fn lines(&self) -> u64 {
        self.runs.iter().map(|run| run.lines).sum()
    }

    /// Gives the buffers back to their core, or frees them when they grew or the core has enough.
    pub(crate) fn recycle(mut self, limits: &BatchLimits) {
        if self.bytes.capacity() <= 2 * (limits.batch_bytes + LAST_LINE_BYTES) && self.runs.capacity() <= KEPT_RUNS_MAX
        {
            self.bytes.clear();
            self.runs.clear();
            let _ = self.home.try_send((self.bytes, self.runs));
        }
    }
}

/// Takes one core's lines. A clone is for another core and shares nothing with this one but the queue.
///
/// Not `Sync` on purpose: cores that share it would have to wait for one another. Dropping it hands over what it holds.
pub(crate) struct BatchSender {
    queue: SyncSender<Message>,
    dropped: Arc<Dropped>,
    limits: BatchLimits,
    pending: RefCell<Pending>,
    home: SyncSender<Buffers>,
    spare: Receiver<Buffers>,
}

/// The batch being gathered. What lies behind `whole` is the rest of a line whose writer panicked.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    runs: Vec<Run>,
    whole: usize,
}

impl BatchSender {
    pub(crate) fn new(queue: SyncSender<Message>, dropped: Arc<Dropped>, limits: BatchLimits) -> Self {
        let (home, spare) = mpsc::sync_channel(SPARE_BUFFERS);
        Self {
            queue,
            dropped,
            limits,
            pending: RefCell::default(),
            home,
            spare,
        }
    }

    /// Appends one line: `write` adds its bytes to the buffer, without a line break and without touching what is
    /// there. Writing nothing is no line. Never blocks; a full batch is handed over, and dropped when the queue is full.
    pub(crate) fn line(&self, to: u64, write: impl FnOnce(&mut Vec<u8>)) {
        // Only a line written from inside another line finds the buffer taken.
        let Ok(mut pending) = self.pending.try_borrow_mut() else {
            debug_assert!(false, "a line is written inside a line");
            return;
        };
        let pending = &mut *pending;
        if pending.bytes.capacity() == 0 {
            // Only now: a core that never has a line needs no buffer.
            pending.bytes.reserve(self.limits.batch_bytes + LAST_LINE_BYTES);
        }
        pending.bytes.truncate(pending.whole);
        write(&mut pending.bytes);
        let written = pending.bytes.len().saturating_sub(pending.whole);
        if written == 0 {
            return;
        }
        if written > self.limits.line_bytes_max {
            pending.bytes.truncate(pending.whole);
            self.dropped.too_long.fetch_add(1, Ordering::Relaxed);
            return;
        }
        pending.bytes.push(b'\n');
        pending.whole = pending.bytes.len();
        match pending.runs.last_mut() {
            Some(run) if run.to == to => {
                run.lines += 1;
                run.end = pending.whole;
            }
            _ => pending.runs.push(Run {
                to,
                lines: 1,
                end: pending.whole,
            }),
        }
        if pending.whole >= self.limits.batch_bytes {
            self.hand_over(pending);
        }
    }

    /// Hands over what was gathered, if anything. Never blocks.
    pub(crate) fn flush(&self) {
        if let Ok(mut pending) = self.pending.try_borrow_mut()
            && pending.whole > 0
        {
            self.hand_over(&mut pending);
        }
    }

    fn hand_over(&self, pending: &mut Pending) {
        let (bytes, runs) = self.spare.try_recv().unwrap_or_default();
        let mut full = mem::replace(pending, Pending { bytes, runs, whole: 0 });
        full.bytes.truncate(full.whole);
        let batch = Batch {
            bytes: full.bytes,
            runs: full.runs,
            home: self.home.clone(),
        };
        if let Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) =
            self.queue.try_send(Message::Batch(batch))
            && let Message::Batch(batch) = message
        {
            self.dropped.queue_full.fetch_add(batch.lines(), Ordering::Relaxed);
            batch.recycle(&self.limits);
        }
    }
}

impl Clone for BatchSender {
    fn clone(&self) -> Self {
        Self::new(self.queue.clone(), Arc::clone(&self.dropped), self.limits)
    }
}

impl Drop for BatchSender {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BatchLimits = BatchLimits {
        batch_bytes: 16,
        line_bytes_max: 40,
    };

    fn sender() -> (BatchSender, Receiver<Message>, Arc<Dropped>) {
        let (queue, batches) = mpsc::sync_channel(2);
        let dropped = Arc::new(Dropped::default());
        (BatchSender::new(queue, Arc::clone(&dropped), LIMITS), batches, dropped)
    }

    fn put(sender: &BatchSender, line: &str) {
        put_to(sender, 0, line);
    }

    fn put_to(sender: &BatchSender, to: u64, line: &str) {
        sender.line(to, |buffer| buffer.extend_from_slice(line.as_bytes()));
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
            (String::from_utf8_lossy(&batch.bytes).as_ref(), batch.lines()),
            (text, lines)
        );
        assert_eq!(batch.runs.last().map(|run| run.end), Some(batch.bytes.len()));
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
    fn lines_for_the_same_place_are_one_run() {
        let (sender, batches, _) = sender();
        for (to, line) in [(7, "a"), (7, "bc"), (8, "d"), (8, ""), (7, "e")] {
            put_to(&sender, to, line);
        }
        sender.flush();
        let run = |to, lines, end| Run { to, lines, end };
        let batch = next(&batches).unwrap();
        assert_eq!(batch.runs, [run(7, 2, 5), run(8, 1, 7), run(7, 1, 9)]);
        assert_eq!(batch.bytes, b"a\nbc\nd\ne\n");
    }

    #[test]
    fn a_full_queue_drops_the_batch_and_counts_its_lines() {
        let (sender, batches, dropped) = sender();
        for line in ["a", "b", "c"] {
            put(&sender, line);
            put_to(&sender, 1, line);
            sender.flush();
        }
        assert_eq!(dropped.queue_full.load(Ordering::Relaxed), 2);
        check(next(&batches), "a\na\n", 2);
        put(&sender, "d");
        sender.flush();
        check(next(&batches), "b\nb\n", 2);
        check(next(&batches), "d\n", 1);
        drop(batches);
        put(&sender, "e");
        sender.flush();
        assert_eq!(
            dropped.queue_full.load(Ordering::Relaxed),
            3,
            "without a writer lines are lost too"
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_dropped_alone() {
        let (sender, batches, dropped) = sender();
        put(&sender, "a");
        put(&sender, &"x".repeat(41));
        put(&sender, "b");
        sender.flush();
        check(next(&batches), "a\nb\n", 2);
        assert_eq!(dropped.too_long.load(Ordering::Relaxed), 1);
        put(&sender, &"y".repeat(40));
        check(next(&batches), &format!("{}\n", "y".repeat(40)), 1);
    }

    #[test]
    fn half_a_line_of_a_panicking_writer_is_cut_off() {
        let (sender, batches, _) = sender();
        put(&sender, "a");
        let half = std::panic::AssertUnwindSafe(|| {
            sender.line(0, |buffer| {
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
        assert_eq!(
            sender.pending.borrow().bytes.capacity(),
            0,
            "a core without lines holds nothing"
        );
        put(&sender, "a");
        sender.flush();
        let batch = next(&batches).unwrap();
        let buffer = batch.bytes.as_ptr();
        batch.recycle(&LIMITS);
        put(&sender, "b");
        sender.flush(); // takes the spare buffer for the next batch
        put(&sender, "c");
        sender.flush();
        check(next(&batches), "b\n", 1);
        let batch = next(&batches).unwrap();
        assert_eq!((batch.bytes.as_ptr(), batch.bytes.as_slice()), (buffer, &b"c\n"[..]));
    }
}
