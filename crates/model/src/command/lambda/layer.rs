//! Layers. Source: Lambda 8.9.

use super::commit;
use crate::command::{Commit, Reply};
use crate::lambda::layer::{LayerStatement, LayerVersion, LayerVersionArn};
use crate::lambda::policy::StatementId;
use crate::lambda::refusal::LambdaRefusal;
use crate::lambda::resources::Change;
use crate::refusal::Refusal;
use crate::state::State;
use std::sync::Arc;

/// Its number is the next one: whoever made the command has looked at the state that it is decided on.
pub(super) fn publish(version: &LayerVersion) -> Commit {
    let number = Change::NumberLayer(version.arn.layer(), version.arn.number());
    commit(
        [number, Change::PutLayerVersion(Arc::new(version.clone()))],
        Reply::Gone,
    )
}

pub(super) fn delete(state: &State, arn: &LayerVersionArn) -> Commit {
    let gone = state.lambda().layer_version(arn);
    commit(gone.map(|_| Change::DeleteLayerVersion(arn.clone())), Reply::Gone)
}

pub(super) fn add_permission(
    state: &State,
    arn: &LayerVersionArn,
    statement: &LayerStatement,
    expected: Option<u128>,
    revision: u128,
) -> Result<Commit, Refusal> {
    let mut version = existing(state, arn, expected)?;
    if version.statements.iter().any(|it| it.id == statement.id) {
        return Err(LambdaRefusal::StatementTaken(statement.id.clone()).into());
    }
    version.statements.push(statement.clone());
    version.policy_revision = revision;
    Ok(commit([Change::PutLayerVersion(Arc::new(version))], Reply::Gone))
}

pub(super) fn remove_permission(
    state: &State,
    arn: &LayerVersionArn,
    statement: &StatementId,
    expected: Option<u128>,
    revision: u128,
) -> Result<Commit, Refusal> {
    let mut version = existing(state, arn, expected)?;
    if version.statements.is_empty() {
        return Err(LambdaRefusal::NoPolicy(arn.clone()).into());
    }
    let before = version.statements.len();
    version.statements.retain(|it| it.id != *statement);
    if version.statements.len() == before {
        return Err(LambdaRefusal::NoSuchStatement(statement.clone()).into());
    }
    version.policy_revision = revision;
    Ok(commit([Change::PutLayerVersion(Arc::new(version))], Reply::Gone))
}

fn existing(state: &State, arn: &LayerVersionArn, expected: Option<u128>) -> Result<LayerVersion, Refusal> {
    let version = state.lambda().layer_version(arn);
    let version = version.ok_or_else(|| LambdaRefusal::NoSuchLayerVersion(arn.clone()))?;
    match expected {
        Some(expected) if expected != version.policy_revision => Err(LambdaRefusal::StaleLayerPolicy.into()),
        _ => Ok(LayerVersion::clone(version)),
    }
}
