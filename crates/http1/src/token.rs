//! Bytes and spans: character classes, trimming, line ends, the three parts of a request line, and what may stand in a
//! field that we write. What the pieces mean is left to `head` and `desync`.

use std::ops::Range;

use memchr::memchr;

use crate::scan::LEADING_EMPTY_LINES_MAX;
use crate::words::{all_plain, blank_at, has_control};

/// A piece of the caller's bytes: `start..end`, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// From offsets that are known to fit: a head longer than `u32::MAX` is refused before the first span is made.
    #[inline]
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
        }
    }

    /// The bytes of this span; empty if `bytes` are not those the span was made from.
    #[inline]
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// No bytes at all.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

/// Class bit: may stand in a token. Source: RFC 9110, 5.6.2.
pub(crate) const TCHAR: u8 = 1;
/// Class bit: may stand in a header name that AWS calls valid, `[-A-Za-z0-9]`. Source: ALB 4.6.
pub(crate) const PLAIN: u8 = 2;

/// The classes of every byte.
pub(crate) static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_alphanumeric() || b == b'-' {
            table[byte] = TCHAR | PLAIN;
        } else if matches!(
            b,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        ) {
            table[byte] = TCHAR;
        }
        byte += 1;
    }
    table
}

#[inline]
pub(crate) fn is_tchar(byte: u8) -> bool {
    CLASS[byte as usize] & TCHAR != 0
}

#[inline]
pub(crate) fn is_ows(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// NUL, CR and LF: never inside anything that we write.
#[inline]
pub(crate) fn is_bad(byte: u8) -> bool {
    matches!(byte, 0 | b'\r' | b'\n')
}

/// Is there a control byte or a space?
#[inline]
pub(crate) fn has_control_or_space(value: &[u8]) -> bool {
    blank_at(value, 0) < value.len()
}

/// Where the text without spaces and tabs around it lies.
#[inline]
pub(crate) fn ows_trimmed(text: &[u8]) -> Range<usize> {
    let start = text.iter().position(|&b| !is_ows(b)).unwrap_or(text.len());
    let mut end = text.len();
    while end > start && is_ows(text[end - 1]) {
        end -= 1;
    }
    start..end
}

#[inline]
pub(crate) fn trim_ows(text: &[u8]) -> &[u8] {
    &text[ows_trimmed(text)]
}

/// One line: its content is `start..end`, the next line begins at `next`.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) next: usize,
}

impl Line {
    /// The first line of a head, which a few empty lines may precede; one more is the first line itself. `None` if it is not
    /// complete.
    #[inline]
    pub(crate) fn first(bytes: &[u8]) -> Option<Self> {
        let mut line = Self::at(bytes, 0)?;
        for _ in 0..LEADING_EMPTY_LINES_MAX {
            if !line.is_empty() {
                break;
            }
            line = Self::at(bytes, line.next)?;
        }
        Some(line)
    }

    /// The line that begins at `start`; `None` if no LF follows.
    #[inline]
    pub(crate) fn at(bytes: &[u8], start: usize) -> Option<Self> {
        let rest = bytes.get(start..)?;
        let lf = start + memchr(b'\n', rest)?;
        Some(Self {
            start,
            end: content_end(bytes, start, lf),
            next: lf + 1,
        })
    }

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Ended by LF alone.
    #[inline]
    pub(crate) fn is_bare(self) -> bool {
        self.next - self.end == 1
    }
}

/// `end` without the CR right before it. Only one CR belongs to a line end; others are content.
#[inline]
pub(crate) fn content_end(bytes: &[u8], start: usize, end: usize) -> usize {
    if end > start && bytes[end - 1] == b'\r' {
        end - 1
    } else {
        end
    }
}

/// The parts of a request line, as lengths and offsets into it.
pub(crate) struct RequestLine {
    /// The method is `..method_end`, always followed by one space.
    pub(crate) method_end: usize,
    /// The target is `method_end + 1..target_end`.
    pub(crate) target_end: usize,
    /// The version is `version_start..`; empty means HTTP/0.9.
    pub(crate) version_start: usize,
}

/// Cuts at the first and at the last space, as DESYNC does: a space inside the target is content of the target, and
/// whitespace after the version belongs to the version. `None`: there is no target.
#[inline]
pub(crate) fn split_request_line(line: &[u8]) -> Option<RequestLine> {
    // Methods are short, and nearly every line ends like this.
    let method_end = line.iter().position(|&b| b == b' ')?;
    if line.ends_with(b" HTTP/1.1") && method_end + 1 < line.len() - 9 {
        return Some(RequestLine {
            method_end,
            target_end: line.len() - 9,
            version_start: line.len() - 8,
        });
    }
    split_unusual(line, method_end)
}

fn split_unusual(line: &[u8], method_end: usize) -> Option<RequestLine> {
    let rest = &line[method_end + 1..];
    // Whatever is not a token byte at the end is no reason to see a space there as the one before the version.
    let Some(last) = rest.iter().rposition(|&b| is_tchar(b)) else {
        let target_end = if rest.first().is_none_or(|&b| b == b' ') {
            method_end + 1
        } else {
            line.len()
        };
        return Some(RequestLine {
            method_end,
            target_end,
            version_start: line.len(),
        })
        .filter(|parts| parts.target_end > method_end + 1);
    };
    match rest[..last].iter().rposition(|&b| b == b' ') {
        Some(0) => None,
        Some(space) => Some(RequestLine {
            method_end,
            target_end: method_end + 1 + space,
            version_start: method_end + 1 + space + 1,
        }),
        None if rest.starts_with(b"HTTP/1.") => None,
        None => Some(RequestLine {
            method_end,
            target_end: line.len(),
            version_start: line.len(),
        }),
    }
}

/// Why a field cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The name is empty, or holds a control byte, a space or a colon.
    #[error("a field name is empty or holds a byte that cannot stand in a name")]
    Name,
    /// The value holds CR, LF or NUL.
    #[error("a field value holds cr, lf or nul")]
    Value,
    /// The name belongs to the connection or to framing, which only the codec itself writes.
    #[error("a connection or framing field is written by the codec only")]
    Framing,
    /// A part of the first line (method, target, status or phrase) cannot stand in it.
    #[error("a part of the first line is empty or holds a byte that cannot stand there")]
    FirstLine,
}

/// Names that we write ourselves; what was received is looser and is handled by `edits`.
pub(crate) fn check_name(name: &[u8]) -> Result<(), FieldError> {
    let odd = |b: u8| b <= 0x20 || b == 0x7f || b == b':';
    let fits = !name.is_empty() && (all_plain(name) || !name.iter().any(|&b| odd(b)));
    if fits { Ok(()) } else { Err(FieldError::Name) }
}

/// Values that we write.
#[inline]
pub(crate) fn check_value(value: &[u8]) -> Result<(), FieldError> {
    if !has_control(value) || !value.iter().any(|&b| is_bad(b)) {
        Ok(())
    } else {
        Err(FieldError::Value)
    }
}

/// Appends a decimal number without allocating.
pub(crate) fn write_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts<'a> = Option<(&'a [u8], &'a [u8], &'a [u8])>;

    #[track_caller]
    fn check(line: &str, expected: Option<(&str, &str, &str)>) {
        let line = line.as_bytes();
        let parts: Parts<'_> = split_request_line(line).map(|parts| {
            (
                &line[..parts.method_end],
                &line[parts.method_end + 1..parts.target_end],
                &line[parts.version_start..],
            )
        });
        let expected: Parts<'_> = expected.map(|(m, t, v)| (m.as_bytes(), t.as_bytes(), v.as_bytes()));
        assert_eq!(parts, expected, "{:?}", String::from_utf8_lossy(line));
    }

    #[test]
    fn request_lines_are_cut_at_the_first_and_the_last_space() {
        check("GET / HTTP/1.1", Some(("GET", "/", "HTTP/1.1")));
        check("GET /a b c HTTP/1.1", Some(("GET", "/a b c", "HTTP/1.1")));
        check("GET  / HTTP/1.1", Some(("GET", " /", "HTTP/1.1")));
        check("GET /  HTTP/1.1 \t ", Some(("GET", "/ ", "HTTP/1.1 \t ")));
        check("GET /path", Some(("GET", "/path", "")));
        check("GET /path ", Some(("GET", "/path ", "")));
        check("GET /", Some(("GET", "/", "")));
        check("GET / /", Some(("GET", "/ /", "")));
        check("GET /a b", Some(("GET", "/a", "b")));
        check(" / HTTP/1.1", Some(("", "/", "HTTP/1.1")));
    }

    #[test]
    fn a_line_without_a_target_is_no_request_line() {
        for line in [
            "",
            "GET",
            "GET ",
            "GET   ",
            "GET HTTP/1.1",
            "GET  HTTP/1.1",
            "GET\t/\tHTTP/1.1",
            "GET_/_HTTP/1.1",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn decimals_are_written_whole() {
        for number in [0, 7, 10, 65_536, u64::MAX] {
            let mut out = Vec::new();
            write_decimal(&mut out, number);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }

    #[test]
    fn names_and_values_that_could_break_a_line_are_refused() {
        for name in ["", "a b", "a:", "a\r", "a\n", "a\0", " a", "a\x7f"] {
            assert_eq!(check_name(name.as_bytes()), Err(FieldError::Name), "{name:?}");
        }
        for value in ["a\r", "\n", "x\0y"] {
            assert_eq!(check_value(value.as_bytes()), Err(FieldError::Value), "{value:?}");
        }
        assert_eq!(check_name("x_y.z".as_bytes()), Ok(()));
        assert_eq!(check_value("a\tb \u{e9}".as_bytes()), Ok(()));
    }
}
