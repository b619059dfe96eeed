//! Tells what would happen to a request, without sending anything to a target: the compiled rules themselves, with a
//! recorder, and the event builder that traffic uses.

mod question;
mod refusal;

pub use question::{ExplainError, Question};

use crate::balance::Servers;
use crate::cause::Cause;
use crate::clock::Wall;
use crate::connection::{Peer, TlsFacts};
use crate::lambda::document::{self, FunctionRequest};
use crate::lambda::{LIMIT_BYTES, call};
use crate::record::Record;
use crate::relay::head::{ServerRequest, closes_target, speaks};
use crate::reply::Reply;
use crate::sticky::{self, Binding, CookieKey, UrlEncoded};
use crate::table::{Group, GroupTargets, ListenerEntry, Scheme, Table};
use crate::trace::Random;
use crate::view::View;
use http1::desync::{Class, Reason};
use http1::{Edits, Framing, RequestHead};
use model::RuleArn;
use model::observed::{TargetReport, TargetState};
use question::Url;
use refusal::Refusal;
use routing::{Action, Forward, Outcome, Plan, Step, TransformStatus, Transformed};
use serde::Serialize;
use serde_json::value::RawValue;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What would happen to a request.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The ARN of the listener.
    pub listener: String,
    /// The name of its load balancer.
    pub load_balancer: String,
    /// `http` or `https`.
    pub protocol: &'static str,
    /// The listener's port.
    pub port: u16,
    /// AWS's desync class, when the request is not compliant. Source: ALB 4.9.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification: Option<&'static str>,
    /// AWS's reason for the class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification_reason: Option<&'static str>,
    /// The rules that were tried, in order; the last one matched. Empty when the request is refused before.
    pub rules: Vec<ExplainedRule>,
    /// What is done with it.
    pub action: ExplainedAction,
}

/// One rule that was tried.
#[derive(Debug, Serialize)]
pub struct ExplainedRule {
    /// The priority, or `default`.
    pub priority: String,
    /// The rule's ARN.
    pub arn: String,
    /// Whether it matched.
    pub matched: bool,
    /// The field of the first condition that failed, for example `path-pattern`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_condition: Option<String>,
    /// What it asks for and what the request has instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What is done with a request.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ExplainedAction {
    /// The load balancer refuses it before any rule.
    Refused {
        /// The status.
        status: u16,
        /// What is wrong with the request, for people.
        why: String,
        /// As [`Explanation::classification`].
        #[serde(skip_serializing_if = "Option::is_none")]
        classification: Option<&'static str>,
        /// As [`Explanation::classification_reason`].
        #[serde(skip_serializing_if = "Option::is_none")]
        classification_reason: Option<&'static str>,
    },
    /// A fixed response.
    FixedResponse {
        /// The status.
        status: u16,
        /// The content type.
        content_type: String,
        /// The body.
        body: String,
    },
    /// A redirect.
    Redirect {
        /// 301, 302, or 507 when the location is too long.
        status: u16,
        /// Where to.
        #[serde(skip_serializing_if = "Option::is_none")]
        location: Option<String>,
    },
    /// To one of these target groups.
    Forward {
        /// The rewritten host, if a transform changed it.
        #[serde(skip_serializing_if = "Option::is_none")]
        transformed_host: Option<String>,
        /// The rewritten path and query, if a transform changed them.
        #[serde(skip_serializing_if = "Option::is_none")]
        transformed_uri: Option<String>,
        /// `request_transform_status` of the access log.
        transform_status: String,
        /// What the client gets when no group is chosen.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// `error_reason` of the access log when no group is chosen.
        #[serde(skip_serializing_if = "Option::is_none")]
        error_reason: Option<&'static str>,
        /// Why the client's stickiness cookie chooses no group, for people.
        #[serde(skip_serializing_if = "Option::is_none")]
        stickiness_cookie: Option<&'static str>,
        /// All groups of the action, only the one the client is bound to, or none when no group is chosen.
        target_groups: Vec<ExplainedGroup>,
    },
}

/// A target group of a forward.
#[derive(Debug, Serialize)]
pub struct ExplainedGroup {
    /// Its ARN.
    pub arn: String,
    /// Its chance, 0 to 1.
    pub share: f64,
    /// The client's stickiness cookie chose it. Source: ALB 5.4.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub bound_by_cookie: bool,
    /// The function's ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The event the function would get, byte for byte but for the trace id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Box<RawValue>>,
    /// The servers of the group. One of those that get requests is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<Vec<ExplainedTarget>>,
    /// The head that a server would get, but for the trace id; to targets of HTTP/2 the same goes as HTTP/2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// What the client would get instead of a target's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `error_reason` of the access log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_reason: Option<&'static str>,
}

/// A server of a target group.
#[derive(Debug, Serialize)]
pub struct ExplainedTarget {
    /// Its address and port.
    pub target: String,
    /// Its health, as `TargetHealth.State` says it.
    pub state: &'static str,
}

/// Explains a question by the table. `socket_port` tells which socket port a listener port is published on. Without a
/// cookie key what stickiness cookies say is not known.
pub(crate) fn explain(
    table: &Table,
    question: &Question,
    socket_port: impl Fn(u16) -> u16,
    cookie_key: Option<&CookieKey>,
    seed: u64,
) -> Result<Explanation, ExplainError> {
    let url = Url::read(&question.url)?;
    let listener = question::find_listener(table, question, &url, socket_port)?;
    if listener
        .admission
        .as_ref()
        .is_some_and(|it| !it.admits(question.client))
    {
        return Err(ExplainError::NotAdmitted {
            load_balancer: listener.load_balancer.name.clone(),
            client: question.client,
            port: listener.port,
        });
    }
    let random = Random::new(seed);
    let mut peer = Peer::new(
        SocketAddr::new(question.client, 50_000),
        listener.port,
        Instant::now(),
        &random,
    );
    if let (Scheme::Https, Some(tls)) = (listener.scheme, &listener.tls) {
        peer.tls = Some(Box::new(TlsFacts {
            version: "TLSv1.3",
            cipher: "TLS_AES_128_GCM_SHA256",
            server_name: url.host.map(|host| host.to_ascii_lowercase()),
            certificate: tls.default_certificate().clone(),
            name_matched: false,
            resumed: false,
            key_exchange: "x25519",
            latency: Duration::ZERO,
            listener: listener.arn.clone(),
            mutual: tls.mutual().clone(),
            client: None,
        }));
    }
    let bytes = question::head_of(question, &url, listener)?;
    let mut head = RequestHead::new();
    let unreadable = refusal::of_bytes(&mut head, &bytes);
    if unreadable.is_some() {
        head = RequestHead::new(); // nothing of it is read
    }
    let view = View::new(&bytes, &head, &peer);
    let mut steps: Vec<Step> = Vec::new();
    let mut record = Record::new(Instant::now());
    let refusal = unreadable.or_else(|| refusal::of_request(&view, listener, &mut record));
    let classified = record.classification;
    let classification_reason = classified.reason.map(Reason::as_str);
    let classification = classification_reason.map(|_| classified.class.as_str());
    let action = match refusal {
        Some(Refusal { status, why }) => ExplainedAction::Refused {
            status,
            why,
            classification,
            classification_reason,
        },
        None => {
            let asked = Asked {
                listener,
                view,
                question,
                random: &random,
                cookie_key,
                class: classified.class,
            };
            asked.action(&listener.rules.explain(&view, &mut steps))
        }
    };
    Ok(Explanation {
        listener: listener.arn.to_string(),
        load_balancer: listener.load_balancer.name.clone(),
        protocol: listener.scheme.as_str(),
        port: listener.port,
        classification,
        classification_reason,
        rules: steps.into_iter().map(explained_rule).collect(),
        action,
    })
}

fn explained_rule(step: Step) -> ExplainedRule {
    let priority = step
        .priority
        .map_or("default".to_owned(), |priority| priority.to_string());
    let arn = step.rule.to_string();
    match step.outcome {
        Outcome::Matched => ExplainedRule {
            priority,
            arn,
            matched: true,
            failed_condition: None,
            why: None,
        },
        Outcome::Failed { field, why, .. } => ExplainedRule {
            priority,
            arn,
            matched: false,
            failed_condition: Some(field.to_owned()),
            why: Some(why),
        },
    }
}

/// A request that a rule has matched.
struct Asked<'a> {
    listener: &'a ListenerEntry,
    view: View<'a>,
    question: &'a Question,
    random: &'a Random,
    cookie_key: Option<&'a CookieKey>,
    class: Class,
}

/// What the client's stickiness cookie comes to.
enum Cookie<'f> {
    /// It chooses this group.
    Bound(&'f Arc<Group>),
    /// It fails the request.
    Invalid,
    /// Weights decide; with the reason why a cookie that is there does not.
    Weights(Option<&'static str>),
}

impl Asked<'_> {
    fn action(&self, plan: &Plan<'_, Arc<Group>>) -> ExplainedAction {
        match plan.action {
            Action::FixedResponse(response) => {
                let reply = Reply::fixed(response);
                ExplainedAction::FixedResponse {
                    status: reply.status,
                    content_type: String::from_utf8_lossy(&reply.content_type).into_owned(),
                    body: response.body().to_owned(),
                }
            }
            Action::Redirect(redirect) => {
                let (scheme, dns_name) = (self.listener.scheme.as_str(), &self.listener.load_balancer.dns_name);
                let mut location = Vec::new();
                match redirect.location(&self.view, scheme, self.listener.port, dns_name, &mut location) {
                    Ok(()) => ExplainedAction::Redirect {
                        status: redirect.status(),
                        location: Some(String::from_utf8_lossy(&location).into_owned()),
                    },
                    Err(_) => ExplainedAction::Redirect {
                        status: 507,
                        location: None,
                    },
                }
            }
            Action::Forward(forward) => self.forward(plan, forward),
        }
    }

    fn forward(&self, plan: &Plan<'_, Arc<Group>>, forward: &Forward<Arc<Group>>) -> ExplainedAction {
        let (bound, stickiness_cookie) = match self.cookie(forward, plan.rule) {
            Cookie::Invalid => return nowhere(Cause::AwsAlbTgCookieInvalid, None),
            Cookie::Weights(why) if forward.pick(0).is_none() => return nowhere(Cause::NoTargetWeight, why), // no weight at all
            Cookie::Weights(why) => (None, why),
            Cookie::Bound(group) => (Some(group), None),
        };
        let transformed = plan.transforms.apply(&self.view);
        let target_groups = match bound {
            Some(group) => vec![self.group(group, 1.0, true, &transformed)],
            None => forward
                .shares()
                .map(|(group, share)| self.group(group, share, false, &transformed))
                .collect(),
        };
        let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        ExplainedAction::Forward {
            transformed_host: text(&transformed.host),
            transformed_uri: text(&transformed.uri),
            transform_status: transformed.status.to_string(),
            status: None,
            error_reason: None,
            stickiness_cookie,
            target_groups,
        }
    }

    fn cookie<'f>(&self, forward: &'f Forward<Arc<Group>>, rule: &RuleArn) -> Cookie<'f> {
        let Some(duration) = forward.stickiness().filter(|_| forward.groups().len() > 1) else {
            return Cookie::Weights(None);
        };
        match sticky::presented(&self.view) {
            Ok(None) => return Cookie::Weights(None),
            Err(UrlEncoded) => return Cookie::Invalid,
            Ok(Some(_)) => {}
        }
        let Some(key) = self.cookie_key else {
            return Cookie::Weights(Some("cannot be read without the running albacore"));
        };
        let bound = match sticky::binding(&self.view, key, rule, duration, Wall::now()) {
            Binding::Invalid => return Cookie::Invalid,
            Binding::Group(arn) => forward.by_arn(&arn),
            Binding::None => None,
        };
        let nothing = "binds to no group: it has expired, or is not from this albacore, this rule or these groups";
        bound.map_or(Cookie::Weights(Some(nothing)), |(_, group)| Cookie::Bound(group))
    }

    fn group(&self, group: &Group, share: f64, bound_by_cookie: bool, transformed: &Transformed) -> ExplainedGroup {
        let mut explained = ExplainedGroup {
            arn: group.arn.to_string(),
            share,
            bound_by_cookie,
            function: group.function().map(ToString::to_string),
            event: None,
            targets: None,
            request: None,
            status: None,
            error_reason: None,
        };
        if let GroupTargets::Servers(servers) = &group.targets {
            self.servers(servers, transformed, &mut explained);
            return explained;
        }
        let mut instead = |status, reason: &'static str| {
            explained.status = Some(status);
            explained.error_reason = Some(reason);
        };
        let (listener, view, body) = (self.listener, &self.view, &self.question.body);
        if let TransformStatus::Failed(failure) = transformed.status {
            instead(500, failure.as_str());
        } else if http1::is_upgrade(view.head, view.bytes) {
            instead(400, "LambdaWebsocketNotSupported");
        } else if group.function().is_none() {
            instead(503, Cause::NoTargets.reason());
        } else if !group.is_permitted() {
            instead(502, "LambdaAccessDenied");
        } else if body.len() > LIMIT_BYTES || call::announces_too_much(view) {
            instead(413, "LambdaRequestTooLarge");
        } else {
            let mut id = Vec::new();
            document::trace_header(self.random, view, Wall::now(), &mut id);
            let request = FunctionRequest {
                listener,
                view,
                group,
                host: transformed.host.as_deref(),
                uri: transformed.uri.as_deref(),
                trace: &id,
                body,
            };
            let event = request.event(&mut Edits::new());
            match event
                .ok()
                .and_then(|event| String::from_utf8(event).ok())
                .map(RawValue::from_string)
            {
                Some(Ok(event)) => explained.event = Some(event),
                _ => instead(400, "LambdaBadRequest"),
            }
        }
        explained
    }
}

impl Asked<'_> {
    /// What a server of the group would get.
    fn servers(&self, servers: &Servers, transformed: &Transformed, explained: &mut ExplainedGroup) {
        let view = &self.view;
        let reports = servers.reports();
        let targets = reports.iter().map(|report| ExplainedTarget {
            target: report.target.to_string(),
            state: report.health.state.as_str(),
        });
        explained.targets = Some(targets.collect());
        let gets_requests =
            |report: &TargetReport| !matches!(report.health.state, TargetState::Draining | TargetState::Unused);
        let own = |cause: Cause| Some((cause.status(), cause.reason()));
        let instead = match transformed.status {
            TransformStatus::Failed(failure) => Some((500, failure.as_str())),
            _ if !speaks(servers.version, view) => own(Cause::ProtocolVersionMismatch),
            _ if !reports.iter().any(gets_requests) => own(Cause::NoTargets),
            _ => None,
        };
        if instead.is_some() {
            (explained.status, explained.error_reason) = instead.unzip();
            return;
        }
        let mut trace = Vec::new();
        document::trace_header(self.random, view, Wall::now(), &mut trace);
        let request = ServerRequest {
            listener: self.listener,
            view,
            host: transformed.host.as_deref(),
            uri: transformed.uri.as_deref(),
            trace: &trace,
            framing: http1::framing(view.head, view.bytes).unwrap_or(Framing::None),
            close: closes_target(self.listener, self.class),
        };
        let mut head = Vec::new();
        match request.write(&mut Edits::new(), &mut head) {
            Ok(_) => explained.request = Some(String::from_utf8_lossy(&head).into_owned()),
            Err(_) => (explained.status, explained.error_reason) = own(Cause::NotForwardable).unzip(),
        }
    }
}

/// A forward for which no group is chosen.
fn nowhere(cause: Cause, stickiness_cookie: Option<&'static str>) -> ExplainedAction {
    ExplainedAction::Forward {
        transformed_host: None,
        transformed_uri: None,
        transform_status: TransformStatus::NotApplied.to_string(),
        status: Some(cause.status()),
        error_reason: Some(cause.reason()),
        stickiness_cookie,
        target_groups: Vec::new(),
    }
}
