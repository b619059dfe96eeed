//! One client connection: what is known about it, and its bytes in clear, with TLS or without.

use crate::admission::Admitted;
use crate::core::ListenerRef;
use crate::table::{ListenerEntry, Scheme};
use crate::tls::{ClientCertificate, ClientIdentity, HandshakeFailure};
use crate::trace::{Random, connection_id};
use model::elb::listener::MutualAuthentication;
use model::{CertificateArn, ListenerArn};
use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, SendFlags};
use socket2::SockRef;
use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::coop;
use tokio_rustls::{client, server};

/// The client's side of a connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    text: AddressText,
    /// The port of the listener, not of the socket.
    pub(crate) port: u16,
    pub(crate) accepted: Instant,
    /// `conn_trace_id` as text, because every line of a log has it.
    trace: [u8; 36],
    pub(crate) tls: Option<Box<TlsFacts>>,
    pub(crate) admitted: Admitted,
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
    /// The group of the key exchange, as the connection log names it; `-` for a session of TLS 1.2 that was resumed.
    pub(crate) key_exchange: &'static str,
    /// From the first byte to the end of the handshake.
    pub(crate) latency: Duration,
    /// The listener that the client shook hands with, and how it was set then.
    pub(crate) listener: ListenerArn,
    pub(crate) mutual: MutualAuthentication,
    /// The client's certificate, if it was asked for one and had it.
    pub(crate) client: Option<Box<ClientIdentity>>,
}

/// A connection that has been established, or has failed: what a line of the connection log is made of. Source: ALB 8.5.
#[derive(Debug)]
pub(crate) struct ConnectionFacts<'a> {
    /// When it was established or failed.
    pub(crate) at: Instant,
    /// Address, listener port and `conn_trace_id`; what the handshake settled.
    pub(crate) peer: &'a Peer,
    /// Why there is no connection.
    pub(crate) failure: Option<&'a HandshakeFailure>,
    /// The listener it is for, as far as that is known; in clear text no host has been named yet.
    pub(crate) listener: Option<&'a ListenerRef>,
}

/// The fields that take a look at several facts; `-` and `None` are printed as `-`.
impl<'a> ConnectionFacts<'a> {
    /// Field 5, `tls_protocol`.
    pub(crate) fn tls_protocol(&self) -> &'static str {
        self.tls().map_or("-", |tls| tls.version)
    }

    /// Field 6, `tls_cipher`.
    pub(crate) fn tls_cipher(&self) -> &'static str {
        self.tls().map_or("-", |tls| tls.cipher)
    }

    /// Field 7, `tls_handshake_latency`.
    pub(crate) fn handshake_latency(&self) -> Option<Duration> {
        self.tls().map(|tls| tls.latency)
    }

    /// Fields 8 to 10: subject, validity and serial number are in it. Also of a client that was refused.
    pub(crate) fn client_certificate(&self) -> Option<&'a ClientCertificate> {
        let identity = self.tls().and_then(|tls| tls.client.as_deref());
        let refused = || self.failure.and_then(|failure| failure.client.as_ref());
        identity.and_then(ClientIdentity::certificate).or_else(refused)
    }

    /// Field 11, `tls_verify_status`: `Failed:` comes before the code.
    pub(crate) fn tls_verify_status(&self) -> VerifyStatus {
        match (self.failure, self.tls()) {
            (Some(failure), _) => VerifyStatus::Failed(failure.code.as_str()),
            (None, Some(_)) => VerifyStatus::Success,
            (None, None) => VerifyStatus::ClearText,
        }
    }

    /// Field 13, `tls_keyexchange`.
    pub(crate) fn tls_keyexchange(&self) -> &'static str {
        self.tls().map_or("-", |tls| tls.key_exchange)
    }

    fn tls(&self) -> Option<&'a TlsFacts> {
        self.peer.tls.as_deref()
    }
}

/// Field 11 of the connection log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VerifyStatus {
    /// There is no TLS: `-`.
    ClearText,
    /// `Success`.
    Success,
    /// `Failed:` and this code.
    Failed(&'static str),
}

impl Peer {
    pub(crate) fn new(address: SocketAddr, port: u16, accepted: Instant, random: &Random) -> Self {
        Self {
            address,
            text: AddressText::new(address),
            port,
            accepted,
            trace: connection_id(random),
            tls: None,
            admitted: Admitted::default(),
        }
    }

    /// Whether it came over IPv6. Over IPv4 to a socket of both kinds an address only looks like one of IPv6.
    pub(crate) fn is_ipv6(&self) -> bool {
        matches!(self.address, SocketAddr::V6(address) if address.ip().to_ipv4_mapped().is_none())
    }

    /// `TID_` and 32 hexadecimal digits. Source: ALB 8.1.2, field 30.
    pub(crate) fn push_trace_id(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.trace);
    }

    /// `192.0.2.1:51822` or `[2001:db8::7]:51822`.
    pub(crate) fn push_address(&self, out: &mut Vec<u8>) {
        match self.text.both() {
            Some(text) => out.extend_from_slice(text),
            None => write_to(out, format_args!("{}", canonical(self.address))),
        }
    }

    /// `192.0.2.1` or `2001:db8::7`.
    pub(crate) fn push_ip(&self, out: &mut Vec<u8>) {
        match self.text.ip() {
            Some(text) => out.extend_from_slice(text),
            None => write_to(out, format_args!("{}", self.address.ip())),
        }
    }

    pub(crate) fn server_name(&self) -> Option<&str> {
        self.tls.as_deref().and_then(|tls| tls.server_name.as_deref())
    }

    /// Whether requests of this connection may go to a listener.
    ///
    /// What was spoken when the client connected. A listener may have changed since, and what it tells targets of its clients has
    /// to be true of each.
    pub(crate) fn scheme(&self) -> Scheme {
        match self.tls {
            Some(_) => Scheme::Https,
            None => Scheme::Http,
        }
    }

    /// A client has shown its certificate to the listener it shook hands with, under that listener's terms of that time. Where
    /// a listener asks for certificates, nobody else gets in: not by naming its load balancer in `Host` on a port that several
    /// share, and not by a connection from before it asked.
    pub(crate) fn is_welcome_at(&self, listener: &ListenerEntry) -> bool {
        let Some(wanted) = listener.tls.as_ref().map(|tls| tls.mutual()) else {
            return true;
        };
        *wanted == MutualAuthentication::Off
            || self
                .tls
                .as_deref()
                .is_some_and(|tls| tls.listener == listener.arn && holds(&tls.mutual, wanted))
    }
}

/// An address of IPv4 as text, because it is written twice for each request; of IPv6 nothing.
#[derive(Clone, Copy, Debug)]
struct AddressText {
    /// `255.255.255.255:65535` is the longest.
    bytes: [u8; 21],
    ip_len: u8,
    len: u8,
}

impl AddressText {
    fn new(address: SocketAddr) -> Self {
        let mut text = Self {
            bytes: [0; 21],
            ip_len: 0,
            len: 0,
        };
        if let SocketAddr::V4(address) = canonical(address) {
            let mut rest = &mut text.bytes[..];
            let room = rest.len();
            let written = write!(rest, "{}", address.ip()).map(|()| room - rest.len());
            let ip_len = written.unwrap_or_default();
            let written = write!(rest, ":{}", address.port()).map(|()| room - rest.len());
            (text.ip_len, text.len) = (ip_len as u8, written.unwrap_or_default() as u8);
        }
        text
    }

    fn ip(&self) -> Option<&[u8]> {
        (self.len > 0).then(|| &self.bytes[..usize::from(self.ip_len)])
    }

    fn both(&self) -> Option<&[u8]> {
        (self.len > 0).then(|| &self.bytes[..usize::from(self.len)])
    }
}

/// Over IPv4 to a socket of both kinds an address looks like one of IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn write_to(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    let _ = out.write_fmt(text); // writing to a vector cannot fail
}

/// Whether a client that was let in under these terms would be let in under those. What clients are told of authorities
/// changes nothing.
fn holds(then: &MutualAuthentication, now: &MutualAuthentication) -> bool {
    use MutualAuthentication::Verify;
    match (then, now) {
        (
            Verify {
                trust_store: then,
                ignore_client_certificate_expiry: ignored,
                ..
            },
            Verify {
                trust_store: now,
                ignore_client_certificate_expiry: ignores,
                ..
            },
        ) => then == now && (*ignores || !ignored),
        (then, now) => then == now,
    }
}

/// The bytes of a connection, that of a client unless it says otherwise.
#[derive(Debug)]
pub(crate) enum Io<T = server::TlsStream<TcpStream>> {
    Plain(TcpStream),
    Tls(Box<T>),
}

impl Io {
    /// Whether bytes wait in the kernel that the runtime may not have heard of yet.
    pub(crate) fn has_unread(&self) -> bool {
        match self {
            Self::Plain(stream) => has_unread(stream),
            Self::Tls(stream) => has_unread(stream.get_ref().0),
        }
    }
}

impl<T> Io<T> {
    /// Ready when there may be something to read; otherwise the task is woken when there is. Asked first by whoever mostly
    /// finds nothing, because room to read into and a try cost more than this.
    ///
    /// `asked` remembers that the runtime has the waker of the one task that ever reads here, and has had nothing to tell since:
    /// it is not given to it again. Who reads without this in between sets it to `false`.
    #[inline]
    pub(crate) fn poll_worth_reading(&self, cx: &mut Context<'_>, asked: &mut bool) -> Poll<()> {
        let Self::Plain(stream) = self else {
            return Poll::Ready(()); // the session may hold what was read already
        };
        if stream.try_io(Interest::READABLE, || Ok(())).is_ok() {
            *asked = false;
            return Poll::Ready(());
        }
        if *asked {
            return Poll::Pending;
        }
        // Without a budget the runtime would wake the task at once, and not when there is something.
        if !coop::has_budget_remaining() || stream.poll_read_ready(cx).is_ready() {
            return Poll::Ready(());
        }
        *asked = true;
        Poll::Pending
    }
}

/// As [`Io::has_unread`].
pub(crate) fn has_unread(stream: &TcpStream) -> bool {
    SockRef::from(stream)
        .peek(&mut [std::mem::MaybeUninit::uninit()])
        .is_ok_and(|count| count > 0)
}

/// The bytes of a connection to a target.
pub(crate) type TargetIo = Io<client::TlsStream<TcpStream>>;

impl<T: AsyncRead + Unpin> AsyncRead for Io<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => poll_receive(stream, cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Io<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => poll_transmit(stream, cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
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

/// Reads as the runtime does, by a system call without the C library: around each one that may wait, the library lets its
/// thread be cancelled, which takes two locked instructions and is for nobody here.
fn poll_receive(stream: &TcpStream, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    if !coop::has_budget_remaining() {
        ready!(coop::poll_proceed(cx)).made_progress(); // others have their turn first
    }
    let room = buf.initialize_unfilled();
    let wanted = room.len();
    let ready = |cx: &mut Context<'_>| stream.poll_read_ready(cx);
    let count = ready!(poll_io(stream, Interest::READABLE, ready, cx, wanted, || {
        rustix::net::recv(stream, &mut *room, RecvFlags::empty()).map(|(count, _)| count)
    }))?;
    // Only who fills the room can go on without the runtime having had its turn, so only that is counted.
    if count == wanted
        && let Poll::Ready(turn) = coop::poll_proceed(cx)
    {
        turn.made_progress();
    }
    buf.advance(count);
    Poll::Ready(Ok(()))
}

/// The same for writing.
fn poll_transmit(stream: &TcpStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    let ready = |cx: &mut Context<'_>| stream.poll_write_ready(cx);
    poll_io(stream, Interest::WRITABLE, ready, cx, bytes.len(), || {
        rustix::net::send(stream, bytes, SendFlags::NOSIGNAL)
    })
}

/// Tries until it has moved bytes, of `wanted`, or has to wait. Who moves fewer has emptied or filled the socket, and the next
/// one waits without trying. The runtime is asked to wake the task only when there is nothing to do.
#[inline(always)]
fn poll_io(
    stream: &TcpStream,
    interest: Interest,
    ready: impl Fn(&mut Context<'_>) -> Poll<io::Result<()>>,
    cx: &mut Context<'_>,
    wanted: usize,
    mut call: impl FnMut() -> rustix::io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        let mut moved = None;
        let tried = stream.try_io(interest, || {
            let count = retry_on_intr(&mut call)?;
            moved = Some(count);
            match (1..wanted).contains(&count) {
                true => Err(io::ErrorKind::WouldBlock.into()),
                false => Ok(()),
            }
        });
        match (moved, tried) {
            (Some(count), _) => return Poll::Ready(Ok(count)),
            (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => ready!(ready(cx))?,
            (None, tried) => return Poll::Ready(tried.map(|()| 0)),
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

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_shutdown(cx)
    }
}
