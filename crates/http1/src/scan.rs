//! Finds the end of a request head in a buffer that grows, looking at every byte once.
//!
//! The scanner knows lines, empty lines and limits, and whether the first line names a version (HTTP/0.9 ends there).
//! What the lines say is left to `head`.

use memchr::memchr;

use crate::token::{content_end, split_request_line};

/// Empty lines that may stand before a request line. Source: RFC 9112, 2.2 (at least one); the bound is ours.
pub const LEADING_EMPTY_LINES_MAX: u8 = 8;

/// How long the parts of a head may be, in bytes. Line ends do not count for a line, but for all headers together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Longest request line that is taken; of a response, its status line.
    pub request_line_bytes_max: usize,
    /// Longest header line that is taken.
    pub header_line_bytes_max: usize,
    /// Most bytes of all header lines with their line ends, the final empty line included. The status line of a response
    /// counts too.
    pub headers_bytes_max: usize,
}

impl HeadLimits {
    /// What an Application Load Balancer takes: a request line of 16 K, header lines shorter than 16,384 bytes, 64 K of
    /// headers. Source: ALB 4.5.
    pub const ALB: Self = Self {
        request_line_bytes_max: 16_384,
        header_line_bytes_max: 16_383,
        headers_bytes_max: 65_536,
    };

    /// What a target may answer: a head of 32 K in all, status line and line ends included. No part of it has a limit of
    /// its own. A response that breaks a limit is answered 502. Source: ALB 4.5.
    pub const ALB_RESPONSE: Self = Self {
        request_line_bytes_max: 32_768,
        header_line_bytes_max: 32_768,
        headers_bytes_max: 32_768,
    };

    /// The bytes of a buffer in which nothing can break a limit.
    #[inline]
    pub(crate) fn harmless<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        let bytes_max = self
            .request_line_bytes_max
            .min(self.header_line_bytes_max)
            .min(self.headers_bytes_max);
        &buf[..buf.len().min(bytes_max)]
    }
}

/// What the scanner knows after having seen a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// The head is not complete, and no limit is broken so far.
    Partial,
    /// The head is `..head_len`, leading empty lines included. What follows is body, or the next request.
    Complete {
        /// Length in bytes.
        head_len: usize,
    },
    /// A limit is broken. Said as soon as the first byte over it has been seen.
    TooLarge(Limit),
}

/// The limit that a head breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The request line, or the status line of a response.
    RequestLine,
    /// One header line.
    HeaderLine,
    /// All headers together.
    AllHeaders,
}

impl Limit {
    /// The status that answers a request of this kind; a response of this kind is answered 502. Source: ALB 4.5.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::RequestLine => 414,
            Self::HeaderLine | Self::AllHeaders => 400,
        }
    }
}

/// Where the search stands. One for each connection; [`HeadScanner::reset`] before the next head.
#[derive(Clone, Debug, Default)]
pub struct HeadScanner {
    /// No LF before this that has not been handled.
    searched: usize,
    line_start: usize,
    /// Where the header lines begin; `None` while the first line is awaited. For a response, where the status line began.
    headers_start: Option<usize>,
    empty_lines: u8,
}

impl HeadScanner {
    /// Ready for a head that begins at the first byte of the buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything: the next buffer begins with a new head.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Has looked at nothing yet.
    #[inline]
    pub(crate) fn is_fresh(&self) -> bool {
        self.searched == 0
    }

    /// Looks at the bytes that were added since the last call. `buf` must begin with what it began with then. The answer
    /// does not depend on how the bytes were cut. After `Complete` or `TooLarge`, call [`HeadScanner::reset`].
    pub fn scan(&mut self, buf: &[u8], limits: &HeadLimits) -> Scan {
        self.scan_for(FirstLine::Request, buf, limits)
    }

    /// As [`HeadScanner::scan`], for a response.
    pub(crate) fn scan_response(&mut self, buf: &[u8], limits: &HeadLimits) -> Scan {
        self.scan_for(FirstLine::Status, buf, limits)
    }

    /// No first line has been seen to its end.
    #[inline]
    pub(crate) fn awaits_first_line(&self) -> bool {
        self.headers_start.is_none()
    }

    fn scan_for(&mut self, first_line: FirstLine, buf: &[u8], limits: &HeadLimits) -> Scan {
        while let Some(at) = buf.get(self.searched..).and_then(|rest| memchr(b'\n', rest)) {
            let lf = self.searched + at;
            let end = content_end(buf, self.line_start, lf);
            if let Some(limit) = self.broken_limit(buf, end, lf + 1, limits) {
                return Scan::TooLarge(limit);
            }
            let line_start = self.line_start;
            let line = &buf[line_start..end];
            self.searched = lf + 1;
            self.line_start = lf + 1;
            if self.headers_start.is_some() {
                if line.is_empty() {
                    return Scan::Complete { head_len: lf + 1 };
                }
            } else if line.is_empty() && self.empty_lines < LEADING_EMPTY_LINES_MAX {
                self.empty_lines += 1;
            } else if first_line == FirstLine::Status {
                self.headers_start = Some(line_start);
                if lf + 1 - line_start > limits.headers_bytes_max {
                    return Scan::TooLarge(Limit::AllHeaders);
                }
            } else if ends_head(line) {
                // Nothing that follows changes what it is.
                return Scan::Complete { head_len: lf + 1 };
            } else {
                self.headers_start = Some(lf + 1);
            }
        }
        self.searched = buf.len();
        // A CR at the very end may belong to the line end, so it is not counted yet.
        let end = content_end(buf, self.line_start, buf.len());
        match self.broken_limit(buf, end, buf.len(), limits) {
            Some(limit) => Scan::TooLarge(limit),
            None => Scan::Partial,
        }
    }

    /// The line that begins at `line_start` has content up to `end`, and `seen` bytes belong to the head so far. If two
    /// limits are broken the one whose byte comes first counts, so that the answer is the same for every cut.
    #[inline]
    fn broken_limit(&self, buf: &[u8], end: usize, seen: usize, limits: &HeadLimits) -> Option<Limit> {
        let (line_limit, line_bytes_max) = match self.headers_start {
            None => (Limit::RequestLine, limits.request_line_bytes_max),
            Some(_) => (Limit::HeaderLine, limits.header_line_bytes_max),
        };
        let line_broken = end.saturating_sub(self.line_start) > line_bytes_max;
        let headers_end = self
            .headers_start
            .map(|start| start.saturating_add(limits.headers_bytes_max));
        let headers_broken = headers_end.is_some_and(|end| seen > end);
        match (line_broken, headers_broken) {
            (false, false) => None,
            (true, false) => Some(line_limit),
            (false, true) => Some(Limit::AllHeaders),
            (true, true) => {
                let over = self.line_start + line_bytes_max;
                // A CR there is known to be content only when one more byte has come.
                let line_at = over + usize::from(buf.get(over) == Some(&b'\r'));
                if headers_end.is_some_and(|end| end < line_at) {
                    Some(Limit::AllHeaders)
                } else {
                    Some(line_limit)
                }
            }
        }
    }
}

/// What the head begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FirstLine {
    Request,
    /// Counted among the headers, because the limit of a response is one for all of it.
    Status,
}

/// Is this first line the whole head? HTTP/0.9 has no headers, and a line without method or target is refused whatever
/// follows it.
fn ends_head(line: &[u8]) -> bool {
    split_request_line(line).is_none_or(|parts| parts.method_end == 0 || parts.version_start == line.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: HeadLimits = HeadLimits {
        request_line_bytes_max: 20,
        header_line_bytes_max: 10,
        headers_bytes_max: 24,
    };

    /// The answer must be the same for the whole buffer and for one byte more at a time.
    #[track_caller]
    fn check(bytes: &[u8], limits: &HeadLimits, expected: Scan) {
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(HeadScanner::new().scan(bytes, limits), expected, "{text:?}");
        let mut scanner = HeadScanner::new();
        let mut answer = Scan::Partial;
        for end in 0..=bytes.len() {
            answer = scanner.scan(&bytes[..end], limits);
            if answer != Scan::Partial {
                break;
            }
        }
        assert_eq!(answer, expected, "byte by byte: {text:?}");
    }

    #[test]
    fn a_head_ends_with_its_empty_line() {
        for (bytes, head_len) in [
            (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\r\n\r\n"[..], 27),
            (b"GET / HTTP/1.1\nHost: a\n\nbody", 24),
            (b"GET / HTTP/1.1\r\n\r\n", 18),
            (b"\r\n\n\r\nGET / HTTP/1.1\r\n\r\n", 23),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 18),
        ] {
            check(bytes, &HeadLimits::ALB, Scan::Complete { head_len });
        }
        for bytes in [
            &b""[..],
            b"GET",
            b"GET / HTTP/1.1\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r",
            b"\r\n\r\n",
        ] {
            check(bytes, &HeadLimits::ALB, Scan::Partial);
        }
    }

    #[test]
    fn a_first_line_without_version_or_target_is_the_whole_head() {
        check(
            b"GET /path\r\nHost: a\r\n\r\n",
            &HeadLimits::ALB,
            Scan::Complete { head_len: 11 },
        );
        check(b"GET /\n", &HeadLimits::ALB, Scan::Complete { head_len: 6 });
        check(b"hello\r\n", &HeadLimits::ALB, Scan::Complete { head_len: 7 });
        check(b"GET HTTP/1.1\r\n", &HeadLimits::ALB, Scan::Complete { head_len: 14 });
        check(b" / HTTP/1.1\r\n", &HeadLimits::ALB, Scan::Complete { head_len: 13 });
    }

    #[test]
    fn empty_lines_before_the_request_are_bounded() {
        let mut bytes = b"\r\n".repeat(usize::from(LEADING_EMPTY_LINES_MAX));
        check(&bytes, &HeadLimits::ALB, Scan::Partial);
        bytes.extend_from_slice(b"\r\n");
        check(&bytes, &HeadLimits::ALB, Scan::Complete { head_len: bytes.len() });
    }

    // ALB-H-029: a request line over 16 K is refused with a 4xx
    #[test]
    fn a_long_request_line_is_refused_also_before_it_ends() {
        let line = |len: usize| [b"GET /", &vec![b'a'; len - 14][..], b" HTTP/1.1"].concat();
        let head = |len: usize| [&line(len)[..], b"\r\n\r\n"].concat();
        assert_eq!(
            HeadScanner::new().scan(&head(16_384), &HeadLimits::ALB),
            Scan::Complete { head_len: 16_388 }
        );
        assert_eq!(HeadScanner::new().scan(&line(16_384), &HeadLimits::ALB), Scan::Partial);
        for bytes in [head(16_385), line(16_385)] {
            assert_eq!(
                HeadScanner::new().scan(&bytes, &HeadLimits::ALB),
                Scan::TooLarge(Limit::RequestLine)
            );
        }
        assert_eq!(Limit::RequestLine.status(), 414);
    }

    // ALB-H-030: a header line of 16,384 bytes is refused with a 4xx
    #[test]
    fn a_header_line_of_16384_bytes_is_refused() {
        let head = |len: usize| [b"GET / HTTP/1.1\r\nx: ", &vec![b'a'; len - 3][..], b"\r\n\r\n"].concat();
        let fits = head(16_383);
        assert_eq!(
            HeadScanner::new().scan(&fits, &HeadLimits::ALB),
            Scan::Complete { head_len: fits.len() }
        );
        let long = head(16_384);
        assert_eq!(
            HeadScanner::new().scan(&long, &HeadLimits::ALB),
            Scan::TooLarge(Limit::HeaderLine)
        );
        let unfinished = &long[..long.len() - 4];
        assert_eq!(
            HeadScanner::new().scan(unfinished, &HeadLimits::ALB),
            Scan::TooLarge(Limit::HeaderLine)
        );
        assert_eq!(Limit::HeaderLine.status(), 400);
    }

    #[test]
    fn all_headers_together_are_bounded() {
        let head = |lines: usize| {
            let mut bytes = b"GET / HTTP/1.1\r\n".to_vec();
            bytes.extend(b"x: 4567890123\r\n".repeat(lines));
            bytes.extend_from_slice(b"\r\n");
            bytes
        };
        let fits = head(4_368);
        assert_eq!(
            HeadScanner::new().scan(&fits, &HeadLimits::ALB),
            Scan::Complete { head_len: fits.len() }
        );
        assert_eq!(
            HeadScanner::new().scan(&head(4_370), &HeadLimits::ALB),
            Scan::TooLarge(Limit::AllHeaders)
        );
        assert_eq!(Limit::AllHeaders.status(), 400);
    }

    #[test]
    fn the_limit_whose_byte_comes_first_is_named() {
        let line = b"GET / HTTP/1.1\r\n";
        check(
            &[line, &b"a:345678\r\na:345678\r\n\r\n"[..]].concat(),
            &SMALL,
            Scan::Complete { head_len: 38 },
        );
        check(
            &[line, &b"a:345678\r\na:345678\r\nab\r\n"[..]].concat(),
            &SMALL,
            Scan::Partial,
        );
        check(
            &[line, &b"a:345678\r\na:345678\r\nabc\r\n"[..]].concat(),
            &SMALL,
            Scan::TooLarge(Limit::AllHeaders),
        );
        check(
            &[line, &b"a:345678901\r\n"[..]].concat(),
            &SMALL,
            Scan::TooLarge(Limit::HeaderLine),
        );
        check(
            &[line, &b"a:34567890\r\r\n"[..]].concat(),
            &SMALL,
            Scan::TooLarge(Limit::HeaderLine),
        );
        check(
            &[line, &b"a:34567\r\na:34567\r\n01234567890123\n"[..]].concat(),
            &SMALL,
            Scan::TooLarge(Limit::AllHeaders),
        );
    }
}
