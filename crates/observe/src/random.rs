//! Names that no other process and no other moment uses.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Eight lower-case letters and digits. Unique enough for file names, and no secret.
pub(crate) fn random_name() -> String {
    const LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    // The keys come from the system's random numbers and differ with every call.
    let mut number = RandomState::new().build_hasher().finish();
    let mut letter = || {
        let letter = LETTERS[(number % 36) as usize];
        number /= 36;
        char::from(letter)
    };
    (0..8).map(|_| letter()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_eight_letters_and_differ() {
        let names: HashSet<_> = (0..1000).map(|_| random_name()).collect();
        assert_eq!(names.len(), 1000);
        let fits = |name: &String| {
            name.len() == 8
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
        };
        assert!(names.iter().all(fits));
    }
}
