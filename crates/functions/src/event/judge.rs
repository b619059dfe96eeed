//! What becomes of an event: tried, tried again, or over. Source: Lambda 5.9.

use super::line::Next;
use invoke::{InvokeOutcome, InvokeRefusal};
use model::Timestamp;
use model::lambda::event_invoke::Settings;
use std::time::Duration;
use store::queue::Attempts;

/// How long is waited before the first and the second retry after a function error.
const RETRY_WAITS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];
/// How long is waited after a throttle or a failure of the platform: doubled each time, up to the longest.
const BACK_OFF: Duration = Duration::from_secs(1);
const BACK_OFF_MAX: Duration = Duration::from_secs(300);

/// Why an event is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Success,
    RetriesExhausted,
    EventAgeExceeded,
    ZeroReservedConcurrency,
}

impl Condition {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::RetriesExhausted => "RetriesExhausted",
            Self::EventAgeExceeded => "EventAgeExceeded",
            Self::ZeroReservedConcurrency => "ZeroReservedConcurrency",
        }
    }
}

/// What becomes of an event after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The function failed, and is run again then. To be recorded.
    Retry(Attempts),
    /// It could not be run, and is tried again then.
    BackOff(Timestamp),
    /// It is over.
    Over(Condition),
    /// There is no such function any more.
    Gone,
}

/// Before an attempt: is it over already?
pub(super) fn before(next: &Next, settings: &Settings, concurrency: Option<u32>, now: Timestamp) -> Option<Condition> {
    if concurrency == Some(0) {
        Some(Condition::ZeroReservedConcurrency)
    } else if now >= too_old(next.waiting.accepted, settings) {
        Some(Condition::EventAgeExceeded)
    } else {
        None
    }
}

/// After an attempt.
pub(super) fn after(next: &Next, settings: &Settings, outcome: &InvokeOutcome, now: Timestamp) -> Verdict {
    match outcome {
        InvokeOutcome::Buffered(_) => Verdict::Over(Condition::Success),
        InvokeOutcome::FunctionError { .. } => after_failure(next, settings, now),
        InvokeOutcome::Refused(refusal) => match refusal {
            InvokeRefusal::NotFound => Verdict::Gone,
            // No payload of an event is that large, and there is no client context; should it be, no wait would help.
            InvokeRefusal::RequestTooLarge | InvokeRefusal::ClientContext => Verdict::Over(Condition::RetriesExhausted),
            _ => Verdict::BackOff(back_off(next.throttles, too_old(next.waiting.accepted, settings), now)),
        },
    }
}

/// After a record that was made then could not be put into its bucket, so many times before: when that is tried again. `None`:
/// it is given up, after a last try when it was as old as an event of the function may be.
pub(super) fn undelivered(made: Timestamp, failures: u32, settings: &Settings, now: Timestamp) -> Option<Timestamp> {
    let end = too_old(made, settings);
    (now < end).then(|| back_off(failures, end, now))
}

/// Not after the end, which is noticed when it has come.
fn back_off(failures: u32, end: Timestamp, now: Timestamp) -> Timestamp {
    let wait = BACK_OFF.saturating_mul(1 << failures.min(16)).min(BACK_OFF_MAX);
    later(now, wait).min(end)
}

fn after_failure(next: &Next, settings: &Settings, now: Timestamp) -> Verdict {
    let failures = next.waiting.attempts.failures.saturating_add(1);
    if failures > settings.retry_attempts() {
        return Verdict::Over(Condition::RetriesExhausted);
    }
    let wait = RETRY_WAITS[(failures as usize - 1).min(RETRY_WAITS.len() - 1)];
    let due = later(now, wait);
    match due < too_old(next.waiting.accepted, settings) {
        true => Verdict::Retry(Attempts { failures, due }),
        // It would be too old by then, and what the function said is known now.
        false => Verdict::Over(Condition::EventAgeExceeded),
    }
}

/// When an event is over by its age.
pub(super) fn too_old(accepted: Timestamp, settings: &Settings) -> Timestamp {
    later(accepted, settings.event_age())
}

fn later(from: Timestamp, by: Duration) -> Timestamp {
    Timestamp(from.0.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use model::lambda::event_invoke::{MaximumEventAge, MaximumRetryAttempts, QualifiedArn};
    use store::queue::{EventId, Waiting};

    fn next(failures: u32, throttles: u32) -> Next {
        let arn = "arn:aws:lambda:eu-west-1:111122223333:function:f:$LATEST";
        let waiting = Waiting {
            id: EventId(1),
            function: QualifiedArn::try_from(arn).unwrap(),
            accepted: Timestamp(0),
            attempts: Attempts {
                failures,
                due: Timestamp(0),
            },
        };
        Next { waiting, throttles }
    }

    fn settings(attempts: Option<i64>, age: Option<i64>) -> Settings {
        Settings {
            maximum_retry_attempts: attempts.map(|it| MaximumRetryAttempts::try_from(it).unwrap()),
            maximum_event_age: age.map(|it| MaximumEventAge::try_from(it).unwrap()),
            ..Settings::default()
        }
    }

    fn failed() -> InvokeOutcome {
        InvokeOutcome::FunctionError {
            error_type: "Error".to_owned(),
            payload: Bytes::from_static(b"{}"),
        }
    }

    fn retry(failures: u32, due: u64) -> Verdict {
        Verdict::Retry(Attempts {
            failures,
            due: Timestamp(due),
        })
    }

    // LAM-A-002, LAM-A-003: a failing function is run three times, a minute and two minutes apart
    // LAM-A-004: no retries, one run
    #[test]
    fn function_errors_are_tried_again_as_often_as_is_set() {
        for (attempts, age, failures, now, expected) in [
            (None, None, 0, 500, retry(1, 60_500)),
            (None, None, 1, 60_600, retry(2, 180_600)),
            (None, None, 2, 180_700, Verdict::Over(Condition::RetriesExhausted)),
            (Some(1), None, 0, 0, retry(1, 60_000)),
            (Some(1), None, 1, 60_000, Verdict::Over(Condition::RetriesExhausted)),
            (Some(0), None, 0, 0, Verdict::Over(Condition::RetriesExhausted)),
            // The settings were changed meanwhile.
            (Some(0), None, 1, 60_000, Verdict::Over(Condition::RetriesExhausted)),
            (None, Some(60), 0, 0, Verdict::Over(Condition::EventAgeExceeded)),
            (None, Some(61), 0, 0, retry(1, 60_000)),
            (None, Some(61), 1, 60_000, Verdict::Over(Condition::EventAgeExceeded)),
        ] {
            let verdict = after(&next(failures, 0), &settings(attempts, age), &failed(), Timestamp(now));
            assert_eq!(verdict, expected, "{attempts:?} {age:?} {failures} {now}");
        }
    }

    // LAM-A-005: a throttled event waits from 1 s up to 5 min, until it is too old, and uses up no retries
    #[test]
    fn throttles_back_off_until_the_event_is_too_old() {
        let throttled = InvokeOutcome::Refused(InvokeRefusal::Throttled);
        for (throttles, wait) in [(0, 1), (1, 2), (2, 4), (8, 256), (9, 300), (60, 300)] {
            let verdict = after(&next(2, throttles), &settings(None, None), &throttled, Timestamp(7));
            assert_eq!(verdict, Verdict::BackOff(Timestamp(7 + wait * 1000)), "{throttles}");
        }
        let late = Timestamp(59_500);
        let verdict = after(&next(0, 3), &settings(None, Some(60)), &throttled, late);
        assert_eq!(verdict, Verdict::BackOff(Timestamp(60_000)));
        for (now, over) in [(59_999, None), (60_000, Some(Condition::EventAgeExceeded))] {
            assert_eq!(
                before(&next(0, 4), &settings(None, Some(60)), None, Timestamp(now)),
                over
            );
        }
        let service = InvokeOutcome::Refused(InvokeRefusal::ServiceFailure);
        let verdict = after(&next(0, 0), &settings(None, None), &service, Timestamp(0));
        assert_eq!(verdict, Verdict::BackOff(Timestamp(1000)));
    }

    #[test]
    fn a_record_is_tried_until_it_is_too_old_and_once_more_then() {
        for (failures, now, due) in [
            (0, 0, Some(1_000)),
            (3, 7, Some(8_007)),
            (9, 0, Some(60_000)),
            (9, 59_999, Some(60_000)),
            (9, 60_000, None),
            (0, 900_000, None),
        ] {
            let again = undelivered(Timestamp(0), failures, &settings(Some(0), Some(60)), Timestamp(now));
            assert_eq!(again, due.map(Timestamp), "{failures} {now}");
        }
    }

    #[test]
    fn what_is_switched_off_or_gone_is_not_tried() {
        let off = before(&next(0, 0), &settings(None, None), Some(0), Timestamp(0));
        assert_eq!(off, Some(Condition::ZeroReservedConcurrency));
        assert_eq!(before(&next(0, 0), &settings(None, None), Some(1), Timestamp(0)), None);
        let gone = InvokeOutcome::Refused(InvokeRefusal::NotFound);
        assert_eq!(
            after(&next(0, 0), &settings(None, None), &gone, Timestamp(0)),
            Verdict::Gone
        );
        let answered = InvokeOutcome::Buffered(Bytes::from_static(b"null"));
        let verdict = after(&next(2, 0), &settings(Some(0), Some(60)), &answered, Timestamp(900_000));
        assert_eq!(
            verdict,
            Verdict::Over(Condition::Success),
            "it took long, and it ended well"
        );
    }
}
