//! Managed policies. Source: IAM 2010-05-08 `Policy`, `PolicyVersion`.

use super::document::Document;
use super::name::{Key, Name};
use crate::ids::Timestamp;
use crate::tag::Tags;
use std::sync::Arc;

/// Versions of one policy.
pub const VERSIONS_MAX: usize = 5;

/// A policy that identities are granted by its ARN.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// What it is called, and in which account.
    pub name: Name,
    /// `/`, or more.
    pub path: Arc<str>,
    /// `ANPA…`.
    pub id: Arc<str>,
    /// For people.
    pub description: Option<Arc<str>>,
    /// When it was made.
    pub created: Timestamp,
    /// When a version was made last, or became the default.
    pub updated: Timestamp,
    /// Its tags.
    pub tags: Tags,
    /// By number, at least one. Numbers are not used again.
    pub versions: Vec<PolicyVersion>,
    /// The number of the version that counts, which is one of them.
    pub default_version: u32,
    /// The highest number that was ever used.
    pub last_version: u32,
}

/// One version.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyVersion {
    /// `v1` is 1.
    pub number: u32,
    /// What it says.
    pub document: Document,
    /// When it was made.
    pub created: Timestamp,
}

impl Policy {
    /// What it is found by.
    pub fn key(&self) -> &Key {
        self.name.key()
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        format!(
            "arn:aws:iam::{}:policy{}{}",
            self.name.account(),
            self.path,
            self.name.name()
        )
    }

    /// A version by its number.
    pub fn version(&self, number: u32) -> Option<&PolicyVersion> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// What counts.
    pub fn document(&self) -> Option<&Document> {
        self.version(self.default_version).map(|version| &version.document)
    }
}
