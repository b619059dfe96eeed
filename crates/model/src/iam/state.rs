//! What exists in IAM.

use super::document::Document;
use super::evaluate::{Assuming, Context, Decision, Request, evaluate, trusts};
use super::identity::{AccessKey, Group, Identity, IdentityKind, Role, User};
use super::instance_profile::InstanceProfile;
use super::managed::{self, Managed};
use super::name::Key;
use super::policy::Policy;
use rpds::RedBlackTreeMapSync as Map;
use std::sync::Arc;

/// Users, groups, roles and policies of all accounts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Iam {
    users: Map<Key, Arc<User>>,
    groups: Map<Key, Arc<Group>>,
    roles: Map<Key, Arc<Role>>,
    policies: Map<Key, Arc<Policy>>,
    instance_profiles: Map<Key, Arc<InstanceProfile>>,
    /// Whose a key is, by the key's id.
    key_owners: Map<Arc<str>, Key>,
}

/// Something put in place or taken away.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum Change {
    PutUser(Arc<User>),
    DeleteUser(Key),
    PutGroup(Arc<Group>),
    DeleteGroup(Key),
    PutRole(Arc<Role>),
    DeleteRole(Key),
    PutPolicy(Arc<Policy>),
    DeletePolicy(Key),
    PutInstanceProfile(Arc<InstanceProfile>),
    DeleteInstanceProfile(Key),
}

/// A managed policy of an account, or of AWS.
#[derive(Clone, Copy, Debug)]
pub enum AnyPolicy<'a> {
    /// Of an account.
    Own(&'a Arc<Policy>),
    /// Of AWS.
    Aws(&'static Managed),
}

impl AnyPolicy<'_> {
    /// What counts.
    pub fn document(&self) -> Option<&Document> {
        match self {
            Self::Own(policy) => policy.document(),
            Self::Aws(policy) => Some(&policy.document),
        }
    }
}

impl Iam {
    /// The changes that make all of it from nothing.
    pub fn whole(&self) -> impl Iterator<Item = Change> {
        let users = self.users.values().cloned().map(Change::PutUser);
        let groups = self.groups.values().cloned().map(Change::PutGroup);
        let roles = self.roles.values().cloned().map(Change::PutRole);
        let policies = self.policies.values().cloned().map(Change::PutPolicy);
        let profiles = self.instance_profiles.values().cloned();
        let profiles = profiles.map(Change::PutInstanceProfile);
        users.chain(groups).chain(roles).chain(policies).chain(profiles)
    }

    /// Puts one change in place.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::PutUser(it) => {
                let key = it.identity.key().clone();
                self.forget_keys(&key);
                for access_key in &it.keys {
                    self.key_owners.insert_mut(access_key.id.clone(), key.clone());
                }
                self.users.insert_mut(key, it.clone());
            }
            Change::DeleteUser(key) => {
                self.forget_keys(key);
                self.users.remove_mut(key);
            }
            Change::PutGroup(it) => self.groups.insert_mut(it.identity.key().clone(), it.clone()),
            Change::DeleteGroup(key) => drop(self.groups.remove_mut(key)),
            Change::PutRole(it) => self.roles.insert_mut(it.identity.key().clone(), it.clone()),
            Change::DeleteRole(key) => drop(self.roles.remove_mut(key)),
            Change::PutPolicy(it) => self.policies.insert_mut(it.key().clone(), it.clone()),
            Change::DeletePolicy(key) => drop(self.policies.remove_mut(key)),
            Change::PutInstanceProfile(it) => self.instance_profiles.insert_mut(it.key().clone(), it.clone()),
            Change::DeleteInstanceProfile(key) => drop(self.instance_profiles.remove_mut(key)),
        }
    }

    fn forget_keys(&mut self, user: &Key) {
        let keys = self.users.get(user).map(|user| user.keys.clone()).unwrap_or_default();
        for key in keys {
            self.key_owners.remove_mut(&key.id);
        }
    }

    /// A user.
    pub fn user(&self, key: &Key) -> Option<&Arc<User>> {
        self.users.get(key)
    }

    /// All users, by name.
    pub fn users(&self) -> impl Iterator<Item = &Arc<User>> {
        self.users.values()
    }

    /// A group.
    pub fn group(&self, key: &Key) -> Option<&Arc<Group>> {
        self.groups.get(key)
    }

    /// All groups, by name.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.groups.values()
    }

    /// The groups that a user is in.
    pub fn groups_of<'a>(&'a self, user: &'a Key) -> impl Iterator<Item = &'a Arc<Group>> {
        self.groups().filter(move |group| group.members.contains(user))
    }

    /// A role.
    pub fn role(&self, key: &Key) -> Option<&Arc<Role>> {
        self.roles.get(key)
    }

    /// All roles, by name.
    pub fn roles(&self) -> impl Iterator<Item = &Arc<Role>> {
        self.roles.values()
    }

    /// The role with this ARN.
    pub fn role_with_arn(&self, arn: &str) -> Option<&Arc<Role>> {
        self.role(&key_of(arn, "role/")?).filter(|role| role.arn() == arn)
    }

    /// Whether a service, such as `lambda.amazonaws.com`, may assume the role. `None`: there is no such role.
    pub fn may_assume(&self, service: &str, role_arn: &str, context: &Context) -> Option<bool> {
        let role = self.role_with_arn(role_arn)?;
        let trust = trusts(&role.trust, Assuming::Service(service), "sts:AssumeRole", context);
        Some(trust.is_some())
    }

    /// Whether a role may do something: its policies allow it, and its boundary if it has one. A role that is not there may nothing.
    pub fn role_may(&self, role_arn: &str, request: &Request<'_>) -> bool {
        self.role_is_within(role_arn, request)
            .is_some_and(|decision| decision == Decision::Allowed)
    }

    /// Whether a role may do what the policy of the resource allows it: nothing that it has denies it, and its boundary if it has
    /// one allows it, too.
    pub fn role_may_as_named(&self, role_arn: &str, request: &Request<'_>) -> bool {
        self.role_is_within(role_arn, request)
            .is_some_and(|decision| decision != Decision::Denied)
    }

    /// What the policies of a role say, if it is there and its boundary allows it.
    fn role_is_within(&self, role_arn: &str, request: &Request<'_>) -> Option<Decision> {
        let role = self.role_with_arn(role_arn)?;
        let boundary = self.boundary_of(&role.identity);
        let is_within = boundary.is_none_or(|documents| evaluate(documents, request) == Decision::Allowed);
        is_within.then(|| evaluate(self.documents_of(&role.identity), request))
    }

    /// A policy of an account.
    pub fn policy(&self, key: &Key) -> Option<&Arc<Policy>> {
        self.policies.get(key)
    }

    /// All policies of accounts, by name.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.policies.values()
    }

    /// An instance profile.
    pub fn instance_profile(&self, key: &Key) -> Option<&Arc<InstanceProfile>> {
        self.instance_profiles.get(key)
    }

    /// All instance profiles, by name.
    pub fn instance_profiles(&self) -> impl Iterator<Item = &Arc<InstanceProfile>> {
        self.instance_profiles.values()
    }

    /// The policy with this ARN, of an account or of AWS.
    pub fn policy_with_arn(&self, arn: &str) -> Option<AnyPolicy<'_>> {
        if let Some(managed) = managed::with_arn(arn) {
            return Some(AnyPolicy::Aws(managed));
        }
        let found = self.policy(&key_of(arn, "policy/")?);
        found.filter(|policy| policy.arn() == arn).map(AnyPolicy::Own)
    }

    /// An access key, and whose it is.
    pub fn access_key(&self, id: &str) -> Option<(&Arc<User>, &AccessKey)> {
        let user = self.user(self.key_owners.get(id)?)?;
        let key = user.keys.iter().find(|key| *key.id == *id)?;
        Some((user, key))
    }

    /// What users, groups and roles have in common, of one of them.
    pub fn identity(&self, kind: IdentityKind, key: &Key) -> Option<&Identity> {
        match kind {
            IdentityKind::User => self.user(key).map(|it| &it.identity),
            IdentityKind::Group => self.group(key).map(|it| &it.identity),
            IdentityKind::Role => self.role(key).map(|it| &it.identity),
        }
    }

    /// All users, groups and roles.
    pub fn identities(&self) -> impl Iterator<Item = (IdentityKind, &Identity)> {
        let users = self.users().map(|it| (IdentityKind::User, &it.identity));
        let groups = self.groups().map(|it| (IdentityKind::Group, &it.identity));
        let roles = self.roles().map(|it| (IdentityKind::Role, &it.identity));
        users.chain(groups).chain(roles)
    }

    /// Whom a policy is attached to.
    pub fn attached_to<'a>(&'a self, policy: &'a str) -> impl Iterator<Item = (IdentityKind, &'a Identity)> {
        self.identities()
            .filter(move |(_, identity)| identity.attached.iter().any(|arn| **arn == *policy))
    }

    /// Whose permissions boundary a policy is.
    pub fn bounded_by<'a>(&'a self, policy: &'a str) -> impl Iterator<Item = (IdentityKind, &'a Identity)> {
        self.identities()
            .filter(move |(_, identity)| identity.boundary.as_deref() == Some(policy))
    }

    /// The documents that are the most an identity may. `None`: it has no boundary.
    pub fn boundary_of<'a>(&'a self, identity: &'a Identity) -> Option<Vec<&'a Document>> {
        let arn = identity.boundary.as_ref()?;
        // A policy that is gone allows nothing.
        let document = self.policy_with_arn(arn).and_then(|policy| match policy {
            AnyPolicy::Own(policy) => policy.document(),
            AnyPolicy::Aws(policy) => Some(&policy.document),
        });
        Some(document.into_iter().collect())
    }

    /// The documents that say what a user may.
    pub fn documents_of_user<'a>(&'a self, user: &'a User) -> Vec<&'a Document> {
        let key = user.identity.key();
        let groups = self.groups().filter(|group| group.members.contains(key));
        let identities = std::iter::once(&user.identity).chain(groups.map(|group| &group.identity));
        identities.flat_map(|identity| self.documents_of(identity)).collect()
    }

    /// The documents of one identity.
    pub fn documents_of<'a>(&'a self, identity: &'a Identity) -> impl Iterator<Item = &'a Document> {
        let attached = identity
            .attached
            .iter()
            .filter_map(|arn| match self.policy_with_arn(arn)? {
                AnyPolicy::Own(policy) => policy.document(),
                AnyPolicy::Aws(policy) => Some(&policy.document),
            });
        identity.inline.values().chain(attached)
    }
}

/// What an ARN of IAM names: `arn:aws:iam::000000000000:role/path/name`.
fn key_of(arn: &str, kind: &str) -> Option<Key> {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let ["arn", _, "iam", "", account, resource] = parts[..] else {
        return None;
    };
    let account = crate::ids::AccountId::try_from(account).ok()?;
    let name = resource.strip_prefix(kind)?.rsplit('/').next()?;
    Some(Key::new(&account, name))
}
