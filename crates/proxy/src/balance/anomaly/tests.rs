use super::*;
use crate::trace::Random;

/// Targets with a chance of failing each, asked by chance and judged window by window.
struct World {
    watches: Vec<Watch>,
    counted: Vec<Totals>,
    random: Random,
}

impl World {
    fn new(targets: usize, seed: u64) -> Self {
        Self {
            watches: vec![Watch::new(Totals::default()); targets],
            counted: vec![Totals::default(); targets],
            random: Random::new(seed),
        }
    }

    /// One window: each target answers so many requests and fails with its chance.
    fn window(&mut self, mitigates: bool, answers: &[u64], chances: &[f64]) {
        for (at, counted) in self.counted.iter_mut().enumerate() {
            let fails = |_: &u64| (self.random.next() >> 11) as f64 / ((1_u64 << 53) as f64) < chances[at];
            counted.ended += answers[at];
            counted.errors += (0..answers[at]).filter(fails).count() as u64;
        }
        let mut targets: Vec<_> = self.watches.iter_mut().zip(self.counted.iter().copied()).collect();
        judge(&mut targets, mitigates);
    }

    fn anomalous(&self) -> Vec<usize> {
        let watches = self.watches.iter().enumerate();
        watches.filter(|(_, watch)| watch.anomalous).map(|(at, _)| at).collect()
    }

    fn weights(&self) -> Vec<f64> {
        self.watches.iter().map(|watch| watch.weight).collect()
    }
}

/// Who is anomalous after one window of these errors out of these answers.
#[track_caller]
fn check(of: &[(u64, u64)], expected: &[usize]) {
    let mut world = World::new(of.len(), 1);
    for (counted, (errors, answers)) in world.counted.iter_mut().zip(of) {
        (counted.errors, counted.ended) = (*errors, *answers);
    }
    world.window(false, &vec![0; of.len()], &vec![0.0; of.len()]);
    assert_eq!(world.anomalous(), expected, "{of:?}");
}

#[test]
fn who_stands_out() {
    check(&[(0, 100), (0, 100), (50, 100)], &[2]);
    check(&[(0, 100), (100, 100), (0, 100), (100, 100)], &[1, 3]);
    // A rate that all have is normal, however high.
    check(&[(50, 100), (50, 100), (50, 100)], &[]);
    check(&[(100, 100), (100, 100), (100, 100)], &[]);
    check(&[(50, 100), (55, 100), (45, 100)], &[]);
    // Most fail: those who do are not the anomaly.
    check(&[(0, 100), (100, 100), (100, 100)], &[]);
    check(&[(0, 100), (0, 100), (90, 100), (90, 100), (90, 100)], &[]);
    // A few errors, or few of a hundred, are not enough.
    check(&[(0, 100), (0, 100), (4, 10)], &[]);
    check(&[(0, 100), (0, 100), (4, 100)], &[]);
    check(&[(0, 10_000), (0, 10_000), (400, 10_000)], &[]);
    check(&[(0, 10_000), (0, 10_000), (600, 10_000)], &[2]);
    check(&[(0, 100), (0, 100), (5, 10)], &[2]);
    check(&[(0, 100), (0, 100), (6, 100)], &[2]);
}

#[test]
fn less_than_three_targets_are_not_compared() {
    check(&[(0, 100), (100, 100)], &[]);
    check(&[(100, 100)], &[]);
    // Three, of which one was not asked.
    check(&[(0, 100), (100, 100), (0, 0)], &[]);
}

#[test]
fn never_more_than_half() {
    let random = Random::new(3);
    for _ in 0..2000 {
        let targets = 3 + (random.next() % 8) as usize;
        let mut world = World::new(targets, 1);
        for counted in &mut world.counted {
            counted.ended = 10 + random.next() % 500;
            counted.errors = random.next() % (counted.ended + 1);
        }
        world.window(false, &vec![0; targets], &vec![0.0; targets]);
        assert!(world.anomalous().len() <= targets / 2, "{:?}", world.counted);
    }
}

#[test]
fn chance_is_no_anomaly() {
    let mut flagged = 0;
    for (seed, chance) in [(1, 0.0), (2, 0.01), (3, 0.1), (4, 0.5), (5, 0.9)] {
        let mut world = World::new(8, seed);
        for _ in 0..250 {
            world.window(true, &[40; 8], &[chance; 8]);
            flagged += world.anomalous().len();
        }
    }
    // Of 10,000 judgements.
    assert!(flagged <= 3, "{flagged}");
}

#[test]
fn a_failing_target_is_found_and_recovers() {
    let mut world = World::new(4, 1);
    let (answers, ill) = ([200; 4], [0.01, 0.01, 0.5, 0.01]);
    let mut weights = Vec::new();
    for _ in 0..7 {
        world.window(true, &answers, &ill);
        assert_eq!(world.anomalous(), [2]);
        weights.push(world.weights()[2]);
    }
    assert_eq!(weights, [0.5, 0.25, 0.125, 0.0625, 0.05, 0.05, 0.05]);
    // Gradually, a tenth each window.
    for step in 1..=10 {
        world.window(true, &answers, &[0.01; 4]);
        let expected = (0.05 + 0.1 * f64::from(step)).min(1.0);
        assert!(
            (world.weights()[2] - expected).abs() < 1e-9,
            "after {step}: {:?}",
            world.weights()
        );
        assert!(world.anomalous().is_empty());
    }
    assert_eq!(world.weights(), [1.0; 4]);
}

#[test]
fn detection_goes_on_without_mitigation() {
    let mut world = World::new(3, 1);
    world.window(false, &[100; 3], &[0.0, 0.0, 1.0]);
    assert_eq!((world.anomalous(), world.weights()), (vec![2], vec![1.0; 3]));
}

#[test]
fn few_answers_are_gathered() {
    let mut world = World::new(3, 1);
    world.window(true, &[100, 100, 100], &[0.0, 0.0, 1.0]);
    assert_eq!(world.weights()[2], 0.5);
    // Two answers a window are judged every fifth window. Until then nothing changes.
    for _ in 0..4 {
        world.window(true, &[100, 100, 2], &[0.0, 0.0, 1.0]);
        assert_eq!((world.anomalous(), world.weights()[2]), (vec![2], 0.5));
    }
    world.window(true, &[100, 100, 2], &[0.0, 0.0, 1.0]);
    assert_eq!((world.anomalous(), world.weights()[2]), (vec![2], 0.25));
    // None at all say nothing for a minute, and then nothing against it.
    for _ in 0..11 {
        world.window(true, &[100, 100, 0], &[0.0; 3]);
        assert_eq!(world.anomalous(), [2]);
    }
    world.window(true, &[100, 100, 0], &[0.0; 3]);
    assert!(world.anomalous().is_empty());
}

#[test]
fn a_target_that_was_ill_before_is_judged_by_what_comes() {
    let mut world = World::new(3, 1);
    for counted in &mut world.counted {
        (counted.ended, counted.errors) = (1000, 1000);
    }
    world.watches = world.counted.iter().map(|counted| Watch::new(*counted)).collect();
    world.window(true, &[100; 3], &[0.0; 3]);
    assert_eq!((world.anomalous(), world.weights()), (vec![], vec![1.0; 3]));
}
