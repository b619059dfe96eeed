//! A function's code, ready to be run: folders and executables where they lie, zip files unpacked.
//!
//! A package is unpacked once, into a folder that is named after the SHA-256 of the zip file, and shared by all
//! environments. What is in it and how it gets there is decided in [`unpack`].

mod layers;
mod links;
mod shelf;
#[cfg(test)]
mod tests;
mod unpack;

use layers::Layer;
use model::lambda::function::{Code, CodeLocation, Function, Layers};
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
    /// Where the packages of the AWS API lie.
    packages: PathBuf,
    /// What became of the zip files that were asked for, by their paths.
    slots: Mutex<HashMap<PathBuf, Arc<Slot>>>,
    /// What became of layers together with the code they were wanted for, by what they are.
    merged: Mutex<HashMap<Vec<String>, Arc<OnceCell<Outcome>>>>,
    permits: Semaphore,
}

/// One version of a zip file.
#[derive(Debug)]
struct Slot {
    revision: Arc<str>,
    /// The folder, or what is wrong with the package, which a second look would not change.
    outcome: OnceCell<Outcome>,
}

/// A folder, or what is wrong with the package.
type Outcome = Result<PathBuf, String>;

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
            packages: data_dir.join(store::packages::FOLDER),
            slots: Mutex::default(),
            merged: Mutex::default(),
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
            CodeLocation::Package(digest) => {
                let path = store::packages::path_in(&self.packages, digest);
                self.unpacked(&path, &code.revision).await.map(ReadyCode::Folder)
            }
        }
    }

    /// Finds the layers of a function whose code is ready: the folder that is `/opt` on Lambda. `None` if it has none.
    ///
    /// # Cancel safety
    ///
    /// As [`Codes::ready`].
    pub(crate) async fn ready_layers(
        &self,
        function: &Function,
        code: &ReadyCode,
    ) -> Result<Option<PathBuf>, CodeError> {
        self.laid(&function.code, &function.configuration.layers, code).await
    }

    /// Unpacks what a function of this code and these layers runs, and finds out whether it may be that large.
    pub(crate) async fn prepare(&self, code: &Code, layers: &Layers) -> Result<(), CodeError> {
        let ready = self.ready(code).await?;
        self.laid(code, layers, &ready).await.map(drop)
    }

    async fn laid(&self, of: &Code, layers: &Layers, code: &ReadyCode) -> Result<Option<PathBuf>, CodeError> {
        if layers.is_empty() {
            return Ok(None);
        }
        let mut ready = Vec::new();
        for layer in layers.in_order() {
            ready.push(self.ready_layer(layer).await?);
        }
        let identities = ready.iter().map(|layer| layer.identity.clone());
        let key: Vec<String> = std::iter::once(identity(of)).chain(identities).collect();
        let slot = self.merged_slot(&key);
        if let Some(Ok(folder)) = slot.get()
            && self.is_there(folder).await?
        {
            return Ok(Some(folder.clone()));
        }
        let (shelf, code) = (Arc::clone(&self.shelf), code.clone());
        let merge = move || layers::check_size(&code, &ready).and_then(|()| layers::merged(&shelf, &ready));
        let outcome = match slot.get() {
            // Somebody has removed it while we ran: it is made again, at the same place.
            Some(Ok(_)) => unless_io(blocking(merge).await?)?,
            _ => {
                let merge = || async { unless_io(blocking(merge).await?) };
                slot.get_or_try_init(merge).await?.clone()
            }
        };
        outcome.map(Some).map_err(CodeError::Package)
    }

    async fn ready_layer(&self, layer: &Code) -> Result<Layer, CodeError> {
        Ok(match self.ready(layer).await? {
            ReadyCode::Folder(folder) => Layer {
                // A package is named after what is in it.
                identity: match layer.location {
                    CodeLocation::Zip(_) | CodeLocation::Package(_) => folder.to_string_lossy().into_owned(),
                    CodeLocation::Folder(_) | CodeLocation::Executable(_) => identity(layer),
                },
                is_ours: matches!(layer.location, CodeLocation::Zip(_) | CodeLocation::Package(_)),
                folder,
            },
            // `Layers` holds none.
            ReadyCode::Executable(file) => {
                let message = format!("the layer {} is neither a folder nor a zip file", file.display());
                return Err(CodeError::Package(message));
            }
        })
    }

    fn merged_slot(&self, key: &[String]) -> Arc<OnceCell<Outcome>> {
        let mut merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        if merged.len() >= REMEMBERED_MAX && !merged.contains_key(key) {
            merged.clear();
        }
        Arc::clone(merged.entry(key.to_vec()).or_default())
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
            unless_io(blocking(move || shelf.unpacked(&zip)).await?)
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

/// Where code lies and in which version, as a text.
fn identity(code: &Code) -> String {
    match &code.location {
        CodeLocation::Folder(path) | CodeLocation::Executable(path) | CodeLocation::Zip(path) => {
            format!("{} {}", code.revision, path.display())
        }
        CodeLocation::Package(digest) => digest.to_string(),
    }
}

/// What is wrong with a package stays wrong; what is wrong with the disk may not.
fn unless_io(outcome: Result<PathBuf, CodeError>) -> io::Result<Outcome> {
    match outcome {
        Ok(folder) => Ok(Ok(folder)),
        Err(CodeError::Package(message)) => Ok(Err(message)),
        Err(CodeError::Io(error)) => Err(error),
    }
}

/// Runs what may wait for the disk elsewhere than on a traffic core.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}
