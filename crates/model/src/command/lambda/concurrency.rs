//! Reserved and provisioned concurrency. Source: Lambda 4.7, 4.8, 8.10, 8.11.

use super::commit;
use crate::arn::{FunctionArn, same_scope};
use crate::change::Change;
use crate::command::{Commit, Reply, function::existing};
use crate::lambda::alias::{Alias, VersionRef};
use crate::lambda::function::Function;
use crate::lambda::refusal::LambdaRefusal;
use crate::lambda::resources;
use crate::lambda::version::Provisioned;
use crate::limits::{ACCOUNT_CONCURRENCY, UNRESERVED_CONCURRENCY_MIN};
use crate::refusal::Refusal;
use crate::state::State;
use std::sync::Arc;

pub(super) fn reserve(state: &State, arn: &FunctionArn, concurrency: Option<u32>) -> Result<Commit, Refusal> {
    let function = existing(state, arn)?;
    if let Some(reserved) = concurrency {
        let others = state.reserved_concurrency(arn).saturating_sub(own(function));
        let provisioned = unreserved_provisioned(state, arn, |it| it != arn);
        if ACCOUNT_CONCURRENCY
            < others
                .saturating_add(reserved)
                .saturating_add(provisioned)
                .saturating_add(UNRESERVED_CONCURRENCY_MIN)
        {
            return Err(LambdaRefusal::TooLittleUnreserved(UNRESERVED_CONCURRENCY_MIN).into());
        }
        let provisioned = state.provisioned_concurrency(arn);
        if reserved < provisioned {
            return Err(LambdaRefusal::BelowProvisioned { reserved, provisioned }.into());
        }
    }
    let mut function = Function::clone(function);
    function.configuration.concurrency = concurrency;
    let put = Change::PutFunction(Arc::new(function));
    Ok(Commit::one(put, Reply::Function(arn.clone())))
}

pub(super) fn provision(state: &State, wanted: &Provisioned) -> Result<Commit, Refusal> {
    let (target, lambda) = (&wanted.target, state.lambda());
    let function = existing(state, &target.unqualified())?;
    if let Some(alias) = lambda.alias(target) {
        may_be_provisioned(state, alias)?;
    } else if let Some(version) = lambda.version(target) {
        let mut aliases = lambda.aliases_of(&function.arn);
        if aliases.any(|alias| alias.names(version.number) && lambda.provisioned(&alias.arn).is_some()) {
            return Err(LambdaRefusal::AliasProvisioned.into());
        }
    } else {
        return Err(LambdaRefusal::NoSuchAlias(target.clone()).into());
    }
    let before = lambda.provisioned(target).map_or(0, |it| it.requested);
    let own = state.provisioned_concurrency(&function.arn).saturating_sub(before);
    match function.configuration.concurrency {
        Some(reserved) if own.saturating_add(wanted.requested) > reserved => {
            return Err(LambdaRefusal::AboveReserved.into());
        }
        Some(_) => {}
        None => {
            let others = unreserved_provisioned(state, target, |_| true).saturating_sub(before);
            let unreserved = ACCOUNT_CONCURRENCY
                .saturating_sub(state.reserved_concurrency(target))
                .saturating_sub(others);
            match unreserved.checked_sub(wanted.requested) {
                None => return Err(LambdaRefusal::AboveUnreserved(unreserved).into()),
                Some(rest) if rest < UNRESERVED_CONCURRENCY_MIN => {
                    return Err(LambdaRefusal::ProvisionedLeavesTooLittle(UNRESERVED_CONCURRENCY_MIN).into());
                }
                Some(_) => {}
            }
        }
    }
    let put = resources::Change::PutProvisioned(Arc::new(wanted.clone()));
    Ok(commit([put], Reply::Function(target.clone())))
}

pub(super) fn unprovision(state: &State, target: &FunctionArn) -> Commit {
    let gone = state.lambda().provisioned(target);
    let gone = gone.map(|_| resources::Change::DeleteProvisioned(target.clone()));
    commit(gone, Reply::Gone)
}

fn own(function: &Function) -> u32 {
    function.configuration.concurrency.unwrap_or_default()
}

/// Environments are for published versions, and either the alias has them or its version.
pub(super) fn may_be_provisioned(state: &State, alias: &Alias) -> Result<(), LambdaRefusal> {
    let is_provisioned = |number: u64| {
        let version = alias.arn.unqualified().qualified(number);
        state.lambda().provisioned(&version).is_some()
    };
    match alias.version {
        VersionRef::Latest => Err(LambdaRefusal::LatestProvisioned),
        VersionRef::Number(number)
            if is_provisioned(number) || alias.routing.is_some_and(|it| is_provisioned(it.version)) =>
        {
            Err(LambdaRefusal::VersionProvisioned)
        }
        VersionRef::Number(_) => Ok(()),
    }
}

/// What is kept ready of functions without reserved concurrency in the region of `beside`, of those that count.
fn unreserved_provisioned(state: &State, beside: &FunctionArn, counts: impl Fn(&FunctionArn) -> bool) -> u32 {
    let shares = state.provisioned_shares().filter(|share| {
        let function = share.target.unqualified();
        let is_unreserved = state
            .function(&function)
            .is_some_and(|it| it.configuration.concurrency.is_none());
        is_unreserved && same_scope(function.as_str(), beside.as_str()) && counts(&function)
    });
    shares.fold(0, |sum, share| sum.saturating_add(share.environments))
}
