//! Errors of the AWS API, as code, status and message.

use hyper::StatusCode;
use std::borrow::Cow;

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AwsError {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
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
        }
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
