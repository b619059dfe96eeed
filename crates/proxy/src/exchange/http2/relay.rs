//! What relaying to a server needs of a stream: both bodies in pieces, and how long who is waited for.

use super::head::relayed_head;
use super::held::{UNREAD_BYTES, UNSENT_BYTES};
use super::stream::Stream;
use crate::exchange::{BodyFailure, Gone, Piece, Relayed};
use crate::wheel::{TICK, ticks_of};
use ::http1::FieldError;
use bytes::{Buf, Bytes};
use h2::{Reason, SendStream};
use http::{HeaderMap, Response};
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Bytes of a response that are asked room for at once. The window of the client bounds what is sent.
const SENT_AT_ONCE_MAX: usize = 32 * 1024;
/// How long a client may not read when there is no room for what waits for it.
const PRESSED: Duration = Duration::from_secs(1);

/// The state of both bodies.
#[derive(Debug, Default)]
pub(super) struct Relay {
    /// Bytes of the request's body that nobody has taken yet.
    at_hand: Bytes,
    /// The body has been read to its end.
    pub(super) body_done: bool,
    trailers: Option<HeaderMap>,
    /// A response has begun.
    pub(super) began: bool,
    /// Its head, until there is something to send with it.
    head: Option<Response<()>>,
    /// The response, once its head is sent, until its end is.
    sending: Option<SendStream<Bytes>>,
    /// The last piece of its body, until it shows whether more follows: it goes out with the end if none does.
    held: Bytes,
    waiting: Waiting,
    /// The client did not read for too long.
    given_up: bool,
}

/// For what the client is waited for, and since which tick.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    /// More of its body.
    to_send: Option<u64>,
    /// Room for what it should read. Bytes are held meanwhile.
    to_read: Option<u64>,
}

impl Waiting {
    /// Both begin anew, as far as they have begun. Whether they have.
    fn again(&mut self, now: u64) -> bool {
        let begun = [&mut self.to_send, &mut self.to_read].into_iter().flatten();
        begun.map(|since| *since = now).count() > 0
    }
}

impl Stream {
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyFailure>> {
        if !self.relay.at_hand.is_empty() {
            // The target does not take it. Meanwhile nothing else would tell that the client is gone.
            self.hold(UNSENT_BYTES);
            return match self.poll_left(cx) {
                Poll::Ready(()) => Poll::Ready(Err(BodyFailure::Closed)),
                Poll::Pending => Poll::Ready(Ok(Piece::Data)),
            };
        }
        loop {
            if self.relay.body_done {
                return Poll::Ready(Ok(Piece::End));
            }
            match self.body.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) if data.is_empty() => {}
                Poll::Ready(Some(Ok(data))) => {
                    self.has_sent();
                    self.relay.at_hand = data;
                    return Poll::Ready(Ok(Piece::Data));
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(self.broken(&error))),
                Poll::Ready(None) => match self.body.poll_trailers(cx) {
                    Poll::Ready(Ok(trailers)) => {
                        self.has_sent();
                        self.relay.trailers = trailers;
                        self.relay.body_done = true;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(self.broken(&error))),
                    Poll::Pending => return self.poll_wait(cx, false).map(|()| Err(BodyFailure::TimedOut)),
                },
                Poll::Pending => return self.poll_wait(cx, false).map(|()| Err(BodyFailure::TimedOut)),
            }
        }
    }

    fn broken(&mut self, error: &h2::Error) -> BodyFailure {
        self.note_cancelled();
        body_failure(error)
    }

    pub(super) fn piece(&self) -> &[u8] {
        &self.relay.at_hand
    }

    pub(super) fn take_piece(&mut self, count: usize) {
        self.relay.at_hand.advance(count.min(self.relay.at_hand.len()));
        let _ = self.body.flow_control().release_capacity(count); // the stream may have been reset
        self.progress();
    }

    pub(super) fn take_relayed_trailers(&mut self) -> Option<HeaderMap> {
        self.relay.trailers.take()
    }

    /// Ready when the client has reset the stream, or its connection is gone.
    pub(super) fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let left = match &mut self.relay.sending {
            Some(sending) => sending.poll_reset(cx).map(drop),
            None if self.relay.began && self.relay.head.is_none() => return Poll::Pending,
            None => self.respond.poll_reset(cx).map(drop),
        };
        if left.is_ready() {
            self.note_cancelled();
        }
        left
    }

    pub(super) fn begin_relayed(&mut self, relayed: &Relayed<'_>) -> Result<usize, FieldError> {
        let (response, size) = relayed_head(relayed)?;
        self.relay.began = true;
        self.relay.head = Some(response);
        self.progress();
        Ok(size)
    }

    /// Sends what was held back. `ends` says that nothing follows.
    fn release(&mut self, ends: bool) -> Result<(), Gone> {
        if let Some(head) = self.relay.head.take() {
            let only = ends && self.relay.held.is_empty();
            let sending = self.respond.send_response(head, only).map_err(|_| Gone::Left)?;
            if only {
                return Ok(());
            }
            self.relay.sending = Some(sending);
        }
        let Some(sending) = &mut self.relay.sending else {
            return Err(Gone::Left);
        };
        if !self.relay.held.is_empty() || ends {
            let piece = std::mem::take(&mut self.relay.held);
            sending.send_data(piece, ends).map_err(|_| Gone::Left)?;
        }
        if ends {
            self.relay.sending = None;
        }
        Ok(())
    }

    pub(super) fn poll_send_piece(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, Gone>> {
        if self.relay.head.is_some() {
            self.release(false)?;
        }
        let held = self.relay.held.len();
        let Some(sending) = &mut self.relay.sending else {
            return Poll::Ready(Err(Gone::Left));
        };
        sending.reserve_capacity(held + data.len().min(SENT_AT_ONCE_MAX));
        while sending.capacity() <= held {
            match sending.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(_) => {
                    self.note_cancelled();
                    return Poll::Ready(Err(Gone::Left));
                }
                // What waits for room needs nothing held back.
                Poll::Pending if held > 0 => {
                    self.release(false)?;
                    return self.poll_send_piece(cx, data);
                }
                Poll::Pending => {
                    ready!(self.poll_wait(cx, true));
                    self.relay.given_up = true;
                    return Poll::Ready(Err(Gone::Stalled));
                }
            }
        }
        let count = (sending.capacity() - held).min(data.len());
        if held > 0 {
            self.release(false)?;
        }
        self.relay.held = Bytes::copy_from_slice(&data[..count]);
        self.has_read();
        Poll::Ready(Ok(count))
    }

    pub(super) fn flush_relayed(&mut self) -> Result<(), Gone> {
        match self.relay.head.is_none() && self.relay.held.is_empty() {
            true => Ok(()),
            false => self.release(false), // frames are sent by the connection
        }
    }

    pub(super) fn finish_relayed(&mut self, trailers: Option<&HeaderMap>) {
        // A client that is gone does not miss it.
        let _ = match trailers.filter(|_| !self.is_head) {
            None => self.release(true),
            Some(trailers) => self.release(false).and_then(|()| {
                let sending = self.relay.sending.take();
                let sent = sending.map(|mut sending| sending.send_trailers(trailers.clone()));
                sent.transpose().map(drop).map_err(|_| Gone::Left)
            }),
        };
    }

    pub(super) fn abort_relayed(&mut self) {
        let reason = match self.relay.given_up {
            true => Reason::CANCEL,
            false => Reason::INTERNAL_ERROR,
        };
        match self.relay.sending.take() {
            Some(mut sending) => sending.send_reset(reason),
            None => self.respond.send_reset(reason),
        }
    }

    /// Waits for the client, for the idle timeout from when waiting began or something was last passed on. While it does not
    /// read (`stalls`), what it should read is held, and when there is no room for that the wait is short.
    fn poll_wait(&mut self, cx: &Context<'_>, stalls: bool) -> Poll<()> {
        let now = self.core.wheel.ticks();
        let waiting = &mut self.relay.waiting;
        let begins = match stalls {
            true => waiting.to_read.replace(waiting.to_read.unwrap_or(now)).is_none(),
            false => waiting.to_send.replace(waiting.to_send.unwrap_or(now)).is_none(),
        };
        if begins && stalls {
            self.hold(UNREAD_BYTES);
        }
        if begins {
            self.timer.touch(self.next_look(now));
        }
        while self.timer.expired(cx) {
            if self.is_over(now) {
                return Poll::Ready(());
            }
            self.timer.touch(self.next_look(now));
        }
        Poll::Pending
    }

    fn is_over(&self, now: u64) -> bool {
        let idle_timeout = self.shared.idle_timeout.get();
        let to_read_for = match self.core.held_by_streams.is_over() {
            true => PRESSED.min(idle_timeout),
            false => idle_timeout,
        };
        let is_over = |since: Option<u64>, patience: Duration| {
            since.is_some_and(|since| now.saturating_sub(since) >= ticks_of(patience))
        };
        let Waiting { to_send, to_read } = self.relay.waiting;
        is_over(to_send, idle_timeout) || is_over(to_read, to_read_for)
    }

    /// In what time the waiting may be over.
    fn next_look(&self, now: u64) -> Duration {
        let idle_timeout = self.shared.idle_timeout.get();
        let Waiting { to_send, to_read } = self.relay.waiting;
        let waited = |since: u64| TICK * u32::try_from(now.saturating_sub(since)).unwrap_or(u32::MAX);
        let left = to_send.map_or(idle_timeout, |since| idle_timeout.saturating_sub(waited(since)));
        // Whether there is room for what is held, only looking tells.
        let look = if to_read.is_some() { PRESSED.min(left) } else { left };
        look.max(TICK)
    }

    /// The client has sent something that was waited for.
    fn has_sent(&mut self) {
        self.relay.waiting.to_send = None;
        self.progress();
    }

    /// The client has room again.
    fn has_read(&mut self) {
        self.relay.waiting.to_read = None;
        self.progress();
    }

    /// Something was passed on: the idle timeout begins anew, for the other direction, too.
    fn progress(&mut self) {
        let now = self.core.wheel.ticks();
        if self.relay.waiting.again(now) {
            self.timer.touch(self.next_look(now));
        }
        let holds = if self.relay.waiting.to_read.is_some() {
            UNREAD_BYTES
        } else {
            0
        };
        self.hold(holds);
        self.shared.active.set(true);
    }
}

/// Why a body broke off.
pub(super) fn body_failure(error: &h2::Error) -> BodyFailure {
    // What the client does with its connection is not the fault of this stream.
    match error.is_reset() && error.is_library() {
        true => BodyFailure::Malformed,
        false => BodyFailure::Closed,
    }
}
