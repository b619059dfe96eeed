//! CloudWatch's metrics of functions, made from the readings at the beginning and at the end of some time. Pure. Source:
//! Lambda 9.2.
//!
//! What is counted for an invocation is a value for each: `Errors` is 1 or 0, so that its average is the rate of errors.
//! Nothing is reported of a time in which nothing happened.

use super::counters::{Count, Span, Sums};
use super::metering::Name;
use super::readings::{AccountConcurrency, Provisioned, Readings};
use observe::{Datapoint, Dimension, Statistics, Unit};
use std::collections::BTreeMap;

const NAMESPACE: &str = "AWS/Lambda";

/// Hands out the datapoints of the time between two readings.
pub fn datapoints(before: &Readings, now: &Readings, mut put: impl FnMut(&Datapoint<'_>)) {
    let since = |(key, sums): (&(String, Name), &Sums)| {
        let sums = before
            .counted
            .get(key)
            .map_or_else(|| sums.clone(), |it| sums.since(it));
        (key.clone(), sums)
    };
    each_dimension(&now.counted.iter().map(since).collect(), &mut put);
    for (function, most) in now.concurrency.iter().filter(|(_, most)| **most > 0) {
        put_value(
            "ConcurrentExecutions",
            &[of("FunctionName", function)],
            f64::from(*most),
            &mut put,
        );
    }
    provisioned(now, &mut put);
    account(now.account, &mut put);
}

/// Of what is kept ready: how many of them had an invocation, and which part of all that is. As on Lambda, nothing where
/// nothing was invoked.
fn provisioned(now: &Readings, put: &mut impl FnMut(&Datapoint<'_>)) {
    let mut functions: BTreeMap<&str, Provisioned> = BTreeMap::new();
    for ((function, qualifier), of) in &now.provisioned {
        let together = functions.entry(function).or_default();
        together.busy += of.busy;
        together.all += of.all;
        if let Some(qualifier) = qualifier {
            let name = resource_name(function, Some(qualifier));
            put_provisioned(
                &[self::of("FunctionName", function), self::of("Resource", &name)],
                *of,
                put,
            );
        }
    }
    for (function, of) in functions {
        put_provisioned(&[self::of("FunctionName", function)], of, put);
    }
}

fn put_provisioned(
    dimensions: &[Dimension<'_>],
    Provisioned { busy, all }: Provisioned,
    put: &mut impl FnMut(&Datapoint<'_>),
) {
    if busy > 0 && all > 0 {
        put_value("ProvisionedConcurrentExecutions", dimensions, busy.into(), put);
        let utilization = f64::from(busy) / f64::from(all);
        put_value("ProvisionedConcurrencyUtilization", dimensions, utilization, put);
    }
}

/// Hands out the datapoints of invocations that began before that time, each with the minute in which it did, since the
/// epoch.
pub fn late_datapoints(now: &Readings, minute: u64, mut put: impl FnMut(&Datapoint<'_>)) {
    if let Some(late) = now.late.get(&minute) {
        each_dimension(late, &mut put);
    }
}

impl Readings {
    /// The earlier minutes to which some of the invocations belong that have ended since the readings before.
    pub fn late_minutes(&self) -> impl Iterator<Item = u64> {
        self.late.keys().copied()
    }
}

fn of<'a>(name: &'static str, value: &'a str) -> Dimension<'a> {
    Dimension { name, value }
}

fn put_value(metric: &str, dimensions: &[Dimension<'_>], value: f64, put: &mut impl FnMut(&Datapoint<'_>)) {
    put(&Datapoint {
        namespace: NAMESPACE,
        metric,
        dimensions,
        unit: Unit::Count,
        statistics: Statistics::value(value),
        histogram: None,
    });
}

#[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
fn account(account: AccountConcurrency, put: &mut impl FnMut(&Datapoint<'_>)) {
    if account.all > 0 {
        let unreserved = f64::from(account.unreserved);
        put_value("ConcurrentExecutions", &[], account.all.into(), put);
        put_value("UnreservedConcurrentExecutions", &[], unreserved, put);
        put_value(
            "ClaimedAccountConcurrency",
            &[],
            unreserved + (account.reserved + account.provisioned) as f64,
            put,
        );
    }
}

/// With each set of dimensions: none, the function, what it was called by, and the version that an alias led to.
fn each_dimension(counted: &BTreeMap<(String, Name), Sums>, put: &mut impl FnMut(&Datapoint<'_>)) {
    let mut all = Sums::default();
    let mut functions: BTreeMap<&str, Sums> = BTreeMap::new();
    let mut resources: BTreeMap<(&str, Option<&str>), Sums> = BTreeMap::new();
    for ((function, called), sums) in counted {
        all.add(sums);
        functions.entry(function).or_default().add(sums);
        let resource = (function.as_str(), called.qualifier.as_deref());
        resources.entry(resource).or_default().add(sums);
        if let Some(version) = &called.executed_version {
            let name = resource_name(function, called.qualifier.as_deref());
            let dimensions = [
                of("ExecutedVersion", version),
                of("FunctionName", function),
                of("Resource", &name),
            ];
            points(&dimensions, sums, put);
        }
    }
    for ((function, qualifier), sums) in &resources {
        let name = resource_name(function, *qualifier);
        points(&[of("FunctionName", function), of("Resource", &name)], sums, put);
    }
    for (function, sums) in &functions {
        points(&[of("FunctionName", function)], sums, put);
    }
    points(&[], &all, put);
}

fn resource_name(function: &str, qualifier: Option<&str>) -> String {
    match qualifier {
        Some(qualifier) => format!("{function}:{qualifier}"),
        None => function.to_owned(),
    }
}

fn points(dimensions: &[Dimension<'_>], sums: &Sums, put: &mut impl FnMut(&Datapoint<'_>)) {
    let invocations = sums.count(Count::Invocations);
    let asked = invocations + sums.count(Count::Throttles);
    let requests = sums.count(Count::UrlRequests);
    // Those of which there is a value for each, with how many those are.
    for (metric, count, of_how_many) in [
        ("Errors", Count::Errors, invocations),
        ("Throttles", Count::Throttles, asked),
        ("Url4xxCount", Count::Url4xx, requests),
        ("Url5xxCount", Count::Url5xx, requests),
    ] {
        if let Some(statistics) = share(sums.count(count), of_how_many) {
            put_count(metric, dimensions, statistics, put);
        }
    }
    for (metric, count) in [
        ("Invocations", Count::Invocations),
        ("ProvisionedConcurrencyInvocations", Count::ProvisionedInvocations),
        (
            "ProvisionedConcurrencySpilloverInvocations",
            Count::ProvisionedSpillovers,
        ),
        ("AsyncEventsReceived", Count::AsyncReceived),
        ("AsyncEventsDropped", Count::AsyncDropped),
        ("DeadLetterErrors", Count::DeadLetterErrors),
        ("DestinationDeliveryFailures", Count::DestinationFailures),
        ("RecursiveInvocationsDropped", Count::RecursionDropped),
        ("UrlRequestCount", Count::UrlRequests),
    ] {
        if let number @ 1.. = sums.count(count) {
            put_count(metric, dimensions, Statistics::count(number), put);
        }
    }
    for (metric, span) in [
        ("Duration", Span::Duration),
        ("PostRuntimeExtensionsDuration", Span::Extensions),
        ("AsyncEventAge", Span::AsyncAge),
        ("UrlRequestLatency", Span::UrlLatency),
    ] {
        let times = sums.times(span);
        if let Some(statistics) = times.milliseconds() {
            put(&Datapoint {
                namespace: NAMESPACE,
                metric,
                dimensions,
                unit: Unit::Milliseconds,
                statistics,
                histogram: Some(&times.histogram),
            });
        }
    }
}

fn put_count(metric: &str, dimensions: &[Dimension<'_>], statistics: Statistics, put: &mut impl FnMut(&Datapoint<'_>)) {
    put(&Datapoint {
        namespace: NAMESPACE,
        metric,
        dimensions,
        unit: Unit::Count,
        statistics,
        histogram: None,
    });
}

/// So many values of 1, the others 0. `None` of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts of a minute are far below 2^53")]
fn share(number: u64, of_how_many: u64) -> Option<Statistics> {
    let statistics = Statistics {
        sum: number as f64,
        minimum: f64::from(u8::from(number >= of_how_many)),
        maximum: f64::from(u8::from(number > 0)),
        sample_count: of_how_many.max(number),
    };
    (statistics.sample_count > 0).then_some(statistics)
}
