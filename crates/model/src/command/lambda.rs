//! Commands of the AWS API on functions and what belongs to them. The manifest has its own (`function`).

mod alias;
mod concurrency;
mod function;
mod layer;
mod version;

use super::{Commit, Context, Reply};
use crate::arn::FunctionArn;
use crate::lambda::about::{About, FunctionRecord};
use crate::lambda::alias::Alias;
use crate::lambda::function::Function;
use crate::lambda::layer::{LayerStatement, LayerVersion, LayerVersionArn};
use crate::lambda::policy::StatementId;
use crate::lambda::refusal::LambdaRefusal;
use crate::lambda::resources;
use crate::lambda::version::Provisioned;
use crate::refusal::Refusal;
use crate::state::State;
use crate::tag::{TaggedArn, Tags};
use std::sync::Arc;

/// One change that the AWS API asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Create a function. It is pending until it is finished.
    CreateFunction(Box<CreateFunction>),
    /// Begin an update of a function. It serves as it was until that is finished.
    UpdateFunction(Box<UpdateFunction>),
    /// A function is created or updated, or could not be. One that is neither pending nor updating is left alone.
    Finish(Finish),
    /// Publish a version; the newest one again if nothing has changed since.
    PublishVersion(PublishVersion),
    /// Delete a version that no alias names.
    DeleteVersion(FunctionArn),
    /// Create an alias, or change one.
    PutAlias(PutAlias),
    /// Delete an alias. One that is not there is no matter.
    DeleteAlias(FunctionArn),
    /// Reserve concurrency for a function, or give it back.
    ReserveConcurrency(FunctionArn, Option<u32>),
    /// Whether a function may invoke itself without end.
    AllowRecursion(FunctionArn, bool),
    /// Whether a function's runtime is updated with the function only.
    UpdateRuntimeWithFunction(FunctionArn, bool),
    /// Keep environments ready.
    Provision(Provisioned),
    /// Keep none ready any more. None that are kept is no matter.
    Unprovision(FunctionArn),
    /// Publish the next version of a layer.
    PublishLayerVersion(Box<LayerVersion>),
    /// Delete a version of a layer. One that is not there is no matter.
    DeleteLayerVersion(LayerVersionArn),
    /// Add a statement to the policy of a layer's version.
    AddLayerPermission {
        /// The version.
        layer_version: LayerVersionArn,
        /// The statement.
        statement: LayerStatement,
        /// What the policy's revision has to be, if it matters.
        expected: Option<u128>,
        /// What it is then.
        revision: u128,
    },
    /// Take a statement out of it.
    RemoveLayerPermission {
        /// The version.
        layer_version: LayerVersionArn,
        /// The statement.
        statement: StatementId,
        /// What the policy's revision has to be, if it matters.
        expected: Option<u128>,
        /// What it is then.
        revision: u128,
    },
}

/// A function and what is kept about it.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateFunction {
    /// How it is run.
    pub function: Function,
    /// Its settings.
    pub about: About,
    /// Publish version 1 at once.
    pub publishes: bool,
    /// Its tags.
    pub tags: Tags,
}

/// What a function is to become.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateFunction {
    /// How it is run then.
    pub function: Function,
    /// Its settings then.
    pub about: About,
    /// What its revision has to be, if it matters.
    pub expected: Option<u128>,
    /// Publish a version of it at once.
    pub publishes: bool,
}

/// How a creation or an update has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    /// The function.
    pub function: FunctionArn,
    /// The revision of what has ended: a newer one is left alone.
    pub of: u128,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// What its revision is then.
    pub revision: u128,
}

/// Publishes a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishVersion {
    /// The function.
    pub function: FunctionArn,
    /// Instead of the function's own.
    pub description: Option<String>,
    /// What its code has to be, in base64, and as `PackageDigest` where it is one.
    pub code: Option<(String, Option<crate::lambda::package::PackageDigest>)>,
    /// What the function's revision has to be, if it matters.
    pub expected: Option<u128>,
    /// What it is then.
    pub revision: u128,
}

/// Creates or changes an alias.
#[derive(Clone, Debug, PartialEq)]
pub struct PutAlias {
    /// All of it.
    pub alias: Alias,
    /// Whether it is there already.
    pub exists: AliasExists,
}

/// What has to be true of an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasExists {
    /// It is new.
    Not,
    /// It is there, and has this revision, if that matters.
    With(Option<u128>),
}

/// Decides about one command.
pub(super) fn decide(state: &State, command: &Command, _: &Context) -> Result<Commit, Refusal> {
    match command {
        Command::CreateFunction(command) => function::create(state, command),
        Command::UpdateFunction(command) => function::update(state, command),
        Command::Finish(command) => function::finish(state, command),
        Command::AllowRecursion(arn, allows) => function::set(state, arn, |record| record.allows_recursion = *allows),
        Command::UpdateRuntimeWithFunction(arn, updates) => {
            function::set(state, arn, |record| record.updates_runtime_with_function = *updates)
        }
        Command::PublishVersion(command) => version::publish(state, command),
        Command::DeleteVersion(arn) => version::delete(state, arn),
        Command::PutAlias(command) => alias::put(state, command),
        Command::DeleteAlias(arn) => Ok(alias::delete(state, arn)),
        Command::ReserveConcurrency(function, concurrency) => concurrency::reserve(state, function, *concurrency),
        Command::Provision(provisioned) => concurrency::provision(state, provisioned),
        Command::Unprovision(target) => Ok(concurrency::unprovision(state, target)),
        Command::PublishLayerVersion(version) => Ok(layer::publish(version)),
        Command::DeleteLayerVersion(arn) => Ok(layer::delete(state, arn)),
        Command::AddLayerPermission {
            layer_version,
            statement,
            expected,
            revision,
        } => layer::add_permission(state, layer_version, statement, *expected, *revision),
        Command::RemoveLayerPermission {
            layer_version,
            statement,
            expected,
            revision,
        } => layer::remove_permission(state, layer_version, statement, *expected, *revision),
    }
}

/// The existing functions that a command changes, or adds something to.
pub(super) fn touched(command: &Command) -> Vec<TaggedArn> {
    let function = match command {
        Command::UpdateFunction(update) => &update.function.arn,
        Command::Finish(finish) => &finish.function,
        Command::PublishVersion(publish) => &publish.function,
        Command::PutAlias(put) => &put.alias.arn,
        Command::Provision(provisioned) => &provisioned.target,
        Command::DeleteVersion(arn)
        | Command::DeleteAlias(arn)
        | Command::ReserveConcurrency(arn, _)
        | Command::AllowRecursion(arn, _)
        | Command::UpdateRuntimeWithFunction(arn, _)
        | Command::Unprovision(arn) => arn,
        Command::CreateFunction(_)
        | Command::PublishLayerVersion(_)
        | Command::DeleteLayerVersion(_)
        | Command::AddLayerPermission { .. }
        | Command::RemoveLayerPermission { .. } => return Vec::new(),
    };
    vec![TaggedArn::Function(function.unqualified())]
}

/// What is kept about a function, and how it serves.
fn kept<'a>(state: &'a State, arn: &FunctionArn) -> Result<(&'a Arc<FunctionRecord>, &'a Arc<Function>), Refusal> {
    let function = super::function::existing(state, arn)?;
    let record = state.lambda().record(arn);
    let record = record.ok_or_else(|| LambdaRefusal::NoPackage(arn.clone()))?;
    Ok((record, function))
}

fn commit(changes: impl IntoIterator<Item = resources::Change>, reply: Reply) -> Commit {
    Commit {
        changes: changes.into_iter().map(crate::Change::Lambda).collect(),
        reply,
    }
}
