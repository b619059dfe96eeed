//! Lines about functions whose answer did not reach the client: enough to see why, never so many that a function that
//! fails under load floods the log.

use std::cell::Cell;
use std::time::{Duration, Instant};
use tracing::warn;

/// Lines of one core in one second.
const LINES_MAX: u32 = 5;
const WINDOW: Duration = Duration::from_secs(1);

/// How many lines of this second were written, and how many were not.
#[derive(Debug)]
pub(crate) struct Complaints {
    began: Cell<Instant>,
    written: Cell<u32>,
    suppressed: Cell<u64>,
}

impl Complaints {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            began: Cell::new(now),
            written: Cell::new(0),
            suppressed: Cell::new(0),
        }
    }

    /// Whether one more line may be written; if not, it is counted.
    pub(crate) fn allow(&self, now: Instant) -> bool {
        self.tell_suppressed(now);
        let allowed = self.written.get() < LINES_MAX;
        match allowed {
            true => self.written.set(self.written.get() + 1),
            false => self.suppressed.set(self.suppressed.get() + 1),
        }
        allowed
    }

    /// When the second is over: says how many lines were not written in it, and begins the next.
    pub(crate) fn tell_suppressed(&self, now: Instant) {
        if let Some(suppressed) = self.next_window(now) {
            warn!(
                suppressed,
                "more answers of functions were refused than lines were written"
            );
        }
    }

    fn next_window(&self, now: Instant) -> Option<u64> {
        if now.saturating_duration_since(self.began.get()) < WINDOW {
            return None;
        }
        self.began.set(now);
        self.written.set(0);
        Some(self.suppressed.replace(0)).filter(|suppressed| *suppressed > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_a_few_lines_and_the_rest_is_counted() {
        let start = Instant::now();
        let complaints = Complaints::new(start);
        let allowed = |at: Duration| complaints.allow(start + at);
        let first = (0..1000).filter(|_| allowed(Duration::from_millis(3))).count();
        assert_eq!(first, LINES_MAX as usize);
        assert_eq!(complaints.next_window(start + Duration::from_millis(999)), None);
        assert_eq!(complaints.next_window(start + Duration::from_secs(1)), Some(995));
        assert!(allowed(Duration::from_millis(1500)));
        // Nothing was suppressed: nothing is said.
        assert_eq!(complaints.next_window(start + Duration::from_secs(3)), None);
    }
}
