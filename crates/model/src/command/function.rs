//! Commands on functions.

use super::{Commit, Reply};
use crate::arn::FunctionArn;
use crate::change::Change;
use crate::ids::Owner;
use crate::lambda::function::{Code, Function, FunctionConfiguration, FunctionName};
use crate::refusal::{FunctionRefusal, Refusal};
use crate::state::State;
use std::sync::Arc;

/// Creates a function.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateFunction {
    /// Its ARN.
    pub arn: FunctionArn,
    /// Its name, unique.
    pub name: FunctionName,
    /// How it is run.
    pub configuration: FunctionConfiguration,
    /// What is run.
    pub code: Code,
    /// Who may change it.
    pub owner: Owner,
}

/// Changes a function.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateFunction {
    /// The function.
    pub arn: FunctionArn,
    /// A new configuration.
    pub configuration: Option<FunctionConfiguration>,
    /// New code.
    pub code: Option<Code>,
}

pub(super) fn create(state: &State, command: &CreateFunction) -> Result<Commit, Refusal> {
    if state.function(&command.arn).is_some() {
        return Err(FunctionRefusal::NameTaken(command.name.to_string()).into());
    }
    Ok(put(Function {
        arn: command.arn.clone(),
        name: command.name.clone(),
        configuration: command.configuration.clone(),
        code: command.code.clone(),
        owner: command.owner,
    }))
}

pub(super) fn update(state: &State, command: &UpdateFunction) -> Result<Commit, Refusal> {
    let mut function = Function::clone(existing(state, &command.arn)?);
    if let Some(configuration) = &command.configuration {
        function.configuration = configuration.clone();
    }
    if let Some(code) = &command.code {
        function.code = code.clone();
    }
    Ok(put(function))
}

pub(super) fn delete(state: &State, arn: &FunctionArn) -> Result<Commit, Refusal> {
    existing(state, arn)?;
    let url = state.function_url(arn).map(|_| Change::DeleteFunctionUrl(arn.clone()));
    Ok(Commit {
        changes: url.into_iter().chain([Change::DeleteFunction(arn.clone())]).collect(),
        reply: Reply::Gone,
    })
}

fn put(function: Function) -> Commit {
    let arn = function.arn.clone();
    Commit::one(Change::PutFunction(Arc::new(function)), Reply::Function(arn))
}

pub(super) fn existing<'a>(state: &'a State, arn: &FunctionArn) -> Result<&'a Arc<Function>, Refusal> {
    state
        .function(arn)
        .ok_or_else(|| FunctionRefusal::NoSuchFunction(arn.clone()).into())
}

/// The function, the version or the alias exists.
pub(super) fn is_there(state: &State, arn: &FunctionArn) -> Result<(), Refusal> {
    match state.is_runnable(arn) {
        true => Ok(()),
        false => Err(FunctionRefusal::NoSuchFunction(arn.clone()).into()),
    }
}
