//! Observed facts: published by the room that sees them, shown to people, never stored.

use crate::arn::{FunctionArn, ListenerArn, TargetGroupArn};
use crate::elb::target_group::Target;
use std::fmt;

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

/// A listener that is not served, though it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedListener {
    /// The listener.
    pub listener: ListenerArn,
    /// Its port.
    pub port: u16,
    /// Why, for people.
    pub reason: String,
}

/// One target as the load balancer sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetReport {
    /// The target group.
    pub target_group: TargetGroupArn,
    /// The target.
    pub target: ReportedTarget,
    /// How it is.
    pub health: TargetHealth,
}

/// Which target a report is about.
#[derive(Clone, Debug, PartialEq)]
pub enum ReportedTarget {
    /// A function.
    Function(FunctionArn),
    /// A server.
    Server(ServerReport),
}

impl fmt::Display for ReportedTarget {
    /// The function's ARN, or address and port.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(function) => function.fmt(formatter),
            Self::Server(server) => server.target.socket().fmt(formatter),
        }
    }
}

/// A server with what traffic knows about it.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerReport {
    /// The target as registered.
    pub target: Target,
    /// `HealthCheckPort`, resolved.
    pub health_check_port: u16,
    /// Requests that it is working on, WebSockets included.
    pub outstanding: u32,
    /// Requests that it got so far.
    pub requests: u64,
    /// Requests to it that failed: connection errors and 5xx.
    pub errors: u64,
    /// Its share of the group's requests beside a target of weight 1.0: slow start and anomaly mitigation lower it.
    pub weight: f64,
    /// `AnomalyDetection`.
    pub anomaly: AnomalyReport,
    /// Mean of `target_processing_time` over the last minute or so, in seconds; `None` without requests.
    pub response_time_secs: Option<f64>,
}

/// `AnomalyDetection`. Source: ALB 5.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnomalyReport {
    /// `Result`: `anomalous` or `normal`.
    pub anomalous: bool,
    /// `MitigationInEffect`.
    pub mitigated: bool,
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
    /// It was deregistered: requests on it may finish until the deregistration delay ends.
    Draining,
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
            Self::Draining => "draining",
            Self::Unused => "unused",
            Self::Unavailable => "unavailable",
        }
    }
}
