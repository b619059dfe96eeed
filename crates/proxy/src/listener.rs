//! Accepting connections: sockets, places, the TLS handshake, and which protocol is spoken. Source: ALB 4.1, 6.2.

mod refusal;

use crate::admission::{self, Met};
use crate::connection::{ConnectionFacts, Io, Peer, TlsFacts, has_unread};
use crate::core::{Core, ListenerRef};
use crate::exchange::{http1, http2};
use crate::places::{Place, Places, Queue, Room};
use crate::table::Scheme;
use crate::tls::{self, FailureCode, HandshakeFailure};
use crate::wheel::Timer;
use model::elb::certificate::covers;
use socket2::SockRef;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
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
pub(crate) async fn accept(core: Rc<Core>, places: Rc<Places>, socket: Rc<TcpListener>, port: u16) {
    let mut out_of_descriptors = false;
    let mut door = Door {
        places: &places,
        socket: &socket,
        room: None,
        queue: Queue::Empty,
    };
    loop {
        let Some((room, accepted)) = poll_fn(|cx| door.poll_accept(cx)).await else {
            core.counters().accept_waits.inc();
            door.room = Some(places.wait(door.queue).await);
            continue;
        };
        match accepted {
            Ok((stream, address)) => {
                if std::mem::take(&mut out_of_descriptors) {
                    warn!(port, "accepting connections again");
                }
                // The task is owned by its place: draining waits until every place is free, or drops what is left.
                match room {
                    Room::Place(place) => serve(&core, places.take(&core, place), stream, address, port),
                    Room::Refusal(refusal) => refusal::refuse(&core, places.refuse(refusal), stream, port),
                }
            }
            Err(error) => {
                drop(room);
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

/// A socket, and what there is for whoever comes next.
struct Door<'a> {
    places: &'a Places,
    socket: &'a TcpListener,
    /// What was waited for.
    room: Option<Room<'a>>,
    queue: Queue,
}

/// A connection, and what there is for it.
type Accepted<'a> = (Room<'a>, io::Result<(TcpStream, SocketAddr)>);

impl<'a> Door<'a> {
    /// `None`: whoever comes next has to wait, if anybody does. Room is held for no longer than it takes to look who comes:
    /// nobody may connect here.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<Accepted<'a>>> {
        let Some(room) = self.room.take().or_else(|| self.places.room(self.queue)) else {
            return Poll::Ready(None);
        };
        match self.socket.poll_accept(cx) {
            Poll::Ready(accepted) => {
                self.queue = Queue::Standing;
                Poll::Ready(Some((room, accepted)))
            }
            Poll::Pending => {
                self.queue = Queue::Empty;
                Poll::Pending
            }
        }
    }
}

/// Accepts what waits in a socket that is to be closed: closing it would reset those connections, whose clients believe them
/// open. More than one core's backlog cannot wait there.
pub(crate) fn accept_waiting(core: &Rc<Core>, places: &Rc<Places>, socket: &TcpListener, port: u16) {
    for _ in 0..crate::socket::BACKLOG {
        let accepted = SockRef::from(socket).accept_raw();
        let accepted = accepted.and_then(|(stream, address)| {
            stream.set_cloexec(true)?;
            stream.set_nonblocking(true)?;
            Ok((TcpStream::from_std(stream.into())?, address.as_socket()))
        });
        match accepted {
            Ok((stream, Some(address))) => serve(core, places.take_anyway(core), stream, address, port),
            Ok((_, None)) => {}
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => return,
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
fn serve(core: &Rc<Core>, mut place: Place, stream: TcpStream, address: SocketAddr, port: u16) {
    // A socket for both families tells IPv4 addresses as IPv6 ones.
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let (scheme, admitted) = match core.table().meet(port, address.ip()) {
        Met::Nobody => return,
        Met::Refusal => return admission::refuse(core, &stream, address.ip(), port),
        Met::Welcome(scheme, admitted) => (scheme, admitted),
    };
    let mut peer = Peer::new(address, port, Instant::now(), &core.random);
    peer.admitted = admitted;
    let _ = stream.set_nodelay(true); // without it answers are only slower
    match scheme {
        Scheme::Http => {
            opened(core, &peer, &mut place);
            if let Some(connection) = http1::Connection::open(core.clone(), Io::Plain(stream), peer, place) {
                tokio::task::spawn_local(connection.run());
            }
        }
        Scheme::Https => drop(tokio::task::spawn_local(secure(core.clone(), place, stream, peer))),
    }
}

/// A connection to a TLS port. Everything that waits is in a box of its own size.
async fn secure(core: Rc<Core>, mut place: Place, stream: TcpStream, peer: Peer) {
    match Box::pin(opening(&core, &stream)).await {
        Opening::Tls(timer) => {
            let Some((io, peer, h2)) = Box::pin(handshake(&core, &timer, &mut place, stream, peer)).await else {
                return;
            };
            drop(timer);
            if h2 {
                Box::pin(http2::serve(core, io, peer, place)).await;
            } else if let Some(connection) = http1::Connection::open(core, io, peer, place) {
                Box::pin(connection.run()).await;
            }
        }
        Opening::ClearText => {
            opened(&core, &peer, &mut place);
            if let Some(connection) = http1::Connection::open(core, Io::Plain(stream), peer, place) {
                Box::pin(connection.refuse_clear_text()).await;
            }
        }
        Opening::Nothing => {
            let listener = core.listener(peer.port, None, None);
            tell(&core, &peer, Some(&HandshakeFailure::silent()), listener.as_ref());
        }
    }
}

/// Tells of a connection in clear text.
fn opened(core: &Core, peer: &Peer, place: &mut Place) {
    let listener = core.listener(peer.port, None, None);
    tell(core, peer, None, listener.as_ref());
    if let Some(listener) = &listener {
        place.established(listener);
    }
}

/// Tells what came of a connection.
fn tell(core: &Core, peer: &Peer, failure: Option<&HandshakeFailure>, listener: Option<&ListenerRef>) {
    let at = match (failure, &peer.tls) {
        (None, None) => peer.accepted,
        _ => Instant::now(),
    };
    core.connection_opened(&ConnectionFacts {
        at,
        peer,
        failure,
        listener,
    });
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
            Poll::Pending if timer.expired(cx) => Poll::Ready(None),
            Poll::Pending if core.wheel.draining() && !has_unread(stream) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    match first.await {
        None => Opening::Nothing,
        Some(byte) if byte.is_ascii_alphabetic() => Opening::ClearText,
        Some(_) => Opening::Tls(timer),
    }
}

/// The TLS handshake under a deadline, and told of whatever comes of it.
async fn handshake(
    core: &Rc<Core>,
    timer: &Timer,
    place: &mut Place,
    stream: TcpStream,
    mut peer: Peer,
) -> Option<(Io, Peer, bool)> {
    let began = Instant::now();
    let done = {
        let mut negotiation = std::pin::pin!(negotiate(core, stream, &peer, began));
        let done = poll_fn(|cx| {
            if let Poll::Ready(done) = negotiation.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            match timer.expired(cx) {
                true => Poll::Ready(Err(HandshakeFailure::unmapped(io::ErrorKind::TimedOut.into()))),
                false => Poll::Pending,
            }
        });
        done.await
    };
    match done {
        Ok(Negotiated {
            stream,
            facts,
            listener,
        }) => {
            peer.tls = Some(Box::new(facts));
            tell(core, &peer, None, Some(&listener));
            place.established(&listener);
            let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            Some((Io::Tls(Box::new(stream)), peer, h2))
        }
        // Nothing is told of whom no security group admits.
        Err(failure) if failure.is_refusal() => None,
        Err(failure) => {
            let listener = core.listener(peer.port, failure.server_name.as_deref(), None);
            tell(core, &peer, Some(&failure), listener.as_ref());
            None
        }
    }
}

struct Negotiated {
    stream: TlsStream<TcpStream>,
    facts: TlsFacts,
    listener: ListenerRef,
}

/// The listener and its certificate are chosen by what the client says first.
async fn negotiate(
    core: &Rc<Core>,
    stream: TcpStream,
    peer: &Peer,
    began: Instant,
) -> Result<Negotiated, HandshakeFailure> {
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream)
        .await
        .map_err(HandshakeFailure::unmapped)?;
    let server_name = start.client_hello().server_name().map(str::to_ascii_lowercase);
    let Some(listener) = core.listener(peer.port, server_name.as_deref(), None) else {
        return Err(HandshakeFailure::unmapped(io::ErrorKind::NotFound.into())); // deleted since it was accepted
    };
    // Who names no server may mean a load balancer that admits it, and says so in `Host`.
    if server_name.is_some() && !peer.admitted.is_at(&listener, peer.address.ip()) {
        admission::count(core, peer.address.ip(), peer.port);
        return Err(HandshakeFailure::refusal());
    }
    let Some(tls) = &listener.tls else {
        return Err(HandshakeFailure::unmapped(io::ErrorKind::NotFound.into())); // it speaks clear text since then
    };
    let (config, certificate, seen) = match tls.choose(&start.client_hello()) {
        Ok(choice) => (choice.config, choice.certificate.clone(), choice.seen),
        Err(error) => return Err(HandshakeFailure::unmapped(io::Error::other(error)).of(server_name)),
    };
    let stream = start.into_stream(config).await.map_err(|error| HandshakeFailure {
        code: seen
            .as_deref()
            .and_then(tls::Seen::refused)
            .unwrap_or_else(|| FailureCode::of_handshake(&error, seen.is_some())),
        error: Some(error),
        server_name: server_name.clone(),
        client: seen.as_deref().and_then(tls::Seen::certificate),
    })?;
    let (_, session) = stream.get_ref();
    let facts = TlsFacts {
        version: session.protocol_version().map_or("-", tls::version_name),
        cipher: session
            .negotiated_cipher_suite()
            .map_or("-", |suite| tls::cipher_name(suite.suite())),
        name_matched: server_name
            .as_deref()
            .is_some_and(|sni| tls.names().any(|name| covers(name, sni))),
        server_name,
        certificate,
        resumed: session.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
        key_exchange: session
            .negotiated_key_exchange_group()
            .map_or("-", |group| tls::key_exchange_name(group.name())),
        latency: began.elapsed(),
        listener: listener.arn.clone(),
        mutual: tls.mutual().clone(),
        client: session
            .peer_certificates()
            .and_then(|chain| tls.identity(chain))
            .map(Box::new),
    };
    Ok(Negotiated {
        stream,
        facts,
        listener,
    })
}
