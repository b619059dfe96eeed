//! The root that all environments share: the host's programs and libraries, devices without effect, and the few files of
//! `/etc` that runtimes read. Nothing in it can be written, and nothing else of the host is there.

use super::ids::{GROUP, USER};
use crate::outbound::GATEWAY;
use crate::sys::mount::{self, Devices, Executable, Extent};
use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Where the root is while it is built, in a namespace where nobody else sees it: any folder that is not needed then.
const SITES: [&CStr; 3] = [c"/tmp", c"/run", c"/mnt"];

/// Folders of a system that are links where programs are all in `/usr`.
const SYSTEM_FOLDERS: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// What is mounted whole if it is there: programs, and the stores of systems that have them elsewhere.
const PROGRAM_FOLDERS: [&str; 3] = ["usr", "nix/store", "gnu/store"];
/// What of `/etc` runtimes read and holds no secret. Names that end in `*` are beginnings of names.
const SETTINGS: [&str; 13] = [
    "alternatives",
    "ca-certificates",
    "crypto-policies",
    "dotnet",
    "java*",
    "ld.so.cache",
    "localtime",
    "mime.types",
    "pki/ca-trust",
    "pki/tls/certs",
    "protocols",
    "services",
    "ssl/certs",
];
const DEVICES: [&str; 5] = ["full", "null", "random", "urandom", "zero"];
const DEVICE_LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];
/// Folders that are there and empty, or have something mounted over them later.
const FOLDERS: [&str; 13] = [
    "dev",
    "etc",
    "etc/pki/tls",
    "etc/ssl",
    "home",
    "mnt",
    "opt",
    "proc",
    "sys",
    "tmp",
    "var/lang",
    "var/runtime",
    "var/task",
];

/// Is this there in every enclosure, as on the host? By its name alone.
pub fn is_in_every_enclosure(path: &Path) -> bool {
    let Ok(within) = path.strip_prefix("/") else {
        return false;
    };
    let mut folders = SYSTEM_FOLDERS.into_iter().chain(PROGRAM_FOLDERS);
    folders.any(|folder| within.starts_with(folder))
}

pub(super) struct SharedRoot {
    namespace: File,
    /// The same file system once more, where folders can be made.
    writable: OwnedFd,
}

impl SharedRoot {
    /// Builds it in a new mount namespace, in which this process is then.
    pub(super) fn build() -> io::Result<Self> {
        mount::unshare_mounts()?;
        mount::isolate_mounts()?;
        let namespace = File::open("/proc/self/ns/mnt")?;
        let site = site()?;
        let root = Path::new(OsStr::from_bytes(site.to_bytes()));
        mount::mount_new(c"tmpfs", site, c"mode=755,size=16m", Executable::Yes)?;
        for folder in FOLDERS {
            fs::create_dir_all(root.join(folder))?;
        }
        for folder in SYSTEM_FOLDERS {
            system_folder(root, folder)?;
        }
        for folder in PROGRAM_FOLDERS {
            show(root, Path::new(folder), Devices::No)?;
        }
        settings(root)?;
        for device in DEVICES {
            show(root, &Path::new("dev").join(device), Devices::Yes)?;
        }
        for (name, target) in DEVICE_LINKS {
            symlink(target, root.join("dev").join(name))?;
        }
        // An executable that is a function's whole code is mounted over this, and a folder over both.
        File::create(root.join("var/task/bootstrap"))?;
        // A process in a user namespace may mount a `/proc` of its own only where it can see a whole one already.
        mount::bind_all(c"/proc", &c_path(&root.join("proc"))?)?;

        mount::change_root(site)?;
        let writable = mount::copy_of(c"/", Extent::One)?;
        let whole = mount_at(c"/")?;
        mount::make_read_only(whole.as_fd(), Extent::One, Devices::Yes)?;
        Ok(Self { namespace, writable })
    }

    pub(super) fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    /// Makes an empty file or folder to mount something over. Environments that exist already have it, too.
    pub(super) fn make_room(&self, target: &CStr, is_folder: bool) -> io::Result<()> {
        let within = target.to_bytes().strip_prefix(b"/").unwrap_or_default();
        let base = PathBuf::from(format!("/proc/self/fd/{}", self.writable.as_raw_fd()));
        let path = base.join(OsStr::from_bytes(within));
        if fs::symlink_metadata(&path).is_ok() {
            return Ok(());
        }
        if is_folder {
            return fs::create_dir_all(path);
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        File::create(path).map(drop)
    }
}

/// A folder that something can be built over.
pub(super) fn site() -> io::Result<&'static CStr> {
    let is_folder = |site: &&CStr| {
        let path = Path::new(OsStr::from_bytes(site.to_bytes()));
        fs::symlink_metadata(path).is_ok_and(|about| about.is_dir())
    };
    let found = SITES.into_iter().find(is_folder);
    found.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOTDIR))
}

/// A link stays a link, within the root.
fn system_folder(root: &Path, name: &str) -> io::Result<()> {
    let on_host = Path::new("/").join(name);
    match fs::read_link(&on_host) {
        Ok(target) => symlink(target.strip_prefix("/").unwrap_or(&target), root.join(name)),
        Err(_) => show(root, Path::new(name), Devices::No),
    }
}

fn settings(root: &Path) -> io::Result<()> {
    for name in SETTINGS {
        match name.strip_suffix('*') {
            None => show(root, &Path::new("etc").join(name), Devices::No)?,
            Some(beginning) => {
                for entry in fs::read_dir("/etc").into_iter().flatten().flatten() {
                    if entry.file_name().as_bytes().starts_with(beginning.as_bytes()) {
                        show(root, &Path::new("etc").join(entry.file_name()), Devices::No)?;
                    }
                }
            }
        }
    }
    let etc = root.join("etc");
    fs::write(
        etc.join("passwd"),
        format!(
            "root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:{USER}:{GROUP}::/home/sbx_user1051:/sbin/nologin\n\
             nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n"
        ),
    )?;
    fs::write(
        etc.join("group"),
        format!("root:x:0:\nsbx_user1051:x:{GROUP}:\nnogroup:x:65534:\n"),
    )?;
    fs::write(
        etc.join("hosts"),
        "127.0.0.1 localhost sandbox.localdomain sandbox\n::1 localhost\n",
    )?;
    fs::write(
        etc.join("nsswitch.conf"),
        "passwd: files\ngroup: files\nhosts: files dns\n",
    )?;
    // Who has no way out finds that it leads nowhere, at once.
    fs::write(etc.join("resolv.conf"), format!("nameserver {GATEWAY}\n"))
}

/// Mounts the host's `/{name}` in the root, if it is there, read-only. A link is followed: what it names is what is shown.
fn show(root: &Path, name: &Path, devices: Devices) -> io::Result<()> {
    let source = Path::new("/").join(name);
    // Also what this user may not see counts as not there.
    let Ok(about) = fs::metadata(&source) else {
        return Ok(());
    };
    let target = root.join(name);
    if about.is_dir() {
        fs::create_dir_all(&target)?;
    } else {
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        File::create(&target)?;
    }
    let copy = mount::copy_of(&c_path(&source)?, Extent::All)?;
    mount::make_read_only(copy.as_fd(), Extent::All, devices)?;
    mount::place(copy.as_fd(), &c_path(&target)?)
}

/// Stands for the mount itself.
fn mount_at(path: &CStr) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open(OsStr::from_bytes(path.to_bytes()))
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}
