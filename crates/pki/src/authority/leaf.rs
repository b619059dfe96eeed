//! Leaves: signing one, and keeping it in `issued/` so that restarts present the same certificate.
//!
//! The cache is only a cache: an entry that is damaged, due, for other names or signed by another authority is signed
//! anew. It grows with the sets of names in the configuration, never with what a client sends.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, RsaKeySize,
    SanType,
};

use super::files::{self, Access};
use super::names::Names;
use super::{Authority, AuthorityError, BACKDATED, IssueError, random_serial, seconds};
use crate::certificate::{CertificateError, KeyAlgorithm, ServerCertificate};
use crate::renewal::Renewal;

/// Source: CA/Browser Forum ballot SC-31 and the limit of Apple's platforms: 398 days are too many, both ends counted.
const LEAF_LIFETIME: Duration = Duration::from_secs(397 * 24 * 60 * 60 - 1);

/// Source: RFC 5280 appendix A.1, ub-common-name.
const COMMON_NAME_CHARS_MAX: usize = 64;

/// A private key in PEM. `Debug` prints `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKeyPem(String);

impl PrivateKeyPem {
    /// The key itself, PKCS#8 in PEM.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PrivateKeyPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Whether an [`IssuedCertificate`] is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafOrigin {
    /// Signed now.
    Signed,
    /// Signed earlier and read back.
    Cached,
}

/// A certificate of the local authority with its private key.
#[derive(Debug)]
pub struct IssuedCertificate {
    /// Parsed, ready to serve. Its chain is the leaf and the authority.
    pub certificate: ServerCertificate,
    /// The leaf and the authority in PEM.
    pub chain_pem: String,
    /// The leaf's private key.
    pub private_key_pem: PrivateKeyPem,
    /// Whether it is new.
    pub origin: LeafOrigin,
}

pub(super) fn cached_or_new(
    authority: &Authority,
    names: &Names,
    now: SystemTime,
) -> Result<IssuedCertificate, IssueError> {
    let paths = LeafPaths::new(&authority.directory.join("issued"), names);
    if let Some(cached) = paths.read().filter(|cached| is_usable(authority, cached, names, now)) {
        return Ok(cached);
    }
    let fresh = sign(authority, names, KeyAlgorithm::EcdsaP256, now)?;
    paths.write(&fresh)?;
    Ok(fresh)
}

fn is_usable(authority: &Authority, cached: &IssuedCertificate, names: &Names, now: SystemTime) -> bool {
    let leaf = cached.certificate.leaf();
    leaf.validity.renewal(now) == Renewal::Keep
        && names.are(&leaf.dns_names, &leaf.ip_addresses)
        && cached.certificate.chain().get(1) == Some(&authority.kept.der)
}

pub(super) fn sign(
    authority: &Authority,
    names: &Names,
    key: KeyAlgorithm,
    now: SystemTime,
) -> Result<IssuedCertificate, IssueError> {
    let key = generate(key).map_err(AuthorityError::from)?;
    let params = leaf_params(authority, names, now)?;
    let leaf = params
        .signed_by(&key, &authority.issuer)
        .map_err(AuthorityError::from)?;
    IssuedCertificate::new(
        leaf.pem() + &authority.kept.pem,
        key.serialize_pem(),
        LeafOrigin::Signed,
    )
    .map_err(IssueError::Unusable)
}

fn generate(key: KeyAlgorithm) -> Result<KeyPair, rcgen::Error> {
    let rsa = |size| KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size);
    match key {
        KeyAlgorithm::Rsa2048 => rsa(RsaKeySize::_2048),
        KeyAlgorithm::Rsa3072 => rsa(RsaKeySize::_3072),
        KeyAlgorithm::Rsa4096 => rsa(RsaKeySize::_4096),
        KeyAlgorithm::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyAlgorithm::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        KeyAlgorithm::EcdsaP521 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512),
    }
}

fn leaf_params(authority: &Authority, names: &Names, now: SystemTime) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    let not_before = seconds(now)
        .ok_or(AuthorityError::ClockOutOfRange)?
        .saturating_sub(BACKDATED);
    // A leaf that outlives its authority would be refused from that day on, whatever it says itself.
    let authority_end = seconds(authority.validity().not_after).ok_or(AuthorityError::ClockOutOfRange)?;
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + not_before;
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + (not_before + LEAF_LIFETIME).min(authority_end);
    params.serial_number = Some(random_serial()?);
    for name in &names.dns {
        params
            .subject_alt_names
            .push(SanType::DnsName(name.as_str().try_into()?));
    }
    params
        .subject_alt_names
        .extend(names.ip.iter().copied().map(SanType::IpAddress));
    params.distinguished_name = DistinguishedName::new();
    // Only for people; clients read the alternative names.
    let common_name = names
        .dns
        .first()
        .cloned()
        .or_else(|| names.ip.first().map(ToString::to_string));
    if let Some(name) = common_name.filter(|name| name.len() <= COMMON_NAME_CHARS_MAX) {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

impl IssuedCertificate {
    fn new(chain_pem: String, key_pem: String, origin: LeafOrigin) -> Result<Self, CertificateError> {
        let certificate = ServerCertificate::from_pem(chain_pem.as_bytes(), key_pem.as_bytes()).map_err(|errors| {
            errors
                .into_iter()
                .next()
                .unwrap_or(CertificateError::UnusablePrivateKey)
        })?;
        Ok(Self {
            certificate,
            chain_pem,
            private_key_pem: PrivateKeyPem(key_pem),
            origin,
        })
    }
}

/// Where a leaf is kept.
struct LeafPaths {
    directory: PathBuf,
    chain: PathBuf,
    key: PathBuf,
}

impl LeafPaths {
    fn new(directory: &Path, names: &Names) -> Self {
        let stem = names.cache_key();
        let (chain, key) = (
            directory.join(format!("{stem}.pem")),
            directory.join(format!("{stem}.key")),
        );
        Self {
            directory: directory.to_owned(),
            chain,
            key,
        }
    }

    /// The kept leaf. Whatever is wrong with it, signing a new one mends it or says why it cannot.
    fn read(&self) -> Option<IssuedCertificate> {
        let chain = String::from_utf8(files::read(&self.chain).ok()??).ok()?;
        let key = String::from_utf8(files::read(&self.key).ok()??).ok()?;
        IssuedCertificate::new(chain, key, LeafOrigin::Cached).ok()
    }

    /// A crash between the two files leaves a pair that does not match, which is read as no pair.
    fn write(&self, leaf: &IssuedCertificate) -> Result<(), AuthorityError> {
        files::private_directory(&self.directory)
            .map_err(|source| AuthorityError::io("create", &self.directory, source))?;
        files::write_atomically(&self.key, leaf.private_key_pem.expose().as_bytes(), Access::Private)
            .map_err(|source| AuthorityError::io("write", &self.key, source))?;
        files::write_atomically(&self.chain, leaf.chain_pem.as_bytes(), Access::Public)
            .map_err(|source| AuthorityError::io("write", &self.chain, source))
    }
}
