//! The `namespace` tier, from the spawner's side: what every environment is made of, prepared once.
//!
//! The spawner stands in three mount namespaces, one at a time. In *its own* it sees the host, and makes copies of the
//! folders that a function needs. In the *root* it sees what every environment sees ([`root`]); a child that is forked
//! there gets a copy of it, to which it can only add. In the *store* is what is writable: one file system for each
//! environment, which outlives the resets of its runtime ([`store`]).
//!
//! As an ordinary user it first makes a user namespace, in which it may do all this, and in which only its own user and
//! group exist.

mod forker;
mod ids;
mod root;
mod shell;
mod store;

pub(crate) use forker::Order;
pub(crate) use ids::Ids;
pub use root::is_in_every_enclosure;
pub(crate) use shell::{Confinement, add_mounts, become_shell, furnish};

use crate::launch::Inside;
use crate::message::Id;
use crate::seccomp::{self, LocalSockets};
use crate::spec::{DOOR_PORT, RUNTIME_API_PORT, Step};
use crate::sys::mount::{self, Devices, Extent};
use crate::sys::process::Pid;
use crate::sys::{network, process};
use forker::{Forker, NotForked};
use root::SharedRoot;
use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use store::Store;

/// Which network an environment is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Own,
    /// Everything else is its own all the same.
    Host,
}

/// What failed, and how.
pub(crate) type Failure = (Step, io::Error);

/// Everything that environments share.
pub(crate) struct Namespaces {
    /// The mounts of the host, and the network that this process is in.
    own_mounts: File,
    own_network: File,
    /// Who forks inits, until the end has begun.
    forker: Option<Forker>,
    /// The same in the host's network, where this process cannot come back to it.
    host_forker: Option<Forker>,
    root: SharedRoot,
    store: Store,
    ids: Ids,
}

impl Namespaces {
    /// Prepares it. Only for a process with one thread.
    pub(crate) fn prepare() -> Result<Self, Failure> {
        let at = |step| move |error| (step, error);
        // Folders that are made for mounts must be open to the user of functions.
        process::usual_file_mode_mask();
        let ids = Ids::choose().map_err(at(Step::User))?;
        if ids.need_user_namespace() {
            ids.enter_user_namespace().map_err(at(Step::Namespaces))?;
        } else {
            mount::unshare_mounts().map_err(at(Step::Namespaces))?;
        }
        mount::follow_mounts().map_err(at(Step::Root))?;
        let own_mounts = File::open("/proc/self/ns/mnt").map_err(at(Step::Root))?;
        let root = SharedRoot::build().map_err(at(Step::Root))?;
        mount::enter(own_mounts.as_fd()).map_err(at(Step::Root))?;
        let store = Store::build().map_err(at(Step::Root))?;
        mount::enter(own_mounts.as_fd()).map_err(at(Step::Root))?;
        let (own_network, host_forker) = settle_network(&root, &own_mounts, ids).map_err(at(Step::Network))?;
        let mut prepared = Self {
            own_mounts,
            own_network,
            forker: None,
            host_forker,
            root,
            store,
            ids,
        };
        prepared.start_forker().map_err(at(Step::Init))?;
        Ok(prepared)
    }

    /// The network to which it comes back.
    pub(crate) fn own_network(&self) -> BorrowedFd<'_> {
        self.own_network.as_fd()
    }

    /// From the network of an enclosure. A spawner that does not find back ends.
    pub(crate) fn come_back(&self) {
        if mount::enter(self.own_network.as_fd()).is_err() {
            process::exit_now(1);
        }
    }

    pub(crate) fn ids(&self) -> &Ids {
        &self.ids
    }

    /// The processes that fork inits.
    pub(crate) fn forkers(&self) -> impl Iterator<Item = Pid> {
        self.forker.iter().chain(&self.host_forker).map(Forker::pid)
    }

    /// Lets them end.
    pub(crate) fn dismiss_forkers(&mut self) {
        self.forker = None;
        self.host_forker = None;
    }

    /// Forks an init in the root. The listeners of its network come with it, if that is one of its own.
    pub(crate) fn fork(&mut self, network: Network, order: &Order<'_>) -> Result<(Pid, Option<Listeners>), Failure> {
        let at = |step| move |error| (step, error);
        match network {
            Network::Own => {
                let (network, listeners) = self.new_network().map_err(at(Step::Network))?;
                let child = self.fork_here(order, Some(network.as_fd()));
                Ok((child.map_err(at(Step::Namespaces))?, Some(listeners)))
            }
            Network::Host => {
                let child = match &mut self.host_forker {
                    Some(forker) => forker.fork(order, None).map_err(|error| match error {
                        // Somebody has killed it, and nobody finds back to the host's network from here. The next spawner
                        // begins there.
                        NotForked::Ended(_) => process::exit_now(1),
                        error => io::Error::from(error),
                    }),
                    None => self.fork_here(order, None),
                };
                Ok((child.map_err(at(Step::Namespaces))?, None))
            }
        }
    }

    fn fork_here(&mut self, order: &Order<'_>, network: Option<BorrowedFd<'_>>) -> io::Result<Pid> {
        if let Some(forker) = &mut self.forker {
            match forker.fork(order, network) {
                Ok(child) => return Ok(child),
                Err(NotForked::Refused(error)) => return Err(error),
                // Somebody has killed it, and another one takes its place.
                Err(NotForked::Ended(_)) => {}
                // It may have forked, so what is in the order is somebody's already.
                Err(NotForked::Silent(error)) => {
                    forker.kill();
                    self.forker = None;
                    return Err(error);
                }
            }
        }
        let forker = self.start_forker()?;
        Ok(forker.fork(order, network)?)
    }

    fn start_forker(&mut self) -> io::Result<&mut Forker> {
        let forker = forker_in(&self.root, &self.own_mounts, c"albacore-fork", self.ids)?;
        Ok(self.forker.insert(forker))
    }

    /// A new network, with its listeners, in which this process is not.
    fn new_network(&self) -> io::Result<(File, Listeners)> {
        let made = mount::unshare_network().and_then(|()| {
            let listeners = Listeners::open()?;
            Ok((network_of_this()?, listeners))
        });
        self.come_back();
        made
    }

    /// Copies of all that one environment has besides the root: first what is at `/tmp`, then each of its mounts.
    pub(crate) fn mounts_of(&mut self, inside: &Inside) -> Result<Vec<OwnedFd>, Failure> {
        let scratch = self.store.copy_of(inside.scratch, inside.scratch_bytes, &self.ids);
        // However that ended, this is in the store.
        if mount::enter(self.own_mounts.as_fd()).is_err() {
            process::exit_now(1);
        }
        let mut copies = vec![scratch.map_err(|error| (Step::Mount, error))?];
        copies.extend(self.more_mounts_of(inside)?);
        Ok(copies)
    }

    /// The same without `/tmp`.
    pub(crate) fn more_mounts_of(&self, inside: &Inside) -> Result<Vec<OwnedFd>, Failure> {
        let mut copies = Vec::new();
        for place in &inside.mounts {
            let copy = mount::copy_of(&place.source, Extent::All).and_then(|copy| {
                mount::make_read_only(copy.as_fd(), Extent::All, Devices::No)?;
                let file = File::from(copy);
                self.root.make_room(&place.target, file.metadata()?.is_dir())?;
                Ok(OwnedFd::from(file))
            });
            copies.push(copy.map_err(|error| (Step::Code, error))?);
        }
        Ok(copies)
    }

    /// Makes what the next environment is going to want of the store.
    pub(crate) fn make_spare(&mut self) {
        self.store.make_spare(&self.ids);
        if mount::enter(self.own_mounts.as_fd()).is_err() {
            process::exit_now(1);
        }
    }

    /// Takes a scratch out of the store. It is gone with the last environment that has it.
    pub(crate) fn release(&mut self, scratch: Id) {
        self.store.release(scratch);
        if mount::enter(self.own_mounts.as_fd()).is_err() {
            process::exit_now(1);
        }
    }
}

/// The network to come back to, and who keeps the host's if that is another one.
///
/// One that does not belong to this process's user namespace, as the host's to an ordinary user's, cannot be entered again,
/// so that is left for good: what this spawner starts without namespaces has no network then.
fn settle_network(root: &SharedRoot, own_mounts: &File, ids: Ids) -> io::Result<(File, Option<Forker>)> {
    let network = network_of_this()?;
    if mount::enter(network.as_fd()).is_ok() {
        return Ok((network, None));
    }
    let forker = forker_in(root, own_mounts, c"albacore-net", ids)?;
    mount::unshare_network()?;
    Ok((network_of_this()?, Some(forker)))
}

/// A forker in the root. A spawner that does not find back from there ends: all that it would do in a wrong namespace would be
/// wrong.
fn forker_in(root: &SharedRoot, own_mounts: &File, name: &CStr, ids: Ids) -> io::Result<Forker> {
    // What is forked finds them made.
    seccomp::filter(LocalSockets::All);
    seccomp::filter(LocalSockets::Pairs);
    mount::enter(root.namespace())?;
    let forker = Forker::start(name, ids);
    if mount::enter(own_mounts.as_fd()).is_err() {
        process::exit_now(1);
    }
    forker
}

fn network_of_this() -> io::Result<File> {
    File::open("/proc/self/ns/net")
}

/// What listens in a network of its own: for runtimes, and for calls to the platform.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) runtime_api: OwnedFd,
    pub(crate) door: OwnedFd,
}

impl Listeners {
    /// Opens them in the network that this process is in, which is new.
    fn open() -> io::Result<Self> {
        network::raise_loopback()?;
        let listen = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(OwnedFd::from);
        Ok(Self {
            runtime_api: listen(RUNTIME_API_PORT)?,
            door: listen(DOOR_PORT)?,
        })
    }

    /// In the order of [`Listeners::files`].
    pub(crate) fn of(mut files: impl Iterator<Item = OwnedFd>) -> Option<Self> {
        let (runtime_api, door) = (files.next()?, files.next()?);
        Some(Self { runtime_api, door })
    }

    pub(crate) fn files(&self) -> [BorrowedFd<'_>; 2] {
        [self.runtime_api.as_fd(), self.door.as_fd()]
    }
}

/// Gives the users of the namespaces of `child` their numbers.
pub(crate) fn number_users(child: Pid, ids: &Ids) -> io::Result<()> {
    let directory = Path::new("/proc").join(child.to_string());
    fs::write(directory.join("uid_map"), ids.user_map())?;
    fs::write(directory.join("gid_map"), ids.group_map())
}
