//! Bytes on their way out of one side of a relay: what is small is joined and goes out with one write, what is large is
//! written from where it lies.

use http1::{finish_chunks, write_chunk, write_chunk_size};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Pieces of a body up to this size are copied; above it a write of two parts is cheaper.
const JOINED_PIECE_BYTES_MAX: usize = 8 * 1024;
/// So many bytes may wait for others to be joined with.
const WAITING_BYTES_MAX: usize = 32 * 1024;

/// Room that a connection may keep which waits with nothing in hand.
const SHRUNK_OVER_BYTES: usize = 4 * 1024;

/// What waits to be written, and how the body behind it is framed.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    bytes: Vec<u8>,
    /// So many of them are written.
    sent: usize,
    /// Whether the body goes out in chunks.
    chunked: bool,
    /// What is left of a chunk whose size was said.
    chunk_left: usize,
    /// Bytes were taken by the layer below, which may hold them back.
    unflushed: bool,
    /// Bytes were taken by the layer below since somebody asked.
    moved: bool,
    /// Bytes that were handed in or added, since somebody asked.
    produced: u64,
}

impl Outgoing {
    /// Where heads and pages are written to.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Bytes that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Nothing waits, nor is held back by the layer below.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && !self.unflushed
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Drops everything that waits, and all memory of what was sent.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        (self.sent, self.chunk_left, self.produced) = (0, 0, 0);
        (self.chunked, self.unflushed, self.moved) = (false, false, false);
    }

    /// Gives room back that short messages do not need.
    pub(crate) fn shrink(&mut self) {
        if self.bytes.capacity() > SHRUNK_OVER_BYTES {
            self.bytes.shrink_to(SHRUNK_OVER_BYTES / 4);
        }
    }

    /// A body begins, in chunks or as it is.
    pub(crate) fn begin_body(&mut self, chunked: bool) {
        self.chunked = chunked;
        self.chunk_left = 0;
    }

    /// Whether bytes have gone out since this was last asked.
    pub(crate) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// How many bytes of a body, with their framing, were given to this since it was last asked.
    pub(crate) fn take_produced(&mut self) -> u64 {
        std::mem::take(&mut self.produced)
    }

    /// Nothing has been written of what waits: it can go out on another connection.
    pub(crate) fn start_again(&mut self) {
        debug_assert_eq!(self.sent, 0, "something is written");
        self.unflushed = false;
    }

    /// Takes bytes of the body, at least one of those given. Ready at once when they can be joined with what waits.
    pub(crate) fn poll_send<W: AsyncWrite + Unpin>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let fits = data.len() <= JOINED_PIECE_BYTES_MAX && self.waiting() + data.len() <= WAITING_BYTES_MAX;
        if fits && self.chunk_left == 0 {
            let before = self.bytes.len();
            match self.chunked {
                true => write_chunk(&mut self.bytes, data),
                false => self.bytes.extend_from_slice(data),
            }
            self.produced += (self.bytes.len() - before) as u64;
            return Poll::Ready(Ok(data.len()));
        }
        if self.chunked && self.chunk_left == 0 {
            let before = self.bytes.len();
            write_chunk_size(&mut self.bytes, data.len() as u64);
            self.produced += (self.bytes.len() - before) as u64;
            self.chunk_left = data.len();
        }
        let piece = match self.chunked {
            true => &data[..data.len().min(self.chunk_left)],
            false => data,
        };
        loop {
            let waiting = self.waiting();
            let count = match waiting {
                0 => Pin::new(&mut *io).poll_write(cx, piece),
                _ => {
                    let parts = [IoSlice::new(&self.bytes[self.sent..]), IoSlice::new(piece)];
                    Pin::new(&mut *io).poll_write_vectored(cx, &parts)
                }
            };
            let count = self.note_written(ready!(count)?)?;
            if count < waiting {
                self.sent += count;
                continue;
            }
            self.bytes.clear();
            self.sent = 0;
            let taken = (count - waiting).min(piece.len());
            if taken > 0 {
                self.took(taken);
                return Poll::Ready(Ok(taken));
            }
        }
    }

    fn took(&mut self, count: usize) {
        self.produced += count as u64;
        if self.chunked {
            self.chunk_left -= count;
            if self.chunk_left == 0 {
                self.bytes.extend_from_slice(b"\r\n");
                self.produced += 2;
            }
        }
    }

    /// The body is complete: its last chunk is added, if it has chunks.
    pub(crate) fn end_body(&mut self) {
        if std::mem::take(&mut self.chunked) {
            let before = self.bytes.len();
            finish_chunks(&mut self.bytes);
            self.produced += (self.bytes.len() - before) as u64;
        }
    }

    /// Writes everything that waits.
    pub(crate) fn poll_flush<W: AsyncWrite + Unpin>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.sent < self.bytes.len() {
            let written = ready!(Pin::new(&mut *io).poll_write(cx, &self.bytes[self.sent..]))?;
            self.sent += self.note_written(written)?;
        }
        self.bytes.clear();
        self.sent = 0;
        if self.unflushed {
            ready!(Pin::new(&mut *io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn note_written(&mut self, count: usize) -> io::Result<usize> {
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.moved = true;
        self.unflushed = true;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
