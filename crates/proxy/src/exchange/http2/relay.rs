//! What relaying to a server needs of a stream: both bodies in pieces, and how long who is waited for.

use super::head::relayed_head;
use super::held::{UNREAD_BYTES, UNSENT_BYTES};
use super::stream::Stream;
use crate::exchange::{BodyFailure, Gone, Piece, Relayed};
use crate::wheel::ticks_of;
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
    waiting: Option<Waiting>,
    /// The client did not read for too long.
    given_up: bool,
}

/// Somebody is waited for.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// The tick it began.
    since: u64,
    /// Bytes are held meanwhile.
    stalls: bool,
}

impl Stream {
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyFailure>> {
        if !self.relay.at_hand.is_empty() {
            // The target does not take it. Meanwhile nothing else would tell that the client is gone.
            self.hold(UNSENT_BYTES);
            return match self.poll_left(cx) {
                Poll::Ready(()) => Poll::Ready(Err(BodyFailure::Broken)),
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
                    self.progress();
                    self.relay.at_hand = data;
                    return Poll::Ready(Ok(Piece::Data));
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(self.broken())),
                Poll::Ready(None) => match self.body.poll_trailers(cx) {
                    Poll::Ready(Ok(trailers)) => {
                        self.progress();
                        self.relay.trailers = trailers;
                        self.relay.body_done = true;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(self.broken())),
                    Poll::Pending => return self.poll_wait(cx, false).map(|Gone| Err(BodyFailure::TimedOut)),
                },
                Poll::Pending => return self.poll_wait(cx, false).map(|Gone| Err(BodyFailure::TimedOut)),
            }
        }
    }

    fn broken(&mut self) -> BodyFailure {
        self.note_cancelled();
        BodyFailure::Broken
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
            let sending = self.respond.send_response(head, only).map_err(|_| Gone)?;
            if only {
                return Ok(());
            }
            self.relay.sending = Some(sending);
        }
        let Some(sending) = &mut self.relay.sending else {
            return Err(Gone);
        };
        if !self.relay.held.is_empty() || ends {
            let piece = std::mem::take(&mut self.relay.held);
            sending.send_data(piece, ends).map_err(|_| Gone)?;
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
            return Poll::Ready(Err(Gone));
        };
        sending.reserve_capacity(held + data.len().min(SENT_AT_ONCE_MAX));
        while sending.capacity() <= held {
            match sending.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(_) => {
                    self.note_cancelled();
                    return Poll::Ready(Err(Gone));
                }
                // What waits for room needs nothing held back.
                Poll::Pending if held > 0 => {
                    self.release(false)?;
                    return self.poll_send_piece(cx, data);
                }
                Poll::Pending => {
                    ready!(self.poll_wait(cx, true));
                    self.relay.given_up = true;
                    return Poll::Ready(Err(Gone));
                }
            }
        }
        let count = (sending.capacity() - held).min(data.len());
        if held > 0 {
            self.release(false)?;
        }
        self.relay.held = Bytes::copy_from_slice(&data[..count]);
        self.progress();
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
                sent.transpose().map(drop).map_err(|_| Gone)
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

    /// Waits for the client, for the idle timeout from when waiting began. While it does not read (`stalls`), what it should
    /// read is held, and when there is no room for that the wait is short.
    fn poll_wait(&mut self, cx: &Context<'_>, stalls: bool) -> Poll<Gone> {
        let (wheel, idle_timeout) = (&self.core.wheel, self.shared.idle_timeout.get());
        let waiting = self.relay.waiting.get_or_insert_with(|| {
            self.timer.touch(idle_timeout);
            Waiting {
                since: wheel.ticks(),
                stalls: false,
            }
        });
        let stalls_now = stalls && !waiting.stalls;
        waiting.stalls |= stalls;
        let Waiting { since, stalls } = *waiting;
        if stalls_now {
            self.hold(UNREAD_BYTES);
            self.timer.touch(PRESSED.min(idle_timeout));
        }
        while self.timer.expired(cx) {
            let waited = self.core.wheel.ticks().saturating_sub(since);
            let patience = match stalls && self.core.held_by_streams.is_over() {
                true => PRESSED.min(idle_timeout),
                false => idle_timeout,
            };
            if waited >= ticks_of(patience) {
                return Poll::Ready(Gone);
            }
            self.timer.touch(if stalls {
                PRESSED.min(idle_timeout)
            } else {
                idle_timeout
            });
        }
        Poll::Pending
    }

    /// Nobody is waited for.
    fn progress(&mut self) {
        self.relay.waiting = None;
        self.hold(0);
        self.shared.active.set(true);
    }
}
