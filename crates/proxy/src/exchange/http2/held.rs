//! What the HTTP/2 streams of a core hold of its memory, by estimate.
//!
//! A client may open many streams and read none of them. Then each holds what h2 keeps for it and what its target has sent
//! ahead. As long as there is room, a slow client has the idle timeout; when there is none, a moment.

use super::{SEND_BUFFER_MAX, STREAM_WINDOW};
use std::cell::Cell;

/// What a stream holds whose client does not read: what h2 keeps, and what the target has sent ahead.
pub(super) const UNREAD_BYTES: usize = SEND_BUFFER_MAX + 64 * 1024;
/// What a stream holds whose target does not read.
pub(super) const UNSENT_BYTES: usize = STREAM_WINDOW as usize;

/// The account of one core.
#[derive(Debug)]
pub(crate) struct HeldByStreams {
    bytes: Cell<usize>,
    max: usize,
}

impl HeldByStreams {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            bytes: Cell::new(0),
            max,
        }
    }

    /// There is no room left: new streams are refused, and slow ones end.
    pub(super) fn is_over(&self) -> bool {
        self.bytes.get() > self.max
    }

    /// A stream holds `now` instead of `before`.
    pub(super) fn change(&self, before: usize, now: usize) {
        self.bytes.set(self.bytes.get() + now - before);
    }
}
