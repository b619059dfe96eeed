//! Listening sockets that go from one process to the next without being closed: connections that wait in them are accepted
//! by whoever serves next.

use super::{Command, Proxy};
use crate::socket::{self, BindError};
use model::observed::{ReportedTarget, TargetReport, TargetState};
use std::net::{SocketAddr, TcpListener};
use std::sync::PoisonError;
use std::time::Duration;

/// How long cores may take to stop accepting. They need microseconds.
const PAUSED_WITHIN: Duration = Duration::from_secs(1);

/// What a process gives to the one that takes its place.
#[derive(Debug, Default)]
pub struct HandedOver {
    /// The sockets.
    pub ports: Vec<HandedPort>,
    /// What is known about servers, so that none that is ill gets requests again.
    pub health: Vec<HandedHealth>,
}

/// What is known about a server that was checked.
#[derive(Clone, Debug)]
pub struct HandedHealth {
    /// The ARN of its target group.
    pub target_group: String,
    /// Its id.
    pub target: String,
    /// The port it is registered with.
    pub port: u16,
    /// Whether it passes its checks.
    pub healthy: bool,
}

impl HandedHealth {
    /// `None` of what is not checked, or not yet judged.
    fn of(report: &TargetReport) -> Option<Self> {
        let ReportedTarget::Server(server) = &report.target else {
            return None;
        };
        let healthy = match report.health.state {
            TargetState::Healthy => true,
            TargetState::Unhealthy => false,
            _ => return None,
        };
        Some(Self {
            target_group: report.target_group.to_string(),
            target: server.target.id.to_string(),
            port: server.target.port,
            healthy,
        })
    }
}

/// The sockets of one listener port, all on one address.
#[derive(Debug)]
pub struct HandedPort {
    /// The port of the listener.
    pub port: u16,
    /// One socket per core of the process that opened them.
    pub sockets: Vec<TcpListener>,
}

/// The sockets of a port that is open.
#[derive(Debug)]
pub(super) struct OpenPort {
    pub(super) address: SocketAddr,
    /// A second handle to each, so that they outlive the cores that accept on them.
    sockets: Vec<TcpListener>,
}

impl OpenPort {
    pub(super) fn new(port: u16, sockets: &[TcpListener]) -> Result<Self, BindError> {
        let address = sockets.first().map(TcpListener::local_addr);
        let other = |address: Option<SocketAddr>, source| BindError::Other {
            address: address.map_or(std::net::Ipv4Addr::UNSPECIFIED.into(), |address| address.ip()),
            port,
            source,
        };
        let address = match address {
            Some(address) => address.map_err(|source| other(None, source))?,
            None => return Err(other(None, std::io::ErrorKind::AddrNotAvailable.into())),
        };
        let sockets: Result<_, _> = sockets.iter().map(TcpListener::try_clone).collect();
        Ok(Self {
            address,
            sockets: sockets.map_err(|source| other(Some(address), source))?,
        })
    }

    /// From now on the sockets end with the cores that accept on them.
    pub(super) fn let_go(&mut self) {
        self.sockets.clear();
    }

    fn clones(&self) -> Vec<TcpListener> {
        // A socket that cannot be had twice, because there are too many descriptors, is not handed on.
        self.sockets
            .iter()
            .filter_map(|socket| socket.try_clone().ok())
            .collect()
    }
}

impl HandedPort {
    /// At least one socket for each core. None of those that were handed over is left out: connections may wait in it.
    pub(super) fn for_cores(mut self, cores: usize) -> Result<Vec<TcpListener>, BindError> {
        let missing = cores.saturating_sub(self.sockets.len());
        if let Some(Ok(address)) = self.sockets.first().map(TcpListener::local_addr) {
            self.sockets.extend(socket::open_beside(address, self.port, missing)?);
        }
        Ok(self.sockets)
    }
}

impl Command {
    /// Ports go to another process, or come back from it. No client is left: there is a listener all the time.
    fn hand_over(opened: Vec<(u16, TcpListener)>, closed: Vec<u16>, done: std::sync::mpsc::Sender<()>) -> Self {
        Self::Listen {
            opened,
            closed,
            left: Vec::new(),
            done,
        }
    }
}

impl Proxy {
    /// Accepts nothing from now on, and gives the sockets away. Connections wait in them. [`Proxy::resume`] takes it back.
    pub fn pause(&self) -> HandedOver {
        let sockets = self.inner.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let ports: Vec<HandedPort> = sockets
            .iter()
            .map(|(port, open)| HandedPort {
                port: *port,
                sockets: open.clones(),
            })
            .collect();
        let closed: Vec<u16> = sockets.keys().copied().collect();
        let (done, all_done) = std::sync::mpsc::channel();
        for core in &self.inner.cores {
            let (opened, closed, done) = (Vec::new(), closed.clone(), done.clone());
            self.tell(core, Command::hand_over(opened, closed, done));
        }
        drop(done);
        let _ = all_done.recv_timeout(PAUSED_WITHIN); // it ends when every core has dropped its half
        drop(sockets);
        let health = self.targets().iter().filter_map(HandedHealth::of).collect();
        HandedOver { ports, health }
    }

    /// Accepts again after [`Proxy::pause`].
    pub fn resume(&self) {
        let sockets = self.inner.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let cores = self.inner.cores.len();
        let mut opened: Vec<Vec<(u16, TcpListener)>> = (0..cores).map(|_| Vec::new()).collect();
        for (port, open) in &*sockets {
            for (at, socket) in open.clones().into_iter().enumerate() {
                opened[at % cores].push((*port, socket));
            }
        }
        for (core, opened) in self.inner.cores.iter().zip(opened) {
            let (done, _) = std::sync::mpsc::channel();
            let closed = Vec::new();
            self.tell(core, Command::hand_over(opened, closed, done));
        }
    }

    /// Takes over what another process gave away; the next table serves the ports that it has listeners for, and the others
    /// are closed.
    pub fn adopt(&self, handed: HandedOver) {
        let mut adopted = self.inner.adopted.lock().unwrap_or_else(PoisonError::into_inner);
        adopted.extend(handed.ports);
        self.inner.shared.groups.adopt(handed.health);
    }

    /// Closes adopted sockets that no listener wanted.
    pub fn forget_adopted(&self) {
        self.inner
            .adopted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    pub(super) fn is_adopted(&self, port: u16) -> bool {
        let adopted = self.inner.adopted.lock().unwrap_or_else(PoisonError::into_inner);
        adopted.iter().any(|handed| self.fits(handed, port))
    }

    pub(super) fn take_adopted(&self, port: u16) -> Option<HandedPort> {
        let mut adopted = self.inner.adopted.lock().unwrap_or_else(PoisonError::into_inner);
        let at = adopted.iter().position(|handed| self.fits(handed, port))?;
        Some(adopted.swap_remove(at))
    }

    /// Whether these sockets are where the listener of this port is to be.
    fn fits(&self, handed: &HandedPort, port: u16) -> bool {
        let wanted = self.socket_port(port);
        let is_there =
            |address: SocketAddr| address.ip() == self.inner.bind && (wanted == 0 || address.port() == wanted);
        let address = handed.sockets.first().and_then(|socket| socket.local_addr().ok());
        handed.port == port && address.is_some_and(is_there)
    }
}
