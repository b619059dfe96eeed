//! Commands on target groups.

use super::{Commit, Reply};
use crate::arn::{FunctionArn, TargetGroupArn};
use crate::change::Change;
use crate::elb::health_check::HealthCheck;
use crate::elb::name::TargetGroupName;
use crate::elb::target_group::{LambdaTargets, TargetGroup, TargetKind};
use crate::ids::Owner;
use crate::refusal::{Refusal, TargetGroupRefusal};
use crate::state::State;
use std::sync::Arc;

/// Creates a target group without targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTargetGroup {
    /// Its ARN, with a fresh id.
    pub arn: TargetGroupArn,
    /// Its name, unique.
    pub name: TargetGroupName,
    /// `lambda.multi_value_headers.enabled`.
    pub multi_value_headers: bool,
    /// How the health of its target is checked, if it is.
    pub health_check: HealthCheck,
    /// Who may change it.
    pub owner: Owner,
}

pub(super) fn create(state: &State, command: &CreateTargetGroup) -> Result<Commit, Refusal> {
    let taken = |other: &Arc<TargetGroup>| other.name == command.name || other.arn == command.arn;
    if state.target_groups().any(taken) {
        return Err(TargetGroupRefusal::NameTaken(command.name.to_string()).into());
    }
    let targets = TargetKind::Lambda(LambdaTargets {
        function: None,
        multi_value_headers: command.multi_value_headers,
        health_check: command.health_check.clone(),
    });
    let group = TargetGroup {
        arn: command.arn.clone(),
        name: command.name.clone(),
        targets,
        owner: command.owner,
    };
    Ok(put(group))
}

pub(super) fn set_lambda_attributes(
    state: &State,
    arn: &TargetGroupArn,
    multi_value_headers: bool,
) -> Result<Commit, Refusal> {
    let group = existing(state, arn)?;
    Ok(with(group, |lambda| lambda.multi_value_headers = multi_value_headers))
}

pub(super) fn set_health_check(
    state: &State,
    arn: &TargetGroupArn,
    health_check: &HealthCheck,
) -> Result<Commit, Refusal> {
    let group = existing(state, arn)?;
    Ok(with(group, |lambda| lambda.health_check = health_check.clone()))
}

pub(super) fn register(state: &State, arn: &TargetGroupArn, function: &FunctionArn) -> Result<Commit, Refusal> {
    let group = existing(state, arn)?;
    let TargetKind::Lambda(lambda) = &group.targets;
    if state.function(function).is_none() {
        return Err(TargetGroupRefusal::NoSuchFunction(function.clone()).into());
    }
    match &lambda.function {
        Some(registered) if registered != function => Err(TargetGroupRefusal::TooManyTargets {
            group: arn.clone(),
            registered: registered.clone(),
        }
        .into()),
        _ => Ok(with(group, |lambda| lambda.function = Some(function.clone()))),
    }
}

pub(super) fn deregister(state: &State, arn: &TargetGroupArn, function: &FunctionArn) -> Result<Commit, Refusal> {
    let group = existing(state, arn)?;
    let TargetKind::Lambda(lambda) = &group.targets;
    if lambda.function.as_ref() != Some(function) {
        return Ok(Commit::unchanged(Reply::TargetGroup(arn.clone())));
    }
    Ok(with(group, |lambda| lambda.function = None))
}

pub(super) fn delete(state: &State, arn: &TargetGroupArn) -> Result<Commit, Refusal> {
    existing(state, arn)?;
    if state.forwards().any(|(_, used)| used == arn) {
        return Err(TargetGroupRefusal::InUse(arn.clone()).into());
    }
    Ok(Commit::one(Change::DeleteTargetGroup(arn.clone()), Reply::Gone))
}

/// The group with something about its target changed.
fn with(group: &TargetGroup, change: impl FnOnce(&mut LambdaTargets)) -> Commit {
    let TargetKind::Lambda(lambda) = &group.targets;
    let mut lambda = lambda.clone();
    change(&mut lambda);
    put(TargetGroup {
        targets: TargetKind::Lambda(lambda),
        ..group.clone()
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
