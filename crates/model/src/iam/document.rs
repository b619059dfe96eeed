//! The language of policies. Source: IAM "grammar of the JSON policy language".
//!
//! A document is kept as it was written, and read once into statements. What cannot be read is refused: nothing that is not
//! understood ever allows anything.

pub(super) mod condition;
mod json;
pub(super) mod pattern;
mod read;

use condition::Condition;
use pattern::Pattern;
use std::fmt;
use std::sync::Arc;

/// A policy, read.
#[derive(Clone)]
pub struct Document {
    text: Arc<str>,
    statements: Arc<[Statement]>,
}

/// The text says it all.
impl fmt::Debug for Document {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Document({:?})", self.text)
    }
}

/// Two documents of one text say the same.
impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// What a policy is attached to, which decides what may stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// An identity: it names resources, and no principals.
    Identity,
    /// A role, to say who may assume it: it names principals, and no resources.
    Trust,
}

/// Why a text is no policy. AWS's own sentences, as far as they are known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Statement {
    pub(super) effect: Effect,
    /// Whom a trust policy is about; nobody in others.
    pub(super) principals: Vec<Principal>,
    pub(super) actions: Matching,
    /// `None` in a trust policy.
    pub(super) resources: Option<Matching>,
    pub(super) conditions: Vec<Condition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// Patterns of which one has to match, or none may.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matching {
    pub(super) negative: bool,
    pub(super) patterns: Vec<Pattern>,
}

/// Somebody in a trust policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// `*`.
    Everyone,
    /// An account: whoever its own policies let.
    Account(Arc<str>),
    /// A user, a role or a session, by ARN.
    Arn(Arc<str>),
    /// A service, such as `lambda.amazonaws.com`.
    Service(Arc<str>),
    /// Somebody who signed in elsewhere. Nobody does that here.
    Federated(Arc<str>),
}

impl Document {
    /// Reads a policy.
    ///
    /// # Errors
    /// It is none.
    pub fn read(text: &str, of: Use) -> Result<Self, Malformed> {
        Ok(Self {
            statements: read::statements(text, of)?.into(),
            text: text.into(),
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How much of its quota it takes: characters but for white space.
    pub fn size(&self) -> usize {
        self.text.chars().filter(|it| !it.is_whitespace()).count()
    }

    /// Whom it names.
    pub fn principals(&self) -> impl Iterator<Item = &Principal> {
        self.statements.iter().flat_map(|statement| &statement.principals)
    }

    pub(super) fn statements(&self) -> &[Statement] {
        &self.statements
    }
}
