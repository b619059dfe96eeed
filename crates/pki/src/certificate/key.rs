//! Key types, and whether a private key belongs to a certificate.

use std::fmt;

use rcgen::KeyPair;
use rustls_pki_types::PrivateKeyDer;
use x509_parser::asn1_rs::Tag;
use x509_parser::der_parser::Oid;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_HASH_SHA1, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_NIST_HASH_SHA256,
    OID_NIST_HASH_SHA384, OID_NIST_HASH_SHA512, OID_PKCS1_MD5WITHRSAENC, OID_PKCS1_RSAENCRYPTION, OID_PKCS1_RSASSAPSS,
    OID_PKCS1_SHA1WITHRSA, OID_PKCS1_SHA224WITHRSA, OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA,
    OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA224, OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384,
    OID_SIG_ECDSA_WITH_SHA512, OID_SIG_ED448, OID_SIG_ED25519,
};
use x509_parser::public_key::{PublicKey, RSAPublicKey};
use x509_parser::signature_algorithm::SignatureAlgorithm;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use super::CertificateError;

/// The key types ALB serves. Source: ALB 6.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// RSA with a modulus of 2048 bits.
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// ECDSA on P-521.
    EcdsaP521,
}

impl KeyAlgorithm {
    /// Elliptic curve rather than RSA; preferred when the client supports it. Source: ALB 6.1.
    #[must_use]
    pub fn is_ecdsa(self) -> bool {
        matches!(self, Self::EcdsaP256 | Self::EcdsaP384 | Self::EcdsaP521)
    }

    /// The length of the key in bits. Comparable among keys of one kind only.
    #[must_use]
    pub fn bits(self) -> u16 {
        match self {
            Self::Rsa2048 => 2048,
            Self::Rsa3072 => 3072,
            Self::Rsa4096 => 4096,
            Self::EcdsaP256 => 256,
            Self::EcdsaP384 => 384,
            Self::EcdsaP521 => 521,
        }
    }
}

/// AWS's names. Source: ACM `KeyAlgorithm`.
impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa2048 => "RSA_2048",
            Self::Rsa3072 => "RSA_3072",
            Self::Rsa4096 => "RSA_4096",
            Self::EcdsaP256 => "EC_prime256v1",
            Self::EcdsaP384 => "EC_secp384r1",
            Self::EcdsaP521 => "EC_secp521r1",
        })
    }
}

/// The hash a certificate was signed with, from weak to strong: greater is preferred. Source: ALB 6.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureHash {
    /// None of the ones below.
    Other,
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// The type of a certificate's key, or in words what it is instead.
pub(super) fn algorithm_of(key: &SubjectPublicKeyInfo<'_>) -> Result<KeyAlgorithm, String> {
    let oid = &key.algorithm.algorithm;
    if *oid == OID_PKCS1_RSAENCRYPTION {
        return match key.parsed() {
            Ok(PublicKey::RSA(rsa)) => rsa_algorithm(&rsa),
            _ => Err("RSA, damaged".to_owned()),
        };
    }
    if *oid == OID_KEY_TYPE_EC_PUBLIC_KEY {
        return ec_algorithm(&key.algorithm);
    }
    let known = [
        (OID_SIG_ED25519, "Ed25519"),
        (OID_SIG_ED448, "Ed448"),
        (OID_PKCS1_RSASSAPSS, "RSASSA-PSS"),
    ];
    let name = known.iter().find(|(known, _)| known == oid);
    Err(name.map_or_else(|| shown(oid), |(_, name)| (*name).to_owned()))
}

/// An object identifier as people look it up. Cut, because a hostile one may be as long as the file.
fn shown(oid: &Oid<'_>) -> String {
    oid.to_id_string().chars().take(64).collect()
}

fn rsa_algorithm(key: &RSAPublicKey<'_>) -> Result<KeyAlgorithm, String> {
    match rsa_bits(key) {
        2048 => Ok(KeyAlgorithm::Rsa2048),
        3072 => Ok(KeyAlgorithm::Rsa3072),
        4096 => Ok(KeyAlgorithm::Rsa4096),
        bits => Err(format!("RSA {bits}")),
    }
}

/// The length of the modulus. (The parser's own `key_size` counts whole bytes.)
fn rsa_bits(key: &RSAPublicKey<'_>) -> usize {
    let leading_zeros = key.modulus.iter().take_while(|byte| **byte == 0).count();
    let modulus = key.modulus.get(leading_zeros..).unwrap_or_default();
    modulus
        .first()
        .map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize)
}

/// Is the key of a kind that authorities and clients of mutual TLS may have: RSA from 2048 to 8192 bits, or one of the
/// curves? Otherwise in words what it is. Source: ALB 6.5.
pub(crate) fn client_key(key: &SubjectPublicKeyInfo<'_>) -> Result<(), String> {
    match algorithm_of(key) {
        Ok(_) => Ok(()),
        Err(found) => match key.parsed() {
            Ok(PublicKey::RSA(rsa)) if (2048..=8192).contains(&rsa_bits(&rsa)) => Ok(()),
            _ => Err(found),
        },
    }
}

fn ec_algorithm(algorithm: &AlgorithmIdentifier<'_>) -> Result<KeyAlgorithm, String> {
    // Spelled-out curve parameters are a sequence, which `as_oid` alone would read as an identifier.
    let named = algorithm
        .parameters
        .as_ref()
        .filter(|parameters| parameters.tag() == Tag::Oid);
    let curve = named.and_then(|parameters| parameters.as_oid().ok());
    match curve {
        Some(curve) if curve == OID_EC_P256 => Ok(KeyAlgorithm::EcdsaP256),
        Some(curve) if curve == OID_NIST_EC_P384 => Ok(KeyAlgorithm::EcdsaP384),
        Some(curve) if curve == OID_NIST_EC_P521 => Ok(KeyAlgorithm::EcdsaP521),
        Some(curve) => Err(format!("ECDSA on curve {}", shown(&curve))),
        None => Err("ECDSA without a named curve".to_owned()),
    }
}

/// The hash in a signature algorithm; for RSASSA-PSS it stands in the parameters.
pub(super) fn signature_hash(algorithm: &AlgorithmIdentifier<'_>) -> SignatureHash {
    let table: [(Oid<'_>, SignatureHash); 14] = [
        (OID_PKCS1_MD5WITHRSAENC, SignatureHash::Md5),
        (OID_PKCS1_SHA1WITHRSA, SignatureHash::Sha1),
        (OID_HASH_SHA1, SignatureHash::Sha1),
        (OID_PKCS1_SHA224WITHRSA, SignatureHash::Sha224),
        (OID_SIG_ECDSA_WITH_SHA224, SignatureHash::Sha224),
        (OID_PKCS1_SHA256WITHRSA, SignatureHash::Sha256),
        (OID_SIG_ECDSA_WITH_SHA256, SignatureHash::Sha256),
        (OID_NIST_HASH_SHA256, SignatureHash::Sha256),
        (OID_PKCS1_SHA384WITHRSA, SignatureHash::Sha384),
        (OID_SIG_ECDSA_WITH_SHA384, SignatureHash::Sha384),
        (OID_NIST_HASH_SHA384, SignatureHash::Sha384),
        (OID_PKCS1_SHA512WITHRSA, SignatureHash::Sha512),
        (OID_SIG_ECDSA_WITH_SHA512, SignatureHash::Sha512),
        (OID_NIST_HASH_SHA512, SignatureHash::Sha512),
    ];
    let find = |oid: &Oid<'_>| table.iter().find(|(known, _)| known == oid).map(|(_, hash)| *hash);
    let hash = match SignatureAlgorithm::try_from(algorithm) {
        Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) => find(parameters.hash_algorithm_oid()),
        _ => find(&algorithm.algorithm),
    };
    hash.unwrap_or(SignatureHash::Other)
}

/// Reads a private key of any encoding the crypto provider knows.
pub(crate) fn key_pair(key: &PrivateKeyDer<'_>) -> Result<KeyPair, CertificateError> {
    KeyPair::try_from(key).map_err(|_| CertificateError::UnusablePrivateKey)
}

/// Does the private key belong to the first of these public keys? The raw bits are compared: a curve point or a
/// modulus with its exponent, which no two key types share.
pub(super) fn check_pair(public_keys: &[Vec<u8>], private_key: &PrivateKeyDer<'_>) -> Result<(), CertificateError> {
    let pair = key_pair(private_key)?;
    match public_keys
        .iter()
        .position(|public_key| public_key == pair.public_key_raw())
    {
        Some(0) => Ok(()),
        Some(index) => Err(CertificateError::LeafNotFirst { position: index + 1 }),
        None => Err(CertificateError::KeyMismatch),
    }
}
