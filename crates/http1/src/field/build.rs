//! Fields made of parts: how the fields of an HTTP/2 message become the same type as those of HTTP/1.

use super::read::resemblance;
use super::{Field, Fields, mark};
use crate::known_name::KnownName;
use crate::similarity::resembles;
use crate::token::{FieldError, Span, check_name, check_value};
use crate::words::plain_end;

impl Fields {
    /// Writes a field at the end of `bytes`, which is the head so far, and takes it in. Nothing is written after an error.
    pub(crate) fn push(&mut self, bytes: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<(), FieldError> {
        check_name(name)?;
        check_value(value)?;
        let line_start = bytes.len();
        bytes.extend_from_slice(name);
        let name_end = bytes.len();
        bytes.extend_from_slice(b": ");
        let value_start = bytes.len();
        bytes.extend_from_slice(value);
        let value_end = bytes.len();
        bytes.extend_from_slice(b"\r\n");
        if u32::try_from(bytes.len()).is_err() {
            bytes.truncate(line_start);
            return Err(FieldError::Value);
        }
        let mut marks = if plain_end(bytes, line_start) == name_end {
            0
        } else {
            mark::NAME_NOT_PLAIN
        };
        let known = KnownName::of(name);
        // Not classified, as HTTP/2 frames its bodies itself, but a target that is spoken to in HTTP/1.1 must not see it.
        if known == KnownName::Other {
            marks |= resemblance(resembles(name));
        }
        self.add(Field {
            line: Span::new(line_start, bytes.len()),
            name: Span::new(line_start, name_end),
            value: Span::new(value_start, value_end),
            known,
            marks,
        });
        Ok(())
    }
}
