//! Address ranges: CIDR blocks whose bits beyond the prefix are clear.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A CIDR block of IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Net {
    address: IpAddr,
    prefix: u8,
}

/// The text is no CIDR block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a CIDR block")]
pub struct InvalidNet(String);

impl TryFrom<&str> for Net {
    type Error = InvalidNet;

    fn try_from(text: &str) -> Result<Self, InvalidNet> {
        let refused = || InvalidNet(text.chars().take(100).collect());
        let (address, prefix) = text.split_once('/').ok_or_else(refused)?;
        let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let prefix: u8 = prefix.parse().ok().filter(|_| digits).ok_or_else(refused)?;
        Self::new(address, prefix).ok_or_else(refused)
    }
}

impl Net {
    /// The block that an address lies in; `None` where the prefix is longer than an address.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(it) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(it) & mask))
            }
            IpAddr::V6(it) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(it) & mask))
            }
            _ => return None,
        };
        Some(Self { address, prefix })
    }

    /// A block of IPv4 that is known to be one.
    pub(crate) const fn v4(address: [u8; 4], prefix: u8) -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::new(address[0], address[1], address[2], address[3])),
            prefix,
        }
    }

    /// `0.0.0.0/0`.
    pub const ANYWHERE: Self = Self::v4([0, 0, 0, 0], 0);

    /// Whether it is of IPv4.
    pub fn is_ipv4(self) -> bool {
        self.address.is_ipv4()
    }

    /// The length of its prefix.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// How many addresses it has, of IPv4.
    pub fn addresses(self) -> u64 {
        1 << 32u8.saturating_sub(self.prefix)
    }

    /// The address of IPv4 that stands at this place.
    pub fn address(self, at: u64) -> Ipv4Addr {
        match self.address {
            IpAddr::V4(first) => Ipv4Addr::from(u32::from(first).wrapping_add((at % self.addresses()) as u32)),
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        }
    }

    /// Its first and its last address.
    pub fn bounds(self) -> (IpAddr, IpAddr) {
        let last = match self.address {
            IpAddr::V4(first) => {
                let rest = u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(first) | rest))
            }
            IpAddr::V6(first) => {
                let rest = u128::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(first) | rest))
            }
        };
        (self.address, last)
    }

    /// Whether `address` lies in the block. An IPv4 address mapped into IPv6 counts as IPv4 (EDG-137).
    pub fn contains(self, address: IpAddr) -> bool {
        Self::new(address.to_canonical(), self.prefix) == Some(self)
    }

    /// Whether all of `other` lies in the block.
    pub fn covers(self, other: Self) -> bool {
        other.prefix >= self.prefix && self.contains(other.address)
    }

    /// Whether some address lies in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.covers(other) || other.covers(self)
    }
}

impl fmt::Display for Net {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Net {
        Net::try_from(text).unwrap()
    }

    #[test]
    fn bits_beyond_the_prefix_are_cleared() {
        for (text, block) in [
            ("10.0.0.5/8", "10.0.0.0/8"),
            ("1.2.3.4/32", "1.2.3.4/32"),
            ("1.2.3.4/0", "0.0.0.0/0"),
            ("2001:db8::7/32", "2001:db8::/32"),
            ("::1/0", "::/0"),
        ] {
            assert_eq!(net(text).to_string(), block);
        }
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "10.0/8",
            "::/129",
            "x/8",
        ] {
            assert!(Net::try_from(bad).is_err(), "{bad}");
        }
    }

    // EDG-137: IPv4-mapped IPv6 peers match IPv4 CIDRs
    #[test]
    fn addresses_lie_in_blocks() {
        let block = net("192.0.2.128/25");
        for inside in ["192.0.2.128", "192.0.2.255", "::ffff:192.0.2.200"] {
            assert!(block.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["192.0.2.127", "192.0.3.128", "::1", "2001:db8::1"] {
            assert!(!block.contains(outside.parse().unwrap()), "{outside}");
        }
        assert!(Net::ANYWHERE.contains("1.2.3.4".parse().unwrap()));
        assert!(!Net::ANYWHERE.contains("::2".parse().unwrap()));
        assert!(
            net("::/0").contains("::2".parse().unwrap()) && !net("::/0").contains("::ffff:1.2.3.4".parse().unwrap())
        );
    }

    #[test]
    fn blocks_overlap() {
        assert!(net("10.0.0.0/16").covers(net("10.0.3.0/24")) && !net("10.0.3.0/24").covers(net("10.0.0.0/16")));
        assert!(net("10.0.3.0/24").overlaps(net("10.0.0.0/16")) && !net("10.0.0.0/24").overlaps(net("10.0.1.0/24")));
        assert_eq!(
            (net("10.0.0.0/28").addresses(), net("0.0.0.0/0").addresses()),
            (16, 1 << 32)
        );
        assert_eq!(net("10.0.0.0/28").address(5).to_string(), "10.0.0.5");
    }
}
