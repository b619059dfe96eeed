//! The list of changes between a head as received and a head as sent on.
//!
//! What is not changed keeps its name, case, order and spelling. What belongs to the connection ends here, and framing
//! is always written anew from our own reading. Source: ALB 4.6.

mod own;

pub(crate) use own::check_own_field;
pub use own::{OwnLines, OwnName};

use crate::field::{Field, mark};
use crate::framing::{Framing, websocket};
use crate::head::RequestHead;
use crate::known_name::KnownName;
use crate::token::{FieldError, Span, check_value, is_bad, write_decimal};
use own::OwnFields;

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
    #[inline]
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
        self.prepend_with(OwnName::new(name)?, |out| {
            out.extend_from_slice(value);
            true
        })
    }

    /// As [`Edits::prepend`], with a value that `write` appends to what it is given, so that a value that is put together is
    /// written once. The field is left out, whatever was written, when it answers `false`.
    ///
    /// # Errors
    ///
    /// [`FieldError::Value`] if the value holds CR, LF or NUL.
    #[inline]
    pub fn prepend_with(
        &mut self,
        name: OwnName<'_>,
        write: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> Result<(), FieldError> {
        self.prepended.add(name, write)
    }

    /// As [`Edits::prepend_with`], where only `theirs` is not of our own making: that alone is looked at, where it comes from,
    /// because what has just been written is slow to be read. With an error nothing is written.
    ///
    /// # Errors
    ///
    /// [`FieldError::Value`] if `theirs` holds CR, LF or NUL.
    #[inline]
    pub fn prepend_composed(
        &mut self,
        name: OwnName<'_>,
        theirs: &[u8],
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), FieldError> {
        self.prepended.add_composed(name, theirs, write)
    }

    /// As [`Edits::prepend`] with each of these.
    #[inline]
    pub fn prepend_lines(&mut self, lines: &OwnLines) {
        self.prepended.extend(&lines.0);
    }

    /// Adds a field behind those of the client.
    ///
    /// # Errors
    ///
    /// As [`Edits::prepend`].
    pub fn append(&mut self, name: &[u8], value: &[u8]) -> Result<(), FieldError> {
        self.appended.add(OwnName::new(name)?, |out| {
            out.extend_from_slice(value);
            true
        })
    }

    /// Leaves out the field of this index. The last word on an index counts; ascending indexes are cheapest.
    #[inline]
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

    #[inline]
    fn change(&mut self, index: usize, change: Change) {
        // Changes mostly come in the order of the fields.
        match self.changes.last() {
            Some((last, _)) if *last >= index => self.change_earlier(index, change),
            _ => self.changes.push((index, change)),
        }
    }

    fn change_earlier(&mut self, index: usize, change: Change) {
        match self.changes.binary_search_by_key(&index, |(index, _)| *index) {
            Ok(at) => self.changes[at].1 = change,
            Err(at) => self.changes.insert(at, (index, change)),
        }
    }
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
        Some((field, Fate::of(field, change, self.bytes, self.edits)))
    }
}

// A name with CR or NUL and an empty name cannot be written as a line of their own, and what resembles framing
// could be read as framing by somebody. DESYNC asks for bad headers to be removed, so a value with CR or NUL
// takes its field with it.
const NEVER: u16 = mark::NAME_BAD | mark::NAME_EMPTY | mark::LIKE_TE | mark::LIKE_CL;
const REWRITE: u16 = mark::BARE_LF | mark::CONTINUATION | mark::NO_COLON | mark::NAME_ODD;

impl<'a> Fate<'a> {
    #[inline]
    fn of(field: &Field, change: Option<Change>, bytes: &'a [u8], edits: &'a Edits) -> Self {
        match change {
            Some(Change::Drop) => Self::Gone,
            _ if field.has(NEVER) || field.known().is_hop_by_hop() => Self::Gone,
            Some(Change::Replace(value)) => Self::Written(value.of(&edits.values)),
            None if field.has(mark::VALUE_BAD) => Self::Gone,
            None if field.has(REWRITE) => Self::Written(field.value(bytes)),
            None => Self::Verbatim,
        }
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
    /// `Connection: Upgrade` and `Upgrade: websocket`, if the client asked for that. Source: ALB 4.6, 4.8.
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
/// fields of their own. The framing field stands where the client had its own, otherwise at the end, but always before a line
/// that a target might not be able to read.
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
    // What the tokenizer has found to be in order is not looked at again.
    let odd = |marks| head.fields.has(marks);
    if method.is_empty() || (odd(mark::METHOD_ODD) && method.iter().any(|&b| is_bad(b) || b == b' ')) {
        return Err(WriteError::Method);
    }
    let unchecked = forward.target.is_some() || odd(mark::TARGET_BAD);
    if target.is_empty() || (unchecked && check_value(target).is_err()) {
        return Err(WriteError::Target);
    }
    out.reserve(bytes.len() + edits.prepended.lines.len() + edits.appended.lines.len() + 64);
    for part in [method, b" ", target, b" HTTP/1.1\r\n"] {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&edits.prepended.lines);
    let framed = write_received(head, bytes, forward.framing, edits, out);
    out.extend_from_slice(&edits.appended.lines);
    if !framed && forward.framing != Framing::None {
        write_framing(out, None, forward.framing);
    }
    write_connection(head, bytes, forward.connection, out);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// A line with one of these ends the head for some parsers (Python's `email` is one): they drop what follows, and would take
/// the body for the next request if the framing field was among that.
const ENDS_A_HEAD: u16 = mark::NAME_ODD | mark::CONTINUATION | mark::NO_COLON;

/// Marks and names of fields that do not go on as they are.
const SPECIAL: u16 = NEVER | REWRITE | mark::VALUE_BAD;
const SPECIAL_NAMES: u32 = KnownName::HOP_BY_HOP | KnownName::ContentLength.bit();

/// Writes the client's fields. Says whether the framing field found its place among them.
///
/// Lines follow each other directly, so those that go on as they are are copied together, up to the next one that does not.
fn write_received(head: &RequestHead, bytes: &[u8], framing: Framing, edits: &Edits, out: &mut Vec<u8>) -> bool {
    let framing_name = match framing {
        Framing::None => None,
        Framing::Length(_) => Some(KnownName::ContentLength),
        Framing::Chunked => Some(KnownName::TransferEncoding),
    };
    let fields = head.fields();
    let has_special = head.fields.has(SPECIAL) || head.fields.has_any(SPECIAL_NAMES);
    let mut changes = edits.changes.iter().peekable();
    let mut framed = false;
    let mut copied = Span::new(0, 0);
    copied.start = fields.first().map_or(0, |field| field.line.start);
    let mut index = 0;
    loop {
        let changed = changes.peek().map_or(usize::MAX, |(index, _)| *index);
        if has_special {
            let is_special = |field: &Field| field.has(SPECIAL) || field.known.bit() & SPECIAL_NAMES != 0;
            while index < changed && fields.get(index).is_some_and(|field| !is_special(field)) {
                index += 1;
            }
        } else {
            index = changed;
        }
        let Some(field) = fields.get(index) else { break };
        let change = changes.next_if(|_| index == changed).map(|(_, change)| *change);
        copied.end = field.line.start;
        out.extend_from_slice(copied.of(bytes));
        copied.start = field.line.end;
        index += 1;
        if matches!(field.known, KnownName::ContentLength | KnownName::TransferEncoding) {
            if !framed && framing_name == Some(field.known) {
                write_framing(out, Some(field.name(bytes)), framing);
                framed = true;
            }
            continue;
        }
        let value = match Fate::of(field, change, bytes, edits) {
            Fate::Gone => continue,
            Fate::Verbatim => field.value(bytes),
            Fate::Written(value) => value,
        };
        if !framed && framing_name.is_some() && field.has(ENDS_A_HEAD) {
            write_framing(out, None, framing);
            framed = true;
        }
        write_field(out, field.name(bytes), value);
    }
    copied.end = fields.last().map_or(0, |field| field.line.end);
    out.extend_from_slice(copied.of(bytes));
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
            // Nothing else that the client offers beside it, such as `h2c`, may reach a target.
            if let Some(protocol) = websocket(&head.fields, bytes) {
                write_field(out, b"Connection", b"Upgrade");
                write_field(out, b"Upgrade", protocol);
            }
        }
    }
}

#[cfg(test)]
mod tests;
