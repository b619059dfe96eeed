//! A way for bytes from threads that must not wait to one thread that may: to a disk, to a terminal.
//!
//! Whoever pushes copies its bytes behind a lock that nobody holds across a system call, and goes on. Threads use
//! different locks, so they do not meet. The reading thread is woken once for many pushes. When too much waits, what
//! comes is dropped and counted.

use std::cell::Cell;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Locks. More threads than that share them.
const SHARDS: usize = 16;

/// A buffer that grew beyond this is freed when it was read.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// The bounds of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Bytes that may wait, those being written included.
    pub bytes_max: usize,
    /// Bytes beyond that for what is pushed as [`Importance::Reserved`].
    pub reserved_bytes: usize,
    /// How long the reader waits for more after the first push, unless a quarter of `bytes_max` waits already.
    pub pause: Duration,
}

/// What may use the reserve of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// May not.
    Usual,
    /// May: there is little of it, and it matters most when there is too much of the other.
    Reserved,
}

/// A new queue.
#[must_use]
pub fn lossy_queue(limits: QueueLimits) -> (QueueSender, QueueReceiver) {
    let shared = Arc::new(Shared {
        limits,
        shards: Default::default(),
        waiting: AtomicUsize::new(0),
        lost: AtomicU64::new(0),
        dirty: AtomicBool::new(false),
        hurry: AtomicBool::new(false),
        closed: AtomicBool::new(false),
        reader: OnceLock::new(),
        rounds: Mutex::default(),
        round_ended: Condvar::new(),
    });
    let receiver = QueueReceiver {
        shared: Arc::clone(&shared),
        spare: Vec::new(),
        taken: 0,
    };
    (QueueSender(shared), receiver)
}

/// Takes bytes. Clones lead to the same reader.
#[derive(Clone, Debug)]
pub struct QueueSender(Arc<Shared>);

/// Hands bytes out. Dropping it closes the queue.
#[derive(Debug)]
pub struct QueueReceiver {
    shared: Arc<Shared>,
    spare: Vec<Vec<u8>>,
    /// Bytes that were handed out and are being written.
    taken: usize,
}

#[derive(Debug)]
struct Shared {
    limits: QueueLimits,
    shards: [Mutex<Vec<u8>>; SHARDS],
    waiting: AtomicUsize,
    lost: AtomicU64,
    /// Something was pushed since the reader looked last.
    dirty: AtomicBool,
    /// The reader should not wait for more.
    hurry: AtomicBool,
    closed: AtomicBool,
    reader: OnceLock<Thread>,
    rounds: Mutex<Rounds>,
    round_ended: Condvar,
}

/// How often the reader has emptied the queue.
#[derive(Debug, Default)]
struct Rounds {
    begun: u64,
    ended: u64,
    /// There is no reader any more.
    over: bool,
}

fn own_shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
    }
    // A thread that is ending has none any more.
    OWN.try_with(Cell::get).unwrap_or(0)
}

impl QueueSender {
    /// Appends these parts, one behind the other, as one message: all of it or, when there is no room, nothing. Messages
    /// of one thread keep their order. Never waits for the reader. False when the message was dropped and counted.
    pub fn push(&self, parts: &[&[u8]], importance: Importance) -> bool {
        let shared = &*self.0;
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        let room = match importance {
            Importance::Usual => shared.limits.bytes_max,
            Importance::Reserved => shared.limits.bytes_max.saturating_add(shared.limits.reserved_bytes),
        };
        let waiting = shared.waiting.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if waiting > room || shared.closed.load(Ordering::Relaxed) {
            shared.waiting.fetch_sub(bytes, Ordering::Relaxed);
            shared.lost.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        {
            let mut shard = lock(&shared.shards[own_shard()]);
            parts.iter().for_each(|part| shard.extend_from_slice(part));
        }
        let is_first = !shared.dirty.swap(true, Ordering::AcqRel);
        let is_much = waiting > shared.limits.bytes_max / 4 && !shared.hurry.swap(true, Ordering::AcqRel);
        if is_first || is_much {
            shared.wake();
        }
        true
    }

    /// Is less than half of the queue taken? Who can slow down whatever makes the messages should, when it is not.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) < self.0.limits.bytes_max / 2
    }

    /// Messages that were dropped so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Blocks until everything that was pushed before has been written, for at most `within`. False when it was not,
    /// and at once when the reader itself asks.
    pub fn flush(&self, within: Duration) -> bool {
        let shared = &*self.0;
        if shared
            .reader
            .get()
            .is_some_and(|reader| reader.id() == thread::current().id())
        {
            return false;
        }
        let rounds = lock(&shared.rounds);
        let wanted = rounds.begun + 1;
        drop(rounds);
        shared.hurry.store(true, Ordering::Release);
        shared.dirty.store(true, Ordering::Release);
        shared.wake();
        let rounds = shared.wait(within, |rounds| rounds.ended < wanted && !rounds.over);
        rounds.ended >= wanted
    }

    /// Takes nothing more, and blocks until the reader has written what there is and is gone, for at most `within`.
    /// False when it was not.
    pub fn close(&self, within: Duration) -> bool {
        let shared = &*self.0;
        shared.closed.store(true, Ordering::Release);
        shared.wake();
        shared.wait(within, |rounds| !rounds.over).over
    }
}

impl Shared {
    fn wake(&self) {
        // Before the reader's first call there is nobody to wake; it looks before it waits.
        if let Some(reader) = self.reader.get() {
            reader.unpark();
        }
    }

    fn wait(&self, within: Duration, go_on: impl FnMut(&mut Rounds) -> bool) -> MutexGuard<'_, Rounds> {
        let waited = self.round_ended.wait_timeout_while(lock(&self.rounds), within, go_on);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl QueueReceiver {
    /// Waits for bytes and puts all that wait in place of what is in `batch`, whole messages only. The call says that the
    /// batch before was written. False when the queue is closed and empty. Always called on the same thread.
    pub fn next(&mut self, batch: &mut Vec<u8>) -> bool {
        let shared = Arc::clone(&self.shared);
        shared.reader.get_or_init(thread::current);
        batch.clear();
        batch.shrink_to(KEPT_BYTES_MAX);
        loop {
            self.end_round();
            while !shared.dirty.load(Ordering::Acquire) && !shared.closed.load(Ordering::Acquire) {
                thread::park();
            }
            self.gather();
            // Asked before the queue is emptied: what is pushed afterwards is nobody's any more.
            let closed = shared.closed.load(Ordering::Acquire);
            // Before the round begins: a flush that comes later must find its wish unheard.
            shared.hurry.store(false, Ordering::Release);
            shared.dirty.swap(false, Ordering::AcqRel);
            lock(&shared.rounds).begun += 1;
            self.empty_into(batch);
            if !batch.is_empty() {
                return true;
            }
            if closed {
                return false;
            }
        }
    }

    /// Lets a few more messages come, so that one write takes them all.
    fn gather(&self) {
        let shared = &*self.shared;
        let until = Instant::now() + shared.limits.pause;
        while !shared.hurry.load(Ordering::Acquire) && !shared.closed.load(Ordering::Acquire) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::park_timeout(left);
        }
    }

    fn empty_into(&mut self, batch: &mut Vec<u8>) {
        for shard in &self.shared.shards {
            let empty = self.spare.pop().unwrap_or_default();
            // The lock is held for a swap, not for a copy.
            let mut full = mem::replace(&mut *lock(shard), empty);
            batch.extend_from_slice(&full);
            full.clear();
            full.shrink_to(KEPT_BYTES_MAX);
            self.spare.push(full);
        }
        self.taken = batch.len();
    }

    fn end_round(&mut self) {
        self.shared
            .waiting
            .fetch_sub(mem::take(&mut self.taken), Ordering::Relaxed);
        let mut rounds = lock(&self.shared.rounds);
        rounds.ended = rounds.begun;
        drop(rounds);
        self.shared.round_ended.notify_all();
    }
}

impl Drop for QueueReceiver {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        lock(&self.shared.rounds).over = true;
        self.shared.round_ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::PATIENCE;

    const LIMITS: QueueLimits = QueueLimits {
        bytes_max: 16,
        reserved_bytes: 4,
        pause: Duration::ZERO,
    };

    fn push(queue: &QueueSender, text: &str) -> bool {
        queue.push(&[text.as_bytes()], Importance::Usual)
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted() {
        let (sender, mut receiver) = lossy_queue(LIMITS);
        assert!(sender.push(&[b"twelve ", b"bytes"], Importance::Usual));
        assert!(!push(&sender, "other"));
        assert!(push(&sender, "four"));
        assert!(!push(&sender, "x"));
        assert!(sender.push(&[b"key"], Importance::Reserved));
        assert!(!sender.push(&[b"no"], Importance::Reserved));
        assert_eq!(sender.lost(), 3);
        let mut batch = Vec::new();
        assert!(receiver.next(&mut batch));
        assert_eq!(batch, b"twelve bytesfourkey");
        assert!(!push(&sender, "x"), "it is being written and takes its room still");
        sender.0.closed.store(true, Ordering::Release);
        assert!(!receiver.next(&mut batch));
        assert_eq!(sender.0.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_flush_waits_for_what_was_pushed_before() {
        let (sender, mut receiver) = lossy_queue(QueueLimits {
            bytes_max: 1 << 20,
            pause: PATIENCE * 2, // a flush does not wait for it
            ..LIMITS
        });
        let written = Arc::new(Mutex::new(Vec::new()));
        let out = Arc::clone(&written);
        let reader = thread::spawn(move || {
            let mut batch = Vec::new();
            while receiver.next(&mut batch) {
                out.lock().unwrap().extend_from_slice(&batch);
            }
        });
        for round in 1..=20 {
            thread::scope(|scope| {
                (0..4).for_each(|_| drop(scope.spawn(|| assert!(push(&sender, "12345")))));
            });
            assert!(sender.flush(PATIENCE));
            assert_eq!(written.lock().unwrap().len(), round * 4 * 5);
        }
        assert!(push(&sender, "last"));
        assert!(sender.close(PATIENCE));
        assert!(written.lock().unwrap().ends_with(b"last"));
        assert!(!push(&sender, "late") && sender.lost() == 1);
        assert!(!sender.flush(PATIENCE), "nobody is left, and nobody is waited for");
        reader.join().unwrap();
    }

    #[test]
    fn a_reader_that_hangs_is_waited_for_with_a_bound() {
        let (sender, mut receiver) = lossy_queue(LIMITS);
        assert!(push(&sender, "a"));
        let mut batch = Vec::new();
        assert!(receiver.next(&mut batch));
        let shared = Arc::clone(&sender.0);
        // The batch is never said to be written.
        let asked = thread::spawn(move || {
            let sender = QueueSender(shared);
            (
                sender.flush(Duration::from_millis(1)),
                sender.close(Duration::from_millis(1)),
            )
        });
        assert_eq!(asked.join().unwrap(), (false, false));
        assert!(!sender.flush(PATIENCE), "the reader itself cannot wait for itself");
    }

    #[test]
    fn messages_of_one_thread_keep_their_order_and_stay_whole() {
        let (sender, mut receiver) = lossy_queue(QueueLimits {
            bytes_max: 1 << 20,
            ..LIMITS
        });
        let senders: Vec<_> = (0..4_u8)
            .map(|thread| {
                let sender = sender.clone();
                thread::spawn(move || {
                    for number in 0..1000_u16 {
                        assert!(sender.push(&[&[thread], &number.to_be_bytes()], Importance::Usual));
                    }
                })
            })
            .collect();
        let mut seen = [0_u16; 4];
        let mut batch = Vec::new();
        while seen.iter().map(|seen| u32::from(*seen)).sum::<u32>() < 4000 {
            assert!(receiver.next(&mut batch));
            for message in batch.chunks(3) {
                let next = &mut seen[usize::from(message[0])];
                assert_eq!(message[1..], next.to_be_bytes());
                *next += 1;
            }
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    }
}
