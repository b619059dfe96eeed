//! Who has connected: the user that owns the other end of a loopback connection, from the kernel's tables.
//!
//! Without a network namespace every process of the host can reach the port. Functions run as albacore's own user, so
//! processes of other users are turned away. It does not tell functions of the same user apart.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;

/// Is the process at `peer`, connected to `ours`, one of the user that this process runs as? Reads the whole table of the
/// host's connections, once for each connection and on a thread where that may take its time.
pub(crate) async fn is_own_user(peer: SocketAddr, ours: SocketAddr) -> bool {
    let answer = tokio::task::spawn_blocking(move || {
        let own = fs::metadata("/proc/self").ok()?.uid();
        // A program may reach an IPv4 address through an IPv6 socket, as Java does.
        let owner = ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
            .into_iter()
            .find_map(|table| owner(&fs::read_to_string(table).ok()?, peer, ours))?;
        Some(owner == own)
    });
    answer.await.ok().flatten().unwrap_or(false)
}

/// Finds the row whose own address is `local` and whose other end is `remote`: `sl local remote state queues timer
/// retransmits uid ...`.
fn owner(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<u32> {
    let (local, remote) = (spellings(local), spellings(remote));
    table.lines().find_map(|row| {
        let mut fields = row.split_ascii_whitespace().skip(1);
        let (row_local, row_remote) = (fields.next()?, fields.next()?);
        (local.iter().any(|it| it == row_local) && remote.iter().any(|it| it == row_remote))
            .then(|| fields.nth(4)?.parse().ok())
            .flatten()
    })
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
    use super::{is_own_user, owner};
    use std::net::SocketAddr;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_owner_is_that_of_the_row_with_both_addresses() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12 1\n   \
            1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 13 1\n   \
            2: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 14 1\n   \
            3: 0000000000000000FFFF00000100007F:C351 0000000000000000FFFF00000100007F:1F90 01 \
            00000000:00000000 00:00000000 00000000  1002        0 15 1\n";
        let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        for (peer, expected) in [(50_000, Some(1001)), (50_001, Some(1002)), (50_002, None), (8080, None)] {
            assert_eq!(owner(table, address(peer), address(8080)), expected, "{peer}");
        }
        assert_eq!(owner("", address(1), address(2)), None);
    }

    #[tokio::test]
    async fn this_process_is_one_of_its_own_user() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = listener.local_addr().unwrap();
        let client = std::net::TcpStream::connect(ours).unwrap();
        assert!(is_own_user(client.local_addr().unwrap(), ours).await);
        assert!(!is_own_user("127.0.0.1:1".parse().unwrap(), ours).await);
    }
}
