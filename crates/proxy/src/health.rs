//! Health checks of targets. Source: ALB 3.5, 5.5, 5.6.
//!
//! One check per target and interval for the whole process: each target has a home core, whose [`checker`] asks it. What
//! checks find is told to whoever keeps it: of functions [`Pools`], of servers `balance`, which also knows which of them
//! are to be checked. Both outlive tables, so that a changed rule forgets nothing.
//!
//! Traffic does not ask here: a Lambda target group has one target, and that gets requests healthy or not.
//!
//! Left to others: which answers pass and how often is asked (`model`), how functions run ([`invoke::Invoker`]), who gets
//! requests (`balance`), where the health-check log goes ([`log::HealthLog`]).

mod checked;
mod checker;
mod function;
mod http1;
mod http2;
mod judge;
pub(crate) mod log;
mod request;
mod rhythm;
mod server;
mod slots;
mod trouble;

pub(crate) use checker::Checkers;
pub(crate) use log::{CheckEntry, HealthLog};

use function::{CheckedFunction, FunctionSettings};
use judge::Health;
use model::elb::health_check::HealthCheck;
use model::observed::{ReportedTarget, TargetHealth, TargetReport, TargetState};
use model::{FunctionArn, LoadBalancerArn, TargetGroupArn};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// A registered function as the state has it.
#[derive(Clone, Debug)]
pub(crate) struct TargetEntry {
    pub(crate) group: TargetGroupArn,
    pub(crate) group_name: String,
    pub(crate) function: FunctionArn,
    pub(crate) multi_value: bool,
    /// Whether the function's policy lets the group invoke it.
    pub(crate) is_permitted: bool,
    pub(crate) health_check: HealthCheck,
    /// The load balancer with a listener or a rule that forwards to the group.
    pub(crate) used_by: Option<LoadBalancerArn>,
}

/// All functions that are targets, and what is known about them.
#[derive(Debug)]
pub(crate) struct Pools {
    targets: Mutex<Targets>,
    cores: usize,
    /// The functions to check, heard by every core.
    checked: watch::Sender<Arc<[CheckedFunction]>>,
}

#[derive(Debug, Default)]
struct Targets {
    known: BTreeMap<TargetGroupArn, (FunctionArn, Standing)>,
    /// Of the next function that is checked.
    next_serial: u64,
}

/// Whether a function is checked, and if not, why.
#[derive(Clone, Debug)]
enum Standing {
    Unused,
    Disabled,
    Checked(CheckedFunction),
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
            let standing = match (&target.used_by, target.health_check.enabled) {
                (None, _) => Standing::Unused,
                (Some(_), false) => Standing::Disabled,
                (Some(load_balancer), true) => {
                    let settings = FunctionSettings::new(target, load_balancer);
                    Standing::Checked(match before.get(&target.group) {
                        Some((function, Standing::Checked(checked))) if *function == target.function => {
                            checked.with(settings)
                        }
                        _ => {
                            all.next_serial += 1;
                            CheckedFunction::new(all.next_serial, settings, Health::default().report())
                        }
                    })
                }
            };
            all.known
                .insert(target.group.clone(), (target.function.clone(), standing));
        }
        let checked: Arc<[_]> = all
            .known
            .values()
            .filter_map(|(_, standing)| standing.checked())
            .collect();
        self.checked.send_if_modified(|current| {
            let same = current.len() == checked.len() && current.iter().zip(&*checked).all(|(a, b)| a.is(b));
            *current = checked;
            !same
        });
    }

    /// The functions to check, and every change of them from now on.
    fn checked(&self) -> watch::Receiver<Arc<[CheckedFunction]>> {
        let mut receiver = self.checked.subscribe();
        receiver.mark_changed();
        receiver
    }

    /// How every function is, by target group.
    pub(crate) fn reports(&self) -> Vec<TargetReport> {
        let all = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let report = |(group, (function, standing)): (&TargetGroupArn, &(FunctionArn, Standing))| TargetReport {
            target_group: group.clone(),
            target: ReportedTarget::Function(function.clone()),
            health: standing.health(),
        };
        all.known.iter().map(report).collect()
    }
}

impl Standing {
    fn checked(&self) -> Option<CheckedFunction> {
        match self {
            Self::Checked(checked) => Some(checked.clone()),
            Self::Unused | Self::Disabled => None,
        }
    }

    /// Source: ALB 5.5.
    fn health(&self) -> TargetHealth {
        let (state, reason, description) = match self {
            Self::Checked(checked) => return checked.health(),
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

#[cfg(test)]
mod tests;
