//! Commands on the network, and the pure decisions about them. Fresh ids come with the commands.

mod gateway;
mod route_table;
mod security_group;
mod subnet;
mod tag;
mod vpc;

pub use gateway::CreateInternetGateway;
pub use route_table::{Associate, CreateRouteTable, RouteVerb, SetRoute};
pub use security_group::{Authorize, CreateSecurityGroup, Described, Modified, Revoke, Revoked};
pub use subnet::{CreateSubnet, SubnetAttributes};
pub use tag::{AnyId, ChangeTags};
pub use vpc::{CreateVpc, VpcAttribute, VpcIds};

use super::Change;
use super::ids::{InternetGatewayId, RouteAssociationId, RouteTableId, SecurityGroupId, SubnetId, VpcId};
use super::net::Net;
use super::network::Network;
use super::refusal::{Ec2Refusal, Kind};
use super::resource::{Direction, InternetGateway, RouteTable, SecurityGroup, Subnet, Vpc};
use crate::ids::Scope;
use crate::state::State;
use std::sync::Arc;

/// One thing a user asks for, in one account and region.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Whose network it is about.
    pub scope: Scope,
    /// What is asked for.
    pub verb: Verb,
}

/// What can be asked for.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // AWS's operations by their names
pub enum Verb {
    CreateVpc(CreateVpc),
    ModifyVpc(VpcId, VpcAttribute),
    DeleteVpc(VpcId),
    CreateSubnet(CreateSubnet),
    ModifySubnet(SubnetId, SubnetAttributes),
    DeleteSubnet(SubnetId),
    CreateSecurityGroup(CreateSecurityGroup),
    DeleteSecurityGroup(SecurityGroupId),
    Authorize(Authorize),
    Revoke(Revoke),
    /// Rules say something else from now on.
    ModifyRules(SecurityGroupId, Vec<Modified>),
    /// People say something else about rules.
    DescribeRules(SecurityGroupId, Direction, Vec<Described>),
    CreateInternetGateway(CreateInternetGateway),
    AttachInternetGateway(InternetGatewayId, VpcId),
    DetachInternetGateway(InternetGatewayId, VpcId),
    DeleteInternetGateway(InternetGatewayId),
    CreateRouteTable(CreateRouteTable),
    DeleteRouteTable(RouteTableId),
    SetRoute(SetRoute),
    DeleteRoute(RouteTableId, Net),
    Associate(Associate),
    /// The association with the first id goes over to a table, under the second.
    ReplaceAssociation(RouteAssociationId, RouteTableId, RouteAssociationId),
    Disassociate(RouteAssociationId),
    Tag(ChangeTags),
}

/// Decides about one command: pure, the same answer for the same state and command.
///
/// # Errors
/// It is refused, and nothing changes.
pub fn decide(state: &State, command: &Command) -> Result<Vec<Change>, Ec2Refusal> {
    let network = state.ec2().network(&command.scope);
    let it = Deciding { state, network };
    match &command.verb {
        Verb::CreateVpc(command) => vpc::create(&it, command),
        Verb::ModifyVpc(id, attribute) => vpc::modify(&it, id, *attribute),
        Verb::DeleteVpc(id) => vpc::delete(&it, id),
        Verb::CreateSubnet(command) => subnet::create(&it, command),
        Verb::ModifySubnet(id, attributes) => subnet::modify(&it, id, attributes),
        Verb::DeleteSubnet(id) => subnet::delete(&it, id),
        Verb::CreateSecurityGroup(command) => security_group::create(&it, command),
        Verb::DeleteSecurityGroup(id) => security_group::delete(&it, id),
        Verb::Authorize(command) => security_group::authorize(&it, command),
        Verb::Revoke(command) => security_group::revoke(&it, command),
        Verb::ModifyRules(group, rules) => security_group::modify(&it, group, rules),
        Verb::DescribeRules(group, direction, rules) => security_group::describe(&it, group, *direction, rules),
        Verb::CreateInternetGateway(command) => gateway::create(&it, command),
        Verb::AttachInternetGateway(id, vpc) => gateway::attach(&it, id, vpc),
        Verb::DetachInternetGateway(id, vpc) => gateway::detach(&it, id, vpc),
        Verb::DeleteInternetGateway(id) => gateway::delete(&it, id),
        Verb::CreateRouteTable(command) => route_table::create(&it, command),
        Verb::DeleteRouteTable(id) => route_table::delete(&it, id),
        Verb::SetRoute(command) => route_table::set_route(&it, command),
        Verb::DeleteRoute(table, destination) => route_table::delete_route(&it, table, *destination),
        Verb::Associate(command) => route_table::associate(&it, command),
        Verb::ReplaceAssociation(id, table, fresh) => route_table::replace_association(&it, id, table, fresh),
        Verb::Disassociate(id) => route_table::disassociate(&it, id),
        Verb::Tag(command) => tag::change(&it, command),
    }
}

/// What a decision looks at.
struct Deciding<'a> {
    state: &'a State,
    network: Network<'a>,
}

impl Deciding<'_> {
    fn scope(&self) -> Scope {
        self.network.scope().clone()
    }

    fn vpc(&self, id: &VpcId) -> Result<Arc<Vpc>, Ec2Refusal> {
        self.network.vpc(id).ok_or_else(|| no_such(Kind::Vpc, id))
    }

    fn subnet(&self, id: &SubnetId) -> Result<Arc<Subnet>, Ec2Refusal> {
        self.network.subnet(id).ok_or_else(|| no_such(Kind::Subnet, id))
    }

    fn group(&self, id: &SecurityGroupId) -> Result<Arc<SecurityGroup>, Ec2Refusal> {
        let group = self.network.security_group(id);
        group.ok_or_else(|| no_such(Kind::SecurityGroup, id))
    }

    fn gateway(&self, id: &InternetGatewayId) -> Result<Arc<InternetGateway>, Ec2Refusal> {
        let gateway = self.network.internet_gateway(id);
        gateway.ok_or_else(|| no_such(Kind::InternetGateway, id))
    }

    fn table(&self, id: &RouteTableId) -> Result<Arc<RouteTable>, Ec2Refusal> {
        self.network
            .route_table(id)
            .ok_or_else(|| no_such(Kind::RouteTable, id))
    }
}

fn no_such(kind: Kind, id: &impl ToString) -> Ec2Refusal {
    let id = id.to_string();
    Ec2Refusal::NoSuch { kind, id }
}

fn in_use(kind: Kind, id: &impl ToString, by: &impl ToString) -> Ec2Refusal {
    let (id, by) = (id.to_string(), by.to_string());
    Ec2Refusal::InUse { kind, id, by }
}

fn kept_if(is_default: bool, id: &impl ToString) -> Result<(), Ec2Refusal> {
    match is_default {
        true => Err(Ec2Refusal::Kept(id.to_string())),
        false => Ok(()),
    }
}

fn at_most(kind: Kind, there: usize, limit: usize) -> Result<(), Ec2Refusal> {
    match there >= limit {
        true => Err(Ec2Refusal::TooMany { kind, limit }),
        false => Ok(()),
    }
}
