//! What is known about one target group: its targets, how they are, which are leaving. Changes are rare and take a lock;
//! traffic reads the [`Members`] that every change makes anew. Source: ALB 5.2, 5.5 to 5.8.

use super::anomaly::{self, Watch};
use super::draining::{Draining, Wake};
use super::member::{HEALTHY, Maker, Member, unhealthy};
use super::members::{Eligible, Members};
use super::slow_start::{self, BecameHealthy};
use super::target::{Lanes, Padded, Target, totals};
use super::{CheckSettings, CheckedTarget};
use crate::sticky::GroupTag;
use arc_swap::ArcSwap;
use model::TargetGroupArn;
use model::elb::target_group::{Algorithm, MinimumHealthy, TargetGroupAttributes, Zone};
use model::observed::{TargetHealth, TargetState};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// How often the shares of targets in slow start grow.
const RAMP_STEP: Duration = Duration::from_secs(1);

/// What is known about one group.
#[derive(Debug)]
pub(crate) struct GroupState {
    pub(super) arn: TargetGroupArn,
    /// What stands for the group in cookies.
    pub(super) tag: GroupTag,
    pub(super) members: ArcSwap<Members>,
    pub(super) cursor: Padded<AtomicU64>,
    inner: Mutex<Inner>,
}

/// What the state says about a group.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) check: Arc<CheckSettings>,
    pub(super) attributes: TargetGroupAttributes,
    /// Whether a listener or a rule forwards to it.
    pub(super) in_use: bool,
}

/// Everything about a group that changes.
#[derive(Debug, Default)]
pub(super) struct Inner {
    /// `None` before the state has had the group.
    pub(super) settings: Option<Settings>,
    /// The state has it no more: its targets drain.
    pub(super) deleted: bool,
    pub(super) registered: Vec<Member>,
    /// Deregistered targets, the latest last.
    pub(super) draining: Vec<Draining>,
    /// Targets that were cut since the last tick.
    pub(super) cut: Vec<(Arc<Target>, Lanes)>,
    /// When the weights were taken that traffic goes by.
    pub(super) published_at: Option<Instant>,
    ramped_at: Option<Instant>,
    judged_at: Option<Instant>,
}

impl GroupState {
    pub(super) fn new(arn: &TargetGroupArn) -> Self {
        Self {
            arn: arn.clone(),
            tag: GroupTag::of(arn),
            members: ArcSwap::default(),
            cursor: Padded::default(),
            inner: Mutex::default(),
        }
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state has the group like this. A target that stays keeps all that is known about it, one that is new begins as
    /// `initial`, one that is gone drains. So does one that listens elsewhere under the same id: it is another target. What
    /// is registered again while it drains is new too, at once: AWS makes the caller wait for the delay (ALB 5.7), but who
    /// edits a manifest twice wants what it says now.
    pub(super) fn follow(
        &self,
        settings: Settings,
        targets: &[model::elb::target_group::Target],
        maker: &Maker,
        now: Instant,
    ) -> Wake {
        let mut inner = self.inner();
        let same = |(member, target): (&Member, &model::elb::target_group::Target)| member.registered == *target;
        let registered = &inner.registered;
        if inner.settings.as_ref() == Some(&settings)
            && !inner.deleted
            && registered.len() == targets.len()
            && registered.iter().zip(targets).all(same)
        {
            return Wake::Nobody;
        }
        inner.deleted = false;
        inner.register(targets, maker, settings.attributes.deregistration_delay, now);
        inner.configure(settings);
        let wake = inner.cut(now);
        self.publish(&mut inner, now);
        wake
    }

    /// The state has the group no more: all its targets drain. Requests whose rule was matched before still choose among
    /// them.
    pub(super) fn delete(&self, now: Instant) -> Wake {
        let mut inner = self.inner();
        if inner.deleted {
            return Wake::Nobody;
        }
        inner.deleted = true;
        let settings = inner.settings.as_ref();
        let delay = settings.map_or(Duration::ZERO, |settings| settings.attributes.deregistration_delay);
        inner.drain(delay, now);
        let wake = inner.cut(now);
        self.forget_if_over(&inner);
        wake
    }

    /// Checks of a target begin: it is told how it stands before the first of them.
    pub(super) fn begin(&self, target: &Arc<Target>, health: TargetHealth) {
        let mut inner = self.inner();
        let member = inner
            .registered
            .iter_mut()
            .find(|member| Arc::ptr_eq(&member.target, target));
        if let Some(member) = member.filter(|member| member.health.state == health.state) {
            member.health = health;
        }
    }

    /// What checks have found. `false` if the target is registered no more.
    pub(super) fn set_health(&self, target: &Arc<Target>, health: TargetHealth, now: Instant) -> bool {
        let mut inner = self.inner();
        let Some(at) = inner
            .registered
            .iter()
            .position(|member| Arc::ptr_eq(&member.target, target))
        else {
            return false;
        };
        if inner.note(at, health, now) {
            self.publish(&mut inner, now);
        }
        true
    }

    /// What another process has found out about targets that nobody has asked here.
    pub(super) fn take_over(&self, known: impl Fn(&model::elb::target_group::Target) -> Option<bool>, now: Instant) {
        let mut inner = self.inner();
        for member in &mut inner.registered {
            if let Some(healthy) = known(&member.registered).filter(|_| member.is_unasked_of_first()) {
                member.health = if healthy { HEALTHY } else { unhealthy() };
                member.asked = true;
                member.is_of_first &= !healthy;
            }
        }
        self.publish(&mut inner, now);
    }

    /// The state of one target, as far as it is known.
    pub(super) fn state_of(&self, target: &Arc<Target>) -> TargetState {
        let inner = self.inner();
        let member = inner
            .registered
            .iter()
            .find(|member| Arc::ptr_eq(&member.target, target));
        member.map_or(TargetState::Initial, |member| member.health.state)
    }

    /// Does what is due: targets whose delay is over are cut, shares in slow start grow, error rates are compared.
    /// Does nothing while somebody else holds the lock: the next tick is soon.
    pub(super) fn tick(&self, now: Instant) -> Wake {
        let mut inner = match self.inner.try_lock() {
            Ok(inner) => inner,
            Err(TryLockError::Poisoned(inner)) => inner.into_inner(),
            Err(TryLockError::WouldBlock) => return Wake::Nobody,
        };
        let wake = inner.cut(now);
        let (ramped, judged) = (inner.ramp(now), inner.judge(now));
        if (ramped || judged) && !inner.deleted {
            self.publish(&mut inner, now);
        }
        self.forget_if_over(&inner);
        wake
    }

    /// Nothing is left of it: the registry may drop it.
    pub(super) fn is_over(&self) -> bool {
        let inner = self.inner();
        (inner.deleted || inner.settings.is_none()) && inner.draining.is_empty() && inner.cut.is_empty()
    }

    /// The targets to check.
    pub(super) fn checked(self: &Arc<Self>, out: &mut Vec<CheckedTarget>) {
        let inner = self.inner();
        let Some(settings) = inner.settings.as_ref().filter(|settings| settings.in_use) else {
            return;
        };
        let members = inner.registered.iter().filter(|member| settings.reaches(member));
        out.extend(members.map(|member| CheckedTarget {
            target: member.target.clone(),
            settings: settings.check.clone(),
            state: self.clone(),
        }));
    }

    /// From now on traffic chooses by what is known.
    fn publish(&self, inner: &mut Inner, now: Instant) {
        inner.published_at = Some(now);
        self.members.store(Arc::new(inner.members(now)));
    }

    /// A deleted group answers requests of old tables until its last target is gone.
    fn forget_if_over(&self, inner: &Inner) {
        if inner.deleted && inner.draining.is_empty() && !self.members.load().is_empty() {
            self.members.store(Arc::default());
        }
    }
}

impl Settings {
    /// Whether targets of a zone get requests from here, which is the zone [`Zone::Own`]. Source: ALB 5.8.
    pub(super) fn reaches(&self, member: &Member) -> bool {
        self.attributes.cross_zone.is_on() || matches!(member.registered.zone, Zone::Own | Zone::All)
    }

    pub(super) fn slow_start(&self) -> Option<Duration> {
        let round_robin = self.attributes.algorithm == Algorithm::RoundRobin;
        self.attributes.slow_start.filter(|_| round_robin)
    }

    pub(super) fn mitigates(&self) -> bool {
        self.attributes.anomaly_mitigation && self.attributes.algorithm == Algorithm::WeightedRandom
    }
}

impl Inner {
    fn register(&mut self, targets: &[model::elb::target_group::Target], maker: &Maker, delay: Duration, now: Instant) {
        let is_of_first = self.registered.is_empty();
        let known = std::mem::take(&mut self.registered).into_iter();
        let mut known: BTreeMap<_, _> = known
            .map(|member| ((member.registered.id.clone(), member.registered.port), member))
            .collect();
        let mut registered = Vec::with_capacity(targets.len());
        for target in targets {
            let key = (target.id.clone(), target.port);
            registered.push(match known.remove(&key) {
                Some(mut member) if member.target.is(target) => {
                    member.registered = target.clone();
                    member
                }
                other => {
                    other.map(|elsewhere| known.insert(key, elsewhere));
                    Member::new(target, is_of_first, maker)
                }
            });
        }
        self.registered = known.into_values().collect();
        self.drain(delay, now);
        self.registered = registered;
    }

    fn configure(&mut self, settings: Settings) {
        if self
            .settings
            .as_ref()
            .is_none_or(|before| before.in_use != settings.in_use)
        {
            // All of them begin together, as if they had been registered at once.
            self.registered.iter_mut().for_each(|member| member.reset(true));
        }
        for member in &mut self.registered {
            if !settings.reaches(member) {
                member.reset(false); // it is not checked, and what is known becomes old
            }
            if settings.slow_start().is_none() {
                member.ramp_since = None; // and what is healthy when it is set again does not enter it
            }
            if !settings.mitigates() {
                member.watch.weight = 1.0;
            }
        }
        self.settings = Some(settings);
    }

    /// Takes note of a target's health; whether other targets get requests now.
    fn note(&mut self, at: usize, health: TargetHealth, now: Instant) -> bool {
        let Some(settings) = &self.settings else {
            return false;
        };
        let stands = |member: &Member| member.is_healthy() && member.ramp_since.is_none() && settings.reaches(member);
        let joins_others = self.registered.iter().any(stands);
        let slow_start = settings.slow_start().is_some();
        let member = &mut self.registered[at];
        let (before, unasked) = (member.is_healthy(), member.is_unasked_of_first());
        member.health = health;
        member.asked = true;
        if before == member.is_healthy() {
            return unasked;
        }
        member.watch = Watch::new(totals(&member.lanes));
        member.ramp_since = None;
        if !before {
            let became = BecameHealthy {
                joins_others,
                is_of_first: std::mem::take(&mut member.is_of_first),
            };
            member.ramp_since = (slow_start && became.enters()).then_some(now);
        }
        true
    }

    /// Lets the shares of targets in slow start grow; whether there are any.
    fn ramp(&mut self, now: Instant) -> bool {
        let Some(duration) = self.settings.as_ref().and_then(Settings::slow_start) else {
            return false;
        };
        let ramping = self.registered.iter().any(|member| member.ramp_since.is_some());
        if !ramping || self.ramped_at.is_some_and(|at| now < at + RAMP_STEP) {
            return false;
        }
        self.ramped_at = Some(now);
        for member in &mut self.registered {
            let over = |since: &Instant| slow_start::share(*since, duration, now).is_none();
            if member.ramp_since.as_ref().is_some_and(over) {
                member.ramp_since = None;
            }
        }
        true
    }

    /// Ends a window, if it is time; whether weights changed.
    fn judge(&mut self, now: Instant) -> bool {
        if now < *self.judged_at.get_or_insert(now) + anomaly::WINDOW {
            return false;
        }
        self.judged_at = Some(now);
        self.drop_superseded();
        for target in &mut self.draining {
            target.times.turn(totals(&target.lanes));
        }
        let Some(settings) = &self.settings else {
            return false;
        };
        let mut healthy = Vec::new();
        for member in &mut self.registered {
            let counted = totals(&member.lanes);
            member.times.turn(counted);
            if member.is_healthy() && settings.reaches(member) {
                healthy.push((&mut member.watch, counted));
            }
        }
        let weights = |targets: &[(&mut Watch, _)]| targets.iter().map(|(watch, _)| watch.weight).collect::<Vec<_>>();
        let before = weights(&healthy);
        anomaly::judge(&mut healthy, settings.mitigates());
        // Requests that began under another algorithm become fewer, and the list of targets says how many there are.
        before != weights(&healthy) || settings.attributes.algorithm == Algorithm::LeastOutstandingRequests
    }

    /// What traffic chooses from. Source: ALB 5.1, 5.6, 5.8.
    fn members(&self, now: Instant) -> Members {
        let Some(settings) = &self.settings else {
            return Members::default();
        };
        let reached: Vec<&Member> = self
            .registered
            .iter()
            .filter(|member| settings.reaches(member))
            .collect();
        let healthy = reached.iter().filter(|member| member.is_healthy()).count();
        let fail_open = !suffices(settings.attributes.unhealthy_state_routing, healthy, reached.len());
        let eligible = reached
            .iter()
            .filter(|member| fail_open || member.is_healthy() || member.is_unasked_of_first());
        let eligible = eligible
            .map(|member| {
                Eligible::new(
                    member.target.clone(),
                    member.lanes.clone(),
                    member.weight(settings, now),
                )
            })
            .collect();
        Members::new(settings.attributes.algorithm, eligible, fail_open)
    }
}

/// Whether so many healthy targets are enough; either threshold can be missed. Source: ALB 5.6.
pub(super) fn suffices(minimum: MinimumHealthy, healthy: usize, all: usize) -> bool {
    minimum.count.is_none_or(|count| healthy >= usize::from(count))
        && minimum
            .percentage
            .is_none_or(|percentage| healthy * 100 >= usize::from(percentage) * all)
}
