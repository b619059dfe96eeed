//! The same numbers as OpenMetrics. Invocations, errors and throttles are told by the reports of functions.

use super::Metrics;
use super::counters::{Count, Span};
use observe::{CounterFamily, Exposition, GaugeFamily, HistogramFamily};

const RUNNING: GaugeFamily<1> = GaugeFamily::new(
    "albacore_functions_concurrent_executions",
    "Invocations of a function that run.",
    ["function"],
);

const COUNTS: [(CounterFamily<1>, Count); 10] = [
    (
        CounterFamily::new(
            "albacore_functions_provisioned_invocations",
            "Invocations in provisioned environments.",
            ["function"],
        ),
        Count::ProvisionedInvocations,
    ),
    (
        CounterFamily::new(
            "albacore_functions_provisioned_spillovers",
            "Invocations that found all provisioned environments busy.",
            ["function"],
        ),
        Count::ProvisionedSpillovers,
    ),
    (
        CounterFamily::new(
            "albacore_functions_async_events",
            "Events that were queued.",
            ["function"],
        ),
        Count::AsyncReceived,
    ),
    (
        CounterFamily::new(
            "albacore_functions_async_events_dropped",
            "Events that were dropped without having succeeded.",
            ["function"],
        ),
        Count::AsyncDropped,
    ),
    (
        CounterFamily::new(
            "albacore_functions_dead_letter_errors",
            "Events that did not reach their dead-letter queue.",
            ["function"],
        ),
        Count::DeadLetterErrors,
    ),
    (
        CounterFamily::new(
            "albacore_functions_destination_delivery_failures",
            "Events that did not reach their destination.",
            ["function"],
        ),
        Count::DestinationFailures,
    ),
    (
        CounterFamily::new(
            "albacore_functions_recursive_invocations_dropped",
            "Invocations that were refused because functions called each other in a circle.",
            ["function"],
        ),
        Count::RecursionDropped,
    ),
    (
        CounterFamily::new(
            "albacore_functions_url_requests",
            "Requests to function URLs.",
            ["function"],
        ),
        Count::UrlRequests,
    ),
    (
        CounterFamily::new(
            "albacore_functions_url_4xx",
            "Requests to function URLs that were answered with 4xx.",
            ["function"],
        ),
        Count::Url4xx,
    ),
    (
        CounterFamily::new(
            "albacore_functions_url_5xx",
            "Requests to function URLs that were answered with 5xx.",
            ["function"],
        ),
        Count::Url5xx,
    ),
];

const SPANS: [(HistogramFamily<1>, Span); 4] = [
    (
        HistogramFamily::new(
            "albacore_functions_duration_seconds",
            "How long invocations took, without the init of their environment.",
            ["function"],
        ),
        Span::Duration,
    ),
    (
        HistogramFamily::new(
            "albacore_functions_post_runtime_extensions_seconds",
            "How long extensions took after the runtime was done.",
            ["function"],
        ),
        Span::Extensions,
    ),
    (
        HistogramFamily::new(
            "albacore_functions_async_event_age_seconds",
            "How old queued events were when their function got them.",
            ["function"],
        ),
        Span::AsyncAge,
    ),
    (
        HistogramFamily::new(
            "albacore_functions_url_latency_seconds",
            "How long requests to function URLs took.",
            ["function"],
        ),
        Span::UrlLatency,
    ),
];

impl Metrics {
    /// Writes what was counted since the start.
    pub(crate) fn expose(&self, out: &mut Exposition) {
        for (function, (sums, running)) in self.by_function() {
            let labels = [function.as_str()];
            out.gauge(&RUNNING, labels, running.into());
            for (family, count) in &COUNTS {
                out.counter(family, labels, sums.count(*count));
            }
            for (family, span) in &SPANS {
                out.histogram(family, labels, &sums.times(*span).histogram);
            }
        }
    }
}
