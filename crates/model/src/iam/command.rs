//! Commands on IAM, and the pure decisions about them.

mod grant;
mod managed;
mod profile;
mod user;

use super::document::{Document, Principal};
use super::identity::{AccessKey, Group, IdentityKind, Role, User};
use super::instance_profile::InstanceProfile;
use super::name::Key;
use super::policy::{Policy, PolicyVersion};
use super::refusal::IamRefusal;
use super::state::{Change, Iam};
use crate::tag::Tags;
use std::sync::Arc;

pub use grant::no_such_inline;
pub use managed::no_such_version;
pub use profile::no_such_instance_profile;

/// Users of one account. Source: IAM quotas.
const USERS_MAX: usize = 5000;
/// Groups of one account.
const GROUPS_MAX: usize = 300;
/// Roles of one account.
const ROLES_MAX: usize = 1000;
/// Characters of a trust policy, white space not counted.
const TRUST_CHARS_MAX: usize = 2048;

/// A user, a group or a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Of {
    /// Which of them.
    pub kind: IdentityKind,
    /// Its key.
    pub key: Key,
}

/// Something with tags.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum Tagged {
    User(Key),
    Role(Key),
    Policy(Key),
    InstanceProfile(Key),
}

/// One thing that a user of the API asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Create a user.
    CreateUser(User),
    /// Give a user another name or path.
    UpdateUser {
        /// The user.
        user: Key,
        /// The name from now on.
        name: Option<Arc<str>>,
        /// The path from now on.
        path: Option<Arc<str>>,
    },
    /// Delete a user with nothing left.
    DeleteUser(Key),
    /// Give a user a key.
    CreateAccessKey {
        /// The user.
        user: Key,
        /// The key.
        key: AccessKey,
    },
    /// Switch a key on or off.
    SetAccessKey {
        /// The user.
        user: Key,
        /// The key.
        id: Arc<str>,
        /// Whether calls may be signed with it.
        active: bool,
    },
    /// Take a key away.
    DeleteAccessKey {
        /// The user.
        user: Key,
        /// The key.
        id: Arc<str>,
    },
    /// Create a group.
    CreateGroup(Group),
    /// Give a group another name or path. Its members stay.
    UpdateGroup {
        /// The group.
        group: Key,
        /// A new name.
        name: Option<Arc<str>>,
        /// A new path.
        path: Option<Arc<str>>,
    },
    /// Delete a group with nothing left.
    DeleteGroup(Key),
    /// Put a user into a group. One that is in it is no error.
    AddMember {
        /// The group.
        group: Key,
        /// The user.
        user: Key,
    },
    /// Take a user out of a group. One that is not in it is no error.
    RemoveMember {
        /// The group.
        group: Key,
        /// The user.
        user: Key,
    },
    /// Create a role.
    CreateRole(Role),
    /// Change a role: what is `Some` replaces what was.
    UpdateRole {
        /// The role.
        role: Key,
        /// For people; empty for none.
        description: Option<Arc<str>>,
        /// The longest session, in seconds.
        max_session_secs: Option<u32>,
    },
    /// Say anew who may assume a role.
    SetTrust {
        /// The role.
        role: Key,
        /// Who may.
        trust: Document,
    },
    /// Delete a role with nothing left.
    DeleteRole(Key),
    /// Write an inline policy, or write it anew.
    PutInline {
        /// Whose.
        of: Of,
        /// Its name.
        name: Arc<str>,
        /// What it says.
        document: Document,
    },
    /// Delete an inline policy.
    DeleteInline {
        /// Whose.
        of: Of,
        /// Its name.
        name: Arc<str>,
    },
    /// Attach a managed policy. One that is attached is no error.
    Attach {
        /// To whom.
        of: Of,
        /// Its ARN.
        policy: Arc<str>,
    },
    /// Detach a managed policy.
    Detach {
        /// From whom.
        of: Of,
        /// Its ARN.
        policy: Arc<str>,
    },
    /// Make a managed policy the most that a user or a role may, or let nothing be.
    SetBoundary {
        /// Whose.
        of: Of,
        /// Its ARN.
        policy: Option<Arc<str>>,
    },
    /// Create an instance profile.
    CreateInstanceProfile(InstanceProfile),
    /// Delete an instance profile without a role.
    DeleteInstanceProfile(Key),
    /// Give an instance profile its role.
    AddRole {
        /// The profile.
        profile: Key,
        /// The role.
        role: Key,
    },
    /// Take its role from an instance profile.
    RemoveRole {
        /// The profile.
        profile: Key,
        /// The role.
        role: Key,
    },
    /// Create a managed policy.
    CreatePolicy(Policy),
    /// Add a version to a managed policy. Its number is the next one, whatever it says.
    CreateVersion {
        /// The policy.
        policy: Key,
        /// The version.
        version: PolicyVersion,
        /// Whether it counts from now on.
        is_default: bool,
    },
    /// Let another version count.
    SetDefaultVersion {
        /// The policy.
        policy: Key,
        /// The number of the version.
        number: u32,
    },
    /// Delete a version that does not count.
    DeleteVersion {
        /// The policy.
        policy: Key,
        /// The number of the version.
        number: u32,
    },
    /// Delete a policy with its one version that is attached to nobody.
    DeletePolicy(Key),
    /// Add tags, or give them other values.
    AddTags(Tagged, Tags),
    /// Take tags away. Keys that are not there are no error.
    RemoveTags(Tagged, Vec<String>),
}

/// Decides about one command.
pub(crate) fn decide(iam: &Iam, command: &Command) -> Result<Vec<Change>, IamRefusal> {
    match command {
        Command::CreateUser(it) => user::create(iam, it),
        Command::UpdateUser { user, name, path } => user::update(iam, user, name.as_ref(), path.as_ref()),
        Command::DeleteUser(key) => user::delete(iam, key),
        Command::CreateAccessKey { user, key } => user::create_key(iam, user, key),
        Command::SetAccessKey { user, id, active } => user::set_key(iam, user, id, *active),
        Command::DeleteAccessKey { user, id } => user::delete_key(iam, user, id),
        Command::CreateGroup(group) => create_group(iam, group),
        Command::UpdateGroup { group, name, path } => update_group(iam, group, name.as_ref(), path.as_ref()),
        Command::DeleteGroup(key) => delete_group(iam, key),
        Command::AddMember { group, user } => user::add_member(iam, group, user),
        Command::RemoveMember { group, user } => user::remove_member(iam, group, user),
        Command::CreateRole(role) => create_role(iam, role),
        Command::UpdateRole {
            role,
            description,
            max_session_secs,
        } => change_role(iam, role, |role| {
            if let Some(text) = description {
                role.description = Some(text.clone()).filter(|text| !text.is_empty());
            }
            role.max_session_secs = max_session_secs.unwrap_or(role.max_session_secs);
        }),
        Command::SetTrust { role, trust } => {
            check_trust(iam, role, trust)?;
            change_role(iam, role, |role| role.trust = trust.clone())
        }
        Command::DeleteRole(key) => delete_role(iam, key),
        Command::PutInline { of, name, document } => grant::put_inline(iam, of, name, document),
        Command::DeleteInline { of, name } => grant::delete_inline(iam, of, name),
        Command::Attach { of, policy } => grant::attach(iam, of, policy),
        Command::Detach { of, policy } => grant::detach(iam, of, policy),
        Command::SetBoundary { of, policy } => grant::set_boundary(iam, of, policy.as_ref()),
        Command::CreateInstanceProfile(it) => profile::create(iam, it),
        Command::DeleteInstanceProfile(key) => profile::delete(iam, key),
        Command::AddRole { profile, role } => profile::add_role(iam, profile, role),
        Command::RemoveRole { profile, role } => profile::remove_role(iam, profile, role),
        Command::CreatePolicy(policy) => managed::create(iam, policy),
        Command::CreateVersion {
            policy,
            version,
            is_default,
        } => managed::create_version(iam, policy, version, *is_default),
        Command::SetDefaultVersion { policy, number } => managed::set_default(iam, policy, *number),
        Command::DeleteVersion { policy, number } => managed::delete_version(iam, policy, *number),
        Command::DeletePolicy(key) => managed::delete(iam, key),
        Command::AddTags(of, tags) => grant::tag(iam, of, |old| Ok(old.with(tags)?)),
        Command::RemoveTags(of, keys) => grant::tag(iam, of, |old| Ok(old.without(keys))),
    }
}

/// The error for a user, group or role that is not there.
pub fn no_such_identity(kind: IdentityKind, name: &str) -> IamRefusal {
    let name: String = name.chars().take(128).collect();
    IamRefusal::NoSuchEntity(format!("The {kind} with name {name} cannot be found."))
}

fn name_of(key: &Key) -> &str {
    key.as_str().split_once('/').map_or("", |(_, name)| name)
}

fn limited(quota: &'static str, count: usize, max: usize) -> Result<(), IamRefusal> {
    match count < max {
        true => Ok(()),
        false => Err(IamRefusal::Limit { quota, max }),
    }
}

fn create_group(iam: &Iam, group: &Group) -> Result<Vec<Change>, IamRefusal> {
    let name = group.identity.name().clone();
    if iam.group(group.identity.key()).is_some() {
        return Err(IamRefusal::Exists { kind: "Group", name });
    }
    limited("GroupsPerAccount", iam.groups().count(), GROUPS_MAX)?;
    Ok(vec![Change::PutGroup(Arc::new(group.clone()))])
}

fn update_group(
    iam: &Iam,
    key: &Key,
    name: Option<&Arc<str>>,
    path: Option<&Arc<str>>,
) -> Result<Vec<Change>, IamRefusal> {
    let group = iam.group(key);
    let mut group = Group::clone(group.ok_or_else(|| no_such_identity(IdentityKind::Group, name_of(key)))?);
    group.identity.path = path.cloned().unwrap_or(group.identity.path);
    if let Some(name) = name {
        group.identity.rename(name);
    }
    let new = group.identity.key().clone();
    let put = Change::PutGroup(Arc::new(group));
    if new == *key {
        return Ok(vec![put]);
    }
    if let Some(other) = iam.group(&new) {
        let name = other.identity.name().clone();
        return Err(IamRefusal::Exists { kind: "Group", name });
    }
    Ok(vec![Change::DeleteGroup(key.clone()), put])
}

fn delete_group(iam: &Iam, key: &Key) -> Result<Vec<Change>, IamRefusal> {
    let group = iam.group(key);
    let group = group.ok_or_else(|| no_such_identity(IdentityKind::Group, name_of(key)))?;
    if !group.members.is_empty() {
        let why = "Cannot delete entity, must remove users from group first.";
        return Err(IamRefusal::DeleteConflict(why));
    }
    grant::is_empty(&group.identity)?;
    Ok(vec![Change::DeleteGroup(key.clone())])
}

fn create_role(iam: &Iam, role: &Role) -> Result<Vec<Change>, IamRefusal> {
    let (key, name) = (role.identity.key(), role.identity.name().clone());
    if iam.role(key).is_some() {
        return Err(IamRefusal::Exists { kind: "Role", name });
    }
    limited("RolesPerAccount", iam.roles().count(), ROLES_MAX)?;
    check_trust(iam, key, &role.trust)?;
    if let Some(policy) = &role.identity.boundary {
        grant::check_boundary(iam, policy)?;
    }
    Ok(vec![Change::PutRole(Arc::new(role.clone()))])
}

fn delete_role(iam: &Iam, key: &Key) -> Result<Vec<Change>, IamRefusal> {
    let role = iam.role(key);
    let role = role.ok_or_else(|| no_such_identity(IdentityKind::Role, name_of(key)))?;
    let has_it = |profile: &Arc<InstanceProfile>| profile.role.as_ref() == Some(key);
    if iam.instance_profiles().any(has_it) {
        let why = "Cannot delete entity, must remove roles from instance profile first.";
        return Err(IamRefusal::DeleteConflict(why));
    }
    grant::is_empty(&role.identity)?;
    Ok(vec![Change::DeleteRole(key.clone())])
}

fn change_role(iam: &Iam, key: &Key, change: impl FnOnce(&mut Role)) -> Result<Vec<Change>, IamRefusal> {
    let role = iam.role(key);
    let mut role = Role::clone(role.ok_or_else(|| no_such_identity(IdentityKind::Role, name_of(key)))?);
    change(&mut role);
    Ok(vec![Change::PutRole(Arc::new(role))])
}

/// A trust policy is not too long, and whom it names in its own account exists.
fn check_trust(iam: &Iam, role: &Key, trust: &Document) -> Result<(), IamRefusal> {
    if trust.size() > TRUST_CHARS_MAX {
        return Err(IamRefusal::Limit {
            quota: "ACLSizePerRole",
            max: TRUST_CHARS_MAX,
        });
    }
    let account = role.as_str().split('/').next().unwrap_or_default();
    for principal in trust.principals() {
        let Principal::Arn(arn) = principal else { continue };
        let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
        let of_account = arn.split(':').nth(4) == Some(account);
        let last = resource.rsplit('/').next().unwrap_or_default();
        let key = |name: &str| Key::try_from(format!("{account}/{}", name.to_ascii_lowercase()).as_str()).ok();
        let exists = match resource.split('/').next() {
            Some("user") => key(last)
                .and_then(|key| iam.user(&key))
                .is_some_and(|it| it.arn() == **arn),
            Some("role") => iam.role_with_arn(arn).is_some(),
            Some("assumed-role") => {
                let name = resource.split('/').nth(1).unwrap_or_default();
                key(name).is_some_and(|key| iam.role(&key).is_some())
            }
            // Nobody signs in as a federated user here; the policy names nobody.
            _ => true,
        };
        if of_account && !exists {
            let shown: String = arn.chars().take(200).collect();
            return Err(IamRefusal::Principal(format!("\"AWS\":\"{shown}\"")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
