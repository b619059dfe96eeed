//! HTTP/1 connections: reads requests one after the other, answers them in order, closes when it must.
//! Source: ALB 4.1, 4.4, 4.9.

mod end;
mod stream;

use super::body::Body;
use super::{BodyFailure, Exchange, Gone, Piece, Relayed};
use crate::cause::Cause;
use crate::connection::{Io, Peer};
use crate::core::{Core, ListenerRef};
use crate::handler::{self, Next};
use crate::places::Place;
use crate::record::Record;
use crate::reply::Reply;
use crate::view::View;
use crate::wheel::Timer;
use crate::work::Work;
use http1::desync::Verdict;
use http1::{BodyDecoder, Framing, HeadError, HeadLimits, Scan, Version};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, ReadBuf};

/// Answers to pipelined requests are joined up to this many bytes before they are written.
const JOINED_BYTES_MAX: usize = 32 * 1024;
/// Bytes of an unread body that are read and dropped to keep a connection usable.
const SKIPPED_BYTES_MAX: u64 = 1024 * 1024;

/// One HTTP/1 connection.
pub(crate) struct Connection {
    core: Rc<Core>,
    io: Io,
    peer: Peer,
    timer: Timer,
    /// `None` while the connection is idle.
    work: Option<Box<Work>>,
    /// The runtime wakes this task when bytes arrive; see [`Io::poll_worth_reading`].
    asked: bool,
    /// When bytes arrived last.
    read_at: Instant,
    /// The first byte of the request that is being read.
    head_began: Option<Instant>,
    /// Where `client_keep_alive` ends; fixed when the connection was accepted.
    keep_alive_until: Instant,
    idle_timeout: Duration,
    head_len: usize,
    state: State,
    /// Given back last of all.
    _place: Place,
}

/// What is known about the request in hand and about the connection after it.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// A request is between its head and its last byte.
    in_hand: bool,
    closing: bool,
    is_head: bool,
    /// It is answered; of the request something is still read, and dropped.
    answered: bool,
    /// HTTP/0.9: the answer is its body alone.
    bare: bool,
    /// The client has closed its side.
    eof: bool,
    /// Bytes may be on their way that will never be read.
    unread: bool,
    /// The response was broken off: the client must be able to tell.
    broken_off: bool,
    /// The end of the connection is all that ends the response.
    ends_with_close: bool,
    /// HTTP has ended here, and nothing follows towards the client.
    finished: bool,
}

/// What waiting for bytes ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Bytes,
    Eof,
    TimedOut,
    /// The process is about to stop, or the listener is gone; told only while nothing is in hand.
    Draining,
}

/// What came of looking for a request.
enum Found {
    /// A head of this many bytes, tokenized if it could be read.
    Head(usize, Result<(), HeadError>),
    Refused(Cause),
    /// Close without a word.
    Nothing,
}

impl Connection {
    /// `None` when its listener has been deleted.
    pub(crate) fn open(core: Rc<Core>, io: Io, peer: Peer, place: Place) -> Option<Self> {
        let listener = core.listener_of(&peer)?;
        let attributes = &listener.load_balancer.attributes;
        let (idle_timeout, keep_alive) = (attributes.idle_timeout, attributes.client_keep_alive);
        let timer = core.wheel.timer();
        let now = Instant::now();
        timer.set(now, idle_timeout);
        Some(Self {
            keep_alive_until: peer.accepted + keep_alive,
            core,
            io,
            peer,
            timer,
            work: None,
            asked: false,
            read_at: now,
            head_began: None,
            idle_timeout,
            head_len: 0,
            state: State::default(),
            _place: place,
        })
    }

    /// Answers 400 to a client that speaks in clear text where TLS is spoken, and closes. Source: ALB 4.10 (unverified).
    pub(crate) async fn refuse_clear_text(mut self) {
        if poll_fn(|cx| self.poll_fill(cx, false)).await == Event::Bytes {
            self.refuse_unread(Cause::ClearTextOnTlsPort);
            self.end_request().await;
            self.close().await;
        }
    }

    /// Serves the connection until it ends. A plain function around a block, because an `async fn` would hold room for the
    /// connection twice.
    #[expect(clippy::manual_async_fn, reason = "an async fn would be larger")]
    pub(crate) fn run(mut self) -> impl Future<Output = ()> {
        async move { self.serve().await }
    }

    async fn serve(&mut self) {
        loop {
            match self.find_head().await {
                Found::Head(head_len, readable) => {
                    self.head_len = head_len;
                    match self.begin(readable) {
                        None => {}
                        Some((listener, forwarding)) => {
                            let core = self.core.clone();
                            // In a box, so that an idle connection does not hold room for it.
                            Box::pin(handler::forward(&core, &listener, self, forwarding)).await;
                        }
                    }
                }
                Found::Refused(cause) => self.refuse_unread(cause),
                Found::Nothing => break,
            }
            if !self.end_request().await {
                break;
            }
        }
        Box::pin(self.end()).await;
    }

    /// Waits for a complete head. Answers to requests before it go out before waiting, and together.
    async fn find_head(&mut self) -> Found {
        loop {
            let mut idle = true;
            if let Some(work) = &mut self.work {
                if !work.input.is_empty() {
                    match work.head.read(&mut work.scanner, work.input.filled(), &HeadLimits::ALB) {
                        Ok(Scan::Complete { head_len }) => return Found::Head(head_len, Ok(())),
                        Ok(Scan::TooLarge(limit)) => return Found::Refused(limit.into()),
                        Ok(Scan::Partial) => {}
                        Err(error) => return Found::Head(work.input.filled().len(), Err(error)),
                    }
                    idle = false;
                    let began = *self.head_began.get_or_insert(self.read_at);
                    if began.elapsed() >= self.core.shared.limits.head_timeout.max(self.idle_timeout) {
                        return Found::Refused(Cause::ClientTimedOut);
                    }
                }
                if !work.output.is_empty() && self.flush().await.is_err() {
                    self.state.eof = true;
                    return Found::Nothing;
                }
            }
            match poll_fn(|cx| self.poll_fill(cx, false)).await {
                Event::Bytes => {}
                Event::TimedOut if !idle => return Found::Refused(Cause::ClientTimedOut),
                Event::TimedOut | Event::Draining => return Found::Nothing,
                // Half a request: whoever has only stopped sending still reads why it is refused.
                Event::Eof if !idle => return Found::Refused(Cause::RequestIncomplete),
                Event::Eof => return Found::Nothing,
            }
        }
    }

    /// Reads what is there. Without bytes in hand the workspace goes back to the core while waiting.
    fn poll_fill(&mut self, cx: &mut Context<'_>, for_body: bool) -> Poll<Event> {
        if self.state.eof {
            return Poll::Ready(Event::Eof);
        }
        if self.io.poll_worth_reading(cx, &mut self.asked).is_pending() {
            return self.poll_nothing(cx);
        }
        let core = &self.core;
        let work = self.work.get_or_insert_with(|| core.take_work());
        let mut spare = ReadBuf::new(work.input.spare(for_body, core.body_room()));
        match Pin::new(&mut self.io).poll_read(cx, &mut spare) {
            Poll::Ready(Ok(())) if !spare.filled().is_empty() => {
                let count = spare.filled().len();
                work.input.filled_by(count);
                self.read_at = core.read_clock();
                self.timer.touch(self.idle_timeout);
                Poll::Ready(Event::Bytes)
            }
            Poll::Ready(_) => {
                self.state.eof = true;
                Poll::Ready(Event::Eof)
            }
            Poll::Pending => self.poll_nothing(cx),
        }
    }

    /// There is nothing to read, and the task is woken when there is.
    fn poll_nothing(&mut self, cx: &Context<'_>) -> Poll<Event> {
        let in_hand = |work: &Work| !work.input.is_empty();
        let idle = !self.state.in_hand && !self.work.as_deref().is_some_and(in_hand);
        if idle && let Some(work) = self.work.take_if(|work| work.output.is_empty()) {
            self.core.give_work(work);
        }
        if self.timer.expired(cx) {
            return Poll::Ready(Event::TimedOut);
        }
        if idle && (self.core.wheel.draining() || self.core.is_left(&self.peer)) && !self.io.has_unread() {
            return Poll::Ready(Event::Draining);
        }
        Poll::Pending
    }

    /// Judges the request whose head is complete and answers, unless a target has to be asked.
    fn begin(&mut self, readable: Result<(), HeadError>) -> Option<(ListenerRef, handler::Forwarding)> {
        let now = self.head_began.take().unwrap_or(self.read_at);
        let core = self.core.clone();
        let work = self.work.as_deref_mut()?;
        let head_len = self.head_len;
        work.input.begin_body(head_len);
        work.record.begin(now, core.wall(now));
        work.record.received_bytes = head_len as u64;
        work.begin_body(Framing::None);
        self.state = State {
            in_hand: true,
            is_head: false,
            bare: false,
            answered: false,
            ..self.state
        };
        let head = work.input.head(head_len);
        let view = View::new(head, &work.head, &self.peer);
        let Some(listener) = core.listener_for(&self.peer, view.host()) else {
            // The listener was deleted, or is another: nothing answers as it did any more.
            self.state = State {
                closing: true,
                in_hand: false,
                ..self.state
            };
            return None;
        };
        self.idle_timeout = listener.load_balancer.attributes.idle_timeout;
        work.record.listener = Some(listener.clone());
        if readable.is_err() {
            work.record.malformed = true;
            self.refuse(&listener, Cause::MalformedHead);
            return None;
        }
        self.state.is_head = view.method() == b"HEAD";
        self.state.bare = view.version() == Version::Http09;
        let (verdict, framing) = match handler::desync(&view, &listener, &mut work.record) {
            Ok(judged) => judged,
            Err(cause) => {
                self.refuse(&listener, cause);
                return None;
            }
        };
        work.framing = framing;
        work.body = BodyDecoder::new(framing);
        self.state.closing = verdict == Verdict::AllowThenClose
            || self.read_at >= self.keep_alive_until
            || !http1::keep_alive(&work.head, head);
        // A client that did not ask for it may have sent more already.
        self.state.unread = verdict == Verdict::AllowThenClose || self.read_at >= self.keep_alive_until;
        if framing == Framing::Chunked && !is_readable(&work.body, work.input.rest()) {
            self.refuse(&listener, Cause::BadChunk);
            return None;
        }
        if http1::expects_continue(&work.head, head) {
            http1::write_continue(work.output.buffer());
        }
        match handler::begin(&core, &listener, self) {
            Next::Answered => None,
            Next::Forward(forwarding) => Some((listener, forwarding)),
        }
    }

    /// Answers a request that cannot be served; the connection closes after it.
    fn refuse(&mut self, listener: &ListenerRef, cause: Cause) {
        self.state.closing = true;
        self.state.unread = true;
        handler::refuse(listener, self, cause);
    }

    /// Answers bytes that never became a head.
    fn refuse_unread(&mut self, cause: Cause) {
        let core = self.core.clone();
        // Whatever becomes of the answer, these bytes are not looked at again.
        self.state.closing = true;
        let Some(work) = self.work.as_deref_mut() else {
            return;
        };
        let Some(listener) = core.listener_to_refuse(&self.peer, None) else {
            return; // deleted: nothing answers on its port any more
        };
        let seen = work.input.filled().len();
        work.record.begin(self.read_at, core.wall(self.read_at));
        work.record.received_bytes = seen as u64;
        work.record.malformed = true;
        work.record.listener = Some(listener.clone());
        // Nothing of these bytes is read as a request: the head is emptied.
        work.head = http1::RequestHead::new();
        self.head_len = 0;
        work.input.begin_body(seen);
        work.begin_body(Framing::None);
        self.state = State {
            in_hand: true,
            is_head: false,
            bare: false,
            answered: false,
            ..self.state
        };
        self.refuse(&listener, cause);
    }

    /// Logs the request, skips what is left of its body and sends the answer. `false` when the connection ends.
    async fn end_request(&mut self) -> bool {
        if !self.state.in_hand {
            return !self.state.closing;
        }
        if !self.skip_body().await {
            self.state.closing = true;
            self.state.unread = true;
        }
        self.log();
        let Some(work) = self.work.as_deref_mut() else {
            return false;
        };
        self.state.in_hand = false;
        work.input.finish();
        work.scanner.reset();
        if self.state.closing {
            return false;
        }
        work.output.waiting() < JOINED_BYTES_MAX || self.flush().await.is_ok()
    }

    /// Reads and drops the rest of the body, within bounds. The answer is sent before waiting for more of it.
    async fn skip_body(&mut self) -> bool {
        let mut skipped = 0;
        loop {
            let Some(work) = self.work.as_deref_mut() else {
                return false;
            };
            while !work.body.is_done() && !work.input.rest().is_empty() {
                let Ok(decoded) = work.body.decode(work.input.rest()) else {
                    return false;
                };
                work.input.take(decoded.consumed, self.head_len);
                work.record.received_bytes += decoded.consumed as u64;
                skipped += decoded.consumed as u64;
            }
            if work.body.is_done() {
                return true;
            }
            self.state.answered = true;
            if self.state.closing || skipped > SKIPPED_BYTES_MAX || self.flush().await.is_err() {
                return false;
            }
            if poll_fn(|cx| self.poll_fill(cx, true)).await != Event::Bytes {
                return false;
            }
        }
    }

    fn log(&mut self) {
        if let Some(work) = self.work.as_deref_mut() {
            let view = View::new(work.input.head(self.head_len), &work.head, &self.peer);
            self.core.finish(&mut work.record, &view);
        }
    }

    /// Waits for more of the body. The interim answer, if one is due, goes out first.
    async fn more_body(&mut self) -> Result<(), BodyFailure> {
        self.flush().await.map_err(|_| BodyFailure::Closed)?;
        match poll_fn(|cx| self.poll_fill(cx, true)).await {
            Event::Bytes => Ok(()),
            Event::TimedOut => Err(BodyFailure::TimedOut),
            Event::Eof | Event::Draining => Err(BodyFailure::Closed),
        }
    }

    async fn collect_body(&mut self, into: &mut Body<'_>) -> Result<(), BodyFailure> {
        loop {
            let head_len = self.head_len;
            let work = self.work.as_deref_mut().ok_or(BodyFailure::Closed)?;
            while !work.body.is_done() && !work.input.rest().is_empty() {
                let rest = work.input.rest();
                let decoded = work.body.decode(rest).map_err(|_| BodyFailure::BadChunk)?;
                let pushed = into.push(&rest[decoded.data]);
                work.input.take(decoded.consumed, head_len);
                work.record.received_bytes += decoded.consumed as u64;
                pushed?;
            }
            if work.body.is_done() {
                return Ok(());
            }
            self.more_body().await?;
        }
    }
}

/// Whether what has arrived of a body can be read. What is answered without its body must not be answered 200 when the
/// body is malformed. Source: ALB 4.9, "malformed chunk".
fn is_readable(body: &BodyDecoder, mut arrived: &[u8]) -> bool {
    let mut probe = body.clone();
    while !arrived.is_empty() && !probe.is_done() {
        match probe.decode(arrived) {
            Ok(decoded) => arrived = &arrived[decoded.consumed..],
            Err(_) => return false,
        }
    }
    true
}

impl Exchange for Connection {
    fn parts(&mut self) -> (View<'_>, &mut Record) {
        let core = &self.core;
        let work = self.work.get_or_insert_with(|| core.take_work());
        let Work {
            input, head, record, ..
        } = &mut **work;
        (View::new(input.head(self.head_len), head, &self.peer), record)
    }

    fn record(&mut self) -> &mut Record {
        let core = &self.core;
        &mut self.work.get_or_insert_with(|| core.take_work()).record
    }

    async fn read_body(&mut self, into: &mut Body<'_>) -> Result<(), BodyFailure> {
        let outcome = self.collect_body(into).await;
        if outcome.is_err() {
            self.state.closing = true;
            self.state.unread = true;
        }
        outcome
    }

    async fn gone(&mut self) {
        poll_fn(|cx| self.poll_left(cx)).await;
    }

    fn reply(&mut self, reply: Reply<'_>) {
        let core = self.core.clone();
        self.state.closing |= self.is_last();
        let state = self.state;
        let Some(work) = self.work.as_deref_mut() else {
            return;
        };
        let output = work.output.buffer();
        let before = output.len();
        if !state.bare {
            let mut texts = core.texts.borrow_mut();
            let date = texts.http_date(core.now());
            if reply.write_http1_head(output, date, !state.closing).is_err() {
                // Checked where the reply was made; if it slips through, half a head must not.
                debug_assert!(false, "a reply with a malformed header");
                self.state.closing = true;
                return;
            }
        }
        if reply.has_body(state.is_head) {
            output.extend_from_slice(&reply.body);
        }
        work.record.sent_bytes = (output.len() - before) as u64;
    }

    fn body_framing(&self) -> Framing {
        self.work.as_ref().map_or(Framing::None, |work| work.framing)
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyFailure>> {
        let piece = ready!(self.poll_piece(cx));
        if piece.is_err() {
            self.state.closing = true;
            self.state.unread = true;
        }
        Poll::Ready(piece)
    }

    fn body(&self) -> &[u8] {
        self.piece()
    }

    fn consume(&mut self, count: usize) {
        self.take_piece(count);
    }

    fn take_trailers(&mut self) -> Option<http::HeaderMap> {
        None // trailers of HTTP/1 clients are dropped (ALB 4.1, unverified)
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_left(cx)
    }

    fn begin_response(&mut self, relayed: &Relayed<'_>) -> Result<(), ::http1::FieldError> {
        self.begin_relayed(relayed)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, Gone>> {
        self.poll_send_piece(cx, data)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.poll_flush_relayed(cx)
    }

    fn finish(&mut self, _trailers: Option<&http::HeaderMap>) {
        self.finish_relayed();
    }

    fn abort(&mut self) {
        self.state.closing = true;
        self.state.broken_off = true;
    }

    fn tunnel(&mut self) {
        self.begin_tunnel();
    }
}

impl Drop for Connection {
    /// A connection that is cut in the middle of a request still leaves its line in the log.
    fn drop(&mut self) {
        if self.state.in_hand {
            if !self.state.answered {
                self.record().because(Cause::of_cut().reason());
            }
            self.log();
        }
        if let Some(work) = self.work.take() {
            self.core.give_work(work);
        }
    }
}
