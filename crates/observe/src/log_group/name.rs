//! Folders of log groups. A group's name may hold `/`, and may be longer than a file's name.

use std::path::{Path, PathBuf};

/// The longest part of an escaped name that one folder's name takes. File systems take 255 bytes.
const PART_BYTES_MAX: usize = 200;

/// What a folder's name ends in when the group's name goes on in the folder below. No escape is cut short like this.
const GOES_ON: char = '%';

/// The folder of a group below `root`. Different names have different folders, and none leads out of `root`.
pub(super) fn folder(root: &Path, group: &str) -> PathBuf {
    let mut folder = root.to_owned();
    let mut part = String::new();
    for (at, byte) in group.bytes().enumerate() {
        // A name of dots alone would mean another folder.
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && at > 0);
        let escaped = if plain {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        };
        if part.len() + escaped.len() > PART_BYTES_MAX {
            part.push(GOES_ON);
            folder.push(&part);
            part.clear();
        }
        part.push_str(&escaped);
    }
    folder.push(part);
    folder
}

/// A part of a group's name from the name of its folder, and whether the name goes on below it. `None` when no group
/// has such a folder.
pub(super) fn part(folder: &str) -> Option<(Vec<u8>, bool)> {
    let (escaped, goes_on) = match folder.strip_suffix(GOES_ON) {
        Some(escaped) => (escaped, true),
        None => (folder, false),
    };
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.as_bytes();
    while let [first, tail @ ..] = rest {
        (bytes, rest) = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let digit = |digit: u8| char::from(digit).to_digit(16);
                bytes.push(u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?);
                (bytes, tail)
            }
            (b'%', _) => return None,
            (byte, tail) => {
                bytes.push(*byte);
                (bytes, tail)
            }
        };
    }
    (!bytes.is_empty()).then_some((bytes, goes_on))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Component;

    /// Reads a folder back.
    fn name(folder: &Path) -> Option<String> {
        let mut name = Vec::new();
        for component in folder.components() {
            let Component::Normal(text) = component else {
                panic!("{folder:?}")
            };
            name.extend(part(text.to_str()?)?.0);
        }
        String::from_utf8(name).ok()
    }

    #[test]
    fn names_are_escaped_and_read_back() {
        for (group, expected) in [
            ("/aws/lambda/orders", "%2Faws%2Flambda%2Forders"),
            ("a.b-c_d#e", "a.b-c_d%23e"),
            ("..", "%2E."),
            (".", "%2E"),
            ("../../etc", "%2E.%2F..%2Fetc"),
            ("%2F", "%252F"),
            ("\u{fc}", "%C3%BC"),
        ] {
            let folder = folder(Path::new(""), group);
            assert_eq!(folder, Path::new(expected));
            assert_eq!(name(&folder).as_deref(), Some(group));
        }
    }

    #[test]
    fn long_names_take_several_folders() {
        for group in ["/".repeat(512), "x".repeat(512), "ab/".repeat(170)] {
            let folder = folder(Path::new(""), &group);
            assert!(folder.components().all(|part| part.as_os_str().len() <= 255));
            assert!(folder.components().count() > 1);
            assert_eq!(name(&folder), Some(group));
        }
        // The beginning of a long name is another group than the long one.
        let (long, short) = ("x".repeat(201), "x".repeat(200));
        assert!(!folder(Path::new(""), &long).starts_with(folder(Path::new(""), &short)));
    }

    #[test]
    fn other_folders_are_no_groups() {
        for other in ["", "%", "a%2", "%zz", "%2Fa%G0"] {
            assert_eq!(part(other), None, "{other}");
        }
        assert_eq!(part("ab%"), Some((b"ab".to_vec(), true)));
    }
}
