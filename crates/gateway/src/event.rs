//! The event, payload format 2.0. Source: Lambda 7.2.

use crate::{Asked, Signer};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName};
use http::{Method, Version};
use invoke::RequestId;
use model::lambda::url::FunctionUrl;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;

/// The methods of URLs.
pub(crate) const METHODS: [Method; 7] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::HEAD,
    Method::OPTIONS,
];

const TRACE_HEADER: &str = "x-amzn-trace-id";

/// What an event is made of.
pub(crate) struct Event<'a> {
    pub(crate) url: &'a FunctionUrl,
    pub(crate) host_name: String,
    pub(crate) asked: &'a Asked,
    pub(crate) signer: Option<&'a Signer>,
    pub(crate) request_id: &'a RequestId,
    pub(crate) trace_id: &'a str,
    pub(crate) now: SystemTime,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    version: &'a str,
    route_key: &'a str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<Cow<'a, str>>,
    headers: Members,
    #[serde(skip_serializing_if = "Members::is_empty")]
    query_string_parameters: Members,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    account_id: &'a str,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Authorizer<'a>>,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: &'a str,
    route_key: &'a str,
    stage: &'a str,
    time: String,
    time_epoch: u64,
}

#[derive(Serialize)]
struct Authorizer<'a> {
    iam: Iam<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Iam<'a> {
    access_key: &'a str,
    account_id: &'a str,
    caller_id: &'a str,
    cognito_identity: Option<&'a str>,
    principal_org_id: Option<&'a str>,
    user_arn: &'a str,
    user_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'a str,
    source_ip: String,
    user_agent: Cow<'a, str>,
}

/// The members of an object in the order in which they came first; what comes again is joined by commas.
#[derive(Default)]
struct Members(Vec<(String, String)>);

impl Members {
    fn add(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, joined)) => {
                joined.push(',');
                joined.push_str(value);
            }
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    fn set(&mut self, name: &str, value: String) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value));
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Members {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Event<'_> {
    pub(crate) fn document(&self, body: &[u8]) -> Vec<u8> {
        let headers = &self.asked.headers;
        let path = self.asked.uri.path();
        let query = self.asked.uri.query().unwrap_or_default();
        let (body, is_base64_encoded) = encoded(headers, body);
        let user_agent = headers.get(header::USER_AGENT).map(|value| text(value.as_bytes()));
        let account = self.url.function.as_str().split(':').nth(4).unwrap_or_default();
        let since = self.now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let document = Document {
            version: "2.0",
            route_key: "$default",
            raw_path: path,
            raw_query_string: query,
            cookies: cookies(headers),
            headers: self.headers(),
            query_string_parameters: parameters(query),
            request_context: RequestContext {
                account_id: self.signer.map_or("anonymous", |_| account),
                api_id: self.url.id.as_str(),
                authorizer: self.signer.map(|signer| Authorizer {
                    iam: Iam {
                        access_key: &signer.access_key,
                        account_id: &signer.account,
                        caller_id: &signer.user_id,
                        cognito_identity: None,
                        principal_org_id: None,
                        user_arn: &signer.user_arn,
                        user_id: &signer.user_id,
                    },
                }),
                domain_name: &self.host_name,
                domain_prefix: self.url.id.as_str(),
                http: Http {
                    method: self.asked.method.as_str(),
                    path,
                    protocol: match self.asked.version {
                        Version::HTTP_10 => "HTTP/1.0",
                        Version::HTTP_2 => "HTTP/2.0",
                        _ => "HTTP/1.1",
                    },
                    source_ip: self.asked.client.to_string(),
                    user_agent: user_agent.unwrap_or_default(),
                },
                request_id: self.request_id.as_str(),
                route_key: "$default",
                stage: "$default",
                time: log_time(self.now),
                time_epoch: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            },
            body,
            is_base64_encoded,
        };
        // Maps with text keys and plain values, which always serialize.
        serde_json::to_vec(&document).unwrap_or_default()
    }

    /// Names in lower case. What says how the message travels here stays here (unverified list), and where it comes from is
    /// ours to say: clients cannot claim another address. A signature that was checked goes no further: for some minutes it
    /// could be used again (unverified).
    fn headers(&self) -> Members {
        let mut members = Members::default();
        let headers = &self.asked.headers;
        for (name, value) in headers {
            let is_signature = self.signer.is_some() && name == header::AUTHORIZATION;
            if !is_hop_by_hop(name, headers) && name != header::COOKIE && !is_signature {
                members.add(name.as_str(), &text(value.as_bytes()));
            }
        }
        members.set("x-forwarded-for", self.asked.client.to_string());
        members.set("x-forwarded-port", self.asked.port.to_string());
        members.set("x-forwarded-proto", "http".to_owned());
        members.set(TRACE_HEADER, self.trace_id.to_owned());
        members
    }
}

/// The trace of a request: the client's where it names a root, otherwise a new one (unverified).
pub(crate) fn trace_id(headers: &HeaderMap, now: SystemTime, random: &[u8]) -> String {
    let given = headers.get(TRACE_HEADER).and_then(|value| value.to_str().ok());
    if let Some(given) = given.filter(|given| given.contains("Root=") && given.len() <= 512) {
        return given.to_owned();
    }
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut id = format!("Root=1-{:08x}-", since.as_secs());
    for byte in random.iter().take(12) {
        let _ = write!(id, "{byte:02x}"); // writing to a string cannot fail
    }
    id
}

fn is_hop_by_hop(name: &HeaderName, headers: &HeaderMap) -> bool {
    const NAMES: [&str; 7] = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let named = || {
        let listed = headers.get_all(header::CONNECTION).into_iter();
        listed
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|option| option.trim().eq_ignore_ascii_case(name.as_str()))
    };
    NAMES.contains(&name.as_str()) || (headers.contains_key(header::CONNECTION) && named())
}

fn cookies(headers: &HeaderMap) -> Vec<Cow<'_, str>> {
    let mut cookies = Vec::new();
    for value in headers.get_all(header::COOKIE) {
        for cookie in value.as_bytes().split(|byte| *byte == b';') {
            let cookie = cookie.trim_ascii();
            if !cookie.is_empty() {
                cookies.push(text(cookie));
            }
        }
    }
    cookies
}

/// Decoded, as forms are; what comes again is joined by commas.
fn parameters(query: &str) -> Members {
    let mut members = Members::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        members.add(&decoded(name), &decoded(value));
    }
    members
}

/// `+` is a space and `%41` an `A`; a `%` that begins no such pair is itself.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        decoded.push(match (byte, digit(at), digit(at + 1)) {
            (b'%', Some(high), Some(low)) => {
                at += 2;
                (high << 4 | low) as u8
            }
            (b'+', ..) => b' ',
            (other, ..) => *other,
        });
    }
    String::from_utf8(decoded).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The body as the event has it, and whether it is base64.
fn encoded<'a>(headers: &HeaderMap, body: &'a [u8]) -> (Option<Cow<'a, str>>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match std::str::from_utf8(body) {
        // A coded body is binary whatever it was before.
        Ok(text) if content_type.is_some_and(is_text) && !headers.contains_key(header::CONTENT_ENCODING) => {
            (Some(text.into()), false)
        }
        _ => (Some(STANDARD.encode(body).into()), true),
    }
}

/// Is a body of this content type text? Seen are `text/*` and `application/json`, and that `multipart/form-data` is not;
/// the others are (unverified).
fn is_text(content_type: &str) -> bool {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence.starts_with("text/")
        || essence.contains("json")
        || essence.contains("xml")
        || essence == "application/javascript"
}

/// Bytes of a header, as text.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// `09/Oct/2025:08:53:20 +0000`.
fn log_time(now: SystemTime) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let now = OffsetDateTime::from(now);
    format!(
        "{:02}/{}/{:04}:{:02}:{:02}:{:02} +0000",
        now.day(),
        MONTHS[usize::from(u8::from(now.month())) - 1],
        now.year(),
        now.hour(),
        now.minute(),
        now.second()
    )
}
