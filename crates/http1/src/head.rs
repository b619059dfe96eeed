//! A request head as tokens: spans into the caller's bytes, reused from request to request.
//!
//! The tokenizer is tolerant. It refuses only what cannot be read as a request at all; everything else becomes tokens
//! with marks, and `desync` says what the marks mean. HTTP/2 requests become the same type through
//! [`RequestHead::begin`] and [`RequestHead::push`].

mod build;
mod target;
mod tokenize;

pub use target::{Target, TargetForm};

use crate::known_name::KnownName;
use crate::token::Span;

/// Fields that a head keeps room for between requests; a head with more gives the room back.
const KEPT_FIELDS_MAX: usize = 256;

/// What a line of a head is marked with. A head carries the marks of all its lines.
pub(crate) mod mark {
    /// The line ends with LF alone.
    pub(crate) const BARE_LF: u16 = 1;
    /// The line begins with a space or tab.
    pub(crate) const CONTINUATION: u16 = 1 << 1;
    pub(crate) const NO_COLON: u16 = 1 << 2;
    pub(crate) const NAME_EMPTY: u16 = 1 << 3;
    /// The name holds NUL or CR.
    pub(crate) const NAME_BAD: u16 = 1 << 4;
    /// The name holds another byte that cannot stand in a token.
    pub(crate) const NAME_ODD: u16 = 1 << 5;
    /// The value holds NUL or CR.
    pub(crate) const VALUE_BAD: u16 = 1 << 6;
    /// The value holds another control byte.
    pub(crate) const VALUE_ODD: u16 = 1 << 7;
    /// The name resembles `Transfer-Encoding`.
    pub(crate) const LIKE_TE: u16 = 1 << 8;
    /// The name resembles `Content-Length`.
    pub(crate) const LIKE_CL: u16 = 1 << 9;
    pub(crate) const TARGET_SPACE: u16 = 1 << 10;
    pub(crate) const TARGET_ODD: u16 = 1 << 11;
    pub(crate) const TARGET_BAD: u16 = 1 << 12;
    pub(crate) const METHOD_ODD: u16 = 1 << 13;
    /// Whitespace after the version.
    pub(crate) const VERSION_SPACE: u16 = 1 << 14;
    /// The name is not `[-A-Za-z0-9]+`; harmless by itself.
    pub(crate) const NAME_NOT_PLAIN: u16 = 1 << 15;
}

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

/// One header line. A continuation line and a line without a colon are fields of their own. Source: ALB 4.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    line: Span,
    name: Span,
    value: Span,
    known: KnownName,
    marks: u16,
}

impl Field {
    /// The whole line with its line end.
    #[must_use]
    pub fn line(&self) -> Span {
        self.line
    }

    /// The name without whitespace around it, case as received. The whole line if it has no colon.
    #[must_use]
    pub fn name_span(&self) -> Span {
        self.name
    }

    /// The value without whitespace around it.
    #[must_use]
    pub fn value_span(&self) -> Span {
        self.value
    }

    /// The bytes of [`Field::name_span`].
    #[inline]
    #[must_use]
    pub fn name<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        self.name.of(bytes)
    }

    /// The bytes of [`Field::value_span`].
    #[inline]
    #[must_use]
    pub fn value<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        self.value.of(bytes)
    }

    /// What the name is called here. A name that only resembles a framing header is [`KnownName::Other`].
    #[inline]
    #[must_use]
    pub fn known(&self) -> KnownName {
        self.known
    }

    /// The name is `[-A-Za-z0-9]+` with nothing around it. What is not is counted, and dropped if the load balancer says
    /// so. Source: ALB 4.6, `routing.http.drop_invalid_header_fields.enabled`.
    #[must_use]
    pub fn has_valid_name(&self) -> bool {
        self.marks & (mark::NAME_NOT_PLAIN | mark::CONTINUATION | mark::NO_COLON) == 0
    }

    /// Begins with whitespace: the continuation of a folded line, or whitespace before the first header.
    #[must_use]
    pub fn is_continuation(&self) -> bool {
        self.has(mark::CONTINUATION)
    }

    /// The name resembles `Transfer-Encoding` or `Content-Length` without being it. Never framing for us, and never
    /// written. Source: ALB 4.9, `SuspiciousHeader`.
    #[must_use]
    pub fn is_suspicious(&self) -> bool {
        self.has(mark::LIKE_TE | mark::LIKE_CL)
    }

    #[inline]
    pub(crate) fn has(&self, marks: u16) -> bool {
        self.marks & marks != 0
    }
}

/// The tokens of one request head. Holds spans only; every accessor takes the bytes it was made from.
#[derive(Clone, Debug)]
pub struct RequestHead {
    method: Span,
    target: Span,
    version_token: Span,
    version: Version,
    fields: Vec<Field>,
    /// One bit for each [`KnownName`] that occurs.
    present: u32,
    marks: u16,
}

impl Default for RequestHead {
    fn default() -> Self {
        Self {
            method: Span::default(),
            target: Span::default(),
            version_token: Span::default(),
            version: Version::Bad,
            fields: Vec::new(),
            present: 0,
            marks: 0,
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
        &self.fields
    }

    /// Does the name occur? Costs one comparison of bits.
    #[inline]
    #[must_use]
    pub fn contains(&self, known: KnownName) -> bool {
        self.present & known.bit() != 0
    }

    /// The fields of one known name with their index, in their order.
    pub fn fields_known(&self, known: KnownName) -> impl Iterator<Item = (usize, &Field)> {
        let fields: &[Field] = if self.contains(known) { &self.fields } else { &[] };
        fields.iter().enumerate().filter(move |(_, field)| field.known == known)
    }

    /// The fields whose name equals `name` without regard to case, with their index, in their order.
    pub fn fields_named<'a>(&'a self, bytes: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = (usize, &'a Field)> {
        self.fields
            .iter()
            .enumerate()
            .filter(move |(_, field)| field.name(bytes).eq_ignore_ascii_case(name))
    }

    /// The value of the first field of a known name.
    #[must_use]
    pub fn first_value<'a>(&self, bytes: &'a [u8], known: KnownName) -> Option<&'a [u8]> {
        self.fields_known(known).next().map(|(_, field)| field.value(bytes))
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
        self.marks & (mark::NAME_NOT_PLAIN | mark::CONTINUATION | mark::NO_COLON) != 0
    }

    /// The target cut into authority, path and query.
    #[must_use]
    pub fn target_parts<'a>(&self, bytes: &'a [u8]) -> Target<'a> {
        Target::of(self.method(bytes), self.target(bytes))
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
        self.marks & marks != 0
    }

    fn clear(&mut self) {
        self.fields.clear();
        if self.fields.capacity() > KEPT_FIELDS_MAX {
            self.fields.shrink_to(KEPT_FIELDS_MAX);
        }
        self.present = 0;
        self.marks = 0;
        self.version = Version::Bad;
        self.method = Span::default();
        self.target = Span::default();
        self.version_token = Span::default();
    }

    #[inline]
    fn add(&mut self, field: Field) {
        self.present |= field.known.bit();
        self.marks |= field.marks;
        self.fields.push(field);
    }
}

#[cfg(test)]
mod tests;
