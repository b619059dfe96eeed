//! Lines of the access log of every kind, as text and as JSON. `log` and `relay` look at single fields.

use crate::frames::{get, run};
use crate::http2_relay::target as h2;
use crate::played::until;
use crate::relay::origin::{self, Origin};
use crate::secure::*;
use crate::support::*;
use model::elb::action::redirect::RedirectParts;
use proxy::LogFormat;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::Duration;

/// The names of the fields, in order. Source: ALB 8.1.2.
const NAMES: &str = "type time elb client:port target:port request_processing_time target_processing_time \
    response_processing_time elb_status_code target_status_code received_bytes sent_bytes request user_agent ssl_cipher \
    ssl_protocol target_group_arn trace_id domain_name chosen_cert_arn matched_rule_priority request_creation_time \
    actions_executed redirect_url error_reason target:port_list target_status_code_list classification \
    classification_reason conn_trace_id transformed_host transformed_uri request_transform_status";

const NUMBERS: [&str; 8] = [
    "request_processing_time",
    "target_processing_time",
    "response_processing_time",
    "elb_status_code",
    "target_status_code",
    "received_bytes",
    "sent_bytes",
    "matched_rule_priority",
];

/// An answer to a WebSocket's request.
const AGREE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Where nobody listens.
fn nowhere() -> std::net::SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A load balancer that ends requests in many ways, by their path.
fn every_way(web: &Origin, silent: &Origin) -> Setup {
    let to = RedirectParts {
        path: Some("/to"),
        ..RedirectParts::default()
    };
    let mut setup = Setup::lambda(false, answering(r#"{"statusCode":201,"body":"hello"}"#))
        .rule(1, vec![path(&["/fixed"])], fixed(404, "nothing"))
        .rule(2, vec![path(&["/redirect"])], redirect(&to))
        .rule(3, vec![path(&["/web"])], forward(&[("web", 1)], None))
        .rule(4, vec![path(&["/silent"])], forward(&[("silent", 1)], None))
        .rule(5, vec![path(&["/refused"])], forward(&[("refused", 1)], None))
        .rule(6, vec![path(&["/empty"])], forward(&[("empty", 1)], None));
    setup.extra = vec![
        origin::group("web", &[web.address()], |_| ()),
        origin::group("silent", &[silent.address()], |_| ()),
        origin::group("refused", &[nowhere()], |_| ()),
        origin::group("empty", &[], |_| ()),
    ];
    setup.attributes.idle_timeout = Duration::from_secs(1);
    setup
}

/// Asks in every way there is. How many lines that makes.
fn ask_in_every_way(server: &Server, silent: &Origin) -> usize {
    let statuses = [
        ("GET /fixed HTTP/1.1\r\nHost: a\r\nUser-Agent: -\r\n\r\n", 404),
        ("GET /redirect HTTP/1.1\r\nHost: a\r\n\r\n", 301),
        (
            "GET /web?a=\"b\" HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: probe/1 \u{e9}\r\n\r\n",
            200,
        ),
        ("GET /silent HTTP/1.1\r\nHost: a\r\n\r\n", 504),
        ("GET /refused HTTP/1.1\r\nHost: a\r\n\r\n", 502),
        ("GET /empty HTTP/1.1\r\nHost: a\r\n\r\n", 503),
        ("GET /function HTTP/1.1\r\nHost: a\r\n\r\n", 201),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("GET\r\n\r\n", 400),
    ];
    for (request, status) in statuses {
        assert_eq!(server.ask(request).status, status, "{request}");
    }
    let mut client = server.connect();
    client.send(b"GET /web HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    assert_eq!(client.response().status, 101);
    drop(client);
    let (accepted, mut client) = (silent.accepted(), server.connect());
    client.send(b"GET /silent HTTP/1.1\r\nHost: a\r\n\r\n");
    until("it is asked", || silent.accepted() > accepted);
    drop(client);
    let lines = statuses.len() + 2;
    until("all are logged", || server.requests().len() == lines);
    lines
}

fn web() -> Origin {
    Origin::playing(|line| {
        while let Some(asked) = line.request() {
            let upgrade = asked.header("upgrade").is_some();
            line.send(if upgrade { AGREE } else { origin::OK });
            if upgrade {
                line.rest();
                return;
            }
        }
    })
}

fn silent() -> Origin {
    Origin::playing(|line| {
        line.request();
        line.rest();
    })
}

// ALB-G-001: 33 fields, whatever became of the request
#[test]
fn every_line_has_33_fields() {
    let (web, silent) = (web(), silent());
    let server = every_way(&web, &silent).start();
    let count = ask_in_every_way(&server, &silent);
    let log = server.log();
    assert_eq!(log.len(), count);
    let mut seen = Vec::new();
    for line in &log {
        assert_eq!(line.len(), 33, "{line:?}");
        let is_server = line[4] != "-";
        let target = [web.address(), silent.address()].map(|address| address.to_string());
        assert!(!is_server || target.contains(&line[4]) || line[8] == "502", "{line:?}");
        assert_eq!(line[25], line[4], "{line:?}");
        assert_eq!(line[26], if is_server { line[9].as_str() } else { "-" }, "{line:?}");
        // What was given to nobody has no times.
        let was_given = !["400", "404", "301", "405", "502", "503"].contains(&line[8].as_str());
        assert_eq!(line[5] != "-1", was_given, "{line:?}");
        assert_eq!(line[6] != "-1", line[9] != "-", "{line:?}");
        seen.push((line[0].clone(), line[8].clone(), line[9].clone(), line[24].clone()));
    }
    seen.sort();
    let expected = [
        ("http", "201", "201", "-"),
        ("http", "200", "200", "-"),
        ("http", "301", "-", "-"),
        ("http", "400", "-", "MalformedHead"),
        ("http", "404", "-", "-"),
        ("http", "405", "-", "TraceNotAllowed"),
        ("http", "460", "-", "ClientClosed"),
        ("http", "502", "-", "TargetConnectionRefused"),
        ("http", "503", "-", "NoTargets"),
        ("http", "504", "-", "TargetResponseTimeout"),
        ("ws", "101", "101", "-"),
    ];
    let mut expected: Vec<_> = expected
        .map(|(kind, status, of_target, reason)| {
            (
                kind.to_owned(),
                status.to_owned(),
                of_target.to_owned(),
                reason.to_owned(),
            )
        })
        .into();
    expected.sort();
    assert_eq!(seen, expected);
}

/// What a field of a line of text is in JSON.
fn as_json(name: &str, field: &str) -> Value {
    let is_time = name.ends_with("processing_time");
    match field {
        "-" => Value::Null,
        _ if is_time => json!(field.parse::<f64>().unwrap()),
        _ if NUMBERS.contains(&name) => json!(field.parse::<u64>().unwrap()),
        _ => json!(field),
    }
}

#[test]
fn a_line_of_json_says_the_same() {
    let (web, silent) = (web(), silent());
    let setup = Setup {
        log_format: LogFormat::Json,
        ..every_way(&web, &silent)
    };
    let server = setup.start();
    ask_in_every_way(&server, &silent);
    // What is kept for people is text, whatever the log is.
    let kept: Vec<String> = server
        .requests()
        .into_iter()
        .map(|entry| String::from_utf8(entry.line).unwrap())
        .collect();
    let text = server.log_text();
    assert!(text.is_ascii());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), kept.len());
    let names: Vec<&str> = NAMES.split_whitespace().collect();
    assert_eq!(names.len(), 33);
    for (line, kept) in lines.iter().zip(&kept) {
        let document: Value = serde_json::from_str(line).unwrap();
        assert_eq!(document.as_object().unwrap().len(), 33, "{line}");
        let places: Vec<_> = names
            .iter()
            .map(|name| line.find(&format!("\"{name}\":")).unwrap())
            .collect();
        assert!(places.is_sorted(), "in the documented order: {line}");
        for (name, field) in names.iter().zip(fields(kept)) {
            let expected = match (*name, field.as_str()) {
                // Text escapes what JSON has no need to.
                ("request", field) => json!(field.replace("\\x22", "\"")),
                ("user_agent", field) if field.contains("\\x") => json!("probe/1 \u{e9}"),
                // A client that calls itself `-`.
                ("user_agent", "-") if line.contains("/fixed") => json!("-"),
                (name, field) => as_json(name, field),
            };
            let found = &document[name];
            let same = match (found.as_f64(), expected.as_f64()) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
                _ => *found == expected,
            };
            assert!(same, "{name}: {found} for {expected}");
        }
    }
}

#[test]
fn types_of_tls() {
    let web = web();
    let mut setup = origin::to(&[web.address()]).with_tls();
    setup.attributes.idle_timeout = Duration::from_secs(1);
    let server = setup.start();
    assert_eq!(server.secure(Offer::default()).get().status, 200);
    let mut socket = server.secure(Offer::default());
    socket.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    assert_eq!(socket.response().status, 101);
    drop(socket);
    run(async {
        let requests = h2::client_of(&server).await;
        assert_eq!(h2::fetch(&requests, get("/")).await.unwrap().status, 200);
    });
    until("all are logged", || server.requests().len() == 3);
    let log = server.log();
    let mut kinds: Vec<_> = log.iter().map(|line| line[0].as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["h2", "https", "wss"]);
    for line in &log {
        assert_eq!(line.len(), 33, "{line:?}");
        assert_eq!(
            [&line[14], &line[15]],
            ["TLS_AES_128_GCM_SHA256", "TLSv1.3"],
            "{line:?}"
        );
        assert_eq!(line[18], "shop.example");
        assert_eq!(line[4], web.address().to_string());
    }
}
