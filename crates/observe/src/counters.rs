//! Counting on one core without locks.
//!
//! Every counter has **one writer**, the core that owns it, so that counting is a load and a store and no locked
//! instruction; any thread may read. Cores are added up when somebody looks. Keep the counters of one core together in
//! one allocation of its own: then cores do not fight over cache lines either.
//!
//! Left to others: names, labels and text (`open_metrics`).

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A number that only grows. One writer; with two, counts may be lost but nothing worse happens.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`; wraps after 2^64.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// The count so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down, such as open connections. One writer. One core's part may be negative, the sum of
/// all cores is what counts.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Takes one away.
    pub fn dec(&self) {
        self.add(-1);
    }

    /// Adds `n`, which may be negative.
    pub fn add(&self, n: i64) {
        self.set(self.value().wrapping_add(n));
    }

    /// Replaces the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// The value now.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// The upper bounds of the buckets in nanoseconds, each included: 0.5 ms to 60 s. What is slower has a bucket of its
/// own after them.
pub(crate) const BOUNDS_NANOS: [u64; 16] = [
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
];

pub(crate) const BUCKETS: usize = BOUNDS_NANOS.len() + 1;

/// How long things took, in fixed buckets from 0.5 ms to 60 s. One writer.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BUCKETS],
    sum_nanos: Counter,
}

impl Histogram {
    /// Counts one duration. The sum wraps after 584 years.
    pub fn observe(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_NANOS.partition_point(|bound| *bound < nanos);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.inc();
        }
        self.sum_nanos.add(nanos);
    }

    /// What was counted so far. A duration counted at the same moment may be in the buckets and not yet in the sum.
    #[must_use]
    pub fn snapshot(&self) -> HistogramSnapshot {
        HistogramSnapshot {
            buckets: std::array::from_fn(|index| self.buckets[index].value()),
            sum_nanos: self.sum_nanos.value(),
        }
    }
}

/// The contents of one [`Histogram`], or of several added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistogramSnapshot {
    buckets: [u64; BUCKETS],
    sum_nanos: u64,
}

impl HistogramSnapshot {
    /// Adds what another core counted.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket = bucket.wrapping_add(more);
        }
        self.sum_nanos = self.sum_nanos.wrapping_add(other.sum_nanos);
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, bucket| sum.wrapping_add(*bucket))
    }

    /// All durations together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_nanos)
    }

    /// What was counted since `previous`, an earlier snapshot of the same histograms. When less was counted than before,
    /// they are not the same any more, and everything is new.
    #[must_use]
    pub fn since(&self, previous: &Self) -> Self {
        let pairs = self.buckets.iter().zip(previous.buckets);
        if pairs.clone().any(|(now, before)| *now < before) {
            return self.clone();
        }
        let mut buckets = pairs.map(|(now, before)| now - before);
        Self {
            buckets: std::array::from_fn(|_| buckets.next().unwrap_or(0)),
            sum_nanos: self.sum_nanos.wrapping_sub(previous.sum_nanos),
        }
    }

    /// How many durations each bucket has.
    pub(crate) fn buckets(&self) -> &[u64; BUCKETS] {
        &self.buckets
    }

    /// For each bound, smallest first, how many durations were not longer; then how many there were in all.
    pub(crate) fn cumulative(&self) -> [u64; BUCKETS] {
        let mut sum: u64 = 0;
        self.buckets.map(|bucket| {
            sum = sum.wrapping_add(bucket);
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_count() {
        let counter = Counter::default();
        counter.inc();
        counter.add(41);
        assert_eq!(counter.value(), 42);
        let gauge = Gauge::default();
        gauge.inc();
        gauge.add(5);
        gauge.dec();
        gauge.dec();
        assert_eq!(gauge.value(), 4);
        gauge.set(-7);
        assert_eq!(gauge.value(), -7);
    }

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_holds_it() {
        let cases = [
            (Duration::ZERO, 0),
            (Duration::from_micros(500), 0),
            (Duration::from_nanos(500_001), 1),
            (Duration::from_millis(10), 4),
            (Duration::from_millis(11), 5),
            (Duration::from_secs(60), 15),
            (Duration::from_nanos(60_000_000_001), 16),
            (Duration::MAX, 16),
        ];
        for (duration, bucket) in cases {
            let histogram = Histogram::default();
            histogram.observe(duration);
            let cumulative = histogram.snapshot().cumulative();
            assert_eq!(
                cumulative.iter().position(|count| *count == 1),
                Some(bucket),
                "{duration:?}"
            );
            assert_eq!(cumulative[16], 1);
        }
    }

    #[test]
    fn bounds_grow() {
        assert!(BOUNDS_NANOS.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn what_came_since_a_snapshot_is_the_difference() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(3));
        let before = histogram.snapshot();
        assert_eq!(before.since(&before), HistogramSnapshot::default());
        histogram.observe(Duration::from_millis(3));
        histogram.observe(Duration::from_secs(70));
        let since = histogram.snapshot().since(&before);
        assert_eq!((since.count(), since.sum()), (2, Duration::from_millis(70_003)));
        assert_eq!(since.buckets()[3], 1);
        // A target group that was deleted and made again.
        let anew = Histogram::default();
        anew.observe(Duration::from_secs(1));
        assert_eq!(anew.snapshot().since(&histogram.snapshot()), anew.snapshot());
    }

    #[test]
    fn merging_adds_every_bucket_and_the_sum() {
        let (one, two) = (Histogram::default(), Histogram::default());
        one.observe(Duration::from_millis(3));
        two.observe(Duration::from_millis(3));
        two.observe(Duration::from_secs(100));
        let mut both = one.snapshot();
        both.merge(&two.snapshot());
        assert_eq!(both.count(), 3);
        assert_eq!(both.sum(), Duration::from_millis(100_006));
        assert_eq!(both.cumulative()[2..5], [0, 2, 2]);
        assert_eq!(both.cumulative()[15..], [2, 3]);
    }
}
