//! One HTTP/2 connection to a target: who is on it, and the task that moves its frames.

use super::pool::STREAMS_MAX;
use crate::balance::Target;
use crate::connection::TargetIo;
use crate::target::TargetFailure;
use crate::target::connect::NotConnected;
use crate::wheel::{Timer, Wheel, ticks_of};
use bytes::Bytes;
use h2::SendStream;
use h2::client::{Builder, ResponseFuture, SendRequest};
use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a target may send ahead on one stream. On all of them it is as much for each: what is sent ahead to clients that do
/// not read takes nothing from others.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * STREAMS_MAX as u32;
/// What is held for a target that reads slowly, per stream.
const SEND_BUFFER_MAX: usize = 64 * 1024;
/// What h2 takes of header fields, counted its way: more than ALB does, so that it is our bound that answers.
const HEADERS_BYTES_MAX: u32 = 128 * 1024;
/// Streams that were cancelled a moment ago and are remembered. What a target still sends on others is an error of its
/// stream, and clients that cancel must not add up to one of the connection, which others use.
const CANCELLED_MAX: usize = 1024;
/// How long a target may take to receive our last words.
const GOODBYE: Duration = Duration::from_secs(5);

/// The bytes of a connection, which counts what was written.
pub(super) struct Counted {
    io: TargetIo,
    written: Rc<Cell<u64>>,
}

/// What moves the frames.
pub(super) type Frames = h2::client::Connection<Counted, Bytes>;

/// One connection, as its pool and its requests share it.
pub(crate) struct Connection {
    target: Arc<Target>,
    wheel: Rc<Wheel>,
    tls: bool,
    handle: SendRequest<Bytes>,
    /// Bytes that have gone out, those of TLS not counted.
    written: Rc<Cell<u64>>,
    /// Requests at once that the target allows.
    allowed: Cell<usize>,
    /// Requests on it.
    open: Cell<usize>,
    /// The tick its last request ended.
    since: Cell<u64>,
    idle_ticks: u64,
    /// It has ended, or takes no more requests.
    over: Cell<bool>,
}

/// A place for one request on a connection; given back when dropped.
pub(crate) struct Lease {
    connection: Rc<Connection>,
    /// What had been written before the request was.
    before: u64,
}

impl Lease {
    pub(super) fn new(connection: &Rc<Connection>) -> Self {
        connection.open.set(connection.open.get() + 1);
        Self {
            connection: connection.clone(),
            before: 0,
        }
    }

    pub(super) fn send_request(
        &mut self,
        request: http::Request<()>,
        ends: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        self.before = self.connection.written.get();
        // A handle of its own, because one refuses a second request while the first waits for its turn.
        let sent = self.connection.handle.clone().send_request(request, ends);
        if sent.is_err() {
            self.connection.over.set(true);
        }
        sent
    }

    /// Nothing has been written since the request was sent, so nothing of it was.
    pub(super) fn wrote_nothing(&self) -> bool {
        self.connection.written.get() == self.before
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.open.set(connection.open.get() - 1);
        connection.since.set(connection.wheel.ticks());
    }
}

impl Connection {
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn is_tls(&self) -> bool {
        self.tls
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.get()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.open.get() == 0
    }

    /// How many requests more it may carry at once.
    pub(super) fn room(&self) -> usize {
        match self.over.get() {
            true => 0,
            false => self.allowed.get().min(STREAMS_MAX).saturating_sub(self.open.get()),
        }
    }

    /// Whether it has carried nothing for its idle timeout.
    pub(super) fn has_waited_since(&self, now: u64) -> bool {
        self.is_idle() && now.saturating_sub(self.since.get()) > self.idle_ticks
    }
}

/// What there is to know of a connection before HTTP/2 begins on it.
pub(super) struct Fresh {
    pub(super) io: TargetIo,
    pub(super) tls: bool,
    pub(super) target: Arc<Target>,
    pub(super) wheel: Rc<Wheel>,
    pub(super) idle_timeout: Duration,
    /// How long the target may take to send its settings.
    pub(super) within: Duration,
}

impl Fresh {
    /// Begins HTTP/2. The connection is good when the target has sent its settings: that tells that it speaks HTTP/2, and how
    /// many requests it takes at once.
    pub(super) async fn begin(self) -> Result<(Rc<Connection>, Frames), NotConnected> {
        let timer = self.wheel.timer();
        timer.touch(self.within);
        let written = Rc::new(Cell::new(0));
        let io = Counted {
            io: self.io,
            written: written.clone(),
        };
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_max_send_streams(0)
            .max_header_list_size(HEADERS_BYTES_MAX)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buffer_size(SEND_BUFFER_MAX)
            .max_concurrent_reset_streams(CANCELLED_MAX)
            .max_local_error_reset_streams(None);
        let mut handshake = std::pin::pin!(builder.handshake::<_, Bytes>(io));
        let begun = poll_fn(|cx| match handshake.as_mut().poll(cx) {
            Poll::Pending if timer.expired(cx) => Poll::Ready(None),
            begun => begun.map(Some),
        });
        let (handle, mut frames) = match begun.await {
            Some(Ok(begun)) => begun,
            Some(Err(error)) => return Err(unreadable(&error)),
            None => return Err(late(self.within)),
        };
        let settled = poll_fn(|cx| {
            let moved = Pin::new(&mut frames).poll(cx);
            match (moved, handle.current_max_send_streams()) {
                (Poll::Ready(ended), _) => Poll::Ready(Err(ended.err().as_ref().map_or_else(closed, unreadable))),
                (Poll::Pending, 0) if timer.expired(cx) => Poll::Ready(Err(late(self.within))),
                (Poll::Pending, 0) => Poll::Pending,
                (Poll::Pending, allowed) => Poll::Ready(Ok(allowed)),
            }
        });
        let allowed = settled.await?;
        let connection = Rc::new(Connection {
            target: self.target,
            tls: self.tls,
            handle,
            written,
            allowed: Cell::new(allowed),
            open: Cell::new(0),
            since: Cell::new(self.wheel.ticks()),
            wheel: self.wheel,
            idle_ticks: ticks_of(self.idle_timeout),
            over: Cell::new(false),
        });
        Ok((connection, frames))
    }
}

/// Moves frames until the target closes, or until nobody is on the connection and the pool has let go of it. Then the
/// target has a moment to hear of it. Whoever has a request on a connection that fails hears of it there.
pub(super) async fn drive(connection: Weak<Connection>, mut frames: Frames, timer: Timer) {
    let mut leaving = false;
    poll_fn(|cx| {
        let ended = Pin::new(&mut frames).poll(cx).is_ready();
        match connection.upgrade() {
            Some(connection) if ended => connection.over.set(true),
            Some(connection) => connection.allowed.set(connection.handle.current_max_send_streams()),
            None if !leaving => {
                leaving = true;
                timer.touch(GOODBYE);
            }
            None => {}
        }
        match ended || (leaving && timer.expired(cx)) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

fn unreadable(error: &h2::Error) -> NotConnected {
    let failure = match error.is_io() || error.is_remote() {
        true => TargetFailure::Closed,
        false => TargetFailure::Malformed,
    };
    NotConnected {
        failure,
        why: format!("no HTTP/2: {error}"),
    }
}

fn closed() -> NotConnected {
    NotConnected {
        failure: TargetFailure::Closed,
        why: "it closed the connection instead of speaking HTTP/2".to_owned(),
    }
}

fn late(within: Duration) -> NotConnected {
    NotConnected {
        failure: TargetFailure::ConnectTimeout,
        why: format!("no HTTP/2 settings within {within:?}"),
    }
}

impl Counted {
    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = &written {
            self.written.set(self.written.get() + *count as u64);
        }
        written
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
