use super::super::target::{Outcome, lanes, totals};
use super::*;
use model::elb::target_group::{TargetId, Zone};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

fn target(at: u8) -> Arc<Target> {
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, at));
    let registered = model::elb::target_group::Target {
        id: TargetId::Ip(address),
        port: 80,
        address,
        zone: Zone::Own,
    };
    Target::new(&registered, u64::from(at))
}

/// One target per weight, with the lanes of two cores.
fn members(algorithm: Algorithm, weights: &[f64]) -> Members {
    let eligible = (0_u8..).zip(weights).map(|(at, weight)| {
        let target = target(at);
        let lanes = lanes(&target, 2);
        Eligible::new(target, lanes, *weight)
    });
    Members::new(algorithm, eligible.collect(), false)
}

/// The serials of so many choices.
fn choices(members: &Members, count: usize, seed: u64) -> Vec<usize> {
    let (cursor, random) = (AtomicU64::new(0), Random::new(seed));
    let choose = || members.choose(&cursor, &random).unwrap().target.serial as usize;
    (0..count).map(|_| choose()).collect()
}

fn counts(choices: &[usize], targets: usize) -> Vec<usize> {
    (0..targets)
        .map(|target| choices.iter().filter(|choice| **choice == target).count())
        .collect()
}

#[test]
fn nobody_and_somebody() {
    let random = Random::new(1);
    for algorithm in [
        Algorithm::RoundRobin,
        Algorithm::LeastOutstandingRequests,
        Algorithm::WeightedRandom,
    ] {
        let none = members(algorithm, &[]);
        assert!(none.is_empty() && none.choose(&AtomicU64::new(0), &random).is_none());
        assert_eq!(choices(&members(algorithm, &[0.3]), 5, 1), [0; 5]);
    }
}

// ALB-B-001: round robin gives equal counts, also to several cores at once
#[test]
fn round_robin_is_exactly_equal() {
    let of_three = members(Algorithm::RoundRobin, &[1.0; 3]);
    assert_eq!(choices(&of_three, 7, 1), [0, 1, 2, 0, 1, 2, 0]);
    let cursor = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for core in 0..2 {
            let (members, cursor) = (&of_three, &cursor);
            scope.spawn(move || {
                let random = Random::new(core);
                for _ in 0..30_000 {
                    let chosen = members.choose(cursor, &random).unwrap();
                    drop(members.begin(chosen, core as usize));
                }
            });
        }
    });
    for target in &of_three.eligible {
        assert_eq!(totals(&target.lanes).requests, 20_000, "{}", target.target.name);
        assert_eq!(outstanding_on(&target.lanes), 0);
    }
}

// ALB-B-029: a share is kept at every moment, not only on average
#[test]
fn shares_are_kept_without_bursts() {
    for weights in [
        &[1.0, 1.0, 1.0, 0.1][..],
        &[1.0, 0.01],
        &[1.0, 0.5, 0.25, 0.125],
        &[0.4, 0.3, 0.2],
    ] {
        let of = members(Algorithm::RoundRobin, weights);
        let made = choices(&of, 20_000, 1);
        let whole: f64 = weights.iter().sum();
        for (target, weight) in weights.iter().enumerate() {
            let mut count = 0.0;
            for (at, choice) in made.iter().enumerate() {
                count += f64::from(u8::from(*choice == target));
                let expected = (at + 1) as f64 * weight / whole;
                assert!(
                    (count - expected).abs() < 4.0,
                    "{weights:?}: {count} of {expected} after {at}"
                );
            }
            let turns: Vec<usize> = made
                .iter()
                .enumerate()
                .filter(|(_, choice)| **choice == target)
                .map(|(at, _)| at)
                .collect();
            let distances: BTreeSet<usize> = turns.windows(2).map(|pair| pair[1] - pair[0]).collect();
            // The ends of a share are rounded, which may add a fourth value at one in 2^50 turns; here there are three.
            assert!(distances.len() <= 3, "{weights:?}: {distances:?}");
            if weight / whole < 0.38 {
                assert!(!distances.contains(&1), "{weights:?}: {target} twice in a row");
            }
        }
    }
}

#[test]
fn weighted_random_is_uniform_without_weights() {
    let made = choices(&members(Algorithm::WeightedRandom, &[1.0; 5]), 50_000, 7);
    for count in counts(&made, 5) {
        // 10,000 expected, standard deviation 89.
        assert!((9600..=10_400).contains(&count), "{count}");
    }
    // In random order: about a fifth of the choices repeat the one before.
    let repeated = made.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert!((9600..=10_400).contains(&repeated), "{repeated}");
}

#[test]
fn weighted_random_follows_weights() {
    let made = choices(&members(Algorithm::WeightedRandom, &[1.0, 0.5, 1.0, 0.05]), 51_000, 11);
    let expected = [20_000, 10_000, 20_000, 1000];
    for (count, expected) in counts(&made, 4).into_iter().zip(expected) {
        assert!(count.abs_diff(expected) < 450, "{count} of {expected}");
    }
}

// ALB-B-002: the idle target is chosen while others are busy
#[test]
fn least_outstanding_requests() {
    let of = members(Algorithm::LeastOutstandingRequests, &[1.0; 4]);
    let (cursor, random) = (AtomicU64::new(0), Random::new(1));
    let mut choose = |core| {
        let chosen = of.choose(&cursor, &random).unwrap();
        of.begin(chosen, core)
    };
    // Both cores count together: four requests are on four targets.
    let mut held: Vec<_> = [0, 1, 1, 0].map(&mut choose).into();
    let on: BTreeSet<u64> = held.iter().map(|request| request.serial).collect();
    assert_eq!(on.len(), 4);
    // The one that has none is the only choice, however often it is asked.
    let idle = held.swap_remove(2).serial;
    for core in [0, 1, 0, 1, 0] {
        assert_eq!(choose(core).serial, idle);
    }
    held.push(choose(1));
    // All have one: ties rotate.
    let tied: BTreeSet<u64> = (0..4).map(|_| choose(0).serial).collect();
    assert_eq!(tied.len(), 4);
    // Two on each but one, which has one.
    held.extend([0, 1, 0].map(&mut choose));
    let least = choose(0).serial;
    assert_eq!(held.iter().filter(|request| request.serial == least).count(), 1);
    assert_eq!(choose(1).serial, least);
    drop(held);
    assert!(of.eligible.iter().all(|target| target.load() == 0));
}

#[test]
fn requests_of_another_algorithm_are_load_too() {
    let before = members(Algorithm::RoundRobin, &[1.0; 3]);
    let kept: Vec<_> = before
        .eligible
        .iter()
        .map(|target| (target.target.clone(), target.lanes.clone()))
        .collect();
    let held = [
        before.begin(&before.eligible[0], 0),
        before.begin(&before.eligible[2], 1),
    ];
    let eligible = || {
        kept.iter()
            .map(|(target, lanes)| Eligible::new(target.clone(), lanes.clone(), 1.0))
            .collect()
    };
    let (cursor, random) = (AtomicU64::new(0), Random::new(1));
    let after = Members::new(Algorithm::LeastOutstandingRequests, eligible(), false);
    for _ in 0..3 {
        assert_eq!(after.choose(&cursor, &random).unwrap().target.serial, 1);
    }
    drop(held);
    let later = Members::new(Algorithm::LeastOutstandingRequests, eligible(), false);
    assert!(later.eligible.iter().all(|target| target.load() == 0));
}

#[test]
fn targets_are_found_by_reference() {
    let of = members(Algorithm::RoundRobin, &[1.0; 20]);
    for target in &of.eligible {
        let found = of.by_reference(&target.target.reference).unwrap();
        assert!(Arc::ptr_eq(&found.target, &target.target));
    }
    for reference in [&b""[..], b"\0\x5010.0.0.99", b"\0\x5110.0.0.1", b"\0\x5010.0.0"] {
        assert!(of.by_reference(reference).is_none());
    }
}

#[test]
fn what_a_request_counts() {
    let of = members(Algorithm::RoundRobin, &[1.0]);
    let chosen = &of.eligible[0];
    for (outcome, took) in [
        (Outcome::Status(200), Some(Duration::from_millis(30))),
        (Outcome::Status(499), Some(Duration::from_millis(10))),
        (Outcome::Status(500), Some(Duration::from_millis(20))),
        (Outcome::Status(600), None),
        (Outcome::ConnectionError, None),
        (Outcome::Abandoned, None),
    ] {
        let request = of.begin(chosen, 1);
        assert_eq!((outstanding_on(&chosen.lanes), chosen.target.load()), (1, 0));
        request.ended(outcome, took);
    }
    let counted = totals(&chosen.lanes);
    assert_eq!((counted.requests, counted.ended, counted.errors), (6, 5, 2));
    assert_eq!((counted.timed, counted.timed_micros), (3, 60_000));
    assert_eq!(outstanding_on(&chosen.lanes), 0);
}
