//! What environments may write to: a file system in memory for each, of the size that its function has.
//!
//! It is mounted here, where nobody looks, and every run of the environment's runtime gets a copy of the mount; so it
//! outlives them. What is in it counts as memory of whoever has written it.

use super::ids::Ids;
use super::root::site;
use crate::message::Id;
use crate::sys::mount::{self, Executable, Extent};
use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes for each file that there may be. Lambda's file system has one for each 16 KB. (unverified)
const BYTES_PER_FILE: u64 = 4096;

pub(super) struct Store {
    namespace: File,
    /// The folder that each is mounted at.
    mounted: HashMap<Id, u64>,
    /// One that nobody has yet, of the size that was wanted last: mounting takes a tenth of a start.
    spare: Option<Spare>,
    wanted: Option<u64>,
    folders: u64,
}

struct Spare {
    folder: u64,
    bytes: u64,
}

impl Store {
    /// Makes it in a new mount namespace, in which this process is then.
    pub(super) fn build() -> io::Result<Self> {
        mount::unshare_mounts()?;
        mount::isolate_mounts()?;
        let namespace = File::open("/proc/self/ns/mnt")?;
        let site = site()?;
        mount::mount_new(c"tmpfs", site, c"mode=700,size=1m", Executable::No)?;
        mount::change_root(site)?;
        Ok(Self {
            namespace,
            mounted: HashMap::new(),
            spare: None,
            wanted: None,
            folders: 0,
        })
    }

    /// A copy of the mount of a scratch, which is made now if it does not exist. This process is in the store then.
    pub(super) fn copy_of(&mut self, scratch: Id, bytes: u64, ids: &Ids) -> io::Result<OwnedFd> {
        mount::enter(self.namespace.as_fd())?;
        let folder = match self.mounted.get(&scratch) {
            Some(&folder) => folder,
            None => {
                self.wanted = Some(bytes);
                let folder = match self.spare.take_if(|spare| spare.bytes == bytes) {
                    Some(spare) => spare.folder,
                    None => self.mount(bytes, ids)?,
                };
                self.mounted.insert(scratch, folder);
                folder
            }
        };
        mount::copy_of(&path_of(folder)?, Extent::One)
    }

    /// Makes one for the next who wants one, if it can be had. This process may be in the store then.
    pub(super) fn make_spare(&mut self, ids: &Ids) {
        let Some(bytes) = self.wanted else { return };
        if self.spare.as_ref().is_some_and(|spare| spare.bytes == bytes)
            || mount::enter(self.namespace.as_fd()).is_err()
        {
            return;
        }
        if let Some(other) = self.spare.take() {
            unmount(other.folder);
        }
        // The next start says why it cannot.
        self.spare = self.mount(bytes, ids).ok().map(|folder| Spare { folder, bytes });
    }

    /// A new file system in a new folder.
    fn mount(&mut self, bytes: u64, ids: &Ids) -> io::Result<u64> {
        self.folders += 1;
        let path = path_of(self.folders)?;
        let folder = Path::new(OsStr::from_bytes(path.to_bytes()));
        fs::create_dir(folder)?;
        let (user, group) = ids.owner();
        let files = (bytes / BYTES_PER_FILE).max(16);
        let options = format!("mode=1777,size={bytes},nr_inodes={files},uid={user},gid={group}");
        let mounted = CString::new(options)
            .map_err(io::Error::from)
            .and_then(|options| mount::mount_new(c"tmpfs", &path, &options, Executable::Yes));
        match mounted {
            Ok(()) => Ok(self.folders),
            Err(error) => {
                let _ = fs::remove_dir(folder);
                Err(error)
            }
        }
    }

    /// Takes a scratch away. This process is in the store then.
    pub(super) fn release(&mut self, scratch: Id) {
        let Some(folder) = self.mounted.remove(&scratch) else {
            return;
        };
        if mount::enter(self.namespace.as_fd()).is_ok() {
            unmount(folder);
        }
    }
}

/// In the store.
fn unmount(folder: u64) {
    if let Ok(path) = path_of(folder) {
        // What cannot be taken away is gone with the namespace.
        let _ = mount::detach(&path);
        let _ = fs::remove_dir(OsStr::from_bytes(path.to_bytes()));
    }
}

fn path_of(folder: u64) -> io::Result<CString> {
    Ok(CString::new(format!("/{folder}"))?)
}
