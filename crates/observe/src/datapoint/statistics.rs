//! The numbers of a datapoint, and what can be said of several together.

use crate::counters::{BOUNDS_NANOS, BUCKETS, HistogramSnapshot};

/// Makes the units: names, and the number that stands in files, which is the place in the list and never changes.
macro_rules! units {
    ($($name:ident: $text:literal,)*) => {
        /// What a value counts. Source: CloudWatch `StandardUnit`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Unit {
            $(#[doc = concat!("`", $text, "`.")] $name,)*
        }

        impl Unit {
            /// All.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As CloudWatch writes it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

units! {
    None: "None",
    Count: "Count",
    Bytes: "Bytes",
    Seconds: "Seconds",
    Milliseconds: "Milliseconds",
    Percent: "Percent",
    Microseconds: "Microseconds",
    Kilobytes: "Kilobytes",
    Megabytes: "Megabytes",
    Gigabytes: "Gigabytes",
    Terabytes: "Terabytes",
    Bits: "Bits",
    Kilobits: "Kilobits",
    Megabits: "Megabits",
    Gigabits: "Gigabits",
    Terabits: "Terabits",
    BytesPerSecond: "Bytes/Second",
    KilobytesPerSecond: "Kilobytes/Second",
    MegabytesPerSecond: "Megabytes/Second",
    GigabytesPerSecond: "Gigabytes/Second",
    TerabytesPerSecond: "Terabytes/Second",
    BitsPerSecond: "Bits/Second",
    KilobitsPerSecond: "Kilobits/Second",
    MegabitsPerSecond: "Megabits/Second",
    GigabitsPerSecond: "Gigabits/Second",
    TerabitsPerSecond: "Terabits/Second",
    CountPerSecond: "Count/Second",
}

impl Unit {
    /// The unit that CloudWatch writes so.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|unit| unit.as_str() == text)
    }

    pub(super) fn code(self) -> u8 {
        self as u8
    }

    /// A unit that a newer albacore wrote is none.
    pub(super) fn from_code(code: u8) -> Self {
        Self::ALL.get(usize::from(code)).copied().unwrap_or(Self::None)
    }

    /// How many of it are a second, where it is a time.
    fn per_second(self) -> f64 {
        match self {
            Self::Milliseconds => 1e3,
            Self::Microseconds => 1e6,
            _ => 1.0,
        }
    }
}

/// A statistic set. Source: CloudWatch `StatisticSet`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// All values added up.
    pub sum: f64,
    /// The smallest.
    pub minimum: f64,
    /// The largest.
    pub maximum: f64,
    /// How many; at least one.
    pub sample_count: u64,
}

impl Statistics {
    /// One value.
    #[must_use]
    pub fn value(value: f64) -> Self {
        Self {
            sum: value,
            minimum: value,
            maximum: value,
            sample_count: 1,
        }
    }

    /// Something that happened `n` times: `n` values of 1, as `RequestCount` has them; or one value of 0.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of a minute are far below 2^53")]
    pub fn count(n: u64) -> Self {
        match n {
            0 => Self::value(0.0),
            n => Self {
                sum: n as f64,
                minimum: 1.0,
                maximum: 1.0,
                sample_count: n,
            },
        }
    }

    /// Durations in seconds; `None` when there are none. A histogram knows the sum and the number exactly, of the shortest
    /// and the longest only the bucket: the minimum is not more than the shortest, the maximum not less than the longest,
    /// and both are exact for a single one.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "nanoseconds of a minute are far below 2^53 a request"
    )]
    pub fn durations(histogram: &HistogramSnapshot) -> Option<Self> {
        let sum = histogram.sum().as_secs_f64();
        let occupied = || histogram.buckets().iter().enumerate().filter(|(_, count)| **count > 0);
        let ((first, _), (last, _)) = (occupied().next()?, occupied().next_back()?);
        let others = |except: usize, bound: fn(usize) -> f64| -> f64 {
            let left = occupied().map(|(bucket, count)| (bucket, count - u64::from(bucket == except)));
            left.filter(|(_, count)| *count > 0)
                .map(|(bucket, count)| bound(bucket) * count as f64)
                .sum()
        };
        // If all others were as long as they can be, the shortest is what is left of the sum; and the other way round.
        let minimum = lower_bound(first).max(sum - others(first, upper_bound));
        let maximum = upper_bound(last)
            .min(sum - others(last, lower_bound))
            .max(lower_bound(last));
        Some(Self {
            sum,
            minimum: minimum.min(maximum),
            maximum,
            sample_count: histogram.count(),
        })
    }

    /// Adds what was measured at another time or place.
    pub fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
        self.sample_count = self.sample_count.saturating_add(other.sample_count);
    }

    /// The mean.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn average(&self) -> f64 {
        self.sum / self.sample_count.max(1) as f64
    }

    /// Whether a file may have it.
    pub(super) fn is_valid(&self) -> bool {
        let all_finite = [self.sum, self.minimum, self.maximum]
            .iter()
            .all(|value| value.is_finite());
        all_finite && self.sample_count > 0 && self.minimum <= self.maximum
    }
}

/// The seconds that all durations of a bucket are longer than.
fn lower_bound(bucket: usize) -> f64 {
    bucket.checked_sub(1).map_or(0.0, upper_bound)
}

/// The seconds that no duration of a bucket is longer than. The last one has no end.
#[expect(clippy::cast_precision_loss, reason = "bounds are far below 2^53")]
fn upper_bound(bucket: usize) -> f64 {
    BOUNDS_NANOS
        .get(bucket)
        .map_or(f64::INFINITY, |nanos| *nanos as f64 / 1e9)
}

/// The value that `percent` of all durations do not exceed, in the unit of the statistics: interpolated in its bucket, and
/// never outside of the minimum and the maximum.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn percentile(buckets: &[u64; BUCKETS], statistics: &Statistics, unit: Unit, percent: f64) -> Option<f64> {
    let per_second = unit.per_second();
    let all: u64 = buckets.iter().sum();
    if all == 0 {
        return None;
    }
    let rank = percent.clamp(0.0, 100.0) / 100.0 * all as f64;
    let mut below = 0.0;
    let last = buckets.iter().rposition(|count| *count > 0)?;
    for (bucket, count) in buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
        let count = *count as f64;
        if below + count >= rank || bucket == last {
            let lower = (lower_bound(bucket) * per_second).max(statistics.minimum);
            let upper = (upper_bound(bucket) * per_second).min(statistics.maximum).max(lower);
            let within = ((rank - below) / count).clamp(0.0, 1.0);
            return Some(lower + (upper - lower) * within);
        }
        below += count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Histogram;
    use proptest::prelude::*;
    use std::time::Duration;

    fn histogram(millis: &[u64]) -> HistogramSnapshot {
        let histogram = Histogram::default();
        millis
            .iter()
            .for_each(|millis| histogram.observe(Duration::from_millis(*millis)));
        histogram.snapshot()
    }

    #[test]
    fn units_keep_their_numbers() {
        for (code, name) in ["None", "Count", "Bytes", "Seconds", "Milliseconds", "Percent"]
            .iter()
            .enumerate()
        {
            let unit = Unit::from_code(u8::try_from(code).unwrap());
            assert_eq!((unit.as_str(), usize::from(unit.code())), (*name, code));
        }
        assert_eq!(Unit::from_code(26).as_str(), "Count/Second");
        assert_eq!((Unit::from_code(27), Unit::from_code(200)), (Unit::None, Unit::None));
        assert_eq!(Unit::ALL.len(), 27);
        for unit in Unit::ALL {
            assert_eq!(Unit::named(unit.as_str()), Some(*unit));
        }
        assert_eq!(Unit::named("count"), None);
    }

    #[test]
    fn sets_add_up() {
        let mut set = Statistics::count(3);
        assert_eq!(
            (set.sum, set.minimum, set.maximum, set.sample_count),
            (3.0, 1.0, 1.0, 3)
        );
        set.merge(&Statistics::count(0));
        assert_eq!(
            (set.sum, set.minimum, set.maximum, set.sample_count),
            (3.0, 0.0, 1.0, 4)
        );
        assert_eq!(set.average(), 0.75);
    }

    #[test]
    fn durations_know_what_a_histogram_knows() {
        assert_eq!(Statistics::durations(&histogram(&[])), None);
        assert_eq!(Statistics::durations(&histogram(&[7])), Some(Statistics::value(0.007)));
        assert_eq!(
            Statistics::durations(&histogram(&[90_000])),
            Some(Statistics::value(90.0))
        );
        let several = Statistics::durations(&histogram(&[3, 4, 70])).unwrap();
        assert_eq!((several.sample_count, several.sum), (3, 0.077));
        assert_eq!((several.minimum, several.maximum), (0.0025, 0.072));
    }

    #[test]
    fn percentiles_lie_in_their_bucket() {
        let snapshot = histogram(&[&[3; 90][..], &[70; 9], &[90_000]].concat());
        let set = Statistics::durations(&snapshot).unwrap();
        let of = |percent| percentile(snapshot.buckets(), &set, Unit::Seconds, percent).unwrap();
        assert_eq!(of(0.0), set.minimum);
        assert_eq!(of(100.0), set.maximum);
        assert!((0.0025..=0.005).contains(&of(50.0)) && of(50.0) < of(90.0));
        assert!((0.05..=0.1).contains(&of(95.0)));
        assert!(of(99.5) > 60.0);
        let millis = Statistics {
            sum: set.sum * 1e3,
            minimum: set.minimum * 1e3,
            maximum: set.maximum * 1e3,
            ..set
        };
        let median = percentile(snapshot.buckets(), &millis, Unit::Milliseconds, 50.0).unwrap();
        assert!((median - of(50.0) * 1e3).abs() < 1e-9);
        assert_eq!(percentile(&[0; BUCKETS], &set, Unit::Seconds, 50.0), None);
    }

    proptest! {
        #[test]
        fn the_bounds_hold(millis in proptest::collection::vec(0_u64..200_000, 1..50)) {
            let set = Statistics::durations(&histogram(&millis)).unwrap();
            let (shortest, longest) = (*millis.iter().min().unwrap(), *millis.iter().max().unwrap());
            let slack = 1e-6;
            prop_assert!(set.minimum <= shortest as f64 / 1e3 + slack && longest as f64 / 1e3 <= set.maximum + slack);
            prop_assert!(set.is_valid() && set.maximum.is_finite());
            let snapshot = histogram(&millis);
            let mut before = set.minimum;
            for percent in [0.0, 10.0, 50.0, 99.0, 99.99, 100.0] {
                let value = percentile(snapshot.buckets(), &set, Unit::Seconds, percent).unwrap();
                prop_assert!(before <= value + slack && value <= set.maximum + slack);
                before = value;
            }
        }
    }
}
