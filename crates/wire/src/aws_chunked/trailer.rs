//! What comes behind the last chunk: a checksum, and its signature.

use super::{Refused, is_signature};
use crate::checksum::Checksum;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Bytes of all trailers.
pub(super) const BYTES_MAX: usize = 1024;

/// The trailers of a body.
pub(super) struct Trailer<'a> {
    /// The checksum, as sent.
    pub(super) value: &'a str,
    pub(super) signature: Option<&'a str>,
}

/// Reads lines up to an empty one that ends the body. AWS's own description ends lines in two ways and has empty ones between
/// them, so those are passed over.
pub(super) fn read(rest: &[u8], checksum: Checksum, is_signed: bool) -> Result<Trailer<'_>, Refused> {
    if rest.len() > BYTES_MAX {
        return Err(Refused::Trailer);
    }
    if !rest.ends_with(b"\n\r\n") && !rest.ends_with(b"\n\n") {
        return Err(Refused::Incomplete);
    }
    let text = std::str::from_utf8(rest).map_err(|_| Refused::Trailer)?;
    let (mut value, mut signature) = (None, None);
    for line in text.split('\n').map(str::trim).filter(|line| !line.is_empty()) {
        let (name, its_value) = line.split_once(':').ok_or(Refused::Trailer)?;
        let its_value = its_value.trim();
        // The signature is of what stands before it.
        if signature.is_some() {
            return Err(Refused::Trailer);
        } else if value.is_none() && name.eq_ignore_ascii_case(checksum.header()) {
            value = Some(its_value);
        } else if is_signed && name.eq_ignore_ascii_case("x-amz-trailer-signature") && is_signature(its_value) {
            signature = Some(its_value);
        } else {
            return Err(Refused::Trailer);
        }
    }
    match (value, signature) {
        (Some(value), signature) if signature.is_some() == is_signed => Ok(Trailer { value, signature }),
        _ => Err(Refused::Trailer),
    }
}

/// Whether a checksum is that of these bytes.
pub(super) fn check(checksum: Checksum, value: &str, data: &[u8]) -> Result<(), Refused> {
    let sum = STANDARD.decode(value).ok().filter(|sum| sum.len() == checksum.len());
    match sum {
        None => Err(Refused::ChecksumValue(checksum.header())),
        Some(sum) if sum == checksum.of(data) => Ok(()),
        Some(_) => Err(Refused::Checksum(checksum.name())),
    }
}
