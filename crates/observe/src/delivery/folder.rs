//! The spool's folders: one for each running process, told from those that a death left behind by a lock.
//!
//! `{spool}/{random}/lock` is locked as long as its process lives. Whoever can lock it may deliver what lies beside it:
//! files that were being written, `{number}.open`, and finished ones, `{number}.ready`. So two processes, one of which
//! takes over from the other, never touch each other's files.

use super::store::make_folder;
use crate::random::random_name;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const LOCK: &str = "lock";
pub(super) const OPEN: &str = "open";
pub(super) const READY: &str = "ready";

/// How often a new folder is tried: another process may take one for an orphan before it is locked.
const TRIES: usize = 8;

/// A folder that belongs to this process.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    lock: Mutex<File>,
}

impl Folder {
    /// Makes a new one in `spool`.
    pub(super) fn make(spool: &Path) -> io::Result<Self> {
        make_folder(spool)?;
        for _ in 0..TRIES {
            let path = spool.join(random_name());
            make_folder(&path)?;
            if let Some(lock) = lock(&path)? {
                let lock = Mutex::new(lock);
                return Ok(Self { path, lock });
            }
        }
        Err(io::Error::new(ErrorKind::WouldBlock, "the folder cannot be locked"))
    }

    /// Those in `spool` whose process is gone. They are locked as long as the value lives.
    pub(super) fn orphans(spool: &Path) -> io::Result<Vec<Self>> {
        let mut orphans = Vec::new();
        for entry in entries(spool)? {
            let path = entry.path();
            if !entry.file_type()?.is_dir() {
                continue;
            }
            // An empty one may be that of a process that is just starting: it makes another.
            if fs::remove_dir(&path).is_ok() {
                continue;
            }
            // One that cannot be locked for whatever reason is looked at again the next time.
            if let Ok(Some(lock)) = lock(&path) {
                let lock = Mutex::new(lock);
                orphans.push(Self { path, lock });
            }
        }
        Ok(orphans)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The files that end in one of `endings`, sorted.
    pub(super) fn files(&self, endings: &[&str]) -> io::Result<Vec<PathBuf>> {
        let is_wanted = |path: &PathBuf| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            ending.is_some_and(|ending| endings.contains(&ending))
        };
        let mut files: Vec<_> = entries(&self.path)?
            .iter()
            .map(fs::DirEntry::path)
            .filter(is_wanted)
            .collect();
        files.sort_unstable();
        Ok(files)
    }

    /// Makes it anew when somebody deleted it.
    pub(super) fn restore(&self) -> io::Result<()> {
        make_folder(&self.path)?;
        if let Some(new) = lock(&self.path)? {
            *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = new;
        }
        Ok(())
    }

    /// Removes it if there is nothing left in it to deliver.
    pub(super) fn remove_if_done(&self) {
        if self.files(&[OPEN, READY]).is_ok_and(|files| files.is_empty()) {
            // While it is locked: nobody can have begun to use it.
            let _ = fs::remove_file(self.path.join(LOCK));
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// The entries of a folder. No folder has none.
fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.collect(),
    }
}

/// `None` when another process has it, or has just removed it.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let path = folder.join(LOCK);
    let file = match File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
    {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Between opening and locking the one that had it may have finished with the folder.
    let identity = |about: fs::Metadata| (about.dev(), about.ino());
    let named = fs::metadata(&path).ok().map(identity);
    let is_named = named.is_some() && named == file.metadata().ok().map(identity);
    Ok(is_named.then_some(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDirectory;
    use std::os::unix::fs::PermissionsExt;

    fn paths(folders: &[Folder]) -> Vec<&Path> {
        folders.iter().map(Folder::path).collect()
    }

    #[test]
    fn only_the_folders_of_the_dead_are_orphans() {
        let directory = TestDirectory::new();
        let spool = directory.file("spool");
        assert!(Folder::orphans(&spool).unwrap().is_empty());
        let (living, dead) = (Folder::make(&spool).unwrap(), Folder::make(&spool).unwrap());
        assert_ne!(living.path(), dead.path());
        for (name, folder) in [
            ("1.open", &living),
            ("1.open", &dead),
            ("2.ready", &dead),
            ("3.note", &dead),
        ] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        fs::write(spool.join("a file"), "").unwrap();
        let path = dead.path().to_owned();
        drop(dead);
        let orphans = Folder::orphans(&spool).unwrap();
        assert_eq!(paths(&orphans), [path.as_path()]);
        assert_eq!(
            orphans[0].files(&[OPEN, READY]).unwrap(),
            [path.join("1.open"), path.join("2.ready")]
        );
        assert_eq!(orphans[0].files(&[READY]).unwrap(), [path.join("2.ready")]);
        assert!(Folder::orphans(&spool).unwrap().is_empty(), "it has an owner now");
    }

    #[test]
    fn a_folder_goes_when_nothing_is_left_to_deliver() {
        let directory = TestDirectory::new();
        let folder = Folder::make(directory.path()).unwrap();
        let file = folder.path().join("1.ready");
        fs::write(&file, "x").unwrap();
        folder.remove_if_done();
        assert!(file.exists());
        fs::remove_file(&file).unwrap();
        folder.remove_if_done();
        assert!(!folder.path().exists());
        assert!(Folder::orphans(directory.path()).unwrap().is_empty());
    }

    #[test]
    fn a_folder_without_a_lock_is_an_orphan_unless_it_is_empty() {
        let directory = TestDirectory::new();
        fs::create_dir(directory.file("empty")).unwrap();
        fs::create_dir(directory.file("full")).unwrap();
        fs::write(directory.file("full/1.open"), "x").unwrap();
        let orphans = Folder::orphans(directory.path()).unwrap();
        assert_eq!(paths(&orphans), [directory.file("full")]);
        assert!(!directory.file("empty").exists());
    }

    #[test]
    fn a_deleted_folder_is_made_anew_and_stays_ours() {
        let directory = TestDirectory::new();
        let folder = Folder::make(directory.path()).unwrap();
        fs::remove_dir_all(folder.path()).unwrap();
        folder.restore().unwrap();
        fs::write(folder.path().join("1.open"), "x").unwrap();
        assert!(Folder::orphans(directory.path()).unwrap().is_empty());
        for (path, mode) in [(folder.path().to_owned(), 0o700), (folder.path().join(LOCK), 0o600)] {
            let found = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode, "{}", path.display());
        }
    }
}
