//! The sockets of listeners: one per core on one port, and clear words when a port cannot be had.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

/// Connections that may wait to be accepted, per core.
pub(crate) const BACKLOG: i32 = 4096;

/// Why a listener's port cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else has it.
    #[error(
        "port {port} of {address} is in use by another process; stop it, or give the listener another socket with --publish {listener}:PORT"
    )]
    InUse {
        /// The address.
        address: IpAddr,
        /// The socket's port.
        port: u16,
        /// The listener's port.
        listener: u16,
    },
    /// Ports below 1024 need a right.
    #[error("port {port} needs the right to bind privileged ports (root or CAP_NET_BIND_SERVICE); give the listener another socket with --publish {listener}:{}", 8000 + listener)]
    NoRight {
        /// The socket's port.
        port: u16,
        /// The listener's port.
        listener: u16,
    },
    /// Anything else.
    #[error("port {port} of {address} cannot be opened")]
    Other {
        /// The address.
        address: IpAddr,
        /// The socket's port.
        port: u16,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Opens `count` sockets on one port; port 0 takes a free one. `listener` is the port to name in errors.
pub(crate) fn open(address: IpAddr, port: u16, listener: u16, count: usize) -> Result<Vec<TcpListener>, BindError> {
    let named = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse {
            address,
            port,
            listener,
        },
        io::ErrorKind::PermissionDenied => BindError::NoRight { port, listener },
        _ => BindError::Other { address, port, source },
    };
    probe(address, port).map_err(named)?;
    let mut sockets = Vec::with_capacity(count);
    let mut chosen = port;
    for _ in 0..count {
        let socket = listen(SocketAddr::new(address, chosen)).map_err(named)?;
        chosen = socket.local_addr().map_err(named)?.port();
        sockets.push(socket);
    }
    Ok(sockets)
}

/// Opens `count` more sockets on a port that this process has already.
pub(crate) fn open_beside(address: SocketAddr, listener: u16, count: usize) -> Result<Vec<TcpListener>, BindError> {
    let other = |source| BindError::Other {
        address: address.ip(),
        port: listener,
        source,
    };
    (0..count).map(|_| listen(address).map_err(other)).collect()
}

/// Finds out whether somebody else has the port: with `SO_REUSEPORT` on both sides, binding would succeed and share it.
pub(crate) fn probe(address: IpAddr, port: u16) -> io::Result<()> {
    let address = SocketAddr::new(address, port);
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Without it a port whose last connections are in TIME_WAIT would count as taken.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_port_that_somebody_has_is_refused_even_if_they_share_it() {
        let theirs = listen(SocketAddr::new(LOOPBACK, 0)).unwrap();
        let port = theirs.local_addr().unwrap().port();
        let refused = open(LOOPBACK, port, 8080, 2).unwrap_err();
        assert!(matches!(refused, BindError::InUse { listener: 8080, .. }));
        assert!(refused.to_string().contains("--publish 8080:PORT"));
    }

    #[test]
    fn all_cores_listen_on_one_port() {
        let sockets = open(LOOPBACK, 0, 8080, 3).unwrap();
        let ports: Vec<_> = sockets
            .iter()
            .map(|socket| socket.local_addr().unwrap().port())
            .collect();
        assert!(ports[0] != 0 && ports.iter().all(|port| *port == ports[0]), "{ports:?}");
    }
}
