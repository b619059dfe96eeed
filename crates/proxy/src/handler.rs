//! From a request to its answer, written once for every protocol. Source: ALB 4.0.
//!
//! [`begin`] does all that needs no waiting: refusals, rules, redirects, fixed responses. What it hands back is a forward,
//! which [`forward`] carries out.

use crate::clock::Wall;
use crate::core::{Core, ListenerRef};
use crate::exchange::body::Body;
use crate::exchange::{BodyFailure, Exchange};
use crate::headers;
use crate::lambda::{self, answer, event};
use crate::record::Record;
use crate::reply::{HeaderLine, Reply};
use crate::sticky::{self, Binding};
use crate::table::{Group, ListenerEntry};
use crate::trace;
use crate::view::View;
use bytes::Bytes;
use http1::desync::{self, Mode, Verdict};
use http1::{Edits, Framing, FramingError, KnownName, Version};
use invoke::{Invocation, InvokeOutcome, InvokeRefusal};
use model::RuleArn;
use model::elb::load_balancer::DesyncMode;
use routing::{Action, TransformStatus};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

/// What is left to do after [`begin`].
#[derive(Debug)]
pub(crate) enum Next {
    /// The answer is with the exchange.
    Answered,
    /// A target has to be asked.
    Forward(Forwarding),
}

/// A request on its way to a target.
#[derive(Debug)]
pub(crate) struct Forwarding {
    group: Arc<Group>,
    /// Set when the client is to be bound to the group: the rule it matched.
    bind: Option<RuleArn>,
    host: Option<Vec<u8>>,
    uri: Option<Vec<u8>>,
}

/// What a rule asks for, when it has not been done at once.
enum Planned<'t> {
    Reply(Reply<'t>),
    Forward(Forwarding),
}

/// Refuses, answers or plans the request in hand.
pub(crate) fn begin<E: Exchange>(core: &Core, listener: &ListenerRef, exchange: &mut E) -> Next {
    let (view, record) = exchange.parts();
    let planned = match refusal(&view, listener) {
        Some(status) => Planned::Reply(Reply::page(status)),
        None => plan(core, listener, &view, record),
    };
    match planned {
        Planned::Forward(forwarding) => Next::Forward(forwarding),
        Planned::Reply(reply) => {
            answer(listener, exchange, reply);
            Next::Answered
        }
    }
}

/// Hands a response to the exchange, with what the listener adds to every response.
pub(crate) fn answer<'a, E: Exchange>(listener: &'a ListenerEntry, exchange: &mut E, mut reply: Reply<'a>) {
    reply.apply_listener_headers(listener);
    let record = exchange.record();
    record.elb_status = reply.status;
    record.elb_generated = reply.elb_generated;
    exchange.reply(reply);
}

/// How the desync mode treats an HTTP/1 request, and how its body is framed; `Err` is the status of a refusal.
/// Source: ALB 4.9.
pub(crate) fn desync(
    view: &View<'_>,
    listener: &ListenerEntry,
    record: &mut Record,
) -> Result<(Verdict, Framing), u16> {
    record.classification = desync::classify(view.head, view.bytes);
    let mode = match listener.load_balancer.attributes.desync {
        DesyncMode::Monitor => Mode::Monitor,
        DesyncMode::Defensive => Mode::Defensive,
        DesyncMode::Strictest => Mode::Strictest,
    };
    match mode.verdict(record.classification.class) {
        Verdict::Block => Err(400),
        verdict => http1::framing(view.head, view.bytes)
            .map(|framing| (verdict, framing))
            .map_err(FramingError::status),
    }
}

/// Requests that no rule sees. Source: ALB 4.0 step 3, 4.1, 4.5, 4.6.
pub(crate) fn refusal(view: &View<'_>, listener: &ListenerEntry) -> Option<u16> {
    let hosts = view.head.host_count();
    match view.method() {
        b"TRACE" => Some(405),
        b"CONNECT" => Some(400),
        _ if hosts == 0 && matches!(view.version(), Version::Http11 | Version::Http1Other(_)) => Some(400),
        _ if hosts > 1 && !listener.load_balancer.attributes.preserve_host_header => Some(400),
        _ if view.head.contains(KnownName::XForwardedFor)
            && headers::forwarded_for_count(view) > headers::FORWARDED_FOR_MAX =>
        {
            Some(463)
        }
        _ => None,
    }
}

fn plan<'t>(core: &Core, listener: &'t ListenerRef, view: &View<'_>, record: &mut Record) -> Planned<'t> {
    let plan = listener.rules.plan(view);
    let counters = listener.load_balancer.metrics.core(core.id);
    record.rule = Some(plan.priority.map_or(0, |priority| priority.number()));
    counters.rule_evaluations.add(plan.evaluated.into());
    match plan.action {
        Action::FixedResponse(response) => {
            record.actions = "fixed-response";
            counters.fixed_responses.inc();
            Planned::Reply(Reply::fixed(response))
        }
        Action::Redirect(redirect) => {
            record.actions = "redirect";
            let mut location = Vec::with_capacity(128);
            let (scheme, dns_name) = (listener.scheme.as_str(), &listener.load_balancer.dns_name);
            match redirect.location(view, scheme, listener.port, dns_name, &mut location) {
                Ok(()) => {
                    counters.redirects.inc();
                    record.redirect_url.extend_from_slice(&location);
                    Planned::Reply(Reply::redirect(redirect.status(), location))
                }
                Err(_) => {
                    counters.redirect_limit.inc();
                    Planned::Reply(Reply::page(507))
                }
            }
        }
        Action::Forward(forward) => {
            record.actions = "forward";
            let picked = match pick(core, forward, plan.rule, view) {
                Ok(picked) => picked,
                Err(AwsAlbTgCookieInvalid) => {
                    record.error_reason = "AWSALBTGCookieInvalid";
                    return Planned::Reply(Reply::page(500));
                }
            };
            let Some((group, bind)) = picked else {
                return Planned::Reply(Reply::page(503));
            };
            record.group = Some(group.clone());
            let transformed = match plan.transforms.is_empty() {
                true => routing::Transformed::default(),
                false => plan.transforms.apply(view),
            };
            log_transform(&transformed, record);
            if let TransformStatus::Failed(_) = transformed.status {
                return Planned::Reply(Reply::page(500));
            }
            Planned::Forward(Forwarding {
                group,
                bind,
                host: transformed.host,
                uri: transformed.uri,
            })
        }
    }
}

/// A URL-encoded stickiness cookie. Source: ALB 5.4.
struct AwsAlbTgCookieInvalid;

/// A group, and the rule to bind the client to it by.
type Picked = (Arc<Group>, Option<RuleArn>);

/// The group a client is bound to, or one by weight. A single group needs no cookie.
fn pick(
    core: &Core,
    forward: &routing::Forward<Arc<Group>>,
    rule: &RuleArn,
    view: &View<'_>,
) -> Result<Option<Picked>, AwsAlbTgCookieInvalid> {
    let sticky = forward.stickiness().filter(|_| forward.groups().len() > 1);
    let bind = sticky.map(|_| rule.clone());
    if let Some(duration) = sticky {
        match sticky::binding(view, &core.shared.cookie_key, rule, duration, Wall::now()) {
            Binding::Invalid => return Err(AwsAlbTgCookieInvalid),
            Binding::Group(arn) => {
                if let Some((_, group)) = forward.by_arn(&arn) {
                    return Ok(Some((group.clone(), bind)));
                }
            }
            Binding::None => {}
        }
    }
    Ok(forward.pick(core.random.next()).map(|(_, group)| (group.clone(), bind)))
}

fn log_transform(transformed: &routing::Transformed, record: &mut Record) {
    if transformed.status == TransformStatus::NotApplied {
        return;
    }
    record.transform_status = transformed.status.as_str();
    if transformed.status == TransformStatus::Success {
        record.actions = "rewrite,forward";
    }
    record
        .transformed_host
        .extend_from_slice(transformed.host.as_deref().unwrap_or_default());
    record
        .transformed_uri
        .extend_from_slice(transformed.uri.as_deref().unwrap_or_default());
}

/// Carries a forward out and hands the answer to the exchange.
pub(crate) async fn forward<E: Exchange>(
    core: &Core,
    listener: &ListenerRef,
    exchange: &mut E,
    forwarding: Forwarding,
) {
    let outcome = call_function(core, listener, exchange, &forwarding).await;
    let counters = forwarding.group.metrics.core(core.id);
    let record = exchange.record();
    let mut reply = match outcome {
        Ok(answered) => {
            record.target_status = answered.status;
            function_reply(answered)
        }
        Err(failure) => {
            record.error_reason = failure.reason;
            match failure.side {
                Side::Function => counters.lambda_user_errors.inc(),
                Side::Platform => counters.lambda_internal_errors.inc(),
                Side::Client => {}
            }
            if failure.status == 460 {
                // The client is gone: there is nobody to answer, the log says so.
                record.elb_status = 460;
                return;
            }
            Reply::page(failure.status)
        }
    };
    if let Some(rule) = &forwarding.bind {
        for cookie in sticky::set_cookies(&core.shared.cookie_key, rule, &forwarding.group.arn, Wall::now()) {
            reply
                .headers
                .push((Cow::Borrowed(b"Set-Cookie"), Cow::Owned(cookie.into_bytes())));
        }
    }
    answer(listener, exchange, reply);
}

/// Why a function's answer did not reach the client. Source: ALB 3.4.
struct Failure {
    status: u16,
    reason: &'static str,
    side: Side,
}

/// Whose fault a failure is: which metric counts it.
enum Side {
    Function,
    Platform,
    Client,
}

const fn failure(status: u16, reason: &'static str, side: Side) -> Failure {
    Failure { status, reason, side }
}

async fn call_function<E: Exchange>(
    core: &Core,
    listener: &ListenerRef,
    exchange: &mut E,
    forwarding: &Forwarding,
) -> Result<answer::Answer, Failure> {
    let (view, record) = exchange.parts();
    if http1::is_upgrade(view.head, view.bytes) {
        return Err(failure(400, "LambdaWebsocketNotSupported", Side::Function));
    }
    let Some(function) = forwarding.group.function.clone() else {
        return Err(failure(503, "", Side::Client));
    };
    // What the head announces need not be waited for.
    if announces_too_much(&view) {
        return Err(failure(413, "LambdaRequestTooLarge", Side::Function));
    }
    let started = record.start;
    let mut body = Body::new(core, lambda::LIMIT_BYTES);
    exchange.read_body(&mut body).await.map_err(|problem| match problem {
        BodyFailure::TooLarge => failure(413, "LambdaRequestTooLarge", Side::Function),
        BodyFailure::TimedOut => failure(408, "", Side::Client),
        BodyFailure::Broken => failure(400, "", Side::Client),
        BodyFailure::NoRoom => failure(503, "", Side::Client),
    })?;
    let (view, record) = exchange.parts();
    trace_header(&core.random, &view, &mut record.trace);
    let event = build_event(listener, &view, forwarding, &record.trace, body.bytes())
        .map_err(|event::NotUtf8| failure(400, "LambdaBadRequest", Side::Function))?;
    count_invalid_headers(core, listener, &view);
    let sent = Instant::now();
    record.request_processing = Some(sent.saturating_duration_since(started));
    let counters = forwarding.group.metrics.core(core.id);
    counters.requests.inc();
    counters.lambda_processed_bytes.add(event.len() as u64);
    let trace_id = String::from_utf8(record.trace.clone()).ok();
    let outcome = core
        .invoker
        .invoke(Invocation::new(function, Bytes::from(event), trace_id));
    let outcome = tokio::select! {
        biased;
        outcome = outcome => outcome,
        () = exchange.gone() => return Err(failure(460, "", Side::Client)),
    };
    let record = exchange.record();
    let took = sent.elapsed();
    record.target_processing = Some(took);
    counters.response_time.observe(took);
    let answered = read_outcome(outcome, forwarding.group.multi_value, record, counters)?;
    record.response_processing = Some(sent.elapsed().saturating_sub(took));
    Ok(answered)
}

/// The head alone says that the body is too large for a function.
pub(crate) fn announces_too_much(view: &View<'_>) -> bool {
    let framing = http1::framing(view.head, view.bytes);
    matches!(framing, Ok(Framing::Length(length)) if length > lambda::LIMIT_BYTES as u64)
}

/// Judges what came of an invocation. Source: ALB 3.3, 3.4.
fn read_outcome(
    outcome: InvokeOutcome,
    multi_value: bool,
    record: &mut Record,
    counters: &crate::metrics::GroupCounters,
) -> Result<answer::Answer, Failure> {
    match outcome {
        InvokeOutcome::Buffered(document) => {
            counters.lambda_processed_bytes.add(document.len() as u64);
            if document.len() > lambda::LIMIT_BYTES {
                record.verdict = Some(format!(
                    "the response has {} bytes; ALB accepts up to {}",
                    document.len(),
                    lambda::LIMIT_BYTES
                ));
                return Err(failure(502, "LambdaResponseTooLarge", Side::Function));
            }
            answer::read(&document, multi_value).map_err(|answer::Refused(sentence)| {
                record.verdict = Some(sentence);
                failure(502, "LambdaInvalidResponse", Side::Function)
            })
        }
        InvokeOutcome::FunctionError { error_type, payload } => {
            let text = String::from_utf8_lossy(&payload);
            record.verdict = Some(format!(
                "the function failed with {error_type}: {}",
                truncated(&text, 1000)
            ));
            Err(failure(502, "LambdaUnhandled", Side::Function))
        }
        InvokeOutcome::Refused(refusal) => {
            record.verdict = Some(refusal.to_string());
            Err(match refusal {
                InvokeRefusal::NotFound => failure(502, "LambdaResourceNotFound", Side::Function),
                InvokeRefusal::Throttled => failure(502, "LambdaThrottling", Side::Function),
                InvokeRefusal::RequestTooLarge => failure(413, "LambdaRequestTooLarge", Side::Function),
                InvokeRefusal::ServiceFailure => failure(502, "LambdaServiceException", Side::Platform),
            })
        }
    }
}

fn truncated(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(at, _)| &text[..at])
}

/// The trace header as it goes on. `explain` calls this too.
pub(crate) fn trace_header(random: &trace::Random, view: &View<'_>, out: &mut Vec<u8>) {
    out.clear();
    trace::outgoing(
        view.first(KnownName::XAmznTraceId)
            .filter(|value| headers::is_sendable(value)),
        view.header_bytes(),
        Wall::now(),
        random,
        out,
    );
}

fn count_invalid_headers(core: &Core, listener: &ListenerEntry, view: &View<'_>) {
    if view.head.has_invalid_names() {
        let counters = listener.load_balancer.metrics.core(core.id);
        match listener.load_balancer.attributes.drop_invalid_header_fields {
            true => counters.dropped_invalid_headers.inc(),
            false => counters.forwarded_invalid_headers.inc(),
        }
    }
}

/// The event document of a request. `explain` calls this too.
fn build_event(
    listener: &ListenerEntry,
    view: &View<'_>,
    forwarding: &Forwarding,
    trace: &[u8],
    body: &[u8],
) -> Result<Vec<u8>, event::NotUtf8> {
    let (host, uri) = (forwarding.host.as_deref(), forwarding.uri.as_deref());
    event_document(listener, view, &forwarding.group, host, uri, trace, body)
}

/// As [`build_event`], with what transforms made of host and URL.
pub(crate) fn event_document(
    listener: &ListenerEntry,
    view: &View<'_>,
    group: &Group,
    host: Option<&[u8]>,
    uri: Option<&[u8]>,
    trace: &[u8],
    body: &[u8],
) -> Result<Vec<u8>, event::NotUtf8> {
    let mut edits = Edits::new();
    headers::towards_target(view, listener, trace, host, &mut edits);
    let lines = http1::edited_fields(view.head, view.bytes, &edits);
    let mut headers: Vec<_> = lines
        .map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)))
        .collect();
    join_cookie_crumbs(view.version(), &mut headers);
    let (path, query) = match uri {
        None => (view.target.path, view.target.query),
        Some(uri) => match uri.iter().position(|byte| *byte == b'?') {
            Some(at) => (&uri[..at], Some(&uri[at + 1..])),
            None => (uri, None),
        },
    };
    let parts = event::EventParts {
        target_group_arn: group.arn.as_str(),
        multi_value: group.multi_value,
        method: view.method(),
        path,
        query,
        headers,
        body,
    };
    let mut out = Vec::new();
    event::write(parts, &mut out)?;
    Ok(out)
}

/// HTTP/2 may cut `cookie` into several fields; they are one value again. Source: ALB 3.2, RFC 9113, 8.2.3.
fn join_cookie_crumbs(version: Version, headers: &mut Vec<HeaderLine<'_>>) {
    if version != Version::H2 {
        return;
    }
    let mut joined: Option<Vec<u8>> = None;
    headers.retain(|(name, value)| {
        let crumb = &**name == b"cookie";
        if crumb {
            let joined = joined.get_or_insert_with(Vec::new);
            if !joined.is_empty() {
                joined.extend_from_slice(b"; ");
            }
            joined.extend_from_slice(value);
        }
        !crumb
    });
    headers.extend(joined.map(|value| (Cow::Borrowed(&b"cookie"[..]), Cow::Owned(value))));
}

/// What a function's answer becomes. Source: ALB 3.3 "Mapping to HTTP".
fn function_reply(answered: answer::Answer) -> Reply<'static> {
    let mut content_type = Cow::Borrowed(&b"application/octet-stream"[..]);
    let mut headers: Vec<HeaderLine<'static>> = Vec::with_capacity(answered.headers.len() + 2);
    for (name, value) in answered.headers {
        if name.eq_ignore_ascii_case("content-type") {
            content_type = Cow::Owned(value.into_bytes());
        } else {
            headers.push((Cow::Owned(name.into_bytes()), Cow::Owned(value.into_bytes())));
        }
    }
    let phrase = match answered.phrase {
        Some(phrase) => Cow::Owned(phrase.into_bytes()),
        None => Cow::Borrowed(crate::pages::phrase(answered.status).as_bytes()),
    };
    Reply {
        status: answered.status,
        phrase,
        elb_generated: false,
        content_type,
        headers,
        body: Cow::Owned(answered.body),
        server: true,
    }
}
