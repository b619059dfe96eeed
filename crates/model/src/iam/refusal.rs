//! Why a command on IAM is refused.

use super::document::Malformed;
use crate::tag::TagRefusal;
use std::sync::Arc;

/// Why a command on IAM is refused. The sentences are AWS's own, as far as they are known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IamRefusal {
    /// The name, or the id, names nothing.
    #[error("{0}")]
    NoSuchEntity(String),
    /// The name is taken.
    #[error("{kind} with name {name} already exists.")]
    Exists {
        /// `User`, `Role`, `Group`; policies say it otherwise.
        kind: &'static str,
        /// The name.
        name: Arc<str>,
    },
    /// An instance profile of that name is there.
    #[error("Instance Profile {0} already exists.")]
    InstanceProfileExists(Arc<str>),
    /// A policy of that name is there.
    #[error("A policy called {0} already exists. Duplicate names are not allowed.")]
    PolicyExists(Arc<str>),
    /// Something still hangs on it.
    #[error("{0}")]
    DeleteConflict(&'static str),
    /// There would be too many.
    #[error("Cannot exceed quota for {quota}: {max}")]
    Limit {
        /// AWS's word for what is counted.
        quota: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// Policies that are too long.
    #[error("Maximum policy size of {max} bytes exceeded for {of} {name}")]
    PolicySize {
        /// The kind of identity, or `policy`.
        of: &'static str,
        /// Its name.
        name: Arc<str>,
        /// How many there may be, white space not counted.
        max: usize,
    },
    /// A policy that cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A role that trusts somebody who does not exist.
    #[error("Invalid principal in policy: {0}")]
    Principal(String),
    /// Tags that cannot be.
    #[error(transparent)]
    Tags(#[from] TagRefusal),
}
