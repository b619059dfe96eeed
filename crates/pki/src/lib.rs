//! Certificates: the local certificate authority, the certificates it issues, and reading what a user imports.
//!
//! - [`Authority`] keeps `ca.pem` and `ca.key` and issues certificates for names, cached on disk until they are due.
//! - [`ServerCertificate`] is a chain with its private key, parsed and checked once, ready for a TLS server.
//! - [`TrustBundle`] and [`RevocationList`] are what a trust store is made of, checked once.
//! - [`Validity`] decides, without a clock of its own, whether a certificate holds and when it is due for renewal.
//!
//! Left to others: which listener uses a certificate, choosing one by SNI (ALB 6.1), TLS itself, and asking again when
//! a certificate is due. All work here is blocking and belongs off the traffic cores.

#![forbid(unsafe_code)]

mod authority;
mod certificate;
mod renewal;
#[cfg(test)]
mod testing;
mod trust;

pub use authority::{
    Authority, AuthorityError, AuthorityOrigin, IssueError, IssuedCertificate, LeafOrigin, NAMES_MAX, PrivateKeyPem,
};
pub use certificate::{
    CHAIN_CERTIFICATES_MAX, CHAIN_PEM_BYTES_MAX, Certificate, CertificateDetails, CertificateError, ChainLinks, Found,
    KEY_PEM_BYTES_MAX, KeyAlgorithm, Part, ServerCertificate, SignatureHash, chain_links, count_certificates,
};
pub use renewal::{RENEW_BEFORE, Renewal, Validity, ValidityError};
pub use trust::{
    ADVERTISED_SUBJECT_BYTES_MAX, REVOCATION_ENTRIES_MAX, REVOCATION_LIST_BYTES_MAX, REVOCATION_LISTS_MAX,
    RevocationList, RevocationListError, TRUST_BUNDLE_BYTES_MAX, TRUSTED_AUTHORITIES_MAX, TRUSTED_AUTHORITY_BYTES_MAX,
    TrustBundle, TrustBundleError, TrustedAuthority, check_revocation_lists,
};
