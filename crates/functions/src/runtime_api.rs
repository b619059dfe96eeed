//! The Runtime API of one run of an environment's runtime: a listener on a loopback port, and its connections.
//!
//! What a request means is decided by [`Environment`]; here it is read and answered. There are no timers: an environment
//! has one phase after the other, each with a deadline (init, invocation, idleness), and no connection outlives it.
//! Source: Lambda 2.

mod answer;
mod body;
mod connection;
mod error;
mod peer;
mod request;

pub(crate) use answer::{Refusal, is_field_value, write_event_head};
pub(crate) use connection::Connection;
pub(crate) use peer::some_below;

use crate::environment::Environment;
use peer::Door;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Connections of one environment at a time; others wait in the kernel's backlog. Runtimes hold one or two.
const CONNECTIONS_MAX: usize = 16;

/// How long to wait when a connection cannot be accepted, for example because this process has no file descriptors left.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// The listener with its connections. Dropping it closes them.
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
    door: Door,
    connections: JoinSet<()>,
}

impl Server {
    pub(crate) fn bind() -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            address,
            door: Door::at(address),
            connections: JoinSet::new(),
        })
    }

    /// Only the processes below this init process are served. To be called before anything is accepted.
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
        match self.listener.accept().await {
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
        while self.connections.join_next().await.is_some() {}
    }

    /// Closes all connections.
    pub(crate) async fn close(&mut self) {
        self.connections.shutdown().await;
    }
}
