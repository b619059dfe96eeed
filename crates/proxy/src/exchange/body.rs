//! Bodies that are collected whole, because a function gets them whole. All of a core together are bounded.

use super::BodyFailure;
use crate::core::Core;

/// The least room a body takes.
const FIRST_BYTES: usize = 1024;

/// A body on its way into memory. Its bytes count against the core's bound until it is dropped.
pub(crate) struct Body<'a> {
    core: &'a Core,
    bytes: Vec<u8>,
    /// What of the core's bound this body takes up.
    counted: usize,
    max: usize,
}

impl<'a> Body<'a> {
    /// An empty body of at most `max` bytes.
    pub(crate) fn new(core: &'a Core, max: usize) -> Self {
        Self {
            core,
            bytes: Vec::new(),
            counted: 0,
            max,
        }
    }

    /// Adds what arrived.
    pub(crate) fn push(&mut self, data: &[u8]) -> Result<(), BodyFailure> {
        if data.len() > self.max - self.bytes.len() {
            return Err(BodyFailure::TooLarge);
        }
        // Room is taken in steps that double, and it is the room that counts.
        let wanted = (self.bytes.len() + data.len())
            .next_power_of_two()
            .clamp(FIRST_BYTES, self.max.max(FIRST_BYTES));
        if wanted > self.bytes.capacity() {
            let held = self.core.held_body_bytes.get() + wanted - self.counted;
            if held > self.core.shared.limits.body_bytes_max {
                return Err(BodyFailure::NoRoom);
            }
            self.core.held_body_bytes.set(held);
            self.counted = wanted;
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
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
        held.set(held.get() - self.counted);
    }
}
