//! What checks say about a target: pure. Source: ALB 5.5, 5.6.

use model::elb::health_check::HealthThreshold;
use model::observed::{TargetHealth, TargetState};

/// Different codes of failed checks that a description names; the oldest make room.
const CODES_MAX: usize = 10;

/// How one check ended. Codes are HTTP statuses, or gRPC ones of gRPC groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The code passes the matcher.
    Passed(u16),
    /// It does not.
    WrongCode(u16),
    /// The `grpc-status` does not pass.
    WrongGrpcStatus(u16),
    /// There is no `grpc-status`, or an empty one.
    NoGrpcStatus,
    /// There was no answer in time.
    TimedOut,
    /// There is no connection: refused, reset, closed before an answer, no TLS session.
    NoConnection,
    /// What came is no answer. A function failed, could not be run, or its answer was refused.
    Failed,
    /// The platform failed.
    Internal,
    /// This process could not ask. It says nothing about the target, and changes nothing: were it counted, a process
    /// without descriptors would take all its targets for ill.
    NotAsked,
}

/// How many checks in a row it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Thresholds {
    pub(super) healthy: HealthThreshold,
    pub(super) unhealthy: HealthThreshold,
}

impl Ended {
    /// Judges an HTTP status.
    pub(super) fn of_status(status: u16, passes: bool) -> Self {
        match passes {
            true => Self::Passed(status),
            false => Self::WrongCode(status),
        }
    }

    /// `status_code` of the health-check log: what was received. Source: ALB 8.6.
    pub(super) fn code(self) -> Option<u16> {
        match self {
            Self::Passed(code) | Self::WrongCode(code) | Self::WrongGrpcStatus(code) => Some(code),
            _ => None,
        }
    }

    /// `reason_code` of the health-check log; `None` of a pass. Which one stands for a refused connection or TLS session,
    /// for an unreadable answer and for a function that failed is unverified. Source: ALB 8.6.
    pub(super) fn reason_code(self) -> Option<&'static str> {
        Some(match self {
            Self::Passed(_) => return None,
            Self::WrongCode(500..) | Self::Failed => "TargetError",
            Self::WrongCode(_) => "ResponseCodeMismatch",
            Self::WrongGrpcStatus(_) => "GRPCUnexpectedStatus",
            Self::NoGrpcStatus => "GRPCStatusHeaderEmpty",
            Self::TimedOut => "TimedOut",
            Self::NoConnection => "ConnectionReset",
            Self::Internal | Self::NotAsked => "InternalError",
        })
    }
}

/// The health of a target that is checked.
///
/// - A new target is `initial`. Its first success makes it healthy, whatever the thresholds say; it takes
///   `UnhealthyThresholdCount` failures in a row to make it unhealthy (for new targets unverified), and until then it
///   stays `initial`.
/// - Later it takes `UnhealthyThresholdCount` failures or `HealthyThresholdCount` successes in a row.
#[derive(Debug)]
pub(super) struct Health {
    state: TargetState,
    /// Checks in a row that passed, or that did not: one of the two is 0.
    passes: u8,
    failures: u8,
    /// How the last check that did not pass ended.
    last_failure: Ended,
    /// The codes of the failures in a row, each once, the newest last.
    codes: Vec<u16>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            state: TargetState::Initial,
            passes: 0,
            failures: 0,
            last_failure: Ended::Failed,
            codes: Vec::new(),
        }
    }
}

impl Health {
    /// That of a target about which this much is known.
    pub(super) fn of(state: TargetState) -> Self {
        Self {
            state,
            ..Self::default()
        }
    }

    pub(super) fn state(&self) -> TargetState {
        self.state
    }

    /// Whether a check has ended that says something, here or in the process before this one.
    pub(super) fn is_known(&self) -> bool {
        self.state != TargetState::Initial || self.passes > 0 || self.failures > 0
    }

    /// Takes note of a check.
    pub(super) fn note(&mut self, ended: Ended, thresholds: Thresholds) {
        match ended {
            Ended::NotAsked => {}
            Ended::Passed(_) => {
                self.failures = 0;
                self.passes = self.passes.saturating_add(1);
                if self.state == TargetState::Initial || self.passes >= thresholds.healthy.count() {
                    self.state = TargetState::Healthy;
                }
            }
            failure => self.note_failure(failure, thresholds),
        }
    }

    fn note_failure(&mut self, failure: Ended, thresholds: Thresholds) {
        if self.failures == 0 && self.state != TargetState::Unhealthy {
            self.codes.clear();
        }
        if let Some(code) = failure.code() {
            self.codes.retain(|seen| *seen != code);
            if self.codes.len() >= CODES_MAX {
                self.codes.remove(0);
            }
            self.codes.push(code);
        }
        self.last_failure = failure;
        self.passes = 0;
        self.failures = self.failures.saturating_add(1);
        if self.failures >= thresholds.unhealthy.count() {
            self.state = TargetState::Unhealthy;
        }
    }

    /// State, reason and description in AWS's words.
    pub(super) fn report(&self) -> TargetHealth {
        let (reason, description) = match (self.state, self.last_failure) {
            (TargetState::Initial, _) => (
                Some("Elb.InitialHealthChecking"),
                Some("Initial health checks in progress".to_owned()),
            ),
            (TargetState::Unhealthy, failure) => self.failure(failure),
            // The others are not for checks to give.
            (TargetState::Healthy | TargetState::Draining | TargetState::Unused | TargetState::Unavailable, _) => {
                (None, None)
            }
        };
        TargetHealth {
            state: self.state,
            reason,
            description,
        }
    }

    fn failure(&self, failure: Ended) -> (Option<&'static str>, Option<String>) {
        let (reason, description) = match failure {
            Ended::WrongCode(_) | Ended::WrongGrpcStatus(_) => ("Target.ResponseCodeMismatch", self.codes_seen()),
            Ended::TimedOut => ("Target.Timeout", "Request timed out".to_owned()),
            Ended::Internal => (
                "Elb.InternalError",
                "Health checks failed due to an internal error".to_owned(),
            ),
            Ended::Failed | Ended::NoGrpcStatus | Ended::NoConnection | Ended::Passed(_) | Ended::NotAsked => {
                ("Target.FailedHealthChecks", "Health checks failed".to_owned())
            }
        };
        (Some(reason), Some(description))
    }

    /// Source: ALB 5.5; how several codes are separated is unverified.
    fn codes_seen(&self) -> String {
        let codes: Vec<_> = self.codes.iter().map(u16::to_string).collect();
        format!("Health checks failed with these codes: [{}]", codes.join(", "))
    }
}

#[cfg(test)]
mod tests;
