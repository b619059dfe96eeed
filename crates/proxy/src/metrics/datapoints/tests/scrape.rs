//! Every metric again, in the text that a scrape reads: it says what the datapoint says.

use super::super::super::minute::Minute;
use super::*;
use observe::Exposition;

/// Every name in ALB 8.3, in its order.
const NAMES: &[&str] = &[
    "ActiveConnectionCount",
    "BYoIPUtilPercentage",
    "ClientTLSNegotiationErrorCount",
    "DesyncMitigationMode_NonCompliant_Request_Count",
    "DroppedInvalidHeaderRequestCount",
    "ForwardedInvalidHeaderRequestCount",
    "GrpcRequestCount",
    "HTTP_Fixed_Response_Count",
    "HTTP_Redirect_Count",
    "HTTP_Redirect_Url_Limit_Exceeded_Count",
    "HTTPCode_ELB_3XX_Count",
    "HTTPCode_ELB_4XX_Count",
    "HTTPCode_ELB_5XX_Count",
    "HTTPCode_ELB_500_Count",
    "HTTPCode_ELB_502_Count",
    "HTTPCode_ELB_503_Count",
    "HTTPCode_ELB_504_Count",
    "IPv6ProcessedBytes",
    "IPv6RequestCount",
    "LowReputationPacketsDropped",
    "LowReputationRequestsDenied",
    "NewConnectionCount",
    "NonStickyRequestCount",
    "ProcessedBytes",
    "RejectedConnectionCount",
    "RequestCount",
    "RuleEvaluations",
    "ConsumedLCUs",
    "PeakLCUs",
    "ReservedLCUs",
    "AnomalousHostCount",
    "HealthyHostCount",
    "UnHealthyHostCount",
    "HTTPCode_Target_2XX_Count",
    "HTTPCode_Target_3XX_Count",
    "HTTPCode_Target_4XX_Count",
    "HTTPCode_Target_5XX_Count",
    "MitigatedHostCount",
    "RequestCountPerTarget",
    "TargetConnectionErrorCount",
    "TargetResponseTime",
    "TargetTLSNegotiationErrorCount",
    "ZonalShiftedHostCount",
    "HealthyStateDNS",
    "HealthyStateRouting",
    "UnhealthyStateDNS",
    "UnhealthyStateRouting",
    "UnhealthyRoutingRequestCount",
    "LambdaInternalError",
    "LambdaUserError",
    "LambdaTargetProcessedBytes",
    "ELBAuthError",
    "ELBAuthFailure",
    "ELBAuthSuccess",
    "ELBAuthRefreshTokenSuccess",
    "ELBAuthUserClaimsSizeExceeded",
    "ELBAuthLatency",
    "JWTValidationSuccessCount",
    "JWTValidationFailureCount",
    "TargetControlRequestCount",
    "TargetControlRequestRejectCount",
    "TargetControlActiveChannelCount",
    "TargetControlNewChannelCount",
    "TargetControlChannelErrorCount",
    "TargetControlWorkQueueLength",
    "TargetControlProcessedBytes",
];

/// What albacore does not have. A word that ends in `*` stands for every name that begins with it.
const ABSENT: &[&str] = &[
    "BYoIPUtilPercentage",
    "LowReputationPacketsDropped",
    "LowReputationRequestsDenied",
    "ReservedLCUs",
    "ZonalShiftedHostCount",
    "ELBAuth*",
    "JWTValidation*",
    "TargetControl*",
];

/// The samples that add up to a metric, without `albacore_proxy_`. Of counters it is what came since the scrape before.
fn samples(metric: &str) -> &'static [&'static str] {
    match metric {
        "ActiveConnectionCount" => &["active_connections{", "target_group_connections{"],
        "ClientTLSNegotiationErrorCount" => &["tls_negotiation_errors_total{"],
        "DesyncMitigationMode_NonCompliant_Request_Count" => &["non_compliant_requests_total{"],
        "DroppedInvalidHeaderRequestCount" => &["dropped_invalid_header_requests_total{"],
        "ForwardedInvalidHeaderRequestCount" => &["forwarded_invalid_header_requests_total{"],
        "GrpcRequestCount" => &["grpc_requests_total{"],
        "HTTP_Fixed_Response_Count" => &["fixed_responses_total{"],
        "HTTP_Redirect_Count" => &["redirects_total{"],
        "HTTP_Redirect_Url_Limit_Exceeded_Count" => &["redirect_url_limit_exceeded_total{"],
        "HTTPCode_ELB_3XX_Count" => &["elb_responses_total{class=3xx"],
        "HTTPCode_ELB_4XX_Count" => &["elb_responses_total{class=4xx"],
        "HTTPCode_ELB_5XX_Count" => &["elb_responses_total{class=5xx"],
        "HTTPCode_ELB_500_Count" => &["elb_error_responses_total{status=500"],
        "HTTPCode_ELB_502_Count" => &["elb_error_responses_total{status=502"],
        "HTTPCode_ELB_503_Count" => &["elb_error_responses_total{status=503"],
        "HTTPCode_ELB_504_Count" => &["elb_error_responses_total{status=504"],
        "IPv6ProcessedBytes" => &["ipv6_processed_bytes_total{"],
        "IPv6RequestCount" => &["ipv6_requests_total{"],
        "NewConnectionCount" => &["new_connections_total{", "new_target_connections_total{"],
        "NonStickyRequestCount" => &["non_sticky_requests_total{"],
        "ProcessedBytes" => &[
            "received_bytes_total{",
            "sent_bytes_total{",
            "lambda_processed_bytes_total{",
        ],
        "RejectedConnectionCount" => &["rejected_connections_total{"],
        "RequestCount" => &["target_group_requests_total{"],
        "RuleEvaluations" => &["rule_evaluations_total{"],
        "ConsumedLCUs" => &["consumed_lcus{"],
        "PeakLCUs" => &["peak_lcus{"],
        "AnomalousHostCount" => &["anomalous_hosts{"],
        "HealthyHostCount" => &["healthy_hosts{"],
        "UnHealthyHostCount" => &["unhealthy_hosts{"],
        "HTTPCode_Target_2XX_Count" => &["target_responses_total{class=2xx"],
        "HTTPCode_Target_3XX_Count" => &["target_responses_total{class=3xx"],
        "HTTPCode_Target_4XX_Count" => &["target_responses_total{class=4xx"],
        "HTTPCode_Target_5XX_Count" => &["target_responses_total{class=5xx"],
        "MitigatedHostCount" => &["mitigated_hosts{"],
        "RequestCountPerTarget" => &["requests_per_target{"],
        "TargetConnectionErrorCount" => &["target_connection_errors_total{"],
        "TargetResponseTime" => &["target_response_seconds_sum{"],
        "TargetTLSNegotiationErrorCount" => &["target_tls_negotiation_errors_total{"],
        "HealthyStateDNS" => &["healthy_state_dns{"],
        "HealthyStateRouting" => &["healthy_state_routing{"],
        "UnhealthyStateDNS" => &["unhealthy_state_dns{"],
        "UnhealthyStateRouting" => &["unhealthy_state_routing{"],
        "UnhealthyRoutingRequestCount" => &["unhealthy_routing_requests_total{"],
        "LambdaInternalError" => &["lambda_internal_errors_total{"],
        "LambdaUserError" => &["lambda_user_errors_total{"],
        "LambdaTargetProcessedBytes" => &["lambda_processed_bytes_total{"],
        _ => &[],
    }
}

type Change = fn(&mut Readings);

/// Metrics of both kinds of groups, made to happen once for servers and twice for the function.
const FOR_BOTH: [(&str, Change); 5] = [
    ("RequestCount", |now| {
        tg(now).requests += 1;
        fun(now).requests += 2;
    }),
    ("HTTPCode_Target_2XX_Count", |now| {
        tg(now).target_2xx += 1;
        fun(now).target_2xx += 2;
    }),
    ("HTTPCode_Target_3XX_Count", |now| {
        tg(now).target_3xx += 1;
        fun(now).target_3xx += 2;
    }),
    ("HTTPCode_Target_4XX_Count", |now| {
        tg(now).target_4xx += 1;
        fun(now).target_4xx += 2;
    }),
    ("HTTPCode_Target_5XX_Count", |now| {
        tg(now).target_5xx += 1;
        fun(now).target_5xx += 2;
    }),
];

fn is_absent(metric: &str) -> bool {
    ABSENT.iter().any(|absent| match absent.strip_suffix('*') {
        Some(begin) => metric.starts_with(begin),
        None => metric == *absent,
    })
}

/// What a scrape reads at the end of a minute.
fn scrape(before: &Readings, now: &Readings) -> String {
    let (minute, mut now) = (Minute::between(before, now), now.clone());
    for (id, reading) in &mut now.load_balancers {
        reading.units = minute.units.get(id).copied();
    }
    for (id, reading) in &mut now.groups {
        reading.requests_per_target = minute.requests_per_target.get(id).copied();
    }
    let mut out = Exposition::new();
    now.expose(ZONE, &mut out);
    out.into_text()
}

/// The sum over all samples of that name that have the label, all of which name the load balancer, the zone, and for `group`
/// the group.
fn sum(text: &str, sample: &str, group: Option<&str>) -> f64 {
    let (name, label) = sample.split_once('{').unwrap();
    let begin = format!("albacore_proxy_{name}{{");
    let label = label
        .split_once('=')
        .map(|(label, value)| format!("{label}=\"{value}\""));
    let of_name = text.lines().filter(|line| line.starts_with(&begin));
    let found: Vec<_> = of_name
        .filter(|line| label.as_deref().is_none_or(|label| line.contains(label)))
        .collect();
    assert!(!found.is_empty(), "no {sample} in\n{text}");
    for line in &found {
        assert!(line.contains(&format!("load_balancer=\"{SHOP}\"")), "{line}");
        assert!(line.contains(&format!("availability_zone=\"{ZONE}\"")), "{line}");
    }
    let of_group = |line: &&&str| group.is_none_or(|group| line.contains(&format!("target_group=\"{group}\"")));
    let values = found.iter().filter(of_group).map(|line| line.rsplit(' ').next());
    values.map(|value| value.unwrap().parse::<f64>().unwrap()).sum()
}

#[test]
fn every_metric_of_alb_is_in_a_scrape_or_said_to_be_absent() {
    let built: BTreeSet<_> = cases().into_iter().map(|(metric, ..)| metric).chain(OF_BOTH).collect();
    let docs = include_str!("../../../../../../docs/observing.md");
    let paragraph = docs
        .split("\n\n")
        .find(|paragraph| paragraph.starts_with("Absent"))
        .unwrap();
    for metric in NAMES {
        assert_eq!(samples(metric).is_empty(), is_absent(metric), "{metric}");
        assert_eq!(built.contains(metric), !is_absent(metric), "{metric}");
    }
    assert!(built.iter().all(|metric| NAMES.contains(metric)), "{built:?}");
    for absent in ABSENT {
        let word = format!("`{}`", absent.trim_end_matches('*'));
        assert!(paragraph.contains(&word), "{absent} is not in docs/observing.md");
    }
}

#[test]
fn a_scrape_says_what_the_datapoints_say() {
    let earlier = scrape(&before(), &before());
    let check = |metric: &str, now: &Readings, group: Option<&str>, expected: f64| {
        let later = scrape(&before(), now);
        let value = |sample: &&str| {
            let is_counter = sample.contains("_total{") || sample.contains("_sum{");
            sum(&later, sample, group) - if is_counter { sum(&earlier, sample, group) } else { 0.0 }
        };
        let found: f64 = samples(metric).iter().map(value).sum();
        assert!((found - expected).abs() < 1e-9, "{metric}: {found} and not {expected}");
    };
    for (metric, _, set, _, change, expected) in cases() {
        let mut now = flowing();
        change(&mut now);
        let group = match set {
            Set::Lt(group) | Set::T(group) | Set::TAndGroup(group) | Set::Lambda(group) => Some(group),
            Set::L | Set::OnlyWithZone | Set::OnlyLoadBalancer => None,
        };
        check(metric, &now, group, expected);
    }
    assert_eq!(FOR_BOTH.map(|(metric, _)| metric), OF_BOTH);
    for (metric, change) in FOR_BOTH {
        let mut now = flowing();
        change(&mut now);
        for (group, expected) in [(Some(WEB), 1.0), (Some(ORDERS), 2.0), (None, 3.0)] {
            check(metric, &now, group, expected);
        }
    }
}

#[test]
fn a_scrape_has_no_minute_before_one_is_over() {
    let mut out = Exposition::new();
    before().expose(ZONE, &mut out);
    let text = out.into_text();
    for family in ["consumed_lcus", "peak_lcus", "requests_per_target"] {
        assert!(!text.contains(family), "{family}");
    }
    let functions = format!("requests_per_target{{target_group=\"{ORDERS}\"");
    assert!(
        !scrape(&before(), &idle()).contains(&functions),
        "functions have no targets"
    );
}
