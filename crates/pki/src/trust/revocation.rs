//! Certificate revocation lists. Source: ALB 6.5, RFC 5280 section 5.

use rustls_pki_types::pem::{self, PemObject, SectionKind};
use webpki::{BorrowedCertRevocationList, Error};
use x509_parser::parse_x509_crl;

use super::{REVOCATION_ENTRIES_MAX, REVOCATION_LIST_BYTES_MAX, REVOCATION_LISTS_MAX, RevocationListError};
use crate::certificate::found;

/// One certificate revocation list, read to its end. Whether it was signed by who it says is found out when a certificate
/// of that authority is verified. Whether it is out of date is not asked: an old list still revokes what stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationList {
    der: Vec<u8>,
    entries: u32,
}

impl RevocationList {
    /// Reads one list, PEM or DER.
    ///
    /// # Errors
    /// What is wrong with it, or what it uses that we cannot honour.
    pub fn from_pem_or_der(input: &[u8]) -> Result<Self, RevocationListError> {
        if input.len() > REVOCATION_LIST_BYTES_MAX {
            return Err(RevocationListError::TooLarge {
                bytes: input.len(),
                bytes_max: REVOCATION_LIST_BYTES_MAX,
            });
        }
        let der = der_of(input)?;
        let entries = count(&der)?;
        Ok(Self { der, entries })
    }

    /// DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// How many certificates it revokes.
    #[must_use]
    pub fn entries(&self) -> u32 {
        self.entries
    }
}

/// Are these too many for one trust store?
///
/// # Errors
/// [`RevocationListError::TooManyLists`] or [`RevocationListError::TooManyEntries`].
pub fn check_revocation_lists(lists: &[RevocationList]) -> Result<(), RevocationListError> {
    if lists.len() > REVOCATION_LISTS_MAX {
        return Err(RevocationListError::TooManyLists {
            lists: lists.len(),
            lists_max: REVOCATION_LISTS_MAX,
        });
    }
    check_entries(lists.iter().map(|list| u64::from(list.entries)).sum())
}

fn check_entries(entries: u64) -> Result<(), RevocationListError> {
    if entries > u64::from(REVOCATION_ENTRIES_MAX) {
        return Err(RevocationListError::TooManyEntries {
            entries,
            entries_max: REVOCATION_ENTRIES_MAX,
        });
    }
    Ok(())
}

/// DER begins with a SEQUENCE, which is no letter of PEM ('0' can begin a comment, but not what follows it here).
fn der_of(input: &[u8]) -> Result<Vec<u8>, RevocationListError> {
    if input.first() == Some(&0x30) && input.get(1).is_some_and(|byte| *byte >= 0x80) {
        return Ok(input.to_vec());
    }
    let mut list = None;
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(input) {
        match section {
            Ok((SectionKind::Crl, der)) if list.is_none() => list = Some(der),
            Ok((SectionKind::Crl, _)) => return Err(RevocationListError::SeveralLists),
            Ok(_) => {}
            Err(pem::Error::NoItemsFound) => break,
            Err(_) => return Err(RevocationListError::Damaged),
        }
    }
    list.ok_or_else(|| RevocationListError::NoRevocationList { found: found(input) })
}

/// Reads everything in it.
fn count(der: &[u8]) -> Result<u32, RevocationListError> {
    let list = BorrowedCertRevocationList::from_der(der).map_err(|error| match refusal(&error) {
        RevocationListError::Damaged => absent(der),
        refusal => refusal,
    })?;
    let mut entries = 0u32;
    for entry in &list {
        entry.map_err(|error| refusal(&error))?;
        entries = entries.saturating_add(1);
    }
    check_entries(u64::from(entries))?;
    Ok(entries)
}

/// What is not there may look like damage to a parser that needs it.
fn absent(der: &[u8]) -> RevocationListError {
    let reason = match parse_x509_crl(der) {
        Ok((_, list)) if list.version().is_none() => {
            "it is of version 1, and version 2 is needed (openssl: `crl_extensions` with `crlNumber`)"
        }
        Ok((_, list)) if list.next_update().is_none() => "it does not say when the next one comes (`nextUpdate`)",
        _ => return RevocationListError::Damaged,
    };
    RevocationListError::Unsupported { reason }
}

fn refusal(error: &Error) -> RevocationListError {
    let reason = match error {
        Error::UnsupportedCrlVersion => "its version is not 2",
        Error::UnsupportedDeltaCrl => "it is a delta list; only complete ones are understood",
        Error::UnsupportedIndirectCrl => "it is indirect: it speaks for other issuers than its own",
        Error::UnsupportedRevocationReasonsPartitioning => "it covers only some reasons of revocation",
        Error::UnsupportedCrlIssuingDistributionPoint => {
            "its issuing distribution point has no full name, so that its scope is not known"
        }
        Error::UnsupportedCriticalExtension => "it has a critical extension that is not understood",
        _ => return RevocationListError::Damaged,
    };
    RevocationListError::Unsupported { reason }
}
