//! Commands on load balancers.

use super::{Commit, Context, Reply};
use crate::arn::{LoadBalancerArn, same_scope};
use crate::change::Change;
use crate::ec2::Network;
use crate::ec2::ids::{SecurityGroupId, SubnetId, VpcId};
use crate::ec2::interface;
use crate::elb::load_balancer::{LoadBalancer, LoadBalancerAttributes, Scheme};
use crate::elb::name::LoadBalancerName;
use crate::ids::Owner;
use crate::limits::{LOAD_BALANCERS_PER_REGION, SECURITY_GROUPS_PER_LOAD_BALANCER};
use crate::refusal::{LoadBalancerRefusal, Refusal};
use crate::state::State;
use std::sync::Arc;

/// Creates a load balancer.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateLoadBalancer {
    /// Its ARN, with a fresh id.
    pub arn: LoadBalancerArn,
    /// Its name, unique.
    pub name: LoadBalancerName,
    /// Internet-facing or internal.
    pub scheme: Scheme,
    /// Its DNS name.
    pub dns_name: String,
    /// Its attributes.
    pub attributes: LoadBalancerAttributes,
    /// Who may change it.
    pub owner: Owner,
}

pub(super) fn create(state: &State, command: &CreateLoadBalancer, context: &Context) -> Result<Commit, Refusal> {
    let in_region = |other: &&Arc<LoadBalancer>| same_scope(other.arn.as_str(), command.arn.as_str());
    let taken = |other: &Arc<LoadBalancer>| other.name == command.name || other.arn == command.arn;
    if state.load_balancers().filter(in_region).any(taken) {
        return Err(LoadBalancerRefusal::NameTaken(command.name.to_string()).into());
    }
    if command.owner == Owner::Api && state.load_balancers().filter(in_region).count() >= LOAD_BALANCERS_PER_REGION {
        return Err(LoadBalancerRefusal::TooMany.into());
    }
    command.attributes.check().map_err(LoadBalancerRefusal::from)?;
    let load_balancer = LoadBalancer {
        arn: command.arn.clone(),
        name: command.name.clone(),
        scheme: command.scheme,
        dns_name: command.dns_name.to_ascii_lowercase(),
        created: context.now,
        attributes: command.attributes.clone(),
        subnets: Vec::new(),
        security_groups: Vec::new(),
        owner: command.owner,
    };
    Ok(Commit::one(
        Change::PutLoadBalancer(Arc::new(load_balancer)),
        Reply::LoadBalancer(command.arn.clone()),
    ))
}

pub(super) fn set_attributes(
    state: &State,
    arn: &LoadBalancerArn,
    attributes: &LoadBalancerAttributes,
) -> Result<Commit, Refusal> {
    let load_balancer = existing(state, arn)?;
    attributes.check().map_err(LoadBalancerRefusal::from)?;
    let changed = LoadBalancer {
        attributes: attributes.clone(),
        ..LoadBalancer::clone(load_balancer)
    };
    Ok(Commit::one(
        Change::PutLoadBalancer(Arc::new(changed)),
        Reply::LoadBalancer(arn.clone()),
    ))
}

/// Each subnet in a zone of its own, and at least two, all of one VPC. Source: ALB 1.3.
pub(super) fn set_subnets(state: &State, arn: &LoadBalancerArn, subnets: &[SubnetId]) -> Result<Commit, Refusal> {
    let load_balancer = existing(state, arn)?;
    let network = network(state, arn)?;
    let interfaces = interface::all(state, &network);
    let mut vpc = vpc_of(load_balancer, &network);
    let mut zones: Vec<String> = Vec::new();
    for id in subnets {
        let subnet = network.subnet(id);
        let subnet = subnet.ok_or_else(|| LoadBalancerRefusal::NoSuchSubnet(id.clone()))?;
        if zones.contains(&subnet.zone) {
            return Err(LoadBalancerRefusal::ZoneTwice.into());
        }
        if *vpc.get_or_insert_with(|| subnet.vpc.clone()) != subnet.vpc {
            return Err(LoadBalancerRefusal::OtherVpc(id.clone()).into());
        }
        let is_new = !load_balancer.subnets.contains(id);
        if subnet.cidr.prefix() > 27 || (is_new && interface::free_addresses(&subnet, &interfaces) < FREE_ADDRESSES) {
            return Err(LoadBalancerRefusal::SubnetFull(id.clone()).into());
        }
        zones.push(subnet.zone.clone());
    }
    if zones.len() < 2 {
        return Err(LoadBalancerRefusal::TooFewZones.into());
    }
    if let Some(vpc) = vpc.filter(|_| load_balancer.scheme == Scheme::InternetFacing) {
        let is_reached = network
            .internet_gateways()
            .iter()
            .any(|it| it.vpc.as_ref() == Some(&vpc));
        if !is_reached {
            return Err(LoadBalancerRefusal::NoInternetGateway(vpc).into());
        }
    }
    let changed = LoadBalancer {
        subnets: subnets.to_vec(),
        ..LoadBalancer::clone(load_balancer)
    };
    Ok(put(changed))
}

/// One to five, of the load balancer's VPC. Source: ALB 1.3, EDG part 4.
pub(super) fn set_security_groups(
    state: &State,
    arn: &LoadBalancerArn,
    groups: &[SecurityGroupId],
) -> Result<Commit, Refusal> {
    let load_balancer = existing(state, arn)?;
    let network = network(state, arn)?;
    let vpc = vpc_of(load_balancer, &network).unwrap_or_else(|| network.default_vpc().vpc.id.clone());
    let mut kept: Vec<SecurityGroupId> = Vec::new();
    for id in groups {
        let group = network.security_group(id).filter(|group| group.vpc == vpc);
        group.ok_or_else(|| LoadBalancerRefusal::NoSuchSecurityGroup(id.clone()))?;
        if !kept.contains(id) {
            kept.push(id.clone());
        }
    }
    if !(1..=SECURITY_GROUPS_PER_LOAD_BALANCER).contains(&kept.len()) {
        return Err(LoadBalancerRefusal::SecurityGroupCount.into());
    }
    let changed = LoadBalancer {
        security_groups: kept,
        ..LoadBalancer::clone(load_balancer)
    };
    Ok(put(changed))
}

/// Addresses that a subnet must have left. Source: ALB 1.3.
const FREE_ADDRESSES: u64 = 8;

fn network<'a>(state: &'a State, arn: &LoadBalancerArn) -> Result<Network<'a>, Refusal> {
    let scope = arn
        .scope()
        .ok_or_else(|| LoadBalancerRefusal::NoSuchLoadBalancer(arn.clone()))?;
    Ok(state.ec2().network(&scope))
}

/// `None`: it has not got its subnets yet.
fn vpc_of(load_balancer: &LoadBalancer, network: &Network<'_>) -> Option<VpcId> {
    let subnet = network.subnet(load_balancer.subnets.first()?)?;
    Some(subnet.vpc.clone())
}

fn put(load_balancer: LoadBalancer) -> Commit {
    let reply = Reply::LoadBalancer(load_balancer.arn.clone());
    Commit::one(Change::PutLoadBalancer(Arc::new(load_balancer)), reply)
}

pub(super) fn delete(state: &State, arn: &LoadBalancerArn) -> Result<Commit, Refusal> {
    let Some(load_balancer) = state.load_balancer(arn) else {
        return Ok(Commit::unchanged(Reply::Gone));
    };
    if load_balancer.attributes.deletion_protection {
        return Err(LoadBalancerRefusal::DeletionProtected(arn.clone()).into());
    }
    let mut changes = Vec::new();
    for listener in state.listeners_of(arn) {
        changes.extend(
            state
                .rules_of(&listener.arn)
                .map(|rule| Change::DeleteRule(rule.arn.clone())),
        );
        changes.push(Change::DeleteListener(listener.arn.clone()));
    }
    changes.push(Change::DeleteLoadBalancer(arn.clone()));
    Ok(Commit {
        changes,
        reply: Reply::Gone,
    })
}

pub(super) fn existing<'a>(state: &'a State, arn: &LoadBalancerArn) -> Result<&'a Arc<LoadBalancer>, Refusal> {
    state
        .load_balancer(arn)
        .ok_or_else(|| LoadBalancerRefusal::NoSuchLoadBalancer(arn.clone()).into())
}
