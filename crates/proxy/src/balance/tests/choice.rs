//! Who gets requests: health, thresholds, zones, weights.

use super::*;
use model::elb::target_group::CrossZone;

fn equal(which: impl IntoIterator<Item = u8>, each: usize) -> BTreeMap<u8, usize> {
    which.into_iter().map(|at| (at, each)).collect()
}

// ALB-B-001: equal counts over three healthy targets
#[test]
fn healthy_targets_share_equally() {
    assert_eq!(World::healthy(1..=3, |_| ()).counts(300), equal(1..=3, 100));
}

// ALB-B-021: no targets, no answer but 503
#[test]
fn an_empty_group_has_no_target() {
    let mut world = World::new([], |_| ());
    assert_eq!(world.picked(), None);
    world.register([1]);
    assert_eq!(world.picked(), Some(1));
    world.register([]);
    assert_eq!(world.picked(), None);
}

#[test]
fn an_unknown_group_has_no_target() {
    let groups = Groups::new(1);
    let members = groups.group(&group_arn("blue")).members.load_full();
    assert!(members.is_empty());
}

// ALB-B-020: with all targets unhealthy all get requests, and each is counted
#[test]
fn all_targets_get_requests_when_too_few_are_healthy() {
    let world = World::new(1..=3, |_| ());
    // Right after the start nothing is healthy yet.
    assert_eq!(world.counts(30), equal(1..=3, 10));
    assert!(world.pick().unwrap().fail_open);
    // One is enough. Those that nobody has asked yet go on, so that a start moves no client; whoever failed waits.
    world.check(2, TargetState::Healthy);
    assert_eq!(world.counts(30), equal(1..=3, 10));
    assert!(!world.pick().unwrap().fail_open);
    world.check(1, TargetState::Initial);
    assert_eq!(world.counts(30), equal(2..=3, 15));
    world.check(3, TargetState::Initial);
    assert_eq!(world.counts(30), equal([2], 30));
    for at in 1..=3 {
        world.check(at, TargetState::Unhealthy);
    }
    assert_eq!(world.counts(30), equal(1..=3, 10));
    assert!(world.pick().unwrap().fail_open);
    world.check(3, TargetState::Healthy);
    assert_eq!(world.counts(30), equal([3], 30));
}

#[test]
fn either_threshold_opens() {
    let (count, percentage) = (Some(2), Some(50));
    for (minimum, healthy, opens) in [
        (
            MinimumHealthy {
                count,
                percentage: None,
            },
            2,
            false,
        ),
        (
            MinimumHealthy {
                count,
                percentage: None,
            },
            1,
            true,
        ),
        (
            MinimumHealthy {
                count: Some(1),
                percentage,
            },
            2,
            false,
        ),
        (
            MinimumHealthy {
                count: Some(1),
                percentage,
            },
            1,
            true,
        ),
        (
            MinimumHealthy {
                count: Some(3),
                percentage,
            },
            2,
            true,
        ),
        (
            MinimumHealthy {
                count: Some(9),
                percentage: None,
            },
            4,
            true,
        ),
        (
            MinimumHealthy {
                count: Some(1),
                percentage: Some(100),
            },
            4,
            false,
        ),
        (
            MinimumHealthy {
                count: Some(1),
                percentage: Some(100),
            },
            3,
            true,
        ),
        (
            MinimumHealthy {
                count: Some(1),
                percentage: None,
            },
            0,
            true,
        ),
    ] {
        let world = World::new(1..=4, |attributes| attributes.unhealthy_state_routing = minimum);
        world.check_all(1..=4, TargetState::Unhealthy);
        world.check_all(1..=healthy, TargetState::Healthy);
        let expected = if opens {
            equal(1..=4, 10)
        } else {
            equal(1..=healthy, 40 / usize::from(healthy))
        };
        assert_eq!(world.counts(40), expected, "{minimum:?} with {healthy}");
        assert_eq!(world.pick().unwrap().fail_open, opens, "{minimum:?} with {healthy}");
    }
}

#[test]
fn zones() {
    let zoned = |cross_zone| {
        let mut world = World::new([], |attributes| attributes.cross_zone = cross_zone);
        world.servers.targets = targets(1..=4);
        world.servers.targets[1].zone = Zone::Named("us-east-1b".into());
        world.servers.targets[2].zone = Zone::All;
        world.servers.targets[3].zone = Zone::Named("us-east-1c".into());
        world.follow();
        world
    };
    for cross_zone in [CrossZone::UseLoadBalancerConfiguration, CrossZone::On] {
        assert_eq!(zoned(cross_zone).counts(40), equal(1..=4, 10));
    }
    let mut world = zoned(CrossZone::Off);
    assert_eq!(world.counts(40), equal([1, 3], 20));
    // Others are not even checked, and say why.
    assert!(!world.check(2, TargetState::Healthy));
    let (health, _) = world.report_of(4).unwrap();
    let text = "Target is in an Availability Zone that is not enabled for the load balancer";
    assert_eq!(
        (health.state, health.reason, health.description.as_deref()),
        (TargetState::Unused, Some("Target.NotInUse"), Some(text))
    );
    // Percentages are of the own zone: one of two.
    world.servers.attributes.unhealthy_state_routing.percentage = Some(50);
    world.follow();
    assert!(world.check(1, TargetState::Healthy) && world.check(3, TargetState::Unhealthy));
    assert_eq!(world.counts(10), equal([1], 10));
    // An empty zone answers 503.
    world
        .servers
        .targets
        .retain(|target| matches!(target.zone, Zone::Named(_)));
    world.follow();
    assert_eq!(world.picked(), None);
    // A target keeps what is known about it when its zone changes.
    world.servers.targets[0].zone = Zone::Own;
    world.follow();
    world.check(2, TargetState::Healthy);
    world.servers.targets[0].zone = Zone::All;
    world.follow();
    assert_eq!(world.state_of(2), Some(TargetState::Healthy));
    // Out of reach it is not checked, and nothing is known when it comes back.
    for zone in [Zone::Named("us-east-1b".into()), Zone::Own] {
        world.servers.targets[0].zone = zone;
        world.follow();
    }
    assert_eq!(world.state_of(2), Some(TargetState::Initial));
}

// ALB-B-002: the idle target while others are busy, over both cores
#[test]
fn least_outstanding_requests() {
    let world = World::healthy(1..=3, |attributes| {
        attributes.algorithm = Algorithm::LeastOutstandingRequests;
    });
    let servers = world.compiled();
    let pick = |core| world.pick_on(core, &servers, "", Wall::of_secs(0)).unwrap().target;
    let mut held: Vec<_> = (0..9).map(|at| pick(at % 2)).collect();
    let on = |held: &[Outstanding], at| held.iter().filter(|target| last_byte(target) == at).count();
    assert_eq!([1, 2, 3].map(|at| on(&held, at)), [3, 3, 3]);
    held.retain(|target| last_byte(target) != 2);
    for expected in 1..=3 {
        held.push(pick(expected % 2));
        assert_eq!(on(&held, 2), expected);
    }
    assert_eq!(world.report_of(2).unwrap().1.outstanding, 3);
    drop(held);
    assert_eq!(world.report_of(2).unwrap().1.outstanding, 0);
}

#[test]
fn a_change_to_least_outstanding_requests_knows_what_runs() {
    let mut world = World::healthy(1..=2, |_| ());
    let held: Vec<_> = (0..5).map(|_| world.pick().unwrap().target).collect(); // three and two
    world.servers.attributes.algorithm = Algorithm::LeastOutstandingRequests;
    world.follow();
    let more = world.pick().unwrap().target;
    assert_eq!(last_byte(&more), 2);
    drop(held);
    // What ended is noticed within a window.
    world.pass(5 * SECOND);
    world.pass(5 * SECOND);
    assert_eq!(world.counts(4), equal([1], 4));
}

// Source: ALB 5.3: weights change every five seconds, and come back gradually.
#[test]
fn a_failing_target_loses_weight_and_regains_it() {
    let mut world = World::healthy(1..=4, |attributes| {
        attributes.algorithm = Algorithm::WeightedRandom;
        attributes.anomaly_mitigation = true;
    });
    let mut window = |failing: u8| {
        let mut counts = BTreeMap::<u8, usize>::new();
        for _ in 0..2000 {
            let picked = world.pick().unwrap().target;
            let at = last_byte(&picked);
            *counts.entry(at).or_default() += 1;
            picked.ended(
                if at == failing {
                    Outcome::ConnectionError
                } else {
                    Outcome::Status(200)
                },
                None,
            );
        }
        world.pass(5 * SECOND);
        let report = world.report_of(3).unwrap().1;
        (counts[&3], report.weight, report.anomaly)
    };
    let _ = window(0); // the first tick begins the first window
    let (count, weight, anomaly) = window(3);
    assert!((420..580).contains(&count) && weight == 0.5, "{count}");
    assert!(anomaly.anomalous && anomaly.mitigated);
    let (count, weight, _) = window(3);
    assert!((220..350).contains(&count) && weight == 0.25, "{count}"); // 0.5 of 3.5
    let _ = window(3);
    let (count, weight, _) = window(3);
    assert!((40..130).contains(&count) && weight == 0.0625, "{count}"); // 0.125 of 3.125
    let (_, weight, anomaly) = window(0);
    assert!(!anomaly.anomalous && anomaly.mitigated && (weight - 0.1625).abs() < 1e-9);
    let regained: Vec<_> = (0..9).map(|_| window(0).1).collect();
    assert!(
        regained.windows(2).all(|pair| pair[0] <= pair[1]) && regained[8] == 1.0,
        "{regained:?}"
    );
    assert!(!world.report_of(3).unwrap().1.anomaly.mitigated);
}

#[test]
fn without_mitigation_an_anomaly_is_only_told() {
    let mut world = World::healthy(1..=3, |_| ());
    world.pass(SECOND);
    for _ in 0..300 {
        let picked = world.pick().unwrap().target;
        let failing = last_byte(&picked) == 2;
        picked.ended(Outcome::Status(if failing { 503 } else { 200 }), None);
    }
    world.pass(5 * SECOND);
    let report = world.report_of(2).unwrap().1;
    assert!(report.anomaly.anomalous && !report.anomaly.mitigated && report.weight == 1.0);
    assert!(!world.report_of(1).unwrap().1.anomaly.anomalous);
    assert_eq!(world.counts(30), equal(1..=3, 10));
    let [group] = &world.groups.group_reports()[..] else {
        panic!("one group")
    };
    assert_eq!((group.anomalous, group.mitigated), (1, 0));
    // Health checks decide by themselves; a target that comes back begins anew.
    world.check(2, TargetState::Unhealthy);
    assert!(!world.report_of(2).unwrap().1.anomaly.anomalous);
}

/// Members change while two cores choose: nobody gets what is not there, nothing is lost.
#[test]
fn choosing_while_everything_changes() {
    let mut world = World::healthy(1..=3, |attributes| attributes.deregistration_delay = Duration::ZERO);
    let servers = world.compiled();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let chosen = std::thread::scope(|scope| {
        let asking: Vec<_> = [0, 1]
            .map(|core| {
                let (servers, stop) = (&servers, &stop);
                scope.spawn(move || {
                    let (random, mut chosen) = (Random::new(core as u64), 0_u64);
                    while !stop.load(Ordering::Relaxed) {
                        let members = servers.state.members.load();
                        let target = members.choose(&servers.state.cursor.0, &random).unwrap();
                        members.begin(target, core).ended(Outcome::Status(200), None);
                        chosen += 1;
                    }
                    chosen
                })
            })
            .into();
        for round in 0..200 {
            world.register([1, 2 + round % 3, 9]);
            world.check(9, TargetState::Healthy);
            world.check(
                1,
                if round % 2 == 0 {
                    TargetState::Unhealthy
                } else {
                    TargetState::Healthy
                },
            );
            world.pass(SECOND);
        }
        stop.store(true, Ordering::Relaxed);
        asking.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>()
    });
    assert!(chosen > 0);
    let inner = servers.state.inner();
    assert_eq!(inner.outstanding(), 0);
    assert!(inner.draining.is_empty() && inner.registered.len() == 3);
}
