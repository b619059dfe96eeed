//! Users, groups and roles. Source: IAM 2010-05-08 `User`, `Group`, `Role`, `AccessKey`.

use super::document::Document;
use super::name::{Key, Name};
use crate::ids::Timestamp;
use crate::secret::Secret;
use crate::tag::Tags;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What kind of identity something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentityKind {
    /// A user.
    User,
    /// A group of users.
    Group,
    /// A role.
    Role,
}

impl IdentityKind {
    /// `user`, as ARNs and messages have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Role => "role",
        }
    }
}

impl fmt::Display for IdentityKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What users, groups and roles have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    name: Name,
    /// `/`, or more.
    pub path: Arc<str>,
    /// `AIDA…`, `AGPA…`, `AROA…`. Another one when the name is used again.
    pub id: Arc<str>,
    /// When it was made.
    pub created: Timestamp,
    /// Its tags. Groups have none.
    pub tags: Tags,
    /// Inline policies, by name.
    pub inline: BTreeMap<Arc<str>, Document>,
    /// The ARNs of managed policies, in the order they were attached.
    pub attached: Vec<Arc<str>>,
    /// The ARN of the managed policy that is the most it may. `None`: whatever it is granted. Groups have none.
    pub boundary: Option<Arc<str>>,
}

impl Identity {
    /// One without tags and policies.
    pub fn new(name: Name, path: Arc<str>, id: Arc<str>, created: Timestamp) -> Self {
        Self {
            name,
            path,
            id,
            created,
            tags: Tags::default(),
            inline: BTreeMap::new(),
            attached: Vec::new(),
            boundary: None,
        }
    }

    /// What it is called, and in which account.
    pub fn named(&self) -> &Name {
        &self.name
    }

    /// Its name, as it was written.
    pub fn name(&self) -> &Arc<str> {
        self.name.name()
    }

    /// What it is found by.
    pub fn key(&self) -> &Key {
        self.name.key()
    }

    /// Gives it another name in the same account.
    pub fn rename(&mut self, name: &str) {
        self.name = Name::new(self.name.account(), name);
    }

    /// Its ARN.
    pub fn arn(&self, kind: IdentityKind) -> String {
        format!(
            "arn:aws:iam::{}:{kind}{}{}",
            self.name.account(),
            self.path,
            self.name()
        )
    }
}

/// Somebody who calls with keys of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// What all identities have.
    pub identity: Identity,
    /// At most two.
    pub keys: Vec<AccessKey>,
}

/// A key of a user.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessKey {
    /// `AKIA…`.
    pub id: Arc<str>,
    /// What calls are signed with. Shown once, when the key is made.
    pub secret: Secret<Arc<str>>,
    /// An inactive key is refused.
    pub active: bool,
    /// When it was made.
    pub created: Timestamp,
}

/// Users who share what they are granted.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What all identities have.
    pub identity: Identity,
    /// The users, in the order they came.
    pub members: Vec<Key>,
}

/// Somebody whom others become for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Role {
    /// What all identities have.
    pub identity: Identity,
    /// For people. `None`: nobody wrote one.
    pub description: Option<Arc<str>>,
    /// The longest session, in seconds: `3600..=43200`.
    pub max_session_secs: u32,
    /// Who may assume it.
    pub trust: Document,
}

impl User {
    /// Its ARN.
    pub fn arn(&self) -> String {
        self.identity.arn(IdentityKind::User)
    }
}

impl Group {
    /// Its ARN.
    pub fn arn(&self) -> String {
        self.identity.arn(IdentityKind::Group)
    }
}

impl Role {
    /// Its ARN.
    pub fn arn(&self) -> String {
        self.identity.arn(IdentityKind::Role)
    }
}
