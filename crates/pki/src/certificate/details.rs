//! What people want to see of a certificate, and whether a chain holds together: for an API that shows and imports them.

use super::key::signature_hash;
use super::pem::read_chain;
use super::{CertificateError, Part, SignatureHash, parse};
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_PKCS1_RSAENCRYPTION,
};
use x509_parser::x509::X509Name;

/// What a certificate says beside names and dates. Source: ACM `CertificateDetail`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateDetails {
    /// As in `CN=shop.localhost`.
    pub subject: String,
    /// The issuer's organization, else its common name, else the whole name.
    pub issuer: String,
    /// Two lower-case digits a byte, with colons between them.
    pub serial: String,
    /// For example `SHA256WITHECDSA`.
    pub signature_algorithm: String,
    /// `DIGITAL_SIGNATURE` and the like.
    pub key_usages: Vec<&'static str>,
    /// `TLS_WEB_SERVER_AUTHENTICATION` and the like, each with its object identifier.
    pub extended_key_usages: Vec<(&'static str, String)>,
}

impl CertificateDetails {
    /// Those of the first certificate of a chain.
    ///
    /// # Errors
    /// It is none.
    pub fn of_leaf(chain_pem: &[u8]) -> Result<Self, CertificateError> {
        let chain = read_chain(chain_pem)?;
        let malformed = CertificateError::MalformedCertificate { position: 1 };
        let leaf = chain.first().and_then(parse).ok_or(malformed)?;
        Ok(Self {
            subject: leaf.subject().to_string(),
            issuer: issuer(leaf.issuer()),
            serial: serial(leaf.raw_serial()),
            signature_algorithm: signature_algorithm(&leaf),
            key_usages: key_usages(&leaf),
            extended_key_usages: extended_key_usages(&leaf),
        })
    }
}

/// How the certificates of a chain hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainLinks {
    /// Each one was signed by the next.
    Whole,
    /// One certificate, signed by itself.
    SelfSigned,
    /// One certificate, signed by somebody who is not there.
    Alone,
    /// One was not signed by the next, or the first stands there again.
    Broken,
}

/// Finds out how the certificates of a chain hang together. The dates are not looked at.
///
/// # Errors
/// They cannot be read.
pub fn chain_links(chain_pem: &[u8]) -> Result<ChainLinks, CertificateError> {
    let chain = read_chain(chain_pem)?;
    let parsed: Option<Vec<_>> = chain.iter().map(parse).collect();
    let parsed = parsed.ok_or(CertificateError::MalformedPem(Part::Chain))?;
    Ok(match &parsed[..] {
        [only] if is_signed_by(only, only) => ChainLinks::SelfSigned,
        [_] => ChainLinks::Alone,
        // One that is signed by itself would hang together with itself.
        _ if chain[1..].contains(&chain[0]) => ChainLinks::Broken,
        several => match several.windows(2).all(|pair| is_signed_by(&pair[0], &pair[1])) {
            true => ChainLinks::Whole,
            false => ChainLinks::Broken,
        },
    })
}

/// How many certificates a text holds; damaged ones and none at all are an error.
///
/// # Errors
/// It holds none that can be read.
pub fn count_certificates(pem: &[u8]) -> Result<usize, CertificateError> {
    let chain = read_chain(pem)?;
    let is_certificate = |der: &CertificateDer<'_>| parse(der).is_some();
    match chain.iter().position(|der| !is_certificate(der)) {
        None => Ok(chain.len()),
        Some(at) => Err(CertificateError::MalformedCertificate { position: at + 1 }),
    }
}

fn is_signed_by(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    if certificate.issuer() != issuer.subject() {
        return false;
    }
    let Some(algorithm) = verification(certificate, issuer) else {
        // An algorithm that we cannot verify with: the names have to do.
        return true;
    };
    let key = UnparsedPublicKey::new(algorithm, &issuer.public_key().subject_public_key.data);
    let signed: &[u8] = certificate.tbs_certificate.as_ref();
    key.verify(signed, &certificate.signature_value.data).is_ok()
}

fn verification(
    certificate: &X509Certificate<'_>,
    issuer: &X509Certificate<'_>,
) -> Option<&'static dyn VerificationAlgorithm> {
    let hash = signature_hash(&certificate.signature_algorithm);
    let key = &issuer.public_key().algorithm;
    if key.algorithm == OID_PKCS1_RSAENCRYPTION {
        // The other kind of RSA signatures names its hash elsewhere.
        let is_pkcs1 = certificate.signature_algorithm.algorithm != x509_parser::oid_registry::OID_PKCS1_RSASSAPSS;
        return match hash {
            SignatureHash::Sha256 if is_pkcs1 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
            SignatureHash::Sha384 if is_pkcs1 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
            SignatureHash::Sha512 if is_pkcs1 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
            _ => None,
        };
    }
    if key.algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY {
        return None;
    }
    let curve = key.parameters.as_ref()?.as_oid().ok()?;
    match hash {
        SignatureHash::Sha256 if curve == OID_EC_P256 => Some(&signature::ECDSA_P256_SHA256_ASN1),
        SignatureHash::Sha384 if curve == OID_EC_P256 => Some(&signature::ECDSA_P256_SHA384_ASN1),
        SignatureHash::Sha256 if curve == OID_NIST_EC_P384 => Some(&signature::ECDSA_P384_SHA256_ASN1),
        SignatureHash::Sha384 if curve == OID_NIST_EC_P384 => Some(&signature::ECDSA_P384_SHA384_ASN1),
        SignatureHash::Sha256 if curve == OID_NIST_EC_P521 => Some(&signature::ECDSA_P521_SHA256_ASN1),
        SignatureHash::Sha384 if curve == OID_NIST_EC_P521 => Some(&signature::ECDSA_P521_SHA384_ASN1),
        SignatureHash::Sha512 if curve == OID_NIST_EC_P521 => Some(&signature::ECDSA_P521_SHA512_ASN1),
        _ => None,
    }
}

fn issuer(name: &X509Name<'_>) -> String {
    let organization = name.iter_organization().next();
    let part = organization.or_else(|| name.iter_common_name().next());
    let text = part.and_then(|part| part.as_str().ok()).map(str::to_owned);
    text.unwrap_or_else(|| name.to_string())
}

fn serial(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(":")
}

fn signature_algorithm(certificate: &X509Certificate<'_>) -> String {
    let hash = match signature_hash(&certificate.signature_algorithm) {
        SignatureHash::Other => return certificate.signature_algorithm.algorithm.to_id_string(),
        SignatureHash::Md5 => "MD5",
        SignatureHash::Sha1 => "SHA1",
        SignatureHash::Sha224 => "SHA224",
        SignatureHash::Sha256 => "SHA256",
        SignatureHash::Sha384 => "SHA384",
        SignatureHash::Sha512 => "SHA512",
    };
    // The identifiers of ECDSA signatures stand below one node. Source: RFC 5758 section 3.2.
    let id = certificate.signature_algorithm.algorithm.to_id_string();
    let kind = if id.starts_with("1.2.840.10045.4.") {
        "ECDSA"
    } else {
        "RSA"
    };
    format!("{hash}WITH{kind}")
}

fn key_usages(certificate: &X509Certificate<'_>) -> Vec<&'static str> {
    let Ok(Some(extension)) = certificate.key_usage() else {
        return Vec::new();
    };
    let usage = extension.value;
    [
        (usage.digital_signature(), "DIGITAL_SIGNATURE"),
        (usage.non_repudiation(), "NON_REPUDIATION"),
        (usage.key_encipherment(), "KEY_ENCIPHERMENT"),
        (usage.data_encipherment(), "DATA_ENCIPHERMENT"),
        (usage.key_agreement(), "KEY_AGREEMENT"),
        (usage.key_cert_sign(), "CERTIFICATE_SIGNING"),
        (usage.crl_sign(), "CRL_SIGNING"),
        (usage.encipher_only(), "ENCIPHER_ONLY"),
        (usage.decipher_only(), "DECIPHER_ONLY"),
    ]
    .into_iter()
    .filter_map(|(is_set, name)| is_set.then_some(name))
    .collect()
}

fn extended_key_usages(certificate: &X509Certificate<'_>) -> Vec<(&'static str, String)> {
    let Ok(Some(extension)) = certificate.extended_key_usage() else {
        return Vec::new();
    };
    let usage = extension.value;
    let known = [
        (usage.any, "ANY", "2.5.29.37.0"),
        (usage.server_auth, "TLS_WEB_SERVER_AUTHENTICATION", "1.3.6.1.5.5.7.3.1"),
        (usage.client_auth, "TLS_WEB_CLIENT_AUTHENTICATION", "1.3.6.1.5.5.7.3.2"),
        (usage.code_signing, "CODE_SIGNING", "1.3.6.1.5.5.7.3.3"),
        (usage.email_protection, "EMAIL_PROTECTION", "1.3.6.1.5.5.7.3.4"),
        (usage.time_stamping, "TIME_STAMPING", "1.3.6.1.5.5.7.3.8"),
        (usage.ocsp_signing, "OCSP_SIGNING", "1.3.6.1.5.5.7.3.9"),
    ];
    let known = known.into_iter().filter(|(is_set, ..)| *is_set);
    known
        .map(|(_, name, oid)| (name, oid.to_owned()))
        .chain(usage.other.iter().map(|oid| ("CUSTOM", oid.to_id_string())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDirectory;

    const LEAF: &str =
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -out leaf.csr -subj /CN=shop.test";

    fn directory() -> TestDirectory {
        let directory = TestDirectory::new();
        for name in ["ca", "other"] {
            directory.openssl(&format!(
                "req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -days 30 -subj /O=Example/CN=ca"
            ));
        }
        directory.openssl(LEAF);
        directory.openssl("x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -days 20 -out leaf.pem -set_serial 0x0abc");
        directory
    }

    #[test]
    fn chains_are_followed_by_signature() {
        let directory = directory();
        let (leaf, ca, other) = (
            directory.read("leaf.pem"),
            directory.read("ca.pem"),
            directory.read("other.pem"),
        );
        let links = |parts: &[&[u8]]| chain_links(&parts.concat()).unwrap();
        assert_eq!(links(&[&leaf, &ca]), ChainLinks::Whole);
        // The same name, and another key.
        assert_eq!(links(&[&leaf, &other]), ChainLinks::Broken);
        assert_eq!(links(&[&ca, &leaf]), ChainLinks::Broken);
        assert_eq!(links(&[&leaf]), ChainLinks::Alone);
        assert_eq!(links(&[&ca]), ChainLinks::SelfSigned);
        assert_eq!(links(&[&ca, &ca]), ChainLinks::Broken, "its own issuer, twice");
        assert!(chain_links(b"").is_err());
        assert_eq!(count_certificates(&[leaf, ca].concat()).unwrap(), 2);
        assert!(count_certificates(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
    }

    #[test]
    fn details_are_read() {
        let directory = directory();
        let details = CertificateDetails::of_leaf(&directory.read("leaf.pem")).unwrap();
        assert_eq!(details.subject, "CN=shop.test");
        assert_eq!(details.issuer, "Example");
        assert_eq!(details.serial, "0a:bc");
        assert_eq!(details.signature_algorithm, "SHA256WITHRSA");
    }
}
