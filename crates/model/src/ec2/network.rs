//! What one account has in one region: stored resources, and of the default VPC those that are as they were at birth.

use super::Ec2;
use super::default::DefaultVpc;
use super::ids::{InternetGatewayId, RouteTableId, SecurityGroupId, SubnetId, VpcId};
use super::resource::{InternetGateway, RouteTable, SecurityGroup, Subnet, Vpc};
use crate::ids::Scope;
use std::slice::from_ref;
use std::sync::Arc;

/// A view of the state.
#[derive(Debug)]
pub struct Network<'a> {
    ec2: &'a Ec2,
    scope: Scope,
    default: DefaultVpc,
}

macro_rules! kind {
    ($one:ident, $all:ident, $id:ident, $resource:ident, $stored:ident, $born:ident) => {
        #[doc = concat!("The ", stringify!($resource), " with this id.")]
        pub fn $one(&self, id: &$id) -> Option<Arc<$resource>> {
            let stored = self
                .ec2
                .$stored
                .get(id)
                .filter(|it| it.scope == self.scope)
                .cloned();
            stored.or_else(|| {
                let mut born = $born(&self.default).iter();
                born.find(|it| it.id == *id).cloned().map(Arc::new)
            })
        }

        #[doc = concat!("Every ", stringify!($resource), ", by id.")]
        pub fn $all(&self) -> Vec<Arc<$resource>> {
            let mine = |it: &&Arc<$resource>| it.scope == self.scope;
            let mut all: Vec<_> = self.ec2.$stored.values().filter(mine).cloned().collect();
            let unchanged = $born(&self.default)
                .iter()
                .filter(|it| self.ec2.$stored.get(&it.id).is_none());
            all.extend(unchanged.cloned().map(Arc::new));
            all.sort_by(|one, other| one.id.cmp(&other.id));
            all
        }
    };
}

impl<'a> Network<'a> {
    pub(super) fn new(ec2: &'a Ec2, scope: &Scope) -> Self {
        Self {
            ec2,
            scope: scope.clone(),
            default: DefaultVpc::of(scope),
        }
    }

    /// Whose it is, and where.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The default VPC, as it was at birth.
    pub fn default_vpc(&self) -> &DefaultVpc {
        &self.default
    }

    kind!(vpc, vpcs, VpcId, Vpc, vpcs, born_vpcs);
    kind!(subnet, subnets, SubnetId, Subnet, subnets, born_subnets);
    kind!(
        security_group,
        security_groups,
        SecurityGroupId,
        SecurityGroup,
        security_groups,
        born_groups
    );
    kind!(
        internet_gateway,
        internet_gateways,
        InternetGatewayId,
        InternetGateway,
        internet_gateways,
        born_gateways
    );
    kind!(
        route_table,
        route_tables,
        RouteTableId,
        RouteTable,
        route_tables,
        born_tables
    );

    /// The subnets of a VPC.
    pub fn subnets_of(&self, vpc: &VpcId) -> Vec<Arc<Subnet>> {
        let mut all = self.subnets();
        all.retain(|it| it.vpc == *vpc);
        all
    }

    /// The security group that a VPC came with.
    pub fn default_group_of(&self, vpc: &VpcId) -> Option<Arc<SecurityGroup>> {
        let mut groups = self.security_groups().into_iter();
        groups.find(|it| it.vpc == *vpc && it.is_default())
    }

    /// The route table of the subnets of a VPC that name none.
    pub fn main_route_table_of(&self, vpc: &VpcId) -> Option<Arc<RouteTable>> {
        let mut tables = self.route_tables().into_iter();
        tables.find(|it| it.vpc == *vpc && it.is_main())
    }
}

fn born_vpcs(it: &DefaultVpc) -> &[Vpc] {
    from_ref(&it.vpc)
}

fn born_subnets(it: &DefaultVpc) -> &[Subnet] {
    &it.subnets
}

fn born_groups(it: &DefaultVpc) -> &[SecurityGroup] {
    from_ref(&it.security_group)
}

fn born_gateways(it: &DefaultVpc) -> &[InternetGateway] {
    from_ref(&it.internet_gateway)
}

fn born_tables(it: &DefaultVpc) -> &[RouteTable] {
    from_ref(&it.route_table)
}
