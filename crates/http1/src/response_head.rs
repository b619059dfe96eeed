//! The head of a target's response as tokens: spans into the caller's bytes, reused from response to response.
//!
//! The reading is strict: what two parsers could read differently is an error, and the client gets 502. Tolerated is
//! what has one meaning only: lines that end with LF alone, and whitespace behind a name that is no framing header.
//! Responses of HTTP/2 targets become the same type through [`ResponseHead::begin`] and [`ResponseHead::push`].

mod build;
mod read;

use crate::field::{Field, Fields, mark};
use crate::head::Version;
use crate::known_name::KnownName;
use crate::token::Span;

/// Why the response of a target cannot be served. The answer to each is 502, and the connection to the target closes.
/// Source: ALB 4.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// Over 4 GiB.
    #[error("the head is too long to be addressed")]
    TooLong,
    /// The first line is not `HTTP/1.`, a digit, a space, a status of 100 to 999 and perhaps a phrase.
    #[error("the status line is malformed")]
    StatusLine,
    /// A line begins with whitespace. Source: RFC 9112, 5.2.
    #[error("a header line is folded")]
    Folded,
    /// A header line without a colon.
    #[error("a header line has no colon")]
    NoColon,
    /// A name that is empty or no token.
    #[error("a header name is malformed")]
    Name,
    /// A value holds NUL or CR.
    #[error("a header value holds nul or cr")]
    Value,
    /// A framing header with something around its name.
    #[error("a framing header has whitespace around its name")]
    FramingName,
    /// A `Content-Length` that is no decimal number, or a second one that differs.
    #[error("the content length is no number, or there are two different ones")]
    ContentLength,
    /// `chunked` is not the last transfer coding, or it stands there twice.
    #[error("chunked is not the last transfer coding")]
    ChunkedNotLast,
    /// A transfer coding other than `chunked`, or none where one should stand.
    #[error("the transfer coding is not supported")]
    UnsupportedCoding,
    /// `Transfer-Encoding` in a response that is not HTTP/1.1. Source: RFC 9112, 6.1.
    #[error("a transfer coding in an http version that has none")]
    CodingInOldVersion,
}

/// The tokens of one response head. Holds spans only; every accessor takes the bytes it was made from.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    status: u16,
    version: Version,
    /// The status line with its line end.
    pub(crate) line: Span,
    phrase: Span,
    pub(crate) fields: Fields,
}

impl Default for ResponseHead {
    fn default() -> Self {
        Self {
            status: 0,
            version: Version::Bad,
            line: Span::default(),
            phrase: Span::default(),
            fields: Fields::default(),
        }
    }
}

impl ResponseHead {
    /// An empty head, to be filled by [`ResponseHead::read`] or [`ResponseHead::begin`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The status, 100 to 999; 0 before anything was read. A head below 200 other than 101 is an interim one: the relay
    /// leaves it out and reads the next. Source: ALB 4.11.
    #[inline]
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase as received; may be empty.
    #[must_use]
    pub fn phrase<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        self.phrase.of(bytes)
    }

    /// [`Version::Http10`], [`Version::Http11`] (`HTTP/1.2` to `HTTP/1.9` too) or [`Version::H2`]; [`Version::Bad`] before
    /// anything was read.
    #[inline]
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// All header lines in their order.
    #[inline]
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        self.fields.list()
    }

    /// Does the name occur? Costs one comparison of bits.
    #[inline]
    #[must_use]
    pub fn contains(&self, known: KnownName) -> bool {
        self.fields.contains(known)
    }

    /// The fields of one known name with their index, in their order.
    pub fn fields_known(&self, known: KnownName) -> impl Iterator<Item = (usize, &Field)> {
        self.fields.known(known)
    }

    /// The fields whose name equals `name` without regard to case, with their index, in their order.
    pub fn fields_named<'a>(&'a self, bytes: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = (usize, &'a Field)> {
        self.fields.named(bytes, name)
    }

    /// The value of the first field of a known name.
    #[must_use]
    pub fn first_value<'a>(&self, bytes: &'a [u8], known: KnownName) -> Option<&'a [u8]> {
        self.fields.first_value(bytes, known)
    }

    /// Some name resembles a framing header without being it.
    #[inline]
    pub(crate) fn is_suspicious(&self) -> bool {
        self.fields.has(mark::LIKE_TE | mark::LIKE_CL)
    }

    fn clear(&mut self) {
        self.fields.clear();
        self.status = 0;
        self.version = Version::Bad;
        self.line = Span::default();
        self.phrase = Span::default();
    }
}

#[cfg(test)]
mod tests;
