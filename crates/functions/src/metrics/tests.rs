use super::*;
use model::{AccountId, Region, Scope, State};
use observe::{Exposition, Unit};

fn arn(name: &str) -> FunctionArn {
    let scope = Scope {
        region: Region::try_from("eu-west-1").unwrap(),
        account: AccountId::try_from("111122223333").unwrap(),
    };
    FunctionArn::new(&scope, name)
}

/// In the minute 100 since the epoch.
fn ended(millis: u64) -> Ended {
    Ended {
        began_ms: 100 * 60_000,
        duration: Duration::from_millis(millis),
        extensions: None,
        is_error: false,
        provision: Provision::None,
    }
}

const UNQUALIFIED: Called<'static> = Called {
    qualifier: None,
    executed_version: None,
};

#[derive(Debug, PartialEq)]
struct Seen {
    metric: String,
    dimensions: Vec<String>,
    sum: f64,
    minimum: f64,
    maximum: f64,
    samples: u64,
}

/// Every datapoint, its dimensions as `name=value`.
fn seen(hand_out: impl FnOnce(&mut dyn FnMut(&observe::Datapoint<'_>))) -> Vec<Seen> {
    let mut all = Vec::new();
    hand_out(&mut |point| {
        assert_eq!(point.namespace, "AWS/Lambda");
        assert!(point.dimensions.is_sorted());
        let is_time =
            point.metric.contains("Duration") || point.metric.contains("Age") || point.metric.contains("Latency");
        let unit = if is_time { Unit::Milliseconds } else { Unit::Count };
        assert_eq!(
            (point.unit, point.histogram.is_some()),
            (unit, is_time),
            "{}",
            point.metric
        );
        all.push(Seen {
            metric: point.metric.to_owned(),
            dimensions: point
                .dimensions
                .iter()
                .map(|dimension| format!("{}={}", dimension.name, dimension.value))
                .collect(),
            sum: point.statistics.sum,
            minimum: point.statistics.minimum,
            maximum: point.statistics.maximum,
            samples: point.statistics.sample_count,
        });
    });
    all
}

fn between(before: &Readings, now: &Readings) -> Vec<Seen> {
    seen(|put| datapoints(before, now, put))
}

/// Sum, minimum, maximum and number of a metric with these dimensions.
#[track_caller]
fn numbers(all: &[Seen], metric: &str, dimensions: &[&str]) -> Option<(f64, f64, f64, u64)> {
    let mut found = all
        .iter()
        .filter(|seen| seen.metric == metric && seen.dimensions == dimensions);
    let first = found.next().map(|it| (it.sum, it.minimum, it.maximum, it.samples));
    assert_eq!(found.next(), None, "one datapoint each");
    first
}

fn take(metrics: &Metrics) -> Readings {
    metrics.take(&State::default(), Instant::now())
}

// LAM-M-001: a success adds to Invocations, a function error to Invocations and Errors
// LAM-M-002: what is throttled adds to Throttles only
// LAM-M-004: there are metrics by FunctionName, and by FunctionName and Resource
#[test]
fn invocations_are_counted_with_every_set_of_dimensions() {
    let metrics = Arc::new(Metrics::default());
    let (one_core, other_core) = (metrics.metering(&arn("orders")), metrics.metering(&arn("orders")));
    let live = Called {
        qualifier: Some("live"),
        executed_version: Some("7"),
    };
    let before = take(&metrics);
    one_core.ended(UNQUALIFIED, ended(10));
    other_core.ended(UNQUALIFIED, ended(30));
    let failed = Ended {
        is_error: true,
        ..ended(20)
    };
    other_core.ended(live, failed);
    other_core.throttled(live);
    let all = between(&before, &take(&metrics));
    let by_function = ["FunctionName=orders"];
    let unqualified = ["FunctionName=orders", "Resource=orders"];
    let by_alias = ["FunctionName=orders", "Resource=orders:live"];
    let by_version = ["ExecutedVersion=7", "FunctionName=orders", "Resource=orders:live"];
    for (metric, dimensions, expected) in [
        ("Invocations", &[][..], Some((3.0, 1.0, 1.0, 3))),
        ("Invocations", &by_function, Some((3.0, 1.0, 1.0, 3))),
        ("Invocations", &unqualified, Some((2.0, 1.0, 1.0, 2))),
        ("Invocations", &by_alias, Some((1.0, 1.0, 1.0, 1))),
        ("Invocations", &by_version, Some((1.0, 1.0, 1.0, 1))),
        ("Errors", &by_function, Some((1.0, 0.0, 1.0, 3))),
        ("Errors", &unqualified, Some((0.0, 0.0, 0.0, 2))),
        ("Errors", &by_alias, Some((1.0, 1.0, 1.0, 1))),
        ("Throttles", &by_function, Some((1.0, 0.0, 1.0, 4))),
        ("Throttles", &unqualified, Some((0.0, 0.0, 0.0, 2))),
        ("Duration", &by_function, Some((60.0, 10.0, 30.0, 3))),
        ("Duration", &unqualified, Some((40.0, 10.0, 30.0, 2))),
        ("PostRuntimeExtensionsDuration", &by_function, None),
        ("AsyncEventsReceived", &by_function, None),
    ] {
        assert_eq!(numbers(&all, metric, dimensions), expected, "{metric} {dimensions:?}");
    }
}

#[test]
fn an_alias_leads_to_another_name_and_a_version_does_not() {
    let (function, alias) = (arn("f"), arn("f").qualified("live"));
    let version = arn("f").qualified("7");
    for (called, ran, expected) in [
        (&function, &function, (None, None)),
        (&version, &version, (Some("7"), None)),
        (&alias, &version, (Some("live"), Some("7"))),
        (&alias, &function, (Some("live"), Some("$LATEST"))),
        (&arn("f").qualified("$LATEST"), &function, (Some("$LATEST"), None)),
    ] {
        let called = Called::by(called).and_ran(ran);
        assert_eq!((called.qualifier, called.executed_version), expected);
    }
}

#[test]
fn what_was_provisioned_is_told_from_what_was_not() {
    let metrics = Arc::new(Metrics::default());
    let metering = metrics.metering(&arn("f"));
    for provision in [
        Provision::Provisioned,
        Provision::Provisioned,
        Provision::Spillover,
        Provision::None,
    ] {
        let ended = Ended { provision, ..ended(1) };
        metering.ended(UNQUALIFIED, ended);
    }
    let all = between(&Readings::default(), &take(&metrics));
    for (metric, expected) in [
        ("Invocations", 4.0),
        ("ProvisionedConcurrencyInvocations", 2.0),
        ("ProvisionedConcurrencySpilloverInvocations", 1.0),
    ] {
        let sum = numbers(&all, metric, &["FunctionName=f"]).map(|it| it.0);
        assert_eq!(sum, Some(expected), "{metric}");
    }
}

#[test]
fn how_much_of_what_is_provisioned_was_busy() {
    let provisioned = |target: FunctionArn, requested| {
        let last_modified = model::Timestamp(0);
        let provisioned = model::lambda::version::Provisioned {
            target,
            requested,
            last_modified,
        };
        model::Change::Lambda(model::lambda::resources::Change::PutProvisioned(Arc::new(provisioned)))
    };
    let (one, two) = (arn("f").qualified(1), arn("f").qualified(2));
    let mut state = State::default();
    state.apply(&provisioned(one.clone(), 4));
    state.apply(&provisioned(two, 6));
    let metrics = Arc::new(Metrics::default());
    let metering = metrics.metering(&one);
    let _busy = [metering.begin(true), metering.begin(true), metering.begin(false)];
    let all = between(&Readings::default(), &metrics.take(&state, Instant::now()));
    let of = |metric: &str, dimensions: &[&str]| numbers(&all, metric, dimensions).map(|it| it.2);
    let by_version = |number: u32| ["FunctionName=f".to_owned(), format!("Resource=f:{number}")];
    let [function, resource] = by_version(1);
    let first = [function.as_str(), resource.as_str()];
    assert_eq!(of("ProvisionedConcurrentExecutions", &first), Some(2.0));
    assert_eq!(of("ProvisionedConcurrencyUtilization", &first), Some(0.5));
    assert_eq!(of("ProvisionedConcurrencyUtilization", &["FunctionName=f"]), Some(0.2));
    let [function, resource] = by_version(2);
    let second = [function.as_str(), resource.as_str()];
    assert_eq!(of("ProvisionedConcurrencyUtilization", &second), None);
    assert_eq!(of("ClaimedAccountConcurrency", &[]), Some(3.0));
}

#[test]
fn a_quiet_minute_has_no_datapoints() {
    let metrics = Arc::new(Metrics::default());
    let metering = metrics.metering(&arn("orders"));
    metering.ended(UNQUALIFIED, ended(10));
    let before = take(&metrics);
    assert_eq!(between(&before, &take(&metrics)), []);
}

// LAM-M-003: Duration includes what extensions take after the runtime
#[test]
fn extensions_are_a_part_of_the_duration() {
    let metrics = Arc::new(Metrics::default());
    let with_extensions = Ended {
        extensions: Some(Duration::from_millis(4)),
        ..ended(10)
    };
    metrics.metering(&arn("f")).ended(UNQUALIFIED, with_extensions);
    let all = between(&Readings::default(), &take(&metrics));
    let of = |metric: &str| numbers(&all, metric, &["FunctionName=f"]).map(|it| it.0);
    assert_eq!(
        (of("Duration"), of("PostRuntimeExtensionsDuration")),
        (Some(10.0), Some(4.0))
    );
}

// LAM-M-007: ConcurrentExecutions is the most that ran at once
#[test]
fn concurrency_is_the_most_of_the_minute() {
    let metrics = Arc::new(Metrics::default());
    let (one, other) = (metrics.metering(&arn("one")), metrics.metering(&arn("other")));
    other.set_reserved(true);
    drop([one.begin(false), one.begin(false), one.begin(false)]);
    let _runs = (one.begin(false), other.begin(false));
    let most = |readings: &Readings, metric: &str, dimensions: &[&str]| {
        numbers(&between(&Readings::default(), readings), metric, dimensions).map(|it| it.2)
    };
    let (first, second) = (take(&metrics), take(&metrics));
    for (readings, expected) in [(first, [3.0, 1.0, 3.0, 3.0]), (second, [1.0, 1.0, 2.0, 1.0])] {
        let found = [
            most(&readings, "ConcurrentExecutions", &["FunctionName=one"]),
            most(&readings, "ConcurrentExecutions", &["FunctionName=other"]),
            most(&readings, "ConcurrentExecutions", &[]),
            most(&readings, "UnreservedConcurrentExecutions", &[]),
        ];
        assert_eq!(found, expected.map(Some));
    }
}

#[test]
fn an_invocation_belongs_to_the_minute_in_which_it_began() {
    let metrics = Arc::new(Metrics::default());
    let metering = metrics.metering(&arn("slow"));
    metering.ended(UNQUALIFIED, ended(59_999));
    metering.ended(UNQUALIFIED, ended(60_000));
    metering.ended(UNQUALIFIED, ended(200_000));
    let now = take(&metrics);
    assert_eq!(now.late_minutes().collect::<Vec<_>>(), [100]);
    let on_time = between(&Readings::default(), &now);
    let late = seen(|put| late_datapoints(&now, 100, put));
    let dimensions = ["FunctionName=slow"];
    assert_eq!(
        numbers(&on_time, "Duration", &dimensions),
        Some((59_999.0, 59_999.0, 59_999.0, 1))
    );
    assert_eq!(
        numbers(&late, "Duration", &dimensions),
        Some((260_000.0, 60_000.0, 200_000.0, 2))
    );
    assert_eq!(take(&metrics).late_minutes().count(), 0, "told once");
}

// LAM-M-005: AsyncEventsReceived and AsyncEventsDropped
// LAM-M-006: requests to function URLs
#[test]
fn what_no_environment_sees_is_counted_too() {
    let metrics = Arc::new(Metrics::default());
    let (function, alias) = (arn("f"), arn("f").qualified("live"));
    metrics.count(&function, MetricEvent::AsyncReceived);
    metrics.count(&function, MetricEvent::AsyncReceived);
    metrics.count(&function, MetricEvent::AsyncAge(Duration::from_millis(50)));
    metrics.count(&function, MetricEvent::AsyncDropped);
    metrics.count(&function, MetricEvent::RecursionDropped);
    for status in [200, 404, 502] {
        let took = Duration::from_millis(7);
        metrics.count(&alias, MetricEvent::UrlRequest { status, took });
    }
    let all = between(&Readings::default(), &take(&metrics));
    for (metric, expected) in [
        ("AsyncEventsReceived", 2.0),
        ("AsyncEventAge", 50.0),
        ("AsyncEventsDropped", 1.0),
        ("RecursiveInvocationsDropped", 1.0),
        ("UrlRequestCount", 3.0),
        ("Url4xxCount", 1.0),
        ("Url5xxCount", 1.0),
        ("UrlRequestLatency", 21.0),
    ] {
        let sum = numbers(&all, metric, &["FunctionName=f"]).map(|it| it.0);
        assert_eq!(sum, Some(expected), "{metric}");
    }
    let of_alias = ["FunctionName=f", "Resource=f:live"];
    assert_eq!(numbers(&all, "Url4xxCount", &of_alias), Some((1.0, 0.0, 1.0, 3)));
}

#[test]
fn numbers_outlive_the_cores_that_counted_them_and_are_forgotten_at_last() {
    let metrics = Arc::new(Metrics::default());
    let metering = metrics.metering(&arn("f"));
    metering.ended(UNQUALIFIED, ended(10));
    let (state, now) = (State::default(), Instant::now());
    let first = metrics.take(&state, now);
    metering.ended(UNQUALIFIED, ended(10));
    drop(metering);
    let second = metrics.take(&state, now);
    let third = metrics.take(&state, now);
    assert_eq!(
        numbers(&between(&first, &second), "Invocations", &[]),
        Some((1.0, 1.0, 1.0, 1))
    );
    assert_eq!(between(&second, &third), []);
    let mut out = Exposition::new();
    metrics.expose(&mut out);
    let text = out.into_text();
    let line = "albacore_functions_duration_seconds_count{function=\"f\"} 2";
    assert!(text.contains(line), "{text}");
    // Another one begins anew, and what came before does not matter.
    let last = metrics.take(&state, now + KEPT_AFTERWARDS);
    assert!(last.counted.is_empty() && metrics.functions().is_empty());
    metrics.count(&arn("f"), MetricEvent::AsyncReceived);
    let after = metrics.take(&state, now + KEPT_AFTERWARDS);
    assert_eq!(
        numbers(&between(&last, &after), "AsyncEventsReceived", &[]).map(|it| it.0),
        Some(1.0)
    );
}
