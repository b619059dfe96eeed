//! Users, groups, roles and policies of IAM. Secrets of access keys stand here as they are: the file is the user's alone.

use super::value::Text;
use super::{Invalid, Kind, RecordError, Shape, raw};
use model::iam::document::Use;
use model::iam::name::{InvalidKey, Key, Name, is_name, is_path};
use model::iam::policy::PolicyVersion;
use model::iam::{AccessKey, Change, Document, Group, Identity, InstanceProfile, Policy, Role, User};
use model::{AccountId, Secret, Tags, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a change is about.
pub(super) fn subject(change: &Change) -> (Kind, &str) {
    match change {
        Change::PutUser(it) => (Kind::IamUser, it.identity.key().as_str()),
        Change::DeleteUser(key) => (Kind::IamUser, key.as_str()),
        Change::PutGroup(it) => (Kind::IamGroup, it.identity.key().as_str()),
        Change::DeleteGroup(key) => (Kind::IamGroup, key.as_str()),
        Change::PutRole(it) => (Kind::IamRole, it.identity.key().as_str()),
        Change::DeleteRole(key) => (Kind::IamRole, key.as_str()),
        Change::PutPolicy(it) => (Kind::IamPolicy, it.key().as_str()),
        Change::DeletePolicy(key) => (Kind::IamPolicy, key.as_str()),
        Change::PutInstanceProfile(it) => (Kind::InstanceProfile, it.key().as_str()),
        Change::DeleteInstanceProfile(key) => (Kind::InstanceProfile, key.as_str()),
    }
}

/// Whether two changes share what they put.
pub(super) fn is_shared(left: &Change, right: &Change) -> bool {
    match (left, right) {
        (Change::PutUser(left), Change::PutUser(right)) => Arc::ptr_eq(left, right),
        (Change::PutGroup(left), Change::PutGroup(right)) => Arc::ptr_eq(left, right),
        (Change::PutRole(left), Change::PutRole(right)) => Arc::ptr_eq(left, right),
        (Change::PutPolicy(left), Change::PutPolicy(right)) => Arc::ptr_eq(left, right),
        (Change::PutInstanceProfile(left), Change::PutInstanceProfile(right)) => Arc::ptr_eq(left, right),
        _ => false,
    }
}

/// What is put; `None`: it is a deletion.
pub(super) fn put(change: &Change) -> Option<Box<RawValue>> {
    match change {
        Change::PutUser(it) => Some(raw(&UserV1::of(it))),
        Change::PutGroup(it) => Some(raw(&GroupV1::of(it))),
        Change::PutRole(it) => Some(raw(&RoleV1::of(it))),
        Change::PutPolicy(it) => Some(raw(&PolicyV1::of(it))),
        Change::PutInstanceProfile(it) => Some(raw(&InstanceProfileV1::of(it))),
        Change::DeleteUser(_)
        | Change::DeleteGroup(_)
        | Change::DeleteRole(_)
        | Change::DeletePolicy(_)
        | Change::DeleteInstanceProfile(_) => None,
    }
}

/// A deletion. `kind` is one of this file's.
pub(super) fn delete(kind: Kind, key: &str) -> Result<Change, RecordError> {
    let key = Key::try_from(key).map_err(|error: InvalidKey| Invalid::because(error).of(kind))?;
    Ok(match kind {
        Kind::IamGroup => Change::DeleteGroup(key),
        Kind::IamRole => Change::DeleteRole(key),
        Kind::IamPolicy => Change::DeletePolicy(key),
        Kind::InstanceProfile => Change::DeleteInstanceProfile(key),
        _ => Change::DeleteUser(key),
    })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityV1 {
    account: Text<AccountId>,
    name: String,
    path: String,
    id: String,
    created_millis: u64,
    tags: BTreeMap<String, String>,
    /// Texts by name.
    inline: BTreeMap<String, String>,
    attached: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boundary: Option<String>,
}

impl IdentityV1 {
    fn of(identity: &Identity) -> Self {
        let inline = identity.inline.iter();
        Self {
            account: Text(identity.named().account().clone()),
            name: identity.name().to_string(),
            path: identity.path.to_string(),
            id: identity.id.to_string(),
            created_millis: identity.created.0,
            tags: tags_of(&identity.tags),
            inline: inline
                .map(|(name, document)| (name.to_string(), document.as_str().to_owned()))
                .collect(),
            attached: identity.attached.iter().map(ToString::to_string).collect(),
            boundary: identity.boundary.as_ref().map(ToString::to_string),
        }
    }

    fn into_identity(self) -> Result<Identity, Invalid> {
        let name = name(&self.account.0, &self.name, &self.path)?;
        let mut identity = Identity::new(name, self.path.into(), self.id.into(), Timestamp(self.created_millis));
        identity.tags = into_tags(&self.tags)?;
        for (name, text) in self.inline {
            identity.inline.insert(name.into(), document(&text, Use::Identity)?);
        }
        identity.attached = self.attached.into_iter().map(Into::into).collect();
        identity.boundary = self.boundary.map(Into::into);
        Ok(identity)
    }
}

fn name(account: &AccountId, name: &str, path: &str) -> Result<Name, Invalid> {
    match is_name(name, 128) && is_path(path) {
        true => Ok(Name::new(account, name)),
        false => Err(Invalid::because("the name or the path cannot be")),
    }
}

fn tags_of(tags: &Tags) -> BTreeMap<String, String> {
    let tags = tags.iter();
    tags.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn into_tags(tags: &BTreeMap<String, String>) -> Result<Tags, Invalid> {
    let pairs = tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    Tags::new(pairs).map_err(Invalid::because)
}

fn document(text: &str, of: Use) -> Result<Document, Invalid> {
    Document::read(text, of).map_err(Invalid::because)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserV1 {
    identity: IdentityV1,
    keys: Vec<AccessKeyV1>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessKeyV1 {
    id: String,
    secret: String,
    active: bool,
    created_millis: u64,
}

impl Shape for UserV1 {
    type Resource = User;

    fn of(resource: &User) -> Self {
        let User { identity, keys } = resource;
        let key = |it: &AccessKey| {
            let AccessKey {
                id,
                secret,
                active,
                created,
            } = it;
            AccessKeyV1 {
                id: id.to_string(),
                secret: secret.expose().to_string(),
                active: *active,
                created_millis: created.0,
            }
        };
        Self {
            identity: IdentityV1::of(identity),
            keys: keys.iter().map(key).collect(),
        }
    }

    fn into_resource(self) -> Result<User, Invalid> {
        let key = |it: AccessKeyV1| AccessKey {
            id: it.id.into(),
            secret: Secret::new(it.secret.into()),
            active: it.active,
            created: Timestamp(it.created_millis),
        };
        Ok(User {
            identity: self.identity.into_identity()?,
            keys: self.keys.into_iter().map(key).collect(),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupV1 {
    identity: IdentityV1,
    members: Vec<Text<Key>>,
}

impl Shape for GroupV1 {
    type Resource = Group;

    fn of(resource: &Group) -> Self {
        let Group { identity, members } = resource;
        Self {
            identity: IdentityV1::of(identity),
            members: members.iter().cloned().map(Text).collect(),
        }
    }

    fn into_resource(self) -> Result<Group, Invalid> {
        Ok(Group {
            identity: self.identity.into_identity()?,
            members: self.members.into_iter().map(|it| it.0).collect(),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleV1 {
    identity: IdentityV1,
    description: Option<String>,
    max_session_secs: u32,
    trust: String,
}

impl Shape for RoleV1 {
    type Resource = Role;

    fn of(resource: &Role) -> Self {
        let Role {
            identity,
            description,
            max_session_secs,
            trust,
        } = resource;
        Self {
            identity: IdentityV1::of(identity),
            description: description.as_ref().map(ToString::to_string),
            max_session_secs: *max_session_secs,
            trust: trust.as_str().to_owned(),
        }
    }

    fn into_resource(self) -> Result<Role, Invalid> {
        Ok(Role {
            identity: self.identity.into_identity()?,
            description: self.description.map(Into::into),
            max_session_secs: self.max_session_secs,
            trust: document(&self.trust, Use::Trust)?,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyV1 {
    account: Text<AccountId>,
    name: String,
    path: String,
    id: String,
    description: Option<String>,
    created_millis: u64,
    updated_millis: u64,
    tags: BTreeMap<String, String>,
    versions: Vec<PolicyVersionV1>,
    default_version: u32,
    last_version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyVersionV1 {
    number: u32,
    document: String,
    created_millis: u64,
}

impl Shape for PolicyV1 {
    type Resource = Policy;

    fn of(resource: &Policy) -> Self {
        let Policy {
            name,
            path,
            id,
            description,
            created,
            updated,
            tags,
            versions,
            default_version,
            last_version,
        } = resource;
        let version = |it: &PolicyVersion| PolicyVersionV1 {
            number: it.number,
            document: it.document.as_str().to_owned(),
            created_millis: it.created.0,
        };
        Self {
            account: Text(name.account().clone()),
            name: name.name().to_string(),
            path: path.to_string(),
            id: id.to_string(),
            description: description.as_ref().map(ToString::to_string),
            created_millis: created.0,
            updated_millis: updated.0,
            tags: tags_of(tags),
            versions: versions.iter().map(version).collect(),
            default_version: *default_version,
            last_version: *last_version,
        }
    }

    fn into_resource(self) -> Result<Policy, Invalid> {
        let version = |it: PolicyVersionV1| {
            Ok(PolicyVersion {
                number: it.number,
                document: document(&it.document, Use::Identity)?,
                created: Timestamp(it.created_millis),
            })
        };
        let policy = Policy {
            name: name(&self.account.0, &self.name, &self.path)?,
            path: self.path.into(),
            id: self.id.into(),
            description: self.description.map(Into::into),
            created: Timestamp(self.created_millis),
            updated: Timestamp(self.updated_millis),
            tags: into_tags(&self.tags)?,
            versions: self.versions.into_iter().map(version).collect::<Result<_, Invalid>>()?,
            default_version: self.default_version,
            last_version: self.last_version,
        };
        match policy.document().is_some() {
            true => Ok(policy),
            false => Err(Invalid::because("the version that counts is not there")),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InstanceProfileV1 {
    account: Text<AccountId>,
    name: String,
    path: String,
    id: String,
    created_millis: u64,
    tags: BTreeMap<String, String>,
    role: Option<Text<Key>>,
}

impl Shape for InstanceProfileV1 {
    type Resource = InstanceProfile;

    fn of(resource: &InstanceProfile) -> Self {
        let InstanceProfile {
            name,
            path,
            id,
            created,
            tags,
            role,
        } = resource;
        Self {
            account: Text(name.account().clone()),
            name: name.name().to_string(),
            path: path.to_string(),
            id: id.to_string(),
            created_millis: created.0,
            tags: tags_of(tags),
            role: role.clone().map(Text),
        }
    }

    fn into_resource(self) -> Result<InstanceProfile, Invalid> {
        Ok(InstanceProfile {
            name: name(&self.account.0, &self.name, &self.path)?,
            path: self.path.into(),
            id: self.id.into(),
            created: Timestamp(self.created_millis),
            tags: into_tags(&self.tags)?,
            role: self.role.map(|it| it.0),
        })
    }
}
