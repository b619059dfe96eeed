//! One client connection: what is known about it, and its bytes in clear, with TLS or without.

use crate::trace::{Random, push_hex};
use model::CertificateArn;
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// The client's side of a connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The port of the listener, not of the socket.
    pub(crate) port: u16,
    pub(crate) accepted: Instant,
    /// The digits of `conn_trace_id`.
    trace: [u64; 2],
    pub(crate) tls: Option<Box<TlsFacts>>,
}

/// What the handshake settled.
#[derive(Clone, Debug)]
pub(crate) struct TlsFacts {
    pub(crate) version: &'static str,
    pub(crate) cipher: &'static str,
    pub(crate) server_name: Option<String>,
    pub(crate) certificate: CertificateArn,
    /// Whether one of the certificate's names covers the server name.
    pub(crate) name_matched: bool,
    pub(crate) resumed: bool,
}

impl Peer {
    pub(crate) fn new(address: SocketAddr, port: u16, accepted: Instant, random: &Random) -> Self {
        Self {
            address,
            port,
            accepted,
            trace: [random.next(), random.next()],
            tls: None,
        }
    }

    /// `TID_` and 32 hexadecimal digits. Source: ALB 8.1.2, field 30.
    pub(crate) fn push_trace_id(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"TID_");
        self.trace.iter().for_each(|half| push_hex(out, *half, 16));
    }

    pub(crate) fn server_name(&self) -> Option<&str> {
        self.tls.as_deref().and_then(|tls| tls.server_name.as_deref())
    }
}

/// The bytes of a connection.
#[derive(Debug)]
pub(crate) enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// The same bytes in two hands: what HTTP/2 is given it keeps to its end, and closing well needs them afterwards.
#[derive(Clone, Debug)]
pub(crate) struct SharedIo(Rc<RefCell<Io>>);

impl SharedIo {
    pub(crate) fn new(io: Io) -> Self {
        Self(Rc::new(RefCell::new(io)))
    }
}

impl AsyncRead for SharedIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_read(cx, buf)
    }
}

impl AsyncWrite for SharedIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_shutdown(cx)
    }
}
