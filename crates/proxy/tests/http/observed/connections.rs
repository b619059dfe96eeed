//! The connection log. What it says of client certificates is told in `mtls`.

use super::buckets::Buckets;
use crate::played::until;
use crate::secure::*;
use crate::support::*;
use proxy::LogFormat;
use serde_json::Value;

const BUCKET: &str = "connection-bucket";
const PREFIX: &str = "conn_log_";

// ALB-G-008: conn_trace_id equals the access log's
// ALB-G-011: one line per connection with 13 fields
#[test]
fn one_line_for_each_connection() {
    let buckets = Buckets::default();
    let server = Setup::default().delivering(&buckets).start();
    let mut client = server.connect();
    let port = client.stream.local_addr().unwrap().port();
    for _ in 0..2 {
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.response().status, 200);
    }
    server.get("/other");
    drop(server.connect()); // it never asks anything
    until("all are accepted", || {
        server.counter("albacore_proxy_new_connections_total") == 3.0
    });
    let log = server.log();
    let lines = buckets.lines(BUCKET, PREFIX);
    assert_eq!(lines.len(), 3, "{lines:?}");
    let fields: Vec<_> = lines.iter().map(|line| fields(line)).collect();
    for line in &fields {
        assert_eq!(line.len(), 13, "{line:?}");
        assert_eq!(
            (line[0].len(), line[0].ends_with('Z')),
            ("2026-02-03T09:15:27.104211Z".len(), true)
        );
        assert_eq!((line[1].as_str(), line[3].as_str()), ("127.0.0.1", "8080"));
        assert!(
            line[4..11].iter().all(|field| field == "-") && line[12] == "-",
            "{line:?}"
        );
    }
    assert_eq!(fields[0][2], port.to_string());
    assert_eq!(
        [&log[0][29], &log[1][29], &log[2][29]],
        [&fields[0][11], &fields[0][11], &fields[1][11]]
    );
    assert_ne!(fields[0][11], fields[1][11]);
}

// ALB-G-008: conn_trace_id equals the access log's, over TLS
// ALB-G-011: failed handshakes and those who say nothing have their line, too
#[test]
fn handshakes() {
    let buckets = Buckets::default();
    let server = Setup::default().delivering(&buckets).with_tls().start();
    let errors = || server.counter("albacore_proxy_tls_negotiation_errors_total");
    let opened = || server.counter("albacore_proxy_new_connections_total");
    assert_eq!(server.secure(Offer::default()).get().status, 200);
    until("it is logged", || server.requests().len() == 1);
    server.until_closed(&[0xff; 100]);
    until("it failed", || errors() == 1.0);
    drop(server.connect());
    until("it ended", || opened() == 3.0);
    assert_eq!(server.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 400);
    assert_eq!(
        (errors(), opened()),
        (1.0, 4.0),
        "who says nothing has failed at nothing"
    );
    let log = server.log();
    let lines: Vec<_> = buckets.lines(BUCKET, PREFIX).iter().map(|line| fields(line)).collect();
    assert!(lines.iter().all(|line| line.len() == 13), "{lines:?}");
    let [good, bad, silent, clear] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert_eq!([&good[4], &good[5]], ["TLSv1.3", "TLS_AES_128_GCM_SHA256"]);
    let (whole, part) = good[6].split_once('.').unwrap();
    assert!(whole.parse::<u64>().is_ok() && part.len() == 3, "{good:?}");
    assert_eq!(good[7..11], ["-", "-", "-", "Success"]);
    assert_eq!(good[11], log[0][29]);
    assert_ne!(good[12], "-");
    for failed in [bad, silent] {
        assert_eq!(failed[4..10], ["-", "-", "-", "-", "-", "-"], "{failed:?}");
        assert_eq!([&failed[10], &failed[12]], ["Failed:UnmappedConnectionError", "-"]);
    }
    assert_eq!([&clear[4], &clear[10], &clear[11]], ["-", "-", &log[1][29]]);
}

#[test]
fn as_json() {
    let buckets = Buckets::default();
    let mut setup = Setup::default().delivering(&buckets).with_tls();
    setup.log_format = LogFormat::Json;
    let server = setup.start();
    assert_eq!(server.secure(Offer::default()).get().status, 200);
    assert_eq!(server.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 400);
    server.log_text();
    let lines: Vec<Value> = buckets
        .lines(BUCKET, PREFIX)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [secure, clear] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert_eq!(secure.as_object().unwrap().len(), 13);
    assert_eq!(secure["listener_port"], 8080);
    assert!(
        secure["client_port"].is_u64() && secure["tls_handshake_latency"].is_f64(),
        "{secure}"
    );
    assert_eq!(secure["tls_verify_status"], "Success");
    assert_eq!(secure["leaf_client_cert_subject"], Value::Null);
    for none in [
        "tls_protocol",
        "tls_cipher",
        "tls_handshake_latency",
        "tls_verify_status",
        "tls_keyexchange",
    ] {
        assert_eq!(clear[none], Value::Null, "{none}");
    }
    assert!(clear["conn_trace_id"].as_str().unwrap().starts_with("TID_"));
}
