//! Which server gets a request: the targets of each group, what is known about them, and the choice. Source: ALB 5.
//!
//! What is known about targets outlives tables, so that a changed rule forgets nothing: a [`GroupState`] per target group,
//! a [`Target`] per registered server. Traffic reads one list of targets behind a pointer per group, and atomics.
//!
//! A target that was registered and not yet checked gets no requests, unless too few targets are healthy: then all get
//! them. A group whose targets were all registered a moment ago has none that is healthy, which is why a load balancer
//! answers right after its start.
//!
//! Left to others: asking targets how they are (`health`), connections to them (`target`).

mod anomaly;
mod draining;
mod group;
mod member;
mod members;
mod report;
mod slow_start;
mod target;

pub(crate) use group::GroupState;
pub(crate) use report::GroupReport;
pub(crate) use target::{Outcome, Outstanding, Target};

use crate::clock::Wall;
use crate::cores::HandedHealth;
use crate::reply::HeaderLine;
use crate::sticky::{self, CookieKey, Session};
use crate::table::Users;
use crate::target::tls::TargetTls;
use crate::trace::Random;
use crate::view::View;
use crate::wheel::TICK;
use draining::Wake;
use group::Settings;
use http1::ResponseHead;
use member::Maker;
use model::elb::health_check::{HealthCheckPort, ServerHealthCheck};
use model::elb::target_group::{ProtocolVersion, ServerTargets, TargetGroupAttributes, TargetKind, TargetProtocol};
use model::observed::{TargetHealth, TargetReport, TargetState};
use model::{LoadBalancerArn, RuleArn, State, TargetGroupArn};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Instant;
use tokio::sync::watch;

/// A target group of servers as one table has it.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) protocol: TargetProtocol,
    pub(crate) version: ProtocolVersion,
    pub(crate) attributes: TargetGroupAttributes,
    pub(crate) state: Arc<GroupState>,
}

/// All groups of servers, whatever table they are of.
#[derive(Debug)]
pub(crate) struct Groups {
    groups: Mutex<BTreeMap<TargetGroupArn, Arc<GroupState>>>,
    /// What another process knew, until the first state is followed.
    adopted: Mutex<Vec<HandedHealth>>,
    maker: Maker,
    checked: watch::Sender<Arc<[CheckedTarget]>>,
    cuts: AtomicU64,
    started: Instant,
    /// Milliseconds after the start at which the next tick is due.
    next_tick: AtomicU64,
}

/// The choice for one request.
#[derive(Debug)]
pub(crate) struct Picked {
    pub(crate) target: Outstanding,
    /// Too few targets were healthy, so it may be one that is not: `UnhealthyRoutingRequestCount`.
    pub(crate) fail_open: bool,
    /// Chosen anew although the group is sticky, because the client brought no session or one that no longer counts:
    /// `NonStickyRequestCount`.
    pub(crate) non_sticky: bool,
    session: Option<Session>,
}

/// There is no target to choose: 503. Source: ALB 4.10.
#[derive(Debug)]
pub(crate) struct NoTarget;

/// The head of a target's response, for the cookies that go with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered<'a> {
    pub(crate) head: &'a ResponseHead,
    pub(crate) bytes: &'a [u8],
    /// Whether the client came by an HTTPS listener.
    pub(crate) https: bool,
}

/// A target to check, and how. A target whose settings changed comes again with the same `target.serial`.
#[derive(Clone, Debug)]
pub(crate) struct CheckedTarget {
    pub(crate) target: Arc<Target>,
    pub(crate) settings: Arc<CheckSettings>,
    state: Arc<GroupState>,
}

/// How the targets of one group are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CheckSettings {
    pub(crate) group: TargetGroupArn,
    /// As the health-check log prints it.
    pub(crate) group_name: String,
    /// The load balancer that uses the group, if one does: its health-check log tells of the checks.
    pub(crate) load_balancer: Option<LoadBalancerArn>,
    /// TLS of the checks, as that load balancer speaks it.
    pub(crate) tls: Option<TargetTls>,
    pub(crate) version: ProtocolVersion,
    pub(crate) check: ServerHealthCheck,
}

impl CheckedTarget {
    /// Where the check goes: the target's address with the health-check port.
    pub(crate) fn address(&self) -> SocketAddr {
        match self.settings.check.port {
            HealthCheckPort::TrafficPort => self.target.address,
            HealthCheckPort::Port(port) => SocketAddr::new(self.target.address.ip(), port),
        }
    }

    /// How it is as far as is known, which another process may have found out.
    pub(crate) fn state(&self) -> TargetState {
        self.state.state_of(&self.target)
    }

    /// No check has ended yet; what they find is still to come, and until then nobody has asked the target.
    pub(crate) fn begin(&self, health: TargetHealth) {
        self.state.begin(&self.target, health);
    }

    /// What checks have found. A target begins as `initial` with `Elb.RegistrationInProgress`. Traffic hears of it at once;
    /// ignored when the target is no longer registered. Not for the hot path: it takes a lock.
    pub(crate) fn set_health(&self, health: TargetHealth) {
        self.state.set_health(&self.target, health, Instant::now());
    }
}

impl Default for Groups {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Groups {
    /// None yet. `cores` is how many cores choose targets, at least one.
    pub(crate) fn new(cores: usize) -> Self {
        let maker = Maker {
            cores: cores.max(1),
            serials: AtomicU64::new(0),
        };
        Self {
            groups: Mutex::default(),
            adopted: Mutex::default(),
            maker,
            checked: watch::Sender::new(Arc::default()),
            cuts: AtomicU64::new(0),
            started: Instant::now(),
            next_tick: AtomicU64::new(0),
        }
    }

    /// The state of a group, made when it is first asked for. It has no targets before [`Groups::follow`].
    pub(crate) fn group(&self, arn: &TargetGroupArn) -> Arc<GroupState> {
        state_of(&mut self.groups(), arn)
    }

    /// Follows a new state. To be called before the table of that state serves: what it adds is there then, and what it
    /// drops still answers for the table before it.
    pub(crate) fn follow(&self, state: &State, users: &Users, now: Instant) {
        let mut groups = self.groups();
        let mut wakes = Vec::new();
        let mut here = BTreeSet::new();
        for group in state.target_groups() {
            let TargetKind::Servers(servers) = &group.targets else {
                continue;
            };
            here.insert(&group.arn);
            let settings = Settings {
                check: Arc::new(CheckSettings {
                    group: group.arn.clone(),
                    group_name: group.name.to_string(),
                    load_balancer: users.get(&group.arn).cloned(),
                    tls: users.get(&group.arn).map(|user| TargetTls::of(state, user)),
                    version: servers.protocol_version,
                    check: servers.health_check.clone(),
                }),
                attributes: servers.attributes.clone(),
                in_use: users.contains_key(&group.arn),
            };
            let known = state_of(&mut groups, &group.arn);
            wakes.push(known.follow(settings, &servers.targets, &self.maker, now));
        }
        let gone = groups.values().filter(|group| !here.contains(&group.arn));
        wakes.extend(gone.map(|group| group.delete(now)));
        self.take_over(&groups, now);
        self.wake(&wakes);
    }

    /// Has those checked that are to be since [`Groups::follow`]. Comes when the table is there by which a check finds the log
    /// that it belongs to.
    pub(crate) fn check_followed(&self) {
        self.publish(&self.groups());
    }

    /// What another process has found out about targets: the next state begins with it.
    pub(crate) fn adopt(&self, known: Vec<HandedHealth>) {
        *self.adopted.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    fn take_over(&self, groups: &BTreeMap<TargetGroupArn, Arc<GroupState>>, now: Instant) {
        let adopted = std::mem::take(&mut *self.adopted.lock().unwrap_or_else(PoisonError::into_inner));
        if adopted.is_empty() {
            return;
        }
        let known: BTreeMap<_, _> = adopted
            .iter()
            .map(|it| ((it.target_group.as_str(), it.target.as_str(), it.port), it.healthy))
            .collect();
        for (arn, group) in groups {
            let look = |target: &model::elb::target_group::Target| {
                let id = target.id.to_string();
                known.get(&(arn.as_str(), id.as_str(), target.port)).copied()
            };
            group.take_over(look, now);
        }
    }

    /// The targets that are to be checked, of groups that a listener or a rule uses, and every change of them.
    /// The receiver begins as changed.
    pub(crate) fn checked(&self) -> watch::Receiver<Arc<[CheckedTarget]>> {
        let mut receiver = self.checked.subscribe();
        receiver.mark_changed();
        receiver
    }

    /// Does what is due. Every core calls it every tick, one of them does the work; none of them waits.
    pub(crate) fn tick(&self, now: Instant) {
        let millis = |at: Instant| at.saturating_duration_since(self.started).as_millis();
        let elapsed = u64::try_from(millis(now)).unwrap_or(u64::MAX);
        if elapsed < self.next_tick.load(Ordering::Relaxed) {
            return;
        }
        let mut groups = match self.groups.try_lock() {
            Ok(groups) => groups,
            Err(TryLockError::Poisoned(groups)) => groups.into_inner(),
            Err(TryLockError::WouldBlock) => return, // another core is at it, or a new state
        };
        self.next_tick
            .store(elapsed.saturating_add(TICK.as_millis() as u64), Ordering::Relaxed);
        let wakes: Vec<_> = groups.values().map(|group| group.tick(now)).collect();
        // A table that is being made holds its groups already.
        groups.retain(|_, group| Arc::strong_count(group) > 1 || !group.is_over());
        self.wake(&wakes);
    }

    /// Rises when requests have to see that their target is cut: then every timer of every core is to be woken.
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Acquire)
    }

    /// How every registered or draining server is.
    pub(crate) fn reports(&self) -> Vec<TargetReport> {
        let mut reports = Vec::new();
        self.groups().values().for_each(|group| group.reports(&mut reports));
        reports
    }

    /// How the groups that listeners use stand against their thresholds.
    pub(crate) fn group_reports(&self) -> Vec<GroupReport> {
        self.groups().values().filter_map(|group| group.report()).collect()
    }

    fn groups(&self) -> MutexGuard<'_, BTreeMap<TargetGroupArn, Arc<GroupState>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, groups: &BTreeMap<TargetGroupArn, Arc<GroupState>>) {
        let mut checked = Vec::new();
        groups.values().for_each(|group| group.checked(&mut checked));
        let same = |(a, b): (&CheckedTarget, &CheckedTarget)| {
            Arc::ptr_eq(&a.target, &b.target) && (Arc::ptr_eq(&a.settings, &b.settings) || a.settings == b.settings)
        };
        self.checked.send_if_modified(|current| {
            let modified = current.len() != checked.len() || !current.iter().zip(&checked).all(same);
            if modified {
                *current = checked.into();
            }
            modified
        });
    }

    fn wake(&self, wakes: &[Wake]) {
        if wakes.contains(&Wake::Everybody) {
            self.cuts.fetch_add(1, Ordering::Release);
        }
    }
}

fn state_of(groups: &mut BTreeMap<TargetGroupArn, Arc<GroupState>>, arn: &TargetGroupArn) -> Arc<GroupState> {
    let fresh = || Arc::new(GroupState::new(arn));
    groups.entry(arn.clone()).or_insert_with(fresh).clone()
}

impl Servers {
    pub(crate) fn new(arn: &TargetGroupArn, servers: &ServerTargets, groups: &Groups) -> Self {
        Self {
            protocol: servers.protocol,
            version: servers.protocol_version,
            attributes: servers.attributes.clone(),
            state: groups.group(arn),
        }
    }

    /// Whether both know the targets of the same group, of the same time of its being there.
    pub(crate) fn has_state_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    /// The targets of the group, those included that get no requests now.
    pub(crate) fn reports(&self) -> Vec<TargetReport> {
        let mut reports = Vec::new();
        self.state.reports(&mut reports);
        reports
    }

    /// Chooses a target: the one the client is bound to, if the group is sticky and the target gets requests, otherwise one
    /// by the group's algorithm. `core` is who asks.
    pub(crate) fn pick(
        &self,
        core: usize,
        view: &View<'_>,
        key: &CookieKey,
        now: Wall,
        random: &Random,
    ) -> Result<Picked, NoTarget> {
        let members = self.state.members.load();
        let (mut buffer, mut session, mut bound) = (None, None, None);
        if self.attributes.stickiness.enabled {
            let buffer = buffer.insert(sticky::Buffer::new());
            let asked = Session::read(&self.attributes.stickiness, self.state.tag, view, key, now, buffer);
            bound = asked.bound.and_then(|reference| members.by_reference(reference));
            session = Some(asked.session);
        }
        let chosen = match bound {
            Some(bound) => bound,
            None => members.choose(&self.state.cursor.0, random).ok_or(NoTarget)?,
        };
        Ok(Picked {
            target: members.begin(chosen, core),
            fail_open: members.fail_open,
            non_sticky: session.is_some() && bound.is_none(),
            session,
        })
    }

    /// The cookies of the load balancer that go with the response of a chosen target, in their order. `bind` is the rule that
    /// binds the client to the group, if one does.
    pub(crate) fn cookies(
        &self,
        picked: &Picked,
        bind: Option<&RuleArn>,
        key: &CookieKey,
        answered: Answered<'_>,
        now: Wall,
    ) -> Vec<HeaderLine<'static>> {
        let mut lines = Vec::new();
        if let Some(rule) = bind {
            sticky::bind(key, rule, &self.state.arn, now, &mut lines);
        }
        if let Some(session) = &picked.session {
            let reference = &picked.target.reference;
            session.renew(&self.attributes.stickiness, reference, key, answered, now, &mut lines);
        }
        lines
    }
}

#[cfg(test)]
mod tests;
