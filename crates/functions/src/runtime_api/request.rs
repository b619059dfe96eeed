//! Which call of the Runtime API a request head is. Source: Lambda 2.1.

use super::answer::{Refusal, Reply};
use super::metadata;
use crate::environment::Answer;
use crate::extensions::GivesUp;
use crate::telemetry::Api;
use http1::desync::{self, Class};
use http1::{Framing, FramingError, HeadLimits, KnownName, RequestHead, Version};

/// How long a request head of a runtime may be. A header of up to 64 KiB is known (`…-XRay-Error-Cause`).
pub(super) const HEAD_LIMITS: HeadLimits = HeadLimits {
    request_line_bytes_max: 8 * 1024,
    header_line_bytes_max: 80 * 1024,
    headers_bytes_max: 128 * 1024,
};

const ERROR_TYPE: &[u8] = b"Lambda-Runtime-Function-Error-Type";
const ERROR_BODY: &[u8] = b"Lambda-Runtime-Function-Error-Body";
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
    Extension(ExtensionCall),
    /// With any method.
    Metadata,
    /// None of them.
    Unknown,
}

/// One call of the Extensions API. Source: Lambda 4.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExtensionCall {
    Register,
    Next,
    GivesUp(GivesUp),
    Subscribe(Api),
}

impl<'a> Call<'a> {
    pub(super) fn of(method: &[u8], path: &'a [u8]) -> Self {
        if path == metadata::PATH {
            return Self::Metadata;
        }
        let Some(path) = path.strip_prefix(b"/2018-06-01/") else {
            return Self::extension(method, path).unwrap_or(Self::Unknown);
        };
        match (method, path) {
            (b"GET", b"ping") => Self::Ping,
            (b"GET", b"runtime/invocation/next") => Self::Next,
            (b"POST", b"runtime/init/error") => Self::InitError,
            (b"POST", _) => Self::answer(path).unwrap_or(Self::Unknown),
            _ => Self::Unknown,
        }
    }

    fn extension(method: &[u8], path: &[u8]) -> Option<Self> {
        let path = match (method, path) {
            (b"PUT", b"/2022-07-01/telemetry") => {
                return Some(Self::Extension(ExtensionCall::Subscribe(Api::Telemetry)));
            }
            (b"PUT", b"/2020-08-15/logs") => return Some(Self::Extension(ExtensionCall::Subscribe(Api::Logs))),
            _ => path.strip_prefix(b"/2020-01-01/extension/")?,
        };
        Some(Self::Extension(match (method, path) {
            (b"POST", b"register") => ExtensionCall::Register,
            (b"GET", b"event/next") => ExtensionCall::Next,
            (b"POST", b"init/error") => ExtensionCall::GivesUp(GivesUp::Init),
            (b"POST", b"exit/error") => ExtensionCall::GivesUp(GivesUp::Exit),
            _ => return None,
        }))
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

/// Where the body of a request ends, if that can be read in one way only.
///
/// What a load balancer passes on after a repair, and what it only judges, is refused here: of a runtime's answer nobody
/// else would find out that it was cut. There is at most one `Content-Length`, a number; or one `Transfer-Encoding` that
/// ends in `chunked`, in HTTP/1.1; never both, nothing that resembles one of them, and no line that could be a part of
/// another.
///
/// # Errors
///
/// What answers the request; the connection is then of no use.
pub(super) fn framing(head: &RequestHead, bytes: &[u8]) -> Result<Framing, Reply> {
    let framing = http1::framing(head, bytes).map_err(|error| match error {
        FramingError::ChunkedNotLast => Reply::Refused(Refusal::Framing),
        FramingError::UnsupportedCoding | FramingError::UnsupportedVersion => Reply::Malformed(error.status()),
    })?;
    let lengths = head.fields_known(KnownName::ContentLength).count();
    let codings = head.fields_known(KnownName::TransferEncoding).count();
    let is_announced_once = match framing {
        // Where something was announced that cannot be read, the reading is that there is no body.
        Framing::None => lengths == 0 && codings == 0 && head.version() != Version::Http09,
        Framing::Length(_) => lengths == 1 && codings == 0,
        Framing::Chunked => lengths == 0 && codings == 1 && head.version() == Version::Http11,
    };
    let mut fields = head.fields().iter();
    let is_unclear = fields.any(|field| field.is_suspicious() || field.is_continuation())
        || desync::classify(head, bytes).class == Class::Severe;
    match is_announced_once && !is_unclear {
        true => Ok(framing),
        false => Err(Reply::Refused(Refusal::Framing)),
    }
}

/// How an answer comes. Source: Lambda 2.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseMode {
    /// Whole.
    Buffered,
    /// As a stream, whose trailers may say that it failed. It is collected all the same.
    Streaming,
    /// In a way that does not exist.
    Illegal,
}

/// The value of the error type header; empty if there is none.
pub(super) fn error_type<'a>(head: &'a RequestHead, bytes: &'a [u8]) -> &'a [u8] {
    first(head, bytes, ERROR_TYPE)
}

/// The same of the content type.
pub(super) fn content_type<'a>(head: &'a RequestHead, bytes: &'a [u8]) -> &'a [u8] {
    first(head, bytes, b"Content-Type")
}

/// The name that an extension registers with.
pub(super) fn extension_name<'a>(head: &'a RequestHead, bytes: &'a [u8]) -> &'a [u8] {
    first(head, bytes, b"Lambda-Extension-Name")
}

/// Who asks.
pub(super) fn authorization<'a>(head: &'a RequestHead, bytes: &'a [u8]) -> &'a [u8] {
    first(head, bytes, b"Authorization")
}

/// Who an extension is.
pub(super) fn extension_identifier<'a>(head: &'a RequestHead, bytes: &'a [u8]) -> &'a [u8] {
    first(head, bytes, b"Lambda-Extension-Identifier")
}

/// Why an extension gives up.
pub(super) fn extension_error_type<'a>(head: &'a RequestHead, bytes: &'a [u8]) -> &'a [u8] {
    first(head, bytes, b"Lambda-Extension-Function-Error-Type")
}

/// Does an extension want to know the account? The header is a list.
pub(super) fn accepts_account_id(head: &RequestHead, bytes: &[u8]) -> bool {
    let features = first(head, bytes, b"Lambda-Extension-Accept-Feature");
    features
        .split(|&byte| byte == b',')
        .any(|it| it.trim_ascii().eq_ignore_ascii_case(b"accountId"))
}

fn first<'a>(head: &'a RequestHead, bytes: &'a [u8], name: &'static [u8]) -> &'a [u8] {
    head.fields_named(bytes, name)
        .next()
        .map_or(b"", |(_, field)| field.value(bytes))
}

pub(super) fn response_mode(head: &RequestHead, bytes: &[u8]) -> ResponseMode {
    let mut modes = head.fields_named(bytes, RESPONSE_MODE).peekable();
    if modes.peek().is_none() {
        ResponseMode::Buffered
    } else if modes.all(|(_, field)| field.value(bytes).eq_ignore_ascii_case(b"streaming")) {
        ResponseMode::Streaming
    } else {
        ResponseMode::Illegal
    }
}

/// The error that the trailers of a streamed answer report: its type, and its document in base64. Source: Lambda 2.6.
pub(super) fn trailing_error<'a>(
    trailers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    let (mut error_type, mut body) = (None, None);
    for (name, value) in trailers {
        if name.eq_ignore_ascii_case(ERROR_TYPE) {
            error_type = Some(value);
        } else if name.eq_ignore_ascii_case(ERROR_BODY) {
            body = Some(value);
        }
    }
    Some((error_type?, body))
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
            (
                "GET",
                "/2020-01-01/extension/event/next",
                Call::Extension(ExtensionCall::Next),
            ),
            (
                "POST",
                "/2020-01-01/extension/register",
                Call::Extension(ExtensionCall::Register),
            ),
            (
                "POST",
                "/2020-01-01/extension/exit/error",
                Call::Extension(ExtensionCall::GivesUp(GivesUp::Exit)),
            ),
            ("GET", "/2020-01-01/extension/register", Call::Unknown),
            ("GET", "/2026-01-15/metadata/execution-environment", Call::Metadata),
            ("GET", "/2026-01-15/metadata/execution-environment/", Call::Unknown),
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

    fn framing_of(line: &str, fields: &str) -> Result<Framing, Reply> {
        let end = if line.contains("HTTP/") { "\r\n" } else { "" }; // 0.9 ends with its first line
        let bytes = format!("{line}\r\n{fields}{end}").into_bytes();
        let mut head = RequestHead::new();
        head.tokenize(&bytes).unwrap();
        framing(&head, &bytes)
    }

    #[test]
    fn a_body_that_could_end_elsewhere_is_refused() {
        let post = |fields| framing_of("POST /a HTTP/1.1", fields);
        for (fields, expected) in [
            ("", Framing::None),
            ("Content-Length: 0\r\n", Framing::Length(0)),
            ("content-length:  12 \r\n", Framing::Length(12)),
            ("Transfer-Encoding: Chunked\r\nTrailer: X\r\n", Framing::Chunked),
            // Odd, but nothing that has to do with the body.
            ("Content-Length: 3\r\nX-Cause: \u{fc}\r\n", Framing::Length(3)),
        ] {
            assert_eq!(post(fields), Ok(expected), "{fields:?}");
        }
        for fields in [
            "Content-Length: abc\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: +1\r\n",
            "Content-Length:\r\n",
            "Content-Length: 1\r\nContent-Length: 2\r\n",
            "Content-Length: 2\r\nContent-Length: 2\r\n",
            "Content-Length: 2, 2\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length : 2\r\n",
            "Content-Length:\r\n 2\r\n",
            "X: y\r\n Content-Length: 2\r\n",
            "Content_Length: 2\r\n",
            "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 2\r\nTransfer-Encoding: identity\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding : chunked\r\n",
        ] {
            assert_eq!(post(fields), Err(Reply::Refused(Refusal::Framing)), "{fields:?}");
        }
        let chunked = "Transfer-Encoding: chunked\r\n";
        for (line, fields, expected) in [
            ("POST /a HTTP/1.0", "Content-Length: 2\r\n", Ok(Framing::Length(2))),
            ("POST /a HTTP/1.0", chunked, Err(Reply::Refused(Refusal::Framing))),
            ("POST /a", "", Err(Reply::Refused(Refusal::Framing))),
            ("POST /a HTTP/2.0", "", Err(Reply::Malformed(505))),
            (
                "POST /a HTTP/1.1",
                "Transfer-Encoding: gzip, chunked\r\n",
                Err(Reply::Malformed(501)),
            ),
            ("GET /a HTTP/1.1", "Content-Length: 0\r\n", Ok(Framing::Length(0))),
        ] {
            assert_eq!(framing_of(line, fields), expected, "{line} {fields:?}");
        }
    }

    #[test]
    fn headers_are_found_in_any_case() {
        let read = |fields: &str| {
            let bytes = format!("POST / HTTP/1.1\r\n{fields}\r\n").into_bytes();
            let mut head = RequestHead::new();
            head.tokenize(&bytes).unwrap();
            (error_type(&head, &bytes).to_vec(), response_mode(&head, &bytes))
        };
        assert_eq!(read(""), (b"".to_vec(), ResponseMode::Buffered));
        assert_eq!(
            read("lambda-runtime-function-error-type: A.B\r\n"),
            (b"A.B".to_vec(), ResponseMode::Buffered)
        );
        // Any other mode is illegal.
        let mode = "lambda-runtime-function-response-mode: Streaming\r\n";
        assert_eq!(read(mode).1, ResponseMode::Streaming);
        for illegal in ["buffered", "", "stream"] {
            let illegal = format!("Lambda-Runtime-Function-Response-Mode: {illegal}\r\n");
            assert_eq!(read(&illegal).1, ResponseMode::Illegal, "{illegal}");
            assert_eq!(read(&format!("{mode}{illegal}")).1, ResponseMode::Illegal, "{illegal}");
        }
    }

    #[test]
    fn the_error_of_a_stream_is_in_its_trailers() {
        let found = |trailers: &[(&'static str, &'static str)]| {
            trailing_error(trailers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
        };
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[("lambda-runtime-function-error-body", "e30=")]), None);
        assert_eq!(
            found(&[("X", "y"), ("lambda-runtime-function-error-type", "A.B")]),
            Some((&b"A.B"[..], None))
        );
        assert_eq!(
            found(&[
                ("Lambda-Runtime-Function-Error-Body", "e30="),
                ("Lambda-Runtime-Function-Error-Type", "A.B")
            ]),
            Some((&b"A.B"[..], Some(&b"e30="[..])))
        );
    }
}
