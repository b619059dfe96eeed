//! From lines to fields.

use memchr::memchr;

use super::{Field, Fields, mark};
use crate::known_name::KnownName;
use crate::similarity::{Resembles, resembles};
use crate::token::{CLASS, Line, PLAIN, Span, TCHAR, is_bad, is_ows, ows_trimmed};
use crate::words::{control_at, plain_end};

impl Fields {
    /// Reads the lines from `at` on, up to the empty one, and says where that ends; `None` if there is none.
    #[inline]
    pub(crate) fn read(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        let mut at = at;
        loop {
            at = self.read_ordinary(bytes, at);
            match bytes.get(at..)? {
                [b'\r', b'\n', ..] => return Some(at + 2),
                [b'\n', ..] => {
                    self.marks |= mark::BARE_LF;
                    return Some(at + 1);
                }
                _ => at = self.read_unusual(bytes, at)?,
            }
        }
    }

    /// Reads any line that is not empty and says where the next one begins; `None` if it has no end.
    #[cold]
    #[inline(never)]
    fn read_unusual(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        let line = Line::at(bytes, at)?;
        self.is_unusual = true;
        self.add(read_line(bytes, line));
        Some(line.next)
    }

    /// Reads lines as long as they are as nearly all are: a plain name, a value without control bytes, CRLF. Says where that
    /// ends.
    #[inline]
    fn read_ordinary(&mut self, bytes: &[u8], mut start: usize) -> usize {
        loop {
            let colon = plain_end(bytes, start);
            let Some((name @ [_, ..], [b':', ..])) =
                bytes.get(start..).and_then(|rest| rest.split_at_checked(colon - start))
            else {
                return start;
            };
            // From the start of the line, where no name that is plain holds one: the next line is found without waiting for the
            // name of this one.
            let end = control_at(bytes, start);
            let Some([b'\r', b'\n', ..]) = bytes.get(end..) else {
                return start;
            };
            let known = KnownName::of(name);
            let marks = match known {
                KnownName::Other => resemblance(resembles(name)),
                _ => 0,
            };
            self.add(Field {
                line: Span::new(start, end + 2),
                name: Span::new(start, colon),
                value: value_span(bytes, colon + 1, end),
                known,
                marks,
            });
            start = end + 2;
        }
    }
}

/// The value without whitespace around it. Nearly always that is one space in front.
#[inline(always)]
fn value_span(bytes: &[u8], start: usize, end: usize) -> Span {
    let raw_value = bytes.get(start..end).unwrap_or_default();
    match (raw_value.first_chunk(), raw_value.last()) {
        (Some([b' ', first]), Some(last)) if *first > b' ' && *last > b' ' => Span::new(start + 1, end),
        _ => {
            let value = ows_trimmed(raw_value);
            Span::new(start + value.start, start + value.end)
        }
    }
}

/// Where a line ends that holds a value.
pub(crate) struct ValueEnd {
    pub(crate) at: usize,
    /// Where the next line begins.
    pub(crate) next: usize,
    /// Of the value and the line end.
    pub(crate) marks: u16,
}

impl ValueEnd {
    /// The first line end from `start` on, with the marks of what stands before it; `None` if there is none.
    #[inline]
    pub(crate) fn of(bytes: &[u8], start: usize) -> Option<Self> {
        let at = control_at(bytes, start);
        match bytes.get(at..) {
            Some([b'\r', b'\n', ..]) => Some(Self {
                at,
                next: at + 2,
                marks: 0,
            }),
            _ => Self::unusual(bytes, at),
        }
    }

    /// A control byte that is no CRLF stands at `at`, or nothing.
    #[cold]
    #[inline(never)]
    fn unusual(bytes: &[u8], mut at: usize) -> Option<Self> {
        let mut marks = 0;
        loop {
            let line_end = match bytes.get(at..)? {
                [b'\r', b'\n', ..] => 2,
                [b'\n', ..] => 1,
                [] => return None,
                [byte, ..] => {
                    marks |= value_marks(*byte);
                    at = control_at(bytes, at + 1);
                    continue;
                }
            };
            return Some(Self {
                at,
                next: at + line_end,
                marks: if line_end == 1 { marks | mark::BARE_LF } else { marks },
            });
        }
    }
}

fn value_marks(byte: u8) -> u16 {
    match byte {
        b'\t' => 0,
        0 | b'\r' => mark::VALUE_BAD,
        _ => mark::VALUE_ODD,
    }
}

/// Any line that is not empty.
pub(crate) fn read_line(head: &[u8], line: Line) -> Field {
    let text = &head[line.start..line.end];
    let colon = memchr(b':', text).unwrap_or(text.len());
    let name = ows_trimmed(&text[..colon]);
    let mut known = KnownName::of(&text[name.clone()]);
    let mut marks = if line.is_bare() { mark::BARE_LF } else { 0 };
    marks |= name_marks(&text[..colon], name.is_empty());
    let whole = name.len() == colon;
    let framing = match known {
        KnownName::TransferEncoding if !whole => Some(Resembles::TransferEncoding),
        KnownName::ContentLength if !whole => Some(Resembles::ContentLength),
        KnownName::Other => resembles(&text[..colon]),
        _ => None,
    };
    if framing.is_some() {
        known = KnownName::Other;
        marks |= resemblance(framing);
    }
    let value = match text.get(colon + 1..) {
        Some(raw_value) => {
            marks |= raw_value
                .iter()
                .filter(|b| b.is_ascii_control())
                .fold(0, |marks, &b| marks | value_marks(b));
            let value = ows_trimmed(raw_value);
            let start = line.start + colon + 1;
            Span::new(start + value.start, start + value.end)
        }
        None => {
            marks |= mark::NO_COLON;
            Span::new(line.end, line.end)
        }
    };
    Field {
        line: Span::new(line.start, line.next),
        name: Span::new(line.start + name.start, line.start + name.end),
        value,
        known,
        marks,
    }
}

#[inline]
pub(super) fn resemblance(framing: Option<Resembles>) -> u16 {
    match framing {
        None => 0,
        Some(Resembles::TransferEncoding) => mark::LIKE_TE,
        Some(Resembles::ContentLength) => mark::LIKE_CL,
    }
}

/// What a name is marked with that is not `[-A-Za-z0-9]+` followed by a colon.
fn name_marks(raw_name: &[u8], empty: bool) -> u16 {
    let classes = raw_name.iter().fold(u8::MAX, |classes, &b| classes & CLASS[b as usize]);
    let mut marks = if classes & PLAIN == 0 { mark::NAME_NOT_PLAIN } else { 0 };
    if classes & TCHAR == 0 {
        marks |= mark::NAME_ODD;
    }
    if raw_name.iter().any(|&b| is_bad(b)) {
        marks |= mark::NAME_BAD;
    }
    if raw_name.first().is_some_and(|&b| is_ows(b)) {
        marks |= mark::CONTINUATION;
    }
    if empty {
        marks | mark::NAME_EMPTY | mark::NAME_NOT_PLAIN
    } else {
        marks
    }
}
