//! Commands on function URLs.

use super::{Commit, Reply, function};
use crate::arn::FunctionArn;
use crate::change::Change;
use crate::lambda::url::FunctionUrl;
use crate::refusal::{FunctionRefusal, Refusal};
use crate::state::State;
use std::sync::Arc;

pub(super) fn put(state: &State, url: &FunctionUrl) -> Result<Commit, Refusal> {
    function::is_there(state, &url.function)?;
    if let Some(cors) = &url.cors {
        cors.check().map_err(FunctionRefusal::Cors)?;
    }
    if state
        .url_with_id(&url.id)
        .is_some_and(|holder| holder.function != url.function)
    {
        return Err(FunctionRefusal::UrlIdTaken(url.id.clone()).into());
    }
    let change = Change::PutFunctionUrl(Arc::new(url.clone()));
    Ok(Commit::one(change, Reply::Function(url.function.clone())))
}

pub(super) fn delete(state: &State, function: &FunctionArn) -> Result<Commit, Refusal> {
    if state.function_url(function).is_none() {
        return Err(FunctionRefusal::NoUrl(function.clone()).into());
    }
    Ok(Commit::one(Change::DeleteFunctionUrl(function.clone()), Reply::Gone))
}
