//! Counters of traffic, one set per core so that counting is one store, merged when somebody asks. Source: ALB 8.3 for
//! what is counted.
//!
//! ```text
//! counters, gauges --read--> Readings --expose--> OpenMetrics text
//!                            Readings of two moments --datapoints--> CloudWatch's metrics
//!                                                    --minute--> what the next Readings say of the last minute
//! ```

mod capacity;
mod counters;
mod datapoints;
mod expose;
mod families;
mod minute;
mod readings;

pub(crate) use counters::{CoreCounters, GroupCounters, LoadBalancerCounters};
pub use datapoints::datapoints;
pub use readings::Readings;
pub(crate) use readings::Surroundings;

use crate::table::Users;
use families::{
    ACCEPT_ERRORS, ACCEPT_REFUSALS, ACCEPT_WAITS, BUSY_POLLS, BUSY_POLLS_IN_VAIN, CONNECTIONS, DRAIN_EXPIRED,
    IDLE_TARGET_CONNECTIONS, LENT_BUFFERS, PANICS, SECURITY_GROUP_REFUSALS, TARGET_CONNECTIONS, TASKS, TIMERS,
};
use minute::CapacityUnits;
use model::elb::listener::{Listener, ListenerProtocol, MutualAuthentication};
use model::elb::target_group::TargetKind;
use model::{LoadBalancerArn, State, TargetGroupArn};
use observe::Exposition;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the counters of what is gone are kept, so that its last minute is not lost.
const KEPT_AFTERWARDS: Duration = Duration::from_secs(180);

/// The counters of one load balancer.
#[derive(Debug)]
pub(crate) struct LoadBalancerMetrics {
    resource_id: String,
    cores: Box<[LoadBalancerCounters]>,
    facts: Mutex<LoadBalancerFacts>,
}

/// What the state says about a load balancer, as far as metrics go by it, and what its last minute was.
#[derive(Debug, Default)]
struct LoadBalancerFacts {
    /// One of its listeners asks for client certificates.
    mutual_tls: bool,
    /// Of the last minute.
    units: Option<CapacityUnits>,
}

/// The counters of one target group.
#[derive(Debug)]
pub(crate) struct GroupMetrics {
    resource_id: String,
    cores: Box<[GroupCounters]>,
    facts: Mutex<GroupFacts>,
}

/// What the state says about a target group, as far as metrics go by it, and what its last minute was.
#[derive(Debug, Default)]
struct GroupFacts {
    /// The load balancer that uses the group, or did so last: a target group belongs to one.
    used_by: Option<LoadBalancerArn>,
    is_lambda: bool,
    /// Clients are bound to its targets.
    is_sticky: bool,
    /// Of the last minute.
    requests_per_target: Option<f64>,
}

/// All counters of the proxy. They outlive tables: a changed rule does not reset its load balancer's counters.
#[derive(Debug)]
pub(crate) struct Metrics {
    started: Instant,
    cores: Box<[CoreCounters]>,
    load_balancers: Mutex<Registry<LoadBalancerArn, LoadBalancerMetrics>>,
    groups: Mutex<Registry<TargetGroupArn, GroupMetrics>>,
}

/// The counters of all resources of one kind.
type Registry<K, M> = BTreeMap<K, Kept<M>>;

/// The counters of one resource.
#[derive(Debug)]
struct Kept<M> {
    metrics: Arc<M>,
    /// No table that serves has the resource since then. One of the same name gets them back.
    unserved: Option<Instant>,
}

impl LoadBalancerMetrics {
    pub(crate) fn core(&self, core: usize) -> &LoadBalancerCounters {
        &self.cores[core]
    }

    fn facts(&self) -> MutexGuard<'_, LoadBalancerFacts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GroupMetrics {
    pub(crate) fn core(&self, core: usize) -> &GroupCounters {
        &self.cores[core]
    }

    fn facts(&self) -> MutexGuard<'_, GroupFacts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn per_core<T: Default>(cores: usize) -> Box<[T]> {
    (0..cores).map(|_| T::default()).collect()
}

impl Metrics {
    pub(crate) fn new(cores: usize) -> Self {
        Self {
            started: Instant::now(),
            cores: per_core(cores),
            load_balancers: Mutex::default(),
            groups: Mutex::default(),
        }
    }

    /// How many cores there are.
    pub(crate) fn cores(&self) -> usize {
        self.cores.len()
    }

    pub(crate) fn core(&self, core: usize) -> &CoreCounters {
        &self.cores[core]
    }

    /// The counters of a load balancer, made at its first table.
    pub(crate) fn load_balancer(&self, arn: &LoadBalancerArn) -> Arc<LoadBalancerMetrics> {
        known(&mut self.load_balancers(), arn, || LoadBalancerMetrics {
            resource_id: arn.resource_id().to_owned(),
            cores: per_core(self.cores.len()),
            facts: Mutex::default(),
        })
    }

    /// The counters of a target group, made at its first table.
    pub(crate) fn group(&self, arn: &TargetGroupArn) -> Arc<GroupMetrics> {
        known(&mut self.groups(), arn, || GroupMetrics {
            resource_id: arn.resource_id().to_owned(),
            cores: per_core(self.cores.len()),
            facts: Mutex::default(),
        })
    }

    /// Follows a state that is served from now on. The counters of what is gone are forgotten when their last minute has been
    /// told, so that names cannot pile up.
    pub(crate) fn follow(&self, state: &State, users: &Users, now: Instant) {
        let mut load_balancers = self.load_balancers();
        forget(&mut load_balancers, |arn| state.load_balancer(arn).is_some(), now);
        for (arn, kept) in load_balancers.iter() {
            kept.metrics.facts().mutual_tls = state.listeners_of(arn).any(|listener| asks_for_certificates(listener));
        }
        let mut groups = self.groups();
        forget(&mut groups, |arn| state.target_group(arn).is_some(), now);
        for group in state.target_groups() {
            if let Some(kept) = groups.get(&group.arn) {
                let mut facts = kept.metrics.facts();
                (facts.is_lambda, facts.is_sticky) = match &group.targets {
                    TargetKind::Lambda(_) => (true, false),
                    TargetKind::Servers(servers) => (false, servers.attributes.stickiness.enabled),
                };
            }
        }
        for (group, load_balancer) in users {
            if let Some(kept) = groups.get(group) {
                kept.metrics.facts().used_by = Some(load_balancer.clone());
            }
        }
    }

    /// Client connections that are open now, over all cores.
    pub(crate) fn connections(&self) -> i64 {
        self.cores.iter().map(|core| core.connections.value()).sum()
    }

    /// Writes what cores count for themselves, merged.
    pub(crate) fn expose(&self, out: &mut Exposition) {
        for core in &self.cores {
            out.gauge(&CONNECTIONS, [], core.connections.value());
            out.gauge(&TARGET_CONNECTIONS, [], core.target_connections.value());
            out.gauge(&IDLE_TARGET_CONNECTIONS, [], core.idle_target_connections.value());
            out.gauge(&LENT_BUFFERS, [], core.lent_buffers.value());
            out.gauge(&TIMERS, [], core.timers.value());
            out.gauge(&TASKS, [], core.tasks.value());
            out.counter(&ACCEPT_ERRORS, [], core.accept_errors.value());
            out.counter(&ACCEPT_WAITS, [], core.accept_waits.value());
            out.counter(&ACCEPT_REFUSALS, [], core.accept_refusals.value());
            out.counter(&SECURITY_GROUP_REFUSALS, [], core.security_group_refusals.value());
            out.counter(&DRAIN_EXPIRED, [], core.drain_expired.value());
            out.counter(&BUSY_POLLS, [], core.busy_polls.value());
            out.counter(&BUSY_POLLS_IN_VAIN, [], core.busy_polls_in_vain.value());
            out.counter(&PANICS, [], core.panics.value());
        }
    }

    fn load_balancers(&self) -> MutexGuard<'_, Registry<LoadBalancerArn, LoadBalancerMetrics>> {
        self.load_balancers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn groups(&self) -> MutexGuard<'_, Registry<TargetGroupArn, GroupMetrics>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn known<K: Clone + Ord, M>(registry: &mut Registry<K, M>, arn: &K, fresh: impl FnOnce() -> M) -> Arc<M> {
    let kept = registry.entry(arn.clone()).or_insert_with(|| Kept {
        metrics: Arc::new(fresh()),
        unserved: Some(Instant::now()), // its table may only be looked at
    });
    kept.metrics.clone()
}

fn asks_for_certificates(listener: &Listener) -> bool {
    match &listener.protocol {
        ListenerProtocol::Https(tls) => tls.mutual_authentication != MutualAuthentication::Off,
        ListenerProtocol::Http => false,
    }
}

/// Marks what is gone, and forgets what has been gone for long.
fn forget<K: Ord, M>(registry: &mut Registry<K, M>, is_here: impl Fn(&K) -> bool, now: Instant) {
    registry.retain(|arn, kept| {
        kept.unserved = match is_here(arn) {
            true => None,
            false => Some(kept.unserved.unwrap_or(now)),
        };
        kept.unserved.is_none_or(|since| now < since + KEPT_AFTERWARDS)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AccountId, Region, ResourceId, Scope};

    #[test]
    fn counters_of_what_is_gone_are_kept_for_a_while() {
        let scope = Scope {
            region: Region::try_from("us-east-1").unwrap(),
            account: AccountId::try_from("123456789012").unwrap(),
        };
        let arn = LoadBalancerArn::new(&scope, "shop", ResourceId(1));
        let metrics = Metrics::new(2);
        let around = Surroundings {
            targets: &[],
            groups: &[],
            zone: "us-east-1a",
        };
        metrics.load_balancer(&arn).core(1).requests.inc();
        let now = Instant::now();
        let shown = |metrics: &Metrics| {
            let (readings, mut out) = (metrics.read(now, &around), Exposition::new());
            readings.expose("us-east-1a", &mut out);
            (readings.load_balancers.len(), out.into_text().contains("app/shop/"))
        };
        assert_eq!(shown(&metrics), (1, false), "its table was only looked at so far");
        metrics.follow(&State::default(), &Users::default(), now);
        metrics.follow(&State::default(), &Users::default(), now + KEPT_AFTERWARDS / 2);
        assert_eq!(shown(&metrics), (1, false));
        // One of the same name goes on counting.
        assert_eq!(metrics.load_balancer(&arn).core(1).requests.value(), 1);
        metrics.follow(&State::default(), &Users::default(), Instant::now() + KEPT_AFTERWARDS);
        assert_eq!(shown(&metrics), (0, false));
    }
}
