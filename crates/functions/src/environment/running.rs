//! The invocation of a busy environment, from its event to the last line of its log.

use crate::account::Slot;
use crate::failure::Failure;
use crate::log::{AnswerSpans, Status};
use crate::pending::{Pending, Reply};
use crate::request_id::RequestId;
use crate::scheduler::{Busy, Scheduler, Settling};
use bytes::Bytes;
use invoke::{InvokeOutcome, InvokeRefusal};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::Instant;

/// One invocation. Dropping it gives its slot back.
pub(super) struct Running {
    pub(super) id: RequestId,
    pub(super) event: Bytes,
    /// When it was assigned; an init that is repeated for it is a part of it.
    pub(super) began: Instant,
    pub(super) deadline: Instant,
    pub(super) wants_tail: bool,
    /// The log says that it has started.
    pub(super) is_announced: bool,
    caller: Caller,
    status: Status,
    /// The first and the last byte of the answer, and its length.
    answer_began: Option<Instant>,
    answer_ended: Option<(Instant, u64)>,
    ended: Option<Instant>,
    _busy: Busy,
    /// From the answer on.
    settling: Option<Settling>,
    slot: Option<Slot>,
}

/// Who waits for the outcome.
enum Caller {
    Waits(Reply),
    /// The outcome is there, the end of the log is not.
    WaitsForLog(Reply, InvokeOutcome),
    Answered,
}

impl Running {
    pub(super) fn new(id: RequestId, pending: Pending, began: Instant, timeout: Duration, busy: Busy) -> Self {
        Self {
            id,
            event: pending.invocation.payload,
            began,
            deadline: began + timeout,
            wants_tail: pending.invocation.log_tail,
            is_announced: false,
            caller: Caller::Waits(pending.reply),
            status: Status::Success,
            answer_began: None,
            answer_ended: None,
            ended: None,
            _busy: busy,
            settling: None,
            slot: Some(pending.slot),
        }
    }

    /// Has the runtime answered, or is it certain that it will not?
    pub(super) fn is_answered(&self) -> bool {
        !matches!(self.caller, Caller::Waits(_))
    }

    /// The first byte of an answer has come.
    pub(super) fn begin_answer(&mut self, now: Instant) {
        self.answer_began = Some(now);
    }

    /// The runtime has answered. The caller has it when this returns, unless he waits for the log too.
    pub(super) fn finish(&mut self, answer: Result<Bytes, Failure>, scheduler: &Rc<Scheduler>) {
        if self.is_answered() {
            return;
        }
        let bytes = match &answer {
            Ok(payload) | Err(Failure::Posted { payload, .. }) => payload.len() as u64,
            Err(_) => 0,
        };
        self.answer_ended = Some((Instant::now(), bytes));
        if let Err(failure) = &answer {
            self.status = failure.answered_status();
        }
        self.give(answer, scheduler);
    }

    /// The runtime is lost, since `at`. The caller is answered if he was not, and others may have the slot.
    pub(super) fn fail(&mut self, failure: Failure, at: Instant, scheduler: &Rc<Scheduler>) {
        self.ended = Some(at);
        if self.status == Status::Success {
            self.status = failure.status();
        }
        self.give(Err(failure), scheduler);
        self.settling = None;
        self.slot = None;
    }

    /// The runtime has asked for the next event.
    pub(super) fn end(&mut self, now: Instant) {
        self.ended = Some(now);
    }

    fn give(&mut self, answer: Result<Bytes, Failure>, scheduler: &Rc<Scheduler>) {
        let reply = match std::mem::replace(&mut self.caller, Caller::Answered) {
            Caller::Waits(reply) => reply,
            answered => {
                self.caller = answered;
                return;
            }
        };
        let outcome = match answer {
            Ok(document) => InvokeOutcome::Buffered(document),
            Err(failure) => {
                scheduler.account.errors.fetch_add(1, Relaxed);
                failure.outcome(&self.id)
            }
        };
        // Before the caller hears of it, because its next invocation may come at once.
        scheduler.pace.took(self.began.elapsed());
        self.settling = Some(Settling::new(scheduler));
        if self.wants_tail {
            self.caller = Caller::WaitsForLog(reply, outcome);
        } else {
            reply.send(&self.id, outcome, None);
        }
    }

    /// The log is complete: answers a caller who has waited for it.
    pub(super) fn close(self, log_tail: Option<Bytes>) {
        // Before the caller hears of it: he may find the environment free.
        drop((self.slot, self.settling));
        if let Caller::WaitsForLog(reply, outcome) = self.caller {
            reply.send(&self.id, outcome, log_tail);
        }
    }

    /// Tells a caller who has no outcome that the platform has failed.
    pub(super) fn refuse(self) {
        if let Caller::Waits(reply) = self.caller {
            reply.refuse(InvokeRefusal::ServiceFailure);
        }
    }

    pub(super) fn status(&self) -> &Status {
        &self.status
    }

    /// How long it took. One that ran out of time took all of it. Source: Lambda 2.9.
    pub(super) fn duration(&self) -> Duration {
        match self.status {
            Status::Timeout => self.deadline - self.began,
            _ => self.ended() - self.began,
        }
    }

    /// The parts of it, if the runtime has answered.
    pub(super) fn answer_spans(&self) -> Option<AnswerSpans> {
        let (began, (ended, produced_bytes)) = (self.answer_began?, self.answer_ended?);
        Some(AnswerSpans {
            latency: began - self.began,
            duration: ended - began,
            // The last words of a runtime are heard after its end.
            overhead: self.ended().saturating_duration_since(ended),
            produced_bytes,
        })
    }

    fn ended(&self) -> Instant {
        self.ended.unwrap_or_else(Instant::now)
    }
}
