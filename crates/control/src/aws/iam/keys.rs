//! Access keys.

use super::input::{random, user_or_caller};
use super::page::page;
use super::shapes::moment;
use super::users::find;
use crate::aws::error::AwsError;
use crate::aws::query::call::{Call, Plan};
use crate::aws::query::input::{not_in_set, required};
use crate::aws::session;
use crate::aws::sign_in::Who;
use model::iam::name::access_key_id;
use model::iam::{AccessKey, Command as IamCommand, Key};
use model::{Command, Secret};
use std::sync::Arc;
use wire::xml::Xml;

/// The secret stands in this answer and in no other.
pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    let user = user_or_caller(call)?;
    let secret: Secret<Arc<str>> = Secret::new(session::secret()?.expose().as_str().into());
    let key = AccessKey {
        id: access_key_id("AKIA", random()?).into(),
        secret,
        active: true,
        created: call.now,
    };
    let command = Command::Iam(IamCommand::CreateAccessKey {
        user: user.clone(),
        key: key.clone(),
    });
    Ok(Plan::new(vec![command], move |call| {
        let user = find(call, &user)?;
        let mut xml = Xml::new();
        xml.within("AccessKey", |xml| {
            xml.text("UserName", user.identity.name());
            xml.text("AccessKeyId", &key.id);
            xml.text("Status", status(key.active));
            xml.text("SecretAccessKey", key.secret.expose());
            xml.text("CreateDate", &moment(key.created));
        });
        Ok(xml)
    }))
}

pub(super) fn list(call: &Call<'_>) -> Result<Xml, AwsError> {
    let mut xml = Xml::new();
    // The root's key comes from the command line, and is none of a user.
    if !call.fields.has("UserName") && matches!(call.caller.who, Who::Root | Who::RootSession(_)) {
        let page = page(call, [(); 0], |()| String::new())?;
        xml.list("AccessKeyMetadata", [(); 0], |_, ()| {});
        page.end(&mut xml);
        return Ok(xml);
    }
    let user = find(call, &user_or_caller(call)?)?;
    let page = page(call, &user.keys, |key| key.id.to_string())?;
    xml.list("AccessKeyMetadata", &page.items, |xml, key| {
        xml.text("UserName", user.identity.name());
        xml.text("AccessKeyId", &key.id);
        xml.text("Status", status(key.active));
        xml.text("CreateDate", &moment(key.created));
    });
    page.end(&mut xml);
    Ok(xml)
}

pub(super) fn update(call: &Call<'_>) -> Result<Plan, AwsError> {
    let active = match required(&call.fields, "Status")? {
        "Active" => true,
        "Inactive" => false,
        other => return Err(not_in_set("Status", other, &["Active", "Inactive"])),
    };
    let (user, id) = named(call)?;
    Ok(Plan::silent(vec![Command::Iam(IamCommand::SetAccessKey {
        user,
        id,
        active,
    })]))
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    let (user, id) = named(call)?;
    Ok(Plan::silent(vec![Command::Iam(IamCommand::DeleteAccessKey {
        user,
        id,
    })]))
}

/// A key and its user, who need not be named by the root.
fn named(call: &Call<'_>) -> Result<(Key, Arc<str>), AwsError> {
    let id = required(&call.fields, "AccessKeyId")?;
    let is_root = matches!(call.caller.who, Who::Root | Who::RootSession(_));
    let owner = call
        .state
        .iam()
        .access_key(id)
        .map(|(user, _)| user.identity.key().clone());
    let user = match owner.filter(|_| is_root && !call.fields.has("UserName")) {
        Some(owner) => owner,
        None => user_or_caller(call)?,
    };
    Ok((user, id.into()))
}

fn status(active: bool) -> &'static str {
    match active {
        true => "Active",
        false => "Inactive",
    }
}
