//! Objects that are written, and the folders of their keys.

use super::FOLDER;
use rustix::fs::{AtFlags, Mode, OFlags, fsync, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;

/// Names that an object may have while it is written. More than one is taken when somebody died, or when the place of a
/// process is taken, in the middle of it.
const PARTIALS_MAX: u32 = 16;

/// A folder in another, made when it is missing. The one above is synced each time: who made the folder may have died before.
pub(super) fn folder(at: &OwnedFd, name: &str) -> rustix::io::Result<OwnedFd> {
    match mkdirat(at, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    let made = openat(at, name, FOLDER, Mode::empty())?;
    fsync(at)?;
    Ok(made)
}

/// Writes a file under another name first.
pub(super) fn object(at: &OwnedFd, name: &str, bytes: &[u8]) -> rustix::io::Result<()> {
    let (number, file) = partial(at, name)?;
    let partial = partial_name(name, number);
    let written = write_all(file, bytes).and_then(|()| renameat(at, &partial, at, name));
    if written.is_err() {
        let _ = unlinkat(at, &partial, AtFlags::empty());
        return written;
    }
    // Of those who died. One who lives, in a process whose place is taken, finds that he is late.
    for number in 0..number {
        let _ = unlinkat(at, partial_name(name, number), AtFlags::empty());
    }
    fsync(at)
}

/// A new file, under the first name that nobody has.
fn partial(at: &OwnedFd, name: &str) -> rustix::io::Result<(u32, OwnedFd)> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for number in 0..PARTIALS_MAX {
        match openat(at, partial_name(name, number), flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::EXIST) => {}
            file => return file.map(|file| (number, file)),
        }
    }
    // The next one finds them free.
    for number in 0..PARTIALS_MAX {
        let _ = unlinkat(at, partial_name(name, number), AtFlags::empty());
    }
    Err(Errno::EXIST)
}

fn partial_name(name: &str, number: u32) -> String {
    format!(".{name}.{number}.partial")
}

fn write_all(file: OwnedFd, bytes: &[u8]) -> rustix::io::Result<()> {
    let mut file = File::from(file);
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

#[cfg(test)]
mod tests {
    use super::super::ObjectDirectory;
    use super::super::tests::{Folder, read};
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};

    fn write(folder: &Path, bucket: &str, key: &str, bytes: &[u8]) -> Result<(), String> {
        let objects = ObjectDirectory::new(folder.join("s3"));
        objects.write(bucket, key, bytes).map_err(|error| error.to_string())
    }

    fn names(folder: PathBuf) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_is_written_is_a_file_that_only_its_user_reads() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = Folder::new("write");
        write(&folder.0, "code", "x/y/z", b"one").unwrap();
        write(&folder.0, "code", "x/y/z", b"two").unwrap();
        write(&folder.0, "code", "top", b"three").unwrap();
        assert_eq!(read(&folder.0, "code", "x/y/z").unwrap(), b"two");
        assert_eq!(read(&folder.0, "code", "top").unwrap(), b"three");
        assert_eq!(names(folder.0.join("s3/code/x/y")), ["z"]);
        for (path, mode) in [("x", 0o700), ("x/y", 0o700), ("x/y/z", 0o600), ("top", 0o600)] {
            let found = fs::metadata(folder.0.join("s3/code").join(path)).unwrap();
            assert_eq!(found.permissions().mode() & 0o777, mode, "{path}");
        }
    }

    #[test]
    fn nothing_is_written_outside_of_a_bucket() {
        let folder = Folder::new("write-outside");
        fs::create_dir(folder.0.join("other")).unwrap();
        fs::write(folder.0.join("other/file"), "kept").unwrap();
        fs::write(folder.0.join("s3/file"), "").unwrap();
        symlink(folder.0.join("other"), folder.0.join("s3/code/folder")).unwrap();
        symlink(folder.0.join("other/file"), folder.0.join("s3/code/link")).unwrap();
        symlink(folder.0.join("other"), folder.0.join("s3/bucket")).unwrap();
        for bucket in ["none", "file", "bucket", "..", ".", "", "code/a"] {
            let refused = write(&folder.0, bucket, "x", b"1").unwrap_err();
            assert_eq!(refused, "the bucket does not exist", "{bucket:?}");
            let objects = ObjectDirectory::new(folder.0.join("s3"));
            assert!(objects.has_bucket(bucket).is_err(), "{bucket:?}");
        }
        assert!(ObjectDirectory::new(folder.0.join("s3")).has_bucket("code").is_ok());
        for key in [
            "",
            "/x",
            "x/",
            "../x",
            "a/../../x",
            "./x",
            "folder/x",
            "folder/y/z",
            "x\0",
        ] {
            assert!(write(&folder.0, "code", key, b"1").is_err(), "{key:?}");
        }
        // A link is no folder to write into, and as a name it is replaced.
        write(&folder.0, "code", "link", b"1").unwrap();
        assert_eq!(read(&folder.0, "code", "link").unwrap(), b"1");
        assert_eq!(names(folder.0.join("other")), ["file"]);
        assert_eq!(fs::read(folder.0.join("other/file")).unwrap(), b"kept");
        assert_eq!(names(folder.0.clone()), ["other", "s3"]);
    }

    #[test]
    fn what_a_death_left_behind_is_in_nobodys_way() {
        let folder = Folder::new("partials");
        let bucket = folder.0.join("s3/code");
        let outside = folder.0.join("outside");
        fs::write(&outside, "kept").unwrap();
        fs::write(bucket.join(".x.0.partial"), "a longer half").unwrap();
        symlink(&outside, bucket.join(".x.1.partial")).unwrap();
        write(&folder.0, "code", "x", b"whole").unwrap();
        assert_eq!(names(bucket.clone()), ["a", "x"]);
        assert_eq!(read(&folder.0, "code", "x").unwrap(), b"whole");
        assert_eq!(fs::read(outside).unwrap(), b"kept");
        // All of them: the next try has room again.
        for number in 0..PARTIALS_MAX {
            fs::write(bucket.join(partial_name("y", number)), "half").unwrap();
        }
        assert!(write(&folder.0, "code", "y", b"whole").is_err());
        assert_eq!(read(&folder.0, "code", "y").unwrap_err(), "the key does not exist");
        write(&folder.0, "code", "y", b"whole").unwrap();
        assert_eq!(names(bucket), ["a", "x", "y"]);
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let folder = Folder::new("unwritten");
        // A folder stands where the object should.
        let refused = write(&folder.0, "code", "a/b", b"1").unwrap_err();
        assert!(refused.starts_with("it cannot be written: "), "{refused}");
        assert_eq!(names(folder.0.join("s3/code/a")), ["b"]);
        fs::write(folder.0.join("s3/code/a/file"), "1").unwrap();
        assert!(write(&folder.0, "code", "a/file/x", b"1").is_err());
    }
}
