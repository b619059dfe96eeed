//! The framed log channel of managed runtimes: 4 bytes of type and level, 4 of length, 8 of time, all big-endian, then
//! the message. Source: Lambda 2.11.
//!
//! The function holds the other end too, so anything may come. There is no way to find the next frame after bytes that
//! are none; from there on the channel is read as lines.

use super::lines::Lines;
use model::lambda::logging::ApplicationLogLevel;

const HEAD_BYTES: usize = 16;

/// The upper bits of every frame type.
const MAGIC: u32 = 0xA55A_0000;

/// The longest message that a frame may announce, in bytes; a longer one is no frame.
///
/// A runtime sends what was logged in one frame, however long: a function that logs the whole of its event sends 6 MB, and
/// six times as much where every character of it becomes `\u0000` in JSON. What announces more would make a message of
/// everything that comes afterwards. The bound is ours.
const MESSAGE_BYTES_MAX: u32 = 64 * 1024 * 1024;

/// What was found in the channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A message, or one piece of a message that is too long for one event.
    Message {
        /// `None` if the frame names none.
        level: Option<ApplicationLogLevel>,
        /// When it was written, in milliseconds since the epoch. The function says so.
        timestamp_ms: u64,
        text: &'a [u8],
    },
    /// Something that is no frame. Said once, before the first [`Found::Line`].
    Garbage,
    /// A line after that.
    Line(&'a [u8]),
}

/// The state between two reads.
#[derive(Debug)]
pub(super) struct Frames {
    state: State,
    /// The head so far, or the piece of the message so far.
    pending: Vec<u8>,
    message_bytes_max: usize,
}

#[derive(Debug)]
enum State {
    Head,
    Message {
        level: Option<ApplicationLogLevel>,
        timestamp_ms: u64,
        left: usize,
    },
    Garbage(Lines),
}

impl Frames {
    /// A longer message is cut into several.
    pub(super) fn new(message_bytes_max: usize) -> Self {
        Self {
            state: State::Head,
            pending: Vec::new(),
            message_bytes_max,
        }
    }

    /// Hands on everything that is complete.
    pub(super) fn take(&mut self, mut bytes: &[u8], found: &mut impl FnMut(Found<'_>)) {
        loop {
            match &mut self.state {
                State::Head => {
                    let (now, later) = bytes.split_at(bytes.len().min(HEAD_BYTES - self.pending.len()));
                    self.pending.extend_from_slice(now);
                    bytes = later;
                    if !self.read_head(found) {
                        return;
                    }
                }
                State::Message {
                    level,
                    timestamp_ms,
                    left,
                } => {
                    let piece = (*left + self.pending.len()).min(self.message_bytes_max);
                    let (now, later) = bytes.split_at(bytes.len().min(piece - self.pending.len()));
                    bytes = later;
                    *left -= now.len();
                    let text = if self.pending.is_empty() && now.len() == piece {
                        now
                    } else {
                        self.pending.extend_from_slice(now);
                        &self.pending
                    };
                    if text.len() < piece {
                        return;
                    }
                    found(Found::Message {
                        level: *level,
                        timestamp_ms: *timestamp_ms,
                        text: if *left == 0 { without_newline(text) } else { text },
                    });
                    if *left == 0 {
                        self.state = State::Head;
                    }
                    // Frees what a long message took.
                    self.pending = Vec::new();
                }
                State::Garbage(lines) => return lines.take(bytes, &mut |line| found(Found::Line(line))),
            }
        }
    }

    /// Hands on what will not be completed.
    pub(super) fn finish(&mut self, found: &mut impl FnMut(Found<'_>)) {
        match &mut self.state {
            State::Head if self.pending.is_empty() => {}
            State::Head => {
                self.give_up(found);
                self.finish(found);
            }
            &mut State::Message {
                level, timestamp_ms, ..
            } => {
                found(Found::Message {
                    level,
                    timestamp_ms,
                    text: &self.pending,
                });
                self.pending.clear();
                self.state = State::Head;
            }
            State::Garbage(lines) => lines.finish(&mut |line| found(Found::Line(line))),
        }
    }

    /// False if more of the head is needed.
    fn read_head(&mut self, found: &mut impl FnMut(Found<'_>)) -> bool {
        let Some((frame_type, rest)) = self.pending.split_first_chunk() else {
            return false;
        };
        let frame_type = u32::from_be_bytes(*frame_type);
        if !is_frame(frame_type) {
            self.give_up(found);
            return true;
        }
        let Some((length, rest)) = rest.split_first_chunk() else {
            return false;
        };
        let length = u32::from_be_bytes(*length);
        if length > MESSAGE_BYTES_MAX {
            self.give_up(found);
            return true;
        }
        let Some(&micros) = rest.first_chunk() else {
            return false;
        };
        self.state = State::Message {
            level: level(frame_type),
            timestamp_ms: u64::from_be_bytes(micros) / 1000,
            left: usize::try_from(length).unwrap_or(usize::MAX),
        };
        self.pending.clear();
        true
    }

    /// What has come of the head is the beginning of a line.
    fn give_up(&mut self, found: &mut impl FnMut(Found<'_>)) {
        found(Found::Garbage);
        let mut lines = Lines::new(self.message_bytes_max);
        lines.take(&std::mem::take(&mut self.pending), &mut |line| found(Found::Line(line)));
        self.state = State::Garbage(lines);
    }
}

/// Text (3) or JSON (2), with a level or none.
fn is_frame(frame_type: u32) -> bool {
    frame_type & !0x1f == MAGIC && matches!(frame_type & 3, 2 | 3) && (frame_type & 0x1f) >> 2 <= 6
}

fn level(frame_type: u32) -> Option<ApplicationLogLevel> {
    match (frame_type & 0x1f) >> 2 {
        1 => Some(ApplicationLogLevel::Trace),
        2 => Some(ApplicationLogLevel::Debug),
        3 => Some(ApplicationLogLevel::Info),
        4 => Some(ApplicationLogLevel::Warn),
        5 => Some(ApplicationLogLevel::Error),
        6 => Some(ApplicationLogLevel::Fatal),
        _ => None,
    }
}

fn without_newline(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\n").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(frame_type: u32, text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap();
        let mut bytes = [frame_type.to_be_bytes(), length.to_be_bytes()].concat();
        bytes.extend(1_700_000_000_123_456_u64.to_be_bytes());
        bytes.extend(text.as_bytes());
        bytes
    }

    /// What is found when the bytes come in pieces of `step`: level and text of messages, `!` for garbage.
    fn read(bytes: &[u8], step: usize) -> Vec<String> {
        let mut frames = Frames::new(8);
        let mut all = Vec::new();
        let mut found = |found: Found<'_>| {
            let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
            all.push(match found {
                Found::Message {
                    level,
                    timestamp_ms,
                    text: message,
                } => {
                    assert_eq!(timestamp_ms, 1_700_000_000_123);
                    format!("{}:{}", level.map_or("-", ApplicationLogLevel::as_str), text(message))
                }
                Found::Garbage => "!".to_owned(),
                Found::Line(line) => text(line),
            });
        };
        for piece in bytes.chunks(step) {
            frames.take(piece, &mut found);
        }
        frames.finish(&mut found);
        all
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: &[&str]) {
        for step in 1..=bytes.len().max(1) {
            assert_eq!(read(bytes, step), expected, "in pieces of {step}");
        }
    }

    // LAM-G-013: frames become single events including their newlines
    #[test]
    fn a_frame_is_one_event() {
        check(&[], &[]);
        check(&frame(0xA55A_0003, "a\nb\n"), &["-:a\nb"]);
        check(
            &[
                frame(0xA55A_0003 | 0x0C, "one"),
                frame(0xA55A_0002 | 0x14, "{}\n\n"),
                frame(0xA55A_0003 | 0x18, ""),
                frame(0xA55A_0002 | 0x04, "t"),
            ]
            .concat(),
            &["INFO:one", "ERROR:{}\n", "FATAL:", "TRACE:t"],
        );
    }

    #[test]
    fn a_long_message_is_cut() {
        check(&frame(0xA55A_0013, "12345678"), &["WARN:12345678"]);
        check(&frame(0xA55A_0013, "12345678\n"), &["WARN:12345678", "WARN:"]);
        check(
            &frame(0xA55A_000B, "12345678abcdefghX"),
            &["DEBUG:12345678", "DEBUG:abcdefgh", "DEBUG:X"],
        );
    }

    #[test]
    fn what_is_no_frame_is_read_as_lines_from_there_on() {
        check(b"hello\nworld and more\n", &["!", "hello", "world an", "d more"]);
        check(b"\n", &["!", ""]);
        check(b"ab", &["!", "ab"]);
        let good = frame(0xA55A_0003, "good");
        check(
            &[&good[..], b"bad\n", &good[..]].concat()[..24],
            &["-:good", "!", "bad"],
        );
        for not_a_frame in [0xA55A_0000, 0xA55A_0001, 0xA55A_0023, 0xA55A_001F, 0xA55B_0003, 0] {
            assert_eq!(read(&frame(not_a_frame, "x"), 64)[0], "!", "{not_a_frame:x}");
        }
    }

    #[test]
    fn an_unfinished_frame_is_not_lost() {
        let whole = frame(0xA55A_0003, "message");
        check(&whole[..20], &["-:mess"]);
        check(&whole[..16], &["-:"]);
        assert_eq!(read(&whole[..10], 64)[0], "!");
    }

    fn claiming(length: u32, text: &str) -> Vec<u8> {
        let mut bytes = frame(0xA55A_0003, "");
        bytes[4..8].copy_from_slice(&length.to_be_bytes());
        bytes.extend(text.bytes());
        bytes
    }

    #[test]
    fn a_large_length_costs_nothing() {
        check(&claiming(MESSAGE_BYTES_MAX, "12345678ab"), &["-:12345678", "-:ab"]);
    }

    #[test]
    fn an_absurd_length_is_garbage_and_swallows_nothing() {
        for length in [MESSAGE_BYTES_MAX + 1, u32::MAX] {
            let good = frame(0xA55A_0003, "good");
            let bytes = [&good[..], &claiming(length, "bad\nfollows\n")].concat();
            for step in 1..=bytes.len() {
                let found = read(&bytes, step);
                assert_eq!(found[..2], ["-:good", "!"], "in pieces of {step}");
                // Its head is the beginning of a line.
                assert!(found[2..].concat().ends_with("badfollows"), "{found:?}");
                assert_eq!(found.iter().filter(|it| *it == "!").count(), 1, "{found:?}");
            }
        }
    }
}
