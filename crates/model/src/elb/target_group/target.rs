//! One registered server.

use super::{IpAddressType, ServerType};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// A registered server. Its key in the group is id and port. Source: ALB 1.8.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// `Id`.
    pub id: TargetId,
    /// `Port`, 1 to 65535.
    pub port: u16,
    /// Where it listens: the id itself, or the address of the instance.
    pub address: IpAddr,
    /// `AvailabilityZone`.
    pub zone: Zone,
}

impl Target {
    /// Address and port.
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

/// What a target is registered by. Source: ALB 1.5, 9.4.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetId {
    /// `i-` and 8 or 17 hexadecimal digits.
    Instance(InstanceId),
    /// An address.
    Ip(IpAddr),
}

/// The id of an instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(Arc<str>);

impl InstanceId {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a target stands. Source: ALB 5.7 "zone argument".
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Zone {
    /// The zone of this process.
    #[default]
    Own,
    /// A zone by name, such as `eu-west-1b`.
    Named(Arc<str>),
    /// `all`: in every zone.
    All,
}

/// Why a target is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetRefusal {
    /// No instance id.
    #[error("instance id {0:?} must be \"i-\" and 8 or 17 hexadecimal digits")]
    InstanceId(String),
    /// No zone.
    #[error(
        "availability zone {0:?} must be `all` or a name such as `eu-west-1a`: 1 to 64 lower-case letters, digits and hyphens"
    )]
    Zone(String),
    /// Port 0.
    #[error("the port of target {0} must be 1 to 65535")]
    Port(TargetId),
    /// An instance in a group of addresses, or the other way round.
    #[error("target {id} is no target of a group with target type {}; register {}", .expected.as_str(), by_what(*.expected))]
    OtherType {
        /// The target.
        id: TargetId,
        /// The group's type.
        expected: ServerType,
    },
    /// An address of the other family. Source: ALB 1.5 `IpAddressType`.
    #[error("target {id} has the address {address}, but the group's ip_address_type is {}; a group has one address family", .expected.as_str())]
    OtherFamily {
        /// The target.
        id: TargetId,
        /// Its address.
        address: IpAddr,
        /// The group's family.
        expected: IpAddressType,
    },
    /// An address that targets cannot have. Source: ALB 5.7.
    #[error(
        "target {0} is outside of the address ranges of targets: 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 172.16.0.0/12 \
         and 192.168.0.0/16; with IPv6 ::1, fc00::/7 and 2000::/3"
    )]
    OutsideRanges(IpAddr),
    /// An instance with an address that no server can have.
    #[error("instance {id} cannot have the address {address}; it takes the address of a server")]
    NoServer {
        /// The instance.
        id: InstanceId,
        /// Its address.
        address: IpAddr,
    },
    /// An address that is registered as another one.
    #[error("target {id} cannot have the address {address}")]
    OtherAddress {
        /// The target.
        id: TargetId,
        /// The address.
        address: IpAddr,
    },
    /// A target of all zones in a group whose targets only serve their own. Source: ALB 1.6 "cross rules".
    #[error("target {0} cannot be in zone `all` while load_balancing.cross_zone.enabled is false")]
    AllZones(TargetId),
}

fn by_what(expected: ServerType) -> &'static str {
    match expected {
        ServerType::Instance => "instances by their ids",
        ServerType::Ip => "servers by their addresses",
    }
}

impl TryFrom<&str> for InstanceId {
    type Error = TargetRefusal;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let digits = text.strip_prefix("i-").unwrap_or_default();
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        match matches!(digits.len(), 8 | 17) && digits.bytes().all(hex) {
            true => Ok(Self(text.into())),
            false => Err(TargetRefusal::InstanceId(text.chars().take(100).collect())),
        }
    }
}

impl TryFrom<&str> for Zone {
    type Error = TargetRefusal;

    /// `all`, or a zone by name. What a name may look like is albacore's (unverified).
    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        match text {
            "all" => Ok(Self::All),
            _ if (1..=64).contains(&text.len()) && text.bytes().all(allowed) => Ok(Self::Named(text.into())),
            _ => Err(TargetRefusal::Zone(text.chars().take(100).collect())),
        }
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(id) => formatter.write_str(id.as_str()),
            Self::Ip(address) => address.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_ids() {
        for good in ["i-0123abcd", "i-0123456789abcdef0"] {
            assert_eq!(InstanceId::try_from(good).map(|it| it.to_string()), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "i-",
            "0123abcd",
            "i-0123abc",
            "i-0123ABCD",
            "i-0123456789abcdefg",
            "I-0123abcd",
        ] {
            assert_eq!(
                InstanceId::try_from(bad),
                Err(TargetRefusal::InstanceId(bad.to_owned()))
            );
        }
    }

    #[test]
    fn zones() {
        assert_eq!(Zone::try_from("all"), Ok(Zone::All));
        assert_eq!(Zone::try_from("eu-west-1a"), Ok(Zone::Named("eu-west-1a".into())));
        for bad in ["", "All", "eu west", "eu_west", &"a".repeat(65)] {
            assert_eq!(Zone::try_from(bad), Err(TargetRefusal::Zone(bad.to_owned())));
        }
    }
}
