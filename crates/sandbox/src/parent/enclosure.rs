//! The namespaces of one environment, while its runtime and its extensions run in them.

use super::link::{Link, Opened, Outgoing};
use super::{SpawnError, request_file};
use crate::cgroup::PERIOD_US;
use crate::launch::Inside;
use crate::message::{Id, Request};
use crate::spec::Completion;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// The kernel takes no smaller share of a period.
const QUOTA_US_MIN: u64 = 1000;

/// Namespaces that processes can be started in ([`crate::Spec::enclosure`]). All in one of them share a network, files,
/// and the sight of each other; nobody else sees them. Clones mean the same.
///
/// It is over when the last of its processes has ended, with all that they have left behind; or, if nothing was started in
/// it, when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Enclosure(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    listener: Mutex<Option<OwnedFd>>,
    door: Mutex<Option<OwnedFd>>,
}

/// Closes it when it is dropped.
#[derive(Debug)]
struct Place {
    link: Arc<Link>,
    id: Id,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.link.send(Outgoing {
            request: Request::Close(self.id),
            fds: Vec::new(),
        });
    }
}

/// An enclosure that is being made. What is started in it meanwhile ([`crate::Spawner::spawn`]) waits in the spawner until it
/// is there, and fails if it cannot be made.
#[derive(Debug)]
pub struct Opening {
    enclosure: Enclosure,
    opened: oneshot::Receiver<Opened>,
}

impl Opening {
    pub(super) fn begin(link: &Arc<Link>, file: OwnedFd) -> Result<Self, SpawnError> {
        let (id, opened) = link.expect_enclosure()?;
        // From here on it is closed again, whatever happens.
        let place = Place {
            link: Arc::clone(link),
            id,
        };
        link.send(Outgoing {
            request: Request::Open(id),
            fds: vec![file],
        });
        let (listener, door) = (Mutex::default(), Mutex::default());
        let enclosure = Enclosure(Arc::new(Inner { place, listener, door }));
        Ok(Self { enclosure, opened })
    }

    /// The enclosure, which has no listeners yet.
    pub fn enclosure(&self) -> Enclosure {
        self.enclosure.clone()
    }

    /// Waits until it is there.
    ///
    /// # Errors
    ///
    /// As those of [`crate::Spawner::enclosure`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing.
    pub async fn opened(self) -> Result<Enclosure, SpawnError> {
        let listeners = self.opened.await.map_err(|_| SpawnError::SpawnerGone)??;
        let (listener, door) = listeners.map(|it| (it.runtime_api, it.door)).unzip();
        let inner = &self.enclosure.0;
        *inner.listener.lock().unwrap_or_else(PoisonError::into_inner) = listener;
        *inner.door.lock().unwrap_or_else(PoisonError::into_inner) = door;
        Ok(self.enclosure)
    }
}

impl Enclosure {
    /// Adds what [`crate::Spawner::incomplete_enclosure`] was opened without. Once: nothing can be added after that. If it
    /// fails, this enclosure is of no use any more, and ends with its last handle.
    ///
    /// # Errors
    ///
    /// See [`SpawnError`]; what of the host cannot be shown fails at [`crate::Step::Code`].
    ///
    /// # Cancel safety
    ///
    /// It may or may not have been completed when the future is dropped.
    pub async fn complete(&self, completion: &Completion) -> Result<(), SpawnError> {
        let file = request_file(&Inside::try_from(completion)?.encode())?;
        let Place { link, id } = &self.0.place;
        let completed = link.expect_completion(*id)?;
        link.send(Outgoing {
            request: Request::Complete(*id),
            fds: vec![file],
        });
        completed.await.map_err(|_| SpawnError::SpawnerGone)?
    }

    /// Stops all its processes where they are, until [`Enclosure::thaw`]. Does not wait. SIGTERM and SIGKILL, sent by
    /// [`crate::Process`], let them go on first.
    pub fn freeze(&self) {
        self.tell(Request::Freeze(self.id()));
    }

    /// Lets them go on. Does not wait.
    pub fn thaw(&self) {
        self.tell(Request::Thaw(self.id()));
    }

    /// From now on all its processes together have at most so many thousandths of one processor's time, if
    /// [`crate::Options::share_cpu`] was set and the host allows it. Does not wait.
    pub fn share_cpu(&self, thousandths: u32) {
        let quota_us = (u64::from(thousandths) * PERIOD_US / 1000).max(QUOTA_US_MIN);
        self.tell(Request::ShareCpu {
            id: self.id(),
            quota_us,
        });
    }

    /// A socket for a stream, in the network of this enclosure and not connected yet; it does not block.
    ///
    /// # Errors
    ///
    /// See [`SpawnError`]; an enclosure that has ended fails at [`crate::Step::Connection`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing.
    pub async fn socket(&self) -> Result<TcpStream, SpawnError> {
        let Place { link, id: enclosure } = &self.0.place;
        let (id, answered) = link.expect_socket()?;
        link.send(Outgoing {
            request: Request::Socket {
                id,
                enclosure: *enclosure,
            },
            fds: Vec::new(),
        });
        let socket = answered.await.map_err(|_| SpawnError::SpawnerGone)??;
        Ok(TcpStream::from(socket))
    }

    fn tell(&self, request: Request) {
        self.0.place.link.send(Outgoing {
            request,
            fds: Vec::new(),
        });
    }

    pub(crate) fn id(&self) -> Id {
        self.0.place.id
    }

    /// The socket that listens for the Runtime API inside, at port [`crate::RUNTIME_API_PORT`] of 127.0.0.1, at the first
    /// call. Only processes of this enclosure can connect to it. There is none in the host's network
    /// ([`crate::Reach::Host`]).
    pub fn take_listener(&self) -> Option<TcpListener> {
        let mut listener = self.0.listener.lock().unwrap_or_else(PoisonError::into_inner);
        listener.take().map(TcpListener::from)
    }

    /// The same of the socket that listens for calls to the platform, at port [`crate::DOOR_PORT`].
    pub fn take_door(&self) -> Option<TcpListener> {
        let mut door = self.0.door.lock().unwrap_or_else(PoisonError::into_inner);
        door.take().map(TcpListener::from)
    }
}
