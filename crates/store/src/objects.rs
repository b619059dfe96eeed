//! Objects in a folder: a folder in it is a bucket, and a path below that is a key. It stands in for S3 where AWS's APIs take
//! something from there (certificate bundles, revocation lists, code), and where Lambda puts something there (records of
//! asynchronous invocations that failed). Buckets are made and removed by others.
//!
//! Names come from callers. Each part of a path is opened in the folder before it and never through a symbolic link, so that
//! nothing outside of the folder can be named.

mod write;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Bytes of a key. Source: S3, object keys.
const KEY_BYTES_MAX: usize = 1024;

/// A folder, and never what a link names.
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The folder with the buckets.
#[derive(Clone, Debug)]
pub struct ObjectDirectory {
    root: PathBuf,
}

/// Why there is no object.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// There is no such folder.
    #[error("the bucket does not exist")]
    NoSuchBucket,
    /// There is no such file, or it is a folder, a link or a device.
    #[error("the key does not exist")]
    NoSuchKey,
    /// It is larger than it may be.
    #[error("it is over {bytes_max} bytes")]
    TooLarge {
        /// The most that was wanted.
        bytes_max: usize,
    },
    /// It cannot be read.
    #[error("it cannot be read")]
    Failed(#[source] io::Error),
    /// It cannot be written.
    #[error("it cannot be written: {0}")]
    Unwritten(#[source] io::Error),
}

impl ObjectDirectory {
    /// Objects in a folder. It is opened for each object, so that it may be made anew.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The bytes of an object, of which there are at most `bytes_max`. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// There is none, or it is too large, or the disk fails.
    pub fn read(&self, bucket: &str, key: &str, bytes_max: usize) -> Result<Vec<u8>, ObjectError> {
        let mut at = self.bucket(bucket)?;
        if key.len() > KEY_BYTES_MAX || !key.split('/').all(is_part) {
            return Err(ObjectError::NoSuchKey);
        }
        let (folders, name) = parts(key);
        for part in folders {
            at = opened(&at, part, FOLDER, ObjectError::NoSuchKey)?;
        }
        // Opening a pipe or a device would wait, or do something.
        let plain = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(opened(&at, name, plain, ObjectError::NoSuchKey)?);
        if !file.metadata().map_err(ObjectError::Failed)?.is_file() {
            return Err(ObjectError::NoSuchKey);
        }
        bounded(file, bytes_max)
    }

    /// Whether there is such a bucket. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// There is none, or the disk fails.
    pub fn has_bucket(&self, bucket: &str) -> Result<(), ObjectError> {
        self.bucket(bucket).map(drop)
    }

    /// Puts an object into a bucket, with the folders of its key, private to the user. Readers see the whole object or none;
    /// one that is there is replaced. It is on the disk once this returns. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// There is no such bucket, the key cannot be, or the disk fails. Then the object is not there, or whole.
    pub fn write(&self, bucket: &str, key: &str, bytes: &[u8]) -> Result<(), ObjectError> {
        let mut at = self.bucket(bucket)?;
        if key.len() > KEY_BYTES_MAX || !key.split('/').all(is_part) {
            return Err(ObjectError::NoSuchKey);
        }
        let (folders, name) = parts(key);
        for part in folders {
            at = write::folder(&at, part).map_err(unwritten)?;
        }
        write::object(&at, name, bytes).map_err(unwritten)
    }

    fn bucket(&self, bucket: &str) -> Result<OwnedFd, ObjectError> {
        let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, &self.root, folder, Mode::empty()).map_err(|error| match error {
            Errno::NOENT | Errno::NOTDIR => ObjectError::NoSuchBucket,
            error => failed(error),
        })?;
        match is_part(bucket) {
            true => opened(&root, bucket, FOLDER, ObjectError::NoSuchBucket),
            false => Err(ObjectError::NoSuchBucket),
        }
    }
}

/// The folders of a key, and the name in the last of them.
fn parts(key: &str) -> (impl Iterator<Item = &str>, &str) {
    let (folders, name) = match key.rsplit_once('/') {
        Some((folders, name)) => (Some(folders), name),
        None => (None, key),
    };
    (folders.into_iter().flat_map(|folders| folders.split('/')), name)
}

/// A name in one folder: the two that lead elsewhere, and what would be several, are none.
fn is_part(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && text.len() <= 255 && !text.contains(['/', '\0'])
}

fn opened(at: &OwnedFd, name: &str, flags: OFlags, missing: ObjectError) -> Result<OwnedFd, ObjectError> {
    openat(at, name, flags, Mode::empty()).map_err(|error| match error {
        // A link, a folder that is none, a socket.
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO | Errno::NAMETOOLONG => missing,
        error => failed(error),
    })
}

fn failed(error: Errno) -> ObjectError {
    ObjectError::Failed(error.into())
}

fn unwritten(error: Errno) -> ObjectError {
    ObjectError::Unwritten(error.into())
}

/// As much as there is when it is read: a file may grow meanwhile.
fn bounded(file: File, bytes_max: usize) -> Result<Vec<u8>, ObjectError> {
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(ObjectError::Failed)?;
    match bytes.len() > bytes_max {
        true => Err(ObjectError::TooLarge { bytes_max }),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    pub(super) struct Folder(pub(super) PathBuf);

    impl Folder {
        pub(super) fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("albacore-objects-{}-{name}", std::process::id()));
            fs::create_dir_all(path.join("s3/code/a/b")).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    pub(super) fn read(folder: &Path, bucket: &str, key: &str) -> Result<Vec<u8>, String> {
        let objects = ObjectDirectory::new(folder.join("s3"));
        objects.read(bucket, key, 5).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_are_paths_in_a_bucket() {
        let folder = Folder::new("keys");
        fs::write(folder.0.join("s3/code/a/b/c.zip"), "12345").unwrap();
        fs::write(folder.0.join("s3/code/six"), "123456").unwrap();
        fs::write(folder.0.join("s3/file"), "1").unwrap();
        let read = |bucket, key| read(&folder.0, bucket, key);
        assert_eq!(read("code", "a/b/c.zip").unwrap(), b"12345");
        assert_eq!(read("code", "six").unwrap_err(), "it is over 5 bytes");
        for (bucket, key) in [("none", "a"), ("file", "a"), ("", "a")] {
            assert_eq!(read(bucket, key).unwrap_err(), "the bucket does not exist", "{bucket}");
        }
        for key in ["none", "", "a", "a/b", "a/b/", "six/x", "/six", "a//b/c.zip"] {
            assert_eq!(read("code", key).unwrap_err(), "the key does not exist", "{key}");
        }
        assert_eq!(
            self::read(&folder.0.join("none"), "code", "six").unwrap_err(),
            "the bucket does not exist"
        );
    }

    #[test]
    fn nothing_outside_of_the_folder_has_a_name() {
        let folder = Folder::new("outside");
        fs::write(folder.0.join("secret"), "1").unwrap();
        fs::write(folder.0.join("s3/code/plain"), "1").unwrap();
        symlink(folder.0.join("secret"), folder.0.join("s3/code/link")).unwrap();
        symlink("plain", folder.0.join("s3/code/inner")).unwrap();
        symlink(&folder.0, folder.0.join("s3/code/folder")).unwrap();
        symlink(&folder.0, folder.0.join("s3/bucket")).unwrap();
        for (bucket, key) in [
            ("code", "../../secret"),
            ("code", "a/../../../secret"),
            ("code", "./plain"),
            ("code", "link"),
            ("code", "inner"),
            ("code", "folder/secret"),
            ("bucket", "secret"),
            ("..", "secret"),
            (".", "code/plain"),
            ("code/a", "b"),
            ("code", "pla\0in"),
        ] {
            let error = read(&folder.0, bucket, key).unwrap_err();
            assert!(error.ends_with("does not exist"), "{bucket} {key}: {error}");
        }
        let long = ["a"; 600].join("/");
        assert!(read(&folder.0, "code", &long).is_err());
        assert!(read(&folder.0, "code", "plain").is_ok());
    }

    #[test]
    fn only_files_are_objects() {
        let folder = Folder::new("files");
        let pipe = folder.0.join("s3/code/pipe");
        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.0.join("s3/code/socket")).unwrap();
        for key in ["pipe", "socket"] {
            assert_eq!(
                read(&folder.0, "code", key).unwrap_err(),
                "the key does not exist",
                "{key}"
            );
        }
    }
}
