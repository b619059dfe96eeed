//! Bundles of certificate authorities, read the way AWS wants them written. Source: ALB 6.5.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;

use super::{
    ADVERTISED_SUBJECT_BYTES_MAX, TRUST_BUNDLE_BYTES_MAX, TRUSTED_AUTHORITIES_MAX, TRUSTED_AUTHORITY_BYTES_MAX,
    TrustBundleError,
};
use crate::certificate::{client_key, found, instant, parse, printable};
use crate::renewal::Validity;

/// The certificate authorities of a trust store: 1 to [`TRUSTED_AUTHORITIES_MAX`], each usable as a trust anchor. They may
/// be out of date: ask [`TrustedAuthority::validity`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustBundle {
    pem: String,
    authorities: Vec<TrustedAuthority>,
    subject_bytes: usize,
}

/// What people want to know of one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedAuthority {
    /// The subject, as in `CN=Example Root`.
    pub subject: String,
    /// When it holds.
    pub validity: Validity,
}

impl TrustBundle {
    /// Reads a bundle: certificates in PEM one below the other, no blank lines, comment lines that begin with `#` and have
    /// no `-`.
    ///
    /// # Errors
    /// The first mistake in how the file is written; when there is none, what is wrong with each certificate. Never empty.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Vec<TrustBundleError>> {
        let sections = sections(pem).map_err(|error| vec![error])?;
        let mut bundle = Self {
            pem: sections.concat(),
            authorities: Vec::with_capacity(sections.len()),
            subject_bytes: 0,
        };
        let mut errors = Vec::new();
        for (index, section) in sections.iter().enumerate() {
            match read(section, index + 1) {
                Ok((authority, subject_bytes)) => {
                    bundle.authorities.push(authority);
                    bundle.subject_bytes += subject_bytes;
                }
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(bundle) } else { Err(errors) }
    }

    /// The certificates alone: no comments, so that every reader of PEM reads the same.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Its certificates, in its order; at least one.
    #[must_use]
    pub fn authorities(&self) -> &[TrustedAuthority] {
        &self.authorities
    }

    /// Can clients be told the names of its authorities?
    ///
    /// # Errors
    /// [`TrustBundleError::SubjectsTooLarge`]: `AdvertiseTrustStoreCaNames` cannot be on.
    pub fn check_advertisable(&self) -> Result<(), TrustBundleError> {
        if self.subject_bytes > ADVERTISED_SUBJECT_BYTES_MAX {
            return Err(TrustBundleError::SubjectsTooLarge {
                bytes: self.subject_bytes,
                bytes_max: ADVERTISED_SUBJECT_BYTES_MAX,
            });
        }
        Ok(())
    }
}

/// Cuts a file into its certificates, each with its BEGIN and END line.
fn sections(pem: &[u8]) -> Result<Vec<String>, TrustBundleError> {
    if pem.len() > TRUST_BUNDLE_BYTES_MAX {
        return Err(TrustBundleError::TooLarge {
            bytes: pem.len(),
            bytes_max: TRUST_BUNDLE_BYTES_MAX,
        });
    }
    let pem = pem.strip_prefix(b"\xef\xbb\xbf").unwrap_or(pem);
    let none = || TrustBundleError::NoCertificate { found: found(pem) };
    let text = std::str::from_utf8(pem).map_err(|_| none())?;
    if !text.contains("-----BEGIN ") {
        return Err(none());
    }
    let mut sections: Vec<String> = Vec::new();
    let mut begun: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let line = line.trim_end();
        if line.is_empty() {
            return Err(TrustBundleError::BlankLine { line: line_number });
        }
        begun = match begun {
            None => begin(line, line_number)?,
            Some((start, mut section)) => {
                section.push_str(line);
                section.push('\n');
                if line == "-----END CERTIFICATE-----" {
                    if sections.len() == TRUSTED_AUTHORITIES_MAX {
                        return Err(TrustBundleError::TooManyCertificates {
                            certificates_max: TRUSTED_AUTHORITIES_MAX,
                        });
                    }
                    sections.push(section);
                    None
                } else if line.starts_with("-----") {
                    return Err(unclosed(sections.len(), start));
                } else {
                    Some((start, section))
                }
            }
        };
    }
    match begun {
        Some((start, _)) => Err(unclosed(sections.len(), start)),
        None if sections.is_empty() => Err(none()),
        None => Ok(sections),
    }
}

/// What a line outside of certificates begins.
fn begin(line: &str, line_number: usize) -> Result<Option<(usize, String)>, TrustBundleError> {
    if line == "-----BEGIN CERTIFICATE-----" {
        return Ok(Some((line_number, format!("{line}\n"))));
    }
    if let Some(comment) = line.strip_prefix('#') {
        return match comment.contains('-') {
            true => Err(TrustBundleError::HyphenInComment { line: line_number }),
            false => Ok(None),
        };
    }
    let label = line
        .strip_prefix("-----BEGIN ")
        .and_then(|rest| rest.strip_suffix("-----"));
    Err(match label {
        Some(label) => TrustBundleError::OtherSection {
            line: line_number,
            label: printable(label.as_bytes()),
        },
        None => TrustBundleError::StrayLine { line: line_number },
    })
}

fn unclosed(before: usize, line: usize) -> TrustBundleError {
    TrustBundleError::Unclosed {
        position: before + 1,
        line,
    }
}

/// One certificate, and the length of its subject.
fn read(section: &str, position: usize) -> Result<(TrustedAuthority, usize), TrustBundleError> {
    let damaged = || TrustBundleError::Damaged { position };
    let der = CertificateDer::from_pem_slice(section.as_bytes()).map_err(|_| damaged())?;
    if der.len() > TRUSTED_AUTHORITY_BYTES_MAX {
        return Err(TrustBundleError::CertificateTooLarge {
            position,
            bytes: der.len(),
            bytes_max: TRUSTED_AUTHORITY_BYTES_MAX,
        });
    }
    let certificate = parse(&der).ok_or_else(damaged)?;
    check(&certificate, position)?;
    // The parser that will verify clients has the last word.
    webpki::anchor_from_trusted_cert(&der).map_err(|_| damaged())?;
    let validity = certificate.validity();
    let authority = TrustedAuthority {
        subject: certificate.subject().to_string(),
        validity: Validity {
            not_before: instant(validity.not_before).ok_or_else(damaged)?,
            not_after: instant(validity.not_after).ok_or_else(damaged)?,
        },
    };
    Ok((authority, certificate.subject().as_raw().len()))
}

/// Can it vouch for clients?
fn check(certificate: &X509Certificate<'_>, position: usize) -> Result<(), TrustBundleError> {
    let subject = || certificate.subject().to_string();
    let damaged = |_| TrustBundleError::Damaged { position };
    let version = certificate.version();
    if version.0 != 2 {
        return Err(TrustBundleError::OldVersion {
            position,
            subject: subject(),
            version: version.0.saturating_add(1),
        });
    }
    let constraints = certificate.basic_constraints().map_err(damaged)?;
    if !constraints.is_some_and(|constraints| constraints.value.ca) {
        return Err(TrustBundleError::NotAnAuthority {
            position,
            subject: subject(),
        });
    }
    let usage = certificate.key_usage().map_err(damaged)?;
    if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
        return Err(TrustBundleError::MayNotSign {
            position,
            subject: subject(),
        });
    }
    client_key(certificate.public_key()).map_err(|found| TrustBundleError::UnsupportedKey {
        position,
        subject: subject(),
        found,
    })
}
