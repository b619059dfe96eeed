//! Which folders have to be watched for a set of paths, and which events in them matter.

use crate::code::NOT_CODE;
use crate::own::OwnFiles;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The paths, told apart by what lies there now.
pub(super) struct Interest {
    paths: Vec<PathBuf>,
    /// Those that are folders: everything in them matters.
    folders: Vec<PathBuf>,
    /// What lies in them and does not.
    own: Vec<PathBuf>,
}

impl Interest {
    pub(super) fn of(paths: &[PathBuf], own: &OwnFiles) -> Self {
        let folders: Vec<_> = paths.iter().filter(|path| path.is_dir()).cloned().collect();
        Self {
            paths: paths.to_vec(),
            own: folders.iter().flat_map(|folder| own.below(folder)).collect(),
            folders,
        }
    }

    /// The folders to watch, and whether with everything below: the folders themselves, and of every path the folder
    /// above it or, where that is missing, the nearest one that exists.
    pub(super) fn folders_to_watch(&self) -> BTreeMap<PathBuf, bool> {
        let mut all: BTreeMap<PathBuf, bool> = BTreeMap::new();
        for folder in &self.folders {
            let inside_another = |other: &PathBuf| folder != other && folder.starts_with(other);
            if !self.folders.iter().any(inside_another) {
                all.insert(folder.clone(), true);
            }
        }
        for path in &self.paths {
            let above = path.ancestors().skip(1).find(|above| above.is_dir());
            // Below a folder that is watched as a whole a second watch would take the first one's place.
            if let Some(above) = above.filter(|above| !self.folders.iter().any(|it| above.starts_with(it))) {
                all.entry(above.to_owned()).or_insert(false);
            }
        }
        all
    }

    /// Whether `path` is one of the folders, or leads to one of the paths: other folders may have to be watched when it
    /// came or went.
    pub(super) fn leads_on(&self, path: &Path) -> bool {
        let leads = self.paths.iter().any(|it| it != path && it.starts_with(path));
        leads || self.folders.iter().any(|it| it == path)
    }

    /// Whether something that happened to `path` may change what we read.
    pub(super) fn concerns(&self, path: &Path) -> bool {
        // The path itself, or a folder above it that came or went.
        let named = self.paths.iter().any(|it| it.starts_with(path));
        let inside = |folder: &PathBuf| {
            path.strip_prefix(folder).is_ok_and(|rest| {
                !rest
                    .components()
                    .any(|part| NOT_CODE.iter().any(|it| part.as_os_str() == *it))
            })
        };
        let is_own = || self.own.iter().any(|own| path.starts_with(own));
        named || (self.folders.iter().any(inside) && !is_own())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestFolder;

    #[test]
    fn folders_are_watched_whole_and_files_through_the_folder_above() {
        let folder = TestFolder::new();
        folder.put("code/inner/x", "");
        folder.put("certs/a.pem", "");
        let path = |name: &str| folder.path(name);
        let own = OwnFiles::new([path("code/state"), path("code/inner/up.err")]);
        let paths = ["albacore.yaml", "certs/a.pem", "code", "code/inner", "gone/away/file"];
        let interest = Interest::of(&paths.map(path), &own);
        let expected = BTreeMap::from([(path(""), false), (path("certs"), false), (path("code"), true)]);
        // `path("")` ends in a slash, which paths compare equal without.
        assert_eq!(interest.folders_to_watch(), expected);
        for matters in [
            "albacore.yaml",
            "code",
            "code/a/b",
            "certs/a.pem",
            "gone",
            "code/node_modules/x.js",
        ] {
            assert!(interest.concerns(&path(matters)), "{matters}");
        }
        for noise in [
            "other",
            "certs/b.pem",
            "code/.git/HEAD",
            "code/a/__pycache__/x.pyc",
            "code/.albacore",
            "code/state",
            "code/state/logs/x",
            "code/inner/up.err",
            "albacore.yaml~",
        ] {
            assert!(!interest.concerns(&path(noise)), "{noise}");
        }
    }
}
