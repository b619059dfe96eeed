//! Health checks of servers, in real time: the interval is at least five seconds, so there is little of it here. What a
//! check says about an answer is told beside the code, and so is what many checks say, on simulated time.

mod checked;

use crate::played::until;
use crate::support::*;
use checked::Checked;
use model::Command;
use model::command::listener::ModifyListener;
use model::elb::action::Actions;
use model::elb::health_check::{HealthCheckPath, HealthCheckPort, HealthThreshold};
use model::observed::{ReportedTarget, TargetReport};
use std::time::Duration;

fn reports(server: &Server) -> Vec<TargetReport> {
    server.proxy.targets()
}

fn states(server: &Server) -> Vec<&'static str> {
    reports(server)
        .iter()
        .map(|report| report.health.state.as_str())
        .collect()
}

fn apply(server: &Server, commands: &mut Vec<Command>, command: Command) {
    commands.push(command);
    server.proxy.apply(&state_of(commands)).unwrap();
}

// ALB-B-013: a new target becomes healthy after one passing check
// ALB-B-016: User-Agent ELB-HealthChecker/2.0, and the connection closes
// ALB-B-017: Host is the address with its port
// ALB-B-025: healthy entries have neither reason nor description
// ALB-G-004: health checks are not in the access log
#[test]
fn a_healthy_server() {
    let target = Checked::answering(200);
    // One check per process and interval, however many cores there are.
    let mut setup = checked::setup(&[&target], |_| {});
    setup.cores = 2;
    let server = setup.start();
    until("it is healthy", || states(&server) == ["healthy"]);
    until("its connection is closed", || target.open() == 0);
    let [report] = reports(&server).try_into().unwrap();
    assert_eq!((report.health.reason, &report.health.description), (None, &None));
    let ReportedTarget::Server(reported) = &report.target else {
        panic!("{report:?}");
    };
    assert_eq!(reported.target.socket(), target.address());
    assert_eq!(reported.health_check_port, target.address().port());
    assert_eq!((reported.requests, reported.outstanding), (0, 0));
    assert_eq!(
        target.requests(),
        [format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\n\
             Accept-Encoding: gzip, compressed\r\n\r\n",
            target.address()
        )]
    );
    assert_eq!(server.counter("albacore_proxy_healthy_hosts"), 1.0);
    for counter in [
        "requests_total",
        "target_group_requests_total",
        "target_responses_total",
    ] {
        assert_eq!(server.counter(&format!("albacore_proxy_{counter}")), 0.0, "{counter}");
    }
    assert!(server.requests().is_empty());
    assert!(server.log().is_empty());
}

// ALB-B-018: a 301 fails with matcher 200, and is not followed
// ALB-B-023: the codes stand in brackets
#[test]
fn servers_that_fail() {
    let (moved, gone) = (Checked::answering(301), Checked::answering(200));
    let gone_address = gone.address();
    drop(gone);
    let mut setup = checked::setup(&[&moved], |servers| {
        servers.targets.push(checked::target(gone_address));
        servers.health_check.unhealthy_threshold = HealthThreshold::unhealthy(2).unwrap();
    });
    setup.cores = 2;
    let server = setup.start();
    until("both were asked", || moved.requests().len() == 1);
    assert_eq!(states(&server), ["initial", "initial"]);
    assert_eq!(
        reports(&server)[0].health.description.as_deref(),
        Some("Initial health checks in progress")
    );
    until("both are unhealthy", || states(&server) == ["unhealthy", "unhealthy"]);
    assert_eq!(moved.requests().len(), 2);
    let reasons = |report: TargetReport| (report.health.reason.unwrap(), report.health.description.unwrap());
    let reasons: Vec<_> = reports(&server).into_iter().map(reasons).collect();
    assert_eq!(
        reasons,
        [
            (
                "Target.ResponseCodeMismatch",
                "Health checks failed with these codes: [301]".to_owned()
            ),
            ("Target.FailedHealthChecks", "Health checks failed".to_owned()),
        ]
    );
    assert_eq!(server.counter("albacore_proxy_unhealthy_hosts"), 2.0);
}

// ALB-B-022: a group that no listener uses is unused, and not checked
#[test]
fn a_group_that_nobody_uses() {
    let target = Checked::answering(200);
    let mut setup = checked::setup(&[&target], |_| {});
    setup.default = fixed(200, "unused");
    let mut commands = setup.commands();
    let server = setup.start();
    let unused = |server: &Server| {
        let health = reports(server)[0].health.clone();
        assert_eq!(states(server), ["unused"]);
        assert_eq!(health.reason, Some("Target.NotInUse"));
        assert_eq!(
            health.description.as_deref(),
            Some("Target group is not configured to receive traffic from the load balancer")
        );
    };
    unused(&server);
    apply(&server, &mut commands, default_actions(forward_to_web()));
    until("it is used and healthy", || states(&server) == ["healthy"]);
    assert_eq!(target.requests().len(), 1, "nobody asked before");
    apply(&server, &mut commands, default_actions(fixed(200, "unused again")));
    unused(&server);
    apply(&server, &mut commands, default_actions(forward_to_web()));
    // However short the moment was.
    until("it is healthy again", || states(&server) == ["healthy"]);
}

fn default_actions(actions: Actions) -> Command {
    Command::ModifyListener(ModifyListener {
        arn: listener_arn(),
        port: None,
        protocol: None,
        default_actions: Some(actions),
        attributes: None,
    })
}

fn forward_to_web() -> Actions {
    forward(&[(checked::GROUP, 1)], None)
}

#[test]
fn changed_settings_keep_the_health() {
    let (target, side) = (Checked::answering(200), Checked::answering(200));
    let setup = checked::setup(&[&target], |_| {});
    let mut commands = setup.commands();
    let server = setup.start();
    until("it is healthy", || states(&server) == ["healthy"]);
    let mut health_check = checked::health_check();
    health_check.path = HealthCheckPath::try_from("/side").unwrap();
    health_check.port = HealthCheckPort::Port(side.address().port());
    let change = Command::SetServerHealthCheck {
        target_group: group_arn(checked::GROUP),
        health_check,
    };
    apply(&server, &mut commands, change);
    assert_eq!(states(&server), ["healthy"]);
    let ReportedTarget::Server(reported) = reports(&server).remove(0).target else {
        panic!("no server");
    };
    assert_eq!(reported.health_check_port, side.address().port());
    until("the other port is asked", || !side.requests().is_empty());
    assert!(side.requests()[0].starts_with(&format!("GET /side HTTP/1.1\r\nHost: {}\r\n", side.address())));
    assert_eq!(states(&server), ["healthy"]);
    assert_eq!(target.requests().len(), 1);
}

// A check that hangs for up to two minutes ends with its target, and holds nothing up.
#[test]
fn the_checks_of_a_removed_target_end_at_once() {
    let (hanging, other) = (Checked::hanging(), Checked::answering(200));
    let setup = checked::setup(&[&hanging, &other], |servers| {
        servers.health_check.timing = checked::timing(300, 120);
    });
    let mut commands = setup.commands();
    let server = setup.start();
    until("one is healthy", || states(&server).contains(&"healthy"));
    until("one is asked", || hanging.open() == 1);
    let gone = checked::target(hanging.address());
    let deregister = Command::DeregisterServers {
        target_group: group_arn(checked::GROUP),
        targets: vec![(gone.id.clone(), gone.port)],
    };
    apply(&server, &mut commands, deregister);
    until("its check is gone", || hanging.open() == 0);
    assert_eq!(hanging.requests().len(), 1);
    drop(server.log());
}

#[test]
fn a_hanging_check_does_not_hold_up_the_end() {
    let hanging = Checked::hanging();
    let server = checked::setup(&[&hanging], |servers| {
        servers.health_check.timing = checked::timing(300, 120);
    })
    .start();
    until("it is asked", || hanging.open() == 1);
    assert_eq!(states(&server), ["initial"]);
    drop(server.log());
    until("its connection is closed", || hanging.open() == 0);
}

#[test]
fn no_check_is_due_for_long() {
    // Thirty targets with the longest interval: all of them are asked soon after the start all the same.
    let target = Checked::answering(200);
    let port = HealthCheckPort::Port(target.address().port());
    let mut setup = checked::setup(&[], |servers| {
        servers.health_check.timing = checked::timing(300, 120);
        servers.health_check.port = port;
        let address = |number: u8| std::net::SocketAddr::from(([127, 0, 0, 1], 1000 + u16::from(number)));
        servers.targets = (0..30).map(|number| checked::target(address(number))).collect();
    });
    setup.limits.health_check_spread = Duration::from_secs(1);
    let server = setup.start();
    until("all are healthy", || states(&server) == ["healthy"; 30]);
    assert_eq!(target.requests().len(), 30);
}
