//! The way from an execution environment to the platform's APIs: a listener that only its processes can reach, and the
//! variables that lead SDKs to it. Who answers there is not known here: see [`invoke::Doorkeeper`].

use crate::runtime_api;
use invoke::{Door, DoorCredentials, NoDoor};
use model::lambda::function::Function;
use sandbox::DOOR_PORT;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How long to wait when a connection cannot be accepted.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// A door that is not listened at yet. Closes it when it is dropped.
pub(crate) struct Opening {
    door: Option<Opened>,
    listener: Option<std::net::TcpListener>,
    address: SocketAddr,
}

/// Closes the door when it is dropped.
struct Opened(Arc<dyn Door>);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Opening {
    /// In a network of its own the address is known, and somebody listens there already. Elsewhere a port is taken.
    pub(crate) fn new(
        keeper: &dyn invoke::Doorkeeper,
        function: &Function,
        has_own_network: bool,
    ) -> Result<Self, OpeningError> {
        let listener = match has_own_network {
            true => None,
            false => Some(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?),
        };
        let address = match &listener {
            Some(listener) => listener.local_addr()?,
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, DOOR_PORT)),
        };
        Ok(Self {
            door: Some(Opened(keeper.open(function)?)),
            listener,
            address,
        })
    }

    /// What the environment's processes are told.
    pub(crate) fn variables(&self) -> Option<DoorVariables> {
        let door = self.door.as_ref()?;
        Some(DoorVariables {
            address: self.address,
            credentials: door.0.credentials().clone(),
        })
    }

    /// What the door is told of invocations.
    pub(crate) fn door(&self) -> Option<Arc<dyn Door>> {
        self.door.as_ref().map(|it| Arc::clone(&it.0))
    }

    /// Listens: where a port was taken, or on the listener of a network of its own.
    pub(crate) fn listen(mut self, inside: Option<std::net::TcpListener>) -> io::Result<WayOut> {
        let listener = inside.or(self.listener.take());
        let (listener, door) = listener
            .zip(self.door.take())
            .ok_or_else(|| io::Error::other("the environment's network has no door"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        debug_assert_eq!(address, self.address, "what the processes were told");
        Ok(WayOut {
            listener: TcpListener::from_std(listener)?,
            address,
            door,
            admissions: JoinSet::new(),
        })
    }
}

/// Why there is no door.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpeningError {
    #[error(transparent)]
    NoDoor(#[from] NoDoor),
    #[error("no port for calls to the platform")]
    Io(#[from] io::Error),
}

/// What the processes of an environment are told of their door.
#[derive(Clone, Debug)]
pub(crate) struct DoorVariables {
    pub(crate) address: SocketAddr,
    pub(crate) credentials: DoorCredentials,
}

/// A door that is listened at. Closes it when it is dropped.
pub(crate) struct WayOut {
    listener: TcpListener,
    address: SocketAddr,
    door: Opened,
    /// Connections whose other end is looked up.
    admissions: JoinSet<()>,
}

impl WayOut {
    /// Accepts one connection and hands it over, if whoever has connected may speak to this environment's Runtime API.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost.
    pub(crate) async fn accept(&mut self, guard: &runtime_api::Door) {
        while self.admissions.try_join_next().is_some() {}
        // It is never closed.
        let Ok(place) = Arc::clone(self.door.0.places()).acquire_owned().await else {
            return std::future::pending().await;
        };
        let (stream, peer) = match self.listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the platform");
                return tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        };
        let (door, guard) = (Arc::clone(&self.door.0), guard.moved_to(self.address));
        self.admissions.spawn_local(async move {
            if guard.admits(peer).await
                && let Ok(stream) = TcpStream::into_std(stream)
            {
                door.serve(stream, place);
            }
        });
    }
}
