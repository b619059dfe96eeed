use super::file::{Payloads, list};
use super::*;
use crate::Histogram;
use crate::testing::TestDirectory;
use std::fs;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt;

mod faults;

/// 2026-01-31 22:30: half an hour before the next file.
const START: u64 = 491_638 * 60 + 30;

const LOAD_BALANCER: Dimension<'_> = Dimension {
    name: "LoadBalancer",
    value: "app/shop/0123456789abcdef",
};
const ZONE: Dimension<'_> = Dimension {
    name: "AvailabilityZone",
    value: "us-east-1a",
};
const OF_LOAD_BALANCER: &[Dimension<'_>] = &[LOAD_BALANCER];

fn open(directory: &TestDirectory) -> Datapoints {
    Datapoints::open(&directory.file("datapoints"), DatapointLimits::default()).unwrap()
}

fn point<'a>(metric: &'a str, dimensions: &'a [Dimension<'a>], statistics: Statistics) -> Datapoint<'a> {
    Datapoint {
        namespace: "AWS/ApplicationELB",
        metric,
        dimensions,
        unit: Unit::Count,
        statistics,
        histogram: None,
    }
}

fn requests(n: u64) -> Datapoint<'static> {
    point("RequestCount", OF_LOAD_BALANCER, Statistics::count(n))
}

#[track_caller]
fn record(datapoints: &mut Datapoints, minute: u64, points: &[Datapoint<'_>]) {
    let news = datapoints.record(minute, |minute| points.iter().for_each(|point| minute.put(point)));
    assert_eq!(news, None);
}

fn query<'a>(metric: &'a str, dimensions: &'a [Dimension<'a>], period: u32) -> StatisticsQuery<'a> {
    StatisticsQuery {
        namespace: "AWS/ApplicationELB",
        metric,
        dimensions,
        unit: None,
        from_minute: 0,
        until_minute: u64::MAX,
        period_minutes: NonZeroU32::new(period).unwrap(),
    }
}

/// Minutes after the start, and sums.
fn sums(reader: &DatapointReader, query: &StatisticsQuery<'_>) -> Vec<(u64, f64)> {
    let points = reader.statistics(query).unwrap().into_iter();
    points
        .map(|point| (point.minute - START, point.statistics.sum))
        .collect()
}

fn request_sums(directory: &TestDirectory) -> Vec<(u64, f64)> {
    let reader = DatapointReader::new(directory.file("datapoints"));
    sums(&reader, &query("RequestCount", OF_LOAD_BALANCER, 1))
}

#[test]
fn minutes_add_up_to_periods() {
    let directory = TestDirectory::new();
    let mut datapoints = open(&directory);
    for minute in 0..60 {
        record(&mut datapoints, START + minute, &[requests(minute + 1)]);
    }
    let reader = datapoints.reader();
    let all = query("RequestCount", OF_LOAD_BALANCER, 1);
    assert!(
        sums(&reader, &all)
            .into_iter()
            .eq((0..60_u32).map(|minute| (minute.into(), f64::from(minute + 1))))
    );
    let some = StatisticsQuery {
        from_minute: START + 28,
        until_minute: START + 31,
        ..all
    };
    assert_eq!(
        sums(&reader, &some),
        [(28, 29.0), (29, 30.0), (30, 31.0)],
        "over two files"
    );
    let none = StatisticsQuery {
        until_minute: START,
        ..all
    };
    assert_eq!(sums(&reader, &none), []);
    let periods = query("RequestCount", OF_LOAD_BALANCER, 30);
    assert_eq!(sums(&reader, &periods), [(0, 465.0), (30, 1365.0)]);
    let hours = reader.statistics(&query("RequestCount", OF_LOAD_BALANCER, 60)).unwrap();
    assert_eq!(hours[0].minute, START - 30, "periods are aligned to the epoch");
    let expected = Statistics {
        sum: 465.0,
        minimum: 1.0,
        maximum: 1.0,
        sample_count: 465,
    };
    assert_eq!(hours[0].statistics, expected);
    assert_eq!(datapoints.monitor().written(), 60);
}

#[test]
fn metrics_are_told_apart_by_all_that_names_them() {
    let directory = TestDirectory::new();
    let mut datapoints = open(&directory);
    let [both, reversed] = [[ZONE, LOAD_BALANCER], [LOAD_BALANCER, ZONE]];
    let points = [
        point("RequestCount", &[], Statistics::count(1)),
        requests(2),
        point("RequestCount", &reversed, Statistics::count(4)),
        Datapoint {
            namespace: "Other",
            ..requests(8)
        },
        point("NewConnectionCount", OF_LOAD_BALANCER, Statistics::count(16)),
        Datapoint {
            unit: Unit::Bytes,
            ..requests(32)
        },
    ];
    record(&mut datapoints, START, &points);
    let reader = datapoints.reader();
    assert_eq!(sums(&reader, &query("RequestCount", &[], 1)), [(0, 1.0)]);
    assert_eq!(
        sums(&reader, &query("RequestCount", OF_LOAD_BALANCER, 1)),
        [(0, 2.0), (0, 32.0)]
    );
    let bytes = StatisticsQuery {
        unit: Some(Unit::Bytes),
        ..query("RequestCount", OF_LOAD_BALANCER, 1)
    };
    assert_eq!(sums(&reader, &bytes), [(0, 32.0)]);
    for order in [both, reversed] {
        assert_eq!(sums(&reader, &query("RequestCount", &order, 1)), [(0, 4.0)]);
    }
    assert_eq!(sums(&reader, &query("RequestCount", &[ZONE], 1)), []);
    assert_eq!(sums(&reader, &query("Unknown", OF_LOAD_BALANCER, 1)), []);
}

#[test]
fn percentiles_are_of_all_values_of_the_period() {
    let directory = TestDirectory::new();
    let mut datapoints = open(&directory);
    let histogram = Histogram::default();
    let mut before = histogram.snapshot();
    for (minute, millis) in [(0, [3, 4]), (1, [3, 70]), (2, [90_000, 3])] {
        millis
            .iter()
            .for_each(|millis| histogram.observe(Duration::from_millis(*millis)));
        let now = histogram.snapshot();
        let since = now.since(&before);
        before = now;
        let latency = Datapoint {
            unit: Unit::Seconds,
            histogram: Some(&since),
            ..point(
                "TargetResponseTime",
                OF_LOAD_BALANCER,
                Statistics::durations(&since).unwrap(),
            )
        };
        record(&mut datapoints, START + minute, &[latency]);
    }
    let period = &datapoints
        .reader()
        .statistics(&query("TargetResponseTime", OF_LOAD_BALANCER, 30))
        .unwrap()[0];
    assert_eq!((period.unit, period.statistics.sample_count), (Unit::Seconds, 6));
    assert!((period.statistics.sum - 90.083).abs() < 1e-9);
    assert!((period.statistics.average() - 90.083 / 6.0).abs() < 1e-9);
    let median = period.percentile(50.0).unwrap();
    assert!((0.0025..=0.005).contains(&median), "{median}");
    assert!((60.0..=90.001).contains(&period.percentile(99.0).unwrap()));
}

#[test]
fn percentiles_that_are_not_known_are_none() {
    let directory = TestDirectory::new();
    let mut datapoints = open(&directory);
    let histogram = Histogram::default();
    histogram.observe(Duration::from_millis(3));
    let with = Datapoint {
        histogram: Some(&histogram.snapshot()),
        ..point("Mixed", &[], Statistics::value(0.003))
    };
    let without = point("Mixed", &[], Statistics::value(7.0));
    record(&mut datapoints, START, &[requests(5), with]);
    record(&mut datapoints, START + 1, &[without]);
    let reader = datapoints.reader();
    let percentile = |metric, dimensions, period| {
        let points = reader.statistics(&query(metric, dimensions, period)).unwrap();
        points[0].percentile(90.0)
    };
    assert_eq!(
        percentile("RequestCount", OF_LOAD_BALANCER, 1),
        Some(1.0),
        "all are the same"
    );
    assert_eq!(percentile("Mixed", &[], 1), Some(0.003));
    assert_eq!(percentile("Mixed", &[], 30), None);
}

#[test]
fn metrics_are_listed_by_page() {
    let directory = TestDirectory::new();
    let mut datapoints = open(&directory);
    let both = [ZONE, LOAD_BALANCER];
    record(&mut datapoints, START, &[point("Old", &[], Statistics::count(1))]);
    for minute in [START + 60, START + 61] {
        let points = [
            requests(1),
            point("RequestCount", &both, Statistics::count(1)),
            point("NewConnectionCount", &both, Statistics::count(1)),
            Datapoint {
                namespace: "Other",
                ..requests(1)
            },
        ];
        record(&mut datapoints, minute, &points);
    }
    let reader = datapoints.reader();
    let all = MetricFilter {
        namespace: None,
        metric: None,
        dimensions: &[],
        from_minute: 0,
        after: None,
        limit: 100,
    };
    let list = |filter: MetricFilter<'_>| reader.list_metrics(&filter).unwrap();
    let short = |names: &[MetricName]| -> Vec<String> {
        let short = |name: &MetricName| format!("{}/{}/{}", name.namespace, name.metric, name.dimensions.len());
        names.iter().map(short).collect()
    };
    let elb = |name: &str| format!("AWS/ApplicationELB/{name}");
    let expected = [
        elb("NewConnectionCount/2"),
        elb("Old/0"),
        elb("RequestCount/1"),
        elb("RequestCount/2"),
        "Other/RequestCount/1".to_owned(),
    ];
    // Sorted by metric, and then by dimensions: `AvailabilityZone` comes before `LoadBalancer`.
    let expected = [
        &expected[..2],
        &[expected[3].clone(), expected[2].clone(), expected[4].clone()],
    ]
    .concat();
    assert_eq!(short(&list(all)), expected);
    let pair = |dimension: &Dimension<'_>| (dimension.name.to_owned(), dimension.value.to_owned());
    assert_eq!(list(all)[0].dimensions, [pair(&ZONE), pair(&LOAD_BALANCER)]);

    let mut paged = Vec::new();
    while let [name] = &list(MetricFilter {
        after: paged.last(),
        limit: 1,
        ..all
    })[..]
    {
        paged.push(name.clone());
    }
    assert_eq!(paged, list(all));

    let recent = MetricFilter {
        from_minute: START + 60,
        ..all
    };
    assert_eq!(list(recent).len(), 4);
    for (filter, count) in [
        (
            MetricFilter {
                namespace: Some("Other"),
                ..all
            },
            1,
        ),
        (
            MetricFilter {
                metric: Some("RequestCount"),
                ..all
            },
            3,
        ),
        (
            MetricFilter {
                dimensions: &[("LoadBalancer", None)],
                ..all
            },
            4,
        ),
        (
            MetricFilter {
                dimensions: &[("LoadBalancer", None), ("AvailabilityZone", Some(ZONE.value))],
                ..all
            },
            2,
        ),
        (
            MetricFilter {
                dimensions: &[("LoadBalancer", Some("other"))],
                ..all
            },
            0,
        ),
    ] {
        assert_eq!(list(filter).len(), count, "{filter:?}");
    }
}

#[test]
fn what_cloudwatch_would_not_take_is_refused_and_counted() {
    let directory = TestDirectory::new();
    let mut datapoints = open(&directory);
    let long = "x".repeat(1025);
    let many = [LOAD_BALANCER; 31];
    let value = |sum| Statistics {
        sum,
        ..Statistics::value(1.0)
    };
    let upside_down = Statistics {
        minimum: 2.0,
        ..Statistics::value(1.0)
    };
    let nothing = Statistics {
        sample_count: 0,
        ..Statistics::value(1.0)
    };
    let empty = [Dimension { name: "", value: "x" }];
    let points = [
        point("a", &[], value(f64::NAN)),
        point("a", &[], value(f64::INFINITY)),
        point("a", &[], upside_down),
        point("a", &[], nothing),
        point("", &[], Statistics::count(1)),
        point(&long, &[], Statistics::count(1)),
        point("a", &many, Statistics::count(1)),
        point("a", &empty, Statistics::count(1)),
    ];
    record(&mut datapoints, START, &points);
    assert_eq!(
        fs::read_dir(directory.file("datapoints")).unwrap().count(),
        0,
        "no points, no file"
    );
    record(&mut datapoints, START, &[requests(1)]);
    let monitor = datapoints.monitor();
    assert_eq!(
        (monitor.lost_refused(), monitor.written(), monitor.lost_not_written()),
        (8, 1, 0)
    );
}

#[test]
fn files_are_private_to_the_user() {
    let directory = TestDirectory::new();
    let mut datapoints = open(&directory);
    record(&mut datapoints, START, &[requests(1)]);
    let folder = directory.file("datapoints");
    let file = list(&folder).unwrap().remove(0).path;
    for (path, mode) in [(&folder, 0o700), (&file, 0o600)] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
    }
}

#[test]
fn a_large_minute_takes_little_room_and_is_cut_into_blocks() {
    const GROUPS: u64 = 5_000;
    let directory = TestDirectory::new();
    let mut datapoints = open(&directory);
    let metrics: Vec<_> = (0..40)
        .map(|metric| format!("HTTPCode_Target_{metric}_Count"))
        .collect();
    let news = datapoints.record(START, |minute| {
        for group in 0..GROUPS {
            let name = format!("targetgroup/group-{group}/0123456789abcdef");
            let dimensions = [
                LOAD_BALANCER,
                Dimension {
                    name: "TargetGroup",
                    value: &name,
                },
            ];
            for metric in &metrics {
                minute.put(&point(metric, &dimensions, Statistics::count(group + 1)));
            }
        }
    });
    assert_eq!(news, None);
    let files = list(&directory.file("datapoints")).unwrap();
    assert_eq!((files.len(), datapoints.monitor().written()), (1, GROUPS * 40));
    assert!(files[0].bytes < GROUPS * 40 * 8, "{} bytes", files[0].bytes);
    let mut payloads = Payloads::open(&files[0].path).unwrap().unwrap();
    let mut blocks = 0;
    while let Some(payload) = payloads.next().unwrap() {
        assert!(payload.len() < 1_100_000, "{}", payload.len());
        blocks += 1;
    }
    assert!(blocks > 1);
    let name = format!("targetgroup/group-{}/0123456789abcdef", GROUPS - 1);
    let dimensions = [
        LOAD_BALANCER,
        Dimension {
            name: "TargetGroup",
            value: &name,
        },
    ];
    let reader = datapoints.reader();
    assert_eq!(
        sums(&reader, &query("HTTPCode_Target_39_Count", &dimensions, 1)),
        [(0, 5000.0)]
    );
}
