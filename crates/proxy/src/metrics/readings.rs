//! What all counters said at one moment, with what else is to be known to make CloudWatch's metrics of it: plain values.

use super::counters::{GroupCounts, LoadBalancerCounts};
use super::minute::CapacityUnits;
use super::{GroupMetrics, LoadBalancerMetrics, Metrics};
use crate::balance::GroupReport;
use model::elb::target_group::Zone;
use model::observed::{ReportedTarget, TargetReport, TargetState};
use observe::HistogramSnapshot;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Everything that was counted until one moment, and how things stood then.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    /// Since the proxy started.
    pub(super) at: Duration,
    /// By `app/{name}/{id}`.
    pub(super) load_balancers: BTreeMap<String, LoadBalancerReading>,
    /// By `targetgroup/{name}/{id}`.
    pub(super) groups: BTreeMap<String, GroupReading>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LoadBalancerReading {
    pub(super) counts: LoadBalancerCounts,
    pub(super) active_connections: u64,
    pub(super) duration: HistogramSnapshot,
    /// One of its listeners asks for client certificates.
    pub(super) mutual_tls: bool,
    /// What it cost in the last minute, once one is over.
    pub(super) units: Option<CapacityUnits>,
    /// It is gone, or not there yet.
    pub(super) unserved: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct GroupReading {
    pub(super) counts: GroupCounts,
    pub(super) connections: u64,
    pub(super) response_time: HistogramSnapshot,
    /// `app/{name}/{id}` of the load balancer that uses it, or did so last.
    pub(super) load_balancer: Option<String>,
    pub(super) is_lambda: bool,
    /// Clients are bound to its targets.
    pub(super) is_sticky: bool,
    /// Its targets by zone, of a group that is used.
    pub(super) hosts: BTreeMap<String, Hosts>,
    /// How a group of servers that is used stands.
    pub(super) standing: Option<Standing>,
    /// Of the last minute, once one is over; not of functions.
    pub(super) requests_per_target: Option<f64>,
    pub(super) unserved: bool,
}

/// The targets of one zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hosts {
    pub(super) registered: u64,
    /// Those whose health is checked.
    pub(super) checked: u64,
    pub(super) healthy: u64,
    pub(super) unhealthy: u64,
}

/// A group against its thresholds, and its anomalies. This process is one zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) healthy_for_dns: bool,
    pub(super) healthy_for_routing: bool,
    pub(super) anomalous: u64,
    pub(super) mitigated: u64,
}

/// What others know about targets at the same moment.
pub(crate) struct Surroundings<'a> {
    pub(crate) targets: &'a [TargetReport],
    pub(crate) groups: &'a [GroupReport],
    /// The zone of this process.
    pub(crate) zone: &'a str,
}

impl Hosts {
    pub(super) fn add(&mut self, other: Self) {
        self.registered += other.registered;
        self.checked += other.checked;
        self.healthy += other.healthy;
        self.unhealthy += other.unhealthy;
    }

    /// `None` when its group is not used, or it is not registered any more. A target that has not been judged yet is neither
    /// healthy nor unhealthy. Source: ALB 5.5, 8.3.
    fn of(state: TargetState) -> Option<Self> {
        let (checked, healthy, unhealthy) = match state {
            TargetState::Healthy => (1, 1, 0),
            TargetState::Unhealthy => (1, 0, 1),
            TargetState::Initial => (1, 0, 0),
            TargetState::Unavailable => (0, 0, 0),
            TargetState::Unused | TargetState::Draining => return None,
        };
        Some(Self {
            registered: 1,
            checked,
            healthy,
            unhealthy,
        })
    }
}

impl GroupReading {
    /// The targets of all zones.
    pub(super) fn all_hosts(&self) -> Hosts {
        let mut all = Hosts::default();
        self.hosts.values().for_each(|hosts| all.add(*hosts));
        all
    }
}

impl Metrics {
    /// Reads everything. Any thread may; it waits for no core.
    pub(crate) fn read(&self, now: Instant, around: &Surroundings<'_>) -> Readings {
        let mut load_balancers = BTreeMap::new();
        for kept in self.load_balancers().values() {
            let reading = LoadBalancerReading {
                unserved: kept.unserved.is_some(),
                ..kept.metrics.read()
            };
            load_balancers.insert(kept.metrics.resource_id.clone(), reading);
        }
        let mut groups = BTreeMap::new();
        for kept in self.groups().values() {
            let reading = GroupReading {
                unserved: kept.unserved.is_some(),
                ..kept.metrics.read()
            };
            groups.insert(kept.metrics.resource_id.clone(), reading);
        }
        for target in around.targets {
            let hosts = Hosts::of(target.health.state);
            if let Some((hosts, group)) = hosts.zip(groups.get_mut(target.target_group.resource_id())) {
                group.hosts.entry(zone_of(target, around.zone)).or_default().add(hosts);
            }
        }
        for report in around.groups {
            if let Some(group) = groups.get_mut(report.group.resource_id()) {
                group.standing = Some(Standing {
                    healthy_for_dns: report.healthy_for_dns,
                    healthy_for_routing: report.healthy_for_routing,
                    anomalous: report.anomalous as u64,
                    mitigated: report.mitigated as u64,
                });
            }
        }
        Readings {
            at: now.saturating_duration_since(self.started),
            load_balancers,
            groups,
        }
    }
}

/// The zone that a target counts in. One that stands in all zones counts in ours.
fn zone_of(target: &TargetReport, own: &str) -> String {
    let zone = match &target.target {
        ReportedTarget::Server(server) => match &server.target.zone {
            Zone::Named(name) => &**name,
            Zone::Own | Zone::All => own,
        },
        ReportedTarget::Function(_) => own,
    };
    zone.to_owned()
}

impl LoadBalancerMetrics {
    fn read(&self) -> LoadBalancerReading {
        let facts = self.facts();
        LoadBalancerReading {
            counts: LoadBalancerCounts::of(&self.cores),
            active_connections: sum(self.cores.iter().map(|core| core.active_connections.value())),
            duration: merged(self.cores.iter().map(|core| core.duration.snapshot())),
            mutual_tls: facts.mutual_tls,
            units: facts.units,
            unserved: false,
        }
    }
}

impl GroupMetrics {
    fn read(&self) -> GroupReading {
        let facts = self.facts();
        let load_balancer = facts.used_by.as_ref();
        GroupReading {
            counts: GroupCounts::of(&self.cores),
            connections: sum(self.cores.iter().map(|core| core.target_connections.value())),
            response_time: merged(self.cores.iter().map(|core| core.response_time.snapshot())),
            load_balancer: load_balancer.map(|arn| arn.resource_id().to_owned()),
            is_lambda: facts.is_lambda,
            is_sticky: facts.is_sticky,
            requests_per_target: facts.requests_per_target,
            ..GroupReading::default()
        }
    }
}

/// Cores are read one after the other, so a sum may be off by a moment.
fn sum(cores: impl Iterator<Item = i64>) -> u64 {
    u64::try_from(cores.sum::<i64>()).unwrap_or_default()
}

fn merged(cores: impl Iterator<Item = HistogramSnapshot>) -> HistogramSnapshot {
    cores.fold(HistogramSnapshot::default(), |mut sum, core| {
        sum.merge(&core);
        sum
    })
}
