//! Which socket is at the other end of a loopback connection, and whose it is: asked of the kernel.
//!
//! The kernel answers for one connection at once (`sock_diag`), where it was built to. Otherwise its tables of all
//! connections are read, which takes milliseconds even when they are short.

use socket2::{Domain, Protocol, Type};
use std::fs;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A socket that a process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) user: u32,
    /// Its number, as the names of open files show it. Never 0.
    pub(super) inode: u64,
}

/// The socket at `peer` that is connected to `ours`. `None` when no process has it any more. Blocks.
pub(super) fn other_end(peer: SocketAddr, ours: SocketAddr) -> Option<Socket> {
    match ask(peer, ours) {
        Ok(found) => found,
        // A program may reach an IPv4 address through an IPv6 socket, as Java does.
        Err(_) => ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
            .into_iter()
            .find_map(|table| in_table(&fs::read_to_string(table).ok()?, peer, ours)),
    }
    .filter(|socket| socket.inode != 0)
}

/// The kernel answers at once or not at all.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(1);
/// `struct nlmsghdr`
const HEADER_BYTES: usize = 16;
/// `struct inet_diag_req_v2`
const REQUEST_BYTES: usize = 56;
/// `struct inet_diag_msg` begins with four bytes and the addresses of the connection.
const ADDRESSES_AT: usize = HEADER_BYTES + 4;
/// Its last two words are the user and the inode number.
const USER_AT: usize = HEADER_BYTES + 64;

/// Asks for one connection. An error when the kernel does not answer such questions.
fn ask(peer: SocketAddr, ours: SocketAddr) -> io::Result<Option<Socket>> {
    const AF_NETLINK: i32 = 16;
    const NETLINK_SOCK_DIAG: i32 = 4;
    let kernel = socket2::Socket::new(
        Domain::from(AF_NETLINK),
        Type::RAW,
        Some(Protocol::from(NETLINK_SOCK_DIAG)),
    )?;
    kernel.set_read_timeout(Some(ANSWER_TIME_MAX))?;
    kernel.send(&question(peer, ours)?)?;
    let mut answer = [0; 512];
    let length = (&kernel).read(&mut answer)?;
    read_answer(answer.get(..length).unwrap_or_default(), peer, ours)
}

fn question(peer: SocketAddr, ours: SocketAddr) -> io::Result<Vec<u8>> {
    const AF_INET: u8 = 2;
    const IPPROTO_TCP: u8 = 6;
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const NLM_F_REQUEST: u16 = 1;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + REQUEST_BYTES);
    bytes.extend(((HEADER_BYTES + REQUEST_BYTES) as u32).to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST.to_ne_bytes());
    bytes.extend([0; 8]); // sequence number, our address
    bytes.extend([AF_INET, IPPROTO_TCP, 0, 0]);
    bytes.extend(u32::MAX.to_ne_bytes()); // in any state
    bytes.extend(peer.port().to_be_bytes());
    bytes.extend(ours.port().to_be_bytes());
    for address in [peer, ours] {
        let IpAddr::V4(ip) = address.ip() else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        bytes.extend(ip.octets());
        bytes.extend([0; 12]);
    }
    bytes.extend(0_u32.to_ne_bytes()); // on any interface
    bytes.extend([0xff; 8]); // whatever its cookie is
    Ok(bytes)
}

fn read_answer(answer: &[u8], peer: SocketAddr, ours: SocketAddr) -> io::Result<Option<Socket>> {
    const NLMSG_ERROR: u16 = 2;
    const ENOENT: i32 = 2;
    let nonsense = || io::Error::from(io::ErrorKind::InvalidData);
    let word = |at: usize| -> io::Result<[u8; 4]> {
        let bytes = answer.get(at..).and_then(<[u8]>::first_chunk);
        bytes.copied().ok_or_else(nonsense)
    };
    let [low, high, ..] = word(4)?;
    if u16::from_ne_bytes([low, high]) == NLMSG_ERROR {
        return match i32::from_ne_bytes(word(HEADER_BYTES)?) {
            error if error == -ENOENT => Ok(None),
            error => Err(io::Error::from_raw_os_error(-error)),
        };
    }
    let [a, b, c, d] = word(ADDRESSES_AT)?;
    if (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])) != (peer.port(), ours.port()) {
        return Ok(None); // a listener at the peer's address
    }
    Ok(Some(Socket {
        user: u32::from_ne_bytes(word(USER_AT)?),
        inode: u32::from_ne_bytes(word(USER_AT + 4)?).into(),
    }))
}

/// Finds the row whose own address is `local` and whose other end is `remote`: `sl local remote state queues timer
/// retransmits uid timeout inode ...`.
fn in_table(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<Socket> {
    let (local, remote) = (spellings(local), spellings(remote));
    table.lines().find_map(|row| {
        let mut fields = row.split_ascii_whitespace().skip(1);
        let (row_local, row_remote) = (fields.next()?, fields.next()?);
        if !local.iter().any(|it| it == row_local) || !remote.iter().any(|it| it == row_remote) {
            return None;
        }
        Some(Socket {
            user: fields.nth(4)?.parse().ok()?,
            inode: fields.nth(1)?.parse().ok()?,
        })
    })
}

/// The inode numbers of the sockets that listen on a port, on any address. Blocks.
pub(super) fn listeners(port: u16) -> Vec<u64> {
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
    let tables = tables.into_iter().filter_map(|table| fs::read_to_string(table).ok());
    tables.flat_map(|table| listeners_in(&table, port)).collect()
}

fn listeners_in(table: &str, port: u16) -> Vec<u64> {
    const LISTENS: &str = "0A";
    let port = format!(":{port:04X}");
    let listener = |row: &str| {
        let mut fields = row.split_ascii_whitespace().skip(1);
        let is_at_port = fields.next()?.ends_with(&port);
        let listens = fields.nth(1)? == LISTENS;
        let inode = fields.nth(5)?.parse().ok()?;
        (is_at_port && listens).then_some(inode)
    };
    table.lines().filter_map(listener).collect()
}

/// How the tables print an address: words in the byte order of the machine, as IPv4 and as IPv4 in IPv6.
fn spellings(address: SocketAddr) -> Vec<String> {
    let port = address.port();
    let word = |bytes: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(bytes));
    match address.ip() {
        IpAddr::V4(ip) => {
            let ip = word(ip.octets());
            vec![
                format!("{ip}:{port:04X}"),
                format!("{:016}{}{ip}:{port:04X}", 0, word([0, 0, 0xff, 0xff])),
            ]
        }
        IpAddr::V6(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv6Addr, TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;

    fn expected(stream: &impl AsRawFd) -> Option<Socket> {
        let about = fs::metadata(format!("/proc/self/fd/{}", stream.as_raw_fd())).unwrap();
        Some(Socket {
            user: fs::metadata("/proc/self").unwrap().uid(),
            inode: about.ino(),
        })
    }

    /// The same by both ways, where the kernel has both.
    #[track_caller]
    fn check(peer: SocketAddr, ours: SocketAddr, expected: Option<Socket>) {
        let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
            .into_iter()
            .find_map(|table| in_table(&fs::read_to_string(table).ok()?, peer, ours));
        assert_eq!(tables.filter(|it| it.inode != 0), expected);
        assert_eq!(other_end(peer, ours), expected);
    }

    #[test]
    fn both_ways_find_the_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = listener.local_addr().unwrap();
        let client = TcpStream::connect(ours).unwrap();
        let peer = client.local_addr().unwrap();
        check(peer, ours, expected(&client));

        let mapped = socket2::Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
        let to = SocketAddr::new(
            "127.0.0.1"
                .parse::<std::net::Ipv4Addr>()
                .unwrap()
                .to_ipv6_mapped()
                .into(),
            ours.port(),
        );
        mapped.connect(&to.into()).unwrap();
        let from = mapped.local_addr().unwrap().as_socket_ipv6().unwrap();
        let from = SocketAddr::new(Ipv6Addr::to_ipv4_mapped(from.ip()).unwrap().into(), from.port());
        check(from, ours, expected(&mapped));

        // Nobody; a listener; one that is closed while we still have our end.
        check("127.0.0.1:1".parse().unwrap(), ours, None);
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        check(other.local_addr().unwrap(), ours, None);
        let accepted = listener.accept().unwrap();
        drop(client);
        check(peer, ours, None);
        drop(accepted);
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        let (peer, ours) = ("127.0.0.1:50000".parse().unwrap(), "127.0.0.1:8080".parse().unwrap());
        let header = |kind: u16| [&[0; 4][..], &kind.to_ne_bytes(), &[0; 10]].concat();
        let error = |number: i32| [header(2), (-number).to_ne_bytes().to_vec()].concat();
        assert!(matches!(read_answer(&error(2), peer, ours), Ok(None)));
        for bytes in [
            vec![],
            vec![0; 15],
            error(95),
            error(2)[..18].to_vec(),
            header(20),
            [header(20), vec![0; 6]].concat(),
        ] {
            let answer = read_answer(&bytes, peer, ours);
            assert!(
                answer.is_err() || bytes.len() == 22 && matches!(answer, Ok(None)),
                "{bytes:?}"
            );
        }
        let mut whole = [
            header(20),
            vec![2, 1, 0, 0],
            50_000_u16.to_be_bytes().to_vec(),
            8080_u16.to_be_bytes().to_vec(),
        ]
        .concat();
        whole.resize(USER_AT, 0);
        whole.extend(1001_u32.to_ne_bytes());
        whole.extend(14_u32.to_ne_bytes());
        let found = Socket { user: 1001, inode: 14 };
        assert_eq!(read_answer(&whole, peer, ours).unwrap(), Some(found));
        for length in 0..whole.len() {
            assert!(
                !matches!(read_answer(&whole[..length], peer, ours), Ok(Some(_))),
                "{length}"
            );
        }
        assert!(question("[::1]:1".parse().unwrap(), ours).is_err());
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_socket_is_that_of_the_row_with_both_addresses() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12 1\n   \
            1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 13 1\n   \
            2: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 14 1\n   \
            3: 0000000000000000FFFF00000100007F:C351 0000000000000000FFFF00000100007F:1F90 01 \
            00000000:00000000 00:00000000 00000000  1002        0 15 1\n   \
            4: 0100007F:C352 0100007F:1F90 05 00000000:00000000 00:00000000 00000000  1001        0\n";
        let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let found = |user, inode| Some(Socket { user, inode });
        for (peer, expected) in [
            (50_000, found(1001, 14)),
            (50_001, found(1002, 15)),
            (50_002, None),
            (8080, None),
        ] {
            assert_eq!(in_table(table, address(peer), address(8080)), expected, "{peer}");
        }
        assert_eq!(in_table("", address(1), address(2)), None);
    }
}
