//! The invocation of a busy environment, from its event to the last line of its log.

use crate::account::Slot;
use crate::failure::Failure;
use crate::log::{AnswerSpans, Journal, RuntimeDone, Status};
use crate::metrics::{Ended, Provision};
use crate::pending::{Pending, Reply};
use crate::request_id::RequestId;
use crate::scheduler::{Busy, Scheduler, Settling};
use bytes::Bytes;
use invoke::{AnswerStream, EndSender, InvokeOutcome, InvokeRefusal, PieceSender, StreamEnd, Streaming};
use model::FunctionArn;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::Instant;

/// One invocation. Dropping it gives its slot back.
pub(super) struct Running {
    pub(super) id: RequestId,
    pub(super) event: Bytes,
    /// The function as invoked.
    pub(super) function: FunctionArn,
    pub(super) trace_id: Option<String>,
    /// When it was assigned; an init that is repeated for it is a part of it.
    pub(super) began: Instant,
    pub(super) deadline: Instant,
    /// The same in milliseconds since the epoch.
    pub(super) deadline_ms: u64,
    pub(super) wants_tail: bool,
    /// The log says that it has started.
    pub(super) is_announced: bool,
    /// The log says that the runtime has finished with it.
    is_done_logged: bool,
    caller: Caller,
    status: Status,
    /// The function has failed, whoever says so.
    is_error: bool,
    /// The first and the last byte of the answer, and its length.
    answer_began: Option<Instant>,
    answer_ended: Option<(Instant, u64)>,
    streamed_bytes: u64,
    /// The runtime has asked for the next event.
    asked: Option<Instant>,
    ended: Option<Instant>,
    _busy: Busy,
    /// From the answer on.
    settling: Option<Settling>,
    slot: Option<Slot>,
}

/// Who waits for the outcome.
enum Caller {
    Waits(Reply),
    /// The answer is on its way to a caller who reads it piece by piece.
    Streams(EndSender),
    /// It has come, and the end of the log has not.
    StreamsLog(EndSender, StreamEnd),
    /// The outcome is there, the end of the log is not.
    WaitsForLog(Reply, InvokeOutcome),
    Answered,
}

impl Running {
    pub(super) fn new(
        id: RequestId,
        pending: Pending,
        began: Instant,
        timeout: Duration,
        deadline_ms: u64,
        busy: Busy,
    ) -> Self {
        Self {
            id,
            event: pending.invocation.payload,
            function: pending.invocation.function,
            trace_id: pending.invocation.trace_id,
            began,
            deadline: began + timeout,
            deadline_ms,
            wants_tail: pending.invocation.log_tail,
            is_announced: false,
            is_done_logged: false,
            caller: Caller::Waits(pending.reply),
            status: Status::Success,
            is_error: false,
            answer_began: None,
            answer_ended: None,
            streamed_bytes: 0,
            asked: None,
            ended: None,
            _busy: busy,
            settling: None,
            slot: Some(pending.slot),
        }
    }

    /// Has the runtime answered, or is it certain that it will not?
    pub(super) fn is_answered(&self) -> bool {
        !matches!(self.caller, Caller::Waits(_) | Caller::Streams(_))
    }

    /// The head of a streamed answer has come. If the caller wants it piece by piece, he has the beginning now, and this is
    /// where the pieces go.
    pub(super) fn begin_stream(&mut self, content_type: String) -> Option<PieceSender> {
        let caller = match std::mem::replace(&mut self.caller, Caller::Answered) {
            Caller::Waits(Reply::Streaming(caller)) => caller,
            other => {
                self.caller = other;
                return None;
            }
        };
        let (stream, pieces, end) = AnswerStream::new(self.id, Some(content_type));
        // Nobody may listen any more; the function runs to its end all the same.
        drop(caller.send(Streaming::Began(stream)));
        self.caller = Caller::Streams(end);
        Some(pieces)
    }

    /// So many bytes of a streamed answer have come.
    pub(super) fn streamed(&mut self, bytes: u64) {
        self.streamed_bytes += bytes;
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
        let bytes = match self.streamed_bytes {
            0 => bytes,
            streamed => streamed,
        };
        self.answer_ended = Some((Instant::now(), bytes));
        self.is_error = answer.is_err();
        if let Err(failure) = &answer {
            self.status = failure.answered_status();
        }
        self.give(answer, scheduler);
    }

    /// The runtime is lost, since `at`. The caller is answered if he was not, and others may have the slot.
    pub(super) fn fail(&mut self, failure: Failure, at: Instant, scheduler: &Rc<Scheduler>) {
        self.ended = Some(at);
        self.is_error = true;
        if self.status == Status::Success {
            self.status = failure.status();
        }
        self.give(Err(failure), scheduler);
        self.settling = None;
        self.slot = None;
    }

    /// The runtime has asked for the next event, and extensions are busy still.
    pub(super) fn asked(&mut self, now: Instant) {
        self.asked = Some(now);
    }

    /// The runtime has asked for the next event, and so have its extensions.
    pub(super) fn end(&mut self, now: Instant) {
        self.ended = Some(now);
    }

    fn give(&mut self, answer: Result<Bytes, Failure>, scheduler: &Rc<Scheduler>) {
        let reply = match std::mem::replace(&mut self.caller, Caller::Answered) {
            Caller::Waits(reply) => reply,
            Caller::Streams(end) => return self.end_stream(end, answer.err(), scheduler),
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

    /// The answer of a caller who reads it piece by piece has ended.
    fn end_stream(&mut self, end: EndSender, failure: Option<Failure>, scheduler: &Rc<Scheduler>) {
        let error = failure.map(|failure| {
            scheduler.account.errors.fetch_add(1, Relaxed);
            failure.stream_error(&self.id)
        });
        scheduler.pace.took(self.began.elapsed());
        self.settling = Some(Settling::new(scheduler));
        let said = StreamEnd { error, log_tail: None };
        if self.wants_tail {
            self.caller = Caller::StreamsLog(end, said);
        } else {
            end.send(said);
        }
    }

    /// The log is complete: answers a caller who has waited for it.
    pub(super) fn close(self, log_tail: Option<Bytes>) {
        // Before the caller hears of it: he may find the environment free.
        drop((self.slot, self.settling));
        match self.caller {
            Caller::WaitsForLog(reply, outcome) => reply.send(&self.id, outcome, log_tail),
            Caller::StreamsLog(end, said) => end.send(StreamEnd { log_tail, ..said }),
            Caller::Waits(_) | Caller::Streams(_) | Caller::Answered => {}
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

    /// What metrics count of it.
    pub(super) fn ended_as(&self, provision: Provision) -> Ended {
        let timeout = u64::try_from((self.deadline - self.began).as_millis()).unwrap_or(u64::MAX);
        Ended {
            began_ms: self.deadline_ms.saturating_sub(timeout),
            duration: self.duration(),
            // Without extensions the end is when the runtime asks.
            extensions: self.asked.map(|asked| self.ended().saturating_duration_since(asked)),
            is_error: self.is_error,
            provision,
        }
    }

    /// The parts of it, if the runtime has answered.
    pub(super) fn answer_spans(&self) -> Option<AnswerSpans> {
        let (began, (ended, produced_bytes)) = (self.answer_began?, self.answer_ended?);
        Some(AnswerSpans {
            latency: began - self.began,
            duration: ended - began,
            // The last words of a runtime are heard after its end.
            overhead: self.runtime_ended().saturating_duration_since(ended),
            produced_bytes,
        })
    }

    /// Says once that the runtime has finished with it.
    pub(super) fn log_done(&mut self, journal: &Journal) {
        if std::mem::replace(&mut self.is_done_logged, true) {
            return;
        }
        let duration = match self.status {
            Status::Timeout => self.deadline - self.began,
            _ => self.runtime_ended() - self.began,
        };
        journal.runtime_done(&RuntimeDone {
            id: &self.id,
            trace_id: self.trace_id.as_deref(),
            duration,
            status: &self.status,
            answer: self.answer_spans(),
        });
    }

    fn runtime_ended(&self) -> Instant {
        self.asked.unwrap_or_else(|| self.ended())
    }

    fn ended(&self) -> Instant {
        self.ended.unwrap_or_else(Instant::now)
    }
}
