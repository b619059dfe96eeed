//! One request and its answer, over HTTP/1 or HTTP/2: what `handler` needs of either.

pub(crate) mod body;
pub(crate) mod http1;
pub(crate) mod http2;

use crate::record::Record;
use crate::reply::Reply;
use crate::view::View;
use body::Body;

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
    /// The client closed before the end, or framed it wrongly.
    Broken,
}
