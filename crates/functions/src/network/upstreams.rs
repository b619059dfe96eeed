//! The servers of names that the host asks itself: `/etc/resolv.conf`.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// As many as the C library asks. Source: `resolv.conf(5)`.
const UPSTREAMS_MAX: usize = 3;
const DOMAIN_PORT: u16 = 53;

/// Those of a file, read again when it has changed.
#[derive(Debug)]
pub(super) struct Upstreams {
    file: PathBuf,
    changed: Option<SystemTime>,
    known: Vec<SocketAddr>,
}

impl Upstreams {
    pub(super) fn of_host() -> Self {
        Self {
            file: Path::new("/etc/resolv.conf").to_owned(),
            changed: None,
            known: servers_in(""),
        }
    }

    /// In the order in which they are to be asked. Looks at a small file.
    pub(super) fn present(&mut self) -> Vec<SocketAddr> {
        let changed = fs::metadata(&self.file).and_then(|about| about.modified()).ok();
        if changed.is_some() && changed != self.changed {
            // A file that cannot be read now may be replaced at this moment.
            if let Ok(text) = fs::read_to_string(&self.file) {
                self.known = servers_in(&text);
                self.changed = changed;
            }
        }
        self.known.clone()
    }
}

/// Without any it is this host. Those with a zone cannot be asked for their zones, and are left out.
fn servers_in(text: &str) -> Vec<SocketAddr> {
    let addresses = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse::<IpAddr>().ok())?
    });
    let mut servers: Vec<_> = addresses
        .take(UPSTREAMS_MAX)
        .map(|address| SocketAddr::new(address, DOMAIN_PORT))
        .collect();
    if servers.is_empty() {
        servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), DOMAIN_PORT));
    }
    servers
}

#[cfg(test)]
mod tests {
    use super::servers_in;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let servers: Vec<_> = servers_in(text).iter().map(ToString::to_string).collect();
        assert_eq!(servers, expected, "{text:?}");
    }

    #[test]
    fn the_first_three_are_asked() {
        check("", &["127.0.0.1:53"]);
        check(
            "# nameserver 10.0.0.1\nsearch a.b\nnameserver\nnameserver x\n",
            &["127.0.0.1:53"],
        );
        check(
            "nameserver 10.0.0.1\n nameserver\t::1 \noptions edns0\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n",
            &["10.0.0.1:53", "[::1]:53", "10.0.0.2:53"],
        );
    }
}
