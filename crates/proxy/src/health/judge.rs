//! What checks say about a target: pure. Source: ALB 5.5, 5.6.

use crate::lambda::{LIMIT_BYTES, answer};
use invoke::{InvokeOutcome, InvokeRefusal};
use model::elb::health_check::{HealthCheck, HttpMatcher};
use model::observed::{TargetHealth, TargetState};

/// Different statuses of failed checks that a description names; the oldest make room.
const CODES_MAX: usize = 10;

/// How one check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The status passes the matcher.
    Passed,
    /// It does not.
    WrongStatus(u16),
    /// There was no answer in time.
    TimedOut,
    /// The function failed, could not be run, or its answer was refused.
    Failed,
    /// The platform failed.
    Internal,
}

/// Judges what came of the invocation, with a sentence for people when it is no pass.
pub(super) fn judge(outcome: InvokeOutcome, multi_value: bool, matcher: &HttpMatcher) -> (Ended, Option<String>) {
    match outcome {
        InvokeOutcome::Buffered(document) if document.len() > LIMIT_BYTES => {
            (Ended::Failed, Some(answer::too_large(document.len())))
        }
        InvokeOutcome::Buffered(document) => match answer::read(&document, multi_value) {
            Ok(answer) if matcher.matches(answer.status) => (Ended::Passed, None),
            Ok(answer) => (Ended::WrongStatus(answer.status), None),
            Err(answer::Refused(sentence)) => (Ended::Failed, Some(sentence)),
        },
        InvokeOutcome::FunctionError { error_type, .. } => {
            let cause = format!("the function failed with {}", answer::shown(&error_type));
            (Ended::Failed, Some(cause))
        }
        InvokeOutcome::Refused(refusal @ (InvokeRefusal::ServiceFailure | InvokeRefusal::ClientContext)) => {
            (Ended::Internal, Some(refusal.to_string()))
        }
        InvokeOutcome::Refused(refusal) => (Ended::Failed, Some(refusal.to_string())),
    }
}

/// The health of a target that is checked.
#[derive(Debug)]
pub(super) struct Health {
    state: TargetState,
    /// Checks in a row that passed, or that did not: one of the two is 0.
    passes: u8,
    failures: u8,
    /// How the last check that did not pass ended.
    last_failure: Ended,
    /// The statuses of the failures in a row, each once, the newest last.
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
    pub(super) fn state(&self) -> TargetState {
        self.state
    }

    /// Takes note of a check. The first success of a new target is enough. Source: ALB 5.6.
    pub(super) fn note(&mut self, ended: Ended, check: &HealthCheck) {
        if ended == Ended::Passed {
            self.failures = 0;
            self.passes = self.passes.saturating_add(1);
            if self.state == TargetState::Initial || self.passes >= check.healthy_threshold.count() {
                self.state = TargetState::Healthy;
            }
            return;
        }
        if self.failures == 0 && self.state != TargetState::Unhealthy {
            self.codes.clear();
        }
        if let Ended::WrongStatus(code) = ended {
            self.codes.retain(|seen| *seen != code);
            if self.codes.len() >= CODES_MAX {
                self.codes.remove(0);
            }
            self.codes.push(code);
        }
        self.last_failure = ended;
        self.passes = 0;
        self.failures = self.failures.saturating_add(1);
        if self.failures >= check.unhealthy_threshold.count() {
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
            (TargetState::Healthy | TargetState::Unused | TargetState::Unavailable, _) => (None, None),
        };
        TargetHealth {
            state: self.state,
            reason,
            description,
        }
    }

    fn failure(&self, failure: Ended) -> (Option<&'static str>, Option<String>) {
        let (reason, description) = match failure {
            Ended::WrongStatus(_) => ("Target.ResponseCodeMismatch", self.codes_seen()),
            Ended::TimedOut => ("Target.Timeout", "Request timed out".to_owned()),
            Ended::Internal => (
                "Elb.InternalError",
                "Health checks failed due to an internal error".to_owned(),
            ),
            Ended::Failed | Ended::Passed => ("Target.FailedHealthChecks", "Health checks failed".to_owned()),
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
mod tests {
    use super::*;
    use model::elb::health_check::HealthThreshold;

    fn check() -> HealthCheck {
        HealthCheck {
            healthy_threshold: HealthThreshold::healthy(3).unwrap(),
            unhealthy_threshold: HealthThreshold::unhealthy(2).unwrap(),
            ..HealthCheck::of_lambda()
        }
    }

    fn after(checks: &[Ended]) -> TargetHealth {
        let mut health = Health::default();
        for ended in checks {
            health.note(*ended, &check());
        }
        health.report()
    }

    const PASS: Ended = Ended::Passed;
    const FAIL: Ended = Ended::WrongStatus(500);

    // ALB-B-013: one passing check makes a new target healthy
    // ALB-B-014: an unhealthy target needs HealthyThresholdCount passes in a row
    // ALB-B-015: a healthy target needs UnhealthyThresholdCount failures in a row
    #[test]
    fn thresholds() {
        for (checks, state) in [
            (&[][..], TargetState::Initial),
            (&[FAIL], TargetState::Initial),
            (&[PASS], TargetState::Healthy),
            (&[FAIL, PASS], TargetState::Healthy),
            (&[FAIL, FAIL], TargetState::Unhealthy),
            (&[PASS, FAIL], TargetState::Healthy),
            (&[PASS, FAIL, PASS, FAIL], TargetState::Healthy),
            (&[PASS, FAIL, Ended::TimedOut], TargetState::Unhealthy),
            (&[FAIL, FAIL, PASS, PASS], TargetState::Unhealthy),
            (&[FAIL, FAIL, PASS, PASS, FAIL, PASS, PASS], TargetState::Unhealthy),
            (&[FAIL, FAIL, PASS, PASS, PASS], TargetState::Healthy),
        ] {
            assert_eq!(after(checks).state, state, "{checks:?}");
        }
    }

    // ALB-B-023: a wrong code is Target.ResponseCodeMismatch with the codes in brackets
    // ALB-B-024: no answer in time is Target.Timeout
    // ALB-B-025: healthy targets have neither reason nor description
    #[test]
    fn reasons() {
        for (checks, reason, description) in [
            (
                &[][..],
                Some("Elb.InitialHealthChecking"),
                Some("Initial health checks in progress"),
            ),
            (&[PASS], None, None),
            (&[PASS, FAIL], None, None),
            (
                &[FAIL, FAIL],
                Some("Target.ResponseCodeMismatch"),
                Some("Health checks failed with these codes: [500]"),
            ),
            (
                &[FAIL, Ended::WrongStatus(404), FAIL, Ended::WrongStatus(302)],
                Some("Target.ResponseCodeMismatch"),
                Some("Health checks failed with these codes: [404, 500, 302]"),
            ),
            (
                &[Ended::WrongStatus(404), PASS, FAIL, FAIL],
                Some("Target.ResponseCodeMismatch"),
                Some("Health checks failed with these codes: [500]"),
            ),
            (
                &[FAIL, Ended::TimedOut],
                Some("Target.Timeout"),
                Some("Request timed out"),
            ),
            (
                &[FAIL, Ended::Failed],
                Some("Target.FailedHealthChecks"),
                Some("Health checks failed"),
            ),
            (
                &[FAIL, Ended::Internal],
                Some("Elb.InternalError"),
                Some("Health checks failed due to an internal error"),
            ),
            // On its way back to healthy it still says what was wrong.
            (
                &[FAIL, FAIL, PASS],
                Some("Target.ResponseCodeMismatch"),
                Some("Health checks failed with these codes: [500]"),
            ),
        ] {
            let health = after(checks);
            assert_eq!(
                (health.reason, health.description.as_deref()),
                (reason, description),
                "{checks:?}"
            );
        }
    }

    #[test]
    fn many_codes_are_bounded() {
        let checks: Vec<_> = (400..499).map(Ended::WrongStatus).collect();
        assert_eq!(
            after(&checks).description.unwrap(),
            "Health checks failed with these codes: [489, 490, 491, 492, 493, 494, 495, 496, 497, 498]"
        );
    }

    // ALB-L-065: the matcher judges the statusCode
    // ALB-B-018: a 301 fails with matcher 200
    // ALB-B-019: matcher 200,204-206 takes 205 and not 207
    #[test]
    fn outcomes() {
        let document = |text: &str| InvokeOutcome::Buffered(text.to_owned().into());
        let error = InvokeOutcome::FunctionError {
            error_type: "Runtime.ExitError".to_owned(),
            payload: "{}".into(),
        };
        let large = format!(r#"{{"statusCode":200,"body":"{}"}}"#, "x".repeat(LIMIT_BYTES));
        for (outcome, matcher, ended) in [
            (document(r#"{"statusCode":200}"#), "200", PASS),
            (document(r#"{"statusCode":301}"#), "200", Ended::WrongStatus(301)),
            (document(r#"{"statusCode":205}"#), "200,204-206", PASS),
            (
                document(r#"{"statusCode":207}"#),
                "200,204-206",
                Ended::WrongStatus(207),
            ),
            (document(r#"{"statusCode":"200"}"#), "200", Ended::Failed),
            (document(&large), "200", Ended::Failed),
            (error, "200", Ended::Failed),
            (InvokeOutcome::Refused(InvokeRefusal::Throttled), "200", Ended::Failed),
            (InvokeOutcome::Refused(InvokeRefusal::NotFound), "200", Ended::Failed),
            (
                InvokeOutcome::Refused(InvokeRefusal::ServiceFailure),
                "200",
                Ended::Internal,
            ),
        ] {
            let matcher = HttpMatcher::try_from(matcher).unwrap();
            assert_eq!(judge(outcome, false, &matcher).0, ended);
        }
        let multi = document(r#"{"statusCode":200,"multiValueHeaders":null}"#);
        let matcher = HttpMatcher::try_from("200").unwrap();
        assert_eq!(judge(multi.clone(), true, &matcher).0, Ended::Failed);
        assert_eq!(judge(multi, false, &matcher).0, PASS);
    }
}
