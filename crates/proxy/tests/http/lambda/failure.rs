//! What goes wrong with functions, and how long they may take.

use crate::played::*;
use crate::support::*;
use invoke::{InvokeOutcome, InvokeRefusal};
use model::{Command, FunctionArn};
use std::sync::Arc;
use std::time::Duration;

const USER_ERRORS: &str = "albacore_proxy_lambda_user_errors_total";
const INTERNAL_ERRORS: &str = "albacore_proxy_lambda_internal_errors_total";

/// The sum of a counter's samples of one class of statuses.
fn of_class(server: &Server, name: &str, class: &str) -> f64 {
    let text = server.metrics();
    let wanted = format!("class=\"{class}\"");
    let samples = text
        .lines()
        .filter(|line| line.starts_with(name) && line.contains(&wanted));
    samples
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum()
}

// ALB-L-006: a group without a function answers 503
// ALB-B-021: no target gives 503
#[test]
fn a_group_without_a_function() {
    let mut setup = Setup::lambda(false, answering("{}"));
    setup.groups = vec![("orders", false, None)];
    let server = setup.start();
    let response = server.ask(&post("hello"));
    assert_eq!((response.status, response.body.len()), (503, 162));
    let log = server.log();
    assert_eq!(log[0][4..10], ["-", "-1", "-1", "-1", "503", "-"]);
    assert_eq!(log[0][16], group_arn("orders").to_string());
}

// ALB-L-068: after the function is deregistered new requests answer 503
#[test]
fn a_deregistered_function() {
    let setup = Setup::lambda(false, answering(r#"{"statusCode":200}"#));
    let mut commands = setup.commands();
    let server = setup.start();
    let mut client = server.connect();
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 200);
    commands.push(Command::DeregisterFunction(
        group_arn("orders"),
        FunctionArn::new(&scope(), "orders"),
    ));
    server.proxy.apply(&state_of(&commands)).unwrap();
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 503);
}

fn failed(error_type: &str) -> InvokeOutcome {
    InvokeOutcome::FunctionError {
        error_type: error_type.to_owned(),
        payload: r#"{"errorMessage":"no"}"#.into(),
    }
}

// ALB-L-055: a function that throws is 502, LambdaUnhandled
// ALB-L-056: so is one that times out
// ALB-L-057: throttling is 502 and not 429, LambdaThrottling
// ALB-L-062: a failure counts as LambdaUserError and not as a 5xx of the target
#[test]
fn every_way_to_fail() {
    for (outcome, status, reason, user) in [
        (failed("Runtime.UserCodeError"), 502, "LambdaUnhandled", true),
        (failed("Sandbox.Timedout"), 502, "LambdaUnhandled", true),
        (
            InvokeOutcome::Refused(InvokeRefusal::Throttled),
            502,
            "LambdaThrottling",
            true,
        ),
        (
            InvokeOutcome::Refused(InvokeRefusal::AccessDenied),
            502,
            "LambdaAccessDenied",
            true,
        ),
        (
            InvokeOutcome::Refused(InvokeRefusal::NotFound),
            502,
            "LambdaResourceNotFound",
            true,
        ),
        (
            InvokeOutcome::Refused(InvokeRefusal::RequestTooLarge),
            413,
            "LambdaRequestTooLarge",
            true,
        ),
        (
            InvokeOutcome::Refused(InvokeRefusal::InvalidZipFile),
            502,
            "LambdaInvalidZipFileException",
            true,
        ),
        (
            InvokeOutcome::Refused(InvokeRefusal::InvalidRuntime),
            502,
            "LambdaInvalidRuntimeException",
            true,
        ),
        (
            InvokeOutcome::Refused(InvokeRefusal::ServiceFailure),
            502,
            "LambdaServiceException",
            false,
        ),
        (InvokeOutcome::Buffered("[]".into()), 502, "LambdaInvalidResponse", true),
    ] {
        let server = Setup::lambda(false, ending(outcome)).start();
        let response = server.get("/");
        assert_eq!(response.status, status, "{reason}");
        assert_eq!(response.header("content-type"), Some("text/html"), "{reason}");
        let counted = (server.counter(USER_ERRORS), server.counter(INTERNAL_ERRORS));
        assert_eq!(counted, if user { (1.0, 0.0) } else { (0.0, 1.0) }, "{reason}");
        assert_eq!(
            of_class(&server, "albacore_proxy_target_responses", "5xx"),
            0.0,
            "{reason}"
        );
        let class = if status == 413 { "4xx" } else { "5xx" };
        assert_eq!(
            of_class(&server, "albacore_proxy_elb_responses", class),
            1.0,
            "{reason}"
        );
        assert!(server.requests()[0].verdict.is_some(), "{reason}");
        let log = server.log();
        assert_eq!((log[0][24].as_str(), log[0][9].as_str()), (reason, "-"));
    }
}

// ALB-L-063: a 500 of the function counts for the target and not for the load balancer
// ALB-G-014: no response counts as both
#[test]
fn a_500_of_the_function_is_the_targets() {
    let server = Setup::lambda(false, answering(r#"{"statusCode":500}"#)).start();
    assert_eq!(server.get("/").status, 500);
    assert_eq!(of_class(&server, "albacore_proxy_target_responses", "5xx"), 1.0);
    assert_eq!(of_class(&server, "albacore_proxy_elb_responses", "5xx"), 0.0);
    assert_eq!(server.counter(USER_ERRORS), 0.0);
    let failing = Setup::lambda(false, answering("{}")).start();
    assert_eq!(failing.get("/").status, 502);
    assert_eq!(of_class(&failing, "albacore_proxy_target_responses", "5xx"), 0.0);
    assert_eq!(of_class(&failing, "albacore_proxy_elb_responses", "5xx"), 1.0);
}

// ALB-L-067: the target is `-`, target_status_code is the function's status
#[test]
fn log_lines_of_functions() {
    let server = Setup::lambda(false, answering(r#"{"statusCode":418,"body":"tea"}"#)).start();
    server.get("/");
    let log = server.log();
    assert_eq!(
        (log[0][4].as_str(), log[0][8].as_str(), log[0][9].as_str()),
        ("-", "418", "418")
    );
    assert!(
        log[0][5..8].iter().all(|took| took.parse::<f64>().unwrap() >= 0.0),
        "{log:?}"
    );
    assert_eq!(log[0][25..27], ["-", "-"]);
}

// ALB-G-017: LambdaTargetProcessedBytes counts event and answer
#[test]
fn processed_bytes() {
    let seen = Seen::default();
    let document = r#"{"statusCode":200,"body":"hello"}"#;
    let server = Setup::lambda(false, seen.answering(document)).start();
    server.get("/");
    let event = seen.invocations()[0].payload.len();
    let counted = server.counter("albacore_proxy_lambda_processed_bytes_total");
    assert_eq!(counted, (event + document.len()) as f64);
}

// ALB-L-059: a function that runs longer than the idle timeout still answers
#[test]
fn a_function_may_outlast_the_idle_timeout() {
    let slow: Function = Arc::new(|_| {
        Box::pin(async {
            // tidy: allow(sleep): the function's own work, longer than the idle timeout
            tokio::time::sleep(Duration::from_millis(1500)).await;
            InvokeOutcome::Buffered(r#"{"statusCode":200,"body":"late"}"#.into())
        })
    });
    let server = Setup::lambda(false, slow)
        .attribute("idle_timeout.timeout_seconds", "1")
        .start();
    let mut client = server.connect();
    for _ in 0..2 {
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let response = client.response();
        assert_eq!((response.status, response.text()), (200, "late"));
    }
}

// ALB-H-038: a client that leaves before the answer is logged as 460
#[test]
fn a_client_that_leaves_does_not_stop_the_function() {
    let (gate, function) = Gate::before(r#"{"statusCode":200}"#);
    let server = Setup::lambda(false, function).start();
    let mut client = server.connect();
    client.send(b"GET /left HTTP/1.1\r\nHost: a\r\n\r\n");
    gate.wait();
    drop(client);
    until("the client's leaving is counted", || {
        of_class(&server, "albacore_proxy_elb_responses", "4xx") == 1.0
    });
    gate.release();
    gate.wait_for_end();
    let log = server.log();
    assert_eq!(log.len(), 1);
    assert_eq!(log[0][8..10], ["460", "-"]);
    assert_eq!((log[0][11].as_str(), log[0][6].as_str()), ("0", "-1"));
}

#[test]
fn requests_that_arrive_meanwhile_wait_their_turn() {
    let (gate, function) = Gate::before(r#"{"statusCode":200,"body":"first"}"#);
    let server = Setup::lambda(false, function)
        .rule(1, vec![path(&["/fixed"])], fixed(200, "second"))
        .start();
    let mut client = server.connect();
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    gate.wait();
    // More than is read ahead while a function runs, so some of it waits in the kernel.
    let ahead = "GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3000);
    let mut writer = client.stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || std::io::Write::write_all(&mut writer, ahead.as_bytes()));
    gate.release();
    assert_eq!(client.response().text(), "first");
    for _ in 0..3000 {
        assert_eq!(client.response().text(), "second");
    }
    sending.join().unwrap().unwrap();
}
