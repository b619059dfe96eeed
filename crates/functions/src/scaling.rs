//! How fast a function may get more environments: at most 1,000 in ten seconds, refilled all the time and never saved up.
//! Source: Lambda 4.7.
//!
//! This machine's own limit of environments usually comes first; where it is higher, a function is throttled as on Lambda.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Environments in a row, when none was added for long.
const ADDED_MAX: u32 = 1000;
/// How long until all of them may be added again.
const REFILLED_IN: Duration = Duration::from_secs(10);

/// What one function, or a version of it, may still add, over all cores.
#[derive(Debug, Default)]
pub(crate) struct Scaling {
    /// When the last of those that were added will have been made up for. None yet: nothing was.
    full_at: Mutex<Option<Instant>>,
}

impl Scaling {
    /// May one more be added? If so, it counts.
    pub(crate) fn may_add(&self, now: Instant) -> bool {
        let each = REFILLED_IN / ADDED_MAX;
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let next = full_at.map_or(now, |at| at.max(now)) + each;
        let may = next.saturating_duration_since(now) <= REFILLED_IN;
        if may {
            *full_at = Some(next);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::{ADDED_MAX, REFILLED_IN, Scaling};
    use std::time::Duration;
    use tokio::time::Instant;

    #[test]
    fn a_thousand_environments_in_ten_seconds() {
        let scaling = Scaling::default();
        let start = Instant::now();
        let added = |at: Duration| (0..5000).take_while(|_| scaling.may_add(start + at)).count();
        assert_eq!(added(Duration::ZERO), ADDED_MAX as usize);
        assert_eq!(added(Duration::from_millis(9)), 0);
        // Refilled all the time ...
        assert_eq!(added(Duration::from_secs(1)), 100);
        assert_eq!(added(Duration::from_millis(1500)), 50);
        // ... and never more than there was.
        assert_eq!(added(REFILLED_IN * 7), ADDED_MAX as usize);
    }
}
