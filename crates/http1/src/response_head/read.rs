//! From the bytes of a response head to tokens.

use super::{ResponseError, ResponseHead};
use crate::field::{Field, ValueEnd, mark};
use crate::head::Version;
use crate::scan::{HeadLimits, HeadScanner, LEADING_EMPTY_LINES_MAX, Scan};
use crate::token::{Span, is_tchar};

/// Marks that a response must not have, unless a closer look at its name says that it is harmless.
const REFUSED: u16 =
    mark::CONTINUATION | mark::NO_COLON | mark::NAME_EMPTY | mark::NAME_BAD | mark::NAME_ODD | mark::VALUE_BAD;

impl ResponseHead {
    /// Looks for a head at the beginning of a buffer that may grow, and reads it. `bytes` must begin with what it began
    /// with at the last call. When the whole head is there at the first call, as it mostly is, every byte is looked at
    /// once. Empty lines before the status line, a few, are skipped.
    ///
    /// The tokens are of use only after [`Scan::Complete`], for `bytes[..head_len]`; the scanner is reset by then.
    /// [`Scan::TooLarge`] is answered 502, whatever its [`crate::Limit`].
    ///
    /// # Errors
    ///
    /// When the head is malformed; of a first line that is no status line as soon as its first wrong byte is seen, so
    /// that a target which speaks something else is refused at once.
    pub fn read(
        &mut self,
        scanner: &mut HeadScanner,
        bytes: &[u8],
        limits: &HeadLimits,
    ) -> Result<Scan, ResponseError> {
        if scanner.is_fresh()
            && let Some(head_len) = self.read_prefix(limits.harmless(bytes))?
        {
            return Ok(Scan::Complete { head_len });
        }
        if scanner.awaits_first_line() && !may_begin(bytes) {
            return Err(ResponseError::StatusLine);
        }
        let scan = scanner.scan_response(bytes, limits);
        if let Scan::Complete { head_len } = scan {
            scanner.reset();
            self.read_prefix(&bytes[..head_len])?;
        }
        Ok(scan)
    }

    /// Reads the head that `bytes` begin with, and says how long it is; `None` if it is not complete.
    fn read_prefix(&mut self, bytes: &[u8]) -> Result<Option<usize>, ResponseError> {
        self.clear();
        if u32::try_from(bytes.len()).is_err() {
            return Err(ResponseError::TooLong);
        }
        let (_, start) = empty_lines(bytes);
        let Some(line_end) = ValueEnd::of(bytes, start) else {
            return Ok(None);
        };
        self.read_status_line(bytes, start, &line_end)?;
        let Some(end) = self.fields.read(bytes, line_end.next) else {
            return Ok(None);
        };
        if line_end.marks & (mark::VALUE_BAD | mark::VALUE_ODD) != 0 {
            return Err(ResponseError::StatusLine);
        }
        if self.fields.has(REFUSED) {
            self.fields().iter().try_for_each(|field| check(field, bytes))?;
        }
        Ok(Some(end))
    }

    fn read_status_line(&mut self, bytes: &[u8], start: usize, line_end: &ValueEnd) -> Result<(), ResponseError> {
        let text = &bytes[start..line_end.at];
        let (version, status) = match text {
            [
                b'H',
                b'T',
                b'T',
                b'P',
                b'/',
                b'1',
                b'.',
                minor,
                b' ',
                a,
                b,
                c,
                rest @ ..,
            ] if minor.is_ascii_digit()
                && matches!(a, b'1'..=b'9')
                && b.is_ascii_digit()
                && c.is_ascii_digit()
                && rest.first().is_none_or(|&b| b == b' ') =>
            {
                let digit = |b: &u8| u16::from(b - b'0');
                (*minor, digit(a) * 100 + digit(b) * 10 + digit(c))
            }
            _ => return Err(ResponseError::StatusLine),
        };
        self.version = if version == b'0' {
            Version::Http10
        } else {
            Version::Http11
        };
        self.status = status;
        self.line = Span::new(start, line_end.next);
        self.phrase = Span::new((start + STATUS_END + 1).min(line_end.at), line_end.at);
        Ok(())
    }
}

/// Where the status ends in a status line.
pub(super) const STATUS_END: usize = 12;

/// The empty lines before the status line: how many, and where they end. More than are skipped are left.
#[inline]
fn empty_lines(bytes: &[u8]) -> (u8, usize) {
    let mut end = 0;
    for skipped in 0..LEADING_EMPTY_LINES_MAX {
        end += match bytes[end..] {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => return (skipped, end),
        };
    }
    (LEADING_EMPTY_LINES_MAX, end)
}

/// Could more bytes make this the beginning of a response? Also of bytes that are more than the beginning.
fn may_begin(bytes: &[u8]) -> bool {
    let (skipped, start) = empty_lines(bytes);
    let rest = &bytes[start..];
    if rest == b"\r" && skipped < LEADING_EMPTY_LINES_MAX {
        return true;
    }
    let fits = |at: usize, b: u8| match at {
        0..=6 => b == b"HTTP/1."[at],
        7 | 10 | 11 => b.is_ascii_digit(),
        8 => b == b' ',
        9 => matches!(b, b'1'..=b'9'),
        12 => matches!(b, b' ' | b'\r' | b'\n'),
        // A CR in place of the phrase is the line end.
        _ => rest[STATUS_END] != b'\r' || b == b'\n',
    };
    rest.iter().take(STATUS_END + 2).enumerate().all(|(at, &b)| fits(at, b))
}

/// Is this field harmless in spite of its marks?
#[cold]
fn check(field: &Field, bytes: &[u8]) -> Result<(), ResponseError> {
    if field.has(mark::CONTINUATION) {
        return Err(ResponseError::Folded);
    }
    if field.has(mark::NO_COLON) {
        return Err(ResponseError::NoColon);
    }
    let name = field.name(bytes);
    if name.is_empty() || !name.iter().all(|&b| is_tchar(b)) {
        return Err(ResponseError::Name);
    }
    // The name is a token, so what is odd stands behind it. Source: RFC 9112, 5.1.
    if field.has(mark::NAME_ODD) && field.is_suspicious() {
        return Err(ResponseError::FramingName);
    }
    if field.has(mark::VALUE_BAD) {
        return Err(ResponseError::Value);
    }
    Ok(())
}
