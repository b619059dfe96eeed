//! What is told: states, counters, thresholds, and what health checks are given.

use super::*;
use model::elb::health_check::HealthCheckPort;

// ALB-B-022: a group that no listener uses is not checked and reports unused, Target.NotInUse
#[test]
fn an_unused_group() {
    let mut world = World::healthy(1..=2, |_| ());
    world.in_use = false;
    world.follow();
    let (health, _) = world.report_of(1).unwrap();
    let text = "Target group is not configured to receive traffic from the load balancer";
    assert_eq!(
        (health.state, health.reason, health.description.as_deref()),
        (TargetState::Unused, Some("Target.NotInUse"), Some(text))
    );
    assert!(world.groups.checked().borrow().is_empty() && world.groups.group_reports().is_empty());
    // In use again, everything is asked again.
    world.in_use = true;
    world.follow();
    let (health, _) = world.report_of(1).unwrap();
    assert_eq!(
        (health.state, health.reason),
        (TargetState::Initial, Some("Elb.RegistrationInProgress"))
    );
    assert_eq!(world.groups.checked().borrow().len(), 2);
}

#[test]
fn what_is_checked_and_when_that_changes() {
    let mut world = World::new(1..=2, |_| ());
    let mut checked = world.groups.checked();
    assert!(checked.has_changed().unwrap(), "a receiver begins as changed");
    let first = checked.borrow_and_update().clone();
    assert_eq!(first.len(), 2);
    assert_eq!(
        (first[0].address().to_string(), first[0].settings.group_name.as_str()),
        ("10.0.0.1:80".to_owned(), "red")
    );
    // Nothing that concerns checks.
    world.servers.attributes.deregistration_delay = SECOND;
    world.follow();
    assert!(!checked.has_changed().unwrap());
    // Other settings: the same targets.
    world.servers.health_check.port = HealthCheckPort::Port(8081);
    world.follow();
    assert!(checked.has_changed().unwrap());
    let second = checked.borrow_and_update().clone();
    assert_eq!(second[0].target.serial, first[0].target.serial);
    assert_eq!(second[0].address().to_string(), "10.0.0.1:8081");
    assert_eq!(world.report_of(1).unwrap().1.health_check_port, 8081);
    // Another target.
    world.register([2, 3]);
    let third = checked.borrow_and_update().clone();
    assert_eq!(third[0].target.serial, first[1].target.serial);
    // What is said about one that is gone is not heard.
    first[0].set_health(TargetHealth {
        state: TargetState::Healthy,
        reason: None,
        description: None,
    });
    assert_eq!(world.state_of(1), Some(TargetState::Draining));
}

#[test]
fn health_is_told_as_it_was_found() {
    let world = World::new([1], |_| ());
    let found = TargetHealth {
        state: TargetState::Unhealthy,
        reason: Some("Target.ResponseCodeMismatch"),
        description: Some("Health checks failed with these codes: [503]".to_owned()),
    };
    let checked = world.groups.checked().borrow().clone();
    checked[0].set_health(found.clone());
    assert_eq!(world.report_of(1).unwrap().0, found);
}

#[test]
fn requests_errors_and_times() {
    let mut world = World::healthy([1], |_| ());
    world.pass(SECOND);
    let ask = |world: &World, outcome, millis: Option<u64>| {
        let picked = world.pick().unwrap().target;
        picked.ended(outcome, millis.map(Duration::from_millis));
    };
    assert_eq!(world.report_of(1).unwrap().1.response_time_secs, None);
    ask(&world, Outcome::Status(200), Some(30));
    ask(&world, Outcome::Status(503), Some(10));
    ask(&world, Outcome::ConnectionError, None);
    ask(&world, Outcome::Abandoned, None);
    let held = world.pick().unwrap();
    let report = world.report_of(1).unwrap().1;
    assert_eq!((report.requests, report.errors, report.outstanding), (5, 2, 1));
    assert_eq!(report.response_time_secs, Some(0.02));
    drop(held);
    // The mean is of the last minute.
    world.pass(5 * SECOND);
    ask(&world, Outcome::Status(200), Some(80));
    assert_eq!(world.report_of(1).unwrap().1.response_time_secs, Some(0.04));
    for _ in 0..11 {
        world.pass(5 * SECOND);
        assert_eq!(world.report_of(1).unwrap().1.response_time_secs, Some(0.04));
    }
    world.pass(5 * SECOND);
    assert_eq!(world.report_of(1).unwrap().1.response_time_secs, Some(0.08));
    world.pass(5 * SECOND);
    assert_eq!(world.report_of(1).unwrap().1.response_time_secs, None);
    assert_eq!(world.report_of(1).unwrap().1.requests, 6);
}

#[test]
fn thresholds_for_routing_and_for_dns() {
    let mut world = World::healthy(1..=4, |attributes| {
        attributes.dns_failover = MinimumHealthy {
            count: Some(2),
            percentage: Some(75),
        };
    });
    let standing = |world: &World| {
        let [group] = &world.groups.group_reports()[..] else {
            panic!("one group")
        };
        (group.healthy_for_routing, group.healthy_for_dns)
    };
    assert_eq!(standing(&world), (true, true));
    world.check(1, TargetState::Unhealthy);
    assert_eq!(standing(&world), (true, true));
    world.check(2, TargetState::Unhealthy);
    assert_eq!(standing(&world), (true, false));
    world.servers.attributes.dns_failover = MinimumHealthy {
        count: None,
        percentage: None,
    };
    world.follow();
    world.check_all(3..=4, TargetState::Unhealthy);
    assert_eq!(standing(&world), (false, true), "off keeps the address");
    let [group] = &world.groups.group_reports()[..] else {
        panic!("one group")
    };
    assert_eq!((group.anomalous, group.mitigated), (0, 0));
}
