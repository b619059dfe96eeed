//! Errors of Lambda's API on the wire. Source: Lambda 5.5, 5.6, 8.3.

use super::PAYLOAD_BYTES_MAX;
use crate::answer::{self, Answer};
use crate::aws::error::detected;
use hyper::StatusCode;
use hyper::http::request::Parts;
use model::FunctionArn;
use serde_json::{Value, json};
use wire::query::Complaint;

/// What an error repeats of a path.
const PATH_CHARS_SHOWN: usize = 200;

/// One error. Which key its message has depends on its kind.
#[derive(Debug)]
pub(crate) struct LambdaError {
    status: StatusCode,
    kind: &'static str,
    body: Value,
    /// The members that break a rule of their own, where that is the error. The message tells all of them.
    violations: Vec<Complaint>,
}

/// What a JSON parser found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ParserError {
    pub(crate) text: String,
    /// From 1.
    pub(crate) line: usize,
    /// From 1.
    pub(crate) column: usize,
}

impl LambdaError {
    fn new(status: StatusCode, kind: &'static str, body: Value) -> Self {
        let violations = Vec::new();
        Self {
            status,
            kind,
            body,
            violations,
        }
    }

    /// Whether the body could not be read at all: its members have no rules yet.
    pub(crate) fn is_about_content(&self) -> bool {
        self.kind == "InvalidRequestContentException"
    }

    /// The members that break a rule of their own, if that is the error.
    pub(crate) fn into_violations(self) -> Result<Vec<Complaint>, Self> {
        match self.violations.is_empty() {
            true => Err(self),
            false => Ok(self.violations),
        }
    }

    /// The function, or the version or alias of it.
    pub(crate) fn not_found(arn: &FunctionArn, qualifier: Option<&str>) -> Self {
        let message = format!("Function not found: {arn}:{}", qualifier.unwrap_or("$LATEST"));
        Self::resource_not_found(&message)
    }

    pub(crate) fn foreign_region(theirs: &str, ours: &str) -> Self {
        let message = format!("Functions from '{theirs}' are not reachable in this region ('{ours}')");
        Self::resource_not_found(&message)
    }

    pub(crate) fn resource_not_found(message: &str) -> Self {
        let body = json!({ "Message": message, "Type": "User" });
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", body)
    }

    /// Source: Lambda 6.4.
    pub(crate) fn conflict(message: &str) -> Self {
        let body = json!({ "Type": "User", "message": message });
        Self::new(StatusCode::CONFLICT, "ResourceConflictException", body)
    }

    /// Source: Lambda 6.4.
    pub(crate) fn stale_policy() -> Self {
        let message = "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve \
                       the latest Revision Id";
        let body = json!({ "Type": "User", "message": message });
        Self::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailedException", body)
    }

    /// `apis` is what to call for the latest one. Source: Lambda 8.4.
    pub(crate) fn stale(apis: &str) -> Self {
        let message = format!(
            "The Revision Id provided does not match the latest Revision Id. Call the {apis} API to retrieve the latest \
             Revision Id"
        );
        let body = json!({ "Type": "User", "message": message });
        Self::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailedException", body)
    }

    /// Messages that AWS sends without `Type`. Source: Lambda 8.4.
    pub(crate) fn untyped_parameter(message: &str) -> Self {
        let body = json!({ "message": message });
        Self::new(StatusCode::BAD_REQUEST, "InvalidParameterValueException", body)
    }

    /// Source: Lambda 8.4.
    pub(crate) fn no_provisioned_concurrency() -> Self {
        let body = json!({ "Type": "User", "message": "No Provisioned Concurrency Config found for this function" });
        Self::new(
            StatusCode::NOT_FOUND,
            "ProvisionedConcurrencyConfigNotFoundException",
            body,
        )
    }

    /// Source: Lambda 8.4.
    pub(crate) fn no_code_signing_config(arn: &str) -> Self {
        let message = format!(
            "The code signing configuration cannot be found. Check that the provided configuration is not deleted: {arn}."
        );
        let body = json!({ "Message": message, "Type": "User" });
        Self::new(StatusCode::NOT_FOUND, "CodeSigningConfigNotFoundException", body)
    }

    /// One that is asked for itself; AWS sends it without `Type`. Source: Lambda 8.4.
    pub(crate) fn no_signing_config(arn: &str) -> Self {
        let body = json!({ "Message": format!("The Lambda code signing configuration {arn} can not be found.") });
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", body)
    }

    /// Source: Lambda 1.7.
    pub(crate) fn too_large_body(bytes_max: usize, operation: &str) -> Self {
        Self::entity_too_large(&format!(
            "Request must be smaller than {bytes_max} bytes for the {operation} operation"
        ))
    }

    /// Source: Lambda 1.7.
    pub(crate) fn entity_too_large(message: &str) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLargeException",
            json!({ "message": message }),
        )
    }

    /// Source: Lambda 1.7.
    pub(crate) fn code_storage_exceeded() -> Self {
        let body = json!({ "Type": "User", "message": "Code storage limit exceeded." });
        Self::new(StatusCode::BAD_REQUEST, "CodeStorageExceededException", body)
    }

    /// It could not be done now; the text says why, for people. Source: Lambda 8.3, for the status.
    pub(crate) fn unavailable(message: &str) -> Self {
        let body = json!({ "Message": message, "Type": "Server" });
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", body)
    }

    /// Source: Lambda 6.1. The words are ours.
    pub(crate) fn policy_too_long() -> Self {
        let body = json!({ "Type": "User", "message": "The final policy size is bigger than the limit (20480)." });
        Self::new(StatusCode::BAD_REQUEST, "PolicyLengthExceededException", body)
    }

    /// Source: Lambda 4.10. The words are ours.
    pub(crate) fn recursive() -> Self {
        let message = "Lambda has detected the function being invoked in a recursive loop with other functions, and stopped \
                       it. To allow such loops, set the function's recursive loop configuration to Allow.";
        let body = json!({ "Message": message, "Type": "User" });
        Self::new(StatusCode::BAD_REQUEST, "RecursiveInvocationException", body)
    }

    pub(crate) fn foreign_account() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "AccessDeniedException",
            json!({ "Message": null }),
        )
    }

    /// Somebody may not do something.
    pub(crate) fn denied(message: &str) -> Self {
        let body = json!({ "Message": message });
        Self::new(StatusCode::FORBIDDEN, "AccessDeniedException", body)
    }

    pub(crate) fn invalid_parameter(message: &str) -> Self {
        let body = json!({ "Type": "User", "message": message });
        Self::new(StatusCode::BAD_REQUEST, "InvalidParameterValueException", body)
    }

    /// An object that a call names and that is not there for it. Source: Lambda 1.7; the words are S3's and Lambda's.
    pub(crate) fn object(bucket: &str, key: &str, code: &str, message: &str) -> Self {
        if code != "AccessDenied" {
            return Self::invalid_parameter(&format!(
                "Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
            ));
        }
        let message = format!(
            "Your access has been denied by S3, please make sure your request credentials have permission to GetObject for \
             {bucket}/{key}. S3 Error Code: {code}. S3 Error Message: {message}"
        );
        let body = json!({ "Message": message });
        Self::new(StatusCode::FORBIDDEN, "AccessDeniedException", body)
    }

    fn validation(value: &str, path: &str, rule: &str) -> Self {
        Self::violation(
            path,
            format!("Value '{value}' at '{path}' failed to satisfy constraint: Member must {rule}"),
        )
    }

    /// One member, in AWS's words.
    pub(crate) fn violation(path: &str, text: String) -> Self {
        let place = path.to_owned();
        Self::all_violations(vec![Complaint { place, text }])
    }

    /// Several members at once; there is one at least. Source: Lambda 8.3.
    pub(crate) fn all_violations(violations: Vec<Complaint>) -> Self {
        let message = detected(violations.iter().map(|it| it.text.as_str()));
        let body = json!({ "message": message });
        Self {
            violations,
            ..Self::new(StatusCode::BAD_REQUEST, "ValidationException", body)
        }
    }

    /// A value that breaks a rule; what stands after "Member must". Source: Lambda 8.3.
    pub(crate) fn constraint(value: &str, path: &str, rule: &str) -> Self {
        Self::validation(value, path, rule)
    }

    /// A member that is missing. Source: Lambda 8.3.
    pub(crate) fn null(path: &str) -> Self {
        let text = format!("Value null at '{path}' failed to satisfy constraint: Member must not be null");
        Self::violation(path, text)
    }

    /// Several at once, each as AWS words them.
    pub(crate) fn violations(found: &[String]) -> Self {
        let complaint = |text: &String| Complaint {
            place: text.clone(),
            text: text.clone(),
        };
        Self::all_violations(found.iter().map(complaint).collect())
    }

    /// Source: Lambda 5.6.
    pub(crate) fn event_too_large(bytes: usize, bytes_max: usize) -> Self {
        let message =
            format!("{bytes} byte payload is too large for the Event invocation type (limit {bytes_max} bytes)");
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLargeException",
            json!({ "message": message }),
        )
    }

    pub(crate) fn not_in_set(value: &str, path: &str, set: &str) -> Self {
        Self::validation(value, path, &format!("satisfy enum value set: {set}"))
    }

    pub(crate) fn not_a_name(value: &str, path: &str, pattern: &str) -> Self {
        Self::validation(value, path, &format!("satisfy regular expression pattern: {pattern}"))
    }

    pub(crate) fn invalid_content(message: &str) -> Self {
        let body = json!({ "Type": "User", "message": message });
        Self::new(StatusCode::BAD_REQUEST, "InvalidRequestContentException", body)
    }

    /// The prefix is AWS's; the parser's text is our parser's.
    pub(crate) fn not_json(error: &ParserError) -> Self {
        let ParserError { text, line, column } = error;
        Self::invalid_content(&format!(
            "Could not parse request body into json: Could not parse payload into json: {text}\n at [Source: REDACTED \
             (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: {line}, column: {column}]"
        ))
    }

    /// Our words: the spec has none.
    pub(crate) fn client_context() -> Self {
        Self::invalid_content("Client context must be a valid Base64-encoded JSON object.")
    }

    pub(crate) fn too_large() -> Self {
        let message =
            format!("Request must be smaller than {PAYLOAD_BYTES_MAX} bytes for the InvokeFunction operation");
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLargeException",
            json!({ "message": message }),
        )
    }

    /// Source: Lambda 4.7.
    pub(crate) fn throttled(has_reserved_concurrency: bool) -> Self {
        let reason = match has_reserved_concurrency {
            true => "ReservedFunctionConcurrentInvocationLimitExceeded",
            false => "ConcurrentInvocationLimitExceeded",
        };
        let body = json!({ "Reason": reason, "Type": "User", "message": "Rate Exceeded." });
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", body)
    }

    /// The package cannot be unpacked. The text is ours; what is wrong with it stands in the log.
    pub(crate) fn invalid_zip_file() -> Self {
        Self::bad_gateway(
            "InvalidZipFileException",
            "The deployment package could not be unzipped.",
        )
    }

    /// Nothing here runs the function's runtime. The text is ours; what is missing stands in the log.
    pub(crate) fn invalid_runtime() -> Self {
        Self::bad_gateway(
            "InvalidRuntimeException",
            "The runtime or the runtime version is not supported on this host.",
        )
    }

    fn bad_gateway(kind: &'static str, message: &str) -> Self {
        let body = json!({ "Message": message, "Type": "User" });
        Self::new(StatusCode::BAD_GATEWAY, kind, body)
    }

    pub(crate) fn service() -> Self {
        let message = "An error occurred and the request cannot be processed.";
        let body = json!({ "Message": message, "Type": "Server" });
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", body)
    }

    /// AWS has it and albacore does not.
    pub(crate) fn not_built(message: &str) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "NotImplementedException",
            json!({ "message": message }),
        )
    }

    /// Neither AWS nor albacore has it. The text is ours. Source: Lambda 8.17.
    pub(crate) fn unknown_operation(parts: &Parts) -> Self {
        let path: String = parts.uri.path().chars().take(PATH_CHARS_SHOWN).collect();
        let message = format!("Lambda has no operation {} {path}", parts.method);
        let body = json!({ "Message": message, "Type": "User" });
        Self::new(StatusCode::NOT_FOUND, "UnknownOperationException", body)
    }

    pub(crate) fn answer(self, request_id: &str) -> Answer {
        let answer = answer::json(self.status, &self.body);
        let answer = answer::with_header(answer, "x-amzn-errortype", self.kind);
        answer::with_header(answer, "x-amzn-requestid", request_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: Lambda 8.3. SDKs try both again, and what they make of the status is AWS's.
    #[test]
    fn what_fails_on_our_side_has_the_status_of_a_service_exception() {
        for error in [LambdaError::service(), LambdaError::unavailable("the disk is full")] {
            let answer = error.answer("id");
            assert_eq!(answer.status(), 500);
            assert_eq!(answer.headers()["x-amzn-errortype"], "ServiceException");
        }
    }
}
