//! VPCs.

use super::{Deciding, at_most, in_use, kept_if};
use crate::ec2::Change;
use crate::ec2::default::{default_group, main_route_table};
use crate::ec2::ids::{
    NetworkAclId, RouteAssociationId, RouteTableId, SecurityGroupId, SecurityGroupRuleId, VpcCidrAssociationId, VpcId,
};
use crate::ec2::net::Net;
use crate::ec2::refusal::{Ec2Refusal, Kind};
use crate::ec2::resource::{Tenancy, Vpc};
use crate::limits::VPCS_PER_REGION;
use crate::tag::Tags;
use std::sync::Arc;

/// Creates a VPC, and what every VPC comes with.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateVpc {
    /// Fresh ids.
    pub ids: VpcIds,
    /// Its addresses.
    pub cidr: Net,
    /// `instanceTenancy`.
    pub tenancy: Tenancy,
    /// Its tags.
    pub tags: Tags,
}

/// The ids of a VPC and of what it comes with.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // by their names
pub struct VpcIds {
    pub vpc: VpcId,
    pub cidr_association: VpcCidrAssociationId,
    pub network_acl: NetworkAclId,
    pub route_table: RouteTableId,
    pub main_association: RouteAssociationId,
    pub security_group: SecurityGroupId,
    pub rules: [SecurityGroupRuleId; 2],
}

/// What can be changed of a VPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VpcAttribute {
    /// `enableDnsSupport`.
    DnsSupport(bool),
    /// `enableDnsHostnames`.
    DnsHostnames(bool),
    /// `enableNetworkAddressUsageMetrics`.
    AddressMetrics(bool),
}

pub(super) fn create(it: &Deciding<'_>, command: &CreateVpc) -> Result<Vec<Change>, Ec2Refusal> {
    let CreateVpc {
        ids,
        cidr,
        tenancy,
        tags,
    } = command;
    if !cidr.is_ipv4() || !(16..=28).contains(&cidr.prefix()) {
        return Err(Ec2Refusal::VpcSize(*cidr));
    }
    at_most(Kind::Vpc, it.network.vpcs().len(), VPCS_PER_REGION)?;
    if it.network.vpc(&ids.vpc).is_some() {
        return Err(Ec2Refusal::IdTaken(ids.vpc.to_string()));
    }
    let vpc = Vpc {
        id: ids.vpc.clone(),
        scope: it.scope(),
        cidr: *cidr,
        cidr_association: ids.cidr_association.clone(),
        tenancy: *tenancy,
        dns_support: true,
        dns_hostnames: false,
        address_metrics: false,
        network_acl: ids.network_acl.clone(),
        is_default: false,
        tags: tags.clone(),
    };
    let group = default_group(&vpc, ids.security_group.clone(), ids.rules.clone());
    let table = main_route_table(&vpc, ids.route_table.clone(), ids.main_association.clone());
    Ok(vec![
        Change::PutVpc(Arc::new(vpc)),
        Change::PutSecurityGroup(Arc::new(group)),
        Change::PutRouteTable(Arc::new(table)),
    ])
}

pub(super) fn modify(it: &Deciding<'_>, id: &VpcId, attribute: VpcAttribute) -> Result<Vec<Change>, Ec2Refusal> {
    let mut vpc = Vpc::clone(&*it.vpc(id)?);
    match attribute {
        VpcAttribute::DnsSupport(on) => vpc.dns_support = on,
        VpcAttribute::DnsHostnames(on) => vpc.dns_hostnames = on,
        VpcAttribute::AddressMetrics(on) => vpc.address_metrics = on,
    }
    if vpc.dns_hostnames && !vpc.dns_support {
        return Err(Ec2Refusal::HostnamesWithoutDns);
    }
    Ok(vec![Change::PutVpc(Arc::new(vpc))])
}

/// What it came with goes with it; everything else must be gone.
pub(super) fn delete(it: &Deciding<'_>, id: &VpcId) -> Result<Vec<Change>, Ec2Refusal> {
    let vpc = it.vpc(id)?;
    kept_if(vpc.is_default, id)?;
    let network = &it.network;
    let used = |by: &dyn ToString| in_use(Kind::Vpc, id, &by.to_string());
    if let Some(subnet) = network.subnets_of(id).first() {
        return Err(used(&subnet.id));
    }
    let mut changes = Vec::new();
    for group in network.security_groups().iter().filter(|it| it.vpc == *id) {
        if !group.is_default() {
            return Err(used(&group.id));
        }
        changes.push(Change::DeleteSecurityGroup(group.id.clone()));
    }
    if let Some(gateway) = network
        .internet_gateways()
        .iter()
        .find(|it| it.vpc.as_ref() == Some(id))
    {
        return Err(used(&gateway.id));
    }
    for table in network.route_tables().iter().filter(|it| it.vpc == *id) {
        if !table.is_main() {
            return Err(used(&table.id));
        }
        changes.push(Change::DeleteRouteTable(table.id.clone()));
    }
    changes.push(Change::DeleteVpc(id.clone()));
    Ok(changes)
}
