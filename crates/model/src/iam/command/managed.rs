//! Managed policies and their versions.

use super::{limited, name_of};
use crate::iam::name::Key;
use crate::iam::policy::{Policy, PolicyVersion, VERSIONS_MAX};
use crate::iam::refusal::IamRefusal;
use crate::iam::state::{Change, Iam};
use std::sync::Arc;

/// Policies of one account. Source: IAM quotas.
const POLICIES_MAX: usize = 1500;
/// Characters of one policy, white space not counted.
const CHARS_MAX: usize = 6144;

pub(super) fn create(iam: &Iam, policy: &Policy) -> Result<Vec<Change>, IamRefusal> {
    if iam.policy(policy.key()).is_some() {
        return Err(IamRefusal::PolicyExists(policy.name.name().clone()));
    }
    limited("PoliciesPerAccount", iam.policies().count(), POLICIES_MAX)?;
    policy.versions.iter().try_for_each(check_size)?;
    Ok(vec![Change::PutPolicy(Arc::new(policy.clone()))])
}

pub(super) fn create_version(
    iam: &Iam,
    key: &Key,
    version: &PolicyVersion,
    is_default: bool,
) -> Result<Vec<Change>, IamRefusal> {
    let mut policy = existing(iam, key)?;
    check_size(version)?;
    limited("VersionsPerPolicy", policy.versions.len(), VERSIONS_MAX)?;
    policy.last_version = policy.last_version.saturating_add(1);
    let number = policy.last_version;
    policy.versions.push(PolicyVersion {
        number,
        ..version.clone()
    });
    policy.updated = version.created;
    if is_default {
        policy.default_version = number;
    }
    Ok(vec![Change::PutPolicy(Arc::new(policy))])
}

pub(super) fn set_default(iam: &Iam, key: &Key, number: u32) -> Result<Vec<Change>, IamRefusal> {
    let mut policy = existing(iam, key)?;
    if policy.version(number).is_none() {
        return Err(no_such_version(&policy.arn(), &format!("v{number}")));
    }
    policy.default_version = number;
    Ok(vec![Change::PutPolicy(Arc::new(policy))])
}

pub(super) fn delete_version(iam: &Iam, key: &Key, number: u32) -> Result<Vec<Change>, IamRefusal> {
    let mut policy = existing(iam, key)?;
    if policy.version(number).is_none() {
        return Err(no_such_version(&policy.arn(), &format!("v{number}")));
    }
    if policy.default_version == number {
        let why = "Cannot delete the default version of a policy.";
        return Err(IamRefusal::DeleteConflict(why));
    }
    policy.versions.retain(|version| version.number != number);
    Ok(vec![Change::PutPolicy(Arc::new(policy))])
}

pub(super) fn delete(iam: &Iam, key: &Key) -> Result<Vec<Change>, IamRefusal> {
    let policy = existing(iam, key)?;
    let arn = policy.arn();
    if iam.attached_to(&arn).chain(iam.bounded_by(&arn)).next().is_some() {
        let why = "Cannot delete a policy attached to entities.";
        return Err(IamRefusal::DeleteConflict(why));
    }
    if policy.versions.len() > 1 {
        let why = "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. \
                   The default version is deleted with the policy.";
        return Err(IamRefusal::DeleteConflict(why));
    }
    Ok(vec![Change::DeletePolicy(key.clone())])
}

pub(super) fn no_such(key: &Key) -> IamRefusal {
    IamRefusal::NoSuchEntity(format!("Policy {} was not found.", name_of(key)))
}

/// The error for a version that is not there.
pub fn no_such_version(arn: &str, version: &str) -> IamRefusal {
    let (arn, version): (String, String) = (arn.chars().take(300).collect(), version.chars().take(40).collect());
    IamRefusal::NoSuchEntity(format!(
        "Policy {arn} version {version} does not exist or is not attachable."
    ))
}

fn check_size(version: &PolicyVersion) -> Result<(), IamRefusal> {
    match version.document.size() <= CHARS_MAX {
        true => Ok(()),
        false => Err(IamRefusal::Limit {
            quota: "PolicySize",
            max: CHARS_MAX,
        }),
    }
}

fn existing(iam: &Iam, key: &Key) -> Result<Policy, IamRefusal> {
    let policy = iam.policy(key).map(|policy| Policy::clone(policy));
    policy.ok_or_else(|| no_such(key))
}
