//! Calls of AWS's APIs as bytes, for tests that look at what is left afterwards.

use crate::support::Connection;
use std::net::SocketAddr;

/// A signature that a server without keys does not verify.
fn signed(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature={}",
        "0".repeat(64)
    )
}

/// One call; `None` when the server is gone before it has answered.
pub(crate) fn ask(
    endpoint: SocketAddr,
    (service, method, target): (&str, &str, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> Option<(u16, String)> {
    let signed = signed(service);
    let own = [("Authorization", signed.as_str()), ("X-Amz-Date", "20260101T000000Z")];
    let headers = [&own, headers].concat();
    let mut connection = Connection::open(endpoint).ok()?;
    let answer = connection.ask(method, target, &headers, body.as_bytes()).ok()?;
    Some((answer.status, answer.body))
}

/// A call of the query protocol.
pub(crate) fn call(endpoint: SocketAddr, service: &str, form: &str) -> Option<(u16, String)> {
    let form_type = [("Content-Type", "application/x-www-form-urlencoded")];
    ask(endpoint, (service, "POST", "/"), &form_type, form)
}

/// A call of Lambda, whose documents are JSON.
pub(crate) fn lambda(endpoint: SocketAddr, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    ask(
        endpoint,
        ("lambda", method, path),
        &[("Content-Type", "application/json")],
        body,
    )
}

/// A call of a service that has its operation in a header.
pub(crate) fn json(endpoint: SocketAddr, (service, target): (&str, &str), body: &str) -> Option<(u16, String)> {
    let headers = [("X-Amz-Target", target), ("Content-Type", "application/x-amz-json-1.1")];
    ask(endpoint, (service, "POST", "/"), &headers, body)
}

/// What the elements of this name say, in their order.
pub(crate) fn elements<'a>(document: &'a str, name: &str) -> Vec<&'a str> {
    let begin = format!("<{name}>");
    let parts = document.split(&begin).skip(1);
    parts.map(|rest| rest.split('<').next().unwrap_or_default()).collect()
}

/// What the first of them says.
#[track_caller]
pub(crate) fn element<'a>(document: &'a str, name: &str) -> &'a str {
    elements(document, name)
        .first()
        .copied()
        .unwrap_or_else(|| panic!("no {name} in {document}"))
}
