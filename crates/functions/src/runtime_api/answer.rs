//! The bytes that the Runtime API answers with.

use crate::ANSWER_BYTES_MAX;
use crate::json::write_string;
use crate::request_id::RequestId;
use http1::{FieldError, ResponseWriter};
use invoke::Invocation;
use std::borrow::Cow;

const CLIENT_CONTEXT: &[u8] = b"Lambda-Runtime-Client-Context";

/// Why a request of a runtime is refused. Source: Lambda 2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The id is not that of the invocation in progress.
    RequestId,
    /// Not now.
    Transition {
        /// The state that the runtime is in.
        from: &'static str,
        /// The state that the request would lead to.
        to: &'static str,
    },
    /// A response mode that does not exist.
    ResponseMode,
    /// The body broke off.
    Truncated,
    /// Where the body ends can be read in several ways or in none. It has the type of a body that broke off, because
    /// Lambda has none of its own for this and runtimes know that one; the message is ours.
    Framing,
    /// The body is over 6 MB.
    TooLarge,
}

impl Refusal {
    fn parts(self) -> (u16, &'static str, &'static str, Cow<'static, str>) {
        match self {
            Self::RequestId => (400, "Bad Request", "InvalidRequestID", "Invalid request ID".into()),
            Self::Transition { from, to } => (
                403,
                "Forbidden",
                "InvalidStateTransition",
                format!(
                    "State transition from {from} to {to} failed for runtime. Error: State transition is not allowed"
                )
                .into(),
            ),
            Self::ResponseMode => (
                400,
                "Bad Request",
                "InvalidFunctionResponseMode",
                "Invalid function response mode".into(),
            ),
            Self::Truncated => (
                400,
                "Bad Request",
                "TruncatedHTTPRequest",
                "HTTP request detected as truncated".into(),
            ),
            Self::Framing => (
                400,
                "Bad Request",
                "TruncatedHTTPRequest",
                "HTTP request refused: its Content-Length or Transfer-Encoding is ambiguous or cannot be read".into(),
            ),
            Self::TooLarge => (
                413,
                "Request Entity Too Large",
                "RequestEntityTooLarge",
                format!("Exceeded maximum allowed payload size ({ANSWER_BYTES_MAX} bytes).").into(),
            ),
        }
    }
}

/// Everything but the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// To `ping`.
    Pong,
    /// What was posted is taken.
    Accepted,
    Refused(Refusal),
    /// No such path.
    NotFound,
    /// Not a request that can be read; the status says why.
    Malformed(u16),
}

/// Writes a whole response.
pub(super) fn write_reply(out: &mut Vec<u8>, reply: Reply, keep_alive: bool) {
    const JSON: &[u8] = b"application/json";
    const TEXT: &[u8] = b"text/plain; charset=utf-8";
    let (status, phrase, content_type, body): (u16, &str, &[u8], Cow<'_, str>) = match reply {
        Reply::Pong => (200, "OK", TEXT, "pong".into()),
        Reply::Accepted => (202, "Accepted", JSON, "{\"status\":\"OK\"}\n".into()),
        Reply::Refused(refusal) => {
            let (status, phrase, error_type, message) = refusal.parts();
            // None of the texts has a quote, a backslash or a control character.
            let body = format!("{{\"errorMessage\":\"{message}\",\"errorType\":\"{error_type}\"}}\n");
            (status, phrase, JSON, body.into())
        }
        Reply::NotFound => (404, "Not Found", TEXT, "404 page not found\n".into()),
        Reply::Malformed(status) => (status, phrase(status), TEXT, "the request cannot be read\n".into()),
    };
    let written = write_head(out, status, phrase.as_bytes(), |writer| {
        writer.field(b"Content-Type", content_type)?;
        writer.content_length(body.len() as u64)?;
        if !keep_alive {
            writer.connection(false);
        }
        Ok(())
    });
    debug_assert!(written.is_ok(), "every part is ours");
    out.extend_from_slice(body.as_bytes());
}

/// A whole answer with a JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) status: u16,
    /// Who the extension is that has registered.
    pub(super) identifier: Option<RequestId>,
    /// It may be kept for half a day.
    pub(super) is_immutable: bool,
    pub(super) body: Vec<u8>,
}

impl Document {
    pub(super) fn accepted() -> Self {
        Self::of(202, b"{\"status\":\"OK\"}".to_vec())
    }

    pub(super) fn json(status: u16, document: &serde_json::Value) -> Self {
        Self::of(status, document.to_string().into_bytes())
    }

    pub(super) fn error(status: u16, error_type: &str, message: &str) -> Self {
        let mut body = b"{\"errorMessage\":".to_vec();
        write_string(&mut body, message);
        body.extend(b",\"errorType\":");
        write_string(&mut body, error_type);
        body.push(b'}');
        Self::of(status, body)
    }

    fn of(status: u16, mut body: Vec<u8>) -> Self {
        body.push(b'\n');
        Self {
            status,
            identifier: None,
            is_immutable: false,
            body,
        }
    }
}

pub(super) fn write_document(out: &mut Vec<u8>, document: &Document, keep_alive: bool) {
    let phrase: &[u8] = match document.status {
        200 => b"OK",
        202 => b"Accepted",
        401 => b"Unauthorized",
        403 => b"Forbidden",
        405 => b"Method Not Allowed",
        _ => b"Bad Request",
    };
    let written = write_head(out, document.status, phrase, |writer| {
        writer.field(b"Content-Type", b"application/json")?;
        if let Some(identifier) = &document.identifier {
            writer.field(b"Lambda-Extension-Identifier", identifier.as_bytes())?;
        }
        if document.is_immutable {
            writer.field(b"Cache-Control", b"private, max-age=43200, immutable")?;
        }
        writer.content_length(document.body.len() as u64)?;
        if !keep_alive {
            writer.connection(false);
        }
        Ok(())
    });
    debug_assert!(written.is_ok(), "every part is ours");
    out.extend_from_slice(&document.body);
}

/// Writes an event of an extension, which has this id. Source: Lambda 4.5.
pub(crate) fn write_extension_event(out: &mut Vec<u8>, id: &RequestId, event: &[u8]) {
    let written = write_head(out, 200, b"OK", |writer| {
        writer.field(b"Content-Type", b"application/json")?;
        writer.field(b"Lambda-Extension-Event-Identifier", id.as_bytes())?;
        writer.content_length(event.len() as u64)
    });
    debug_assert!(written.is_ok(), "every part is ours");
    out.extend_from_slice(event);
}

/// Writes the response head of an event into `out`, from its beginning. Source: Lambda 2.2.
pub(crate) fn write_event_head(out: &mut Vec<u8>, id: &RequestId, deadline_ms: u64, invocation: &Invocation) {
    out.clear();
    let written = write_head(out, 200, b"OK", |writer| {
        writer.field(b"Content-Type", b"application/json")?;
        writer.field(b"Lambda-Runtime-Aws-Request-Id", id.as_bytes())?;
        writer.field(
            b"Lambda-Runtime-Deadline-Ms",
            itoa::Buffer::new().format(deadline_ms).as_bytes(),
        )?;
        writer.field(
            b"Lambda-Runtime-Invoked-Function-Arn",
            invocation.function.as_str().as_bytes(),
        )?;
        if let Some(trace_id) = invocation.trace_id.as_deref().filter(|trace_id| !trace_id.is_empty()) {
            // It comes from a client. One that cannot stand in a header is left out, as if the client had sent none.
            let _ = writer.field(b"Lambda-Runtime-Trace-Id", trace_id.as_bytes());
        }
        if let Some(context) = invocation
            .client_context
            .as_deref()
            .filter(|context| !context.is_empty())
        {
            writer.field(CLIENT_CONTEXT, context.as_bytes())?;
        }
        writer.content_length(invocation.payload.len() as u64)
    });
    debug_assert!(
        written.is_ok(),
        "the client context was looked at, and the rest is ours"
    );
}

/// The standard phrase of a status that a request which cannot be read is answered with.
fn phrase(status: u16) -> &'static str {
    match status {
        414 => "URI Too Long",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        505 => "HTTP Version Not Supported",
        _ => "Bad Request",
    }
}

fn write_head<'a>(
    out: &'a mut Vec<u8>,
    status: u16,
    phrase: &[u8],
    fields: impl FnOnce(&mut ResponseWriter<'a>) -> Result<(), FieldError>,
) -> Result<(), FieldError> {
    let mut writer = ResponseWriter::begin(out, status, phrase)?;
    fields(&mut writer)?;
    writer.end();
    Ok(())
}

/// Can this stand in a header as it is? The values that are handed on to a runtime come from outside.
pub(crate) fn is_field_value(text: &str) -> bool {
    let mut scratch = Vec::new();
    let written = write_head(&mut scratch, 200, b"OK", |writer| {
        writer.field(CLIENT_CONTEXT, text.as_bytes())
    });
    written.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request_id::RequestIds;
    use bytes::Bytes;
    use model::{AccountId, FunctionArn, Region, Scope};

    #[track_caller]
    fn check(reply: Reply, keep_alive: bool, expected: &str) {
        let mut out = b"before".to_vec();
        write_reply(&mut out, reply, keep_alive);
        assert_eq!(String::from_utf8(out).unwrap(), format!("before{expected}"));
    }

    // LAM-R-010: 202 with {"status":"OK"} and Content-Type application/json
    // LAM-R-017: error bodies have exactly errorMessage and errorType
    #[test]
    fn replies() {
        let accepted = "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n";
        check(Reply::Accepted, true, accepted);
        let not_now = Refusal::Transition {
            from: "Ready",
            to: "InitError",
        };
        check(
            Reply::Refused(not_now),
            true,
            "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 156\r\n\r\n\
             {\"errorMessage\":\"State transition from Ready to InitError failed for runtime. Error: State transition is \
             not allowed\",\"errorType\":\"InvalidStateTransition\"}\n",
        );
        check(
            Reply::Refused(Refusal::TooLarge),
            false,
            "HTTP/1.1 413 Request Entity Too Large\r\nContent-Type: application/json\r\nContent-Length: 110\r\n\
             Connection: close\r\n\r\n\
             {\"errorMessage\":\"Exceeded maximum allowed payload size (6291556 bytes).\",\"errorType\":\"RequestEntityTooLarge\"}\n",
        );
    }

    #[test]
    fn a_request_that_cannot_be_read_has_the_phrase_of_its_status() {
        for (status, phrase) in [
            (400, "Bad Request"),
            (414, "URI Too Long"),
            (501, "Not Implemented"),
            (505, "HTTP Version Not Supported"),
        ] {
            let expected = format!(
                "HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 27\r\n\
                 Connection: close\r\n\r\nthe request cannot be read\n"
            );
            check(Reply::Malformed(status), false, &expected);
        }
    }

    fn event_head(trace_id: Option<&str>, client_context: Option<&str>) -> (RequestId, String) {
        let scope = Scope {
            region: Region::try_from("eu-west-1").unwrap(),
            account: AccountId::try_from("111122223333").unwrap(),
        };
        let mut invocation = Invocation::new(
            FunctionArn::new(&scope, "f"),
            Bytes::from_static(b"{}"),
            trace_id.map(str::to_owned),
        );
        invocation.client_context = client_context.map(str::to_owned);
        let id = RequestIds::new().fresh().unwrap();
        let mut out = b"an earlier event".to_vec();
        write_event_head(&mut out, &id, 1_700_000_000_123, &invocation);
        (id, String::from_utf8(out).unwrap())
    }

    // LAM-R-002, LAM-R-005, LAM-R-008: the headers of an event; empty ones are not sent
    // LAM-R-007: neither identity nor tenant id
    #[test]
    fn the_head_of_an_event() {
        let (id, head) = event_head(Some("Root=1-2-3"), None);
        assert_eq!(
            head,
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: {id}\r\n\
                 Lambda-Runtime-Deadline-Ms: 1700000000123\r\n\
                 Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-west-1:111122223333:function:f\r\n\
                 Lambda-Runtime-Trace-Id: Root=1-2-3\r\nContent-Length: 2\r\n\r\n"
            )
        );
        for absent in [None, Some(""), Some("Root=1\r\nX: y")] {
            let (_, head) = event_head(absent, Some(""));
            assert!(
                !head.contains("Trace-Id") && head.ends_with("Content-Length: 2\r\n\r\n"),
                "{head}"
            );
        }
    }

    // LAM-R-006: decoded JSON, and absent when not sent
    #[test]
    fn the_client_context_is_a_header() {
        let context = r#"{"custom":{"name":"J\u00fcrgen ä"}}"#;
        assert!(is_field_value(context));
        let (_, head) = event_head(None, Some(context));
        assert!(
            head.ends_with(&format!(
                "Lambda-Runtime-Client-Context: {context}\r\nContent-Length: 2\r\n\r\n"
            )),
            "{head}"
        );
        for impossible in ["{\n}", "{}\r", "\u{0}"] {
            assert!(!is_field_value(impossible), "{impossible:?}");
        }
    }
}
