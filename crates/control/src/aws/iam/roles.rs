//! Roles.

use super::input::{description, document, fresh_id, key, new_name, path, path_prefix, tags};
use super::page::page;
use super::shapes::{self, Detail};
use super::{boundaries, errors};
use crate::aws::error::AwsError;
use crate::aws::query::call::{Call, Plan};
use crate::aws::query::input::number;
use model::Command;
use model::iam::command::no_such_identity;
use model::iam::document::Use;
use model::iam::{Command as IamCommand, Identity, IdentityKind, Key, Role};
use std::sync::Arc;
use wire::xml::Xml;

pub(super) fn find<'a>(call: &Call<'a>, key: &Key) -> Result<&'a Arc<Role>, AwsError> {
    call.state.iam().role(key).ok_or_else(|| {
        let name = call.fields.peek("RoleName").unwrap_or_default();
        errors::iam(&no_such_identity(IdentityKind::Role, name))
    })
}

pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    let name = new_name(call, "RoleName", 64)?;
    let path = path(call, "Path")?.unwrap_or_else(|| "/".into());
    let mut identity = Identity::new(name, path, fresh_id("AROA")?, call.now);
    identity.tags = tags(call)?;
    identity.boundary = boundaries::of_creation(call)?;
    let role = Role {
        identity,
        description: description(call)?.filter(|text| !text.is_empty()),
        max_session_secs: max_session_secs(call)?.unwrap_or(3600),
        trust: document(call, "AssumeRolePolicyDocument", Use::Trust)?,
    };
    let key = role.identity.key().clone();
    let command = Command::Iam(IamCommand::CreateRole(role));
    Ok(Plan::new(vec![command], move |call| shown(call, &key)))
}

fn shown(call: &Call<'_>, key: &Key) -> Result<Xml, AwsError> {
    let role = find(call, key)?;
    let mut xml = Xml::new();
    xml.within("Role", |xml| shapes::role(xml, role, Detail::Whole));
    Ok(xml)
}

fn max_session_secs(call: &Call<'_>) -> Result<Option<u32>, AwsError> {
    let secs = number(&call.fields, "MaxSessionDuration", 3600..=43_200)?;
    Ok(secs.and_then(|secs| u32::try_from(secs).ok()))
}

pub(super) fn get(call: &Call<'_>) -> Result<Xml, AwsError> {
    shown(call, &key(call, IdentityKind::Role)?)
}

pub(super) fn list(call: &Call<'_>) -> Result<Xml, AwsError> {
    let prefix = path_prefix(call)?;
    let mine = call.state.iam().roles().filter(|role| {
        let is_mine = *role.identity.named().account() == call.scope.account;
        is_mine && role.identity.path.starts_with(prefix)
    });
    let page = page(call, mine, |role| role.identity.key().to_string())?;
    let mut xml = Xml::new();
    xml.list("Roles", &page.items, |xml, role| {
        shapes::role(xml, role, Detail::Listed);
    });
    page.end(&mut xml);
    Ok(xml)
}

/// What is not given is as before.
pub(super) fn update(call: &Call<'_>) -> Result<Plan, AwsError> {
    Ok(Plan::silent(vec![Command::Iam(IamCommand::UpdateRole {
        role: key(call, IdentityKind::Role)?,
        description: description(call)?,
        max_session_secs: max_session_secs(call)?,
    })]))
}

pub(super) fn update_description(call: &Call<'_>) -> Result<Plan, AwsError> {
    let role = key(call, IdentityKind::Role)?;
    let command = Command::Iam(IamCommand::UpdateRole {
        role: role.clone(),
        description: Some(description(call)?.unwrap_or_default()),
        max_session_secs: None,
    });
    Ok(Plan::new(vec![command], move |call| shown(call, &role)))
}

pub(super) fn update_trust(call: &Call<'_>) -> Result<Plan, AwsError> {
    Ok(Plan::silent(vec![Command::Iam(IamCommand::SetTrust {
        role: key(call, IdentityKind::Role)?,
        trust: document(call, "PolicyDocument", Use::Trust)?,
    })]))
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    let role = key(call, IdentityKind::Role)?;
    Ok(Plan::silent(vec![Command::Iam(IamCommand::DeleteRole(role))]))
}
