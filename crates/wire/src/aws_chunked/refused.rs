//! Why a body in chunks is not taken, in S3's words: no other service of AWS has any for it.

use super::CHUNK_BYTES_MIN;
use crate::sigv4;

/// Why a body is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// AWS has more ways to sign chunks.
    #[error(
        "Chunks of the body are signed in a way that is not built; built are STREAMING-AWS4-HMAC-SHA256-PAYLOAD, \
         STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER and STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    )]
    NotBuilt,
    /// The head, or how the body goes with it.
    #[error("{0}")]
    Head(&'static str),
    /// The head does not say how long the body is without its framing.
    #[error("You must provide the x-amz-decoded-content-length HTTP header.")]
    NoLength,
    /// Too many bytes, or too few.
    #[error("You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header")]
    Length,
    /// The body ends in the middle.
    #[error("The request body terminated unexpectedly")]
    Incomplete,
    /// A line before a chunk.
    #[error("The header of a chunk {0}")]
    Chunk(&'static str),
    /// A chunk that is not the last one.
    #[error(
        "Only the last chunk is allowed to have a size less than {CHUNK_BYTES_MIN} bytes; chunk {chunk} has {bytes}"
    )]
    TooSmall {
        /// Counted from 1.
        chunk: usize,
        /// Its size.
        bytes: usize,
    },
    /// Other trailers than announced, or lines that are none.
    #[error("The request contained trailing data that was not well-formed or did not conform to our published schema.")]
    Trailer,
    /// A checksum of another length, or none at all.
    #[error("Value for {0} trailing header is invalid.")]
    ChecksumValue(&'static str),
    /// The checksum of another body.
    #[error("The {0} you specified did not match the calculated checksum.")]
    Checksum(&'static str),
    /// The signature of a chunk or of the trailers.
    #[error(transparent)]
    Signature(#[from] sigv4::Refused),
}

impl Refused {
    /// The HTTP status and AWS's code.
    pub fn code(&self) -> (u16, &'static str) {
        match self {
            Self::NotBuilt => (501, "NotImplemented"),
            Self::Head(_) | Self::Chunk(_) | Self::ChecksumValue(_) => (400, "InvalidRequest"),
            Self::NoLength => (411, "MissingContentLength"),
            Self::Length | Self::Incomplete => (400, "IncompleteBody"),
            Self::TooSmall { .. } => (403, "InvalidChunkSizeError"),
            Self::Trailer => (400, "MalformedTrailerError"),
            Self::Checksum(_) => (400, "BadDigest"),
            Self::Signature(refused) => refused.code(),
        }
    }
}
