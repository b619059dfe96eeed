//! Histories on a disk that fails and crashes: what was acknowledged is there, and nothing else is half there.
//!
//! A history follows from its seed. One that fails says which; `check(seed)` plays it again.

use crate::disk::{Plan, Simulated};
use crate::draw::Draw;
use model::{Change, Revision, State};
use std::sync::Arc;
use store::{AppendError, EmbeddedLog, Log, OpenError, Room};

const SEEDS: u64 = 300;
const STEPS: usize = 20;
const THREADS: u64 = 4;

#[test]
fn what_was_acknowledged_is_there_whatever_happens() {
    let mut seen = Seen::default();
    let threads =
        (0..THREADS).map(|thread| std::thread::spawn(move || play((thread..SEEDS).step_by(THREADS as usize))));
    for thread in threads.collect::<Vec<_>>() {
        seen.add(&thread.join().expect("the history that failed was named"));
    }
    // A history in which nothing goes wrong proves nothing.
    assert!(
        seen.crashes > 300 && seen.refused > 300 && seen.appended > 2000,
        "{seen:?}"
    );
    assert!(
        seen.lost_unacknowledged > 20 && seen.kept_unacknowledged > 5,
        "{seen:?}"
    );
    assert!(seen.crashes_at_start > 20, "{seen:?}");
}

fn play(seeds: impl Iterator<Item = u64>) -> Seen {
    let mut seen = Seen::default();
    for seed in seeds {
        let played = std::panic::catch_unwind(|| check(seed));
        seen.add(&played.unwrap_or_else(|_| panic!("the history of seed {seed} failed")));
    }
    seen
}

#[derive(Debug, Default)]
struct Seen {
    appended: usize,
    refused: usize,
    crashes: usize,
    crashes_at_start: usize,
    lost_unacknowledged: usize,
    kept_unacknowledged: usize,
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.appended += other.appended;
        self.refused += other.refused;
        self.crashes += other.crashes;
        self.crashes_at_start += other.crashes_at_start;
        self.lost_unacknowledged += other.lost_unacknowledged;
        self.kept_unacknowledged += other.kept_unacknowledged;
    }
}

/// One process after the other on one disk, and what must be on it.
struct History {
    draw: Draw,
    disk: Simulated,
    room: Room,
    log: Option<EmbeddedLog>,
    acknowledged: State,
    /// What was refused because of errors that were not mended yet: after a crash it may be there, as a whole.
    unclear: Vec<State>,
    seen: Seen,
}

fn check(seed: u64) -> Seen {
    let mut draw = Draw::seeded(seed);
    let room = Room {
        batches: draw.pick(&[1, 3, 10, 256]),
        bytes: draw.pick(&[1, 4_000, 1 << 20]),
    };
    let mut history = History {
        draw,
        disk: Simulated::new(seed),
        room,
        log: None,
        acknowledged: State::default(),
        unclear: Vec::new(),
        seen: Seen::default(),
    };
    history.start();
    for _ in 0..STEPS {
        history.step();
    }
    history.crash();
    history.seen
}

impl History {
    fn step(&mut self) {
        match self.draw.below(20) {
            0 => self.plan_and_append(|draw| Plan {
                crash_in: Some(1 + draw.below(30) as u64),
                ..Plan::default()
            }),
            1 | 2 => self.plan_and_append(|draw| Plan {
                error_in: Some(1 + draw.below(20) as u64),
                ..Plan::default()
            }),
            3 | 4 => self.plan_and_append(|draw| Plan {
                fail_sync: true,
                crash_in: draw.chance(50).then(|| 10 + draw.below(60) as u64),
                ..Plan::default()
            }),
            5 => {
                self.plan_and_append(|draw| Plan {
                    full: true,
                    error_in: draw.chance(20).then(|| 1 + draw.below(40) as u64),
                    ..Plan::default()
                });
                self.append();
                self.space_again();
            }
            6 => self.crash(),
            7 => {
                // An end in order, and the next start.
                self.log = None;
                self.start();
            }
            _ => self.append(),
        }
        if self.disk.is_down() {
            self.crash();
        }
    }

    fn plan_and_append(&mut self, plan: impl FnOnce(&mut Draw) -> Plan) {
        let plan = plan(&mut self.draw);
        self.disk.plan(plan);
        self.append();
    }

    fn space_again(&mut self) {
        self.disk.plan(Plan::default());
        self.append();
        assert_eq!(self.unclear, [], "an append with space and without errors is accepted");
    }

    /// One to three batches at once.
    fn append(&mut self) {
        let mut next = self.acknowledged.clone();
        let count = 1 + self.draw.below(3);
        let batches: Vec<Vec<Change>> = (0..count).map(|_| self.batch()).collect();
        for batch in &batches {
            batch.iter().for_each(|change| next.apply(change));
            next.revision = Revision(next.revision.0 + 1);
        }
        let log = self.log.as_mut().unwrap();
        match log.append(self.acknowledged.revision, &batches, &next) {
            Ok(()) => {
                self.acknowledged = next;
                self.unclear.clear();
                self.seen.appended += 1;
            }
            Err(AppendError::Io { .. }) => {
                self.seen.refused += 1;
                match log.is_broken() {
                    true => self.unclear.push(next),
                    false => self.unclear.clear(),
                }
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn batch(&mut self) -> Vec<Change> {
        let count = 1 + self.draw.below(4);
        (0..count).map(|_| self.draw.change()).collect()
    }

    fn crash(&mut self) {
        self.seen.crashes += 1;
        self.disk.restart();
        self.log = None;
        self.start();
    }

    /// Starts until it succeeds: starts crash, too, and read errors keep them from starting.
    fn start(&mut self) {
        loop {
            if self.draw.chance(20) {
                let plan = Plan {
                    crash_in: self.draw.chance(60).then_some(1 + self.draw.below(25) as u64),
                    error_in: self.draw.chance(60).then_some(1 + self.draw.below(25) as u64),
                    ..Plan::default()
                };
                self.disk.plan(plan);
            }
            let before = self.disk.operations();
            match EmbeddedLog::open(Arc::new(self.disk.clone()), self.room) {
                Ok((log, state)) => {
                    assert!(self.disk.operations() > before);
                    self.log = Some(log);
                    return self.compare(state);
                }
                Err(OpenError::Io { .. }) if self.disk.is_down() => {
                    self.seen.crashes_at_start += 1;
                    self.disk.restart();
                }
                Err(OpenError::Io { .. }) => self.disk.plan(Plan::default()),
                Err(other) => panic!("{other}"),
            }
        }
    }

    fn compare(&mut self, state: State) {
        let mut possible = std::iter::once(&self.acknowledged).chain(&self.unclear);
        assert!(
            possible.any(|it| *it == state),
            "revision {} was acknowledged, and revision {} with other contents is there",
            self.acknowledged.revision.0,
            state.revision.0
        );
        match (state == self.acknowledged, self.unclear.is_empty()) {
            (true, true) => {}
            (true, false) => self.seen.lost_unacknowledged += 1,
            (false, _) => self.seen.kept_unacknowledged += 1,
        }
        self.acknowledged = state;
        self.unclear.clear();
    }
}
