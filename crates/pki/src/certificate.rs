//! A server certificate: chain and private key, parsed and checked once, with the facts TLS and the API need.
//!
//! Left to others: choosing among certificates by SNI, and what to do about one that is out of date (an imported
//! certificate that has expired is still served, as ALB does; `check` calls it an error).

mod details;
mod error;
mod facts;
mod key;
mod pem;

use std::fmt;

use rustls_pki_types::{CertificateDer, PrivateKeyDer};

pub use details::{CertificateDetails, ChainLinks, chain_links, count_certificates};
pub use error::{CertificateError, Found, Part};
pub use facts::Certificate;
pub(crate) use facts::{instant, is_authority, parse};
pub use key::{KeyAlgorithm, SignatureHash};
pub(crate) use key::{client_key, key_pair};
use pem::read_chain;
pub(crate) use pem::{found, printable, read_key};

/// The longest chain we read, in bytes of PEM. Source: ACM `ImportCertificate`, `CertificateChain` (2 MiB).
pub const CHAIN_PEM_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The longest private key file we read, in bytes of PEM. An RSA 4096 key takes about 3,300.
pub const KEY_PEM_BYTES_MAX: usize = 64 * 1024;

/// The most certificates in one chain, the leaf included.
pub const CHAIN_CERTIFICATES_MAX: usize = 16;

/// A certificate chain and the private key of its first certificate.
///
/// It holds: the chain is not empty and every certificate in it parses, the key belongs to the first one, and the key
/// is of a type ALB accepts. It may be out of date: ask [`Certificate::validity`]. Source: ALB 6.1.
pub struct ServerCertificate {
    leaf: Certificate,
    chain: Vec<CertificateDer<'static>>,
    private_key: PrivateKeyDer<'static>,
}

impl ServerCertificate {
    /// Reads a chain (leaf first) and a private key in PKCS#8, SEC1 or PKCS#1, all in PEM. Sections of other kinds are
    /// skipped, so that one file with both may be given for both.
    ///
    /// # Errors
    /// Every mistake that keeps the pair from being served, in the order chain, key, pair; never empty. Being out of
    /// date is none of them.
    pub fn from_pem(chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, Vec<CertificateError>> {
        let chain = read_chain(chain_pem).and_then(|chain| Ok((facts::read_all(&chain)?, chain)));
        let key = read_key(key_pem);
        let ((facts, chain), private_key) = match (chain, key) {
            (Ok(chain), Ok(key)) => (chain, key),
            (chain, key) => return Err(chain.err().into_iter().chain(key.err()).collect()),
        };
        key::check_pair(&facts.public_keys, &private_key).map_err(|error| vec![error])?;
        Ok(Self {
            leaf: facts.leaf,
            chain,
            private_key,
        })
    }

    /// The facts of the first certificate.
    #[must_use]
    pub fn leaf(&self) -> &Certificate {
        &self.leaf
    }

    /// The chain to present, leaf first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The private key. Its `Debug` prints no secret.
    #[must_use]
    pub fn private_key(&self) -> &PrivateKeyDer<'static> {
        &self.private_key
    }
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCertificate")
            .field("leaf", &self.leaf)
            .field("chain", &format_args!("{} certificates", self.chain.len()))
            .field("private_key", &"***")
            .finish()
    }
}

#[cfg(test)]
mod tests;
