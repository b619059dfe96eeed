//! Requests to targets over HTTP/2: groups of the versions `HTTP2` and `GRPC`. Source: ALB 4.2, 4.3.
//!
//! A connection carries many requests at once. It belongs to the core that opened it, and a task of its own moves its
//! frames; the task ends when the last request on it has ended and the pool has let go of it.

mod connection;
mod opening;
mod pool;
mod request;
mod response;

pub(crate) use connection::Lease;
pub(crate) use pool::{Destination, Http2Pool};
pub(crate) use request::write_request;
pub(crate) use response::Response;

use super::{TargetFailure, TargetStream};
use crate::exchange::Piece;
use crate::wheel::Timer;
use ::http1::{ResponseFraming, ResponseHead};
use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, SendStream};
use http::HeaderMap;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Bytes of a request that are asked room for at once. The window of the target bounds what is sent.
const SENT_AT_ONCE_MAX: usize = 32 * 1024;
/// Interim responses that are read over before a response. Source: ALB 4.11; the bound is ours.
const INTERIM_MAX: u16 = 10_000;

/// One request on a connection that it shares.
pub(crate) struct Http2 {
    sending: SendStream<Bytes>,
    /// The last piece of the body, until it shows whether more follows: it goes out with the end if none does.
    held: Bytes,
    /// The request is complete.
    sent: bool,
    /// Something of the client's body was taken: the request cannot be sent again.
    took: bool,
    /// The target has said that it did nothing with the request.
    refused: bool,
    coming: ResponseFuture,
    interim: u16,
    response: Option<Response>,
    timer: Timer,
    idle_timeout: Duration,
    is_head: bool,
    why: Option<String>,
    /// Given back last of all.
    lease: Lease,
}

impl Http2 {
    /// Sends the head of a request. `ends` says that it has no body. Fails when the connection takes no more requests.
    pub(crate) fn new(
        mut lease: Lease,
        request: http::Request<()>,
        ends: bool,
        timer: Timer,
        idle_timeout: Duration,
    ) -> Result<Self, h2::Error> {
        let is_head = request.method() == http::Method::HEAD;
        let (coming, sending) = lease.send_request(request, ends)?;
        timer.touch(idle_timeout);
        Ok(Self {
            sending,
            held: Bytes::new(),
            sent: ends,
            took: false,
            refused: false,
            coming,
            interim: 0,
            response: None,
            timer,
            idle_timeout,
            is_head,
            why: None,
            lease,
        })
    }

    fn wait<T>(&mut self, cx: &Context<'_>, what: &str) -> Poll<Result<T, TargetFailure>> {
        match self.timer.expired(cx) {
            true => {
                self.why = Some(format!("it {what} for {:?}", self.idle_timeout));
                Poll::Ready(Err(TargetFailure::TimedOut))
            }
            false => Poll::Pending,
        }
    }

    fn fail(&mut self, failure: TargetFailure, why: impl Into<String>) -> TargetFailure {
        self.why = Some(why.into());
        failure
    }

    fn broken(&mut self, error: &h2::Error) -> TargetFailure {
        // GOAWAY fails those requests only that the target will not look at. Source: RFC 9113, 6.8 and 8.7.
        self.refused |= error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM));
        let failure = match error.is_io() || error.is_remote() {
            true => TargetFailure::Closed,
            false => TargetFailure::Malformed,
        };
        self.fail(failure, error.to_string())
    }

    /// Sends the held piece.
    fn release(&mut self, ends: bool) -> Result<(), TargetFailure> {
        let piece = std::mem::take(&mut self.held);
        let sent = self.sending.send_data(piece, ends);
        self.timer.touch(self.idle_timeout);
        sent.map_err(|error| self.given_up(error.to_string()))
    }

    /// The stream takes nothing more. Why shows where the response is waited for.
    fn given_up(&mut self, why: impl Into<String>) -> TargetFailure {
        self.fail(TargetFailure::Closed, why)
    }
}

impl TargetStream for Http2 {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, TargetFailure>> {
        let held = self.held.len();
        self.sending.reserve_capacity(held + data.len().min(SENT_AT_ONCE_MAX));
        while self.sending.capacity() <= held {
            match self.sending.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(self.given_up(error.to_string()))),
                Poll::Ready(None) => return Poll::Ready(Err(self.given_up("it takes no more"))),
                // What waits for room needs nothing held back.
                Poll::Pending if held > 0 => {
                    self.release(false)?;
                    return self.poll_send(cx, data);
                }
                Poll::Pending => return self.wait(cx, "took no bytes"),
            }
        }
        let count = (self.sending.capacity() - held).min(data.len());
        if held > 0 {
            self.release(false)?;
        }
        self.held = Bytes::copy_from_slice(&data[..count]);
        self.took = true;
        self.timer.touch(self.idle_timeout);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), TargetFailure>> {
        match self.held.is_empty() {
            true => Poll::Ready(Ok(())),
            false => Poll::Ready(self.release(false)), // frames are sent by the connection
        }
    }

    fn poll_finish(&mut self, _cx: &mut Context<'_>, trailers: Option<&HeaderMap>) -> Poll<Result<(), TargetFailure>> {
        if self.sent {
            return Poll::Ready(Ok(()));
        }
        if trailers.is_none() || !self.held.is_empty() {
            self.release(trailers.is_none())?;
        }
        if let Some(trailers) = trailers {
            self.took = true;
            let sent = self.sending.send_trailers(trailers.clone());
            sent.map_err(|error| self.given_up(error.to_string()))?;
        }
        self.sent = true;
        // From now on it is the target's turn.
        self.timer.touch(self.idle_timeout);
        Poll::Ready(Ok(()))
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TargetFailure>> {
        if self.response.is_some() {
            return Poll::Ready(Ok(()));
        }
        loop {
            match self.coming.poll_informational(cx) {
                Poll::Ready(Some(Ok(_))) if self.interim == INTERIM_MAX => {
                    let why = format!("it sent more than {INTERIM_MAX} interim responses");
                    return Poll::Ready(Err(self.fail(TargetFailure::Malformed, why)));
                }
                Poll::Ready(Some(Ok(_))) => {
                    self.interim += 1;
                    self.timer.touch(self.idle_timeout);
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(self.broken(&error))),
                Poll::Ready(None) => break,
                Poll::Pending => return self.wait(cx, "said nothing"),
            }
        }
        let response = match ready!(Pin::new(&mut self.coming).poll(cx)) {
            Ok(response) => response,
            Err(error) => return Poll::Ready(Err(self.broken(&error))),
        };
        self.timer.touch(self.idle_timeout);
        match Response::new(response, self.is_head) {
            Ok(response) => self.response = Some(response),
            Err((failure, why)) => return Poll::Ready(Err(self.fail(failure, why))),
        }
        Poll::Ready(Ok(()))
    }

    fn head(&self) -> (&ResponseHead, &[u8]) {
        let response = self.response.as_ref();
        response.expect("a head is asked for when it has come").head()
    }

    fn head_done(&mut self) {
        if let Some(response) = &mut self.response {
            response.forget_head();
        }
    }

    fn framing(&self) -> ResponseFraming {
        self.response.as_ref().map_or(ResponseFraming::None, Response::framing)
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, TargetFailure>> {
        let Some(response) = &mut self.response else {
            return Poll::Ready(Err(TargetFailure::Closed));
        };
        match response.poll_body(cx) {
            Poll::Ready(Ok((piece, moved))) => {
                if moved {
                    self.timer.touch(self.idle_timeout);
                }
                Poll::Ready(Ok(piece))
            }
            // h2 itself compares what comes with what was promised.
            Poll::Ready(Err(error)) if response.is_owed() && error.is_reset() && !error.is_remote() => {
                let why = "its stream ended with another length than it had promised";
                Poll::Ready(Err(self.fail(TargetFailure::Short, why)))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.broken(&error))),
            Poll::Pending => self.wait(cx, "said nothing"),
        }
    }

    fn body(&self) -> &[u8] {
        self.response.as_ref().map_or(&[], Response::body)
    }

    fn consume(&mut self, count: usize) {
        if let Some(response) = &mut self.response {
            response.consume(count);
            // It was not the target's fault if it was not asked for more.
            self.timer.touch(self.idle_timeout);
        }
    }

    fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.response.as_mut().and_then(Response::take_trailers)
    }

    fn tunnel(&mut self) {
        debug_assert!(false, "HTTP/2 has no 101");
    }

    fn is_stale(&self, failure: TargetFailure) -> bool {
        let unseen = self.refused || self.lease.wrote_nothing();
        failure == TargetFailure::Closed && !self.took && self.response.is_none() && unseen
    }

    fn why(&mut self) -> Option<String> {
        self.why.take()
    }
}

impl Drop for Http2 {
    /// A request that is dropped before its end is cancelled, so that the target stops working on it.
    fn drop(&mut self) {
        if !self.sent || !self.response.as_ref().is_some_and(Response::has_ended) {
            self.sending.send_reset(Reason::CANCEL);
        }
    }
}
