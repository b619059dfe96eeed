//! Packages: zip files of functions and layers, each kept by what is in it, in a folder of the data folder.
//!
//! A package is durable before the state says that something uses it, and is removed when nothing does. In between it is
//! [`Kept`] by whoever has put it there.

use model::lambda::package::{Package, PackageDigest};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The folder's name in the data folder.
pub const FOLDER: &str = "packages";

/// The folder with the packages.
#[derive(Debug)]
pub struct Packages {
    folder: PathBuf,
    /// How many callers keep a package that nothing may use yet.
    kept: Mutex<HashMap<PackageDigest, usize>>,
}

/// A package that stays, used or not, until this is dropped.
#[derive(Debug)]
pub struct Kept {
    packages: Arc<Packages>,
    package: Package,
}

impl Kept {
    /// Which one it is.
    pub fn package(&self) -> &Package {
        &self.package
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut kept = self.packages.lock();
        if let Some(count) = kept.get_mut(&self.package.digest) {
            *count -= 1;
            if *count == 0 {
                kept.remove(&self.package.digest);
            }
        }
    }
}

/// Which package these bytes are.
pub fn package_of(zip: &[u8]) -> Package {
    Package {
        digest: PackageDigest(Sha256::digest(zip).into()),
        bytes: zip.len() as u64,
    }
}

/// Where a package lies.
pub fn path_in(folder: &Path, digest: &PackageDigest) -> PathBuf {
    folder.join(format!("{digest}.zip"))
}

impl Packages {
    /// Packages in `folder`, which is made with the first one.
    pub fn new(folder: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            folder,
            kept: Mutex::default(),
        })
    }

    /// Keeps a package; it is durable when this returns. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// The disk's.
    pub fn put(self: &Arc<Self>, zip: &[u8]) -> io::Result<Kept> {
        let package = package_of(zip);
        *self.lock().entry(package.digest).or_default() += 1;
        let kept = Kept {
            packages: self.clone(),
            package,
        };
        let path = path_in(&self.folder, &kept.package.digest);
        // One that is there has all its bytes on the disk; another length would be somebody else's doing. Its name may not be
        // there yet: another call is about to see to it, or was killed before it could.
        match fs::metadata(&path) {
            Ok(about) if about.len() == kept.package.bytes => self.sync_names()?,
            _ => self.write(zip, &path)?,
        }
        Ok(kept)
    }

    /// Has the disk know the names in the folder, and the folder's own, which may be new.
    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()?;
        let above = self.folder.parent();
        above.map_or(Ok(()), |above| File::open(above)?.sync_all())
    }

    fn write(&self, zip: &[u8], path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let number = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), path);
        let hidden = self.folder.join(format!(".{number:016x}"));
        let written = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&hidden)?;
            file.write_all(zip)?;
            file.sync_all()?;
            fs::rename(&hidden, path)?;
            self.sync_names()
        };
        let written = written();
        if written.is_err() {
            let _ = fs::remove_file(&hidden);
        }
        written
    }

    /// The bytes of a package. Blocks.
    ///
    /// # Errors
    /// The disk's, or it is not there.
    pub fn read(&self, digest: &PackageDigest) -> io::Result<Vec<u8>> {
        fs::read(path_in(&self.folder, digest))
    }

    /// Removes what nobody keeps and `used` does not name, half-written files of a killed run among them. `used` looks at
    /// the state, and is asked after new packages have been held back. Blocks. Says how many are gone.
    ///
    /// # Errors
    /// The disk's.
    pub fn collect(&self, used: impl FnOnce() -> BTreeSet<PackageDigest>) -> io::Result<usize> {
        // Whoever keeps a package lets it go when the state names it: that either was before, and `used` sees it, or it is
        // still kept.
        let kept = self.lock();
        let used = used();
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries?,
        };
        let mut removed = 0;
        for entry in entries {
            let name = entry?.file_name();
            let digest = name.to_str().and_then(|name| name.strip_suffix(".zip"));
            let digest = digest.and_then(|text| PackageDigest::try_from(text).ok());
            let is_wanted = match digest {
                Some(digest) => used.contains(&digest) || kept.contains_key(&digest),
                // Work in progress has a name that begins with a dot.
                None => !name.as_encoded_bytes().starts_with(b".") || !kept.is_empty(),
            };
            if !is_wanted {
                fs::remove_file(self.folder.join(name))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PackageDigest, usize>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("albacore-packages-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_package_is_kept_by_what_is_in_it() {
        let folder = Folder::new("put");
        let packages = Packages::new(folder.0.join(FOLDER));
        let kept = packages.put(b"one").unwrap();
        let again = packages.put(b"one").unwrap();
        assert_eq!((kept.package(), kept.package().bytes), (again.package(), 3));
        assert_eq!(
            kept.package().digest.to_string(),
            "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
        );
        assert_eq!(packages.read(&kept.package().digest).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.0.join(FOLDER)).unwrap().count(), 1);
    }

    /// A process that was killed leaves one of these. None is in the way of the next, and none stays.
    #[test]
    fn a_kill_between_any_two_steps_leaves_nothing_half() {
        let whole = package_of(b"whole");
        let name = format!("{}.zip", whole.digest);
        let steps: [&[(&str, &[u8])]; 5] = [
            &[],
            &[(".00aa", b"")],
            &[(".00aa", b"who")],
            &[(".00aa", b"whole")],
            &[(&name, b"whole")],
        ];
        for (at, left) in steps.iter().enumerate() {
            let folder = Folder::new(&format!("killed-{at}"));
            let inside = folder.0.join(FOLDER);
            fs::create_dir_all(&inside).unwrap();
            for (name, contents) in *left {
                fs::write(inside.join(name), contents).unwrap();
            }
            // The state names none: it is collected. The state names it after it is put again: it is whole.
            let packages = Packages::new(inside.clone());
            assert_eq!(packages.collect(BTreeSet::new).unwrap(), left.len());
            for (name, contents) in *left {
                fs::write(inside.join(name), contents).unwrap();
            }
            drop(packages.put(b"whole").unwrap());
            packages.collect(|| BTreeSet::from([whole.digest])).unwrap();
            assert_eq!(packages.read(&whole.digest).unwrap(), b"whole");
            assert_eq!(fs::read_dir(&inside).unwrap().count(), 1, "{at}");
        }
    }

    /// A file that is shorter than its name says, as a disk without order of its writes may leave it, is written anew.
    #[test]
    fn a_torn_package_is_written_again() {
        let folder = Folder::new("torn");
        let packages = Packages::new(folder.0.join(FOLDER));
        let digest = packages.put(b"whole").unwrap().package().digest;
        fs::write(path_in(&folder.0.join(FOLDER), &digest), b"who").unwrap();
        drop(packages.put(b"whole").unwrap());
        assert_eq!(packages.read(&digest).unwrap(), b"whole");
    }

    #[test]
    fn what_nothing_uses_is_removed() {
        let folder = Folder::new("collect");
        let packages = Packages::new(folder.0.join(FOLDER));
        assert_eq!(packages.collect(BTreeSet::new).unwrap(), 0);
        let [one, two, three] = ["one", "two", "three"].map(|text| packages.put(text.as_bytes()).unwrap());
        let digests = [&one, &two, &three].map(|kept| kept.package().digest);
        fs::write(folder.0.join(FOLDER).join(".0123"), "half").unwrap();
        fs::write(folder.0.join(FOLDER).join("README"), "not ours").unwrap();
        drop((one, two));
        assert_eq!(
            packages.collect(|| BTreeSet::from([digests[0]])).unwrap(),
            1,
            "the second"
        );
        assert!(packages.read(&digests[1]).is_err());
        drop(three);
        assert_eq!(
            packages.collect(|| BTreeSet::from([digests[0]])).unwrap(),
            2,
            "the third and the half one"
        );
        assert!(packages.read(&digests[0]).is_ok());
        assert_eq!(fs::read_dir(folder.0.join(FOLDER)).unwrap().count(), 2);
    }
}
