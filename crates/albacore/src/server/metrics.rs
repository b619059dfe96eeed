//! Metrics of the process, and of the rooms that only report numbers.

use crate::server::function_log::Sink;
use crate::telemetry;
use model::observed::FunctionReport;
use observe::{
    AccessLogMonitor, CounterFamily, DatapointMonitor, DeliveryMonitor, Exposition, GaugeFamily, LogGroupMonitor,
};
use std::time::Duration;
use store::queue::QueueMonitor;

const BUILD: GaugeFamily<1> = GaugeFamily::new("albacore_build", "1, with the version as its label.", ["version"]);
const UPTIME: GaugeFamily<0> =
    GaugeFamily::new("albacore_uptime_seconds", "How long the process has been running.", []);
const REVISION: GaugeFamily<0> = GaugeFamily::new(
    "albacore_served_revision",
    "The revision of the configuration that serves traffic.",
    [],
);

const ENVIRONMENTS: GaugeFamily<2> = GaugeFamily::new(
    "albacore_functions_environments",
    "Execution environments of a function, by what they do: busy, idle or starting.",
    ["function", "phase"],
);
const INVOCATIONS: CounterFamily<1> = CounterFamily::new(
    "albacore_functions_invocations",
    "Invocations of a function.",
    ["function"],
);
const ERRORS: CounterFamily<1> = CounterFamily::new(
    "albacore_functions_errors",
    "Invocations that ended in a function error.",
    ["function"],
);
const THROTTLES: CounterFamily<1> = CounterFamily::new(
    "albacore_functions_throttles",
    "Invocations that were throttled.",
    ["function"],
);
const EVENTS: GaugeFamily<0> = GaugeFamily::new(
    "albacore_functions_events",
    "Asynchronous invocations that wait or run.",
    [],
);
const EVENT_BYTES: GaugeFamily<0> = GaugeFamily::new(
    "albacore_functions_events_bytes",
    "Bytes of the asynchronous invocations that wait or run.",
    [],
);
const LOG_LINES_LOST: CounterFamily<0> = CounterFamily::new(
    "albacore_functions_log_lines_lost",
    "Lines of functions that standard output was too slow for.",
    [],
);

const LOG_EVENTS: CounterFamily<0> = CounterFamily::new(
    "albacore_log_groups_events",
    "Events of functions in log groups on the disk.",
    [],
);
const LOG_EVENTS_LOST: CounterFamily<1> = CounterFamily::new(
    "albacore_log_groups_events_lost",
    "Events of functions that are in no log group, by reason: queue_full or not_written.",
    ["reason"],
);
const TELEMETRY_LINES_LOST: CounterFamily<0> = CounterFamily::new(
    "albacore_telemetry_lines_lost",
    "Our own log lines that standard error was too slow for.",
    [],
);

const LINES: CounterFamily<0> = CounterFamily::new("albacore_access_log_lines", "Lines in the access log.", []);
const LINES_LOST: CounterFamily<1> = CounterFamily::new(
    "albacore_access_log_lines_lost",
    "Access-log lines that are in no file, by reason: queue_full, not_written or too_long.",
    ["reason"],
);

const DELIVERED_LINES: CounterFamily<0> = CounterFamily::new(
    "albacore_log_delivery_lines",
    "Lines of load balancers' logs on their way to buckets, those that have arrived included.",
    [],
);
const DELIVERED_LINES_LOST: CounterFamily<1> = CounterFamily::new(
    "albacore_log_delivery_lines_lost",
    "Lines of load balancers' logs that reach no bucket, by reason: queue_full, not_written or too_long.",
    ["reason"],
);
const DELIVERED_OBJECTS: CounterFamily<0> = CounterFamily::new(
    "albacore_log_delivery_objects",
    "Objects of load balancers' logs in buckets.",
    [],
);
const SPOOLED: GaugeFamily<0> = GaugeFamily::new(
    "albacore_log_delivery_waiting_bytes",
    "Bytes of load balancers' logs that wait to be delivered.",
    [],
);

const DATAPOINTS: CounterFamily<0> =
    CounterFamily::new("albacore_datapoints", "Datapoints of metrics on the disk.", []);
const DATAPOINTS_LOST: CounterFamily<1> = CounterFamily::new(
    "albacore_datapoints_lost",
    "Datapoints of metrics that are not kept, by reason: not_written or refused.",
    ["reason"],
);

pub(super) fn process(uptime: Duration, served_revision: u64, out: &mut Exposition) {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    out.gauge(&BUILD, [env!("CARGO_PKG_VERSION")], 1);
    out.gauge(&UPTIME, [], whole(uptime.as_secs()));
    out.gauge(&REVISION, [], whole(served_revision));
    out.counter(&TELEMETRY_LINES_LOST, [], telemetry::lost());
}

pub(super) fn functions(reports: &[FunctionReport], out: &mut Exposition) {
    for report in reports {
        let name = report.function.name();
        for (phase, number) in [
            ("busy", report.busy),
            ("idle", report.idle),
            ("starting", report.starting),
        ] {
            out.gauge(&ENVIRONMENTS, [name, phase], number.into());
        }
        out.counter(&INVOCATIONS, [name], report.invocations);
        out.counter(&ERRORS, [name], report.errors);
        out.counter(&THROTTLES, [name], report.throttles);
    }
}

pub(super) fn events(monitor: &QueueMonitor, out: &mut Exposition) {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    out.gauge(&EVENTS, [], whole(monitor.events()));
    out.gauge(&EVENT_BYTES, [], whole(monitor.bytes()));
}

pub(super) fn function_log(sink: &Sink, out: &mut Exposition) {
    out.counter(&LOG_LINES_LOST, [], sink.lost());
}

pub(super) fn log_groups(monitor: &LogGroupMonitor, out: &mut Exposition) {
    out.counter(&LOG_EVENTS, [], monitor.written());
    for (reason, number) in [
        ("queue_full", monitor.lost_queue_full()),
        ("not_written", monitor.lost_not_written()),
    ] {
        out.counter(&LOG_EVENTS_LOST, [reason], number);
    }
}

pub(super) fn log_delivery(monitor: &DeliveryMonitor, out: &mut Exposition) {
    let lost = monitor.lost();
    out.counter(&DELIVERED_LINES, [], monitor.written());
    for (reason, number) in [
        ("queue_full", lost.queue_full),
        ("not_written", lost.not_written),
        ("too_long", lost.too_long),
    ] {
        out.counter(&DELIVERED_LINES_LOST, [reason], number);
    }
    out.counter(&DELIVERED_OBJECTS, [], monitor.delivered());
    let waiting = i64::try_from(monitor.waiting_bytes()).unwrap_or(i64::MAX);
    out.gauge(&SPOOLED, [], waiting);
}

pub(super) fn datapoints(monitor: &DatapointMonitor, out: &mut Exposition) {
    out.counter(&DATAPOINTS, [], monitor.written());
    for (reason, number) in [
        ("not_written", monitor.lost_not_written()),
        ("refused", monitor.lost_refused()),
    ] {
        out.counter(&DATAPOINTS_LOST, [reason], number);
    }
}

pub(super) fn access_log(monitor: &AccessLogMonitor, out: &mut Exposition) {
    let lost = monitor.lost();
    out.counter(&LINES, [], monitor.written());
    for (reason, number) in [
        ("queue_full", lost.queue_full),
        ("not_written", lost.not_written),
        ("too_long", lost.too_long),
    ] {
        out.counter(&LINES_LOST, [reason], number);
    }
}
