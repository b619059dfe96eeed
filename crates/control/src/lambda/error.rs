//! Errors of Lambda's API on the wire. Source: Lambda 5.5, 5.6, 8.3.

use super::PAYLOAD_BYTES_MAX;
use crate::answer::{self, Answer};
use hyper::StatusCode;
use model::FunctionArn;
use serde_json::{Value, json};

/// One error. Which key its message has depends on its kind.
#[derive(Debug)]
pub(super) struct LambdaError {
    status: StatusCode,
    kind: &'static str,
    body: Value,
}

/// What a JSON parser found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParserError {
    pub(super) text: String,
    /// From 1.
    pub(super) line: usize,
    /// From 1.
    pub(super) column: usize,
}

impl LambdaError {
    fn new(status: StatusCode, kind: &'static str, body: Value) -> Self {
        Self { status, kind, body }
    }

    /// The function, or the version or alias of it.
    pub(super) fn not_found(arn: &FunctionArn, qualifier: Option<&str>) -> Self {
        let message = format!("Function not found: {arn}:{}", qualifier.unwrap_or("$LATEST"));
        Self::resource_not_found(&message)
    }

    pub(super) fn foreign_region(theirs: &str, ours: &str) -> Self {
        let message = format!("Functions from '{theirs}' are not reachable in this region ('{ours}')");
        Self::resource_not_found(&message)
    }

    fn resource_not_found(message: &str) -> Self {
        let body = json!({ "Message": message, "Type": "User" });
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", body)
    }

    pub(super) fn foreign_account() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "AccessDeniedException",
            json!({ "Message": null }),
        )
    }

    pub(super) fn invalid_parameter(message: &str) -> Self {
        let body = json!({ "Type": "User", "message": message });
        Self::new(StatusCode::BAD_REQUEST, "InvalidParameterValueException", body)
    }

    fn validation(value: &str, path: &str, rule: &str) -> Self {
        let message = format!(
            "1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: Member must {rule}"
        );
        Self::new(
            StatusCode::BAD_REQUEST,
            "ValidationException",
            json!({ "message": message }),
        )
    }

    pub(super) fn not_in_set(value: &str, path: &str, set: &str) -> Self {
        Self::validation(value, path, &format!("satisfy enum value set: {set}"))
    }

    pub(super) fn not_a_name(value: &str, path: &str, pattern: &str) -> Self {
        Self::validation(value, path, &format!("satisfy regular expression pattern: {pattern}"))
    }

    pub(super) fn invalid_content(message: &str) -> Self {
        let body = json!({ "Type": "User", "message": message });
        Self::new(StatusCode::BAD_REQUEST, "InvalidRequestContentException", body)
    }

    /// The prefix is AWS's; the parser's text is our parser's.
    pub(super) fn not_json(error: &ParserError) -> Self {
        let ParserError { text, line, column } = error;
        Self::invalid_content(&format!(
            "Could not parse request body into json: Could not parse payload into json: {text}\n at [Source: REDACTED \
             (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: {line}, column: {column}]"
        ))
    }

    /// Our words: the spec has none.
    pub(super) fn client_context() -> Self {
        Self::invalid_content("Client context must be a valid Base64-encoded JSON object.")
    }

    pub(super) fn too_large() -> Self {
        let message =
            format!("Request must be smaller than {PAYLOAD_BYTES_MAX} bytes for the InvokeFunction operation");
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLargeException",
            json!({ "message": message }),
        )
    }

    /// Source: Lambda 4.7.
    pub(super) fn throttled(has_reserved_concurrency: bool) -> Self {
        let reason = match has_reserved_concurrency {
            true => "ReservedFunctionConcurrentInvocationLimitExceeded",
            false => "ConcurrentInvocationLimitExceeded",
        };
        let body = json!({ "Reason": reason, "Type": "User", "message": "Rate Exceeded." });
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", body)
    }

    /// The package cannot be unpacked. The text is ours; what is wrong with it stands in the log.
    pub(super) fn invalid_zip_file() -> Self {
        Self::bad_gateway(
            "InvalidZipFileException",
            "The deployment package could not be unzipped.",
        )
    }

    /// Nothing here runs the function's runtime. The text is ours; what is missing stands in the log.
    pub(super) fn invalid_runtime() -> Self {
        Self::bad_gateway(
            "InvalidRuntimeException",
            "The runtime or the runtime version is not supported on this host.",
        )
    }

    fn bad_gateway(kind: &'static str, message: &str) -> Self {
        let body = json!({ "Message": message, "Type": "User" });
        Self::new(StatusCode::BAD_GATEWAY, kind, body)
    }

    pub(super) fn service() -> Self {
        let message = "An error occurred and the request cannot be processed.";
        let body = json!({ "Message": message, "Type": "Server" });
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", body)
    }

    /// AWS has it and albacore does not.
    pub(super) fn not_built(message: &str) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "NotImplementedException",
            json!({ "message": message }),
        )
    }

    pub(super) fn answer(self, request_id: &str) -> Answer {
        let answer = answer::json(self.status, &self.body);
        let answer = answer::with_header(answer, "x-amzn-errortype", self.kind);
        answer::with_header(answer, "x-amzn-requestid", request_id)
    }
}
