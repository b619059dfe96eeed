//! Distinguished names as RFC 2253 writes them, the way OpenSSL does (`-nameopt RFC2253`). Source: ALB 6.5.
//!
//! The result is printable ASCII whatever stands in the certificate, so that a name can be neither a second header line nor
//! a second field of a log.

use std::fmt::Write;
use x509_parser::asn1_rs::{Any, ToDer};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// The last relative name first, as RFC 2253 has it: `CN=client,O=Example,C=US`.
pub(crate) fn rfc2253(name: &X509Name<'_>) -> String {
    let mut out = String::with_capacity(name.as_raw().len());
    let relatives: Vec<_> = name.iter().collect();
    for relative in relatives.into_iter().rev() {
        let attributes: Vec<_> = relative.iter().collect();
        for (at, attribute) in attributes.into_iter().rev().enumerate() {
            if !out.is_empty() {
                out.push(if at == 0 { ',' } else { '+' });
            }
            push_attribute(attribute, &mut out);
        }
    }
    out
}

fn push_attribute(attribute: &AttributeTypeAndValue<'_>, out: &mut String) {
    let oid = attribute.attr_type();
    let short = SHORT_NAMES.iter().find(|(bytes, _)| *bytes == oid.as_bytes());
    let value = attribute.attr_value();
    match short {
        Some((_, short)) => {
            out.push_str(short);
            out.push('=');
            match utf8(value) {
                Some(text) => push_escaped(&text, out),
                None => push_der(value, out),
            }
        }
        None => {
            out.push_str(&oid.to_id_string());
            out.push('=');
            push_der(value, out);
        }
    }
}

/// The bytes of a string in UTF-8; what is wrong in it stays wrong, for escaping makes it harmless. `None` for what is no
/// string.
fn utf8(value: &Any<'_>) -> Option<Vec<u8>> {
    let data = value.data;
    let text = |characters: &mut dyn Iterator<Item = Option<char>>| -> Option<Vec<u8>> {
        characters.collect::<Option<String>>().map(String::into_bytes)
    };
    match value.tag().0 {
        // UTF8String, NumericString, PrintableString, IA5String, VisibleString
        12 | 18 | 19 | 22 | 26 => Some(data.to_vec()),
        // T61String, which everybody writes as Latin-1.
        20 => text(&mut data.iter().map(|byte| Some(char::from(*byte)))),
        // UniversalString
        28 if data.len().is_multiple_of(4) => text(&mut data.chunks_exact(4).map(|four| {
            let four = <[u8; 4]>::try_from(four).ok()?;
            char::from_u32(u32::from_be_bytes(four))
        })),
        // BMPString
        30 if data.len().is_multiple_of(2) => text(&mut data.chunks_exact(2).map(|two| {
            let two = <[u8; 2]>::try_from(two).ok()?;
            char::from_u32(u32::from(u16::from_be_bytes(two)))
        })),
        _ => None,
    }
}

fn push_escaped(text: &[u8], out: &mut String) {
    for (at, byte) in text.iter().enumerate() {
        let escaped = match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => true,
            b'#' => at == 0,
            b' ' => at == 0 || at + 1 == text.len(),
            _ => false,
        };
        if escaped {
            out.push('\\');
        }
        match byte {
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => drop(write!(out, "\\{byte:02X}")), // writing to a string cannot fail
        }
    }
}

/// `#` and the DER of the value in hexadecimal digits.
fn push_der(value: &Any<'_>, out: &mut String) {
    out.push('#');
    for byte in value.to_der_vec().unwrap_or_default() {
        let _ = write!(out, "{byte:02X}");
    }
}

/// OIDs, DER without tag and length, with the names that OpenSSL prints.
const SHORT_NAMES: &[(&[u8], &str)] = &[
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 4], "SN"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "street"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 12], "title"),
    (&[0x55, 4, 13], "description"),
    (&[0x55, 4, 15], "businessCategory"),
    (&[0x55, 4, 17], "postalCode"),
    (&[0x55, 4, 41], "name"),
    (&[0x55, 4, 42], "GN"),
    (&[0x55, 4, 43], "initials"),
    (&[0x55, 4, 44], "generationQualifier"),
    (&[0x55, 4, 46], "dnQualifier"),
    (&[0x55, 4, 65], "pseudonym"),
    (&[0x55, 4, 97], "organizationIdentifier"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "emailAddress"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 2], "unstructuredName"),
    (&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 1], "jurisdictionL"),
    (&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 2], "jurisdictionST"),
    (&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 3], "jurisdictionC"),
];

#[cfg(test)]
mod tests;
