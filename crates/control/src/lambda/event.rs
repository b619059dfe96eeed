//! Asynchronous invocations: `Event` of Invoke, and InvokeAsync. Source: Lambda 5.1, 5.2, 5.9.

use super::error::LambdaError;
use super::{Call, Mode};
use crate::answer::{self, Answer};
use crate::aws;
use crate::server::Payload;
use crate::source::Source;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::HeaderMap;
use invoke::{EVENT_PAYLOAD_BYTES_MAX, Event, EventRefusal, RequestId};
use model::Scope;

/// The largest payload of InvokeAsync, in bytes. Source: Lambda 5.1.
const ASYNC_PAYLOAD_BYTES_MAX: usize = 262_144;

/// Refuses a payload that is too large for an asynchronous invocation.
pub(super) fn check_size(payload: &[u8], mode: Mode) -> Result<(), LambdaError> {
    let bytes_max = match mode {
        Mode::Async => ASYNC_PAYLOAD_BYTES_MAX,
        Mode::Buffered | Mode::Streaming => EVENT_PAYLOAD_BYTES_MAX,
    };
    match payload.len() > bytes_max {
        true => Err(LambdaError::event_too_large(payload.len(), bytes_max)),
        false => Ok(()),
    }
}

/// Keeps an event, and answers when it is kept.
pub(super) async fn accept<S: Source>(source: &S, call: Call) -> Answer {
    match queued(source, call).await {
        Ok(request_id) => {
            let answer = answer::document(StatusCode::ACCEPTED, "application/json", Bytes::new());
            answered(answer, &request_id)
        }
        Err(error) => error.answer(&aws::request_id()),
    }
}

fn answered(answer: Answer, request_id: &RequestId) -> Answer {
    let answer = answer::with_header(answer, "x-amzn-requestid", request_id.as_str());
    answer::with_header(answer, "x-amzn-remapped-content-length", "0")
}

async fn queued<S: Source>(source: &S, call: Call) -> Result<RequestId, LambdaError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| LambdaError::service())?;
    let request_id = RequestId::from_random(random);
    let event = Event {
        function: call.qualified,
        payload: call.invocation.payload,
        trace_id: call.invocation.trace_id,
        request_id,
    };
    match source.accept_event(event).await {
        Ok(()) => Ok(request_id),
        // Not the function's reservation: the account's room is used up.
        Err(EventRefusal::Full) => Err(LambdaError::throttled(false)),
        Err(EventRefusal::Failed) => Err(LambdaError::service()),
    }
}

/// InvokeAsync, which AWS calls deprecated: an `Event` with an older answer.
pub(crate) async fn invoke_async<S: Source>(
    source: &S,
    scope: &Scope,
    name: &str,
    headers: &HeaderMap,
    payload: Payload,
) -> Answer {
    let call = match Call::read(source, scope, name, None, headers, payload, Mode::Async) {
        Ok(call) => call,
        Err(error) => return error.answer(&aws::request_id()),
    };
    match queued(source, call).await {
        Ok(request_id) => {
            let answer = answer::json(StatusCode::ACCEPTED, &serde_json::json!({ "Status": 202 }));
            answered(answer, &request_id)
        }
        Err(error) => error.answer(&aws::request_id()),
    }
}
