//! Lines about checks that this process could not make: enough to see why, never one for each target.

use std::cell::RefCell;
use std::time::Duration;
use tokio::time::Instant;
use tracing::warn;

/// One line in this time.
const EVERY: Duration = Duration::from_secs(10);

/// What is known on one core.
#[derive(Debug, Default)]
pub(super) struct Trouble(RefCell<Told>);

#[derive(Debug, Default)]
struct Told {
    last: Option<Instant>,
    /// Checks that were not told since.
    silent: u64,
}

impl Trouble {
    /// Tells it, unless something was told a moment ago.
    pub(super) fn tell(&self, target_addr: &str, cause: Option<&str>) {
        if let Some(silent) = self.turn(Instant::now()) {
            warn!(
                target_addr,
                cause,
                not_told = silent,
                "a health check could not be made; what is known about the target stays"
            );
        }
    }

    /// How many were silent, if it is time for another line.
    fn turn(&self, now: Instant) -> Option<u64> {
        let mut told = self.0.borrow_mut();
        if told.last.is_some_and(|last| now < last + EVERY) {
            told.silent += 1;
            return None;
        }
        told.last = Some(now);
        Some(std::mem::take(&mut told.silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_ten_seconds() {
        let (trouble, start) = (Trouble::default(), Instant::now());
        let after = |secs| trouble.turn(start + Duration::from_secs(secs));
        assert_eq!(
            [0, 0, 5, 9, 10, 11, 300].map(after),
            [Some(0), None, None, None, Some(3), None, Some(1)]
        );
    }
}
