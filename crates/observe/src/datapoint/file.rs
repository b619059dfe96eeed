//! The files of datapoints: one per hour and process, `20260131T23Z-1a2b3c4d.datapoints`, a row of blocks.

use super::block::{HEADER_BYTES, MARKER, checksum};
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufReader, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use time::OffsetDateTime;

const EXTENSION: &str = "datapoints";

/// A longer block is none of ours.
const BLOCK_BYTES_MAX: u32 = 64 * 1024 * 1024;

/// A file, by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// Hours since the epoch.
    pub(super) hour: u64,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// The name of a file. An hour that has no name shares that of the epoch.
pub(super) fn name(hour: u64, random: &str) -> String {
    let secs = i64::try_from(hour.saturating_mul(3600)).unwrap_or(0);
    let time = OffsetDateTime::from_unix_timestamp(secs).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}{:02}{:02}T{:02}Z-{random}.{EXTENSION}",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour()
    )
}

/// The hour in a file's name.
fn hour_of(path: &Path) -> Option<u64> {
    if path.extension()? != EXTENSION {
        return None;
    }
    let (stamp, _) = path.file_stem()?.to_str()?.split_once("Z-")?;
    let (day, hour) = stamp.split_once('T')?;
    let number = |range: std::ops::Range<usize>| day.get(range)?.parse::<u32>().ok();
    let (year, month, of_month) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let month = time::Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = time::Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(of_month).ok()?).ok()?;
    let time = date.with_hms(hour.parse().ok()?, 0, 0).ok()?.assume_utc();
    u64::try_from(time.unix_timestamp() / 3600).ok()
}

/// The files of a folder, oldest first. No folder has none.
pub(super) fn list(folder: &Path) -> io::Result<Vec<Entry>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let Some(hour) = hour_of(&path) else { continue };
        match entry.metadata() {
            Ok(about) if about.is_file() => found.push(Entry {
                hour,
                path,
                bytes: about.len(),
            }),
            Ok(_) => {}
            // Removed a moment ago.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Makes a new file, and its folder when it is missing, private to the user.
pub(super) fn make(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    File::options().append(true).create_new(true).mode(0o600).open(path)
}

/// Makes a folder and those above it, private to the user.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The payloads of a file, in order.
#[derive(Debug)]
pub(super) struct Payloads {
    file: BufReader<File>,
    payload: Vec<u8>,
}

impl Payloads {
    /// `None` when it was removed a moment ago.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            file => Ok(Some(Self {
                file: BufReader::with_capacity(64 * 1024, file?),
                payload: Vec::new(),
            })),
        }
    }

    /// The next whole one. One that was damaged is skipped; half a one, which a death left behind or which is just being
    /// written, is the end.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            let mut header = [0; HEADER_BYTES];
            if !self.fill(&mut header)? {
                return Ok(None);
            }
            let [a, b, c, d, l0, l1, l2, l3, s0, s1, s2, s3] = header;
            let bytes = u32::from_le_bytes([l0, l1, l2, l3]);
            if [a, b, c, d] != MARKER || bytes > BLOCK_BYTES_MAX {
                return Ok(None);
            }
            self.payload.clear();
            let read = (&mut self.file).take(bytes.into()).read_to_end(&mut self.payload)?;
            if read as u64 != u64::from(bytes) {
                return Ok(None);
            }
            if checksum(&self.payload) == u32::from_le_bytes([s0, s1, s2, s3]) {
                return Ok(Some(&self.payload));
            }
        }
    }

    fn fill(&mut self, header: &mut [u8]) -> io::Result<bool> {
        match self.file.read_exact(header) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDirectory;

    #[test]
    fn names_say_the_hour() {
        // 2026-01-31 23:00.
        assert_eq!(name(491_639, "1a2b3c4d"), "20260131T23Z-1a2b3c4d.datapoints");
        for hour in [0, 1, 491_639, 491_640, 1_000_000] {
            assert_eq!(hour_of(Path::new(&name(hour, "x"))), Some(hour));
        }
        assert_eq!(hour_of(Path::new(&name(u64::MAX, "x"))), Some(0));
    }

    #[test]
    fn files_are_told_from_others_and_sorted() {
        let directory = TestDirectory::new();
        for (hour, random) in [(491_640, "a"), (491_639, "b"), (491_639, "a")] {
            fs::write(directory.file(&name(hour, random)), random).unwrap();
        }
        for other in [
            "20260131T23Z.datapoints",
            "20261331T23Z-a.datapoints",
            "20260131T24Z-a.datapoints",
            "2026T1Z-a.datapoints",
            "20260131T23Z-a.other",
            "\u{fc}\u{fc}\u{fc}T23Z-a.datapoints",
        ] {
            fs::write(directory.file(other), "").unwrap();
        }
        fs::create_dir(directory.file(&name(1, "folder"))).unwrap();
        let found: Vec<_> = list(directory.path())
            .unwrap()
            .into_iter()
            .map(|entry| (entry.hour, entry.bytes, entry.path.file_name().unwrap().to_owned()))
            .collect();
        let expected = [(491_639, "a"), (491_639, "b"), (491_640, "a")];
        assert_eq!(
            found,
            expected.map(|(hour, random)| (hour, 1, name(hour, random).into()))
        );
        assert_eq!(list(&directory.file("absent")).unwrap(), []);
    }
}
