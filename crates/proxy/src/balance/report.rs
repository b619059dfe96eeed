//! What is told about targets and groups. Source: ALB 5.3, 5.5, 8.3.

use super::draining::{Draining, outstanding};
use super::group::{GroupState, Inner, Settings, suffices};
use super::member::Member;
use super::target::{Lanes, Target, Totals, totals};
use model::TargetGroupArn;
use model::elb::health_check::HealthCheckPort;
use model::observed::{AnomalyReport, ReportedTarget, ServerReport, TargetHealth, TargetReport, TargetState};
use std::time::Instant;

/// Windows that the mean response time is of: a minute.
const WINDOWS: usize = 12;

/// The answers of the last minute.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    counted: Totals,
    windows: [(u64, u64); WINDOWS],
    next: usize,
}

impl Times {
    /// A window has ended.
    pub(super) fn turn(&mut self, counted: Totals) {
        let new = counted.since(self.counted);
        self.counted = counted;
        self.windows[self.next] = (new.timed, new.timed_micros);
        self.next = (self.next + 1) % WINDOWS;
    }

    /// The mean in seconds; `None` without answers.
    fn mean_secs(&self, counted: Totals) -> Option<f64> {
        let new = counted.since(self.counted);
        let windows = self.windows.iter().copied().chain([(new.timed, new.timed_micros)]);
        let (count, micros) = windows.fold((0, 0), |sum, window| (sum.0 + window.0, sum.1 + window.1));
        (count > 0).then(|| micros as f64 / count as f64 / 1e6)
    }
}

/// How a group stands against its thresholds. Source: ALB 5.6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupReport {
    pub(crate) group: TargetGroupArn,
    /// `HealthyStateRouting` or `UnhealthyStateRouting`: whether enough targets are healthy to send requests to those only.
    pub(crate) healthy_for_routing: bool,
    /// `HealthyStateDNS` or `UnhealthyStateDNS`: whether enough are healthy for the address to stay in DNS.
    pub(crate) healthy_for_dns: bool,
    /// `AnomalousHostCount`.
    pub(crate) anomalous: usize,
    /// `MitigatedHostCount`.
    pub(crate) mitigated: usize,
}

impl GroupState {
    /// How every target is, those that drain included.
    pub(super) fn reports(&self, out: &mut Vec<TargetReport>) {
        let inner = self.inner();
        let (Some(settings), Some(now)) = (&inner.settings, inner.published_at) else {
            return;
        };
        out.extend(
            inner
                .registered
                .iter()
                .map(|member| self.registered(member, settings, now)),
        );
        let shown = |at: usize, draining: &Draining| {
            let mut names = inner.registered.iter().map(|member| &member.target.reference);
            let mut later = inner.draining[at + 1..].iter().map(|later| &later.target.reference);
            let name = &draining.target.reference;
            !names.any(|other| other == name) && !later.any(|other| other == name)
        };
        for (at, draining) in inner.draining.iter().enumerate() {
            if shown(at, draining) {
                out.push(self.draining(draining, settings));
            }
        }
    }

    /// Who gets requests.
    #[cfg(test)]
    pub(crate) fn eligible(&self) -> Vec<std::net::SocketAddr> {
        let members = self.members.load();
        members.all().iter().map(|it| it.target.address).collect()
    }

    /// `None` when no listener uses the group, which then has no say.
    pub(super) fn report(&self) -> Option<GroupReport> {
        let inner = self.inner();
        let settings = inner
            .settings
            .as_ref()
            .filter(|settings| settings.in_use && !inner.deleted)?;
        let reached: Vec<_> = inner
            .registered
            .iter()
            .filter(|member| settings.reaches(member))
            .collect();
        let healthy = reached.iter().filter(|member| member.is_healthy()).count();
        let attributes = &settings.attributes;
        Some(GroupReport {
            group: self.arn.clone(),
            healthy_for_routing: suffices(attributes.unhealthy_state_routing, healthy, reached.len()),
            healthy_for_dns: suffices(attributes.dns_failover, healthy, reached.len()),
            anomalous: reached.iter().filter(|member| member.watch.anomalous).count(),
            mitigated: reached.iter().filter(|member| member.watch.weight < 1.0).count(),
        })
    }

    fn registered(&self, member: &Member, settings: &Settings, now: Instant) -> TargetReport {
        const NO_LISTENER: &str = "Target group is not configured to receive traffic from the load balancer";
        const OTHER_ZONE: &str = "Target is in an Availability Zone that is not enabled for the load balancer";
        let health = match (settings.in_use, settings.reaches(member)) {
            (false, _) => state(TargetState::Unused, "Target.NotInUse", NO_LISTENER),
            (true, false) => state(TargetState::Unused, "Target.NotInUse", OTHER_ZONE),
            (true, true) => member.health.clone(),
        };
        let counted = totals(&member.lanes);
        let report = ServerReport {
            weight: member.weight(settings, now),
            anomaly: AnomalyReport {
                anomalous: member.watch.anomalous,
                mitigated: member.watch.weight < 1.0,
            },
            response_time_secs: member.times.mean_secs(counted),
            ..counts(&member.registered, &member.target, &member.lanes, settings)
        };
        self.target_report(report, health)
    }

    fn draining(&self, draining: &Draining, settings: &Settings) -> TargetReport {
        let report = ServerReport {
            weight: 0.0,
            response_time_secs: draining.times.mean_secs(totals(&draining.lanes)),
            ..counts(&draining.registered, &draining.target, &draining.lanes, settings)
        };
        const TEXT: &str = "Target deregistration is in progress";
        self.target_report(
            report,
            state(TargetState::Draining, "Target.DeregistrationInProgress", TEXT),
        )
    }

    fn target_report(&self, report: ServerReport, health: TargetHealth) -> TargetReport {
        TargetReport {
            target_group: self.arn.clone(),
            target: ReportedTarget::Server(report),
            health,
        }
    }
}

impl Inner {
    /// Requests in progress on all targets, those that drain included.
    #[cfg(test)]
    pub(super) fn outstanding(&self) -> u32 {
        let registered = self.registered.iter().map(|member| (&member.target, &member.lanes));
        let draining = self.draining.iter().map(|member| (&member.target, &member.lanes));
        registered
            .chain(draining)
            .map(|(target, lanes)| outstanding(target, lanes))
            .sum()
    }
}

fn counts(
    registered: &model::elb::target_group::Target,
    target: &Target,
    lanes: &Lanes,
    settings: &Settings,
) -> ServerReport {
    let counted = totals(lanes);
    ServerReport {
        target: registered.clone(),
        health_check_port: match settings.check.check.port {
            HealthCheckPort::TrafficPort => registered.port,
            HealthCheckPort::Port(port) => port,
        },
        outstanding: outstanding(target, lanes),
        requests: counted.requests,
        errors: counted.errors,
        weight: 1.0,
        anomaly: AnomalyReport::default(),
        response_time_secs: None,
    }
}

fn state(state: TargetState, reason: &'static str, description: &str) -> TargetHealth {
    TargetHealth {
        state,
        reason: Some(reason),
        description: Some(description.to_owned()),
    }
}
