//! Whether this machine has a way to an address: it decides whose failure it is when no connection can be opened.
//!
//! The kernel has one code, `EADDRNOTAVAIL`, for "no port left" and for "no address of that family to connect from". The
//! first is ours and passes. The second is an address that cannot be reached, and takes the target out. Source: ALB 4.3.

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use tokio::net::{TcpSocket, TcpStream};

/// Any port; nothing is sent to it.
const DISCARD: u16 = 9;

/// Whether this machine speaks the family of an address and has an address of its own to reach it from. A missing route
/// alone is no reason to say no: routes come and go. Nothing is sent.
pub fn has_way_to(address: IpAddr) -> bool {
    let way = way_to(SocketAddr::new(address, DISCARD));
    !matches!(way, Err(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT))
}

/// Connects. Where the address cannot be reached, the error says so and is none of this process.
///
/// # Cancel safety
/// Dropping it closes what was opened so far.
pub(crate) async fn connect_tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let connected = TcpStream::connect(address).await;
    connected.map_err(|error| told_apart(error, || way_to(address)))
}

/// The same with a descriptor whose number lies below `descriptors_max`; fails as if there were no other.
///
/// # Cancel safety
/// Dropping it closes what was opened so far.
pub(crate) async fn connect_tcp_below(descriptors_max: usize, address: SocketAddr) -> io::Result<TcpStream> {
    let connected = match socket_below(descriptors_max, address) {
        Ok(socket) => socket.connect(address).await,
        Err(error) => Err(error),
    };
    connected.map_err(|error| told_apart(error, || way_to(address)))
}

/// The kernel gives the lowest number that is free: one that is too high says that all below are taken.
fn socket_below(descriptors_max: usize, address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    match usize::try_from(socket.as_raw_fd()) {
        Ok(number) if number < descriptors_max => Ok(socket),
        _ => Err(Errno::MFILE.into()),
    }
}

/// Finds out which of the two `EADDRNOTAVAIL` is.
pub(crate) fn told_apart(error: io::Error, way: impl FnOnce() -> Result<(), Errno>) -> io::Error {
    if error.kind() != io::ErrorKind::AddrNotAvailable {
        return error;
    }
    match way() {
        Err(why) if !is_shortage(why) => io::Error::new(
            io::ErrorKind::NetworkUnreachable,
            format!("this machine has no address to reach it from: {why}"),
        ),
        _ => error,
    }
}

/// It could not even be tried: no descriptor, no memory, no port of UDP.
fn is_shortage(error: Errno) -> bool {
    matches!(
        error,
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::AGAIN
    )
}

/// Has the kernel look for a route and an own address: what connecting a socket of UDP does. It sends nothing, and its
/// ports are not those of TCP.
fn way_to(address: SocketAddr) -> Result<(), Errno> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    connect(socket, &address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::connect::is_ours;

    fn of(code: Errno) -> io::Error {
        code.into()
    }

    #[test]
    fn a_machine_without_the_family_is_told_apart_from_one_without_a_port() {
        for (way, ours) in [
            // There is a way: it was the ports.
            (Ok(()), true),
            // Nothing is known.
            (Err(Errno::MFILE), true),
            (Err(Errno::NFILE), true),
            (Err(Errno::NOBUFS), true),
            (Err(Errno::NOMEM), true),
            (Err(Errno::AGAIN), true),
            // There is none.
            (Err(Errno::ADDRNOTAVAIL), false),
            (Err(Errno::AFNOSUPPORT), false),
            (Err(Errno::NETUNREACH), false),
            (Err(Errno::HOSTUNREACH), false),
            (Err(Errno::INVAL), false),
        ] {
            let error = told_apart(of(Errno::ADDRNOTAVAIL), || way);
            assert_eq!(is_ours(&error), ours, "{way:?}: {error}");
            let says_so = error
                .to_string()
                .starts_with("this machine has no address to reach it from: ");
            assert_eq!(says_so, !ours, "{way:?}: {error}");
        }
    }

    #[test]
    fn other_errors_are_as_they_were() {
        for code in [Errno::CONNREFUSED, Errno::MFILE, Errno::NETUNREACH, Errno::TIMEDOUT] {
            let error = told_apart(of(code), || panic!("nobody asks for a way"));
            assert_eq!(error.raw_os_error(), Some(code.raw_os_error()));
        }
    }

    #[tokio::test]
    async fn the_last_descriptors_are_left_to_others() {
        let open = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = open.local_addr().unwrap();
        let error = connect_tcp_below(1, address).await.unwrap_err();
        assert!(is_ours(&error), "{error}");
        open.set_nonblocking(true).unwrap();
        assert_eq!(
            open.accept().unwrap_err().kind(),
            io::ErrorKind::WouldBlock,
            "nobody was bothered"
        );
        connect_tcp_below(usize::MAX, address).await.unwrap();
    }

    #[test]
    fn there_is_a_way_to_this_machine() {
        assert!(has_way_to(IpAddr::from([127, 0, 0, 1])));
        assert_eq!(way_to(SocketAddr::from(([127, 0, 0, 1], DISCARD))), Ok(()));
    }
}
