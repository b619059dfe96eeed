//! A function's code, ready to be run: folders and executables where they lie, zip files unpacked.
//!
//! A package is unpacked once, into a folder that is named after the SHA-256 of the zip file, and shared by all
//! environments. What is in it and how it gets there is decided in [`unpack`].

mod links;
mod shelf;
#[cfg(test)]
mod tests;
mod unpack;

use model::lambda::function::{Code, CodeLocation};
use shelf::Shelf;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OnceCell, Semaphore};

/// Packages that are unpacked at once: each may take 50 MB of memory, a core and the disk.
const UNPACKED_AT_ONCE_MAX: usize = 2;
/// Packages of which we remember where they were unpacked. More functions than a manifest may have.
const REMEMBERED_MAX: usize = 4096;

/// Where code is unpacked, shared by all cores.
#[derive(Debug)]
pub(crate) struct Codes {
    shelf: Arc<Shelf>,
    /// What became of the zip files that were asked for, by their paths.
    slots: Mutex<HashMap<PathBuf, Arc<Slot>>>,
    permits: Semaphore,
}

/// One version of a zip file.
#[derive(Debug)]
struct Slot {
    revision: Arc<str>,
    /// The folder, or what is wrong with the package, which a second look would not change.
    outcome: OnceCell<Result<PathBuf, String>>,
}

/// Code that can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReadyCode {
    /// A folder: what is `/var/task` on Lambda.
    Folder(PathBuf),
    /// One executable.
    Executable(PathBuf),
}

/// Why code cannot be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodeError {
    /// The package is at fault; the text says how.
    #[error("{0}")]
    Package(String),
    /// The platform is at fault.
    #[error("the code cannot be unpacked")]
    Io(#[from] io::Error),
}

impl Codes {
    /// Unpacks below `data_dir/code`. What a killed run has left there, and packages that were not used for long, are
    /// removed: nobody else may be using the folder now.
    pub(crate) fn new(data_dir: &Path) -> Self {
        let shelf = Shelf::new(data_dir.join("code"));
        shelf.clear_out();
        Self {
            shelf: Arc::new(shelf),
            slots: Mutex::default(),
            permits: Semaphore::new(UNPACKED_AT_ONCE_MAX),
        }
    }

    /// Finds the code, and unpacks it if that was not done yet. Callers that want the same package wait for one of them.
    ///
    /// # Cancel safety
    ///
    /// A half-unpacked package is never taken for a whole one.
    pub(crate) async fn ready(&self, code: &Code) -> Result<ReadyCode, CodeError> {
        match &code.location {
            CodeLocation::Folder(path) => Ok(ReadyCode::Folder(path.clone())),
            CodeLocation::Executable(path) => Ok(ReadyCode::Executable(path.clone())),
            CodeLocation::Zip(path) => self.unpacked(path, &code.revision).await.map(ReadyCode::Folder),
        }
    }

    async fn unpacked(&self, zip: &Path, revision: &Arc<str>) -> Result<PathBuf, CodeError> {
        let slot = self.slot(zip, revision);
        let known = slot.outcome.get().cloned();
        if let Some(Ok(folder)) = &known
            && !self.is_there(folder).await?
        {
            // Somebody has removed it while we ran.
            self.forget(zip, &slot);
            return self.fill(zip, &self.slot(zip, revision)).await;
        }
        match known {
            Some(outcome) => outcome.map_err(CodeError::Package),
            None => self.fill(zip, &slot).await,
        }
    }

    async fn fill(&self, zip: &Path, slot: &Slot) -> Result<PathBuf, CodeError> {
        let unpack = || async {
            let _permit = self.permits.acquire().await.map_err(io::Error::other)?;
            let (shelf, zip) = (Arc::clone(&self.shelf), zip.to_owned());
            match blocking(move || shelf.unpacked(&zip)).await? {
                Ok(folder) => Ok(Ok(folder)),
                Err(CodeError::Package(message)) => Ok(Err(message)),
                Err(CodeError::Io(error)) => Err(error),
            }
        };
        let outcome = slot.outcome.get_or_try_init(unpack).await?;
        outcome.clone().map_err(CodeError::Package)
    }

    async fn is_there(&self, folder: &Path) -> io::Result<bool> {
        let folder = folder.to_owned();
        blocking(move || folder.is_dir()).await
    }

    /// The place of this version; that of an earlier one is dropped.
    fn slot(&self, zip: &Path, revision: &Arc<str>) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(zip).filter(|slot| slot.revision == *revision) {
            return Arc::clone(slot);
        }
        if slots.len() >= REMEMBERED_MAX {
            // They are found again by what is in the zip files.
            slots.clear();
        }
        let slot = Arc::new(Slot {
            revision: Arc::clone(revision),
            outcome: OnceCell::new(),
        });
        slots.insert(zip.to_owned(), Arc::clone(&slot));
        slot
    }

    fn forget(&self, zip: &Path, slot: &Arc<Slot>) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.get(zip).is_some_and(|it| Arc::ptr_eq(it, slot)) {
            slots.remove(zip);
        }
    }
}

/// Runs what may wait for the disk elsewhere than on a traffic core.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}
