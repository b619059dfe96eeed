//! CloudWatch's metrics, made from the readings at the beginning and at the end of some time. Pure. Source: ALB 8.2, 8.3.
//!
//! When a metric is reported:
//!
//! - *nonzero*: when it is not 0;
//! - *while requests flow*: in a time in which the load balancer had connections, requests or bytes; where the table says
//!   "targets registered", only of a group that has some;
//! - *always*: at every time.
//!
//! What gauges show is how things stood at the end. Metrics of what albacore does not have are not reported:
//! `docs/observing.md` lists them.

use super::capacity::Work;
use super::counters::{GroupCounts, LoadBalancerCounts};
use super::readings::{GroupReading, Hosts, LoadBalancerReading, Readings};
use observe::{Datapoint, Dimension, HistogramSnapshot, Statistics, Unit};
use std::time::Duration;

const NAMESPACE: &str = "AWS/ApplicationELB";

/// Hands out the datapoints of the time between two readings. `zone` is that of this process.
pub fn datapoints(before: &Readings, now: &Readings, zone: &str, mut put: impl FnMut(&Datapoint<'_>)) {
    let took = now.at.saturating_sub(before.at);
    let groups: Vec<_> = now
        .groups
        .iter()
        .map(|(id, group)| GroupTime::between(id, before.groups.get(id), group))
        .collect();
    for (id, reading) in &now.load_balancers {
        let own: Vec<&GroupTime<'_>> = groups
            .iter()
            .filter(|group| group.now.load_balancer.as_ref() == Some(id))
            .collect();
        let time = LoadBalancerTime::between(before.load_balancers.get(id), reading, &own);
        let place = Place {
            zone,
            load_balancer: id,
        };
        time.put(took, place, &mut put);
        own.iter().for_each(|group| group.put(time.flows, place, &mut put));
    }
}

/// Where a load balancer's metrics belong.
#[derive(Clone, Copy)]
struct Place<'a> {
    zone: &'a str,
    load_balancer: &'a str,
}

/// What one load balancer did in the time.
struct LoadBalancerTime<'a> {
    now: &'a LoadBalancerReading,
    counts: LoadBalancerCounts,
    groups: AllGroups,
    flows: bool,
}

/// What one target group did in the time.
struct GroupTime<'a> {
    id: &'a str,
    now: &'a GroupReading,
    counts: GroupCounts,
    response_time: HistogramSnapshot,
    hosts: Hosts,
}

/// What all groups of a load balancer did together.
#[derive(Default)]
struct AllGroups {
    counts: GroupCounts,
    response_time: HistogramSnapshot,
    connections: u64,
    has_targets: bool,
    has_sticky: bool,
}

/// The metrics that are reported with the same dimensions.
#[derive(Default)]
struct Points<'a>(Vec<Point<'a>>);

struct Point<'a> {
    metric: &'static str,
    unit: Unit,
    statistics: Statistics,
    histogram: Option<&'a HistogramSnapshot>,
}

impl<'a> GroupTime<'a> {
    fn between(id: &'a str, before: Option<&GroupReading>, now: &'a GroupReading) -> Self {
        let counts = before.map_or(now.counts, |before| now.counts.since(&before.counts));
        let response_time = match before {
            Some(before) => now.response_time.since(&before.response_time),
            None => now.response_time.clone(),
        };
        Self {
            id,
            now,
            counts,
            response_time,
            hosts: now.all_hosts(),
        }
    }

    /// Targets are registered, or were: one was chosen.
    fn has_targets(&self) -> bool {
        self.hosts.registered > 0 || self.counts.requests > 0
    }

    /// Sets T and λ, and the ones with the group alone.
    fn put(&self, flows: bool, place: Place<'_>, put: &mut impl FnMut(&Datapoint<'_>)) {
        let [zone, load_balancer, group] = dimensions(place, self.id);
        let (mut both, mut alone, mut without_zone) = (Points::default(), Points::default(), Points::default());
        self.traffic(flows, &mut both);
        self.standing(&mut both);
        both.count("GrpcRequestCount", self.counts.grpc_requests);
        alone.count("GrpcRequestCount", self.counts.grpc_requests);
        if let Some(per_target) = self.per_target() {
            both.value("RequestCountPerTarget", Unit::Count, per_target);
            alone.value("RequestCountPerTarget", Unit::Count, per_target);
        }
        without_zone.count("LambdaInternalError", self.counts.lambda_internal_errors);
        without_zone.count("LambdaUserError", self.counts.lambda_user_errors);
        both.put(&[load_balancer, group], put);
        both.put(&[zone, load_balancer, group], put);
        alone.put(&[group], put);
        alone.put(&[zone, group], put);
        without_zone.put(&[group], put);
        without_zone.put(&[load_balancer, group], put);
        self.put_hosts(load_balancer, group, put);
    }

    fn traffic<'p>(&'p self, flows: bool, points: &mut Points<'p>) {
        let counts = &self.counts;
        if flows && self.has_targets() {
            points.count_or_zero("RequestCount", counts.requests);
            target_codes(counts, points);
            if !self.now.is_lambda {
                points.count_or_zero("UnhealthyRoutingRequestCount", counts.unhealthy_routing_requests);
            }
        }
        target_errors(counts, points);
        points.durations("TargetResponseTime", &self.response_time);
    }

    /// Of groups of servers that are used.
    fn standing(&self, points: &mut Points<'_>) {
        let Some(standing) = &self.now.standing else {
            return;
        };
        points.whole("AnomalousHostCount", Unit::Count, standing.anomalous);
        points.whole("MitigatedHostCount", Unit::Count, standing.mitigated);
        let (dns, routing) = (standing.healthy_for_dns, standing.healthy_for_routing);
        points.whole("HealthyStateDNS", Unit::Count, dns.into());
        points.whole("UnhealthyStateDNS", Unit::Count, (!dns).into());
        points.whole("HealthyStateRouting", Unit::Count, routing.into());
        points.whole("UnhealthyStateRouting", Unit::Count, (!routing).into());
    }

    /// Requests divided by healthy targets, or by registered ones if none is healthy. Not for functions. Source: ALB 8.3.
    #[expect(clippy::cast_precision_loss, reason = "counts of a minute are far below 2^53")]
    fn per_target(&self) -> Option<f64> {
        if self.now.is_lambda || self.now.standing.is_none() {
            return None;
        }
        let divisor = match self.hosts.healthy {
            0 => self.hosts.registered.max(1),
            healthy => healthy,
        };
        Some(self.counts.requests as f64 / divisor as f64)
    }

    /// How many targets are healthy, in all and in each zone that has some.
    fn put_hosts(&self, load_balancer: Dimension<'_>, group: Dimension<'_>, put: &mut impl FnMut(&Datapoint<'_>)) {
        let points = |hosts: &Hosts| {
            let mut points = Points::default();
            points.whole("HealthyHostCount", Unit::Count, hosts.healthy);
            points.whole("UnHealthyHostCount", Unit::Count, hosts.unhealthy);
            points
        };
        if self.hosts.checked == 0 {
            return;
        }
        points(&self.hosts).put(&[load_balancer, group], put);
        for (zone, hosts) in self.now.hosts.iter().filter(|(_, hosts)| hosts.checked > 0) {
            points(hosts).put(&[availability_zone(zone), load_balancer, group], put);
        }
    }
}

impl AllGroups {
    fn of(groups: &[&GroupTime<'_>]) -> Self {
        let mut all = Self::default();
        for group in groups {
            all.counts.add(&group.counts);
            all.response_time.merge(&group.response_time);
            all.connections += group.now.connections;
            all.has_targets |= group.has_targets();
            all.has_sticky |= group.now.is_sticky && group.now.standing.is_some();
        }
        all
    }
}

impl<'a> LoadBalancerTime<'a> {
    fn between(before: Option<&LoadBalancerReading>, now: &'a LoadBalancerReading, groups: &[&GroupTime<'_>]) -> Self {
        let counts = before.map_or(now.counts, |before| now.counts.since(&before.counts));
        let groups = AllGroups::of(groups);
        let bytes = counts.received_bytes + counts.sent_bytes;
        let flows = counts.requests + counts.new_connections + groups.counts.requests + bytes > 0;
        Self {
            now,
            counts,
            groups,
            flows,
        }
    }

    /// Both sides.
    fn connections(&self) -> (u64, u64) {
        let active = self.now.active_connections + self.groups.connections;
        let new = self.counts.new_connections + self.groups.counts.new_target_connections;
        (active, new)
    }

    /// Of clients and functions. Source: ALB 8.3.
    fn processed_bytes(&self) -> u64 {
        self.counts.received_bytes + self.counts.sent_bytes + self.groups.counts.lambda_processed_bytes
    }

    /// Set L, and those without or only with the zone.
    fn put(&self, took: Duration, place: Place<'_>, put: &mut impl FnMut(&Datapoint<'_>)) {
        let [zone, load_balancer, _] = dimensions(place, "");
        let mut both = Points::default();
        self.connections_and_bytes(&mut both);
        self.own_answers(&mut both);
        self.targets(&mut both);
        both.put(&[load_balancer], put);
        both.put(&[zone, load_balancer], put);

        let mut with_zone = Points::default();
        let counts = &self.counts;
        with_zone.count("DroppedInvalidHeaderRequestCount", counts.dropped_invalid_headers);
        if !self.now.unserved {
            with_zone.count_or_zero("ForwardedInvalidHeaderRequestCount", counts.forwarded_invalid_headers);
        }
        with_zone.put(&[zone, load_balancer], put);

        let mut without_zone = Points::default();
        without_zone.count("RuleEvaluations", counts.rule_evaluations);
        without_zone.bytes("LambdaTargetProcessedBytes", self.groups.counts.lambda_processed_bytes);
        if !self.now.unserved {
            let work = self.work();
            without_zone.value("ConsumedLCUs", Unit::Count, work.unit_hours(took));
            without_zone.value("PeakLCUs", Unit::Count, work.units(took));
        }
        without_zone.put(&[load_balancer], put);
    }

    fn connections_and_bytes(&self, points: &mut Points<'_>) {
        let counts = &self.counts;
        let (active, new) = self.connections();
        if active > 0 {
            points.whole("ActiveConnectionCount", Unit::Count, active);
        }
        points.count("NewConnectionCount", new);
        points.count("RejectedConnectionCount", counts.rejected_connections);
        points.count("ClientTLSNegotiationErrorCount", counts.tls_negotiation_errors);
        points.bytes("ProcessedBytes", self.processed_bytes());
        points.bytes("IPv6ProcessedBytes", counts.ipv6_bytes);
        points.count("IPv6RequestCount", counts.ipv6_requests);
        let non_compliant = "DesyncMitigationMode_NonCompliant_Request_Count";
        points.count(non_compliant, counts.non_compliant);
    }

    fn own_answers(&self, points: &mut Points<'_>) {
        let counts = &self.counts;
        for (metric, count) in [
            ("HTTP_Fixed_Response_Count", counts.fixed_responses),
            ("HTTP_Redirect_Count", counts.redirects),
            ("HTTP_Redirect_Url_Limit_Exceeded_Count", counts.redirect_limit),
            ("HTTPCode_ELB_3XX_Count", counts.elb_3xx),
            ("HTTPCode_ELB_4XX_Count", counts.elb_4xx),
            ("HTTPCode_ELB_5XX_Count", counts.elb_5xx),
            ("HTTPCode_ELB_500_Count", counts.elb_500),
            ("HTTPCode_ELB_502_Count", counts.elb_502),
            ("HTTPCode_ELB_503_Count", counts.elb_503),
            ("HTTPCode_ELB_504_Count", counts.elb_504),
        ] {
            points.count(metric, count);
        }
    }

    /// What its groups report together.
    fn targets<'p>(&'p self, points: &mut Points<'p>) {
        let AllGroups {
            counts,
            response_time,
            has_targets,
            has_sticky,
            ..
        } = &self.groups;
        if self.flows && *has_targets {
            points.count_or_zero("RequestCount", counts.requests);
            target_codes(counts, points);
        }
        if self.flows && *has_sticky {
            points.count_or_zero("NonStickyRequestCount", counts.non_sticky_requests);
        }
        target_errors(counts, points);
        points.durations("TargetResponseTime", response_time);
    }

    fn work(&self) -> Work {
        let (active_connections, new_connections) = self.connections();
        Work {
            new_connections,
            active_connections,
            mutual_tls: self.now.mutual_tls,
            bytes: self.processed_bytes(),
            lambda_bytes: self.groups.counts.lambda_processed_bytes,
            charged_evaluations: self.counts.charged_rule_evaluations,
        }
    }
}

fn target_codes(counts: &GroupCounts, points: &mut Points<'_>) {
    points.count_or_zero("HTTPCode_Target_2XX_Count", counts.target_2xx);
    points.count_or_zero("HTTPCode_Target_3XX_Count", counts.target_3xx);
    points.count_or_zero("HTTPCode_Target_4XX_Count", counts.target_4xx);
    points.count_or_zero("HTTPCode_Target_5XX_Count", counts.target_5xx);
}

fn target_errors(counts: &GroupCounts, points: &mut Points<'_>) {
    points.count("TargetConnectionErrorCount", counts.target_connection_errors);
    points.count("TargetTLSNegotiationErrorCount", counts.target_tls_errors);
}

/// In the order of their names, as they are stored.
fn dimensions<'a>(place: Place<'a>, group: &'a str) -> [Dimension<'a>; 3] {
    let load_balancer = Dimension {
        name: "LoadBalancer",
        value: place.load_balancer,
    };
    let group = Dimension {
        name: "TargetGroup",
        value: group,
    };
    [availability_zone(place.zone), load_balancer, group]
}

fn availability_zone(zone: &str) -> Dimension<'_> {
    Dimension {
        name: "AvailabilityZone",
        value: zone,
    }
}

impl<'a> Points<'a> {
    fn add(&mut self, metric: &'static str, unit: Unit, statistics: Statistics) {
        self.0.push(Point {
            metric,
            unit,
            statistics,
            histogram: None,
        });
    }

    /// Something that happened so often, if it happened.
    fn count(&mut self, metric: &'static str, count: u64) {
        if count > 0 {
            self.count_or_zero(metric, count);
        }
    }

    fn count_or_zero(&mut self, metric: &'static str, count: u64) {
        self.add(metric, Unit::Count, Statistics::count(count));
    }

    fn bytes(&mut self, metric: &'static str, bytes: u64) {
        if bytes > 0 {
            self.whole(metric, Unit::Bytes, bytes);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers of a minute are far below 2^53")]
    fn whole(&mut self, metric: &'static str, unit: Unit, value: u64) {
        self.value(metric, unit, value as f64);
    }

    fn value(&mut self, metric: &'static str, unit: Unit, value: f64) {
        self.add(metric, unit, Statistics::value(value));
    }

    fn durations(&mut self, metric: &'static str, histogram: &'a HistogramSnapshot) {
        if let Some(statistics) = Statistics::durations(histogram) {
            self.0.push(Point {
                metric,
                unit: Unit::Seconds,
                statistics,
                histogram: Some(histogram),
            });
        }
    }

    fn put(&self, dimensions: &[Dimension<'_>], put: &mut impl FnMut(&Datapoint<'_>)) {
        for point in &self.0 {
            put(&Datapoint {
                namespace: NAMESPACE,
                metric: point.metric,
                dimensions,
                unit: point.unit,
                statistics: point.statistics,
                histogram: point.histogram,
            });
        }
    }
}

#[cfg(test)]
mod tests;
