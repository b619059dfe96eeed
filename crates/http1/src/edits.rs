//! The list of changes between a head as received and a head as sent on.
//!
//! What is not changed keeps its name, case, order and spelling. What belongs to the connection ends here, and framing
//! is always written anew from our own reading. Source: ALB 4.6.

use crate::framing::Framing;
use crate::head::{Field, RequestHead, mark};
use crate::known_name::KnownName;
use crate::similarity::resembles;
use crate::token::{FieldError, Span, check_name, check_value, is_bad, plain_prefix, write_decimal};

/// Changes to the fields of one head. Reused from request to request.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    prepended: OwnFields,
    appended: OwnFields,
    /// The texts of the values that replace others.
    values: Vec<u8>,
    /// Ascending by index, at most one for each index.
    changes: Vec<(usize, Change)>,
}

/// Fields of ours, kept as the lines they will be, so that writing them is one copy.
#[derive(Clone, Debug, Default)]
struct OwnFields {
    lines: Vec<u8>,
    fields: Vec<(Span, Span)>,
}

impl OwnFields {
    fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), FieldError> {
        check_own_field(name, value)?;
        let start = self.lines.len();
        write_field(&mut self.lines, name, value);
        let value_end = self.lines.len() - 2;
        self.fields.push((
            Span::new(start, start + name.len()),
            Span::new(value_end - value.len(), value_end),
        ));
        Ok(())
    }

    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields
            .iter()
            .map(|(name, value)| (name.of(&self.lines), value.of(&self.lines)))
    }

    fn clear(&mut self) {
        self.lines.clear();
        self.fields.clear();
    }
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Drop,
    Replace(Span),
}

impl Edits {
    /// No changes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all changes and keeps the room.
    pub fn clear(&mut self) {
        self.prepended.clear();
        self.appended.clear();
        self.values.clear();
        self.changes.clear();
    }

    /// Adds a field before those of the client, behind what was prepended before.
    ///
    /// # Errors
    ///
    /// [`FieldError`] if the field cannot stand in a head, or is one that only the codec writes.
    pub fn prepend(&mut self, name: &[u8], value: &[u8]) -> Result<(), FieldError> {
        self.prepended.add(name, value)
    }

    /// Adds a field behind those of the client.
    ///
    /// # Errors
    ///
    /// As [`Edits::prepend`].
    pub fn append(&mut self, name: &[u8], value: &[u8]) -> Result<(), FieldError> {
        self.appended.add(name, value)
    }

    /// Leaves out the field of this index. The last word on an index counts; ascending indexes are cheapest.
    pub fn drop_field(&mut self, index: usize) {
        self.change(index, Change::Drop);
    }

    /// Gives the field of this index another value. Without effect on connection and framing fields.
    ///
    /// # Errors
    ///
    /// [`FieldError::Value`] if the value holds CR, LF or NUL.
    pub fn replace_value(&mut self, index: usize, value: &[u8]) -> Result<(), FieldError> {
        check_value(value)?;
        let start = self.values.len();
        self.values.extend_from_slice(value);
        self.change(index, Change::Replace(Span::new(start, self.values.len())));
        Ok(())
    }

    fn change(&mut self, index: usize, change: Change) {
        // Changes mostly come in the order of the fields, so this is mostly a push.
        match self.changes.binary_search_by_key(&index, |(index, _)| *index) {
            Ok(at) => self.changes[at].1 = change,
            Err(at) => self.changes.insert(at, (index, change)),
        }
    }
}

/// May this be written as a field of ours? Connection and framing fields, and what resembles them, are for the codec only.
pub(crate) fn check_own_field(name: &[u8], value: &[u8]) -> Result<(), FieldError> {
    let plain = !name.is_empty() && plain_prefix(name) == name.len();
    let known = if plain {
        KnownName::of_plain(name)
    } else {
        KnownName::Other
    };
    if !plain {
        check_name(name)?;
    }
    check_value(value)?;
    let ours = known.is_hop_by_hop()
        || known == KnownName::ContentLength
        || (known == KnownName::Other && resembles(name).is_some());
    if ours { Err(FieldError::Framing) } else { Ok(()) }
}

/// What becomes of one field of the client.
enum Fate<'a> {
    Gone,
    /// Exactly as received: the line can be copied.
    Verbatim,
    Written(&'a [u8]),
}

/// Walks the fields of a head together with the changes to them.
struct Walk<'a> {
    head: &'a RequestHead,
    bytes: &'a [u8],
    edits: &'a Edits,
    index: usize,
    change: usize,
}

impl<'a> Walk<'a> {
    fn new(head: &'a RequestHead, bytes: &'a [u8], edits: &'a Edits) -> Self {
        Self {
            head,
            bytes,
            edits,
            index: 0,
            change: 0,
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (&'a Field, Fate<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let field = self.head.fields().get(self.index)?;
        let change = match self.edits.changes.get(self.change) {
            Some((index, change)) if *index == self.index => {
                self.change += 1;
                Some(*change)
            }
            _ => None,
        };
        self.index += 1;
        // A name with CR or NUL and an empty name cannot be written as a line of their own, and what resembles framing
        // could be read as framing by somebody. DESYNC asks for bad headers to be removed, so a value with CR or NUL
        // takes its field with it.
        const NEVER: u16 = mark::NAME_BAD | mark::NAME_EMPTY | mark::LIKE_TE | mark::LIKE_CL;
        const REWRITE: u16 = mark::BARE_LF | mark::CONTINUATION | mark::NO_COLON | mark::NAME_ODD;
        let fate = match change {
            Some(Change::Drop) => Fate::Gone,
            _ if field.has(NEVER) || field.known().is_hop_by_hop() => Fate::Gone,
            Some(Change::Replace(value)) => Fate::Written(value.of(&self.edits.values)),
            None if field.has(mark::VALUE_BAD) => Fate::Gone,
            None if field.has(REWRITE) => Fate::Written(field.value(self.bytes)),
            None => Fate::Verbatim,
        };
        Some((field, fate))
    }
}

/// The fields as they go on, in their order, without connection and framing fields except `Content-Length` as received.
/// This is what the header list of a function event is made of. Source: ALB 3.2.
pub fn edited_fields<'a>(
    head: &'a RequestHead,
    bytes: &'a [u8],
    edits: &'a Edits,
) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let received = Walk::new(head, bytes, edits).filter_map(move |(field, fate)| match fate {
        Fate::Gone => None,
        Fate::Verbatim => Some((field.name(bytes), field.value(bytes))),
        Fate::Written(value) => Some((field.name(bytes), value)),
    });
    edits.prepended.iter().chain(received).chain(edits.appended.iter())
}

/// What the connection to the target is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetConnection {
    /// HTTP/1.1 stays open without a word.
    KeepAlive,
    /// `Connection: close`.
    Close,
    /// `Connection: Upgrade` and the client's `Upgrade` value: a WebSocket. Source: ALB 4.8.
    Upgrade,
}

/// How a request goes on.
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a> {
    /// A rewritten target; `None` sends it exactly as received.
    pub target: Option<&'a [u8]>,
    /// How the body is framed towards the target: our reading, or what we make of it.
    pub framing: Framing,
    /// What the connection is told.
    pub connection: TargetConnection,
}

/// Why a head cannot be written. Possible in `monitor` mode only, as both are severe; the answer is 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The method is empty or holds CR, LF, NUL or a space.
    #[error("the method cannot stand in a request line")]
    Method,
    /// The target is empty or holds CR, LF or NUL.
    #[error("the target cannot stand in a request line")]
    Target,
}

/// Appends the head of an HTTP/1.1 request to `out`.
///
/// Fields that were not changed are copied as received; a continuation line and a line without a colon come out as
/// fields of their own. The framing field stands where the client had its own, otherwise at the end.
///
/// # Errors
///
/// When method or target cannot be written on one line. `out` is as before then.
pub fn write_request(
    head: &RequestHead,
    bytes: &[u8],
    forward: &Forward<'_>,
    edits: &Edits,
    out: &mut Vec<u8>,
) -> Result<(), WriteError> {
    let method = head.method(bytes);
    let target = forward.target.unwrap_or_else(|| head.target(bytes));
    if method.is_empty() || method.iter().any(|&b| is_bad(b) || b == b' ') {
        return Err(WriteError::Method);
    }
    if target.is_empty() || check_value(target).is_err() {
        return Err(WriteError::Target);
    }
    out.reserve(bytes.len() + edits.prepended.lines.len() + edits.appended.lines.len() + 64);
    for part in [method, b" ", target, b" HTTP/1.1\r\n"] {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&edits.prepended.lines);
    let framed = write_received(head, bytes, forward.framing, edits, out);
    out.extend_from_slice(&edits.appended.lines);
    if !framed {
        write_framing(out, None, forward.framing);
    }
    write_connection(head, bytes, forward.connection, out);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Writes the client's fields. Says whether the framing field found its place among them.
fn write_received(head: &RequestHead, bytes: &[u8], framing: Framing, edits: &Edits, out: &mut Vec<u8>) -> bool {
    let framing_name = match framing {
        Framing::None => None,
        Framing::Length(_) => Some(KnownName::ContentLength),
        Framing::Chunked => Some(KnownName::TransferEncoding),
    };
    let mut framed = false;
    // Lines that follow each other untouched are copied at once.
    let mut verbatim = Span::default();
    for (field, fate) in Walk::new(head, bytes, edits) {
        let is_framing = matches!(field.known(), KnownName::ContentLength | KnownName::TransferEncoding);
        if !is_framing && matches!(fate, Fate::Verbatim) {
            if verbatim.end == field.line().start {
                verbatim.end = field.line().end;
            } else {
                out.extend_from_slice(verbatim.of(bytes));
                verbatim = field.line();
            }
            continue;
        }
        out.extend_from_slice(verbatim.of(bytes));
        verbatim = Span::default();
        if is_framing {
            if !framed && framing_name == Some(field.known()) {
                write_framing(out, Some(field.name(bytes)), framing);
                framed = true;
            }
        } else if let Fate::Written(value) = fate {
            write_field(out, field.name(bytes), value);
        }
    }
    out.extend_from_slice(verbatim.of(bytes));
    framed
}

fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// The framing field, under the name that the client wrote or our own.
fn write_framing(out: &mut Vec<u8>, name: Option<&[u8]>, framing: Framing) {
    match framing {
        Framing::None => {}
        Framing::Length(length) => {
            out.extend_from_slice(name.unwrap_or(b"Content-Length"));
            out.extend_from_slice(b": ");
            write_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => write_field(out, name.unwrap_or(b"Transfer-Encoding"), b"chunked"),
    }
}

fn write_connection(head: &RequestHead, bytes: &[u8], connection: TargetConnection, out: &mut Vec<u8>) {
    match connection {
        TargetConnection::KeepAlive => {}
        TargetConnection::Close => write_field(out, b"Connection", b"close"),
        TargetConnection::Upgrade => {
            let protocol = head
                .first_value(bytes, KnownName::Upgrade)
                .filter(|value| check_value(value).is_ok());
            if let Some(protocol) = protocol {
                write_field(out, b"Connection", b"Upgrade");
                write_field(out, b"Upgrade", protocol);
            }
        }
    }
}

#[cfg(test)]
mod tests;
