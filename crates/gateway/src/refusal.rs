//! What clients of a URL see when no function answered. Source: Lambda 7.6.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use invoke::InvokeRefusal;
use serde_json::json;

/// No URL has the name.
pub(crate) fn unknown() -> Response<Bytes> {
    denied(&json!({ "Message": null }))
}

/// Neither policy nor signature allows the call.
pub(crate) fn forbidden() -> Response<Bytes> {
    denied(&json!({
        "Message": "Forbidden. For troubleshooting Function URL authorization issues, see: \
                    https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
    }))
}

/// A method that no function URL takes (unverified).
pub(crate) fn method() -> Response<Bytes> {
    document(
        StatusCode::METHOD_NOT_ALLOWED,
        &json!({ "Message": "Method Not Allowed" }),
    )
}

/// The event is over 6 MB (unverified body).
pub(crate) fn too_large() -> Response<Bytes> {
    document(
        StatusCode::PAYLOAD_TOO_LARGE,
        &json!({ "Message": "Request Entity Too Large" }),
    )
}

/// The function failed, or its answer is none.
pub(crate) fn function() -> Response<Bytes> {
    failure(StatusCode::BAD_GATEWAY)
}

/// The platform failed.
pub(crate) fn service() -> Response<Bytes> {
    failure(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The function was not run. `reserved` is its reserved concurrency.
pub(crate) fn of(refusal: InvokeRefusal, reserved: Option<u32>) -> Response<Bytes> {
    match refusal {
        InvokeRefusal::NotFound | InvokeRefusal::AccessDenied => forbidden(),
        InvokeRefusal::Throttled => throttled(reserved.is_some()),
        InvokeRefusal::RequestTooLarge => too_large(),
        InvokeRefusal::InvalidZipFile | InvokeRefusal::InvalidRuntime => function(),
        InvokeRefusal::ClientContext | InvokeRefusal::ServiceFailure => service(),
    }
}

/// The body is Invoke's (unverified).
fn throttled(is_reserved: bool) -> Response<Bytes> {
    let reason = match is_reserved {
        true => "ReservedFunctionConcurrentInvocationLimitExceeded",
        false => "ConcurrentInvocationLimitExceeded",
    };
    let body = json!({ "Reason": reason, "Type": "User", "message": "Rate Exceeded." });
    document(StatusCode::TOO_MANY_REQUESTS, &body)
}

fn denied(body: &serde_json::Value) -> Response<Bytes> {
    let mut response = document(StatusCode::FORBIDDEN, body);
    let name = HeaderValue::from_static("AccessDeniedException");
    response.headers_mut().insert("x-amzn-errortype", name);
    response
}

fn failure(status: StatusCode) -> Response<Bytes> {
    with_body(status, Bytes::from_static(b"Internal Server Error"))
}

fn document(status: StatusCode, body: &serde_json::Value) -> Response<Bytes> {
    with_body(status, body.to_string().into())
}

fn with_body(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
