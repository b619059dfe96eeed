//! Aliases. Source: Lambda 8.7.

use super::concurrency::may_be_provisioned;
use super::{AliasExists, PutAlias, commit};
use crate::arn::FunctionArn;
use crate::command::{Commit, Reply, function::existing};
use crate::lambda::alias::VersionRef;
use crate::lambda::refusal::LambdaRefusal;
use crate::lambda::resources::Change;
use crate::refusal::Refusal;
use crate::state::State;
use std::sync::Arc;

pub(super) fn put(state: &State, command: &PutAlias) -> Result<Commit, Refusal> {
    let PutAlias { alias, exists } = command;
    let function = alias.arn.unqualified();
    match (state.lambda().alias(&alias.arn), exists) {
        (Some(_), AliasExists::Not) => return Err(LambdaRefusal::AliasTaken(alias.arn.clone()).into()),
        (None, AliasExists::With(_)) => return Err(LambdaRefusal::NoSuchAlias(alias.arn.clone()).into()),
        (Some(now), AliasExists::With(Some(expected))) if now.revision != *expected => {
            return Err(LambdaRefusal::StaleRevision.into());
        }
        _ => {}
    }
    existing(state, &function)?;
    let is_there = |number: u64| match state.lambda().version(&function.qualified(number)) {
        Some(_) => Ok(()),
        None => Err(LambdaRefusal::NoSuchVersion(function.qualified(number))),
    };
    if let VersionRef::Number(number) = alias.version {
        is_there(number)?;
    }
    if let Some(routing) = alias.routing {
        match alias.version {
            VersionRef::Latest => return Err(LambdaRefusal::LatestRouted.into()),
            VersionRef::Number(number) if number == routing.version => {
                return Err(LambdaRefusal::RoutedToItself(number).into());
            }
            VersionRef::Number(_) => is_there(routing.version)?,
        }
    }
    // What is kept ready of it moves with it. Source: Lambda 4.8.
    if state.lambda().provisioned(&alias.arn).is_some() {
        may_be_provisioned(state, alias)?;
    }
    let reply = Reply::Function(alias.arn.clone());
    Ok(commit([Change::PutAlias(Arc::new(alias.clone()))], reply))
}

/// What hangs on it goes with it; its URL answers 403 from then on. Source: Lambda 7.6.
pub(super) fn delete(state: &State, arn: &FunctionArn) -> Commit {
    if state.lambda().alias(arn).is_none() {
        return Commit::unchanged(Reply::Gone);
    }
    let provisioned = state.lambda().provisioned(arn);
    let provisioned = provisioned.map(|_| Change::DeleteProvisioned(arn.clone()));
    let changes = provisioned.into_iter().chain([Change::DeleteAlias(arn.clone())]);
    let mut commit = commit(changes, Reply::Gone);
    let policy = state.function_policy(arn);
    let policy = policy.map(|_| crate::Change::DeleteFunctionPolicy(arn.clone()));
    let url = state.function_url(arn);
    let url = url.map(|_| crate::Change::DeleteFunctionUrl(arn.clone()));
    commit.changes.extend(policy.into_iter().chain(url));
    commit
}
