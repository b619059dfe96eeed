//! Targets that speak HTTP/2 and do with each request what a test tells them, and groups of them.

use crate::frames::*;
use crate::relay::origin::{self, impatient};
use crate::secure::*;
use crate::support::*;
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::server::{Builder, SendResponse};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use model::Command;
use model::elb::health_check::ServerHealthCheck;
use model::elb::target_group::{ProtocolVersion, TargetProtocol};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};
use tokio_rustls::TlsAcceptor;

/// What a test reads of an answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

/// A target, on a thread of its own. What goes wrong in its script fails the test when it is dropped.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

/// What came to a target.
#[derive(Default)]
pub(crate) struct Seen {
    /// Connections that were accepted, and those that are still open.
    accepted: AtomicUsize,
    open: AtomicUsize,
    /// Heads of requests.
    heads: Mutex<Vec<http::request::Parts>>,
    /// Streams that are in the hands of the script.
    running: AtomicUsize,
    failed: AtomicBool,
    leave: Notify,
    over: Notify,
}

impl Seen {
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    pub(crate) fn heads(&self) -> Vec<http::request::Parts> {
        self.heads.lock().unwrap().clone()
    }

    /// Its connections are to end gracefully.
    pub(crate) fn leave(&self) {
        self.leave.notify_waiters();
    }
}

/// One request to a target.
pub(crate) struct Asked {
    pub(crate) parts: http::request::Parts,
    pub(crate) body: RecvStream,
    pub(crate) respond: SendResponse<Bytes>,
}

impl Target {
    /// Plays a script on every stream, in clear text.
    pub(crate) fn playing<F: Future<Output = ()> + 'static>(script: impl Fn(Asked) -> F + Send + 'static) -> Self {
        Self::with(&Builder::new(), None, script)
    }

    /// The same over TLS.
    pub(crate) fn secure<F: Future<Output = ()> + 'static>(script: impl Fn(Asked) -> F + Send + 'static) -> Self {
        Self::with(&Builder::new(), Some(acceptor(&[b"h2"])), script)
    }

    pub(crate) fn with<F: Future<Output = ()> + 'static>(
        builder: &Builder,
        tls: Option<TlsAcceptor>,
        script: impl Fn(Asked) -> F + Send + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, builder) = (Arc::new(Seen::default()), builder.clone());
        let told = seen.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let script = Rc::new(script);
            LocalSet::new().block_on(&runtime, async {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let stream = tokio::select! {
                        accepted = listener.accept() => accepted.unwrap().0,
                        () = told.over.notified() => return,
                    };
                    stream.set_nodelay(true).unwrap();
                    let (seen, script, builder, tls) = (told.clone(), script.clone(), builder.clone(), tls.clone());
                    seen.accepted.fetch_add(1, Ordering::SeqCst);
                    let open = Counted::new(&seen, |seen| &seen.open);
                    spawn_local(async move {
                        let _open = open;
                        match tls {
                            None => serve(stream, &builder, &seen, &script).await,
                            Some(tls) => {
                                if let Ok(stream) = tls.accept(stream).await {
                                    serve(stream, &builder, &seen, &script).await;
                                }
                            }
                        }
                    });
                }
            });
        });
        Self {
            address,
            seen,
            thread: Some(thread),
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.seen.over.notify_one();
        let well = self.thread.take().is_some_and(|thread| thread.join().is_ok());
        let well = well && !self.seen.failed.load(Ordering::SeqCst);
        assert!(well || std::thread::panicking(), "the script of a target failed");
    }
}

/// Counts something for as long as it lasts, and tells if it ended in a panic.
struct Counted {
    seen: Arc<Seen>,
    counter: fn(&Seen) -> &AtomicUsize,
}

impl Counted {
    fn new(seen: &Arc<Seen>, counter: fn(&Seen) -> &AtomicUsize) -> Self {
        counter(seen).fetch_add(1, Ordering::SeqCst);
        Self {
            seen: seen.clone(),
            counter,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.counter)(&self.seen).fetch_sub(1, Ordering::SeqCst);
        self.seen.failed.fetch_or(std::thread::panicking(), Ordering::SeqCst);
    }
}

async fn serve<S, F>(stream: S, builder: &Builder, seen: &Arc<Seen>, script: &Rc<impl Fn(Asked) -> F + 'static>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = ()> + 'static,
{
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else {
        return;
    };
    loop {
        tokio::select! {
            request = connection.accept() => {
                let Some(Ok((request, respond))) = request else {
                    return;
                };
                let (parts, body) = request.into_parts();
                seen.heads.lock().unwrap().push(parts.clone());
                let running = Counted::new(seen, |seen| &seen.running);
                let script = script.clone();
                spawn_local(async move {
                    let _running = running;
                    script(Asked { parts, body, respond }).await;
                });
            }
            () = seen.leave.notified() => connection.graceful_shutdown(),
        }
    }
}

impl Asked {
    /// Begins the response.
    pub(crate) fn begin(&mut self, response: Response<()>) -> SendStream<Bytes> {
        self.respond.send_response(response, false).unwrap()
    }

    /// Answers 200 with a body.
    pub(crate) fn answer(&mut self, body: impl Into<Bytes>) {
        self.begin(ok()).send_data(body.into(), true).unwrap();
    }

    /// Reads the body to its end.
    pub(crate) async fn read(&mut self) -> (Vec<u8>, Option<HeaderMap>) {
        let body = collect(&mut self.body).await.unwrap();
        (body, self.body.trailers().await.unwrap())
    }

    /// Until the client has reset the stream; with which code.
    pub(crate) async fn reset(&mut self) -> h2::Reason {
        std::future::poll_fn(|cx| self.respond.poll_reset(cx)).await.unwrap()
    }
}

pub(crate) fn ok() -> Response<()> {
    Response::new(())
}

pub(crate) async fn collect(body: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// The next piece of a body.
pub(crate) async fn piece(body: &mut RecvStream) -> Bytes {
    let data = body.data().await.unwrap().unwrap();
    body.flow_control().release_capacity(data.len()).unwrap();
    data
}

/// Sends as the window allows. `false` when the other side has reset the stream.
pub(crate) async fn send_all(stream: &mut SendStream<Bytes>, mut data: Bytes, ends: bool) -> bool {
    if data.is_empty() && ends {
        return stream.send_data(data, true).is_ok();
    }
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let Some(Ok(capacity)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else {
            return false;
        };
        let piece = data.split_to(capacity.min(data.len()));
        let last = ends && data.is_empty();
        if stream.send_data(piece, last).is_err() {
            return false;
        }
    }
    true
}

/// The whole answer.
pub(crate) async fn answered(response: ResponseFuture) -> Result<Answered, h2::Error> {
    let (parts, mut body) = response.await?.into_parts();
    let bytes = collect(&mut body).await?;
    Ok(Answered {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: bytes,
        trailers: body.trailers().await?,
    })
}

/// One request, and the answer to it.
pub(crate) async fn fetch(requests: &SendRequest<Bytes>, request: Request<()>) -> Result<Answered, h2::Error> {
    let (response, _) = begin(requests, request, true).await;
    answered(response).await
}

/// The same with a body.
pub(crate) async fn upload(
    requests: &SendRequest<Bytes>,
    request: Request<()>,
    body: impl Into<Bytes>,
) -> Result<Answered, h2::Error> {
    let (response, mut stream) = begin(requests, request, false).await;
    let body = body.into();
    // A target may answer before it has everything.
    let sent = spawn_local(async move { send_all(&mut stream, body, true).await });
    let answered = answered(response).await;
    sent.abort();
    answered
}

/// Sends the head of a request when the proxy allows it.
pub(crate) async fn begin(
    requests: &SendRequest<Bytes>,
    request: Request<()>,
    ends: bool,
) -> (ResponseFuture, SendStream<Bytes>) {
    let mut ready = requests.clone().ready().await.unwrap();
    ready.send_request(request, ends).unwrap()
}

pub(crate) fn to_post(path: &str) -> Request<()> {
    Request::post(format!("https://shop.example{path}")).body(()).unwrap()
}

/// A certificate of nobody's, as targets may have one.
pub(crate) fn acceptor(alpn: &[&[u8]]) -> TlsAcceptor {
    let certificate = ecdsa(7, &["target.example"]);
    let chain = CertificateDer::pem_slice_iter(certificate.chain_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(certificate.private_key_pem.expose().as_bytes()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config).into()
}

/// A group, `web`, of targets that speak such a protocol.
pub(crate) fn group(targets: &[SocketAddr], protocol: TargetProtocol, version: ProtocolVersion) -> Command {
    origin::group("web", targets, |servers| {
        servers.protocol = protocol;
        servers.protocol_version = version;
        servers.health_check = ServerHealthCheck {
            port: servers.health_check.port,
            ..ServerHealthCheck::of_servers(version)
        };
    })
}

/// All requests go to such a group, over HTTPS.
pub(crate) fn to(targets: &[SocketAddr], version: ProtocolVersion) -> Setup {
    to_protocol(targets, TargetProtocol::Http, version)
}

pub(crate) fn to_protocol(targets: &[SocketAddr], protocol: TargetProtocol, version: ProtocolVersion) -> Setup {
    let setup = Setup {
        default: forward(&[("web", 1)], None),
        extra: vec![group(targets, protocol, version)],
        ..Setup::default()
    };
    setup.with_tls()
}

/// One target that speaks HTTP/2 in clear text, and a proxy in front of it.
pub(crate) fn before(target: &Target) -> Server {
    to(&[target.address], ProtocolVersion::Http2).start()
}

/// The same with a patience of a second.
pub(crate) fn impatiently_before(target: &Target) -> Server {
    impatient(to(&[target.address], ProtocolVersion::Http2)).start()
}

/// A client and the proxy behind it, for tests that need no more of the connection.
pub(crate) async fn client_of(server: &Server) -> SendRequest<Bytes> {
    client(server).await.0
}

/// Lets time pass, where somebody slow is played.
pub(crate) async fn pause(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

/// Waits while the client's own connection moves.
pub(crate) async fn until(what: &'static str, target: &Target, holds: impl Fn(&Seen) -> bool + Send + 'static) {
    let seen = target.seen.clone();
    let waiting = tokio::task::spawn_blocking(move || crate::played::until(what, || holds(&seen)));
    waiting.await.unwrap();
}
