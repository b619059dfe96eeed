//! Trust stores, compiled: who may vouch for a client, and what has been revoked. Source: ALB 6.5.

use super::client_certificate::parse;
use super::der;
use super::failure::FailureCode;
use super::revocation::RevocationIndex;
use model::elb::trust_store::TrustStore;
use rustls::DistinguishedName;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime, alg_id};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use webpki::aws_lc_rs as algorithm;
use webpki::{EndEntityCert, Error, KeyUsage, VerifiedPath};
use x509_parser::certificate::X509Certificate;

/// The most certificates a client may send, its own included: ALB's chain depth. The authority that vouches comes on top.
const CHAIN_MAX: usize = 4;

/// The most bytes that authorities' subjects may have together to be told to clients. Source: ALB 6.5, quotas.
const ADVERTISED_BYTES_MAX: usize = 10_000;

/// Signatures that are accepted on certificates and lists. Source: ALB 6.5, certificate support.
pub(super) static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithm::ECDSA_P256_SHA256,
    algorithm::ECDSA_P256_SHA384,
    algorithm::ECDSA_P256_SHA512,
    algorithm::ECDSA_P384_SHA256,
    algorithm::ECDSA_P384_SHA384,
    algorithm::ECDSA_P384_SHA512,
    algorithm::ECDSA_P521_SHA256,
    algorithm::ECDSA_P521_SHA384,
    algorithm::ECDSA_P521_SHA512,
    algorithm::RSA_PKCS1_2048_8192_SHA256,
    algorithm::RSA_PKCS1_2048_8192_SHA384,
    algorithm::RSA_PKCS1_2048_8192_SHA512,
    algorithm::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
    algorithm::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
    algorithm::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    algorithm::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    algorithm::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    algorithm::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];

/// One trust store, ready to judge clients.
#[derive(Debug)]
pub(crate) struct CompiledTrust {
    anchors: Vec<TrustAnchor<'static>>,
    /// What else is known of each anchor, in the same order.
    authorities: Vec<Authority>,
    subjects: Vec<DistinguishedName>,
    lists: Vec<RevocationIndex>,
}

#[derive(Debug)]
struct Authority {
    certificate: CertificateDer<'static>,
    not_before: UnixTime,
    not_after: UnixTime,
}

/// Why a trust store cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustStoreError {
    /// A certificate of the bundle cannot be read.
    #[error("certificate {position} of its bundle cannot be read")]
    Certificate {
        /// Where in the bundle, from 1.
        position: usize,
    },
    /// There is nobody to trust.
    #[error("its bundle has no certificate")]
    Empty,
    /// A revocation list cannot be read.
    #[error("its revocation list {id} cannot be read")]
    RevocationList {
        /// The list's id.
        id: u64,
    },
    /// A revocation list in an authority's name has another signature.
    #[error("its revocation list {id} is not signed by the authority in whose name it speaks")]
    ForeignRevocationList {
        /// The list's id.
        id: u64,
    },
    /// The names of its authorities are too long to be advertised.
    #[error("the subjects of its authorities have {bytes} bytes together; at most {max} can be advertised to clients")]
    SubjectsTooLarge {
        /// Their length.
        bytes: usize,
        /// The most that can be told.
        max: usize,
    },
}

/// Trust stores that tables have compiled, so that a changed rule does not index half a million revocations again.
#[derive(Debug, Default)]
pub(super) struct TrustStores(Mutex<Vec<(Arc<TrustStore>, Arc<CompiledTrust>)>>);

impl TrustStores {
    pub(super) fn compiled(&self, store: &Arc<TrustStore>) -> Result<Arc<CompiledTrust>, TrustStoreError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |other: &Arc<TrustStore>| Arc::ptr_eq(other, store) || other == store;
        if let Some((_, compiled)) = known.iter().find(|(other, _)| same(other)) {
            return Ok(compiled.clone());
        }
        let compiled = Arc::new(CompiledTrust::compile(store)?);
        known.retain(|(_, compiled)| Arc::strong_count(compiled) > 1); // those that a table still uses
        known.push((store.clone(), compiled.clone()));
        Ok(compiled)
    }
}

impl CompiledTrust {
    pub(super) fn compile(store: &TrustStore) -> Result<Self, TrustStoreError> {
        let (mut anchors, mut authorities, mut subjects) = (Vec::new(), Vec::new(), Vec::new());
        for (index, certificate) in CertificateDer::pem_slice_iter(store.bundle_pem.as_bytes()).enumerate() {
            let unreadable = TrustStoreError::Certificate { position: index + 1 };
            let read = certificate.ok().and_then(Authority::read);
            let (authority, anchor) = read.ok_or(unreadable)?;
            let subject = DistinguishedName::in_sequence(&anchor.subject);
            if !subjects
                .iter()
                .any(|known: &DistinguishedName| known.as_ref() == subject.as_ref())
            {
                subjects.push(subject);
            }
            anchors.push(anchor);
            authorities.push(authority);
        }
        if anchors.is_empty() {
            return Err(TrustStoreError::Empty);
        }
        let list = |revocation: &model::elb::trust_store::Revocation| {
            let list = RevocationIndex::read(revocation.crl.clone());
            list.map_err(|_| TrustStoreError::RevocationList { id: revocation.id })
        };
        let lists = store.revocations.iter().map(list).collect::<Result<_, _>>()?;
        let compiled = Self {
            anchors,
            authorities,
            subjects,
            lists,
        };
        match compiled.lists.iter().position(|list| compiled.is_foreign(list)) {
            Some(at) => Err(TrustStoreError::ForeignRevocationList {
                id: store.revocations[at].id,
            }),
            None => Ok(compiled),
        }
    }

    /// A list in the name of authorities none of which has signed it. (One of an intermediate authority is judged when such
    /// a client comes.) The work done here is remembered for the clients.
    fn is_foreign(&self, list: &RevocationIndex) -> bool {
        let mut named = self
            .anchors
            .iter()
            .zip(&self.authorities)
            .filter(|(anchor, _)| list.is_of(&anchor.subject))
            .peekable();
        named.peek().is_some()
            && !named.any(|(_, authority)| {
                der::public_key(&authority.certificate).is_some_and(|key| list.is_signed_by(key, ALGORITHMS))
            })
    }

    /// The authorities' names, as clients may be told them.
    pub(super) fn advertised(&self) -> Result<Vec<DistinguishedName>, TrustStoreError> {
        let bytes = self.subjects.iter().map(|subject| subject.as_ref().len()).sum();
        if bytes > ADVERTISED_BYTES_MAX {
            return Err(TrustStoreError::SubjectsTooLarge {
                bytes,
                max: ADVERTISED_BYTES_MAX,
            });
        }
        Ok(self.subjects.clone())
    }

    /// Judges what a client showed. With `ignore_expiry` the certificate of the client may be out of date; the ones that
    /// vouch for it are then judged as of its last second.
    pub(super) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        ignore_expiry: bool,
    ) -> Result<(), FailureCode> {
        if intermediates.len() >= CHAIN_MAX {
            return Err(FailureCode::ClientCertMaxChainDepthExceeded);
        }
        let certificate = parse(leaf).ok_or(FailureCode::ClientCertInvalid)?;
        check_key(leaf)?;
        let last = unix_time(certificate.validity().not_after.timestamp());
        let time = if ignore_expiry { now.min(last) } else { now };
        let known = self.authorities.iter().find(|authority| authority.certificate == *leaf);
        match known {
            // The certificate itself was put into the trust store.
            Some(authority) => authority.check_time(time),
            None => self.verify_chain(leaf, intermediates, time),
        }
        .map_err(|error| FailureCode::of_chain(&error))?;
        match is_for_clients(&certificate) {
            true => Ok(()),
            false => Err(FailureCode::ClientCertPurposeInvalid),
        }
    }

    fn verify_chain(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        time: UnixTime,
    ) -> Result<(), Error> {
        let acceptable = |path: &VerifiedPath<'_>| {
            let anchor = self
                .anchors
                .iter()
                .position(|anchor| std::ptr::eq(anchor, path.anchor()));
            let authority = &self.authorities[anchor.ok_or(Error::UnknownIssuer)?];
            authority.check_time(time)?;
            self.check_revocations(path, authority)
        };
        EndEntityCert::try_from(leaf)?.verify_for_usage(
            ALGORITHMS,
            &self.anchors,
            intermediates,
            time,
            KeyUsage::client_auth(),
            None,
            Some(&acceptable),
        )?;
        Ok(())
    }

    /// Every certificate of the path against every list of its issuer. (The verifier's own check looks at the first list of
    /// an issuer alone and hashes it for every client.) An issuer without a list revokes nothing; one whose lists have all
    /// been signed by somebody else vouches for nobody. A list that is out of date still revokes.
    fn check_revocations(&self, path: &VerifiedPath<'_>, authority: &Authority) -> Result<(), Error> {
        if self.lists.is_empty() {
            return Ok(());
        }
        let mut issued: &webpki::Cert<'_> = path.end_entity();
        for issuer in path.intermediate_certificates() {
            self.check_revocation(issued, &issuer.der())?;
            issued = issuer;
        }
        self.check_revocation(issued, &authority.certificate)
    }

    fn check_revocation(&self, issued: &webpki::Cert<'_>, issuer: &CertificateDer<'_>) -> Result<(), Error> {
        let mut lists = self.lists.iter().filter(|list| list.is_of(issued.issuer())).peekable();
        if lists.peek().is_none() {
            return Ok(());
        }
        let key = der::public_key(issuer).ok_or(Error::BadDer)?;
        let mut usable = false;
        for list in lists.filter(|list| list.is_signed_by(key, ALGORITHMS)) {
            usable = true;
            if list.revokes(issued.serial()) {
                return Err(Error::CertRevoked);
            }
        }
        match usable {
            true => Ok(()),
            false => Err(Error::InvalidCrlSignatureForPublicKey),
        }
    }
}

impl Authority {
    fn read(certificate: CertificateDer<'static>) -> Option<(Self, TrustAnchor<'static>)> {
        let anchor = webpki::anchor_from_trusted_cert(&certificate).ok()?.to_owned();
        let validity = parse(&certificate)?.validity().clone();
        let authority = Self {
            not_before: unix_time(validity.not_before.timestamp()),
            not_after: unix_time(validity.not_after.timestamp()),
            certificate,
        };
        Some((authority, anchor))
    }

    /// The verifier does not ask for the validity of trust anchors; whoever vouches must be valid too.
    fn check_time(&self, time: UnixTime) -> Result<(), Error> {
        let (not_before, not_after) = (self.not_before, self.not_after);
        if time < not_before {
            return Err(Error::CertNotValidYet { time, not_before });
        }
        if time > not_after {
            return Err(Error::CertExpired { time, not_after });
        }
        Ok(())
    }
}

/// Is the key of a certificate of a kind that clients may have: RSA from 2048 to 8192 bits, P-256, P-384 or P-521? Nothing
/// else is read of it. Source: ALB 6.5.
pub(super) fn check_key(certificate: &CertificateDer<'_>) -> Result<(), FailureCode> {
    let key = der::public_key(certificate).and_then(der::key_parts);
    let (algorithm, bits) = key.ok_or(FailureCode::ClientCertInvalid)?;
    let accepted = if *algorithm == *alg_id::RSA_ENCRYPTION {
        der::rsa_bits(bits).is_some_and(|bits| (2048..=8192).contains(&bits))
    } else {
        ALGORITHMS.iter().any(|known| *known.public_key_alg_id() == *algorithm)
    };
    match accepted {
        true => Ok(()),
        false => Err(FailureCode::ClientCertTypeUnsupported),
    }
}

/// Extensions that say what a certificate is for must say clients and signatures, where they are there.
fn is_for_clients(certificate: &X509Certificate<'_>) -> bool {
    let extended = match certificate.extended_key_usage() {
        Ok(usage) => usage.is_none_or(|usage| usage.value.client_auth),
        Err(_) => false,
    };
    let signs = match certificate.key_usage() {
        Ok(usage) => usage.is_none_or(|usage| usage.value.digital_signature() || usage.value.key_agreement()),
        Err(_) => false,
    };
    extended && signs
}

/// Times before 1970 are as good as 1970 for what is asked here.
fn unix_time(seconds: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds.try_into().unwrap_or(0)))
}

#[cfg(test)]
mod tests;
