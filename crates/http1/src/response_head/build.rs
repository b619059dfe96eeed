//! A response head made of parts: how the response of an HTTP/2 target becomes the same type as one of HTTP/1.

use super::ResponseHead;
use crate::head::Version;
use crate::token::{FieldError, Span, write_decimal};

impl ResponseHead {
    /// Begins a head of an HTTP/2 response in `bytes`, which is emptied; the spans point into it. The phrase is empty, as
    /// HTTP/2 has none. `status` has three digits.
    pub fn begin(&mut self, bytes: &mut Vec<u8>, status: u16) {
        debug_assert!((100..=999).contains(&status), "a status has three digits");
        self.clear();
        bytes.clear();
        bytes.extend_from_slice(b"HTTP/2 ");
        write_decimal(bytes, u64::from(status));
        bytes.extend_from_slice(b" \r\n");
        let end = bytes.len();
        self.status = status;
        self.version = Version::H2;
        self.line = Span::new(0, end);
        self.phrase = Span::new(end - 2, end - 2);
    }

    /// Adds a field at the end. `bytes` must be the vector that [`ResponseHead::begin`] was given.
    ///
    /// # Errors
    ///
    /// If the name holds a control byte, a space or a colon or is empty, or the value holds CR, LF or NUL. Nothing is
    /// added then.
    pub fn push(&mut self, bytes: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<(), FieldError> {
        self.fields.push(bytes, name, value)
    }
}
