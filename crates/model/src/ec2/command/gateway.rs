//! Internet gateways.

use super::{Deciding, at_most, in_use, kept_if};
use crate::ec2::Change;
use crate::ec2::ids::{InternetGatewayId, VpcId};
use crate::ec2::refusal::{Ec2Refusal, Kind};
use crate::ec2::resource::InternetGateway;
use crate::limits::INTERNET_GATEWAYS_PER_REGION;
use crate::tag::Tags;
use std::sync::Arc;

/// Creates an internet gateway that is attached to nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateInternetGateway {
    /// A fresh id.
    pub id: InternetGatewayId,
    /// Its tags.
    pub tags: Tags,
}

pub(super) fn create(it: &Deciding<'_>, command: &CreateInternetGateway) -> Result<Vec<Change>, Ec2Refusal> {
    let there = it.network.internet_gateways().len();
    at_most(Kind::InternetGateway, there, INTERNET_GATEWAYS_PER_REGION)?;
    if it.network.internet_gateway(&command.id).is_some() {
        return Err(Ec2Refusal::IdTaken(command.id.to_string()));
    }
    let gateway = InternetGateway {
        id: command.id.clone(),
        scope: it.scope(),
        vpc: None,
        tags: command.tags.clone(),
    };
    Ok(vec![Change::PutInternetGateway(Arc::new(gateway))])
}

/// One gateway for each VPC, and one VPC for each gateway.
pub(super) fn attach(it: &Deciding<'_>, id: &InternetGatewayId, vpc: &VpcId) -> Result<Vec<Change>, Ec2Refusal> {
    let (gateway, vpc) = (it.gateway(id)?, it.vpc(vpc)?);
    if gateway.vpc.is_some() {
        return Err(Ec2Refusal::AlreadyAttached(id.to_string()));
    }
    let gateways = it.network.internet_gateways();
    if gateways.iter().any(|other| other.vpc.as_ref() == Some(&vpc.id)) {
        return Err(Ec2Refusal::AlreadyAttached(vpc.id.to_string()));
    }
    put(&gateway, Some(vpc.id.clone()))
}

/// Load balancers that the internet reaches through it keep it. That it is not attached is said of a VPC that does not exist,
/// too: whoever deletes both at once, as Terraform does, looks for that answer.
pub(super) fn detach(it: &Deciding<'_>, id: &InternetGatewayId, vpc: &VpcId) -> Result<Vec<Change>, Ec2Refusal> {
    let gateway = it.gateway(id)?;
    if gateway.vpc.as_ref() != Some(vpc) {
        return Err(Ec2Refusal::NotAttached(id.clone(), vpc.clone()));
    }
    let vpc = it.vpc(vpc)?;
    kept_if(
        *gateway == it.network.default_vpc().internet_gateway || vpc.is_default,
        id,
    )?;
    let interfaces = crate::ec2::interface::all(it.state, &it.network);
    let public = interfaces.iter().find(|interface| {
        interface.subnet.vpc == vpc.id && interface.scheme == crate::elb::load_balancer::Scheme::InternetFacing
    });
    match public {
        Some(interface) => Err(in_use(Kind::Vpc, &vpc.id, &interface.id)),
        None => put(&gateway, None),
    }
}

pub(super) fn delete(it: &Deciding<'_>, id: &InternetGatewayId) -> Result<Vec<Change>, Ec2Refusal> {
    let gateway = it.gateway(id)?;
    match &gateway.vpc {
        Some(vpc) => Err(in_use(Kind::InternetGateway, id, vpc)),
        None => Ok(vec![Change::DeleteInternetGateway(id.clone())]),
    }
}

fn put(gateway: &InternetGateway, vpc: Option<VpcId>) -> Result<Vec<Change>, Ec2Refusal> {
    let gateway = InternetGateway { vpc, ..gateway.clone() };
    Ok(vec![Change::PutInternetGateway(Arc::new(gateway))])
}
