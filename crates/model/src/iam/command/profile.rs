//! Instance profiles.

use super::{limited, name_of, no_such_identity};
use crate::iam::identity::IdentityKind;
use crate::iam::instance_profile::InstanceProfile;
use crate::iam::name::Key;
use crate::iam::refusal::IamRefusal;
use crate::iam::state::{Change, Iam};
use std::sync::Arc;

/// Instance profiles of one account. Source: IAM quotas.
const PROFILES_MAX: usize = 1000;

/// The error for an instance profile that is not there.
pub fn no_such_instance_profile(name: &str) -> IamRefusal {
    let name: String = name.chars().take(128).collect();
    IamRefusal::NoSuchEntity(format!("Instance Profile {name} cannot be found."))
}

pub(super) fn existing(iam: &Iam, key: &Key) -> Result<InstanceProfile, IamRefusal> {
    let found = iam.instance_profile(key);
    let found = found.ok_or_else(|| no_such_instance_profile(name_of(key)))?;
    Ok(InstanceProfile::clone(found))
}

pub(super) fn create(iam: &Iam, profile: &InstanceProfile) -> Result<Vec<Change>, IamRefusal> {
    if iam.instance_profile(profile.key()).is_some() {
        return Err(IamRefusal::InstanceProfileExists(profile.name.name().clone()));
    }
    limited(
        "InstanceProfilesPerAccount",
        iam.instance_profiles().count(),
        PROFILES_MAX,
    )?;
    Ok(vec![Change::PutInstanceProfile(Arc::new(profile.clone()))])
}

pub(super) fn delete(iam: &Iam, key: &Key) -> Result<Vec<Change>, IamRefusal> {
    if existing(iam, key)?.role.is_some() {
        return Err(IamRefusal::DeleteConflict(
            "Cannot delete entity, must remove roles from instance profile first.",
        ));
    }
    Ok(vec![Change::DeleteInstanceProfile(key.clone())])
}

pub(super) fn add_role(iam: &Iam, key: &Key, role: &Key) -> Result<Vec<Change>, IamRefusal> {
    let mut profile = existing(iam, key)?;
    if iam.role(role).is_none() {
        return Err(no_such_identity(IdentityKind::Role, name_of(role)));
    }
    limited(
        "InstanceSessionsPerInstanceProfile",
        usize::from(profile.role.is_some()),
        1,
    )?;
    profile.role = Some(role.clone());
    Ok(vec![Change::PutInstanceProfile(Arc::new(profile))])
}

pub(super) fn remove_role(iam: &Iam, key: &Key, role: &Key) -> Result<Vec<Change>, IamRefusal> {
    let mut profile = existing(iam, key)?;
    if profile.role.as_ref() != Some(role) {
        return Err(no_such_identity(IdentityKind::Role, name_of(role)));
    }
    profile.role = None;
    Ok(vec![Change::PutInstanceProfile(Arc::new(profile))])
}
