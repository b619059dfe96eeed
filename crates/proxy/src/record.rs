//! The record of one request: it travels with the request and becomes one access-log line. Source: ALB 8.1.2.

use crate::clock::{Texts, Wall};
use crate::core::ListenerRef;
use crate::headers::push_ipv4;
use crate::table::{Group, Scheme};
use crate::view::View;
use http1::desync::{Class, Classification};
use http1::{KnownName, Version};
use std::io::Write;
use std::net::SocketAddr;
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
    pub(crate) elb_status: u16,
    /// Whether the load balancer made the response itself.
    pub(crate) elb_generated: bool,
    pub(crate) target_status: u16,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
    /// The head could not be read: nothing of it is logged.
    pub(crate) malformed: bool,
    pub(crate) group: Option<Arc<Group>>,
    /// The trace header as sent to the target; empty if none was.
    pub(crate) trace: Vec<u8>,
    /// `None` when no rule was looked for.
    pub(crate) rule: Option<u16>,
    /// Names of ALB 8.1.3 in the order they ran.
    pub(crate) actions: &'static str,
    pub(crate) redirect_url: Vec<u8>,
    pub(crate) error_reason: &'static str,
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
            elb_status: 0,
            elb_generated: true,
            target_status: 0,
            received_bytes: 0,
            sent_bytes: 0,
            malformed: false,
            group: None,
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
        let [trace, redirect_url, transformed_host, transformed_uri] = [
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
            trace,
            redirect_url,
            transformed_host,
            transformed_uri,
            ..Self::new(now)
        };
    }

    /// Appends the access-log line, all 33 fields, without a line end.
    pub(crate) fn line(
        &self,
        listener: &ListenerRef,
        view: &View<'_>,
        now: Wall,
        texts: &mut Texts,
        out: &mut Vec<u8>,
    ) {
        let mut line = Line { out };
        line.raw(self.kind(listener, view).as_bytes());
        line.space();
        texts.iso(now, line.out);
        line.field(listener.load_balancer.resource_id.as_bytes());
        line.space();
        push_address(view.peer.address, line.out);
        line.field(b"-");
        for took in [
            self.request_processing,
            self.target_processing,
            self.response_processing,
        ] {
            line.seconds(took);
        }
        line.status(self.elb_status);
        line.status(self.target_status);
        line.number(self.received_bytes);
        line.number(self.sent_bytes);
        self.request(listener, view, &mut line);
        let agent = view
            .first(KnownName::UserAgent)
            .filter(|_| !self.malformed)
            .unwrap_or_default();
        line.quoted(&agent[..agent.len().min(USER_AGENT_BYTES_MAX)]);
        let tls = view.peer.tls.as_deref();
        line.field(tls.map_or("-", |tls| tls.cipher).as_bytes());
        line.field(tls.map_or("-", |tls| tls.version).as_bytes());
        line.field(self.group.as_ref().map_or("-", |group| group.arn.as_str()).as_bytes());
        line.quoted(&self.trace);
        let name = tls
            .filter(|tls| tls.name_matched)
            .and_then(|tls| tls.server_name.as_deref());
        line.quoted(name.unwrap_or_default().as_bytes());
        match tls {
            Some(tls) if tls.resumed => line.quoted(b"session-reused"),
            Some(tls) => line.quoted(tls.certificate.as_str().as_bytes()),
            None => line.quoted(b""),
        }
        match self.rule {
            Some(priority) => line.number(priority.into()),
            None => line.field(b"-"),
        }
        line.space();
        texts.iso(self.created, line.out);
        line.quoted(self.actions.as_bytes());
        line.quoted(&self.redirect_url);
        line.quoted(self.error_reason.as_bytes());
        line.quoted(b"");
        line.quoted(b"");
        let compliant = self.classification.class == Class::Compliant;
        line.quoted(if compliant {
            b""
        } else {
            self.classification.class.as_str().as_bytes()
        });
        line.quoted(
            self.classification
                .reason
                .map_or("", |reason| reason.as_str())
                .as_bytes(),
        );
        line.space();
        view.peer.push_trace_id(line.out);
        line.quoted(&self.transformed_host);
        line.quoted(&self.transformed_uri);
        line.quoted(self.transform_status.as_bytes());
    }

    fn kind(&self, listener: &ListenerRef, view: &View<'_>) -> &'static str {
        match (view.version(), listener.scheme) {
            (Version::H2, _) if !self.malformed && view.is_grpc() => "grpcs",
            (Version::H2, _) => "h2",
            (_, Scheme::Https) => "https",
            (_, Scheme::Http) => "http",
        }
    }

    /// Field 13: the method, the URL as sent with scheme, host and port, the version.
    fn request(&self, listener: &ListenerRef, view: &View<'_>, line: &mut Line<'_>) {
        line.out.extend_from_slice(b" \"");
        let (scheme, port) = (listener.scheme.as_str().as_bytes(), listener.port_suffix.as_bytes());
        let dns_name = listener.load_balancer.dns_name.as_bytes();
        if self.malformed {
            for part in [b"- ", scheme, b"://", dns_name, port, b"- -"] {
                line.raw(part);
            }
        } else {
            line.escaped(view.method());
            line.space();
            if view.target.authority.is_none() {
                line.raw(scheme);
                line.raw(b"://");
                let host = view
                    .host()
                    .map(routing::host_without_port)
                    .filter(|host| !host.is_empty());
                line.escaped(host.unwrap_or(dns_name));
                line.raw(port);
            }
            line.escaped(view.head.target(view.bytes));
            line.out.push(b' ');
            match view.version() {
                Version::H2 => line.out.extend_from_slice(b"HTTP/2.0"),
                Version::Http09 => line.out.extend_from_slice(b"HTTP/0.9"),
                _ => line.escaped(view.head.version_token(view.bytes)),
            }
        }
        line.out.push(b'"');
    }
}

/// Writes fields with a space in front of each.
struct Line<'a> {
    out: &'a mut Vec<u8>,
}

impl Line<'_> {
    fn raw(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    fn space(&mut self) {
        self.out.push(b' ');
    }

    fn field(&mut self, text: &[u8]) {
        self.space();
        self.raw(text);
    }

    fn number(&mut self, number: u64) {
        self.space();
        push_number(number, self.out);
    }

    fn status(&mut self, status: u16) {
        match status {
            0 => self.field(b"-"),
            _ => self.number(status.into()),
        }
    }

    fn seconds(&mut self, took: Option<Duration>) {
        self.space();
        let Some(took) = took else {
            return self.raw(b"-1");
        };
        push_number(took.as_secs(), self.out);
        let millis = took.subsec_millis();
        let digits = [millis / 100, millis / 10 % 10, millis % 10].map(|digit| b'0' + digit as u8);
        self.out.push(b'.');
        self.raw(&digits);
    }

    /// In double quotes; nothing is `-`.
    fn quoted(&mut self, text: &[u8]) {
        self.out.extend_from_slice(b" \"");
        if text.is_empty() {
            self.out.push(b'-');
        }
        self.escaped(text);
        self.out.push(b'"');
    }

    /// What could end the field or the line, or is not visible ASCII, as `\xNN`: a client cannot forge a line.
    fn escaped(&mut self, text: &[u8]) {
        let forges = |byte: u8| !matches!(byte, b' '..=b'~') | (byte == b'"') | (byte == b'\\');
        // Without an early end, so that the common case is looked at many bytes at a time.
        if !text.iter().fold(false, |found, byte| found | forges(*byte)) {
            return self.raw(text);
        }
        for byte in text {
            match forges(*byte) {
                false => self.out.push(*byte),
                true => {
                    self.raw(b"\\x");
                    crate::trace::push_hex(self.out, u64::from(*byte), 2);
                }
            }
        }
    }
}

fn push_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// `address:port`; the common form by hand, because it is written for every request.
fn push_address(address: SocketAddr, out: &mut Vec<u8>) {
    if let SocketAddr::V4(address) = address {
        push_ipv4(*address.ip(), out);
        out.push(b':');
        push_number(address.port().into(), out);
    } else {
        let _ = write!(out, "{address}"); // writing to a vector cannot fail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(write: impl Fn(&mut Line<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Line { out: &mut out });
        String::from_utf8(out).unwrap()
    }

    // ALB-G-002: durations have three decimals, unset ones are -1
    #[test]
    fn durations() {
        assert_eq!(
            line(|line| line.seconds(Some(Duration::from_micros(1_037_900)))),
            " 1.037"
        );
        assert_eq!(line(|line| line.seconds(Some(Duration::from_micros(999)))), " 0.000");
        assert_eq!(line(|line| line.seconds(None)), " -1");
    }

    #[test]
    fn a_client_cannot_forge_fields_or_lines() {
        assert_eq!(
            line(|line| line.quoted(b"a\" \"b\\\r\n\x7f\xff")),
            " \"a\\x22 \\x22b\\x5c\\x0d\\x0a\\x7f\\xff\""
        );
        assert_eq!(line(|line| line.quoted(b"")), " \"-\"");
    }
}
