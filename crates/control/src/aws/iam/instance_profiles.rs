//! Instance profiles.

use super::input::{fresh_id, key, name, new_name, path, path_prefix, tags};
use super::page::page;
use super::shapes::{self, Detail};
use super::{errors, roles};
use crate::aws::error::AwsError;
use crate::aws::query::call::{Call, Plan};
use model::Command;
use model::iam::command::no_such_instance_profile;
use model::iam::{Command as IamCommand, IdentityKind, InstanceProfile, Key};
use std::sync::Arc;
use wire::xml::Xml;

/// Characters of a name.
const NAME_CHARS_MAX: usize = 128;

/// The key of the profile that a call names.
pub(super) fn named(call: &Call<'_>) -> Result<Key, AwsError> {
    let name = name(call, "InstanceProfileName", NAME_CHARS_MAX)?;
    Ok(Key::new(&call.scope.account, name))
}

/// A profile of the state.
pub(super) fn find<'a>(call: &Call<'a>, key: &Key) -> Result<&'a Arc<InstanceProfile>, AwsError> {
    call.state.iam().instance_profile(key).ok_or_else(|| {
        let name = call.fields.peek("InstanceProfileName").unwrap_or_default();
        errors::iam(&no_such_instance_profile(name))
    })
}

pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    let profile = InstanceProfile {
        name: new_name(call, "InstanceProfileName", NAME_CHARS_MAX)?,
        path: path(call, "Path")?.unwrap_or_else(|| "/".into()),
        id: fresh_id("AIPA")?,
        created: call.now,
        tags: tags(call)?,
        role: None,
    };
    let key = profile.key().clone();
    let command = Command::Iam(IamCommand::CreateInstanceProfile(profile));
    Ok(Plan::new(vec![command], move |call| one(call, &key)))
}

fn one(call: &Call<'_>, key: &Key) -> Result<Xml, AwsError> {
    let profile = find(call, key)?;
    let mut xml = Xml::new();
    xml.within("InstanceProfile", |xml| shape(xml, call, profile, Detail::Whole));
    Ok(xml)
}

fn shape(xml: &mut Xml, call: &Call<'_>, it: &InstanceProfile, detail: Detail) {
    xml.text("Path", &it.path);
    xml.text("InstanceProfileName", it.name.name());
    xml.text("InstanceProfileId", &it.id);
    xml.text("Arn", &it.arn());
    xml.text("CreateDate", &shapes::moment(it.created));
    let role = it.role.as_ref().and_then(|key| call.state.iam().role(key));
    xml.list("Roles", role, |xml, role| shapes::role(xml, role, Detail::Listed));
    if detail == Detail::Whole && !it.tags.is_empty() {
        shapes::tags(xml, &it.tags);
    }
}

pub(super) fn get(call: &Call<'_>) -> Result<Xml, AwsError> {
    one(call, &named(call)?)
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    let command = IamCommand::DeleteInstanceProfile(named(call)?);
    Ok(Plan::silent(vec![Command::Iam(command)]))
}

pub(super) fn add_role(call: &Call<'_>) -> Result<Plan, AwsError> {
    let (profile, role) = (named(call)?, key(call, IdentityKind::Role)?);
    let command = IamCommand::AddRole { profile, role };
    Ok(Plan::silent(vec![Command::Iam(command)]))
}

pub(super) fn remove_role(call: &Call<'_>) -> Result<Plan, AwsError> {
    let (profile, role) = (named(call)?, key(call, IdentityKind::Role)?);
    let command = IamCommand::RemoveRole { profile, role };
    Ok(Plan::silent(vec![Command::Iam(command)]))
}

pub(super) fn list(call: &Call<'_>) -> Result<Xml, AwsError> {
    let prefix = path_prefix(call)?;
    listed(call, |it| it.path.starts_with(prefix))
}

pub(super) fn list_for_role(call: &Call<'_>) -> Result<Xml, AwsError> {
    let role = key(call, IdentityKind::Role)?;
    roles::find(call, &role)?;
    listed(call, |it| it.role.as_ref() == Some(&role))
}

fn listed(call: &Call<'_>, is_wanted: impl Fn(&InstanceProfile) -> bool) -> Result<Xml, AwsError> {
    let mine = call.state.iam().instance_profiles().filter(|it| {
        let is_mine = *it.name.account() == call.scope.account;
        is_mine && is_wanted(it)
    });
    let page = page(call, mine, |it| it.key().to_string())?;
    let mut xml = Xml::new();
    xml.list("InstanceProfiles", &page.items, |xml, it| {
        shape(xml, call, it, Detail::Listed);
    });
    page.end(&mut xml);
    Ok(xml)
}
