//! The head of a request as HTTP/2 has it. Source: ALB 4.2, 4.6, RFC 9113 8.3.

use crate::view::View;
use ::http1::{Edits, Framing, KnownName, edited_fields};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};

/// Why a request cannot be carried over HTTP/2: its URL or method holds what cannot stand there. The answer is 400.
#[derive(Debug)]
pub(crate) struct NotCarried;

/// The request with `edits` applied: what is prepended there stands first. `uri` is what a transform made of the target.
pub(crate) fn write_request(
    view: &View<'_>,
    edits: &Edits,
    uri: Option<&[u8]>,
    tls: bool,
) -> Result<Request<()>, NotCarried> {
    let mut headers = HeaderMap::with_capacity(view.head.fields().len() + 8);
    let mut host = None;
    for (name, value) in edited_fields(view.head, view.bytes, edits) {
        match KnownName::of(name) {
            KnownName::Host if host.is_none() => host = Some(value),
            KnownName::Host | KnownName::ContentLength => {}
            _ => {
                // What HTTP/2 cannot carry did not come over it either: only clients of HTTP/2 get here.
                let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) else {
                    continue;
                };
                headers.append(name, value);
            }
        }
    }
    // Written anew from our own reading: h2 takes an empty one, and several that are equal.
    if let Ok(Framing::Length(length)) = ::http1::framing(view.head, view.bytes) {
        headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if view.values(KnownName::Te).any(asks_for_trailers) {
        headers.insert(http::header::TE, HeaderValue::from_static("trailers"));
    }
    let target = uri.unwrap_or_else(|| view.head.target(view.bytes));
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
    parts.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| NotCarried)?);
    parts.authority = Some(match host {
        Some(host) => Authority::try_from(host).map_err(|_| NotCarried)?,
        None => return Err(NotCarried),
    });
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(view.method()).map_err(|_| NotCarried)?;
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| NotCarried)?;
    *request.version_mut() = http::Version::HTTP_2;
    *request.headers_mut() = headers;
    Ok(request)
}

/// `TE: trailers`, which gRPC wants to see on every hop.
fn asks_for_trailers(value: &[u8]) -> bool {
    value
        .split(|byte| *byte == b',')
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}
