//! A head made of parts: how an HTTP/2 request becomes the same type as an HTTP/1 request.

use super::{RequestHead, Version};
use crate::token::{FieldError, Span, has_control_or_space, is_tchar};

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
        self.fields.is_unusual = true;
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
        self.set_target(bytes, Span::new(start, bytes.len()));
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
        self.fields.push(bytes, name, value)
    }
}
