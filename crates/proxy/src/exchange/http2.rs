//! HTTP/2 connections: streams become exchanges, everything after that is `handler`'s. Source: ALB 4.1, 4.4.
//!
//! What differs from HTTP/1 and is documented: h2's header map keeps no order across names, and malformed streams are
//! reset, not answered 400.

pub(crate) mod head;
mod held;
mod relay;
mod stream;

pub(crate) use held::HeldByStreams;

use crate::cause::Cause;
use crate::connection::{Io, Peer, SharedIo};
use crate::core::Core;
use crate::handler::{self, Next};
use crate::places::Place;
use crate::view::View;
use crate::wheel::Timer;
use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use head::{read_head, refusal};
use http::Request;
use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};
use stream::{Begun, Stream};
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
const SEND_BUFFER_MAX: usize = 32 * 1024;
/// Streams that a client resets within this time of their beginning are work for nothing (CVE-2023-44487).
const HASTE: Duration = Duration::from_secs(1);
/// A client has lost its connection when so many of its streams were that, and they are the most.
const HASTY_MIN: u32 = 250;

/// What the streams of a connection share.
struct Shared {
    peer: Peer,
    idle_timeout: Cell<Duration>,
    /// Streams that are being served.
    open: Cell<u32>,
    /// Something happened on the connection since the timer was set.
    active: Cell<bool>,
    /// Streams that were opened, and those that were reset in haste.
    opened: Cell<u32>,
    hasty: Cell<u32>,
}

impl Shared {
    /// A client has reset a stream that began then.
    fn note_cancelled(&self, began: Instant) {
        if began.elapsed() < HASTE {
            self.hasty.set(self.hasty.get() + 1);
        }
    }

    /// It makes work for nothing.
    fn is_hostile(&self) -> bool {
        self.hasty.get() >= HASTY_MIN && self.hasty.get() > self.opened.get() / 2
    }
}

/// Serves a connection until it ends; its place is free then.
pub(crate) async fn serve(core: Rc<Core>, io: Io, peer: Peer, _place: Place) {
    let Some(listener) = core.listener_of(&peer) else {
        return;
    };
    let attributes = &listener.load_balancer.attributes;
    let keep_alive_until = peer.accepted + attributes.client_keep_alive;
    let shared = Rc::new(Shared {
        peer,
        idle_timeout: Cell::new(attributes.idle_timeout),
        open: Cell::new(0),
        active: Cell::new(false),
        opened: Cell::new(0),
        hasty: Cell::new(0),
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
            if !going_away && (core.wheel.closing() || core.is_left(&shared.peer) || now >= keep_alive_until) {
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
                shared.opened.set(shared.opened.get() + 1);
                let has_listener = serve_stream(&core, &shared, request, respond);
                // Its client should come again, on another connection.
                left = if has_listener || going_away {
                    left.saturating_sub(1)
                } else {
                    0
                };
                let hostile = shared.is_hostile();
                if left > 0 && !hostile {
                    continue;
                }
                if going_away || hostile {
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
                // Idle for too long, past its age, left, or the process is about to stop: finish what runs.
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

/// Says whether there is a listener for the request. There is none when it was deleted, or wants other clients by now.
fn serve_stream(
    core: &Rc<Core>,
    shared: &Rc<Shared>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> bool {
    let (parts, body) = request.into_parts();
    let mut work = core.take_work();
    let now = Instant::now();
    work.record.begin(now, core.wall(now));
    let mut bytes = Vec::with_capacity(512);
    if read_head(&parts, &mut work, &mut bytes).is_err() {
        respond.send_reset(Reason::PROTOCOL_ERROR);
        core.give_work(work);
        return true;
    }
    work.record.received_bytes = bytes.len() as u64;
    let view = View::new(&bytes, &work.head, &shared.peer);
    let Some(listener) = core.listener_for(&shared.peer, view.host()) else {
        respond.send_reset(Reason::REFUSED_STREAM);
        core.give_work(work);
        return false;
    };
    shared.idle_timeout.set(listener.load_balancer.attributes.idle_timeout);
    work.record.listener = Some(listener.clone());
    let is_head = view.method() == b"HEAD";
    let refused = match refusal(&parts, &mut work, &bytes) {
        // Who has streams open already may wait for them.
        None if core.held_by_streams.is_over() && shared.open.get() > 0 => Some(Cause::StreamMemoryLimit),
        refused => refused,
    };
    drop(parts);
    let begun = Begun {
        work,
        bytes,
        is_head,
        body,
        respond,
    };
    let mut stream = Stream::new(core, shared, begun);
    let core = core.clone();
    // Owned by the connection in effect: h2 fails its reads and writes when the connection ends.
    tokio::task::spawn_local(async move {
        if let Some(cause) = refused {
            handler::refuse(&listener, &mut stream, cause);
        } else if let Next::Forward(forwarding) = handler::begin(&core, &listener, &mut stream) {
            handler::forward(&core, &listener, &mut stream, forwarding).await;
        }
        stream.end().await;
    });
    true
}
