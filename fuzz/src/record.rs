//! A stored record: any bytes are refused, or a change that is written and read as the same change.

use store::record::{decode, encode};

/// Panics when what was read is not read again.
pub fn check(input: &[u8]) {
    let Ok(change) = decode(input) else {
        return;
    };
    let record = encode(&change);
    let again = decode(&record).expect("what was written is read");
    assert_eq!(again, change);
    assert_eq!(encode(&again), record, "and is written as it was");
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_seeds_are_read_and_hold_cut_and_changed() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/record");
        for seed in std::fs::read_dir(folder).expect("there are seeds") {
            let seed = seed.expect("a seed").path();
            let record = std::fs::read(&seed).expect("a readable seed");
            assert!(super::decode(&record).is_ok(), "{}", seed.display());
            super::check(&record);
            for at in 0..record.len() {
                super::check(&record[..at]);
                let mut changed = record.clone();
                changed[at] = changed[at].wrapping_add(1);
                super::check(&changed);
            }
        }
    }
}
