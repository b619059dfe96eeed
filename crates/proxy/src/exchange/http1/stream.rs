//! The part of an HTTP/1 exchange that relays: bodies stream, in both directions at once, and a 101 ends HTTP.
//! Source: ALB 4.8, 4.11.

use super::{Connection, Event, JOINED_BYTES_MAX, SKIPPED_BYTES_MAX};
use crate::exchange::{BodyFailure, Gone, Piece, Relayed};
use http1::{ClientConnection, ClientFraming, FieldError, Framing, Relay, ResponseFraming, Version};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

impl Connection {
    /// Decodes and reads on until a piece of the body is at hand, or its end. What waits to be sent, an interim answer
    /// perhaps, goes out before waiting, unless the response has begun: then it goes out in its own time.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyFailure>> {
        loop {
            let head_len = self.head_len;
            let Some(work) = self.work.as_deref_mut() else {
                return Poll::Ready(Err(BodyFailure::Closed));
            };
            if work.tunnel {
                return self.poll_through(cx);
            }
            while work.at_hand == 0 && !work.body.is_done() && !work.input.rest().is_empty() {
                let Ok(decoded) = work.body.decode(work.input.rest()) else {
                    return Poll::Ready(Err(BodyFailure::BadChunk));
                };
                debug_assert!(decoded.data.is_empty() || decoded.data.end == decoded.consumed);
                work.at_hand = decoded.data.len();
                let framing = decoded.consumed - work.at_hand;
                work.input.take(framing, head_len);
                work.record.received_bytes += framing as u64;
            }
            match (work.at_hand, work.body.is_done()) {
                (1.., _) => return Poll::Ready(Ok(Piece::Data)),
                (0, true) => return Poll::Ready(Ok(Piece::End)),
                (0, false) => {}
            }
            if !work.answering && !work.output.is_empty() {
                ready!(self.poll_out(cx)).map_err(|_| BodyFailure::Closed)?;
            }
            match ready!(self.poll_fill(cx, true)) {
                Event::Bytes => {}
                Event::TimedOut => return Poll::Ready(Err(BodyFailure::TimedOut)),
                Event::Eof | Event::Draining => return Poll::Ready(Err(BodyFailure::Closed)),
            }
        }
    }

    /// What is at hand of the body.
    pub(super) fn piece(&self) -> &[u8] {
        match self.work.as_deref() {
            Some(work) if work.tunnel => work.through.as_ref().map_or(&[], |through| through.input.rest()),
            Some(work) => &work.input.rest()[..work.at_hand],
            None => &[],
        }
    }

    /// So many bytes of the piece are done with. The client's time runs anew: it was not its fault if it was not asked.
    pub(super) fn take_piece(&mut self, count: usize) {
        let Some(work) = self.work.as_deref_mut() else {
            return;
        };
        work.record.received_bytes += count as u64;
        match &mut work.through {
            Some(through) => through.input.take(count, 0),
            None => {
                work.input.take(count, self.head_len);
                work.at_hand -= count;
            }
        }
        self.timer.touch(self.idle_timeout);
    }

    /// Ends when the client has closed. Reads ahead meanwhile: what comes is the next request.
    pub(super) fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let work = self.work.as_ref();
            if work.is_some_and(|work| work.input.rest().len() >= JOINED_BYTES_MAX) {
                return Poll::Pending; // read on when this request is done
            }
            match ready!(self.poll_fill(cx, true)) {
                // With more requests in hand the client has only stopped sending: they are answered.
                Event::Eof if self.work.as_ref().is_some_and(|work| !work.input.rest().is_empty()) => {
                    return Poll::Pending;
                }
                Event::Eof => {
                    self.state.closing = true;
                    return Poll::Ready(());
                }
                Event::Bytes => {}
                // It is the target that is waited for, and that has its own time. Source: ALB 3.1, 4.4.
                Event::TimedOut | Event::Draining => self.timer.touch(self.idle_timeout),
            }
        }
    }

    /// Whether the connection ends with this answer: draining may have begun, or the listener may have gone, while a target was
    /// asked.
    pub(super) fn is_last(&self) -> bool {
        self.core.wheel.closing() || self.core.is_left(&self.peer) || self.leaves_too_much_unread()
    }

    /// Whether so much of the body has not been read that the connection cannot be used again.
    fn leaves_too_much_unread(&self) -> bool {
        self.work.as_ref().is_some_and(|work| {
            let read = work.record.received_bytes.saturating_sub(self.head_len as u64);
            matches!(work.framing, Framing::Length(length) if length.saturating_sub(read) > SKIPPED_BYTES_MAX)
        })
    }

    /// Writes the head of a target's response to what waits to be sent.
    pub(super) fn begin_relayed(&mut self, relayed: &Relayed<'_>) -> Result<(), FieldError> {
        self.state.closing |= self.is_last();
        let Some(work) = self.work.as_deref_mut() else {
            return Ok(());
        };
        let chunks = matches!(work.head.version(), Version::Http11 | Version::Http1Other(_));
        let framing = match relayed.framing {
            ResponseFraming::None => ClientFraming::None,
            ResponseFraming::Length(length) => ClientFraming::Length(length),
            ResponseFraming::Chunked | ResponseFraming::UntilClose if chunks => ClientFraming::Chunked,
            ResponseFraming::Chunked | ResponseFraming::UntilClose => ClientFraming::UntilClose,
        };
        self.state.ends_with_close = framing == ClientFraming::UntilClose || self.state.bare;
        self.state.closing |= self.state.ends_with_close;
        let connection = match (relayed.head.status(), self.state.closing) {
            (101, _) => ClientConnection::Upgrade,
            (_, true) => ClientConnection::Close,
            (_, false) => ClientConnection::KeepAlive,
        };
        let extra: Vec<_> = relayed
            .cookies
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        let replaced = relayed.replaced.iter();
        let replaced: Vec<_> = replaced
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        let output = work.output.buffer();
        let before = output.len();
        if !self.state.bare {
            let relay = Relay {
                framing,
                connection,
                extra: &extra,
                replaced: &replaced,
            };
            http1::write_response(relayed.head, relayed.bytes, &relay, output)?;
        }
        work.record.sent_bytes = (output.len() - before) as u64;
        work.output.begin_body(framing == ClientFraming::Chunked);
        work.answering = true;
        self.timer.touch(self.idle_timeout);
        Ok(())
    }

    pub(super) fn poll_send_piece(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, Gone>> {
        let Some(work) = self.work.as_deref_mut() else {
            return Poll::Ready(Err(Gone::Left));
        };
        let sent = work.output.poll_send(&mut self.io, cx, data);
        work.record.sent_bytes += work.output.take_produced();
        if work.output.take_moved() {
            self.timer.touch(self.idle_timeout);
        }
        match sent {
            Poll::Pending if self.timer.expired(cx) => Poll::Ready(Err(Gone::Stalled)),
            sent => sent.map_err(|_| Gone::Left),
        }
    }

    /// Sends what waits; in a tunnel that is finished also the word that nothing follows.
    pub(super) fn poll_flush_relayed(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        ready!(self.poll_out(cx))?;
        if !self.state.finished {
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut self.io).poll_shutdown(cx) {
            Poll::Pending if self.timer.expired(cx) => Poll::Ready(Err(Gone::Stalled)),
            told => told.map_err(|_| Gone::Left),
        }
    }

    pub(super) fn finish_relayed(&mut self) {
        let Some(work) = self.work.as_deref_mut() else {
            return;
        };
        work.output.end_body();
        work.record.sent_bytes += work.output.take_produced();
        self.state.finished = work.tunnel;
    }

    /// HTTP ends here. Of the buffers only the head stays, which the log wants at the end: what goes through is read into
    /// one that is lent while there is something to read. A tunnel may be open for hours.
    pub(super) fn begin_tunnel(&mut self) {
        self.state.closing = true;
        let Some(work) = self.work.as_deref_mut() else {
            return;
        };
        work.tunnel = true;
        if !work.input.rest().is_empty() {
            let mut through = self.core.take_target_work();
            through.input.append(work.input.rest());
            work.through = Some(through);
        }
        work.input.keep_head(self.head_len);
    }

    fn poll_through(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyFailure>> {
        let Some(work) = self.work.as_deref_mut() else {
            return Poll::Ready(Err(BodyFailure::Closed));
        };
        let through = work.through.get_or_insert_with(|| self.core.take_target_work());
        if !through.input.rest().is_empty() {
            return Poll::Ready(Ok(Piece::Data));
        }
        self.asked = false; // who reads here asks anew
        let mut spare = ReadBuf::new(through.input.spare(true, self.core.body_room()));
        match Pin::new(&mut self.io).poll_read(cx, &mut spare) {
            Poll::Ready(Ok(())) if !spare.filled().is_empty() => {
                let count = spare.filled().len();
                through.input.filled_by(count);
                self.timer.touch(self.idle_timeout);
                Poll::Ready(Ok(Piece::Data))
            }
            Poll::Ready(read) => {
                self.state.eof = true;
                Poll::Ready(read.map(|()| Piece::End).map_err(|_| BodyFailure::Closed))
            }
            Poll::Pending => {
                if let Some(through) = work.through.take() {
                    self.core.give_target_work(through);
                }
                // What was sent last was short enough to be sent.
                work.output.shrink();
                match self.timer.expired(cx) {
                    true => Poll::Ready(Err(BodyFailure::TimedOut)),
                    false => Poll::Pending,
                }
            }
        }
    }
}
