//! One request to a target over HTTP/1.1, and its response. Source: ALB 4.3, 4.8, 4.11.

use super::connect::Connection;
use super::{TargetFailure, TargetStream};
use crate::balance::Target;
use crate::core::Core;
use crate::exchange::Piece;
use crate::headers::trailers;
use crate::work::TargetWork;
use ::http1::{BodyDecoder, Framing, HeadLimits, ResponseFraming, ResponseHead, Scan, TRAILER_BYTES_MAX};
use http::HeaderMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Interim responses that are read over before a response. Source: ALB 4.11; the bound is ours.
const INTERIM_MAX: u16 = 10_000;

/// What of a request its target stream has to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) framing: Framing,
    /// The method is HEAD.
    pub(crate) is_head: bool,
    /// The request asks for a WebSocket.
    pub(crate) upgrade: bool,
    /// The connection ends with this request.
    pub(crate) close: bool,
    pub(crate) idle_timeout: Duration,
}

/// A request on its connection.
pub(crate) struct Http1<'a> {
    asked: Asked,
    connection: Connection,
    /// The connection carried a request before.
    used: bool,
    /// Something of this request was written.
    began: bool,
    /// All of it was.
    sent: bool,
    lent: Lent<'a>,
    response: Response,
    why: Option<String>,
}

/// How far the response is.
struct Response {
    has_head: bool,
    /// Bytes of the head that stand before the body in the input.
    head_len: usize,
    interim: u16,
    framing: ResponseFraming,
    body: BodyDecoder,
    /// So many bytes of the rest of the input are decoded and at hand.
    at_hand: usize,
    keep_alive: bool,
    tunnel: bool,
    /// The target has closed its side.
    eof: bool,
}

/// Buffers of the core, while there is something in them.
pub(crate) struct Lent<'a> {
    core: &'a Core,
    work: Option<Box<TargetWork>>,
}

impl<'a> Lent<'a> {
    pub(crate) fn new(core: &'a Core) -> Self {
        Self { core, work: None }
    }

    pub(crate) fn work(&mut self) -> &mut TargetWork {
        self.work.get_or_insert_with(|| self.core.take_target_work())
    }

    fn give(&mut self) {
        if let Some(work) = self.work.take() {
            self.core.give_target_work(work);
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.give();
    }
}

impl<'a> Http1<'a> {
    /// A request whose head waits in the output of `lent`. `used` says that the connection carried a request before.
    pub(crate) fn new(mut lent: Lent<'a>, asked: Asked, connection: Connection, used: bool) -> Self {
        lent.work().output.begin_body(asked.framing == Framing::Chunked);
        connection.timer.touch(asked.idle_timeout);
        Self {
            asked,
            connection,
            used,
            began: false,
            sent: false,
            lent,
            response: Response {
                has_head: false,
                head_len: 0,
                interim: 0,
                framing: ResponseFraming::None,
                body: BodyDecoder::new(Framing::None),
                at_hand: 0,
                keep_alive: false,
                tunnel: false,
                eof: false,
            },
            why: None,
        }
    }

    /// Goes on with a new connection, after [`TargetStream::is_stale`].
    pub(crate) fn start_again(&mut self, connection: Connection) {
        connection.timer.touch(self.asked.idle_timeout);
        self.connection = connection;
        self.used = false;
        self.response.eof = false;
        self.why = None;
        self.lent.work().output.start_again();
    }

    /// The response was relayed to its end: keeps the connection for another request, if it can carry one.
    pub(crate) fn finish(self, target: &Arc<Target>) {
        let response = &self.response;
        let nothing_left = self
            .lent
            .work
            .as_ref()
            .is_none_or(|work| work.input.rest().is_empty() && work.output.is_empty());
        let complete = self.sent && response.body.is_done() && !response.tunnel;
        if complete && response.keep_alive && !response.eof && nothing_left {
            let core = self.lent.core;
            core.pool
                .put(target, self.connection, core.wheel.ticks(), self.asked.idle_timeout);
        }
    }

    /// Takes note of what came of writing.
    fn written<T>(&mut self, cx: &Context<'_>, written: Poll<io::Result<T>>) -> Poll<Result<T, TargetFailure>> {
        if self.lent.work().output.take_moved() {
            self.began = true;
            self.connection.timer.touch(self.asked.idle_timeout);
        }
        match written {
            Poll::Ready(Ok(written)) => Poll::Ready(Ok(written)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fail(TargetFailure::Closed, error.to_string()))),
            Poll::Pending if self.connection.timer.expired(cx) => Poll::Ready(Err(self.time_out("took no bytes"))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TargetFailure>> {
        let written = self.lent.work().output.poll_flush(&mut self.connection.io, cx);
        self.written(cx, written)
    }

    /// Reads what is there; `false` at the end. Without bytes in hand the buffers go back while waiting.
    fn poll_read(&mut self, cx: &mut Context<'_>, for_body: bool) -> Poll<Result<bool, TargetFailure>> {
        if self.response.eof {
            return Poll::Ready(Ok(false));
        }
        if self.connection.io.poll_worth_reading(cx, &mut false).is_pending() {
            return self.poll_nothing(cx);
        }
        let room = self.lent.core.body_room();
        let work = self.lent.work();
        let mut spare = ReadBuf::new(work.input.spare(for_body, room));
        match Pin::new(&mut self.connection.io).poll_read(cx, &mut spare) {
            Poll::Ready(Ok(())) if !spare.filled().is_empty() => {
                let count = spare.filled().len();
                work.input.filled_by(count);
                self.connection.timer.touch(self.asked.idle_timeout);
                Poll::Ready(Ok(true))
            }
            // Many servers end TLS without a word.
            Poll::Ready(Err(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                Poll::Ready(Err(self.fail(TargetFailure::Closed, error.to_string())))
            }
            Poll::Ready(_) => {
                self.response.eof = true;
                Poll::Ready(Ok(false))
            }
            Poll::Pending => self.poll_nothing(cx),
        }
    }

    /// There is nothing to read, and the task is woken when there is.
    fn poll_nothing(&mut self, cx: &Context<'_>) -> Poll<Result<bool, TargetFailure>> {
        self.give_empty();
        match self.connection.timer.expired(cx) {
            true => Poll::Ready(Err(self.time_out("said nothing"))),
            false => Poll::Pending,
        }
    }

    /// Gives the buffers back if nothing is in them.
    fn give_empty(&mut self) {
        // Until the request is sent, they know how its body is framed.
        let may_give = self.sent || self.response.tunnel;
        let work = self.lent.work.as_ref();
        if may_give && work.is_some_and(|work| work.input.is_empty() && work.output.is_empty()) {
            self.lent.give();
        }
    }

    /// The head of the response is complete.
    fn begin_response(&mut self, head_len: usize) -> Result<(), TargetFailure> {
        let Asked {
            is_head,
            upgrade,
            close,
            ..
        } = self.asked;
        let work = self.lent.work();
        let (head, bytes) = (&work.head, work.input.head(head_len));
        let framing = match ::http1::response_framing(head, bytes, is_head) {
            Ok(framing) => framing,
            Err(error) => return Err(self.fail(TargetFailure::Malformed, error.to_string())),
        };
        if head.status() == 101 && !(upgrade && ::http1::accepts_websocket(head, bytes)) {
            let why = "it answered 101 to a request that asks for no websocket, or agreed to something else";
            return Err(self.fail(TargetFailure::Malformed, why.to_owned()));
        }
        let keep_alive = !close && !upgrade && ::http1::response_keep_alive(head, bytes);
        work.input.begin_body(head_len);
        self.response = Response {
            has_head: true,
            head_len,
            framing,
            body: match framing {
                // No room is taken before there are some.
                ResponseFraming::Chunked => BodyDecoder::keeping_trailers(Framing::Chunked, TRAILER_BYTES_MAX),
                _ => BodyDecoder::new_response(framing),
            },
            keep_alive,
            ..self.response
        };
        Ok(())
    }

    /// Decodes what was read until a piece of the body is at hand. `None`: more has to be read.
    fn decode(&mut self) -> Result<Option<Piece>, TargetFailure> {
        let response = &mut self.response;
        let Some(work) = &mut self.lent.work else {
            return Ok((response.body.is_done() && !response.tunnel).then_some(Piece::End));
        };
        if response.tunnel {
            return Ok((!work.input.rest().is_empty()).then_some(Piece::Data));
        }
        while response.at_hand == 0 && !response.body.is_done() && !work.input.rest().is_empty() {
            let decoded = match response.body.decode(work.input.rest()) {
                Ok(decoded) => decoded,
                Err(error) => return Err(self.fail(TargetFailure::Malformed, error.to_string())),
            };
            debug_assert!(decoded.data.is_empty() || decoded.data.end == decoded.consumed);
            response.at_hand = decoded.data.len();
            work.input.take(decoded.consumed - response.at_hand, response.head_len);
        }
        Ok(match response.at_hand {
            0 => response.body.is_done().then_some(Piece::End),
            _ => Some(Piece::Data),
        })
    }

    /// What it means that the target has closed in the middle of the body.
    fn ended(&mut self) -> Result<Piece, TargetFailure> {
        if self.response.tunnel || self.response.body.ends_with_close() {
            return Ok(Piece::End);
        }
        Err(match self.response.framing {
            ResponseFraming::Length(length) => {
                let why = format!("it closed the connection before the {length} bytes that it promised");
                self.fail(TargetFailure::Short, why)
            }
            _ => self.fail(
                TargetFailure::Closed,
                "it closed the connection in the middle".to_owned(),
            ),
        })
    }

    fn fail(&mut self, failure: TargetFailure, why: String) -> TargetFailure {
        self.why = Some(why);
        failure
    }

    fn time_out(&mut self, what: &str) -> TargetFailure {
        let why = format!("it {what} for {:?}", self.asked.idle_timeout);
        self.fail(TargetFailure::TimedOut, why)
    }
}

impl TargetStream for Http1<'_> {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, TargetFailure>> {
        let written = self.lent.work().output.poll_send(&mut self.connection.io, cx, data);
        self.written(cx, written)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TargetFailure>> {
        self.poll_out(cx)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>, _trailers: Option<&HeaderMap>) -> Poll<Result<(), TargetFailure>> {
        if self.sent {
            return Poll::Ready(Ok(()));
        }
        self.lent.work().output.end_body();
        ready!(self.poll_out(cx))?;
        if self.response.tunnel {
            let told = Pin::new(&mut self.connection.io).poll_shutdown(cx);
            ready!(self.written(cx, told))?;
        }
        self.sent = true;
        Poll::Ready(Ok(()))
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TargetFailure>> {
        if self.response.has_head {
            return Poll::Ready(Ok(()));
        }
        loop {
            if let Some(work) = &mut self.lent.work
                && !work.input.is_empty()
            {
                let read = work
                    .head
                    .read(&mut work.scanner, work.input.filled(), &HeadLimits::ALB_RESPONSE);
                match read {
                    Ok(Scan::Complete { head_len }) => match work.head.status() {
                        101 | 200.. => return Poll::Ready(self.begin_response(head_len)),
                        _ if self.response.interim == INTERIM_MAX => {
                            let why = format!("it sent more than {INTERIM_MAX} interim responses");
                            return Poll::Ready(Err(self.fail(TargetFailure::Malformed, why)));
                        }
                        _ => {
                            self.response.interim += 1;
                            work.input.begin_body(head_len);
                            work.input.finish();
                            continue;
                        }
                    },
                    Ok(Scan::Partial) => {}
                    Ok(Scan::TooLarge(_)) => {
                        let why = "its headers are over 32 K".to_owned();
                        return Poll::Ready(Err(self.fail(TargetFailure::HeadTooLarge, why)));
                    }
                    Err(error) => return Poll::Ready(Err(self.fail(TargetFailure::Malformed, error.to_string()))),
                }
            }
            if !ready!(self.poll_read(cx, false))? {
                let why = "it closed the connection before its response was there".to_owned();
                return Poll::Ready(Err(self.fail(TargetFailure::Closed, why)));
            }
        }
    }

    fn head(&self) -> (&ResponseHead, &[u8]) {
        let work = self
            .lent
            .work
            .as_ref()
            .expect("a head that was read is kept until `head_done`");
        (&work.head, work.input.head(self.response.head_len))
    }

    fn head_done(&mut self) {
        self.response.head_len = 0;
        if let Some(work) = &mut self.lent.work {
            work.input.finish();
        }
    }

    fn framing(&self) -> ResponseFraming {
        self.response.framing
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, TargetFailure>> {
        loop {
            if let Some(piece) = self.decode()? {
                return Poll::Ready(Ok(piece));
            }
            if !ready!(self.poll_read(cx, true))? {
                return Poll::Ready(self.ended());
            }
        }
    }

    fn pause(&mut self) {
        self.give_empty();
    }

    fn body(&self) -> &[u8] {
        match &self.lent.work {
            Some(work) if self.response.tunnel => work.input.rest(),
            Some(work) => &work.input.rest()[..self.response.at_hand],
            None => &[],
        }
    }

    fn consume(&mut self, count: usize) {
        self.lent.work().input.take(count, self.response.head_len);
        self.response.at_hand = self.response.at_hand.saturating_sub(count);
        // It was not the target's fault if it was not asked for more.
        self.connection.timer.touch(self.asked.idle_timeout);
    }

    fn take_trailers(&mut self) -> Option<HeaderMap> {
        trailers::towards_client(self.response.body.trailers())
    }

    fn tunnel(&mut self) {
        self.response.tunnel = true;
        // What the client sends from now on goes as it is.
        self.lent.work().output.begin_body(false);
        self.sent = false;
    }

    fn is_stale(&self, failure: TargetFailure) -> bool {
        failure == TargetFailure::Closed && self.used && !self.began
    }

    fn why(&mut self) -> Option<String> {
        self.why.take()
    }
}
