//! Whole lines of a file, from its end to its beginning or the other way.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// Lines backward. What follows the last newline is no line: it is being written, or was torn.
pub(super) struct Backward {
    file: File,
    /// Where `buffer` begins in the file.
    base: u64,
    buffer: Vec<u8>,
    /// Behind the newline of the line that comes next.
    cursor: usize,
}

impl Backward {
    /// The lines that end before `end`.
    pub(super) fn new(file: File, end: u64) -> io::Result<Self> {
        let mut lines = Self {
            file,
            base: end,
            buffer: Vec::new(),
            cursor: 0,
        };
        loop {
            if let Some(at) = lines.buffer.iter().rposition(|byte| *byte == b'\n') {
                lines.cursor = at + 1;
                return Ok(lines);
            }
            // No newline yet: nothing of it is needed but its place.
            lines.buffer.clear();
            lines.cursor = 0;
            if !lines.read_before()? {
                return Ok(lines);
            }
        }
    }

    /// Behind the last whole line.
    pub(super) fn end(&self) -> u64 {
        self.base + self.cursor as u64
    }

    /// The line before, without its newline, and where it begins.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        if self.cursor == 0 && !self.read_before()? {
            return Ok(None);
        }
        let start = loop {
            let inside = &self.buffer[..self.cursor - 1];
            match inside.iter().rposition(|byte| *byte == b'\n') {
                Some(at) => break at + 1,
                None if !self.read_before()? => break 0,
                None => {}
            }
        };
        let end = std::mem::replace(&mut self.cursor, start) - 1;
        Ok(Some((self.base + start as u64, &self.buffer[start..end])))
    }

    /// Puts the bytes before the buffer into it. False at the beginning of the file.
    fn read_before(&mut self) -> io::Result<bool> {
        let count = self.base.min(CHUNK as u64);
        if count == 0 {
            return Ok(false);
        }
        self.base -= count;
        let count = usize::try_from(count).unwrap_or(CHUNK);
        let mut buffer = vec![0; count];
        match self.file.read_exact_at(&mut buffer, self.base) {
            // The file was cut meanwhile: half a line went.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
            read => read?,
        }
        buffer.extend_from_slice(&self.buffer[..self.cursor]);
        self.buffer = buffer;
        self.cursor += count;
        Ok(true)
    }
}

/// Lines forward.
pub(super) struct Forward {
    file: BufReader<File>,
    at: u64,
    line: Vec<u8>,
}

impl Forward {
    /// The lines from `start` on, which is where one begins.
    pub(super) fn new(mut file: File, start: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(start))?;
        Ok(Self {
            file: BufReader::with_capacity(CHUNK, file),
            at: start,
            line: Vec::new(),
        })
    }

    /// Where the next line begins.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The next whole line without its newline.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        self.file.read_until(b'\n', &mut self.line)?;
        if self.line.pop_if(|byte| *byte == b'\n').is_none() {
            return Ok(None);
        }
        self.at += self.line.len() as u64 + 1;
        Ok(Some(&self.line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDirectory;
    use proptest::prelude::*;
    use std::fs;

    fn forward(file: File) -> Vec<(u64, Vec<u8>)> {
        let (mut lines, mut found) = (Forward::new(file, 0).unwrap(), Vec::new());
        loop {
            let at = lines.at();
            let Some(line) = lines.next().unwrap() else {
                return found;
            };
            found.push((at, line.to_vec()));
        }
    }

    fn backward(file: File, end: u64) -> (u64, Vec<(u64, Vec<u8>)>) {
        let (mut lines, mut found) = (Backward::new(file, end).unwrap(), Vec::new());
        let last = lines.end();
        while let Some((at, line)) = lines.next().unwrap() {
            found.push((at, line.to_vec()));
        }
        found.reverse();
        (last, found)
    }

    fn check(text: &[u8]) {
        let directory = TestDirectory::new();
        let path = directory.file("lines");
        fs::write(&path, text).unwrap();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut expected = Vec::new();
        let mut at = 0;
        for line in text[..whole].split_inclusive(|byte| *byte == b'\n') {
            expected.push((at, line[..line.len() - 1].to_vec()));
            at += line.len() as u64;
        }
        assert_eq!(forward(File::open(&path).unwrap()), expected);
        assert_eq!(
            backward(File::open(&path).unwrap(), text.len() as u64),
            (whole as u64, expected)
        );
    }

    #[test]
    fn lines_longer_than_a_chunk_are_whole() {
        let long = vec![b'x'; CHUNK * 2 + 5];
        for parts in [
            vec![&long[..], b"\n"],
            vec![b"a\n", &long, b"\n", &long, b"\nb\n", &long],
            vec![&long],
            vec![
                &long[..CHUNK - 1],
                b"\n",
                &long[..CHUNK],
                b"\n",
                &long[..CHUNK - 1],
                b"\n",
            ],
            vec![],
            vec![b"\n"],
            vec![b"\n\n\n", &long[..CHUNK], b"\n\n"],
        ] {
            check(&parts.concat());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn both_ways_find_the_same(text in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200)) {
            check(&text);
        }
    }
}
