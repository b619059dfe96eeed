//! Bodies that are collected whole, because a function gets them whole. All of a core together are bounded.

use super::BodyFailure;
use crate::core::Core;

/// A body on its way into memory. Its bytes count against the core's bound until it is dropped.
pub(crate) struct Body<'a> {
    core: &'a Core,
    bytes: Vec<u8>,
    max: usize,
}

impl<'a> Body<'a> {
    /// An empty body of at most `max` bytes.
    pub(crate) fn new(core: &'a Core, max: usize) -> Self {
        Self {
            core,
            bytes: Vec::new(),
            max,
        }
    }

    /// Adds what arrived.
    pub(crate) fn push(&mut self, data: &[u8]) -> Result<(), BodyFailure> {
        if data.len() > self.max - self.bytes.len() {
            return Err(BodyFailure::TooLarge);
        }
        let held = self.core.held_body_bytes.get() + data.len();
        if held > self.core.shared.limits.body_bytes_max {
            return Err(BodyFailure::NoRoom);
        }
        self.core.held_body_bytes.set(held);
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    /// What has arrived.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Body<'_> {
    fn drop(&mut self) {
        let held = &self.core.held_body_bytes;
        held.set(held.get() - self.bytes.len());
    }
}
