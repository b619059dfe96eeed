//! The fields of a head, as spans into the caller's bytes. Requests and responses share them; what the marks of a field
//! mean is left to each.

mod build;
mod read;

pub(crate) use read::ValueEnd;
#[cfg(test)]
pub(crate) use read::read_line;

use crate::known_name::KnownName;
use crate::token::Span;

/// Fields that a head keeps room for between messages; a head with more gives the room back.
const KEPT_FIELDS_MAX: usize = 256;

/// What a line of a head is marked with. A head carries the marks of all its lines.
pub(crate) mod mark {
    /// The line ends with LF alone.
    pub(crate) const BARE_LF: u16 = 1;
    /// The line begins with a space or tab.
    pub(crate) const CONTINUATION: u16 = 1 << 1;
    pub(crate) const NO_COLON: u16 = 1 << 2;
    pub(crate) const NAME_EMPTY: u16 = 1 << 3;
    /// The name holds NUL or CR.
    pub(crate) const NAME_BAD: u16 = 1 << 4;
    /// The name holds another byte that cannot stand in a token.
    pub(crate) const NAME_ODD: u16 = 1 << 5;
    /// The value holds NUL or CR.
    pub(crate) const VALUE_BAD: u16 = 1 << 6;
    /// The value holds another control byte.
    pub(crate) const VALUE_ODD: u16 = 1 << 7;
    /// The name resembles `Transfer-Encoding`.
    pub(crate) const LIKE_TE: u16 = 1 << 8;
    /// The name resembles `Content-Length`.
    pub(crate) const LIKE_CL: u16 = 1 << 9;
    pub(crate) const TARGET_SPACE: u16 = 1 << 10;
    pub(crate) const TARGET_ODD: u16 = 1 << 11;
    pub(crate) const TARGET_BAD: u16 = 1 << 12;
    pub(crate) const METHOD_ODD: u16 = 1 << 13;
    /// Whitespace after the version.
    pub(crate) const VERSION_SPACE: u16 = 1 << 14;
    /// The name is not `[-A-Za-z0-9]+`; harmless by itself.
    pub(crate) const NAME_NOT_PLAIN: u16 = 1 << 15;
}

/// One header line. A continuation line and a line without a colon are fields of their own. Source: ALB 4.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(32))] // Finding one by its index is a shift then.
pub struct Field {
    pub(crate) line: Span,
    pub(crate) name: Span,
    pub(crate) value: Span,
    pub(crate) known: KnownName,
    pub(crate) marks: u16,
}

impl Field {
    /// The whole line with its line end.
    #[must_use]
    pub fn line(&self) -> Span {
        self.line
    }

    /// The name without whitespace around it, case as received. The whole line if it has no colon.
    #[must_use]
    pub fn name_span(&self) -> Span {
        self.name
    }

    /// The value without whitespace around it.
    #[must_use]
    pub fn value_span(&self) -> Span {
        self.value
    }

    /// The bytes of [`Field::name_span`].
    #[inline]
    #[must_use]
    pub fn name<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        self.name.of(bytes)
    }

    /// The bytes of [`Field::value_span`].
    #[inline]
    #[must_use]
    pub fn value<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        self.value.of(bytes)
    }

    /// What the name is called here. A name that only resembles a framing header is [`KnownName::Other`].
    #[inline]
    #[must_use]
    pub fn known(&self) -> KnownName {
        self.known
    }

    /// The name is `[-A-Za-z0-9]+` with nothing around it. What is not is counted, and dropped if the load balancer says
    /// so. Source: ALB 4.6, `routing.http.drop_invalid_header_fields.enabled`.
    #[must_use]
    pub fn has_valid_name(&self) -> bool {
        self.marks & (mark::NAME_NOT_PLAIN | mark::CONTINUATION | mark::NO_COLON) == 0
    }

    /// Begins with whitespace: the continuation of a folded line, or whitespace before the first header.
    #[must_use]
    pub fn is_continuation(&self) -> bool {
        self.has(mark::CONTINUATION)
    }

    /// The name resembles `Transfer-Encoding` or `Content-Length` without being it. Never framing for us, and never
    /// written. Source: ALB 4.9, `SuspiciousHeader`.
    #[must_use]
    pub fn is_suspicious(&self) -> bool {
        self.has(mark::LIKE_TE | mark::LIKE_CL)
    }

    #[inline]
    pub(crate) fn has(&self, marks: u16) -> bool {
        self.marks & marks != 0
    }
}

/// The fields of one head in their order, and what is known of all of them together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    list: Vec<Field>,
    /// One bit for each [`KnownName`] that occurs.
    present: u32,
    /// One bit for each that occurs more than once.
    repeated: u32,
    /// Where each stands first. Of use for those that occur.
    first: [u32; KnownName::COUNT],
    /// The marks of all lines of the head, the first line included.
    pub(crate) marks: u16,
    /// Something was read in another way than nearly everything is, so it may hold any bytes.
    pub(crate) is_unusual: bool,
}

impl Fields {
    #[inline]
    pub(crate) fn list(&self) -> &[Field] {
        &self.list
    }

    #[inline]
    pub(crate) fn contains(&self, known: KnownName) -> bool {
        self.present & known.bit() != 0
    }

    /// Does one of the names occur that have these bits?
    #[inline]
    pub(crate) fn has_any(&self, names: u32) -> bool {
        self.present & names != 0
    }

    pub(crate) fn known(&self, known: KnownName) -> impl Iterator<Item = (usize, &Field)> {
        let first = self.first[known as usize] as usize;
        let range = if !self.contains(known) {
            0..0
        } else if self.is_repeated(known) {
            first..self.list.len()
        } else {
            first..first + 1
        };
        let start = range.start;
        let fields = self.list.get(range).unwrap_or_default().iter().enumerate();
        fields
            .filter(move |(_, field)| field.known == known)
            .map(move |(at, field)| (start + at, field))
    }

    pub(crate) fn named<'a>(&'a self, bytes: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = (usize, &'a Field)> {
        self.list
            .iter()
            .enumerate()
            .filter(move |(_, field)| field.name(bytes).eq_ignore_ascii_case(name))
    }

    pub(crate) fn first_value<'a>(&self, bytes: &'a [u8], known: KnownName) -> Option<&'a [u8]> {
        self.first(known).map(|field| field.value(bytes))
    }

    /// The first field of a known name. Costs no search.
    #[inline]
    pub(crate) fn first(&self, known: KnownName) -> Option<&Field> {
        if self.contains(known) {
            self.list.get(self.first[known as usize] as usize)
        } else {
            None
        }
    }

    /// Does the name occur more than once?
    #[inline]
    pub(crate) fn is_repeated(&self, known: KnownName) -> bool {
        self.repeated & known.bit() != 0
    }

    #[inline]
    pub(crate) fn has(&self, marks: u16) -> bool {
        self.marks & marks != 0
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
        if self.list.capacity() > KEPT_FIELDS_MAX {
            self.list.shrink_to(KEPT_FIELDS_MAX);
        }
        self.present = 0;
        self.repeated = 0;
        self.marks = 0;
        self.is_unusual = false;
    }

    #[inline(always)]
    fn add(&mut self, field: Field) {
        if field.known != KnownName::Other {
            let bit = field.known.bit();
            if self.present & bit == 0 {
                self.first[field.known as usize] = self.list.len() as u32;
            }
            self.repeated |= self.present & bit;
            self.present |= bit;
        }
        self.marks |= field.marks;
        self.list.push(field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_for_very_many_fields_is_given_back() {
        let mut fields = Fields::default();
        let many = [&b"a:\r\n".repeat(5_000)[..], b"\r\n"].concat();
        assert_eq!(fields.read(&many, 0), Some(many.len()));
        assert_eq!(fields.list().len(), 5_000);
        fields.clear();
        assert!(fields.list.capacity() <= KEPT_FIELDS_MAX);
    }
}
