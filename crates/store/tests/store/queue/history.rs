//! Histories: what was accepted is there, what was settled does not come back, and an event and what follows from it are
//! never both there. A history follows from its seed; `check(seed)` plays it again.

use super::*;
use std::collections::BTreeSet;

const SEEDS: u64 = 160;
const STEPS: usize = 24;
const THREADS: u64 = 4;

#[test]
fn what_was_accepted_is_there_until_it_is_settled() {
    let mut seen = Seen::default();
    let threads = (0..THREADS).map(|thread| {
        std::thread::spawn(move || {
            let mut seen = Seen::default();
            for seed in (thread..SEEDS).step_by(THREADS as usize) {
                let played = std::panic::catch_unwind(|| check(seed));
                seen.add(&played.unwrap_or_else(|_| panic!("the history of seed {seed} failed")));
            }
            seen
        })
    });
    for thread in threads.collect::<Vec<_>>() {
        seen.add(&thread.join().expect("the history that failed was named"));
    }
    // A history in which nothing goes wrong proves nothing.
    assert!(
        seen.added > 1000 && seen.settled > 500 && seen.followed > 100,
        "{seen:?}"
    );
    assert!(seen.crashes > 200 && seen.failed > 100, "{seen:?}");
    assert!(seen.lost_unacknowledged > 5, "{seen:?}");
}

#[derive(Debug, Default)]
struct Seen {
    added: usize,
    settled: usize,
    followed: usize,
    failed: usize,
    crashes: usize,
    lost_unacknowledged: usize,
    kept_unacknowledged: usize,
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.added += other.added;
        self.settled += other.settled;
        self.followed += other.followed;
        self.failed += other.failed;
        self.crashes += other.crashes;
        self.lost_unacknowledged += other.lost_unacknowledged;
        self.kept_unacknowledged += other.kept_unacknowledged;
    }
}

/// What is known of an event, by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    event: Event,
    attempts: Attempts,
}

struct History {
    draw: Draw,
    disk: Simulated,
    runtime: Runtime,
    queue: Option<Queue>,
    heard: Heard,
    /// What must be there, by request id.
    there: BTreeMap<String, Known>,
    /// What may be there: its caller was told that it failed.
    unclear: BTreeMap<String, Known>,
    /// A settlement of which is not known whether it happened: of whom, and what is there if it did.
    unsettled: Option<(String, Option<(String, Known)>)>,
    number: u64,
    seen: Seen,
}

fn check(seed: u64) -> Seen {
    let disk = Simulated::new(seed);
    let mut history = History {
        draw: Draw::seeded(seed),
        disk,
        runtime: runtime(),
        queue: None,
        heard: Heard::default(),
        there: BTreeMap::new(),
        unclear: BTreeMap::new(),
        unsettled: None,
        number: seed * 1000,
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
        let plan = match self.draw.below(12) {
            0 => Plan {
                crash_in: Some(1 + self.draw.below(30) as u64),
                ..Plan::default()
            },
            1 | 2 => Plan {
                error_in: Some(1 + self.draw.below(20) as u64),
                ..Plan::default()
            },
            3 => Plan {
                fail_sync: true,
                crash_in: self.draw.chance(50).then(|| 10 + self.draw.below(60) as u64),
                ..Plan::default()
            },
            4 => Plan {
                full: true,
                ..Plan::default()
            },
            5 => return self.crash(),
            6 => return self.restart(),
            _ => Plan::default(),
        };
        let is_full = plan.full;
        self.disk.plan(plan);
        match self.draw.below(2) {
            0 => self.add(),
            _ => self.settle(),
        }
        if is_full {
            self.disk.plan(Plan::default());
        }
        if self.disk.is_down() {
            self.crash();
        }
    }

    fn queue(&self) -> Queue {
        self.queue.clone().expect("it was started")
    }

    /// One to three at once.
    fn add(&mut self) {
        let events: Vec<Event> = (0..=self.draw.below(3)).map(|_| self.fresh()).collect();
        let queue = self.queue();
        let added = self.runtime.block_on(async {
            let mut adding = tokio::task::JoinSet::new();
            for event in events {
                let queue = queue.clone();
                adding.spawn(async move { (queue.add(event.clone()).await, event) });
            }
            adding.join_all().await
        });
        for (added, event) in added {
            let known = Known {
                event,
                attempts: Attempts::default(),
            };
            let id = known.event.request_id.clone();
            match added {
                Ok(_) => {
                    self.seen.added += 1;
                    self.there.insert(id, known);
                }
                Err(AddError::Failed(_)) => {
                    self.seen.failed += 1;
                    self.unclear.insert(id, known);
                }
                Err(other) => panic!("{other}"),
            }
        }
    }

    fn fresh(&mut self) -> Event {
        self.number += 1;
        event(self.number, b"{\"a\":1}")
    }

    /// What follows: an invocation, or a record for a bucket.
    fn follower(&mut self) -> Event {
        let fresh = self.fresh();
        match self.draw.chance(30) {
            true => Event {
                request_id: fresh.request_id,
                ..self.draw.delivery()
            },
            false => fresh,
        }
    }

    fn place(&self, request_id: &str) -> EventId {
        let queue = self.queue();
        let told = self.heard.told();
        let found = told.iter().rev().find(|waiting| {
            let read = self.runtime.block_on(queue.read(waiting.id));
            read.is_ok_and(|event| event.request_id == request_id)
        });
        found.map_or(EventId(u64::MAX), |waiting| waiting.id)
    }

    /// As whoever serves the queue does it: again and again until it is known.
    fn settle(&mut self) {
        let Some(request_id) = self.there.keys().nth(self.draw.below(self.there.len().max(1))).cloned() else {
            return;
        };
        let plan_is_on = self.disk.is_down();
        if plan_is_on {
            return;
        }
        let id = self.place(&request_id);
        if id.0 == u64::MAX {
            return; // it cannot be read at the moment
        }
        let known = self.there[&request_id].clone();
        let (settlement, after) = match self.draw.below(3) {
            0 => {
                let attempts = self.draw.attempts();
                let again = Known { attempts, ..known };
                (Settlement::Again(attempts), Some((request_id.clone(), again)))
            }
            1 => (Settlement::Gone, None),
            _ => {
                let event = self.follower();
                let follower = Known {
                    event: event.clone(),
                    attempts: Attempts::default(),
                };
                let after = Some((event.request_id.clone(), follower));
                (Settlement::Followed(Box::new(event)), after)
            }
        };
        let queue = self.queue();
        for _ in 0..20 {
            match self.runtime.block_on(queue.settle(id, settlement.clone())) {
                Ok(()) | Err(QueueError::Gone) => {
                    self.unsettled = None;
                    self.seen.settled += 1;
                    self.seen.followed += usize::from(matches!(settlement, Settlement::Followed(_)));
                    self.there.remove(&request_id);
                    self.there.extend(after);
                    return;
                }
                Err(QueueError::Failed(_)) => {
                    self.seen.failed += 1;
                    self.unsettled = Some((request_id.clone(), after.clone()));
                    if self.disk.is_down() {
                        return;
                    }
                    self.disk.plan(Plan::default());
                }
                Err(other) => panic!("{other}"),
            }
        }
        panic!("nothing goes wrong any more, and nothing can be written");
    }

    fn crash(&mut self) {
        self.seen.crashes += 1;
        self.disk.restart();
        self.queue = None;
        self.start();
    }

    /// An end in order, and the next start.
    fn restart(&mut self) {
        // A sync that fails as the file is closed is nobody's: the next process reads back what was lost.
        self.disk.plan(Plan::default());
        let queue = self.queue();
        self.runtime.block_on(queue.close());
        self.queue = None;
        self.start();
    }

    /// Starts until it succeeds: starts crash, too, and errors keep them from starting.
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
            self.heard = Heard::default();
            let disk = Arc::new(self.disk.clone());
            match Queue::open(disk, QueueRoom::default(), self.heard.listener()) {
                Ok(queue) => {
                    if self.disk.is_down() {
                        drop(queue);
                        self.disk.restart();
                        continue;
                    }
                    self.disk.plan(Plan::default());
                    self.queue = Some(queue);
                    return self.compare();
                }
                Err(QueueOpenError::Io { .. }) if self.disk.is_down() => self.disk.restart(),
                Err(QueueOpenError::Io { .. } | QueueOpenError::InUse { .. }) => self.disk.plan(Plan::default()),
                Err(other) => panic!("{other}"),
            }
        }
    }

    fn compare(&mut self) {
        let queue = self.queue();
        let mut found = BTreeMap::new();
        for waiting in self.heard.told() {
            let event = self.runtime.block_on(queue.read(waiting.id)).unwrap();
            assert_eq!((&event.function, event.accepted), (&waiting.function, waiting.accepted));
            let known = Known {
                event,
                attempts: waiting.attempts,
            };
            let twice = found.insert(known.event.request_id.clone(), known);
            assert_eq!(twice, None);
        }
        if let Some((request_id, after)) = self.unsettled.take() {
            let mut happened = self.there.clone();
            happened.remove(&request_id);
            happened.extend(after);
            let explains = |there: &BTreeMap<String, Known>| {
                there.iter().all(|(id, known)| found.get(id) == Some(known))
                    && found
                        .keys()
                        .all(|id| there.contains_key(id) || self.unclear.contains_key(id))
            };
            let stayed = explains(&self.there);
            assert!(stayed || explains(&happened), "half of a settlement is there");
            if !stayed {
                self.there = happened;
            }
        }
        for (id, known) in &self.there {
            assert_eq!(found.get(id), Some(known), "{id} was acknowledged");
        }
        let more: BTreeSet<_> = found
            .keys()
            .filter(|id| !self.there.contains_key(*id))
            .cloned()
            .collect();
        for id in &more {
            assert_eq!(
                found.get(id),
                self.unclear.get(id),
                "{id} was settled, or nobody asked for it"
            );
        }
        self.seen.kept_unacknowledged += more.len();
        self.seen.lost_unacknowledged += self.unclear.len() - more.len();
        self.unclear.clear();
        self.there = found;
    }
}
