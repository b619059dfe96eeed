//! What albacore itself writes: no code, wherever it lies.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files and folders that albacore writes while it runs: its data folder, its access log, where its output goes.
///
/// One that lies in the code of a function is not part of the code. Otherwise every request would change the function,
/// and every change that is told would be the next one.
#[derive(Clone, Debug, Default)]
pub struct OwnFiles(Arc<[PathBuf]>);

impl OwnFiles {
    /// Asks the disk where the paths really lead. What does not exist yet counts where its folder is; what has no folder
    /// either is left out.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(paths.into_iter().filter_map(|path| real(&path)).collect())
    }

    /// Those that lie below `root`, written as `root` is written.
    pub(crate) fn below(&self, root: &Path) -> Vec<PathBuf> {
        let Ok(real_root) = fs::canonicalize(root) else {
            return Vec::new();
        };
        let below = self.0.iter().filter_map(|own| own.strip_prefix(&real_root).ok());
        // The root itself was asked for as code.
        let inside = below.filter(|rest| !rest.as_os_str().is_empty());
        inside.map(|rest| root.join(rest)).collect()
    }
}

fn real(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    fs::canonicalize(&path)
        .or_else(|error| {
            let (folder, name) = path.parent().zip(path.file_name()).ok_or(error)?;
            fs::canonicalize(folder).map(|folder| folder.join(name))
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestFolder;

    #[test]
    fn what_is_ours_is_found_below_a_folder_however_both_are_written() {
        let folder = TestFolder::new();
        folder.put("code/state/lock", "");
        let path = |name: &str| folder.path(name);
        std::os::unix::fs::symlink(path("code"), path("link")).unwrap();
        let own = OwnFiles::new([
            path("link/state"),
            path("code/not-yet.log"),
            path("beside.log"),
            path("code"),
            path("missing/file"),
        ]);
        for root in ["code", "link"] {
            let root = path(root);
            assert_eq!(own.below(&root), [root.join("state"), root.join("not-yet.log")]);
        }
        assert_eq!(own.below(&path("code/state")), [] as [PathBuf; 0]);
        assert_eq!(own.below(&path("missing")), [] as [PathBuf; 0]);
    }
}
