//! The local certificate authority: one ECDSA P-256 key on disk, and the leaves it signs.
//!
//! Files, all in one private directory (mode 0700): `ca.pem` (0644) is what people import into their trust store,
//! `ca.key` (0600) signs, `issued/` caches leaves so that restarts keep them. Nothing there is ever replaced because
//! it could not be read: a damaged authority is an error, since a new one would break trust silently.
//!
//! Left to others: holding the lock on the data directory (two processes must not create one authority at once), and
//! installing `ca.pem` anywhere.

mod error;
mod files;
mod leaf;
mod names;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls_pki_types::CertificateDer;

pub use error::{AuthorityError, IssueError};
pub use leaf::{IssuedCertificate, LeafOrigin, PrivateKeyPem};
pub use names::NAMES_MAX;

use crate::certificate::{
    Certificate, CertificateError, KeyAlgorithm, Part, ServerCertificate, is_authority, key_pair, read_key,
};
use crate::renewal::{Renewal, Utc, Validity, ValidityError};
use files::Access;
use names::Names;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a new authority holds: 10 years of 365 days.
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Certificates begin a day early, so that a client whose clock is behind takes them.
const BACKDATED: Duration = DAY;

/// The latest instant we sign for, the end of 9999: the last year X.509 can write.
const CLOCK_MAX: Duration = Duration::from_secs(253_402_300_799);

/// How an [`Authority`] came to be; worth a word in the start line unless it was `Opened`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorityOrigin {
    /// Read from its files.
    Opened,
    /// Made now: nobody trusts it yet.
    Created,
    /// The old certificate had less than [`RENEW_BEFORE`](crate::RENEW_BEFORE) left. The key is the same, the
    /// certificate is new and has to be imported again.
    Renewed {
        /// The last instant at which the old certificate holds.
        old_not_after: SystemTime,
    },
}

/// The local certificate authority, ready to sign.
pub struct Authority {
    directory: PathBuf,
    origin: AuthorityOrigin,
    kept: Kept,
    issuer: Issuer<'static, KeyPair>,
    /// Held while a leaf is looked for, signed and kept: two callers of the same names get the same leaf.
    issuing: Mutex<()>,
}

/// The authority's own certificate, in the three forms it is needed in.
struct Kept {
    certificate: Certificate,
    pem: String,
    der: CertificateDer<'static>,
}

impl Authority {
    /// Opens the authority in `directory`, or creates it there. One that is nearly over is renewed, and
    /// [`Authority::origin`] says so. Blocks on the disk; what it wrote is durable when it returns.
    ///
    /// An authority the user put there is accepted with any key a server certificate may have.
    ///
    /// # Errors
    /// What is wrong, naming the file. A damaged or incomplete pair stays as it is.
    pub fn open_or_create(directory: &Path, now: SystemTime) -> Result<Self, AuthorityError> {
        files::private_directory(directory).map_err(|source| AuthorityError::io("create", directory, source))?;
        let paths = Paths::in_directory(directory);
        let certificate_pem = paths.read(&paths.certificate)?;
        let key_pem = paths.read(&paths.key)?;
        match (certificate_pem, key_pem) {
            (Some(certificate), Some(key)) => Self::open(directory, &paths, &certificate, &key, now),
            (Some(_), None) => Err(AuthorityError::KeyMissing {
                certificate: paths.certificate,
                key: paths.key,
            }),
            // Also where a creation was cut short after its first file. The key never signed anything, or its
            // certificate was deleted by hand; in both cases a new certificate for it replaces nothing.
            (None, Some(key)) => {
                let key = read_key(&key)
                    .and_then(|key| key_pair(&key))
                    .map_err(|error| paths.damaged(error))?;
                Self::certify(directory, &paths, key, now, AuthorityOrigin::Created)
            }
            (None, None) => {
                let key = KeyPair::generate()?;
                // The key first: a certificate without a key could never be completed.
                paths.write(&paths.key, key.serialize_pem().as_bytes(), Access::Private)?;
                Self::certify(directory, &paths, key, now, AuthorityOrigin::Created)
            }
        }
    }

    /// Issues a certificate for DNS names, wildcards (`*.shop.localhost`) and IP addresses, at most [`NAMES_MAX`], or
    /// returns the one issued earlier for the same names while at least [`RENEW_BEFORE`](crate::RENEW_BEFORE) is left
    /// of it. Calling it again when the certificate is due is all there is to renewal.
    ///
    /// ECDSA P-256, 397 days at most (what browsers accept; less near the end of the authority), for servers only.
    /// Blocks on the disk; callers may issue from several threads at once, and those of the same names get one leaf.
    ///
    /// # Errors
    /// A name that no certificate can be for, an authority that does not hold at `now`, or a disk that cannot be
    /// written.
    pub fn issue(&self, names: &[&str], now: SystemTime) -> Result<IssuedCertificate, IssueError> {
        let names = Names::parse(names)?;
        self.validity().check(now).map_err(IssueError::AuthorityOutOfDate)?;
        // Nothing in memory is guarded: a caller that panicked left at most files that are read with suspicion.
        let _issuing = self.issuing.lock().unwrap_or_else(PoisonError::into_inner);
        leaf::cached_or_new(self, &names, now)
    }

    /// Issues a certificate with a key of its own of this kind, and keeps nothing of it: whoever asks stores it.
    /// Everything else is as in [`Authority::issue`]. An RSA key of 4096 bits takes a second.
    ///
    /// # Errors
    /// As [`Authority::issue`], but for the disk.
    pub fn issue_fresh(
        &self,
        names: &[&str],
        key: KeyAlgorithm,
        now: SystemTime,
    ) -> Result<IssuedCertificate, IssueError> {
        let names = Names::parse(names)?;
        self.validity().check(now).map_err(IssueError::AuthorityOutOfDate)?;
        leaf::sign(self, &names, key, now)
    }

    /// How this authority came to be.
    #[must_use]
    pub fn origin(&self) -> AuthorityOrigin {
        self.origin
    }

    /// The file people import into their trust store: `ca.pem`.
    #[must_use]
    pub fn certificate_path(&self) -> PathBuf {
        Paths::in_directory(&self.directory).certificate
    }

    /// The facts of the authority's own certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.kept.certificate
    }

    /// When the authority holds. When it is due, open it again.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.kept.certificate.validity
    }

    fn open(
        directory: &Path,
        paths: &Paths,
        certificate_pem: &[u8],
        key_pem: &[u8],
        now: SystemTime,
    ) -> Result<Self, AuthorityError> {
        files::make_private(&paths.key).map_err(|source| AuthorityError::io("protect", &paths.key, source))?;
        let pair = ServerCertificate::from_pem(certificate_pem, key_pem).map_err(|errors| {
            // Never empty; the first one is the one to mend.
            paths.damaged(
                errors
                    .into_iter()
                    .next()
                    .unwrap_or(CertificateError::UnusablePrivateKey),
            )
        })?;
        let Some(der) = pair.chain().first().filter(|der| is_authority(der)).cloned() else {
            return Err(AuthorityError::NotAnAuthority {
                path: paths.certificate.clone(),
            });
        };
        let key = key_pair(pair.private_key()).map_err(|error| paths.damaged(error))?;
        let validity = pair.leaf().validity;
        if let Err(ValidityError::NotYetValid { not_before }) = validity.check(now) {
            return Err(AuthorityError::NotYetValid {
                path: paths.certificate.clone(),
                not_before,
            });
        }
        if validity.renewal(now) == Renewal::Due {
            let origin = AuthorityOrigin::Renewed {
                old_not_after: validity.not_after,
            };
            return Self::certify(directory, paths, key, now, origin);
        }
        // Comments around the sections may be in any encoding; the sections are ASCII.
        let pem = String::from_utf8_lossy(certificate_pem).into_owned();
        let kept = Kept {
            certificate: pair.leaf().clone(),
            pem,
            der,
        };
        Self::assemble(directory, AuthorityOrigin::Opened, kept, key)
    }

    /// Signs a new authority certificate for a key that is already on disk, and puts it in place.
    ///
    /// A renewal keeps the key on purpose: one file changes, by one rename, so that no crash can leave a certificate
    /// and a key that do not belong together.
    fn certify(
        directory: &Path,
        paths: &Paths,
        key: KeyPair,
        now: SystemTime,
        origin: AuthorityOrigin,
    ) -> Result<Self, AuthorityError> {
        let signed = authority_params(now)?.self_signed(&key)?;
        let certificate = Certificate::from_der(signed.der()).map_err(|error| paths.damaged(error))?;
        paths.write(&paths.certificate, signed.pem().as_bytes(), Access::Public)?;
        let kept = Kept {
            certificate,
            pem: signed.pem(),
            der: signed.der().clone(),
        };
        Self::assemble(directory, origin, kept, key)
    }

    fn assemble(directory: &Path, origin: AuthorityOrigin, kept: Kept, key: KeyPair) -> Result<Self, AuthorityError> {
        let issuer = Issuer::from_ca_cert_der(&kept.der, key)?;
        Ok(Self {
            directory: directory.to_owned(),
            origin,
            kept,
            issuer,
            issuing: Mutex::new(()),
        })
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("directory", &self.directory)
            .field("origin", &self.origin)
            .field("certificate", &self.kept.certificate)
            .field("key", &"***")
            .finish()
    }
}

/// The two files of an authority.
struct Paths {
    certificate: PathBuf,
    key: PathBuf,
}

impl Paths {
    fn in_directory(directory: &Path) -> Self {
        Self {
            certificate: directory.join("ca.pem"),
            key: directory.join("ca.key"),
        }
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, AuthorityError> {
        files::read(path).map_err(|source| AuthorityError::io("read", path, source))
    }

    fn write(&self, path: &Path, contents: &[u8], access: Access) -> Result<(), AuthorityError> {
        files::write_atomically(path, contents, access).map_err(|source| AuthorityError::io("write", path, source))
    }

    fn damaged(&self, error: CertificateError) -> AuthorityError {
        let (certificate, key) = (self.certificate.clone(), self.key.clone());
        match error {
            CertificateError::KeyMismatch | CertificateError::LeafNotFirst { .. } => {
                AuthorityError::Mismatch { certificate, key }
            }
            error if error.part() == Part::Chain => AuthorityError::Damaged {
                path: certificate,
                source: error,
            },
            error => AuthorityError::Damaged {
                path: key,
                source: error,
            },
        }
    }
}

/// A certificate that may sign leaves and nothing else.
fn authority_params(now: SystemTime) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    let not_before = seconds(now)
        .ok_or(AuthorityError::ClockOutOfRange)?
        .saturating_sub(BACKDATED);
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + not_before;
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + (not_before + AUTHORITY_LIFETIME).min(CLOCK_MAX);
    params.serial_number = Some(random_serial()?);
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("albacore local CA ({})", whose()?));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// The host's name and eight random digits: the name is for people, the digits keep two authorities of one host apart
/// in a trust store, which finds issuers by subject.
fn whose() -> Result<String, AuthorityError> {
    let mut random = [0; 4];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| AuthorityError::Random)?;
    let digits = format!("{:08x}", u32::from_be_bytes(random));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    // A common name has at most 64 characters. Source: RFC 5280 appendix A.1, ub-common-name.
    let host: String = host
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
        .take(32)
        .collect();
    Ok(if host.is_empty() {
        digits
    } else {
        format!("{host} {digits}")
    })
}

/// 127 random bits. A renewed authority keeps name and key, so only a random serial keeps it apart from the old one.
fn random_serial() -> Result<rcgen::SerialNumber, AuthorityError> {
    let mut serial = [0; 16];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_| AuthorityError::Random)?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(rcgen::SerialNumber::from_slice(&serial))
}

/// Whole seconds since 1970. `None` for a clock that no certificate can be written for.
fn seconds(now: SystemTime) -> Option<Duration> {
    let since = now.duration_since(UNIX_EPOCH).ok()?;
    (since <= CLOCK_MAX).then(|| Duration::from_secs(since.as_secs()))
}

#[cfg(test)]
mod tests;
