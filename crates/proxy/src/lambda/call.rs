//! One request to a function: its body collected, the function invoked, the outcome judged. Source: ALB 3.2 to 3.4.

use super::document::{self, FunctionRequest};
use super::{LIMIT_BYTES, answer, event};
use crate::cause::Cause;
use crate::complaints::{Complaints, Kind};
use crate::core::{Core, ListenerRef};
use crate::exchange::body::Body;
use crate::exchange::{BodyFailure, Exchange};
use crate::handler::Forwarding;
use crate::record::Record;
use crate::reply::{HeaderLine, Reply};
use crate::table::{Group, ListenerEntry};
use crate::view::View;
use bytes::Bytes;
use http1::Framing;
use invoke::{Invocation, InvokeOutcome, InvokeRefusal};
use std::borrow::Cow;
use std::time::Instant;
use tracing::warn;

/// Bytes of a function's error document that `/_albacore/requests` shows.
const ERROR_BYTES_MAX: usize = 4096;

/// Why a function's answer did not reach the client. Source: ALB 3.4.
pub(crate) struct Failure {
    pub(crate) status: u16,
    /// `error_reason` of the access log.
    pub(crate) reason: &'static str,
    pub(crate) side: Side,
    complaint: Option<Complaint>,
}

/// Whose fault a failure is: which metric counts it.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Function,
    Platform,
    Client,
}

/// What a developer has to know to mend it.
enum Complaint {
    AnswerRefused,
    FunctionFailed {
        /// Of the function's making, so made harmless.
        error_type: String,
    },
    NotRun,
}

const fn failure(status: u16, reason: &'static str, side: Side) -> Failure {
    Failure {
        status,
        reason,
        side,
        complaint: None,
    }
}

/// The function is not to blame.
const fn not_its_fault(cause: Cause) -> Failure {
    failure(cause.status(), cause.reason(), Side::Client)
}

const fn too_large() -> Failure {
    let cause = Cause::LambdaRequestTooLarge;
    failure(cause.status(), cause.reason(), Side::Function)
}

impl Failure {
    fn about(self, complaint: Complaint) -> Self {
        Self {
            complaint: Some(complaint),
            ..self
        }
    }

    /// Writes a line for whoever wrote the function, unless there were many in this second. Nothing of a body is in it.
    pub(crate) fn complain(&self, complaints: &Complaints, group: &Group, record: &Record) {
        let Some(complaint) = &self.complaint else {
            return;
        };
        let Some(function) = group.function() else {
            return; // there is nobody to be called
        };
        let (target_group, error_reason, verdict) = (&group.arn, self.reason, record.verdict.as_deref());
        let (kind, what) = match complaint {
            Complaint::AnswerRefused => (Kind::AnswerRefused, verdict),
            Complaint::FunctionFailed { error_type } => (Kind::FunctionFailed, Some(error_type.as_str())),
            Complaint::NotRun => (Kind::NotRun, verdict),
        };
        if !complaints.allow(Instant::now(), function, kind, what) {
            return;
        }
        let trace_id = answer::shown(&String::from_utf8_lossy(&record.trace));
        match complaint {
            Complaint::AnswerRefused => {
                warn!(%function, %target_group, error_reason, verdict, trace_id, "the answer of a function was refused");
            }
            Complaint::FunctionFailed { error_type } => {
                warn!(%function, %target_group, error_reason, error_type, trace_id, "a function failed");
            }
            Complaint::NotRun => {
                warn!(%function, %target_group, error_reason, verdict, trace_id, "a function was not run");
            }
        }
    }
}

/// Asks the function of a forward; its response document is still to be read.
pub(crate) async fn call_function<E: Exchange>(
    core: &Core,
    listener: &ListenerRef,
    exchange: &mut E,
    forwarding: &Forwarding,
) -> Result<Bytes, Failure> {
    let (view, record) = exchange.parts();
    if http1::is_upgrade(view.head, view.bytes) {
        return Err(failure(400, "LambdaWebsocketNotSupported", Side::Function));
    }
    let Some(function) = forwarding.group.function().cloned() else {
        return Err(not_its_fault(Cause::NoTargets));
    };
    // What the head announces need not be waited for.
    if announces_too_much(&view) {
        return Err(too_large());
    }
    let started = record.start;
    let mut body = Body::new(core, LIMIT_BYTES);
    exchange.read_body(&mut body).await.map_err(|problem| match problem {
        BodyFailure::TooLarge => too_large(),
        problem => not_its_fault(problem.into()),
    })?;
    let (view, record) = exchange.parts();
    document::trace_header(&core.random, &view, record.created, &mut record.trace);
    let request = FunctionRequest {
        listener,
        view: &view,
        group: &forwarding.group,
        host: forwarding.host.as_deref(),
        uri: forwarding.uri.as_deref(),
        trace: &record.trace,
        body: body.bytes(),
    };
    let event = request
        .event(&mut core.edits.borrow_mut())
        .map_err(|event::NotUtf8| failure(400, "LambdaBadRequest", Side::Function))?;
    count_invalid_headers(core, listener, &view);
    let sent = Instant::now();
    record.request_processing = Some(sent.saturating_duration_since(started));
    let counters = forwarding.group.metrics.core(core.id);
    counters.requests.inc();
    if !forwarding.group.is_permitted() {
        let denied = InvokeOutcome::Refused(InvokeRefusal::AccessDenied);
        return ended(denied, record, counters);
    }
    counters.lambda_processed_bytes.add(event.len() as u64);
    let trace_id = String::from_utf8(record.trace.clone()).ok();
    let outcome = core
        .invoker
        .invoke(Invocation::new(function, Bytes::from(event), trace_id));
    let outcome = tokio::select! {
        biased;
        outcome = outcome => outcome,
        () = exchange.gone() => return Err(not_its_fault(Cause::ClientClosed)),
    };
    let record = exchange.record();
    let took = sent.elapsed();
    record.target_processing = Some(took);
    counters.response_time.observe(took);
    ended(outcome, record, counters)
}

/// The head alone says that the body is too large for a function.
pub(crate) fn announces_too_much(view: &View<'_>) -> bool {
    let framing = http1::framing(view.head, view.bytes);
    matches!(framing, Ok(Framing::Length(length)) if length > LIMIT_BYTES as u64)
}

/// Judges how an invocation ended. Source: ALB 3.4.
fn ended(
    outcome: InvokeOutcome,
    record: &mut Record,
    counters: &crate::metrics::GroupCounters,
) -> Result<Bytes, Failure> {
    match outcome {
        InvokeOutcome::Buffered(document) => {
            counters.lambda_processed_bytes.add(document.len() as u64);
            if document.len() > LIMIT_BYTES {
                record.verdict = Some(answer::too_large(document.len()));
                let refused = failure(502, "LambdaResponseTooLarge", Side::Function);
                return Err(refused.about(Complaint::AnswerRefused));
            }
            Ok(document)
        }
        InvokeOutcome::FunctionError { error_type, payload } => {
            let error_type = answer::shown(&error_type);
            let text = String::from_utf8_lossy(&payload[..payload.len().min(ERROR_BYTES_MAX)]);
            record.verdict = Some(format!("the function failed with {error_type}: {text}"));
            Err(failure(502, "LambdaUnhandled", Side::Function).about(Complaint::FunctionFailed { error_type }))
        }
        InvokeOutcome::Refused(refusal) => {
            record.verdict = Some(refusal.to_string());
            let failed = match refusal {
                InvokeRefusal::NotFound => failure(502, "LambdaResourceNotFound", Side::Function),
                InvokeRefusal::AccessDenied => failure(502, "LambdaAccessDenied", Side::Function),
                InvokeRefusal::Throttled => failure(502, "LambdaThrottling", Side::Function),
                InvokeRefusal::RequestTooLarge => too_large(),
                InvokeRefusal::InvalidZipFile => failure(502, "LambdaInvalidZipFileException", Side::Function),
                InvokeRefusal::InvalidRuntime => failure(502, "LambdaInvalidRuntimeException", Side::Function),
                // A load balancer sends no client context.
                InvokeRefusal::ServiceFailure | InvokeRefusal::ClientContext => {
                    failure(502, "LambdaServiceException", Side::Platform)
                }
            };
            Err(failed.about(Complaint::NotRun))
        }
    }
}

/// Reads a response document. Source: ALB 3.3.
pub(crate) fn read_answer<'d>(
    document: &'d [u8],
    multi_value: bool,
    record: &mut Record,
) -> Result<answer::Answer<'d>, Failure> {
    let began = Instant::now();
    let answered = answer::read(document, multi_value).map_err(|answer::Refused(sentence)| {
        record.verdict = Some(sentence);
        failure(502, "LambdaInvalidResponse", Side::Function).about(Complaint::AnswerRefused)
    })?;
    record.response_processing = Some(began.elapsed());
    Ok(answered)
}

/// Counts a request with header names that are not valid. Source: ALB 4.6.
pub(crate) fn count_invalid_headers(core: &Core, listener: &ListenerEntry, view: &View<'_>) {
    if view.head.has_invalid_names() {
        let counters = listener.load_balancer.metrics.core(core.id);
        match listener.load_balancer.attributes.drop_invalid_header_fields {
            true => counters.dropped_invalid_headers.inc(),
            false => counters.forwarded_invalid_headers.inc(),
        }
    }
}

/// What a function's answer becomes for the client. Source: ALB 3.3 "Mapping to HTTP".
pub(crate) fn function_reply(answered: answer::Answer<'_>) -> Reply<'_> {
    let mut content_type = Cow::Borrowed(&b"application/octet-stream"[..]);
    let mut headers: Vec<HeaderLine<'_>> = Vec::with_capacity(answered.headers.len() + 2);
    for (name, value) in answered.headers {
        if !name.eq_ignore_ascii_case("content-type") {
            headers.push((bytes(name), bytes(value)));
        } else if !value.is_empty() {
            content_type = bytes(value);
        }
    }
    let phrase = match answered.phrase {
        Some(phrase) => bytes(phrase),
        None => Cow::Borrowed(crate::pages::phrase(answered.status).as_bytes()),
    };
    Reply {
        status: answered.status,
        phrase,
        elb_generated: false,
        content_type,
        headers,
        body: answered.body,
        server: true,
    }
}

fn bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}
