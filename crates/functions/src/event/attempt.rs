//! One attempt: from the queue to the record of how it ended.

use super::Shared;
use super::delivery;
use super::judge::{self, Condition, Verdict};
use super::line::{Next, Pace, Taken};
use super::outcome::{Answer, Outcome};
use crate::MetricEvent;
use bytes::Bytes;
use invoke::{EVENT_PAYLOAD_BYTES_MAX, Invocation, InvokeOutcome, InvokeRefusal, Invoked, RequestId};
use model::lambda::event_invoke::{Destination, FailureDestination, LATEST, QualifiedArn, Settings};
use model::lambda::execution_role;
use model::{FunctionArn, State, Timestamp};
use std::time::Duration;
use store::queue::{Event, QueueError, Settlement, Waiting};
use tracing::{error, warn};

/// How long is waited before the queue is asked again that could not be read or written.
const QUEUE_WAIT: Duration = Duration::from_secs(1);
/// How often one function may run in a chain of destinations. Source: Lambda 4.10.
const CHAIN_RUNS_MAX: u32 = 16;

/// An attempt in which the function was asked for.
struct Ran {
    invoked: Invoked,
    /// The version that was chosen.
    executed_version: String,
}

/// What an attempt leaves.
pub(super) enum End {
    /// Recorded: nothing, or when it is tried again.
    Recorded(Pace, Option<(Next, Timestamp)>),
    /// The queue is another's now, and so is the event.
    Lost,
}

impl Shared {
    /// Tries an event once.
    pub(super) async fn attempt(&self, taken: Taken) {
        let end = self.try_once(&taken.next).await;
        let (pace, again) = match end {
            End::Recorded(pace, again) => (pace, again),
            End::Lost => (Pace::Kept, None),
        };
        self.room.line().over(&taken, pace, again);
        self.room.changed.notify_waiters();
    }

    async fn try_once(&self, next: &Next) -> End {
        let event = match self.queue.read(next.waiting.id).await {
            Ok(event) => event,
            Err(error) => return self.unread(next, &error),
        };
        if let Some(bucket) = &event.bucket {
            return self.deliver(next, &event, bucket).await;
        }
        let state = self.state.borrow().clone();
        let function = &next.waiting.function;
        if !state.is_invocable(function) {
            return self.drop_event(next).await;
        }
        let settings = settings(&state, &next.waiting);
        let concurrency = state
            .function(&function.function())
            .and_then(|it| it.configuration.concurrency);
        let now = self.clock.now();
        if let Some(condition) = judge::before(next, &settings, concurrency, now) {
            return match self.finish(next, &event, condition, None).await {
                End::Recorded(_, again) => End::Recorded(Pace::NotRun, again),
                End::Lost => End::Lost,
            };
        }
        let age = Duration::from_millis(now.0.saturating_sub(event.accepted.0));
        (self.count)(&function.invoked(), MetricEvent::AsyncAge(age));
        let Some(runs) = state.runnable(&function.invoked(), draw).map(|runs| runs.arn.clone()) else {
            return self.drop_event(next).await;
        };
        let ran = Ran {
            invoked: (self.run)(invocation(&event, &runs)).await,
            executed_version: runs.qualifier().unwrap_or(LATEST).to_owned(),
        };
        // As they are now: they may have been changed while it ran.
        let state = self.state.borrow().clone();
        let settings = self::settings(&state, &next.waiting);
        self.judged(next, &event, &settings, &ran).await
    }

    async fn judged(&self, next: &Next, event: &Event, settings: &Settings, ran: &Ran) -> End {
        match judge::after(next, settings, &ran.invoked.outcome, self.clock.now()) {
            Verdict::Retry(attempts) => {
                let again = Next {
                    waiting: Waiting {
                        attempts,
                        ..next.waiting.clone()
                    },
                    throttles: 0,
                };
                match self.record(next, Settlement::Again(attempts)).await {
                    Ok(_) => End::Recorded(Pace::Kept, Some((again, attempts.due))),
                    Err(end) => end,
                }
            }
            Verdict::BackOff(due) => {
                let again = Next {
                    throttles: next.throttles.saturating_add(1),
                    ..next.clone()
                };
                let pace = match ran.invoked.outcome {
                    InvokeOutcome::Refused(InvokeRefusal::Throttled) => Pace::Throttled,
                    _ => Pace::Kept,
                };
                End::Recorded(pace, Some((again, due)))
            }
            Verdict::Over(condition) => self.finish(next, event, condition, Some(ran)).await,
            Verdict::Gone => self.drop_event(next).await,
        }
    }

    /// The event is over: tells its destination, and forgets it, in one step.
    async fn finish(&self, next: &Next, event: &Event, condition: Condition, ran: Option<&Ran>) -> End {
        let function = next.waiting.function.invoked();
        let state = self.state.borrow().clone();
        let settings = settings(&state, &next.waiting);
        let destination = match condition {
            Condition::Success => settings.on_success.map(FailureDestination::Function),
            _ => settings.on_failure,
        };
        if condition != Condition::Success {
            (self.count)(&function, MetricEvent::AsyncDropped);
        }
        let answer = ran.and_then(Ran::answer);
        let follower = destination.and_then(|destination| {
            let outcome = Outcome {
                event,
                condition,
                at: self.clock.now(),
                runs: next.waiting.attempts.failures + u32::from(answer.is_some()),
                answer,
            };
            if !execution_role::may_deliver(&state, &role_of(next, ran), &destination) {
                let why = "the execution role of the function does not allow it";
                self.undelivered(event, &destination.to_string(), why);
                return None;
            }
            match destination {
                FailureDestination::Function(function) => self.follower(&state, event, &function, &outcome),
                FailureDestination::Bucket(bucket) => Some(delivery::of(&outcome, bucket)),
            }
        });
        let Some(follower) = follower else {
            return self.over(next).await;
        };
        let received = follower.bucket.is_none().then(|| follower.function.invoked());
        match self.record(next, Settlement::Followed(Box::new(follower))).await {
            Ok(has_followed) => {
                if let Some(received) = received.filter(|_| has_followed) {
                    (self.count)(&received, MetricEvent::AsyncReceived);
                }
                End::Recorded(Pace::Kept, None)
            }
            Err(end) => end,
        }
    }

    pub(super) async fn over(&self, next: &Next) -> End {
        match self.record(next, Settlement::Gone).await {
            Ok(_) => End::Recorded(Pace::Kept, None),
            Err(end) => end,
        }
    }

    /// What its destination is invoked with. `None`: it cannot be.
    fn follower(&self, state: &State, event: &Event, to: &Destination, outcome: &Outcome<'_>) -> Option<Event> {
        let undelivered = |why: &str| self.undelivered(event, &to.to_string(), why);
        if !state.is_invocable(&to.invoked()) {
            undelivered("the destination does not exist");
            return None;
        }
        let payload = outcome.document();
        if payload.len() > EVENT_PAYLOAD_BYTES_MAX {
            undelivered("it is too large for an asynchronous invocation");
            return None;
        }
        let mut chain = event.chain.clone();
        *chain.entry(event.function.function()).or_default() += 1;
        if chain.get(&to.function).is_some_and(|runs| *runs >= CHAIN_RUNS_MAX) {
            undelivered("functions are destinations of each other in a circle");
            (self.count)(&to.invoked().invoked(), MetricEvent::RecursionDropped);
            return None;
        }
        let mut random = [0; 16];
        if let Err(error) = getrandom::fill(&mut random) {
            undelivered(&error.to_string());
            return None;
        }
        Some(Event {
            request_id: RequestId::from_random(random).to_string(),
            function: to.invoked(),
            accepted: outcome.at,
            trace_id: event.trace_id.clone(),
            chain,
            payload,
            bucket: None,
        })
    }

    /// Nobody is told of an event.
    pub(super) fn undelivered(&self, event: &Event, destination: &str, why: &str) {
        let function = event.function.invoked();
        let request_id = &event.request_id;
        warn!(%function, request_id, destination, why, "the record of an asynchronous invocation is not delivered");
        (self.count)(&function, MetricEvent::DestinationDeliveryFailure);
    }

    /// There is nothing to run any more.
    async fn drop_event(&self, next: &Next) -> End {
        let function = &next.waiting.function;
        warn!(%function, "an asynchronous invocation is dropped: the function is gone");
        (self.count)(&function.invoked(), MetricEvent::AsyncDropped);
        self.over(next).await
    }

    /// Records how the attempt ended, for as long as it takes: what ran must not run again because a disk was full.
    /// True if an event followed.
    async fn record(&self, next: &Next, settlement: Settlement) -> Result<bool, End> {
        let mut settlement = settlement;
        let mut has_failed = false;
        loop {
            match self.queue.settle(next.waiting.id, settlement.clone()).await {
                // Gone: recorded by a try that seemed to have failed.
                Ok(()) | Err(QueueError::Gone) => return Ok(matches!(settlement, Settlement::Followed(_))),
                Err(QueueError::Closed) => return Err(End::Lost),
                Err(QueueError::Full) => {
                    let is_done = match &settlement {
                        Settlement::Followed(follower) => self.beside_the_queue(next, follower).await,
                        Settlement::Again(_) | Settlement::Gone => true,
                    };
                    if is_done {
                        settlement = Settlement::Gone;
                    } else if !self.patience().await {
                        return Err(End::Lost);
                    }
                }
                Err(QueueError::Failed(why)) => {
                    if !std::mem::replace(&mut has_failed, true) {
                        let function = &next.waiting.function;
                        error!(%function, error = why, "the end of an asynchronous invocation cannot be recorded yet");
                    }
                    if !self.patience().await {
                        return Err(End::Lost);
                    }
                }
            }
        }
    }

    fn unread(&self, next: &Next, error: &QueueError) -> End {
        match error {
            QueueError::Gone => End::Recorded(Pace::Kept, None),
            QueueError::Closed => End::Lost,
            QueueError::Full | QueueError::Failed(_) => {
                let wait = u64::try_from(QUEUE_WAIT.as_millis()).unwrap_or_default();
                let due = Timestamp(self.clock.now().0.saturating_add(wait));
                error!(function = %next.waiting.function, %error, "an asynchronous invocation cannot be read yet");
                End::Recorded(Pace::Kept, Some((next.clone(), due)))
            }
        }
    }

    /// Waits before the next try. False: there is none.
    async fn patience(&self) -> bool {
        let wait = u64::try_from(QUEUE_WAIT.as_millis()).unwrap_or_default();
        let until = Timestamp(self.clock.now().0.saturating_add(wait));
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = self.clock.sleep_until(until) => true,
        }
    }
}

/// Those of the version or alias that was invoked: `$LATEST`'s are not inherited.
pub(super) fn settings(state: &State, waiting: &Waiting) -> Settings {
    let config = state.event_invokes().of(&waiting.function);
    config.map(|it| it.settings.clone()).unwrap_or_default()
}

fn invocation(event: &Event, runs: &FunctionArn) -> Invocation {
    let payload = Bytes::from(event.payload.clone());
    Invocation {
        request_id: RequestId::try_from(event.request_id.as_str()).ok(),
        version: Some(runs.clone()),
        ..Invocation::new(event.function.invoked(), payload, event.trace_id.clone())
    }
}

impl Ran {
    /// What the function said, if it was run.
    fn answer(&self) -> Option<Answer<'_>> {
        let (payload, is_error) = match &self.invoked.outcome {
            InvokeOutcome::Buffered(payload) => (payload, false),
            InvokeOutcome::FunctionError { payload, .. } => (payload, true),
            InvokeOutcome::Refused(_) => return None,
        };
        Some(Answer {
            payload,
            is_error,
            executed_version: &self.executed_version,
        })
    }
}

/// Whose role counts: that of the version which was run, else that of what was to be run.
fn role_of(next: &Next, ran: Option<&Ran>) -> QualifiedArn {
    let named = &next.waiting.function;
    let version = ran.map(|ran| ran.executed_version.as_str());
    let executed = version.and_then(|version| QualifiedArn::new(&named.function(), Some(version)).ok());
    executed.unwrap_or_else(|| named.clone())
}

/// For an alias of two versions. Without random numbers it is the first one's.
fn draw() -> u32 {
    getrandom::u32().unwrap_or_default()
}
