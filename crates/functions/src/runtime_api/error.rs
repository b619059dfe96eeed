//! The errors that a runtime posts, where they are not handed on as they are.

use crate::failure::{Failure, recorded_error_type};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The content type of a body that has more than callers shall see. Source: Lambda 2.4.
const CAUSE: &[u8] = b"application/vnd.aws.lambda.error.cause+json";

/// What is left of it, as it was written.
#[derive(Deserialize)]
struct Cause<'a> {
    #[serde(borrow, rename = "errorMessage")]
    message: Option<&'a RawValue>,
    #[serde(borrow, rename = "errorType")]
    error_type: Option<&'a RawValue>,
    #[serde(borrow, rename = "stackTrace")]
    stack_trace: Option<&'a RawValue>,
}

/// Does a body with this content type have more than callers shall see?
pub(super) fn is_cause(content_type: &[u8]) -> bool {
    let media_type = content_type.split(|&byte| byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(CAUSE)
}

/// Leaves of such a body what callers may see. One that is no JSON object is handed on as it is (unverified).
pub(super) fn without_cause(body: Bytes) -> Bytes {
    let Ok(cause) = serde_json::from_slice::<Cause<'_>>(&body) else {
        return body;
    };
    let mut reduced = Vec::with_capacity(body.len());
    for (name, value) in [
        ("errorMessage", cause.message),
        ("errorType", cause.error_type),
        ("stackTrace", cause.stack_trace),
    ] {
        if let Some(value) = value {
            reduced.extend(if reduced.is_empty() { b"{\"" } else { b",\"" });
            reduced.extend(name.as_bytes());
            reduced.extend(b"\":");
            reduced.extend(value.get().as_bytes());
        }
    }
    if reduced.is_empty() {
        reduced.push(b'{');
    }
    reduced.push(b'}');
    reduced.into()
}

/// The failure that the trailers of a streamed answer report. The bytes that were sent stand; only where there are none,
/// the error itself is the payload (unverified: Lambda 2.6 says so of a stream, and this one was collected).
pub(super) fn streamed_failure(error_type: &[u8], error_body: Option<&[u8]>, sent: Bytes) -> Failure {
    let payload = match error_body.and_then(|body| STANDARD.decode(body).ok()) {
        Some(error) if sent.is_empty() => error.into(),
        _ => sent,
    };
    Failure::Posted {
        error_type: recorded_error_type(error_type),
        payload,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_content_type_is_a_cause() {
        for (content_type, expected) in [
            ("application/vnd.aws.lambda.error.cause+json", true),
            ("Application/vnd.aws.lambda.error.cause+JSON ; charset=utf-8", true),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(is_cause(content_type.as_bytes()), expected, "{content_type}");
        }
    }

    #[test]
    fn a_cause_is_reduced_to_three_keys() {
        for (body, expected) in [
            (
                r#"{"stackTrace": [ "a" ], "paths":[1], "errorType":"T", "errorMessage":"m\n", "cause":{"errorType":"U"}}"#,
                r#"{"errorMessage":"m\n","errorType":"T","stackTrace":[ "a" ]}"#,
            ),
            (r#"{"errorType":7}"#, r#"{"errorType":7}"#),
            (r#"{"other":1}"#, "{}"),
            ("not json", "not json"),
            ("", ""),
        ] {
            assert_eq!(without_cause(Bytes::from_static(body.as_bytes())), expected, "{body}");
        }
    }

    // LAM-R-020: the trailers mark the invocation as failed, the bytes that were sent stand
    #[test]
    fn trailers_of_a_stream() {
        let failure = |body: Option<&str>, sent: &'static str| {
            streamed_failure(
                b"Function.Broken",
                body.map(str::as_bytes),
                Bytes::from_static(sent.as_bytes()),
            )
        };
        let posted = |payload: &'static str| Failure::Posted {
            error_type: "Function.Broken".to_owned(),
            payload: payload.into(),
        };
        assert_eq!(failure(Some("eyJhIjoxfQ=="), "sent"), posted("sent"));
        assert_eq!(failure(Some("eyJhIjoxfQ=="), ""), posted("{\"a\":1}"));
        assert_eq!(failure(Some("no base64!"), ""), posted(""));
        assert_eq!(failure(None, "sent"), posted("sent"));
        assert!(
            matches!(streamed_failure(b"odd", None, Bytes::new()), Failure::Posted { error_type, .. } if error_type == "Runtime.Unknown")
        );
    }
}
