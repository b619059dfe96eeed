//! Observed facts: published by the room that sees them, shown to people, never stored.

use crate::arn::{FunctionArn, TargetGroupArn};

/// The execution environments of one function, over all cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionReport {
    /// The function.
    pub function: FunctionArn,
    /// Environments that run an invocation now.
    pub busy: u32,
    /// Environments that wait for one.
    pub idle: u32,
    /// Environments that are starting.
    pub starting: u32,
    /// Invocations so far.
    pub invocations: u64,
    /// Invocations that ended in a function error.
    pub errors: u64,
    /// Invocations that were throttled.
    pub throttles: u64,
}

/// The health of one target as the load balancer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetReport {
    /// The target group.
    pub target_group: TargetGroupArn,
    /// The target: a function.
    pub target: FunctionArn,
    /// How it is.
    pub health: TargetHealth,
}

/// State and reason of a target. Source: ALB 5.5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetHealth {
    /// `TargetHealth.State`.
    pub state: TargetState,
    /// `TargetHealth.Reason`, for example `Target.HealthCheckDisabled`. Absent while healthy.
    pub reason: Option<&'static str>,
    /// `TargetHealth.Description`.
    pub description: Option<String>,
}

/// `TargetHealth.State`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetState {
    /// Its first health check has not ended yet.
    Initial,
    /// It passes its health checks.
    Healthy,
    /// It does not.
    Unhealthy,
    /// No listener uses its target group.
    Unused,
    /// Its health is not checked.
    Unavailable,
}

impl TargetState {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Unused => "unused",
            Self::Unavailable => "unavailable",
        }
    }
}
