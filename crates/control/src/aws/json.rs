//! The JSON protocols, 1.0 and 1.1: `X-Amz-Target` names the operation, the body is its input, and errors carry their type
//! in the body and in a header.
//!
//! A service says what it is with a [`Protocol`], reads calls with [`read`], and answers with [`result`]. What a call's
//! members are is asked of [`Fields`]; what nobody asked for would have no effect, and is refused.

mod fields;
pub(crate) mod page;

use crate::answer::{self, Answer};
use crate::aws::error::AwsError;
pub(crate) use fields::{Fields, shown};
use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde_json::{Map, Value};

/// Levels of lists and objects in an input. The deepest that AWS takes has about ten.
const DEPTH_MAX: usize = 32;

/// Values of one input: each takes a byte or two as it is sent, and much more memory than that. The largest input that AWS
/// takes, ten thousand log events, has thirty thousand.
const VALUES_MAX: usize = 100_000;

/// How a service speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protocol {
    /// The service, for people.
    pub(crate) service: &'static str,
    /// What `X-Amz-Target` begins with, before the dot.
    pub(crate) target: &'static str,
    /// `application/x-amz-json-1.1` or `-1.0`.
    pub(crate) content_type: &'static str,
    /// What stands before the type of an error in a body, with `#`; empty in version 1.1.
    pub(crate) namespace: &'static str,
    /// The error for a member that breaks a rule of its own.
    pub(crate) invalid: &'static str,
}

/// A call as it was received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The operation's name.
    pub(crate) operation: String,
    /// Its input.
    pub(crate) input: Map<String, Value>,
}

/// The operation in `X-Amz-Target`, if the header is one of this service.
pub(crate) fn operation<'a>(protocol: &Protocol, headers: &'a HeaderMap) -> Option<&'a str> {
    let target = headers.get("x-amz-target")?.to_str().ok()?;
    target.strip_prefix(protocol.target)?.strip_prefix('.')
}

/// Reads a call.
///
/// # Errors
/// It names no operation of this service, or its body is no JSON object.
pub(crate) fn read(protocol: &Protocol, parts: &Parts, body: &[u8]) -> Result<Received, AwsError> {
    if parts.method != Method::POST || parts.uri.path() != "/" {
        let message = format!("Calls of {} are POST of /", protocol.service);
        return Err(AwsError::with_status(404, "UnknownOperationException", message));
    }
    let Some(operation) = operation(protocol, &parts.headers) else {
        let target = parts.headers.get("x-amz-target").map(|it| it.to_str().unwrap_or("?"));
        return Err(unknown(protocol, target.unwrap_or_default()));
    };
    let input = match input(body) {
        Ok(input) => input,
        Err(message) => return Err(AwsError::new("SerializationException", message)),
    };
    Ok(Received {
        operation: operation.to_owned(),
        input,
    })
}

/// The error for an operation that the service does not have.
pub(crate) fn unknown(protocol: &Protocol, operation: &str) -> AwsError {
    let message = match operation {
        "" => format!("A call of {} names its operation in X-Amz-Target", protocol.service),
        _ => format!("{} has no operation {}", protocol.service, shown(operation)),
    };
    AwsError::new("UnknownOperationException", message)
}

/// The error for an operation that AWS has and albacore has not.
pub(crate) fn not_built(protocol: &Protocol, operation: &str, note: &str) -> AwsError {
    let service = protocol.service;
    AwsError::not_built(format!("The operation {operation} of {service} is not built: {note}"))
}

/// The answer to a call.
pub(crate) fn result(protocol: &Protocol, result: &Result<Value, AwsError>) -> Answer {
    match result {
        // An operation without output has an empty body.
        Ok(Value::Null) => answer::document(StatusCode::OK, protocol.content_type, ""),
        Ok(output) => answer::document(StatusCode::OK, protocol.content_type, output.to_string()),
        Err(error) => refused(protocol, error),
    }
}

fn refused(protocol: &Protocol, error: &AwsError) -> Answer {
    // Errors that all services share have other names in those that speak JSON.
    let code = match error.code.as_ref() {
        "NotImplemented" => "NotImplementedException",
        "InternalFailure" => "InternalServerException",
        "ServiceUnavailable" => "ServiceUnavailableException",
        code => code,
    };
    let kind = format!("{}{code}", protocol.namespace);
    let body = serde_json::json!({ "__type": kind, "message": error.message });
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let answer = answer::document(status, protocol.content_type, body.to_string());
    answer::with_header(answer, "x-amzn-errortype", code)
}

/// A body as an object; none at all is an empty one.
pub(crate) fn input(body: &[u8]) -> Result<Map<String, Value>, &'static str> {
    if body.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    bounded(body)?;
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("The input is not a JSON object"),
        Err(_) => Err("The input is not JSON"),
    }
}

/// Refuses what goes too deep or is too much, counted before anything is built of it.
pub(crate) fn bounded(json: &[u8]) -> Result<(), &'static str> {
    let (mut now, mut values, mut in_text, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => {
                now += 1;
                values += 1;
                if now > DEPTH_MAX {
                    return Err("The input is nested too deeply");
                }
            }
            b']' | b'}' => now = now.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if values > VALUES_MAX {
            return Err("The input has too many values");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
