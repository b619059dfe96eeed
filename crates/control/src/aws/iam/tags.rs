//! Tags of users, roles and policies.

use super::input::{key, tags};
use super::page::page;
use super::{errors, instance_profiles, policies};
use crate::aws::error::AwsError;
use crate::aws::query::call::{Call, Plan};
use crate::aws::query::input::{required_list, required_texts};
use model::iam::command::{Tagged, no_such_identity};
use model::iam::state::AnyPolicy;
use model::iam::{Command as IamCommand, IdentityKind};
use model::{Command, Tags};
use wire::xml::Xml;

pub(super) fn tag_user(call: &Call<'_>) -> Result<Plan, AwsError> {
    add(call, Tagged::User(key(call, IdentityKind::User)?))
}

pub(super) fn tag_role(call: &Call<'_>) -> Result<Plan, AwsError> {
    add(call, Tagged::Role(key(call, IdentityKind::Role)?))
}

pub(super) fn tag_policy(call: &Call<'_>) -> Result<Plan, AwsError> {
    add(call, Tagged::Policy(policies::own(call)?.0))
}

pub(super) fn tag_instance_profile(call: &Call<'_>) -> Result<Plan, AwsError> {
    add(call, Tagged::InstanceProfile(instance_profiles::named(call)?))
}

pub(super) fn untag_instance_profile(call: &Call<'_>) -> Result<Plan, AwsError> {
    remove(call, Tagged::InstanceProfile(instance_profiles::named(call)?))
}

pub(super) fn of_instance_profile(call: &Call<'_>) -> Result<Xml, AwsError> {
    listed(
        call,
        &instance_profiles::find(call, &instance_profiles::named(call)?)?.tags,
    )
}

pub(super) fn untag_user(call: &Call<'_>) -> Result<Plan, AwsError> {
    remove(call, Tagged::User(key(call, IdentityKind::User)?))
}

pub(super) fn untag_role(call: &Call<'_>) -> Result<Plan, AwsError> {
    remove(call, Tagged::Role(key(call, IdentityKind::Role)?))
}

pub(super) fn untag_policy(call: &Call<'_>) -> Result<Plan, AwsError> {
    remove(call, Tagged::Policy(policies::own(call)?.0))
}

pub(super) fn of_user(call: &Call<'_>) -> Result<Xml, AwsError> {
    of_identity(call, IdentityKind::User, "UserName")
}

pub(super) fn of_role(call: &Call<'_>) -> Result<Xml, AwsError> {
    of_identity(call, IdentityKind::Role, "RoleName")
}

pub(super) fn of_policy(call: &Call<'_>) -> Result<Xml, AwsError> {
    match policies::find(call, super::input::policy_arn(call)?)? {
        AnyPolicy::Own(policy) => listed(call, &policy.tags),
        AnyPolicy::Aws(_) => listed(call, &Tags::default()),
    }
}

fn of_identity(call: &Call<'_>, kind: IdentityKind, parameter: &str) -> Result<Xml, AwsError> {
    let found = call.state.iam().identity(kind, &key(call, kind)?);
    let identity = found.ok_or_else(|| {
        let name = call.fields.peek(parameter).unwrap_or_default();
        errors::iam(&no_such_identity(kind, name))
    })?;
    listed(call, &identity.tags)
}

fn add(call: &Call<'_>, of: Tagged) -> Result<Plan, AwsError> {
    required_list(&call.fields, "Tags")?;
    let command = IamCommand::AddTags(of, tags(call)?);
    Ok(Plan::silent(vec![Command::Iam(command)]))
}

fn remove(call: &Call<'_>, of: Tagged) -> Result<Plan, AwsError> {
    let keys = required_texts(&call.fields, "TagKeys")?;
    let keys = keys.into_iter().map(str::to_owned).collect();
    Ok(Plan::silent(vec![Command::Iam(IamCommand::RemoveTags(of, keys))]))
}

fn listed(call: &Call<'_>, tags: &Tags) -> Result<Xml, AwsError> {
    let page = page(call, tags.iter(), |(key, _)| (*key).to_owned())?;
    let mut xml = Xml::new();
    xml.list("Tags", &page.items, |xml, (key, value)| {
        xml.text("Key", key);
        xml.text("Value", value);
    });
    page.end(&mut xml);
    Ok(xml)
}
