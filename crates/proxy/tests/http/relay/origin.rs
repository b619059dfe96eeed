//! Targets that play a script, connection by connection and byte by byte, and remember what they were sent.

use crate::played::until;
use crate::support::*;
use model::command::target_group::CreateTargetGroup;
use model::elb::health_check::{HealthCheckPort, ServerHealthCheck};
use model::elb::name::TargetGroupName;
use model::elb::target_group::{
    IpAddressType, ProtocolVersion, ServerTargets, ServerType, Target, TargetGroupAttributes, TargetId, TargetKind,
    TargetProtocol, Zone,
};
use model::observed::ReportedTarget;
use model::{Command, Owner};
use socket2::SockRef;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";

type Script = dyn Fn(&mut Line) + Send + Sync;

/// A server that plays a script on each of its connections.
pub(crate) struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    script: Box<Script>,
    accepted: AtomicUsize,
    open: AtomicUsize,
    over: AtomicBool,
    /// What came on each connection.
    received: Mutex<Vec<Vec<u8>>>,
    streams: Mutex<Vec<TcpStream>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// One connection of an origin. What goes wrong in a script fails the test when the origin is dropped.
pub(crate) struct Line {
    pub(crate) stream: TcpStream,
    /// Which connection it is, from 0.
    pub(crate) number: usize,
    shared: Arc<Shared>,
    buffer: Vec<u8>,
}

/// What a target was asked.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.headers(name).next()
    }

    pub(crate) fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

impl Origin {
    /// Plays a script on every connection; it is closed when the script ends.
    pub(crate) fn playing(script: impl Fn(&mut Line) + Send + Sync + 'static) -> Self {
        Self::on(Ipv4Addr::LOCALHOST.into(), script)
    }

    pub(crate) fn on(address: IpAddr, script: impl Fn(&mut Line) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            received: Mutex::default(),
            streams: Mutex::default(),
            threads: Mutex::default(),
        });
        let seen = shared.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.over.load(Ordering::SeqCst) {
                    return;
                }
                Shared::play(&seen, stream.unwrap());
            }
        });
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }

    /// Answers every request in one way.
    pub(crate) fn answering(response: impl Into<Vec<u8>>) -> Self {
        let response = response.into();
        Self::playing(move |line| line.answer_all(&response))
    }

    /// Answers one request on each connection, which is closed then.
    pub(crate) fn answering_once(response: impl Into<Vec<u8>>) -> Self {
        let response = response.into();
        Self::playing(move |line| {
            if line.request().is_some() {
                line.send(&response);
            }
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that were accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Connections whose script has not ended.
    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// What came on each connection, as text.
    pub(crate) fn received(&self) -> Vec<String> {
        let received = self.shared.received.lock().unwrap();
        received
            .iter()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .collect()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // so that it looks
        let mut well = self.thread.take().is_none_or(|thread| thread.join().is_ok());
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both); // it may be closed already
        }
        let threads = std::mem::take(&mut *self.shared.threads.lock().unwrap());
        for thread in threads {
            well &= thread.join().is_ok();
        }
        assert!(well || std::thread::panicking(), "a script of a target failed");
    }
}

impl Shared {
    fn play(shared: &Arc<Self>, stream: TcpStream) {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        shared.streams.lock().unwrap().push(stream.try_clone().unwrap());
        let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
        shared.open.fetch_add(1, Ordering::SeqCst);
        shared.received.lock().unwrap().push(Vec::new());
        let shared = shared.clone();
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || {
                let mut line = Line {
                    stream,
                    number,
                    shared: shared.clone(),
                    buffer: Vec::new(),
                };
                // Counted down even if the script fails.
                struct Open(Arc<Shared>);
                impl Drop for Open {
                    fn drop(&mut self) {
                        self.0.open.fetch_sub(1, Ordering::SeqCst);
                    }
                }
                let open = Open(shared.clone());
                (shared.script)(&mut line);
                line.forget();
                drop(open);
            }
        });
        shared.threads.lock().unwrap().push(thread);
    }
}

impl Line {
    fn read(&mut self) -> usize {
        let mut bytes = [0; 64 * 1024];
        let count = self.stream.read(&mut bytes).unwrap_or_default();
        self.buffer.extend_from_slice(&bytes[..count]);
        self.shared.received.lock().unwrap()[self.number].extend_from_slice(&bytes[..count]);
        count
    }

    /// Closes both copies of the socket.
    fn forget(&mut self) {
        let peer = self.stream.peer_addr().ok();
        let mut streams = self.shared.streams.lock().unwrap();
        streams.retain(|stream| stream.peer_addr().ok() != peer || peer.is_none());
    }

    /// The next head with its empty line; `None` when the connection ends before it.
    pub(crate) fn head(&mut self) -> Option<String> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if self.read() == 0 {
                return None;
            }
        };
        Some(String::from_utf8(self.buffer.drain(..end).collect()).unwrap())
    }

    /// So many bytes; fewer when the connection ends.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count && self.read() > 0 {}
        let count = count.min(self.buffer.len());
        self.buffer.drain(..count).collect()
    }

    fn until_line_end(&mut self) -> String {
        let end = loop {
            if let Some(at) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                break at + 2;
            }
            assert!(self.read() > 0, "closed in the middle of a line");
        };
        String::from_utf8(self.buffer.drain(..end).collect()).unwrap()
    }

    /// The next chunk; empty at the end of the body.
    pub(crate) fn chunk(&mut self) -> Vec<u8> {
        let size = self.until_line_end();
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
        let data = self.bytes(size);
        assert_eq!(self.until_line_end(), "\r\n", "a chunk, and nothing else");
        data
    }

    /// The next request with its body; `None` when the connection ends before it.
    pub(crate) fn request(&mut self) -> Option<Asked> {
        let head = self.head()?;
        let mut asked = Asked { head, body: Vec::new() };
        if let Some(length) = asked.header("content-length").map(|length| length.parse().unwrap()) {
            asked.body = self.bytes(length);
        } else if asked.header("transfer-encoding") == Some("chunked") {
            loop {
                let chunk = self.chunk();
                if chunk.is_empty() {
                    break;
                }
                asked.body.extend_from_slice(&chunk);
            }
        }
        Some(asked)
    }

    /// Answers requests until the connection ends.
    pub(crate) fn answer_all(&mut self, response: &[u8]) {
        while self.request().is_some() {
            self.send(response);
        }
    }

    /// Nobody may be there any more.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Whatever comes until the connection ends.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.read() > 0 {}
        std::mem::take(&mut self.buffer)
    }

    /// Nothing follows, but what comes is still read.
    pub(crate) fn stop_sending(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write); // the other side may be gone
    }

    /// Closes with a reset.
    pub(crate) fn reset(&mut self) {
        self.forget();
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// Something that a test and a script wait for.
#[derive(Clone, Default)]
pub(crate) struct Latch(Arc<(Mutex<usize>, Condvar)>);

impl Latch {
    /// Lets one that waits go on, now or later.
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() += 1;
        self.0.1.notify_one();
    }

    /// Lets time pass, where somebody slow is played.
    pub(crate) fn pause(&self, time: Duration) {
        let (passes, opened) = &*self.0;
        let passes = passes.lock().unwrap();
        drop(opened.wait_timeout_while(passes, time, |passes| *passes == 0));
    }

    pub(crate) fn wait(&self) {
        let (passes, opened) = &*self.0;
        let passes = passes.lock().unwrap();
        let (mut passes, waited) = opened
            .wait_timeout_while(passes, PATIENCE, |passes| *passes == 0)
            .unwrap();
        assert!(!waited.timed_out(), "nobody opened it");
        *passes -= 1;
    }
}

pub(crate) fn target(address: SocketAddr) -> Target {
    Target {
        id: TargetId::Ip(address.ip()),
        port: address.port(),
        address: address.ip(),
        zone: Zone::Own,
    }
}

/// A group of servers. Its health checks go where nobody answers, so that scripts see requests alone: all targets are
/// unhealthy, and all get requests (ALB 5.6).
pub(crate) fn group(name: &str, targets: &[SocketAddr], change: impl FnOnce(&mut ServerTargets)) -> Command {
    let mut servers = ServerTargets {
        target_type: ServerType::Ip,
        protocol: TargetProtocol::Http,
        protocol_version: ProtocolVersion::Http1,
        port: 80,
        vpc: None,
        ip_address_type: match targets.first() {
            Some(SocketAddr::V6(_)) => IpAddressType::Ipv6,
            _ => IpAddressType::Ipv4,
        },
        health_check: ServerHealthCheck {
            port: HealthCheckPort::Port(1),
            ..ServerHealthCheck::of_servers(ProtocolVersion::Http1)
        },
        attributes: TargetGroupAttributes::default(),
        targets: targets.iter().copied().map(target).collect(),
    };
    change(&mut servers);
    Command::CreateTargetGroup(CreateTargetGroup {
        arn: group_arn(name),
        name: TargetGroupName::try_from(name).unwrap(),
        targets: TargetKind::Servers(servers),
        owner: Owner::Manifest,
    })
}

/// All requests go to one group, `web`, of these servers.
pub(crate) fn to(targets: &[SocketAddr]) -> Setup {
    Setup {
        default: forward(&[("web", 1)], None),
        extra: vec![group("web", targets, |_| ())],
        ..Setup::default()
    }
}

/// One server, and a proxy in front of it.
pub(crate) fn before(origin: &Origin) -> Server {
    to(&[origin.address()]).start()
}

/// A load balancer whose patience is a second.
pub(crate) fn impatient(mut setup: Setup) -> Setup {
    setup.attributes.idle_timeout = Duration::from_secs(1);
    setup
}

/// Waits until nothing of what was is left: no connection, no request, no timer, no buffer, but connections to targets that
/// wait for the next request, with a timer each. Says how many those are.
pub(crate) fn until_quiet(server: &Server) -> usize {
    let gauge = |name: &str| server.counter(&format!("albacore_proxy_{name}")) as usize;
    let busy = || -> usize {
        let reports = server.proxy.targets();
        let of = |report: &model::observed::TargetReport| match &report.target {
            ReportedTarget::Server(server) => server.outstanding as usize,
            ReportedTarget::Function(_) => 0,
        };
        reports.iter().map(of).sum()
    };
    until("all clients are gone", || server.proxy.connections() == 0);
    until("no request is in progress", || busy() == 0);
    until("no connection to a target is in use", || {
        gauge("target_connections") == gauge("idle_target_connections")
    });
    until("no buffer is lent", || gauge("lent_buffers") == 0);
    until("no timer is left", || gauge("timers") == gauge("target_connections"));
    gauge("target_connections")
}
