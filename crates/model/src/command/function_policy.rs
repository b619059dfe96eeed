//! Commands on the policies of functions.

use super::function::is_there;
use super::{Commit, Reply};
use crate::arn::FunctionArn;
use crate::change::Change;
use crate::lambda::policy::{FunctionPolicy, Statement, StatementId};
use crate::refusal::{FunctionRefusal, Refusal};
use crate::state::State;
use std::sync::Arc;

/// Adds a statement.
#[derive(Clone, Debug, PartialEq)]
pub struct AddPermission {
    /// The function.
    pub function: FunctionArn,
    /// The statement.
    pub statement: Statement,
    /// What the policy's revision is then.
    pub revision: u128,
}

/// Takes a statement away, and the policy with the last one.
#[derive(Clone, Debug, PartialEq)]
pub struct RemovePermission {
    /// The function.
    pub function: FunctionArn,
    /// The statement.
    pub statement: StatementId,
    /// What the policy's revision is then.
    pub revision: u128,
}

pub(super) fn add(state: &State, command: &AddPermission) -> Result<Commit, Refusal> {
    is_there(state, &command.function)?;
    let policy = state.function_policy(&command.function);
    let mut statements = policy.map(|policy| policy.statements.clone()).unwrap_or_default();
    let id = &command.statement.id;
    if statements.iter().any(|statement| statement.id == *id) {
        return Err(FunctionRefusal::StatementTaken(id.clone()).into());
    }
    statements.push(command.statement.clone());
    Ok(put(&command.function, command.revision, statements))
}

pub(super) fn remove(state: &State, command: &RemovePermission) -> Result<Commit, Refusal> {
    let policy = state.function_policy(&command.function);
    let policy = policy.ok_or_else(|| FunctionRefusal::NoPolicy(command.function.clone()))?;
    let mut statements = policy.statements.clone();
    statements.retain(|statement| statement.id != command.statement);
    if statements.len() == policy.statements.len() {
        return Err(FunctionRefusal::NoSuchStatement(command.statement.clone()).into());
    }
    if statements.is_empty() {
        let change = Change::DeleteFunctionPolicy(command.function.clone());
        return Ok(Commit::one(change, Reply::Gone));
    }
    Ok(put(&command.function, command.revision, statements))
}

fn put(function: &FunctionArn, revision: u128, statements: Vec<Statement>) -> Commit {
    let policy = FunctionPolicy {
        function: function.clone(),
        revision,
        statements,
    };
    Commit::one(
        Change::PutFunctionPolicy(Arc::new(policy)),
        Reply::Function(function.clone()),
    )
}
