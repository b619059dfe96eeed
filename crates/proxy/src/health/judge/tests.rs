use super::*;

fn thresholds() -> Thresholds {
    Thresholds {
        healthy: HealthThreshold::healthy(3).unwrap(),
        unhealthy: HealthThreshold::unhealthy(2).unwrap(),
    }
}

fn after(checks: &[Ended]) -> TargetHealth {
    let mut health = Health::default();
    for ended in checks {
        health.note(*ended, thresholds());
    }
    assert_eq!(health.state(), health.report().state);
    health.report()
}

const PASS: Ended = Ended::Passed(200);
const FAIL: Ended = Ended::WrongCode(500);

// ALB-B-013: one passing check makes a new target healthy
// ALB-B-014: an unhealthy target needs HealthyThresholdCount passes in a row
// ALB-B-015: a healthy target needs UnhealthyThresholdCount failures in a row
#[test]
fn states_follow_the_thresholds() {
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
        // Every kind of failure counts.
        (&[PASS, Ended::NoConnection, Ended::Failed], TargetState::Unhealthy),
        (
            &[PASS, Ended::NoGrpcStatus, Ended::WrongGrpcStatus(3)],
            TargetState::Unhealthy,
        ),
        (&[PASS, Ended::Internal, Ended::Internal], TargetState::Unhealthy),
    ] {
        assert_eq!(after(checks).state, state, "{checks:?}");
    }
}

#[test]
fn what_was_not_asked_changes_nothing() {
    const NOT: Ended = Ended::NotAsked;
    for (checks, state) in [
        (&[NOT, NOT, NOT][..], TargetState::Initial),
        (&[PASS, NOT, NOT, NOT], TargetState::Healthy),
        (&[PASS, FAIL, NOT, FAIL], TargetState::Unhealthy),
        (&[FAIL, FAIL, PASS, NOT, PASS, NOT, PASS], TargetState::Healthy),
    ] {
        assert_eq!(after(checks).state, state, "{checks:?}");
    }
}

#[test]
fn only_a_check_that_ended_makes_a_target_known() {
    let mut health = Health::default();
    assert!(!health.is_known());
    health.note(Ended::NotAsked, thresholds());
    assert!(!health.is_known());
    // It is `initial` still, and has been asked.
    health.note(Ended::NoConnection, thresholds());
    assert_eq!((health.state(), health.is_known()), (TargetState::Initial, true));
    health.note(Ended::NotAsked, thresholds());
    assert!(health.is_known());
    // What the process before this one has found out.
    assert!(Health::of(TargetState::Healthy).is_known() && Health::of(TargetState::Unhealthy).is_known());
}

#[test]
fn thresholds_that_change_count_from_the_next_check_on() {
    let mut health = Health::default();
    let strict = thresholds();
    let patient = Thresholds {
        unhealthy: HealthThreshold::unhealthy(10).unwrap(),
        ..strict
    };
    for _ in 0..5 {
        health.note(FAIL, patient);
    }
    assert_eq!(health.state(), TargetState::Initial);
    health.note(FAIL, strict);
    assert_eq!(health.state(), TargetState::Unhealthy);
}

// ALB-B-023: the codes stand in brackets
// ALB-B-024: Target.Timeout
// ALB-B-025: a healthy target has neither reason nor description
#[test]
fn reasons_and_descriptions() {
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
            &[FAIL, Ended::WrongCode(404), FAIL, Ended::WrongCode(302)],
            Some("Target.ResponseCodeMismatch"),
            Some("Health checks failed with these codes: [404, 500, 302]"),
        ),
        (
            &[Ended::WrongCode(404), PASS, FAIL, FAIL],
            Some("Target.ResponseCodeMismatch"),
            Some("Health checks failed with these codes: [500]"),
        ),
        (
            &[Ended::WrongGrpcStatus(2), Ended::WrongGrpcStatus(14)],
            Some("Target.ResponseCodeMismatch"),
            Some("Health checks failed with these codes: [2, 14]"),
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
            &[FAIL, Ended::NoConnection],
            Some("Target.FailedHealthChecks"),
            Some("Health checks failed"),
        ),
        (
            &[FAIL, Ended::NoGrpcStatus],
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
    let checks: Vec<_> = (400..499).map(Ended::WrongCode).collect();
    assert_eq!(
        after(&checks).description.unwrap(),
        "Health checks failed with these codes: [489, 490, 491, 492, 493, 494, 495, 496, 497, 498]"
    );
}

#[test]
fn codes_of_the_log() {
    for (ended, code, reason) in [
        (PASS, Some(200), None),
        (Ended::WrongCode(301), Some(301), Some("ResponseCodeMismatch")),
        (Ended::WrongCode(499), Some(499), Some("ResponseCodeMismatch")),
        (FAIL, Some(500), Some("TargetError")),
        (Ended::WrongCode(599), Some(599), Some("TargetError")),
        (Ended::WrongGrpcStatus(14), Some(14), Some("GRPCUnexpectedStatus")),
        (Ended::NoGrpcStatus, None, Some("GRPCStatusHeaderEmpty")),
        (Ended::TimedOut, None, Some("TimedOut")),
        (Ended::NoConnection, None, Some("ConnectionReset")),
        (Ended::Failed, None, Some("TargetError")),
        (Ended::Internal, None, Some("InternalError")),
        (Ended::NotAsked, None, Some("InternalError")),
    ] {
        assert_eq!((ended.code(), ended.reason_code()), (code, reason), "{ended:?}");
    }
}
