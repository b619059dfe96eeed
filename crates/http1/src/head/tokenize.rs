//! From the bytes of a head to tokens.

use memchr::memchr;

use super::{Field, HeadError, RequestHead, Version, mark};
use crate::known_name::KnownName;
use crate::scan::{HeadLimits, HeadScanner, LEADING_EMPTY_LINES_MAX, Scan};
use crate::similarity::{Resembles, resembles};
use crate::token::{
    CLASS, Line, PLAIN, Span, TCHAR, count_not_printable, has_control, has_control_or_space, is_bad, is_ows, is_tchar,
    ows_trimmed, plain_prefix, split_request_line,
};

impl RequestHead {
    /// Looks for a head at the beginning of a buffer that may grow, and reads it: [`crate::HeadScanner::scan`] and
    /// [`RequestHead::tokenize`] in one. When the whole head is there at the first call, as it mostly is, every byte is
    /// looked at once.
    ///
    /// The tokens are of use only after [`Scan::Complete`]; the scanner is reset by then.
    ///
    /// # Errors
    ///
    /// As [`RequestHead::tokenize`], once the head is complete.
    pub fn read(&mut self, scanner: &mut HeadScanner, buf: &[u8], limits: &HeadLimits) -> Result<Scan, HeadError> {
        if scanner.is_fresh() && limits.allow(buf.len()) {
            match self.tokenize_prefix(buf) {
                Ok(head_len) => return Ok(Scan::Complete { head_len }),
                Err(HeadError::Incomplete) => {}
                Err(error) => return Err(error),
            }
        }
        let scan = scanner.scan(buf, limits);
        if let Scan::Complete { head_len } = scan {
            scanner.reset();
            self.tokenize(&buf[..head_len])?;
        }
        Ok(scan)
    }

    /// Reads one complete head, exactly as [`crate::HeadScanner`] delimits it. Does not allocate once the room for fields
    /// is there.
    ///
    /// # Errors
    ///
    /// When the bytes cannot be read as a request at all, or are more or less than one head.
    pub fn tokenize(&mut self, head: &[u8]) -> Result<(), HeadError> {
        match self.tokenize_prefix(head)? {
            head_len if head_len == head.len() => Ok(()),
            _ => Err(HeadError::TrailingBytes),
        }
    }

    /// Reads the head that `bytes` begin with, and says how long it is.
    fn tokenize_prefix(&mut self, bytes: &[u8]) -> Result<usize, HeadError> {
        self.clear();
        if u32::try_from(bytes.len()).is_err() {
            return Err(HeadError::TooLong);
        }
        let line = first_line(bytes)?;
        let has_headers = self.read_request_line(bytes, line)?;
        let mut line_end_bytes = line.next - line.end;
        let end = if has_headers {
            self.read_fields(bytes, line.next, &mut line_end_bytes)?
        } else {
            line.next
        };
        // One look at all bytes is cheaper than one look at each value, and a normal head ends here.
        if count_not_printable(&bytes[line.start..end]) != line_end_bytes {
            self.mark_values(bytes);
        }
        Ok(end)
    }

    /// Reads the lines from `at` on, up to the empty one, and says where that ends.
    #[inline]
    fn read_fields(&mut self, bytes: &[u8], mut at: usize, line_end_bytes: &mut usize) -> Result<usize, HeadError> {
        loop {
            let line = Line::at(bytes, at).ok_or(HeadError::Incomplete)?;
            at = line.next;
            *line_end_bytes += line.next - line.end;
            if line.is_bare() {
                self.marks |= mark::BARE_LF;
            }
            if line.is_empty() {
                return Ok(at);
            }
            self.add(read_field(bytes, line));
        }
    }

    #[cold]
    fn mark_values(&mut self, head: &[u8]) {
        for field in &mut self.fields {
            let value = field.value.of(head);
            if has_control(value) {
                field.marks |= odd_value_marks(value);
            }
            self.marks |= field.marks;
        }
    }

    /// `false` if the line is the whole head: HTTP/0.9.
    fn read_request_line(&mut self, head: &[u8], line: Line) -> Result<bool, HeadError> {
        let text = &head[line.start..line.end];
        if text.is_empty() {
            return Err(HeadError::NoRequestLine);
        }
        let parts = split_request_line(text).ok_or(HeadError::NoTarget)?;
        let method = &text[..parts.method_end];
        if method.is_empty() {
            return Err(HeadError::NoMethod);
        }
        if !method.iter().all(|&b| is_tchar(b)) {
            self.marks |= mark::METHOD_ODD;
        }
        if line.is_bare() {
            self.marks |= mark::BARE_LF;
        }
        let target = &text[parts.method_end + 1..parts.target_end];
        if has_control_or_space(target) {
            self.marks |= target_marks(target);
        }
        let raw_version = &text[parts.version_start..];
        let version = ows_trimmed(raw_version);
        self.version = version_of(&raw_version[version.clone()]);
        if version.len() != raw_version.len() {
            self.marks |= mark::VERSION_SPACE;
        }
        self.method = Span::new(line.start, line.start + parts.method_end);
        self.target = Span::new(line.start + parts.method_end + 1, line.start + parts.target_end);
        let start = line.start + parts.version_start;
        self.version_token = Span::new(start + version.start, start + version.end);
        Ok(!raw_version.is_empty())
    }
}

fn first_line(head: &[u8]) -> Result<Line, HeadError> {
    let mut at = 0;
    for _ in 0..LEADING_EMPTY_LINES_MAX {
        let line = Line::at(head, at).ok_or(HeadError::Incomplete)?;
        if !line.is_empty() {
            return Ok(line);
        }
        at = line.next;
    }
    Line::at(head, at).ok_or(HeadError::Incomplete)
}

fn version_of(text: &[u8]) -> Version {
    match text {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        b"" | b"HTTP/0.9" => Version::Http09,
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', digit @ b'2'..=b'9'] => Version::Http1Other(digit - b'0'),
        _ => Version::Bad,
    }
}

#[cold]
fn target_marks(target: &[u8]) -> u16 {
    target.iter().fold(0, |marks, &b| {
        marks
            | match b {
                b' ' => mark::TARGET_SPACE,
                0 | b'\r' | b'\n' => mark::TARGET_BAD,
                0..=0x1f | 0x7f => mark::TARGET_ODD,
                _ => 0,
            }
    })
}

#[inline]
fn read_field(head: &[u8], line: Line) -> Field {
    let text = &head[line.start..line.end];
    let mut marks = if line.is_bare() { mark::BARE_LF } else { 0 };
    let plain = plain_prefix(text);
    let (colon, name, mut known) = if plain > 0 && text.get(plain) == Some(&b':') {
        (plain, 0..plain, KnownName::of_plain(&text[..plain]))
    } else {
        let colon = memchr(b':', text).unwrap_or(text.len());
        let name = ows_trimmed(&text[..colon]);
        marks |= name_marks(&text[..colon], name.is_empty());
        let known = KnownName::of(&text[name.clone()]);
        (colon, name, known)
    };
    let whole = name.len() == colon;
    let framing = match known {
        KnownName::TransferEncoding if !whole => Some(Resembles::TransferEncoding),
        KnownName::ContentLength if !whole => Some(Resembles::ContentLength),
        KnownName::Other => resembles(&text[..colon]),
        _ => None,
    };
    if let Some(framing) = framing {
        known = KnownName::Other;
        marks |= match framing {
            Resembles::TransferEncoding => mark::LIKE_TE,
            Resembles::ContentLength => mark::LIKE_CL,
        };
    }
    let value = match text.get(colon + 1..) {
        Some(raw_value) => {
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

/// What a name is marked with that is not `[-A-Za-z0-9]+` followed by a colon.
#[cold]
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

#[cold]
fn odd_value_marks(value: &[u8]) -> u16 {
    let bad = memchr(b'\r', value).is_some() || memchr(0, value).is_some();
    if bad { mark::VALUE_BAD } else { mark::VALUE_ODD }
}
