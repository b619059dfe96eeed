//! A function's code on this machine: what lies there, whether it can run, and a revision that changes with it.
//!
//! Running it is left to others; nothing here executes or even reads more than a few bytes of it.

use crate::own::OwnFiles;
use model::lambda::function::CodeLocation;
use sha2::{Digest, Sha256};
use std::fs::{self, File, Metadata};
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zip::ZipArchive;

/// The most files and folders in one function's code.
pub const CODE_FILES_MAX: usize = 50_000;

/// The largest zip file. Source: Lambda 1.7, direct upload.
const ZIP_BYTES_MAX: u64 = 52_428_800;

/// The most bytes of code as it lies before a function. Source: Lambda 1.7, unzipped.
const UNZIPPED_BYTES_MAX: u64 = 262_144_000;

/// Folders whose contents are not code: version control, our own data, and what Python writes while it runs.
pub(crate) const NOT_CODE: [&str; 3] = [".git", ".albacore", "__pycache__"];

/// What can lie at the path of a function's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A folder.
    Folder,
    /// A file that says by its name or its first bytes that it is a zip file.
    Zip,
    /// Any other regular file.
    File,
}

/// What lies at `path`. `name` is the path as the manifest writes it, in backquotes.
pub(crate) fn look(path: &Path, name: &str, expected: &str) -> Result<Found, String> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(name, &error, expected))?;
    if metadata.is_dir() {
        return Ok(Found::Folder);
    }
    if !metadata.is_file() {
        return Err(format!("{name} is no regular file; expected {expected}"));
    }
    let zip_name = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("zip") || extension.eq_ignore_ascii_case("jar"));
    let is_zip = zip_name || begins_with(path, b"PK\x03\x04").unwrap_or(false);
    Ok(if is_zip { Found::Zip } else { Found::File })
}

/// Whether a zip file holds a `bootstrap` that can be run: `None` when it holds none at all. Only the list of what is in
/// it is read; the rest shows when it is unpacked.
pub(crate) fn zipped_bootstrap(path: &Path, name: &str) -> Result<Option<Result<(), String>>, String> {
    let cannot_read = |error: io::Error| format!("cannot read {name}: {}", plain(&error));
    let file = File::open(path).map_err(cannot_read)?;
    let bytes = file.metadata().map_err(cannot_read)?.len();
    if bytes > ZIP_BYTES_MAX {
        return Err(format!(
            "{name} has {bytes} bytes; expected a zip file of at most {ZIP_BYTES_MAX} bytes"
        ));
    }
    let archive = ZipArchive::new(BufReader::new(file));
    let mut archive = archive.map_err(|error| format!("{name} cannot be unzipped: {error}; expected a zip file"))?;
    check_list(&archive, name)?;
    let Some(index) = archive.index_for_name("bootstrap") else {
        return Ok(None);
    };
    // Who runs a function on Lambda is neither the owner nor in the group of its files.
    let executable = archive
        .by_index_raw(index)
        .is_ok_and(|entry| entry.unix_mode().unwrap_or(0) & 0o001 != 0);
    Ok(Some(if executable {
        Ok(())
    } else {
        Err(format!(
            "`bootstrap` in {name} is not executable; expected an executable file (chmod 755, and zip it again)"
        ))
    }))
}

/// What the list of a zip file tells of what cannot be unpacked. Sizes in it may lie, and links are not followed here: that
/// shows when it is unpacked.
fn check_list<R: Read + io::Seek>(archive: &ZipArchive<R>, name: &str) -> Result<(), String> {
    if archive.len() > CODE_FILES_MAX {
        return Err(format!(
            "{name} holds {} files and folders; expected at most {CODE_FILES_MAX}",
            archive.len()
        ));
    }
    let leads_out = |entry: &str| entry.starts_with('/') || entry.split('/').any(|part| part == "..");
    // A name that is no text is refused by who unpacks it.
    if let Some(entry) = archive.file_names().flatten().find(|entry| leads_out(entry)) {
        return Err(format!(
            "{name} holds an entry that leads out of it, {entry:?}; expected paths without `..`, and none that begins with `/`"
        ));
    }
    match archive.decompressed_size() {
        Some(bytes) if bytes > u128::from(UNZIPPED_BYTES_MAX) => Err(format!(
            "{name} unzips to {bytes} bytes; expected at most {UNZIPPED_BYTES_MAX}"
        )),
        _ => Ok(()),
    }
}

/// Whether the file at `path` can be run.
pub(crate) fn executable(path: &Path, name: &str) -> Result<(), String> {
    let metadata = fs::metadata(path).map_err(|error| format!("cannot read {name}: {}", plain(&error)))?;
    can_be_run(path, &metadata, name)
}

/// Whether a folder holds a `bootstrap` that can be run: `None` when it holds none at all.
pub(crate) fn bootstrap(folder: &Path, name: &str) -> Option<Result<(), String>> {
    let path = folder.join("bootstrap");
    let metadata = match fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Err(format!("cannot read `bootstrap` in {name}: {}", plain(&error)))),
    };
    let name = format!("`bootstrap` in {name}");
    if !metadata.is_file() {
        return Some(Err(format!("{name} is no file; expected an executable file")));
    }
    Some(can_be_run(&path, &metadata, &name))
}

fn can_be_run(path: &Path, metadata: &Metadata, name: &str) -> Result<(), String> {
    if metadata.mode() & 0o111 == 0 {
        return Err(format!(
            "{name} is not executable; expected an executable file (chmod +x)"
        ));
    }
    let starts = |magic: &[u8]| begins_with(path, magic);
    match starts(b"\x7fELF").and_then(|elf| Ok(elf || starts(b"#!")?)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!(
            "{name} has no format that Linux runs; expected an ELF program or a script that begins with `#!`"
        )),
        Err(error) => Err(format!("cannot read {name}: {}", plain(&error))),
    }
}

fn begins_with(path: &Path, magic: &[u8]) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(magic.len() as u64).read_to_end(&mut start)?;
    Ok(start == magic)
}

/// Reads a whole file of at most `bytes_max` bytes. `name` as in [`locate`].
pub(crate) fn read_file(path: &Path, name: &str, bytes_max: usize, expected: &str) -> Result<Vec<u8>, String> {
    let failed = |error: &io::Error| unreadable(name, error, expected);
    // Asked before opening: opening a pipe would wait for whoever writes to it.
    if !fs::metadata(path).map_err(|error| failed(&error))?.is_file() {
        return Err(format!("{name} is no regular file; expected {expected}"));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(bytes_max as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| failed(&error))?;
    if bytes.len() > bytes_max {
        return Err(format!("{name} is larger than {bytes_max} bytes; expected {expected}"));
    }
    Ok(bytes)
}

fn unreadable(name: &str, error: &io::Error, expected: &str) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        format!("{name} does not exist; expected {expected}")
    } else {
        format!("cannot read {name}: {}; expected {expected}", plain(error))
    }
}

/// The error without Rust's `(os error 13)`.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// Changes whenever a file of the code does: a hash over path, size, time of change and mode of each, but for `own`.
pub(crate) fn revision(location: &CodeLocation, own: &OwnFiles) -> Result<Arc<str>, String> {
    let (CodeLocation::Folder(path) | CodeLocation::Executable(path) | CodeLocation::Zip(path)) = location else {
        return Err("a package of the AWS API is not a path".to_owned());
    };
    let mut hash = Sha256::new();
    let bytes = hash_files(path, own, &mut hash).map_err(|error| match error {
        Unhashable::TooMany => {
            format!("the folder holds more than {CODE_FILES_MAX} files and folders; expected fewer")
        }
        Unhashable::Io(path, error) => format!("cannot read `{}`: {}", path.display(), plain(&error)),
    })?;
    if bytes > UNZIPPED_BYTES_MAX {
        return Err(format!(
            "the code has {bytes} bytes; expected at most {UNZIPPED_BYTES_MAX}, as Lambda takes"
        ));
    }
    let digest: [u8; 32] = hash.finalize().into();
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Ok(hex.into())
}

/// The same hash over several paths, for those who look for changes by asking. What cannot be read counts as absent.
pub(crate) fn fingerprint(paths: &[PathBuf], own: &OwnFiles) -> [u8; 32] {
    let mut hash = Sha256::new();
    for path in paths {
        let mut one = Sha256::new();
        // A failure in the middle leaves what was hashed so far, which is as good as any other answer.
        let _ = hash_files(path, own, &mut one);
        hash.update(one.finalize());
    }
    hash.finalize().into()
}

enum Unhashable {
    TooMany,
    Io(PathBuf, io::Error),
}

/// Hashes all files, and says how many bytes they have.
fn hash_files(root: &Path, own: &OwnFiles, hash: &mut Sha256) -> Result<u64, Unhashable> {
    // The root may be a link to where the code lies; links inside are hashed as links, so that none leads around.
    let metadata = fs::metadata(root).map_err(|error| Unhashable::Io(root.to_owned(), error))?;
    hash_one(Path::new(""), &metadata, hash);
    let size = |metadata: &Metadata| if metadata.is_file() { metadata.size() } else { 0 };
    let mut bytes = size(&metadata);
    let mut folders = if metadata.is_dir() {
        vec![root.to_owned()]
    } else {
        Vec::new()
    };
    let own = own.below(root);
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        let failed = |error| Unhashable::Io(folder.clone(), error);
        let mut entries = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            count += 1;
            if count > CODE_FILES_MAX {
                return Err(Unhashable::TooMany);
            }
            let entry = entry.map_err(failed)?;
            entries.push((entry.file_name(), entry));
        }
        // The file system promises no order.
        entries.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        for (name, entry) in entries {
            let path = folder.join(&name);
            // Of the entry itself, and not of what a link leads to; quicker than by the whole path.
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // Gone since the folder was listed: then it is not part of the code.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Unhashable::Io(path, error)),
            };
            if metadata.is_dir() && NOT_CODE.iter().any(|ignored| name == *ignored) {
                continue;
            }
            if own.contains(&path) {
                continue;
            }
            hash_one(path.strip_prefix(root).unwrap_or(&path), &metadata, hash);
            bytes = bytes.saturating_add(size(&metadata));
            if metadata.is_symlink()
                && let Ok(target) = fs::metadata(&path)
            {
                hash_one(Path::new(""), &target, hash);
            }
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    Ok(bytes)
}

fn hash_one(path: &Path, metadata: &Metadata, hash: &mut Sha256) {
    let path = path.as_os_str().as_bytes();
    hash.update((path.len() as u64).to_le_bytes());
    hash.update(path);
    hash.update(metadata.mode().to_le_bytes());
    // A folder's size and time change when an ignored folder in it does; its entries are hashed themselves.
    if !metadata.is_dir() {
        hash.update(metadata.size().to_le_bytes());
        hash.update(metadata.ino().to_le_bytes());
        hash.update(metadata.mtime().to_le_bytes());
        hash.update(metadata.mtime_nsec().to_le_bytes());
    }
}

#[cfg(test)]
mod tests;
