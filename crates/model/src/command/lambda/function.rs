//! Functions: created, updated, and when that has come to its end. Source: Lambda 1.5, 1.6.

use super::{CreateFunction, Finish, UpdateFunction, commit, kept};
use crate::arn::FunctionArn;
use crate::change::Change;
use crate::command::{Commit, Reply};
use crate::lambda::about::{About, FunctionRecord, Next, Status};
use crate::lambda::function::Function;
use crate::lambda::refusal::LambdaRefusal;
use crate::lambda::resources;
use crate::lambda::version::Version;
use crate::lambda::vpc::VpcConfig;
use crate::refusal::{FunctionRefusal, Refusal};
use crate::state::State;
use crate::tag::TaggedArn;
use std::sync::Arc;

pub(super) fn create(state: &State, command: &CreateFunction) -> Result<Commit, Refusal> {
    let CreateFunction {
        function,
        about,
        publishes,
        tags,
    } = command;
    if state.function(&function.arn).is_some() {
        return Err(FunctionRefusal::NameTaken(function.name.to_string()).into());
    }
    has_network(state, function, about)?;
    let version = publishes.then(|| version(1, function, about, None));
    let record = FunctionRecord {
        function: function.arn.clone(),
        about: about.clone(),
        status: Status::Pending,
        version_last: u64::from(*publishes),
        allows_recursion: false,
        updates_runtime_with_function: false,
    };
    let mut changes = vec![
        Change::PutFunction(Arc::new(function.clone())),
        Change::Lambda(resources::Change::PutRecord(Arc::new(record))),
    ];
    changes.extend(version.map(|it| Change::Lambda(resources::Change::PutVersion(Arc::new(it)))));
    if !tags.is_empty() {
        let resource = TaggedArn::Function(function.arn.clone());
        changes.push(Change::SetTags(resource, Arc::new(tags.clone())));
    }
    let reply = Reply::Function(function.arn.clone());
    Ok(Commit { changes, reply })
}

pub(super) fn update(state: &State, command: &UpdateFunction) -> Result<Commit, Refusal> {
    let arn = &command.function.arn;
    let (record, _) = kept(state, arn)?;
    is_at_rest(record)?;
    is_expected(record, command.expected)?;
    has_network(state, &command.function, &command.about)?;
    let mut record = FunctionRecord::clone(record);
    let mut changes = Vec::new();
    if command.publishes {
        record.version_last += 1;
        let version = version(record.version_last, &command.function, &command.about, None);
        changes.push(resources::Change::PutVersion(Arc::new(version)));
    }
    record.status = Status::Updating(Box::new(Next {
        function: Arc::new(command.function.clone()),
        about: command.about.clone(),
    }));
    changes.push(resources::Change::PutRecord(Arc::new(record)));
    Ok(commit(changes, Reply::Function(arn.clone())))
}

pub(super) fn finish(state: &State, command: &Finish) -> Result<Commit, Refusal> {
    let arn = &command.function;
    let (record, serving) = kept(state, arn)?;
    let unchanged = || Ok(Commit::unchanged(Reply::Function(arn.clone())));
    if record.shown(serving).0.revision != command.of {
        return unchanged();
    }
    let mut done = FunctionRecord::clone(record);
    let mut function = None;
    done.status = match (&record.status, &command.failure) {
        (Status::Pending, None) => Status::Active,
        (Status::Pending, Some(why)) => Status::Failed(why.clone()),
        (Status::Updating(next), None) => {
            done.about = next.about.clone();
            let mut next = Function::clone(&next.function);
            // It may have been changed meanwhile, and is no part of the update.
            next.configuration.concurrency = serving.configuration.concurrency;
            function = Some(Change::PutFunction(Arc::new(next)));
            Status::Active
        }
        (Status::Updating(_), Some(why)) => Status::UpdateFailed(why.clone()),
        (Status::Active | Status::Failed(_) | Status::UpdateFailed(_), _) => return unchanged(),
    };
    done.about.revision = command.revision;
    let done = Change::Lambda(resources::Change::PutRecord(Arc::new(done)));
    Ok(Commit {
        changes: function.into_iter().chain([done]).collect(),
        reply: Reply::Function(arn.clone()),
    })
}

pub(super) fn set(
    state: &State,
    arn: &FunctionArn,
    change: impl FnOnce(&mut FunctionRecord),
) -> Result<Commit, Refusal> {
    let (record, _) = kept(state, arn)?;
    let mut record = FunctionRecord::clone(record);
    change(&mut record);
    let put = resources::Change::PutRecord(Arc::new(record));
    Ok(commit([put], Reply::Function(arn.clone())))
}

/// Neither pending nor updating. A function that could not be created may be updated.
pub(super) fn is_at_rest(record: &FunctionRecord) -> Result<(), Refusal> {
    match &record.status {
        Status::Pending => Err(LambdaRefusal::NotActive(record.function.clone()).into()),
        Status::Updating(_) => Err(LambdaRefusal::UpdateInProgress(record.function.clone()).into()),
        Status::Failed(_) | Status::Active | Status::UpdateFailed(_) => Ok(()),
    }
}

pub(super) fn is_expected(record: &FunctionRecord, expected: Option<u128>) -> Result<(), Refusal> {
    match expected {
        Some(expected) if record.about.revision != expected => Err(LambdaRefusal::StaleRevision.into()),
        _ => Ok(()),
    }
}

/// What its `VpcConfig` names is there, and stays: it cannot be deleted from now on.
fn has_network(state: &State, function: &Function, about: &About) -> Result<(), Refusal> {
    let attachment = about.vpc.as_ref().and_then(VpcConfig::attachment);
    if let (Some(attachment), Some(scope)) = (attachment, function.arn.scope()) {
        attachment
            .check(&state.ec2().network(&scope))
            .map_err(LambdaRefusal::Vpc)?;
    }
    Ok(())
}

/// A version of a function as it is.
pub(super) fn version(number: u64, function: &Function, about: &About, description: Option<String>) -> Version {
    let mut function = function.clone();
    function.arn = function.arn.qualified(number);
    Version {
        number,
        function: Arc::new(function),
        about: about.clone(),
        description,
    }
}
