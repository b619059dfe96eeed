use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::counters::Histogram;

const REQUESTS: CounterFamily<2> = CounterFamily::new(
    "albacore_proxy_requests",
    "Requests, by \"listener\" and \\ code.\nAll of them.",
    ["listener", "code"],
);
const SENT: CounterFamily<0> = CounterFamily::new("albacore_proxy_sent_bytes", "Bytes sent to clients.", []);
const OPEN: GaugeFamily<1> = GaugeFamily::new("albacore_proxy_connections", "Open connections.", ["listener"]);
const LATENCY: HistogramFamily<1> = HistogramFamily::new(
    "albacore_proxy_response_seconds",
    "Time to the first byte.",
    ["target_group"],
);

#[test]
fn the_text_is_exactly_this() {
    let mut exposition = Exposition::new();
    exposition.gauge(&OPEN, ["web"], 7);
    exposition.counter(&SENT, [], 10);
    exposition.counter(&REQUESTS, ["web", "200"], 2);
    exposition.counter(&SENT, [], 32);
    exposition.counter(&REQUESTS, ["a\"b\\c\nd", "200"], 1);
    exposition.gauge(&OPEN, ["web"], -2);
    let expected = concat!(
        "# TYPE albacore_proxy_connections gauge\n",
        "# HELP albacore_proxy_connections Open connections.\n",
        "albacore_proxy_connections{listener=\"web\"} 5\n",
        "# TYPE albacore_proxy_requests counter\n",
        "# HELP albacore_proxy_requests Requests, by \\\"listener\\\" and \\\\ code.\\nAll of them.\n",
        "albacore_proxy_requests_total{listener=\"a\\\"b\\\\c\\nd\",code=\"200\"} 1\n",
        "albacore_proxy_requests_total{listener=\"web\",code=\"200\"} 2\n",
        "# TYPE albacore_proxy_sent_bytes counter\n",
        "# UNIT albacore_proxy_sent_bytes bytes\n",
        "# HELP albacore_proxy_sent_bytes Bytes sent to clients.\n",
        "albacore_proxy_sent_bytes_total 42\n",
        "# EOF\n",
    );
    assert_eq!(exposition.into_text(), expected);
    assert_eq!(Exposition::new().into_text(), "# EOF\n");
}

#[test]
fn cores_add_up_in_a_histogram() {
    let cores = [Histogram::default(), Histogram::default()];
    cores[0].observe(Duration::from_micros(400));
    cores[0].observe(Duration::from_millis(1_500));
    cores[1].observe(Duration::from_secs(90));
    let mut exposition = Exposition::new();
    for core in &cores {
        exposition.histogram(&LATENCY, ["orders"], &core.snapshot());
    }
    let text = exposition.into_text();
    for line in [
        "# UNIT albacore_proxy_response_seconds seconds",
        "albacore_proxy_response_seconds_bucket{target_group=\"orders\",le=\"0.0005\"} 1",
        "albacore_proxy_response_seconds_bucket{target_group=\"orders\",le=\"1.0\"} 1",
        "albacore_proxy_response_seconds_bucket{target_group=\"orders\",le=\"2.5\"} 2",
        "albacore_proxy_response_seconds_bucket{target_group=\"orders\",le=\"60.0\"} 2",
        "albacore_proxy_response_seconds_bucket{target_group=\"orders\",le=\"+Inf\"} 3",
        "albacore_proxy_response_seconds_count{target_group=\"orders\"} 3",
        "albacore_proxy_response_seconds_sum{target_group=\"orders\"} 91.5004",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} must stand in\n{text}");
    }
}

#[test]
fn fractions_are_gauges() {
    let mut exposition = Exposition::new();
    exposition.fraction(&OPEN, ["half"], 0.25);
    exposition.fraction(&OPEN, ["half"], 0.25);
    exposition.gauge(&OPEN, ["mixed"], 2);
    exposition.fraction(&OPEN, ["mixed"], 0.5);
    exposition.gauge(&OPEN, ["mixed"], -1);
    exposition.fraction(&OPEN, ["small"], 1e-7);
    for value in [f64::NAN, f64::INFINITY] {
        exposition.fraction(&OPEN, ["nothing"], value);
    }
    let text = exposition.into_text();
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let expected = [
        "albacore_proxy_connections{listener=\"half\"} 0.5",
        "albacore_proxy_connections{listener=\"mixed\"} 1.5",
        "albacore_proxy_connections{listener=\"small\"} 0.0000001",
    ];
    assert_eq!(samples, expected);
    assert_eq!(parse(&text), Ok(3));
}

/// The dimensions of the metrics of a load balancer, as labels. Source: ALB 8.2.
#[test]
fn a_family_may_have_all_dimensions_of_a_load_balancer() {
    const LABELS: [&str; 3] = ["load_balancer", "target_group", "availability_zone"];
    const CODES: CounterFamily<4> = CounterFamily::new(
        "albacore_proxy_target_responses",
        "Responses of targets.",
        ["load_balancer", "target_group", "availability_zone", "class"],
    );
    const HEALTHY: GaugeFamily<3> = GaugeFamily::new("albacore_proxy_healthy_hosts", "Healthy targets.", LABELS);
    const SLOW: HistogramFamily<3> =
        HistogramFamily::new("albacore_proxy_target_response_seconds", "Time of targets.", LABELS);
    let of = [
        "app/shop/0123456789abcdef",
        "targetgroup/orders/fedcba9876543210",
        "us-east-1a",
    ];
    let other = [of[0], of[1], "us-east-1b"];
    let core = Histogram::default();
    core.observe(Duration::from_millis(7));
    let mut exposition = Exposition::new();
    for _core in 0..2 {
        exposition.counter(&CODES, [of[0], of[1], of[2], "2xx"], 20);
        exposition.histogram(&SLOW, of, &core.snapshot());
    }
    exposition.histogram(&SLOW, other, &core.snapshot());
    exposition.gauge(&HEALTHY, of, 2);
    exposition.gauge(&HEALTHY, other, 1);
    let text = exposition.into_text();
    assert_eq!(parse(&text), Ok(1 + 2 + 2 * 19));
    let labels = "load_balancer=\"app/shop/0123456789abcdef\",target_group=\"targetgroup/orders/fedcba9876543210\"";
    for line in [
        format!("albacore_proxy_target_responses_total{{{labels},availability_zone=\"us-east-1a\",class=\"2xx\"}} 40"),
        format!("albacore_proxy_healthy_hosts{{{labels},availability_zone=\"us-east-1b\"}} 1"),
        format!(
            "albacore_proxy_target_response_seconds_bucket{{{labels},availability_zone=\"us-east-1a\",le=\"0.01\"}} 2"
        ),
        format!("albacore_proxy_target_response_seconds_count{{{labels},availability_zone=\"us-east-1b\"}} 1"),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} must stand in\n{text}");
    }
}

#[test]
fn everything_we_write_is_open_metrics() {
    let histogram = Histogram::default();
    histogram.observe(Duration::from_millis(3));
    let mut exposition = Exposition::new();
    for label in [
        "",
        "plain",
        "with space",
        "quote\"",
        "back\\slash",
        "line\nbreak",
        "\\n",
        "}",
        ",x=\"y\"",
        "\u{fc}\u{1f41f}",
    ] {
        exposition.counter(&REQUESTS, [label, "200"], u64::MAX);
        exposition.counter(&REQUESTS, ["200", label], 1);
        exposition.gauge(&OPEN, [label], i64::MIN);
        exposition.histogram(&LATENCY, [label], &histogram.snapshot());
    }
    exposition.counter(&SENT, [], 0);
    let text = exposition.into_text();
    let samples = parse(&text).unwrap();
    // 10 labels: 20 counters, 10 gauges, 10 histograms of 17 buckets, a count and a sum; and one counter without labels.
    assert_eq!(samples, 20 + 10 + 10 * 19 + 1);
}

#[test]
fn the_parser_of_this_test_is_strict() {
    let good = "# TYPE a counter\n# HELP a x\na_total{b=\"c\"} 1\n# EOF\n";
    assert_eq!(parse(good), Ok(1));
    for (from, to) in [
        ("# EOF\n", ""),
        ("# EOF\n", "# EOF\n\n"),
        ("a_total", "a"),
        ("a_total", "b_total"),
        ("\"c\"", "\"c"),
        ("\"c\"", "\"\\c\""),
        ("b=", "9b="),
        ("} 1", "} -1"),
        ("} 1", "} x"),
        ("} 1", "}  1"),
        ("# EOF", "a_total{b=\"c\"} 2\n# EOF"),
        ("# EOF", "# TYPE a counter\n# EOF"),
        ("# HELP a x", "# UNIT a bytes"),
        ("# HELP a x", "# HELP b x"),
    ] {
        let bad = good.replace(from, to);
        assert!(parse(&bad).is_err(), "must be refused:\n{bad}");
    }
    let histogram =
        "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_count 2\nh_sum 3.5\n# EOF\n";
    assert_eq!(parse(histogram), Ok(4));
    for (from, to) in [
        ("+Inf\"} 2", "+Inf\"} 0"),
        ("h_count 2", "h_count 3"),
        ("le=\"+Inf\"", "le=\"2.0\""),
        ("le=\"1.0\"", "x=\"1.0\""),
        ("h_sum", "h_total"),
    ] {
        let bad = histogram.replace(from, to);
        assert!(parse(&bad).is_err(), "must be refused:\n{bad}");
    }
}

/// A reader that accepts only what the ABNF and the rules of OpenMetrics 1.0 allow; returns the number of samples.
fn parse(text: &str) -> Result<usize, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("no EOF")?;
    let (mut seen_families, mut seen_samples) = (BTreeSet::new(), BTreeSet::new());
    let (mut family, mut kind) = (String::new(), String::new());
    let mut buckets: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for line in body.split_terminator('\n') {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (keyword, name, value) = (
                words.next(),
                words.next().ok_or("no name")?,
                words.next().ok_or("no value")?,
            );
            match keyword {
                Some("TYPE") if seen_families.insert(name.to_owned()) => {
                    (family, kind) = (name.to_owned(), value.to_owned());
                }
                Some("UNIT") if name == family && name.ends_with(&format!("_{value}")) => {}
                Some("HELP") if name == family && unescape(value).is_some() => {}
                _ => return Err(line.to_owned()),
            }
            continue;
        }
        let (name, labels, number) = sample(line).ok_or(line)?;
        let suffix = name.strip_prefix(family.as_str()).ok_or(line)?;
        let le = labels
            .iter()
            .find(|(name, _)| name == "le")
            .map(|(_, value)| value.clone());
        match (kind.as_str(), suffix) {
            ("counter", "_total") | ("histogram", "_count" | "_sum") if number >= 0.0 && le.is_none() => {}
            ("gauge", "") if le.is_none() => {}
            ("histogram", "_bucket") if number >= 0.0 => {}
            _ => return Err(line.to_owned()),
        }
        if !seen_samples.insert((name.to_owned(), labels.clone())) {
            return Err(format!("twice: {line}"));
        }
        let others: Vec<_> = labels.iter().filter(|(name, _)| name != "le").collect();
        let series = buckets.entry(format!("{family} {others:?}")).or_default();
        if suffix == "_bucket" {
            let bound = le
                .ok_or(line)?
                .replace("+Inf", "inf")
                .parse::<f64>()
                .map_err(|_| line)?;
            if series
                .last()
                .is_some_and(|(last, count)| *last >= bound || *count > number)
            {
                return Err(line.to_owned());
            }
            series.push((bound, number));
        } else if suffix == "_count" && series.last() != Some(&(f64::INFINITY, number)) {
            return Err(line.to_owned());
        }
    }
    Ok(seen_samples.len())
}

type Labels = Vec<(String, String)>;

fn sample(line: &str) -> Option<(&str, Labels, f64)> {
    let name_end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"")?;
            let valid = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !valid || label.starts_with(|c: char| c.is_ascii_digit()) || label.is_empty() {
                return None;
            }
            let end = closing_quote(after)?;
            labels.push((label.to_owned(), unescape(&after[..end])?));
            rest = &after[end + 1..];
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => break,
            }
        }
        rest = rest.strip_prefix('}')?;
    }
    let number = rest.strip_prefix(' ')?;
    let plain = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    if !plain {
        return None;
    }
    Some((name, labels, number.parse().ok()?))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(index, c)| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(index)
    })
}

fn unescape(text: &str) -> Option<String> {
    let (mut out, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(match chars.next()? {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            }),
            '"' | '\n' => return None,
            c => out.push(c),
        }
    }
    Some(out)
}
