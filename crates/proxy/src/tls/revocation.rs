//! Revocation lists, ready to be asked on every handshake. Source: ALB 6.5, RFC 5280 section 5.
//!
//! A list of half a million entries is neither searched entry by entry nor hashed again for each client: it is indexed
//! when the table is compiled, and a signature on it is verified once for each key it is asked about.

use super::client_certificate::significant;
use super::der::{self, BIT_STRING, INTEGER, Reader, SEQUENCE};
use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::SignatureVerificationAlgorithm;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Keys of which we remember whether they signed a list. A list has one or, while an authority changes its key, two.
const KEYS_MAX: usize = 16;

/// A list that cannot be read, or that says more than we understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// One list.
pub(super) struct RevocationIndex {
    der: Arc<[u8]>,
    issuer: Range<usize>,
    /// What is signed, with what, and the signature.
    signed: Range<usize>,
    algorithm: Range<usize>,
    signature: Range<usize>,
    /// Where the serial numbers are, in the order of their bytes.
    serials: Box<[Place]>,
    /// Hashes of public keys that were tried.
    tried: ArcSwap<Vec<([u8; 32], bool)>>,
}

/// A short range.
#[derive(Clone, Copy)]
struct Place {
    start: u32,
    len: u16,
}

impl RevocationIndex {
    pub(super) fn read(der: Arc<[u8]>) -> Result<Self, Unreadable> {
        // The library checks everything: versions, extensions that change what a list means, the form of every entry.
        let list = webpki::BorrowedCertRevocationList::from_der(&der).map_err(|_| Unreadable)?;
        let mut serials = Vec::new();
        for entry in &list {
            let entry = entry.map_err(|_| Unreadable)?;
            serials.push(Place::of(significant(entry.serial_number), &der).ok_or(Unreadable)?);
        }
        serials.sort_unstable_by(|one, other| one.bytes(&der).cmp(other.bytes(&der)));
        let Parts {
            signed,
            algorithm,
            signature,
            issuer,
        } = parts(&der).ok_or(Unreadable)?;
        Ok(Self {
            issuer,
            signed,
            algorithm,
            signature,
            serials: serials.into(),
            tried: ArcSwap::default(),
            der,
        })
    }

    /// Does it speak for the issuer of this name (DER, without tag and length)?
    pub(super) fn is_of(&self, issuer: &[u8]) -> bool {
        self.der[self.issuer.clone()] == *issuer
    }

    /// Is this serial number (DER, without tag and length) in it?
    pub(super) fn revokes(&self, serial_number: &[u8]) -> bool {
        let wanted = significant(serial_number);
        self.serials
            .binary_search_by(|place| place.bytes(&self.der).cmp(wanted))
            .is_ok()
    }

    /// Was it signed with this key (SubjectPublicKeyInfo)?
    pub(super) fn is_signed_by(&self, key: &[u8], algorithms: &[&dyn SignatureVerificationAlgorithm]) -> bool {
        let Ok(name) = <[u8; 32]>::try_from(digest(&SHA256, key).as_ref()) else {
            return false;
        };
        if let Some((_, known)) = self.tried.load().iter().find(|(tried, _)| *tried == name) {
            return *known;
        }
        let signed = self.verify(key, algorithms);
        // Whoever comes at the same time verifies too; that costs once, and nobody waits.
        self.tried.rcu(|tried| {
            let mut tried = Vec::clone(tried);
            if tried.len() < KEYS_MAX {
                tried.push((name, signed));
            }
            tried
        });
        signed
    }

    fn verify(&self, key: &[u8], algorithms: &[&dyn SignatureVerificationAlgorithm]) -> bool {
        let Some((algorithm, bits)) = der::key_parts(key) else {
            return false;
        };
        let part = |range: &Range<usize>| &self.der[range.clone()];
        algorithms
            .iter()
            .filter(|known| {
                *known.signature_alg_id() == *part(&self.algorithm) && *known.public_key_alg_id() == *algorithm
            })
            .any(|known| {
                known
                    .verify_signature(bits, part(&self.signed), part(&self.signature))
                    .is_ok()
            })
    }
}

impl fmt::Debug for RevocationIndex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("RevocationIndex");
        shown.field("entries", &self.serials.len()).finish_non_exhaustive()
    }
}

impl Place {
    /// Where `part` lies in `whole`.
    fn of(part: &[u8], whole: &[u8]) -> Option<Self> {
        let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
        (whole.get(start..start + part.len()) == Some(part)).then_some(())?;
        Some(Self {
            start: start.try_into().ok()?,
            len: part.len().try_into().ok()?,
        })
    }

    fn bytes(self, whole: &[u8]) -> &[u8] {
        &whole[self.start as usize..][..usize::from(self.len)]
    }
}

struct Parts {
    signed: Range<usize>,
    algorithm: Range<usize>,
    signature: Range<usize>,
    issuer: Range<usize>,
}

/// `CertificateList ::= SEQUENCE { tbsCertList, signatureAlgorithm, signatureValue }`.
fn parts(der: &[u8]) -> Option<Parts> {
    let mut list = Reader::new(der).enter()?;
    let signed = list.expect(SEQUENCE)?;
    let algorithm = list.expect(SEQUENCE)?.content;
    let signature = der::bits(der, &list.expect(BIT_STRING)?)?;
    let mut fields = list.inside(&signed);
    fields.expect(INTEGER)?; // version
    fields.expect(SEQUENCE)?; // signature algorithm
    Some(Parts {
        issuer: fields.expect(SEQUENCE)?.content,
        signed: signed.whole,
        algorithm,
        signature,
    })
}

#[cfg(test)]
mod tests;
