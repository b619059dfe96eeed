//! Commands on target groups.

use super::listener::{check_target_count, target_count};
use super::{Commit, Reply};
use crate::arn::{FunctionArn, TargetGroupArn, same_scope};
use crate::change::Change;
use crate::ec2::ids::VpcId;
use crate::elb::health_check::{HealthCheck, ServerHealthCheck};
use crate::elb::name::TargetGroupName;
use crate::elb::target_group::{
    LambdaTargets, ServerTargets, StickinessType, Target, TargetGroup, TargetGroupAttributes, TargetId, TargetKind,
};
use crate::ids::Owner;
use crate::limits::TARGET_GROUPS_PER_REGION;
use crate::refusal::{ActionRefusal, Refusal, TargetGroupRefusal};
use crate::state::State;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Creates a target group without targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTargetGroup {
    /// Its ARN, with a fresh id.
    pub arn: TargetGroupArn,
    /// Its name, unique.
    pub name: TargetGroupName,
    /// What its targets will be, and all settings. Targets in here are registered at once.
    pub targets: TargetKind,
    /// Who may change it.
    pub owner: Owner,
}

pub(super) fn create(state: &State, command: &CreateTargetGroup) -> Result<Commit, Refusal> {
    let in_region = |other: &&Arc<TargetGroup>| same_scope(other.arn.as_str(), command.arn.as_str());
    let taken = |other: &Arc<TargetGroup>| other.name == command.name || other.arn == command.arn;
    if state.target_groups().filter(in_region).any(taken) {
        return Err(TargetGroupRefusal::NameTaken(command.name.to_string()).into());
    }
    if command.owner == Owner::Api && state.target_groups().filter(in_region).count() >= TARGET_GROUPS_PER_REGION {
        return Err(TargetGroupRefusal::TooMany.into());
    }
    match &command.targets {
        TargetKind::Lambda(lambda) => {
            let unknown = lambda.function.as_ref().filter(|arn| !state.is_runnable(arn));
            if let Some(function) = unknown {
                return Err(TargetGroupRefusal::NoSuchFunction(function.clone()).into());
            }
        }
        TargetKind::Servers(servers) => {
            servers.check().map_err(TargetGroupRefusal::from)?;
            let network = command.arn.scope().map(|scope| state.ec2().network(&scope));
            let is_there = |vpc: &VpcId| network.is_some_and(|network| network.vpc(vpc).is_some());
            if let Some(vpc) = servers.vpc.clone().filter(|vpc| !is_there(vpc)) {
                return Err(TargetGroupRefusal::NoSuchVpc(vpc).into());
            }
        }
    }
    let group = TargetGroup {
        arn: command.arn.clone(),
        name: command.name.clone(),
        targets: command.targets.clone(),
        owner: command.owner,
    };
    Ok(put(group))
}

pub(super) fn set_lambda_attributes(
    state: &State,
    arn: &TargetGroupArn,
    multi_value_headers: bool,
) -> Result<Commit, Refusal> {
    let (group, lambda) = of_lambda(state, arn)?;
    Ok(with(group, lambda, |lambda| {
        lambda.multi_value_headers = multi_value_headers;
    }))
}

pub(super) fn set_health_check(
    state: &State,
    arn: &TargetGroupArn,
    health_check: &HealthCheck,
) -> Result<Commit, Refusal> {
    let (group, lambda) = of_lambda(state, arn)?;
    Ok(with(group, lambda, |lambda| lambda.health_check = health_check.clone()))
}

pub(super) fn register(state: &State, arn: &TargetGroupArn, function: &FunctionArn) -> Result<Commit, Refusal> {
    let (group, lambda) = of_lambda(state, arn)?;
    if !state.is_runnable(function) {
        return Err(TargetGroupRefusal::NoSuchFunction(function.clone()).into());
    }
    match &lambda.function {
        Some(registered) if registered != function => Err(TargetGroupRefusal::TooManyTargets {
            group: arn.clone(),
            registered: registered.clone(),
        }
        .into()),
        _ => Ok(with(group, lambda, |lambda| lambda.function = Some(function.clone()))),
    }
}

pub(super) fn deregister(state: &State, arn: &TargetGroupArn, function: &FunctionArn) -> Result<Commit, Refusal> {
    let (group, lambda) = of_lambda(state, arn)?;
    if lambda.function.as_ref() != Some(function) {
        return Ok(Commit::unchanged(Reply::TargetGroup(arn.clone())));
    }
    Ok(with(group, lambda, |lambda| lambda.function = None))
}

pub(super) fn delete(state: &State, arn: &TargetGroupArn) -> Result<Commit, Refusal> {
    existing(state, arn)?;
    if state.forwards().any(|(_, used)| used == arn) {
        return Err(TargetGroupRefusal::InUse(arn.clone()).into());
    }
    Ok(Commit::one(Change::DeleteTargetGroup(arn.clone()), Reply::Gone))
}

/// The group with something about its target changed.
fn with(group: &TargetGroup, lambda: &LambdaTargets, change: impl FnOnce(&mut LambdaTargets)) -> Commit {
    let mut lambda = lambda.clone();
    change(&mut lambda);
    put(TargetGroup {
        targets: TargetKind::Lambda(lambda),
        ..group.clone()
    })
}

/// A Lambda target group.
fn of_lambda<'a>(state: &'a State, arn: &TargetGroupArn) -> Result<(&'a TargetGroup, &'a LambdaTargets), Refusal> {
    let group = existing(state, arn)?;
    match &group.targets {
        TargetKind::Lambda(lambda) => Ok((group, lambda)),
        TargetKind::Servers(_) => Err(TargetGroupRefusal::OtherTargetType(arn.clone()).into()),
    }
}

/// A target group of servers, with something about it changed, if it still holds together then.
fn with_servers(
    state: &State,
    arn: &TargetGroupArn,
    change: impl FnOnce(&mut ServerTargets),
) -> Result<Commit, Refusal> {
    let group = existing(state, arn)?;
    let TargetKind::Servers(servers) = &group.targets else {
        return Err(TargetGroupRefusal::OtherTargetType(arn.clone()).into());
    };
    let mut servers = servers.clone();
    change(&mut servers);
    servers.check().map_err(TargetGroupRefusal::from)?;
    Ok(put(TargetGroup {
        targets: TargetKind::Servers(servers),
        ..TargetGroup::clone(group)
    }))
}

pub(super) fn set_attributes(
    state: &State,
    arn: &TargetGroupArn,
    attributes: &TargetGroupAttributes,
) -> Result<Commit, Refusal> {
    let stickiness = &attributes.stickiness;
    if stickiness.enabled
        && stickiness.stickiness_type == StickinessType::AppCookie
        && state
            .shared_forwards()
            .any(|forward| forward.target_groups().iter().any(|it| it.target_group == *arn))
    {
        return Err(ActionRefusal::AppCookieAmongSeveral(arn.clone()).into());
    }
    with_servers(state, arn, |servers| servers.attributes = attributes.clone())
}

pub(super) fn set_server_health_check(
    state: &State,
    arn: &TargetGroupArn,
    health_check: &ServerHealthCheck,
) -> Result<Commit, Refusal> {
    with_servers(state, arn, |servers| servers.health_check = health_check.clone())
}

pub(super) fn register_servers(state: &State, arn: &TargetGroupArn, targets: &[Target]) -> Result<Commit, Refusal> {
    let mut count = 0;
    let commit = with_servers(state, arn, |servers| {
        for target in targets {
            let same = |other: &&mut Target| other.id == target.id && other.port == target.port;
            match servers.targets.iter_mut().find(same) {
                Some(registered) => *registered = target.clone(),
                None => servers.targets.push(target.clone()),
            }
        }
        count = servers.targets.len();
    })?;
    if let Some((load_balancer, _)) = state.forwards().find(|(_, used)| *used == arn) {
        let beside = state
            .forwards()
            .filter(|(by, used)| *by == load_balancer && *used != arn);
        let beside: BTreeSet<_> = beside.map(|(_, used)| used).collect();
        check_target_count(state, load_balancer, count + target_count(state, beside))?;
    }
    Ok(commit)
}

pub(super) fn deregister_servers(
    state: &State,
    arn: &TargetGroupArn,
    targets: &[(TargetId, u16)],
) -> Result<Commit, Refusal> {
    with_servers(state, arn, |servers| {
        let gone = |target: &Target| {
            targets
                .iter()
                .any(|(id, port)| *id == target.id && *port == target.port)
        };
        servers.targets.retain(|target| !gone(target));
    })
}

fn put(group: TargetGroup) -> Commit {
    let arn = group.arn.clone();
    Commit::one(Change::PutTargetGroup(Arc::new(group)), Reply::TargetGroup(arn))
}

fn existing<'a>(state: &'a State, arn: &TargetGroupArn) -> Result<&'a Arc<TargetGroup>, Refusal> {
    state
        .target_group(arn)
        .ok_or_else(|| TargetGroupRefusal::NoSuchTargetGroup(arn.clone()).into())
}
