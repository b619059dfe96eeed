//! Logs in buckets, metrics in files, and what is told about both. Source: ALB 8.

use crate::support::*;
use flate2::read::GzDecoder;
use observe::{DatapointReader, Dimension, MetricFilter, StatisticsQuery};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::num::NonZeroU32;
use std::path::Path;

const ID: &str = "000000000000_elasticloadbalancing_us-east-1_app.shop.";

/// A load balancer with a server behind it, all of whose logs are delivered.
fn manifest_of(target: &Origin, logs: &str) -> String {
    format!(
        "target_groups:\n  web: {{ targets: ['{}'], health_check: {{ interval: 5s, timeout: 2s }} }}\n\
         load_balancers:\n  shop:\n    attributes: {{ {logs} }}\n    listeners:\n      - port: 8080\n        \
         default: {{ forward: web }}\n        rules:\n          \
         - {{ priority: 1, path: /fixed, fixed_response: {{ status: 404 }} }}\n",
        target.address()
    )
}

const LOGS: &str = "access_logs.s3.enabled: true, access_logs.s3.bucket: access, access_logs.s3.prefix: a/b, \
    connection_logs.s3.enabled: true, connection_logs.s3.bucket: others, \
    health_check_logs.s3.enabled: true, health_check_logs.s3.bucket: others";

fn target() -> Origin {
    Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
}

/// Every file below a folder, by its path in it, sorted.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            let inner = files(&entry.path()).into_iter();
            found.extend(inner.map(|(path, bytes)| (format!("{name}/{path}"), bytes)));
        } else {
            found.push((name, fs::read(entry.path()).unwrap()));
        }
    }
    found.sort();
    found
}

/// The lines of all log objects in a bucket whose names begin so.
#[track_caller]
fn lines(bucket: &Path, begin: &str) -> Vec<String> {
    let mut text = String::new();
    for (path, bytes) in files(bucket) {
        if path.rsplit('/').next().unwrap().starts_with(begin) {
            assert!(
                path.ends_with(".log.gz") && path.contains("/elasticloadbalancing/us-east-1/"),
                "{path}"
            );
            GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
        }
    }
    text.lines().map(str::to_owned).collect()
}

fn until_healthy(server: &Server) -> Value {
    until("the target is healthy", || {
        let (_, targets) = server.own_api("targets");
        let target = targets["targets"][0].clone();
        (target["state"] == "healthy").then_some(target)
    })
}

#[track_caller]
fn stop(mut server: Server) {
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
}

// ALB-G-009: objects are gzip under the documented key; a stop delivers the open interval
// ALB-G-010: enabling the logs writes the test objects
#[test]
fn logs_are_in_their_buckets_after_a_stop() {
    let (folder, target) = (new_folder(), target());
    folder.write("albacore.yaml", &manifest_of(&target, LOGS));
    let server = folder.up(&[]);
    until_healthy(&server);
    for _ in 0..3 {
        assert_eq!(get(server.socket(8080), "/").0, 200);
    }
    let state = until("all lines are written", || {
        let (_, status) = server.own_api("status");
        // Three requests, three connections, at least one check.
        let delivery = status["log_delivery"].clone();
        (delivery["lines_written"].as_u64().unwrap() >= 7).then_some(delivery)
    });
    assert_eq!(
        (&state["lines_lost"], &state["store_error"]),
        (&0.into(), &Value::Null),
        "{state}"
    );
    assert!(server.metric("albacore_log_delivery_lines_total").unwrap() >= 7.0);
    stop(server);
    let buckets = folder.path(".albacore/s3");
    let access = lines(&buckets.join("access/a/b"), ID);
    let file = fs::read_to_string(folder.path(".albacore/access.log")).unwrap();
    assert_eq!(access, file.lines().collect::<Vec<_>>());
    let connections = lines(&buckets.join("others"), &format!("conn_log_{ID}"));
    assert_eq!((access.len(), connections.len()), (3, 3));
    for line in &access {
        let trace = line.split(' ').find(|field| field.starts_with("TID_")).unwrap();
        assert!(
            connections.iter().any(|connection| connection.contains(trace)),
            "{line}"
        );
    }
    let checks = lines(&buckets.join("others"), &format!("health_check_log_{ID}"));
    assert!(
        !checks.is_empty() && checks.iter().all(|line| line.ends_with(" web PASS 200 -")),
        "{checks:?}"
    );
    let tests: Vec<_> = files(&buckets)
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| path.ends_with("File"))
        .collect();
    assert_eq!(
        tests,
        [
            "access/a/b/AWSLogs/000000000000/ELBAccessLogTestFile",
            "others/AWSLogs/000000000000/ELBConnectionLogTestFile",
            "others/AWSLogs/000000000000/ELBHealthCheckLogTestFile"
        ]
    );
}

#[test]
fn logs_can_be_json_and_elsewhere() {
    let (folder, target) = (new_folder(), target());
    folder.write("albacore.yaml", &manifest_of(&target, LOGS));
    let server = folder.up(&[
        "--log-format",
        "json",
        "--log-buckets",
        "buckets",
        "--access-log",
        "log",
    ]);
    until_healthy(&server);
    assert_eq!(get(server.socket(8080), "/").0, 200);
    let (_, requests) = server.own_api("requests");
    assert_eq!(requests["requests"][0]["elb_status_code"], "200", "as ever: {requests}");
    stop(server);
    let file = fs::read_to_string(folder.path("log")).unwrap();
    let line: Value = serde_json::from_str(&file).unwrap();
    assert_eq!(
        (&line["elb_status_code"], &line["ssl_cipher"]),
        (&200.into(), &Value::Null),
        "{line}"
    );
    assert_eq!(lines(&folder.path("buckets/access"), ID), [file.trim_end()]);
    for kind in ["conn_log_", "health_check_log_"] {
        let found = lines(&folder.path("buckets/others"), &format!("{kind}{ID}"));
        let parsed = found.iter().all(|line| serde_json::from_str::<Value>(line).is_ok());
        assert!(parsed && !found.is_empty(), "{found:?}");
    }
}

// ALB-G-010: a bucket that does not take the test object is refused, with its attribute
#[test]
fn a_bucket_that_cannot_be_written_is_refused() {
    let (folder, target) = (new_folder(), target());
    folder.write("s3", "a file where a folder should be");
    folder.write("albacore.yaml", &manifest_of(&target, LOGS));
    let refused = folder.run(&[
        "up",
        "--endpoint",
        "127.0.0.1:0",
        "--publish",
        "8080:0",
        "--log-buckets",
        "s3",
    ]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let expected = "the logs of load balancer `shop` cannot be delivered: access_logs.s3.bucket \"access\" does not take \
                    the test object a/b/AWSLogs/000000000000/ELBAccessLogTestFile: ";
    assert!(
        refused.err.contains("albacore.yaml:4:") && refused.err.contains(expected),
        "{}",
        refused.err
    );
    // Neither does a running server take it; what it serves stays.
    folder.write("albacore.yaml", &manifest_of(&target, ""));
    let mut server = folder.up(&["--log-buckets", "s3"]);
    folder.write("albacore.yaml", &manifest_of(&target, LOGS));
    let mistake = server.notice("mistake");
    assert!(mistake["message"].as_str().unwrap().starts_with(expected), "{mistake}");
    assert_eq!(get(server.socket(8080), "/fixed").0, 404);
}

/// The sum of a metric over all minutes.
#[track_caller]
fn sum(reader: &DatapointReader, metric: &str, dimensions: &[(&str, &str)]) -> f64 {
    let dimensions: Vec<_> = dimensions
        .iter()
        .map(|(name, value)| Dimension { name, value })
        .collect();
    let query = StatisticsQuery {
        namespace: "AWS/ApplicationELB",
        metric,
        dimensions: &dimensions,
        unit: None,
        from_minute: 0,
        until_minute: u64::MAX,
        period_minutes: NonZeroU32::MIN,
    };
    let points = reader.statistics(&query).unwrap();
    points.iter().map(|point| point.statistics.sum).sum()
}

#[test]
fn metrics_are_kept_as_cloudwatch_has_them() {
    let (folder, target) = (new_folder(), target());
    folder.write("albacore.yaml", &manifest_of(&target, ""));
    let server = folder.up(&["--availability-zone", "us-east-1c"]);
    until_healthy(&server);
    for path in ["/", "/", "/", "/fixed"] {
        get(server.socket(8080), path);
    }
    let id = |kind: &str| {
        let (_, status) = server.own_api("status");
        let arn = match kind {
            "loadbalancer/" => &status["load_balancers"][0]["arn"],
            _ => &status["targets"][0]["target_group"],
        };
        let (_, id) = arn.as_str().unwrap().split_once(kind).unwrap();
        id.to_owned()
    };
    let (load_balancer, group) = (id("loadbalancer/"), format!("targetgroup/{}", id("targetgroup/")));
    let zone = "availability_zone=\"us-east-1c\"";
    let name = format!(
        "albacore_proxy_target_group_requests_total{{target_group=\"{group}\",load_balancer=\"{load_balancer}\",{zone}}}"
    );
    assert_eq!(server.metric(&name), Some(3.0));
    stop(server);
    let reader = DatapointReader::new(folder.path(".albacore/metrics"));
    let (lb, tg) = (
        ("LoadBalancer", load_balancer.as_str()),
        ("TargetGroup", group.as_str()),
    );
    let az = ("AvailabilityZone", "us-east-1c");
    for dimensions in [&[lb][..], &[lb, az], &[lb, tg], &[lb, tg, az]] {
        assert_eq!(sum(&reader, "RequestCount", dimensions), 3.0, "{dimensions:?}");
    }
    assert_eq!(sum(&reader, "HTTP_Fixed_Response_Count", &[lb]), 1.0);
    assert!(sum(&reader, "ProcessedBytes", &[lb]) > 0.0);
    assert!(sum(&reader, "HealthyHostCount", &[lb, tg]) >= 1.0);
    let filter = MetricFilter {
        namespace: Some("AWS/ApplicationELB"),
        metric: Some("ConsumedLCUs"),
        dimensions: &[],
        from_minute: 0,
        after: None,
        limit: 10,
    };
    assert_eq!(reader.list_metrics(&filter).unwrap().len(), 1);
}

#[test]
fn status_tells_how_servers_are() {
    let (folder, target) = (new_folder(), target());
    folder.write("albacore.yaml", &manifest_of(&target, ""));
    let server = folder.up(&[]);
    let target_of = until_healthy(&server);
    let address = target.address().to_string();
    assert_eq!(
        (&target_of["target"], &target_of["server"]["address"]),
        (&address.clone().into(), &address.clone().into())
    );
    assert_eq!(target_of["server"]["availability_zone"], "us-east-1a");
    assert_eq!(target_of["server"]["health_check_port"], target.address().port());
    for _ in 0..2 {
        assert_eq!(get(server.socket(8080), "/").0, 200);
    }
    let counted = until("the requests have ended", || {
        let (_, targets) = server.own_api("targets");
        let server = targets["targets"][0]["server"].clone();
        (server["requests"] == 2 && server["outstanding"] == 0).then_some(server)
    });
    assert_eq!(
        (&counted["errors"], &counted["weight"]),
        (&0.into(), &1.0.into()),
        "{counted}"
    );
    assert_eq!(
        (&counted["anomaly"], &counted["mitigation_in_effect"]),
        (&"normal".into(), &false.into())
    );
    assert!(counted["mean_response_secs"].is_f64(), "{counted}");
    let shown = folder.run(&["status"]);
    shown.expect_success();
    for expected in [
        format!("target {address} of target group web\n  healthy\n  zone us-east-1a, checked on port "),
        "  requests: 0 outstanding, 2 so far, 0 errors, ".to_owned(),
        "log delivery ".to_owned(),
        "metrics      ".to_owned(),
    ] {
        assert!(shown.out.contains(&expected), "{expected:?} in {}", shown.out);
    }
}
