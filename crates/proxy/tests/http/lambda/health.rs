//! Health checks of functions, in real time: the interval is at least five seconds, so there is little of it here. The
//! rest is told on simulated time, beside the code.

use crate::played::*;
use crate::support::*;
use invoke::InvokeOutcome;
use model::Command;
use model::elb::health_check::{HealthCheck, HealthCheckTiming};
use std::sync::Arc;
use std::time::Duration;

fn checked() -> HealthCheck {
    let secs = Duration::from_secs;
    HealthCheck {
        enabled: true,
        timing: HealthCheckTiming::of_lambda(secs(5), secs(5)).unwrap(),
        ..HealthCheck::of_lambda()
    }
}

/// Answers health checks with one status, and everybody else with 200.
fn answering_checks(status: u16) -> Function {
    Arc::new(move |invocation| {
        let event: serde_json::Value = serde_json::from_slice(&invocation.payload).unwrap();
        let is_check = event["headers"]["user-agent"] == "ELB-HealthChecker/2.0";
        let status = if is_check { status } else { 200 };
        Box::pin(async move { InvokeOutcome::Buffered(format!("{{\"statusCode\":{status}}}").into()) })
    })
}

fn setup(status: u16, seen: &Seen) -> Setup {
    let mut setup = Setup::lambda(false, seen.around(answering_checks(status)));
    setup.health_check = checked();
    setup.limits.health_check_spread = Duration::ZERO;
    // One check per process and interval, however many cores there are.
    setup.cores = 2;
    setup
}

fn state(server: &Server) -> String {
    server.proxy.targets()[0].health.state.as_str().to_owned()
}

// ALB-L-064: the event has the header user-agent alone
// ALB-G-004: health checks are not in the access log
#[test]
fn a_healthy_function() {
    let seen = Seen::default();
    let server = setup(200, &seen).start();
    until("it is healthy", || state(&server) == "healthy");
    let [report] = server.proxy.targets().try_into().unwrap();
    assert_eq!(report.target_group, group_arn("orders"));
    assert!(report.target.to_string().ends_with(":function:orders"));
    assert_eq!((report.health.reason, report.health.description), (None, None));
    assert_eq!(seen.count(), 1);
    let event = &seen.events()[0];
    assert_eq!(
        event["headers"],
        serde_json::json!({"user-agent": "ELB-HealthChecker/2.0"})
    );
    let gauges = |server: &Server| {
        (
            server.counter("albacore_proxy_healthy_hosts"),
            server.counter("albacore_proxy_unhealthy_hosts"),
        )
    };
    assert_eq!(gauges(&server), (1.0, 0.0));
    assert_eq!(server.counter("albacore_proxy_target_group_requests_total"), 0.0);
    assert_eq!(server.counter("albacore_proxy_lambda_processed_bytes_total"), 0.0);
    assert_eq!(server.get("/").status, 200);
    assert_eq!(server.requests().len(), 1);
    assert_eq!(server.log().len(), 1);
}

// ALB-L-065: the matcher judges the status of the check
// ALB-L-066: an unhealthy function still receives traffic
#[test]
fn an_unhealthy_function_gets_its_requests() {
    let seen = Seen::default();
    let server = setup(500, &seen).start();
    until("it is unhealthy", || state(&server) == "unhealthy");
    let health = server.proxy.targets()[0].health.clone();
    assert_eq!(health.reason, Some("Target.ResponseCodeMismatch"));
    assert_eq!(
        health.description.as_deref(),
        Some("Health checks failed with these codes: [500]")
    );
    assert_eq!(server.counter("albacore_proxy_unhealthy_hosts"), 1.0);
    assert_eq!(server.get("/").status, 200);
    // One server error of the checks is no error of a request.
    assert_eq!(server.counter("albacore_proxy_lambda_user_errors_total"), 0.0);
    assert_eq!(server.log().len(), 1);
}

#[test]
fn a_new_state_keeps_the_health_or_ends_the_checks() {
    let seen = Seen::default();
    let setup = setup(200, &seen);
    let mut commands = setup.commands();
    let server = setup.start();
    until("it is healthy", || state(&server) == "healthy");
    let mut set = |health_check: HealthCheck| {
        commands.push(Command::SetHealthCheck {
            target_group: group_arn("orders"),
            health_check,
        });
        server.proxy.apply(&state_of(&commands)).unwrap();
        state(&server)
    };
    let slower = HealthCheck {
        timing: HealthCheckTiming::of_lambda(Duration::from_secs(300), Duration::from_secs(5)).unwrap(),
        ..checked()
    };
    assert_eq!(set(slower), "healthy");
    assert_eq!(set(HealthCheck::of_lambda()), "unavailable");
    // What it was is forgotten while nobody looks: it is asked at once.
    let before = seen.count();
    set(checked());
    until("it is healthy again", || state(&server) == "healthy");
    assert_eq!(seen.count(), before + 1);
    assert_eq!(server.log().len(), 0);
}

// A process that ends does not wait for checks that hang.
#[test]
fn a_hanging_check_does_not_hold_up_the_end() {
    let hanging: Function = Arc::new(|_| Box::pin(std::future::pending()));
    let seen = Seen::default();
    let mut setup = Setup::lambda(false, seen.around(hanging));
    setup.health_check = checked();
    setup.limits.health_check_spread = Duration::ZERO;
    let server = setup.start();
    until("it is asked", || seen.count() == 1);
    assert_eq!(state(&server), "initial");
    assert_eq!(server.log().len(), 0);
}
