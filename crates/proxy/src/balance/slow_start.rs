//! Slow start: a target that joins others warms up. Pure. Source: ALB 5.2.

use std::time::{Duration, Instant};

/// The share a target begins with. Nothing at all would never be chosen and never warm up.
const FIRST_SHARE: f64 = 0.01;

/// What there is to know about a target that became healthy.
#[derive(Clone, Copy, Debug)]
pub(super) struct BecameHealthy {
    /// The group has a healthy target that is not in slow start.
    pub(super) joins_others: bool,
    /// It was registered together with the first targets of its group, and was not healthy before.
    pub(super) is_of_first: bool,
}

impl BecameHealthy {
    /// Whether the target enters slow start. One that finds nobody to take the load for it does not, nor do those that
    /// were registered at once into an empty group.
    pub(super) fn enters(self) -> bool {
        self.joins_others && !self.is_of_first
    }
}

/// The share of a target that entered slow start at `began`, beside one of 1.0; `None` once it is over. It grows linearly.
pub(super) fn share(began: Instant, duration: Duration, now: Instant) -> Option<f64> {
    let since = now.saturating_duration_since(began);
    (since < duration).then(|| (since.as_secs_f64() / duration.as_secs_f64()).max(FIRST_SHARE))
}

#[cfg(test)]
mod tests {
    use super::*;

    // ALB-B-029: the ramp is linear
    #[test]
    fn a_share_grows_linearly() {
        let (began, duration) = (Instant::now(), Duration::from_secs(30));
        let at = |secs: u64| share(began, duration, began + Duration::from_secs(secs));
        assert_eq!(at(0), Some(FIRST_SHARE));
        for secs in 1..30 {
            let expected = secs as f64 / 30.0;
            assert!((at(secs).unwrap() - expected).abs() < 1e-9, "after {secs} s");
        }
        assert_eq!((at(30), at(31)), (None, None));
        // A clock that is a little behind the one that noted the beginning.
        assert_eq!(share(began + duration, duration, began), Some(FIRST_SHARE));
    }

    // ALB-B-029: only with another healthy target present
    #[test]
    fn who_enters() {
        for (joins_others, is_of_first, enters) in [
            (true, false, true),
            (false, false, false),
            (true, true, false),
            (false, true, false),
        ] {
            let became = BecameHealthy {
                joins_others,
                is_of_first,
            };
            assert_eq!(became.enters(), enters, "{became:?}");
        }
    }
}
