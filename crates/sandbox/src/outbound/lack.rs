//! What a machine lacks for its enclosures to have a way out.

use super::nft;
use std::fmt;
use std::fs;

/// Why enclosures have no way out. The first that applies; after it is mended there may be another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboundLack {
    /// The spawner is of the `process` tier.
    NoNamespaces,
    /// Only root may change the host's network.
    NotRoot,
    /// The program `nft` is in none of the system's folders.
    NoNft,
    /// The host passes nothing on from one interface to another.
    NoForwarding,
}

impl OutboundLack {
    /// Looks whether anything is lacking, in microseconds. `has_namespaces`: this is the `namespace` tier.
    pub(crate) fn find(has_namespaces: bool, is_root: bool) -> Option<Self> {
        let forwards = || fs::read_to_string("/proc/sys/net/ipv4/ip_forward").is_ok_and(|text| text.trim() == "1");
        if !has_namespaces {
            Some(Self::NoNamespaces)
        } else if !is_root {
            Some(Self::NotRoot)
        } else if nft::program().is_none() {
            Some(Self::NoNft)
        } else if !forwards() {
            Some(Self::NoForwarding)
        } else {
            None
        }
    }

    /// What whoever runs this host can do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::NoNamespaces => "use `--sandbox namespace`, or `network: host` where a function may reach everything",
            Self::NotRoot => "run albacore as root, or use `network: host` where a function may reach everything",
            Self::NoNft => "install nftables (the package is called so nearly everywhere)",
            Self::NoForwarding => {
                "run `sysctl -w net.ipv4.ip_forward=1`, and write it to /etc/sysctl.d to keep it; albacore does not \
                 switch it on, because other interfaces of this machine then forward too"
            }
        }
    }
}

impl fmt::Display for OutboundLack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoNamespaces => "functions have no network of their own here",
            Self::NotRoot => "only root may join networks",
            Self::NoNft => "the program nft, which filters, is not installed",
            Self::NoForwarding => "IPv4 forwarding is off (net.ipv4.ip_forward is 0)",
        })
    }
}
