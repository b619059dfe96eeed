//! One spool file: the lines of one destination in one interval, until they are delivered.
//!
//! The first line says, as JSON, what object the rest will be: `{"version":1,"bucket":"...","key":"..."}`. So a spool can
//! be delivered by a process that knows nothing of the one that wrote it, under the same name however often it is tried.

use super::ObjectName;
use crate::append::{Unwritten, append_all, half_line, whole_lines};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Take};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const VERSION: u32 = 1;

/// A longer first line is none of ours.
const HEADER_BYTES_MAX: u64 = 16 * 1024;

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    #[serde(flatten)]
    object: ObjectName,
}

/// A spool that is written.
#[derive(Debug)]
pub(super) struct Spool {
    path: PathBuf,
    header: Vec<u8>,
    /// Bytes in the file, all of whole lines. None before the header is there.
    bytes: u64,
    lines: u64,
    /// `None` before the first line, and when the file was closed because too many were open.
    file: Option<File>,
    /// The file ends in half a line that could not be cut off: nothing may follow it.
    broken: bool,
}

impl Spool {
    /// A spool that has no file yet.
    pub(super) fn new(path: PathBuf, object: ObjectName) -> io::Result<Self> {
        let mut header = serde_json::to_vec(&Header {
            version: VERSION,
            object,
        })?;
        header.push(b'\n');
        Ok(Self {
            path,
            header,
            bytes: 0,
            lines: 0,
            file: None,
            broken: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes in the file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Lines in the file.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// Whether nothing more can be appended.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Closes the file; the next line opens it again.
    pub(super) fn close(&mut self) {
        self.file = None;
    }

    /// Appends whole lines. On failure says how many of them are in the file all the same, and why no more.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), (u64, io::Error)> {
        self.begin().map_err(|error| (0, error))?;
        // Set by `begin`.
        let Some(file) = &self.file else { return Ok(()) };
        let appended = append_all(file, lines);
        let written = match &appended {
            Ok(()) => lines,
            Err(Unwritten { written, .. }) => lines.get(..*written).unwrap_or_default(),
        };
        let half = half_line(written);
        let whole = whole_lines(written);
        self.bytes += written.len() as u64 - half;
        self.lines += whole;
        if half > 0 {
            // A disk that fills up takes half a batch.
            self.broken = file.set_len(self.bytes).is_err();
        }
        // A file that refused is opened anew the next time: what is wrong may be the file.
        appended.map_err(|unwritten| {
            self.file = None;
            (whole, unwritten.error)
        })
    }

    /// Opens the file, and writes the header if it is not there.
    fn begin(&mut self) -> io::Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        let mut options = File::options();
        options.append(true).create(self.bytes == 0).mode(0o600);
        if self.bytes > 0 {
            // Somebody may have deleted or changed it while it was closed: nothing may follow that.
            self.broken = true;
            let file = options.open(&self.path)?;
            if file.metadata()?.len() != self.bytes {
                return Err(io::Error::other("the spool was changed by somebody else"));
            }
            self.broken = false;
            self.file = Some(file);
            return Ok(());
        }
        let file = options.open(&self.path)?;
        append_all(&file, &self.header).map_err(|unwritten| {
            if unwritten.written > 0 {
                self.broken = file.set_len(0).is_err();
            }
            unwritten.error
        })?;
        self.bytes = self.header.len() as u64;
        self.file = Some(file);
        Ok(())
    }
}

/// Why a spool cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpoolError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it does not begin as a spool does: {0}")]
    Header(serde_json::Error),
    #[error("it is of version {0}, which a newer albacore wrote")]
    Version(u32),
}

/// A spool that is read.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) object: ObjectName,
    /// The lines.
    pub(super) lines: BufReader<Take<File>>,
}

/// Opens a spool that nobody writes any more; `None` when it has no whole line. Half a line that a death left at the end
/// is left out.
pub(super) fn open(path: &Path) -> Result<Option<Contents>, SpoolError> {
    let mut file = File::open(path)?;
    let mut first = Vec::new();
    BufReader::new((&file).take(HEADER_BYTES_MAX)).read_until(b'\n', &mut first)?;
    let bytes = file.metadata()?.len();
    if first.last() != Some(&b'\n') && bytes < HEADER_BYTES_MAX {
        return Ok(None);
    }
    let header: Header = serde_json::from_slice(&first).map_err(SpoolError::Header)?;
    if header.version != VERSION {
        return Err(SpoolError::Version(header.version));
    }
    let start = first.len() as u64;
    let end = whole_bytes(&file, start, bytes)?;
    if end == start {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(start))?;
    Ok(Some(Contents {
        object: header.object,
        lines: BufReader::with_capacity(64 * 1024, file.take(end - start)),
    }))
}

/// Where the last whole line ends, looking back from `end` and not before `start`.
fn whole_bytes(file: &File, start: u64, mut end: u64) -> io::Result<u64> {
    let mut block = [0; 4096];
    while end > start {
        let from = end.saturating_sub(block.len() as u64).max(start);
        let block = block
            .get_mut(..usize::try_from(end - from).unwrap_or(0))
            .ok_or(ErrorKind::InvalidInput)?;
        file.read_exact_at(block, from)?;
        match block.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => return Ok(from + at as u64 + 1),
            None => end = from,
        }
    }
    Ok(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDirectory;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn object() -> ObjectName {
        ObjectName {
            bucket: "logs".to_owned(),
            key: "AWSLogs/1/a \"b\".log.gz".to_owned(),
        }
    }

    /// As version 1 wrote it. It stays readable.
    const GOLDEN: &str = "{\"version\":1,\"bucket\":\"logs\",\"key\":\"AWSLogs/1/a \\\"b\\\".log.gz\"}\none\ntwo\n";

    fn lines_of(path: &Path) -> Option<(ObjectName, String)> {
        let mut contents = open(path).unwrap()?;
        let mut lines = String::new();
        contents.lines.read_to_string(&mut lines).unwrap();
        Some((contents.object, lines))
    }

    #[test]
    fn a_spool_is_written_and_read_as_ever() {
        let directory = TestDirectory::new();
        let path = directory.file("1.open");
        let mut spool = Spool::new(path.clone(), object()).unwrap();
        assert!(!path.exists(), "no line, no file");
        spool.append(b"one\n").unwrap();
        spool.close();
        assert!(!spool.is_open());
        spool.append(b"two\n").unwrap();
        assert_eq!(directory.read("1.open"), GOLDEN);
        assert_eq!((spool.lines(), spool.bytes()), (2, GOLDEN.len() as u64));

        fs::write(directory.file("golden"), GOLDEN).unwrap();
        let expected = Some((object(), "one\ntwo\n".to_owned()));
        assert_eq!(lines_of(&directory.file("golden")), expected);
    }

    #[test]
    fn what_a_death_left_is_read_up_to_the_last_whole_line() {
        let directory = TestDirectory::new();
        let path = directory.file("1.open");
        let header = GOLDEN.find('\n').unwrap() + 1;
        for end in 0..=GOLDEN.len() {
            fs::write(&path, &GOLDEN[..end]).unwrap();
            let whole = GOLDEN[..end].rfind('\n').map_or(0, |at| at + 1);
            let expected = (whole > header).then(|| (object(), GOLDEN[header..whole].to_owned()));
            assert_eq!(lines_of(&path), expected, "{end}");
        }
        for half in [4095, 4096, 4097, 20_000] {
            fs::write(&path, format!("{GOLDEN}{}", "x".repeat(half))).unwrap();
            assert_eq!(lines_of(&path).unwrap().1, "one\ntwo\n", "{half}");
        }
    }

    #[test]
    fn what_is_no_spool_is_an_error_that_says_why() {
        let directory = TestDirectory::new();
        let path = directory.file("1.open");
        let too_long = "x".repeat(20_000);
        for (text, problem) in [
            ("{\"version\":2,\"bucket\":\"b\",\"key\":\"k\"}\nline\n", "version 2"),
            ("{\"version\":1}\nline\n", "does not begin"),
            ("a line\n", "does not begin"),
            (&too_long, "does not begin"),
        ] {
            fs::write(&path, text).unwrap();
            let error = open(&path).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_spool_that_was_changed_is_given_up() {
        let directory = TestDirectory::new();
        let path = directory.file("1.open");
        for change in ["", "shorter"] {
            let mut spool = Spool::new(path.clone(), object()).unwrap();
            spool.append(b"one\n").unwrap();
            spool.close();
            match change {
                "" => fs::remove_file(&path).unwrap(),
                other => fs::write(&path, other).unwrap(),
            }
            let (whole, _) = spool.append(b"two\n").unwrap_err();
            assert_eq!((whole, spool.is_broken(), spool.lines()), (0, true, 1));
        }
        assert_eq!(
            directory.read("1.open"),
            "shorter",
            "nothing is made anew, and nothing is appended"
        );
    }

    #[test]
    fn a_full_disk_loses_what_it_refuses_and_no_more() {
        let directory = TestDirectory::new();
        let path = directory.file("1.open");
        symlink("/dev/full", &path).unwrap();
        let mut spool = Spool::new(path.clone(), object()).unwrap();
        let (whole, error) = spool.append(b"lost\n").unwrap_err();
        assert_eq!((whole, error.kind()), (0, ErrorKind::StorageFull));
        assert_eq!((spool.lines(), spool.bytes(), spool.is_broken()), (0, 0, false));
        fs::remove_file(&path).unwrap();
        spool.append(b"one\ntwo\n").unwrap();
        assert_eq!(directory.read("1.open"), GOLDEN);
    }
}
