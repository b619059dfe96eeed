//! From the bytes of a head to tokens.

use super::{HeadError, RequestHead, Version};
use crate::field::mark;
use crate::scan::{HeadLimits, HeadScanner, Scan};
use crate::token::{Line, Span, has_control_or_space, is_tchar, ows_trimmed, split_request_line};
use crate::words::blank_at;

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
        if scanner.is_fresh() {
            match self.tokenize_prefix(limits.harmless(buf)) {
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
        if let Some(next) = self.read_ordinary_line(bytes) {
            return self.fields.read(bytes, next).ok_or(HeadError::Incomplete);
        }
        self.fields.is_unusual = true;
        let line = Line::first(bytes).ok_or(HeadError::Incomplete)?;
        let has_headers = self.read_request_line(bytes, line)?;
        if has_headers {
            self.fields.read(bytes, line.next).ok_or(HeadError::Incomplete)
        } else {
            Ok(line.next)
        }
    }

    /// Reads the request line that nearly every head begins with, and says where the next line begins: a method that is a
    /// token, a target without control bytes and spaces, HTTP/1.1, CRLF. What it reads it reads as any other line is read.
    #[inline]
    fn read_ordinary_line(&mut self, bytes: &[u8]) -> Option<usize> {
        const REST: &[u8; 11] = b" HTTP/1.1\r\n";
        // Methods are short, so bytes do better than words.
        let method_end = bytes.iter().position(|&b| !is_tchar(b))?;
        let target = method_end + 1;
        if bytes.get(method_end) != Some(&b' ') {
            return None;
        }
        let target_end = blank_at(bytes, target);
        if method_end == 0 || target_end == target || !bytes.get(target_end..)?.starts_with(REST) {
            return None;
        }
        self.version = Version::Http11;
        self.method = Span::new(0, method_end);
        self.set_target(bytes, Span::new(target, target_end));
        let line_end = target_end + REST.len();
        self.version_token = Span::new(target_end + 1, line_end - 2);
        Some(line_end)
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
            self.fields.marks |= mark::METHOD_ODD;
        }
        if line.is_bare() {
            self.fields.marks |= mark::BARE_LF;
        }
        let target = &text[parts.method_end + 1..parts.target_end];
        if has_control_or_space(target) {
            self.fields.marks |= target_marks(target);
        }
        let raw_version = &text[parts.version_start..];
        let version = ows_trimmed(raw_version);
        self.version = version_of(&raw_version[version.clone()]);
        if version.len() != raw_version.len() {
            self.fields.marks |= mark::VERSION_SPACE;
        }
        self.method = Span::new(line.start, line.start + parts.method_end);
        let target = Span::new(line.start + parts.method_end + 1, line.start + parts.target_end);
        self.set_target(head, target);
        let start = line.start + parts.version_start;
        self.version_token = Span::new(start + version.start, start + version.end);
        Ok(!raw_version.is_empty())
    }
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
