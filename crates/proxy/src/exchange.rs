//! One request and its answer, over HTTP/1 or HTTP/2: what `handler` needs of either.

pub(crate) mod body;
pub(crate) mod http1;
pub(crate) mod http2;

use crate::record::Record;
use crate::reply::{HeaderLine, Reply};
use crate::view::View;
use ::http1::{FieldError, Framing, ResponseFraming, ResponseHead};
use body::Body;
use http::HeaderMap;
use std::task::{Context, Poll};

/// A request in hand.
pub(crate) trait Exchange {
    /// The head and the record.
    fn parts(&mut self) -> (View<'_>, &mut Record);

    /// The record alone.
    fn record(&mut self) -> &mut Record;

    /// Reads the whole body into `into`.
    ///
    /// # Cancel safety
    /// Not cancel safe: what was read is lost.
    async fn read_body(&mut self, into: &mut Body<'_>) -> Result<(), BodyFailure>;

    /// Ends when the client has closed the connection or reset the stream. Pending while it is there.
    async fn gone(&mut self);

    /// Takes the response; it is sent by the protocol's own loop.
    fn reply(&mut self, reply: Reply<'_>);

    // What follows relays to servers: bodies stream, in both directions at once.

    /// How the request's body ends; one of HTTP/2 without `content-length` is [`Framing::Chunked`].
    fn body_framing(&self) -> Framing;

    /// Reads on until bytes of the request's body are at hand, or its end. Everything is decoded: no chunk sizes.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyFailure>>;

    /// The bytes at hand.
    fn body(&self) -> &[u8];

    /// So many of the bytes at hand are done with; the record counts them.
    fn consume(&mut self, count: usize);

    /// Trailers behind the body, once [`Piece::End`] was seen; HTTP/2 only.
    fn take_trailers(&mut self) -> Option<HeaderMap>;

    /// As [`Exchange::gone`]. Asked only after the end of the body.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Begins a response of a target. Its head goes out with the first bytes of its body, or with the end of an empty one.
    fn begin_response(&mut self, relayed: &Relayed<'_>) -> Result<(), FieldError>;

    /// Sends bytes of the response's body; framing is added here. Says how many were taken. An error: the client is gone,
    /// or read nothing for the idle timeout.
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, Gone>>;

    /// Sends what is held back, because the target pauses: a response may be long on its way.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>>;

    /// Ends the response. What is left of it may be sent by the protocol's own loop, joined with what follows.
    fn finish(&mut self, trailers: Option<&HeaderMap>);

    /// Breaks the response off so that the client can tell: HTTP/1 closes, HTTP/2 resets the stream.
    fn abort(&mut self);

    /// From now on bytes go both ways as they are: a 101 was begun. HTTP/1 only.
    fn tunnel(&mut self);
}

/// What waiting for a body ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Bytes are at hand, at least one.
    Data,
    /// The body is complete; no bytes are at hand.
    End,
}

/// There is nobody to send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// The client has closed the connection or reset the stream.
    Left,
    /// The client took nothing for the idle timeout.
    Stalled,
}

/// A target's response head on its way to the client. Source: ALB 4.11.
pub(crate) struct Relayed<'a> {
    pub(crate) head: &'a ResponseHead,
    pub(crate) bytes: &'a [u8],
    pub(crate) framing: ResponseFraming,
    /// Cookies of the load balancer.
    pub(crate) cookies: &'a [HeaderLine<'a>],
    /// Headers that the listener sets on every response; they replace the target's.
    pub(crate) replaced: &'a [(&'static str, String)],
}

/// Why a body did not arrive whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFailure {
    /// Over the bound of one body.
    TooLarge,
    /// The bodies that are held together are over the core's bound.
    NoRoom,
    /// Nothing came for the idle timeout.
    TimedOut,
    /// The client closed before the end.
    Closed,
    /// Its chunks cannot be read.
    BadChunk,
    /// HTTP/2: it has another length than the head said, or its frames break the protocol.
    Malformed,
}
