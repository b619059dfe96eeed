//! Instance profiles: how roles are handed to instances. There are no instances here; what makes networks and roles makes
//! profiles too. Source: IAM 2010-05-08 `InstanceProfile`.

use super::name::{Key, Name};
use crate::ids::Timestamp;
use crate::tag::Tags;
use std::sync::Arc;

/// One instance profile.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceProfile {
    /// What it is called, and in which account.
    pub name: Name,
    /// `/`, or more.
    pub path: Arc<str>,
    /// `AIPA…`. Another one when the name is used again.
    pub id: Arc<str>,
    /// When it was made.
    pub created: Timestamp,
    /// Its tags.
    pub tags: Tags,
    /// Its role: one at most.
    pub role: Option<Key>,
}

impl InstanceProfile {
    /// What it is found by.
    pub fn key(&self) -> &Key {
        self.name.key()
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        format!(
            "arn:aws:iam::{}:instance-profile{}{}",
            self.name.account(),
            self.path,
            self.name.name()
        )
    }
}
