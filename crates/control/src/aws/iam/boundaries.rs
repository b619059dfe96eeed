//! Permissions boundaries of users and roles: the managed policy that is the most they may. Source: IAM "permissions
//! boundaries".

use super::grants::{Kind, of};
use super::input::is_policy_arn;
use crate::aws::error::AwsError;
use crate::aws::query::call::{Call, Plan};
use crate::aws::query::input::{required, shown};
use model::Command;
use model::iam::Command as IamCommand;
use std::sync::Arc;

/// The boundary in a call that creates somebody.
pub(super) fn of_creation(call: &Call<'_>) -> Result<Option<Arc<str>>, AwsError> {
    match call.fields.has("PermissionsBoundary") {
        true => named(call).map(Some),
        false => Ok(None),
    }
}

fn named(call: &Call<'_>) -> Result<Arc<str>, AwsError> {
    let text = required(&call.fields, "PermissionsBoundary")?;
    match is_policy_arn(text) {
        true => Ok(text.into()),
        false => Err(AwsError::new(
            "ValidationError",
            format!("ARN {} is not valid.", shown(text)),
        )),
    }
}

pub(super) fn put<K: Kind>(call: &Call<'_>) -> Result<Plan, AwsError> {
    let policy = Some(named(call)?);
    let of = of::<K>(call)?;
    Ok(Plan::silent(vec![Command::Iam(IamCommand::SetBoundary { of, policy })]))
}

/// One that is not there is no error.
pub(super) fn delete<K: Kind>(call: &Call<'_>) -> Result<Plan, AwsError> {
    let of = of::<K>(call)?;
    Ok(Plan::silent(vec![Command::Iam(IamCommand::SetBoundary {
        of,
        policy: None,
    })]))
}
