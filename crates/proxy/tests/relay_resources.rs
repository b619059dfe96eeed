//! Memory and descriptors of relaying, of a whole process: a test binary of its own, whose tests run one after the other.
//! The targets are tasks of one thread that hold nothing, so that what grows is the proxy.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "http/relay/origin.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod origin;
#[path = "http/played.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod played;
#[path = "http/support.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod support;

use origin::{GET, to, until_quiet};
use played::until;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use support::*;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Every test ends its server before it lets the next one begin.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn set_descriptors_max(max: Option<u64>) -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    let current = max.or(before.maximum);
    setrlimit(Resource::Nofile, Rlimit { current, ..before }).unwrap();
    before
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count() - 1 // the directory itself
}

/// Anonymous memory of this process, in KiB.
fn anonymous_kib() -> usize {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A socket whose kernel buffers are small, with segments as on a real network: by those the kernel sizes the buffers of the
/// other side. A thousand loopback connections as they come fill all memory that it has for sockets, and then everything waits
/// for retransmissions.
fn small_socket() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    socket.set_send_buffer_size(8 * 1024).unwrap();
    socket.set_tcp_mss(1_460).unwrap();
    socket
}

fn connect_small(server: &Server) -> TcpStream {
    let socket = small_socket();
    socket.connect(&server.address.into()).unwrap();
    socket.into()
}

/// What a lean target does with a connection, once it has read a head.
#[derive(Clone, Copy)]
enum Does {
    /// Answers each request with so many bytes.
    Answers(usize),
    /// Reads nothing more.
    Hangs,
    /// Agrees to a WebSocket and says nothing.
    Upgrades,
}

/// Thousands of connections in one thread.
struct Lean {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    over: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Lean {
    fn start(does: Does) -> Self {
        let (told, address) = std::sync::mpsc::channel();
        let (over, ended) = oneshot::channel();
        let asked = Arc::new(AtomicUsize::new(0));
        let seen = asked.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = small_socket();
                listener
                    .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
                    .unwrap();
                listener.listen(1024).unwrap();
                listener.set_nonblocking(true).unwrap();
                let listener = TcpListener::from_std(listener.into()).unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                let serve = async {
                    let tasks = tokio::task::LocalSet::new();
                    tasks
                        .run_until(async {
                            loop {
                                match listener.accept().await {
                                    Ok((stream, _)) => {
                                        drop(tokio::task::spawn_local(serve(stream, does, seen.clone())));
                                    }
                                    Err(_) => tokio::task::yield_now().await, // no descriptor is left
                                }
                            }
                        })
                        .await;
                };
                tokio::select! {
                    () = serve => {}
                    _ = ended => {}
                }
            });
        });
        Self {
            address: address.recv().unwrap(),
            asked,
            over: Some(over),
            thread: Some(thread),
        }
    }

    /// Heads that it has read.
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Lean {
    fn drop(&mut self) {
        drop(self.over.take());
        let well = self.thread.take().is_none_or(|thread| thread.join().is_ok());
        assert!(well || std::thread::panicking());
    }
}

/// How many heads end in what is there to read, or nothing at the end of the connection. Heads end as `GET` of this test do.
fn heads_in(stream: &tokio::net::TcpStream, last: &mut u32) -> Option<usize> {
    // Not held while it waits.
    let mut bytes = [0; 4096];
    let count = match stream.try_read(&mut bytes) {
        Ok(0) => return None,
        Ok(count) => count,
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(_) => return None,
    };
    let ends = bytes[..count].iter().filter(|&&byte| {
        *last = (*last << 8) | u32::from(byte);
        last.to_be_bytes() == *b"\r\n\r\n"
    });
    Some(ends.count())
}

async fn serve(mut stream: tokio::net::TcpStream, does: Does, asked: Arc<AtomicUsize>) {
    let mut last = 0;
    while stream.readable().await.is_ok() {
        let Some(heads) = heads_in(&stream, &mut last) else {
            return;
        };
        for _ in 0..heads {
            asked.fetch_add(1, Ordering::SeqCst);
            match does {
                Does::Answers(bytes) if answer(&mut stream, bytes).await.is_ok() => {}
                Does::Answers(_) => return,
                Does::Hangs => std::future::pending().await,
                Does::Upgrades => {
                    let agree =
                        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
                    let _ = stream.write_all(agree).await; // the client may have left
                }
            }
        }
    }
}

async fn answer(stream: &mut tokio::net::TcpStream, mut bytes: usize) -> std::io::Result<()> {
    static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    while bytes > 0 {
        let count = bytes.min(PIECE.len());
        stream.write_all(&PIECE[..count]).await?;
        bytes -= count;
    }
    Ok(())
}

const SLOW: usize = 1000;

#[test]
fn slow_readers_cost_bounded_memory() {
    let _alone = alone();
    let before = set_descriptors_max(None);
    let target = Lean::start(Does::Answers(5_000_000));
    let server = to(&[target.address]).start();
    let empty = anonymous_kib();
    let slow: Vec<_> = (0..SLOW)
        .map(|_| {
            let mut stream = connect_small(&server);
            stream.write_all(GET.as_bytes()).unwrap();
            stream
        })
        .collect();
    until("all are asked", || target.asked() == SLOW);
    until("all are being answered", || {
        server.counter("albacore_proxy_lent_buffers") as usize == SLOW
    });
    let grown = anonymous_kib().saturating_sub(empty);
    assert!(grown < 70 * 1024, "{grown} KiB, {} each", grown / SLOW);
    assert!(server.get("/").body.len() == 5_000_000, "others are served");
    drop(slow);
    until_quiet(&server);
    drop(server.log());
    setrlimit(Resource::Nofile, before).unwrap();
}

#[test]
fn slow_targets_cost_bounded_memory() {
    let _alone = alone();
    let before = set_descriptors_max(None);
    let target = Lean::start(Does::Hangs);
    let server = to(&[target.address]).start();
    let empty = anonymous_kib();
    let piece = vec![b'x'; 64 * 1024];
    let uploads: Vec<TcpStream> = (0..SLOW)
        .map(|_| {
            let mut stream = connect_small(&server);
            let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n";
            stream.write_all(head).unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        })
        .collect();
    until("all are asked", || target.asked() == SLOW);
    // As much as goes: what is full now stays so, because nobody reads.
    let mut open = uploads.iter().collect::<Vec<_>>();
    while !open.is_empty() {
        open.retain_mut(|stream| match stream.write(&piece) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                false
            }
        });
    }
    let grown = anonymous_kib().saturating_sub(empty);
    assert!(grown < 90 * 1024, "{grown} KiB, {} each", grown / SLOW);
    drop(uploads);
    drop(target);
    assert_eq!(until_quiet(&server), 0);
    drop(server.log());
    setrlimit(Resource::Nofile, before).unwrap();
}

#[test]
fn websockets_that_say_nothing_hold_no_buffers() {
    let _alone = alone();
    let before = set_descriptors_max(None);
    let target = Lean::start(Does::Upgrades);
    let server = to(&[target.address]).start();
    let ask = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n";
    let open = |server: &Server| {
        let mut client = server.connect();
        client.send(ask);
        assert_eq!(client.response().status, 101);
        client.stream
    };
    drop(open(&server));
    let empty = anonymous_kib();
    let idle: Vec<_> = (0..SLOW).map(|_| open(&server)).collect();
    until("nothing is in hand", || {
        server.counter("albacore_proxy_lent_buffers") == 0.0
    });
    let grown = anonymous_kib().saturating_sub(empty);
    assert!(grown < SLOW * 8, "{grown} KiB: {} bytes each", grown * 1024 / SLOW);
    drop(idle);
    assert_eq!(until_quiet(&server), 0);
    drop(server.log());
    setrlimit(Resource::Nofile, before).unwrap();
}

#[test]
fn connections_that_wait_hold_no_buffers() {
    let _alone = alone();
    let before = set_descriptors_max(None);
    let target = Lean::start(Does::Answers(5));
    let server = to(&[target.address]).start();
    let mut clients: Vec<_> = (0..SLOW).map(|_| server.connect()).collect();
    let mut ask_all = || {
        clients.iter_mut().for_each(|client| client.send(GET.as_bytes()));
        clients
            .iter_mut()
            .for_each(|client| assert_eq!(client.response().body.len(), 5));
    };
    ask_all();
    let waiting = || server.counter("albacore_proxy_idle_target_connections") as usize;
    until("connections wait", || waiting() > 0);
    let before_more = (waiting(), anonymous_kib());
    for _ in 0..5 {
        ask_all();
    }
    let grown = anonymous_kib().saturating_sub(before_more.1);
    assert!(
        grown < 8 * 1024,
        "{grown} KiB, from {} to {} connections",
        before_more.0,
        waiting()
    );
    drop(clients);
    until_quiet(&server);
    drop(server.log());
    setrlimit(Resource::Nofile, before).unwrap();
}

/// Without a descriptor left a request is answered 503, unless a connection that waits can give its own to it.
#[test]
fn without_descriptors_requests_are_refused_and_others_go_on() {
    let _alone = alone();
    let target = Lean::start(Does::Answers(5));
    let groups = ["web", "other"].map(|name| origin::group(name, &[target.address], |_| ()));
    let mut setup = to(&[]).rule(1, vec![path(&["/other"])], forward(&[("other", 1)], None));
    setup.extra = groups.to_vec();
    // Nothing is opened behind the test's back.
    setup.limits.health_check_spread = std::time::Duration::from_secs(3600);
    let server = setup.start();
    let mut client = server.connect();
    let mut ask = |path: &str| {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        client.response().status
    };
    assert_eq!(ask("/nowhere"), 200);
    let waiting = || server.counter("albacore_proxy_target_connections") as usize;
    until("its connection waits", || waiting() == 1);
    let limit = set_descriptors_max(Some(descriptors() as u64 + 5));
    let mut fill: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    for path in ["/other", "/", "/other", "/other"] {
        assert_eq!(ask(path), 200, "{path}");
        assert_eq!(waiting(), 1, "the other one gave its descriptor to it");
    }
    // Two connections need four descriptors.
    fill.truncate(fill.len() - 2);
    assert_eq!((ask("/"), waiting()), (200, 2));
    drop(fill);
    setrlimit(Resource::Nofile, limit).unwrap();
    drop(client);
    until_quiet(&server);
    drop(server.log());
}

#[test]
fn without_a_descriptor_it_is_503() {
    let _alone = alone();
    let target = Lean::start(Does::Answers(5));
    let mut setup = to(&[target.address]);
    setup.limits.health_check_spread = std::time::Duration::from_secs(3600);
    let server = setup.start();
    let mut client = server.connect();
    // Now it is being served.
    client.send(b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 405);
    let limit = set_descriptors_max(Some(descriptors() as u64 + 5));
    let fill: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    client.send(GET.as_bytes());
    assert_eq!(client.response().status, 503);
    drop(fill);
    setrlimit(Resource::Nofile, limit).unwrap();
    client.send(GET.as_bytes());
    assert_eq!(client.response().status, 200);
    drop(client);
    until_quiet(&server);
    let log = server.log();
    assert_eq!(
        (log[1][8].as_str(), log[1][24].as_str()),
        ("503", "TargetConnectionLimit")
    );
}

#[test]
fn no_descriptor_is_left_behind() {
    let _alone = alone();
    let target = Lean::start(Does::Answers(300_000));
    let server = to(&[target.address]).start();
    assert_eq!(server.get("/").status, 200);
    until_quiet(&server);
    let before = descriptors();
    for round in 0..300 {
        let mut client = server.connect();
        client.send(GET.as_bytes());
        match round % 3 {
            0 => {}
            1 => drop(client.some()),
            _ => assert_eq!(client.response().status, 200),
        }
    }
    until_quiet(&server);
    // A connection to a target has both its ends here.
    let waiting = || server.counter("albacore_proxy_target_connections") as usize;
    until("only connections that wait are left", || {
        descriptors() <= before + 2 * (waiting() - 1)
    });
    drop(server.log());
}
