//! Users.

use super::input::{fresh_id, key, name, new_name, path, path_prefix, tags, user_or_caller};
use super::page::page;
use super::shapes::{self, Detail};
use super::{boundaries, errors, input};
use crate::aws::error::AwsError;
use crate::aws::query::call::{Call, Plan};
use crate::aws::sign_in::Who;
use model::Command;
use model::iam::command::no_such_identity;
use model::iam::{Command as IamCommand, Identity, IdentityKind, Key, User};
use std::sync::Arc;
use wire::xml::Xml;

/// Characters of a new user's name.
const NAME_CHARS_MAX: usize = 64;

/// A user of the state.
pub(super) fn find<'a>(call: &Call<'a>, key: &Key) -> Result<&'a Arc<User>, AwsError> {
    call.state.iam().user(key).ok_or_else(|| {
        let name = call.fields.peek("UserName").unwrap_or_default();
        errors::iam(&no_such_identity(IdentityKind::User, name))
    })
}

pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    let name = new_name(call, "UserName", NAME_CHARS_MAX)?;
    let path = path(call, "Path")?.unwrap_or_else(|| "/".into());
    let mut identity = Identity::new(name, path, fresh_id("AIDA")?, call.now);
    identity.tags = tags(call)?;
    identity.boundary = boundaries::of_creation(call)?;
    let user = User {
        identity,
        keys: Vec::new(),
    };
    let key = user.identity.key().clone();
    let command = Command::Iam(IamCommand::CreateUser(user));
    Ok(Plan::new(vec![command], move |call| {
        let user = find(call, &key)?;
        let mut xml = Xml::new();
        xml.within("User", |xml| shapes::user(xml, user, Detail::Whole));
        Ok(xml)
    }))
}

pub(super) fn get(call: &Call<'_>) -> Result<Xml, AwsError> {
    let mut xml = Xml::new();
    if !call.fields.has("UserName") && matches!(call.caller.who, Who::Root | Who::RootSession(_)) {
        let account = &call.scope.account;
        xml.within("User", |xml| {
            xml.value("UserId", account);
            xml.text("Arn", &input::caller_arn(call));
            xml.text("CreateDate", &shapes::moment(model::Timestamp(0)));
        });
        return Ok(xml);
    }
    let user = find(call, &user_or_caller(call)?)?;
    xml.within("User", |xml| shapes::user(xml, user, Detail::Whole));
    Ok(xml)
}

pub(super) fn list(call: &Call<'_>) -> Result<Xml, AwsError> {
    let prefix = path_prefix(call)?;
    let mine = call.state.iam().users().filter(|user| {
        let is_mine = *user.identity.named().account() == call.scope.account;
        is_mine && user.identity.path.starts_with(prefix)
    });
    let page = page(call, mine, |user| user.identity.key().to_string())?;
    let mut xml = Xml::new();
    xml.list("Users", &page.items, |xml, user| {
        shapes::user(xml, user, Detail::Listed);
    });
    page.end(&mut xml);
    Ok(xml)
}

pub(super) fn update(call: &Call<'_>) -> Result<Plan, AwsError> {
    let user = key(call, IdentityKind::User)?;
    let new_name = match call.fields.has("NewUserName") {
        true => Some(name(call, "NewUserName", NAME_CHARS_MAX)?.into()),
        false => None,
    };
    Ok(Plan::silent(vec![Command::Iam(IamCommand::UpdateUser {
        user,
        name: new_name,
        path: path(call, "NewPath")?,
    })]))
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    let user = key(call, IdentityKind::User)?;
    Ok(Plan::silent(vec![Command::Iam(IamCommand::DeleteUser(user))]))
}
