//! A target's response as its client gets it: same status, same fields, framing and connection written anew.
//!
//! Source: ALB 4.11. What the load balancer adds (cookies, header values of the listener) is left to the caller.

use crate::edits::check_own_field;
use crate::field::{Field, mark};
use crate::framing::websocket;
use crate::head::Version;
use crate::known_name::KnownName;
use crate::response_framing::{connection_has, named_length};
use crate::response_head::ResponseHead;
use crate::token::{FieldError, Span, trim_ows, write_decimal};

/// How a response goes to an HTTP/1 client.
#[derive(Clone, Copy, Debug)]
pub struct Relay<'a> {
    /// How the body is framed towards the client.
    pub framing: ClientFraming,
    /// What the connection of the client is told.
    pub connection: ClientConnection,
    /// Fields of the load balancer, names and values: its cookies. They stand behind `Connection`.
    pub extra: &'a [(&'a [u8], &'a [u8])],
    /// Fields that a listener attribute sets, names and values: they stand at the end, and the target's fields of these
    /// names, in any case, are left out. Source: ALB 1.7.
    pub replaced: &'a [(&'a [u8], &'a [u8])],
}

/// How the body is framed towards an HTTP/1 client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFraming {
    /// No body follows: the answer to HEAD, a 1xx, a 204, a 304. The length that the target named is told as information,
    /// where a length may stand (not with 1xx and 204).
    None,
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding: chunked`; not for HTTP/1.0 clients.
    Chunked,
    /// Nothing is said, and the connection closes after the body. Go with [`ClientConnection::Close`].
    UntilClose,
}

/// What the connection of an HTTP/1 client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientConnection {
    /// `Connection: keep-alive`.
    KeepAlive,
    /// `Connection: close`.
    Close,
    /// `Connection: upgrade` and the target's `Upgrade: websocket`: a 101, see [`accepts_websocket`].
    Upgrade,
}

/// Appends the head for an HTTP/1 client: the status line, `Date`, `Content-Type`, the framing field, `Connection`, `extra`,
/// the target's other fields as received and in their order, `replaced`. What belongs to the connection to the target or
/// resembles framing is left out. Source: ALB 4.11.
///
/// # Errors
///
/// When a field of `extra` or `replaced` cannot stand in a head, or an upgrade does not name WebSocket. `out` is as before
/// then.
pub fn write_response(
    head: &ResponseHead,
    bytes: &[u8],
    relay: &Relay<'_>,
    out: &mut Vec<u8>,
) -> Result<(), FieldError> {
    let start = out.len();
    let written = write_all(head, bytes, relay, out);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn write_all(head: &ResponseHead, bytes: &[u8], relay: &Relay<'_>, out: &mut Vec<u8>) -> Result<(), FieldError> {
    out.reserve(bytes.len() + 128);
    write_status_line(head, bytes, out);
    for known in FIRST {
        if head.fields.is_repeated(known) {
            for (_, field) in head.fields_known(known) {
                write_one(field, bytes, relay.replaced, out);
            }
        } else if let Some(field) = head.fields.first(known) {
            write_one(field, bytes, relay.replaced, out);
        }
    }
    write_framing(head, bytes, relay.framing, out);
    write_connection(head, bytes, relay.connection, out)?;
    write_own(relay.extra, out)?;
    write_others(head, bytes, relay.replaced, out);
    write_own(relay.replaced, out)?;
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// What a response begins with, as far as the target sent it.
const FIRST: [KnownName; 2] = [KnownName::Date, KnownName::ContentType];

/// The version is always ours, as RFC 9110, 6.2 says.
fn write_status_line(head: &ResponseHead, bytes: &[u8], out: &mut Vec<u8>) {
    let line = head.line.of(bytes);
    if line.starts_with(b"HTTP/1.1 ") && line.len() > 14 && line.ends_with(b"\r\n") {
        out.extend_from_slice(line);
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    write_decimal(out, u64::from(head.status()));
    out.push(b' ');
    out.extend_from_slice(head.phrase(bytes));
    out.extend_from_slice(b"\r\n");
}

fn write_framing(head: &ResponseHead, bytes: &[u8], framing: ClientFraming, out: &mut Vec<u8>) {
    let length = match framing {
        ClientFraming::None => named_length(head, bytes),
        ClientFraming::Length(length) => Some(length),
        ClientFraming::Chunked => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            None
        }
        ClientFraming::UntilClose => None,
    };
    if let Some(length) = length {
        out.extend_from_slice(b"Content-Length: ");
        write_decimal(out, length);
        out.extend_from_slice(b"\r\n");
    }
}

fn write_connection(
    head: &ResponseHead,
    bytes: &[u8],
    connection: ClientConnection,
    out: &mut Vec<u8>,
) -> Result<(), FieldError> {
    match connection {
        ClientConnection::KeepAlive => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        ClientConnection::Close => out.extend_from_slice(b"Connection: close\r\n"),
        ClientConnection::Upgrade => {
            let protocol = websocket(&head.fields, bytes).ok_or(FieldError::Framing)?;
            for part in [b"Connection: upgrade\r\nUpgrade: ", protocol, b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
    }
    Ok(())
}

fn write_own(fields: &[(&[u8], &[u8])], out: &mut Vec<u8>) -> Result<(), FieldError> {
    for (name, value) in fields {
        check_own_field(name, value)?;
        write_field(name, value, out);
    }
    Ok(())
}

/// Lines follow each other directly, so those that go on as they are are copied together, up to the next one that does not.
fn write_others(head: &ResponseHead, bytes: &[u8], replaced: &[(&[u8], &[u8])], out: &mut Vec<u8>) {
    let fields = head.fields();
    let mut copied = Span::new(0, 0);
    copied.start = fields.first().map_or(0, |field| field.line().start);
    for field in fields {
        let goes_on = is_other(field) && !is_set(field, bytes, replaced);
        if goes_on && is_verbatim(field) {
            continue;
        }
        copied.end = field.line().start;
        if !copied.is_empty() {
            out.extend_from_slice(copied.of(bytes));
        }
        copied.start = field.line().end;
        if goes_on {
            write_field(field.name(bytes), field.value(bytes), out);
        }
    }
    copied.end = fields.last().map_or(0, |field| field.line().end);
    out.extend_from_slice(copied.of(bytes));
}

/// Neither written first nor by the codec itself, nor never.
#[inline]
fn is_other(field: &Field) -> bool {
    const NOT: u32 = KnownName::HOP_BY_HOP | KnownName::ContentLength.bit() | FIRST[0].bit() | FIRST[1].bit();
    field.known().bit() & NOT == 0 && !field.is_suspicious()
}

/// Does the listener set this field?
#[inline]
fn is_set(field: &Field, bytes: &[u8], replaced: &[(&[u8], &[u8])]) -> bool {
    if replaced.is_empty() {
        return false;
    }
    let name = field.name(bytes);
    replaced.iter().any(|(set, _)| name.eq_ignore_ascii_case(set))
}

/// Can the line go on as it is? Not one that ends with LF alone or has whitespace behind its name.
#[inline]
fn is_verbatim(field: &Field) -> bool {
    !field.has(mark::BARE_LF | mark::NAME_ODD)
}

fn write_one(field: &Field, bytes: &[u8], replaced: &[(&[u8], &[u8])], out: &mut Vec<u8>) {
    if is_set(field, bytes, replaced) {
        return;
    }
    if is_verbatim(field) {
        out.extend_from_slice(field.line().of(bytes));
    } else {
        write_field(field.name(bytes), field.value(bytes), out);
    }
}

fn write_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// The fields that [`write_response`] writes, in its order, for an HTTP/2 client: names as received and values, without
/// `Connection` and `Transfer-Encoding`. `Content-Length` is among them, once, if the target named a length that may stand
/// here; `extra` and `replaced` are not checked.
pub fn relayed_fields<'a>(
    head: &'a ResponseHead,
    bytes: &'a [u8],
    extra: &'a [(&'a [u8], &'a [u8])],
    replaced: &'a [(&'a [u8], &'a [u8])],
) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let pair = move |field: &Field| (field.name(bytes), field.value(bytes));
    let first = FIRST
        .into_iter()
        .flat_map(|known| head.fields_known(known).map(|(_, field)| field));
    let first = first.filter(move |field| !is_set(field, bytes, replaced)).map(pair);
    let length = named_length(head, bytes).and_then(|_| head.first_value(bytes, KnownName::ContentLength));
    let length = length.map(|value| (b"content-length".as_slice(), value));
    let others = head.fields().iter();
    let others = others
        .filter(move |field| is_other(field) && !is_set(field, bytes, replaced))
        .map(pair);
    first
        .chain(length)
        .chain(extra.iter().copied())
        .chain(others)
        .chain(replaced.iter().copied())
}

/// The target has agreed to speak WebSocket: a 101 that says so. Any other 101 is malformed here, because nothing else is
/// asked of a target. Source: ALB 4.6, 4.8.
#[must_use]
pub fn accepts_websocket(head: &ResponseHead, bytes: &[u8]) -> bool {
    head.status() == 101
        && head.version() == Version::Http11
        && connection_has(head, bytes, b"upgrade")
        && websocket(&head.fields, bytes).is_some()
}

/// The value of the cookie that the response sets under this name; the last one if there are several, as a browser keeps
/// that. Names of cookies have case. Source: ALB 5.4, application cookies.
#[must_use]
pub fn set_cookie_named<'a>(head: &ResponseHead, bytes: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut found = None;
    for (_, field) in head.fields_known(KnownName::SetCookie) {
        let value = field.value(bytes);
        let pair = value.split(|&b| b == b';').next().unwrap_or_default();
        if let Some(equals) = memchr::memchr(b'=', pair)
            && trim_ows(&pair[..equals]) == name
        {
            found = Some(trim_ows(&pair[equals + 1..]));
        }
    }
    found
}

#[cfg(test)]
mod tests;
