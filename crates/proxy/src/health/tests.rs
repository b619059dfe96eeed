//! Whole checkers on simulated time.

use super::*;
use invoke::{Invocation, InvokeOutcome, Invoker, LocalBoxFuture};
use model::elb::health_check::{HealthCheckPath, HealthCheckTiming};
use model::{AccountId, Region, ResourceId, Scope};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::task::LocalSet;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// A function on simulated time: it takes so long and answers this, and remembers when it was asked what.
struct Played {
    began: Instant,
    takes: Cell<Duration>,
    status: Cell<u16>,
    asked: RefCell<Vec<(Duration, Invocation)>>,
    running: Rc<Cell<usize>>,
    most_running: Cell<usize>,
}

impl Played {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            began: Instant::now(),
            takes: Cell::new(Duration::ZERO),
            status: Cell::new(200),
            asked: RefCell::default(),
            running: Rc::default(),
            most_running: Cell::new(0),
        })
    }

    /// When it was asked.
    fn times(&self) -> Vec<Duration> {
        self.asked.borrow().iter().map(|(at, _)| *at).collect()
    }

    fn since(&self, start: Duration) -> usize {
        self.asked.borrow().iter().filter(|(at, _)| *at > start).count()
    }
}

struct Handle(Rc<Played>);

impl Invoker for Handle {
    fn invoke(&self, invocation: Invocation) -> LocalBoxFuture<InvokeOutcome> {
        let played = &self.0;
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

/// One core with its checkers, driven by hand.
struct Core {
    pools: Pools,
    checkers: Checkers,
    played: Rc<Played>,
}

impl Core {
    fn new() -> Self {
        let (pools, played) = (Pools::new(1), Played::new());
        let checkers = Checkers::new(0, &pools, Rc::new(Handle(played.clone())), 7, 5 * SECOND);
        Self {
            pools,
            checkers,
            played,
        }
    }

    /// A new state, followed as a core follows it.
    async fn follow(&mut self, targets: &[TargetEntry]) {
        self.pools.follow(targets);
        self.checkers.changed().await;
        self.checkers.follow().await;
    }

    fn health(&self) -> (&'static str, Option<&'static str>) {
        let reports = self.pools.reports();
        let health = &reports[0].health;
        (health.state.as_str(), health.reason)
    }

    fn elapsed(&self) -> Duration {
        self.played.began.elapsed()
    }
}

async fn pass(time: Duration) {
    // tidy: allow(sleep): simulated time, which passes by being slept through
    tokio::time::sleep_until(Instant::now() + time).await;
}

fn scope() -> Scope {
    Scope {
        region: Region::try_from("us-east-1").unwrap(),
        account: AccountId::try_from("123456789012").unwrap(),
    }
}

fn target(name: &str) -> TargetEntry {
    TargetEntry {
        group: TargetGroupArn::new(&scope(), name, ResourceId(1)),
        function: FunctionArn::new(&scope(), "f"),
        multi_value: false,
        health_check: HealthCheck {
            enabled: true,
            timing: HealthCheckTiming::of_lambda(10 * SECOND, 5 * SECOND).unwrap(),
            ..HealthCheck::of_lambda()
        },
        in_use: true,
    }
}

/// Runs a test on simulated time.
fn simulated(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test);
}

// ALB-L-064: the event has the header user-agent alone
#[test]
fn the_event_byte_for_byte() {
    let mut entry = target("g");
    entry.health_check.path = HealthCheckPath::try_from("/up?x=1").unwrap();
    let arn = entry.group.clone();
    assert_eq!(
        event(&entry),
        format!(
            r#"{{"requestContext":{{"elb":{{"targetGroupArn":"{arn}"}}}},"httpMethod":"GET","path":"/up?x=1","queryStringParameters":{{}},"headers":{{"user-agent":"ELB-HealthChecker/2.0"}},"body":"","isBase64Encoded":false}}"#
        )
    );
    entry.multi_value = true;
    assert_eq!(
        event(&entry),
        format!(
            r#"{{"requestContext":{{"elb":{{"targetGroupArn":"{arn}"}}}},"httpMethod":"GET","path":"/up?x=1","multiValueQueryStringParameters":{{}},"multiValueHeaders":{{"user-agent":["ELB-HealthChecker/2.0"]}},"body":"","isBase64Encoded":false}}"#
        )
    );
}

// ALB-L-065: the state follows the matcher on statusCode
// ALB-B-013: the first success is enough
// ALB-B-015: it takes UnhealthyThresholdCount failures in a row to leave
// ALB-B-023: a wrong code is Target.ResponseCodeMismatch
#[test]
fn states_follow_the_answers() {
    simulated(async {
        let mut core = Core::new();
        core.follow(&[target("g")]).await;
        assert_eq!(core.health(), ("initial", Some("Elb.InitialHealthChecking")));
        pass(5 * SECOND).await;
        assert_eq!(core.health(), ("healthy", None));
        core.played.status.set(500);
        pass(10 * SECOND).await;
        assert_eq!(core.health(), ("healthy", None));
        pass(10 * SECOND).await;
        assert_eq!(core.health(), ("unhealthy", Some("Target.ResponseCodeMismatch")));
        core.played.status.set(200);
        pass(40 * SECOND).await;
        assert_eq!(core.health().0, "unhealthy");
        pass(10 * SECOND).await;
        assert_eq!(core.health(), ("healthy", None));
        let asked = core.played.asked.borrow();
        assert!(asked.iter().all(|(_, invocation)| invocation.trace_id.is_none()));
        assert!(asked[0].1.payload.starts_with(b"{\"requestContext\":"));
    });
}

#[test]
fn checks_come_at_a_fixed_interval_however_long_answers_take() {
    simulated(async {
        let mut core = Core::new();
        core.played.takes.set(3 * SECOND);
        core.follow(&[target("g")]).await;
        pass(100 * SECOND).await;
        let times = core.played.times();
        assert!(times[0] < 5 * SECOND, "{times:?}");
        for pair in times.windows(2) {
            let gap = pair[1] - pair[0];
            assert!(gap >= 10 * SECOND && gap < 10 * SECOND + SECOND / 10, "{times:?}");
        }
        assert!((9..=10).contains(&times.len()), "{times:?}");
    });
}

#[test]
fn many_targets_are_not_asked_in_lockstep() {
    simulated(async {
        let mut core = Core::new();
        let targets: Vec<_> = (0..50).map(|at| target(&format!("g{at}"))).collect();
        core.follow(&targets).await;
        pass(5 * SECOND).await;
        let times = core.played.times();
        assert_eq!(times.len(), 50);
        let in_first_second = times.iter().filter(|at| **at < SECOND).count();
        assert!((1..=25).contains(&in_first_second), "{times:?}");
    });
}

// ALB-B-024: no answer in time is Target.Timeout
#[test]
fn an_outstanding_check_is_not_joined_by_another() {
    simulated(async {
        let mut core = Core::new();
        core.played.takes.set(1000 * SECOND);
        core.follow(&[target("g")]).await;
        pass(60 * SECOND).await;
        assert_eq!(core.health(), ("unhealthy", Some("Target.Timeout")));
        assert_eq!(core.played.times().len(), 1);
        core.played.takes.set(Duration::ZERO);
        pass(940 * SECOND).await;
        // It ended at last, too late to count; the checks after it are answered.
        pass(60 * SECOND).await;
        assert_eq!(core.health(), ("healthy", None));
        assert_eq!(core.played.most_running.get(), 1);
    });
}

#[test]
fn changed_settings_keep_the_health_and_are_felt_at_once() {
    simulated(async {
        let mut core = Core::new();
        let mut slow = target("g");
        slow.health_check.timing = HealthCheckTiming::of_lambda(300 * SECOND, 5 * SECOND).unwrap();
        core.follow(std::slice::from_ref(&slow)).await;
        pass(6 * SECOND).await;
        assert_eq!((core.health(), core.played.times().len()), (("healthy", None), 1));
        let mut fast = slow.clone();
        fast.health_check.timing = HealthCheckTiming::of_lambda(5 * SECOND, 5 * SECOND).unwrap();
        fast.health_check.path = HealthCheckPath::try_from("/other").unwrap();
        fast.multi_value = true;
        core.pools.follow(&[fast]);
        assert_eq!(core.health(), ("healthy", None));
        pass(6 * SECOND).await;
        assert!(core.played.times().len() >= 2, "{:?}", core.played.times());
        let payload = core.played.asked.borrow().last().unwrap().1.payload.clone();
        let event: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(event["path"], "/other");
        assert!(event.get("multiValueHeaders").is_some());
    });
}

// ALB-L-005: without health checks: unavailable, Target.HealthCheckDisabled
// ALB-B-022: a group that nothing forwards to: unused, Target.NotInUse
#[test]
fn what_is_not_checked_is_not_invoked() {
    simulated(async {
        let mut core = Core::new();
        let mut disabled = target("g");
        disabled.health_check.enabled = false;
        core.pools.follow(&[disabled.clone()]);
        assert_eq!(core.health(), ("unavailable", Some("Target.HealthCheckDisabled")));
        let description = core.pools.reports()[0].health.description.clone();
        assert_eq!(description.as_deref(), Some("Health checks are disabled"));
        disabled.in_use = false;
        core.pools.follow(&[disabled.clone()]);
        assert_eq!(core.health(), ("unused", Some("Target.NotInUse")));
        let mut unused = target("g");
        unused.in_use = false;
        core.follow(&[unused]).await;
        pass(60 * SECOND).await;
        assert_eq!(core.health(), ("unused", Some("Target.NotInUse")));
        assert!(core.played.times().is_empty());
        // Used from now on: it begins anew.
        core.follow(&[target("g")]).await;
        assert_eq!(core.health().0, "initial");
        pass(6 * SECOND).await;
        assert_eq!(core.health().0, "healthy");
    });
}

#[test]
fn checkers_end_with_their_target() {
    simulated(async {
        let mut core = Core::new();
        core.follow(&[target("g"), target("h")]).await;
        pass(20 * SECOND).await;
        let (before, asked) = (core.elapsed(), core.played.times().len());
        assert!(asked >= 2, "{asked}");
        core.follow(&[target("h")]).await;
        let of_g = core
            .pools
            .reports()
            .iter()
            .filter(|it| it.target_group == target("g").group)
            .count();
        assert_eq!(of_g, 0);
        pass(20 * SECOND).await;
        let asked_after = core.played.since(before);
        assert_eq!(asked_after, 2, "only one of the two is left");
        // Another function in the group is another target.
        let mut other = target("h");
        other.function = FunctionArn::new(&scope(), "other");
        core.follow(&[other]).await;
        assert_eq!(core.health().0, "initial");
        core.checkers.stop().await;
        let before = core.elapsed();
        pass(100 * SECOND).await;
        assert_eq!(core.played.since(before), 0);
    });
}

#[test]
fn each_target_has_one_home() {
    let pools = Pools::new(3);
    let targets: Vec<_> = (0..9).map(|at| target(&format!("g{at}"))).collect();
    pools.follow(&targets);
    let homes = |pools: &Pools| {
        let checked = pools.checked();
        let homes: Vec<_> = checked.borrow().iter().map(|pool| pool.home).collect();
        homes
    };
    let before = homes(&pools);
    assert_eq!(
        [0, 1, 2].map(|core| before.iter().filter(|home| **home == core).count()),
        [3, 3, 3]
    );
    // The same state again moves nothing and wakes nobody.
    let mut listening = pools.checked();
    listening.mark_unchanged();
    pools.follow(&targets);
    assert_eq!(homes(&pools), before);
    assert!(!listening.has_changed().unwrap());
}
