//! The files of one group: `00000001.jsonl` and so on, the newest with the highest number.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const EXTENSION: &str = ".jsonl";

/// One file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) bytes: u64,
    /// When it was written last.
    pub(super) modified: SystemTime,
}

/// The segments of a group in ascending order. No folder has none.
pub(super) fn list(folder: &Path) -> io::Result<Vec<Segment>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut segments = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Some(number) = entry.file_name().to_str().and_then(number) else {
            continue;
        };
        match entry.metadata() {
            Ok(about) if about.is_file() => segments.push(Segment {
                number,
                bytes: about.len(),
                modified: about.modified()?,
            }),
            Ok(_) => {}
            // Removed a moment ago.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    segments.sort_unstable_by_key(|segment| segment.number);
    Ok(segments)
}

pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}{EXTENSION}"))
}

/// The number in a file's name, which is written in one way only.
fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(EXTENSION)?;
    let number = digits.parse().ok()?;
    (number > 0 && format!("{number:08}") == digits).then_some(number)
}

/// Whether a folder holds a segment.
pub(super) fn is_in(folder: &Path) -> bool {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .any(|name| number(&name).is_some())
}

/// Opens a segment for appending, and makes it if it is missing.
pub(super) fn open(folder: &Path, number: u64) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path(folder, number))
}

/// Makes a folder and those above it, private to the user.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDirectory;

    #[test]
    fn segments_are_told_from_other_files() {
        let directory = TestDirectory::new();
        for name in ["00000002.jsonl", "100000000.jsonl", "00000010.jsonl"] {
            fs::write(directory.file(name), name).unwrap();
        }
        for name in [
            "2.jsonl",
            "00000000.jsonl",
            "x.jsonl",
            "00000003.json",
            "+0000003.jsonl",
            "notes",
        ] {
            fs::write(directory.file(name), "").unwrap();
        }
        fs::create_dir(directory.file("00000004.jsonl")).unwrap();
        let found = list(directory.path()).unwrap();
        let numbers: Vec<_> = found.iter().map(|segment| (segment.number, segment.bytes)).collect();
        assert_eq!(numbers, [(2, 14), (10, 14), (100_000_000, 15)]);
        assert_eq!(list(&directory.file("absent")).unwrap(), []);
        assert!(is_in(directory.path()) && !is_in(&directory.file("00000004.jsonl")));
    }
}
