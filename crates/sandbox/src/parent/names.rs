//! What enclosures ask for names by.

use crate::outbound::OutboundLack;
use crate::parent::Spawner;
use crate::sys::mount;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::sync::watch;

/// The sockets of the server of names, as enclosures with something in reach ask it; neither of them blocks. While they are
/// open, the network that they are in stays.
#[derive(Debug)]
pub struct NameSockets {
    /// For questions that are one datagram.
    pub datagrams: UdpSocket,
    /// For those that come as streams.
    pub listener: TcpListener,
}

impl NameSockets {
    /// What came with the message that there is a way out.
    pub(super) fn of(files: impl IntoIterator<Item = OwnedFd>) -> Option<Arc<Self>> {
        let mut files = files.into_iter();
        let (datagrams, listener) = (files.next()?, files.next()?);
        Some(Arc::new(Self {
            datagrams: datagrams.into(),
            listener: listener.into(),
        }))
    }
}

impl Spawner {
    /// Why no enclosure of this spawner reaches anything, if that is so. Looks anew each time, for some microseconds.
    pub fn outbound_lack(&self) -> Option<OutboundLack> {
        let is_root = mount::own_user_and_group().0 == 0;
        OutboundLack::find(self.tier() == crate::Tier::Namespace, is_root)
    }

    /// The sockets by which names are asked for: there from the first enclosure with something in reach on, and others when
    /// the spawner was started again. Whoever does not answer them lets functions wait in vain.
    pub fn name_sockets(&self) -> watch::Receiver<Option<Arc<NameSockets>>> {
        self.link.names()
    }
}
