//! One stream: a request and its answer, held whole or relayed piece by piece.

use super::head::{body_framing, reply_head};
use super::relay::{Relay, body_failure};
use super::{SKIP, SKIP_PAUSE, SKIPPED_BYTES_MAX, Shared};
use crate::cause::Cause;
use crate::core::Core;
use crate::exchange::body::Body;
use crate::exchange::{BodyFailure, Exchange, Gone, Piece, Relayed};
use crate::record::Record;
use crate::reply::Reply;
use crate::view::View;
use crate::wheel::Timer;
use crate::work::Work;
use ::http1::{FieldError, Framing};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// One stream.
pub(super) struct Stream {
    pub(super) core: Rc<Core>,
    pub(super) shared: Rc<Shared>,
    pub(super) timer: Timer,
    work: Option<Box<Work>>,
    /// The head.
    bytes: Vec<u8>,
    pub(super) is_head: bool,
    pub(super) body: RecvStream,
    pub(super) respond: SendResponse<Bytes>,
    answer: Option<(Response<()>, Bytes)>,
    pub(super) relay: Relay,
    /// What the core's account says that it holds.
    holds: usize,
    cancelled: bool,
    /// The answer is with h2, or nobody is answered.
    ended: bool,
}

/// A request as it begins its way: the record has begun, its head is read.
pub(super) struct Begun {
    pub(super) work: Box<Work>,
    pub(super) bytes: Vec<u8>,
    pub(super) is_head: bool,
    pub(super) body: RecvStream,
    pub(super) respond: SendResponse<Bytes>,
}

impl Stream {
    pub(super) fn new(core: &Rc<Core>, shared: &Rc<Shared>, begun: Begun) -> Self {
        shared.open.set(shared.open.get() + 1);
        let mut stream = Self {
            core: core.clone(),
            shared: shared.clone(),
            timer: core.wheel.timer(),
            work: Some(begun.work),
            bytes: begun.bytes,
            is_head: begun.is_head,
            body: begun.body,
            respond: begun.respond,
            answer: None,
            relay: Relay::default(),
            holds: 0,
            cancelled: false,
            ended: false,
        };
        stream.hold(0);
        stream
    }

    /// From now on so much is held beside the head.
    pub(super) fn hold(&mut self, bytes: usize) {
        let now = self.bytes.len() + bytes;
        if now != self.holds {
            self.core.held_by_streams.change(self.holds, now);
            self.holds = now;
        }
    }

    /// The client has reset the stream.
    pub(super) fn note_cancelled(&mut self) {
        if !std::mem::replace(&mut self.cancelled, true) {
            let began = self.record().start;
            self.shared.note_cancelled(began);
        }
    }

    /// Sends the answer and reads what is left of the request. A client that is told of an error stops sending; any other
    /// goes on to the end of its body, and some of them (curl 7.88) hang when the answer ends before that.
    pub(super) async fn end(&mut self) {
        let Some((response, body)) = self.answer.take() else {
            self.ended = true;
            if self.relay.began && !self.relay.body_done {
                self.skip_body().await;
            }
            return;
        };
        let is_error = response.status().as_u16() >= 400;
        if !is_error {
            self.skip_body().await;
        }
        let sent = match self.respond.send_response(response, body.is_empty()) {
            Ok(stream) if !body.is_empty() => self.send_body(stream, body).await,
            Ok(_) => Ok(()),
            Err(_) => Err(Gone::Left),
        };
        if let Err(gone) = sent {
            self.record().because(Cause::from(gone).reason());
        }
        self.ended = true;
        if is_error {
            self.skip_body().await;
        }
    }

    /// Sends the body as the client's window allows, within the idle timeout.
    async fn send_body(&mut self, mut stream: SendStream<Bytes>, mut body: Bytes) -> Result<(), Gone> {
        stream.reserve_capacity(body.len());
        self.timer.set(Instant::now(), self.shared.idle_timeout.get());
        while !body.is_empty() {
            let capacity = poll_fn(|cx| match stream.poll_capacity(cx) {
                Poll::Pending if self.timer.expired(cx) => Poll::Ready(Err(Gone::Stalled)),
                other => Poll::Ready(ready!(other).and_then(Result::ok).ok_or(Gone::Left)),
            });
            let capacity = match capacity.await {
                Ok(capacity) => capacity,
                Err(gone) => {
                    stream.send_reset(Reason::CANCEL);
                    return Err(gone);
                }
            };
            let piece = body.split_to(capacity.min(body.len()));
            stream.send_data(piece, body.is_empty()).map_err(|_| Gone::Left)?;
            self.timer.set(Instant::now(), self.shared.idle_timeout.get());
        }
        Ok(())
    }

    async fn skip_body(&mut self) {
        if self.body.is_end_stream() {
            return;
        }
        let (mut skipped, mut now) = (0, Instant::now());
        let end = now + SKIP;
        while skipped <= SKIPPED_BYTES_MAX {
            self.timer.set(now, SKIP_PAUSE.min(end - now));
            let data = poll_fn(|cx| match self.body.poll_data(cx) {
                Poll::Pending if self.timer.expired(cx) => Poll::Ready(None),
                other => other,
            });
            let Some(Ok(data)) = data.await else { return };
            let _ = self.body.flow_control().release_capacity(data.len());
            skipped += data.len();
            now = Instant::now().min(end);
        }
    }

    /// Why the body must not be read: what `content-length` promises is checked by h2 itself.
    async fn collect(&mut self, into: &mut Body<'_>) -> Result<(), BodyFailure> {
        self.timer.set(Instant::now(), self.shared.idle_timeout.get());
        loop {
            let data = poll_fn(|cx| match self.body.poll_data(cx) {
                Poll::Pending if self.timer.expired(cx) => Poll::Ready(Err(BodyFailure::TimedOut)),
                other => Poll::Ready(ready!(other).transpose().map_err(|error| body_failure(&error))),
            });
            let Some(data) = data.await? else {
                return Ok(());
            };
            self.timer.set(Instant::now(), self.shared.idle_timeout.get());
            let _ = self.body.flow_control().release_capacity(data.len());
            if let Some(work) = &mut self.work {
                work.record.received_bytes += data.len() as u64;
            }
            into.push(&data)?;
        }
    }
}

impl Exchange for Stream {
    fn parts(&mut self) -> (View<'_>, &mut Record) {
        let core = &self.core;
        let work = self.work.get_or_insert_with(|| core.take_work());
        (View::new(&self.bytes, &work.head, &self.shared.peer), &mut work.record)
    }

    fn record(&mut self) -> &mut Record {
        let core = &self.core;
        &mut self.work.get_or_insert_with(|| core.take_work()).record
    }

    async fn read_body(&mut self, into: &mut Body<'_>) -> Result<(), BodyFailure> {
        self.collect(into).await
    }

    async fn gone(&mut self) {
        // Resolves with the reset, or with an error when the whole connection is gone.
        let _ = poll_fn(|cx| self.respond.poll_reset(cx)).await;
        self.note_cancelled();
    }

    fn reply(&mut self, reply: Reply<'_>) {
        let Some(work) = &mut self.work else {
            return;
        };
        let date = self.core.texts.borrow_mut().http_date(self.core.now()).to_vec();
        let Some(response) = reply_head(&reply, &date) else {
            debug_assert!(false, "a reply with a malformed header");
            self.respond.send_reset(Reason::INTERNAL_ERROR);
            return;
        };
        let head_bytes: usize = response
            .headers()
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum();
        let body = if reply.has_body(self.is_head) {
            Bytes::copy_from_slice(&reply.body)
        } else {
            Bytes::new()
        };
        work.record.sent_bytes = (head_bytes + body.len()) as u64;
        self.answer = Some((response, body));
    }

    fn body_framing(&self) -> Framing {
        let ends = self.body.is_end_stream();
        match &self.work {
            Some(work) => body_framing(&work.head, &self.bytes, ends),
            None if ends => Framing::None,
            None => Framing::Chunked,
        }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyFailure>> {
        self.poll_piece(cx)
    }

    fn body(&self) -> &[u8] {
        self.piece()
    }

    fn consume(&mut self, count: usize) {
        self.take_piece(count);
        self.record().received_bytes += count as u64;
    }

    fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.take_relayed_trailers()
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_left(cx)
    }

    fn begin_response(&mut self, relayed: &Relayed<'_>) -> Result<(), FieldError> {
        let head_bytes = self.begin_relayed(relayed)?;
        self.record().sent_bytes = head_bytes as u64;
        Ok(())
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, Gone>> {
        let count = ready!(self.poll_send_piece(cx, data))?;
        self.record().sent_bytes += count as u64;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Poll::Ready(self.flush_relayed())
    }

    fn finish(&mut self, trailers: Option<&HeaderMap>) {
        self.finish_relayed(trailers);
    }

    fn abort(&mut self) {
        self.abort_relayed();
    }

    fn tunnel(&mut self) {
        debug_assert!(false, "HTTP/2 has no 101");
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.open.set(self.shared.open.get() - 1);
        self.shared.active.set(true);
        self.core.held_by_streams.change(self.holds, 0);
        if std::thread::panicking() {
            self.core.counters().panics.inc();
        }
        if let Some(mut work) = self.work.take() {
            if !self.ended {
                work.record.because(Cause::of_cut().reason());
            }
            let view = View::new(&self.bytes, &work.head, &self.shared.peer);
            self.core.finish(&mut work.record, &view);
            self.core.give_work(work);
        }
    }
}
