//! Slow start, rule by rule. Source: ALB 5.2.

use super::*;

fn warming(attributes: &mut TargetGroupAttributes) {
    attributes.slow_start = Some(30 * SECOND);
}

/// Two targets that are healthy, and a third that came later and has just passed its first check.
fn joined() -> World {
    let mut world = World::healthy(1..=2, warming);
    world.register(1..=3);
    world.check(3, TargetState::Healthy);
    world
}

fn weight(world: &World, at: u8) -> f64 {
    world.report_of(at).unwrap().1.weight
}

/// Whether the target is in slow start: by what it gets of the next 200 requests per target.
fn warms(world: &World, at: u8) -> bool {
    let targets = world.servers.targets.len();
    world.counts(200 * targets).get(&at).copied().unwrap_or(0) < 190
}

// ALB-B-029: the share grows linearly from near zero to the full share over the duration
#[test]
fn the_share_of_a_target_that_joins_grows() {
    let mut world = joined();
    for secs in 0..=30_u32 {
        let ramp = (f64::from(secs) / 30.0).max(0.01);
        let counts = world.counts(3000);
        let expected = 3000.0 * ramp / (2.0 + ramp);
        assert!((counts[&3] as f64 - expected).abs() < 6.0, "{counts:?} after {secs} s");
        assert!(counts[&1].abs_diff(counts[&2]) < 6, "{counts:?}");
        world.pass(SECOND);
    }
    // Over: exactly equal again.
    assert_eq!(world.counts(300), BTreeMap::from([(1, 100), (2, 100), (3, 100)]));
    assert_eq!(weight(&world, 3), 1.0);
}

#[test]
fn a_target_that_finds_nobody_healthy_does_not_enter() {
    let mut world = World::new([1], warming);
    world.check(1, TargetState::Unhealthy);
    world.register(1..=2);
    world.check(2, TargetState::Healthy);
    world.check(1, TargetState::Healthy); // came with the first of its group
    assert!(!warms(&world, 2) && !warms(&world, 1));
}

#[test]
fn targets_in_slow_start_are_nobody_to_join() {
    let mut world = World::healthy([1], warming);
    world.register(1..=3);
    world.check(2, TargetState::Healthy);
    world.check(1, TargetState::Unhealthy);
    world.check(3, TargetState::Healthy); // only target 2 is healthy, and that warms up
    assert!(warms(&world, 2) && !warms(&world, 3));
}

#[test]
fn targets_registered_at_once_into_an_empty_group_do_not_enter() {
    let world = World::new(1..=3, warming);
    for at in [2, 1, 3] {
        world.check(at, TargetState::Healthy);
    }
    assert_eq!(world.counts(30), BTreeMap::from([(1, 10), (2, 10), (3, 10)]));
}

#[test]
fn targets_that_are_healthy_when_the_attribute_is_set_do_not_enter() {
    let mut world = World::healthy(1..=2, |_| ());
    world.register(1..=3);
    world.check(3, TargetState::Healthy);
    warming(&mut world.servers.attributes);
    world.follow();
    assert!(!warms(&world, 3));
}

#[test]
fn an_unhealthy_target_leaves_and_enters_again_when_it_is_healthy() {
    let mut world = joined();
    world.pass(20 * SECOND);
    assert!((weight(&world, 3) - 20.0 / 30.0).abs() < 0.04);
    world.check(3, TargetState::Unhealthy);
    assert_eq!(world.counts(30), BTreeMap::from([(1, 15), (2, 15)]));
    world.pass(2 * SECOND);
    world.check(3, TargetState::Healthy);
    // From the beginning.
    assert!(world.counts(300).get(&3).is_none_or(|count| *count < 5));
    // The exception for the first targets holds once.
    world.check(1, TargetState::Unhealthy);
    world.check(1, TargetState::Healthy);
    assert!(warms(&world, 1) && !warms(&world, 2));
}

#[test]
fn a_target_that_is_registered_again_enters_again() {
    let mut world = joined();
    world.pass(60 * SECOND);
    assert!(!warms(&world, 3));
    world.register(1..=2);
    world.register(1..=3);
    world.check(3, TargetState::Healthy);
    assert!(warms(&world, 3));
}

#[test]
fn without_the_attribute_slow_start_ends() {
    let mut world = joined();
    world.servers.attributes.slow_start = None;
    world.follow();
    assert!(!warms(&world, 3));
    // Setting it again finds a healthy target.
    warming(&mut world.servers.attributes);
    world.follow();
    assert!(!warms(&world, 3));
}

#[test]
fn a_group_that_is_put_to_use_warms_up_nobody() {
    let mut world = World::new([], warming);
    world.in_use = false;
    world.register([1]);
    world.register(1..=3);
    world.in_use = true;
    world.follow();
    for at in 1..=3 {
        world.check(at, TargetState::Healthy);
    }
    assert!((1..=3).all(|at| !warms(&world, at)));
}

#[test]
fn nothing_comes_in_bursts() {
    let mut world = joined();
    world.pass(3 * SECOND);
    let made: Vec<u8> = (0..2000).map(|_| world.picked().unwrap()).collect();
    assert!(!made.windows(2).any(|pair| pair == [3, 3]));
    let longest = made.chunk_by(|a, b| a == b).map(<[u8]>::len).max().unwrap();
    assert!(longest <= 2, "{longest} times the same target");
}
