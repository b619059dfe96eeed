//! The Invoke operation of Lambda: a request becomes an invocation, and how it ended an answer. Its sister that streams
//! is in [`stream`]. Source: Lambda 5.

pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod name;
pub(crate) mod stream;

use crate::answer::{self, Answer};
use crate::function_door::recursion::{self, Recursive};
use crate::source::Source;
use crate::{aws, server};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use error::LambdaError;
use hyper::StatusCode;
use hyper::header::HeaderMap;
use invoke::{Invocation, InvokeOutcome, InvokeRefusal, Invoked};
use model::lambda::about::Status;
use model::lambda::event_invoke::QualifiedArn;
use model::lambda::function::Function;
use model::{FunctionArn, Scope, State};
use name::Reference;
use serde::de::IgnoredAny;
use server::Payload;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// The largest payload of a synchronous invocation, in bytes. Source: Lambda 5.1.
pub const PAYLOAD_BYTES_MAX: usize = 6 * 1024 * 1024;

/// The largest client context, in bytes of base64. Source: Lambda 5.1.
const CLIENT_CONTEXT_BYTES_MAX: usize = 3583;

/// A payload of nothing reaches the function as this. Source: Lambda 5.1.
const EMPTY: &[u8] = b"{}";

/// Invokes a function and waits for it. `name` may be a name or an ARN, as a client wrote it.
pub(crate) async fn invoke<S: Source>(
    source: &S,
    scope: &Scope,
    name: &str,
    qualifier: Option<&str>,
    headers: &HeaderMap,
    payload: Payload,
) -> Answer {
    let call = match Call::read(source, scope, name, qualifier, headers, payload, Mode::Buffered) {
        Ok(call) => call,
        Err(error) => return error.answer(&aws::request_id()),
    };
    match call.kind {
        Kind::Wait => {}
        Kind::Event => return event::accept(source, call).await,
        Kind::DryRun => {
            let answer = answer::document(StatusCode::NO_CONTENT, "application/json", Bytes::new());
            return answer::with_header(answer, "x-amzn-requestid", &aws::request_id());
        }
    }
    let trace_id = call.invocation.trace_id.clone().unwrap_or_default();
    let invoked = source.invoke(call.invocation).await;
    answer(invoked, (&call.function, call.is_reserved), &trace_id)
}

/// The operations that run a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Invoke.
    Buffered,
    /// InvokeWithResponseStream.
    Streaming,
    /// InvokeAsync.
    Async,
}

/// What a caller wants of an invocation. Source: Lambda 5.1, `X-Amz-Invocation-Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Its end.
    Wait,
    /// That it is kept.
    Event,
    /// To know whether it could be.
    DryRun,
}

impl Kind {
    fn read(headers: &HeaderMap, mode: Mode) -> Result<Self, LambdaError> {
        let set = match mode {
            Mode::Async => return Ok(Self::Event),
            Mode::Buffered => "[Event, RequestResponse, DryRun]",
            Mode::Streaming => "[RequestResponse, DryRun]",
        };
        match text(headers, "x-amz-invocation-type")? {
            None | Some("RequestResponse") => Ok(Self::Wait),
            Some("DryRun") => Ok(Self::DryRun),
            Some("Event") if mode == Mode::Buffered => Ok(Self::Event),
            Some(other) => Err(LambdaError::not_in_set(other, "invocationType", set)),
        }
    }
}

/// A call that may run.
#[derive(Debug)]
struct Call {
    function: std::sync::Arc<Function>,
    /// Has the function a concurrency of its own, which a version shares?
    is_reserved: bool,
    invocation: Invocation,
    kind: Kind,
    /// What an event is kept for.
    qualified: QualifiedArn,
}

impl Call {
    /// Everything that can be wrong, in the order of Lambda 5.4.
    fn read<S: Source>(
        source: &S,
        scope: &Scope,
        name: &str,
        qualifier: Option<&str>,
        headers: &HeaderMap,
        payload: Payload,
        mode: Mode,
    ) -> Result<Self, LambdaError> {
        let reference = Reference::read(name, qualifier, scope)?;
        let arn = reference.arn(scope);
        let state = source.state();
        let invoked = match reference.qualifier() {
            Some(qualifier) if !reference.is_latest() => arn.qualified(qualifier),
            _ => arn.clone(),
        };
        // Without random numbers it is the alias' own version, or all of them when the weight is 0.
        let function = state.runnable(&invoked, || getrandom::u32().unwrap_or(u32::MAX));
        let function = function.ok_or_else(|| LambdaError::not_found(&arn, reference.qualifier()))?;
        if function.arn == arn {
            check_status(&state, &arn)?;
        }
        let qualified = QualifiedArn::new(&arn.unqualified(), reference.qualifier());
        let qualified = qualified.map_err(|_| LambdaError::not_found(&arn, reference.qualifier()))?;
        let kind = Kind::read(headers, mode)?;
        let Payload::Whole(payload) = payload else {
            return Err(LambdaError::too_large());
        };
        if kind == Kind::Event {
            event::check_size(&payload, mode)?;
        }
        let payload = match payload.is_empty() {
            true => Bytes::from_static(EMPTY),
            false => payload,
        };
        check_json(&payload).map_err(|parser| LambdaError::not_json(&parser))?;
        let log_tail = match text(headers, "x-amz-log-type")? {
            None | Some("None") => false,
            Some("Tail") => true,
            Some(other) => return Err(LambdaError::not_in_set(other, "logType", "[None, Tail]")),
        };
        if text(headers, "x-amzn-requestid")?.is_some_and(|id| !is_uuid(id)) {
            return Err(LambdaError::invalid_content("The request id is no UUID"));
        }
        // Functions here are never kept apart by tenant. The text is (unverified). Source: Lambda 5.1.
        if headers.contains_key("x-amz-tenant-id") {
            return Err(LambdaError::invalid_parameter(
                "The invoked function is not enabled with tenancy configuration. Remove the tenant ID in the request and try \
                 again.",
            ));
        }
        let client_context = text(headers, "x-amz-client-context")?.map(client_context).transpose()?;
        let trace_id = text(headers, "x-amzn-trace-id")?.map_or_else(fresh_trace_id, str::to_owned);
        let trace_id = recursion::counted(trace_id, &arn, &state, &source.api().session_key).map_err(|Recursive| {
            source.count_recursion(&invoked);
            LambdaError::recursive()
        })?;
        Ok(Self {
            function: function.clone(),
            is_reserved: state
                .function(&function.arn.unqualified())
                .is_some_and(|it| it.configuration.concurrency.is_some()),
            invocation: Invocation {
                client_context,
                log_tail,
                version: Some(function.arn.clone()),
                ..Invocation::new(invoked, payload, Some(trace_id))
            },
            kind,
            qualified,
        })
    }
}

/// A function that is being created, or could not be, does not run. Source: Lambda 1.5, 5.6.
fn check_status(state: &State, arn: &FunctionArn) -> Result<(), LambdaError> {
    let state = match state.lambda().record(arn).map(|record| &record.status) {
        Some(Status::Pending) => "Pending",
        Some(Status::Failed(_)) => "Failed",
        Some(Status::Active | Status::Updating(_) | Status::UpdateFailed(_)) | None => return Ok(()),
    };
    Err(LambdaError::conflict(&format!(
        "The operation cannot be performed at this time. The function is currently in the following state: {state}"
    )))
}

/// Which version ran.
fn executed_version(function: &Function) -> &str {
    function.arn.qualifier().unwrap_or("$LATEST")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, LambdaError> {
    let value = headers.get(name).map(|value| value.to_str());
    value
        .transpose()
        .map_err(|_| LambdaError::invalid_content(&format!("The header {name} is not ASCII")))
}

/// Why bytes are no JSON document, in the parser's words and with its place.
fn check_json(payload: &[u8]) -> Result<(), error::ParserError> {
    let text = std::str::from_utf8(payload).map_err(|error| {
        let (before, byte) = (&payload[..error.valid_up_to()], payload.get(error.valid_up_to()));
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        error::ParserError {
            text: format!("Invalid UTF-8 start byte 0x{:02x}", byte.copied().unwrap_or_default()),
            line,
            column,
        }
    })?;
    // Skips values without recursion, so that no depth is too much.
    serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(|error| {
        let whole = error.to_string();
        let text = whole.split(" at line ").next().unwrap_or_default().to_owned();
        error::ParserError {
            text,
            line: error.line(),
            column: error.column(),
        }
    })
}

/// The JSON object in `X-Amz-Client-Context`, as it can stand in a header of the Runtime API.
fn client_context(header: &str) -> Result<String, LambdaError> {
    let decoded = (header.len() <= CLIENT_CONTEXT_BYTES_MAX)
        .then(|| STANDARD.decode(header).ok())
        .flatten()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    decoded
        .filter(|text| text.trim_start().starts_with('{') && check_json(text.as_bytes()).is_ok())
        .map(on_one_line)
        .ok_or_else(LambdaError::client_context)
}

/// A JSON document with line breaks, without its whitespace; any other as it is. Whitespace inside of strings stays: a
/// line break cannot stand there.
fn on_one_line(mut document: String) -> String {
    if !document.contains(['\r', '\n']) {
        return document;
    }
    let (mut in_string, mut is_escaped) = (false, false);
    let is_kept = |character: char| {
        let was_in_string = in_string;
        if character == '"' && !is_escaped {
            in_string = !in_string;
        }
        is_escaped = in_string && character == '\\' && !is_escaped;
        was_in_string || !matches!(character, ' ' | '\t' | '\r' | '\n')
    };
    document.retain(is_kept);
    document
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// A trace that begins here and is not sampled. Source: Lambda 5.2.
pub(crate) fn fresh_trace_id() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let mut random = [0; 20];
    // Without random numbers it is one of only zeros: a trace is no secret.
    let _ = getrandom::fill(&mut random);
    let hex = random.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // writing to a string cannot fail
        hex
    });
    let (root, parent) = hex.split_at(24);
    format!("Root=1-{now:08x}-{root};Parent={parent};Sampled=0")
}

/// How an invocation ended, as Invoke says it. Source: Lambda 5.2.
fn answer(invoked: Invoked, (function, is_reserved): (&Function, bool), trace_id: &str) -> Answer {
    let request_id = invoked.request_id.unwrap_or_else(aws::request_id);
    let (payload, is_error) = match invoked.outcome {
        InvokeOutcome::Buffered(payload) => (payload, false),
        InvokeOutcome::FunctionError { payload, .. } => (payload, true),
        InvokeOutcome::Refused(refusal) => return refused(refusal, function, is_reserved).answer(&request_id),
    };
    let mut answer = answer::document(StatusCode::OK, "application/json", payload);
    let tail = invoked.log_tail.map(|tail| STANDARD.encode(tail));
    let headers = [
        ("x-amzn-requestid", Some(request_id.as_str())),
        ("x-amz-executed-version", Some(executed_version(function))),
        ("x-amz-function-error", is_error.then_some("Unhandled")),
        ("x-amz-log-result", tail.as_deref()),
        ("x-amzn-trace-id", Some(trace_id)),
        ("x-amzn-remapped-content-length", Some("0")),
    ];
    for (name, value) in headers {
        if let Some(value) = value {
            answer = answer::with_header(answer, name, value);
        }
    }
    answer
}

fn refused(refusal: InvokeRefusal, function: &Function, is_reserved: bool) -> LambdaError {
    match refusal {
        InvokeRefusal::NotFound => LambdaError::not_found(&function.arn, None),
        InvokeRefusal::AccessDenied => LambdaError::foreign_account(),
        InvokeRefusal::Throttled => LambdaError::throttled(is_reserved),
        InvokeRefusal::RequestTooLarge => LambdaError::too_large(),
        InvokeRefusal::ClientContext => LambdaError::client_context(),
        InvokeRefusal::InvalidZipFile => LambdaError::invalid_zip_file(),
        InvokeRefusal::InvalidRuntime => LambdaError::invalid_runtime(),
        InvokeRefusal::ServiceFailure => LambdaError::service(),
    }
}

#[cfg(test)]
mod tests;
