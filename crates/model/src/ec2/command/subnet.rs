//! Subnets.

use super::{Deciding, at_most, in_use, kept_if};
use crate::ec2::Change;
use crate::ec2::ids::{SubnetId, VpcId};
use crate::ec2::interface;
use crate::ec2::net::Net;
use crate::ec2::refusal::{Ec2Refusal, Kind};
use crate::ec2::resource::{HostnameType, PrivateNames, RouteTable, Subnet};
use crate::ec2::zone;
use crate::lambda::vpc::user_of;
use crate::limits::SUBNETS_PER_VPC;
use crate::tag::Tags;
use std::sync::Arc;

/// Creates a subnet.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSubnet {
    /// A fresh id.
    pub id: SubnetId,
    /// The VPC.
    pub vpc: VpcId,
    /// Its addresses.
    pub cidr: Net,
    /// Its zone; none: the first one.
    pub zone: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// What can be changed of a subnet: what is `Some` replaces what was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // as in `Subnet`
pub struct SubnetAttributes {
    pub map_public_ip: Option<bool>,
    pub hostname: Option<HostnameType>,
    pub a_record: Option<bool>,
    pub aaaa_record: Option<bool>,
}

pub(super) fn create(it: &Deciding<'_>, command: &CreateSubnet) -> Result<Vec<Change>, Ec2Refusal> {
    let cidr = command.cidr;
    let vpc = it.vpc(&command.vpc)?;
    let zones = zone::names(&vpc.scope.region);
    let zone = command.zone.clone().unwrap_or_else(|| zones[0].clone());
    if !zones.contains(&zone) {
        return Err(Ec2Refusal::NoSuchZone(zone));
    }
    if !cidr.is_ipv4() || !(16..=28).contains(&cidr.prefix()) {
        return Err(Ec2Refusal::SubnetSize(cidr));
    }
    if !vpc.cidr.covers(cidr) {
        return Err(Ec2Refusal::SubnetRange(cidr));
    }
    let others = it.network.subnets_of(&vpc.id);
    if others.iter().any(|other| other.cidr.overlaps(cidr)) {
        return Err(Ec2Refusal::SubnetConflict(cidr));
    }
    at_most(Kind::Subnet, others.len(), SUBNETS_PER_VPC)?;
    if it.network.subnet(&command.id).is_some() {
        return Err(Ec2Refusal::IdTaken(command.id.to_string()));
    }
    let subnet = Subnet {
        id: command.id.clone(),
        scope: it.scope(),
        vpc: vpc.id.clone(),
        cidr,
        zone,
        map_public_ip: false,
        private_names: PrivateNames::default(),
        is_default: false,
        tags: command.tags.clone(),
    };
    Ok(vec![Change::PutSubnet(Arc::new(subnet))])
}

pub(super) fn modify(
    it: &Deciding<'_>,
    id: &SubnetId,
    attributes: &SubnetAttributes,
) -> Result<Vec<Change>, Ec2Refusal> {
    let mut subnet = Subnet::clone(&*it.subnet(id)?);
    let names = &mut subnet.private_names;
    names.hostname = attributes.hostname.unwrap_or(names.hostname);
    names.a_record = attributes.a_record.unwrap_or(names.a_record);
    names.aaaa_record = attributes.aaaa_record.unwrap_or(names.aaaa_record);
    subnet.map_public_ip = attributes.map_public_ip.unwrap_or(subnet.map_public_ip);
    Ok(vec![Change::PutSubnet(Arc::new(subnet))])
}

/// Its association with a route table goes with it.
pub(super) fn delete(it: &Deciding<'_>, id: &SubnetId) -> Result<Vec<Change>, Ec2Refusal> {
    let subnet = it.subnet(id)?;
    kept_if(subnet.is_default, id)?;
    let interfaces = interface::all(it.state, &it.network);
    if let Some(interface) = interfaces.iter().find(|interface| interface.subnet.id == *id) {
        return Err(in_use(Kind::Subnet, id, &interface.id));
    }
    if let Some(function) = user_of(it.state, |at| at.subnets.contains(id)) {
        return Err(in_use(Kind::Subnet, id, &function));
    }
    let uses = |table: &&Arc<RouteTable>| table.associations.iter().any(|it| it.subnet.as_ref() == Some(id));
    let mut changes = Vec::new();
    for table in it.network.route_tables().iter().filter(uses) {
        let mut table = RouteTable::clone(table);
        table.associations.retain(|it| it.subnet.as_ref() != Some(id));
        changes.push(Change::PutRouteTable(Arc::new(table)));
    }
    changes.push(Change::DeleteSubnet(id.clone()));
    Ok(changes)
}
