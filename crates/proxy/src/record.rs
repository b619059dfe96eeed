//! The record of one request: it travels with the request and becomes one access-log line. Source: ALB 8.1.2.

use crate::clock::{Texts, Wall};
use crate::connection::TlsFacts;
use crate::core::ListenerRef;
use crate::line::Fields;
use crate::table::{Group, Scheme};
use crate::view::View;
use http1::desync::{Class, Classification};
use http1::{KnownName, Version};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of the user agent that are logged. Source: ALB 4.5.
const USER_AGENT_BYTES_MAX: usize = 8 * 1024;

/// Everything about a request that is not in its head.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) listener: Option<ListenerRef>,
    pub(crate) created: Wall,
    pub(crate) start: Instant,
    pub(crate) request_processing: Option<Duration>,
    pub(crate) target_processing: Option<Duration>,
    pub(crate) response_processing: Option<Duration>,
    /// When the response was complete, if somebody has looked at the clock.
    pub(crate) ended: Option<Instant>,
    pub(crate) elb_status: u16,
    /// Whether the load balancer made the response itself.
    pub(crate) elb_generated: bool,
    pub(crate) target_status: u16,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
    /// What of both the metrics have already.
    counted_bytes: (u64, u64),
    /// The head could not be read: nothing of it is logged.
    pub(crate) malformed: bool,
    pub(crate) group: Option<Arc<Group>>,
    /// `address:port` of the server that was chosen; empty if none was.
    pub(crate) target: Vec<u8>,
    /// HTTP ended with a 101: one line for the whole connection.
    pub(crate) websocket: bool,
    /// The trace header as sent to the target; empty if none was.
    pub(crate) trace: Vec<u8>,
    /// `None` when no rule was looked for.
    pub(crate) rule: Option<u16>,
    /// Names of ALB 8.1.3 in the order they ran.
    pub(crate) actions: &'static str,
    pub(crate) redirect_url: Vec<u8>,
    /// Why it failed; see [`Record::because`].
    error_reason: &'static str,
    pub(crate) classification: Classification,
    pub(crate) transformed_host: Vec<u8>,
    pub(crate) transformed_uri: Vec<u8>,
    pub(crate) transform_status: &'static str,
    /// Why an answer was refused, for people.
    pub(crate) verdict: Option<String>,
}

impl Record {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            listener: None,
            created: Wall::default(),
            start: now,
            request_processing: None,
            target_processing: None,
            response_processing: None,
            ended: None,
            elb_status: 0,
            elb_generated: true,
            target_status: 0,
            received_bytes: 0,
            sent_bytes: 0,
            counted_bytes: (0, 0),
            malformed: false,
            group: None,
            target: Vec::new(),
            websocket: false,
            trace: Vec::new(),
            rule: None,
            actions: "",
            redirect_url: Vec::new(),
            error_reason: "",
            classification: Classification::COMPLIANT,
            transformed_host: Vec::new(),
            transformed_uri: Vec::new(),
            transform_status: "",
            verdict: None,
        }
    }

    /// Ready for the next request; keeps its buffers.
    pub(crate) fn begin(&mut self, now: Instant, created: Wall) {
        let [target, trace, redirect_url, transformed_host, transformed_uri] = [
            &mut self.target,
            &mut self.trace,
            &mut self.redirect_url,
            &mut self.transformed_host,
            &mut self.transformed_uri,
        ]
        .map(|text| {
            text.clear();
            std::mem::take(text)
        });
        *self = Self {
            created,
            target,
            trace,
            redirect_url,
            transformed_host,
            transformed_uri,
            ..Self::new(now)
        };
    }

    /// Says why the request fails: `error_reason` of the access log. The first reason counts.
    pub(crate) fn because(&mut self, reason: &'static str) {
        if self.error_reason.is_empty() {
            self.error_reason = reason;
        }
    }

    /// Bytes received and sent that the metrics do not have yet; they have them from now on.
    pub(crate) fn take_uncounted(&mut self) -> (u64, u64) {
        let all = (self.received_bytes, self.sent_bytes);
        let before = std::mem::replace(&mut self.counted_bytes, all);
        (all.0.saturating_sub(before.0), all.1.saturating_sub(before.1))
    }

    /// Says all 33 fields of the access-log line. `now` is when the response was produced, or a WebSocket closed.
    pub(crate) fn say(
        &self,
        listener: &ListenerRef,
        view: &View<'_>,
        now: Wall,
        texts: &mut Texts,
        fields: &mut impl Fields,
    ) {
        fields.word("type", self.kind(listener, view).as_bytes());
        fields.written("time", |out| texts.iso(now, out));
        fields.word("elb", listener.load_balancer.resource_id.as_bytes());
        fields.written("client:port", |out| view.peer.push_address(out));
        fields.word("target:port", &self.target);
        fields.seconds_or_minus_one("request_processing_time", self.request_processing);
        fields.seconds_or_minus_one("target_processing_time", self.target_processing);
        fields.seconds_or_minus_one("response_processing_time", self.response_processing);
        fields.status("elb_status_code", self.elb_status);
        fields.status("target_status_code", self.target_status);
        fields.number("received_bytes", Some(self.received_bytes));
        fields.number("sent_bytes", Some(self.sent_bytes));
        self.say_request(listener, view, fields);
        let agent = view
            .first(KnownName::UserAgent)
            .filter(|_| !self.malformed)
            .unwrap_or_default();
        fields.text("user_agent", &[&agent[..agent.len().min(USER_AGENT_BYTES_MAX)]]);
        self.say_tls_and_group(view.peer.tls.as_deref(), fields);
        fields.number("matched_rule_priority", self.rule.map(u64::from));
        fields.written("request_creation_time", |out| texts.iso(self.created, out));
        fields.label("actions_executed", self.actions.as_bytes());
        if self.redirect_url.is_empty() && self.error_reason.is_empty() {
            fields.no_labels(["redirect_url", "error_reason"]);
        } else {
            fields.text("redirect_url", &[&self.redirect_url]);
            fields.label("error_reason", self.error_reason.as_bytes());
        }
        fields.label("target:port_list", &self.target);
        self.say_target_statuses(fields);
        self.say_class(fields);
        fields.written("conn_trace_id", |out| view.peer.push_trace_id(out));
        if self.transform_status.is_empty() && self.transformed_host.is_empty() && self.transformed_uri.is_empty() {
            return fields.no_labels(["transformed_host", "transformed_uri", "request_transform_status"]);
        }
        fields.text("transformed_host", &[&self.transformed_host]);
        fields.text("transformed_uri", &[&self.transformed_uri]);
        fields.label("request_transform_status", self.transform_status.as_bytes());
    }

    /// Fields 28 and 29.
    #[inline]
    fn say_class(&self, fields: &mut impl Fields) {
        if self.classification == Classification::COMPLIANT {
            return fields.no_labels(["classification", "classification_reason"]);
        }
        let class = self.classification.class;
        let class = if class == Class::Compliant { "" } else { class.as_str() };
        fields.label("classification", class.as_bytes());
        let reason = self.classification.reason.map_or("", |reason| reason.as_str());
        fields.label("classification_reason", reason.as_bytes());
    }

    fn kind(&self, listener: &ListenerRef, view: &View<'_>) -> &'static str {
        match (view.version(), listener.scheme) {
            (_, Scheme::Https) if self.websocket => "wss",
            (_, Scheme::Http) if self.websocket => "ws",
            (Version::H2, _) if !self.malformed && view.is_grpc() => "grpcs",
            (Version::H2, _) => "h2",
            (_, Scheme::Https) => "https",
            (_, Scheme::Http) => "http",
        }
    }

    /// Field 13: the method, the URL as sent with scheme, host and port, the version.
    fn say_request(&self, listener: &ListenerRef, view: &View<'_>, fields: &mut impl Fields) {
        let (scheme, port) = (listener.scheme.as_str().as_bytes(), listener.port_suffix.as_bytes());
        let dns_name = listener.load_balancer.dns_name.as_bytes();
        if self.malformed {
            return fields.text("request", &[b"- ", scheme, b"://", dns_name, port, b"- -"]);
        }
        let (method, target) = (view.method(), view.head.target(view.bytes));
        let version: &[u8] = match view.version() {
            Version::H2 => b"HTTP/2.0",
            Version::Http09 => b"HTTP/0.9",
            _ => view.head.version_token(view.bytes),
        };
        if view.target.authority.is_some() {
            let theirs = [method, target, version];
            return fields.composed("request", &theirs, &[method, b" ", target, b" ", version]);
        }
        let host = view
            .host()
            .map(routing::host_without_port)
            .filter(|host| !host.is_empty());
        let host = host.unwrap_or(dns_name);
        fields.composed(
            "request",
            &[method, host, target, version],
            &[method, b" ", scheme, b"://", host, port, target, b" ", version],
        );
    }

    /// Fields 15 to 20.
    fn say_tls_and_group(&self, tls: Option<&TlsFacts>, fields: &mut impl Fields) {
        match tls {
            Some(tls) => {
                fields.word("ssl_cipher", tls.cipher.as_bytes());
                fields.word("ssl_protocol", tls.version.as_bytes());
            }
            None => fields.no_words(["ssl_cipher", "ssl_protocol"]),
        }
        let group = self.group.as_ref().map_or("", |group| group.arn.as_str());
        fields.word("target_group_arn", group.as_bytes());
        fields.text("trace_id", &[&self.trace]);
        if tls.is_none() {
            return fields.no_labels(["domain_name", "chosen_cert_arn"]);
        }
        let name = tls
            .filter(|tls| tls.name_matched)
            .and_then(|tls| tls.server_name.as_deref());
        fields.text("domain_name", &[name.unwrap_or_default().as_bytes()]);
        let certificate = match tls {
            Some(tls) if tls.resumed => "session-reused",
            Some(tls) => tls.certificate.as_str(),
            None => "",
        };
        fields.label("chosen_cert_arn", certificate.as_bytes());
    }

    /// Field 27: field 10 of servers; a function has none there. Source: ALB 8.1.4.
    fn say_target_statuses(&self, fields: &mut impl Fields) {
        let mut text = itoa::Buffer::new();
        let status = match self.target_status {
            0 => "",
            _ if self.target.is_empty() => "",
            status => text.format(status),
        };
        fields.label("target_status_code_list", status.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_counts_until_the_next_request() {
        let mut record = Record::new(Instant::now());
        record.because("first");
        record.because("second");
        assert_eq!(record.error_reason, "first");
        record.begin(Instant::now(), Wall::default());
        assert_eq!(record.error_reason, "");
    }
}
