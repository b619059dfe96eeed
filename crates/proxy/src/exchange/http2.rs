//! HTTP/2 connections: streams become exchanges, everything after that is `handler`'s. Source: ALB 4.1, 4.4.
//!
//! What differs from HTTP/1 and is documented: h2's header map keeps no order across names, and malformed streams are
//! reset, not answered 400.

use super::body::Body;
use super::{BodyFailure, Exchange};
use crate::connection::{Io, Peer, SharedIo};
use crate::core::Core;
use crate::handler::{self, Next};
use crate::places::Place;
use crate::record::Record;
use crate::reply::Reply;
use crate::view::View;
use crate::wheel::Timer;
use crate::work::Work;
use ::http1::{HeadLimits, KnownName, Scan, Version};
use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use std::cell::Cell;
use std::future::poll_fn;
use std::io::Write;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

/// Source: ALB 4.1.
const STREAMS_MAX: u32 = 128;
/// Requests after which GOAWAY is sent. Source: ALB 4.1.
const REQUESTS_MAX: u32 = 10_000;
/// Requests that are still taken after GOAWAY, from a client that had them on their way. One that does not listen is cut.
const LATE_REQUESTS_MAX: u32 = 1000;
/// How long a client without open streams may take to acknowledge GOAWAY, and to close its side after ours. What the
/// kernel holds for a slow client has to arrive before it can do either.
const GOODBYE: Duration = Duration::from_secs(5);
/// Bytes that are read and dropped after the end, so that closing does not destroy answers on their way.
const LINGER_BYTES_MAX: usize = 256 * 1024;
/// Bytes of an unread body that are read and dropped, and how long that may take, in all and between two pieces. A stream
/// that is reset instead loses its answer in some clients (curl 7.88).
const SKIPPED_BYTES_MAX: usize = 16 * 1024 * 1024;
const SKIP: Duration = Duration::from_secs(2);
const SKIP_PAUSE: Duration = Duration::from_millis(250);
/// What h2 takes of header fields, counted its way. More than ALB does, so that it is our 400 that answers; beyond this
/// h2 answers 431 by itself or ends the connection.
const HEADERS_BYTES_MAX: u32 = 128 * 1024;
/// What a client may send ahead on one stream, and on all of them.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What is held for a client that reads slowly, per stream.
const SEND_BUFFER_MAX: usize = 64 * 1024;

/// What the streams of a connection share.
struct Shared {
    peer: Peer,
    idle_timeout: Cell<Duration>,
    /// Streams that are being served.
    open: Cell<u32>,
    /// Something happened on the connection since the timer was set.
    active: Cell<bool>,
}

/// Serves a connection until it ends; its place is free then.
pub(crate) async fn serve(core: Rc<Core>, io: Io, peer: Peer, _place: Place) {
    let Some(listener) = core.listener(peer.port, peer.server_name(), None) else {
        return;
    };
    let attributes = &listener.load_balancer.attributes;
    let keep_alive_until = peer.accepted + attributes.client_keep_alive;
    let shared = Rc::new(Shared {
        peer,
        idle_timeout: Cell::new(attributes.idle_timeout),
        open: Cell::new(0),
        active: Cell::new(false),
    });
    drop(listener);
    let timer = core.wheel.timer();
    timer.set(Instant::now(), shared.idle_timeout.get());
    let mut io = SharedIo::new(io);
    let handshake = Builder::new()
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADERS_BYTES_MAX)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER_MAX)
        .handshake::<_, Bytes>(io.clone());
    let Some(Ok(mut connection)) = within(&timer, handshake).await else {
        return;
    };
    // Requests until GOAWAY, afterwards until the connection is cut.
    let mut left = REQUESTS_MAX;
    let mut going_away = false;
    let mut sending = false;
    loop {
        let accepted = poll_fn(|cx| {
            if let Poll::Ready(accepted) = connection.poll_accept(cx) {
                return Poll::Ready(Some(accepted));
            }
            let now = Instant::now();
            let open = shared.open.get() > 0;
            // Answers that the client has not taken yet; asked only at the end, because h2 locks to count.
            let was_sending = std::mem::replace(&mut sending, going_away && connection.has_streams());
            if shared.active.replace(false) || open || sending != was_sending {
                let ended = going_away && !open && !sending;
                timer.set(now, if ended { GOODBYE } else { shared.idle_timeout.get() });
            }
            if !going_away && (core.wheel.draining() || now >= keep_alive_until) {
                return Poll::Ready(None);
            }
            match timer.expired(cx) {
                true => Poll::Ready(None),
                false => Poll::Pending,
            }
        })
        .await;
        match accepted {
            Some(Some(Ok((request, respond)))) => {
                shared.active.set(true);
                serve_stream(&core, &shared, request, respond);
                left = left.saturating_sub(1);
                if left > 0 {
                    continue;
                }
                if going_away {
                    connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                } else {
                    going_away = true;
                    left = LATE_REQUESTS_MAX;
                    connection.graceful_shutdown();
                }
            }
            Some(Some(Err(_)) | None) => break,
            None if going_away => return,
            None => {
                // Idle for too long, past its age, or the process is about to stop: finish what runs.
                going_away = true;
                left = LATE_REQUESTS_MAX;
                shared.active.set(true);
                connection.graceful_shutdown();
            }
        }
    }
    drop(connection);
    linger(&mut io, &timer).await;
}

/// Reads on for a moment after the last byte was written: a window update that arrives at a closed socket would reset the
/// connection, and with it what the client has not received yet.
async fn linger(io: &mut SharedIo, timer: &Timer) {
    let mut sink = [0; 4096];
    let mut dropped = 0;
    while dropped < LINGER_BYTES_MAX {
        timer.set(Instant::now(), GOODBYE);
        match within(timer, io.read(&mut sink)).await {
            Some(Ok(count @ 1..)) => dropped += count,
            _ => return,
        }
    }
}

/// Runs a future until the timer expires.
async fn within<T>(timer: &Timer, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| {
        if let Poll::Ready(done) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        match timer.expired(cx) {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    })
    .await
}

fn serve_stream(core: &Rc<Core>, shared: &Rc<Shared>, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let (parts, body) = request.into_parts();
    let mut work = core.take_work();
    let now = Instant::now();
    work.record.begin(now, core.wall(now));
    let mut bytes = Vec::with_capacity(512);
    if read_head(&parts, &mut work, &mut bytes).is_err() {
        respond.send_reset(Reason::PROTOCOL_ERROR);
        core.give_work(work);
        return;
    }
    work.record.received_bytes = bytes.len() as u64;
    let view = View::new(&bytes, &work.head, &shared.peer);
    let Some(listener) = core.listener(shared.peer.port, shared.peer.server_name(), view.host()) else {
        respond.send_reset(Reason::REFUSED_STREAM);
        core.give_work(work);
        return;
    };
    shared.idle_timeout.set(listener.load_balancer.attributes.idle_timeout);
    work.record.listener = Some(listener.clone());
    let is_head = view.method() == b"HEAD";
    let too_large = over_limits(&mut work, &bytes);
    shared.open.set(shared.open.get() + 1);
    let mut stream = Stream {
        core: core.clone(),
        shared: shared.clone(),
        timer: core.wheel.timer(),
        is_head,
        work: Some(work),
        bytes,
        body,
        respond,
        answer: None,
    };
    let core = core.clone();
    // Owned by the connection in effect: h2 fails its reads and writes when the connection ends.
    tokio::task::spawn_local(async move {
        if let Some(status) = too_large {
            handler::answer(&listener, &mut stream, Reply::page(status));
        } else if let Next::Forward(forwarding) = handler::begin(&core, &listener, &mut stream) {
            handler::forward(&core, &listener, &mut stream, forwarding).await;
        }
        stream.finish().await;
    });
}

/// Makes the request the same type as an HTTP/1 request: `:authority` becomes `Host`, as RFC 9113, 8.3.1 says.
fn read_head(parts: &http::request::Parts, work: &mut Work, bytes: &mut Vec<u8>) -> Result<(), ::http1::FieldError> {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    work.head
        .begin(bytes, parts.method.as_str().as_bytes(), target.as_bytes(), Version::H2)?;
    if let Some(authority) = parts.uri.authority() {
        work.head.push(bytes, b"host", authority.as_str().as_bytes())?;
    }
    let authority = parts.uri.authority().is_some();
    for (name, value) in &parts.headers {
        if authority && name == http::header::HOST {
            continue;
        }
        work.head.push(bytes, name.as_str().as_bytes(), value.as_bytes())?;
    }
    Ok(())
}

/// The status for a head over the limits of HTTP/1, measured as the same head there. Source: ALB 4.5.
fn over_limits(work: &mut Work, bytes: &[u8]) -> Option<u16> {
    if bytes.len() <= HeadLimits::ALB.header_line_bytes_max {
        return None;
    }
    let scan = work.scanner.scan(bytes, &HeadLimits::ALB);
    work.scanner.reset();
    match scan {
        Scan::TooLarge(limit) => Some(limit.status()),
        Scan::Partial | Scan::Complete { .. } => None,
    }
}

/// One stream.
struct Stream {
    core: Rc<Core>,
    shared: Rc<Shared>,
    timer: Timer,
    work: Option<Box<Work>>,
    bytes: Vec<u8>,
    is_head: bool,
    body: RecvStream,
    respond: SendResponse<Bytes>,
    answer: Option<(Response<()>, Bytes)>,
}

impl Stream {
    /// Sends the answer and reads what is left of the request. A client that is told of an error stops sending; any other
    /// goes on to the end of its body, and some of them (curl 7.88) hang when the answer ends before that.
    async fn finish(&mut self) {
        let Some((response, body)) = self.answer.take() else {
            return;
        };
        let is_error = response.status().as_u16() >= 400;
        if !is_error {
            self.skip_body().await;
        }
        if let Ok(stream) = self.respond.send_response(response, body.is_empty())
            && !body.is_empty()
        {
            self.send_body(stream, body).await;
        }
        if is_error {
            self.skip_body().await;
        }
    }

    /// Sends the body as the client's window allows, within the idle timeout.
    async fn send_body(&mut self, mut stream: SendStream<Bytes>, mut body: Bytes) {
        stream.reserve_capacity(body.len());
        self.timer.set(Instant::now(), self.shared.idle_timeout.get());
        while !body.is_empty() {
            let capacity = poll_fn(|cx| match stream.poll_capacity(cx) {
                Poll::Pending if self.timer.expired(cx) => Poll::Ready(None),
                other => Poll::Ready(ready!(other).and_then(Result::ok)),
            });
            let Some(capacity) = capacity.await else {
                stream.send_reset(Reason::CANCEL);
                return;
            };
            let piece = body.split_to(capacity.min(body.len()));
            if stream.send_data(piece, body.is_empty()).is_err() {
                return;
            }
            self.timer.set(Instant::now(), self.shared.idle_timeout.get());
        }
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
                other => Poll::Ready(ready!(other).transpose().map_err(|_| BodyFailure::Broken)),
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
    }

    fn reply(&mut self, reply: Reply<'_>) {
        let Some(work) = &mut self.work else {
            return;
        };
        let date = self.core.texts.borrow_mut().http_date(work.record.created).to_vec();
        let Some(response) = response(&reply, &date) else {
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
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.open.set(self.shared.open.get() - 1);
        self.shared.active.set(true);
        if std::thread::panicking() {
            self.core.counters().panics.inc();
        }
        if let Some(mut work) = self.work.take() {
            let view = View::new(&self.bytes, &work.head, &self.shared.peer);
            self.core.finish(&mut work.record, &view);
            self.core.give_work(work);
        }
    }
}

/// The response without its body; `None` when a header cannot be carried.
fn response(reply: &Reply<'_>, date: &[u8]) -> Option<Response<()>> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(reply.status).ok()?;
    let headers = response.headers_mut();
    if reply.server {
        headers.insert(http::header::SERVER, HeaderValue::from_static("awselb/2.0"));
    }
    headers.insert(http::header::DATE, HeaderValue::from_bytes(date).ok()?);
    if !reply.content_type.is_empty() {
        headers.insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_bytes(&reply.content_type).ok()?,
        );
    }
    if let Some(length) = reply.content_length() {
        let mut text = Vec::with_capacity(20);
        write!(text, "{length}").ok()?;
        headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from_bytes(&text).ok()?);
    }
    for (name, value) in &reply.headers {
        if KnownName::of(name).is_hop_by_hop() {
            continue;
        }
        headers.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
    }
    Some(response)
}
