//! What a client's certificate says, in the words of headers and logs. Source: ALB 6.5, 8.5.

use super::name::rfc2253;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use std::fmt::Write;
use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_certificate;
use x509_parser::time::ASN1Time;

/// The facts of a client's own certificate. Printable ASCII throughout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientCertificate {
    /// Upper-case hexadecimal digits, two for each byte, no prefix.
    pub(crate) serial_number: String,
    /// RFC 2253.
    pub(crate) issuer: String,
    /// RFC 2253.
    pub(crate) subject: String,
    /// `NotBefore=2024-07-28T15:02:45Z;NotAfter=2025-08-27T16:02:45Z`.
    pub(crate) validity: String,
}

impl ClientCertificate {
    /// `None` when it cannot be read.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        parse(der).map(|certificate| Self::of(&certificate))
    }

    fn of(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        let mut text = String::from("NotBefore=");
        push_time(validity.not_before, &mut text);
        text.push_str(";NotAfter=");
        push_time(validity.not_after, &mut text);
        Self {
            serial_number: hexadecimal(certificate.raw_serial()),
            issuer: rfc2253(certificate.issuer()),
            subject: rfc2253(certificate.subject()),
            validity: text,
        }
    }
}

/// A certificate, if the bytes are one and nothing else.
pub(crate) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    match parse_x509_certificate(der) {
        Ok(([], certificate)) => Some(certificate),
        _ => None,
    }
}

/// The bytes of a serial number without the zero that only says that it is positive.
pub(super) fn significant(serial_number: &[u8]) -> &[u8] {
    match serial_number {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    }
}

fn hexadecimal(serial_number: &[u8]) -> String {
    let mut out = String::with_capacity(2 * serial_number.len());
    for byte in significant(serial_number) {
        let _ = write!(out, "{byte:02X}"); // writing to a string cannot fail
    }
    out
}

fn push_time(time: ASN1Time, out: &mut String) {
    let time = time.to_datetime();
    let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let _ = write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
}

/// Certificates as headers carry them: PEM one below the other, URL-encoded, but for `+`, `=` and `/`.
pub(crate) fn escaped_pem<'a>(chain: impl IntoIterator<Item = &'a CertificateDer<'a>>) -> String {
    const LINE: usize = 64;
    let mut out = String::new();
    for certificate in chain {
        let base64 = STANDARD.encode(certificate);
        out.reserve(base64.len() + 3 * (base64.len() / LINE) + 70);
        out.push_str("-----BEGIN%20CERTIFICATE-----%0A");
        let mut rest = base64.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(LINE));
            out.push_str(line);
            out.push_str("%0A");
            rest = after;
        }
        out.push_str("-----END%20CERTIFICATE-----%0A");
    }
    out
}

#[cfg(test)]
mod tests;
