//! The contracts between those who call functions, those who run them, and the platform that functions call: whoever has a
//! request for a function knows this page, and nothing of how functions run.
//!
//! It is local to a traffic core: futures are `!Send`, and an invocation is started on the core that holds the client's
//! request. `functions` implements [`Invoker`]; `proxy` and, later, the Invoke API use it.
#![forbid(unsafe_code)]

mod door;
mod event;
mod request_id;
mod stream;

use bytes::Bytes;
use model::FunctionArn;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

pub use door::{Door, DoorCredentials, Doorkeeper, NoDoor};
pub use event::{EVENT_PAYLOAD_BYTES_MAX, Event, EventRefusal};
pub use request_id::{InvalidRequestId, RequestId};
pub use stream::{AnswerStream, EndSender, Piece, PieceSender, StreamEnd, StreamError, Streaming};

/// A future that stays on its core.
pub type LocalBoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// Calls functions.
pub trait Invoker {
    /// Runs one synchronous invocation.
    ///
    /// Dropping the future never stops the invocation: a client that leaves does not cancel a function.
    fn invoke(&self, invocation: Invocation) -> LocalBoxFuture<InvokeOutcome>;
}

/// One invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The function as invoked: the function itself, a version or an alias.
    pub function: FunctionArn,
    /// The version that runs, where it is chosen already; `None`: the one that `function` means.
    pub version: Option<FunctionArn>,
    /// The event, a JSON document.
    pub payload: Bytes,
    /// The `X-Amzn-Trace-Id` of the request, handed to the runtime as `Lambda-Runtime-Trace-Id`.
    pub trace_id: Option<String>,
    /// The decoded JSON of `X-Amz-Client-Context`. A load balancer sends none.
    pub client_context: Option<String>,
    /// The id it is to have, where the event tells it already; `None`: a fresh one.
    pub request_id: Option<RequestId>,
    /// Is the end of the log wanted? Then the caller is answered when the log of the invocation is complete.
    pub log_tail: bool,
}

impl Invocation {
    /// An invocation as a load balancer makes it.
    pub fn new(function: FunctionArn, payload: Bytes, trace_id: Option<String>) -> Self {
        Self {
            function,
            version: None,
            payload,
            trace_id,
            client_context: None,
            request_id: None,
            log_tail: false,
        }
    }

    /// What runs: the version that was chosen, or what was invoked.
    pub fn runs(&self) -> &FunctionArn {
        self.version.as_ref().unwrap_or(&self.function)
    }
}

/// An invocation that has ended, for callers that want to know more than the outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoked {
    /// The request id, a UUID, as it stands in the function's log. `None` when no environment was tried.
    pub request_id: Option<String>,
    /// How it ended.
    pub outcome: InvokeOutcome,
    /// The last [`LOG_TAIL_BYTES_MAX`] bytes of the invocation's log, if they were asked for.
    pub log_tail: Option<Bytes>,
}

/// How much of an invocation's log its caller can get, in bytes. Source: Lambda 2.12.
pub const LOG_TAIL_BYTES_MAX: usize = 4096;

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvokeOutcome {
    /// The function answered with a whole document.
    Buffered(Bytes),
    /// The function failed: it answered an error, crashed or ran out of time. The payload is the error document.
    FunctionError {
        /// For example `Runtime.ExitError` or `Sandbox.Timedout`.
        error_type: String,
        /// The JSON document an Invoke caller would see.
        payload: Bytes,
    },
    /// The function was not run.
    Refused(InvokeRefusal),
}

/// Why a function was not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InvokeRefusal {
    /// No such function.
    NotFound,
    /// The function's policy does not let the caller invoke it.
    AccessDenied,
    /// Its concurrency, or the host's, is used up and the queue is full.
    Throttled,
    /// The event is over 6 MB.
    RequestTooLarge,
    /// The client context cannot stand in a header, for example because it has line breaks.
    ClientContext,
    /// The package with its code cannot be unpacked. What is wrong with it stands in the function's log.
    InvalidZipFile,
    /// Nothing on this host runs its runtime, or the wanted version of it. What is missing stands in the function's log.
    InvalidRuntime,
    /// The platform failed, not the function: an environment could not be made.
    ServiceFailure,
}

impl fmt::Display for InvokeRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotFound => "the function does not exist",
            Self::AccessDenied => "the policy of the function does not allow it; `aws lambda add-permission` does",
            Self::Throttled => "the function is throttled",
            Self::RequestTooLarge => "the event is over 6 MB",
            Self::ClientContext => "the client context cannot be handed to a runtime",
            Self::InvalidZipFile => "the package of the function cannot be unpacked",
            Self::InvalidRuntime => "nothing on this host runs the runtime of the function",
            Self::ServiceFailure => "no execution environment could be made",
        })
    }
}
