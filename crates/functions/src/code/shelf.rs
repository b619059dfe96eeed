//! The folder with the unpacked packages: one folder for each, named after the SHA-256 of its zip file.
//!
//! A package appears under its name in one step, when it is whole. Names that begin with a dot are work in progress, or
//! what is left of it when albacore was killed.

use super::CodeError;
use super::unpack::{self, DIRECTORY_MODE, ZIP_BYTES_MAX};
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

/// Packages that a start leaves: the ones used last.
const KEPT_MAX: usize = 16;
/// How long a package may have been unused that a start leaves.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Entries that a start looks at; more are left to the next one.
const LOOKED_AT_MAX: usize = 10_000;

#[derive(Debug)]
pub(super) struct Shelf {
    directory: PathBuf,
}

/// A folder in progress, removed with everything in it unless it is kept.
struct InProgress {
    path: PathBuf,
    kept: bool,
}

impl Shelf {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The folder of a package, unpacked now if it is not there yet. Blocks.
    pub(super) fn unpacked(&self, zip: &Path) -> Result<PathBuf, CodeError> {
        let bytes = read(zip)?;
        self.made(&hexadecimal(&Sha256::digest(&bytes)), |root| {
            unpack::unpack(&bytes, root).map_err(|error| named(zip, error))
        })
    }

    /// The folder with this name, filled by `fill` now if it is not there yet. Blocks.
    pub(super) fn made(
        &self,
        name: &str,
        fill: impl FnOnce(&Path) -> Result<(), CodeError>,
    ) -> Result<PathBuf, CodeError> {
        let folder = self.directory.join(name);
        if !folder.is_dir() {
            let mut in_progress = self.begin()?;
            fill(&in_progress.path)?;
            match fs::rename(&in_progress.path, &folder) {
                Ok(()) => in_progress.kept = true,
                // Another call was faster, with the same contents.
                Err(_) if folder.is_dir() => {}
                Err(error) => return Err(error.into()),
            }
        }
        // When it was last used; a failure would only make it look older than it is.
        let _ = File::open(&folder).and_then(|folder| folder.set_modified(SystemTime::now()));
        Ok(folder)
    }

    fn begin(&self) -> io::Result<InProgress> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let path = self.hidden()?;
        DirBuilder::new().mode(0o700).create(&path)?;
        // What it becomes is open to the user of functions, who sees nothing of the folders above.
        fs::set_permissions(&path, Permissions::from_mode(DIRECTORY_MODE))?;
        Ok(InProgress { path, kept: false })
    }

    /// A name that nothing else has.
    fn hidden(&self) -> io::Result<PathBuf> {
        let number = getrandom::u64().map_err(io::Error::other)?;
        Ok(self.directory.join(format!(".{number:016x}")))
    }

    /// Removes what a killed run has left, and the packages that were not used for long. Here they only lose their names;
    /// a thread removes them while albacore goes on.
    pub(super) fn clear_out(&self) {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return;
        };
        let (hidden, mut packages): (Vec<_>, Vec<_>) = entries
            .flatten()
            .take(LOOKED_AT_MAX)
            .map(|entry| (last_used(&entry), entry.file_name()))
            .partition(|(_, name)| name.as_encoded_bytes().starts_with(b"."));
        packages.sort_unstable_by(|left, right| right.cmp(left));
        let oldest = SystemTime::now().checked_sub(KEPT_FOR);
        let unused = packages
            .into_iter()
            .enumerate()
            .filter(|(rank, (used, _))| *rank >= KEPT_MAX || *used < oldest)
            .map(|(_, it)| it);
        let old: Vec<PathBuf> = hidden
            .into_iter()
            .chain(unused)
            .filter_map(|it| self.hide(&it.1))
            .collect();
        if old.is_empty() {
            return;
        }
        let remove = move || old.iter().for_each(|path| remove(path));
        if let Err(error) = thread::Builder::new().name("code-removal".to_owned()).spawn(remove) {
            tracing::warn!(%error, "old packages are left to the next start");
        }
    }

    fn hide(&self, name: &OsString) -> Option<PathBuf> {
        let hidden = self.hidden().ok()?;
        fs::rename(self.directory.join(name), &hidden).ok()?;
        Some(hidden)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        if !self.kept {
            remove(&self.path);
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_dir_all(path) {
        tracing::warn!(path = %path.display(), %error, "an unpacked package is left behind");
    }
}

fn last_used(entry: &fs::DirEntry) -> Option<SystemTime> {
    entry.metadata().and_then(|about| about.modified()).ok()
}

/// The whole file: what is hashed is what is unpacked, whatever is written to the file meanwhile.
fn read(zip: &Path) -> Result<Vec<u8>, CodeError> {
    let unreadable = |error: io::Error| CodeError::Package(format!("cannot read {}: {error}", zip.display()));
    let file = File::open(zip).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(ZIP_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > ZIP_BYTES_MAX {
        let message = format!("Zipped size must be smaller than {ZIP_BYTES_MAX} bytes");
        return Err(named(zip, CodeError::Package(message)));
    }
    Ok(bytes)
}

/// Says of which file the words of AWS are.
fn named(zip: &Path, error: CodeError) -> CodeError {
    match error {
        CodeError::Package(message) => {
            let name = zip.file_name().unwrap_or(zip.as_os_str()).to_string_lossy();
            CodeError::Package(format!("{name}: {message}"))
        }
        CodeError::Io(error) => CodeError::Io(error),
    }
}

pub(super) fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
