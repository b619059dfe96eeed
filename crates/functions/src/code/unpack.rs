//! A zip file becomes a folder. Whatever is in the file, nothing is written outside of the folder, and no more than the
//! limits allow.
//!
//! Files are written first, each as a new one; links come after them, so nothing is ever written through a link. Files
//! have the permissions they would have on Lambda, where they belong to another user than the one who runs the
//! function: who may not read them there may not here, and `bootstrap` is executable only if the zip file says so. They
//! stay writable where the package says so, because a copy made by the function takes the permissions along; directories
//! stay writable so that anybody can remove what was unpacked with one command. In the `process` tier it is Landlock
//! that keeps a function from writing here. Source: Lambda 1.7.

use super::CodeError;
use super::links::{self, Links};
use memchr::memmem;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Cursor, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use zip::ZipArchive;
use zip::read::ZipFile;

/// The largest zip file. Source: Lambda 1.7.
pub(super) const ZIP_BYTES_MAX: u64 = 52_428_800;
/// The most bytes that all files of a package may have together. Source: Lambda 1.7.
pub(super) const UNZIPPED_BYTES_MAX: u64 = 262_144_000;
/// The most entries and directories of a package together, directories that are only parts of a path included.
pub(super) const ENTRIES_MAX: usize = 50_000;
/// The most headers of entries that may seem to be in a zip file, zip files inside of it included. Reading the list of
/// entries takes some hundred bytes of memory for each.
const HEADERS_MAX: usize = 200_000;
/// How deep directories may lie in each other: removing them takes an open directory for each.
const DEPTH_MAX: usize = 100;
/// The longest target of a link. The kernel's limit.
const LINK_BYTES_MAX: u64 = 4095;

/// Source: Lambda 1.7 and 8.4.
const UNREADABLE: &str = "Could not unzip uploaded file. Please check your file, then try to upload again.";

/// Unpacks the zip file `bytes` into the empty folder `root`. On failure, `root` may hold a part of it.
pub(super) fn unpack(bytes: &[u8], root: &Path) -> Result<(), CodeError> {
    if memmem::find_iter(bytes, b"PK\x01\x02").take(HEADERS_MAX + 1).count() > HEADERS_MAX {
        return Err(too_many());
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(unreadable)?;
    if archive.is_empty() {
        return Err(unreadable("it is empty"));
    }
    // Everything that names and kinds can get wrong is found before anything is written.
    let plan = plan(&mut archive)?;
    set_mode(root, DIRECTORY_MODE)?;
    let mut package = Package {
        root,
        folders: HashSet::new(),
        links: Links::new(),
        bytes_left: UNZIPPED_BYTES_MAX,
    };
    for (index, planned) in plan.into_iter().enumerate() {
        package.take(planned, &mut archive.by_index(index).map_err(unreadable)?)?;
    }
    package.link()
}

/// What becomes of one entry.
struct Planned {
    /// From the root.
    path: PathBuf,
    kind: Kind,
}

fn plan(archive: &mut ZipArchive<Cursor<&[u8]>>) -> Result<Vec<Planned>, CodeError> {
    if archive.len() > ENTRIES_MAX {
        return Err(too_many());
    }
    let (mut folders, mut others) = (HashSet::new(), 0);
    let mut plan = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(unreadable)?;
        let (path, kind) = (inside(&name(&entry)?)?, kind(&entry)?);
        let folder = match kind {
            Kind::Directory => path.as_path(),
            _ if path.as_os_str().is_empty() => return Err(unreadable("an entry has no name")),
            Kind::File { .. } | Kind::Link => {
                others += 1;
                above(&path)
            }
        };
        for folder in folder.ancestors() {
            if !folders.insert(folder.to_owned()) {
                break;
            }
        }
        plan.push(Planned { path, kind });
        if others + folders.len() > ENTRIES_MAX {
            return Err(too_many());
        }
    }
    Ok(plan)
}

fn above(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

pub(super) const DIRECTORY_MODE: u32 = 0o755;

/// What an entry is, by the file type of its UNIX mode, or by its name where it has none.
enum Kind {
    Directory,
    File { mode: u32 },
    Link,
}

/// A package while it is unpacked.
struct Package<'a> {
    root: &'a Path,
    /// The directories made so far, from the root.
    folders: HashSet<PathBuf>,
    /// Made last.
    links: Links,
    bytes_left: u64,
}

impl Package<'_> {
    fn take(&mut self, planned: Planned, entry: &mut dyn Read) -> Result<(), CodeError> {
        let Planned { path, kind } = planned;
        match kind {
            Kind::Directory => self.make_folders(&path),
            Kind::File { mode } => self.write(&path, mode, entry),
            Kind::Link => self.note_link(path, entry),
        }
    }

    /// Makes a directory and those above it, as far as they are missing.
    fn make_folders(&mut self, path: &Path) -> Result<(), CodeError> {
        let mut missing: Vec<&Path> = path
            .ancestors()
            .take_while(|it| !it.as_os_str().is_empty() && !self.folders.contains(*it))
            .collect();
        while let Some(folder) = missing.pop() {
            let whole = self.root.join(folder);
            DirBuilder::new()
                .mode(DIRECTORY_MODE)
                .create(&whole)
                .map_err(|error| refused(folder, error))?;
            set_mode(&whole, DIRECTORY_MODE)?;
            self.folders.insert(folder.to_owned());
        }
        Ok(())
    }

    fn write(&mut self, path: &Path, mode: u32, entry: &mut dyn Read) -> Result<(), CodeError> {
        self.make_folders(above(path))?;
        let mut file = self.create(path)?;
        let mut buffer = [0; 64 * 1024];
        loop {
            let read = match entry.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(format_args!("{}: {error}", shown(path)))),
            };
            self.bytes_left = self.bytes_left.checked_sub(read as u64).ok_or_else(too_large)?;
            file.write_all(buffer.get(..read).unwrap_or_default())?;
        }
        file.set_permissions(Permissions::from_mode(mode))?;
        Ok(())
    }

    /// A new file. Of two entries with one name the later one counts.
    fn create(&self, path: &Path) -> Result<File, CodeError> {
        let whole = self.root.join(path);
        let create = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(&whole);
        let created = match create() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !self.folders.contains(path) => {
                fs::remove_file(&whole).and_then(|()| create())
            }
            other => other,
        };
        created.map_err(|error| refused(path, error))
    }

    fn note_link(&mut self, path: PathBuf, entry: &mut dyn Read) -> Result<(), CodeError> {
        let mut target = Vec::new();
        entry
            .take(LINK_BYTES_MAX + 1)
            .read_to_end(&mut target)
            .map_err(|error| unreadable(format_args!("{}: {error}", shown(&path))))?;
        if target.is_empty() || target.len() as u64 > LINK_BYTES_MAX || target.contains(&0) {
            return Err(unreadable(format_args!("{} is a link without a target", shown(&path))));
        }
        self.links.insert(path, PathBuf::from(OsStr::from_bytes(&target)));
        Ok(())
    }

    /// Makes the links.
    fn link(mut self) -> Result<(), CodeError> {
        if let Some(link) = links::leading_out(&self.links) {
            return Err(unreadable(format_args!(
                "the link {} leads out of the package",
                shown(link)
            )));
        }
        for (path, target) in std::mem::take(&mut self.links) {
            self.make_folders(above(&path))?;
            symlink(target, self.root.join(&path)).map_err(|error| refused(&path, error))?;
        }
        Ok(())
    }
}

/// The bytes of a name as they are, where they are UTF-8: many programs write that without saying so.
fn name(entry: &ZipFile<'_, Cursor<&[u8]>>) -> Result<Vec<u8>, CodeError> {
    let raw = entry.name_raw();
    if std::str::from_utf8(raw).is_ok() {
        return Ok(raw.to_vec());
    }
    Ok(entry.name().map_err(unreadable)?.as_bytes().to_vec())
}

/// A name as a path from the root. Empty for the root itself.
fn inside(name: &[u8]) -> Result<PathBuf, CodeError> {
    let outside = || {
        unreadable(format_args!(
            "the entry {} lies outside",
            shown(Path::new(OsStr::from_bytes(name)))
        ))
    };
    if name.starts_with(b"/") || name.contains(&0) {
        return Err(outside());
    }
    let mut path = PathBuf::new();
    let mut depth = 0;
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(outside()),
            part => {
                depth += 1;
                path.push(OsStr::from_bytes(part));
            }
        }
    }
    if depth > DEPTH_MAX {
        return Err(unreadable(format_args!(
            "more than {DEPTH_MAX} directories in each other"
        )));
    }
    Ok(path)
}

fn kind(entry: &ZipFile<'_, Cursor<&[u8]>>) -> Result<Kind, CodeError> {
    const FILE_TYPE: u32 = 0o170_000;
    // An entry made elsewhere has what a file usually has.
    let mode = entry.unix_mode().unwrap_or(0o644);
    let names_directory = entry.name_raw().ends_with(b"/");
    match mode & FILE_TYPE {
        0o120_000 => Ok(Kind::Link),
        0o040_000 => Ok(Kind::Directory),
        0 | 0o100_000 if names_directory => Ok(Kind::Directory),
        0 | 0o100_000 => Ok(Kind::File { mode: for_owner(mode) }),
        _ => Err(unreadable("it holds a device, a pipe or a socket")),
    }
}

/// The permissions of a file whose owner runs the function: to read and to execute as others may, to write as the owner
/// may. Nobody else may write, and nothing gains rights from its file.
fn for_owner(mode: u32) -> u32 {
    let for_others = mode & 0o005;
    mode & 0o255 | for_others << 6
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// What the file system says to a path that contradicts another one, or is too long, is the package's fault.
fn refused(path: &Path, error: io::Error) -> CodeError {
    match error.kind() {
        io::ErrorKind::AlreadyExists
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::InvalidFilename => unreadable(format_args!("{}: {error}", shown(path))),
        _ => CodeError::Io(error),
    }
}

fn unreadable(reason: impl fmt::Display) -> CodeError {
    CodeError::Package(format!("{UNREADABLE} ({reason})"))
}

fn too_large() -> CodeError {
    CodeError::Package(format!("Unzipped size must be smaller than {UNZIPPED_BYTES_MAX} bytes"))
}

fn too_many() -> CodeError {
    unreadable(format_args!("more than {ENTRIES_MAX} entries and directories"))
}

/// A path of the package in a message: without what would steer a terminal, and not longer than it helps.
fn shown(path: &Path) -> String {
    const CHARS_MAX: usize = 100;
    let text: String = path
        .to_string_lossy()
        .chars()
        .take(CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    format!("`{text}`")
}
