//! Our one reading of a response: how its body ends, and whether the connection to the target may be used again.

use crate::framing::{Coding, codings, content_length};
use crate::head::Version;
use crate::known_name::KnownName;
use crate::response_head::{ResponseError, ResponseHead};

/// Where the body of a response ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFraming {
    /// No body, whatever the head says: a response to HEAD, a 1xx, a 204, a 304.
    None,
    /// This many bytes.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// Everything until the target closes the connection; of an HTTP/2 target, until its stream ends.
    UntilClose,
}

/// How the body of a response ends, given the request's method.
///
/// - No body follows in answer to HEAD, nor after 1xx, 204 and 304. A 101 ends HTTP on this connection.
/// - `Transfer-Encoding` wins over `Content-Length`; [`response_keep_alive`] is then `false`.
/// - Equal lengths count once.
/// - A header that only resembles a framing header is none.
///
/// # Errors
///
/// When the framing headers cannot be read in one way only, also where no body follows. Source: ALB 4.10; RFC 9112, 6.
#[inline]
pub fn response_framing(
    head: &ResponseHead,
    bytes: &[u8],
    request_is_head: bool,
) -> Result<ResponseFraming, ResponseError> {
    let chunked = head.contains(KnownName::TransferEncoding) && is_chunked(head, bytes)?;
    let length = if head.contains(KnownName::ContentLength) {
        Some(agreed_length(head, bytes)?)
    } else {
        None
    };
    Ok(match length {
        _ if request_is_head || has_no_body(head.status()) => ResponseFraming::None,
        _ if chunked => ResponseFraming::Chunked,
        Some(length) => ResponseFraming::Length(length),
        None => ResponseFraming::UntilClose,
    })
}

/// Responses that never have a body. Source: RFC 9112, 6.3.
#[inline]
fn has_no_body(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 304)
}

fn is_chunked(head: &ResponseHead, bytes: &[u8]) -> Result<bool, ResponseError> {
    if head.version() != Version::Http11 {
        return Err(ResponseError::CodingInOldVersion);
    }
    let mut chunked = false;
    for (_, field) in head.fields_known(KnownName::TransferEncoding) {
        for coding in codings(field.value(bytes)) {
            match coding {
                _ if chunked => return Err(ResponseError::ChunkedNotLast),
                Some(Coding::Chunked) => chunked = true,
                Some(Coding::Identity) => {}
                // The client would get the coded bytes without a word about the coding.
                Some(Coding::Compression) | None => return Err(ResponseError::UnsupportedCoding),
            }
        }
    }
    Ok(chunked)
}

#[inline]
fn agreed_length(head: &ResponseHead, bytes: &[u8]) -> Result<u64, ResponseError> {
    let first = head.fields.first(KnownName::ContentLength);
    let length = first.and_then(|field| content_length(field.value(bytes)));
    let agreed = !head.fields.is_repeated(KnownName::ContentLength) || all_lengths_are(head, bytes, length);
    length.filter(|_| agreed).ok_or(ResponseError::ContentLength)
}

#[cold]
fn all_lengths_are(head: &ResponseHead, bytes: &[u8], length: Option<u64>) -> bool {
    head.fields_known(KnownName::ContentLength)
        .all(|(_, field)| content_length(field.value(bytes)) == length)
}

/// The length that the response names and that a client may be told although no body follows: none with a transfer
/// coding, and none where a length must not stand. Source: RFC 9110, 8.6.
pub(crate) fn named_length(head: &ResponseHead, bytes: &[u8]) -> Option<u64> {
    let silent = head.contains(KnownName::TransferEncoding) || matches!(head.status(), 100..=199 | 204);
    if silent || !head.contains(KnownName::ContentLength) {
        return None;
    }
    agreed_length(head, bytes).ok()
}

/// May the connection to the target carry another request when this response has been read to its end? HTTP/1.1 unless the
/// target says `close`, HTTP/1.0 only if it says `keep-alive`; never when the framing is ambiguous, because what follows
/// could be a body that pretends to be a response. Source: ALB 4.3; RFC 9112, 6.1 and 6.3.
///
/// Not asked here, as it shows by itself: a body that lasts until the close leaves no connection ([`ResponseFraming`]), and
/// bytes that follow the body unasked mean that the connection must not be used again.
#[inline]
#[must_use]
pub fn response_keep_alive(head: &ResponseHead, bytes: &[u8]) -> bool {
    let asked = match head.version() {
        Version::H2 => return true,
        Version::Http11 => !connection_has(head, bytes, b"close"),
        Version::Http10 => connection_has(head, bytes, b"keep-alive") && !connection_has(head, bytes, b"close"),
        _ => false,
    };
    asked && head.status() != 101 && !is_ambiguous(head, bytes)
}

#[inline]
fn is_ambiguous(head: &ResponseHead, bytes: &[u8]) -> bool {
    let has_te = head.contains(KnownName::TransferEncoding);
    let has_cl = head.contains(KnownName::ContentLength);
    head.is_suspicious()
        || (has_te && (has_cl || has_no_body(head.status())))
        || (has_cl && head.status() == 204 && agreed_length(head, bytes) != Ok(0))
}

#[inline]
pub(crate) fn connection_has(head: &ResponseHead, bytes: &[u8], word: &[u8]) -> bool {
    head.fields.any_lists(KnownName::Connection, bytes, word)
}

#[cfg(test)]
mod tests;
