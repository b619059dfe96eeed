//! Errors of the AWS API, as code, status and message.

use hyper::StatusCode;
use std::borrow::Cow;
use wire::query::Complaint;

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AwsError {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
    /// The fields that break a rule of their own, where that is the error. The message tells all of them.
    pub(crate) violations: Vec<Complaint>,
}

/// Several fields that break rules of their own, as AWS tells of them. Source: Lambda 8.3, ALB 9.6.
pub(crate) fn detected<'a>(violations: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = violations.len();
    let errors = if count == 1 { "error" } else { "errors" };
    let all: Vec<_> = violations.collect();
    format!("{count} validation {errors} detected: {}", all.join("; "))
}

impl AwsError {
    /// The caller's fault, with status 400.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self::with_status(400, code, message)
    }

    pub(crate) fn with_status(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: Cow::Borrowed(code),
            message: message.into(),
            violations: Vec::new(),
        }
    }

    /// Fields that break rules of their own; there is one at least.
    pub(crate) fn violations(code: &'static str, violations: Vec<Complaint>) -> Self {
        let message = detected(violations.iter().map(|it| it.text.as_str()));
        Self {
            violations,
            ..Self::new(code, message)
        }
    }

    /// The result of reading fields, unless some of them were complained of: then the error tells of all of these, and of
    /// what the result tells of.
    pub(crate) fn or_violations<T>(
        result: Result<T, Self>,
        mut found: Vec<Complaint>,
        code: &'static str,
    ) -> Result<T, Self> {
        let last = match &result {
            // What cannot be read at all has no rules yet.
            Err(error) if error.is_malformed() => return result,
            Err(error) => error.violations.as_slice(),
            Ok(_) => &[],
        };
        if found.is_empty() {
            return result;
        }
        for violation in last {
            if found.iter().all(|it| it.place != violation.place) {
                found.push(violation.clone());
            }
        }
        Err(Self::violations(code, found))
    }

    fn is_malformed(&self) -> bool {
        matches!(
            self.code.as_ref(),
            "MalformedInput" | "MalformedQueryString" | "SerializationException"
        )
    }

    /// A value, or a combination of values, that the operation does not take.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationError", message)
    }

    /// AWS has it, albacore does not. SDKs do not try again after status 501.
    pub(crate) fn not_built(message: impl Into<String>) -> Self {
        Self::with_status(501, "NotImplemented", message)
    }

    /// Our fault.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::with_status(500, "InternalFailure", message)
    }

    /// The status as HTTP has it.
    pub(crate) fn http_status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Whether it is ours rather than the caller's.
    pub(crate) fn is_ours(&self) -> bool {
        self.status == 500 || self.status == 503
    }
}
