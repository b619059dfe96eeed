//! The numbers of one core, and sums of them.

use observe::{Counter, Histogram, HistogramSnapshot, Statistics};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Invocations,
    Errors,
    Throttles,
    ProvisionedInvocations,
    ProvisionedSpillovers,
    AsyncReceived,
    AsyncDropped,
    DeadLetterErrors,
    DestinationFailures,
    RecursionDropped,
    UrlRequests,
    Url4xx,
    Url5xx,
}

const COUNTS: usize = Count::Url5xx as usize + 1;

/// What takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    Duration,
    Extensions,
    AsyncAge,
    UrlLatency,
}

const SPANS: usize = Span::UrlLatency as usize + 1;

/// The counters of one core, or of those who count under a lock. One writer at a time.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counters {
    counts: [Counter; COUNTS],
    spans: [Timing; SPANS],
}

/// How long something took. The shortest and the longest are told exactly, and begin anew when they are taken.
#[derive(Debug)]
struct Timing {
    histogram: Histogram,
    shortest_nanos: AtomicU64,
    longest_nanos: AtomicU64,
}

/// What several counters have counted together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    counts: [u64; COUNTS],
    spans: [Times; SPANS],
}

/// What several timings have seen together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) histogram: HistogramSnapshot,
    /// In nanoseconds, of those since the last time that they were taken.
    extremes: Option<(u64, u64)>,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            histogram: Histogram::default(),
            shortest_nanos: AtomicU64::new(u64::MAX),
            longest_nanos: AtomicU64::new(0),
        }
    }
}

impl Timing {
    fn observe(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        // Looked at first, because most change nothing.
        if nanos < self.shortest_nanos.load(Relaxed) {
            self.shortest_nanos.fetch_min(nanos, Relaxed);
        }
        if nanos > self.longest_nanos.load(Relaxed) {
            self.longest_nanos.fetch_max(nanos, Relaxed);
        }
        self.histogram.observe(took);
    }

    fn take_extremes(&self) -> Option<(u64, u64)> {
        let shortest = self.shortest_nanos.swap(u64::MAX, Relaxed);
        let longest = self.longest_nanos.swap(0, Relaxed);
        (shortest <= longest).then_some((shortest, longest))
    }
}

impl Counters {
    pub(super) fn inc(&self, count: Count) {
        self.counts[count as usize].inc();
    }

    pub(super) fn observe(&self, span: Span, took: Duration) {
        self.spans[span as usize].observe(took);
    }

    /// What was counted so far. The extremes stay.
    pub(super) fn read(&self) -> Sums {
        Sums {
            counts: std::array::from_fn(|at| self.counts[at].value()),
            spans: std::array::from_fn(|at| Times {
                histogram: self.spans[at].histogram.snapshot(),
                extremes: None,
            }),
        }
    }

    /// The same, with the extremes since the last time.
    pub(super) fn take(&self) -> Sums {
        // The extremes first: who is counted in between is in the histogram, which knows them well enough.
        let extremes: [_; SPANS] = std::array::from_fn(|at| self.spans[at].take_extremes());
        let mut sums = self.read();
        for (times, extremes) in sums.spans.iter_mut().zip(extremes) {
            times.extremes = extremes;
        }
        sums
    }
}

impl Sums {
    pub(super) fn count(&self, count: Count) -> u64 {
        self.counts[count as usize]
    }

    pub(super) fn times(&self, span: Span) -> &Times {
        &self.spans[span as usize]
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.wrapping_add(more);
        }
        for (times, more) in self.spans.iter_mut().zip(&other.spans) {
            times.histogram.merge(&more.histogram);
            times.extremes = match (times.extremes, more.extremes) {
                (Some((low, high)), Some((lower, higher))) => Some((low.min(lower), high.max(higher))),
                (one, other) => one.or(other),
            };
        }
    }

    /// What came since `before`. Counters that say less than before began anew.
    pub(super) fn since(&self, before: &Self) -> Self {
        if self.counts.iter().zip(before.counts).any(|(now, before)| *now < before) {
            return self.clone();
        }
        Self {
            counts: std::array::from_fn(|at| self.counts[at] - before.counts[at]),
            spans: std::array::from_fn(|at| Times {
                histogram: self.spans[at].histogram.since(&before.spans[at].histogram),
                extremes: self.spans[at].extremes,
            }),
        }
    }

    /// How much there is: another number when something was counted.
    pub(super) fn total(&self) -> u64 {
        let spans = self.spans.iter().map(|times| times.histogram.count());
        self.counts.iter().copied().chain(spans).fold(0, u64::wrapping_add)
    }

    /// The extremes were told.
    pub(super) fn forget_extremes(&mut self) {
        self.spans.iter_mut().for_each(|times| times.extremes = None);
    }
}

impl Times {
    /// In milliseconds; `None` when there are none.
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a minute are far below 2^53")]
    pub(super) fn milliseconds(&self) -> Option<Statistics> {
        let estimated = Statistics::durations(&self.histogram)?;
        let (low, high) = match self.extremes {
            Some((low, high)) => (low as f64 / 1e6, high as f64 / 1e6),
            None => (estimated.minimum * 1e3, estimated.maximum * 1e3),
        };
        Some(Statistics {
            sum: self.histogram.sum().as_nanos() as f64 / 1e6,
            minimum: low,
            maximum: high,
            sample_count: estimated.sample_count,
        })
    }
}
