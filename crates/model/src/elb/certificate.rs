//! Server certificates, as ALB sees those of ACM. Source: ALB 6.1.

use crate::arn::CertificateArn;
use crate::ids::{Owner, Timestamp};
use crate::secret::Secret;
use std::sync::Arc;

/// A certificate with its key. `pki` read and checked it before it came here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its ARN.
    pub arn: CertificateArn,
    /// The names it covers, lower-case; `*.` stands for one label.
    pub names: Vec<String>,
    /// The kind of its key.
    pub key: CertificateKey,
    /// Start of its validity.
    pub not_before: Timestamp,
    /// End of its validity.
    pub not_after: Timestamp,
    /// Leaf first, PEM.
    pub chain_pem: Arc<str>,
    /// The private key, PEM.
    pub private_key_pem: Secret<Arc<str>>,
    /// Who may change it.
    pub owner: Owner,
}

/// The key of a certificate. The order is the order of preference when several certificates match one SNI name:
/// later is better. Source: ALB 6.1 "selection".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CertificateKey {
    /// RSA with this many bits: 2048, 3072 or 4096.
    Rsa(u16),
    /// ECDSA on the curve of this many bits: 256, 384 or 521.
    Ecdsa(u16),
}

/// Whether `pattern` (a name of a certificate, lower-case) covers `name` (lower-case). `*.` covers exactly one label.
pub fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(rest) => name
            .split_once('.')
            .is_some_and(|(label, tail)| !label.is_empty() && tail == rest),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_one_label() {
        assert!(covers("shop.localhost", "shop.localhost"));
        assert!(covers("*.localhost", "shop.localhost"));
        for (pattern, name) in [
            ("*.localhost", "localhost"),
            ("*.localhost", "a.b.localhost"),
            ("*.localhost", ".localhost"),
            ("a.b", "a.c"),
        ] {
            assert!(!covers(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn ecdsa_is_preferred_then_the_longer_key() {
        assert!(CertificateKey::Ecdsa(256) > CertificateKey::Rsa(4096));
        assert!(CertificateKey::Rsa(4096) > CertificateKey::Rsa(2048));
    }
}
