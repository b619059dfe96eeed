//! Our one reading of a request: how its body is framed, whether the connection may be used again, what the client asks
//! of the connection.
//!
//! [`framing`] is asked after the desync mode has let the request pass, so in `defensive` mode it sees no severe request;
//! in `monitor` mode it sees all of them and still gives one safe reading, which is what is sent on.

use crate::field::{Field, Fields, mark};
use crate::head::{RequestHead, Version};
use crate::known_name::KnownName;
use crate::token::trim_ows;
use crate::words::byte_at;

/// Where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// This many bytes.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// Why a request that was classified and let pass cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// `chunked` is not the last transfer coding.
    #[error("chunked is not the last transfer coding")]
    ChunkedNotLast,
    /// A transfer coding other than `chunked` and `identity`, or an empty one.
    #[error("the transfer coding is not supported")]
    UnsupportedCoding,
    /// HTTP/2 on an HTTP/1 connection, or a version that is none.
    #[error("the http version is not supported")]
    UnsupportedVersion,
}

impl FramingError {
    /// The status that answers it; the connection closes in any case. Source: ALB 4.9, 4.10.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::ChunkedNotLast => 400,
            Self::UnsupportedCoding => 501,
            Self::UnsupportedVersion => 505,
        }
    }
}

/// How we read the body of a request.
///
/// - `Transfer-Encoding` wins over `Content-Length`. `chunked` twice (severe, so only in `monitor` mode) is read as once.
/// - `identity` alone says nothing.
/// - Lengths that cannot be read or differ (severe, so only in `monitor` mode) mean no body. What the client took for a
///   body is never read as a request, because [`keep_alive`] is then `false`.
/// - A header that only resembles a framing header is none.
/// - HTTP/0.9 has no body. HTTP/2: `Content-Length` if it can be read, otherwise the caller knows from the stream.
///
/// # Errors
///
/// What the specification wants answered even when the classification let it pass. Source: ALB 4.9, "Further framing
/// rules".
#[inline]
pub fn framing(head: &RequestHead, bytes: &[u8]) -> Result<Framing, FramingError> {
    match head.version() {
        Version::Bad => return Err(FramingError::UnsupportedVersion),
        Version::Http09 => return Ok(Framing::None),
        _ => {}
    }
    if head.contains(KnownName::TransferEncoding) && transfer_encoding(head, bytes)? {
        return Ok(Framing::Chunked);
    }
    if !head.contains(KnownName::ContentLength) {
        return Ok(Framing::None);
    }
    Ok(agreed_length(head, bytes)
        .flatten()
        .map_or(Framing::None, Framing::Length))
}

/// Is the body chunked?
fn transfer_encoding(head: &RequestHead, bytes: &[u8]) -> Result<bool, FramingError> {
    let mut chunked = false;
    let mut chunked_last = false;
    for (_, field) in head.fields_known(KnownName::TransferEncoding) {
        for coding in codings(field.value(bytes)) {
            match coding {
                Some(Coding::Chunked) => chunked = true,
                Some(Coding::Identity) => {}
                Some(Coding::Compression) | None => return Err(FramingError::UnsupportedCoding),
            }
            chunked_last = coding == Some(Coding::Chunked);
        }
    }
    if chunked && !chunked_last {
        Err(FramingError::ChunkedNotLast)
    } else {
        Ok(chunked)
    }
}

/// `None`: no length is given. `Some(None)`: the lengths cannot be read as one.
fn agreed_length(head: &RequestHead, bytes: &[u8]) -> Option<Option<u64>> {
    let mut lengths = head
        .fields_known(KnownName::ContentLength)
        .map(|(_, field)| content_length(field.value(bytes)));
    let first = lengths.next()?;
    Some(first.filter(|_| lengths.all(|other| other == first)))
}

/// May another request follow on this connection? What the client asked for: HTTP/1.1 stays open unless it says `close`,
/// HTTP/1.0 closes unless it says `keep-alive`. `false` too when the framing is faulty, because then what follows may be
/// a body that pretends to be a request. Source: ALB 4.1, RFC 9112, 6.1 and 6.3.
#[inline]
#[must_use]
pub fn keep_alive(head: &RequestHead, bytes: &[u8]) -> bool {
    if head.has(mark::LIKE_TE | mark::LIKE_CL) && head.version() != Version::H2 {
        return false;
    }
    let asked = match head.version() {
        Version::Http09 | Version::Bad => false,
        Version::Http10 => connection_has(head, bytes, b"keep-alive") && !connection_has(head, bytes, b"close"),
        Version::Http11 | Version::Http1Other(_) => !connection_has(head, bytes, b"close"),
        Version::H2 => true,
    };
    let has_te = head.contains(KnownName::TransferEncoding);
    let has_cl = head.contains(KnownName::ContentLength);
    asked
        && !(has_te && (has_cl || head.version() == Version::Http10))
        && !(has_cl && agreed_length(head, bytes) == Some(None))
}

/// Does the client wait for `100 Continue`? HTTP/1.1 only. Source: ALB 4.6.
#[inline]
#[must_use]
pub fn expects_continue(head: &RequestHead, bytes: &[u8]) -> bool {
    head.contains(KnownName::Expect)
        && matches!(head.version(), Version::Http11 | Version::Http1Other(_))
        && head
            .fields_known(KnownName::Expect)
            .any(|(_, field)| lists(field, bytes, b"100-continue"))
}

/// `Connection: upgrade` with an `Upgrade` header. Source: ALB 3.2, 4.8.
#[inline]
#[must_use]
pub fn is_upgrade(head: &RequestHead, bytes: &[u8]) -> bool {
    head.contains(KnownName::Upgrade)
        && matches!(head.version(), Version::Http11 | Version::Http1Other(_))
        && connection_has(head, bytes, b"upgrade")
}

/// A GET that asks for a WebSocket. Source: ALB 4.8.
#[inline]
#[must_use]
pub fn is_websocket_upgrade(head: &RequestHead, bytes: &[u8]) -> bool {
    is_upgrade(head, bytes) && head.method(bytes) == b"GET" && websocket(&head.fields, bytes).is_some()
}

#[inline]
fn connection_has(head: &RequestHead, bytes: &[u8], word: &[u8]) -> bool {
    head.fields.any_lists(KnownName::Connection, bytes, word)
}

impl Fields {
    /// Is `word` an item of one of the fields of this name?
    #[inline]
    pub(crate) fn any_lists(&self, known: KnownName, bytes: &[u8], word: &[u8]) -> bool {
        match self.first(known) {
            None => false,
            Some(field) if !self.is_repeated(known) => lists(field, bytes, word),
            Some(_) => self.known(known).any(|(_, field)| lists(field, bytes, word)),
        }
    }
}

/// Is `word` an item of the field's comma-separated value, without regard to case?
pub(crate) fn lists(field: &Field, bytes: &[u8], word: &[u8]) -> bool {
    listed(field.value(bytes), word).is_some()
}

/// The first item of a comma-separated value that is `word` without regard to case, as written.
fn listed<'a>(value: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    // Mostly one word and no list, and then it is trimmed.
    if value.len() <= word.len() || byte_at(b',', value) == value.len() {
        return Some(value).filter(|value| value.eq_ignore_ascii_case(word));
    }
    value
        .split(|&b| b == b',')
        .map(trim_ows)
        .find(|item| item.eq_ignore_ascii_case(word))
}

/// The only protocol that an `Upgrade` may go on with, as it was written, if it is listed at all. Source: ALB 4.6.
pub(crate) fn websocket<'a>(fields: &Fields, bytes: &'a [u8]) -> Option<&'a [u8]> {
    fields
        .known(KnownName::Upgrade)
        .find_map(|(_, field)| listed(field.value(bytes), b"websocket"))
}

/// A transfer coding that DESYNC knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Chunked,
    Identity,
    /// `compress`, `deflate`, `gzip`.
    Compression,
}

/// The items of a `Transfer-Encoding` value, parameters ignored; `None` for one that is not known. An empty value has one
/// empty item.
pub(crate) fn codings(value: &[u8]) -> impl Iterator<Item = Option<Coding>> {
    value.split(|&b| b == b',').map(|item| {
        let name = trim_ows(item.split(|&b| b == b';').next().unwrap_or_default());
        if name.eq_ignore_ascii_case(b"chunked") {
            Some(Coding::Chunked)
        } else if name.eq_ignore_ascii_case(b"identity") {
            Some(Coding::Identity)
        } else if [&b"compress"[..], b"deflate", b"gzip"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
        {
            Some(Coding::Compression)
        } else {
            None
        }
    })
}

/// A decimal number that fits 64 bits, and nothing else: no sign, no list, no space inside, not empty.
#[inline]
pub(crate) fn content_length(value: &[u8]) -> Option<u64> {
    // Nineteen digits always fit.
    match value.len() {
        0 => None,
        1..=19 => value.iter().try_fold(0, |number, &b| Some(number * 10 + digit(b)?)),
        _ => value
            .iter()
            .try_fold(0, |number: u64, &b| number.checked_mul(10)?.checked_add(digit(b)?)),
    }
}

#[inline]
fn digit(byte: u8) -> Option<u64> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

#[cfg(test)]
mod tests;
