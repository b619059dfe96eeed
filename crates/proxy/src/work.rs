//! The buffers one request needs. A connection takes them when bytes arrive and gives them back when it is idle, so that an
//! idle connection holds none.

use crate::record::Record;
use http1::{BodyDecoder, Framing, HeadScanner, RequestHead};
use std::time::Instant;

/// Room that reading begins with. Large enough that a head and a small body come with one read.
const FIRST_READ_BYTES: usize = 8 * 1024;
/// Room that reading a body grows to.
const BODY_READ_BYTES: usize = 64 * 1024;
/// Buffers that have grown over this are not kept.
const KEPT_BYTES: usize = 64 * 1024;

/// Input, output and state of the request in hand.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) input: Input,
    pub(crate) output: Vec<u8>,
    pub(crate) scanner: HeadScanner,
    pub(crate) head: RequestHead,
    pub(crate) body: BodyDecoder,
    pub(crate) record: Record,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            input: Input::default(),
            output: Vec::new(),
            scanner: HeadScanner::new(),
            head: RequestHead::new(),
            body: BodyDecoder::new(Framing::None),
            record: Record::new(Instant::now()),
        }
    }
}

impl Work {
    /// Empties everything; `false` when it has grown too large to be kept.
    pub(crate) fn recycle(&mut self) -> bool {
        self.input.clear();
        self.output.clear();
        self.scanner.reset();
        self.record.listener = None;
        self.record.group = None;
        self.input.bytes.len() <= KEPT_BYTES && self.output.capacity() <= KEPT_BYTES
    }
}

/// Bytes read and not yet done with. They stand `start..end`: the head of the request in hand first, then what follows
/// it. The head does not move while its request is in hand.
#[derive(Debug, Default)]
pub(crate) struct Input {
    /// All of it is initialised; only `start..end` means something.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Where the bytes behind the head begin that have not been taken; absolute.
    next: usize,
}

impl Input {
    /// Everything from the first byte of the request in hand.
    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The head, once it is complete.
    pub(crate) fn head(&self, head_len: usize) -> &[u8] {
        &self.bytes[self.start..self.start + head_len]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn clear(&mut self) {
        (self.start, self.end, self.next) = (0, 0, 0);
    }

    /// The head is complete; what follows begins behind it.
    pub(crate) fn begin_body(&mut self, head_len: usize) {
        self.next = self.start + head_len;
    }

    /// What follows the head and has not been taken.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.next..self.end]
    }

    /// `count` bytes of the rest are done with.
    pub(crate) fn take(&mut self, count: usize, head_len: usize) {
        self.next = (self.next + count).min(self.end);
        if self.next == self.end {
            // All taken: reading goes on right behind the head.
            self.next = self.start + head_len;
            self.end = self.next;
        }
    }

    /// The request in hand is done: the next one begins at the rest.
    pub(crate) fn finish(&mut self) {
        self.start = self.next;
        if self.start == self.end {
            self.clear();
        }
    }

    /// Room to read into, at least some; grows for heads up to what the limits allow, for bodies to a fixed size.
    pub(crate) fn spare(&mut self, for_body: bool) -> &mut [u8] {
        if self.start > 0 && !for_body && self.bytes.len() - self.end < FIRST_READ_BYTES / 2 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.next = self.next.saturating_sub(self.start);
            self.start = 0;
        }
        let room = self.bytes.len() - self.end;
        let wanted = if for_body && self.next == self.end && self.bytes.len() > FIRST_READ_BYTES {
            BODY_READ_BYTES.saturating_sub(room)
        } else {
            0
        };
        if room < FIRST_READ_BYTES / 2 || wanted > 0 {
            let grown = (self.bytes.len() * 2).clamp(FIRST_READ_BYTES, self.end + BODY_READ_BYTES);
            self.bytes.resize(grown.max(self.end + FIRST_READ_BYTES), 0);
        }
        &mut self.bytes[self.end..]
    }

    /// `count` bytes were read into the spare room.
    pub(crate) fn filled_by(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &mut Input, bytes: &[u8], for_body: bool) {
        let spare = input.spare(for_body);
        assert!(spare.len() >= bytes.len(), "room for {}", bytes.len());
        spare[..bytes.len()].copy_from_slice(bytes);
        input.filled_by(bytes.len());
    }

    #[test]
    fn the_head_stays_while_the_body_passes() {
        let mut input = Input::default();
        read(&mut input, b"HEAD", false);
        input.begin_body(4);
        for _ in 0..100 {
            read(&mut input, &[b'x'; 3000], true);
            assert_eq!(input.rest(), [b'x'; 3000]);
            input.take(1000, 4);
            input.take(2000, 4);
            assert_eq!(input.head(4), b"HEAD");
            assert!(input.rest().is_empty());
        }
        assert!(input.bytes.len() <= 2 * BODY_READ_BYTES, "{}", input.bytes.len());
        input.finish();
        assert!(input.is_empty());
    }

    #[test]
    fn what_follows_a_request_is_the_next_one() {
        let mut input = Input::default();
        read(&mut input, b"ONEbodyTWO", false);
        input.begin_body(3);
        input.take(4, 3);
        assert_eq!(input.rest(), b"TWO");
        input.finish();
        assert_eq!(input.filled(), b"TWO");
        input.begin_body(3);
        input.finish();
        assert!(input.is_empty());
    }

    #[test]
    fn a_long_head_grows_the_buffer_and_keeps_its_bytes() {
        let mut input = Input::default();
        read(&mut input, b"skip", false);
        input.begin_body(4);
        input.finish();
        let mut expected = Vec::new();
        for round in 0..80_u8 {
            read(&mut input, &[round; 1024], false);
            expected.extend_from_slice(&[round; 1024]);
        }
        assert_eq!(input.filled(), expected);
    }
}
