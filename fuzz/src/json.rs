//! Bodies of the JSON protocols: any bytes are refused in one of our sentences, or every member of them can be asked for in
//! every way, and what a caller is told of it is one line that is not too long.

/// Characters of a sentence; a member's own text is cut much shorter.
const SAID_CHARS_MAX: usize = 1 << 20;

/// Panics if a law does not hold for these bytes.
pub fn check(input: &[u8]) {
    let read = control::fuzzing::json(input);
    assert_eq!(read, control::fuzzing::json(input), "the same bytes are read the same way");
    for said in read.unwrap_or_default() {
        assert!(said.chars().count() < SAID_CHARS_MAX);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_seeds_hold() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/json");
        for seed in std::fs::read_dir(folder).expect("there are seeds") {
            super::check(&std::fs::read(seed.expect("a seed").path()).expect("a readable seed"));
        }
    }
}
