//! Small private files that are there whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The longest file we read; our own have a few KB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Who may read a file.
#[derive(Clone, Copy)]
pub(super) enum Access {
    /// Everybody who can reach it: 0644.
    Public,
    /// The owner: 0600.
    Private,
}

impl Access {
    fn mode(self) -> u32 {
        match self {
            Self::Public => 0o644,
            Self::Private => 0o600,
        }
    }
}

/// Makes the directory and its missing parents, and closes it to everybody else, also when it was there before.
pub(super) fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    restrict(path, 0o700)
}

/// Takes a private key away from everybody but its owner, for example after it was restored from a backup.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    restrict(path, Access::Private.mode())
}

fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    if fs::metadata(path)?.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// The contents, or `None` when there is no such file.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut contents = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "longer than 1 MiB"));
    }
    Ok(Some(contents))
}

/// Puts a file in place so that a reader, also one after a crash, sees the old contents or the new ones.
pub(super) fn write_atomically(path: &Path, contents: &[u8], access: Access) -> io::Result<()> {
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("no random numbers"))?;
    let temporary = path.with_added_extension(format!("{:016x}.tmp", u64::from_be_bytes(random)));
    let written = write_new(&temporary, contents, access).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // Whatever it holds is of no use; the error that counts is the first one.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    // The rename is durable only when the directory is.
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

fn write_new(path: &Path, contents: &[u8], access: Access) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(access.mode())
        .open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}
