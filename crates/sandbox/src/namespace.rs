//! The `namespace` tier, from the spawner's side: what every environment is made of, prepared once.
//!
//! The spawner stands in three mount namespaces, one at a time. In *its own* it sees the host, and makes copies of the
//! folders that a function needs. In the *root* it sees what every environment sees ([`root`]); a child that is forked
//! there gets a copy of it, to which it can only add. In the *store* is what is writable: one file system for each
//! environment, which outlives the resets of its runtime ([`store`]).
//!
//! As an ordinary user it first makes a user namespace, in which it may do all this, and in which only its own user and
//! group exist.

mod ids;
mod keeper;
mod root;
mod shell;
mod store;

pub(crate) use ids::Ids;
pub(crate) use keeper::Keeper;
pub use root::is_in_every_enclosure;
pub(crate) use shell::{Confinement, add_mounts, become_shell, furnish};

use crate::launch::Inside;
use crate::message::Id;
use crate::spec::{DOOR_PORT, RUNTIME_API_PORT, Step};
use crate::sys::mount::{self, Devices, Extent};
use crate::sys::{network, process};
use root::SharedRoot;
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
    /// Of the host's network, where this process cannot come back to it.
    keeper: Option<Keeper>,
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
        let (own_network, keeper) = settle_network(&root, &own_mounts, ids).map_err(at(Step::Network))?;
        Ok(Self {
            own_mounts,
            own_network,
            keeper,
            root,
            store,
            ids,
        })
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

    /// The process that forks children into the host's network, where this one cannot.
    pub(crate) fn keeper(&self) -> Option<&Keeper> {
        self.keeper.as_ref()
    }

    /// Lets that process end.
    pub(crate) fn dismiss_keeper(&mut self) {
        self.keeper = None;
    }

    /// Enters the root, in which a child is to be forked, and perhaps a new network, and comes back however that ends. The
    /// listeners in that network come with what `fork` says.
    ///
    /// A spawner that does not find back ends: all that it would do in a wrong namespace would be wrong.
    pub(crate) fn fork_in_place<T>(
        &self,
        network: Network,
        fork: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<(T, Option<Listeners>), Failure> {
        let listeners = match network {
            Network::Own => new_network().map(Some),
            Network::Host => Ok(None),
        };
        let forked = listeners.map_err(|error| (Step::Network, error)).and_then(|listeners| {
            mount::enter(self.root.namespace()).map_err(|error| (Step::Root, error))?;
            Ok((fork()?, listeners))
        });
        let back = mount::enter(self.own_mounts.as_fd()).and_then(|()| mount::enter(self.own_network.as_fd()));
        if back.is_err() {
            process::exit_now(1);
        }
        forked
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
fn settle_network(root: &SharedRoot, own_mounts: &File, ids: Ids) -> io::Result<(File, Option<Keeper>)> {
    let open = || File::open("/proc/self/ns/net");
    let network = open()?;
    if mount::enter(network.as_fd()).is_ok() {
        return Ok((network, None));
    }
    mount::enter(root.namespace())?;
    let keeper = Keeper::start(ids);
    if mount::enter(own_mounts.as_fd()).is_err() {
        process::exit_now(1);
    }
    let keeper = keeper?;
    mount::unshare_network()?;
    Ok((open()?, Some(keeper)))
}

/// What listens in a network of its own: for runtimes, and for calls to the platform.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) runtime_api: OwnedFd,
    pub(crate) door: OwnedFd,
}

impl Listeners {
    /// In the order of [`Listeners::files`].
    pub(crate) fn of(mut files: impl Iterator<Item = OwnedFd>) -> Option<Self> {
        let (runtime_api, door) = (files.next()?, files.next()?);
        Some(Self { runtime_api, door })
    }

    pub(crate) fn files(&self) -> [BorrowedFd<'_>; 2] {
        [self.runtime_api.as_fd(), self.door.as_fd()]
    }
}

/// A network of its own for this process, with its listeners.
fn new_network() -> io::Result<Listeners> {
    mount::unshare_network()?;
    network::raise_loopback()?;
    let listen = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(OwnedFd::from);
    Ok(Listeners {
        runtime_api: listen(RUNTIME_API_PORT)?,
        door: listen(DOOR_PORT)?,
    })
}

/// Gives the users of the namespaces of `child` their numbers.
pub(crate) fn number_users(child: process::Pid, ids: &Ids) -> io::Result<()> {
    let directory = Path::new("/proc").join(child.to_string());
    fs::write(directory.join("uid_map"), ids.user_map())?;
    fs::write(directory.join("gid_map"), ids.group_map())
}
