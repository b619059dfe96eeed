//! What follows a 101: bytes go both ways as they are, until both sides have closed, one of them fails, or nothing came for
//! the idle timeout. Source: ALB 4.8.

use super::pump::Passed;
use super::{Failure, Request};
use crate::exchange::{BodyFailure, Exchange, Piece};
use crate::target::{TargetFailure, TargetStream};
use std::task::{Context, Poll, ready};

/// How far a tunnel is.
#[derive(Debug, Default)]
pub(super) struct Tunnel {
    to_target: Direction,
    to_client: Direction,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Direction {
    #[default]
    Open,
    /// The end is being passed on.
    Ending,
    Ended,
}

/// A direction has had its turn.
struct Turn;

impl Tunnel {
    /// Passes bytes on. Ends well when both sides have closed, or nobody has said anything for the idle timeout.
    pub(super) fn poll<E: Exchange, T: TargetStream>(
        &mut self,
        cx: &mut Context<'_>,
        request: &Request<'_>,
        exchange: &mut E,
        stream: &mut T,
    ) -> Poll<Result<(), Failure>> {
        for passed in [
            self.poll_to_target(cx, exchange, stream),
            self.poll_to_client(cx, exchange, stream),
        ] {
            match passed {
                Poll::Pending | Poll::Ready(Ok(None)) => {}
                Poll::Ready(Ok(Some(Turn))) => cx.waker().wake_by_ref(),
                Poll::Ready(Err(Failure::Client(BodyFailure::TimedOut))) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(Failure::Target(TargetFailure::TimedOut))) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
            }
        }
        match (self.to_target, self.to_client) {
            (Direction::Ended, Direction::Ended) => Poll::Ready(Ok(())),
            _ if request.is_cut() => Poll::Ready(Err(Failure::Target(TargetFailure::Deregistered))),
            _ => {
                request.count_bytes(exchange);
                Poll::Pending
            }
        }
    }

    fn poll_to_target<E: Exchange, T: TargetStream>(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut E,
        stream: &mut T,
    ) -> Poll<Result<Option<Turn>, Failure>> {
        let mut passed = Passed::default();
        while self.to_target == Direction::Open {
            if passed.is_enough() {
                return Poll::Ready(Ok(Some(Turn)));
            }
            match exchange.poll_body(cx).map_err(Failure::Client)? {
                Poll::Ready(Piece::Data) => {
                    let count = ready!(stream.poll_send(cx, exchange.body()))?;
                    exchange.consume(count);
                    passed.add(count);
                }
                Poll::Ready(Piece::End) => self.to_target = Direction::Ending,
                Poll::Pending => {
                    let _ = stream.poll_flush(cx)?; // blocked or not, the client is waited for
                    return Poll::Pending;
                }
            }
        }
        if self.to_target == Direction::Ending {
            ready!(stream.poll_finish(cx, None))?;
            self.to_target = Direction::Ended;
        }
        Poll::Ready(Ok(None))
    }

    fn poll_to_client<E: Exchange, T: TargetStream>(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut E,
        stream: &mut T,
    ) -> Poll<Result<Option<Turn>, Failure>> {
        let mut passed = Passed::default();
        while self.to_client == Direction::Open {
            if passed.is_enough() {
                stream.pause();
                return Poll::Ready(Ok(Some(Turn)));
            }
            match stream.poll_body(cx)? {
                Poll::Ready(Piece::Data) => {
                    let count = ready!(exchange.poll_send(cx, stream.body()))?;
                    stream.consume(count);
                    passed.add(count);
                }
                Poll::Ready(Piece::End) => {
                    exchange.finish(None);
                    self.to_client = Direction::Ending;
                }
                Poll::Pending => {
                    let _ = exchange.poll_flush(cx)?; // blocked or not, the target is waited for
                    return Poll::Pending;
                }
            }
        }
        if self.to_client == Direction::Ending {
            ready!(exchange.poll_flush(cx))?;
            self.to_client = Direction::Ended;
        }
        Poll::Ready(Ok(None))
    }
}
