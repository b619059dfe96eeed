//! PEM files: finding the sections we want, and saying what was there when they are missing.

use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{CHAIN_CERTIFICATES_MAX, CHAIN_PEM_BYTES_MAX, CertificateError, Found, KEY_PEM_BYTES_MAX, Part};

const BEGIN: &[u8] = b"-----BEGIN ";
const LABELS_SHOWN_MAX: usize = 4;
const LABEL_CHARS_MAX: usize = 40;

/// All certificates of a file, in its order: at least one, at most [`CHAIN_CERTIFICATES_MAX`].
pub(crate) fn read_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let pem = bounded(pem, Part::Chain, CHAIN_PEM_BYTES_MAX)?;
    let mut chain = Vec::new();
    for section in CertificateDer::pem_slice_iter(pem) {
        if chain.len() == CHAIN_CERTIFICATES_MAX {
            return Err(CertificateError::TooManyCertificates {
                certificates_max: CHAIN_CERTIFICATES_MAX,
            });
        }
        chain.push(section.map_err(|_| CertificateError::MalformedPem(Part::Chain))?);
    }
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate { found: found(pem) });
    }
    Ok(chain)
}

/// The one private key of a file.
pub(crate) fn read_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let pem = bounded(pem, Part::PrivateKey, KEY_PEM_BYTES_MAX)?;
    // Looked for first: the old form hides its encryption in a header inside the section, which would only look like
    // damaged base64.
    if labels(pem).any(|label| label == b"ENCRYPTED PRIVATE KEY") || lines(pem).any(is_encryption_header) {
        return Err(CertificateError::EncryptedPrivateKey);
    }
    let mut key = None;
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
        let (kind, der) = section.map_err(|_| CertificateError::MalformedPem(Part::PrivateKey))?;
        if let Some(found) = PrivateKeyDer::from_pem(kind, der)
            && key.replace(found).is_some()
        {
            return Err(CertificateError::SeveralPrivateKeys);
        }
    }
    key.ok_or_else(|| CertificateError::NoPrivateKey { found: found(pem) })
}

/// The input without the byte-order mark that some editors write.
fn bounded(pem: &[u8], part: Part, bytes_max: usize) -> Result<&[u8], CertificateError> {
    if pem.len() > bytes_max {
        return Err(CertificateError::TooLarge {
            part,
            bytes: pem.len(),
            bytes_max,
        });
    }
    Ok(pem.strip_prefix(b"\xef\xbb\xbf").unwrap_or(pem))
}

pub(crate) fn found(pem: &[u8]) -> Found {
    let shown: Vec<String> = labels(pem).take(LABELS_SHOWN_MAX).map(printable).collect();
    if !shown.is_empty() {
        Found::Sections(shown)
    } else if pem.trim_ascii().is_empty() {
        Found::Empty
    } else if std::str::from_utf8(pem).is_ok_and(|text| !text.contains('\0')) {
        Found::Text
    } else {
        Found::Binary
    }
}

fn lines(pem: &[u8]) -> impl Iterator<Item = &[u8]> {
    pem.split(|byte| matches!(byte, b'\n' | b'\r'))
}

fn labels(pem: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines(pem).filter_map(|line| line.strip_prefix(BEGIN)?.trim_ascii_end().strip_suffix(b"-----"))
}

fn is_encryption_header(line: &[u8]) -> bool {
    line.starts_with(b"Proc-Type:") && line.trim_ascii_end().ends_with(b"ENCRYPTED")
}

pub(crate) fn printable(label: &[u8]) -> String {
    let shown = label.iter().map(|&byte| {
        if byte.is_ascii_graphic() || byte == b' ' {
            char::from(byte)
        } else {
            '?'
        }
    });
    shown.take(LABEL_CHARS_MAX).collect()
}
