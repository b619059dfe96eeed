//! Both directions of one exchange at once: what the client sends goes to the target while what the target answers goes to
//! the client. Nothing is read that cannot be passed on, so that either side waits for the other.
//! Source: ALB 4.3, 4.4, 4.10, 4.11.

use super::{Failure, Request};
use crate::busy_poll::Waiting;
use crate::exchange::{Exchange, Gone, Piece};
use crate::headers::trailers;
use crate::target::{TargetFailure, TargetStream};
use http::HeaderMap;
use http1::ResponseFraming;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// Pieces that one direction may pass on before others have their turn.
const PIECES_MAX: usize = 16;
/// And bytes.
const TURN_BYTES_MAX: usize = 512 * 1024;

/// What one direction has passed on in its turn.
#[derive(Debug, Default)]
pub(super) struct Passed {
    pieces: usize,
    bytes: usize,
}

impl Passed {
    /// Others have theirs now. Asked before more is read: it would have left the processor's caches when it is written.
    pub(super) fn is_enough(&self) -> bool {
        self.pieces >= PIECES_MAX || self.bytes >= TURN_BYTES_MAX
    }

    pub(super) fn add(&mut self, bytes: usize) {
        self.pieces += 1;
        self.bytes += bytes;
    }
}

/// How far an exchange is.
pub(super) struct Pump<'a> {
    upload: Upload,
    download: Download,
    /// In a box, because there are hardly ever any.
    trailers: Option<Box<HeaderMap>>,
    /// When the request was sent on.
    sent: Instant,
    /// When the head of the response came.
    head_came: Option<Instant>,
    /// From when the request is with the target until then.
    waiting: Option<Waiting<'a>>,
}

/// What an exchange that did not fail has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// The response is complete. Of the request something may be left.
    Response,
    /// The response is 101, and nothing of it has been passed on.
    Upgraded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upload {
    Body,
    Finishing,
    Done,
    /// The target takes no more. It may have said why before, so its answer is waited for.
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Download {
    Head,
    /// The head is here, and nothing of it has been passed on.
    Held,
    Body,
}

/// Whom the upload waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Client,
    Target,
    /// It has had its turn.
    Turn,
    /// It is over.
    Nobody,
}

impl<'a> Pump<'a> {
    /// The request is sent on from now on.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            upload: Upload::Body,
            download: Download::Head,
            trailers: None,
            sent: now,
            head_came: None,
            waiting: None,
        }
    }

    /// Whether the head of the response has come.
    pub(super) fn has_head(&self) -> bool {
        self.download != Download::Head
    }

    /// Whether the response has begun towards the client.
    pub(super) fn has_begun(&self) -> bool {
        self.download == Download::Body
    }

    /// Passes on what there is to pass on. Ends with the response, or when it cannot be completed.
    pub(super) fn poll<E: Exchange, T: TargetStream>(
        &mut self,
        cx: &mut Context<'_>,
        request: &Request<'a>,
        exchange: &mut E,
        stream: &mut T,
    ) -> Poll<Result<Done, Failure>> {
        let waits = self.poll_upload(cx, request, exchange, stream)?;
        match self.poll_download(cx, request, exchange, stream, waits) {
            Poll::Ready(Ok(Some(done))) => return Poll::Ready(Ok(done)),
            Poll::Ready(Ok(None)) => cx.waker().wake_by_ref(),
            Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
            Poll::Pending if waits == Waits::Turn => cx.waker().wake_by_ref(),
            Poll::Pending => {}
        }
        // While its body is read, the client's end shows by itself.
        if self.upload == Upload::Done && exchange.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Gone::Left.into()));
        }
        if request.is_cut() {
            return Poll::Ready(Err(Failure::Target(TargetFailure::Deregistered)));
        }
        request.count_bytes(exchange);
        Poll::Pending
    }

    fn poll_upload<E: Exchange, T: TargetStream>(
        &mut self,
        cx: &mut Context<'_>,
        request: &Request<'a>,
        exchange: &mut E,
        stream: &mut T,
    ) -> Result<Waits, Failure> {
        let mut passed = Passed::default();
        while self.upload == Upload::Body {
            if passed.is_enough() {
                return Ok(Waits::Turn);
            }
            match exchange.poll_body(cx) {
                Poll::Ready(Ok(Piece::Data)) => match stream.poll_send(cx, exchange.body()) {
                    Poll::Ready(Ok(count)) => {
                        exchange.consume(count);
                        passed.add(count);
                    }
                    Poll::Ready(Err(failure)) => return self.upload_failed(stream, failure),
                    Poll::Pending => return Ok(Waits::Target),
                },
                Poll::Ready(Ok(Piece::End)) => {
                    if let Some(trailers) = exchange.take_trailers() {
                        let reserved = &request.listener.load_balancer.reserved_names;
                        self.trailers = trailers::towards_target(&trailers, reserved).map(Box::new);
                    }
                    self.upload = Upload::Finishing;
                }
                Poll::Ready(Err(failure)) => return Err(Failure::Client(failure)),
                Poll::Pending => match stream.poll_flush(cx) {
                    Poll::Ready(Ok(())) => return Ok(Waits::Client),
                    Poll::Ready(Err(failure)) => return self.upload_failed(stream, failure),
                    Poll::Pending => return Ok(Waits::Target),
                },
            }
        }
        if self.upload == Upload::Finishing {
            match stream.poll_finish(cx, self.trailers.as_deref()) {
                Poll::Ready(Ok(())) => {
                    self.upload = Upload::Done;
                    self.wait(request);
                }
                Poll::Ready(Err(failure)) => return self.upload_failed(stream, failure),
                Poll::Pending => return Ok(Waits::Target),
            }
        }
        Ok(Waits::Nobody)
    }

    /// All of the request is with the target, a moment after something was read.
    fn wait(&mut self, request: &Request<'a>) {
        if self.download == Download::Head {
            let core = request.core;
            self.waiting = Some(core.busy_poll.wait(core.read_last()));
        }
    }

    /// The target does not take the request. One that refuses it before its end answers, closes, and takes no more.
    fn upload_failed<T: TargetStream>(&mut self, stream: &T, failure: TargetFailure) -> Result<Waits, Failure> {
        if failure != TargetFailure::Closed || stream.is_stale(failure) {
            return Err(Failure::Target(failure));
        }
        self.upload = Upload::Broken;
        Ok(Waits::Nobody)
    }

    /// `None`: it has had its turn.
    fn poll_download<E: Exchange, T: TargetStream>(
        &mut self,
        cx: &mut Context<'_>,
        request: &Request<'a>,
        exchange: &mut E,
        stream: &mut T,
        waits: Waits,
    ) -> Poll<Result<Option<Done>, Failure>> {
        let mut now = None;
        if self.download == Download::Head {
            ready!(patient(stream.poll_head(cx), waits))?;
            let came = *now.insert(request.core.read_clock());
            self.head_came = now;
            if let Some(waiting) = self.waiting.take() {
                waiting.answered();
            }
            self.download = Download::Held;
            request.note_head(exchange.record(), stream, came.saturating_duration_since(self.sent));
            if stream.head().0.status() == 101 {
                return Poll::Ready(Ok(Some(Done::Upgraded)));
            }
        }
        if self.download == Download::Held {
            let body = match stream.framing() {
                ResponseFraming::None => Poll::Ready(Ok(Piece::End)),
                _ => patient(stream.poll_body(cx), waits),
            };
            match body {
                // A body that is promised and never comes is answered with 504: its head must not be gone by then. One of
                // unknown length may be long in coming, and its head is news. Source: ALB 4.10, 4.11.
                Poll::Pending if matches!(stream.framing(), ResponseFraming::Length(_)) => return Poll::Pending,
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure.into())),
                Poll::Pending | Poll::Ready(Ok(_)) => {}
            }
            self.begin(request, exchange, stream, now)?;
        }
        let mut passed = Passed::default();
        loop {
            if passed.is_enough() {
                stream.pause();
                return Poll::Ready(Ok(None));
            }
            match patient(stream.poll_body(cx), waits)? {
                Poll::Ready(Piece::Data) => {
                    let count = ready!(exchange.poll_send(cx, stream.body()))?;
                    stream.consume(count);
                    passed.add(count);
                }
                Poll::Ready(Piece::End) => {
                    exchange.finish(stream.take_trailers().as_ref());
                    // Nobody was waited for since the head came.
                    exchange.record().ended = now;
                    return Poll::Ready(Ok(Some(Done::Response)));
                }
                Poll::Pending => {
                    // Blocked or not: the next bytes of the target are waited for.
                    let _ = exchange.poll_flush(cx)?;
                    return Poll::Pending;
                }
            }
        }
    }

    /// Hands the head to the exchange. `now` is when it came, if that was a moment ago.
    fn begin<E: Exchange, T: TargetStream>(
        &mut self,
        request: &Request<'a>,
        exchange: &mut E,
        stream: &mut T,
        now: Option<Instant>,
    ) -> Result<(), TargetFailure> {
        let took = match (now, self.head_came) {
            (None, Some(came)) => came.elapsed(),
            _ => Duration::ZERO,
        };
        exchange.record().response_processing = Some(took);
        request.begin_response(exchange, stream, self.head_came.unwrap_or(self.sent))?;
        stream.head_done();
        self.download = Download::Body;
        Ok(())
    }
}

/// A target that is silent while the client is has nothing to answer yet: the client's time decides.
fn patient<T>(polled: Poll<Result<T, TargetFailure>>, waits: Waits) -> Poll<Result<T, TargetFailure>> {
    match polled {
        Poll::Ready(Err(TargetFailure::TimedOut)) if waits == Waits::Client => Poll::Pending,
        polled => polled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_ends_with_so_many_pieces_or_bytes() {
        for (piece, pieces) in [
            (1, PIECES_MAX),
            (TURN_BYTES_MAX / 2, 2),
            (TURN_BYTES_MAX - 1, 2),
            (TURN_BYTES_MAX, 1),
        ] {
            let mut passed = Passed::default();
            for _ in 0..pieces {
                assert!(!passed.is_enough(), "{piece}");
                passed.add(piece);
            }
            assert!(passed.is_enough(), "{piece}");
        }
    }
}
