//! Certificates: the local certificate authority, the certificates it issues, and reading what a user imports.
//!
//! - [`Authority`] keeps `ca.pem` and `ca.key` and issues certificates for names, cached on disk until they are due.
//! - [`ServerCertificate`] is a chain with its private key, parsed and checked once, ready for a TLS server.
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

pub use authority::{
    Authority, AuthorityError, AuthorityOrigin, IssueError, IssuedCertificate, LeafOrigin, NAMES_MAX, PrivateKeyPem,
};
pub use certificate::{
    CHAIN_CERTIFICATES_MAX, CHAIN_PEM_BYTES_MAX, Certificate, CertificateError, Found, KEY_PEM_BYTES_MAX, KeyAlgorithm,
    Part, ServerCertificate, SignatureHash,
};
pub use renewal::{RENEW_BEFORE, Renewal, Validity, ValidityError};
