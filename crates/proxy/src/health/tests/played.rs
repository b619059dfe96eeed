//! A core that is driven by hand on simulated time, and functions that do what a test says.

use crate::balance::Groups;
use crate::health::log::{CheckEntry, HealthLog};
use crate::health::{Checkers, Pools, TargetEntry};
use invoke::{Invocation, InvokeOutcome, Invoker, LocalBoxFuture};
use model::elb::health_check::{HealthCheck, HealthCheckTiming};
use model::{AccountId, FunctionArn, LoadBalancerArn, Region, ResourceId, Scope, TargetGroupArn};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::LocalSet;
use tokio::time::Instant;

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// A function on simulated time: it takes so long and answers this, and remembers when it was asked what.
pub(super) struct Played {
    pub(super) began: Instant,
    pub(super) takes: Cell<Duration>,
    pub(super) status: Cell<u16>,
    pub(super) panics: Cell<bool>,
    pub(super) asked: RefCell<Vec<(Duration, Invocation)>>,
    pub(super) running: Rc<Cell<usize>>,
    pub(super) most_running: Cell<usize>,
}

impl Played {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            began: Instant::now(),
            takes: Cell::new(Duration::ZERO),
            status: Cell::new(200),
            panics: Cell::new(false),
            asked: RefCell::default(),
            running: Rc::default(),
            most_running: Cell::new(0),
        })
    }

    /// When it was asked.
    pub(super) fn times(&self) -> Vec<Duration> {
        self.asked.borrow().iter().map(|(at, _)| *at).collect()
    }

    /// The most that came after `start` within any time as long as `window`.
    pub(super) fn most_within(&self, window: Duration, start: Duration) -> usize {
        let times: Vec<_> = self.times().into_iter().filter(|at| *at > start).collect();
        let within = |first: &Duration| {
            times
                .iter()
                .filter(|at| (*first..*first + window).contains(*at))
                .count()
        };
        times.iter().map(within).max().unwrap_or(0)
    }

    pub(super) fn since(&self, start: Duration) -> usize {
        self.asked.borrow().iter().filter(|(at, _)| *at > start).count()
    }
}

pub(super) struct Handle(Rc<Played>);

impl Invoker for Handle {
    fn invoke(&self, invocation: Invocation) -> LocalBoxFuture<InvokeOutcome> {
        let played = &self.0;
        assert!(
            !played.panics.get() || invocation.function.as_str().ends_with(":f"),
            "as a test wants it"
        );
        played.asked.borrow_mut().push((played.began.elapsed(), invocation));
        played.running.set(played.running.get() + 1);
        played
            .most_running
            .set(played.most_running.get().max(played.running.get()));
        let (takes, status, running) = (played.takes.get(), played.status.get(), played.running.clone());
        // As with every invoker, an invocation that nobody waits for goes on.
        let run = tokio::task::spawn_local(async move {
            // tidy: allow(sleep): the function's own work, on simulated time
            tokio::time::sleep_until(Instant::now() + takes).await;
            running.set(running.get() - 1);
            InvokeOutcome::Buffered(format!("{{\"statusCode\":{status}}}").into())
        });
        Box::pin(async move { run.await.unwrap() })
    }
}

/// What was written to the health-check log.
#[derive(Clone, Debug, Default)]
pub(super) struct Written(pub(super) Arc<Mutex<Vec<(LoadBalancerArn, String)>>>);

impl Written {
    /// The lines without the time of day.
    pub(super) fn lines(&self) -> Vec<String> {
        let all = self.0.lock().unwrap();
        let without_time = |line: &str| {
            let fields: Vec<_> = line.split(' ').collect();
            assert_eq!(fields.len(), 8, "{line}");
            [&fields[..1], &fields[2..]].concat().join(" ")
        };
        all.iter().map(|(_, line)| without_time(line)).collect()
    }
}

impl HealthLog for Written {
    fn entry(&self, load_balancer: &LoadBalancerArn, entry: &CheckEntry<'_>) {
        self.0.lock().unwrap().push((load_balancer.clone(), entry.to_string()));
    }
}

/// One core with its checkers, driven by hand.
pub(super) struct Core {
    pub(super) pools: Pools,
    pub(super) groups: Groups,
    pub(super) checkers: Checkers,
    pub(super) played: Rc<Played>,
    pub(super) written: Written,
}

impl Core {
    pub(super) fn new() -> Self {
        let (pools, groups) = (Pools::new(1), Groups::new(1));
        let (played, written) = (Played::new(), Written::default());
        let (invoker, log) = (Rc::new(Handle(played.clone())), Rc::new(written.clone()));
        let checkers = Checkers::new(0, (&pools, &groups), invoker, log, (7, 5 * SECOND));
        Self {
            pools,
            groups,
            checkers,
            played,
            written,
        }
    }

    /// A new state, followed as a core follows it.
    pub(super) async fn follow(&mut self, targets: &[TargetEntry]) {
        self.pools.follow(targets);
        self.checkers.changed().await;
        self.checkers.follow().await;
    }

    pub(super) fn health(&self) -> (&'static str, Option<&'static str>) {
        let reports = self.pools.reports();
        let health = &reports[0].health;
        (health.state.as_str(), health.reason)
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.played.began.elapsed()
    }
}

pub(super) async fn pass(time: Duration) {
    // tidy: allow(sleep): simulated time, which passes by being slept through
    tokio::time::sleep_until(Instant::now() + time).await;
}

/// The process stands still for so long: whatever was due meanwhile is late.
pub(super) async fn stall(time: Duration) {
    tokio::time::advance(time).await;
}

pub(super) fn scope() -> Scope {
    Scope {
        region: Region::try_from("us-east-1").unwrap(),
        account: AccountId::try_from("123456789012").unwrap(),
    }
}

pub(super) fn shop() -> LoadBalancerArn {
    LoadBalancerArn::new(&scope(), "shop", ResourceId(1))
}

pub(in crate::health) fn target(name: &str) -> TargetEntry {
    TargetEntry {
        group: TargetGroupArn::new(&scope(), name, ResourceId(1)),
        group_name: name.to_owned(),
        function: FunctionArn::new(&scope(), "f"),
        multi_value: false,
        is_permitted: true,
        health_check: HealthCheck {
            enabled: true,
            timing: HealthCheckTiming::of_lambda(10 * SECOND, 5 * SECOND).unwrap(),
            ..HealthCheck::of_lambda()
        },
        used_by: Some(shop()),
    }
}

/// Runs a test on simulated time.
pub(super) fn simulated(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test);
}
