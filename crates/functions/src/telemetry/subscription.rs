//! What an extension subscribes to, and what can be wrong with that. Source: Lambda 4.6.

use super::RecordType;
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The port that Lambda keeps for itself.
const RESERVED_PORT: u16 = 9001;

/// The hosts that mean the environment itself.
const OWN_HOSTS: [&str; 2] = ["sandbox.localdomain", "sandbox"];

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Telemetry,
    Logs,
}

impl Api {
    /// How its error types begin.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Telemetry => "Telemetry",
            Self::Logs => "Logs",
        }
    }

    fn schemas(self) -> &'static [&'static str] {
        match self {
            Self::Telemetry => &["2022-07-01", "2022-12-13", "2025-01-29"],
            Self::Logs => &["2020-08-15", "2021-03-18"],
        }
    }
}

/// A subscription that makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) api: Api,
    /// In the order in which they were named.
    types: Vec<RecordType>,
    /// Lines of a JSON log are objects. Source: Lambda 4.6, schemas from 2022-12-13 on.
    pub(super) has_objects: bool,
    pub(super) buffering: Buffering,
    pub(super) destination: Destination,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buffering {
    pub(super) items_max: usize,
    pub(super) bytes_max: usize,
    pub(super) timeout: Duration,
}

/// Where batches go, always in the environment itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Http { port: u16, host: String, path: String },
    Tcp { port: u16 },
}

impl Destination {
    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Http { port, .. } | Self::Tcp { port } => *port,
        }
    }
}

/// Why a subscription is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TelemetryRefusal {
    /// What is wrong with it, everything at once.
    Invalid(Vec<String>),
    /// The init is over.
    Closed,
    /// The extension has subscribed with the other API.
    OtherApi,
}

impl TelemetryRefusal {
    /// Status, `errorType` and `errorMessage`.
    pub(crate) fn parts(&self, api: Api) -> (u16, String, String) {
        let name = api.name();
        match self {
            Self::Invalid(mistakes) => {
                let error_type = match api {
                    Api::Telemetry => "ValidationError".to_owned(),
                    Api::Logs => "Logs.ValidationError".to_owned(),
                };
                (400, error_type, mistakes.join("; "))
            }
            Self::Closed => (
                403,
                format!("{name}.SubscriptionClosed"),
                format!("{name} API subscription is closed"),
            ),
            Self::OtherApi => (
                400,
                match api {
                    Api::Telemetry => "ValidationError".to_owned(),
                    Api::Logs => "Logs.ValidationError".to_owned(),
                },
                "the extension has subscribed with the other of Telemetry API and Logs API already".to_owned(),
            ),
        }
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "schemaVersion")]
    schema: Option<String>,
    #[serde(default)]
    types: Vec<String>,
    buffering: Option<BufferingBody>,
    destination: Option<DestinationBody>,
}

#[derive(Default, Deserialize)]
struct BufferingBody {
    #[serde(rename = "maxItems")]
    items_max: Option<u64>,
    #[serde(rename = "maxBytes")]
    bytes_max: Option<u64>,
    #[serde(rename = "timeoutMs")]
    timeout_ms: Option<u64>,
}

#[derive(Deserialize)]
struct DestinationBody {
    protocol: Option<String>,
    #[serde(rename = "URI")]
    uri: Option<String>,
    port: Option<u64>,
}

impl Subscription {
    /// Reads the body of a call.
    pub(crate) fn read(api: Api, body: &[u8]) -> Result<Self, TelemetryRefusal> {
        let body: Body = serde_json::from_slice(body)
            .map_err(|error| TelemetryRefusal::Invalid(vec![format!("the body cannot be read: {error}")]))?;
        let mut mistakes = Vec::new();
        let destination = destination(body.destination, &mut mistakes);
        let schema = schema(api, body.schema.as_deref(), &mut mistakes);
        let types = types(&body.types, &mut mistakes);
        let buffering = buffering(&body.buffering.unwrap_or_default(), &mut mistakes);
        match (destination, mistakes.is_empty()) {
            (Some(destination), true) => Ok(Self {
                api,
                types,
                has_objects: api == Api::Telemetry && schema >= "2022-12-13",
                buffering,
                destination,
            }),
            _ => Err(TelemetryRefusal::Invalid(mistakes)),
        }
    }

    pub(super) fn wants(&self, record_type: RecordType) -> bool {
        self.types.contains(&record_type)
    }

    /// The types that it names.
    pub(crate) fn types(&self) -> impl Iterator<Item = &'static str> {
        self.types.iter().map(|it| it.as_str())
    }
}

fn schema<'a>(api: Api, schema: Option<&'a str>, mistakes: &mut Vec<String>) -> &'a str {
    let known = api.schemas();
    match (schema, api) {
        (Some(schema), _) if known.contains(&schema) => schema,
        (None, Api::Logs) => "",
        (None, Api::Telemetry) => {
            mistakes.push("schemaVersion is required".to_owned());
            ""
        }
        (Some(other), _) => {
            mistakes.push(format!("schemaVersion {other:?} is not one of {}", known.join(", ")));
            ""
        }
    }
}

fn types(names: &[String], mistakes: &mut Vec<String>) -> Vec<RecordType> {
    if names.is_empty() {
        mistakes.push("types should not be empty".to_owned());
    }
    let mut types = Vec::new();
    for name in names {
        match RecordType::ALL.into_iter().find(|it| it.as_str() == name) {
            Some(known) if !types.contains(&known) => types.push(known),
            Some(_) => {}
            None => mistakes.push(format!("type {name:?} is not one of platform, function, extension")),
        }
    }
    types
}

fn buffering(body: &BufferingBody, mistakes: &mut Vec<String>) -> Buffering {
    let mut within = |name: &str, value: Option<u64>, range: RangeInclusive<u64>, default: u64| {
        let value = value.unwrap_or(default);
        if !range.contains(&value) {
            let (min, max) = range.into_inner();
            mistakes.push(format!("buffering.{name} should be between {min} and {max}"));
        }
        value
    };
    let items_max = within("maxItems", body.items_max, 1000..=10_000, 10_000);
    let bytes_max = within("maxBytes", body.bytes_max, 262_144..=1_048_576, 262_144);
    let timeout_ms = within("timeoutMs", body.timeout_ms, 25..=30_000, 1000);
    Buffering {
        items_max: usize::try_from(items_max).unwrap_or(usize::MAX),
        bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
        timeout: Duration::from_millis(timeout_ms),
    }
}

fn destination(body: Option<DestinationBody>, mistakes: &mut Vec<String>) -> Option<Destination> {
    let Some(body) = body else {
        mistakes.push("destination is required".to_owned());
        return None;
    };
    let destination = match body.protocol.as_deref().unwrap_or("HTTP") {
        "HTTP" => http(body.uri.as_deref().unwrap_or_default()),
        "TCP" => match body.port.map(u16::try_from) {
            Some(Ok(port)) if port > 0 => Ok(Destination::Tcp { port }),
            Some(_) => Err("port should be between 1 and 65535".to_owned()),
            None => Err("port is not provided".to_owned()),
        },
        other => Err(format!("protocol {other:?} is not one of HTTP, TCP")),
    };
    let destination = destination.and_then(|it| match it.port() {
        RESERVED_PORT => Err(format!("port {RESERVED_PORT} is reserved")),
        _ => Ok(it),
    });
    destination.map_err(|mistake| mistakes.push(mistake)).ok()
}

/// `http://sandbox.localdomain:8080/path`
fn http(uri: &str) -> Result<Destination, String> {
    let rest = uri
        .strip_prefix("http://")
        .ok_or_else(|| "URI should begin with http://".to_owned())?;
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if !OWN_HOSTS.iter().any(|own| host.eq_ignore_ascii_case(own)) {
        return Err(format!("URI host should be {}", OWN_HOSTS[0]));
    }
    let port = port.ok_or_else(|| "URI port is not provided".to_owned())?;
    let port = port.parse().ok().filter(|&port| port > 0);
    let port = port.ok_or_else(|| "URI port should be between 1 and 65535".to_owned())?;
    if path.bytes().any(|byte| byte <= b' ' || byte >= 0x7f) {
        return Err("URI path has characters that a request cannot have".to_owned());
    }
    Ok(Destination::Http {
        port,
        host: authority.to_owned(),
        path: path.to_owned(),
    })
}
