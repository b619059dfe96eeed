//! Address ranges of `source-ip` conditions. Source: ALB 2.3.

use super::pattern::PatternRefusal;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 or IPv6 CIDR block. Bits beyond the prefix are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl TryFrom<&str> for Cidr {
    type Error = PatternRefusal;

    fn try_from(text: &str) -> Result<Self, PatternRefusal> {
        let refused = || PatternRefusal::Cidr(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(refused)?;
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix: u8 = prefix.parse().ok().filter(|_| digits).ok_or_else(refused)?;
        if prefix > if address.is_ipv4() { 32 } else { 128 } {
            return Err(refused());
        }
        if address == IpAddr::V4(Ipv4Addr::BROADCAST) && prefix == 32 {
            return Err(PatternRefusal::Broadcast);
        }
        Ok(Self { address, prefix })
    }
}

impl Cidr {
    /// Whether `address` lies in the block. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(block), IpAddr::V4(address)) => self.same_prefix_v4(block, address),
            (IpAddr::V6(block), IpAddr::V6(address)) => self.same_prefix_v6(block, address),
            _ => false,
        }
    }

    fn same_prefix_v4(&self, block: Ipv4Addr, address: Ipv4Addr) -> bool {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
        u32::from(block) & mask == u32::from(address) & mask
    }

    fn same_prefix_v6(&self, block: Ipv6Addr, address: Ipv6Addr) -> bool {
        let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
        u128::from(block) & mask == u128::from(address) & mask
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // ALB-C-025: IPv6 blocks are accepted, 255.255.255.255/32 is not
    #[test]
    fn blocks() {
        for good in [
            "192.0.2.0/24",
            "0.0.0.0/0",
            "2001:db8::/32",
            "::/0",
            "10.1.2.3/32",
            "255.255.255.255/31",
        ] {
            assert!(Cidr::try_from(good).is_ok(), "{good}");
        }
        for bad in [
            "192.0.2.0",
            "192.0.2.0/33",
            "192.0.2/24",
            "::/129",
            "a/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "",
        ] {
            assert_eq!(Cidr::try_from(bad), Err(PatternRefusal::Cidr(bad.into())), "{bad}");
        }
        assert_eq!(Cidr::try_from("255.255.255.255/32"), Err(PatternRefusal::Broadcast));
    }

    #[track_caller]
    fn check(block: &str, inside: &[&str], outside: &[&str]) {
        let block = Cidr::try_from(block).unwrap();
        for address in inside {
            assert!(block.contains(address.parse().unwrap()), "{block} {address}");
        }
        for address in outside {
            assert!(!block.contains(address.parse().unwrap()), "{block} {address}");
        }
    }

    #[test]
    fn containment() {
        check(
            "192.0.2.128/25",
            &["192.0.2.128", "192.0.2.255", "::ffff:192.0.2.200"],
            &["192.0.2.127", "192.0.3.128", "::1"],
        );
        check("0.0.0.0/0", &["1.2.3.4"], &["::1"]);
        check("10.9.8.7/8", &["10.0.0.1"], &["11.0.0.1"]);
        check(
            "2001:db8::/33",
            &["2001:db8:7fff::1"],
            &["2001:db8:8000::1", "10.0.0.1"],
        );
    }
}
