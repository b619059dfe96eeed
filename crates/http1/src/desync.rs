//! Desync classes: how likely two HTTP engines disagree about where a request ends.
//!
//! The algorithm is that of `aws/http-desync-guardian`, which ALB names as its classifier; where the specification is
//! wider than the library, the specification holds. HTTP/2 requests are not classified. What is *served* is decided by
//! [`crate::framing`]; this module only judges. Source: ALB 4.9.

use crate::field::mark;
use crate::framing::{Coding, codings, content_length};
use crate::head::{RequestHead, Version};
use crate::known_name::KnownName;

/// How far a request is from being understood by everybody in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// As the RFCs say.
    Compliant,
    /// Not as the RFCs say, but without a known risk.
    Acceptable,
    /// Engines may disagree about the end of the request.
    Ambiguous,
    /// Malformed, or made to be misread.
    Severe,
}

/// Why a request is not compliant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(
    missing_docs,
    reason = "each variant is AWS's reason of that name, explained in ALB 4.9"
)]
pub enum Reason {
    AmbiguousUri,
    BadContentLength,
    BadHeader,
    BadTransferEncoding,
    BadUri,
    BadMethod,
    BadVersion,
    BothTeClPresent,
    DuplicateContentLength,
    EmptyHeader,
    GetHeadZeroContentLength,
    MultipleContentLength,
    MultipleTransferEncodingChunked,
    NonCompliantHeader,
    NonCompliantVersion,
    SpaceInUri,
    SuspiciousHeader,
    SuspiciousTeClPresent,
    UndefinedContentLengthSemantics,
    UndefinedTransferEncodingSemantics,
    /// A line ends with LF alone. Known to the library, not to the documentation of the log.
    NonCrLfLineTermination,
    /// A line begins with whitespace. Known to the library, not to the documentation of the log.
    MultilineHeader,
    /// A header line without a colon. Known to the library, not to the documentation of the log.
    MissingHeaderColon,
}

impl Reason {
    /// AWS's spelling, as the access log prints it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AmbiguousUri => "AmbiguousUri",
            Self::BadContentLength => "BadContentLength",
            Self::BadHeader => "BadHeader",
            Self::BadTransferEncoding => "BadTransferEncoding",
            Self::BadUri => "BadUri",
            Self::BadMethod => "BadMethod",
            Self::BadVersion => "BadVersion",
            Self::BothTeClPresent => "BothTeClPresent",
            Self::DuplicateContentLength => "DuplicateContentLength",
            Self::EmptyHeader => "EmptyHeader",
            Self::GetHeadZeroContentLength => "GetHeadZeroContentLength",
            Self::MultipleContentLength => "MultipleContentLength",
            Self::MultipleTransferEncodingChunked => "MultipleTransferEncodingChunked",
            Self::NonCompliantHeader => "NonCompliantHeader",
            Self::NonCompliantVersion => "NonCompliantVersion",
            Self::SpaceInUri => "SpaceInUri",
            Self::SuspiciousHeader => "SuspiciousHeader",
            Self::SuspiciousTeClPresent => "SuspiciousTeClPresent",
            Self::UndefinedContentLengthSemantics => "UndefinedContentLengthSemantics",
            Self::UndefinedTransferEncodingSemantics => "UndefinedTransferEncodingSemantics",
            Self::NonCrLfLineTermination => "NonCrLfLineTermination",
            Self::MultilineHeader => "MultilineHeader",
            Self::MissingHeaderColon => "MissingHeaderColon",
        }
    }
}

impl Class {
    /// AWS's spelling, as the access log prints it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compliant => "Compliant",
            Self::Acceptable => "Acceptable",
            Self::Ambiguous => "Ambiguous",
            Self::Severe => "Severe",
        }
    }
}

/// The judgement on one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classification {
    /// How bad it is.
    pub class: Class,
    /// The first reason that led to this class; `None` exactly if the request is compliant.
    pub reason: Option<Reason>,
}

impl Classification {
    /// Nothing to say.
    pub const COMPLIANT: Self = Self {
        class: Class::Compliant,
        reason: None,
    };

    /// The class only ever rises, and the first reason of the final class stays.
    fn raise(&mut self, class: Class, reason: Reason) {
        if self.class < class {
            *self = Self {
                class,
                reason: Some(reason),
            };
        }
    }
}

/// The attribute `routing.http.desync_mitigation_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Classifies and lets everything pass.
    Monitor,
    /// The default.
    Defensive,
    /// Lets only compliant requests pass.
    Strictest,
}

/// What a mode does with a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Serve it.
    Allow,
    /// Serve it, then close the connections to client and target.
    AllowThenClose,
    /// Answer 400 and close.
    Block,
}

impl Mode {
    /// The table of ALB 4.9.
    #[must_use]
    pub fn verdict(self, class: Class) -> Verdict {
        match (self, class) {
            (_, Class::Compliant) | (Self::Monitor, _) | (Self::Defensive, Class::Acceptable) => Verdict::Allow,
            (Self::Defensive, Class::Ambiguous) => Verdict::AllowThenClose,
            (Self::Defensive, Class::Severe) | (Self::Strictest, _) => Verdict::Block,
        }
    }
}

/// Marks that say nothing about the class.
const HARMLESS: u16 = mark::NAME_NOT_PLAIN;

/// Judges a request. `bytes` are those that `head` was made from.
#[inline]
#[must_use]
pub fn classify(head: &RequestHead, bytes: &[u8]) -> Classification {
    let framed = head.contains(KnownName::TransferEncoding) || head.contains(KnownName::ContentLength);
    match head.version() {
        Version::H2 => Classification::COMPLIANT,
        Version::Http10 | Version::Http11 if !framed && !head.has(!HARMLESS) => Classification::COMPLIANT,
        _ => look_closely(head, bytes),
    }
}

fn look_closely(head: &RequestHead, bytes: &[u8]) -> Classification {
    let mut result = Classification::COMPLIANT;
    if head.is_h2_preface(bytes) {
        // Answered 505 by `framing`, so it must not be blocked with 400 before.
        return result;
    }
    judge_fields(head, &mut result);
    judge_framing(head, bytes, &mut result);
    judge_request_line(head, &mut result);
    judge_lines(head, &mut result);
    result
}

fn judge_fields(head: &RequestHead, result: &mut Classification) {
    if !head.has(!HARMLESS) {
        return;
    }
    for field in head.fields() {
        if field.has(mark::NAME_BAD | mark::VALUE_BAD) {
            result.raise(Class::Severe, Reason::BadHeader);
        } else if field.has(mark::NAME_ODD | mark::VALUE_ODD) {
            result.raise(Class::Acceptable, Reason::NonCompliantHeader);
        }
        if field.has(mark::NAME_EMPTY) {
            result.raise(Class::Ambiguous, Reason::EmptyHeader);
        } else if field.is_suspicious() {
            result.raise(Class::Ambiguous, Reason::SuspiciousHeader);
        }
    }
}

/// Framing headers, those that only resemble one included: a value that cannot be read is severe in both.
fn judge_framing(head: &RequestHead, bytes: &[u8], result: &mut Classification) {
    let suspicious = head.has(mark::LIKE_TE | mark::LIKE_CL);
    let has_te = head.contains(KnownName::TransferEncoding) || head.has(mark::LIKE_TE);
    let has_cl = head.contains(KnownName::ContentLength) || head.has(mark::LIKE_CL);
    if !has_te && !has_cl {
        return;
    }
    let version = head.version();
    let undefined = if has_te && matches!(version, Version::Http09 | Version::Http10) {
        Some(Reason::UndefinedTransferEncodingSemantics)
    } else if has_cl && version == Version::Http09 {
        Some(Reason::UndefinedContentLengthSemantics)
    } else {
        None
    };
    if let Some(reason) = undefined {
        result.raise(Class::Ambiguous, reason);
    } else {
        if has_te {
            judge_codings(head, bytes, result);
        }
        let length = if has_cl {
            judge_lengths(head, bytes, result)
        } else {
            None
        };
        if matches!(head.method(bytes), b"GET" | b"HEAD") {
            if has_te {
                result.raise(Class::Ambiguous, Reason::UndefinedTransferEncodingSemantics);
            }
            match length {
                Some(0) => result.raise(Class::Acceptable, Reason::GetHeadZeroContentLength),
                Some(_) => result.raise(Class::Ambiguous, Reason::UndefinedContentLengthSemantics),
                None => {}
            }
        }
        if has_te && length.is_some() {
            result.raise(Class::Ambiguous, Reason::BothTeClPresent);
        }
    }
    if has_te && has_cl && suspicious {
        result.raise(Class::Severe, Reason::SuspiciousTeClPresent);
    }
}

fn judge_codings(head: &RequestHead, bytes: &[u8], result: &mut Classification) {
    let mut chunked = false;
    for field in head.fields() {
        if field.known() != KnownName::TransferEncoding && !field.has(mark::LIKE_TE) {
            continue;
        }
        for coding in codings(field.value(bytes)) {
            match coding {
                Some(Coding::Chunked) if chunked => {
                    result.raise(Class::Severe, Reason::MultipleTransferEncodingChunked);
                }
                Some(Coding::Chunked) => chunked = true,
                Some(Coding::Identity | Coding::Compression) => {}
                None => result.raise(Class::Severe, Reason::BadTransferEncoding),
            }
        }
    }
}

/// The first readable length.
fn judge_lengths(head: &RequestHead, bytes: &[u8], result: &mut Classification) -> Option<u64> {
    let mut first = None;
    for field in head.fields() {
        if field.known() != KnownName::ContentLength && !field.has(mark::LIKE_CL) {
            continue;
        }
        match (content_length(field.value(bytes)), first) {
            (None, _) => result.raise(Class::Severe, Reason::BadContentLength),
            (Some(length), None) => first = Some(length),
            (Some(length), Some(first)) if length == first => {
                result.raise(Class::Ambiguous, Reason::DuplicateContentLength);
            }
            (Some(_), Some(_)) => result.raise(Class::Severe, Reason::MultipleContentLength),
        }
    }
    first
}

fn judge_request_line(head: &RequestHead, result: &mut Classification) {
    if head.has(mark::METHOD_ODD) {
        result.raise(Class::Severe, Reason::BadMethod);
    }
    match head.version() {
        Version::Bad => result.raise(Class::Severe, Reason::BadVersion),
        Version::Http09 | Version::Http1Other(_) => result.raise(Class::Acceptable, Reason::NonCompliantVersion),
        _ if head.has(mark::VERSION_SPACE) => result.raise(Class::Acceptable, Reason::NonCompliantVersion),
        _ => {}
    }
    if head.has(mark::TARGET_SPACE) {
        result.raise(Class::Acceptable, Reason::SpaceInUri);
    }
    if head.has(mark::TARGET_ODD) {
        result.raise(Class::Ambiguous, Reason::AmbiguousUri);
    }
    if head.has(mark::TARGET_BAD) {
        result.raise(Class::Severe, Reason::BadUri);
    }
}

/// What only somebody who sees raw lines can say. Last, so that a reason which the documentation of the access log
/// knows is the one that is reported.
fn judge_lines(head: &RequestHead, result: &mut Classification) {
    if head.has(mark::BARE_LF) {
        result.raise(Class::Acceptable, Reason::NonCrLfLineTermination);
    }
    let unclear = |field: &&crate::Field| field.has(mark::CONTINUATION | mark::NO_COLON);
    if let Some(field) = head.fields().iter().find(unclear) {
        let reason = if field.has(mark::CONTINUATION) {
            Reason::MultilineHeader
        } else {
            Reason::MissingHeaderColon
        };
        result.raise(Class::Ambiguous, reason);
    }
}

#[cfg(test)]
mod tests;
