//! What one subscription has not got yet.

use super::subscription::Buffering;
use crate::json::write_integer;
use crate::log::{now_ms, write_time};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Source: Lambda 4.6 (the text is that of AWS's documentation).
const REASON: &str = "Consumer seems to have fallen behind as it has not acknowledged receipt of logs.";

/// Records that wait, at most twice as many bytes as go out at once.
#[derive(Debug)]
pub(super) struct Queue {
    buffering: Buffering,
    state: RefCell<State>,
    wake: Notify,
    /// A batch has been delivered, or given up.
    settled: Notify,
    hurries: Cell<bool>,
    closed: Cell<bool>,
}

#[derive(Debug, Default)]
struct State {
    records: VecDeque<Vec<u8>>,
    bytes: usize,
    /// When the first of them came.
    since: Option<Instant>,
    /// A batch is on its way.
    is_delivering: bool,
    dropped_records: u64,
    dropped_bytes: u64,
}

impl Queue {
    pub(super) fn new(buffering: Buffering) -> Self {
        Self {
            buffering,
            state: RefCell::default(),
            wake: Notify::new(),
            settled: Notify::new(),
            hurries: Cell::new(false),
            closed: Cell::new(false),
        }
    }

    /// Takes one record, or drops and counts it.
    pub(super) fn put(&self, record: &[u8]) {
        let mut state = self.state.borrow_mut();
        let is_full = state.bytes + record.len() > 2 * self.buffering.bytes_max
            || state.records.len() >= 2 * self.buffering.items_max;
        // One that is longer than everything together goes alone.
        if is_full && !state.records.is_empty() {
            state.dropped_records += 1;
            state.dropped_bytes += record.len() as u64;
            return;
        }
        state.bytes += record.len();
        state.records.push_back(record.to_vec());
        let was_empty = state.since.is_none();
        if was_empty {
            state.since = Some(Instant::now());
        }
        // Its task waits for the first record, or for enough of them.
        if was_empty || self.has_enough(&state) {
            self.wake.notify_one();
        }
    }

    fn has_enough(&self, state: &State) -> bool {
        state.records.len() >= self.buffering.items_max || state.bytes >= self.buffering.bytes_max
    }

    pub(super) fn hurry(&self) {
        self.hurries.set(true);
        self.wake.notify_one();
    }

    /// Nothing more will come, and nobody wants what is here.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.wake.notify_one();
    }

    /// Waits for the next batch; `None` at the end.
    pub(super) async fn batch(&self) -> Option<Vec<Vec<u8>>> {
        loop {
            if self.closed.get() {
                return None;
            }
            let due = {
                let mut state = self.state.borrow_mut();
                match state.since.map(|since| since + self.buffering.timeout) {
                    Some(due) if self.hurries.get() || self.has_enough(&state) || Instant::now() >= due => {
                        return Some(self.take(&mut state));
                    }
                    due => due,
                }
            };
            match due {
                None => self.wake.notified().await,
                Some(due) => tokio::select! {
                    () = self.wake.notified() => {}
                    () = sleep_until(due) => {}
                },
            }
        }
    }

    fn take(&self, state: &mut State) -> Vec<Vec<u8>> {
        let count = state.records.len().min(self.buffering.items_max);
        let batch: Vec<_> = state.records.drain(..count).collect();
        state.bytes -= batch.iter().map(Vec::len).sum::<usize>();
        state.since = (!state.records.is_empty()).then(Instant::now);
        state.is_delivering = true;
        batch
    }

    /// A batch could not be delivered.
    pub(super) fn lost(&self, batch: &[Vec<u8>]) {
        let mut state = self.state.borrow_mut();
        state.dropped_records += batch.len() as u64;
        state.dropped_bytes += batch.iter().map(|record| record.len() as u64).sum::<u64>();
        state.is_delivering = false;
        self.settled.notify_one();
    }

    /// Waits until nothing is here and nothing on its way. One at a time may wait.
    pub(super) async fn empty(&self) {
        loop {
            let is_empty = {
                let state = self.state.borrow();
                state.records.is_empty() && !state.is_delivering
            };
            if is_empty || self.closed.get() {
                return;
            }
            self.settled.notified().await;
        }
    }

    /// A batch was delivered: the listener hears of what it has not got before.
    pub(super) fn caught_up(&self) {
        let record = {
            let mut state = self.state.borrow_mut();
            state.is_delivering = false;
            let (records, bytes) = (
                std::mem::take(&mut state.dropped_records),
                std::mem::take(&mut state.dropped_bytes),
            );
            (records > 0).then(|| dropped(records, bytes))
        };
        if let Some(record) = record {
            self.put(&record);
        }
        self.settled.notify_one();
    }
}

fn dropped(records: u64, bytes: u64) -> Vec<u8> {
    let mut out = b"{\"time\":\"".to_vec();
    write_time(&mut out, now_ms());
    out.extend(b"\",\"type\":\"platform.logsDropped\",\"record\":{\"droppedBytes\":");
    write_integer(&mut out, bytes);
    out.extend(b",\"droppedRecords\":");
    write_integer(&mut out, records);
    out.extend(b",\"reason\":\"");
    out.extend(REASON.as_bytes());
    out.extend(b"\"}}");
    out
}
