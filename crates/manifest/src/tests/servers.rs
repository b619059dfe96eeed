//! Target groups of servers that load, and what they become.

use super::*;
use crate::Loaded;
use model::elb::health_check::{HealthCheckPort, Matcher, ServerHealthCheck};
use model::elb::target_group::{
    Algorithm, CrossZone, IpAddressType, ProtocolVersion, ServerTargets, ServerType, StickinessType, Target,
    TargetGroupAttributes, TargetId, TargetKind, TargetProtocol, Zone,
};
use std::time::Duration;

/// `group` as the group `g`, which a listener uses.
fn manifest(group: &str) -> String {
    format!(
        "instances: {{ i-0123456789abcdef0: 10.0.0.5, i-0123abcd: fd00::5 }}\ntarget_groups:\n  g: {group}\n\
         load_balancers: {{ a: {{ listeners: [{{ port: 80, default: {{ forward: g }} }}] }} }}\n"
    )
}

fn load(text: &str) -> Loaded {
    folder()
        .load(text)
        .unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"))
}

fn group(loaded: &Loaded) -> &ServerTargets {
    match &loaded.desired.target_groups[0].it.create.targets {
        TargetKind::Servers(servers) => servers,
        TargetKind::Lambda(_) => panic!("a group of servers"),
    }
}

fn servers(written: &str) -> ServerTargets {
    group(&load(&manifest(written))).clone()
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

// ALB-R-022: a fresh group of servers has AWS's health check
// ALB-R-025: and AWS's attributes
#[test]
fn what_is_not_written_is_aws_default() {
    let expected = ServerTargets {
        target_type: ServerType::Ip,
        protocol: TargetProtocol::Http,
        protocol_version: ProtocolVersion::Http1,
        port: 80,
        vpc: None,
        ip_address_type: IpAddressType::Ipv4,
        health_check: ServerHealthCheck::of_servers(ProtocolVersion::Http1),
        attributes: TargetGroupAttributes::default(),
        targets: vec![Target {
            id: TargetId::Ip("127.0.0.1".parse().unwrap()),
            port: 80,
            address: "127.0.0.1".parse().unwrap(),
            zone: Zone::Own,
        }],
    };
    assert_eq!(servers("{ targets: [127.0.0.1] }"), expected);
    let https = servers("{ targets: [127.0.0.1], protocol: https }");
    assert_eq!((https.protocol, https.port), (TargetProtocol::Https, 443));
    assert_eq!(https.targets[0].port, 443);
}

// ALB-R-023: a gRPC group has AWS's path and matcher
#[test]
fn grpc_groups_have_their_own_health_check() {
    let grpc = servers_of_grpc("");
    assert_eq!(grpc.health_check, ServerHealthCheck::of_servers(ProtocolVersion::Grpc));
    let grpc = servers_of_grpc(", health_check: { matcher: 0-99 }");
    let Matcher::Grpc(matcher) = &grpc.health_check.matcher else {
        panic!("gRPC statuses");
    };
    assert!(matcher.matches(0) && matcher.matches(99));
    assert_eq!(servers_of_grpc(", health_check: { matcher: 12 }"), servers_of_grpc(""));
}

fn servers_of_grpc(rest: &str) -> ServerTargets {
    let text = format!(
        "target_groups: {{ g: {{ targets: [127.0.0.1], protocol_version: grpc{rest} }} }}\nload_balancers:\n  a:\n    \
         listeners: [{{ port: 443, protocol: https, certificates: [{{ domain: a.localhost }}], default: {{ forward: g }} }}]\n"
    );
    group(&load(&text)).clone()
}

#[test]
fn everything_can_be_written() {
    let all = servers(
        r#"
    protocol: HTTP
    protocol_version: http1
    port: 8080
    target_type: ip
    ip_address_type: ipv4
    targets: ["127.0.0.1:9000", "127.0.0.1", "localhost:9001", { id: 10.0.0.7 }, { id: 10.0.0.7, port: 81, availability_zone: all }]
    health_check: { protocol: https, port: 8443, path: /healthz, interval: 10s, timeout: 5s, healthy_threshold: 3, unhealthy_threshold: 4, matcher: "200-299", enabled: true }
    stickiness: { type: lb_cookie, duration: 1h }
    algorithm: least_outstanding_requests
    anomaly_mitigation: off
    slow_start: 0s
    deregistration_delay: 10s
    cross_zone: true
    attributes:
      target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage: 50
      target_group_health.dns_failover.minimum_healthy_targets.count: off
"#,
    );
    let targets: Vec<_> = all
        .targets
        .iter()
        .map(|it| (it.socket().to_string(), it.zone.clone()))
        .collect();
    let expected = [
        ("127.0.0.1:9000", Zone::Own),
        ("127.0.0.1:8080", Zone::Own),
        ("127.0.0.1:9001", Zone::Own),
        ("10.0.0.7:8080", Zone::Own),
        ("10.0.0.7:81", Zone::All),
    ];
    assert_eq!(targets, expected.map(|(socket, zone)| (socket.to_owned(), zone)));
    let check = &all.health_check;
    assert_eq!(
        (check.protocol, check.port),
        (TargetProtocol::Https, HealthCheckPort::Port(8443))
    );
    assert_eq!(
        (check.path.as_str(), check.timing.interval(), check.timing.timeout()),
        ("/healthz", secs(10), secs(5))
    );
    assert_eq!(
        (check.healthy_threshold.count(), check.unhealthy_threshold.count()),
        (3, 4)
    );
    let Matcher::Http(matcher) = &check.matcher else {
        panic!("HTTP statuses");
    };
    assert_eq!(matcher.as_str(), "200-299");
    let attributes = &all.attributes;
    assert!(attributes.stickiness.enabled);
    assert_eq!(attributes.stickiness.stickiness_type, StickinessType::LbCookie);
    assert_eq!(attributes.stickiness.lb_cookie_duration, secs(3600));
    assert_eq!(attributes.algorithm, Algorithm::LeastOutstandingRequests);
    assert_eq!(
        (attributes.slow_start, attributes.deregistration_delay),
        (None, secs(10))
    );
    assert_eq!(attributes.cross_zone, CrossZone::On);
    assert_eq!(attributes.unhealthy_state_routing.percentage, Some(50));
    assert_eq!(attributes.dns_failover.count, None);
}

#[test]
fn short_forms_are_attributes() {
    let pairs = [
        (
            "algorithm: weighted_random",
            "load_balancing.algorithm.type: weighted_random",
        ),
        (
            "algorithm: weighted_random, anomaly_mitigation: on",
            "load_balancing.algorithm.type: weighted_random, load_balancing.algorithm.anomaly_mitigation: on",
        ),
        ("slow_start: 30s", "slow_start.duration_seconds: 30"),
        ("deregistration_delay: 1h", "deregistration_delay.timeout_seconds: 3600"),
        ("cross_zone: false", "load_balancing.cross_zone.enabled: false"),
        (
            "cross_zone: use_load_balancer_configuration",
            "load_balancing.cross_zone.enabled: use_load_balancer_configuration",
        ),
        ("stickiness: {}", "stickiness.enabled: true"),
        (
            "stickiness: { type: app_cookie, cookie_name: SESSION, duration: 1m }",
            "stickiness.enabled: true, stickiness.type: app_cookie, stickiness.app_cookie.cookie_name: SESSION, \
             stickiness.app_cookie.duration_seconds: 60",
        ),
        (
            "stickiness: { enabled: false, duration: 2s }",
            "stickiness.lb_cookie.duration_seconds: 2",
        ),
    ];
    for (short, attributes) in pairs {
        assert_eq!(
            servers(&format!("{{ targets: [127.0.0.1], {short} }}")),
            servers(&format!("{{ targets: [127.0.0.1], attributes: {{ {attributes} }} }}")),
            "{short}"
        );
    }
}

#[test]
fn instances_and_families_are_told_by_the_targets() {
    let instances = servers(
        "{ targets: [i-0123456789abcdef0, { id: i-0123456789abcdef0, port: 8080, availability_zone: eu-west-1a }] }",
    );
    assert_eq!(
        (instances.target_type, instances.ip_address_type),
        (ServerType::Instance, IpAddressType::Ipv4)
    );
    let sockets: Vec<_> = instances.targets.iter().map(|it| it.socket().to_string()).collect();
    assert_eq!(sockets, ["10.0.0.5:80", "10.0.0.5:8080"]);
    assert_eq!(instances.targets[0].id.to_string(), "i-0123456789abcdef0");
    assert_eq!(instances.targets[1].zone, Zone::Named("eu-west-1a".into()));

    let v6 = servers("{ targets: [\"[::1]:9000\", \"[fd00::1]\"] }");
    assert_eq!(
        (v6.target_type, v6.ip_address_type),
        (ServerType::Ip, IpAddressType::Ipv6)
    );
    let sockets: Vec<_> = v6.targets.iter().map(|it| it.socket().to_string()).collect();
    assert_eq!(sockets, ["[::1]:9000", "[fd00::1]:80"]);
    let instance = servers("{ targets: ['i-0123abcd:81'] }");
    assert_eq!(instance.ip_address_type, IpAddressType::Ipv6);
    assert_eq!(instance.targets[0].port, 81);
}

#[test]
fn a_target_that_names_the_own_zone_is_in_it() {
    let zoned = servers(
        "{ targets: [{ id: 10.0.0.7, availability_zone: us-east-1a }, { id: 10.0.0.8, availability_zone: us-east-1b }] }",
    );
    let zones: Vec<_> = zoned.targets.iter().map(|target| target.zone.clone()).collect();
    assert_eq!(zones, [Zone::Own, Zone::Named("us-east-1b".into())]);
}

#[test]
fn a_group_may_wait_for_its_targets() {
    for (group, expected) in [
        ("{ targets: [] }", ServerType::Ip),
        ("{ protocol: http }", ServerType::Ip),
        ("{ target_type: instance }", ServerType::Instance),
    ] {
        let loaded = load(&manifest(group));
        assert_eq!(super::servers::group(&loaded).target_type, expected, "{group}");
        let warnings: Vec<_> = loaded.warnings.iter().map(|it| it.message.as_str()).collect();
        assert!(
            warnings.contains(&"target group `g` has no `targets`; requests for it are answered with 503"),
            "{warnings:?}"
        );
    }
}

#[test]
fn functions_have_attributes_too() {
    let text = "functions: { f: { code: run } }\ntarget_groups:\n  g: { target_type: lambda, function: f, attributes: { lambda.multi_value_headers.enabled: true, load_balancing.cross_zone.enabled: use_load_balancer_configuration } }\n";
    let loaded = load(text);
    let TargetKind::Lambda(lambda) = &loaded.desired.target_groups[0].it.create.targets else {
        panic!("a group with a function");
    };
    assert!(lambda.multi_value_headers);
}
