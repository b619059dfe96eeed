//! Connections to servers: what the relay needs of one, whatever is spoken on it. Source: ALB 4.3.

pub(crate) mod connect;
pub(crate) mod http1;
pub(crate) mod http2;
pub(crate) mod pool;
pub(crate) mod reach;
pub(crate) mod tls;

use crate::exchange::Piece;
use ::http1::{ResponseFraming, ResponseHead};
use http::HeaderMap;
use std::task::{Context, Poll};

/// One request on its way to a target and the response to it. Made with the request's head, which goes out with the first
/// bytes of the body or with the end of an empty one: one write for both.
pub(crate) trait TargetStream {
    /// Sends bytes of the request's body; framing is added here. Says how many were taken.
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, TargetFailure>>;

    /// Sends what is held back, because the client pauses: a target may want to answer before the body is complete.
    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), TargetFailure>> {
        Poll::Ready(Ok(()))
    }

    /// Ends the request and sends what is left of it. Ready again at once when it was ready before.
    fn poll_finish(&mut self, cx: &mut Context<'_>, trailers: Option<&HeaderMap>) -> Poll<Result<(), TargetFailure>>;

    /// Waits for the head of the response; 1xx but for 101 are read over. Ready again at once when it was ready before.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TargetFailure>>;

    /// The head, once [`TargetStream::poll_head`] is ready, with the bytes it was made from.
    fn head(&self) -> (&ResponseHead, &[u8]);

    /// The head is not asked for any more.
    fn head_done(&mut self) {}

    /// How the response's body ends.
    fn framing(&self) -> ResponseFraming;

    /// Reads on until bytes of the body are at hand, or its end. Everything is decoded: no chunk sizes.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, TargetFailure>>;

    /// Others have their turn before this is asked for more: buffers with nothing in them are for them.
    fn pause(&mut self) {}

    /// The bytes at hand.
    fn body(&self) -> &[u8];

    /// So many of the bytes at hand are done with.
    fn consume(&mut self, count: usize);

    /// Trailers behind the body, once [`Piece::End`] was seen; HTTP/2 only.
    fn take_trailers(&mut self) -> Option<HeaderMap>;

    /// From now on bytes go both ways as they are: the response was 101. Bytes behind its head are at hand.
    fn tunnel(&mut self);

    /// Whether a failure only means that the connection had waited for too long: it is closed, and nothing of the request
    /// was written. Then the request may be sent on another connection. Source: ALB 4.3.
    fn is_stale(&self, _failure: TargetFailure) -> bool {
        false
    }

    /// What there is to say about a failure beyond its name, for people.
    fn why(&mut self) -> Option<String> {
        None
    }
}

/// Why a target did not answer, or not to the end. Source: ALB 4.3, 4.4, 4.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetFailure {
    /// The connection was refused or the address cannot be reached: 502.
    Refused,
    /// No connection within 10 seconds: 504.
    ConnectTimeout,
    /// No TLS session within 10 seconds: 504.
    TlsTimeout,
    /// The TLS handshake failed: 502.
    TlsFailed,
    /// The target closed or reset the connection before its response was complete: 502.
    Closed,
    /// The response cannot be read: 502.
    Malformed,
    /// The response's headers are over 32 K: 502.
    HeadTooLarge,
    /// Nothing came for the idle timeout: 504.
    TimedOut,
    /// The body ended before its `Content-Length`: 504.
    Short,
    /// The deregistration delay is over: 502.
    Deregistered,
    /// This process has no descriptor, port or room left for another connection: 503.
    NoRoom,
}

impl TargetFailure {
    /// The status that answers it, while no byte of the response has gone out.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::ConnectTimeout | Self::TlsTimeout | Self::TimedOut | Self::Short => 504,
            Self::NoRoom => 503,
            Self::Refused
            | Self::TlsFailed
            | Self::Closed
            | Self::Malformed
            | Self::HeadTooLarge
            | Self::Deregistered => 502,
        }
    }

    /// `error_reason` of the access log. AWS prints `-` for targets that are servers; these names are albacore's.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Refused => "TargetConnectionRefused",
            Self::ConnectTimeout => "TargetConnectionTimeout",
            Self::TlsTimeout => "TargetTLSTimeout",
            Self::TlsFailed => "TargetTLSNegotiationError",
            Self::Closed => "TargetConnectionClosed",
            Self::Malformed => "TargetInvalidResponse",
            Self::HeadTooLarge => "TargetResponseHeadersTooLarge",
            Self::TimedOut => "TargetResponseTimeout",
            Self::Short => "TargetResponseIncomplete",
            Self::Deregistered => "TargetDeregistered",
            Self::NoRoom => "TargetConnectionLimit",
        }
    }
}
