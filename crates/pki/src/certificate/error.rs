//! What may be wrong with a chain and its key, in words for the person who chose the files.

use std::fmt;

/// Which of the two inputs a mistake is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The certificate chain.
    Chain,
    /// The private key.
    PrivateKey,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chain => "certificate chain",
            Self::PrivateKey => "private key",
        })
    }
}

/// What stood in a file in which we did not find what we looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing at all.
    Empty,
    /// Bytes that are no text: DER, PKCS#12 or another format.
    Binary,
    /// Text without a PEM section.
    Text,
    /// PEM sections with these labels, at most four, each cut to 40 printable characters.
    Sections(Vec<String>),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an empty file"),
            Self::Binary => f.write_str("binary data (DER or PKCS#12? convert it to PEM)"),
            Self::Text => f.write_str("text without a PEM section"),
            Self::Sections(labels) => {
                for (index, label) in labels.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(f, "{separator}`{label}`")?;
                }
                Ok(())
            }
        }
    }
}

/// Why a chain and a key cannot be served. Being out of date is not among the reasons: see
/// [`ValidityError`](crate::ValidityError).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The input is longer than we read.
    #[error("{part} has {bytes} bytes, more than {bytes_max}")]
    TooLarge {
        /// The input that is too long.
        part: Part,
        /// Its length.
        bytes: usize,
        /// The longest we read.
        bytes_max: usize,
    },
    /// A PEM section is not closed, or its base64 is damaged.
    #[error("{0} is damaged: a PEM section is not closed or is not base64")]
    MalformedPem(Part),
    /// The chain holds no certificate.
    #[error("expected a certificate (`BEGIN CERTIFICATE`), found {found}")]
    NoCertificate {
        /// What stood there instead.
        found: Found,
    },
    /// The chain holds more certificates than we present.
    #[error("certificate chain has more than {certificates_max} certificates")]
    TooManyCertificates {
        /// The most we accept.
        certificates_max: usize,
    },
    /// A certificate is not valid X.509.
    #[error("certificate {position} of the chain is damaged")]
    MalformedCertificate {
        /// Where in the chain, the leaf being 1.
        position: usize,
    },
    /// The key of the leaf is of a type ALB does not serve. Source: ALB 6.1.
    #[error("certificate has a key of type {found}; supported are RSA 2048, 3072, 4096 and ECDSA P-256, P-384, P-521")]
    UnsupportedKey {
        /// The type of the key, for example `Ed25519` or `RSA 1024`.
        found: String,
    },
    /// The key file holds no private key.
    #[error("expected a private key (`BEGIN PRIVATE KEY`), found {found}")]
    NoPrivateKey {
        /// What stood there instead.
        found: Found,
    },
    /// The private key is protected by a passphrase, which we have no way to ask for.
    #[error("private key is encrypted; remove the passphrase with `openssl pkey`")]
    EncryptedPrivateKey,
    /// The key file holds more than one private key.
    #[error("expected one private key, found several")]
    SeveralPrivateKeys,
    /// The private key cannot be read or is of a type we do not know.
    #[error("private key is damaged or of an unsupported type; expected RSA, or ECDSA P-256, P-384, P-521")]
    UnusablePrivateKey,
    /// The private key belongs to no certificate of the chain.
    #[error("private key does not belong to the certificate")]
    KeyMismatch,
    /// The private key belongs to a later certificate: the chain is in the wrong order.
    #[error("private key belongs to certificate {position} of the chain; that one must come first")]
    LeafNotFirst {
        /// Where in the chain, the first being 1.
        position: usize,
    },
}

impl CertificateError {
    /// The input the mistake is in, so that a report can point at the right line.
    #[must_use]
    pub fn part(&self) -> Part {
        match self {
            Self::TooLarge { part, .. } | Self::MalformedPem(part) => *part,
            Self::NoCertificate { .. }
            | Self::TooManyCertificates { .. }
            | Self::MalformedCertificate { .. }
            | Self::UnsupportedKey { .. }
            | Self::LeafNotFirst { .. } => Part::Chain,
            Self::NoPrivateKey { .. }
            | Self::EncryptedPrivateKey
            | Self::SeveralPrivateKeys
            | Self::UnusablePrivateKey
            | Self::KeyMismatch => Part::PrivateKey,
        }
    }
}
