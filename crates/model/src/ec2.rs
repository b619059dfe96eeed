//! The network that load balancers stand in, as EC2 describes it: VPCs, subnets, security groups with their rules, internet
//! gateways and route tables. Source: clients.md 1, EDG part 4.
//!
//! ```text
//! ids, net    names and address ranges
//! resource    what there is
//! default     the default VPC, which every account has in each region from the beginning
//! network     one account's resources in one region: what is stored, and of the default VPC what is as at birth
//! zone        availability zones
//! interface   network interfaces: those of load balancers, which are read off the state and never stored
//! admission   whom the security groups of a load balancer let in
//! command     what users ask for
//! ```
//!
//! albacore's listeners bind to addresses of this machine, so subnets and routes are names that the API keeps and gives back.
//! Security groups are more than that: listeners refuse whom they do not admit.

pub mod admission;
pub mod command;
pub mod default;
pub mod ids;
pub mod interface;
pub mod net;
pub mod network;
pub mod refusal;
pub mod resource;
pub mod zone;

pub use command::Command;
pub use network::Network;
pub use refusal::Ec2Refusal;

use crate::ids::Scope;
use ids::{InternetGatewayId, RouteTableId, SecurityGroupId, SubnetId, VpcId};
use resource::{InternetGateway, RouteTable, SecurityGroup, Subnet, Vpc};
use rpds::RedBlackTreeMapSync as Map;
use std::sync::Arc;

/// One resource put in place or taken away.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A VPC was made or changed.
    PutVpc(Arc<Vpc>),
    /// A VPC is gone.
    DeleteVpc(VpcId),
    /// A subnet was made or changed.
    PutSubnet(Arc<Subnet>),
    /// A subnet is gone.
    DeleteSubnet(SubnetId),
    /// A security group was made or changed.
    PutSecurityGroup(Arc<SecurityGroup>),
    /// A security group is gone.
    DeleteSecurityGroup(SecurityGroupId),
    /// An internet gateway was made or changed.
    PutInternetGateway(Arc<InternetGateway>),
    /// An internet gateway is gone.
    DeleteInternetGateway(InternetGatewayId),
    /// A route table was made or changed.
    PutRouteTable(Arc<RouteTable>),
    /// A route table is gone.
    DeleteRouteTable(RouteTableId),
}

/// What is stored, of all regions. What a default VPC has by birth is not, until it is changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ec2 {
    vpcs: Map<VpcId, Arc<Vpc>>,
    subnets: Map<SubnetId, Arc<Subnet>>,
    security_groups: Map<SecurityGroupId, Arc<SecurityGroup>>,
    internet_gateways: Map<InternetGatewayId, Arc<InternetGateway>>,
    route_tables: Map<RouteTableId, Arc<RouteTable>>,
}

impl Ec2 {
    /// Whether both hold the very same.
    pub(crate) fn shares(&self, other: &Self) -> bool {
        self.vpcs.ptr_eq(&other.vpcs)
            && self.subnets.ptr_eq(&other.subnets)
            && self.security_groups.ptr_eq(&other.security_groups)
            && self.internet_gateways.ptr_eq(&other.internet_gateways)
            && self.route_tables.ptr_eq(&other.route_tables)
    }

    /// Puts one change in place.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::PutVpc(it) => self.vpcs.insert_mut(it.id.clone(), it.clone()),
            Change::PutSubnet(it) => self.subnets.insert_mut(it.id.clone(), it.clone()),
            Change::PutSecurityGroup(it) => self.security_groups.insert_mut(it.id.clone(), it.clone()),
            Change::PutInternetGateway(it) => self.internet_gateways.insert_mut(it.id.clone(), it.clone()),
            Change::PutRouteTable(it) => self.route_tables.insert_mut(it.id.clone(), it.clone()),
            Change::DeleteVpc(id) => drop(self.vpcs.remove_mut(id)),
            Change::DeleteSubnet(id) => drop(self.subnets.remove_mut(id)),
            Change::DeleteSecurityGroup(id) => drop(self.security_groups.remove_mut(id)),
            Change::DeleteInternetGateway(id) => drop(self.internet_gateways.remove_mut(id)),
            Change::DeleteRouteTable(id) => drop(self.route_tables.remove_mut(id)),
        }
    }

    /// What one account has in one region.
    pub fn network(&self, scope: &Scope) -> Network<'_> {
        Network::new(self, scope)
    }

    /// The changes that make this from nothing: by kind, then by id.
    pub fn whole(&self) -> impl Iterator<Item = Change> {
        let vpcs = self.vpcs.values().cloned().map(Change::PutVpc);
        let subnets = self.subnets.values().cloned().map(Change::PutSubnet);
        let groups = self.security_groups.values().cloned().map(Change::PutSecurityGroup);
        let gateways = self.internet_gateways.values().cloned();
        let tables = self.route_tables.values().cloned().map(Change::PutRouteTable);
        vpcs.chain(subnets)
            .chain(groups)
            .chain(gateways.map(Change::PutInternetGateway))
            .chain(tables)
    }
}
