//! Holding back while the host's processors are the bottleneck.
//!
//! More environments at once do not make short invocations faster then: they share the same processors, and each of them
//! has to fetch its memory into the caches anew (measured: a Python hello costs 110 us in sixteen environments that take
//! turns on a core, and 50 us in one). So an invocation waits a moment for an environment that is busy, instead of
//! waking one that is idle. How long is the scheduler's business; a function that waits for others, or whose invocations
//! are not short, is never held back, and neither is anything unless some process of the host has waited for a processor
//! for half of the last tenth of a second. That is a figure of the whole host: on one with many processors a single crowded
//! one may be the reason.

use std::cell::Cell;
use std::fs;
use std::time::Duration;
use tokio::time::Instant;

/// Invocations of one function on one traffic core that are not held back.
const BUSY_UNPACED: usize = 2;
/// The longest invocation that counts as short.
const SHORT: Duration = Duration::from_millis(10);
/// How often the kernel is asked.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// The pace of one function on one core.
pub(crate) struct Pace {
    busy: Cell<usize>,
    /// Of the last invocations, the latest counting most.
    mean_duration: Cell<Option<Duration>>,
    sampled: Cell<Option<Sample>>,
    is_short_of_processors: Cell<bool>,
}

/// How long some process has waited for a processor, ever since the host started.
#[derive(Clone, Copy)]
struct Sample {
    at: Instant,
    stalled: Duration,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self {
            busy: Cell::new(0),
            mean_duration: Cell::new(None),
            sampled: Cell::new(None),
            is_short_of_processors: Cell::new(false),
        }
    }

    /// Environments that run an invocation, or have answered it and not asked for the next one.
    pub(crate) fn busy(&self) -> usize {
        self.busy.get()
    }

    pub(crate) fn begin(&self) {
        self.busy.set(self.busy.get() + 1);
    }

    pub(crate) fn end(&self) {
        self.busy.set(self.busy.get() - 1);
    }

    /// One has been answered after this time.
    pub(crate) fn took(&self, duration: Duration) {
        let mean = match self.mean_duration.get() {
            Some(mean) => (mean * 7 + duration) / 8,
            None => duration,
        };
        self.mean_duration.set(Some(mean));
    }

    /// Shall the next invocation wait for an environment that is busy?
    pub(crate) fn holds_back(&self) -> bool {
        self.busy.get() >= BUSY_UNPACED
            && self.mean_duration.get().is_some_and(|mean| mean < SHORT)
            && self.is_short_of_processors()
    }

    fn is_short_of_processors(&self) -> bool {
        let now = Instant::now();
        let last = self.sampled.get();
        if last.is_some_and(|last| now < last.at + SAMPLE_INTERVAL) {
            return self.is_short_of_processors.get();
        }
        let pressure = fs::read_to_string("/proc/pressure/cpu").ok();
        let sample = pressure
            .as_deref()
            .and_then(stalled)
            .map(|stalled| Sample { at: now, stalled });
        let is_short = match (last, sample) {
            // The older one says nothing about now.
            (Some(last), Some(sample)) if now < last.at + 2 * SAMPLE_INTERVAL => {
                (sample.stalled.saturating_sub(last.stalled)) * 2 > sample.at - last.at
            }
            _ => false,
        };
        // A kernel without this file is asked again all the same, which costs as little.
        self.sampled.set(sample.or(last.map(|last| Sample { at: now, ..last })));
        self.is_short_of_processors.set(is_short);
        is_short
    }
}

/// The time of the first line, `some avg10=0.00 avg60=0.00 avg300=0.00 total=123`, which is in microseconds.
fn stalled(pressure: &str) -> Option<Duration> {
    let some = pressure.lines().find(|line| line.starts_with("some "))?;
    let total = some.rsplit_once("total=")?.1;
    total.trim().parse().ok().map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_file_is_read() {
        let pressure = "some avg10=8.70 avg60=32.20 avg300=35.78 total=4394879412\nfull avg10=0.00 total=7\n";
        assert_eq!(stalled(pressure), Some(Duration::from_micros(4_394_879_412)));
        for other in ["", "full avg10=0.00 total=7\n", "some avg10=0.00\n", "some total=x\n"] {
            assert_eq!(stalled(other), None, "{other}");
        }
    }

    fn pace(busy: usize, durations: &[u64]) -> Pace {
        let pace = Pace::new();
        (0..busy).for_each(|_| pace.begin());
        durations
            .iter()
            .for_each(|&millis| pace.took(Duration::from_millis(millis)));
        let at = Instant::now();
        pace.sampled.set(Some(Sample {
            at,
            stalled: Duration::ZERO,
        }));
        pace.is_short_of_processors.set(true);
        pace
    }

    #[test]
    fn only_many_short_invocations_are_held_back() {
        assert!(pace(BUSY_UNPACED, &[1]).holds_back());
        assert!(!pace(BUSY_UNPACED - 1, &[1]).holds_back(), "few are not");
        assert!(!pace(BUSY_UNPACED, &[]).holds_back(), "nobody knows how long they take");
        assert!(!pace(BUSY_UNPACED, &[1, 1, 100]).holds_back(), "they are not short");
        let one_ended = pace(BUSY_UNPACED, &[1]);
        one_ended.end();
        assert!(!one_ended.holds_back());
        let enough = pace(BUSY_UNPACED, &[1]);
        enough.is_short_of_processors.set(false);
        assert!(!enough.holds_back(), "processors are free");
    }

    #[test]
    fn an_old_sample_says_nothing() {
        let pace = pace(BUSY_UNPACED, &[1]);
        let at = Instant::now() - 3 * SAMPLE_INTERVAL;
        pace.sampled.set(Some(Sample {
            at,
            stalled: Duration::ZERO,
        }));
        assert!(!pace.holds_back());
    }
}
