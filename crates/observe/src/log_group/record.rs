//! One event: as it goes through the queue, and as it stands in a file.

use super::LogGroupEvent;
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt::Write as _;
use time::OffsetDateTime;

/// Lengths of group, stream and message, and the time.
pub(super) const FRAME_HEAD: usize = 3 * 4 + 8;

/// The head of an event's frame; group, stream and message follow it. `None` when one of them is over 4 GB.
pub(super) fn frame_head(event: &LogGroupEvent<'_>) -> Option<[u8; FRAME_HEAD]> {
    let mut head = [0; FRAME_HEAD];
    for (at, length) in [event.group.len(), event.stream.len(), event.message.len()]
        .into_iter()
        .enumerate()
    {
        head[at * 4..at * 4 + 4].copy_from_slice(&u32::try_from(length).ok()?.to_ne_bytes());
    }
    head[12..].copy_from_slice(&event.timestamp_ms.to_ne_bytes());
    Some(head)
}

/// Takes the first event off a batch of frames.
pub(super) fn take_frame<'a>(batch: &mut &'a [u8]) -> Option<LogGroupEvent<'a>> {
    let (head, rest) = batch.split_first_chunk::<FRAME_HEAD>()?;
    let length = |at: usize| {
        let bytes = head.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_ne_bytes(bytes)).ok()
    };
    let (group, rest) = rest.split_at_checked(length(0)?)?;
    let (stream, rest) = rest.split_at_checked(length(4)?)?;
    let (message, rest) = rest.split_at_checked(length(8)?)?;
    *batch = rest;
    Some(LogGroupEvent {
        group: std::str::from_utf8(group).ok()?,
        stream: std::str::from_utf8(stream).ok()?,
        timestamp_ms: u64::from_ne_bytes(head[12..].try_into().ok()?),
        message,
    })
}

/// Writes lines. Remembers how the last one began, because the next event is mostly of the same millisecond and stream.
#[derive(Debug, Default)]
pub(super) struct LineWriter {
    second: u64,
    /// `2026-01-02T03:04:05`; empty when there is none yet.
    text: String,
    timestamp_ms: u64,
    stream: String,
    /// A line of this time and stream up to its message; empty when there is none yet.
    head: String,
}

impl LineWriter {
    /// Appends an event's line: a JSON document, with the time for people and for programs.
    pub(super) fn write(&mut self, out: &mut String, event: &LogGroupEvent<'_>) {
        if self.head.is_empty() || self.timestamp_ms != event.timestamp_ms || self.stream != event.stream {
            self.begin(event);
        }
        out.push_str(&self.head);
        match std::str::from_utf8(event.message) {
            Ok(message) => write_escaped(out, message),
            Err(_) => write_escaped(out, &String::from_utf8_lossy(event.message)),
        }
        out.push_str("\"}\n");
    }

    /// As [`LineWriter::write`], for an event that arrived at another time than its own.
    pub(super) fn write_ingested(&mut self, out: &mut String, event: &LogGroupEvent<'_>, ingested_ms: u64) {
        self.write(out, event);
        out.truncate(out.len() - "}\n".len());
        let _ = writeln!(out, ",\"ingested\":{ingested_ms}}}"); // writing to a string cannot fail
    }

    fn begin(&mut self, event: &LogGroupEvent<'_>) {
        let (second, milli) = (event.timestamp_ms / 1000, event.timestamp_ms % 1000);
        if self.text.is_empty() || self.second != second {
            self.text.clear();
            write_second(&mut self.text, second);
            self.second = second;
        }
        self.timestamp_ms = event.timestamp_ms;
        self.stream.clear();
        self.stream.push_str(event.stream);
        self.head.clear();
        // Writing to a string cannot fail.
        let _ = write!(
            self.head,
            "{{\"time\":\"{}.{milli:03}Z\",\"timestamp\":{},\"stream\":\"",
            self.text, event.timestamp_ms
        );
        write_escaped(&mut self.head, event.stream);
        self.head.push_str("\",\"message\":\"");
    }
}

/// `2026-01-02T03:04:05`. A time that the calendar does not reach is its last.
fn write_second(out: &mut String, second: u64) {
    let time = i64::try_from(second)
        .ok()
        .and_then(|second| OffsetDateTime::from_unix_timestamp(second).ok());
    let time = time.unwrap_or(OffsetDateTime::new_utc(time::Date::MAX, time::Time::MAX));
    let (hour, minute, second) = time.to_hms();
    let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
    let _ = write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
}

/// The inside of a JSON string. All control characters are escaped, so that neither a line nor a terminal that shows the
/// file can be broken by what a function writes.
fn write_escaped(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = special_at(rest.as_bytes()) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut special = special.chars();
        match special.next() {
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(c @ ('"' | '\\')) => out.extend(['\\', c]),
            Some(c) if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            Some(c) => out.push(c),
            None => {}
        }
        rest = special.as_str();
    }
    out.push_str(rest);
}

/// Where the first byte is that may have to be escaped. Most text has none, so it is looked at in blocks first, which the
/// compiler turns into a few instructions each.
fn special_at(text: &[u8]) -> Option<usize> {
    const BLOCK: usize = 32;
    // 0xc2 begins the control characters beyond ASCII, and others.
    let may_be_special =
        |byte: &u8| (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\') | (*byte == 0x7f) | (*byte == 0xc2);
    let has_none = |block: &&[u8]| !block.iter().fold(false, |any, byte| any | may_be_special(byte));
    let plain = text.chunks_exact(BLOCK).take_while(has_none).count() * BLOCK;
    Some(plain + text[plain..].iter().position(may_be_special)?)
}

/// A line, read back.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    pub(super) timestamp: u64,
    #[serde(borrow)]
    pub(super) stream: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) message: Cow<'a, str>,
    /// When it arrived, where that is not its time.
    #[serde(default)]
    pub(super) ingested: Option<u64>,
}

/// Reads a line without its newline. `None` when it is none: torn by a crash, or changed by somebody.
pub(super) fn read_line(line: &[u8]) -> Option<Line<'_>> {
    serde_json::from_slice(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event<'a>(stream: &'a str, timestamp_ms: u64, message: &'a [u8]) -> LogGroupEvent<'a> {
        LogGroupEvent {
            group: "/aws/lambda/orders",
            stream,
            timestamp_ms,
            message,
        }
    }

    fn line(message: &[u8]) -> String {
        let mut out = String::new();
        LineWriter::default().write(&mut out, &event("s", 0, message));
        out
    }

    #[test]
    fn a_line_is_for_people_and_programs() {
        let mut out = String::new();
        let mut lines = LineWriter::default();
        lines.write(
            &mut out,
            &event("2026/01/02/[$LATEST]ab", 1_767_323_045_678, b"START\tx\n"),
        );
        assert_eq!(
            out,
            "{\"time\":\"2026-01-02T03:04:05.678Z\",\"timestamp\":1767323045678,\
             \"stream\":\"2026/01/02/[$LATEST]ab\",\"message\":\"START\\tx\\n\"}\n"
        );
        for (timestamp, expected) in [
            (1_767_323_045_999, "2026-01-02T03:04:05.999Z"),
            (1_767_323_046_000, "2026-01-02T03:04:06.000Z"),
            (0, "1970-01-01T00:00:00.000Z"),
            (u64::MAX, "9999-12-31T23:59:59.615Z"),
        ] {
            out.clear();
            lines.write(&mut out, &event("s", timestamp, b""));
            let expected = format!("{{\"time\":\"{expected}\",\"timestamp\":{timestamp},");
            assert!(out.starts_with(&expected), "{out}");
        }
        let special = "\u{1b}[1m \0 \u{9b} \u{a0} \u{7f} \\ \"".as_bytes();
        let escaped = "\\u001b[1m \\u0000 \\u009b \u{a0} \\u007f \\\\ \\\"";
        assert!(line(special).contains(escaped), "{}", line(special));
        assert!(line(b"a\xffb").contains("a\u{fffd}b"));
    }

    #[test]
    fn each_line_has_its_own_time_and_stream() {
        let mut lines = LineWriter::default();
        for (stream, timestamp) in [
            ("a", 0),
            ("a", 0),
            ("b", 0),
            ("b", 1),
            ("a", 1),
            ("a", 2_000),
            ("", 2_000),
        ] {
            let mut out = String::new();
            lines.write(&mut out, &event(stream, timestamp, b"x"));
            let mut alone = String::new();
            LineWriter::default().write(&mut alone, &event(stream, timestamp, b"x"));
            assert_eq!(out, alone);
            let read = read_line(out.trim_end().as_bytes()).unwrap();
            assert_eq!((read.stream.as_ref(), read.timestamp), (stream, timestamp));
        }
    }

    #[test]
    fn special_bytes_are_found_wherever_they_are() {
        for special in [0x00, b'\n', 0x1f, b'"', b'\\', 0x7f, 0xc2] {
            for at in 0..100 {
                let mut text = vec![b' '; 100];
                text[at] = special;
                assert_eq!(special_at(&text), Some(at), "{special}");
            }
        }
        assert_eq!(special_at(&[b'x'; 100]), None);
        assert_eq!(special_at("\u{fc}\u{20ac}~!".as_bytes()), None);
    }

    #[test]
    fn what_is_no_line_is_nothing() {
        let whole = line("a \u{fc}".as_bytes());
        let whole = whole.trim_end().as_bytes();
        assert!(read_line(whole).is_some());
        for end in 0..whole.len() {
            assert!(read_line(&whole[..end]).is_none(), "{end}");
        }
        assert!(read_line(b"{\"timestamp\":-1,\"stream\":\"\",\"message\":\"\"}").is_none());
        // A later version may write more.
        assert!(read_line(b"{\"timestamp\":1,\"stream\":\"\",\"message\":\"\",\"more\":[1]}").is_some());
    }

    proptest! {
        #[test]
        fn every_message_is_one_line_and_is_read_back(message: Vec<u8>, stream: String, timestamp: u64) {
            let mut out = String::new();
            LineWriter::default().write(&mut out, &event(&stream, timestamp, &message));
            prop_assert_eq!(out.find(|c: char| c.is_control()), Some(out.len() - 1));
            let read = read_line(out.trim_end().as_bytes()).unwrap();
            prop_assert_eq!(read.message, String::from_utf8_lossy(&message));
            prop_assert_eq!((read.stream.as_ref(), read.timestamp), (stream.as_str(), timestamp));
        }

        #[test]
        fn frames_are_read_back(messages: Vec<(String, Vec<u8>, u64)>) {
            let mut batch = Vec::new();
            for (stream, message, timestamp) in &messages {
                let event = event(stream, *timestamp, message);
                batch.extend(frame_head(&event).unwrap());
                batch.extend([event.group.as_bytes(), event.stream.as_bytes(), event.message].concat());
            }
            let mut rest = batch.as_slice();
            for (stream, message, timestamp) in &messages {
                prop_assert_eq!(take_frame(&mut rest), Some(event(stream, *timestamp, message)));
            }
            prop_assert!(take_frame(&mut rest).is_none() && rest.is_empty());
        }
    }
}
