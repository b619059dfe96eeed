//! What a trust store is made of: a bundle of certificate authorities and lists of what they have revoked. Source: ALB 6.5.
//!
//! Everything is checked here once, with the parser that verifies clients later, so that what is accepted can be used.
//!
//! Left to others: verifying clients (`proxy`), and what refers to a trust store (`model`).

mod bundle;
mod error;
mod revocation;

pub use bundle::{TrustBundle, TrustedAuthority};
pub use error::{RevocationListError, TrustBundleError};
pub use revocation::{RevocationList, check_revocation_lists};

/// The most certificates in one bundle. Source: ALB 6.5, quotas.
pub const TRUSTED_AUTHORITIES_MAX: usize = 25;

/// The largest certificate in a bundle, in bytes of DER. Source: ALB 6.5, quotas.
pub const TRUSTED_AUTHORITY_BYTES_MAX: usize = 16 * 1024;

/// The longest bundle we read, in bytes: as much as the certificates may take in base64, and room for comments.
pub const TRUST_BUNDLE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The most bytes that the subjects of a bundle may have together, DER, when clients are told them. Source: ALB 6.5.
pub const ADVERTISED_SUBJECT_BYTES_MAX: usize = 10_000;

/// The most revocation lists of one trust store. Source: ALB 6.5, quotas.
pub const REVOCATION_LISTS_MAX: usize = 30;

/// The most entries of all revocation lists of one trust store. Source: ALB 6.5, quotas.
pub const REVOCATION_ENTRIES_MAX: u32 = 500_000;

/// The largest revocation list, in bytes as given. Source: ALB 6.5, quotas.
pub const REVOCATION_LIST_BYTES_MAX: usize = 50 * 1024 * 1024;

#[cfg(test)]
mod tests;
