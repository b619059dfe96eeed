//! Answers of the endpoint.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};
use serde::Serialize;

pub(crate) type Answer = Response<Full<Bytes>>;

/// A whole document. No browser may guess its type or keep it.
pub(crate) fn document(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// A JSON document, closed with a line end for people with curl.
pub(crate) fn json(status: StatusCode, document_: &impl Serialize) -> Answer {
    match serde_json::to_vec(document_) {
        Ok(mut body) => {
            body.push(b'\n');
            document(status, "application/json", body)
        }
        // Our documents are maps with text keys and plain numbers, which always serialize.
        Err(_) => document(StatusCode::INTERNAL_SERVER_ERROR, "application/json", "{}\n"),
    }
}

/// A refusal of the own API, for people.
pub(crate) fn refusal(status: StatusCode, message: &str) -> Answer {
    json(status, &serde_json::json!({ "error": message }))
}

/// Adds a header whose value is ASCII; anything else is left out.
pub(crate) fn with_header(mut answer: Answer, name: &'static str, value: &str) -> Answer {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(HeaderName::from_static(name), value);
    }
    answer
}
