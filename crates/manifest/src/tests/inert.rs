//! Attributes without effect are told, with their places; defaults and attributes with an effect are not.

use super::warnings::warnings;

/// The warnings of a group of servers with these keys; they stand in line 2.
fn of_group(keys: &str) -> Vec<String> {
    warnings(&format!(
        "target_groups:\n  g: {{ targets: [10.0.0.1], {keys} }}\nload_balancers:\n  a: {{ listeners: [{{ port: 80, \
         default: {{ forward: g }} }}] }}\n"
    ))
}

#[test]
fn thresholds_of_dns() {
    let key = "target_group_health.dns_failover.minimum_healthy_targets";
    let said = |spot: &str, name: &str| {
        format!(
            "2:{spot}: `{key}.{name}` has no effect: albacore takes no address out of DNS; only the metrics \
             HealthyStateDNS and UnhealthyStateDNS follow it"
        )
    };
    let cases: &[(&str, &str, &[String])] = &[
        ("1", "off", &[]),
        ("2", "off", &[said("107", "count")]),
        ("off", "off", &[said("107", "count")]),
        ("1", "50", &[said("179", "percentage")]),
        ("2", "50", &[said("107", "count"), said("179", "percentage")]),
    ];
    for (count, percentage, expected) in cases {
        let text = format!("attributes: {{ {key}.count: {count}, {key}.percentage: {percentage} }}");
        assert_eq!(of_group(&text), *expected, "{text}");
    }
    // The thresholds for routing have one.
    let routing = "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage";
    assert_eq!(of_group(&format!("attributes: {{ {routing}: 50 }}")), [] as [&str; 0]);
}

#[test]
fn what_is_about_waf_and_zonal_shift() {
    let key = "waf.http2.traffic_inspection_behavior";
    let said = of_group(&format!("attributes: {{ {key}: inspect_after_sufficient_data }}"));
    let no_effect = "has no effect: there is no web ACL that would look";
    assert_eq!(said, [format!("2:82: `{key}` {no_effect}")]);
    assert_eq!(
        of_group(&format!("attributes: {{ {key}: inspect_immediately }}")),
        [] as [&str; 0]
    );
    let of_balancer = |value: &str| {
        warnings(&format!(
            "load_balancers:\n  a:\n    attributes:\n      waf.fail_open.enabled: {value}\n      \
             zonal_shift.config.enabled: {value}\n    listeners: [{{ port: 80, default: {{ fixed_response: 404 }} }}]\n"
        ))
    };
    let expected = [
        "4:7: `waf.fail_open.enabled` has no effect: there is no web ACL that could fail",
        "5:7: `zonal_shift.config.enabled` has no effect: albacore has one zone and no zonal shift",
    ];
    assert_eq!(of_balancer("true"), expected);
    assert_eq!(of_balancer("false"), [] as [&str; 0]);
}

#[test]
fn stickiness_that_is_off_or_of_another_type() {
    let off = "has no effect: `stickiness.enabled` is not `true`";
    let lb_duration = "stickiness.lb_cookie.duration_seconds";
    let app_duration = "stickiness.app_cookie.duration_seconds";
    let name = "stickiness.app_cookie.cookie_name";
    let cases: &[(&str, &[String])] = &[
        ("stickiness: { duration: 1h }", &[]),
        ("stickiness: { type: app_cookie, cookie_name: S, duration: 1h }", &[]),
        (
            "stickiness: { enabled: false, type: app_cookie, cookie_name: S, duration: 1h }",
            &[
                format!("2:65: `stickiness.type` {off}"),
                format!("2:90: `{name}` {off}"),
                format!("2:103: `{app_duration}` {off}"),
            ],
        ),
        // What the API prints of a fresh group.
        (
            "attributes: { stickiness.enabled: false, stickiness.type: lb_cookie, \
             stickiness.lb_cookie.duration_seconds: 86400, stickiness.app_cookie.duration_seconds: 86400 }",
            &[],
        ),
        (
            "attributes: { stickiness.lb_cookie.duration_seconds: 60 }",
            &[format!("2:82: `{lb_duration}` {off}")],
        ),
        (
            "attributes: { stickiness.enabled: true, stickiness.app_cookie.cookie_name: S }",
            &[format!(
                "2:104: `{name}` has no effect: `stickiness.type` is not `app_cookie`"
            )],
        ),
        (
            "attributes: { stickiness.enabled: true, stickiness.type: app_cookie, stickiness.app_cookie.cookie_name: S, \
             stickiness.lb_cookie.duration_seconds: 60 }",
            &[format!(
                "2:175: `{lb_duration}` has no effect: `stickiness.type` is `app_cookie`"
            )],
        ),
    ];
    for (keys, expected) in cases {
        assert_eq!(of_group(keys), *expected, "{keys}");
    }
}

#[test]
fn health_checks_of_functions_that_are_off() {
    let text = |check: &str| {
        format!(
            "functions: {{ f: {{ code: run }} }}\ntarget_groups: {{ g: {{ function: f, health_check: {check} }} }}\n\
             load_balancers: {{ a: {{ listeners: [{{ port: 80, default: {{ forward: g }} }}] }} }}\n"
        )
    };
    assert_eq!(warnings(&text("{ path: /health }")), [] as [&str; 0]);
    assert_eq!(
        warnings(&text("{ enabled: false, path: /health, matcher: 200 }")),
        [
            "2:68: `path` has no effect: `enabled` is `false`",
            "2:83: `matcher` has no effect: `enabled` is `false`",
        ]
    );
}

#[test]
fn logs_that_are_not_written() {
    let text = |attributes: &str| {
        format!(
            "load_balancers:\n  shop:\n    attributes: {{ {attributes} }}\n    listeners: [{{ port: 80, default: \
             {{ fixed_response: 404 }} }}]\n"
        )
    };
    let on = "access_logs.s3.enabled: true, access_logs.s3.bucket: logs, access_logs.s3.prefix: shop";
    assert_eq!(warnings(&text(on)), [] as [&str; 0]);
    assert_eq!(
        warnings(&text(
            "connection_logs.s3.bucket: logs, connection_logs.s3.prefix: shop, access_logs.s3.enabled: false"
        )),
        [
            "3:19: `connection_logs.s3.bucket` has no effect: `connection_logs.s3.enabled` is not `true`",
            "3:52: `connection_logs.s3.prefix` has no effect: `connection_logs.s3.enabled` is not `true`",
        ]
    );
}

#[test]
fn names_of_headers_that_targets_do_not_get() {
    let tls = "routing.http.request.x_amzn_tls_version.header_name";
    let chain = "routing.http.request.x_amzn_mtls_clientcert.header_name";
    let leaf = "routing.http.request.x_amzn_mtls_clientcert_leaf.header_name";
    let said =
        |spot: &str, key: &str, why: &str| format!("{spot}: `{key}` names a header that targets do not get: {why}");
    let of = |load_balancer: &str, mutual: &str, key: &str| {
        warnings(&format!(
            "trust_stores: {{ t: {{ ca_certificates_bundle: ca.pem }} }}\nload_balancers:\n  a:\n    attributes: {{ \
             {load_balancer} }}\n    listeners:\n      - port: 443\n        protocol: https\n        certificates: [{{ domain: \
             a.localhost }}]\n        mutual_authentication: {mutual}\n        attributes: {{ {key}: X-Mine }}\n        \
             default: {{ fixed_response: 404 }}\n      - port: 444\n        protocol: https\n        certificates: [{{ \
             domain: a.localhost }}]\n        mutual_authentication: {verify}\n        default: {{ fixed_response: 404 }}\n",
            verify = "{ mode: verify, trust_store: t }"
        ))
    };
    let verify = "{ mode: verify, trust_store: t }";
    let tells = "routing.http.x_amzn_tls_version_and_cipher_suite.enabled: true";
    let not_told = "the load balancer's `routing.http.x_amzn_tls_version_and_cipher_suite.enabled` is not `true`";
    let cases: &[(&str, &str, &str, Option<&str>)] = &[
        (tells, "off", tls, None),
        ("", "off", tls, Some(not_told)),
        ("", "off", chain, Some("`mutual_authentication` is `off`")),
        ("", "off", leaf, Some("`mutual_authentication` is `off`")),
        ("", "passthrough", chain, None),
        (
            "",
            "passthrough",
            leaf,
            Some("`mutual_authentication` is `passthrough`, not `verify`"),
        ),
        (
            "",
            verify,
            chain,
            Some("`mutual_authentication` is `verify`, not `passthrough`"),
        ),
        ("", verify, leaf, None),
    ];
    for (load_balancer, mutual, key, why) in cases {
        let expected: Vec<_> = why.iter().map(|why| said("10:23", key, why)).collect();
        assert_eq!(
            of(load_balancer, mutual, key),
            expected,
            "{load_balancer} {mutual} {key}"
        );
    }
}

#[test]
fn forwarded_for() {
    let cases: &[(&str, &[&str])] = &[
        ("routing.http.xff_client_port.enabled: true", &[]),
        (
            "routing.http.xff_header_processing.mode: remove, routing.http.xff_client_port.enabled: true",
            &[
                "3:68: `routing.http.xff_client_port.enabled` has no effect: `routing.http.xff_header_processing.mode` is not `append`",
            ],
        ),
        (
            "routing.http.xff_client_port.enabled: true, routing.http.xff_header_processing.mode: preserve",
            &[
                "3:19: `routing.http.xff_client_port.enabled` has no effect: `routing.http.xff_header_processing.mode` is not `append`",
            ],
        ),
        (
            "routing.http.xff_client_port.enabled: false, routing.http.xff_header_processing.mode: preserve",
            &[],
        ),
    ];
    for (attributes, expected) in cases {
        let text = format!(
            "load_balancers:\n  shop:\n    attributes: {{ {attributes} }}\n    listeners: [{{ port: 80, default: {{ fixed_response: 404 }} }}]\n"
        );
        assert_eq!(warnings(&text), *expected, "{attributes}");
    }
}
