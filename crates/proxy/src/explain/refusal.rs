//! Requests that no rule sees, and what is wrong with them. What is refused is decided where traffic decides it.

use crate::handler;
use crate::headers;
use crate::record::Record;
use crate::table::ListenerEntry;
use crate::view::View;
use http1::desync::{Classification, Mode, Reason, Verdict};
use http1::{HeadError, HeadLimits, HeadScanner, Limit, RequestHead, Scan};
use model::elb::load_balancer::DesyncMode;

/// An answer of the load balancer itself, before any rule.
pub(super) struct Refusal {
    pub(super) status: u16,
    /// A sentence for people.
    pub(super) why: String,
}

/// Reads a head, if it can be read at all. Source: ALB 4.5.
pub(super) fn of_bytes(head: &mut RequestHead, bytes: &[u8]) -> Option<Refusal> {
    let limits = HeadLimits::ALB;
    let (status, why) = match head.read(&mut HeadScanner::new(), bytes, &limits) {
        Ok(Scan::Complete { .. }) => return None,
        Ok(Scan::Partial) => (400, HeadError::Incomplete.to_string()),
        Err(error) => (400, error.to_string()),
        Ok(Scan::TooLarge(limit)) => {
            let (what, max) = match limit {
                Limit::RequestLine => ("the request line has", limits.request_line_bytes_max),
                Limit::HeaderLine => ("a header line has", limits.header_line_bytes_max),
                Limit::AllHeaders => ("the headers have together", limits.headers_bytes_max),
            };
            (limit.status(), format!("{what} more than {max} bytes"))
        }
    };
    Some(Refusal { status, why })
}

/// Judges a head that was read, and leaves its class in the record.
pub(super) fn of_request(view: &View<'_>, listener: &ListenerEntry, record: &mut Record) -> Option<Refusal> {
    if let Err(cause) = handler::desync(view, listener, record) {
        let (status, why) = (cause.status(), why_blocked(view, listener, record.classification));
        return Some(Refusal { status, why });
    }
    let status = handler::refusal(view, listener)?.status();
    let why = why_refused(view, status);
    Some(Refusal { status, why })
}

/// Source: ALB 4.9.
fn why_blocked(view: &View<'_>, listener: &ListenerEntry, classification: Classification) -> String {
    let (mode, name) = match listener.load_balancer.attributes.desync {
        DesyncMode::Monitor => (Mode::Monitor, "monitor"),
        DesyncMode::Defensive => (Mode::Defensive, "defensive"),
        DesyncMode::Strictest => (Mode::Strictest, "strictest"),
    };
    let Classification { class, reason } = classification;
    match http1::framing(view.head, view.bytes) {
        Err(error) if mode.verdict(class) != Verdict::Block => error.to_string(),
        _ => {
            let (class, reason) = (class.as_str(), reason.map_or("-", Reason::as_str));
            format!("the request is classified {class} ({reason}), which desync mitigation mode {name} blocks")
        }
    }
}

/// The sentence to what [`handler::refusal`] refuses. Source: ALB 4.1, 4.5, 4.6.
fn why_refused(view: &View<'_>, status: u16) -> String {
    match (status, view.head.host_count()) {
        (463, _) => format!(
            "X-Forwarded-For has {} addresses, and {} are allowed",
            headers::forwarded_for_count(view),
            headers::FORWARDED_FOR_MAX
        ),
        _ if matches!(view.method(), b"TRACE" | b"CONNECT") => {
            format!("{} is not allowed", String::from_utf8_lossy(view.method()))
        }
        _ if handler::has_two_readings(view) => "the path of the URL can be read in two ways".to_owned(),
        (_, 0) => "the request has no Host header".to_owned(),
        (_, 1) => "the Host header names no host".to_owned(),
        (_, count) => format!("the request has {count} Host headers"),
    }
}
