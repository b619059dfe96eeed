//! How a connection ends: what was answered must arrive, and what was broken off must be seen to be.

use super::Connection;
use crate::connection::Io;
use crate::exchange::Gone;
use socket2::SockRef;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are read and dropped after the last answer, so that closing does not destroy it on its way: many clients
/// look for an answer only when they have sent their body.
const LINGER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long that may take.
const LINGER: Duration = Duration::from_secs(2);

impl Connection {
    /// Ends the connection after its last request.
    pub(super) async fn end(&mut self) {
        if self.state.broken_off {
            let _ = self.flush().await;
            self.break_off();
        } else if self.state.eof {
            // Whoever has only stopped sending still reads.
            let _ = self.flush().await;
        } else {
            self.close().await;
        }
    }

    /// Sends everything there is to send.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        poll_fn(|cx| self.poll_out(cx)).await
    }

    /// As [`Connection::flush`]. A client that takes nothing for the idle timeout is gone.
    pub(super) fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let Some(work) = self.work.as_deref_mut() else {
            return Poll::Ready(Ok(()));
        };
        let flushed = work.output.poll_flush(&mut self.io, cx);
        if work.output.take_moved() {
            self.timer.touch(self.idle_timeout);
        }
        match flushed {
            Poll::Pending if self.timer.expired(cx) => Poll::Ready(Err(Gone::Stalled)),
            flushed => flushed.map_err(|_| Gone::Left),
        }
    }

    /// A response that only the end of the connection ends would look complete: such a connection is reset. With TLS the
    /// missing last words tell.
    fn break_off(&self) {
        if let Io::Plain(stream) = &self.io
            && self.state.ends_with_close
        {
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO)); // otherwise the client cannot tell
        }
    }

    /// Sends what is left, tells the client that nothing follows, and reads on for a moment: closing a socket with unread
    /// bytes would reset the connection and may destroy the answer on its way.
    pub(super) async fn close(&mut self) {
        if self.flush().await.is_err() {
            return;
        }
        // A client that reads nothing must not hold the connection: with TLS there may be no room for the last words.
        self.timer.set(Instant::now(), LINGER);
        let told = poll_fn(|cx| match Pin::new(&mut self.io).poll_shutdown(cx) {
            Poll::Pending if self.timer.expired(cx) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            other => other,
        });
        if told.await.is_err() || !self.state.unread {
            return;
        }
        let mut dropped = 0;
        let mut sink = [0; 4096];
        while dropped < LINGER_BYTES_MAX {
            let count = poll_fn(|cx| {
                let mut buffer = ReadBuf::new(&mut sink);
                match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                    Poll::Ready(Ok(())) => Poll::Ready(buffer.filled().len()),
                    Poll::Ready(Err(_)) => Poll::Ready(0),
                    Poll::Pending if self.timer.expired(cx) => Poll::Ready(0),
                    Poll::Pending => Poll::Pending,
                }
            })
            .await;
            match count {
                0 => return,
                _ => dropped += count,
            }
        }
    }
}
