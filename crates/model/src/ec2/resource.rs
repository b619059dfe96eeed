//! What there is in a network.

use super::ids::{
    InternetGatewayId, NetworkAclId, RouteAssociationId, RouteTableId, SecurityGroupId, SecurityGroupRuleId, SubnetId,
    VpcCidrAssociationId, VpcId,
};
use super::net::Net;
use crate::ids::Scope;
use crate::tag::Tags;
use std::fmt;

/// A virtual private cloud.
#[derive(Clone, Debug, PartialEq)]
pub struct Vpc {
    /// Its id.
    pub id: VpcId,
    /// Whose it is, and where.
    pub scope: Scope,
    /// Its addresses, of IPv4.
    pub cidr: Net,
    /// That the block belongs to it.
    pub cidr_association: VpcCidrAssociationId,
    /// `instanceTenancy`.
    pub tenancy: Tenancy,
    /// `enableDnsSupport`.
    pub dns_support: bool,
    /// `enableDnsHostnames`.
    pub dns_hostnames: bool,
    /// `enableNetworkAddressUsageMetrics`.
    pub address_metrics: bool,
    /// Its default network ACL, the only one.
    pub network_acl: NetworkAclId,
    /// Whether it is the one that the account has from the beginning.
    pub is_default: bool,
    /// Its tags.
    pub tags: Tags,
}

/// What hardware instances would run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tenancy {
    /// Anybody's.
    #[default]
    Default,
    /// One customer's.
    Dedicated,
}

/// A part of a VPC's addresses, in one zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Subnet {
    /// Its id.
    pub id: SubnetId,
    /// Whose it is, and where.
    pub scope: Scope,
    /// The VPC.
    pub vpc: VpcId,
    /// Its addresses.
    pub cidr: Net,
    /// `ZoneName`, such as `eu-west-1a`.
    pub zone: String,
    /// `MapPublicIpOnLaunch`.
    pub map_public_ip: bool,
    /// `PrivateDnsNameOptionsOnLaunch`.
    pub private_names: PrivateNames,
    /// Whether it came with the default VPC.
    pub is_default: bool,
    /// Its tags.
    pub tags: Tags,
}

/// `PrivateDnsNameOptionsOnLaunch`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrivateNames {
    /// `HostnameType`.
    pub hostname: HostnameType,
    /// `EnableResourceNameDnsARecord`.
    pub a_record: bool,
    /// `EnableResourceNameDnsAAAARecord`.
    pub aaaa_record: bool,
}

/// What the names of instances are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostnameType {
    /// `ip-name`.
    #[default]
    IpName,
    /// `resource-name`.
    ResourceName,
}

/// A security group. Source: EDG part 4.
#[derive(Clone, Debug, PartialEq)]
pub struct SecurityGroup {
    /// Its id.
    pub id: SecurityGroupId,
    /// Whose it is, and where.
    pub scope: Scope,
    /// The VPC.
    pub vpc: VpcId,
    /// `GroupName`, unique in its VPC.
    pub name: String,
    /// `GroupDescription`.
    pub description: String,
    /// Its rules in both directions, in the order they were made in.
    pub rules: Vec<SecurityGroupRule>,
    /// Its tags.
    pub tags: Tags,
}

impl SecurityGroup {
    /// The name of the group that every VPC comes with.
    pub const DEFAULT: &'static str = "default";

    /// Whether it came with its VPC.
    pub fn is_default(&self) -> bool {
        self.name == Self::DEFAULT
    }

    /// The rules of one direction.
    pub fn rules(&self, direction: Direction) -> impl Iterator<Item = &SecurityGroupRule> {
        self.rules.iter().filter(move |rule| rule.what.direction == direction)
    }
}

/// One rule of a security group.
#[derive(Clone, Debug, PartialEq)]
pub struct SecurityGroupRule {
    /// Its id.
    pub id: SecurityGroupRuleId,
    /// What it lets through; no two rules of a group say the same.
    pub what: Permission,
    /// What people say about it.
    pub description: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// What a rule lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// In or out.
    pub direction: Direction,
    /// The protocol.
    pub protocol: Protocol,
    /// Ports, or ICMP's type and code, from and to. `None`: all, or a protocol without ports.
    pub ports: Option<(i32, i32)>,
    /// The other side.
    pub peer: RulePeer,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// `ingress`.
    Ingress,
    /// `egress`.
    Egress,
}

/// A protocol of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// `-1`.
    All,
    /// `tcp`, 6.
    Tcp,
    /// `udp`, 17.
    Udp,
    /// `icmp`, 1.
    Icmp,
    /// `icmpv6`, 58.
    IcmpV6,
    /// Any other, by its number.
    Number(u8),
}

impl Protocol {
    /// The protocol with this number.
    pub fn numbered(number: u8) -> Self {
        match number {
            1 => Self::Icmp,
            6 => Self::Tcp,
            17 => Self::Udp,
            58 => Self::IcmpV6,
            other => Self::Number(other),
        }
    }
}

/// The text is no protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a protocol")]
pub struct InvalidProtocol(String);

impl TryFrom<&str> for Protocol {
    type Error = InvalidProtocol;

    fn try_from(text: &str) -> Result<Self, InvalidProtocol> {
        match text.to_ascii_lowercase().as_str() {
            "-1" | "all" => Ok(Self::All),
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "icmp" => Ok(Self::Icmp),
            "icmpv6" => Ok(Self::IcmpV6),
            number => match number.parse() {
                Ok(number) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Self::numbered(number)),
                _ => Err(InvalidProtocol(text.chars().take(100).collect())),
            },
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str("-1"),
            Self::Tcp => formatter.write_str("tcp"),
            Self::Udp => formatter.write_str("udp"),
            Self::Icmp => formatter.write_str("icmp"),
            Self::IcmpV6 => formatter.write_str("icmpv6"),
            Self::Number(number) => write!(formatter, "{number}"),
        }
    }
}

/// The other side of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RulePeer {
    /// An address range.
    Net(Net),
    /// Whoever has a network interface that carries the group.
    Group(SecurityGroupId),
}

impl fmt::Display for RulePeer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(net) => net.fmt(formatter),
            Self::Group(group) => group.fmt(formatter),
        }
    }
}

/// An internet gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct InternetGateway {
    /// Its id.
    pub id: InternetGatewayId,
    /// Whose it is, and where.
    pub scope: Scope,
    /// The VPC it is attached to.
    pub vpc: Option<VpcId>,
    /// Its tags.
    pub tags: Tags,
}

/// A route table. The route to the VPC's own addresses is in each, and is not written here.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteTable {
    /// Its id.
    pub id: RouteTableId,
    /// Whose it is, and where.
    pub scope: Scope,
    /// The VPC.
    pub vpc: VpcId,
    /// Its routes, in the order they were made in.
    pub routes: Vec<Route>,
    /// Who uses it.
    pub associations: Vec<RouteAssociation>,
    /// Its tags.
    pub tags: Tags,
}

impl RouteTable {
    /// Whether subnets that name no table use this one.
    pub fn is_main(&self) -> bool {
        self.associations.iter().any(|it| it.subnet.is_none())
    }
}

/// A route to an internet gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Where to.
    pub destination: Net,
    /// By which way.
    pub gateway: InternetGatewayId,
}

/// That a subnet, or the VPC as a whole, uses a route table.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteAssociation {
    /// Its id.
    pub id: RouteAssociationId,
    /// The subnet; `None`: the table is the main one.
    pub subnet: Option<SubnetId>,
}
