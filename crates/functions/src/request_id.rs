//! Request ids: random UUIDs, drawn from the system's generator a block at a time.

pub(crate) use invoke::RequestId;

use std::cell::RefCell;

/// How many ids one call of the system gives.
const BLOCK: usize = 32;

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
    use super::{BLOCK, RequestIds};
    use std::collections::HashSet;

    #[test]
    fn ids_differ_also_across_blocks() {
        let ids = RequestIds::new();
        let count = 2 * BLOCK + 1;
        let fresh: HashSet<_> = (0..count).map(|_| ids.fresh().unwrap().to_string()).collect();
        assert_eq!(fresh.len(), count);
    }
}
