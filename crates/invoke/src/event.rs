//! The contract to invoke a function asynchronously: the event is kept until it has an outcome, and its caller is answered
//! when it is. Source: Lambda 5.9.

use crate::RequestId;
use bytes::Bytes;
use model::lambda::event_invoke::QualifiedArn;

/// The largest payload of an asynchronous invocation, in bytes. Source: Lambda 5.1.
pub const EVENT_PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// One asynchronous invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What is invoked.
    pub function: QualifiedArn,
    /// A JSON document.
    pub payload: Bytes,
    /// The trace that it belongs to.
    pub trace_id: Option<String>,
    /// The same for all attempts.
    pub request_id: RequestId,
}

/// Why an event was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventRefusal {
    /// Too many wait already.
    #[error("too many asynchronous invocations wait already")]
    Full,
    /// It cannot be stored; what is wrong stands in the log.
    #[error("the asynchronous invocation could not be stored")]
    Failed,
}
