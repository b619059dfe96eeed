//! Accepting connections: sockets, places, the TLS handshake, and which protocol is spoken. Source: ALB 4.1, 6.2.

use crate::connection::{Io, Peer, TlsFacts};
use crate::core::Core;
use crate::exchange::{http1, http2};
use crate::places::{Place, Places};
use crate::table::Scheme;
use crate::tls;
use crate::wheel::Timer;
use model::elb::certificate::covers;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::ReadBuf;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::warn;

/// How long accepting pauses when the process has no descriptor left.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts on one socket for as long as it is not aborted. The place comes before the connection: when there is none, the
/// kernel's backlog waits, not our memory.
pub(crate) async fn accept(core: Rc<Core>, places: Rc<Places>, socket: TcpListener, port: u16) {
    let mut out_of_descriptors = false;
    loop {
        places.room(&core).await;
        match socket.accept().await {
            Ok((stream, address)) => {
                if std::mem::take(&mut out_of_descriptors) {
                    warn!(port, "accepting connections again");
                }
                let place = places.take(&core);
                // The task is owned by its place: draining waits until every place is free, or drops what is left.
                serve(&core, place, stream, address, port);
            }
            Err(error) => {
                core.counters().accept_errors.inc();
                if is_of_one_connection(&error) {
                    continue;
                }
                if !std::mem::replace(&mut out_of_descriptors, true) {
                    warn!(port, %error, "no connection can be accepted; new ones wait");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Errors of the connection that was to be accepted, not of accepting.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(
        error.kind(),
        K::ConnectionAborted | K::ConnectionReset | K::ConnectionRefused | K::Interrupted
    )
}

/// Serves a connection in a task of its own. Each kind of task holds room for its own protocol only, because there may be
/// tens of thousands of them.
fn serve(core: &Rc<Core>, place: Place, stream: TcpStream, address: SocketAddr, port: u16) {
    let peer = Peer::new(address, port, Instant::now(), &core.random);
    let _ = stream.set_nodelay(true); // without it answers are only slower
    match core.table().scheme(port) {
        None => {}
        Some(Scheme::Http) => {
            count(core, &peer);
            if let Some(connection) = http1::Connection::open(core.clone(), Io::Plain(stream), peer, place) {
                tokio::task::spawn_local(connection.run());
            }
        }
        Some(Scheme::Https) => drop(tokio::task::spawn_local(secure(core.clone(), place, stream, peer))),
    }
}

/// A connection to a TLS port. Everything that waits is in a box of its own size.
async fn secure(core: Rc<Core>, place: Place, stream: TcpStream, peer: Peer) {
    match Box::pin(opening(&core, &stream)).await {
        Opening::Tls(timer) => {
            let Some((io, peer, h2)) = Box::pin(handshake(&core, &timer, stream, peer)).await else {
                return;
            };
            drop(timer);
            count(&core, &peer);
            if h2 {
                Box::pin(http2::serve(core, io, peer, place)).await;
            } else if let Some(connection) = http1::Connection::open(core, io, peer, place) {
                Box::pin(connection.run()).await;
            }
        }
        Opening::ClearText => {
            count(&core, &peer);
            if let Some(connection) = http1::Connection::open(core, Io::Plain(stream), peer, place) {
                Box::pin(connection.refuse_clear_text()).await;
            }
        }
        Opening::Nothing => {}
    }
}

fn count(core: &Core, peer: &Peer) {
    if let Some(listener) = core.listener(peer.port, peer.server_name(), None) {
        listener.load_balancer.metrics.core(core.id).new_connections.inc();
    }
}

/// How a connection to a TLS port opens.
enum Opening {
    /// With something else than a letter. The timer runs since the connection was accepted.
    Tls(Timer),
    /// With a letter: a method of HTTP in clear text. No TLS record begins so.
    ClearText,
    /// Not at all: it ended, its time is over, or the process is about to stop.
    Nothing,
}

/// Waits for the first byte, without taking it.
async fn opening(core: &Rc<Core>, stream: &TcpStream) -> Opening {
    let timer = core.wheel.timer();
    timer.set(Instant::now(), core.shared.limits.handshake_timeout);
    let first = poll_fn(|cx| {
        let mut byte = [0];
        match stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Ok(1..)) => Poll::Ready(Some(byte[0])),
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending if timer.expired(cx) || core.wheel.draining() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    match first.await {
        None => Opening::Nothing,
        Some(byte) if byte.is_ascii_alphabetic() => Opening::ClearText,
        Some(_) => Opening::Tls(timer),
    }
}

/// The TLS handshake under a deadline. The listener and its certificate are chosen by what the client says first.
async fn handshake(core: &Rc<Core>, timer: &Timer, stream: TcpStream, mut peer: Peer) -> Option<(Io, Peer, bool)> {
    let mut negotiation = std::pin::pin!(negotiate(core, stream, peer.port));
    let done = poll_fn(|cx| {
        if let Poll::Ready(done) = negotiation.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        match timer.expired(cx) {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    });
    let Some((stream, facts)) = done.await else {
        if let Some(listener) = core.listener(peer.port, None, None) {
            listener
                .load_balancer
                .metrics
                .core(core.id)
                .tls_negotiation_errors
                .inc();
        }
        return None;
    };
    peer.tls = Some(Box::new(facts));
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Some((Io::Tls(Box::new(stream)), peer, h2))
}

async fn negotiate(core: &Rc<Core>, stream: TcpStream, port: u16) -> Option<(TlsStream<TcpStream>, TlsFacts)> {
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream)
        .await
        .ok()?;
    let (config, facts) = {
        let hello = start.client_hello();
        let server_name = hello.server_name().map(str::to_ascii_lowercase);
        let listener = core.listener(port, server_name.as_deref(), None)?;
        let tls = listener.tls.as_ref()?;
        let (config, certificate) = tls.choose(&hello);
        let name_matched = server_name
            .as_deref()
            .is_some_and(|sni| tls.names().any(|name| covers(name, sni)));
        let certificate = certificate.clone();
        (
            config,
            TlsFacts {
                version: "-",
                cipher: "-",
                server_name,
                certificate,
                name_matched,
                resumed: false,
            },
        )
    };
    let stream = start.into_stream(config).await.ok()?;
    let (_, session) = stream.get_ref();
    let facts = TlsFacts {
        version: session.protocol_version().map_or("-", tls::version_name),
        cipher: session
            .negotiated_cipher_suite()
            .map_or("-", |suite| tls::cipher_name(suite.suite())),
        resumed: session.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
        ..facts
    };
    Some((stream, facts))
}
