//! From a request to its answer, written once for every protocol. Source: ALB 4.0.
//!
//! [`begin`] does all that needs no waiting: refusals, rules, redirects, fixed responses. What it hands back is a forward,
//! which [`forward`] carries out.

use crate::cause::Cause;
use crate::clock::Wall;
use crate::core::{Core, ListenerRef};
use crate::exchange::Exchange;
use crate::grpc;
use crate::headers;
use crate::lambda::call::{Side, call_function, function_reply, read_answer};
use crate::record::Record;
use crate::relay;
use crate::reply::Reply;
use crate::sticky::{self, Binding};
use crate::table::{Group, GroupTargets, ListenerEntry};
use crate::view::View;
use http1::desync::{self, Verdict};
use http1::{Framing, KnownName, TargetForm, Version};
use model::RuleArn;
use routing::{Action, TransformStatus};
use std::sync::Arc;

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
    pub(crate) group: Arc<Group>,
    /// Set when the client is to be bound to the group: the rule it matched.
    pub(crate) bind: Option<RuleArn>,
    /// What transforms made of the host and the URL.
    pub(crate) host: Option<Vec<u8>>,
    pub(crate) uri: Option<Vec<u8>>,
}

/// What a rule asks for, when it has not been done at once.
enum Planned<'t> {
    Reply(Reply<'t>),
    Refuse(Cause),
    Forward(Forwarding),
}

/// Refuses, answers or plans the request in hand.
pub(crate) fn begin<E: Exchange>(core: &Core, listener: &ListenerRef, exchange: &mut E) -> Next {
    let (view, record) = exchange.parts();
    let planned = match refusal(&view, listener) {
        Some(cause) => Planned::Refuse(cause),
        None => plan(core, listener, &view, record),
    };
    match planned {
        Planned::Forward(forwarding) => Next::Forward(forwarding),
        Planned::Reply(reply) => {
            answer(listener, exchange, reply);
            Next::Answered
        }
        Planned::Refuse(cause) => {
            refuse(listener, exchange, cause);
            Next::Answered
        }
    }
}

/// Hands the page of an error to the exchange.
pub(crate) fn refuse<E: Exchange>(listener: &ListenerEntry, exchange: &mut E, cause: Cause) {
    exchange.record().because(cause.reason());
    answer(listener, exchange, Reply::page(cause.status()));
}

/// Hands a response to the exchange, with what the listener adds to every response.
pub(crate) fn answer<'a, E: Exchange>(listener: &'a ListenerEntry, exchange: &mut E, mut reply: Reply<'a>) {
    reply.apply_listener_headers(listener);
    let (view, record) = exchange.parts();
    if view.is_grpc() {
        grpc::add_status(&mut reply);
    }
    record.elb_status = reply.status;
    record.elb_generated = reply.elb_generated;
    exchange.reply(reply);
}

/// How the desync mode treats an HTTP/1 request, and how its body is framed; `Err` refuses it.
/// Source: ALB 4.9.
pub(crate) fn desync(
    view: &View<'_>,
    listener: &ListenerEntry,
    record: &mut Record,
) -> Result<(Verdict, Framing), Cause> {
    record.classification = desync::classify(view.head, view.bytes);
    match listener.desync_mode().verdict(record.classification.class) {
        Verdict::Block => Err(Cause::DesyncMitigation),
        verdict => http1::framing(view.head, view.bytes)
            .map(|framing| (verdict, framing))
            .map_err(Cause::from),
    }
}

/// Requests that no rule sees. Source: ALB 4.0 step 3, 4.1, 4.5, 4.6.
pub(crate) fn refusal(view: &View<'_>, listener: &ListenerEntry) -> Option<Cause> {
    let hosts = view.head.host_count();
    match view.method() {
        b"TRACE" => Some(Cause::TraceNotAllowed),
        b"CONNECT" => Some(Cause::ConnectNotAllowed),
        _ if hosts == 0 && matches!(view.version(), Version::Http11 | Version::Http1Other(_)) => Some(Cause::NoHost),
        _ if hosts > 1 && !listener.load_balancer.attributes.preserve_host_header => Some(Cause::InvalidHost),
        _ if !view.host().is_none_or(headers::may_be_host) => Some(Cause::InvalidHost),
        _ if has_two_readings(view) => Some(Cause::AmbiguousUrl),
        // A URL without a host. Source: RFC 9110, 4.2.1.
        _ if view.target.authority.is_some_and(is_no_host) => Some(Cause::InvalidHost),
        _ if view.head.contains(KnownName::XForwardedFor)
            && headers::forwarded_for_count(view) > headers::FORWARDED_FOR_MAX =>
        {
            Some(Cause::TooManyForwardedAddresses)
        }
        _ => None,
    }
}

/// Whether targets may take another path out of a URL than rules see, which would be a way around them: one in no form of
/// RFC 9112, 3.2, as with a blank in front; one with a blank behind; one with `#`, which some cut off. Spaces inside go on
/// as they came (ALB 4.9); of these ALB does not speak (unverified).
pub(crate) fn has_two_readings(view: &View<'_>) -> bool {
    let url = view.head.target(view.bytes);
    view.target.form == TargetForm::Other || url.last().is_some_and(|byte| *byte <= b' ') || url.contains(&b'#')
}

fn is_no_host(authority: &[u8]) -> bool {
    routing::host_without_port(authority).is_empty()
}

fn plan<'t>(core: &Core, listener: &'t ListenerRef, view: &View<'_>, record: &mut Record) -> Planned<'t> {
    let plan = listener.rules.plan(view);
    let counters = listener.load_balancer.metrics.core(core.id);
    record.rule = Some(plan.priority.map_or(0, |priority| priority.number()));
    counters.evaluated(plan.evaluated);
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
                    Planned::Refuse(Cause::RedirectUrlTooLong)
                }
            }
        }
        Action::Forward(forward) => {
            record.actions = "forward";
            let picked = match pick(core, forward, plan.rule, view) {
                Ok(picked) => picked,
                Err(AwsAlbTgCookieInvalid) => return Planned::Refuse(Cause::AwsAlbTgCookieInvalid),
            };
            let Some((group, bind)) = picked else {
                return Planned::Refuse(Cause::NoTargetWeight);
            };
            record.group = Some(group.clone());
            let transformed = match plan.transforms.is_empty() {
                true => routing::Transformed::default(),
                false => plan.transforms.apply(view),
            };
            log_transform(&transformed, record);
            if let TransformStatus::Failed(failure) = transformed.status {
                record.because(failure.as_str());
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

/// Carries a forward out and hands the answer to the exchange. A plain function around a block, because an `async fn` would
/// hold room for the forward twice, and this is in a box of its own for each request.
#[expect(clippy::manual_async_fn, reason = "an async fn would be larger")]
pub(crate) fn forward<'a, E: Exchange>(
    core: &'a Core,
    listener: &'a ListenerRef,
    exchange: &'a mut E,
    forwarding: Forwarding,
) -> impl Future<Output = ()> + 'a {
    async move {
        match &forwarding.group.targets {
            GroupTargets::Servers(servers) => relay::forward(core, listener, exchange, &forwarding, servers).await,
            // In a box of its own, so that a relayed request does not hold room for it.
            GroupTargets::Function(_) => Box::pin(ask_function(core, listener, exchange, &forwarding)).await,
        }
    }
}

/// Carries a forward to a function out.
async fn ask_function<E: Exchange>(core: &Core, listener: &ListenerRef, exchange: &mut E, forwarding: &Forwarding) {
    let called = call_function(core, listener, exchange, forwarding).await;
    let counters = forwarding.group.metrics.core(core.id);
    let record = exchange.record();
    let document;
    let answered = match called {
        Ok(bytes) => {
            document = bytes;
            read_answer(&document, forwarding.group.multi_value(), record)
        }
        Err(failure) => Err(failure),
    };
    let mut reply = match answered {
        Ok(answered) => {
            record.target_status = answered.status;
            function_reply(answered)
        }
        Err(failure) => {
            record.because(failure.reason);
            failure.complain(&core.complaints, &forwarding.group, record);
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
        let arn = &forwarding.group.arn;
        sticky::bind(&core.shared.cookie_key, rule, arn, Wall::now(), &mut reply.headers);
    }
    answer(listener, exchange, reply);
}
