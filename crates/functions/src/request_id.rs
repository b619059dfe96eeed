//! Request ids: random UUIDs, drawn from the system's generator a block at a time.

use std::cell::RefCell;
use std::fmt;

/// How many ids one call of the system gives.
const BLOCK: usize = 32;

/// The id of one invocation: a UUID of version 4 as text. Source: Lambda 2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId([u8; 36]);

impl RequestId {
    fn from_random(mut random: [u8; 16]) -> Self {
        random[6] = random[6] & 0x0f | 0x40;
        random[8] = random[8] & 0x3f | 0x80;
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (index, byte) in random.into_iter().enumerate() {
            at += usize::from(matches!(index, 4 | 6 | 8 | 10));
            for digit in [byte >> 4, byte & 0xf] {
                text[at] = b"0123456789abcdef"[usize::from(digit)];
                at += 1;
            }
        }
        Self(text)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// 32 lower-case hexadecimal digits that nobody can guess: the name of an environment in its log stream.
pub(crate) fn environment_id() -> Result<String, getrandom::Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}

/// Makes request ids. One for each core.
pub(crate) struct RequestIds(RefCell<Block>);

struct Block {
    bytes: [u8; 16 * BLOCK],
    used: usize,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        Self(RefCell::new(Block {
            bytes: [0; 16 * BLOCK],
            used: 16 * BLOCK,
        }))
    }

    /// A fresh id. The system's generator fails only where there is none at all.
    pub(crate) fn fresh(&self) -> Result<RequestId, getrandom::Error> {
        let block = &mut *self.0.borrow_mut();
        if block.used == block.bytes.len() {
            getrandom::fill(&mut block.bytes)?;
            block.used = 0;
        }
        let mut random = [0; 16];
        random.copy_from_slice(&block.bytes[block.used..block.used + 16]);
        block.used += 16;
        Ok(RequestId::from_random(random))
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, RequestId, RequestIds};
    use std::collections::HashSet;

    #[test]
    fn ids_are_uuids_of_version_4() {
        assert_eq!(
            RequestId::from_random([0; 16]).as_str(),
            "00000000-0000-4000-8000-000000000000"
        );
        assert_eq!(
            RequestId::from_random([0xff; 16]).as_str(),
            "ffffffff-ffff-4fff-bfff-ffffffffffff"
        );
        let bytes = std::array::from_fn(|index| index as u8 * 0x11);
        assert_eq!(
            RequestId::from_random(bytes).as_str(),
            "00112233-4455-4677-8899-aabbccddeeff"
        );
    }

    #[test]
    fn ids_differ_also_across_blocks() {
        let ids = RequestIds::new();
        let count = 2 * BLOCK + 1;
        let fresh: HashSet<_> = (0..count).map(|_| ids.fresh().unwrap().to_string()).collect();
        assert_eq!(fresh.len(), count);
    }
}
