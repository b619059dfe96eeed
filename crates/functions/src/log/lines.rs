//! Cuts bytes into lines. Only a newline ends a line. Source: Lambda 2.11.

use memchr::memchr;

/// What an empty buffer may keep of its memory, in bytes: an idle environment shall not hold the longest line it ever
/// wrote.
const KEPT_BYTES_MAX: usize = 4 * 1024;

/// The state between two reads: the beginning of a line whose end has not come yet.
#[derive(Debug)]
pub(super) struct Lines {
    pending: Vec<u8>,
    line_bytes_max: usize,
}

impl Lines {
    /// A longer line is cut into several.
    pub(super) fn new(line_bytes_max: usize) -> Self {
        Self {
            pending: Vec::new(),
            line_bytes_max,
        }
    }

    /// Hands on every whole line, without its newline.
    pub(super) fn take(&mut self, mut bytes: &[u8], line: &mut impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            let room = self.line_bytes_max - self.pending.len();
            // One more than fits, because the newline itself takes no room.
            let window = &bytes[..bytes.len().min(room + 1)];
            if let Some(end) = memchr(b'\n', window) {
                self.end(&bytes[..end], line);
                bytes = &bytes[end + 1..];
            } else if bytes.len() > room {
                self.end(&bytes[..room], line);
                bytes = &bytes[room..];
            } else {
                self.pending.extend_from_slice(bytes);
                break;
            }
        }
    }

    /// Hands on a line whose newline is not coming.
    pub(super) fn finish(&mut self, line: &mut impl FnMut(&[u8])) {
        if !self.pending.is_empty() {
            self.end(b"", line);
        }
    }

    fn end(&mut self, rest: &[u8], line: &mut impl FnMut(&[u8])) {
        if self.pending.is_empty() {
            return line(rest);
        }
        self.pending.extend_from_slice(rest);
        line(&self.pending);
        self.pending.clear();
        self.pending.shrink_to(KEPT_BYTES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[track_caller]
    fn check(pieces: &[&str], expected: &[&str], expected_rest: &[&str]) {
        let mut lines = Lines::new(4);
        let (mut found, mut rest) = (Vec::new(), Vec::new());
        let text = |line: &[u8]| String::from_utf8(line.to_vec()).unwrap();
        for piece in pieces {
            lines.take(piece.as_bytes(), &mut |line| found.push(text(line)));
        }
        lines.finish(&mut |line| rest.push(text(line)));
        assert_eq!(found, expected);
        assert_eq!(rest, expected_rest);
    }

    // LAM-G-012: a newline ends a log event; a carriage return does not
    #[test]
    fn only_a_newline_ends_a_line_and_long_ones_are_cut() {
        check(&[], &[], &[]);
        check(&["a\nb\r", "c\n\nd"], &["a", "b\rc", ""], &["d"]);
        check(&["abcd"], &[], &["abcd"]);
        check(&["abcd", "\n"], &["abcd"], &[]);
        check(&["abcde"], &["abcd"], &["e"]);
        check(&["ab", "cde"], &["abcd"], &["e"]);
        check(&["abcdefghij\nk"], &["abcd", "efgh", "ij"], &["k"]);
    }
}
