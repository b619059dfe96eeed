//! The Runtime API of one run of an environment's runtime: a listener on a loopback port, and its connections.
//!
//! What a request means is decided by [`Environment`]; here it is read and answered. There are no timers: an environment
//! has one phase after the other, each with a deadline (init, invocation, idleness), and no connection outlives it.
//! Source: Lambda 2.

mod answer;
mod body;
mod connection;
mod error;
mod metadata;
mod peer;
mod request;

pub(crate) use answer::{Refusal, is_field_value, write_event_head, write_extension_event};
pub(crate) use connection::Connection;
pub(crate) use peer::{Door, Users, is_listener_of, some_below};

use crate::door::WayOut;
use crate::environment::Environment;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Connections of one environment at a time; others wait in the kernel's backlog. A runtime holds one or two, and so does
/// each of at most ten extensions.
const CONNECTIONS_MAX: usize = 64;

/// How long to wait when a connection cannot be accepted, for example because this process has no file descriptors left.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// How long an extension that has ended is listened to. Its last words are in the socket already.
const SETTLE_TIME: Duration = Duration::from_millis(20);

/// The listener with its connections. Dropping it closes them.
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
    door: Door,
    connections: JoinSet<()>,
    /// To the platform, for the same processes.
    way_out: Option<WayOut>,
}

impl Server {
    /// On a port of the host, for processes that run as these users.
    pub(crate) fn bind(users: Users) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let door = Door::at(listener.local_addr()?, users);
        Self::with(listener, door)
    }

    /// On a listener in a network where nobody is but the environment itself.
    pub(crate) fn on(listener: std::net::TcpListener) -> io::Result<Self> {
        Self::with(listener, Door::open())
    }

    fn with(listener: std::net::TcpListener, door: Door) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            address,
            door,
            connections: JoinSet::new(),
            way_out: None,
        })
    }

    /// Whoever may ask here may call the platform there.
    pub(crate) fn lead_out(&mut self, way_out: Option<WayOut>) {
        self.way_out = way_out;
    }

    /// The processes below this init process are served, and no others but those of earlier calls. To be called before
    /// anything is accepted.
    pub(crate) fn open_for(&mut self, init: u32) {
        self.door.open_for(init);
    }

    /// The value of `AWS_LAMBDA_RUNTIME_API`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts one connection and serves it from then on.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost.
    pub(crate) async fn accept(&mut self, environment: &Rc<Environment>) {
        while self.connections.try_join_next().is_some() {}
        while self.connections.len() >= CONNECTIONS_MAX {
            self.connections.join_next().await;
        }
        let accepted = match &mut self.way_out {
            None => self.listener.accept().await,
            Some(way_out) => tokio::select! {
                biased;
                accepted = self.listener.accept() => accepted,
                () = way_out.accept(&self.door) => return,
            },
        };
        match accepted {
            Ok((stream, peer)) => self.serve(environment, stream, peer),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the runtime api");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }

    fn serve(&mut self, environment: &Rc<Environment>, stream: TcpStream, peer: SocketAddr) {
        self.connections.spawn_local(connection::serve(
            Rc::clone(environment),
            stream,
            peer,
            self.door.clone(),
        ));
    }

    /// When the process has ended: takes the connections that are still in the backlog, and waits until all have been read
    /// to their ends. The caller sets the deadline.
    pub(crate) async fn drain(&mut self, environment: &Rc<Environment>) {
        self.door.main_process_ended();
        self.accept_rest(environment);
        while self.connections.join_next().await.is_some() {}
    }

    /// When a process that is not the main one has ended: takes its connections that are still in the backlog, and lets all
    /// connections say what is in them.
    pub(crate) async fn settle(&mut self, environment: &Rc<Environment>) {
        self.accept_rest(environment);
        // Whoever has connected is looked up elsewhere; connections of others wait for events and do not end.
        let quiet = tokio::time::sleep(SETTLE_TIME);
        tokio::pin!(quiet);
        loop {
            tokio::select! {
                biased;
                ended = self.connections.join_next() => if ended.is_none() { return },
                () = &mut quiet => return,
            }
        }
    }

    fn accept_rest(&mut self, environment: &Rc<Environment>) {
        for _ in 0..CONNECTIONS_MAX {
            // Asks the kernel and not tokio, which may not have heard yet of a connection that is there.
            let Ok((socket, peer)) = socket2::SockRef::from(&self.listener).accept() else {
                break;
            };
            let stream = socket
                .set_nonblocking(true)
                .and_then(|()| TcpStream::from_std(socket.into()));
            if let (Ok(stream), Some(peer)) = (stream, peer.as_socket()) {
                self.serve(environment, stream, peer);
            }
        }
    }

    /// Closes all connections.
    pub(crate) async fn close(&mut self) {
        self.way_out = None;
        self.connections.shutdown().await;
    }
}
