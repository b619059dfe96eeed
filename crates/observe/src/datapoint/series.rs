//! Several metrics at once: the files are read one time for all of them.

use super::Dimension;
use super::block::{Block, Group, Point};
use super::reader::{DatapointReader, StatisticsPoint};
use super::statistics::Unit;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::num::NonZeroU32;
use std::ops::Range;

/// Which datapoints of one metric, in periods that begin where its time does. Source: CloudWatch `GetMetricData`.
#[derive(Clone, Debug)]
pub struct Series<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The metric.
    pub metric: &'a str,
    /// Exactly these dimensions, in any order.
    pub dimensions: &'a [Dimension<'a>],
    /// Only this unit; each unit has periods of its own.
    pub unit: Option<Unit>,
    /// In minutes since the epoch.
    pub minutes: Range<u64>,
    /// How many minutes are one period.
    pub period_minutes: NonZeroU32,
}

type Found = BTreeMap<(u64, Unit), StatisticsPoint>;

/// What stands before the points of a group, in a block's numbers, and then the metric and the place of those who want it.
type Wanted = HashMap<(u64, Vec<(u64, u64)>), Vec<(u64, usize)>>;

impl DatapointReader {
    /// The periods in which something was measured, for each series in order of time, then of unit.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn series(&self, all: &[Series<'_>]) -> io::Result<Vec<Vec<StatisticsPoint>>> {
        let mut found: Vec<Found> = all.iter().map(|_| Found::new()).collect();
        let asked = all.iter().filter(|series| !series.minutes.is_empty());
        let begin = asked.clone().map(|series| series.minutes.start).min().unwrap_or(0);
        let end = asked.map(|series| series.minutes.end).max().unwrap_or(0);
        self.each_block(begin..end, |mut block| {
            let wanted = wanted(&block, all);
            if wanted.is_empty() {
                return;
            }
            let mut group = Group::default();
            while block.next_group(&mut group) {
                let Some(metrics) = wanted.get(&(group.namespace, group.dimensions.clone())) else {
                    continue;
                };
                while let Some(point) = group.next_point() {
                    for (_, at) in metrics.iter().filter(|(metric, _)| *metric == point.metric) {
                        if let Some((series, found)) = all.get(*at).zip(found.get_mut(*at)) {
                            series.add(block.minute, &point, found);
                        }
                    }
                }
            }
        })?;
        Ok(found.into_iter().map(|found| found.into_values().collect()).collect())
    }
}

impl Series<'_> {
    fn add(&self, minute: u64, point: &Point, found: &mut Found) {
        if self.unit.is_some_and(|unit| unit != point.unit) {
            return;
        }
        let since = minute.saturating_sub(self.minutes.start);
        let minute = minute - since % u64::from(self.period_minutes.get());
        found
            .entry((minute, point.unit))
            .and_modify(|sum| sum.merge(point))
            .or_insert_with(|| StatisticsPoint::of(minute, point));
    }
}

/// Those of the series that the block may have.
fn wanted(block: &Block<'_>, all: &[Series<'_>]) -> Wanted {
    let ids = block.ids();
    let id = |text: &str| ids.get(text).copied();
    let mut wanted = Wanted::new();
    for (at, series) in all.iter().enumerate() {
        if !series.minutes.contains(&block.minute) {
            continue;
        }
        let mut sorted: Vec<&Dimension<'_>> = series.dimensions.iter().collect();
        sorted.sort_unstable();
        let dimensions = sorted.iter().map(|pair| Some((id(pair.name)?, id(pair.value)?)));
        let names = (
            id(series.namespace),
            id(series.metric),
            dimensions.collect::<Option<_>>(),
        );
        if let (Some(namespace), Some(metric), Some(dimensions)) = names {
            wanted.entry((namespace, dimensions)).or_default().push((metric, at));
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::super::{Datapoint, DatapointLimits, Datapoints, Statistics};
    use super::*;
    use crate::testing::TestDirectory;
    use std::time::Duration;

    const START: u64 = 491_638 * 60 + 37;

    fn record(datapoints: &mut Datapoints, minute: u64, metric: &str, dimensions: &[Dimension<'_>], n: u64) {
        let point = Datapoint {
            namespace: "AWS/Lambda",
            metric,
            dimensions,
            unit: Unit::Count,
            statistics: Statistics::count(n),
            histogram: None,
        };
        assert_eq!(datapoints.record(minute, |minute| minute.put(&point)), None);
    }

    fn series<'a>(metric: &'a str, dimensions: &'a [Dimension<'a>], period: u32) -> Series<'a> {
        Series {
            namespace: "AWS/Lambda",
            metric,
            dimensions,
            unit: None,
            minutes: START..START + 100,
            period_minutes: NonZeroU32::new(period).unwrap(),
        }
    }

    fn sums(points: &[StatisticsPoint]) -> Vec<(u64, f64)> {
        points.iter().map(|it| (it.minute - START, it.statistics.sum)).collect()
    }

    const FUNCTION: &[Dimension<'_>] = &[Dimension {
        name: "FunctionName",
        value: "f",
    }];

    #[test]
    fn several_are_read_at_once_in_periods_from_their_begin() {
        let directory = TestDirectory::new();
        let mut datapoints = Datapoints::open(&directory.file("metrics"), DatapointLimits::default()).unwrap();
        for minute in 0..10 {
            record(&mut datapoints, START + minute, "Invocations", FUNCTION, 1);
            record(&mut datapoints, START + minute, "Invocations", &[], 2);
            record(&mut datapoints, START + minute, "Errors", FUNCTION, minute);
        }
        let found = datapoints
            .reader()
            .series(&[
                series("Invocations", FUNCTION, 7),
                series("Errors", FUNCTION, 5),
                series("Invocations", &[], 60),
                series("Throttles", &[], 60),
                Series {
                    minutes: START + 8..START + 9,
                    ..series("Errors", FUNCTION, 1)
                },
                Series {
                    unit: Some(Unit::Bytes),
                    ..series("Errors", FUNCTION, 1)
                },
            ])
            .unwrap();
        let found: Vec<_> = found.iter().map(|points| sums(points)).collect();
        assert_eq!(
            found,
            [
                vec![(0, 7.0), (7, 3.0)],
                vec![(0, 10.0), (5, 35.0)],
                vec![(0, 20.0)],
                vec![],
                vec![(8, 8.0)],
                vec![]
            ]
        );
        assert_eq!(
            datapoints.reader().series(&[]).unwrap(),
            Vec::<Vec<StatisticsPoint>>::new()
        );
    }

    #[test]
    fn what_comes_late_goes_to_the_file_of_its_hour() {
        let directory = TestDirectory::new();
        let folder = directory.file("metrics");
        let mut datapoints = Datapoints::open(&folder, DatapointLimits::default()).unwrap();
        for turn in 0..20 {
            record(&mut datapoints, START, "Invocations", FUNCTION, 1);
            record(&mut datapoints, START - 60, "Invocations", FUNCTION, turn);
            record(&mut datapoints, START + 60, "Invocations", FUNCTION, 1);
        }
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 3);
        let all = Series {
            minutes: START - 60..START + 61,
            ..series("Invocations", FUNCTION, 200)
        };
        let found = datapoints.reader().series(&[all]).unwrap();
        assert_eq!(found[0][0].statistics.sum, 190.0 + 40.0);
        // One that people removed is made anew.
        for file in std::fs::read_dir(&folder).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        record(&mut datapoints, START, "Invocations", FUNCTION, 1);
        record(&mut datapoints, START + 60, "Invocations", FUNCTION, 1);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    }

    #[test]
    fn what_is_old_goes_also_when_nothing_comes() {
        let directory = TestDirectory::new();
        let folder = directory.file("metrics");
        let limits = DatapointLimits {
            keep: Duration::from_secs(2 * 3600),
            ..DatapointLimits::default()
        };
        let mut datapoints = Datapoints::open(&folder, limits).unwrap();
        record(&mut datapoints, START, "Invocations", FUNCTION, 1);
        datapoints.expire(START + 120).unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        datapoints.expire(START + 180).unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }
}
