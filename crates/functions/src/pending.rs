//! An invocation before it runs, and the way back to its caller. Both may go from one core to another.

use crate::account::Slot;
use crate::request_id::RequestId;
use bytes::Bytes;
use invoke::{Invocation, InvokeOutcome, InvokeRefusal, Invoked};
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
        }
    }

    /// The function was not run, or not to its end.
    pub(crate) fn refuse(self, refusal: InvokeRefusal) {
        match self {
            Self::Outcome(caller) => drop(caller.send(InvokeOutcome::Refused(refusal))),
            Self::Invoked(caller) => drop(caller.send(not_run(refusal))),
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
