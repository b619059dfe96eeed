//! What may be wrong with a bundle or a revocation list, in words for the person who chose the file.

use crate::certificate::Found;

/// Why a bundle of certificate authorities is not taken. Positions and lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustBundleError {
    /// The input is longer than we read.
    #[error("the bundle has {bytes} bytes, more than {bytes_max}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The longest we read.
        bytes_max: usize,
    },
    /// There is no certificate in it.
    #[error("expected certificates in PEM (`BEGIN CERTIFICATE`), found {found}")]
    NoCertificate {
        /// What stood there instead.
        found: Found,
    },
    /// A line between or in certificates is empty.
    #[error("line {line} is blank; a bundle has no blank lines, comments begin with `#`")]
    BlankLine {
        /// The line.
        line: usize,
    },
    /// A comment could be taken for the begin of a section.
    #[error("the comment in line {line} has a hyphen; comments of a bundle have none")]
    HyphenInComment {
        /// The line.
        line: usize,
    },
    /// A line belongs to nothing.
    #[error("line {line} is neither part of a certificate nor a comment; comments begin with `#`")]
    StrayLine {
        /// The line.
        line: usize,
    },
    /// A PEM section is of another kind.
    #[error("line {line} begins a section `{label}`; a bundle holds certificates alone (`CERTIFICATE`)")]
    OtherSection {
        /// The line.
        line: usize,
        /// The section's label, cut to 40 printable characters.
        label: String,
    },
    /// A certificate has no end.
    #[error("certificate {position}, which begins in line {line}, has no `END CERTIFICATE`")]
    Unclosed {
        /// Where in the bundle.
        position: usize,
        /// The line it begins in.
        line: usize,
    },
    /// There are more certificates than a trust store holds.
    #[error("the bundle has more than {certificates_max} certificates")]
    TooManyCertificates {
        /// The most we accept.
        certificates_max: usize,
    },
    /// One certificate is larger than allowed.
    #[error("certificate {position} has {bytes} bytes, more than {bytes_max}")]
    CertificateTooLarge {
        /// Where in the bundle.
        position: usize,
        /// Its length, DER.
        bytes: usize,
        /// The largest we accept.
        bytes_max: usize,
    },
    /// It is not base64, or what it encodes is no X.509 certificate.
    #[error("certificate {position} is damaged")]
    Damaged {
        /// Where in the bundle.
        position: usize,
    },
    /// It is older than X.509 v3.
    #[error("certificate {position} ({subject}) is of X.509 version {version}; version 3 is needed")]
    OldVersion {
        /// Where in the bundle.
        position: usize,
        /// Its subject.
        subject: String,
        /// Its version.
        version: u32,
    },
    /// It is not a certificate authority.
    #[error(
        "certificate {position} ({subject}) is not a certificate authority: its basic constraints do not say `CA:TRUE`"
    )]
    NotAnAuthority {
        /// Where in the bundle.
        position: usize,
        /// Its subject.
        subject: String,
    },
    /// It is an authority that may not sign certificates.
    #[error("certificate {position} ({subject}) may not sign certificates: its key usage lacks `keyCertSign`")]
    MayNotSign {
        /// Where in the bundle.
        position: usize,
        /// Its subject.
        subject: String,
    },
    /// Its key is of a kind that ALB does not verify with. Source: ALB 6.5.
    #[error(
        "certificate {position} ({subject}) has a key of type {found}; supported are RSA from 2048 to 8192 bits and ECDSA P-256, P-384, P-521"
    )]
    UnsupportedKey {
        /// Where in the bundle.
        position: usize,
        /// Its subject.
        subject: String,
        /// The type of the key, for example `Ed25519` or `RSA 1024`.
        found: String,
    },
    /// The subjects are too long to be told to clients.
    #[error("the subjects of the bundle have {bytes} bytes together; {bytes_max} can be advertised")]
    SubjectsTooLarge {
        /// Their length, DER.
        bytes: usize,
        /// The most that can be told.
        bytes_max: usize,
    },
}

/// Why a certificate revocation list is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevocationListError {
    /// The input is longer than we read.
    #[error("the revocation list has {bytes} bytes, more than {bytes_max}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The longest we read.
        bytes_max: usize,
    },
    /// It is no revocation list.
    #[error("expected a certificate revocation list (`BEGIN X509 CRL`, or DER), found {found}")]
    NoRevocationList {
        /// What stood there instead.
        found: Found,
    },
    /// There are several in one file.
    #[error("expected one revocation list, found several; give each a file of its own")]
    SeveralLists,
    /// It cannot be read.
    #[error("the revocation list is damaged")]
    Damaged,
    /// It uses what cannot be honoured, so that using the rest of it could let a revoked certificate pass.
    #[error("the revocation list cannot be used: {reason}")]
    Unsupported {
        /// What it uses.
        reason: &'static str,
    },
    /// A trust store has too many lists.
    #[error("{lists} revocation lists, more than {lists_max} of one trust store")]
    TooManyLists {
        /// How many there are.
        lists: usize,
        /// The most we accept.
        lists_max: usize,
    },
    /// A trust store has too many entries.
    #[error("{entries} revoked certificates, more than {entries_max} of one trust store")]
    TooManyEntries {
        /// How many there are.
        entries: u64,
        /// The most we accept.
        entries_max: u32,
    },
}
