//! Fields of ours: their names, and the lines they are kept as.

use crate::known_name::KnownName;
use crate::similarity::resembles;
use crate::token::{FieldError, check_name, check_value};
use crate::words::{byte_at, has_control};

/// Fields of ours that are the same for many requests, so that they are looked at and written once.
#[derive(Clone, Debug, Default)]
pub struct OwnLines(pub(super) OwnFields);

impl OwnLines {
    /// Adds a field behind the others.
    ///
    /// # Errors
    ///
    /// [`FieldError::Value`] if the value holds CR, LF or NUL.
    pub fn push(&mut self, name: OwnName<'_>, value: &[u8]) -> Result<(), FieldError> {
        self.0.add(name, |out| {
            out.extend_from_slice(value);
            true
        })
    }
}

/// The name of a field of ours: it can stand in a head, and is none that only the codec writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnName<'a>(&'a [u8]);

impl<'a> OwnName<'a> {
    /// Any name.
    ///
    /// # Errors
    ///
    /// [`FieldError`] if it cannot stand in a head, or only the codec writes it.
    pub fn new(name: &'a [u8]) -> Result<Self, FieldError> {
        // What is known is a name, so only others need a look at their bytes.
        let known = KnownName::of(name);
        if known == KnownName::Other {
            check_name(name)?;
        }
        let codecs = known.is_hop_by_hop()
            || known == KnownName::ContentLength
            || (known == KnownName::Other && resembles(name).is_some());
        if codecs {
            Err(FieldError::Framing)
        } else {
            Ok(Self(name))
        }
    }
}

impl OwnName<'static> {
    /// `Host`, or a name that begins with `X-` and is `[-A-Za-z0-9]+`: none of these is for the codec. For constants, which
    /// are looked at when the program is compiled.
    ///
    /// # Panics
    ///
    /// With any other name.
    #[must_use]
    pub const fn literal(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(
            matches!(bytes, [b'X', b'-', _, ..] | [b'H', b'o', b's', b't']),
            "a name that begins with X-, or Host"
        );
        let mut at = 0;
        while at < bytes.len() {
            assert!(bytes[at].is_ascii_alphanumeric() || bytes[at] == b'-', "a plain name");
            at += 1;
        }
        Self(bytes)
    }
}

/// May this be written as a field of ours? Connection and framing fields, and what resembles them, are for the codec only.
#[inline]
pub(crate) fn check_own_field(name: &[u8], value: &[u8]) -> Result<(), FieldError> {
    OwnName::new(name)?;
    check_value(value)
}

/// Fields of ours, kept as the lines they will be, so that writing them is one copy.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnFields {
    pub(super) lines: Vec<u8>,
}

impl OwnFields {
    #[inline]
    pub(super) fn add(
        &mut self,
        OwnName(name): OwnName<'_>,
        write: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> Result<(), FieldError> {
        let start = self.lines.len();
        self.lines.extend_from_slice(name);
        self.lines.extend_from_slice(b": ");
        let value = self.lines.len();
        let wanted = write(&mut self.lines);
        debug_assert!(self.lines.len() >= value, "a value is appended");
        // The name holds no control byte, and with it there are mostly enough bytes to look at many at once. What is not
        // wanted may be anything.
        let checked = if wanted && has_control(self.lines.get(start..).unwrap_or_default()) {
            check_value(self.lines.get(value..).unwrap_or_default())
        } else {
            Ok(())
        };
        if !wanted || checked.is_err() {
            self.lines.truncate(start);
            return checked;
        }
        self.lines.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// As [`OwnFields::add`], where only `theirs` has to be looked at.
    #[inline]
    pub(super) fn add_composed(
        &mut self,
        OwnName(name): OwnName<'_>,
        theirs: &[u8],
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), FieldError> {
        if has_control(theirs) {
            check_value(theirs)?;
        }
        self.lines.extend_from_slice(name);
        self.lines.extend_from_slice(b": ");
        let value = self.lines.len();
        write(&mut self.lines);
        debug_assert_eq!(self.lines.get(value..).map(check_value), Some(Ok(())), "it is sendable");
        self.lines.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// The same fields behind these.
    #[inline]
    pub(super) fn extend(&mut self, other: &Self) {
        self.lines.extend_from_slice(&other.lines);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = self.lines.as_slice();
        // No name holds a colon, and no value a CR.
        std::iter::from_fn(move || {
            let (name, line) = rest.split_at_checked(byte_at(b':', rest))?;
            let line = line.strip_prefix(b": ")?;
            let (value, behind) = line.split_at_checked(byte_at(b'\r', line))?;
            rest = behind.strip_prefix(b"\r\n")?;
            Some((name, value))
        })
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
    }
}
