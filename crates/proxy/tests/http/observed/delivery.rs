//! Which logs are delivered where, and what happens when that changes.

use super::buckets::Buckets;
use crate::support::*;
use std::sync::Arc;

// ALB-G-009: file names follow the documented key pattern and contain gzip data
// ALB-G-010: enabling the logs writes the test objects
#[test]
fn each_log_goes_to_its_bucket() {
    let buckets = Buckets::default();
    let setup = Setup::default()
        .delivering(&buckets)
        .attribute("access_logs.s3.prefix", "a/b");
    let state = state_of(&setup.commands());
    let server = setup.start();
    server.proxy.check(&state).unwrap();
    server.get("/one");
    server.get("/two");
    let text = server.log_text();
    assert_eq!(buckets.lines("access-bucket", ""), text.lines().collect::<Vec<_>>());
    assert_eq!(buckets.lines("connection-bucket", "conn_log_").len(), 2);
    let keys = buckets.keys("access-bucket");
    let id = load_balancer_arn().to_string().rsplit('/').next().unwrap().to_owned();
    let begin = "a/b/AWSLogs/123456789012/elasticloadbalancing/us-east-1/";
    let name = format!("/123456789012_elasticloadbalancing_us-east-1_app.shop.{id}_");
    assert!(!keys.is_empty());
    for key in &keys {
        let (day, rest) = key.strip_prefix(begin).unwrap().split_at("2026/01/31".len());
        let rest = rest.strip_prefix(&name).unwrap();
        let parts: Vec<_> = rest.strip_suffix(".log.gz").unwrap().split('_').collect();
        let end = parts[0];
        assert!(end.starts_with(&day.replace('/', "")), "{key}");
        assert_eq!(
            (end.len(), parts[1], parts[2].len()),
            ("20260131T2340Z".len(), "192.0.2.7", 8),
            "{key}"
        );
    }
    let keys = buckets.keys("connection-bucket");
    assert!(
        keys[0].contains("/conn_log_123456789012_elasticloadbalancing_us-east-1_app.shop."),
        "{keys:?}"
    );
}

// ALB-G-010: or the configuration is refused, and what runs stays as it is
#[test]
fn a_bucket_that_takes_nothing_is_refused() {
    let buckets = Buckets::default();
    let server = Setup {
        log_store: Some(Arc::new(buckets.clone())),
        ..Setup::default()
    }
    .start();
    let wanted = Setup::default().delivering(&buckets);
    let state = state_of(&wanted.commands());
    buckets.close("connection-bucket", true);
    let refused = server.proxy.check(&state).unwrap_err();
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert!(
        refused.to_string().contains("the logs of load balancer arn:aws:"),
        "{refused}"
    );
    assert!(
        cause.starts_with("connection_logs.s3.bucket \"connection-bucket\" does not take the test object "),
        "{cause}"
    );
    assert_eq!(server.get("/").status, 200);
    buckets.close("connection-bucket", false);
    server.proxy.check(&state).unwrap();
    for (bucket, key) in [
        ("access-bucket", "ELBAccessLogTestFile"),
        ("connection-bucket", "ELBConnectionLogTestFile"),
        ("health-check-bucket", "ELBHealthCheckLogTestFile"),
    ] {
        assert_eq!(buckets.keys(bucket), [format!("AWSLogs/123456789012/{key}")]);
    }
    server.proxy.apply(&state).unwrap();
    // What is followed is not tested again.
    buckets.close("access-bucket", true);
    server.proxy.check(&state).unwrap();
}

#[test]
fn a_change_counts_from_the_next_request_on() {
    let buckets = Buckets::default();
    let setup = |bucket: Option<&str>| {
        let setup = Setup {
            log_store: Some(Arc::new(buckets.clone())),
            ..Setup::default()
        };
        match bucket {
            None => setup,
            Some(bucket) => setup
                .attribute("access_logs.s3.bucket", bucket)
                .attribute("access_logs.s3.enabled", "true"),
        }
    };
    let server = setup(None).start();
    let mut client = server.connect();
    for (path, bucket) in [
        ("/none", None),
        ("/first", Some("first")),
        ("/second", Some("second")),
        ("/off", None),
    ] {
        server.proxy.apply(&state_of(&setup(bucket).commands())).unwrap();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(server.log().len(), 4, "the file has all of them");
    for bucket in ["first", "second"] {
        let lines = buckets.lines(bucket, "");
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(&format!("/{bucket} HTTP/1.1")), "{lines:?}");
    }
}
