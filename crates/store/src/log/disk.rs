//! The few operations on files that the store needs: on a folder, or in tests on a disk that fails and crashes on
//! purpose.

use std::fmt::Debug;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder of files.
pub trait Disk: Debug + Send + Sync + 'static {
    /// Opens a file to read and write it, for this process alone; `None` when there is none. It has its name after a
    /// crash, too.
    ///
    /// # Errors
    /// `WouldBlock` when another process has it.
    fn open(&self, name: &str) -> io::Result<Option<Arc<dyn DiskFile>>>;

    /// Makes an empty file for this process alone, in the place of what has the name.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, in the place of what has it. Durable once this returns.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. One that is not there is no error.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The file as people find it.
    fn path(&self, name: &str) -> PathBuf;
}

/// An open file. What was written is durable after the next [`DiskFile::sync`] that succeeds.
pub trait DiskFile: Debug + Send + Sync + 'static {
    /// How long it is.
    fn length(&self) -> io::Result<u64>;
    /// Cuts it, or makes it longer with zeros.
    fn set_length(&self, length: u64) -> io::Result<()>;
    /// Fills `buffer` from `offset` on.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Waits until everything that was written is on the disk.
    fn sync(&self) -> io::Result<()>;
}

/// A folder of the file system. Its files are private to the user: there are keys in them.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A folder, made when it is missing; the one around it must exist.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make(path: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = Self(path.into());
        match DirBuilder::new().mode(0o700).create(&folder.0) {
            Ok(()) => sync_folder(folder.0.parent().unwrap_or(Path::new("/")))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Ok(folder)
    }

    fn sync_names(&self) -> io::Result<()> {
        sync_folder(&self.0)
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

impl Disk for Folder {
    fn open(&self, name: &str) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let file = match OpenOptions::new().read(true).write(true).open(self.path(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        lock(&file)?;
        self.sync_names()?;
        // A copy that was put back may have any mode.
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        Ok(Some(Arc::new(file)))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        // Made anew and not emptied: what stands there may belong to somebody, or lead elsewhere.
        self.remove(name)?;
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600);
        let file = file.open(self.path(name))?;
        lock(&file)?;
        Ok(Arc::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))?;
        self.sync_names()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl DiskFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
