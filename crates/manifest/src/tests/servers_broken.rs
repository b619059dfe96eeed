//! Everything that can be wrong with target groups of servers, with the field and the fix.

use super::*;

/// `group` as the group `g` in line 3.
fn group(group: &str) -> String {
    format!("functions: {{ f: {{ code: run }} }}\ntarget_groups:\n  g: {group}\n")
}

fn check_all(cases: &[(&str, &[&str])]) {
    for (written, expected) in cases {
        check(&group(written), expected);
    }
}

#[test]
fn keys() {
    check_all(&[
        (
            "{ targets: [10.0.0.1], protocol: tcp, protocol_version: http3, ip_address_type: dualstack, target_type: host }",
            &[
                "3:39: found the text `tcp`; expected `http` or `https`",
                "3:62: found the text `http3`; expected `http1`, `http2` or `grpc`",
                "3:86: found the text `dualstack`; expected `ipv4` or `ipv6`",
                "3:110: found the text `host`; expected `instance`, `ip` or `lambda`",
            ],
        ),
        (
            "{ targets: [], target_type: alb }",
            &[
                "3:34: found the target type `alb`: only Network Load Balancers forward to load balancers; expected `instance`, `ip` or `lambda`",
            ],
        ),
        (
            "{ targets: [], target_control_port: 3000 }",
            &[
                "3:21: found `target_control_port`: the target optimizer is not built: AWS has not published the protocol that its agents speak",
            ],
        ),
        (
            "{ targets: [], vpc_id: vpc-1, target: [] }",
            &[
                "3:21: found `vpc_id`: albacore has no VPC; targets are reached by their addresses",
                "3:36: found the unknown key `target`; did you mean `targets`?",
            ],
        ),
        (
            "{ targets: 10.0.0.1 }",
            &["3:17: found the text `10.0.0.1`; expected a list of targets"],
        ),
    ]);
}

// ALB-R-020: a target group with a function has no port, no protocol and no VPC
#[test]
fn a_group_has_a_function_or_servers() {
    check_all(&[
        (
            "{ function: f, targets: [10.0.0.1], protocol: http, protocol_version: http1, port: 80, ip_address_type: ipv4, vpc_id: v }",
            &[
                "3:21: found `targets` in a target group with a function, which has no further targets; expected it in a target group of servers",
                "3:42: found `protocol` in a target group with a function, which has no protocol; expected it in a target group of servers",
                "3:58: found `protocol_version` in a target group with a function, which has no protocol version; expected it in a target group of servers",
                "3:83: found `port` in a target group with a function, which has no port; expected it in a target group of servers",
                "3:93: found `ip_address_type` in a target group with a function, which has no address; expected it in a target group of servers",
                "3:116: found `vpc_id`: albacore has no VPC; targets are reached by their addresses",
            ],
        ),
        (
            "{ target_type: lambda, targets: [10.0.0.1] }",
            &[
                "3:29: found `targets` in a target group with a function, which has no further targets; expected it in a target group of servers",
            ],
        ),
        (
            "{ target_type: ip, function: f }",
            &[
                "3:25: found `function` in a target group of servers; expected it in a group of its own: actions forward to several groups by weight",
            ],
        ),
    ]);
}

#[test]
fn ports() {
    for port in ["0", "65536", "-1", "http", "80.5"] {
        let text = group(&format!("{{ targets: [10.0.0.1], port: {port} }}"));
        let found = mistakes(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("3:35: found ") && found[0].ends_with("; expected a port from 1 to 65535"),
            "{found:?}"
        );
    }
    check_all(&[
        (
            "{ targets: ['10.0.0.1:0', '10.0.0.1:65536', '10.0.0.1:http', { id: 10.0.0.1, port: 70000 }] }",
            &[
                "3:18: found the target `10.0.0.1:0`; expected a port from 1 to 65535 behind the colon",
                "3:32: found the target `10.0.0.1:65536`; expected a port from 1 to 65535 behind the colon",
                "3:50: found the target `10.0.0.1:http`; expected a port from 1 to 65535 behind the colon",
                "3:89: found the number `70000`; expected a port from 1 to 65535",
            ],
        ),
        (
            "{ targets: [10.0.0.1], health_check: { port: 0 } }",
            &["3:51: health check port \"0\" must be `traffic-port` or a port from 1 to 65535"],
        ),
    ]);
}

#[test]
fn targets() {
    let ranges = "is outside of the address ranges of targets: 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 172.16.0.0/12 \
                  and 192.168.0.0/16; with IPv6 ::1, fc00::/7 and 2000::/3";
    check_all(&[
        (
            "{ targets: [8.8.8.8, '8.8.4.4:80'] }",
            &[
                &format!("3:18: target 8.8.8.8 {ranges}"),
                &format!("3:27: target 8.8.4.4 {ranges}"),
            ],
        ),
        (
            "{ targets: ['db.local:80', { id: db.local }, 'http://10.0.0.1', '::1', 9000, {}] }",
            &[
                "3:18: found `db.local` where an address belongs; expected an IP address or an instance id: targets are addresses, names are not looked up",
                "3:39: found `db.local` where an address belongs; expected an IP address or an instance id: targets are addresses, names are not looked up",
                "3:51: found the target `http://10.0.0.1`; expected an address and a port alone; what is spoken is the group's `protocol`",
                "3:70: found the target `::1`; expected an IPv6 address in brackets: `[::1]`, with a port `[::1]:8080`",
                "3:77: found the number `9000`; expected a target such as `10.0.0.5:8080`, `10.0.0.5`, `[fd00::5]:8080` or an instance id (as text, in quotes: \"9000\")",
                "3:83: the key `id` is missing; expected an IP address or an instance id",
            ],
        ),
        (
            "{ port: 9000, targets: ['10.0.0.1:9000', 10.0.0.2, 10.0.0.1] }",
            &[
                "3:57: found the target 10.0.0.1 with port 9000 twice; expected each target once (it stands at 3:30 already)",
            ],
        ),
        (
            "{ targets: [{ id: 10.0.0.1, availability_zone: EU, zone: a }] }",
            &[
                "3:53: availability zone \"EU\" must be `all` or a name such as `eu-west-1a`: 1 to 64 lower-case letters, digits and hyphens",
                "3:57: found the unknown key `zone`; expected `id`, `port` or `availability_zone`",
            ],
        ),
        (
            "{ targets: [{ id: 10.0.0.1, availability_zone: all }], cross_zone: false }",
            &["3:18: target 10.0.0.1 cannot be in zone `all` while load_balancing.cross_zone.enabled is false"],
        ),
    ]);
}

#[test]
fn a_group_has_one_address_family() {
    let other = |id: &str, family: &str| {
        format!(
            "target {id} has the address {id}, but the group's ip_address_type is {family}; a group has one address family"
        )
    };
    check_all(&[
        (
            "{ targets: [10.0.0.1, '[::1]:80', 127.0.0.1] }",
            &[&format!("3:28: {}", other("::1", "ipv4"))],
        ),
        (
            "{ ip_address_type: ipv6, targets: ['[::1]:80', localhost] }",
            &[&format!("3:53: {}", other("127.0.0.1", "ipv6"))],
        ),
    ]);
}

#[test]
fn instances() {
    let text =
        "instances: { i-0123abcd: 10.0.0.5, i-0123abce: web1, web1: 10.0.0.1, i-0123abcf: 0.0.0.0 }\ntarget_groups:\n";
    let cases: &[(&str, &[&str])] = &[
        ("{ targets: [i-0123abcd, i-0123abce] }", &[]),
        (
            "{ targets: [i-0123abff, i-0123, i-0123abcf] }",
            &[
                "3:18: found the instance `i-0123abff`, whose address is not known; expected it in the section `instances`: `instances: { i-0123abff: 10.0.0.5 }`",
                "3:30: instance id \"i-0123\" must be \"i-\" and 8 or 17 hexadecimal digits",
                "3:38: instance i-0123abcf cannot have the address 0.0.0.0; it takes the address of a server",
            ],
        ),
        (
            "{ targets: [i-0123abcd, 10.0.0.1] }",
            &[
                "3:30: target 10.0.0.1 is no target of a group with target type instance; register instances by their ids",
            ],
        ),
        (
            "{ target_type: ip, targets: [i-0123abcd] }",
            &[
                "3:35: target i-0123abcd is no target of a group with target type ip; register servers by their addresses",
            ],
        ),
    ];
    for (group, expected) in cases {
        let always = [
            "1:48: found the text `web1`; expected an IP address such as `10.0.0.5`",
            "1:54: instance id \"web1\" must be \"i-\" and 8 or 17 hexadecimal digits",
        ];
        let expected: Vec<_> = always.iter().chain(*expected).copied().collect();
        check(&format!("{text}  g: {group}\n"), &expected);
    }
}

#[test]
fn a_thousand_targets_and_one() {
    let targets: String = (0..1001).map(|port| format!("    - 10.0.0.1:{}\n", port + 1)).collect();
    let text = format!("target_groups:\n  g:\n    targets:\n{targets}");
    check(
        &text,
        &["1004:7: the target group would have 1001 targets; the limit is 1000"],
    );
}

// ALB-R-024: health checks of servers cannot be disabled
#[test]
fn health_checks() {
    check_all(&[
        (
            "{ targets: [10.0.0.1], health_check: { enabled: false } }",
            &["3:54: health checks of servers cannot be disabled; they can be of a target group with a function"],
        ),
        (
            "{ targets: [10.0.0.1], health_check: { protocol: tcp, path: x, interval: 5s, timeout: 5s, matcher: 500, healthy_threshold: 1 } }",
            &[
                "3:55: found the text `tcp`; expected `http` or `https`",
                "3:66: health check path \"x\" must be 1 to 1024 visible ASCII characters and begin with \"/\"",
                "3:92: health check timeout 5s must be smaller than the interval 5s",
                "3:105: matcher \"500\" must be statuses from 200 to 499, such as \"200\", \"200,302\" or \"200-299\"",
                "3:129: healthy threshold 1 must be 2 to 10",
            ],
        ),
        (
            "{ targets: [10.0.0.1], health_check: { interval: 5s } }",
            &[
                "3:55: health check timeout 5s must be smaller than the interval 5s; it is the default, write a `timeout` too",
            ],
        ),
        (
            "{ targets: [10.0.0.1], protocol_version: grpc, health_check: { matcher: 200 } }",
            &["3:78: matcher \"200\" must be gRPC statuses from 0 to 99, such as \"12\", \"0,12\" or \"0-99\""],
        ),
        // With a version that is wrong itself nothing is said about the matcher.
        (
            "{ targets: [10.0.0.1], protocol_version: 2, health_check: { matcher: 12 } }",
            &["3:47: found the number `2`; expected `http1`, `http2` or `grpc` (as text, in quotes: \"2\")"],
        ),
    ]);
}

// ALB-R-026: a function has no deregistration delay
// ALB-R-027: slow start of 29 or 901 seconds
// ALB-R-028: application cookies without a name, and with the load balancer's
// ALB-R-029: weighted random with stickiness or slow start
#[test]
fn attributes() {
    let algorithm = "load_balancing.algorithm.type is weighted_random";
    check_all(&[
        (
            "{ function: f, deregistration_delay: 5s, stickiness: { type: lb_cookie }, attributes: { slow_start.duration_seconds: 30 } }",
            &[
                "3:21: found `deregistration_delay`: a target group with target type 'lambda' does not support the attribute deregistration_delay.timeout_seconds",
                "3:47: found `stickiness`: a target group with target type 'lambda' does not support the attribute stickiness.enabled",
                "3:94: a target group with target type 'lambda' does not support the attribute slow_start.duration_seconds",
            ],
        ),
        (
            "{ targets: [10.0.0.1], multi_value_headers: true }",
            &[
                "3:29: found `multi_value_headers`: a target group with target type 'instance' or 'ip' does not support the attribute lambda.multi_value_headers.enabled",
            ],
        ),
        (
            "{ targets: [10.0.0.1], slow_start: 29s, attributes: { slow_start.duration_second: 30, deregistration_delay.timeout_seconds: 3601 } }",
            &[
                "3:41: attribute \"slow_start.duration_seconds\" has the value \"29\"; expected 0 or a whole number from 30 to 900",
                "3:60: attribute \"slow_start.duration_second\" is not recognized; did you mean \"slow_start.duration_seconds\"?",
                "3:130: attribute \"deregistration_delay.timeout_seconds\" has the value \"3601\"; expected a whole number from 0 to 3600",
            ],
        ),
        (
            "{ targets: [10.0.0.1], slow_start: 901s, deregistration_delay: 500ms, anomaly_mitigation: true, algorithm: random }",
            &[
                "3:41: attribute \"slow_start.duration_seconds\" has the value \"901\"; expected 0 or a whole number from 30 to 900",
                "3:69: found the text `500ms`; expected whole seconds, such as `30s`",
                "3:96: attribute \"load_balancing.algorithm.anomaly_mitigation\" has the value \"true\"; expected `on` or `off`",
                "3:113: attribute \"load_balancing.algorithm.type\" has the value \"random\"; expected `round_robin`, `least_outstanding_requests` or `weighted_random`",
            ],
        ),
        (
            "{ targets: [10.0.0.1], algorithm: weighted_random, stickiness: {}, slow_start: 30s }",
            &[
                &format!("3:69: stickiness.enabled must be false while {algorithm}"),
                &format!("3:85: slow_start.duration_seconds must be 0 while {algorithm}; slow start needs round_robin"),
            ],
        ),
        (
            "{ targets: [10.0.0.1], stickiness: { type: app_cookie }, cross_zone: false }",
            &[
                "3:49: stickiness.app_cookie.cookie_name must be set while stickiness.type is app_cookie",
                "3:75: stickiness.enabled must be false while load_balancing.cross_zone.enabled is false",
            ],
        ),
        (
            "{ targets: [10.0.0.1], stickiness: { type: app_cookie, cookie_name: AWSALBAPP-0, duration: 8d } }",
            &[
                "3:74: attribute \"stickiness.app_cookie.cookie_name\" has the value \"AWSALBAPP-0\"; expected a name that does not begin with `AWSALB`, as the load balancer's own cookies do",
                "3:97: found the text `8d`; expected a duration such as `10s`, `1m30s`, `500ms` or `1h`",
            ],
        ),
        (
            "{ targets: [10.0.0.1], stickiness: { cookie_name: SESSION } }",
            &[
                "3:43: found `cookie_name` without `type: app_cookie`; expected it with that type only: the load balancer's own cookie is AWSALB",
            ],
        ),
        (
            "{ targets: [10.0.0.1], attributes: { target_group_health.unhealthy_state_routing.minimum_healthy_targets.count: 2 } }",
            &[
                "3:118: target_group_health.dns_failover.minimum_healthy_targets.count is 1; it must not be lower than target_group_health.unhealthy_state_routing.minimum_healthy_targets.count, which is 2",
            ],
        ),
    ]);
}

#[test]
fn short_forms_beside_their_attributes() {
    let both = |attribute: &str, short: &str| {
        format!("found `{attribute}` beside `{short}`, which sets the same attribute; expected one of them")
    };
    check_all(&[
        (
            "{ targets: [10.0.0.1], slow_start: 30s, attributes: { slow_start.duration_seconds: 30 } }",
            &[&format!("3:60: {}", both("slow_start.duration_seconds", "slow_start"))],
        ),
        (
            "{ targets: [10.0.0.1], stickiness: {}, attributes: { stickiness.type: lb_cookie, stickiness.enabled: true } }",
            &[
                &format!("3:59: {}", both("stickiness.type", "stickiness")),
                &format!("3:87: {}", both("stickiness.enabled", "stickiness")),
            ],
        ),
        (
            "{ function: f, multi_value_headers: true, attributes: { lambda.multi_value_headers.enabled: true } }",
            &[&format!(
                "3:62: {}",
                both("lambda.multi_value_headers.enabled", "multi_value_headers")
            )],
        ),
    ]);
}

/// HTTP/2 is spoken to targets for clients that may speak it, and so not from an HTTP listener.
#[test]
fn a_group_used_by_two_protocols() {
    for (version, name) in [("http2", "HTTP2"), ("grpc", "GRPC")] {
        let text = format!(
            "target_groups:
  g: {{ protocol_version: {version}, targets: [10.0.0.1] }}
load_balancers:
  a:
    listeners:
      - {{ port: 443, protocol: https, certificates: [{{ domain: a.localhost }}], default: {{ forward: g }} }}
      - port: 80
        default: {{ forward: g }}
        rules: [{{ priority: 1, path: /a, forward: g }}]
"
        );
        let refused = format!(
            "target group `g` has the protocol version {name}, which only HTTPS listeners can forward to; this one is \
             an HTTP listener"
        );
        check(&text, &[&format!("8:29: {refused}"), &format!("9:51: {refused}")]);
    }
}

#[test]
fn application_cookies_among_several_groups() {
    let text = "target_groups:
  g: { targets: [10.0.0.1], stickiness: { type: app_cookie, cookie_name: SESSION } }
  h: { targets: [10.0.0.2] }
load_balancers: { a: { listeners: [{ port: 80, default: { forward: { g: 1, h: 1 } } }] } }
";
    check(
        text,
        &[
            "4:68: target group `g` has stickiness of type app_cookie, which does not work in a forward action with several target groups",
        ],
    );
}

#[test]
fn logs_without_a_bucket() {
    let text = "load_balancers:
  a:
    attributes: { access_logs.s3.enabled: true, connection_logs.s3.enabled: true, connection_logs.s3.bucket: logs, health_check_logs.s3.prefix: ../x }
    listeners: [{ port: 80, default: { fixed_response: 404 } }]
";
    let prefix = "3:145: attribute \"health_check_logs.s3.prefix\" has the value \"../x\"; expected a prefix of keys without `AWSLogs`: names with single slashes between them, none of them `.` or `..`, up to 1024 characters";
    check(text, &[prefix]);
    check(
        &text.replace("../x", "x"),
        &["3:19: attribute \"access_logs.s3.enabled\" needs \"access_logs.s3.bucket\", which is not set"],
    );
}
