//! The two events that extensions are told of, as JSON. Source: Lambda 4.5.

use crate::json::{write_integer, write_string};
use crate::request_id::RequestId;

/// One invocation, as an extension hears of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InvokeEvent<'a> {
    pub(crate) deadline_ms: u64,
    pub(crate) id: &'a RequestId,
    pub(crate) function_arn: &'a str,
    pub(crate) trace_id: Option<&'a str>,
}

/// Why an environment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShutdownReason {
    /// It is not needed any more.
    Spindown,
    /// An invocation or init ran out of time.
    Timeout,
    /// Something in it has failed.
    Failure,
}

impl ShutdownReason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Spindown => "spindown",
            Self::Timeout => "timeout",
            Self::Failure => "failure",
        }
    }
}

pub(crate) fn invoke_event(event: &InvokeEvent<'_>) -> Vec<u8> {
    let mut out = b"{\"eventType\":\"INVOKE\",\"deadlineMs\":".to_vec();
    write_integer(&mut out, event.deadline_ms);
    out.extend(b",\"requestId\":");
    write_string(&mut out, event.id.as_str());
    out.extend(b",\"invokedFunctionArn\":");
    write_string(&mut out, event.function_arn);
    out.extend(b",\"tracing\":{\"type\":\"X-Amzn-Trace-Id\",\"value\":");
    write_string(&mut out, event.trace_id.unwrap_or_default());
    out.extend(b"}}");
    out
}

pub(crate) fn shutdown_event(reason: ShutdownReason, deadline_ms: u64) -> Vec<u8> {
    let mut out = b"{\"eventType\":\"SHUTDOWN\",\"shutdownReason\":".to_vec();
    write_string(&mut out, reason.as_str());
    out.extend(b",\"deadlineMs\":");
    write_integer(&mut out, deadline_ms);
    out.push(b'}');
    out
}
