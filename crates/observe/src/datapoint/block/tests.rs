use super::*;
use crate::Histogram;
use proptest::prelude::*;
use std::time::Duration;

const LOAD_BALANCER: Dimension<'_> = Dimension {
    name: "LoadBalancer",
    value: "app/shop/0123456789abcdef",
};
const TARGET_GROUP: Dimension<'_> = Dimension {
    name: "TargetGroup",
    value: "targetgroup/orders/fedcba9876543210",
};

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

/// What a reader sees, with its strings.
type Seen = (String, Vec<(String, String)>, String, Point);

fn read(block: &[u8]) -> Option<(u64, Vec<Seen>)> {
    let payload = block.get(HEADER_BYTES..)?;
    let mut block = Block::open(payload)?;
    let (mut group, mut seen) = (Group::default(), Vec::new());
    while block.next_group(&mut group) {
        let text = |id| block.string(id).unwrap_or("?").to_owned();
        let dimensions: Vec<_> = group
            .dimensions
            .iter()
            .map(|(name, value)| (text(*name), text(*value)))
            .collect();
        let namespace = text(group.namespace);
        while let Some(point) = group.points.point() {
            seen.push((namespace.clone(), dimensions.clone(), text(point.metric), point));
        }
    }
    Some((block.minute, seen))
}

/// Version 1, once and for all: what stands here was written by it and stays readable. Each line begins with what it is.
const GOLDEN: &str = "
    41445031 d4000000 452839a9                  marker, bytes, checksum
    a1c9820e 08                                 minute 29402273, 8 strings
    12 4157532f4170706c69636174696f6e454c42     AWS/ApplicationELB
    0c 4c6f616442616c616e636572                 LoadBalancer
    19 6170702f73686f702f30313233343536373839616263646566
    0c 52657175657374436f756e74                 RequestCount
    0e 50726f6365737365644279746573             ProcessedBytes
    0b 54617267657447726f7570                   TargetGroup
    23 74617267657467726f75702f6f72646572732f66656463626139383736353433323130
    12 546172676574526573706f6e736554696d65     TargetResponseTime
    0d 00 01 01 02                              a group: namespace, one dimension
    03 01 20 ac02                               300 times 1
    04 02 10 00                                 one value, 0
    27 00 02 01 02 05 06                        a group: namespace, two dimensions
    03 01 30 0a 05 02                           two values, both 5
    07 03 0b 9cc420b072805140 fa7e6abc7493683f  70.007 and 0.003 seconds
    46 03                                       70 seconds, three values
    01 02 03 02 0d 01                           two in bucket 3, one in bucket 16
";

fn golden() -> Vec<u8> {
    let hex = |line: &'static str| line.trim().split("  ").next().unwrap_or_default();
    let digits: String = GOLDEN.lines().flat_map(|line| hex(line).split(' ')).collect();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn golden_points() -> (HistogramSnapshot, Vec<Statistics>) {
    let histogram = Histogram::default();
    for millis in [3, 4, 70_000] {
        histogram.observe(Duration::from_millis(millis));
    }
    let latencies = Statistics {
        sum: 70.007,
        minimum: 0.003,
        maximum: 70.0,
        sample_count: 3,
    };
    let same = Statistics {
        sum: 10.0,
        minimum: 5.0,
        maximum: 5.0,
        sample_count: 2,
    };
    (
        histogram.snapshot(),
        vec![Statistics::count(300), Statistics::value(0.0), same, latencies],
    )
}

#[test]
fn version_1_is_written_and_read_as_ever() {
    let (histogram, sets) = golden_points();
    let load_balancer = [LOAD_BALANCER];
    let both = [LOAD_BALANCER, TARGET_GROUP];
    let mut encoder = Encoder::default();
    encoder.put(&point("RequestCount", &load_balancer, sets[0]));
    encoder.put(&Datapoint {
        unit: Unit::Bytes,
        ..point("ProcessedBytes", &load_balancer, sets[1])
    });
    encoder.put(&point("RequestCount", &both, sets[2]));
    encoder.put(&Datapoint {
        unit: Unit::Seconds,
        histogram: Some(&histogram),
        ..point("TargetResponseTime", &both, sets[3])
    });
    let mut block = Vec::new();
    encoder.finish(29_402_273, &mut block);
    assert_eq!(block, golden());

    let (minute, seen) = read(&golden()).unwrap();
    assert_eq!(minute, 29_402_273);
    let expected = [
        (1, "RequestCount", Unit::Count, sets[0], None),
        (1, "ProcessedBytes", Unit::Bytes, sets[1], None),
        (2, "RequestCount", Unit::Count, sets[2], None),
        (
            2,
            "TargetResponseTime",
            Unit::Seconds,
            sets[3],
            Some(*histogram.buckets()),
        ),
    ];
    assert_eq!(seen.len(), expected.len());
    for ((namespace, dimensions, metric, point), expected) in seen.iter().zip(expected) {
        let pairs: Vec<_> = dimensions
            .iter()
            .map(|(name, value)| Dimension { name, value })
            .collect();
        assert_eq!(
            (namespace.as_str(), pairs.as_slice()),
            ("AWS/ApplicationELB", &both[..expected.0])
        );
        assert_eq!(
            (metric.as_str(), point.unit, point.statistics, point.histogram),
            (expected.1, expected.2, expected.3, expected.4)
        );
    }
}

#[test]
fn the_next_block_begins_anew() {
    let mut encoder = Encoder::default();
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for block in [&mut one, &mut two] {
        encoder.put(&point("RequestCount", &[LOAD_BALANCER], Statistics::count(1)));
        assert_eq!(encoder.count(), 1);
        assert!(encoder.bytes() > 0);
        encoder.finish(7, block);
        assert_eq!((encoder.count(), encoder.bytes()), (0, 0));
    }
    assert_eq!(one, two);
}

#[test]
fn damage_ends_reading_and_nothing_else() {
    let golden = golden();
    let whole = read(&golden).unwrap().1;
    for end in HEADER_BYTES..golden.len() {
        if let Some((_, seen)) = read(&golden[..end]) {
            assert!(whole.starts_with(&seen), "{end}");
        }
    }
    assert_eq!(Bytes(&[0xff; 9]).number(), None);
    assert_eq!(Bytes(&[0xff; 10]).number(), None, "more than 64 bits");
    assert_eq!(
        Bytes(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").number(),
        Some(u64::MAX)
    );
    // Layout 2; a bucket that does not exist; more strings than bytes.
    assert_eq!(Bytes(&[2, 1, 0, 1]).histogram(), None);
    assert_eq!(Bytes(&[1, 1, 17, 1]).histogram(), None);
    assert!(Block::open(&[0, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_none());
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        (0_u32..1000).prop_map(f64::from),
        -1e12..1e12,
        Just(-0.0),
        Just(f64::MAX),
        Just(18_446_744_073_709_551_616.0),
        Just(9_007_199_254_740_993.0),
    ]
}

fn any_set() -> impl Strategy<Value = Statistics> {
    let full =
        (any_value(), any_value(), any_value(), 1_u64..).prop_map(|(sum, minimum, maximum, sample_count)| Statistics {
            sum,
            minimum,
            maximum,
            sample_count,
        });
    let same = (any_value(), any_value(), 1_u64..5).prop_map(|(sum, both, sample_count)| Statistics {
        sum,
        minimum: both,
        maximum: both,
        sample_count,
    });
    prop_oneof![
        full,
        same,
        any_value().prop_map(Statistics::value),
        (0_u64..1 << 53).prop_map(Statistics::count)
    ]
}

fn bits(set: &Statistics) -> (u64, u64, u64, u64) {
    (
        set.sum.to_bits(),
        set.minimum.to_bits(),
        set.maximum.to_bits(),
        set.sample_count,
    )
}

type AnyPoint = (u8, Vec<(String, String)>, u8, Statistics, Option<Vec<u64>>);

fn any_point() -> impl Strategy<Value = AnyPoint> {
    let pairs = proptest::collection::vec(("[a-c]", "\\PC{0,5}"), 0..3);
    let millis = proptest::option::of(proptest::collection::vec(0_u64..100_000, 0..5));
    (0_u8..3, pairs, 0_u8..6, any_set(), millis)
}

proptest! {
    #[test]
    fn what_is_put_is_read(points in proptest::collection::vec(any_point(), 0..30), minute: u64) {
        let mut encoder = Encoder::default();
        let histograms: Vec<_> = points.iter().map(|point| point.4.as_ref().map(|millis| {
            let histogram = Histogram::default();
            millis.iter().for_each(|millis| histogram.observe(Duration::from_millis(*millis)));
            histogram.snapshot()
        })).collect();
        for ((metric, pairs, unit, statistics, _), histogram) in points.iter().zip(&histograms) {
            let dimensions: Vec<_> = pairs.iter().map(|(name, value)| Dimension { name, value }).collect();
            encoder.put(&Datapoint {
                namespace: "N",
                metric: &format!("m{metric}"),
                dimensions: &dimensions,
                unit: Unit::from_code(*unit),
                statistics: *statistics,
                histogram: histogram.as_ref(),
            });
        }
        let mut block = b"from before".to_vec();
        encoder.finish(minute, &mut block);
        let (read_minute, seen) = read(&block).unwrap();
        prop_assert_eq!((read_minute, seen.len()), (minute, points.len()));
        for (index, (namespace, dimensions, metric, read)) in seen.iter().enumerate() {
            let (number, pairs, unit, statistics, _) = &points[index];
            prop_assert_eq!(namespace, "N");
            prop_assert_eq!(metric, &format!("m{number}"));
            prop_assert_eq!((dimensions, read.unit), (pairs, Unit::from_code(*unit)));
            prop_assert_eq!(bits(&read.statistics), bits(statistics));
            prop_assert_eq!(read.histogram, histograms[index].as_ref().map(|snapshot| *snapshot.buckets()));
        }
    }

    #[test]
    fn hostile_bytes_are_read_without_harm(bytes: Vec<u8>) {
        let _ = read(&[&[0; HEADER_BYTES], &bytes[..]].concat());
        let mut damaged = golden();
        for (at, byte) in bytes.iter().enumerate() {
            let length = damaged.len();
            damaged[(at * 31 + usize::from(*byte)) % length] ^= byte;
        }
        let _ = read(&damaged);
    }
}
