//! The endpoint's connections: a bounded number, each request under a deadline and with a bounded head and body.

use crate::answer::{self, Answer};
use crate::source::Source;
use crate::{aws, door, own_api};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// The header that tells one running server from another on the same port.
pub const INSTANCE_HEADER: &str = "x-albacore-instance";

/// Bounds of the endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once. Further ones wait in the kernel. Default 128.
    pub connections_max: usize,
    /// Bytes of a request head. Default 64 KiB.
    pub head_bytes_max: usize,
    /// Bytes of a request body. Default 4 MiB.
    pub body_bytes_max: usize,
    /// How long a head may take, and how long a connection may be idle. Default 30 s.
    pub head_timeout: Duration,
    /// How long reading a body and answering may take. Default 30 s.
    pub request_timeout: Duration,
    /// How long one connection may live, so that a client that does not read holds nothing for ever. Default 10 minutes.
    pub connection_lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 128,
            head_bytes_max: 64 * 1024,
            body_bytes_max: 4 * 1024 * 1024,
            head_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            connection_lifetime: Duration::from_secs(600),
        }
    }
}

/// Why the endpoint cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// There are no credentials that could protect it.
    #[error(
        "the endpoint {0} is not a loopback address, and albacore has no credentials yet that could protect it there; \
         use 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
    /// Somebody else has the port.
    #[error("the endpoint {0} is in use by another process; stop it, or choose another with --endpoint")]
    InUse(SocketAddr),
    /// Anything else.
    #[error("the endpoint {address} cannot be opened")]
    Other {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// The endpoint, open but not yet answering.
#[derive(Debug)]
pub struct Server<S> {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared<S>>,
}

#[derive(Debug)]
struct Shared<S> {
    source: S,
    limits: Limits,
    instance: String,
}

impl<S: Source> Server<S> {
    /// Opens the endpoint; port 0 takes a free one. `source` is made when the address is known. Every answer carries
    /// `instance` in [`INSTANCE_HEADER`].
    ///
    /// # Errors
    /// See [`BindError`].
    pub async fn bind(
        address: SocketAddr,
        limits: Limits,
        instance: String,
        source: impl FnOnce(SocketAddr) -> S,
    ) -> Result<Self, BindError> {
        if !address.ip().is_loopback() {
            return Err(BindError::NotLoopback(address));
        }
        let other = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse(address),
            _ => BindError::Other { address, source },
        };
        let listener = TcpListener::bind(address).await.map_err(other)?;
        let bound = listener.local_addr().map_err(other)?;
        let shared = Shared {
            source: source(bound),
            limits,
            instance,
        };
        Ok(Self {
            listener,
            address: bound,
            shared: Arc::new(shared),
        })
    }

    /// Where it is open.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`, then lets requests that are being answered finish for at most one request's deadline.
    pub async fn serve(self, stop: CancellationToken) {
        let connections = TaskTracker::new();
        let places = Arc::new(Semaphore::new(self.shared.limits.connections_max));
        loop {
            // The place comes before the socket: when we are full, the kernel's backlog waits, not our memory.
            let accept = async {
                let place = places.clone().acquire_owned().await;
                (self.listener.accept().await, place)
            };
            let (accepted, place) = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accept => accepted,
            };
            match accepted {
                Ok((socket, _)) => {
                    let (shared, stop) = (self.shared.clone(), stop.clone());
                    connections.spawn(async move {
                        serve_connection(shared, socket, stop).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    warn!(%error, "the endpoint could not accept a connection");
                    // Running out of sockets must not spin.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        connections.close();
        connections.wait().await;
    }
}

async fn serve_connection<S: Source>(shared: Arc<Shared<S>>, socket: TcpStream, stop: CancellationToken) {
    let limits = shared.limits;
    let service = service_fn(|request| respond(shared.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.head_bytes_max)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = std::pin::pin!(connection);
    let over = async {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(limits.connection_lifetime) => {}
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = over => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(limits.request_timeout, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection to the endpoint failed");
    }
}

async fn respond<S: Source>(shared: Arc<Shared<S>>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let answered = tokio::time::timeout(shared.limits.request_timeout, route(&shared, request)).await;
    let answer = answered.unwrap_or_else(|_| answer::refusal(StatusCode::REQUEST_TIMEOUT, "the request took too long"));
    Ok(answer::with_header(answer, INSTANCE_HEADER, &shared.instance))
}

async fn route<S: Source>(shared: &Shared<S>, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    if let Err(refused) = door::check(&parts.uri, &parts.headers) {
        return answer::refusal(refused.status, refused.message);
    }
    let body = match whole(body, shared.limits.body_bytes_max).await {
        Ok(body) => body,
        Err(answer) => return *answer,
    };
    if own_api::owns(parts.uri.path()) {
        own_api::answer(&shared.source, &parts, &body).await
    } else {
        aws::not_built(&parts.uri, &parts.headers)
    }
}

async fn whole<B>(body: B, bytes_max: usize) -> Result<Bytes, Box<Answer>>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, bytes_max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("the body is over {bytes_max} bytes");
            Err(Box::new(answer::refusal(StatusCode::PAYLOAD_TOO_LARGE, &message)))
        }
        Err(_) => Err(Box::new(answer::refusal(
            StatusCode::BAD_REQUEST,
            "the body did not arrive whole",
        ))),
    }
}

#[cfg(test)]
mod tests;
