//! Bodies in chunks of their own (`content-encoding: aws-chunked`), each with a signature or all with a checksum behind them.
//! SDKs send them when they do not know a body, or its checksum, before it is on its way.
//!
//! ```text
//! 10000;chunk-signature=ad80c730...\r\n    how many bytes, and their signature: it signs the one before, too
//! (65536 bytes)\r\n
//! 0;chunk-signature=b6c6ea8a...\r\n        no more chunks
//! x-amz-checksum-crc32c:sOO8/Q==\r\n       the checksum that the head has announced, over all bytes together
//! x-amz-trailer-signature:d81f82fc...\r\n
//! \r\n
//! ```
//!
//! A head announces such a body ([`Announced::read`]), and [`Announced::decode`] takes it apart. The whole body is there
//! before anybody looks at it, so its end is never in doubt.

mod refused;
mod trailer;

use crate::checksum::Checksum;
use crate::sigv4::Chain;
pub use refused::Refused;

/// Bytes of the line before a chunk: 16 digits, a signature and its name fit with room to spare.
const HEADER_BYTES_MAX: usize = 128;
/// Digits of a chunk's length.
const DIGITS_MAX: usize = 16;
/// Chunks but the last have this many bytes at least, so that not everything is signatures. Source: S3.
pub const CHUNK_BYTES_MIN: usize = 8 * 1024;
/// Bytes of a header that is read here.
const VALUE_BYTES_MAX: usize = 128;

/// How a body comes, as the head of its request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    kind: Kind,
    bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Signed,
    SignedWithTrailer(Checksum),
    /// Nothing of the body is signed: the signer has left it to the checksum, and to the connection.
    UnsignedWithTrailer(Checksum),
}

impl Announced {
    /// What the head announces, if it announces chunks. Names are in lower case.
    ///
    /// # Errors
    /// It is not clear what will come, or nobody here can read it.
    pub fn read(headers: &[(&str, &[u8])]) -> Result<Option<Self>, Refused> {
        let mut lines = headers.iter().filter(|(name, _)| *name == "x-amz-content-sha256");
        if !lines.any(|(_, value)| value.trim_ascii_start().starts_with(b"STREAMING-")) {
            return Ok(None);
        }
        let trailer = header(headers, "x-amz-trailer")?;
        let kind = match (header(headers, "x-amz-content-sha256")?.unwrap_or_default(), trailer) {
            (SIGNED, None) => Kind::Signed,
            (SIGNED, Some(_)) => return Err(Refused::Head("x-amz-trailer goes with a body that has trailers only")),
            (SIGNED_WITH_TRAILER, trailer) => Kind::SignedWithTrailer(checksum(trailer)?),
            (UNSIGNED_WITH_TRAILER, trailer) => Kind::UnsignedWithTrailer(checksum(trailer)?),
            _ => return Err(Refused::NotBuilt),
        };
        let bytes = header(headers, "x-amz-decoded-content-length")?.ok_or(Refused::NoLength)?;
        let is_number = (1..=DIGITS_MAX).contains(&bytes.len()) && bytes.bytes().all(|it| it.is_ascii_digit());
        let bytes = bytes.parse().ok().filter(|_| is_number);
        let bytes = bytes.ok_or(Refused::Head("x-amz-decoded-content-length is not a number of bytes"))?;
        Ok(Some(Self { kind, bytes }))
    }

    /// How many bytes the body has without its framing.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many bytes the framing of as many bytes may take. Nothing that [`Self::decode`] accepts has more.
    pub fn framing_bytes_max(bytes: usize) -> usize {
        let chunks = bytes.div_ceil(CHUNK_BYTES_MIN).saturating_add(1);
        chunks
            .saturating_mul(HEADER_BYTES_MAX + 2)
            .saturating_add(trailer::BYTES_MAX)
    }

    /// What stands for the hash of the body in the signature of the head.
    pub(crate) fn content_sha256(&self) -> &'static str {
        match self.kind {
            Kind::Signed => SIGNED,
            Kind::SignedWithTrailer(_) => SIGNED_WITH_TRAILER,
            Kind::UnsignedWithTrailer(_) => UNSIGNED_WITH_TRAILER,
        }
    }

    /// The body without its framing. Without a chain, which is where nobody knows the secret, signatures must be there all the
    /// same and are not verified.
    ///
    /// # Errors
    /// It is not what was announced, not whole, or not signed as it must be.
    pub fn decode(&self, body: &[u8], mut chain: Option<Chain>) -> Result<Vec<u8>, Refused> {
        let (mut rest, mut data) = (body, Vec::with_capacity(self.bytes.min(body.len())));
        let (mut number, mut last_bytes) = (0_usize, CHUNK_BYTES_MIN);
        loop {
            let (header, after) = self.chunk_header(rest)?;
            number += 1;
            if header.bytes > 0 && last_bytes < CHUNK_BYTES_MIN {
                return Err(Refused::TooSmall {
                    chunk: number - 1,
                    bytes: last_bytes,
                });
            }
            if header.bytes > self.bytes - data.len() {
                return Err(Refused::Length);
            }
            let (chunk, after) = after.split_at_checked(header.bytes).ok_or(Refused::Incomplete)?;
            if let (Some(chain), Some(signature)) = (&mut chain, header.signature) {
                chain.check_chunk(chunk, signature)?;
            }
            rest = after;
            if header.bytes == 0 {
                break;
            }
            rest = line_end(after)?;
            data.extend_from_slice(chunk);
            last_bytes = header.bytes;
        }
        if data.len() != self.bytes {
            return Err(Refused::Length);
        }
        self.check_end(rest, &data, chain)?;
        Ok(data)
    }

    fn chunk_header<'a>(&self, rest: &'a [u8]) -> Result<(Header<'a>, &'a [u8]), Refused> {
        let beginning = rest.get(..HEADER_BYTES_MAX).unwrap_or(rest);
        let Some(end) = beginning.iter().position(|byte| *byte == b'\n') else {
            return match beginning.len() < HEADER_BYTES_MAX {
                true => Err(Refused::Incomplete),
                false => Err(Refused::Chunk("is longer than any")),
            };
        };
        let line = rest[..end].strip_suffix(b"\r");
        let line = line.and_then(|line| std::str::from_utf8(line).ok());
        let line = line.ok_or(Refused::Chunk("does not end with CR and LF, or is not ASCII"))?;
        let (digits, signature) = match (line.split_once(';'), self.kind) {
            (None, Kind::UnsignedWithTrailer(_)) => (line, None),
            (Some((digits, extension)), Kind::Signed | Kind::SignedWithTrailer(_)) => {
                let signature = extension.strip_prefix("chunk-signature=").filter(|it| is_signature(it));
                let signature =
                    signature.ok_or(Refused::Chunk("has no signature of 64 lower-case hexadecimal digits"))?;
                (digits, Some(signature))
            }
            (None, _) => return Err(Refused::Chunk("has no signature")),
            (Some(_), _) => return Err(Refused::Chunk("has more than a length, and nothing was to be signed")),
        };
        let is_length = (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_hexdigit());
        let bytes = usize::from_str_radix(digits, 16).ok().filter(|_| is_length);
        let bytes = bytes.ok_or(Refused::Chunk("has no length in hexadecimal digits"))?;
        Ok((Header { bytes, signature }, &rest[end + 1..]))
    }

    fn check_end(&self, rest: &[u8], data: &[u8], chain: Option<Chain>) -> Result<(), Refused> {
        let (checksum, is_signed) = match self.kind {
            Kind::Signed => {
                return match line_end(rest)? {
                    [] => Ok(()),
                    _ => Err(Refused::Head("The body goes on behind its last chunk")),
                };
            }
            Kind::SignedWithTrailer(checksum) => (checksum, true),
            Kind::UnsignedWithTrailer(checksum) => (checksum, false),
        };
        let trailer = trailer::read(rest, checksum, is_signed)?;
        if let (Some(mut chain), Some(signature)) = (chain, trailer.signature) {
            let canonical = format!("{}:{}\n", checksum.header(), trailer.value);
            chain.check_trailers(&canonical, signature)?;
        }
        trailer::check(checksum, trailer.value, data)
    }
}

const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_WITH_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED_WITH_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// The line before a chunk.
struct Header<'a> {
    bytes: usize,
    signature: Option<&'a str>,
}

/// The value of a header that comes once at most.
fn header<'a>(headers: &[(&str, &'a [u8])], name: &str) -> Result<Option<&'a str>, Refused> {
    let mut lines = headers.iter().filter(|(its_name, _)| *its_name == name);
    let value = match (lines.next(), lines.next()) {
        (None, _) => return Ok(None),
        (Some((_, value)), None) if value.len() <= VALUE_BYTES_MAX => std::str::from_utf8(value).ok(),
        _ => None,
    };
    match value {
        Some(value) => Ok(Some(value.trim())),
        None => Err(Refused::Head(
            "A header that describes the body is there twice, or cannot be read",
        )),
    }
}

/// The one checksum that comes behind the body.
fn checksum(trailer: Option<&str>) -> Result<Checksum, Refused> {
    let name = trailer.ok_or(Refused::Head(
        "x-amz-trailer must name the trailer that the body will have",
    ))?;
    let mut all = Checksum::ALL.into_iter();
    all.find(|it| name.eq_ignore_ascii_case(it.header()))
        .ok_or(Refused::Head(
            "The value specified in the x-amz-trailer header is not supported",
        ))
}

fn is_signature(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
}

/// What comes behind CR and LF.
fn line_end(rest: &[u8]) -> Result<&[u8], Refused> {
    match rest {
        [b'\r', b'\n', rest @ ..] => Ok(rest),
        [] | [b'\r'] => Err(Refused::Incomplete),
        _ => Err(Refused::Chunk("names another length than its chunk has")),
    }
}

#[cfg(test)]
mod tests;
