//! Versions. Source: Lambda 8.6.

use super::function::{is_at_rest, is_expected, version};
use super::{PublishVersion, commit, kept};
use crate::arn::FunctionArn;
use crate::command::{Commit, Reply};
use crate::lambda::about::{FunctionRecord, Status};
use crate::lambda::refusal::LambdaRefusal;
use crate::lambda::resources::Change;
use crate::refusal::Refusal;
use crate::state::State;
use std::sync::Arc;

pub(super) fn publish(state: &State, command: &PublishVersion) -> Result<Commit, Refusal> {
    let (record, function) = kept(state, &command.function)?;
    is_at_rest(record)?;
    if matches!(record.status, Status::Failed(_)) {
        return Err(LambdaRefusal::NotActive(command.function.clone()).into());
    }
    is_expected(record, command.expected)?;
    let actual = record.about.package.digest;
    if let Some((given, digest)) = &command.code
        && *digest != Some(actual)
    {
        let (function, given) = (command.function.clone(), given.clone());
        return Err(LambdaRefusal::OtherCode {
            function,
            given,
            actual,
        }
        .into());
    }
    let newest = command.function.qualified(record.version_last);
    if let Some(newest) = state.lambda().version(&newest)
        && newest.is_of(function, &record.about)
    {
        return Ok(Commit::unchanged(Reply::Function(newest.arn().clone())));
    }
    let mut record = FunctionRecord::clone(record);
    record.version_last += 1;
    let mut published = version(
        record.version_last,
        function,
        &record.about,
        command.description.clone(),
    );
    published.about.revision = command.revision;
    record.about.revision = command.revision;
    let reply = Reply::Function(published.arn().clone());
    let put = [
        Change::PutVersion(Arc::new(published)),
        Change::PutRecord(Arc::new(record)),
    ];
    Ok(commit(put, reply))
}

pub(super) fn delete(state: &State, arn: &FunctionArn) -> Result<Commit, Refusal> {
    let lambda = state.lambda();
    let version = lambda
        .version(arn)
        .ok_or_else(|| LambdaRefusal::NoSuchVersion(arn.clone()))?;
    let mut aliases = lambda.aliases_of(&arn.unqualified());
    if let Some(alias) = aliases.find(|alias| alias.names(version.number)) {
        let (version, alias) = (arn.clone(), alias.arn.clone());
        return Err(LambdaRefusal::VersionInUse { version, alias }.into());
    }
    let provisioned = lambda.provisioned(arn).map(|_| Change::DeleteProvisioned(arn.clone()));
    let changes = provisioned.into_iter().chain([Change::DeleteVersion(arn.clone())]);
    let mut commit = commit(changes, Reply::Gone);
    let policy = state.function_policy(arn);
    let policy = policy.map(|_| crate::Change::DeleteFunctionPolicy(arn.clone()));
    commit.changes.extend(policy);
    Ok(commit)
}
