//! The last requests of one core, for `/_albacore/requests`.
//!
//! Their lines lie one behind the other in a few pieces of memory that are written over in turn. A line in memory of its own
//! would be the one that the processor's caches know least about, at every request.

use crate::RequestEntry;
use std::collections::VecDeque;

/// A piece is full when it has so many bytes: about a hundred lines.
const PIECE_BYTES: usize = 64 * 1024;
/// Room for the line that makes a piece full, so that usual lines do not make it grow.
const LAST_LINE_BYTES: usize = 4 * 1024;

/// Lines of the access log, and why answers were refused.
#[derive(Debug)]
pub(crate) struct Recent {
    /// So many are kept, and those that share a piece with them.
    kept: usize,
    full: VecDeque<Piece>,
    /// Lines in full pieces.
    in_full: usize,
    open: Piece,
}

#[derive(Debug, Default)]
struct Piece {
    bytes: Vec<u8>,
    /// Where each line ends.
    ends: Vec<usize>,
    /// Of lines that have one, by their index. Hardly any do.
    verdicts: Vec<(usize, String)>,
}

impl Recent {
    pub(crate) fn new(kept: usize) -> Self {
        Self {
            kept,
            full: VecDeque::new(),
            in_full: 0,
            open: Piece::default(),
        }
    }

    /// Where a line is to be appended. It belongs to this only when [`Recent::end`] is called.
    pub(crate) fn begin(&mut self) -> &mut Vec<u8> {
        if self.open.bytes.len() >= PIECE_BYTES || self.open.bytes.capacity() == 0 || self.kept == 0 {
            self.open_next();
        }
        let whole = self.open.whole();
        self.open.bytes.truncate(whole);
        &mut self.open.bytes
    }

    /// What was appended is a line.
    pub(crate) fn end(&mut self, verdict: Option<String>) {
        if let Some(verdict) = verdict {
            self.open.verdicts.push((self.open.ends.len(), verdict));
        }
        self.open.ends.push(self.open.bytes.len());
    }

    /// The last lines, oldest first.
    pub(crate) fn entries(&self) -> Vec<RequestEntry> {
        let all = self.in_full + self.open.ends.len();
        let pieces = self.full.iter().chain([&self.open]);
        pieces
            .flat_map(Piece::entries)
            .skip(all.saturating_sub(self.kept))
            .collect()
    }

    /// Takes the oldest piece if it is not needed any more, else a new one.
    #[cold]
    fn open_next(&mut self) {
        let mut next = Piece::default();
        let before = std::mem::take(&mut self.open);
        if self.kept == 0 {
            next = before;
        } else if !before.ends.is_empty() {
            self.in_full += before.ends.len();
            self.full.push_back(before);
        }
        while let Some(oldest) = self.full.pop_front() {
            if self.in_full - oldest.ends.len() < self.kept {
                self.full.push_front(oldest);
                break;
            }
            self.in_full -= oldest.ends.len();
            next = oldest;
        }
        next.empty();
        self.open = next;
    }
}

impl Piece {
    /// Where the last line ends.
    fn whole(&self) -> usize {
        self.ends.last().copied().unwrap_or_default()
    }

    /// Empties it. Very long lines do not make it large for ever.
    fn empty(&mut self) {
        self.ends.clear();
        self.verdicts.clear();
        self.bytes.clear();
        self.bytes.shrink_to(PIECE_BYTES + LAST_LINE_BYTES);
        self.bytes.reserve(PIECE_BYTES + LAST_LINE_BYTES);
    }

    fn entries(&self) -> impl Iterator<Item = RequestEntry> {
        let mut start = 0;
        self.ends.iter().enumerate().map(move |(at, end)| {
            let line = self.bytes[start..*end].to_vec();
            start = *end;
            let verdict = self.verdicts.iter().find(|(of, _)| *of == at);
            RequestEntry {
                line,
                verdict: verdict.map(|(_, verdict)| verdict.clone()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(recent: &mut Recent, line: &str, verdict: Option<&str>) {
        recent.begin().extend_from_slice(line.as_bytes());
        recent.end(verdict.map(str::to_owned));
    }

    fn lines(recent: &Recent) -> Vec<String> {
        let text = |entry: RequestEntry| String::from_utf8(entry.line).unwrap();
        recent.entries().into_iter().map(text).collect()
    }

    #[test]
    fn the_last_lines_are_kept_in_their_order() {
        let line = |number: usize| format!("{number} {}", "x".repeat(700));
        let mut recent = Recent::new(500);
        for number in 0..5_000 {
            put(&mut recent, &line(number), None);
            let first = (number + 1).saturating_sub(500);
            if number % 500 == 3 || number < 5 {
                assert_eq!(lines(&recent), (first..=number).map(line).collect::<Vec<_>>());
            }
        }
        let bytes: usize = recent.full.iter().map(|piece| piece.bytes.capacity()).sum();
        assert!(
            bytes <= 8 * (PIECE_BYTES + LAST_LINE_BYTES),
            "{bytes} bytes for 350,000"
        );
    }

    #[test]
    fn a_verdict_stays_with_its_line() {
        let mut recent = Recent::new(2);
        for (line, verdict) in [("a", Some("one")), ("b", None), ("c", Some("three"))] {
            put(&mut recent, line, verdict);
        }
        let verdicts: Vec<_> = recent.entries().into_iter().map(|entry| entry.verdict).collect();
        assert_eq!(
            (lines(&recent), verdicts),
            (vec!["b".into(), "c".into()], vec![None, Some("three".into())])
        );
    }

    #[test]
    fn what_was_not_ended_is_no_line() {
        let mut recent = Recent::new(2);
        put(&mut recent, "a", None);
        recent.begin().extend_from_slice(b"half");
        put(&mut recent, "b", None);
        assert_eq!(lines(&recent), ["a", "b"]);
    }

    #[test]
    fn none_are_kept_if_none_are_wanted() {
        let mut recent = Recent::new(0);
        put(&mut recent, "a", None);
        put(&mut recent, "b", Some("why"));
        assert_eq!(lines(&recent), Vec::<String>::new());
    }

    #[test]
    fn room_for_very_long_lines_is_given_back() {
        let mut recent = Recent::new(1);
        put(&mut recent, &"x".repeat(1 << 20), None);
        put(&mut recent, "a", None);
        put(&mut recent, &"y".repeat(PIECE_BYTES), None);
        put(&mut recent, "b", None);
        put(&mut recent, &"z".repeat(PIECE_BYTES), None);
        put(&mut recent, "c", None);
        assert_eq!(lines(&recent), ["c"]);
        let largest = recent
            .full
            .iter()
            .chain([&recent.open])
            .map(|piece| piece.bytes.capacity());
        assert!(largest.max() < Some(4 * PIECE_BYTES));
    }
}
