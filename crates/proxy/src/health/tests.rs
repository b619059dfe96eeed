//! Whole checkers on simulated time.

pub(super) mod played;
mod servers;

use super::*;
use model::elb::health_check::{HealthCheckPath, HealthCheckTiming};
use played::*;
use std::time::Duration;

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
        for second in 0..5 {
            let within = |at: &&Duration| (second * SECOND..(second + 1) * SECOND).contains(*at);
            let count = times.iter().filter(within).count();
            assert!((1..=25).contains(&count), "{times:?}");
        }
        let moments: std::collections::BTreeSet<_> = times.iter().collect();
        assert!(moments.len() > 40, "{times:?}");
        // And so it stays.
        pass(100 * SECOND).await;
        let all = core.played.times();
        let last: std::collections::BTreeSet<_> = all[all.len() - 50..].iter().collect();
        assert!(last.len() > 40, "{all:?}");
    });
}

#[test]
fn a_shortened_interval_does_not_bring_lockstep() {
    simulated(async {
        let mut core = Core::new();
        core.follow(&many(50, 30 * SECOND)).await;
        pass(60 * SECOND).await;
        assert_eq!(core.played.times().len(), 100);
        let change = core.elapsed();
        core.follow(&many(50, 5 * SECOND)).await;
        // It is felt at once, as a start is: within one of the new intervals.
        pass(5 * SECOND + SECOND / 100).await;
        assert_eq!(core.played.since(change), 50);
        pass(60 * SECOND).await;
        assert_eq!(core.played.since(change), 13 * 50);
        let most = core.played.most_within(SECOND / 4, change);
        assert!(most <= 10, "{most} at once");
    });
}

#[test]
fn a_process_that_stood_still_does_not_bring_lockstep() {
    simulated(async {
        let mut core = Core::new();
        core.follow(&many(50, 10 * SECOND)).await;
        for secs in [33, 5, 3600] {
            pass(20 * SECOND).await;
            let resumed = core.elapsed() + secs * SECOND - SECOND / 1000;
            stall(secs * SECOND).await;
            // What was missed is made up for as at a start, and once.
            pass(10 * SECOND).await;
            let most = core.played.most_within(SECOND / 2, resumed);
            assert!(most <= 15, "{most} at once after {secs} s");
            let made = core.played.since(resumed);
            assert!((50..=55).contains(&made), "{made} after {secs} s");
            // And so it stays.
            pass(50 * SECOND).await;
            let most = core.played.most_within(SECOND / 2, resumed);
            assert!(most <= 15, "{most} at once later");
        }
    });
}

#[test]
fn checks_that_waited_for_a_place_go_back_to_their_rhythm() {
    simulated(async {
        let mut core = Core::new();
        core.follow(&many(1000, 10 * SECOND)).await;
        pass(20 * SECOND).await;
        core.played.takes.set(6 * SECOND); // longer than they wait
        pass(120 * SECOND).await;
        core.played.takes.set(Duration::ZERO);
        pass(60 * SECOND).await;
        let after = core.elapsed();
        pass(60 * SECOND).await;
        assert_eq!(core.played.since(after), 6 * 1000);
        let most = core.played.most_within(SECOND / 20, after);
        assert!(most <= 50, "{most} at once");
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
        core.follow(&[fast]).await;
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
        disabled.used_by = None;
        core.pools.follow(&[disabled.clone()]);
        assert_eq!(core.health(), ("unused", Some("Target.NotInUse")));
        let mut unused = target("g");
        unused.used_by = None;
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

/// As many groups of one function each, checked every `interval`.
fn many(count: usize, interval: Duration) -> Vec<TargetEntry> {
    let entry = |at: usize| {
        let mut entry = target(&format!("g{at:05}"));
        entry.health_check.timing = HealthCheckTiming::of_lambda(interval, 5 * SECOND).unwrap();
        entry
    };
    (0..count).map(entry).collect()
}

#[test]
fn checks_that_hang_are_bounded_and_every_target_has_its_turn() {
    simulated(async {
        let mut core = Core::new();
        core.played.takes.set(1000 * SECOND);
        core.follow(&many(1000, 5 * SECOND)).await;
        pass(6 * SECOND).await;
        // Invocations that nobody waits for go on, as they do at every invoker; the checks that wait are what is bounded.
        let first: Vec<_> = core.played.times();
        assert_eq!(first.iter().filter(|at| **at < 5 * SECOND).count(), 256);
        pass(60 * SECOND).await;
        let mut asked = std::collections::BTreeMap::<_, usize>::new();
        for report in core.pools.reports() {
            *asked.entry(report.health.state.as_str()).or_default() += 1;
        }
        assert_eq!(asked, [("unhealthy", 1000)].into());
    });
}

#[test]
fn a_check_that_panics_is_made_again_and_disturbs_nobody() {
    simulated(async {
        let mut core = Core::new();
        let mut other = target("h");
        other.function = FunctionArn::new(&scope(), "panics");
        core.follow(&[target("g"), other]).await;
        pass(6 * SECOND).await;
        let states = |core: &Core| {
            core.pools
                .reports()
                .iter()
                .map(|it| it.health.state)
                .collect::<Vec<_>>()
        };
        assert_eq!(states(&core), [TargetState::Healthy; 2]);
        core.played.panics.set(true);
        let before = core.elapsed();
        pass(40 * SECOND).await;
        // It says nothing about the target.
        assert_eq!(states(&core), [TargetState::Healthy; 2]);
        assert_eq!(core.played.since(before), 4);
        let internal = |line: &String| line.ends_with("panics h FAIL - InternalError");
        assert_eq!(core.written.lines().iter().filter(|line| internal(line)).count(), 4);
        core.played.panics.set(false);
        core.played.status.set(404);
        pass(20 * SECOND).await;
        assert_eq!(states(&core), [TargetState::Unhealthy; 2]);
    });
}

// ALB-G-012: a line for each check, with the function's ARN
#[test]
fn every_check_is_logged_for_the_load_balancer_that_uses_the_group() {
    simulated(async {
        let mut core = Core::new();
        core.played.takes.set(Duration::from_millis(1500));
        core.follow(&[target("g")]).await;
        pass(7 * SECOND).await;
        core.played.status.set(503);
        pass(10 * SECOND).await;
        core.played.takes.set(100 * SECOND);
        pass(15 * SECOND).await;
        let arn = FunctionArn::new(&scope(), "f");
        let [passed, wrong, late] = &core.written.lines()[..] else {
            panic!("{:?}", core.written.lines());
        };
        // The latency is that of a timer, not more exact than a millisecond.
        let check = |line: &str, latency: &str, rest: &str| {
            let fields: Vec<_> = line.splitn(3, ' ').collect();
            assert_eq!((fields[0], fields[2]), ("lambda", rest), "{line}");
            assert!(fields[1].starts_with(latency), "{line}");
        };
        check(passed, "1.50", &format!("{arn} g PASS 200 -"));
        check(wrong, "1.50", &format!("{arn} g FAIL 503 TargetError"));
        check(late, "5.00", &format!("{arn} g FAIL - TimedOut"));
        let all = core.written.0.lock().unwrap();
        assert!(all.iter().all(|(load_balancer, _)| *load_balancer == shop()));
    });
}

#[test]
fn each_target_has_one_home() {
    let pools = Pools::new(3);
    let targets: Vec<_> = (0..9).map(|at| target(&format!("g{at}"))).collect();
    pools.follow(&targets);
    let homes = |pools: &Pools| {
        let checked = pools.checked();
        let keys = checked
            .borrow()
            .iter()
            .cloned()
            .map(|it| checked::Checked::Function(it).key())
            .collect::<Vec<_>>();
        keys.into_iter().map(|key| key.home(3)).collect::<Vec<_>>()
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
