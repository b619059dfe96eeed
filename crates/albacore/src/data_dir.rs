//! The data folder of one running server, and how others find that server.
//!
//! ```text
//! takeover.sock where a server knocks that is to take the place of this one
//! lock          held while the server runs, with its process id in it
//! endpoint      the address of the endpoint and the name of this run, while it runs
//! state/        what was asked for, by the manifest and by the AWS API: `store` keeps it
//! cookie.key    32 random bytes that encrypt stickiness cookies
//! session.key   32 random bytes that seal the tokens of temporary credentials
//! ca/           the local certificate authority, when one was needed
//! access.log    unless it was told to stand elsewhere
//! environments/ temporary folders of execution environments
//! logs/         log groups: what functions write
//! spool/        lines on their way to the buckets of load balancers
//! s3/           those buckets, unless they were told to stand elsewhere
//! metrics/      what was measured in each minute
//! ```

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the names of ephemeral folders begin with; 16 hexadecimal digits follow.
const EPHEMERAL: &str = "albacore-ephemeral-";

/// What is made in the folder while the server starts or runs, but for what functions in zip files need.
const MADE: [&str; 14] = [
    "takeover.sock",
    "lock",
    "endpoint",
    "state",
    "cookie.key",
    "session.key",
    "ca",
    "access.log",
    "environments",
    "logs",
    "spool",
    "s3",
    "metrics",
    "runtimes",
];

/// The data folder, ours alone while this lives.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    ephemeral: bool,
    /// Held: the lock ends with it. Empty until a predecessor has handed it over.
    lock: OnceLock<File>,
    /// Another server has the folder now.
    handed_over: AtomicBool,
}

impl DataDir {
    /// Makes the folder if it is missing, and takes its lock.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::take(path, false)
    }

    /// The folder of a server that runs, whose place is to be taken: its lock comes with [`DataDir::take_over`].
    pub(crate) fn beside(path: &Path) -> Result<Self> {
        let shown = path.display();
        let path = fs::canonicalize(path).with_context(|| format!("cannot use the data folder {shown}"))?;
        Ok(Self {
            path,
            ephemeral: false,
            lock: OnceLock::new(),
            handed_over: AtomicBool::new(false),
        })
    }

    /// Holds the predecessor's lock from now on.
    pub(crate) fn take_over(&self, mut lock: File) -> Result<()> {
        sign(&mut lock).context("cannot write the lock of the data folder")?;
        let _ = self.lock.set(lock); // a folder is taken over once
        Ok(())
    }

    /// The lock, for a successor.
    pub(crate) fn lock(&self) -> Result<&File> {
        self.lock.get().context("the data folder has no lock")
    }

    /// A successor has the folder: nothing in it is removed at the end.
    pub(crate) fn hand_over(&self) {
        self.handed_over.store(true, Ordering::Relaxed);
    }

    /// A new folder under the system's temporary one, removed by [`DataDir::close`]. Those of runs that were killed are
    /// removed now.
    pub(crate) fn ephemeral() -> Result<Self> {
        let temporary = std::env::temp_dir();
        sweep(&temporary);
        Self::take(&temporary.join(format!("{EPHEMERAL}{}", new_instance()?)), true)
    }

    fn take(path: &Path, ephemeral: bool) -> Result<Self> {
        let shown = path.display();
        let mut builder = DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make the data folder {shown}"))?;
        // Absolute, because functions and their temporary folders are named from other places.
        let path = fs::canonicalize(path).with_context(|| format!("cannot use the data folder {shown}"))?;
        let about = fs::metadata(&path)?;
        if about.mode() & 0o002 != 0 {
            bail!(
                "others may write to the data folder {shown}, which will hold private keys; choose another with --data-dir"
            );
        }
        let lock = lock(&path.join("lock")).with_context(|| format!("cannot use the data folder {shown}"))?;
        // Left behind by a run that was killed.
        remove_if_there(&path.join("endpoint"), fs::remove_file)?;
        remove_if_there(&path.join("environments"), fs::remove_dir_all)?;
        Ok(Self {
            path,
            ephemeral,
            lock: OnceLock::from(lock),
            handed_over: AtomicBool::new(false),
        })
    }

    /// The folder, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Does nothing in it outlive the run?
    pub(crate) fn is_ephemeral(&self) -> bool {
        self.ephemeral
    }

    /// The folder, and what is made in it: the folder may be the code of a function, too.
    pub(crate) fn own_files(&self) -> impl Iterator<Item = PathBuf> {
        let all = [self.path.clone()].into_iter();
        all.chain(MADE.iter().map(|name| self.path.join(name)))
    }

    /// The key of stickiness cookies: the same after a restart.
    pub(crate) fn cookie_key(&self) -> Result<[u8; 32]> {
        self.key("cookie.key", "stickiness cookies begin anew")
    }

    /// The key of session tokens: the same after a restart.
    pub(crate) fn session_key(&self) -> Result<[u8; 32]> {
        self.key("session.key", "temporary credentials end")
    }

    fn key(&self, name: &str, otherwise: &str) -> Result<[u8; 32]> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(bytes) => <[u8; 32]>::try_from(bytes)
                .ok()
                .with_context(|| format!("{} does not hold 32 bytes; delete it, and {otherwise}", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key: [u8; 32] = random()?;
                write_atomically(&path, &key).with_context(|| format!("cannot write {}", path.display()))?;
                Ok(key)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Lets other commands find this server.
    pub(crate) fn announce(&self, endpoint: &Endpoint) -> Result<()> {
        let text = format!("{}\n{}\n{}\n", endpoint.address, endpoint.instance, endpoint.token);
        let path = self.path.join("endpoint");
        write_atomically(&path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Takes the announcement back, and what environments could not remove; an ephemeral folder goes as a whole.
    pub(crate) fn close(self) -> Result<()> {
        if self.handed_over.into_inner() {
            return Ok(());
        }
        remove_if_there(&self.path.join("endpoint"), fs::remove_file)?;
        if let Err(error) = remove_if_there(&self.path.join("environments"), fs::remove_dir_all) {
            // A function that does not end may still write there; the next start removes it.
            tracing::warn!(%error, "the folders of execution environments are left behind");
        }
        if self.ephemeral {
            remove_if_there(&self.path, fs::remove_dir_all)?;
        }
        Ok(())
    }
}

/// Where a running server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    /// The name of one run. Another server on the same port has another one.
    pub(crate) instance: String,
    /// What the header `X-Albacore` says: where calls are signed, something that only readers of this folder know.
    pub(crate) token: String,
}

impl Endpoint {
    /// What stands in a data folder; `None` when no server is, or ended well.
    pub(crate) fn read(data_dir: &Path) -> Result<Option<Self>> {
        let path = data_dir.join("endpoint");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let mut lines = text.lines();
        let address = lines.next().and_then(|line| line.parse().ok());
        let (Some(address), Some(instance)) = (address, lines.next()) else {
            bail!("{} cannot be understood", path.display());
        };
        // Older versions know no token.
        let token = lines.next().unwrap_or(control::NO_TOKEN);
        Ok(Some(Self {
            address,
            instance: instance.to_owned(),
            token: token.to_owned(),
        }))
    }
}

/// A name for one run: 16 hexadecimal digits.
pub(crate) fn new_instance() -> Result<String> {
    Ok(format!("{:016x}", u64::from_ne_bytes(random()?)))
}

/// A token of albacore's own API: 32 hexadecimal digits.
pub(crate) fn new_token() -> Result<String> {
    Ok(format!("{:032x}", u128::from_ne_bytes(random()?)))
}

/// A path under the system's temporary folder that nobody can have guessed.
pub(crate) fn temporary_path() -> Result<PathBuf> {
    Ok(std::env::temp_dir().join(format!("albacore-{}", new_instance()?)))
}

/// Removes ephemeral folders whose run is over. What cannot be looked at or removed is left to the next one.
fn sweep(temporary: &Path) {
    /// Other programs have their files there, too.
    const LOOKED_AT_MAX: usize = 10_000;
    let entries = fs::read_dir(temporary).into_iter().flatten().flatten();
    let ours = entries
        .take(LOOKED_AT_MAX)
        .filter(|entry| is_ephemeral_name(&entry.file_name()));
    for path in ours.map(|entry| entry.path()) {
        if let Some(lock) = lock_of_the_dead(&path) {
            if let Err(error) = fs::remove_dir_all(&path) {
                tracing::warn!(path = %path.display(), %error, "the folder of a run that was killed is left behind");
            }
            drop(lock);
        }
    }
}

fn is_ephemeral_name(name: &OsStr) -> bool {
    let digits = name.to_str().and_then(|name| name.strip_prefix(EPHEMERAL));
    digits.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The lock of a folder of this user whose run has ended without removing it.
fn lock_of_the_dead(folder: &Path) -> Option<File> {
    let about = fs::symlink_metadata(folder).ok()?;
    if !about.is_dir() || about.uid() != rustix::process::geteuid().as_raw() {
        return None;
    }
    let lock = File::open(folder.join("lock")).ok()?;
    // A run that has not taken its lock yet has not written its process id either.
    let begun = lock.metadata().ok()?.len() > 0;
    (begun && lock.try_lock().is_ok()).then_some(lock)
}

fn lock(path: &Path) -> Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.take(20).read_to_string(&mut holder); // the message is of use without it, too
            bail!(
                "the albacore with process id {} is using it; stop that one, or choose another folder with --data-dir",
                holder.trim()
            );
        }
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    sign(&mut file)?;
    Ok(file)
}

/// Says in the lock who holds it.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .ok()
        .context("the system gives no random numbers")?;
    Ok(bytes)
}

/// Private to the user, and either whole or not there. The lock keeps others from writing the same.
///
/// It is not forced to the disk: what is lost with the machine is made anew, and a start does not wait for disks.
fn write_atomically(path: &Path, contents: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    remove_if_there(&temporary, fs::remove_file)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(contents)?;
    fs::rename(&temporary, path)
}

fn remove_if_there(path: &Path, remove: impl Fn(PathBuf) -> io::Result<()>) -> io::Result<()> {
    match remove(path.to_owned()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn files_are_private_and_the_key_stays() {
        let path = temporary_path().unwrap();
        let first = DataDir::open(&path).unwrap();
        let (key, sessions) = (first.cookie_key().unwrap(), first.session_key().unwrap());
        assert_ne!(key, sessions);
        assert_eq!(mode(&path.join("session.key")), 0o600);
        assert_eq!(
            (mode(&path), mode(&path.join("cookie.key")), mode(&path.join("lock"))),
            (0o700, 0o600, 0o600)
        );
        first.close().unwrap();
        let second = DataDir::open(&path).unwrap();
        assert_eq!(
            (second.cookie_key().unwrap(), second.session_key().unwrap()),
            (key, sessions)
        );
        fs::write(path.join("cookie.key"), "short").unwrap();
        assert!(second.cookie_key().unwrap_err().to_string().contains("delete it"));
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn one_process_at_a_time() {
        let path = temporary_path().unwrap();
        let first = DataDir::open(&path).unwrap();
        let refused = format!("{:#}", DataDir::open(&path).unwrap_err());
        assert!(
            refused.contains(&format!("process id {} ", std::process::id())),
            "{refused}"
        );
        drop(first);
        drop(DataDir::open(&path).unwrap());
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn the_endpoint_is_there_while_the_server_is() {
        let path = temporary_path().unwrap();
        assert_eq!(Endpoint::read(&path).unwrap(), None);
        let folder = DataDir::open(&path).unwrap();
        let endpoint = Endpoint {
            address: "127.0.0.1:4566".parse().unwrap(),
            instance: new_instance().unwrap(),
            token: new_token().unwrap(),
        };
        folder.announce(&endpoint).unwrap();
        assert_eq!(Endpoint::read(&path).unwrap(), Some(endpoint.clone()));
        // As an older version writes it.
        fs::write(path.join("endpoint"), "127.0.0.1:4566\n0123\n").unwrap();
        assert_eq!(Endpoint::read(&path).unwrap().unwrap().token, control::NO_TOKEN);
        folder.close().unwrap();
        assert_eq!(Endpoint::read(&path).unwrap(), None);
        // Killed before it could take it back: the next one does.
        let killed = DataDir::open(&path).unwrap();
        killed.announce(&endpoint).unwrap();
        drop(killed);
        let next = DataDir::open(&path).unwrap();
        assert_eq!(Endpoint::read(&path).unwrap(), None);
        next.close().unwrap();
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn an_ephemeral_folder_goes_and_a_shared_one_is_refused() {
        let folder = DataDir::ephemeral().unwrap();
        let path = folder.path().to_owned();
        folder.cookie_key().unwrap();
        folder.close().unwrap();
        assert!(!path.exists());
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(
            DataDir::open(&path)
                .unwrap_err()
                .to_string()
                .contains("others may write")
        );
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn what_killed_ephemeral_runs_left_is_removed() {
        let temporary = temporary_path().unwrap();
        let names = ["dead", "alive", "starting", "without", "other"];
        for (at, name) in names.into_iter().enumerate() {
            let folder = match name {
                "other" => temporary.join("albacore-ephemeral-mine"),
                _ => temporary.join(format!("{EPHEMERAL}{at:016x}")),
            };
            fs::create_dir_all(folder.join("environments/1")).unwrap();
            match name {
                "without" => {}
                "starting" => fs::write(folder.join("lock"), "").unwrap(),
                _ => fs::write(folder.join("lock"), "7\n").unwrap(),
            }
        }
        let path = |at: usize| temporary.join(format!("{EPHEMERAL}{at:016x}"));
        let alive = DataDir::open(&path(1)).unwrap();
        sweep(&temporary);
        let left: Vec<bool> = (0..4).map(|at| path(at).exists()).collect();
        assert_eq!(left, [false, true, true, true]);
        assert!(temporary.join("albacore-ephemeral-mine").exists());
        drop(alive);
        sweep(&temporary);
        assert!(!path(1).exists());
        fs::remove_dir_all(&temporary).unwrap();
    }

    #[test]
    fn folders_of_environments_go_at_the_start_and_at_the_end() {
        let path = temporary_path().unwrap();
        fs::create_dir_all(path.join("environments/1/tmp")).unwrap();
        let folder = DataDir::open(&path).unwrap();
        assert!(!path.join("environments").exists());
        fs::create_dir_all(path.join("environments/2/tmp")).unwrap();
        folder.close().unwrap();
        assert!(!path.join("environments").exists());
        fs::remove_dir_all(&path).unwrap();
    }
}
