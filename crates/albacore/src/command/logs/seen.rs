//! What was shown last, for whoever follows from one server to the next.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Events of several functions may come a little out of order.
const SLACK_MS: u64 = 10_000;
/// Lines that are remembered.
const LINES_MAX: usize = 10_000;

/// The newest lines.
#[derive(Debug, Default)]
pub(super) struct Seen {
    newest_ms: Option<u64>,
    /// Times and hashes of those that are not much older than the newest.
    lines: VecDeque<(u64, u64)>,
    /// Hashes of what another server may show again, sorted.
    again: Vec<u64>,
}

impl Seen {
    /// Nothing was shown yet.
    pub(super) fn is_new(&self) -> bool {
        self.newest_ms.is_none()
    }

    /// From when on the next server is asked, in milliseconds since the epoch.
    pub(super) fn since_ms(&self) -> Option<u64> {
        self.newest_ms.map(|newest| newest.saturating_sub(SLACK_MS))
    }

    /// Another server begins: what it shows at first may be known.
    pub(super) fn look_back(&mut self) {
        self.again = self.lines.iter().map(|(_, hash)| *hash).collect();
        self.again.sort_unstable();
    }

    /// Whether a line was not shown yet. From then on it was.
    pub(super) fn is_new_line(&mut self, time_ms: u64, line: &[u8]) -> bool {
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        let hash = hasher.finish();
        if let Ok(at) = self.again.binary_search(&hash) {
            // The same words at the same time, said twice, are shown twice.
            self.again.remove(at);
            return false;
        }
        let newest = self.newest_ms.map_or(time_ms, |newest| newest.max(time_ms));
        self.newest_ms = Some(newest);
        self.lines.push_back((time_ms, hash));
        while self.lines.len() > LINES_MAX || self.lines.front().is_some_and(|(time, _)| time + SLACK_MS < newest) {
            self.lines.pop_front();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_server_shows_nothing_again() {
        let mut seen = Seen::default();
        assert_eq!((seen.is_new(), seen.since_ms()), (true, None));
        for (time, line) in [(100_000, "old"), (200_000, "a"), (199_000, "b"), (200_000, "a")] {
            assert!(
                seen.is_new_line(time, line.as_bytes()),
                "what one server says twice was said twice"
            );
        }
        assert_eq!((seen.is_new(), seen.since_ms()), (false, Some(190_000)));
        seen.look_back();
        for (time, line, is_new) in [
            (199_000, "b", false),
            (200_000, "a", false),
            (200_000, "a", false),
            (200_000, "a", true),
            (200_001, "c", true),
        ] {
            assert_eq!(seen.is_new_line(time, line.as_bytes()), is_new, "{line}");
        }
    }

    #[test]
    fn only_the_newest_are_remembered() {
        let mut seen = Seen::default();
        for time in 0..20_000_u64 {
            assert!(seen.is_new_line(time, time.to_string().as_bytes()));
        }
        assert!(seen.lines.len() <= LINES_MAX);
        assert!(seen.is_new_line(1_000_000, b"x"));
        assert_eq!(seen.lines.len(), 1);
    }
}
