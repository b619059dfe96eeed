//! What is asked: a request as people write it, the listener it is for, and the bytes a client would send.

use crate::table::{ListenerEntry, Scheme, Table};
use http1::{FieldError, RequestHead};
use std::net::IpAddr;

/// What cannot be sent within a line.
const ENDS_LINE: [char; 3] = ['\r', '\n', '\0'];

/// A request to be explained.
#[derive(Clone, Debug)]
pub struct Question {
    /// The method.
    pub method: String,
    /// `scheme://host[:port]/path?query`, or only `/path?query` or `*` when there is a single listener.
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
    #[error("the URL {0:?} cannot be read; expected http://host:port/path, https://host:port/path, /path or *")]
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
    /// The client would be sent away when it connects.
    #[error(
        "load balancer {load_balancer} resets connections from {client}: none of its security groups admits it to port {port}"
    )]
    NotAdmitted {
        /// The load balancer's name.
        load_balancer: String,
        /// The client.
        client: std::net::IpAddr,
        /// The listener's port.
        port: u16,
    },
    /// A byte in the URL that ends the request line, or NUL.
    #[error("the URL {0:?} cannot be sent: it holds CR, LF or NUL")]
    UnsendableUrl(String),
    /// A method that no request line can hold.
    #[error("the method {0:?} cannot be sent: it is empty or holds a space, CR, LF or NUL")]
    UnsendableMethod(String),
    /// A name that no header line can hold.
    #[error("the header name {0:?} cannot be sent: it is empty or holds a space, a colon or a control character")]
    UnsendableHeaderName(String),
    /// The header of this name has a value that no header line can hold.
    #[error("the value of header {0:?} cannot be sent: it holds CR, LF or NUL")]
    UnsendableHeaderValue(String),
}

/// A question's URL cut into its parts.
pub(super) struct Url<'a> {
    scheme: Option<Scheme>,
    pub(super) host: Option<&'a str>,
    port: Option<u16>,
    target: String,
}

impl<'a> Url<'a> {
    pub(super) fn read(url: &'a str) -> Result<Self, ExplainError> {
        let bad = || ExplainError::Url(url.to_owned());
        if url.contains(ENDS_LINE) {
            return Err(ExplainError::UnsendableUrl(url.to_owned()));
        }
        if url.starts_with('/') || url == "*" {
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

/// The listener that a question is for.
pub(super) fn find_listener<'t>(
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

/// The head a client such as curl would send, over HTTP/1.1. What is odd about it stays, as traffic would see it too.
pub(super) fn head_of(question: &Question, url: &Url<'_>, listener: &ListenerEntry) -> Result<Vec<u8>, ExplainError> {
    let method = &question.method;
    if method.is_empty() || method.contains(ENDS_LINE) || method.contains(' ') {
        return Err(ExplainError::UnsendableMethod(method.clone()));
    }
    let mut bytes = [method, " ", &url.target, " HTTP/1.1\r\n"].concat().into_bytes();
    let mut head = RequestHead::new(); // only for its judgement on what may stand in a header line
    let mut push = |name: &str, value: &str| {
        head.push(&mut bytes, name.as_bytes(), value.as_bytes())
            .map_err(|error| match error {
                FieldError::Value => ExplainError::UnsendableHeaderValue(name.to_owned()),
                _ => ExplainError::UnsendableHeaderName(name.to_owned()),
            })
    };
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
        push("Host", &host)?;
    }
    for (name, value) in &question.headers {
        push(name, value)?;
    }
    if !question.body.is_empty() && !given("content-length") && !given("transfer-encoding") {
        push("Content-Length", &question.body.len().to_string())?;
    }
    bytes.extend_from_slice(b"\r\n");
    Ok(bytes)
}
