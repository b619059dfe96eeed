//! Users, their keys, and the groups they are in.

use super::{USERS_MAX, grant, limited, name_of, no_such_identity};
use crate::iam::identity::{AccessKey, Group, IdentityKind, User};
use crate::iam::name::Key;
use crate::iam::refusal::IamRefusal;
use crate::iam::state::{Change, Iam};
use std::sync::Arc;

/// Keys of one user. Source: IAM quotas.
const KEYS_MAX: usize = 2;
/// Groups that one user is in.
const GROUPS_PER_USER_MAX: usize = 10;

pub(super) fn create(iam: &Iam, user: &User) -> Result<Vec<Change>, IamRefusal> {
    let name = user.identity.name().clone();
    if iam.user(user.identity.key()).is_some() {
        return Err(IamRefusal::Exists { kind: "User", name });
    }
    if let Some(policy) = &user.identity.boundary {
        super::grant::check_boundary(iam, policy)?;
    }
    limited("UsersPerAccount", iam.users().count(), USERS_MAX)?;
    Ok(vec![Change::PutUser(Arc::new(user.clone()))])
}

pub(super) fn update(
    iam: &Iam,
    key: &Key,
    name: Option<&Arc<str>>,
    path: Option<&Arc<str>>,
) -> Result<Vec<Change>, IamRefusal> {
    let mut user = existing(iam, key)?;
    user.identity.path = path.cloned().unwrap_or(user.identity.path);
    if let Some(name) = name {
        user.identity.rename(name);
    }
    let new = user.identity.key().clone();
    if new == *key {
        return Ok(vec![Change::PutUser(Arc::new(user))]);
    }
    if iam.user(&new).is_some() {
        let name = user.identity.name().clone();
        return Err(IamRefusal::Exists { kind: "User", name });
    }
    // The old name first: the new one has the same keys.
    let mut changes = vec![Change::DeleteUser(key.clone()), Change::PutUser(Arc::new(user))];
    for group in iam.groups_of(key) {
        let mut group = Group::clone(group);
        for member in group.members.iter_mut().filter(|member| *member == key) {
            *member = new.clone();
        }
        changes.push(Change::PutGroup(Arc::new(group)));
    }
    Ok(changes)
}

pub(super) fn delete(iam: &Iam, key: &Key) -> Result<Vec<Change>, IamRefusal> {
    let user = existing(iam, key)?;
    let conflict = |why| Err(IamRefusal::DeleteConflict(why));
    if !user.keys.is_empty() {
        return conflict("Cannot delete entity, must delete access keys first.");
    }
    if iam.groups_of(key).next().is_some() {
        return conflict("Cannot delete entity, must remove user from all groups first.");
    }
    grant::is_empty(&user.identity)?;
    Ok(vec![Change::DeleteUser(key.clone())])
}

pub(super) fn create_key(iam: &Iam, user: &Key, key: &AccessKey) -> Result<Vec<Change>, IamRefusal> {
    let mut user = existing(iam, user)?;
    limited("AccessKeysPerUser", user.keys.len(), KEYS_MAX)?;
    user.keys.push(key.clone());
    Ok(vec![Change::PutUser(Arc::new(user))])
}

pub(super) fn set_key(iam: &Iam, user: &Key, id: &str, active: bool) -> Result<Vec<Change>, IamRefusal> {
    let mut user = existing(iam, user)?;
    let key = user.keys.iter_mut().find(|key| *key.id == *id);
    key.ok_or_else(|| no_such_key(id))?.active = active;
    Ok(vec![Change::PutUser(Arc::new(user))])
}

pub(super) fn delete_key(iam: &Iam, user: &Key, id: &str) -> Result<Vec<Change>, IamRefusal> {
    let mut user = existing(iam, user)?;
    let before = user.keys.len();
    user.keys.retain(|key| *key.id != *id);
    match user.keys.len() == before {
        true => Err(no_such_key(id)),
        false => Ok(vec![Change::PutUser(Arc::new(user))]),
    }
}

pub(super) fn add_member(iam: &Iam, group: &Key, user: &Key) -> Result<Vec<Change>, IamRefusal> {
    let mut group = existing_group(iam, group)?;
    existing(iam, user)?;
    if group.members.contains(user) {
        return Ok(Vec::new());
    }
    limited("GroupsPerUser", iam.groups_of(user).count(), GROUPS_PER_USER_MAX)?;
    group.members.push(user.clone());
    Ok(vec![Change::PutGroup(Arc::new(group))])
}

pub(super) fn remove_member(iam: &Iam, group: &Key, user: &Key) -> Result<Vec<Change>, IamRefusal> {
    let mut group = existing_group(iam, group)?;
    existing(iam, user)?;
    group.members.retain(|member| member != user);
    Ok(vec![Change::PutGroup(Arc::new(group))])
}

fn existing(iam: &Iam, key: &Key) -> Result<User, IamRefusal> {
    let user = iam.user(key).map(|user| User::clone(user));
    user.ok_or_else(|| no_such_identity(IdentityKind::User, name_of(key)))
}

fn existing_group(iam: &Iam, key: &Key) -> Result<Group, IamRefusal> {
    let group = iam.group(key).map(|group| Group::clone(group));
    group.ok_or_else(|| no_such_identity(IdentityKind::Group, name_of(key)))
}

fn no_such_key(id: &str) -> IamRefusal {
    let id: String = id.chars().take(128).collect();
    IamRefusal::NoSuchEntity(format!("The Access Key with id {id} cannot be found."))
}
