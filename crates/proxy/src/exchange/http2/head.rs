//! Heads: a request becomes the same type as one of HTTP/1, a response becomes what HTTP/2 has.

use crate::cause::Cause;
use crate::exchange::Relayed;
use crate::reply::Reply;
use crate::work::Work;
use ::http1::{FieldError, Framing, HeadLimits, KnownName, RequestHead, Scan, Version};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use std::io::Write;

/// Makes the request the same type as an HTTP/1 request: `:authority` becomes `Host`, as RFC 9113, 8.3.1 says.
pub(crate) fn read_head(parts: &Parts, work: &mut Work, bytes: &mut Vec<u8>) -> Result<(), FieldError> {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    work.head
        .begin(bytes, parts.method.as_str().as_bytes(), target.as_bytes(), Version::H2)?;
    let authority = parts.uri.authority();
    if let Some(authority) = authority {
        work.head.push(bytes, b"host", authority.as_str().as_bytes())?;
    }
    for (name, value) in &parts.headers {
        if authority.is_some() && name == http::header::HOST {
            continue;
        }
        // Blanks around a value are no part of it, as in HTTP/1, and must not go on over HTTP/2. Source: RFC 9113, 8.2.1.
        let value = value.as_bytes().trim_ascii();
        work.head.push(bytes, name.as_str().as_bytes(), value)?;
    }
    Ok(())
}

/// How the body of a request ends whose head was read; `ends` says that the stream has.
pub(crate) fn body_framing(head: &RequestHead, bytes: &[u8], ends: bool) -> Framing {
    match ::http1::framing(head, bytes) {
        Ok(Framing::Length(length)) => Framing::Length(length),
        _ if ends => Framing::None,
        _ => Framing::Chunked,
    }
}

/// What is wrong with a head that no listener wants, whatever its rules are.
pub(crate) fn refusal(parts: &Parts, work: &mut Work, bytes: &[u8]) -> Option<Cause> {
    let of_host = || match names_one_host(parts) {
        true => None,
        false if names_a_host(parts) => Some(Cause::InvalidHost),
        false => Some(Cause::NoHost),
    };
    over_limits(work, bytes).or_else(of_host)
}

/// Whether the request says for which host it is, and says it once. Otherwise it is malformed: two parties could read it in
/// two ways. Source: RFC 9113, 8.3.1.
fn names_one_host(parts: &Parts) -> bool {
    let mut hosts = parts.headers.get_all(http::header::HOST).iter();
    match parts.uri.authority() {
        Some(authority) => {
            let authority = authority.as_str().as_bytes();
            is_host(authority) && hosts.all(|host| host.as_bytes().eq_ignore_ascii_case(authority))
        }
        None => hosts.next().is_some_and(|host| is_host(host.as_bytes())) && hosts.next().is_none(),
    }
}

/// Whether something stands where the host should.
fn names_a_host(parts: &Parts) -> bool {
    parts.uri.authority().is_some() || parts.headers.contains_key(http::header::HOST)
}

/// A host with or without a port. A port alone is none, and what is no port may not stand in its place: there a target would
/// see two of them. Source: RFC 9110, 4.2.1, RFC 3986, 3.2.
fn is_host(text: &[u8]) -> bool {
    let host = routing::host_without_port(text);
    let is_port = match &text[host.len()..] {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let is_whole = match host {
        [] => false,
        [b'[', .., b']'] => true,
        _ => !host.contains(&b':') && !host.contains(&b'['),
    };
    is_whole && is_port
}

/// Which limit of HTTP/1 a head is over, measured as the same head there. Source: ALB 4.5.
fn over_limits(work: &mut Work, bytes: &[u8]) -> Option<Cause> {
    if bytes.len() <= HeadLimits::ALB.header_line_bytes_max {
        return None;
    }
    let scan = work.scanner.scan(bytes, &HeadLimits::ALB);
    work.scanner.reset();
    match scan {
        Scan::TooLarge(limit) => Some(limit.into()),
        Scan::Partial | Scan::Complete { .. } => None,
    }
}

/// A response of our own without its body; `None` when a header cannot be carried.
pub(super) fn reply_head(reply: &Reply<'_>, date: &[u8]) -> Option<Response<()>> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(reply.status).ok()?;
    let headers = response.headers_mut();
    if reply.server {
        headers.insert(http::header::SERVER, HeaderValue::from_static("awselb/2.0"));
    }
    headers.insert(http::header::DATE, HeaderValue::from_bytes(date).ok()?);
    if !reply.content_type.is_empty() {
        headers.insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_bytes(&reply.content_type).ok()?,
        );
    }
    if let Some(length) = reply.content_length() {
        let mut text = Vec::with_capacity(20);
        write!(text, "{length}").ok()?;
        headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from_bytes(&text).ok()?);
    }
    for (name, value) in &reply.headers {
        if KnownName::of(name).is_hop_by_hop() {
            continue;
        }
        headers.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
    }
    Some(response)
}

/// A target's response head as HTTP/2 has it, and its size.
pub(crate) fn relayed_head(relayed: &Relayed<'_>) -> Result<(Response<()>, usize), FieldError> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(relayed.head.status()).map_err(|_| FieldError::FirstLine)?;
    let replaced = relayed.replaced.iter();
    let replaced: Vec<(&[u8], &[u8])> = replaced
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    // One copy, which most values are parts of.
    let bytes = Bytes::copy_from_slice(relayed.bytes);
    let cookies = relayed.cookies.iter().map(|(name, value)| (&**name, &**value));
    let fields = ::http1::relayed_fields(relayed.head, &bytes, &[], &replaced).chain(cookies);
    let headers = response.headers_mut();
    headers.reserve(relayed.head.fields().len() + replaced.len() + relayed.cookies.len());
    let mut size = 0;
    for (name, value) in fields {
        // A value with a control character is more than HTTP/2 can carry; the rest of the response is not to blame.
        let (Ok(name), Ok(field)) = (HeaderName::from_bytes(name), field_value(&bytes, value)) else {
            continue;
        };
        size += name.as_str().len() + value.len() + 4;
        headers.append(name, field);
    }
    Ok((response, size))
}

fn field_value(bytes: &Bytes, value: &[u8]) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    let lies_there = !value.is_empty() && bytes.as_ptr_range().contains(&value.as_ptr());
    match lies_there {
        true => HeaderValue::from_maybe_shared(bytes.slice_ref(value)),
        false => HeaderValue::from_bytes(value),
    }
}
