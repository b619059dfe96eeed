//! CBOR documents: any bytes are refused, or are a value that is written so that it is read again as what it was.

use wire::cbor::{read, write};

/// Panics if a law does not hold for these bytes.
pub fn check(input: &[u8]) {
    let Ok(value) = read(input) else {
        return;
    };
    let written = write(&value);
    let again = read(&written).expect("what we write can be read");
    // By their bytes: a number that is none equals nothing, itself included.
    assert_eq!(write(&again), written);
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_seeds_hold() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/cbor");
        for seed in std::fs::read_dir(folder).expect("there are seeds") {
            super::check(&std::fs::read(seed.expect("a seed").path()).expect("a readable seed"));
        }
    }
}
