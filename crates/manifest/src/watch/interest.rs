//! Which folders have to be watched for a set of paths, and which events in them matter.

use super::route::Routes;
use crate::code::NOT_CODE;
use crate::own::OwnFiles;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The paths, told apart by what lies there now, and the links that lead to it.
///
/// Everything is written without links, as are the folders to watch and thus the paths of events.
pub(super) struct Interest {
    routes: Routes,
    /// Those that lead to folders: everything in them matters.
    folders: Vec<PathBuf>,
    /// What lies in them and does not.
    own: Vec<PathBuf>,
}

impl Interest {
    pub(super) fn of(paths: &[PathBuf], own: &OwnFiles) -> Self {
        let routes = Routes::of(paths);
        let folders: Vec<_> = routes.ends.iter().filter(|path| path.is_dir()).cloned().collect();
        Self {
            own: folders.iter().flat_map(|folder| own.below(folder)).collect(),
            folders,
            routes,
        }
    }

    /// Where the paths led when this was made.
    pub(super) fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Whatever is read when the paths are: the links, and what they lead to.
    fn read(&self) -> impl Iterator<Item = &PathBuf> {
        self.routes.ends.iter().chain(&self.routes.links)
    }

    /// The folders to watch, and whether with everything below: the folders themselves, and of every path and every link
    /// the folder above it or, where that is missing, the nearest one that exists.
    pub(super) fn folders_to_watch(&self) -> BTreeMap<PathBuf, bool> {
        let mut all: BTreeMap<PathBuf, bool> = BTreeMap::new();
        for folder in &self.folders {
            let inside_another = |other: &PathBuf| folder != other && folder.starts_with(other);
            if !self.folders.iter().any(inside_another) {
                all.insert(folder.clone(), true);
            }
        }
        for path in self.read() {
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
        let leads = self.read().any(|it| it != path && it.starts_with(path));
        leads || self.folders.iter().any(|it| it == path)
    }

    /// Whether something that happened to `path` may change what we read.
    pub(super) fn concerns(&self, path: &Path) -> bool {
        // The path itself, a link that leads to it, or a folder above one that came or went.
        let named = self.read().any(|it| it.starts_with(path));
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
    #[test]
    fn links_matter_as_much_as_what_they_lead_to() {
        let folder = TestFolder::new();
        folder.put("real/..1/a.pem", "");
        let path = |name: &str| folder.path(name);
        for (link, target) in [
            ("real/..data", "..1"),
            ("real/a.pem", "..data/a.pem"),
            ("certs", "real"),
        ] {
            std::os::unix::fs::symlink(target, path(link)).unwrap();
        }
        let interest = Interest::of(&[path("certs/a.pem")], &OwnFiles::default());
        let expected = BTreeMap::from([(path(""), false), (path("real"), false), (path("real/..1"), false)]);
        assert_eq!(interest.folders_to_watch(), expected);
        for matters in [
            "certs",
            "real",
            "real/..data",
            "real/a.pem",
            "real/..1",
            "real/..1/a.pem",
        ] {
            assert!(interest.concerns(&path(matters)), "{matters}");
        }
        for noise in ["real/..2", "real/..data_tmp", "real/..1/b.pem"] {
            assert!(!interest.concerns(&path(noise)), "{noise}");
        }
    }
}
