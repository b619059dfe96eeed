//! Route tables, their routes, and who uses them.

use super::{Deciding, at_most, in_use, no_such};
use crate::ec2::Change;
use crate::ec2::ids::{InternetGatewayId, RouteAssociationId, RouteTableId, SubnetId, VpcId};
use crate::ec2::net::Net;
use crate::ec2::refusal::{Ec2Refusal, Kind};
use crate::ec2::resource::{Route, RouteAssociation, RouteTable};
use crate::limits::{ROUTE_TABLES_PER_VPC, ROUTES_PER_TABLE};
use crate::tag::Tags;
use std::sync::Arc;

/// Creates a route table that nobody uses.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateRouteTable {
    /// A fresh id.
    pub id: RouteTableId,
    /// The VPC.
    pub vpc: VpcId,
    /// Its tags.
    pub tags: Tags,
}

/// Makes a route, or replaces one.
#[derive(Clone, Debug, PartialEq)]
pub struct SetRoute {
    /// The table.
    pub table: RouteTableId,
    /// Where to.
    pub destination: Net,
    /// By which way.
    pub gateway: InternetGatewayId,
    /// Whether it is there already.
    pub verb: RouteVerb,
}

/// What is to happen to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteVerb {
    /// It must not be there.
    Create,
    /// It must be there.
    Replace,
}

/// Lets a subnet use a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Associate {
    /// A fresh id.
    pub id: RouteAssociationId,
    /// The table.
    pub table: RouteTableId,
    /// The subnet.
    pub subnet: SubnetId,
}

pub(super) fn create(it: &Deciding<'_>, command: &CreateRouteTable) -> Result<Vec<Change>, Ec2Refusal> {
    let vpc = it.vpc(&command.vpc)?;
    let there = it.network.route_tables().iter().filter(|it| it.vpc == vpc.id).count();
    at_most(Kind::RouteTable, there, ROUTE_TABLES_PER_VPC)?;
    if it.network.route_table(&command.id).is_some() {
        return Err(Ec2Refusal::IdTaken(command.id.to_string()));
    }
    put(RouteTable {
        id: command.id.clone(),
        scope: it.scope(),
        vpc: vpc.id.clone(),
        routes: Vec::new(),
        associations: Vec::new(),
        tags: command.tags.clone(),
    })
}

pub(super) fn delete(it: &Deciding<'_>, id: &RouteTableId) -> Result<Vec<Change>, Ec2Refusal> {
    match it.table(id)?.associations.first() {
        Some(association) => Err(in_use(Kind::RouteTable, id, &association.id)),
        None => Ok(vec![Change::DeleteRouteTable(id.clone())]),
    }
}

pub(super) fn set_route(it: &Deciding<'_>, command: &SetRoute) -> Result<Vec<Change>, Ec2Refusal> {
    let mut table = RouteTable::clone(&*it.table(&command.table)?);
    let gateway = it.gateway(&command.gateway)?;
    if gateway.vpc.as_ref() != Some(&table.vpc) {
        return Err(Ec2Refusal::OtherNetwork(table.id, gateway.id.clone()));
    }
    if it.vpc(&table.vpc)?.cidr == command.destination {
        return Err(match command.verb {
            RouteVerb::Create => Ec2Refusal::RouteExists(command.destination),
            RouteVerb::Replace => Ec2Refusal::LocalRoute(command.destination),
        });
    }
    let existing = table.routes.iter_mut().find(|it| it.destination == command.destination);
    match (existing, command.verb) {
        (Some(_), RouteVerb::Create) => return Err(Ec2Refusal::RouteExists(command.destination)),
        (None, RouteVerb::Replace) => return Err(Ec2Refusal::NoSuchRoute(table.id, command.destination)),
        (Some(route), RouteVerb::Replace) => route.gateway = gateway.id.clone(),
        (None, RouteVerb::Create) => {
            if table.routes.len() >= ROUTES_PER_TABLE {
                return Err(Ec2Refusal::TooManyRoutes(table.id));
            }
            table.routes.push(Route {
                destination: command.destination,
                gateway: gateway.id.clone(),
            });
        }
    }
    put(table)
}

pub(super) fn delete_route(
    it: &Deciding<'_>,
    table: &RouteTableId,
    destination: Net,
) -> Result<Vec<Change>, Ec2Refusal> {
    let mut table = RouteTable::clone(&*it.table(table)?);
    if it.vpc(&table.vpc)?.cidr == destination {
        return Err(Ec2Refusal::LocalRoute(destination));
    }
    let Some(at) = table.routes.iter().position(|it| it.destination == destination) else {
        return Err(Ec2Refusal::NoSuchRoute(table.id, destination));
    };
    table.routes.remove(at);
    put(table)
}

pub(super) fn associate(it: &Deciding<'_>, command: &Associate) -> Result<Vec<Change>, Ec2Refusal> {
    let mut table = RouteTable::clone(&*it.table(&command.table)?);
    let subnet = it.subnet(&command.subnet)?;
    if subnet.vpc != table.vpc {
        return Err(Ec2Refusal::OtherVpc(table.id, subnet.id.clone()));
    }
    let of_subnet = |it: &RouteAssociation| it.subnet.as_ref() == Some(&subnet.id);
    let tables = it.network.route_tables();
    if tables.iter().any(|table| table.associations.iter().any(of_subnet)) {
        return Err(Ec2Refusal::AlreadyAssociated(table.id));
    }
    table.associations.push(RouteAssociation {
        id: command.id.clone(),
        subnet: Some(subnet.id.clone()),
    });
    put(table)
}

/// The main association may go over too: then the other table is the main one.
pub(super) fn replace_association(
    it: &Deciding<'_>,
    id: &RouteAssociationId,
    to: &RouteTableId,
    fresh: &RouteAssociationId,
) -> Result<Vec<Change>, Ec2Refusal> {
    let (from, association) = associated(it, id)?;
    let to = it.table(to)?;
    if from.vpc != to.vpc {
        return Err(match association.subnet {
            Some(subnet) => Ec2Refusal::OtherVpc(to.id.clone(), subnet),
            None => no_such(Kind::RouteTable, &to.id),
        });
    }
    let mut left = RouteTable::clone(&from);
    left.associations.retain(|it| it.id != *id);
    let mut joined = if from.id == to.id {
        left.clone()
    } else {
        RouteTable::clone(&to)
    };
    joined.associations.push(RouteAssociation {
        id: fresh.clone(),
        subnet: association.subnet,
    });
    Ok(vec![
        Change::PutRouteTable(Arc::new(left)),
        Change::PutRouteTable(Arc::new(joined)),
    ])
}

pub(super) fn disassociate(it: &Deciding<'_>, id: &RouteAssociationId) -> Result<Vec<Change>, Ec2Refusal> {
    let (table, association) = associated(it, id)?;
    if association.subnet.is_none() {
        return Err(Ec2Refusal::MainAssociation(id.clone()));
    }
    let mut table = RouteTable::clone(&table);
    table.associations.retain(|it| it.id != *id);
    put(table)
}

fn associated(it: &Deciding<'_>, id: &RouteAssociationId) -> Result<(Arc<RouteTable>, RouteAssociation), Ec2Refusal> {
    let tables = it.network.route_tables().into_iter();
    let mut found = tables.filter_map(|table| {
        let association = table.associations.iter().find(|it| it.id == *id)?.clone();
        Some((table, association))
    });
    found.next().ok_or_else(|| no_such(Kind::RouteAssociation, id))
}

fn put(table: RouteTable) -> Result<Vec<Change>, Ec2Refusal> {
    Ok(vec![Change::PutRouteTable(Arc::new(table))])
}
