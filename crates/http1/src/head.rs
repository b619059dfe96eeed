//! A request head as tokens: spans into the caller's bytes, reused from request to request.
//!
//! The tokenizer is tolerant. It refuses only what cannot be read as a request at all; everything else becomes tokens
//! with marks, and `desync` says what the marks mean. HTTP/2 requests become the same type through
//! [`RequestHead::begin`] and [`RequestHead::push`].

mod build;
mod target;
mod tokenize;

pub use target::{Target, TargetForm};

use crate::field::{Field, Fields, mark};
use crate::known_name::KnownName;
use crate::token::Span;
use crate::words::byte_at;

/// The protocol version of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// No version, or `HTTP/0.9`.
    Http09,
    /// `HTTP/1.0`.
    Http10,
    /// `HTTP/1.1`.
    Http11,
    /// `HTTP/1.2` to `HTTP/1.9`: read as 1.1.
    Http1Other(u8),
    /// The request came as an HTTP/2 stream. No HTTP/1 text leads here.
    H2,
    /// Anything else, `HTTP/2.0` in text included.
    Bad,
}

/// Why a head cannot be read at all. The answer to each is 400. Source: ALB 4.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The bytes end before the head does.
    #[error("the head is not complete")]
    Incomplete,
    /// Bytes follow the head.
    #[error("bytes follow the head")]
    TrailingBytes,
    /// Over 4 GiB.
    #[error("the head is too long to be addressed")]
    TooLong,
    /// Nothing stands where the request line should.
    #[error("the request line is empty")]
    NoRequestLine,
    /// The request line begins with a space.
    #[error("the request line has no method")]
    NoMethod,
    /// The request line has no target.
    #[error("the request line has no target")]
    NoTarget,
}

/// The tokens of one request head. Holds spans only; every accessor takes the bytes it was made from.
#[derive(Clone, Debug)]
pub struct RequestHead {
    method: Span,
    target: Span,
    /// Where the path of the target ends: at its first `?`, otherwise with it.
    path_end: u32,
    version_token: Span,
    version: Version,
    pub(crate) fields: Fields,
}

impl Default for RequestHead {
    fn default() -> Self {
        Self {
            method: Span::default(),
            target: Span::default(),
            path_end: 0,
            version_token: Span::default(),
            version: Version::Bad,
            fields: Fields::default(),
        }
    }
}

impl RequestHead {
    /// An empty head, to be filled by [`RequestHead::tokenize`] or [`RequestHead::begin`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The method, case as received.
    #[inline]
    #[must_use]
    pub fn method<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        self.method.of(bytes)
    }

    /// The request target exactly as received.
    #[inline]
    #[must_use]
    pub fn target<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        self.target.of(bytes)
    }

    /// The version as received, without whitespace around it; empty for HTTP/0.9 without one.
    #[must_use]
    pub fn version_token<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        self.version_token.of(bytes)
    }

    /// The version.
    #[inline]
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Spans of method, target and version, in this order.
    #[must_use]
    pub fn request_line_spans(&self) -> [Span; 3] {
        [self.method, self.target, self.version_token]
    }

    /// The first bytes of an HTTP/2 connection, `PRI * HTTP/2.0`: answered 505. Source: ALB 4.9.
    #[must_use]
    pub fn is_h2_preface(&self, bytes: &[u8]) -> bool {
        self.version == Version::Bad
            && self.version_token(bytes) == b"HTTP/2.0"
            && self.method(bytes) == b"PRI"
            && self.target(bytes) == b"*"
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

    /// The first `Host` value, port included.
    #[must_use]
    pub fn host<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        self.first_value(bytes, KnownName::Host)
    }

    /// How many `Host` fields there are.
    #[must_use]
    pub fn host_count(&self) -> usize {
        self.fields_known(KnownName::Host).count()
    }

    /// Some name is not `[-A-Za-z0-9]+`. Source: ALB 4.6, `ForwardedInvalidHeaderRequestCount`.
    #[must_use]
    pub fn has_invalid_names(&self) -> bool {
        self.has(mark::NAME_NOT_PLAIN | mark::CONTINUATION | mark::NO_COLON)
    }

    /// The target cut into authority, path and query.
    #[inline]
    #[must_use]
    pub fn target_parts<'a>(&self, bytes: &'a [u8]) -> Target<'a> {
        let path_len = self.path_end.saturating_sub(self.target.start) as usize;
        Target::of(self.method(bytes), self.target(bytes), path_len)
    }

    /// Neither the target nor a value holds a control byte, tab included. Said of nearly every head of HTTP/1.1; of others,
    /// HTTP/2 included, it is not known.
    #[inline]
    #[must_use]
    pub fn is_free_of_controls(&self) -> bool {
        !self.fields.is_unusual
    }

    /// The path of the target, raw: nothing is decoded.
    #[must_use]
    pub fn path<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        self.target_parts(bytes).path
    }

    /// The query of the target without its `?`, raw.
    #[must_use]
    pub fn query<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        self.target_parts(bytes).query
    }

    #[inline]
    pub(crate) fn has(&self, marks: u16) -> bool {
        self.fields.has(marks)
    }

    #[inline]
    fn set_target(&mut self, bytes: &[u8], target: Span) {
        let path = target.of(bytes);
        self.target = target;
        self.path_end = target.start + byte_at(b'?', path) as u32;
    }

    #[inline]
    fn clear(&mut self) {
        self.fields.clear();
        self.version = Version::Bad;
        self.method = Span::default();
        self.target = Span::default();
        self.path_end = 0;
        self.version_token = Span::default();
    }
}

#[cfg(test)]
mod tests;
