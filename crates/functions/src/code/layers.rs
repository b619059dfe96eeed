//! The layers of a function as one folder: what is `/opt` on Lambda.
//!
//! One layer alone is used where it lies. Several are laid over each other into a folder of the shelf, named after what is
//! in them: files of zip files as further names of what is unpacked already, files of folders as copies, because a folder
//! changes while its user works in it. Source: Lambda 1.7.

use super::shelf::{Shelf, hexadecimal};
use super::unpack::{DIRECTORY_MODE, ENTRIES_MAX, UNZIPPED_BYTES_MAX};
use super::{CodeError, ReadyCode};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

/// How deep folders may lie in each other.
const DEPTH_MAX: usize = 100;

/// Folders that hold nothing of a function, whoever made them.
const NOT_CODE: [&str; 3] = [".git", ".albacore", "__pycache__"];

/// One layer, ready to be laid down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) folder: PathBuf,
    /// What is in it, as a text that nothing else has.
    pub(super) identity: String,
    /// Nobody but us writes there, so its files may get further names.
    pub(super) is_ours: bool,
}

/// Refuses code that is too large together with its layers. Blocks.
pub(super) fn check_size(code: &ReadyCode, layers: &[Layer]) -> Result<(), CodeError> {
    let mut walked = Walked::default();
    match code {
        ReadyCode::Folder(folder) => walked.walk(folder, 0)?,
        ReadyCode::Executable(file) => walked.bytes += fs::metadata(file).map_or(0, |about| about.len()),
    }
    for layer in layers {
        walked.walk(&layer.folder, 0)?;
    }
    Ok(())
}

/// The folder of all layers together, made now if it is not there yet. Blocks.
pub(super) fn merged(shelf: &Shelf, layers: &[Layer]) -> Result<PathBuf, CodeError> {
    if let [layer] = layers {
        return Ok(layer.folder.clone());
    }
    let mut hash = Sha256::new();
    for layer in layers {
        hash.update([b"layer\0", layer.identity.as_bytes(), b"\0"].concat());
    }
    shelf.made(&hexadecimal(&hash.finalize()), |root| {
        let mut count = 0;
        for layer in layers {
            lay(layer, &layer.folder, root, 0, &mut count)?;
        }
        Ok(())
    })
}

/// What is below some folders.
#[derive(Default)]
struct Walked {
    bytes: u64,
    entries: usize,
}

impl Walked {
    fn walk(&mut self, folder: &Path, depth: usize) -> Result<(), CodeError> {
        for entry in entries(folder, depth)? {
            self.entries += 1;
            let about = entry.metadata()?;
            if about.is_dir() {
                self.walk(&entry.path(), depth + 1)?;
            } else {
                self.bytes += about.len();
            }
            if self.bytes > UNZIPPED_BYTES_MAX {
                return Err(package(format!(
                    "Unzipped size must be smaller than {UNZIPPED_BYTES_MAX} bytes (code and layers together)"
                )));
            }
            if self.entries > ENTRIES_MAX {
                return Err(package(format!(
                    "code and layers have more than {ENTRIES_MAX} files and folders"
                )));
            }
        }
        Ok(())
    }
}

/// Lays what is in `from` over what is in `onto`. Nothing is ever written through a link: what is in the way is removed.
fn lay(layer: &Layer, from: &Path, onto: &Path, depth: usize, count: &mut usize) -> Result<(), CodeError> {
    for entry in entries(from, depth)? {
        *count += 1;
        if *count > ENTRIES_MAX {
            return Err(package(format!(
                "the layers have more than {ENTRIES_MAX} files and folders"
            )));
        }
        let (source, target) = (entry.path(), onto.join(entry.file_name()));
        let kind = entry.file_type()?;
        let present = fs::symlink_metadata(&target).ok().map(|about| about.file_type());
        match present {
            Some(present) if kind.is_dir() && present.is_dir() => {}
            Some(present) if present.is_dir() => fs::remove_dir_all(&target)?,
            Some(_) => fs::remove_file(&target)?,
            None => {}
        }
        if kind.is_dir() {
            if !present.is_some_and(|present| present.is_dir()) {
                DirBuilder::new().mode(DIRECTORY_MODE).create(&target)?;
            }
            lay(layer, &source, &target, depth + 1, count)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_file() {
            let linked = layer.is_ours && fs::hard_link(&source, &target).is_ok();
            if !linked {
                fs::copy(&source, &target)?;
            }
        } else {
            return Err(package(format!(
                "the layer's file {} is a device, a pipe or a socket",
                source.display()
            )));
        }
    }
    Ok(())
}

fn entries(folder: &Path, depth: usize) -> Result<impl Iterator<Item = fs::DirEntry>, CodeError> {
    if depth > DEPTH_MAX {
        return Err(package(format!("more than {DEPTH_MAX} folders in each other")));
    }
    let entries =
        fs::read_dir(folder).map_err(|error| package(format!("cannot read {}: {error}", folder.display())))?;
    let entries = entries.collect::<io::Result<Vec<_>>>()?;
    let is_code = |entry: &fs::DirEntry| !NOT_CODE.iter().any(|ignored| entry.file_name() == *ignored);
    Ok(entries.into_iter().filter(is_code))
}

fn package(message: String) -> CodeError {
    CodeError::Package(message)
}
