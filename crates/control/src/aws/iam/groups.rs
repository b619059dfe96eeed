//! Groups.

use super::errors;
use super::input::{fresh_id, key, name, new_name, path, path_prefix};
use super::page::page;
use super::shapes::{self, Detail};
use crate::aws::error::AwsError;
use crate::aws::query::call::{Call, Plan};
use model::Command;
use model::iam::command::no_such_identity;
use model::iam::{Command as IamCommand, Group, Identity, IdentityKind, Key};
use std::sync::Arc;
use wire::xml::Xml;

/// Characters of a name.
const NAME_CHARS_MAX: usize = 128;

fn find<'a>(call: &Call<'a>, key: &Key) -> Result<&'a Arc<Group>, AwsError> {
    call.state.iam().group(key).ok_or_else(|| {
        let name = call.fields.peek("GroupName").unwrap_or_default();
        errors::iam(&no_such_identity(IdentityKind::Group, name))
    })
}

pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    let name = new_name(call, "GroupName", NAME_CHARS_MAX)?;
    let path = path(call, "Path")?.unwrap_or_else(|| "/".into());
    let group = Group {
        identity: Identity::new(name, path, fresh_id("AGPA")?, call.now),
        members: Vec::new(),
    };
    let key = group.identity.key().clone();
    let command = Command::Iam(IamCommand::CreateGroup(group));
    Ok(Plan::new(vec![command], move |call| {
        let group = find(call, &key)?;
        let mut xml = Xml::new();
        xml.within("Group", |xml| shapes::group(xml, group));
        Ok(xml)
    }))
}

/// A group and its users.
pub(super) fn get(call: &Call<'_>) -> Result<Xml, AwsError> {
    let group = find(call, &key(call, IdentityKind::Group)?)?;
    let members = group.members.iter().filter_map(|key| call.state.iam().user(key));
    let page = page(call, members, |user| user.identity.key().to_string())?;
    let mut xml = Xml::new();
    xml.within("Group", |xml| shapes::group(xml, group));
    xml.list("Users", &page.items, |xml, user| {
        shapes::user(xml, user, Detail::Listed);
    });
    page.end(&mut xml);
    Ok(xml)
}

pub(super) fn list(call: &Call<'_>) -> Result<Xml, AwsError> {
    let prefix = path_prefix(call)?;
    let mine = call.state.iam().groups().filter(|group| {
        let is_mine = *group.identity.named().account() == call.scope.account;
        is_mine && group.identity.path.starts_with(prefix)
    });
    listed(call, mine)
}

pub(super) fn list_for_user(call: &Call<'_>) -> Result<Xml, AwsError> {
    let user = key(call, IdentityKind::User)?;
    super::users::find(call, &user)?;
    listed(call, call.state.iam().groups_of(&user))
}

fn listed<'a>(call: &Call<'_>, groups: impl Iterator<Item = &'a Arc<Group>>) -> Result<Xml, AwsError> {
    let page = page(call, groups, |group| group.identity.key().to_string())?;
    let mut xml = Xml::new();
    xml.list("Groups", &page.items, |xml, group| shapes::group(xml, group));
    page.end(&mut xml);
    Ok(xml)
}

pub(super) fn update(call: &Call<'_>) -> Result<Plan, AwsError> {
    let group = key(call, IdentityKind::Group)?;
    let new_name = match call.fields.has("NewGroupName") {
        true => Some(name(call, "NewGroupName", NAME_CHARS_MAX)?.into()),
        false => None,
    };
    Ok(Plan::silent(vec![Command::Iam(IamCommand::UpdateGroup {
        group,
        name: new_name,
        path: path(call, "NewPath")?,
    })]))
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    let group = key(call, IdentityKind::Group)?;
    Ok(Plan::silent(vec![Command::Iam(IamCommand::DeleteGroup(group))]))
}

pub(super) fn add_user(call: &Call<'_>) -> Result<Plan, AwsError> {
    let (group, user) = (key(call, IdentityKind::Group)?, key(call, IdentityKind::User)?);
    Ok(Plan::silent(vec![Command::Iam(IamCommand::AddMember { group, user })]))
}

pub(super) fn remove_user(call: &Call<'_>) -> Result<Plan, AwsError> {
    let (group, user) = (key(call, IdentityKind::Group)?, key(call, IdentityKind::User)?);
    Ok(Plan::silent(vec![Command::Iam(IamCommand::RemoveMember {
        group,
        user,
    })]))
}
