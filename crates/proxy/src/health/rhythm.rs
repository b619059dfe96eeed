//! When a target is asked: pure. Targets that appear together are spread at random, and nothing that makes checks late
//! together may bring them together for good.

use crate::trace::Random;
use std::time::Duration;
use tokio::time::Instant;

/// A check that is later than this was held up by what holds up others too: the process stood still, or the check before
/// took longer than the interval. A busy thread is not as late.
const LATE: Duration = Duration::from_millis(250);

/// Draws the random moments of one core.
#[derive(Debug)]
pub(super) struct Spread {
    random: Random,
    /// See [`crate::Limits::health_check_spread`].
    within: Duration,
}

/// When one target is asked. Checks are due an interval apart, however late each of them begins.
#[derive(Debug)]
pub(super) struct Rhythm {
    interval: Duration,
    due: Instant,
    /// It was late and waits for another moment. It does so once, so that a process that is always late checks its targets.
    put_off: bool,
    /// The last check.
    last: Option<Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    due: Instant,
    began: Instant,
}

impl Spread {
    pub(super) fn new(seed: u64, within: Duration) -> Self {
        Self {
            random: Random::new(seed),
            within,
        }
    }

    /// Random, so that targets that begin together, as all do at a start, are not asked in lockstep for ever.
    fn delay(&self, interval: Duration) -> Duration {
        let fraction = (self.random.next() >> 11) as f64 / (1_u64 << 53) as f64;
        self.within.min(interval).mul_f64(fraction)
    }
}

impl Rhythm {
    /// That of a target whose checks begin.
    pub(super) fn new(now: Instant, interval: Duration, spread: &Spread) -> Self {
        Self {
            interval,
            due: now + spread.delay(interval),
            put_off: false,
            last: None,
        }
    }

    /// When the next check is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Whether to ask now that a check is due. If it is too late for that, another moment is drawn, as at a start: all that
    /// were missed meanwhile would come at once.
    pub(super) fn is_time(&mut self, now: Instant, spread: &Spread) -> bool {
        if self.put_off || now.saturating_duration_since(self.due) <= LATE {
            return true;
        }
        self.due = now + spread.delay(self.interval);
        self.put_off = true;
        false
    }

    /// A check begins. Those that had to wait for a place begin together; the next ones do not.
    pub(super) fn begin(&mut self, now: Instant, interval: Duration) {
        let last = Last {
            due: self.due,
            began: now,
        };
        *self = Self {
            interval,
            due: last.next(interval),
            put_off: false,
            last: Some(last),
        };
    }

    /// The settings have changed. A new interval counts from the last check, so that a shorter one is felt at once. Where
    /// it is over already it is so for many targets: they are spread as at a start.
    pub(super) fn follow(&mut self, now: Instant, interval: Duration, spread: &Spread) {
        if interval == self.interval {
            return;
        }
        self.interval = interval;
        let Some(last) = self.last else { return };
        let next = last.next(interval);
        self.due = match next < now {
            // Never later than it was: else changes that come often would put it off for ever.
            true => self.due.min(now + spread.delay(interval)),
            false => next,
        };
    }
}

impl Last {
    /// Whole intervals after it was due, and nearest to an interval after it began: none comes soon after it to make up for
    /// its being late.
    fn next(self, interval: Duration) -> Instant {
        let late = self.began.saturating_duration_since(self.due).as_nanos();
        let off = late % interval.as_nanos().max(1);
        let off = Duration::from_nanos(u64::try_from(off).unwrap_or(u64::MAX));
        let skipped = if off > interval / 2 { interval } else { Duration::ZERO };
        self.began + (interval - off) + skipped
    }
}

#[cfg(test)]
mod tests;
