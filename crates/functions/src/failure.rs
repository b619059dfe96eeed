//! How an invocation or an init fails, in Lambda's words.

use crate::json::write_string;
use crate::log::Status;
use crate::request_id::RequestId;
use crate::{ANSWER_BYTES_MAX, STREAM_BYTES_MAX};
use bytes::Bytes;
use invoke::{InvokeOutcome, InvokeRefusal, StreamError};
use sandbox::ExitStatus;
use std::borrow::Cow;
use std::time::Duration;

/// Why a function has failed. Source: Lambda 2.8, 5.8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The runtime posted the error itself; its bytes are handed on unchanged.
    Posted { error_type: String, payload: Bytes },
    /// The main process ended.
    Exited(ExitStatus),
    /// The function's timeout passed.
    TimedOut(Duration),
    /// There is no file to run.
    NoBootstrap,
    /// There is no code, for this reason.
    NoCode(String),
    /// The package cannot be unpacked.
    InvalidZipFile,
    /// There is nothing here that could run the code.
    InvalidRuntime,
    /// The network that it is to have is not to be had here.
    NoNetwork(String),
    /// The system refused to execute the file, with this error number.
    BadBootstrap(i32),
    /// The answer is over 6 MB.
    AnswerTooLarge,
    /// A streamed answer is over 200 MB.
    StreamTooLarge,
    /// The answer broke off.
    AnswerTruncated,
    /// The answer asked for a response mode that does not exist.
    ResponseMode,
    /// An extension failed.
    Extension {
        /// `Extension.Crash` and the like.
        error_type: String,
        /// What follows the request id.
        message: String,
    },
}

impl Failure {
    /// What the caller gets.
    pub(crate) fn outcome(self, id: &RequestId) -> InvokeOutcome {
        let error_type = self.error_type().to_owned();
        let payload = match self {
            Self::Posted { payload, .. } => payload,
            // The only one whose message does not name the request, and whose keys come in the other order.
            Self::AnswerTooLarge => too_large(ANSWER_BYTES_MAX as u64, &error_type),
            Self::StreamTooLarge => too_large(STREAM_BYTES_MAX, &error_type),
            // Lambda fails the call itself.
            Self::InvalidZipFile => return InvokeOutcome::Refused(InvokeRefusal::InvalidZipFile),
            Self::InvalidRuntime => return InvokeOutcome::Refused(InvokeRefusal::InvalidRuntime),
            other => {
                let mut payload = b"{\"errorType\":".to_vec();
                write_string(&mut payload, &error_type);
                payload.extend(b",\"errorMessage\":");
                write_string(&mut payload, &format!("RequestId: {id} Error: {}", other.message()));
                payload.push(b'}');
                payload.into()
            }
        };
        InvokeOutcome::FunctionError { error_type, payload }
    }

    /// What the caller gets who has read a part of the answer already.
    pub(crate) fn stream_error(self, id: &RequestId) -> StreamError {
        let error_type = self.error_type().to_owned();
        let payload = match self.outcome(id) {
            InvokeOutcome::FunctionError { payload, .. } | InvokeOutcome::Buffered(payload) => payload,
            // No answer begins where the function was not run.
            InvokeOutcome::Refused(refusal) => refusal.to_string().into(),
        };
        StreamError { error_type, payload }
    }

    /// The status of an init or an invocation that ended like this.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::TimedOut(_) => Status::Timeout,
            // The payload is that of any other kill. Source: Lambda 2.8.
            Self::Exited(ExitStatus::OutOfMemory) => Status::out_of_memory(),
            other => Status::Error(other.error_type().to_owned()),
        }
    }

    /// The same when the runtime goes on. An error that it has posted itself is then no failure of the platform's
    /// (unverified: REPORT lines with a status were only found for other failures).
    pub(crate) fn answered_status(&self) -> Status {
        match self {
            Self::Posted { .. } => Status::Success,
            other => other.status(),
        }
    }

    fn error_type(&self) -> &str {
        match self {
            Self::Posted { error_type, .. } | Self::Extension { error_type, .. } => error_type,
            Self::Exited(_) => "Runtime.ExitError",
            Self::TimedOut(_) => "Sandbox.Timedout",
            Self::NoBootstrap | Self::NoCode(_) | Self::BadBootstrap(_) => "Runtime.InvalidEntrypoint",
            Self::InvalidZipFile => "InvalidZipFileException",
            Self::InvalidRuntime => "InvalidRuntimeException",
            // Lambda has none for this.
            Self::NoNetwork(_) => "Albacore.NoNetwork",
            Self::AnswerTooLarge | Self::StreamTooLarge => "Function.ResponseSizeTooLarge",
            Self::AnswerTruncated => "Runtime.TruncatedResponse",
            Self::ResponseMode => "Runtime.InvalidResponseModeHeader",
        }
    }

    /// What follows the request id.
    pub(crate) fn message(&self) -> Cow<'_, str> {
        match self {
            Self::Exited(ExitStatus::Code(0)) => "Runtime exited without providing a reason".into(),
            Self::Exited(status) => format!("Runtime exited with error: {status}").into(),
            Self::TimedOut(timeout) => format!("Task timed out after {:.2} seconds", timeout.as_secs_f64()).into(),
            Self::NoBootstrap => "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".into(),
            Self::BadBootstrap(errno) => exec_error("/var/task/bootstrap", *errno).into(),
            Self::NoCode(message) | Self::NoNetwork(message) | Self::Extension { message, .. } => message.into(),
            Self::AnswerTruncated => "HTTP request detected as truncated".into(),
            Self::ResponseMode => "Invalid function response mode".into(),
            // These have payloads of their own, or none.
            Self::Posted { .. }
            | Self::AnswerTooLarge
            | Self::StreamTooLarge
            | Self::InvalidZipFile
            | Self::InvalidRuntime => "".into(),
        }
    }
}

fn too_large(bytes_max: u64, error_type: &str) -> Bytes {
    format!(
        r#"{{"errorMessage":"Response payload size exceeded maximum allowed payload size ({bytes_max} bytes).","errorType":"{error_type}"}}"#
    )
    .into()
}

/// A program could not be executed, in Lambda's words.
pub(crate) fn exec_error(program: &str, errno: i32) -> String {
    format!("fork/exec {program}: {}", errno_text(errno))
}

/// Go's words for the errors of `execve`.
fn errno_text(errno: i32) -> String {
    match errno {
        2 => "no such file or directory".to_owned(),
        8 => "exec format error".to_owned(),
        13 => "permission denied".to_owned(),
        26 => "text file busy".to_owned(),
        _ => format!("errno {errno}"),
    }
}

/// What the header `Lambda-Runtime-Function-Error-Type` is recorded as: itself if it is
/// `(Runtime|Function).[A-Z][a-zA-Z]+`. Source: Lambda 2.4.
pub(crate) fn recorded_error_type(header: &[u8]) -> String {
    let is_word =
        |word: &[u8]| word.len() >= 2 && word[0].is_ascii_uppercase() && word.iter().all(u8::is_ascii_alphabetic);
    let word = header
        .strip_prefix(b"Runtime.")
        .or_else(|| header.strip_prefix(b"Function."));
    match std::str::from_utf8(header) {
        Ok(text) if word.is_some_and(is_word) => text.to_owned(),
        _ if header.starts_with(b"Function.") => "Function.Unknown".to_owned(),
        _ => "Runtime.Unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request_id::RequestIds;

    // LAM-R-024, LAM-R-025, LAM-R-026, LAM-R-027, LAM-R-028: the default payloads
    #[test]
    fn payloads_are_lambdas() {
        let id = RequestIds::new().fresh().unwrap();
        let killed = ExitStatus::Signal {
            signal: 9,
            core_dumped: false,
        };
        for (failure, expected_type, expected_text) in [
            (
                Failure::Exited(ExitStatus::Code(0)),
                "Runtime.ExitError",
                "Runtime exited without providing a reason",
            ),
            (
                Failure::Exited(ExitStatus::Code(1)),
                "Runtime.ExitError",
                "Runtime exited with error: exit status 1",
            ),
            (
                Failure::Exited(killed),
                "Runtime.ExitError",
                "Runtime exited with error: signal: killed",
            ),
            (
                Failure::TimedOut(Duration::from_secs(3)),
                "Sandbox.Timedout",
                "Task timed out after 3.00 seconds",
            ),
            (
                Failure::NoBootstrap,
                "Runtime.InvalidEntrypoint",
                "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]",
            ),
            (
                Failure::BadBootstrap(13),
                "Runtime.InvalidEntrypoint",
                "fork/exec /var/task/bootstrap: permission denied",
            ),
        ] {
            let expected =
                format!(r#"{{"errorType":"{expected_type}","errorMessage":"RequestId: {id} Error: {expected_text}"}}"#);
            let outcome = failure.outcome(&id);
            assert_eq!(
                outcome,
                InvokeOutcome::FunctionError {
                    error_type: expected_type.to_owned(),
                    payload: expected.into()
                }
            );
        }
    }

    #[test]
    fn a_reason_in_words_stays_json() {
        let id = RequestIds::new().fresh().unwrap();
        let reason = "\"a\\b\"\n\u{1}ä";
        let InvokeOutcome::FunctionError { payload, .. } = Failure::NoCode(reason.to_owned()).outcome(&id) else {
            panic!("a failure of the function");
        };
        let document: std::collections::HashMap<String, String> = serde_json::from_slice(&payload).unwrap();
        assert_eq!(document["errorMessage"], format!("RequestId: {id} Error: {reason}"));
    }

    // Source: Lambda 5.6
    #[test]
    fn what_lambda_refuses_to_run_is_no_error_of_the_function() {
        let id = RequestIds::new().fresh().unwrap();
        for (failure, refusal, error_type) in [
            (
                Failure::InvalidZipFile,
                InvokeRefusal::InvalidZipFile,
                "InvalidZipFileException",
            ),
            (
                Failure::InvalidRuntime,
                InvokeRefusal::InvalidRuntime,
                "InvalidRuntimeException",
            ),
        ] {
            assert_eq!(failure.status(), Status::Error(error_type.to_owned()));
            assert_eq!(failure.outcome(&id), InvokeOutcome::Refused(refusal));
        }
    }

    #[test]
    fn the_log_calls_a_posted_error_an_error_only_when_the_runtime_is_lost() {
        let posted = Failure::Posted {
            error_type: "Runtime.Broken".to_owned(),
            payload: Bytes::new(),
        };
        assert_eq!(posted.status(), Status::Error("Runtime.Broken".to_owned()));
        assert_eq!(posted.answered_status(), Status::Success);
        let too_large = Status::Error("Function.ResponseSizeTooLarge".to_owned());
        assert_eq!(Failure::AnswerTooLarge.answered_status(), too_large);
        assert_eq!(Failure::TimedOut(Duration::ZERO).answered_status(), Status::Timeout);
    }

    // Source: Lambda 2.3, 2.6
    #[test]
    fn an_answer_that_is_too_large_says_how_large_it_may_be() {
        let id = RequestIds::new().fresh().unwrap();
        for (failure, limit) in [
            (Failure::AnswerTooLarge, "6291556"),
            (Failure::StreamTooLarge, "209715200"),
        ] {
            let error = failure.stream_error(&id);
            assert_eq!(error.error_type, "Function.ResponseSizeTooLarge");
            let expected = format!(
                "{{\"errorMessage\":\"Response payload size exceeded maximum allowed payload size ({limit} bytes).\",\
                 \"errorType\":\"Function.ResponseSizeTooLarge\"}}"
            );
            assert_eq!(error.payload, expected);
        }
    }

    // LAM-R-032: an error type that does not match is recorded as unknown
    #[test]
    fn recorded_error_types() {
        for (header, expected) in [
            ("Runtime.UnknownReason", "Runtime.UnknownReason"),
            ("Function.MyError", "Function.MyError"),
            ("Function.myError", "Function.Unknown"),
            ("Function.A", "Function.Unknown"),
            ("Function.", "Function.Unknown"),
            ("Runtime.A1", "Runtime.Unknown"),
            ("unhandled", "Runtime.Unknown"),
            ("", "Runtime.Unknown"),
        ] {
            assert_eq!(recorded_error_type(header.as_bytes()), expected, "{header}");
        }
    }
}
