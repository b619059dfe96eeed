//! Thousands of clients and targets that take their time: memory stays bounded, and everybody else is served.

use crate::world::{Group, World};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use testkit::{BOUND, anonymous_kilobytes, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Clients at once.
pub(crate) const SLOW: usize = 2_000;
/// Bytes of a body: more than the sockets on its way hold.
const BODY_BYTES: usize = 16 * 1024 * 1024;
/// What the sockets of clients and of the target hold, more or less.
const SOCKET_BYTES: usize = 8 * 1024;
/// Segments as on a real network. The kernel sizes the buffers of the other side by them, and those of the loopback are of
/// 64 KB: thousands of connections would fill all memory that it has for sockets.
const SEGMENT_BYTES: u32 = 1_460;
/// What each of them may cost, at most: room to read into on both sides, and what waits to be sent.
const KILOBYTES_EACH_MAX: u64 = 64;

/// A target for thousands of connections at once, on one thread. It moves bodies as fast as it is let.
pub(crate) struct Target {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    open: AtomicU64,
    asked: AtomicU64,
    /// Bytes of bodies that were sent and read.
    moved: AtomicU64,
    /// Whether it reads the bodies of requests.
    reads: AtomicBool,
    over: AtomicBool,
}

pub(crate) fn small_socket() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(SOCKET_BYTES).unwrap();
    socket.set_send_buffer_size(SOCKET_BYTES).unwrap();
    socket.set_tcp_mss(SEGMENT_BYTES).unwrap();
    socket
}

impl Target {
    pub(crate) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let listener = small_socket();
        listener
            .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
            .unwrap();
        listener.listen(1024).unwrap();
        let listener = std::net::TcpListener::from(listener);
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let serving = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime, async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    if serving.over.load(Ordering::SeqCst) {
                        return;
                    }
                    let shared = serving.clone();
                    tokio::task::spawn_local(async move {
                        shared.open.fetch_add(1, Ordering::SeqCst);
                        let _ = shared.serve(stream).await; // the other side may close at any time
                        shared.open.fetch_sub(1, Ordering::SeqCst);
                    });
                }
            });
        });
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }

    pub(crate) fn open(&self) -> u64 {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Waits until so many requests have come and nothing moves any more.
    #[track_caller]
    pub(crate) fn is_stuck(&self, asked: u64) {
        until("all are asked", || {
            (self.shared.asked.load(Ordering::SeqCst) >= asked).then_some(())
        });
        let mut before = (0, 0);
        until("nothing moves any more", || {
            let moved = self.shared.moved.load(Ordering::SeqCst);
            // So often the same that everybody has had his turn.
            before = if before.0 == moved {
                (moved, before.1 + 1)
            } else {
                (moved, 0)
            };
            (before.1 == 200).then_some(())
        });
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // so that it looks
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Shared {
    /// One request: a download, or an upload of which it reads as much as it is told to.
    async fn serve(&self, mut stream: tokio::net::TcpStream) -> std::io::Result<()> {
        let mut bytes = vec![0; 4096];
        let mut head = Vec::new();
        let end = loop {
            if let Some(at) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            match stream.read(&mut bytes).await? {
                0 => return Ok(()),
                count => head.extend_from_slice(&bytes[..count]),
            }
        };
        self.asked.fetch_add(1, Ordering::SeqCst);
        if head.windows(9).any(|window| window == b"\nUpgrade:") {
            let agree = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
            stream.write_all(agree.as_bytes()).await?;
            return self.talk(&mut stream).await;
        }
        if head.starts_with(b"GET ") {
            let response = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {BODY_BYTES}\r\n\r\n");
            stream.write_all(response.as_bytes()).await?;
            let mut left = BODY_BYTES;
            let piece = [b'x'; 16 * 1024];
            while left > 0 {
                let count = stream.write(&piece[..left.min(piece.len())]).await?;
                self.moved.fetch_add(count as u64, Ordering::SeqCst);
                left -= count;
            }
            return Ok(());
        }
        let mut left = BODY_BYTES - (head.len() - end);
        while left > 0 {
            if !self.reads.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
                tokio::time::timeout(std::time::Duration::from_millis(50), std::future::pending::<()>())
                    .await
                    .ok();
                continue;
            }
            match stream.read(&mut bytes).await? {
                0 => return Ok(()),
                count => {
                    left = left.saturating_sub(count);
                    self.moved.fetch_add(count as u64, Ordering::SeqCst);
                }
            }
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ndone")
            .await
    }
}

impl Shared {
    /// Says much, and hears nothing of what is said meanwhile.
    async fn talk(&self, stream: &mut tokio::net::TcpStream) -> std::io::Result<()> {
        let piece = [b'x'; 16 * 1024];
        loop {
            let count = stream.write(&piece).await?;
            self.moved.fetch_add(count as u64, Ordering::SeqCst);
        }
    }
}

/// One after the other: together they would fill what small machines have for sockets.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Both ends of all connections but those of the server are in this process.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
    let enough = current.is_none_or(|files| files >= 3 * SLOW as u64);
    assert!(
        enough,
        "this machine allows {current:?} open files, and the test needs {}",
        3 * SLOW
    );
}

pub(crate) fn world(target: &Target) -> World {
    allow_many_files();
    World::start_with(vec![Group::of("slow", target.address)], 120, |folder| {
        folder.up(&["--publish", "8443:0"])
    })
}

/// What the clients that are open now have cost, in kilobytes for each.
#[track_caller]
pub(crate) fn costs(world: &World, before: u64, what: &str) {
    costs_at_most(world, before, what, KILOBYTES_EACH_MAX);
}

/// The same with another bound.
#[track_caller]
pub(crate) fn costs_at_most(world: &World, before: u64, what: &str, kilobytes_each_max: u64) {
    let now = anonymous_kilobytes(world.server.pid());
    let each = now.saturating_sub(before) / SLOW as u64;
    println!("{SLOW} {what}: {before} kB before, {now} kB now, {each} kB each");
    assert!(each <= kilobytes_each_max, "{what}: {before} kB have become {now} kB");
    world.serves();
}

/// Sends a request, and as much of a body as is taken at once.
pub(crate) fn begin(world: &World, request: &str, body: &[u8]) -> TcpStream {
    let socket = small_socket();
    socket.connect(&world.listener().into()).unwrap();
    let mut socket = TcpStream::from(socket);
    socket.set_read_timeout(Some(BOUND)).unwrap();
    socket.set_write_timeout(Some(BOUND)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    socket.write_all(body).unwrap();
    socket
}

/// Pushes until nothing more is taken; how much was.
pub(crate) fn push(socket: &mut TcpStream, bytes: usize) -> usize {
    socket.set_nonblocking(true).unwrap();
    let piece = [b'x'; 16 * 1024];
    let mut pushed = 0;
    while pushed < bytes {
        match socket.write(&piece[..piece.len().min(bytes - pushed)]) {
            Ok(count) => pushed += count,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                break;
            }
        }
    }
    socket.set_nonblocking(false).unwrap();
    pushed
}

#[test]
fn thousands_of_slow_readers_cost_bounded_memory() {
    let _alone = alone();
    let target = Target::start();
    let world = world(&target);
    let before = anonymous_kilobytes(world.server.pid());
    let mut most = Vec::new();
    for round in 1..=3 {
        let request = "GET /slow/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let mut slow: Vec<_> = (0..SLOW).map(|_| begin(&world, request, b"")).collect();
        target.is_stuck((round * SLOW) as u64);
        costs(&world, before, "slow readers");
        // Each takes a little, again and again.
        let mut some = [0; 4096];
        for _ in 0..4 {
            for socket in &mut slow {
                socket.read_exact(&mut some).unwrap();
            }
            target.is_stuck((round * SLOW) as u64);
        }
        costs(&world, before, "slow readers after a while");
        most.push(anonymous_kilobytes(world.server.pid()));
        // A few take everything, and it is all there; the others leave.
        for socket in slow.iter_mut().take(5) {
            let mut rest = Vec::new();
            socket.read_to_end(&mut rest).unwrap();
            assert!(rest.len() + 4 * some.len() > BODY_BYTES, "{} bytes", rest.len());
        }
        drop(slow);
        until("the target is let go of", || (target.open() == 0).then_some(()));
        world.settles();
    }
    let before = most[0].max(most[1]);
    assert!(
        most[2] < before + before / 4,
        "{most:?} kB: the third time costs more than those before"
    );
}

#[test]
fn thousands_of_slow_writers_and_a_target_that_does_not_read_cost_bounded_memory() {
    let _alone = alone();
    let target = Target::start();
    let world = world(&target);
    let before = anonymous_kilobytes(world.server.pid());
    let mut most = Vec::new();
    for round in 1..=3 {
        target.shared.reads.store(false, Ordering::SeqCst);
        let head = format!(
            "POST /slow/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
        );
        // Half of them send next to nothing, half of them all that they can.
        let mut slow: Vec<_> = (0..SLOW).map(|_| (begin(&world, &head, b"x"), 1)).collect();
        target.is_stuck((round * SLOW) as u64);
        costs(&world, before, "slow writers");
        for _ in 0..4 {
            for (socket, sent) in slow.iter_mut().skip(SLOW / 2) {
                *sent += push(socket, BODY_BYTES - *sent);
            }
        }
        costs(&world, before, "writers to a target that does not read");
        most.push(anonymous_kilobytes(world.server.pid()));
        // The target reads again: a few send everything and are answered; the others leave.
        target.shared.reads.store(true, Ordering::SeqCst);
        let last = slow.split_off(SLOW - 5);
        for (mut socket, sent) in slow.drain(..5).chain(last) {
            socket.write_all(&vec![b'x'; BODY_BYTES - sent]).unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).unwrap();
            assert!(answer.ends_with("done"), "{answer:?}");
        }
        drop(slow);
        until("the target is let go of", || (target.open() == 0).then_some(()));
        world.settles();
    }
    let before = most[0].max(most[1]);
    assert!(
        most[2] < before + before / 4,
        "{most:?} kB: the third time costs more than those before"
    );
}
