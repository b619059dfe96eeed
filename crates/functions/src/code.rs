//! A function's code, ready to be run: folders and executables where they lie, zip files unpacked.

use model::lambda::function::{Code, CodeLocation};
use std::io;
use std::path::{Path, PathBuf};

/// Where code is unpacked, shared by all cores.
#[derive(Debug)]
pub(crate) struct Codes {
    /// Unpacked packages lie in folders below it.
    directory: PathBuf,
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
    /// Unpacks below `data_dir/code`.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self {
            directory: data_dir.join("code"),
        }
    }

    /// Finds the code, and unpacks it if that was not done yet.
    ///
    /// # Cancel safety
    ///
    /// A half-unpacked package is never taken for a whole one.
    pub(crate) async fn ready(&self, code: &Code) -> Result<ReadyCode, CodeError> {
        match &code.location {
            CodeLocation::Folder(path) => Ok(ReadyCode::Folder(path.clone())),
            CodeLocation::Executable(path) => Ok(ReadyCode::Executable(path.clone())),
            CodeLocation::Zip(path) => Err(CodeError::Package(format!(
                "{} cannot be unpacked into {}: zip files are not built yet",
                path.display(),
                self.directory.display()
            ))),
        }
    }
}
