//! Sessions and targets that come and go. Source: ALB 5.4; what cookies say is tested with `sticky`.

use super::*;
use http1::{HeadLimits, HeadScanner, Scan};

fn sticky(attributes: &mut TargetGroupAttributes) {
    attributes.stickiness.enabled = true;
    attributes.stickiness.lb_cookie_duration = 3600 * SECOND;
    attributes.deregistration_delay = 30 * SECOND;
}

/// One request of a client with these cookies: the target, whether it was chosen anew, and the cookies it has then.
fn ask(world: &World, cookies: &str) -> (u8, bool, String) {
    let servers = world.compiled();
    let now = Wall::of_secs(1000);
    let picked = world.pick_on(0, &servers, cookies, now).unwrap();
    let bytes = b"HTTP/1.1 200 OK\r\n\r\n";
    let mut head = ResponseHead::new();
    let read = head.read(&mut HeadScanner::new(), bytes, &HeadLimits::ALB);
    assert!(matches!(read, Ok(Scan::Complete { .. })));
    let answered = Answered {
        head: &head,
        bytes,
        https: false,
    };
    let set = servers.cookies(&picked, None, &world.key, answered, now);
    let pair = |(_, value): &HeaderLine<'_>| {
        let text = String::from_utf8(value.to_vec()).unwrap();
        text.split_once("; ").unwrap().0.to_owned()
    };
    let pairs: Vec<_> = set.iter().map(pair).collect();
    (
        last_byte(&picked.target),
        picked.non_sticky,
        format!("Cookie: {}\r\n", pairs.join("; ")),
    )
}

#[test]
fn a_client_stays_with_its_target() {
    let world = World::healthy(1..=3, sticky);
    let (first, anew, mut cookies) = ask(&world, "");
    assert!(anew, "the first request has no session");
    for _ in 0..10 {
        let (at, anew, renewed) = ask(&world, &cookies);
        assert_eq!((at, anew), (first, false));
        assert_ne!(renewed, cookies);
        cookies = renewed;
    }
    // Others go round.
    assert_eq!(world.counts(30), BTreeMap::from([(1, 10), (2, 10), (3, 10)]));
}

#[test]
fn a_group_without_stickiness_reads_and_sets_nothing() {
    let mut world = World::healthy(1..=3, sticky);
    let (_, _, cookies) = ask(&world, "");
    world.servers.attributes.stickiness.enabled = false;
    world.follow();
    let servers = world.compiled();
    let mut counts = BTreeMap::<u8, usize>::new();
    for _ in 0..30 {
        let picked = world.pick_on(0, &servers, &cookies, Wall::of_secs(1000)).unwrap();
        assert!(!picked.non_sticky && picked.session.is_none());
        *counts.entry(last_byte(&picked.target)).or_default() += 1;
    }
    assert_eq!(counts, BTreeMap::from([(1, 10), (2, 10), (3, 10)]));
    assert_eq!(ask(&world, "").2, "Cookie: \r\n");
}

// ALB-B-008: a client of an unhealthy target moves to another and stays there
#[test]
fn a_client_of_an_unhealthy_target_moves_and_stays() {
    let world = World::healthy(1..=3, sticky);
    let (first, _, cookies) = ask(&world, "");
    world.check(first, TargetState::Unhealthy);
    let (second, anew, moved) = ask(&world, &cookies);
    assert!(anew && second != first);
    world.check(first, TargetState::Healthy);
    for _ in 0..6 {
        assert_eq!(ask(&world, &moved).0, second);
    }
    // The old cookie still means the old target.
    assert_eq!(ask(&world, &cookies).0, first);
}

// ALB-B-009: a client of a draining target moves to another
#[test]
fn a_client_of_a_draining_target_moves() {
    let mut world = World::healthy(1..=3, sticky);
    let (first, _, cookies) = ask(&world, "");
    world.register((1..=3).filter(|at| *at != first));
    assert_eq!(world.state_of(first), Some(TargetState::Draining));
    let (second, anew, _) = ask(&world, &cookies);
    assert!(anew && second != first);
    // Gone, the same.
    world.pass(31 * SECOND);
    assert!(ask(&world, &cookies).1);
    // Registered again, it is known by the same name once it is healthy.
    world.register(1..=3);
    assert!(ask(&world, &cookies).1, "its first check has not passed");
    world.check(first, TargetState::Healthy);
    assert_eq!((ask(&world, &cookies).0, ask(&world, &cookies).1), (first, false));
}

#[test]
fn a_session_counts_while_too_few_targets_are_healthy() {
    let world = World::healthy(1..=3, sticky);
    let (first, _, cookies) = ask(&world, "");
    world.check_all(1..=3, TargetState::Unhealthy);
    for _ in 0..4 {
        let (at, anew, _) = ask(&world, &cookies);
        assert_eq!((at, anew), (first, false));
    }
}

#[test]
fn a_session_survives_a_restart() {
    let (first, _, cookies) = ask(&World::healthy(1..=3, sticky), "");
    // Other serials, another order: the target is known by id and port.
    let mut after = World::healthy([9, 3, 2, 1], sticky);
    after.random = Random::new(77);
    let (at, anew, _) = ask(&after, &cookies);
    assert_eq!((at, anew), (first, false));
    // With another key it is nothing.
    after.key = CookieKey::new(&[8; 32]);
    assert!(ask(&after, &cookies).1);
}

#[test]
fn least_outstanding_requests_counts_sessions() {
    let world = World::healthy(1..=2, |attributes| {
        sticky(attributes);
        attributes.algorithm = Algorithm::LeastOutstandingRequests;
    });
    let (first, _, cookies) = ask(&world, "");
    let servers = world.compiled();
    let held: Vec<_> = (0..3)
        .map(|_| world.pick_on(1, &servers, &cookies, Wall::of_secs(1000)).unwrap())
        .collect();
    assert!(held.iter().all(|picked| last_byte(&picked.target) == first));
    assert_ne!(ask(&world, "").0, first);
}

// ALB-A-008, with servers: the cookies of the group come before those of the target
#[test]
fn cookies_of_group_and_target() {
    let world = World::healthy(1..=3, sticky);
    let servers = world.compiled();
    let now = Wall::of_secs(1000);
    let picked = world.pick_on(0, &servers, "", now).unwrap();
    let head = ResponseHead::new();
    let answered = Answered {
        head: &head,
        bytes: b"",
        https: true,
    };
    let rule = listener(&group_arn("red")).default_rule;
    let set = servers.cookies(&picked, Some(&rule), &world.key, answered, now);
    let names: Vec<_> = set
        .iter()
        .map(|(_, value)| String::from_utf8_lossy(value).split('=').next().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["AWSALBTG", "AWSALBTGCORS", "AWSALB", "AWSALBCORS"]);
}
