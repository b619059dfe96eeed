//! The endpoint's connections: a bounded number, each request under a deadline and with a bounded head and body.

mod bind;
mod body;

use crate::answer::{self, Answer};
use crate::function_door::{Bounds, Doors, Pass};
use crate::links::Links;
use crate::source::Source;
use crate::stream_rate::StreamRate;
use crate::{aws, door, function_door, function_url, lambda, own_api};
pub use bind::{BindError, open, open_function_urls};
use body::thrown_away;
pub(crate) use body::{Payload, whole};
use hyper::body::{Body, Incoming};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// How long a connection that has asked nothing yet may take to do so when the endpoint stops.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// Bodies over the ordinary bound, which are packages, that may be in memory at once: each takes three times its size while it
/// is read.
const UPLOADS_MAX: usize = 2;

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
    /// How fast the answer of a function goes on that is read piece by piece.
    pub stream_rate: StreamRate,
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
            stream_rate: StreamRate::default(),
        }
    }
}

/// The endpoint, open but not yet answering.
#[derive(Debug)]
pub struct Server<S> {
    listener: TcpListener,
    /// A socket for function URLs alone.
    function_urls: Option<TcpListener>,
    doors: Option<Doors<S>>,
    address: SocketAddr,
    shared: Arc<Shared<S>>,
}

/// Where a connection came in.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Endpoint,
    /// On the socket for function URLs, at this port.
    FunctionUrls(u16),
    /// From inside of an execution environment.
    Door(Arc<Pass>),
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared<S> {
    pub(crate) source: S,
    pub(crate) limits: Limits,
    /// The port it listens on.
    pub(crate) port: u16,
    instance: String,
    /// No new connections are taken, because another process takes them.
    leaving: CancellationToken,
    /// No new requests are taken but through doors.
    pub(crate) stopping: CancellationToken,
    /// Nor through those.
    pub(crate) closing_doors: CancellationToken,
    /// Those that somebody outside waits for.
    invocations: Arc<watch::Sender<usize>>,
    /// Places for followers of logs.
    pub(crate) followers: Arc<Semaphore>,
    /// Links to packages.
    pub(crate) links: Arc<Links>,
    /// Large bodies that may be in memory at once; more wait.
    uploads: Semaphore,
    /// What those may take who come through doors.
    pub(crate) doors: Bounds,
    /// There may be functions to be finished.
    pub(crate) finishing: Notify,
    /// Owns what runs beside connections.
    pub(crate) tasks: TaskTracker,
}

/// Something on a connection that may take longer than the connection may live. Over when dropped.
#[derive(Debug)]
pub(crate) struct LongCall {
    calls: LongCalls,
    invocations: Option<Arc<watch::Sender<usize>>>,
}

/// How many of them one connection has.
#[derive(Clone, Debug, Default)]
pub(crate) struct LongCalls(Arc<AtomicUsize>);

impl LongCalls {
    pub(crate) fn begin(&self) -> LongCall {
        self.with(None)
    }

    /// One that is an invocation for somebody outside, who waits for its answer.
    pub(crate) fn begin_invocation<S>(&self, shared: &Shared<S>) -> LongCall {
        let invocations = shared.invocations.clone();
        invocations.send_modify(|running| *running += 1);
        self.with(Some(invocations))
    }

    fn with(&self, invocations: Option<Arc<watch::Sender<usize>>>) -> LongCall {
        self.0.fetch_add(1, Ordering::Relaxed);
        LongCall {
            calls: self.clone(),
            invocations,
        }
    }

    fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for LongCall {
    fn drop(&mut self) {
        self.calls.0.fetch_sub(1, Ordering::Relaxed);
        if let Some(invocations) = &self.invocations {
            invocations.send_modify(|running| *running -= 1);
        }
    }
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
        Self::on(open(address)?, None, limits, instance, source)
    }

    /// As [`Server::bind`], on a socket that is open, and perhaps another one for function URLs alone.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn on(
        listener: std::net::TcpListener,
        function_urls: Option<std::net::TcpListener>,
        limits: Limits,
        instance: String,
        source: impl FnOnce(SocketAddr) -> S,
    ) -> Result<Self, BindError> {
        let other = |source| BindError::Other {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            source,
        };
        let bound = listener.local_addr().map_err(other)?;
        let listener = TcpListener::from_std(listener).map_err(other)?;
        let function_urls = function_urls.map(TcpListener::from_std).transpose().map_err(other)?;
        let url_port = match &function_urls {
            Some(listener) => listener.local_addr().map_err(other)?.port(),
            None => bound.port(),
        };
        let shared = Shared {
            source: source(bound),
            limits,
            port: bound.port(),
            instance,
            leaving: CancellationToken::new(),
            stopping: CancellationToken::new(),
            closing_doors: CancellationToken::new(),
            invocations: Arc::default(),
            followers: Arc::new(Semaphore::new(limits.followers_max)),
            links: Arc::new(Links::new(bound, url_port)),
            uploads: Semaphore::new(UPLOADS_MAX),
            doors: Bounds::default(),
            finishing: Notify::new(),
            tasks: TaskTracker::new(),
        };
        Ok(Self {
            listener,
            function_urls,
            doors: None,
            address: bound,
            shared: Arc::new(shared),
        })
    }

    /// Where it is open.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on these doors lead here.
    pub fn lead_in(&mut self, doors: Doors<S>) {
        doors.lead_to(&self.shared);
        self.doors = Some(doors);
    }

    /// Cancelled when another process answers on this socket: connections end with the request they have, and no others are
    /// taken. Requests that take long go on until the server is stopped.
    pub fn leaving(&self) -> CancellationToken {
        self.shared.leaving.clone()
    }

    /// Becomes 0 when nobody outside waits for an invocation: then no environment is needed for the sake of one.
    pub fn invocations(&self) -> watch::Receiver<usize> {
        self.shared.invocations.subscribe()
    }

    /// Answers until `stop`, then lets requests that are being answered finish for at most one request's deadline.
    pub async fn serve(self, stop: CancellationToken) {
        self.shared.tasks.spawn(aws::finish_functions(self.shared.clone()));
        let connections = TaskTracker::new();
        let function_urls = async {
            if let Some(listener) = &self.function_urls {
                let port = listener.local_addr().map_or(0, |address| address.port());
                self.accept(listener, Entry::FunctionUrls(port), &connections, &stop)
                    .await;
            }
        };
        let endpoint = self.accept(&self.listener, Entry::Endpoint, &connections, &stop);
        tokio::join!(endpoint, function_urls);
        self.shared.stopping.cancel();
        connections.close();
        connections.wait().await;
        // Functions that run here have nobody else to call, also when another process answers others.
        stop.cancelled().await;
        self.shared.closing_doors.cancel();
        if let Some(doors) = &self.doors {
            doors.ended().await;
        }
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    async fn accept(&self, listener: &TcpListener, entry: Entry, connections: &TaskTracker, stop: &CancellationToken) {
        let places = Arc::new(Semaphore::new(self.shared.limits.connections_max));
        let mut out_of_sockets = false;
        loop {
            // The place comes before the socket: when we are full, the kernel's backlog waits, not our memory.
            let accept = async {
                let place = places.clone().acquire_owned().await;
                (listener.accept().await, place)
            };
            let (accepted, place) = tokio::select! {
                () = stop.cancelled() => break,
                () = self.shared.leaving.cancelled() => break,
                accepted = accept => accepted,
            };
            match accepted {
                Ok((socket, client)) => {
                    if std::mem::take(&mut out_of_sockets) {
                        warn!("the endpoint accepts connections again");
                    }
                    let (shared, entry, stop) = (self.shared.clone(), entry.clone(), stop.clone());
                    connections.spawn(async move {
                        serve_connection(shared, socket, (client.ip(), entry), stop).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    // Told once: it may go on for long, and each try fails alike.
                    if !std::mem::replace(&mut out_of_sockets, true) {
                        warn!(%error, "the endpoint can accept no connection; new ones wait");
                    }
                    // Running out of sockets must not spin.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

pub(crate) async fn serve_connection<S: Source>(
    shared: Arc<Shared<S>>,
    socket: TcpStream,
    from: (IpAddr, Entry),
    stop: CancellationToken,
) {
    let (limits, long_calls) = (shared.limits, LongCalls::default());
    let leaving = match from.1 {
        Entry::Endpoint | Entry::FunctionUrls(_) => shared.leaving.clone(),
        // Environments stay when another process answers elsewhere, and have nobody else to call.
        Entry::Door(_) => CancellationToken::new(),
    };
    let asked = CancellationToken::new();
    let service = service_fn(|request| {
        asked.cancel();
        respond(shared.clone(), long_calls.clone(), from.clone(), request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.head_bytes_max)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = std::pin::pin!(connection);
    let over = async {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = leaving.cancelled() => break,
                () = tokio::time::sleep(limits.connection_lifetime) => {}
            }
            if !long_calls.is_any() {
                break;
            }
        }
        // Who has just connected has a request on its way. Hyper would close without a word.
        let _ = timeout(FIRST_REQUEST_TIMEOUT, asked.cancelled()).await;
    };
    let cut = async {
        if leaving.is_cancelled() {
            stop.cancelled().await;
        }
        tokio::time::sleep(limits.request_timeout).await;
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = over => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = cut => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection to the endpoint failed");
    }
}

async fn respond<S: Source>(
    shared: Arc<Shared<S>>,
    long_calls: LongCalls,
    (client, entry): (IpAddr, Entry),
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let mut request = request;
    if let Entry::Door(pass) = entry {
        let answer = match function_door::refused(&request) {
            Some(refused) => refused,
            None => {
                request.extensions_mut().insert(pass);
                route(&shared, &long_calls, request).await
            }
        };
        return Ok(answer::with_header(answer, INSTANCE_HEADER, &shared.instance));
    }
    request.extensions_mut().insert(aws::sign_in::ClientAddress(client));
    let (label, port) = match (function_url::named(&request), entry) {
        (None, Entry::Endpoint | Entry::Door(_)) => (None, 0),
        (label, Entry::Endpoint | Entry::Door(_)) => (label, shared.port),
        // Nothing else is there: whoever names no URL is answered as by one that does not exist.
        (label, Entry::FunctionUrls(port)) => (Some(label.unwrap_or_default()), port),
    };
    if let Some(label) = label {
        return Ok(function_url::answer(&shared, &long_calls, &label, (client, port), request).await);
    }
    let answer = route(&shared, &long_calls, request).await;
    Ok(answer::with_header(answer, INSTANCE_HEADER, &shared.instance))
}

async fn route<S: Source>(shared: &Arc<Shared<S>>, long_calls: &LongCalls, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let too_long = || match own_api::owns(parts.uri.path()) {
        true => answer::refusal(StatusCode::REQUEST_TIMEOUT, "the request took too long"),
        false => aws::too_long(&parts),
    };
    if let Err(refused) = door::check(&parts.uri, &parts.headers) {
        return answer::refusal(refused.status, refused.message);
    }
    let limits = &shared.limits;
    let invocation = own_api::invocation(parts.uri.path());
    let (before, after) = lambda::stream::PATH;
    let streaming = own_api::invoked(parts.uri.path(), before, after).filter(|_| parts.method == Method::POST);
    let is_aws_invocation = aws::is_invocation(&parts);
    let takes_packages = aws::is_upload(&parts);
    let bytes_max = match invocation.is_some() || streaming.is_some() || is_aws_invocation {
        true => lambda::PAYLOAD_BYTES_MAX,
        false if takes_packages => aws::UPLOAD_BYTES_MAX,
        false => limits.body_bytes_max,
    };
    let read_bytes_max = match own_api::owns(parts.uri.path()) {
        true => bytes_max,
        false => aws::read_bytes_max(&parts.headers, bytes_max),
    };
    let begun = Instant::now();
    let bytes_upper = body.size_hint().upper().unwrap_or(u64::MAX);
    let is_upload = takes_packages && bytes_upper > aws::read_bytes_max(&parts.headers, limits.body_bytes_max) as u64;
    // Nobody has a place for a key that nobody has. The body is thrown away, so that whoever sends it gets the answer.
    if is_upload && let Err(refused) = aws::check_key(&shared.source, &parts) {
        return match timeout(limits.request_timeout, thrown_away(body, read_bytes_max)).await {
            Ok(()) => *refused,
            Err(_) => too_long(),
        };
    }
    // A place comes before the body, and is kept until the answer.
    let pass = parts.extensions.get::<Arc<Pass>>().cloned();
    let uploads = match &pass {
        Some(_) => &shared.doors.uploads,
        None => &shared.uploads,
    };
    let _upload = match is_upload {
        true => match timeout(limits.request_timeout, uploads.acquire()).await {
            Ok(place) => place.ok(),
            Err(_) => return too_long(),
        },
        false => None,
    };
    let _room = match &pass {
        Some(pass) if !is_upload => {
            let bytes = bytes_upper.min(read_bytes_max as u64);
            match pass.room(bytes, limits.request_timeout).await {
                None => return too_long(),
                room => room,
            }
        }
        _ => None,
    };
    let payload = match timeout(limits.request_timeout, whole(body, read_bytes_max)).await {
        Ok(Ok(payload)) => payload,
        Ok(Err(answer)) => return *answer,
        Err(_) => return too_long(),
    };
    if let Some(function) = invocation {
        let _long = long_calls.begin_invocation(shared);
        let answering = own_api::invoke(shared, &parts, &function, payload);
        return timeout(limits.invocation_timeout, answering)
            .await
            .unwrap_or_else(|_| too_long());
    }
    if is_aws_invocation {
        let _long = long_calls.begin_invocation(shared);
        return timeout(limits.invocation_timeout, aws::invoke(shared, &parts, payload))
            .await
            .unwrap_or_else(|_| too_long());
    }
    if let Some(function) = streaming {
        let answering = stream(shared, long_calls, &parts, &function, payload);
        return timeout(limits.invocation_timeout, answering)
            .await
            .unwrap_or_else(|_| too_long());
    }
    let Payload::Whole(body) = payload else {
        if !own_api::owns(parts.uri.path()) {
            return aws::too_large(&parts, bytes_max);
        }
        let message = format!("the body is over {bytes_max} bytes");
        return answer::refusal(StatusCode::PAYLOAD_TOO_LARGE, &message);
    };
    let left = limits.request_timeout.saturating_sub(begun.elapsed());
    let _place = match &pass {
        Some(pass) => match pass.place(&shared.doors, left).await {
            None => return too_long(),
            place => place,
        },
        None => None,
    };
    let left = limits.request_timeout.saturating_sub(begun.elapsed());
    timeout(left, answered(shared, long_calls, &parts, &body))
        .await
        .unwrap_or_else(|_| too_long())
}

/// InvokeWithResponseStream. The answer goes on when this returns.
async fn stream<S: Source>(
    shared: &Arc<Shared<S>>,
    long_calls: &LongCalls,
    parts: &Parts,
    function: &str,
    payload: Payload,
) -> Answer {
    // Of a body that is too large the signature cannot be told; nothing is done for whoever sent it.
    let Payload::Whole(body) = payload else {
        return lambda::error::LambdaError::too_large().answer(&aws::request_id());
    };
    let (scope, body) = match aws::check_lambda(shared, parts, &body) {
        Ok(allowed) => allowed,
        Err(refused) => return *refused,
    };
    let payload = Payload::Whole(body);
    // AWS ignores what it does not know.
    let qualifier = own_api::qualifier(parts, |_| true).unwrap_or_default();
    let call = long_calls.begin_invocation(shared);
    let headers = aws::traced(shared, parts);
    lambda::stream::invoke(shared, &scope, function, qualifier.as_deref(), &headers, payload, call).await
}

async fn answered<S: Source>(shared: &Arc<Shared<S>>, long_calls: &LongCalls, parts: &Parts, body: &[u8]) -> Answer {
    if own_api::owns(parts.uri.path()) {
        own_api::answer(shared, long_calls, parts, body).await
    } else {
        aws::answer(shared, long_calls, parts, body).await
    }
}

#[cfg(test)]
mod tests;
