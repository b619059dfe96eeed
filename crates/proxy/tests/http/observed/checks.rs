//! The health-check log.

use super::buckets::Buckets;
use crate::balance::origin::{self, Origin, until_healthy};
use crate::played::until;
use crate::support::*;
use model::elb::health_check::{HealthCheck, HealthCheckTiming};
use model::observed::{ReportedTarget, TargetState};
use proxy::LogFormat;
use serde_json::Value;
use std::time::Duration;

/// A server and a function, both checked.
fn checked(buckets: &Buckets, server: &Origin) -> Setup {
    let mut setup = origin::setup(
        vec![origin::group("web", &[server], |_| ())],
        forward(&[("web", 1), ("orders", 1)], None),
    );
    setup.groups = vec![("orders", false, Some("orders"))];
    setup.health_check = HealthCheck {
        enabled: true,
        timing: HealthCheckTiming::of_lambda(Duration::from_secs(10), Duration::from_secs(5)).unwrap(),
        ..HealthCheck::of_lambda()
    };
    setup.delivering(buckets)
}

fn until_checked(server: &Server, origin: &Origin) {
    until_healthy(server, &[origin]);
    until("the function is healthy", || {
        let reports = server.proxy.targets();
        let function = reports
            .iter()
            .find(|report| matches!(report.target, ReportedTarget::Function(_)));
        function.is_some_and(|report| report.health.state == TargetState::Healthy)
    });
}

// ALB-G-012: the health-check log has 8 fields; Lambda entries show the function ARN
#[test]
fn a_line_for_each_check() {
    let (buckets, origin) = (Buckets::default(), Origin::new("a"));
    let server = checked(&buckets, &origin).start();
    until_checked(&server, &origin);
    assert!(server.log().is_empty(), "health checks are in no access log");
    let lines: Vec<_> = buckets
        .lines("health-check-bucket", "health_check_log_")
        .iter()
        .map(|line| fields(line))
        .collect();
    assert!(lines.iter().all(|line| line.len() == 8), "{lines:?}");
    let of = |kind: &str| lines.iter().find(|line| line[0] == kind);
    let of_server = of("http").unwrap_or_else(|| panic!("{lines:?}"));
    let (secs, nanos) = of_server[2].split_once('.').unwrap();
    assert!(secs.parse::<u64>().is_ok() && nanos.len() == 9, "{of_server:?}");
    assert_eq!(of_server[3], origin.address().to_string());
    assert_eq!(of_server[4..], ["web", "PASS", "200", "-"]);
    let of_function = of("lambda").unwrap();
    assert_eq!(of_function[3], "arn:aws:lambda:us-east-1:123456789012:function:orders");
    assert_eq!(of_function[4..], ["orders", "PASS", "200", "-"]);
}

#[test]
fn as_json() {
    let (buckets, origin) = (Buckets::default(), Origin::new("a"));
    let server = Setup {
        log_format: LogFormat::Json,
        ..checked(&buckets, &origin)
    }
    .start();
    until_checked(&server, &origin);
    server.log_text();
    let lines = buckets.lines("health-check-bucket", "health_check_log_");
    let documents: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_server = documents.iter().find(|document| document["type"] == "http").unwrap();
    assert_eq!(of_server.as_object().unwrap().len(), 8);
    assert_eq!(of_server["status_code"], 200);
    assert!(
        of_server["latency"].is_f64() && of_server["reason_code"].is_null(),
        "{of_server}"
    );
}
