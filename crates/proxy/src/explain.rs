//! Tells what would happen to a request, without sending anything to a target: the compiled rules themselves, with a
//! recorder, and the event builder that traffic uses.

use crate::connection::{Peer, TlsFacts};
use crate::handler;
use crate::record::Record;
use crate::reply::Reply;
use crate::table::{Group, ListenerEntry, Scheme, Table};
use crate::trace::Random;
use crate::view::View;
use http1::{HeadLimits, HeadScanner, RequestHead, Scan, Version};
use routing::{Action, Outcome, Step, TransformStatus};
use serde::Serialize;
use serde_json::value::RawValue;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

/// A request to be explained.
#[derive(Clone, Debug)]
pub struct Question {
    /// The method.
    pub method: String,
    /// `scheme://host[:port]/path?query`, or only `/path?query` when there is a single listener.
    pub url: String,
    /// Header lines, in order.
    pub headers: Vec<(String, String)>,
    /// The body, empty for none.
    pub body: Vec<u8>,
    /// The address the request comes from.
    pub client: IpAddr,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// The URL cannot be read.
    #[error("the URL {0:?} cannot be read; expected http://host:port/path, https://host:port/path or /path")]
    Url(String),
    /// No listener has that port and scheme.
    #[error("no {scheme} listener has port {port}; there are: {present}")]
    NoListener {
        /// `http` or `https`.
        scheme: String,
        /// The port.
        port: u16,
        /// The listeners there are, for people.
        present: String,
    },
    /// A path alone, and not exactly one listener.
    #[error("the URL {url:?} names no host, and there is not exactly one listener; there are: {present}")]
    Ambiguous {
        /// The URL.
        url: String,
        /// The listeners there are, for people.
        present: String,
    },
    /// A method or header that cannot be sent.
    #[error("{0:?} cannot be sent as a method or header")]
    Unsendable(String),
}

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
        /// All groups of the action.
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
    /// The function's ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The event the function would get, byte for byte but for the trace id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Box<RawValue>>,
    /// What the client would get instead of the function's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `error_reason` of the access log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_reason: Option<&'static str>,
}

/// Explains a question by the table. `socket_port` tells which socket port a listener port is published on.
pub(crate) fn explain(
    table: &Table,
    question: &Question,
    socket_port: impl Fn(u16) -> u16,
    seed: u64,
) -> Result<Explanation, ExplainError> {
    let url = Url::read(&question.url)?;
    let listener = find_listener(table, question, &url, socket_port)?;
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
        }));
    }
    let bytes = head_of(question, &url, listener)?;
    let mut head = RequestHead::new();
    let limit = match HeadScanner::new().scan(&bytes, &HeadLimits::ALB) {
        Scan::TooLarge(limit) => Some(limit.status()),
        _ => head.tokenize(&bytes).err().map(|_| 400),
    };
    if limit.is_some() {
        head = RequestHead::new(); // nothing of it is read
    }
    let view = View::new(&bytes, &head, &peer);
    let mut steps: Vec<Step> = Vec::new();
    let mut record = Record::new(Instant::now());
    let refusal = limit
        .or_else(|| handler::desync(&view, listener, &mut record).err())
        .or_else(|| handler::refusal(&view, listener));
    let action = match refusal {
        Some(status) => ExplainedAction::Refused { status },
        None => {
            let plan = listener.rules.explain(&view, &mut steps);
            explained_action(&plan, listener, &view, question, &random)
        }
    };
    Ok(Explanation {
        listener: listener.arn.to_string(),
        load_balancer: listener.load_balancer.name.clone(),
        protocol: listener.scheme.as_str(),
        port: listener.port,
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

fn explained_action(
    plan: &routing::Plan<'_, Arc<Group>>,
    listener: &ListenerEntry,
    view: &View<'_>,
    question: &Question,
    random: &Random,
) -> ExplainedAction {
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
            let mut location = Vec::new();
            let dns_name = &listener.load_balancer.dns_name;
            match redirect.location(view, listener.scheme.as_str(), listener.port, dns_name, &mut location) {
                Ok(()) => {
                    let location = Some(String::from_utf8_lossy(&location).into_owned());
                    ExplainedAction::Redirect {
                        status: redirect.status(),
                        location,
                    }
                }
                Err(_) => ExplainedAction::Redirect {
                    status: 507,
                    location: None,
                },
            }
        }
        Action::Forward(forward) => {
            let transformed = plan.transforms.apply(view);
            let failed = matches!(transformed.status, TransformStatus::Failed(_));
            let text =
                |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            let groups = forward.shares().map(|(group, share)| {
                explained_group(group, share, listener, view, question, &transformed, failed, random)
            });
            ExplainedAction::Forward {
                transformed_host: text(&transformed.host),
                transformed_uri: text(&transformed.uri),
                transform_status: transformed.status.to_string(),
                target_groups: groups.collect(),
            }
        }
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "all of it is one event's material, gathered by the one caller"
)]
fn explained_group(
    group: &Group,
    share: f64,
    listener: &ListenerEntry,
    view: &View<'_>,
    question: &Question,
    transformed: &routing::Transformed,
    transform_failed: bool,
    random: &Random,
) -> ExplainedGroup {
    let mut explained = ExplainedGroup {
        arn: group.arn.to_string(),
        share,
        function: group.function.as_ref().map(ToString::to_string),
        event: None,
        status: None,
        error_reason: None,
    };
    let mut instead = |status, reason: &'static str| {
        explained.status = Some(status);
        explained.error_reason = (!reason.is_empty()).then_some(reason);
    };
    if transform_failed {
        instead(500, "");
    } else if http1::is_upgrade(view.head, view.bytes) {
        instead(400, "LambdaWebsocketNotSupported");
    } else if group.function.is_none() {
        instead(503, "");
    } else if question.body.len() > crate::lambda::LIMIT_BYTES {
        instead(413, "LambdaRequestTooLarge");
    } else {
        let mut id = Vec::new();
        handler::trace_header(random, view, &mut id);
        let (host, uri) = (transformed.host.as_deref(), transformed.uri.as_deref());
        let event = handler::event_document(listener, view, group, host, uri, &id, &question.body);
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

struct Url<'a> {
    scheme: Option<Scheme>,
    host: Option<&'a str>,
    port: Option<u16>,
    target: String,
}

impl<'a> Url<'a> {
    fn read(url: &'a str) -> Result<Self, ExplainError> {
        let bad = || ExplainError::Url(url.to_owned());
        if url.starts_with('/') {
            return Ok(Self {
                scheme: None,
                host: None,
                port: None,
                target: url.to_owned(),
            });
        }
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(bad()),
        };
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(at);
        let bare = std::str::from_utf8(routing::host_without_port(authority.as_bytes())).map_err(|_| bad())?;
        let port = match authority[bare.len()..].strip_prefix(':') {
            Some(port) => Some(port.parse().map_err(|_| bad())?),
            None => None,
        };
        // `bare` is the whole authority when what follows a colon is no port.
        let is_ipv6 = bare.starts_with('[') && bare.ends_with(']');
        if bare.is_empty() || (!is_ipv6 && bare.contains([':', '@', '['])) {
            return Err(bad());
        }
        let target = if target.starts_with('/') {
            target.to_owned()
        } else {
            format!("/{target}")
        };
        Ok(Self {
            scheme: Some(scheme),
            host: Some(bare),
            port,
            target: target.split('#').next().unwrap_or("/").to_owned(),
        })
    }
}

fn find_listener<'t>(
    table: &'t Table,
    question: &Question,
    url: &Url<'_>,
    socket_port: impl Fn(u16) -> u16,
) -> Result<&'t ListenerEntry, ExplainError> {
    let present = || {
        let names = table.listeners().map(|listener| {
            format!(
                "{}://*:{} ({})",
                listener.scheme, listener.port, listener.load_balancer.name
            )
        });
        let names: Vec<_> = names.collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    };
    let Some(scheme) = url.scheme else {
        let mut all = table.listeners();
        return match (all.next(), all.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(ExplainError::Ambiguous {
                url: question.url.clone(),
                present: present(),
            }),
        };
    };
    let port = url.port.unwrap_or(if scheme == Scheme::Http { 80 } else { 443 });
    let host_header = question
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("host"));
    let host = host_header
        .map(|(_, value)| value.as_str())
        .or(url.host)
        .map(str::as_bytes);
    let sni = url
        .host
        .filter(|_| scheme == Scheme::Https)
        .map(str::to_ascii_lowercase);
    let meant = |entry: &&crate::table::PortEntry| {
        entry.scheme == scheme && (entry.number == port || socket_port(entry.number) == port)
    };
    let entry = table
        .ports()
        .iter()
        .find(meant)
        .ok_or_else(|| ExplainError::NoListener {
            scheme: scheme.to_string(),
            port,
            present: present(),
        })?;
    let (at, listener) = table.locate(entry.number, sni.as_deref(), host).unwrap_or((0, 0));
    Ok(table.ports()[at].at(listener))
}

/// The head a client such as curl would send, over HTTP/1.1.
fn head_of(question: &Question, url: &Url<'_>, listener: &ListenerEntry) -> Result<Vec<u8>, ExplainError> {
    let unsendable = |text: &str| ExplainError::Unsendable(text.to_owned());
    let (mut head, mut bytes) = (RequestHead::new(), Vec::new());
    let target = url.target.as_bytes();
    head.begin(&mut bytes, question.method.as_bytes(), target, Version::Http11)
        .map_err(|_| unsendable(&question.method))?;
    let given = |name: &str| {
        question
            .headers
            .iter()
            .any(|(given, _)| given.eq_ignore_ascii_case(name))
    };
    if !given("host") {
        let host = match (url.host, url.port) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => listener.load_balancer.dns_name.clone(),
        };
        head.push(&mut bytes, b"Host", host.as_bytes())
            .map_err(|_| unsendable(&host))?;
    }
    for (name, value) in &question.headers {
        head.push(&mut bytes, name.as_bytes(), value.as_bytes())
            .map_err(|_| unsendable(name))?;
    }
    if !question.body.is_empty() && !given("content-length") && !given("transfer-encoding") {
        let length = question.body.len().to_string();
        head.push(&mut bytes, b"Content-Length", length.as_bytes())
            .map_err(|_| unsendable("Content-Length"))?;
    }
    // What was pushed may stand in a head; now it is read as traffic is, with all that is odd about it.
    let fields_start = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = [question.method.as_bytes(), b" ", target, b" HTTP/1.1\r\n"];
    Ok([&line.concat(), &bytes[fields_start..], b"\r\n"].concat())
}
