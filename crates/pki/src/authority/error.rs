//! Why an authority cannot be opened, and why a certificate cannot be issued.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Utc;
use crate::certificate::CertificateError;
use crate::renewal::ValidityError;

/// Why the local authority cannot be used. Its files are as they were.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The disk refused.
    #[error("cannot {action} {path}", path = path.display())]
    Io {
        /// What was tried: `create`, `read`, `write` or `protect`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The certificate is there without its key, so nothing can be signed.
    #[error("{certificate} has no key: {key} is missing; restore it, or delete the certificate to start over",
        certificate = certificate.display(), key = key.display())]
    KeyMissing {
        /// The certificate that is there.
        certificate: PathBuf,
        /// The key that is not.
        key: PathBuf,
    },
    /// A file cannot be understood.
    #[error("{path} cannot be used; restore it, or delete the authority's files to start over", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CertificateError,
    },
    /// The two files do not belong together.
    #[error("{key} is not the key of {certificate}; restore one of them, or delete both to start over",
        certificate = certificate.display(), key = key.display())]
    Mismatch {
        /// The certificate.
        certificate: PathBuf,
        /// The key of something else.
        key: PathBuf,
    },
    /// The certificate may not sign others.
    #[error("{path} is not the certificate of an authority", path = path.display())]
    NotAnAuthority {
        /// The certificate.
        path: PathBuf,
    },
    /// The clock stands before the authority was made.
    #[error("{path} is not valid before {date}; is the clock right?", path = path.display(), date = Utc(*not_before))]
    NotYetValid {
        /// The certificate.
        path: PathBuf,
        /// The first instant at which it holds.
        not_before: SystemTime,
    },
    /// The clock stands before 1970 or after 9999.
    #[error("the clock is outside the years certificates can be written for")]
    ClockOutOfRange,
    /// The system gave no random numbers.
    #[error("no random numbers")]
    Random,
    /// Signing failed.
    #[error("cannot sign")]
    Sign(#[from] rcgen::Error),
}

impl AuthorityError {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// There was no name.
    #[error("a certificate needs at least one name")]
    NoNames,
    /// There were too many names.
    #[error("{count} names are too many for one certificate; the limit is {names_max}")]
    TooManyNames {
        /// How many there were.
        count: usize,
        /// How many there may be.
        names_max: usize,
    },
    /// No certificate can be for this name.
    #[error("`{name}` is no name a certificate can be for: {reason}")]
    InvalidName {
        /// The name as given, cut to 253 characters.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The authority's own certificate does not hold.
    #[error("the local authority is out of date")]
    AuthorityOutOfDate(#[source] ValidityError),
    /// The disk or signing failed.
    #[error("cannot issue")]
    Authority(#[from] AuthorityError),
    /// The certificate just signed is not usable: a defect of ours.
    #[error("the issued certificate is not usable")]
    Unusable(#[source] CertificateError),
}
