//! Where paths really lead: every link on the way, and what stands at the end.
//!
//! A mounted ConfigMap or Secret of Kubernetes is changed by one rename of a link, `..data`, that stands in the way to
//! every file of it. Nothing happens to the files themselves, nor to a folder that the manifest names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The most links followed for one path. Source: Linux, `MAXSYMLINKS`.
const LINKS_MAX: usize = 40;

/// The ways of a set of paths, all written without links.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Routes {
    /// What the paths lead to, or would if it existed.
    pub(super) ends: BTreeSet<PathBuf>,
    /// The links on the way.
    pub(super) links: BTreeSet<PathBuf>,
}

impl Routes {
    /// Asks the disk.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut routes = Self::default();
        for path in paths {
            let end = follow(path, &mut routes.links);
            routes.ends.insert(end);
        }
        routes
    }
}

/// Walks along `path`, which is absolute, as the kernel does. What is missing is walked past. Where links lead around,
/// the end is one of them.
fn follow(path: &Path, links: &mut BTreeSet<PathBuf>) -> PathBuf {
    let mut real = PathBuf::new();
    let mut left = LINKS_MAX;
    // The next part comes last.
    let mut parts = reversed(path);
    while let Some(part) = parts.pop() {
        match part.components().next() {
            Some(Component::ParentDir) => {
                real.pop();
            }
            Some(Component::Normal(_)) => {
                real.push(&part);
                if let Ok(target) = fs::read_link(&real) {
                    links.insert(real.clone());
                    if left == 0 {
                        return real;
                    }
                    left -= 1;
                    real.pop();
                    parts.extend(reversed(&target));
                }
            }
            // The root, which an absolute link starts from again.
            Some(_) => real.push(&part),
            None => {}
        }
    }
    real
}

/// The parts of a path, the last one first. `.` says nothing.
fn reversed(path: &Path) -> Vec<PathBuf> {
    let parts = path.components().rev().filter(|part| *part != Component::CurDir);
    parts.map(|part| PathBuf::from(part.as_os_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestFolder;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_as_the_kernel_does() {
        let folder = TestFolder::new();
        folder.put("..1/a.pem", "");
        std::fs::create_dir(folder.path("deep")).unwrap();
        let path = |name: &str| folder.path(name);
        let absolute = path("..1").display().to_string();
        let links = [
            ("..data", "..1"),
            ("a.pem", "..data/a.pem"),
            ("deep/up", "../a.pem"),
            ("absolute", absolute.as_str()),
            ("gone", "./nowhere/x"),
            ("around", "back"),
            ("back", "around"),
        ];
        for (link, target) in links {
            symlink(target, path(link)).unwrap();
        }
        let cases: &[(&str, &str, &[&str])] = &[
            ("..1/a.pem", "..1/a.pem", &[]),
            ("a.pem", "..1/a.pem", &["..data", "a.pem"]),
            ("deep/up", "..1/a.pem", &["..data", "a.pem", "deep/up"]),
            ("absolute/a.pem", "..1/a.pem", &["absolute"]),
            ("deep/../..data/missing/b", "..1/missing/b", &["..data"]),
            ("gone", "nowhere/x", &["gone"]),
        ];
        for (from, end, links) in cases {
            let found = Routes::of(&[path(from)]);
            assert_eq!(found.ends, BTreeSet::from([path(end)]), "{from}");
            assert_eq!(found.links, links.iter().map(|link| path(link)).collect(), "{from}");
        }
        // No end, but an end to looking for it.
        let found = Routes::of(&[path("around/x")]);
        assert_eq!(found.links, BTreeSet::from([path("around"), path("back")]));
    }
}
