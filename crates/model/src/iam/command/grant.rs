//! What identities are granted: inline policies, attached policies; and tags.

use super::{Of, Tagged, limited, name_of, no_such_identity};
use crate::iam::document::Document;
use crate::iam::identity::{Group, Identity, IdentityKind, Role, User};
use crate::iam::policy::Policy;
use crate::iam::refusal::IamRefusal;
use crate::iam::state::{Change, Iam};
use crate::tag::Tags;
use std::sync::Arc;

/// Managed policies that one identity has. Source: IAM quotas.
const ATTACHED_MAX: usize = 10;

/// Characters of all inline policies of one identity, white space not counted.
fn inline_chars_max(kind: IdentityKind) -> usize {
    match kind {
        IdentityKind::User => 2048,
        IdentityKind::Group => 5120,
        IdentityKind::Role => 10_240,
    }
}

pub(super) fn put_inline(iam: &Iam, of: &Of, name: &Arc<str>, document: &Document) -> Result<Vec<Change>, IamRefusal> {
    change(iam, of, |identity| {
        identity.inline.insert(name.clone(), document.clone());
        let max = inline_chars_max(of.kind);
        match identity.inline.values().map(Document::size).sum::<usize>() <= max {
            true => Ok(()),
            false => Err(IamRefusal::PolicySize {
                of: of.kind.as_str(),
                name: identity.name().clone(),
                max,
            }),
        }
    })
}

pub(super) fn delete_inline(iam: &Iam, of: &Of, name: &str) -> Result<Vec<Change>, IamRefusal> {
    change(iam, of, |identity| match identity.inline.remove(name) {
        Some(_) => Ok(()),
        None => Err(no_such_inline(of.kind, name)),
    })
}

/// The error for an inline policy that is not there.
pub fn no_such_inline(kind: IdentityKind, name: &str) -> IamRefusal {
    let name: String = name.chars().take(128).collect();
    IamRefusal::NoSuchEntity(format!("The {kind} policy with name {name} cannot be found."))
}

pub(super) fn attach(iam: &Iam, of: &Of, policy: &Arc<str>) -> Result<Vec<Change>, IamRefusal> {
    if iam.policy_with_arn(policy).is_none() {
        let arn: String = policy.chars().take(300).collect();
        let message = format!("Policy {arn} does not exist or is not attachable.");
        return Err(IamRefusal::NoSuchEntity(message));
    }
    change(iam, of, |identity| {
        if identity.attached.contains(policy) {
            return Ok(());
        }
        let quota = match of.kind {
            IdentityKind::User => "PoliciesPerUser",
            IdentityKind::Group => "PoliciesPerGroup",
            IdentityKind::Role => "PoliciesPerRole",
        };
        limited(quota, identity.attached.len(), ATTACHED_MAX)?;
        identity.attached.push(policy.clone());
        Ok(())
    })
}

pub(super) fn detach(iam: &Iam, of: &Of, policy: &str) -> Result<Vec<Change>, IamRefusal> {
    change(iam, of, |identity| {
        let before = identity.attached.len();
        identity.attached.retain(|arn| **arn != *policy);
        match identity.attached.len() == before {
            false => Ok(()),
            true => {
                let arn: String = policy.chars().take(300).collect();
                Err(IamRefusal::NoSuchEntity(format!("Policy {arn} was not found.")))
            }
        }
    })
}

pub(super) fn set_boundary(iam: &Iam, of: &Of, policy: Option<&Arc<str>>) -> Result<Vec<Change>, IamRefusal> {
    if let Some(policy) = policy {
        check_boundary(iam, policy)?;
    }
    change(iam, of, |identity| {
        identity.boundary = policy.cloned();
        Ok(())
    })
}

/// The policy that is to be a boundary exists.
pub(super) fn check_boundary(iam: &Iam, policy: &str) -> Result<(), IamRefusal> {
    match iam.policy_with_arn(policy) {
        Some(_) => Ok(()),
        None => {
            let arn: String = policy.chars().take(300).collect();
            let message = format!("Scope ARN: {arn} does not exist or is not attachable.");
            Err(IamRefusal::NoSuchEntity(message))
        }
    }
}

/// Nothing is left that must go before the identity goes.
pub(super) fn is_empty(identity: &Identity) -> Result<(), IamRefusal> {
    if !identity.attached.is_empty() {
        let why = "Cannot delete entity, must detach all policies first.";
        return Err(IamRefusal::DeleteConflict(why));
    }
    match identity.inline.is_empty() {
        true => Ok(()),
        false => Err(IamRefusal::DeleteConflict(
            "Cannot delete entity, must delete policies first.",
        )),
    }
}

pub(super) fn tag(
    iam: &Iam,
    of: &Tagged,
    tags: impl Fn(&Tags) -> Result<Tags, IamRefusal>,
) -> Result<Vec<Change>, IamRefusal> {
    let set = |identity: &mut Identity| -> Result<(), IamRefusal> {
        identity.tags = tags(&identity.tags)?;
        Ok(())
    };
    let of_kind = |kind, key: &crate::iam::Key| Of { kind, key: key.clone() };
    match of {
        Tagged::User(key) => change(iam, &of_kind(IdentityKind::User, key), set),
        Tagged::Role(key) => change(iam, &of_kind(IdentityKind::Role, key), set),
        Tagged::InstanceProfile(key) => {
            let mut profile = super::profile::existing(iam, key)?;
            profile.tags = tags(&profile.tags)?;
            Ok(vec![Change::PutInstanceProfile(Arc::new(profile))])
        }
        Tagged::Policy(key) => {
            let policy = iam.policy(key).ok_or_else(|| super::managed::no_such(key))?;
            let mut policy = Policy::clone(policy);
            policy.tags = tags(&policy.tags)?;
            Ok(vec![Change::PutPolicy(Arc::new(policy))])
        }
    }
}

fn change(
    iam: &Iam,
    of: &Of,
    change: impl FnOnce(&mut Identity) -> Result<(), IamRefusal>,
) -> Result<Vec<Change>, IamRefusal> {
    let none = || no_such_identity(of.kind, name_of(&of.key));
    Ok(vec![match of.kind {
        IdentityKind::User => {
            let mut user = User::clone(iam.user(&of.key).ok_or_else(none)?);
            change(&mut user.identity)?;
            Change::PutUser(Arc::new(user))
        }
        IdentityKind::Group => {
            let mut group = Group::clone(iam.group(&of.key).ok_or_else(none)?);
            change(&mut group.identity)?;
            Change::PutGroup(Arc::new(group))
        }
        IdentityKind::Role => {
            let mut role = Role::clone(iam.role(&of.key).ok_or_else(none)?);
            change(&mut role.identity)?;
            Change::PutRole(Arc::new(role))
        }
    }])
}
