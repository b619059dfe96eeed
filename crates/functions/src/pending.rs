//! An invocation before it runs, and the way back to its caller. Both may go from one core to another.

use crate::account::Slot;
use crate::request_id::RequestId;
use bytes::Bytes;
use invoke::{AnswerStream, Invocation, InvokeOutcome, InvokeRefusal, Invoked, StreamEnd, StreamError, Streaming};
use tokio::sync::oneshot;

/// An invocation that has its slot and still needs an environment.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) invocation: Invocation,
    pub(crate) reply: Reply,
    pub(crate) slot: Slot,
}

impl Pending {
    /// Ends it without having run it.
    pub(crate) fn refuse(self, refusal: InvokeRefusal) {
        self.reply.refuse(refusal);
    }
}

/// Where the outcome goes. Nobody may listen there any more: callers leave.
#[derive(Debug)]
pub(crate) enum Reply {
    /// To a caller who wants the outcome and nothing else.
    Outcome(oneshot::Sender<InvokeOutcome>),
    /// To one who wants to know more.
    Invoked(oneshot::Sender<Invoked>),
    /// To one who wants the answer piece by piece.
    Streaming(oneshot::Sender<Streaming>),
}

impl Reply {
    /// The function was run.
    pub(crate) fn send(self, id: &RequestId, outcome: InvokeOutcome, log_tail: Option<Bytes>) {
        match self {
            Self::Outcome(caller) => drop(caller.send(outcome)),
            Self::Invoked(caller) => drop(caller.send(Invoked {
                request_id: Some(id.as_str().to_owned()),
                outcome,
                log_tail,
            })),
            Self::Streaming(caller) => {
                let streaming = match outcome {
                    InvokeOutcome::Buffered(bytes) => {
                        let end = StreamEnd { error: None, log_tail };
                        Streaming::Began(AnswerStream::whole(*id, bytes, end))
                    }
                    InvokeOutcome::FunctionError { error_type, payload } => {
                        let error = Some(StreamError { error_type, payload });
                        let end = StreamEnd { error, log_tail };
                        Streaming::Began(AnswerStream::whole(*id, Bytes::new(), end))
                    }
                    InvokeOutcome::Refused(refusal) => Streaming::Refused(refusal),
                };
                drop(caller.send(streaming));
            }
        }
    }

    /// The function was not run, or not to its end.
    pub(crate) fn refuse(self, refusal: InvokeRefusal) {
        match self {
            Self::Outcome(caller) => drop(caller.send(InvokeOutcome::Refused(refusal))),
            Self::Invoked(caller) => drop(caller.send(not_run(refusal))),
            Self::Streaming(caller) => drop(caller.send(Streaming::Refused(refusal))),
        }
    }
}

/// What a caller learns of an invocation that was not run.
pub(crate) fn not_run(refusal: InvokeRefusal) -> Invoked {
    Invoked {
        request_id: None,
        outcome: InvokeOutcome::Refused(refusal),
        log_tail: None,
    }
}
