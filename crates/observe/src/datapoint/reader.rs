//! Reading datapoints. Blocks on the disk; memory is a block and the answer.

use super::Dimension;
use super::block::{Block, Group, Point};
use super::file::{self, Payloads};
use super::statistics::{Statistics, Unit, percentile};
use crate::counters::BUCKETS;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::num::NonZeroU32;
use std::ops::Range;
use std::path::PathBuf;

/// Reads datapoints, in this process or another. Clones mean the same.
#[derive(Clone, Debug)]
pub struct DatapointReader {
    folder: PathBuf,
}

/// Which datapoints of one metric. Source: CloudWatch `GetMetricStatistics`.
#[derive(Clone, Copy, Debug)]
pub struct StatisticsQuery<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The metric.
    pub metric: &'a str,
    /// Exactly these dimensions, in any order.
    pub dimensions: &'a [Dimension<'a>],
    /// Only this unit; each unit has periods of its own.
    pub unit: Option<Unit>,
    /// From this minute on, in minutes since the epoch.
    pub from_minute: u64,
    /// Before this minute.
    pub until_minute: u64,
    /// How many minutes are one period. Periods are aligned to the epoch.
    pub period_minutes: NonZeroU32,
}

/// What was measured in one period.
#[derive(Clone, Debug, PartialEq)]
pub struct StatisticsPoint {
    /// When the period begins, in minutes since the epoch.
    pub minute: u64,
    /// The unit.
    pub unit: Unit,
    /// Sum, minimum, maximum, number.
    pub statistics: Statistics,
    histogram: Option<[u64; BUCKETS]>,
}

impl StatisticsPoint {
    /// The value that `percent` of all values do not exceed, `0.0..=100.0`. `None` when that is not known: without a
    /// histogram of all values, unless they are all the same. Source: CloudWatch, "Percentiles".
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        let set = &self.statistics;
        if set.minimum.to_bits() == set.maximum.to_bits() {
            return Some(set.minimum);
        }
        let buckets = self.histogram.as_ref()?;
        let has_all = buckets.iter().sum::<u64>() == set.sample_count;
        if has_all {
            percentile(buckets, set, self.unit, percent)
        } else {
            None
        }
    }

    pub(super) fn of(minute: u64, point: &Point) -> Self {
        Self {
            minute,
            unit: point.unit,
            statistics: point.statistics,
            histogram: point.histogram,
        }
    }

    pub(super) fn merge(&mut self, point: &Point) {
        self.statistics.merge(&point.statistics);
        let Some(more) = &point.histogram else { return };
        let sum = self.histogram.get_or_insert([0; BUCKETS]);
        for (bucket, more) in sum.iter_mut().zip(more) {
            *bucket = bucket.saturating_add(*more);
        }
    }
}

/// A metric of which there are datapoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetricName {
    /// The namespace.
    pub namespace: String,
    /// The metric.
    pub metric: String,
    /// Names and values, sorted.
    pub dimensions: Vec<(String, String)>,
}

/// Which metrics. Source: CloudWatch `ListMetrics`.
#[derive(Clone, Copy, Debug)]
pub struct MetricFilter<'a> {
    /// Only of this namespace.
    pub namespace: Option<&'a str>,
    /// Only of this name.
    pub metric: Option<&'a str>,
    /// Only those that have all of these, with this value or with any.
    pub dimensions: &'a [(&'a str, Option<&'a str>)],
    /// Only those that have a datapoint in this minute or later, in minutes since the epoch.
    pub from_minute: u64,
    /// Only those that sort after this one: the last of the page before.
    pub after: Option<&'a MetricName>,
    /// At most so many.
    pub limit: usize,
}

impl MetricFilter<'_> {
    fn accepts(&self, metric: &MetricName) -> bool {
        let has = |(name, value): &(&str, Option<&str>)| {
            let mut dimensions = metric.dimensions.iter();
            dimensions.any(|(own, its)| own == name && value.is_none_or(|value| value == its))
        };
        self.namespace.is_none_or(|namespace| namespace == metric.namespace)
            && self.metric.is_none_or(|name| name == metric.metric)
            && self.after.is_none_or(|after| metric > after)
            && self.dimensions.iter().all(has)
    }
}

impl DatapointReader {
    /// A reader of the datapoints in `folder`.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The periods in which something was measured, in order of time, then of unit.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn statistics(&self, query: &StatisticsQuery<'_>) -> io::Result<Vec<StatisticsPoint>> {
        let period = u64::from(query.period_minutes.get());
        let mut sorted = query.dimensions.to_vec();
        sorted.sort_unstable();
        let mut found: BTreeMap<(u64, Unit), StatisticsPoint> = BTreeMap::new();
        let mut add = |minute: u64, point: &Point| {
            let minute = minute - minute % period;
            if query.unit.is_some_and(|unit| unit != point.unit) {
                return;
            }
            match found.get_mut(&(minute, point.unit)) {
                Some(sum) => sum.merge(point),
                None => {
                    found.insert((minute, point.unit), StatisticsPoint::of(minute, point));
                }
            }
        };
        self.each_block(query.from_minute..query.until_minute, |mut block| {
            let Some(wanted) = Wanted::find(&block, query, &sorted) else {
                return;
            };
            let mut group = Group::default();
            while block.next_group(&mut group) {
                if (group.namespace, group.dimensions.as_slice()) != (wanted.namespace, wanted.dimensions.as_slice()) {
                    continue;
                }
                while let Some(point) = group.next_point() {
                    if point.metric == wanted.metric {
                        add(block.minute, &point);
                    }
                }
            }
        })?;
        Ok(found.into_values().collect())
    }

    /// The first metrics that a filter accepts, sorted.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn list_metrics(&self, filter: &MetricFilter<'_>) -> io::Result<Vec<MetricName>> {
        let mut found = BTreeSet::new();
        // Room for one name: most are known already.
        let mut name = MetricName::default();
        self.each_block(filter.from_minute..u64::MAX, |mut block| {
            let mut group = Group::default();
            while block.next_group(&mut group) {
                if name_group(&block, &group, &mut name).is_none() {
                    continue;
                }
                while let Some(point) = group.next_point() {
                    let Some(metric) = block.string(point.metric) else {
                        continue;
                    };
                    name.metric.clear();
                    name.metric.push_str(metric);
                    if found.contains(&name) || !filter.accepts(&name) {
                        continue;
                    }
                    found.insert(name.clone());
                    if found.len() > filter.limit {
                        found.pop_last();
                    }
                }
            }
        })?;
        Ok(found.into_iter().collect())
    }

    pub(super) fn each_block(&self, minutes: Range<u64>, mut visit: impl FnMut(Block<'_>)) -> io::Result<()> {
        if minutes.is_empty() {
            return Ok(());
        }
        let hours = minutes.start / 60..=(minutes.end - 1) / 60;
        for entry in file::list(&self.folder)? {
            if !hours.contains(&entry.hour) {
                continue;
            }
            let Some(mut payloads) = Payloads::open(&entry.path)? else {
                continue;
            };
            while let Some(payload) = payloads.next()? {
                if let Some(block) = Block::open(payload).filter(|block| minutes.contains(&block.minute)) {
                    visit(block);
                }
            }
        }
        Ok(())
    }
}

/// What a query looks for, in the numbers of a block's strings.
struct Wanted {
    namespace: u64,
    metric: u64,
    dimensions: Vec<(u64, u64)>,
}

impl Wanted {
    /// `None` when the block cannot have it.
    fn find(block: &Block<'_>, query: &StatisticsQuery<'_>, sorted: &[Dimension<'_>]) -> Option<Self> {
        let pairs = sorted.iter();
        let dimensions = pairs.map(|pair| Some((block.id(pair.name)?, block.id(pair.value)?)));
        Some(Self {
            namespace: block.id(query.namespace)?,
            metric: block.id(query.metric)?,
            dimensions: dimensions.collect::<Option<_>>()?,
        })
    }
}

fn name_group(block: &Block<'_>, group: &Group<'_>, name: &mut MetricName) -> Option<()> {
    name.namespace.clear();
    name.namespace.push_str(block.string(group.namespace)?);
    name.dimensions.clear();
    for (own, value) in &group.dimensions {
        let pair = (block.string(*own)?.to_owned(), block.string(*value)?.to_owned());
        name.dimensions.push(pair);
    }
    Some(())
}
