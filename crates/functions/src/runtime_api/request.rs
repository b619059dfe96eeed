//! Which call of the Runtime API a request head is. Source: Lambda 2.1.

use crate::environment::Answer;
use http1::{HeadLimits, RequestHead};

/// How long a request head of a runtime may be. A header of up to 64 KiB is known (`…-XRay-Error-Cause`).
pub(super) const HEAD_LIMITS: HeadLimits = HeadLimits {
    request_line_bytes_max: 8 * 1024,
    header_line_bytes_max: 80 * 1024,
    headers_bytes_max: 128 * 1024,
};

const ERROR_TYPE: &[u8] = b"Lambda-Runtime-Function-Error-Type";
const RESPONSE_MODE: &[u8] = b"Lambda-Runtime-Function-Response-Mode";

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call<'a> {
    Ping,
    Next,
    /// `/response` or `/error`, of this request id.
    Answer {
        id: &'a [u8],
        answer: Answer,
    },
    InitError,
    /// None of them.
    Unknown,
}

impl<'a> Call<'a> {
    pub(super) fn of(method: &[u8], path: &'a [u8]) -> Self {
        let Some(path) = path.strip_prefix(b"/2018-06-01/") else {
            return Self::Unknown;
        };
        match (method, path) {
            (b"GET", b"ping") => Self::Ping,
            (b"GET", b"runtime/invocation/next") => Self::Next,
            (b"POST", b"runtime/init/error") => Self::InitError,
            (b"POST", _) => Self::answer(path).unwrap_or(Self::Unknown),
            _ => Self::Unknown,
        }
    }

    fn answer(path: &'a [u8]) -> Option<Self> {
        let rest = path.strip_prefix(b"runtime/invocation/")?;
        let (id, answer) = match rest.strip_suffix(b"/response") {
            Some(id) => (id, Answer::Response),
            None => (rest.strip_suffix(b"/error")?, Answer::Error),
        };
        (!id.is_empty() && !id.contains(&b'/')).then_some(Self::Answer { id, answer })
    }
}

/// The value of the error type header; empty if there is none.
pub(super) fn error_type<'a>(head: &'a RequestHead, bytes: &'a [u8]) -> &'a [u8] {
    head.fields_named(bytes, ERROR_TYPE)
        .next()
        .map_or(b"", |(_, field)| field.value(bytes))
}

/// Is the response mode, if there is one, one that exists? A streamed answer is collected. Source: Lambda 2.6.
pub(super) fn response_mode_exists(head: &RequestHead, bytes: &[u8]) -> bool {
    head.fields_named(bytes, RESPONSE_MODE)
        .all(|(_, field)| field.value(bytes).eq_ignore_ascii_case(b"streaming"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls() {
        let answer = |answer| Call::Answer { id: b"id-1", answer };
        for (method, path, expected) in [
            ("GET", "/2018-06-01/ping", Call::Ping),
            ("GET", "/2018-06-01/runtime/invocation/next", Call::Next),
            ("POST", "/2018-06-01/runtime/init/error", Call::InitError),
            (
                "POST",
                "/2018-06-01/runtime/invocation/id-1/response",
                answer(Answer::Response),
            ),
            (
                "POST",
                "/2018-06-01/runtime/invocation/id-1/error",
                answer(Answer::Error),
            ),
            ("POST", "/2018-06-01/runtime/invocation/next", Call::Unknown),
            ("POST", "/2018-06-01/runtime/invocation//response", Call::Unknown),
            ("POST", "/2018-06-01/runtime/invocation/a/b/response", Call::Unknown),
            ("POST", "/2018-06-01/runtime/invocation/response", Call::Unknown),
            ("GET", "/2018-06-01/runtime/invocation/id-1/response", Call::Unknown),
            ("GET", "/2018-06-01/runtime/restore/next", Call::Unknown),
            ("GET", "/2020-01-01/extension/event/next", Call::Unknown),
            ("GET", "/", Call::Unknown),
            ("GET", "", Call::Unknown),
        ] {
            assert_eq!(
                Call::of(method.as_bytes(), path.as_bytes()),
                expected,
                "{method} {path}"
            );
        }
    }

    #[test]
    fn headers_are_found_in_any_case() {
        let read = |fields: &str| {
            let bytes = format!("POST / HTTP/1.1\r\n{fields}\r\n").into_bytes();
            let mut head = RequestHead::new();
            head.tokenize(&bytes).unwrap();
            (error_type(&head, &bytes).to_vec(), response_mode_exists(&head, &bytes))
        };
        assert_eq!(read(""), (b"".to_vec(), true));
        assert_eq!(
            read("lambda-runtime-function-error-type: A.B\r\n"),
            (b"A.B".to_vec(), true)
        );
        // LAM-R-018: an illegal response mode
        assert!(read("lambda-runtime-function-response-mode: Streaming\r\n").1);
        for illegal in ["buffered", "", "stream"] {
            assert!(
                !read(&format!("Lambda-Runtime-Function-Response-Mode: {illegal}\r\n")).1,
                "{illegal}"
            );
        }
    }
}
