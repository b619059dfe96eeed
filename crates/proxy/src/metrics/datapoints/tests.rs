//! Every metric: its unit, its dimensions, when it is reported, what it says.

mod scrape;

use super::super::readings::Standing;
use super::*;
use observe::Histogram;
use std::collections::BTreeSet;

const ZONE: &str = "eu-west-1a";
const SHOP: &str = "app/shop/0000000000000001";
const WEB: &str = "targetgroup/web/0000000000000002";
const ORDERS: &str = "targetgroup/orders/0000000000000003";
const MINUTE: Duration = Duration::from_secs(60);

/// The dimension sets of ALB 8.2 and 8.3.
#[derive(Clone, Copy, Debug)]
enum Set {
    L,
    /// L and T, of the group.
    Lt(&'static str),
    T(&'static str),
    /// T, and the same without the load balancer.
    TAndGroup(&'static str),
    Lambda(&'static str),
    OnlyWithZone,
    OnlyLoadBalancer,
}

/// When a metric is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Nonzero,
    /// Also as 0, while requests flow.
    Flow,
    /// Also as 0, also without requests.
    Always,
}

impl Set {
    fn dimensions(self) -> BTreeSet<String> {
        let (az, lb) = (format!("AvailabilityZone={ZONE}"), format!("LoadBalancer={SHOP}"));
        let tg = |group: &str| format!("TargetGroup={group}");
        let l = [lb.clone(), format!("{az} {lb}")];
        let t = |group: &str| [format!("{lb} {}", tg(group)), format!("{az} {lb} {}", tg(group))];
        match self {
            Self::L => BTreeSet::from(l),
            Self::Lt(group) => l.into_iter().chain(t(group)).collect(),
            Self::T(group) => BTreeSet::from(t(group)),
            Self::TAndGroup(group) => {
                let alone = [tg(group), format!("{az} {}", tg(group))];
                t(group).into_iter().chain(alone).collect()
            }
            Self::Lambda(group) => BTreeSet::from([tg(group), format!("{lb} {}", tg(group))]),
            Self::OnlyWithZone => BTreeSet::from([format!("{az} {lb}")]),
            Self::OnlyLoadBalancer => BTreeSet::from([lb]),
        }
    }
}

/// One datapoint as text, for comparing.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    metric: String,
    dimensions: String,
    unit: Unit,
    statistics: Statistics,
    has_histogram: bool,
}

fn found(before: &Readings, now: &Readings) -> Vec<Found> {
    let mut all = Vec::new();
    datapoints(before, now, ZONE, |point| {
        assert_eq!(point.namespace, "AWS/ApplicationELB");
        assert!(point.dimensions.is_sorted(), "{point:?}");
        let dimensions = point.dimensions.iter().map(|it| format!("{}={}", it.name, it.value));
        all.push(Found {
            metric: point.metric.to_owned(),
            dimensions: dimensions.collect::<Vec<_>>().join(" "),
            unit: point.unit,
            statistics: point.statistics,
            has_histogram: point.histogram.is_some(),
        });
    });
    let mut seen = BTreeSet::new();
    for point in &all {
        assert!(seen.insert((&point.metric, &point.dimensions)), "twice: {point:?}");
    }
    all
}

fn of<'f>(found: &'f [Found], metric: &str) -> Vec<&'f Found> {
    found.iter().filter(|point| point.metric == metric).collect()
}

/// A load balancer with a sticky group of three servers, two of them healthy, and with a function. It has counted before.
fn before() -> Readings {
    let mut readings = Readings {
        at: 10 * MINUTE,
        ..Readings::default()
    };
    let load_balancer = LoadBalancerReading {
        counts: LoadBalancerCounts {
            requests: 1000,
            new_connections: 500,
            received_bytes: 7,
            elb_5xx: 3,
            ..LoadBalancerCounts::default()
        },
        ..LoadBalancerReading::default()
    };
    readings.load_balancers.insert(SHOP.to_owned(), load_balancer);
    let hosts = Hosts {
        registered: 3,
        checked: 3,
        healthy: 2,
        unhealthy: 1,
    };
    let web = GroupReading {
        counts: GroupCounts {
            requests: 900,
            target_2xx: 900,
            ..GroupCounts::default()
        },
        load_balancer: Some(SHOP.to_owned()),
        is_sticky: true,
        hosts: [(ZONE.to_owned(), hosts)].into(),
        standing: Some(Standing {
            healthy_for_dns: true,
            healthy_for_routing: true,
            ..Standing::default()
        }),
        ..GroupReading::default()
    };
    readings.groups.insert(WEB.to_owned(), web);
    let unchecked = Hosts {
        registered: 1,
        ..Hosts::default()
    };
    let orders = GroupReading {
        load_balancer: Some(SHOP.to_owned()),
        is_lambda: true,
        hosts: [(ZONE.to_owned(), unchecked)].into(),
        ..GroupReading::default()
    };
    readings.groups.insert(ORDERS.to_owned(), orders);
    readings
}

/// A minute later, with nothing in between.
fn idle() -> Readings {
    Readings {
        at: 11 * MINUTE,
        ..before()
    }
}

/// A minute later, with a request that no other metric knows of.
fn flowing() -> Readings {
    let mut readings = idle();
    shop(&mut readings).counts.requests += 1;
    readings
}

fn shop(readings: &mut Readings) -> &mut LoadBalancerReading {
    readings.load_balancers.get_mut(SHOP).unwrap()
}

fn web(readings: &mut Readings) -> &mut GroupReading {
    readings.groups.get_mut(WEB).unwrap()
}

fn orders(readings: &mut Readings) -> &mut GroupReading {
    readings.groups.get_mut(ORDERS).unwrap()
}

fn standing(readings: &mut Readings) -> &mut Standing {
    web(readings).standing.as_mut().unwrap()
}

/// What the load balancer has counted.
fn own(readings: &mut Readings) -> &mut LoadBalancerCounts {
    &mut shop(readings).counts
}

/// What the group `web` has counted.
fn tg(readings: &mut Readings) -> &mut GroupCounts {
    &mut web(readings).counts
}

/// What the function's group has counted.
fn fun(readings: &mut Readings) -> &mut GroupCounts {
    &mut orders(readings).counts
}

fn answer_in_5_and_in_7_ms(readings: &mut Readings) {
    let histogram = Histogram::default();
    histogram.observe(Duration::from_millis(5));
    histogram.observe(Duration::from_millis(7));
    web(readings).response_time.merge(&histogram.snapshot());
}

/// Name, unit, dimensions, when it is reported, what makes it what.
type Case = (&'static str, Unit, Set, Rule, fn(&mut Readings), f64);

/// A line for each metric.
macro_rules! table {
    ($($metric:literal $unit:ident $set:expr, $rule:ident: |$now:ident| $change:expr => $sum:literal;)*) => {
        vec![$(($metric, Unit::$unit, $set, Rule::$rule, |$now| $change, $sum)),*]
    };
}

/// All metrics, in the order of ALB 8.3.
fn cases() -> Vec<Case> {
    use Set::{L, Lambda, Lt, OnlyLoadBalancer, OnlyWithZone, T, TAndGroup};
    table! {
        "ActiveConnectionCount" Count L, Nonzero: |now| {
            shop(now).active_connections = 5;
            web(now).connections = 2;
        } => 7.0;
        "ClientTLSNegotiationErrorCount" Count L, Nonzero: |now| own(now).tls_negotiation_errors += 2 => 2.0;
        "DesyncMitigationMode_NonCompliant_Request_Count" Count L, Nonzero: |now| own(now).non_compliant += 3 => 3.0;
        "DroppedInvalidHeaderRequestCount" Count OnlyWithZone, Nonzero: |now| own(now).dropped_invalid_headers += 4 => 4.0;
        "ForwardedInvalidHeaderRequestCount" Count OnlyWithZone, Always: |now| own(now).forwarded_invalid_headers += 5 => 5.0;
        "GrpcRequestCount" Count TAndGroup(WEB), Nonzero: |now| tg(now).grpc_requests += 6 => 6.0;
        "HTTP_Fixed_Response_Count" Count L, Nonzero: |now| own(now).fixed_responses += 7 => 7.0;
        "HTTP_Redirect_Count" Count L, Nonzero: |now| own(now).redirects += 8 => 8.0;
        "HTTP_Redirect_Url_Limit_Exceeded_Count" Count L, Nonzero: |now| own(now).redirect_limit += 9 => 9.0;
        "HTTPCode_ELB_3XX_Count" Count L, Nonzero: |now| own(now).elb_3xx += 10 => 10.0;
        "HTTPCode_ELB_4XX_Count" Count L, Nonzero: |now| own(now).elb_4xx += 11 => 11.0;
        "HTTPCode_ELB_5XX_Count" Count L, Nonzero: |now| own(now).elb_5xx += 12 => 12.0;
        "HTTPCode_ELB_500_Count" Count L, Nonzero: |now| own(now).elb_500 += 13 => 13.0;
        "HTTPCode_ELB_502_Count" Count L, Nonzero: |now| own(now).elb_502 += 14 => 14.0;
        "HTTPCode_ELB_503_Count" Count L, Nonzero: |now| own(now).elb_503 += 15 => 15.0;
        "HTTPCode_ELB_504_Count" Count L, Nonzero: |now| own(now).elb_504 += 16 => 16.0;
        "IPv6ProcessedBytes" Bytes L, Nonzero: |now| own(now).ipv6_bytes += 17 => 17.0;
        "IPv6RequestCount" Count L, Nonzero: |now| own(now).ipv6_requests += 18 => 18.0;
        "NewConnectionCount" Count L, Nonzero: |now| {
            own(now).new_connections += 19;
            tg(now).new_target_connections += 1;
        } => 20.0;
        "NonStickyRequestCount" Count L, Flow: |now| tg(now).non_sticky_requests += 20 => 20.0;
        "ProcessedBytes" Bytes L, Nonzero: |now| {
            own(now).received_bytes += 100;
            own(now).sent_bytes += 50;
            fun(now).lambda_processed_bytes += 7;
        } => 157.0;
        "RejectedConnectionCount" Count L, Nonzero: |now| own(now).rejected_connections += 21 => 21.0;
        "RuleEvaluations" Count OnlyLoadBalancer, Nonzero: |now| own(now).rule_evaluations += 21 => 21.0;
        "ConsumedLCUs" Count OnlyLoadBalancer, Always: |now| own(now).new_connections += 25 * 60 * 60 => 1.0;
        "PeakLCUs" Count OnlyLoadBalancer, Always: |now| own(now).new_connections += 25 * 60 * 60 => 60.0;
        "AnomalousHostCount" Count T(WEB), Always: |now| standing(now).anomalous = 2 => 2.0;
        "MitigatedHostCount" Count T(WEB), Always: |now| standing(now).mitigated = 1 => 1.0;
        "HealthyHostCount" Count T(WEB), Always: |_now| {} => 2.0;
        "UnHealthyHostCount" Count T(WEB), Always: |_now| {} => 1.0;
        "TargetConnectionErrorCount" Count Lt(WEB), Nonzero: |now| tg(now).target_connection_errors += 22 => 22.0;
        "TargetTLSNegotiationErrorCount" Count Lt(WEB), Nonzero: |now| tg(now).target_tls_errors += 23 => 23.0;
        "TargetResponseTime" Seconds Lt(WEB), Nonzero: |now| answer_in_5_and_in_7_ms(now) => 0.012;
        "HealthyStateDNS" Count T(WEB), Always: |_now| {} => 1.0;
        "UnhealthyStateDNS" Count T(WEB), Always: |now| standing(now).healthy_for_dns = false => 1.0;
        "HealthyStateRouting" Count T(WEB), Always: |_now| {} => 1.0;
        "UnhealthyStateRouting" Count T(WEB), Always: |now| standing(now).healthy_for_routing = false => 1.0;
        "UnhealthyRoutingRequestCount" Count T(WEB), Flow: |now| tg(now).unhealthy_routing_requests += 24 => 24.0;
        "LambdaInternalError" Count Lambda(ORDERS), Nonzero: |now| fun(now).lambda_internal_errors += 25 => 25.0;
        "LambdaUserError" Count Lambda(ORDERS), Nonzero: |now| fun(now).lambda_user_errors += 26 => 26.0;
        "LambdaTargetProcessedBytes" Bytes OnlyLoadBalancer, Nonzero: |now| fun(now).lambda_processed_bytes += 27 => 27.0;
        "RequestCountPerTarget" Count TAndGroup(WEB), Always: |now| tg(now).requests += 5 => 2.5;
    }
}

/// Metrics of both kinds of groups.
const OF_BOTH: [&str; 5] = [
    "RequestCount",
    "HTTPCode_Target_2XX_Count",
    "HTTPCode_Target_3XX_Count",
    "HTTPCode_Target_4XX_Count",
    "HTTPCode_Target_5XX_Count",
];

#[test]
fn every_metric_with_its_unit_and_its_dimensions() {
    let mut every = Readings { ..flowing() };
    for (metric, unit, set, rule, change, sum) in cases() {
        let mut now = flowing();
        change(&mut now);
        change(&mut every);
        let found = found(&before(), &now);
        let found = of(&found, metric);
        let dimensions: BTreeSet<_> = found.iter().map(|point| point.dimensions.clone()).collect();
        assert_eq!(dimensions, set.dimensions(), "{metric} {rule:?}");
        for point in found {
            assert_eq!(point.unit, unit, "{metric}");
            assert!((point.statistics.sum - sum).abs() < 1e-9, "{point:?}");
            assert_eq!(point.has_histogram, metric == "TargetResponseTime");
        }
    }
    // The table is whole: nothing else is reported when everything has happened.
    let reported: BTreeSet<_> = found(&before(), &every).into_iter().map(|point| point.metric).collect();
    let names = cases().into_iter().map(|(metric, ..)| metric).chain(OF_BOTH);
    assert_eq!(reported, names.map(str::to_owned).collect());
}

#[test]
fn every_metric_when_it_is_to_be_reported() {
    let (flowing, idle) = (found(&before(), &flowing()), found(&before(), &idle()));
    for (metric, _, _, rule, _, _) in cases() {
        let is_gauge = [
            "HealthyHostCount",
            "UnHealthyHostCount",
            "HealthyStateDNS",
            "HealthyStateRouting",
        ];
        for point in of(&flowing, metric)
            .into_iter()
            .filter(|point| !is_gauge.contains(&&*point.metric))
        {
            // One request and nothing else is no work worth a number.
            assert_eq!(point.statistics.sum, 0.0, "{point:?}");
        }
        assert_eq!(!of(&flowing, metric).is_empty(), rule != Rule::Nonzero, "{metric}");
        assert_eq!(!of(&idle, metric).is_empty(), rule == Rule::Always, "{metric}");
    }
    for metric in OF_BOTH {
        let dimensions: BTreeSet<_> = of(&flowing, metric)
            .iter()
            .map(|point| point.dimensions.clone())
            .collect();
        let both = Set::Lt(WEB)
            .dimensions()
            .union(&Set::Lt(ORDERS).dimensions())
            .cloned()
            .collect();
        assert_eq!(dimensions, both, "{metric}");
        assert!(of(&idle, metric).is_empty(), "{metric}");
    }
}

// ALB-G-013: RequestCount does not count requests for which no target was chosen
#[test]
fn requests_and_codes_of_targets() {
    let mut now = idle();
    shop(&mut now).counts.requests += 10; // four of them were answered without a target
    web(&mut now).counts.requests += 4;
    web(&mut now).counts.target_2xx += 3;
    web(&mut now).counts.target_5xx += 1;
    orders(&mut now).counts.requests += 2;
    orders(&mut now).counts.target_4xx += 2;
    let found = found(&before(), &now);
    let sum = |metric: &str, dimensions: &str| {
        let all = of(&found, metric);
        let point = all.iter().find(|point| point.dimensions == dimensions).unwrap();
        point.statistics.sum
    };
    let [web, orders] = [WEB, ORDERS].map(|group| format!("LoadBalancer={SHOP} TargetGroup={group}"));
    let all = format!("LoadBalancer={SHOP}");
    for (metric, sums) in [
        ("RequestCount", [4.0, 2.0, 6.0]),
        ("HTTPCode_Target_2XX_Count", [3.0, 0.0, 3.0]),
        ("HTTPCode_Target_3XX_Count", [0.0, 0.0, 0.0]),
        ("HTTPCode_Target_4XX_Count", [0.0, 2.0, 2.0]),
        ("HTTPCode_Target_5XX_Count", [1.0, 0.0, 1.0]),
    ] {
        let found = [&web, &orders, &all].map(|dimensions| sum(metric, dimensions));
        assert_eq!(found, sums, "{metric}");
    }
    let count = of(&found, "RequestCount")[0].statistics;
    assert_eq!((count.minimum, count.maximum), (1.0, 1.0), "as AWS has them");
}

// ALB-G-015: RequestCountPerTarget divides by healthy targets, by registered ones if none is healthy; never of functions
#[test]
fn requests_per_target() {
    let per_target = |hosts: Hosts| {
        let mut now = idle();
        web(&mut now).counts.requests += 12;
        web(&mut now).hosts = [(ZONE.to_owned(), hosts)].into();
        orders(&mut now).counts.requests += 5;
        let found = found(&before(), &now);
        let found = of(&found, "RequestCountPerTarget");
        assert!(found.iter().all(|point| point.dimensions.contains(WEB)));
        found[0].statistics.sum
    };
    let hosts = |registered, healthy| Hosts {
        registered,
        checked: registered,
        healthy,
        unhealthy: registered - healthy,
    };
    assert_eq!(per_target(hosts(4, 3)), 4.0);
    assert_eq!(per_target(hosts(4, 0)), 3.0);
    assert_eq!(per_target(hosts(0, 0)), 12.0, "they have all left meanwhile");
}

#[test]
fn hosts_count_in_their_zone() {
    let hosts = |healthy, unhealthy| Hosts {
        registered: healthy + unhealthy,
        checked: healthy + unhealthy,
        healthy,
        unhealthy,
    };
    let mut now = idle();
    let zones = [(ZONE.to_owned(), hosts(2, 0)), ("eu-west-1b".to_owned(), hosts(1, 3))];
    web(&mut now).hosts = zones.into();
    let found = found(&before(), &now);
    let rest = format!("LoadBalancer={SHOP} TargetGroup={WEB}");
    for (metric, all, own, other) in [
        ("HealthyHostCount", 3.0, 2.0, 1.0),
        ("UnHealthyHostCount", 3.0, 0.0, 3.0),
    ] {
        let mut found: Vec<_> = of(&found, metric)
            .iter()
            .map(|point| (point.dimensions.clone(), point.statistics.sum))
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let expected = [
            (format!("AvailabilityZone={ZONE} {rest}"), own),
            (format!("AvailabilityZone=eu-west-1b {rest}"), other),
            (rest.clone(), all),
        ];
        assert_eq!(found, expected, "{metric}");
    }
}

#[test]
fn what_is_gone_tells_its_last_minute() {
    let mut now = idle();
    let gone = shop(&mut now);
    gone.unserved = true;
    gone.counts.fixed_responses += 1;
    let gone = web(&mut now);
    (gone.unserved, gone.standing) = (true, None);
    gone.hosts.clear();
    gone.counts.requests += 3;
    let found = found(&before(), &now);
    let metrics: BTreeSet<_> = found.iter().map(|point| point.metric.as_str()).collect();
    assert!(
        metrics.contains("HTTP_Fixed_Response_Count") && metrics.contains("RequestCount"),
        "{metrics:?}"
    );
    for always in [
        "ConsumedLCUs",
        "ForwardedInvalidHeaderRequestCount",
        "HealthyHostCount",
        "AnomalousHostCount",
    ] {
        assert!(!metrics.contains(always), "{always}");
    }
}

#[test]
fn what_is_new_begins_with_nothing() {
    let found = found(&Readings::default(), &before());
    let requests = of(&found, "RequestCount");
    assert!(requests.iter().any(|point| point.statistics.sum == 900.0));
    // A process that was started anew between two readings cannot be; counters that were, begin at 0.
    let mut now = flowing();
    web(&mut now).counts = GroupCounts {
        requests: 1,
        ..GroupCounts::default()
    };
    let found = super::tests::found(&before(), &now);
    assert_eq!(of(&found, "RequestCount")[0].statistics.sum, 1.0);
}

#[test]
fn a_group_that_nobody_uses_says_nothing() {
    let mut now = idle();
    web(&mut now).load_balancer = None;
    let found = found(&before(), &now);
    assert!(found.iter().all(|point| !point.dimensions.contains(WEB)), "{found:?}");
}
