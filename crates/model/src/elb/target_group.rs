//! Target groups. Source: ALB 1.5, 1.6.

mod address;
mod attributes;
mod check;
mod target;

pub use attributes::{
    Algorithm, CrossZone, GroupAttributeRefusal, MinimumHealthy, Stickiness, StickinessType, TargetGroupAttributes,
    WafInspection,
};
pub use check::ServersRefusal;
pub use target::{InstanceId, Target, TargetId, TargetRefusal, Zone};

use super::health_check::{HealthCheck, ServerHealthCheck};
use super::name::TargetGroupName;
use crate::arn::{FunctionArn, TargetGroupArn};
use crate::ec2::ids::VpcId;
use crate::ids::Owner;
use std::net::IpAddr;

/// One target group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetGroup {
    /// Its ARN.
    pub arn: TargetGroupArn,
    /// Its name.
    pub name: TargetGroupName,
    /// What its targets are, and what follows from that.
    pub targets: TargetKind,
    /// Who may change it.
    pub owner: Owner,
}

/// The type of the targets, fixed at creation. Source: ALB 1.5 `TargetType`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// `lambda`: at most one function.
    Lambda(LambdaTargets),
    /// `instance` or `ip`: servers.
    Servers(ServerTargets),
}

/// A Lambda target group. Source: ALB 3.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LambdaTargets {
    /// The registered function; none answers 503.
    pub function: Option<FunctionArn>,
    /// `lambda.multi_value_headers.enabled`: which form the event and the response have.
    pub multi_value_headers: bool,
    /// How the function's health is checked, if it is.
    pub health_check: HealthCheck,
}

/// A target group of servers. Source: ALB 1.5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTargets {
    /// `TargetType`; fixed.
    pub target_type: ServerType,
    /// `Protocol`; fixed.
    pub protocol: TargetProtocol,
    /// `ProtocolVersion`; fixed.
    pub protocol_version: ProtocolVersion,
    /// `Port`: where targets listen that are registered without a port; fixed.
    pub port: u16,
    /// `VpcId`; fixed. `None`: the default VPC.
    pub vpc: Option<VpcId>,
    /// `IpAddressType`; fixed.
    pub ip_address_type: IpAddressType,
    /// How the targets are checked; always enabled.
    pub health_check: ServerHealthCheck,
    /// The attributes.
    pub attributes: TargetGroupAttributes,
    /// The registered targets, each (id, port) once, in the order they were registered.
    pub targets: Vec<Target>,
}

/// Which kind of server. Source: ALB 1.5 `TargetType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerType {
    /// `instance`: registered by instance id.
    Instance,
    /// `ip`: registered by address.
    Ip,
}

impl ServerType {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Ip => "ip",
        }
    }
}

/// What is spoken to targets, below HTTP. Source: ALB 1.5 `Protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetProtocol {
    /// Clear text.
    Http,
    /// TLS; the certificate is not verified. Source: ALB 4.3.
    Https,
}

impl TargetProtocol {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        }
    }
}

/// Which HTTP is spoken to targets. Source: ALB 1.5 `ProtocolVersion`, 4.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProtocolVersion {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2; in clear text with prior knowledge.
    Http2,
    /// gRPC over HTTP/2.
    Grpc,
}

impl ProtocolVersion {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP1",
            Self::Http2 => "HTTP2",
            Self::Grpc => "GRPC",
        }
    }
}

/// The address family of the targets. Source: ALB 1.5 `IpAddressType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IpAddressType {
    /// `ipv4`.
    #[default]
    Ipv4,
    /// `ipv6`.
    Ipv6,
}

impl IpAddressType {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}
