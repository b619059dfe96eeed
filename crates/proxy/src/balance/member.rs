//! One registered target and what is known about it. Source: ALB 5.2, 5.5.

use super::anomaly::Watch;
use super::group::Settings;
use super::report::Times;
use super::slow_start;
use super::target::{Lanes, Target, Totals, lanes, totals};
use model::observed::{TargetHealth, TargetState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A registered target.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) registered: model::elb::target_group::Target,
    pub(super) target: Arc<Target>,
    pub(super) lanes: Lanes,
    pub(super) health: TargetHealth,
    /// When it entered slow start, if it is in it.
    pub(super) ramp_since: Option<Instant>,
    /// It came with the first targets of the group and has not been healthy yet.
    pub(super) is_of_first: bool,
    /// A check has ended, here or in the process before this one.
    pub(super) asked: bool,
    pub(super) watch: Watch,
    pub(super) times: Times,
}

/// What makes targets.
#[derive(Debug)]
pub(super) struct Maker {
    pub(super) cores: usize,
    pub(super) serials: AtomicU64,
}

impl Member {
    pub(super) fn new(registered: &model::elb::target_group::Target, is_of_first: bool, maker: &Maker) -> Self {
        let target = Target::new(registered, maker.serials.fetch_add(1, Ordering::Relaxed));
        Self {
            registered: registered.clone(),
            lanes: lanes(&target, maker.cores),
            target,
            health: initial(),
            ramp_since: None,
            is_of_first,
            asked: false,
            watch: Watch::new(Totals::default()),
            times: Times::default(),
        }
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.health.state == TargetState::Healthy
    }

    /// It came with the first targets of its group and nobody has asked it how it is. Until somebody has, it gets requests
    /// beside those that were asked sooner, so that a start moves no client from one target to another.
    pub(super) fn is_unasked_of_first(&self) -> bool {
        self.is_of_first && !self.asked
    }

    /// Its share beside a target of 1.0.
    pub(super) fn weight(&self, settings: &Settings, now: Instant) -> f64 {
        let ramp = self.ramp_since.zip(settings.slow_start());
        match ramp.and_then(|(since, duration)| slow_start::share(since, duration, now)) {
            Some(share) => share,
            None => self.watch.weight,
        }
    }

    /// Back to the beginning: it has to be checked again.
    pub(super) fn reset(&mut self, is_of_first: bool) {
        self.health = initial();
        self.ramp_since = None;
        self.is_of_first = is_of_first;
        self.asked = false;
        self.watch = Watch::new(totals(&self.lanes));
    }
}

/// A target that passes its checks. Source: ALB 5.5.
pub(super) const HEALTHY: TargetHealth = TargetHealth {
    state: TargetState::Healthy,
    reason: None,
    description: None,
};

/// One that does not, without a word of why: that becomes known with its next check.
pub(super) fn unhealthy() -> TargetHealth {
    TargetHealth {
        state: TargetState::Unhealthy,
        reason: Some("Target.FailedHealthChecks"),
        description: Some("Health checks failed".to_owned()),
    }
}

/// How a target begins. Source: ALB 5.5.
fn initial() -> TargetHealth {
    TargetHealth {
        state: TargetState::Initial,
        reason: Some("Elb.RegistrationInProgress"),
        description: Some("Target registration is in progress".to_owned()),
    }
}
