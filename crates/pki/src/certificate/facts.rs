//! The facts of one X.509 certificate, read from DER.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;
use x509_parser::time::ASN1Time;

use super::key::{algorithm_of, signature_hash};
use super::{CertificateError, KeyAlgorithm, SignatureHash};
use crate::renewal::Validity;

/// What a leaf certificate says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The DNS names it is for, lower-cased, in its order, wildcards as written. Without any alternative name the
    /// common name stands in.
    pub dns_names: Vec<String>,
    /// The IP addresses it is for.
    pub ip_addresses: Vec<IpAddr>,
    /// The type of its key.
    pub key_algorithm: KeyAlgorithm,
    /// The hash it was signed with.
    pub signature_hash: SignatureHash,
    /// When it holds.
    pub validity: Validity,
    /// The serial number, lower-case hexadecimal, two digits a byte, no prefix.
    pub serial: String,
    /// The subject, as in `CN=shop.localhost`.
    pub subject: String,
    /// SHA-256 over its DER.
    pub fingerprint: [u8; 32],
}

impl Certificate {
    /// Reads one certificate.
    pub(crate) fn from_der(der: &CertificateDer<'_>) -> Result<Self, CertificateError> {
        Ok(read_all(std::slice::from_ref(der))?.leaf)
    }

    /// Is the certificate for this name (or address)? Names compare without case; a wildcard stands for exactly one
    /// label, the leftmost. Source: ALB 6.1.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        if let Ok(address) = name.parse::<IpAddr>() {
            return self.ip_addresses.contains(&address);
        }
        self.dns_names.iter().any(|pattern| dns_name_matches(pattern, name))
    }

    /// The fingerprint as `openssl x509 -fingerprint -sha256` prints it, without the colons: 64 hexadecimal digits,
    /// upper-case.
    #[must_use]
    pub fn fingerprint_hex(&self) -> String {
        self.fingerprint.iter().map(|byte| format!("{byte:02X}")).collect()
    }
}

fn dns_name_matches(pattern: &str, name: &str) -> bool {
    let Some(suffix) = pattern.strip_prefix("*.") else {
        return pattern.eq_ignore_ascii_case(name);
    };
    match name.split_once('.') {
        Some((label, rest)) => !label.is_empty() && rest.eq_ignore_ascii_case(suffix),
        None => false,
    }
}

/// The facts of a leaf, and the raw public keys of the whole chain.
pub(super) struct ChainFacts {
    pub(super) leaf: Certificate,
    pub(super) public_keys: Vec<Vec<u8>>,
}

/// Reads every certificate of a chain, which is not empty.
pub(super) fn read_all(chain: &[CertificateDer<'_>]) -> Result<ChainFacts, CertificateError> {
    let mut leaf = None;
    let mut public_keys = Vec::with_capacity(chain.len());
    for (index, der) in chain.iter().enumerate() {
        let malformed = CertificateError::MalformedCertificate { position: index + 1 };
        let certificate = parse(der).ok_or_else(|| malformed.clone())?;
        if index == 0 {
            leaf = Some(facts(der, &certificate, malformed)?);
        }
        public_keys.push(certificate.public_key().subject_public_key.data.to_vec());
    }
    let leaf = leaf.ok_or(CertificateError::MalformedCertificate { position: 1 })?;
    Ok(ChainFacts { leaf, public_keys })
}

/// May this certificate sign others? A damaged one may not.
pub(crate) fn is_authority(der: &CertificateDer<'_>) -> bool {
    parse(der).is_some_and(|certificate| certificate.is_ca())
}

pub(crate) fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    match parse_x509_certificate(der) {
        Ok(([], certificate)) => Some(certificate),
        _ => None,
    }
}

fn facts(
    der: &CertificateDer<'_>,
    certificate: &X509Certificate<'_>,
    malformed: CertificateError,
) -> Result<Certificate, CertificateError> {
    let Some((dns_names, ip_addresses)) = names(certificate) else {
        return Err(malformed);
    };
    let validity = certificate.validity();
    let (Some(not_before), Some(not_after)) = (instant(validity.not_before), instant(validity.not_after)) else {
        return Err(malformed);
    };
    let key_algorithm =
        algorithm_of(certificate.public_key()).map_err(|found| CertificateError::UnsupportedKey { found })?;
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der).as_ref());
    Ok(Certificate {
        dns_names,
        ip_addresses,
        key_algorithm,
        signature_hash: signature_hash(&certificate.signature_algorithm),
        validity: Validity { not_before, not_after },
        serial: certificate
            .raw_serial()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        subject: certificate.subject().to_string(),
        fingerprint,
    })
}

/// The alternative names, else the common name. `None` when the extension is damaged or there twice.
fn names(certificate: &X509Certificate<'_>) -> Option<(Vec<String>, Vec<IpAddr>)> {
    let (mut dns_names, mut ip_addresses) = (Vec::new(), Vec::new());
    if let Some(extension) = certificate.subject_alternative_name().ok()? {
        for name in &extension.value.general_names {
            match name {
                GeneralName::DNSName(name) => dns_names.push(name.to_ascii_lowercase()),
                GeneralName::IPAddress(octets) => ip_addresses.push(ip_address(octets)?),
                _ => {}
            }
        }
    }
    if dns_names.is_empty() && ip_addresses.is_empty() {
        let common_name = certificate
            .subject()
            .iter_common_name()
            .next()
            .and_then(|name| name.as_str().ok());
        match common_name.map(|name| (name, name.parse())) {
            Some((_, Ok(address))) => ip_addresses.push(address),
            Some((name, Err(_))) => dns_names.push(name.to_ascii_lowercase()),
            None => {}
        }
    }
    Some((dns_names, ip_addresses))
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(octets.into());
    }
    <[u8; 16]>::try_from(octets).ok().map(IpAddr::from)
}

pub(crate) fn instant(time: ASN1Time) -> Option<SystemTime> {
    let seconds = time.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    }
}
