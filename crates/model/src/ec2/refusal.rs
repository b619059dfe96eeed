//! Why a command on the network is refused.

use super::ids::{InternetGatewayId, RouteAssociationId, RouteTableId, SecurityGroupId, SubnetId, VpcId};
use super::net::Net;
use super::resource::Permission;
use crate::limits;
use crate::tag::TagRefusal;
use std::fmt;

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the resources by their names
pub enum Kind {
    Vpc,
    Subnet,
    SecurityGroup,
    SecurityGroupRule,
    InternetGateway,
    RouteTable,
    RouteAssociation,
    NetworkInterface,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Vpc => "vpc",
            Self::Subnet => "subnet",
            Self::SecurityGroup => "security group",
            Self::SecurityGroupRule => "security group rule",
            Self::InternetGateway => "internetGateway",
            Self::RouteTable => "routeTable",
            Self::RouteAssociation => "association",
            Self::NetworkInterface => "network interface",
        })
    }
}

/// Why a command on the network is refused. Nothing of its batch was applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ec2Refusal {
    /// Nothing has the id.
    #[error("the {kind} ID '{id}' does not exist")]
    NoSuch {
        /// What was looked for.
        kind: Kind,
        /// By which id.
        id: String,
    },
    /// Something has the id already.
    #[error("the id {0} is in use")]
    IdTaken(String),
    /// Something hangs on it.
    #[error("the {kind} '{id}' has dependencies and cannot be deleted")]
    InUse {
        /// What it is.
        kind: Kind,
        /// Which one.
        id: String,
        /// What hangs on it.
        by: String,
    },
    /// It came with the account, and other things rely on it.
    #[error("{0} is part of the default VPC, which albacore keeps")]
    Kept(String),
    /// Too many of them.
    #[error("the maximum number of {kind}s has been reached: {limit}")]
    TooMany {
        /// Of what.
        kind: Kind,
        /// What the limit is.
        limit: usize,
    },
    /// Tags that cannot be.
    #[error(transparent)]
    Tags(#[from] TagRefusal),
    /// A VPC's block is of IPv4, and a /16 to a /28.
    #[error("the CIDR '{0}' is invalid: a VPC has 16 to 65536 addresses of IPv4")]
    VpcSize(Net),
    /// A subnet's block is a /16 to a /28 too.
    #[error("the CIDR '{0}' is invalid: a subnet has 16 to 65536 addresses")]
    SubnetSize(Net),
    /// A subnet outside of its VPC.
    #[error("the CIDR '{0}' is invalid: it is not within the VPC's")]
    SubnetRange(Net),
    /// A subnet on top of another one.
    #[error("the CIDR '{0}' conflicts with another subnet")]
    SubnetConflict(Net),
    /// A zone that the region does not have.
    #[error("value ({0}) for parameter availabilityZone is invalid")]
    NoSuchZone(String),
    /// A public name needs DNS at all.
    #[error("enableDnsHostnames needs enableDnsSupport")]
    HostnamesWithoutDns,
    /// `default` belongs to the groups that VPCs come with.
    #[error("cannot use reserved security group name: {0}")]
    ReservedGroupName(String),
    /// Another group of the VPC has the name.
    #[error("the security group '{name}' already exists for VPC '{vpc}'")]
    GroupNameTaken {
        /// The name.
        name: String,
        /// The VPC.
        vpc: VpcId,
    },
    /// A VPC's own group goes with it only.
    #[error("the specified group: \"{0}\" name: \"default\" cannot be deleted by a user")]
    DefaultGroup(SecurityGroupId),
    /// A rule that says what another one says.
    #[error("the specified rule \"{}\" already exists", .0)]
    RuleExists(Permission),
    /// No rule says this.
    #[error("the specified rule does not exist in this security group")]
    NoSuchPermission(Permission),
    /// More rules than a group may have in one direction.
    #[error(
        "the maximum number of rules per security group has been reached: {}",
        limits::RULES_PER_SECURITY_GROUP
    )]
    TooManyRules,
    /// The gateway, or the VPC, is attached already.
    #[error("resource {0} is already attached")]
    AlreadyAttached(String),
    /// The gateway is not attached to that VPC.
    #[error("resource {0} is not attached to network {1}")]
    NotAttached(InternetGatewayId, VpcId),
    /// The VPC has no such gateway.
    #[error("route table {0} and network gateway {1} belong to different networks")]
    OtherNetwork(RouteTableId, InternetGatewayId),
    /// Route table and subnet of two VPCs.
    #[error("route table {0} and subnet {1} belong to different networks")]
    OtherVpc(RouteTableId, SubnetId),
    /// More routes than a table may have.
    #[error("route table {0} has {limit} routes, which is the limit", limit = limits::ROUTES_PER_TABLE)]
    TooManyRoutes(RouteTableId),
    /// The table has a route there.
    #[error("the route identified by {0} already exists")]
    RouteExists(Net),
    /// It is the route to the VPC itself.
    #[error("the route to {0} is the local one of the VPC, which stays as it is")]
    LocalRoute(Net),
    /// The table has no route there.
    #[error("no route with destination-cidr-block {1} in route table {0}")]
    NoSuchRoute(RouteTableId, Net),
    /// The subnet has a table already.
    #[error("the specified association for route table {0} conflicts with an existing association")]
    AlreadyAssociated(RouteTableId),
    /// Every VPC has a main table.
    #[error("cannot disassociate the main route table association {0}")]
    MainAssociation(RouteAssociationId),
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "peer: {}, ", self.peer)?;
        match self.protocol {
            super::resource::Protocol::All => formatter.write_str("ALL")?,
            protocol => write!(formatter, "{}", protocol.to_string().to_uppercase())?,
        }
        if let Some((from, to)) = self.ports {
            write!(formatter, ", from port: {from}, to port: {to}")?;
        }
        formatter.write_str(", ALLOW")
    }
}
