//! Which addresses targets may have. Source: ALB 5.7 "allowed ip ranges".

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a server may be registered by this address: the private ranges that AWS allows, and loopback, which AWS
/// refuses: targets of albacore are often on the same machine.
///
/// For IPv6 AWS asks for an address of the VPC. albacore has none and accepts what such an address can be: unique local
/// and global unicast (unverified).
pub(super) fn is_allowed(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_loopback() || is_shared(address),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || is_global_unicast(address),
    }
}

/// Whether a server can have this address at all. The address of an instance is not chosen by who registers it, and a
/// VPC may have any range.
pub(super) fn is_of_a_server(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let none = address.octets()[0] == 0 || address.octets()[0] >= 240;
            !none && !address.is_multicast()
        }
        IpAddr::V6(_) => is_allowed(address),
    }
}

/// 100.64.0.0/10
fn is_shared(address: Ipv4Addr) -> bool {
    matches!(address.octets(), [100, 64..=127, ..])
}

/// 2000::/3
fn is_global_unicast(address: Ipv6Addr) -> bool {
    address.segments()[0] >> 13 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_and_loopback_addresses_are_allowed() {
        let good = [
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.254",
            "127.0.0.1",
            "127.255.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "::1",
            "fd00::1",
            "fc00::1",
            "2001:db8::1",
            "3fff::1",
        ];
        let bad = [
            "0.0.0.0",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "128.0.0.1",
            "169.254.169.254",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "fe80::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "4000::1",
            "::2",
        ];
        for address in good {
            assert!(is_allowed(address.parse().unwrap()), "{address}");
        }
        for address in bad {
            assert!(!is_allowed(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn instances_may_have_public_addresses_but_no_impossible_ones() {
        for address in ["8.8.8.8", "10.0.0.1", "169.254.0.1", "2001:db8::1", "::1"] {
            assert!(is_of_a_server(address.parse().unwrap()), "{address}");
        }
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "ff02::1",
            "fe80::1",
        ] {
            assert!(!is_of_a_server(address.parse().unwrap()), "{address}");
        }
    }
}
