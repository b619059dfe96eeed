use super::*;
use crate::elb::attribute::AttributeRefusal;
use crate::elb::health_check::HealthCheck;
use crate::elb::target_group::LambdaTargets;

#[track_caller]
fn check(key: &str, good: &[&str], bad: &[&str]) {
    for value in good {
        let result = TargetGroupAttributes::default().set(key, value);
        assert_eq!(result, Ok(()), "{key}={value}");
    }
    for value in bad {
        let mut attributes = TargetGroupAttributes::default();
        let refusal = attributes.set(key, value).unwrap_err();
        assert!(refusal.to_string().contains(key), "{refusal}");
        assert_eq!(
            attributes,
            TargetGroupAttributes::default(),
            "a refused value changes nothing: {key}={value}"
        );
    }
}

fn all(pairs: &[(&str, &str)]) -> TargetGroupAttributes {
    let mut attributes = TargetGroupAttributes::default();
    for (key, value) in pairs {
        attributes.set(key, value).unwrap();
    }
    attributes
}

fn conflicts(pairs: &[(&str, &str)]) -> Vec<String> {
    let attributes = all(pairs);
    let all = attributes.conflicts();
    assert_eq!(attributes.check().err(), all.first().cloned());
    all.iter().map(GroupAttributeRefusal::to_string).collect()
}

// ALB-R-025: the attributes of a fresh target group
#[test]
fn defaults_are_those_of_aws() {
    let defaults = [
        ("deregistration_delay.timeout_seconds", "300"),
        ("load_balancing.algorithm.anomaly_mitigation", "off"),
        ("load_balancing.algorithm.type", "round_robin"),
        ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
        ("slow_start.duration_seconds", "0"),
        ("stickiness.app_cookie.cookie_name", ""),
        ("stickiness.app_cookie.duration_seconds", "86400"),
        ("stickiness.enabled", "false"),
        ("stickiness.lb_cookie.duration_seconds", "86400"),
        ("stickiness.type", "lb_cookie"),
        ("target_group_health.dns_failover.minimum_healthy_targets.count", "1"),
        (
            "target_group_health.dns_failover.minimum_healthy_targets.percentage",
            "off",
        ),
        (
            "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
            "1",
        ),
        (
            "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
            "off",
        ),
        ("waf.http2.traffic_inspection_behavior", "inspect_immediately"),
    ];
    for default in defaults {
        assert_eq!(all(&[default]), TargetGroupAttributes::default(), "{default:?}");
    }
    let of_lambda = 1;
    assert_eq!(defaults.len() + of_lambda, TargetGroupAttributes::KEYS.len());
    assert_eq!(TargetGroupAttributes::default().check(), Ok(()));
}

#[test]
fn every_key_sets_its_own_field() {
    let set = all(&[
        ("deregistration_delay.timeout_seconds", "10"),
        ("load_balancing.algorithm.anomaly_mitigation", "on"),
        ("load_balancing.algorithm.type", "weighted_random"),
        ("load_balancing.cross_zone.enabled", "false"),
        ("slow_start.duration_seconds", "30"),
        ("stickiness.app_cookie.cookie_name", "SESSION"),
        ("stickiness.app_cookie.duration_seconds", "2"),
        ("stickiness.enabled", "true"),
        ("stickiness.lb_cookie.duration_seconds", "3"),
        ("stickiness.type", "app_cookie"),
        ("target_group_health.dns_failover.minimum_healthy_targets.count", "off"),
        (
            "target_group_health.dns_failover.minimum_healthy_targets.percentage",
            "100",
        ),
        (
            "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
            "1000",
        ),
        (
            "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
            "1",
        ),
        ("waf.http2.traffic_inspection_behavior", "inspect_after_sufficient_data"),
    ]);
    let expected = TargetGroupAttributes {
        deregistration_delay: Duration::from_secs(10),
        algorithm: Algorithm::WeightedRandom,
        anomaly_mitigation: true,
        cross_zone: CrossZone::Off,
        slow_start: Some(Duration::from_secs(30)),
        stickiness: Stickiness {
            enabled: true,
            stickiness_type: StickinessType::AppCookie,
            lb_cookie_duration: Duration::from_secs(3),
            app_cookie_name: "SESSION".to_owned(),
            app_cookie_duration: Duration::from_secs(2),
        },
        dns_failover: MinimumHealthy {
            count: None,
            percentage: Some(100),
        },
        unhealthy_state_routing: MinimumHealthy {
            count: Some(1000),
            percentage: Some(1),
        },
        waf_inspection: WafInspection::AfterSufficientData,
    };
    assert_eq!(set, expected);
}

#[test]
fn values() {
    check(
        "deregistration_delay.timeout_seconds",
        &["0", "3600"],
        &["-1", "3601", "", "1.5", "+1", "10s"],
    );
    check(
        "load_balancing.algorithm.anomaly_mitigation",
        &["on", "off"],
        &["true", "On", ""],
    );
    check(
        "load_balancing.algorithm.type",
        &["round_robin", "least_outstanding_requests", "weighted_random"],
        &["random", "Round_Robin", ""],
    );
    check("load_balancing.cross_zone.enabled", &["true", "false"], &["on", ""]);
    for key in [
        "stickiness.lb_cookie.duration_seconds",
        "stickiness.app_cookie.duration_seconds",
    ] {
        check(key, &["1", "604800"], &["0", "604801"]);
    }
    check("stickiness.enabled", &["true", "false"], &["yes"]);
    check("stickiness.type", &["lb_cookie", "app_cookie"], &["source_ip", ""]);
    let dns = "target_group_health.dns_failover.minimum_healthy_targets";
    let routing = "target_group_health.unhealthy_state_routing.minimum_healthy_targets";
    check(&format!("{dns}.count"), &["off", "1", "1000"], &["0", "1001", "Off"]);
    check(&format!("{routing}.count"), &["1", "1000"], &["0", "1001", "off"]);
    for key in [dns, routing] {
        check(&format!("{key}.percentage"), &["off", "1", "100"], &["0", "101", "50%"]);
    }
    check(
        "waf.http2.traffic_inspection_behavior",
        &["inspect_immediately", "inspect_after_sufficient_data"],
        &["", "inspect"],
    );
}

// ALB-R-027: slow start of 29 or 901 seconds fails; 0, 30 and 900 succeed
#[test]
fn slow_start_is_off_or_30_to_900_seconds() {
    check(
        "slow_start.duration_seconds",
        &["0", "30", "900"],
        &["29", "901", "1", "off"],
    );
}

// ALB-R-028: application cookies want a name, and none of the load balancer's own
#[test]
fn application_cookies_have_a_name_of_their_own() {
    let longest = "a".repeat(1024);
    let longer = "a".repeat(1025);
    check(
        "stickiness.app_cookie.cookie_name",
        &["", "SESSION", "awsalb", "a.b-c_d", &longest],
        &[
            "AWSALB",
            "AWSALBAPP-0",
            "AWSALBTG",
            "AWSALBx",
            "a b",
            "a=b",
            "a;b",
            "é",
            &longer,
        ],
    );
    let sticky = [("stickiness.enabled", "true"), ("stickiness.type", "app_cookie")];
    assert_eq!(
        conflicts(&sticky),
        ["stickiness.app_cookie.cookie_name must be set while stickiness.type is app_cookie"]
    );
    let named = [sticky[0], sticky[1], ("stickiness.app_cookie.cookie_name", "SESSION")];
    assert_eq!(conflicts(&named), [""; 0]);
}

// ALB-R-029: weighted random excludes stickiness and slow start
#[test]
fn algorithms_exclude_what_they_cannot_do() {
    let algorithm = "load_balancing.algorithm.type";
    let slow = ("slow_start.duration_seconds", "30");
    let sticky = ("stickiness.enabled", "true");
    assert_eq!(
        conflicts(&[(algorithm, "weighted_random"), slow, sticky]),
        [
            "slow_start.duration_seconds must be 0 while load_balancing.algorithm.type is weighted_random; slow start \
             needs round_robin",
            "stickiness.enabled must be false while load_balancing.algorithm.type is weighted_random",
        ]
    );
    assert_eq!(
        conflicts(&[(algorithm, "least_outstanding_requests"), slow, sticky]),
        [
            "slow_start.duration_seconds must be 0 while load_balancing.algorithm.type is least_outstanding_requests; \
             slow start needs round_robin",
        ]
    );
    assert_eq!(conflicts(&[slow, sticky]), [""; 0]);
    let mitigation = ("load_balancing.algorithm.anomaly_mitigation", "on");
    assert_eq!(
        conflicts(&[mitigation]),
        [
            "load_balancing.algorithm.anomaly_mitigation must be off while load_balancing.algorithm.type is \
             round_robin; it needs weighted_random"
        ]
    );
    assert_eq!(conflicts(&[mitigation, (algorithm, "weighted_random")]), [""; 0]);
}

#[test]
fn stickiness_needs_all_zones() {
    let cross_zone = "load_balancing.cross_zone.enabled";
    assert_eq!(
        conflicts(&[("stickiness.enabled", "true"), (cross_zone, "false")]),
        ["stickiness.enabled must be false while load_balancing.cross_zone.enabled is false"]
    );
    assert_eq!(
        conflicts(&[("stickiness.enabled", "true"), (cross_zone, "true")]),
        [""; 0]
    );
    assert_eq!(conflicts(&[(cross_zone, "false")]), [""; 0]);
}

#[test]
fn addresses_leave_dns_before_fail_open_begins() {
    let dns = "target_group_health.dns_failover.minimum_healthy_targets";
    let routing = "target_group_health.unhealthy_state_routing.minimum_healthy_targets";
    for kind in ["count", "percentage"] {
        let (dns, routing) = (format!("{dns}.{kind}"), format!("{routing}.{kind}"));
        assert_eq!(
            conflicts(&[(&dns, "2"), (&routing, "3")]),
            [format!("{dns} is 2; it must not be lower than {routing}, which is 3")]
        );
        assert_eq!(conflicts(&[(&dns, "3"), (&routing, "3")]), [""; 0]);
        assert_eq!(conflicts(&[(&dns, "off"), (&routing, "3")]), [""; 0]);
    }
    let both = conflicts(&[
        (&format!("{routing}.count"), "2"),
        (&format!("{dns}.percentage"), "10"),
        (&format!("{routing}.percentage"), "20"),
    ]);
    assert_eq!(both.len(), 2, "{both:?}");
}

#[test]
fn a_conflict_tells_its_keys() {
    let attributes = all(&[
        ("stickiness.enabled", "true"),
        ("stickiness.type", "app_cookie"),
        ("load_balancing.algorithm.type", "weighted_random"),
        ("load_balancing.cross_zone.enabled", "false"),
        ("slow_start.duration_seconds", "30"),
        (
            "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
            "2",
        ),
    ]);
    let all = attributes.conflicts();
    assert_eq!(all.len(), 5, "{all:?}");
    for conflict in all {
        let (text, keys) = (conflict.to_string(), conflict.keys());
        assert_eq!(keys.len(), 2, "{text}");
        for key in keys {
            assert!(
                text.contains(key) && TargetGroupAttributes::KEYS.contains(key),
                "{text}"
            );
        }
    }
}

#[test]
fn an_unknown_key_names_its_neighbour() {
    let refusal = TargetGroupAttributes::default()
        .set("slow_start.duration", "30")
        .unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "attribute \"slow_start.duration\" is not recognized; did you mean \"slow_start.duration_seconds\"?"
    );
}

// ALB-R-026: a function has no deregistration delay, nor anything else that servers have
#[test]
fn functions_and_servers_have_different_attributes() {
    let fresh = LambdaTargets {
        function: None,
        multi_value_headers: false,
        health_check: HealthCheck::of_lambda(),
    };
    let mut lambda = fresh.clone();
    for key in TargetGroupAttributes::KEYS {
        match *key {
            "lambda.multi_value_headers.enabled" => {
                assert_eq!(
                    TargetGroupAttributes::default()
                        .set(key, "true")
                        .unwrap_err()
                        .to_string(),
                    "a target group with target type 'instance' or 'ip' does not support the attribute \
                     lambda.multi_value_headers.enabled"
                );
                lambda.set(key, "true").unwrap();
                assert!(lambda.multi_value_headers);
                lambda.set(key, "false").unwrap();
            }
            "load_balancing.cross_zone.enabled" => {
                lambda.set(key, "use_load_balancer_configuration").unwrap();
                assert!(matches!(
                    lambda.set(key, "false"),
                    Err(AttributeRefusal::NotBuilt { .. })
                ));
            }
            _ => assert_eq!(
                lambda.set(key, "0").unwrap_err().to_string(),
                format!("a target group with target type 'lambda' does not support the attribute {key}")
            ),
        }
    }
    assert_eq!(lambda, fresh);
    assert!(matches!(
        lambda.set("colour", "red"),
        Err(AttributeRefusal::Unknown { .. })
    ));
}
