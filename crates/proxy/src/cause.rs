//! Why a request failed where its target is not to blame: the `error_reason` of each error that the load balancer answers by
//! itself, and of what is broken off. Source: ALB 4.10, 8.1.2.
//!
//! Reasons of targets that are servers are `TargetFailure`'s, those of functions are AWS's (ALB 3.4), and a transform that
//! fails has the code of ALB 8.1.5. All of them are listed in `docs/operating.md`.

use crate::exchange::{BodyFailure, Gone};
use http1::{FramingError, Limit};

/// An error that no target has caused. AWS prints `-` for most of them; these names are albacore's unless it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The head of the request cannot be read.
    MalformedHead,
    /// The client closed, or reset its stream, before the whole request had come.
    RequestIncomplete,
    /// The chunks of the body cannot be read.
    BadChunk,
    /// HTTP/2: the body has another length than `content-length`, or its frames break the protocol.
    MalformedBody,
    /// `chunked` is not the last transfer coding, so that nobody knows where the body ends.
    ChunkedNotLast,
    /// A header line is over its limit. Source: ALB 4.5.
    HeaderLineTooLong,
    /// All header lines together are over their limit. Source: ALB 4.5.
    HeadersTooLarge,
    /// The desync mode blocks the request; fields 28 and 29 have its class and AWS's code. Source: ALB 4.9.
    DesyncMitigation,
    /// The method is `CONNECT`.
    ConnectNotAllowed,
    /// The request names no host.
    NoHost,
    /// What should be the host is none, or there are several.
    InvalidHost,
    /// Targets may take another path out of the URL than rules do.
    AmbiguousUrl,
    /// HTTP in clear text where TLS is spoken.
    ClearTextOnTlsPort,
    /// The request cannot be written the way its target speaks.
    NotForwardable,
    /// The method is `TRACE`.
    TraceNotAllowed,
    /// The client sent nothing, or took nothing, for the idle timeout, or too long for a head.
    ClientTimedOut,
    /// The body is more than a function takes. AWS's word: only bodies for functions have a bound. Source: ALB 3.4.
    LambdaRequestTooLarge,
    /// The request line is over its limit. Source: ALB 4.5.
    RequestLineTooLong,
    /// The client left before the whole response was sent.
    ClientClosed,
    /// More than 30 addresses in `X-Forwarded-For`. Source: ALB 4.6.
    TooManyForwardedAddresses,
    /// The target group does not speak what the client does. Source: ALB 4.2.
    ProtocolVersionMismatch,
    /// The stickiness cookie of a forward to several groups is URL-encoded. AWS's word. Source: ALB 5.4, 8.1.6.
    AwsAlbTgCookieInvalid,
    /// This process failed: a defect of albacore.
    InternalError,
    /// A transfer coding that nobody here can read.
    UnsupportedTransferCoding,
    /// The target group has no target that may get requests.
    NoTargets,
    /// All target groups of the forward have weight 0.
    NoTargetWeight,
    /// The bodies that are held for functions are over `--body-memory`.
    BodyMemoryLimit,
    /// What HTTP/2 streams hold is over `--stream-memory`.
    StreamMemoryLimit,
    /// `--drain` was over before the request was.
    Draining,
    /// A version of HTTP that is none, or not one of HTTP/1.
    UnsupportedHttpVersion,
    /// The redirect's `Location` is over 8 K. Source: ALB 2.5.2.
    RedirectUrlTooLong,
}

impl Cause {
    /// The status that answers it, if somebody is answered, and `error_reason`.
    const fn told(self) -> (u16, &'static str) {
        match self {
            Self::MalformedHead => (400, "MalformedHead"),
            Self::RequestIncomplete => (400, "RequestIncomplete"),
            Self::BadChunk => (400, "BadChunk"),
            Self::MalformedBody => (400, "MalformedBody"),
            Self::ChunkedNotLast => (400, "ChunkedNotLast"),
            Self::HeaderLineTooLong => (400, "HeaderLineTooLong"),
            Self::HeadersTooLarge => (400, "HeadersTooLarge"),
            Self::DesyncMitigation => (400, "DesyncMitigation"),
            Self::ConnectNotAllowed => (400, "ConnectNotAllowed"),
            Self::NoHost => (400, "NoHost"),
            Self::InvalidHost => (400, "InvalidHost"),
            Self::AmbiguousUrl => (400, "AmbiguousUrl"),
            Self::ClearTextOnTlsPort => (400, "ClearTextOnTlsPort"),
            Self::NotForwardable => (400, "NotForwardable"),
            Self::TraceNotAllowed => (405, "TraceNotAllowed"),
            Self::ClientTimedOut => (408, "ClientTimedOut"),
            Self::LambdaRequestTooLarge => (413, "LambdaRequestTooLarge"),
            Self::RequestLineTooLong => (414, "RequestLineTooLong"),
            Self::ClientClosed => (460, "ClientClosed"),
            Self::TooManyForwardedAddresses => (463, "TooManyForwardedAddresses"),
            Self::ProtocolVersionMismatch => (464, "ProtocolVersionMismatch"),
            Self::AwsAlbTgCookieInvalid => (500, "AWSALBTGCookieInvalid"),
            Self::InternalError => (500, "InternalError"),
            Self::UnsupportedTransferCoding => (501, "UnsupportedTransferCoding"),
            Self::NoTargets => (503, "NoTargets"),
            Self::NoTargetWeight => (503, "NoTargetWeight"),
            Self::BodyMemoryLimit => (503, "BodyMemoryLimit"),
            Self::StreamMemoryLimit => (503, "StreamMemoryLimit"),
            Self::Draining => (503, "Draining"),
            Self::UnsupportedHttpVersion => (505, "UnsupportedHttpVersion"),
            Self::RedirectUrlTooLong => (507, "RedirectUrlTooLong"),
        }
    }

    /// The status that answers it. Source: ALB 4.10.
    pub(crate) const fn status(self) -> u16 {
        self.told().0
    }

    /// `error_reason` of the access log.
    pub(crate) const fn reason(self) -> &'static str {
        self.told().1
    }

    /// Why a request ends whose task is dropped.
    pub(crate) fn of_cut() -> Self {
        match std::thread::panicking() {
            true => Self::InternalError,
            false => Self::Draining,
        }
    }
}

impl From<BodyFailure> for Cause {
    fn from(failure: BodyFailure) -> Self {
        match failure {
            BodyFailure::TooLarge => Self::LambdaRequestTooLarge,
            BodyFailure::NoRoom => Self::BodyMemoryLimit,
            BodyFailure::TimedOut => Self::ClientTimedOut,
            BodyFailure::Closed => Self::RequestIncomplete,
            BodyFailure::BadChunk => Self::BadChunk,
            BodyFailure::Malformed => Self::MalformedBody,
        }
    }
}

impl From<Gone> for Cause {
    fn from(gone: Gone) -> Self {
        match gone {
            Gone::Left => Self::ClientClosed,
            Gone::Stalled => Self::ClientTimedOut,
        }
    }
}

impl From<Limit> for Cause {
    fn from(limit: Limit) -> Self {
        match limit {
            Limit::RequestLine => Self::RequestLineTooLong,
            Limit::HeaderLine => Self::HeaderLineTooLong,
            Limit::AllHeaders => Self::HeadersTooLarge,
        }
    }
}

impl From<FramingError> for Cause {
    fn from(error: FramingError) -> Self {
        match error {
            FramingError::ChunkedNotLast => Self::ChunkedNotLast,
            FramingError::UnsupportedCoding => Self::UnsupportedTransferCoding,
            FramingError::UnsupportedVersion => Self::UnsupportedHttpVersion,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codec_answers_with_the_same_status() {
        for limit in [Limit::RequestLine, Limit::HeaderLine, Limit::AllHeaders] {
            assert_eq!(Cause::from(limit).status(), limit.status());
        }
        for error in [
            FramingError::ChunkedNotLast,
            FramingError::UnsupportedCoding,
            FramingError::UnsupportedVersion,
        ] {
            assert_eq!(Cause::from(error).status(), error.status());
        }
    }

    #[test]
    fn the_guide_lists_every_reason_with_its_status() {
        let guide = include_str!("../../../docs/operating.md");
        let source = include_str!("cause.rs");
        let rows: Vec<_> = source
            .lines()
            .filter_map(|line| {
                line.trim()
                    .strip_prefix("Self::")?
                    .split_once(" => (")?
                    .1
                    .strip_suffix("),")
            })
            .collect();
        assert_eq!(rows.len(), 31);
        for row in rows {
            let (status, reason) = row.split_once(", ").unwrap();
            let reason = reason.trim_matches('"');
            let told = guide
                .lines()
                .find(|line| line.starts_with('|') && line.contains(&format!("`{reason}`")));
            let told = told.unwrap_or_else(|| panic!("docs/operating.md does not list {reason}"));
            let is_cut = matches!(reason, "Draining" | "InternalError");
            assert!(is_cut || told.contains(status), "{reason}: {told}");
        }
    }
}
