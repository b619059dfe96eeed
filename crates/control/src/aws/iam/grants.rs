//! Inline policies and attached policies of users, groups and roles: the same operations for each of them.

use super::input::{document, key, name, path_prefix, policy_arn};
use super::page::page;
use super::shapes::encoded;
use super::{errors, input};
use crate::aws::error::AwsError;
use crate::aws::query::call::{Call, Plan};
use model::Command;
use model::iam::command::{Of, no_such_identity, no_such_inline};
use model::iam::document::Use;
use model::iam::{Command as IamCommand, Identity, IdentityKind};
use wire::xml::Xml;

/// Which of them an operation is about.
pub(super) trait Kind {
    const KIND: IdentityKind;
    /// The parameter, and the element, with its name.
    const NAME: &'static str;
}

pub(super) struct OfUser;
pub(super) struct OfGroup;
pub(super) struct OfRole;

impl Kind for OfUser {
    const KIND: IdentityKind = IdentityKind::User;
    const NAME: &'static str = "UserName";
}

impl Kind for OfGroup {
    const KIND: IdentityKind = IdentityKind::Group;
    const NAME: &'static str = "GroupName";
}

impl Kind for OfRole {
    const KIND: IdentityKind = IdentityKind::Role;
    const NAME: &'static str = "RoleName";
}

pub(super) fn of<K: Kind>(call: &Call<'_>) -> Result<Of, AwsError> {
    let key = key(call, K::KIND)?;
    Ok(Of { kind: K::KIND, key })
}

fn find<'a, K: Kind>(call: &Call<'a>) -> Result<&'a Identity, AwsError> {
    let found = call.state.iam().identity(K::KIND, &key(call, K::KIND)?);
    found.ok_or_else(|| {
        let name = call.fields.peek(K::NAME).unwrap_or_default();
        errors::iam(&no_such_identity(K::KIND, name))
    })
}

pub(super) fn put_inline<K: Kind>(call: &Call<'_>) -> Result<Plan, AwsError> {
    Ok(Plan::silent(vec![Command::Iam(IamCommand::PutInline {
        of: of::<K>(call)?,
        name: name(call, "PolicyName", 128)?.into(),
        document: document(call, "PolicyDocument", Use::Identity)?,
    })]))
}

pub(super) fn get_inline<K: Kind>(call: &Call<'_>) -> Result<Xml, AwsError> {
    let name = name(call, "PolicyName", 128)?;
    let identity = find::<K>(call)?;
    let document = identity.inline.get(name);
    let document = document.ok_or_else(|| errors::iam(&no_such_inline(K::KIND, name)))?;
    let mut xml = Xml::new();
    xml.text(K::NAME, identity.name());
    xml.text("PolicyName", name);
    xml.text("PolicyDocument", &encoded(document));
    Ok(xml)
}

pub(super) fn list_inline<K: Kind>(call: &Call<'_>) -> Result<Xml, AwsError> {
    let identity = find::<K>(call)?;
    let page = page(call, identity.inline.keys(), |name| name.to_string())?;
    let mut xml = Xml::new();
    xml.texts("PolicyNames", &page.items);
    page.end(&mut xml);
    Ok(xml)
}

pub(super) fn delete_inline<K: Kind>(call: &Call<'_>) -> Result<Plan, AwsError> {
    Ok(Plan::silent(vec![Command::Iam(IamCommand::DeleteInline {
        of: of::<K>(call)?,
        name: name(call, "PolicyName", 128)?.into(),
    })]))
}

pub(super) fn attach<K: Kind>(call: &Call<'_>) -> Result<Plan, AwsError> {
    Ok(Plan::silent(vec![Command::Iam(IamCommand::Attach {
        of: of::<K>(call)?,
        policy: policy_arn(call)?.into(),
    })]))
}

pub(super) fn detach<K: Kind>(call: &Call<'_>) -> Result<Plan, AwsError> {
    Ok(Plan::silent(vec![Command::Iam(IamCommand::Detach {
        of: of::<K>(call)?,
        policy: policy_arn(call)?.into(),
    })]))
}

pub(super) fn list_attached<K: Kind>(call: &Call<'_>) -> Result<Xml, AwsError> {
    let prefix = path_prefix(call)?;
    let identity = find::<K>(call)?;
    let in_path = |arn: &&std::sync::Arc<str>| {
        let resource = arn.split_once(":policy").map_or("", |(_, resource)| resource);
        resource.starts_with(prefix)
    };
    let page = page(call, identity.attached.iter().filter(in_path), |arn| arn.to_string())?;
    let mut xml = Xml::new();
    xml.list("AttachedPolicies", &page.items, |xml, arn| {
        xml.text("PolicyName", arn.rsplit('/').next().unwrap_or_default());
        xml.text("PolicyArn", arn);
    });
    page.end(&mut xml);
    Ok(xml)
}

/// Whom a policy is attached to.
pub(super) fn list_entities(call: &Call<'_>) -> Result<Xml, AwsError> {
    use crate::aws::query::input::one_of;
    let arn = input::policy_arn(call)?;
    super::policies::find(call, arn)?;
    let kinds = [
        ("User", Some(IdentityKind::User)),
        ("Role", Some(IdentityKind::Role)),
        ("Group", Some(IdentityKind::Group)),
        ("LocalManagedPolicy", None),
        ("AWSManagedPolicy", None),
    ];
    let filter = one_of(&call.fields, "EntityFilter", &kinds)?;
    let uses = [("PermissionsPolicy", true), ("PermissionsBoundary", false)];
    let is_for_use = one_of(&call.fields, "PolicyUsageFilter", &uses)?;
    let prefix = path_prefix(call)?;
    let iam = call.state.iam();
    let (for_use, bounded) = match is_for_use {
        None => (true, true),
        Some(is_for_use) => (is_for_use, !is_for_use),
    };
    let attached = iam.attached_to(arn).filter(|_| for_use);
    // One that is both is listed once.
    let bounded = iam.bounded_by(arn).filter(|(_, identity)| {
        let is_attached = identity.attached.iter().any(|its| **its == *arn);
        bounded && !(for_use && is_attached)
    });
    let entities = attached.chain(bounded).filter(|(kind, identity)| {
        let of_kind = filter.is_none_or(|wanted| wanted == Some(*kind));
        of_kind && identity.path.starts_with(prefix)
    });
    let page = page(call, entities, |(kind, identity)| format!("{kind} {}", identity.key()))?;
    let mut xml = Xml::new();
    for (list, kind, name, id) in [
        ("PolicyGroups", IdentityKind::Group, "GroupName", "GroupId"),
        ("PolicyUsers", IdentityKind::User, "UserName", "UserId"),
        ("PolicyRoles", IdentityKind::Role, "RoleName", "RoleId"),
    ] {
        let of_kind = page.items.iter().filter(|(its, _)| *its == kind);
        xml.list(list, of_kind, |xml, (_, identity)| {
            xml.text(name, identity.name());
            xml.text(id, &identity.id);
        });
    }
    page.end(&mut xml);
    Ok(xml)
}
