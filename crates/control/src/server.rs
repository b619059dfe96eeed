//! The endpoint's connections: a bounded number, each request under a deadline and with a bounded head and body.

use crate::answer::{self, Answer};
use crate::source::Source;
use crate::{aws, door, lambda, own_api};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
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
    /// Bytes of a request body, but for a function's payload, which has Lambda's bound. Default 4 MiB.
    pub body_bytes_max: usize,
    /// How long a head may take, and how long a connection may be idle. Default 30 s.
    pub head_timeout: Duration,
    /// How long reading a body and answering may take, and how long a follower of logs may take nothing. Default 30 s.
    pub request_timeout: Duration,
    /// How long an invocation may take instead, from the whole payload to the answer. Functions end by their own timeout,
    /// of at most 15 minutes; this is for the case that they do not. Default 20 minutes.
    pub invocation_timeout: Duration,
    /// How long one connection may live, so that a client that does not read holds nothing for ever. Invocations and
    /// followers of logs end before it does. Default 10 minutes.
    pub connection_lifetime: Duration,
    /// Clients that follow logs at once; one more is refused. Default 16.
    pub followers_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 128,
            head_bytes_max: 64 * 1024,
            body_bytes_max: 4 * 1024 * 1024,
            head_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            invocation_timeout: Duration::from_secs(20 * 60),
            connection_lifetime: Duration::from_secs(600),
            followers_max: 16,
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

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared<S> {
    pub(crate) source: S,
    pub(crate) limits: Limits,
    instance: String,
    /// No new requests are taken.
    pub(crate) stopping: CancellationToken,
    /// Places for followers of logs.
    pub(crate) followers: Arc<Semaphore>,
    /// Owns what runs beside connections.
    pub(crate) tasks: TaskTracker,
}

/// Something on a connection that may take longer than the connection may live. Over when dropped.
#[derive(Debug)]
pub(crate) struct LongCall(LongCalls);

/// How many of them one connection has.
#[derive(Clone, Debug, Default)]
pub(crate) struct LongCalls(Arc<AtomicUsize>);

impl LongCalls {
    pub(crate) fn begin(&self) -> LongCall {
        self.0.fetch_add(1, Ordering::Relaxed);
        LongCall(self.clone())
    }

    fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for LongCall {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of a request.
#[derive(Debug)]
pub(crate) enum Payload {
    Whole(Bytes),
    /// It was larger than it may be.
    TooLarge,
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
            stopping: CancellationToken::new(),
            followers: Arc::new(Semaphore::new(limits.followers_max)),
            tasks: TaskTracker::new(),
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
        self.shared.stopping.cancel();
        connections.close();
        connections.wait().await;
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

async fn serve_connection<S: Source>(shared: Arc<Shared<S>>, socket: TcpStream, stop: CancellationToken) {
    let (limits, long_calls) = (shared.limits, LongCalls::default());
    let service = service_fn(|request| respond(shared.clone(), long_calls.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.head_bytes_max)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = std::pin::pin!(connection);
    let over = async {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(limits.connection_lifetime) => {}
            }
            if !long_calls.is_any() {
                return;
            }
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

async fn respond<S: Source>(
    shared: Arc<Shared<S>>,
    long_calls: LongCalls,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let answer = route(&shared, &long_calls, request).await;
    Ok(answer::with_header(answer, INSTANCE_HEADER, &shared.instance))
}

async fn route<S: Source>(shared: &Arc<Shared<S>>, long_calls: &LongCalls, request: Request<Incoming>) -> Answer {
    let too_long = || answer::refusal(StatusCode::REQUEST_TIMEOUT, "the request took too long");
    let (parts, body) = request.into_parts();
    if let Err(refused) = door::check(&parts.uri, &parts.headers) {
        return answer::refusal(refused.status, refused.message);
    }
    let limits = &shared.limits;
    let invocation = own_api::invocation(parts.uri.path());
    let bytes_max = match &invocation {
        Some(_) => lambda::PAYLOAD_BYTES_MAX,
        None => limits.body_bytes_max,
    };
    let begun = Instant::now();
    let payload = match timeout(limits.request_timeout, whole(body, bytes_max)).await {
        Ok(Ok(payload)) => payload,
        Ok(Err(answer)) => return *answer,
        Err(_) => return too_long(),
    };
    if let Some(function) = invocation {
        let _long = long_calls.begin();
        let answering = own_api::invoke(shared, &parts, &function, payload);
        return timeout(limits.invocation_timeout, answering)
            .await
            .unwrap_or_else(|_| too_long());
    }
    let Payload::Whole(body) = payload else {
        let message = format!("the body is over {bytes_max} bytes");
        return answer::refusal(StatusCode::PAYLOAD_TOO_LARGE, &message);
    };
    let left = limits.request_timeout.saturating_sub(begun.elapsed());
    timeout(left, answered(shared, long_calls, &parts, &body))
        .await
        .unwrap_or_else(|_| too_long())
}

async fn answered<S: Source>(shared: &Arc<Shared<S>>, long_calls: &LongCalls, parts: &Parts, body: &[u8]) -> Answer {
    if own_api::owns(parts.uri.path()) {
        own_api::answer(shared, long_calls, parts, body).await
    } else {
        aws::not_built(&parts.uri, &parts.headers)
    }
}

/// Reads a body. Of one that is too large as much again is thrown away: a client that still sends when it is answered
/// would lose the answer.
async fn whole<B>(mut body: B, bytes_max: usize) -> Result<Payload, Box<Answer>>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut bytes = Vec::new();
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            let message = "the body did not arrive whole";
            return Err(Box::new(answer::refusal(StatusCode::BAD_REQUEST, message)));
        };
        let Ok(data) = frame.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= bytes_max {
            bytes.extend_from_slice(&data);
        } else {
            bytes = Vec::new();
            if seen > bytes_max.saturating_mul(2) {
                break;
            }
        }
    }
    Ok(if seen > bytes_max {
        Payload::TooLarge
    } else {
        Payload::Whole(bytes.into())
    })
}

#[cfg(test)]
mod tests;
