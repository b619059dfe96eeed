//! Commands on load balancers.

use super::{Commit, Context, Reply};
use crate::arn::LoadBalancerArn;
use crate::change::Change;
use crate::elb::load_balancer::{LoadBalancer, LoadBalancerAttributes, Scheme};
use crate::elb::name::LoadBalancerName;
use crate::ids::Owner;
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
    let taken = |other: &Arc<LoadBalancer>| other.name == command.name || other.arn == command.arn;
    if state.load_balancers().any(taken) {
        return Err(LoadBalancerRefusal::NameTaken(command.name.to_string()).into());
    }
    let load_balancer = LoadBalancer {
        arn: command.arn.clone(),
        name: command.name.clone(),
        scheme: command.scheme,
        dns_name: command.dns_name.to_ascii_lowercase(),
        created: context.now,
        attributes: command.attributes.clone(),
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
    let changed = LoadBalancer {
        attributes: attributes.clone(),
        ..LoadBalancer::clone(load_balancer)
    };
    Ok(Commit::one(
        Change::PutLoadBalancer(Arc::new(changed)),
        Reply::LoadBalancer(arn.clone()),
    ))
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
