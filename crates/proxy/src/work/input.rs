//! Bytes that were read and are not done with yet.

/// Room that reading grows to by itself. A body that fills it gets more, step by step, where there is some: of a long body
/// more bytes share what a read and a write cost beside copying. A short one costs less in pieces than in one.
const READ_BYTES: usize = 64 * 1024;
/// How much more room a body gets that has filled the room it had.
const GROWTH: usize = 2;

/// Bytes read and not yet done with. They stand `start..end`: the head of the message in hand first, then what follows
/// it. The head does not move while its message is in hand.
#[derive(Debug)]
pub(crate) struct Input {
    /// All of it is initialised; only `start..end` means something.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Where the bytes behind the head begin that have not been taken; absolute.
    next: usize,
    /// Room that reading begins with.
    first_read: usize,
    /// The room that was given last.
    room: usize,
    /// The bytes of the last read, if it took all of that: more is on its way.
    filled_up: usize,
}

impl Input {
    /// Takes no room before something is read; then so much at first.
    pub(crate) fn new(first_read: usize) -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            end: 0,
            next: 0,
            first_read,
            room: 0,
            filled_up: 0,
        }
    }

    /// Everything from the first byte of the message in hand.
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

    /// Bytes of memory.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(crate) fn clear(&mut self) {
        (self.start, self.end, self.next, self.filled_up) = (0, 0, 0, 0);
    }

    /// The head is complete; what follows begins behind it.
    pub(crate) fn begin_body(&mut self, head_len: usize) {
        self.next = self.start + head_len;
    }

    /// What follows the head and has not been taken.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.next..self.end]
    }

    /// `count` bytes of the rest are done with. `head_len` is 0 when there is no head any more.
    pub(crate) fn take(&mut self, count: usize, head_len: usize) {
        self.next = (self.next + count).min(self.end);
        if self.next == self.end {
            // All taken: reading goes on right behind the head.
            if head_len == 0 {
                self.start = 0;
            }
            self.next = self.start + head_len;
            self.end = self.next;
        }
    }

    /// The message in hand is done, or its head is: what is in hand begins at the rest.
    pub(crate) fn finish(&mut self) {
        self.start = self.next;
        if self.start == self.end {
            let filled_up = self.filled_up;
            self.clear();
            self.filled_up = filled_up;
        }
    }

    /// Keeps the head and nothing else, in no more room than it needs.
    pub(crate) fn keep_head(&mut self, head_len: usize) {
        self.bytes = self.head(head_len).to_vec();
        (self.start, self.end, self.next) = (0, head_len, head_len);
    }

    /// Bytes that were read elsewhere.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.bytes.truncate(self.end);
        self.bytes.extend_from_slice(bytes);
        self.end = self.bytes.len();
    }

    /// Room to read into, at least some; grows for heads up to what the limits allow, for bodies that come fast up to
    /// `body_room`.
    pub(crate) fn spare(&mut self, for_body: bool, body_room: usize) -> &mut [u8] {
        let least = self.first_read / 2;
        if self.start > 0 && !for_body && self.bytes.len() - self.end < least {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.next = self.next.saturating_sub(self.start);
            self.start = 0;
        }
        let wanted = match self.filled_up {
            1.. if for_body => (GROWTH * self.filled_up).max(READ_BYTES).min(body_room).max(least),
            _ => least,
        };
        if self.bytes.len() - self.end < wanted {
            let grown = (self.bytes.len() * 2).clamp(self.first_read, self.end + READ_BYTES);
            self.bytes.resize(grown.max(self.end + wanted), 0);
        }
        let rest = &mut self.bytes[self.end..];
        self.room = rest.len().min(wanted.max(READ_BYTES));
        &mut rest[..self.room]
    }

    /// `count` bytes were read into the spare room.
    pub(crate) fn filled_by(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
        self.filled_up = if count == self.room { count } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: usize = 8 * 1024;
    const MUCH: usize = 256 * 1024;

    fn read(input: &mut Input, bytes: &[u8], for_body: bool) {
        let spare = input.spare(for_body, MUCH);
        assert!(spare.len() >= bytes.len(), "room for {}", bytes.len());
        spare[..bytes.len()].copy_from_slice(bytes);
        input.filled_by(bytes.len());
    }

    #[test]
    fn the_head_stays_while_the_body_passes() {
        let mut input = Input::new(FIRST);
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
        assert_eq!(input.bytes.len(), FIRST, "a slow body needs no more");
        input.finish();
        assert!(input.is_empty());
    }

    #[test]
    fn a_fast_body_gets_more_room_and_no_more_than_that() {
        let mut input = Input::new(FIRST);
        read(&mut input, b"HEAD", false);
        input.begin_body(4);
        let mut rooms = Vec::new();
        for _ in 0..100 {
            let room = input.spare(true, MUCH).len();
            rooms.push(room);
            input.filled_by(room);
            input.take(room, 4);
        }
        assert_eq!(rooms[..6], [FIRST - 4, READ_BYTES, 2 * READ_BYTES, MUCH, MUCH, MUCH]);
        assert_eq!(input.bytes.len(), 4 + MUCH);
        input.finish();
        input.clear();
        assert_eq!(input.spare(true, MUCH).len(), READ_BYTES, "the next one begins anew");
        for (body_room, room) in [(READ_BYTES, READ_BYTES), (0, FIRST)] {
            let mut poor = Input::new(FIRST);
            for _ in 0..100 {
                let room = poor.spare(true, body_room).len();
                poor.filled_by(room);
                poor.take(room, 0);
            }
            assert_eq!(poor.bytes.len(), room, "there is not much to be had");
        }
    }

    #[test]
    fn without_its_head_all_the_room_is_for_the_body() {
        let mut input = Input::new(FIRST);
        read(&mut input, b"HEADbody", false);
        input.begin_body(4);
        input.finish();
        assert_eq!(input.rest(), b"body");
        input.take(3, 0);
        assert_eq!(input.rest(), b"y");
        input.take(1, 0);
        assert!(input.is_empty());
        assert_eq!(input.spare(true, MUCH).len(), FIRST);
    }

    #[test]
    fn what_follows_a_request_is_the_next_one() {
        let mut input = Input::new(FIRST);
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
    fn a_head_can_be_kept_by_itself() {
        let mut input = Input::new(FIRST);
        read(&mut input, b"HEADrest", false);
        input.begin_body(4);
        let mut other = Input::new(FIRST);
        other.append(input.rest());
        input.keep_head(4);
        assert_eq!(
            (input.head(4), input.rest(), input.capacity()),
            (&b"HEAD"[..], &b""[..], 4)
        );
        assert_eq!(other.rest(), b"rest");
        read(&mut other, b"more", true);
        assert_eq!(other.rest(), b"restmore");
    }

    #[test]
    fn a_long_head_grows_the_buffer_and_keeps_its_bytes() {
        let mut input = Input::new(FIRST);
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
