//! Deregistration and what follows. Source: ALB 4.4, 5.7.

use super::*;

fn delay(secs: u32) -> impl FnOnce(&mut TargetGroupAttributes) {
    move |attributes| attributes.deregistration_delay = secs * SECOND
}

fn is_cut(target: &Target) -> bool {
    target.cut.load(Ordering::Acquire)
}

// ALB-B-026: draining until the delay ends, even if idle
// ALB-B-028: then it is gone
#[test]
fn a_deregistered_target_drains() {
    let mut world = World::healthy(1..=2, delay(30));
    world.register([2]);
    for _ in 0..29 {
        assert_eq!(world.counts(10), BTreeMap::from([(2, 10)]));
        let (health, report) = world.report_of(1).unwrap();
        assert_eq!(
            (health.state, health.reason, health.description.as_deref()),
            (
                TargetState::Draining,
                Some("Target.DeregistrationInProgress"),
                Some("Target deregistration is in progress")
            )
        );
        assert_eq!(report.outstanding, 0);
        assert!(!world.check(1, TargetState::Healthy), "it is not checked any more");
        world.pass(SECOND);
    }
    world.pass(SECOND);
    assert_eq!(world.state_of(1), None);
    assert_eq!(world.groups.cuts(), 0, "nobody had to be woken");
}

#[test]
fn requests_may_finish_until_the_delay_ends() {
    let mut world = World::healthy([1], delay(30));
    let (early, late) = (world.pick().unwrap().target, world.pick().unwrap().target);
    world.register([]);
    assert_eq!((world.picked(), world.report_of(1).unwrap().1.outstanding), (None, 2));
    world.pass(29 * SECOND);
    drop(early);
    assert!(!is_cut(&late) && world.groups.cuts() == 0);
    world.pass(SECOND);
    assert!(is_cut(&late));
    assert_eq!(world.groups.cuts(), 1);
    drop(late);
    world.pass(SECOND);
    assert_eq!(world.groups.cuts(), 1, "nothing is left to wake");
}

#[test]
fn a_delay_of_0_cuts_at_once() {
    let mut world = World::healthy(1..=2, delay(0));
    let held = [world.pick().unwrap().target, world.pick().unwrap().target];
    world.register([2]);
    for target in &held {
        assert_eq!(is_cut(target), last_byte(target) == 1);
    }
    assert_eq!((world.groups.cuts(), world.state_of(1)), (1, None));
}

#[test]
fn who_chose_in_the_last_moment_is_woken_too() {
    let mut world = World::healthy([1], delay(0));
    let servers = world.compiled();
    let members = servers.state.members.load_full();
    world.register([]);
    assert_eq!(world.groups.cuts(), 0);
    let random = Random::new(1);
    let late = members.begin(members.choose(&servers.state.cursor.0, &random).unwrap(), 0);
    assert!(is_cut(&late));
    world.pass(SECOND);
    assert_eq!(world.groups.cuts(), 1);
    world.pass(SECOND);
    assert_eq!(world.groups.cuts(), 1, "once is enough");
}

#[test]
fn registered_again_it_begins_anew_at_once() {
    let mut world = World::healthy(1..=2, delay(30));
    let held = [world.pick().unwrap().target, world.pick().unwrap().target];
    let [before] = held.iter().filter(|target| last_byte(target) == 1).collect::<Vec<_>>()[..] else {
        panic!("one request each");
    };
    world.register([2]);
    world.pass(SECOND);
    world.register([2, 1]);
    // It is told once, as what it is now; its first request waits for a check.
    assert_eq!(world.state_of(1), Some(TargetState::Initial));
    assert_eq!(world.counts(10), BTreeMap::from([(2, 10)]));
    world.check(1, TargetState::Healthy);
    let fresh: Vec<_> = [world.pick().unwrap().target, world.pick().unwrap().target].into();
    let fresh = fresh.iter().find(|target| last_byte(target) == 1).unwrap();
    assert_ne!(
        fresh.serial, before.serial,
        "connections of its first life are not used again"
    );
    // What ran before runs to the end of its own delay.
    world.pass(28 * SECOND);
    assert!(!is_cut(before));
    world.pass(SECOND);
    assert!(is_cut(before) && !is_cut(fresh));
    assert_eq!(world.state_of(1), Some(TargetState::Healthy));
}

#[test]
fn coming_and_going_does_not_pile_up() {
    let mut world = World::healthy(1..=3, delay(3600));
    let held = world.pick().unwrap().target;
    for round in 0..500 {
        world.register(if round % 2 == 0 { 2..=3 } else { 1..=3 });
        world.pass(SECOND);
    }
    world.pass(5 * SECOND);
    let draining = || world.groups.group(&group_arn("red")).inner().draining.len();
    // The one that is held, at most; the others were idle and are hidden by who came after.
    assert_eq!(last_byte(&held), 1);
    assert_eq!(draining(), 1);
    assert_eq!(world.state_of(1), Some(TargetState::Initial));
}

#[test]
fn another_address_is_another_target() {
    let mut world = World::healthy(1..=2, delay(30));
    let before = [world.pick().unwrap().target, world.pick().unwrap().target];
    world.servers.targets[0].address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 77));
    world.follow();
    assert_eq!(world.state_of(1), Some(TargetState::Initial));
    let after: Vec<_> = world
        .groups
        .checked()
        .borrow()
        .iter()
        .map(|checked| checked.target.clone())
        .collect();
    assert_eq!(
        after.iter().map(|target| target.name.as_str()).collect::<Vec<_>>(),
        ["10.0.0.77:80", "10.0.0.2:80"]
    );
    assert!(
        before
            .iter()
            .all(|target| target.serial != after[0].serial && !is_cut(target))
    );
}

#[test]
fn a_deleted_group_drains_and_is_forgotten() {
    let mut world = World::healthy(1..=2, delay(30));
    let (servers, held) = (world.compiled(), world.pick().unwrap().target);
    world.delete_group();
    assert_eq!(world.state_of(1), Some(TargetState::Draining));
    assert!(world.groups.checked().borrow().is_empty() && world.groups.group_reports().is_empty());
    // A request whose rule was matched by the table before is served.
    assert!(world.pick_on(1, &servers, "", Wall::of_secs(0)).is_ok());
    world.pass(30 * SECOND);
    assert!(is_cut(&held) && world.state_of(1).is_none());
    assert!(world.pick_on(1, &servers, "", Wall::of_secs(0)).is_err());
    // The table that knew it is gone, and so is the group.
    drop((servers, held));
    world.pass(SECOND);
    world.pass(SECOND);
    assert!(world.groups.groups().is_empty());
}

#[test]
fn a_deleted_group_with_least_outstanding_requests_serves_the_table_before_too() {
    let mut world = World::healthy(1..=2, |attributes| {
        attributes.algorithm = Algorithm::LeastOutstandingRequests;
    });
    let servers = world.compiled();
    world.delete_group();
    for _ in 0..20 {
        world.pass(SECOND);
        assert!(world.pick_on(0, &servers, "", Wall::of_secs(0)).is_ok());
    }
}

#[test]
fn a_deleted_group_may_come_back() {
    let mut world = World::healthy([1], delay(30));
    world.delete_group();
    world.pass(SECOND);
    world.follow();
    assert_eq!(
        (world.state_of(1), world.picked()),
        (Some(TargetState::Initial), Some(1))
    );
    world.pass(60 * SECOND);
    assert_eq!(
        (world.state_of(1), world.picked()),
        (Some(TargetState::Initial), Some(1))
    );
}

#[test]
fn groups_of_tables_that_never_served_are_forgotten() {
    let groups = Groups::new(1);
    let now = Instant::now();
    let compiled = groups.group(&group_arn("never"));
    groups.tick(now);
    groups.tick(now + SECOND);
    assert_eq!(groups.groups().len(), 1, "a table that is being made holds it");
    drop(compiled);
    groups.tick(now + 2 * SECOND);
    assert!(groups.groups().is_empty());
}

#[test]
fn one_tick_serves_all_cores() {
    let mut world = World::healthy([1], delay(1));
    world.register([]);
    world.pass(SECOND);
    assert_eq!(world.state_of(1), None);
    // The next core that asks within the tick finds nothing to do.
    world.register([1]);
    world.register([]);
    world.now += SECOND;
    world.groups.tick(world.now - SECOND + TICK / 2);
    assert_eq!(world.state_of(1), Some(TargetState::Draining));
    world.groups.tick(world.now);
    assert_eq!(world.state_of(1), None);
}
