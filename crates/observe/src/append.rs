//! Appending to files, and what is left when the disk takes only a part.

use std::fs::File;
use std::io::{self, ErrorKind, Write};

/// How far an append came before it failed.
#[derive(Debug)]
pub(crate) struct Unwritten {
    pub(crate) written: usize,
    pub(crate) error: io::Error,
}

impl Unwritten {
    /// It failed before the first byte.
    pub(crate) fn nothing(error: io::Error) -> Self {
        Self { written: 0, error }
    }
}

/// One write in all usual cases; more only when the system takes less than everything.
pub(crate) fn append_all(mut file: &File, bytes: &[u8]) -> Result<(), Unwritten> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match file.write(rest) {
            Ok(0) => {
                return Err(Unwritten {
                    written,
                    error: ErrorKind::WriteZero.into(),
                });
            }
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Unwritten { written, error }),
        }
    }
    Ok(())
}

/// How many lines of `bytes` are whole.
pub(crate) fn whole_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// How many bytes at the end of `bytes` belong to a line that is not whole.
pub(crate) fn half_line(bytes: &[u8]) -> u64 {
    bytes.iter().rev().take_while(|byte| **byte != b'\n').count() as u64
}
