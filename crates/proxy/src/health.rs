//! Health checks of targets. Source: ALB 3.5, 5.5, 5.6.
//!
//! One check per target and interval for the whole process: each target has a home core, whose [`checker`] invokes it.
//! What is known about a target stands in its [`Pool`], which outlives tables, so that a changed rule forgets nothing.
//! Traffic does not ask here: a Lambda target group has one target, and that gets requests healthy or not.
//!
//! Left to others: which statuses pass and how often is asked (`model`), how functions run ([`invoke::Invoker`]).

mod checker;
mod judge;

pub(crate) use checker::Checkers;

use crate::lambda::event::{self, EventParts};
use bytes::Bytes;
use judge::{Ended, Health};
use model::elb::health_check::HealthCheck;
use model::observed::{TargetHealth, TargetReport, TargetState};
use model::{FunctionArn, TargetGroupArn};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tracing::{info, warn};

/// What functions recognise a health check by.
const USER_AGENT: &[u8] = b"ELB-HealthChecker/2.0";

/// A registered target as the state has it.
#[derive(Clone, Debug)]
pub(crate) struct TargetEntry {
    pub(crate) group: TargetGroupArn,
    pub(crate) function: FunctionArn,
    pub(crate) multi_value: bool,
    pub(crate) health_check: HealthCheck,
    /// Whether a listener or a rule forwards to the group.
    pub(crate) in_use: bool,
}

/// All targets and what is known about them.
#[derive(Debug)]
pub(crate) struct Pools {
    targets: Mutex<Targets>,
    cores: usize,
    /// The targets to check, heard by every core.
    checked: watch::Sender<Arc<[Arc<Pool>]>>,
}

#[derive(Debug, Default)]
struct Targets {
    known: BTreeMap<TargetGroupArn, (FunctionArn, Standing)>,
    /// The home of the next target that is checked, modulo the cores.
    next_home: usize,
}

/// Whether a target is checked, and if not, why.
#[derive(Clone, Debug)]
enum Standing {
    Unused,
    Disabled,
    Checked(Arc<Pool>),
}

/// A target that is checked: its settings and its health.
#[derive(Debug)]
pub(crate) struct Pool {
    group: TargetGroupArn,
    function: FunctionArn,
    /// The core that checks it.
    home: usize,
    settings: watch::Sender<Arc<Settings>>,
    health: Mutex<Health>,
}

/// How a target is checked.
#[derive(Debug, PartialEq, Eq)]
struct Settings {
    check: HealthCheck,
    multi_value: bool,
    event: Bytes,
}

impl Settings {
    fn new(target: &TargetEntry) -> Self {
        Self {
            check: target.health_check.clone(),
            multi_value: target.multi_value,
            event: event(target),
        }
    }
}

/// The event of a health check: one header, and nothing that a client or a listener would add. Source: ALB 3.5; the
/// multi-value form is unverified.
fn event(target: &TargetEntry) -> Bytes {
    let mut out = Vec::new();
    let parts = EventParts {
        target_group_arn: target.group.as_str(),
        multi_value: target.multi_value,
        method: b"GET",
        path: target.health_check.path.as_str().as_bytes(),
        query: None,
        headers: &[(b"user-agent", USER_AGENT)],
        body: b"",
    };
    // Everything here is text already, so nothing can fail to be UTF-8.
    let written = event::write(&parts, &mut out);
    debug_assert_eq!(written, Ok(()));
    out.into()
}

impl Pools {
    /// No targets yet. `cores` is how many cores share the work, at least one.
    pub(crate) fn new(cores: usize) -> Self {
        Self {
            targets: Mutex::default(),
            cores: cores.max(1),
            checked: watch::Sender::new(Arc::new([])),
        }
    }

    /// Follows a new state. A target keeps its health for as long as it is checked in the same group, however its settings
    /// change; what is gone, no longer used or no longer checked is forgotten, and its checker ends.
    pub(crate) fn follow(&self, targets: &[TargetEntry]) {
        let mut all = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut all.known);
        for target in targets {
            let standing = match (target.in_use, target.health_check.enabled) {
                (false, _) => Standing::Unused,
                (true, false) => Standing::Disabled,
                (true, true) => match before.get(&target.group) {
                    Some((function, Standing::Checked(pool))) if *function == target.function => {
                        pool.configure(Settings::new(target));
                        Standing::Checked(pool.clone())
                    }
                    _ => {
                        let home = all.next_home % self.cores;
                        all.next_home = all.next_home.wrapping_add(1);
                        Standing::Checked(Arc::new(Pool::new(target, home)))
                    }
                },
            };
            all.known
                .insert(target.group.clone(), (target.function.clone(), standing));
        }
        let checked: Arc<[_]> = all.known.values().filter_map(|(_, standing)| standing.pool()).collect();
        self.checked.send_if_modified(|current| {
            let same = current.len() == checked.len() && current.iter().zip(&*checked).all(|(a, b)| Arc::ptr_eq(a, b));
            *current = checked;
            !same
        });
    }

    /// The targets to check, and every change of them from now on.
    fn checked(&self) -> watch::Receiver<Arc<[Arc<Pool>]>> {
        let mut receiver = self.checked.subscribe();
        receiver.mark_changed();
        receiver
    }

    /// How every target is, by target group.
    pub(crate) fn reports(&self) -> Vec<TargetReport> {
        let all = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let report = |(group, (function, standing)): (&TargetGroupArn, &(FunctionArn, Standing))| TargetReport {
            target_group: group.clone(),
            target: function.clone(),
            health: standing.health(),
        };
        all.known.iter().map(report).collect()
    }
}

impl Standing {
    fn pool(&self) -> Option<Arc<Pool>> {
        match self {
            Self::Checked(pool) => Some(pool.clone()),
            Self::Unused | Self::Disabled => None,
        }
    }

    /// Source: ALB 5.5.
    fn health(&self) -> TargetHealth {
        let (state, reason, description) = match self {
            Self::Checked(pool) => return pool.health(),
            Self::Unused => (
                TargetState::Unused,
                "Target.NotInUse",
                "Target group is not configured to receive traffic from the load balancer",
            ),
            Self::Disabled => (
                TargetState::Unavailable,
                "Target.HealthCheckDisabled",
                "Health checks are disabled",
            ),
        };
        TargetHealth {
            state,
            reason: Some(reason),
            description: Some(description.to_owned()),
        }
    }
}

impl Pool {
    fn new(target: &TargetEntry, home: usize) -> Self {
        Self {
            group: target.group.clone(),
            function: target.function.clone(),
            home,
            settings: watch::Sender::new(Arc::new(Settings::new(target))),
            health: Mutex::default(),
        }
    }

    fn configure(&self, settings: Settings) {
        self.settings.send_if_modified(|current| {
            let modified = **current != settings;
            if modified {
                *current = Arc::new(settings);
            }
            modified
        });
    }

    fn health(&self) -> TargetHealth {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).report()
    }

    /// Takes note of a check that has ended. A changed state is worth a line; `cause` says more about a failure.
    fn record(&self, ended: Ended, cause: Option<&str>, check: &HealthCheck) {
        let (before, after) = {
            let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
            let before = health.state();
            health.note(ended, check);
            (before, health.report())
        };
        if before == after.state {
            return;
        }
        let (target_group, function) = (&self.group, &self.function);
        match after.state {
            TargetState::Healthy => info!(%target_group, %function, "a target became healthy"),
            _ => warn!(
                %target_group,
                %function,
                reason = after.reason,
                description = after.description,
                cause,
                "a target became unhealthy; a function gets its requests all the same"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
