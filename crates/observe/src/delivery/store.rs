//! Where delivered objects are kept: a folder that looks like S3, so far.

use super::ObjectName;
use std::fmt::Debug;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

/// Keeps objects in buckets.
pub trait LogStore: Debug + Send + Sync {
    /// Puts all of `content` under this name. Readers see the whole object or none; one that is there is replaced.
    /// Blocks, and reads `content` once from its beginning. After an error the same object is tried again.
    ///
    /// # Errors
    /// The object could not be kept whole.
    fn put(&self, object: &ObjectName, content: &mut dyn Read) -> io::Result<()>;
}

/// Buckets as folders and objects as files, private to the user: `{root}/{bucket}/{key}`. Nothing in it is ever removed,
/// as in S3; that is for whoever owns the logs.
#[derive(Clone, Debug)]
pub struct DirectoryStore {
    root: PathBuf,
}

impl DirectoryStore {
    /// Keeps buckets in `root`. It and the buckets are made when they are first needed.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Names were checked when they were made; one that leads elsewhere all the same stops here.
    fn path(&self, object: &ObjectName) -> io::Result<PathBuf> {
        let name = Path::new(&object.bucket).join(&object.key);
        let is_inside = !object.key.starts_with('/')
            && name.components().count() > 1
            && name.components().all(|part| matches!(part, Component::Normal(_)));
        if !is_inside {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "the name leads out of the bucket",
            ));
        }
        Ok(self.root.join(name))
    }
}

impl LogStore for DirectoryStore {
    fn put(&self, object: &ObjectName, content: &mut dyn Read) -> io::Result<()> {
        let path = self.path(object)?;
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(ErrorKind::InvalidInput.into());
        };
        make_folder(folder)?;
        // The same name for the same object: what a death leaves behind is replaced by the next try.
        let partial = folder.join(format!(".{}.partial", name.to_string_lossy()));
        let outcome = write(&partial, content).and_then(|()| fs::rename(&partial, &path));
        if outcome.is_err() {
            let _ = fs::remove_file(&partial);
        }
        outcome
    }
}

fn write(path: &Path, content: &mut dyn Read) -> io::Result<()> {
    let mut file = private().truncate(true).open(path)?;
    io::copy(content, &mut file)?;
    // The spool is removed next, so the object has to survive the death of the machine on its own.
    file.sync_all()
}

fn private() -> OpenOptions {
    let mut options = File::options();
    options.write(true).create(true).mode(0o600);
    options
}

/// Makes a folder and those above it, private to the user.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDirectory;
    use std::os::unix::fs::PermissionsExt;

    fn object(bucket: &str, key: &str) -> ObjectName {
        ObjectName {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn an_object_is_a_file_that_only_its_user_reads() {
        let directory = TestDirectory::new();
        let store = DirectoryStore::new(directory.file("store"));
        store.put(&object("logs", "a/b"), &mut &b"one"[..]).unwrap();
        store.put(&object("logs", "a/b"), &mut &b"two"[..]).unwrap();
        assert_eq!(directory.read("store/logs/a/b"), "two");
        assert_eq!(names(&directory.file("store/logs/a")), ["b"]);
        for (path, mode) in [
            ("store", 0o700),
            ("store/logs", 0o700),
            ("store/logs/a", 0o700),
            ("store/logs/a/b", 0o600),
        ] {
            let found = fs::metadata(directory.file(path)).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode, "{path}");
        }
    }

    /// Gives a little and then fails.
    struct Broken(bool);

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(io::Error::other("in the middle"));
            }
            buffer[..4].copy_from_slice(b"half");
            Ok(4)
        }
    }

    #[test]
    fn half_an_object_is_never_seen() {
        let directory = TestDirectory::new();
        let store = DirectoryStore::new(directory.file("store"));
        let half = object("logs", "a/b");
        assert!(store.put(&half, &mut Broken(false)).is_err());
        assert_eq!(names(&directory.file("store/logs/a")), [""; 0]);
        store.put(&half, &mut &b"whole"[..]).unwrap();
        assert!(store.put(&half, &mut Broken(false)).is_err());
        assert_eq!(directory.read("store/logs/a/b"), "whole", "the one before stays");
        // What a death leaves behind goes away with the next try.
        fs::write(directory.file("store/logs/a/.b.partial"), "a longer half").unwrap();
        store.put(&half, &mut &b"next"[..]).unwrap();
        assert_eq!(names(&directory.file("store/logs/a")), ["b"]);
        assert_eq!(directory.read("store/logs/a/b"), "next");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let directory = TestDirectory::new();
        let store = DirectoryStore::new(directory.file("store"));
        for (bucket, key) in [
            ("..", "a"),
            ("logs", "../../a"),
            ("logs", "a/../../../b"),
            ("logs", "/a"),
            ("/logs", "a"),
            ("", ""),
            ("logs", ""),
            (".", "a"),
            ("logs", "a\0b"),
        ] {
            let refused = store.put(&object(bucket, key), &mut &b"x"[..]).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{bucket:?} {key:?}");
        }
        assert!(
            names(directory.path()).iter().all(|name| name == "store"),
            "nothing is beside the store"
        );
    }
}
