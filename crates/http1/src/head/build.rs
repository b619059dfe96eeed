//! A head made of parts: how an HTTP/2 request becomes the same type as an HTTP/1 request.

use super::{Field, RequestHead, Version, mark};
use crate::known_name::KnownName;
use crate::similarity::{Resembles, resembles};
use crate::token::{FieldError, Span, check_name, check_value, has_control_or_space, is_tchar, plain_prefix};

impl RequestHead {
    /// Begins a head in `bytes`, which is emptied; the spans point into it. Meant for [`Version::H2`].
    ///
    /// # Errors
    ///
    /// [`FieldError::FirstLine`] if method or target is empty, the method is no token, or the target holds a
    /// control byte or a space.
    pub fn begin(
        &mut self,
        bytes: &mut Vec<u8>,
        method: &[u8],
        target: &[u8],
        version: Version,
    ) -> Result<(), FieldError> {
        self.clear();
        bytes.clear();
        let method_fits = !method.is_empty() && method.iter().all(|&b| is_tchar(b));
        if !method_fits || target.is_empty() || has_control_or_space(target) {
            return Err(FieldError::FirstLine);
        }
        bytes.extend_from_slice(method);
        bytes.push(b' ');
        self.method = Span::new(0, method.len());
        let start = bytes.len();
        bytes.extend_from_slice(target);
        self.target = Span::new(start, bytes.len());
        bytes.extend_from_slice(b" HTTP/2\r\n");
        self.version_token = Span::new(bytes.len() - 8, bytes.len() - 2);
        self.version = version;
        Ok(())
    }

    /// Adds a field at the end. `bytes` must be the vector that [`RequestHead::begin`] was given.
    ///
    /// # Errors
    ///
    /// If the name holds a control byte, a space or a colon or is empty, or the value holds CR, LF or NUL. Nothing is
    /// added then.
    pub fn push(&mut self, bytes: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<(), FieldError> {
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
        let mut marks = if plain_prefix(name) == name.len() {
            0
        } else {
            mark::NAME_NOT_PLAIN
        };
        let known = KnownName::of(name);
        // Not classified, as HTTP/2 frames its bodies itself, but a target that is spoken to in HTTP/1.1 must not see it.
        if known == KnownName::Other {
            marks |= match resembles(name) {
                Some(Resembles::TransferEncoding) => mark::LIKE_TE,
                Some(Resembles::ContentLength) => mark::LIKE_CL,
                None => 0,
            };
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
