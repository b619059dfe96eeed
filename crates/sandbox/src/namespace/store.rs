//! What environments may write to: a file system in memory for each, of the size that its function has.
//!
//! It is mounted here, where nobody looks, and every run of the environment's runtime gets a copy of the mount; so it
//! outlives them. What is in it counts as memory of whoever has written it.

use super::ids::Ids;
use super::root::site;
use crate::message::Id;
use crate::sys::mount::{self, Executable, Extent};
use std::collections::HashSet;
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
    mounted: HashSet<Id>,
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
            mounted: HashSet::new(),
        })
    }

    /// A copy of the mount of a scratch, which is made now if it does not exist. This process is in the store then.
    pub(super) fn copy_of(&mut self, scratch: Id, bytes: u64, ids: &Ids) -> io::Result<OwnedFd> {
        mount::enter(self.namespace.as_fd())?;
        let path = path_of(scratch)?;
        if !self.mounted.contains(&scratch) {
            let folder = Path::new(OsStr::from_bytes(path.to_bytes()));
            fs::create_dir_all(folder)?;
            let (user, group) = ids.owner();
            let files = (bytes / BYTES_PER_FILE).max(16);
            let options = format!("mode=1777,size={bytes},nr_inodes={files},uid={user},gid={group}");
            let options = CString::new(options)?;
            if let Err(error) = mount::mount_new(c"tmpfs", &path, &options, Executable::Yes) {
                let _ = fs::remove_dir(folder);
                return Err(error);
            }
            self.mounted.insert(scratch);
        }
        mount::copy_of(&path, Extent::One)
    }

    /// Takes a scratch away. This process is in the store then.
    pub(super) fn release(&mut self, scratch: Id) {
        if !self.mounted.remove(&scratch) || mount::enter(self.namespace.as_fd()).is_err() {
            return;
        }
        if let Ok(path) = path_of(scratch) {
            // What cannot be taken away is gone with the namespace.
            let _ = mount::detach(&path);
            let _ = fs::remove_dir(OsStr::from_bytes(path.to_bytes()));
        }
    }
}

fn path_of(scratch: Id) -> io::Result<CString> {
    Ok(CString::new(format!("/{scratch}"))?)
}
