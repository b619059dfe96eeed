//! The readings as OpenMetrics text. Of what is gone nothing is shown.

use super::families as f;
use super::readings::{GroupReading, LoadBalancerReading, Readings, Standing};
use observe::{CounterFamily, Exposition, GaugeFamily};

impl Readings {
    /// Writes everything. `zone` is that of this process.
    pub(crate) fn expose(&self, zone: &str, out: &mut Exposition) {
        for (id, reading) in self.load_balancers.iter().filter(|(_, reading)| !reading.unserved) {
            expose_load_balancer([id, zone], reading, out);
        }
        for (id, reading) in self.groups.iter().filter(|(_, reading)| !reading.unserved) {
            let load_balancer = reading.load_balancer.as_deref().unwrap_or_default();
            expose_group([id, load_balancer, zone], reading, out);
        }
    }
}

fn expose_load_balancer(labels: [&str; 2], reading: &LoadBalancerReading, out: &mut Exposition) {
    let counts = &reading.counts;
    let all: [(&CounterFamily<2>, u64); 15] = [
        (&f::REQUESTS, counts.requests),
        (&f::IPV6_REQUESTS, counts.ipv6_requests),
        (&f::NEW_CONNECTIONS, counts.new_connections),
        (&f::REJECTED_CONNECTIONS, counts.rejected_connections),
        (&f::TLS_ERRORS, counts.tls_negotiation_errors),
        (&f::RECEIVED, counts.received_bytes),
        (&f::SENT, counts.sent_bytes),
        (&f::IPV6_BYTES, counts.ipv6_bytes),
        (&f::RULE_EVALUATIONS, counts.rule_evaluations),
        (&f::FIXED, counts.fixed_responses),
        (&f::REDIRECTS, counts.redirects),
        (&f::REDIRECT_LIMIT, counts.redirect_limit),
        (&f::NON_COMPLIANT, counts.non_compliant),
        (&f::DROPPED_HEADERS, counts.dropped_invalid_headers),
        (&f::FORWARDED_HEADERS, counts.forwarded_invalid_headers),
    ];
    for (family, count) in all {
        out.counter(family, labels, count);
    }
    let [id, zone] = labels;
    for (class, count) in [
        ("3xx", counts.elb_3xx),
        ("4xx", counts.elb_4xx),
        ("5xx", counts.elb_5xx),
    ] {
        out.counter(&f::ELB_CLASSES, [id, zone, class], count);
    }
    for (status, count) in [
        ("500", counts.elb_500),
        ("502", counts.elb_502),
        ("503", counts.elb_503),
        ("504", counts.elb_504),
    ] {
        out.counter(&f::ELB_CODES, [id, zone, status], count);
    }
    out.gauge(&f::ACTIVE_CONNECTIONS, labels, whole(reading.active_connections));
    out.histogram(&f::DURATION, labels, &reading.duration);
    if let Some(units) = reading.units {
        out.fraction(&f::CONSUMED_UNITS, labels, units.consumed);
        out.fraction(&f::PEAK_UNITS, labels, units.peak);
    }
}

fn expose_group(labels: [&str; 3], reading: &GroupReading, out: &mut Exposition) {
    let counts = &reading.counts;
    let all: [(&CounterFamily<3>, u64); 10] = [
        (&f::GROUP_REQUESTS, counts.requests),
        (&f::GRPC_REQUESTS, counts.grpc_requests),
        (&f::NEW_TARGET_CONNECTIONS, counts.new_target_connections),
        (&f::TARGET_CONNECTION_ERRORS, counts.target_connection_errors),
        (&f::TARGET_TLS_ERRORS, counts.target_tls_errors),
        (&f::UNHEALTHY_ROUTING_REQUESTS, counts.unhealthy_routing_requests),
        (&f::NON_STICKY, counts.non_sticky_requests),
        (&f::LAMBDA_USER, counts.lambda_user_errors),
        (&f::LAMBDA_INTERNAL, counts.lambda_internal_errors),
        (&f::LAMBDA_BYTES, counts.lambda_processed_bytes),
    ];
    for (family, count) in all {
        out.counter(family, labels, count);
    }
    let [id, load_balancer, zone] = labels;
    for (class, count) in [
        ("2xx", counts.target_2xx),
        ("3xx", counts.target_3xx),
        ("4xx", counts.target_4xx),
        ("5xx", counts.target_5xx),
    ] {
        out.counter(&f::TARGET_CLASSES, [id, load_balancer, zone, class], count);
    }
    out.gauge(&f::GROUP_CONNECTIONS, labels, whole(reading.connections));
    out.histogram(&f::RESPONSE_TIME, labels, &reading.response_time);
    for (its_zone, hosts) in reading.hosts.iter().filter(|(_, hosts)| hosts.checked > 0) {
        let labels = [id, load_balancer, its_zone.as_str()];
        out.gauge(&f::HEALTHY_HOSTS, labels, whole(hosts.healthy));
        out.gauge(&f::UNHEALTHY_HOSTS, labels, whole(hosts.unhealthy));
    }
    if let Some(requests) = reading.requests_per_target {
        out.fraction(&f::REQUESTS_PER_TARGET, labels, requests);
    }
    if let Some(standing) = &reading.standing {
        expose_standing(labels, standing, out);
    }
}

fn expose_standing(labels: [&str; 3], standing: &Standing, out: &mut Exposition) {
    let all: [(&GaugeFamily<3>, u64); 6] = [
        (&f::HEALTHY_ROUTING, standing.healthy_for_routing.into()),
        (&f::UNHEALTHY_ROUTING, (!standing.healthy_for_routing).into()),
        (&f::HEALTHY_DNS, standing.healthy_for_dns.into()),
        (&f::UNHEALTHY_DNS, (!standing.healthy_for_dns).into()),
        (&f::ANOMALOUS, standing.anomalous),
        (&f::MITIGATED, standing.mitigated),
    ];
    for (family, value) in all {
        out.gauge(family, labels, whole(value));
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
