//! Target groups of servers.

use super::*;

pub(super) const SERVERS: &str = "
functions: { f: { code: run } }
target_groups:
  t: { protocol: http, port: 80, targets: [10.0.0.1, 10.0.0.2] }
  u: { function: f }
load_balancers:
  a:
    listeners:
      - port: 443
        protocol: https
        certificates: [{ domain: a.localhost }]
        default: { forward: t }
        rules:
          - { priority: 1, path: /a, forward: t }
          - { priority: 2, path: /b, forward: u }
";

#[test]
fn servers_come_and_go_without_anything_else() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("10.0.0.1, 10.0.0.2", "10.0.0.2, 10.0.0.1", &[]),
        ("10.0.0.2]", "10.0.0.2, 10.0.0.3]", &["RegisterServers"]),
        (", 10.0.0.2]", "]", &["DeregisterServers"]),
        ("10.0.0.2]", "'10.0.0.2:81']", &["DeregisterServers", "RegisterServers"]),
        (
            "10.0.0.2]",
            "{ id: 10.0.0.2, availability_zone: eu-west-1a }]",
            &["RegisterServers"],
        ),
        ("port: 80", "port: 80, slow_start: 30s", &["SetTargetGroupAttributes"]),
        (
            "port: 80",
            "port: 80, health_check: { path: /up }",
            &["SetServerHealthCheck"],
        ),
    ];
    for (old, new, expected) in cases {
        check(SERVERS, &SERVERS.replace(old, new), expected);
    }
    assert_eq!(
        load(&SERVERS.replace("10.0.0.1, 10.0.0.2", "10.0.0.2, 10.0.0.1")).warnings,
        []
    );
}

#[test]
fn what_is_fixed_at_creation_is_made_anew_for_everybody_who_uses_it() {
    let anew = [
        "DeleteRule",
        "ModifyListener",
        "DeleteTargetGroup",
        "CreateTargetGroup",
        "ModifyListener",
        "CreateRule",
    ];
    for (old, new) in [
        ("protocol: http,", "protocol: https,"),
        ("protocol: http,", "protocol_version: http2,"),
        ("port: 80", "port: 81"),
        ("[10.0.0.1, 10.0.0.2]", "['[::1]:80']"),
        (
            "protocol: http, port: 80, targets: [10.0.0.1, 10.0.0.2]",
            "target_type: instance",
        ),
    ] {
        check(SERVERS, &SERVERS.replace(old, new), &anew);
        check(&SERVERS.replace(old, new), SERVERS, &anew);
    }
    // A function takes the place of servers, and the other way round.
    let function = SERVERS.replace("protocol: http, port: 80, targets: [10.0.0.1, 10.0.0.2]", "function: f");
    let mut with_function = anew.to_vec();
    with_function.insert(4, "RegisterFunction");
    check(SERVERS, &function, &with_function);
    check(&function, SERVERS, &anew);
}

#[test]
fn cross_zone_goes_off_after_the_last_target_of_all_zones() {
    let everywhere = SERVERS.replace("10.0.0.2]", "{ id: 10.0.0.2, availability_zone: all }]");
    let own_zone = SERVERS.replace("port: 80", "port: 80, cross_zone: false");
    check(&everywhere, &own_zone, &["RegisterServers", "SetTargetGroupAttributes"]);
    check(&own_zone, &everywhere, &["SetTargetGroupAttributes", "RegisterServers"]);
}

#[test]
fn targets_change_under_the_limit() {
    let targets = |network: u8| {
        let all: Vec<_> = (1..=1000).map(|port| format!("'10.0.{network}.1:{port}'")).collect();
        SERVERS.replace("[10.0.0.1, 10.0.0.2]", &format!("[{}]", all.join(", ")))
    };
    let steps = steps(&targets(1), &targets(2));
    assert_eq!(steps, ["DeregisterServers", "RegisterServers"]);
}
