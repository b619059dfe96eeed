//! Servers that play a script on each of their connections, byte by byte, and remember what they were sent: targets of
//! load balancers in tests.

use crate::wait::BOUND;
use rustix::net::sockopt::set_socket_linger;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

type Script = dyn Fn(&mut Line) + Send + Sync;

/// A server that plays a script on each of its connections, each on a thread of its own.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    script: Box<Script>,
    accepted: AtomicUsize,
    over: AtomicBool,
    failed: AtomicBool,
    open: Mutex<BTreeMap<usize, TcpStream>>,
    received: Mutex<Vec<Vec<u8>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// One connection of an origin. A script that panics fails the test when the origin is dropped.
#[derive(Debug)]
pub struct Line {
    /// The socket; nothing of it may be read but through this value.
    pub stream: TcpStream,
    /// Which connection it is, from 0.
    pub number: usize,
    shared: Arc<Shared>,
    buffer: Vec<u8>,
}

/// A request as a target got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Request line and headers as sent, with the empty line.
    pub head: String,
    /// The body, without chunk sizes.
    pub body: Vec<u8>,
}

impl Request {
    /// The second word of the request line.
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The values of every header line with this name, in order.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines
            .filter(|(its_name, _)| its_name.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }
}

impl Origin {
    /// Plays a script on every connection; it is closed when the script ends.
    ///
    /// # Panics
    ///
    /// When no port is free.
    pub fn playing(script: impl Fn(&mut Line) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            accepted: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            open: Mutex::default(),
            received: Mutex::default(),
            threads: Mutex::default(),
        });
        let accepting = shared.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if accepting.over.load(Ordering::SeqCst) {
                    return;
                }
                Shared::play(&accepting, stream);
            }
        });
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }

    /// Answers every request in one way.
    pub fn answering(response: impl Into<Vec<u8>>) -> Self {
        let response = response.into();
        Self::playing(move |line| while line.request().is_some() && line.send(&response) {})
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that were accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Connections whose script has not ended.
    pub fn open(&self) -> usize {
        locked(&self.shared.open).len()
    }

    /// What came on each connection.
    pub fn received(&self) -> Vec<Vec<u8>> {
        locked(&self.shared.received).clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // so that it looks
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for stream in locked(&self.shared.open).values() {
            let _ = stream.shutdown(Shutdown::Both); // it may be closed already
        }
        let threads = std::mem::take(&mut *locked(&self.shared.threads));
        for thread in threads {
            let _ = thread.join(); // told by `failed`
        }
        let failed = self.shared.failed.load(Ordering::SeqCst);
        assert!(!failed || std::thread::panicking(), "a script of a target failed");
    }
}

/// A script that panics must not hide what the others have done.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    fn play(shared: &Arc<Self>, stream: TcpStream) {
        stream.set_read_timeout(Some(BOUND)).unwrap();
        stream.set_write_timeout(Some(BOUND)).unwrap();
        stream.set_nodelay(true).unwrap();
        let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
        locked(&shared.open).insert(number, stream.try_clone().unwrap());
        locked(&shared.received).push(Vec::new());
        let mut line = Line {
            stream,
            number,
            shared: shared.clone(),
            buffer: Vec::new(),
        };
        // There may be thousands of them.
        let thread = Builder::new().stack_size(256 * 1024).spawn(move || {
            /// Both copies of the socket are closed, even if the script fails.
            struct Open<'a>(&'a Shared, usize);
            impl Drop for Open<'_> {
                fn drop(&mut self) {
                    locked(&self.0.open).remove(&self.1);
                    if std::thread::panicking() {
                        self.0.failed.store(true, Ordering::SeqCst);
                    }
                }
            }
            let shared = line.shared.clone();
            let open = Open(&shared, number);
            (shared.script)(&mut line);
            drop(line);
            drop(open);
        });
        let mut threads = locked(&shared.threads);
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread.unwrap());
    }
}

impl Line {
    /// Reads more; 0 at the end of the connection, and when nothing comes within [`BOUND`].
    pub fn read_more(&mut self) -> usize {
        let mut bytes = [0; 16 * 1024];
        let count = self.stream.read(&mut bytes).unwrap_or_default();
        self.buffer.extend_from_slice(&bytes[..count]);
        locked(&self.shared.received)[self.number].extend_from_slice(&bytes[..count]);
        count
    }

    /// The next head with its empty line; `None` when the connection ends before it.
    pub fn head(&mut self) -> Option<String> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if self.read_more() == 0 {
                return None;
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        Some(String::from_utf8_lossy(&head).into_owned())
    }

    /// So many bytes; fewer when the connection ends.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count && self.read_more() > 0 {}
        let count = count.min(self.buffer.len());
        self.buffer.drain(..count).collect()
    }

    /// The next request with its body, read strictly by its framing; `None` when the connection ends before it is whole.
    ///
    /// # Panics
    ///
    /// When its framing is ambiguous or malformed: a load balancer must never send that.
    pub fn request(&mut self) -> Option<Request> {
        let head = self.head()?;
        let mut request = Request { head, body: Vec::new() };
        let lengths: Vec<String> = request
            .values("content-length")
            .iter()
            .map(ToString::to_string)
            .collect();
        let codings: Vec<String> = request
            .values("transfer-encoding")
            .iter()
            .map(ToString::to_string)
            .collect();
        match (&lengths[..], &codings[..]) {
            ([], []) => {}
            ([length], []) => {
                let length = length.parse().unwrap_or_else(|_| panic!("{request:?}"));
                request.body = self.bytes(length);
                if request.body.len() < length {
                    return None;
                }
            }
            ([], [coding]) if coding == "chunked" => loop {
                let chunk = self.chunk()?;
                if chunk.is_empty() {
                    break;
                }
                request.body.extend_from_slice(&chunk);
            },
            _ => panic!("ambiguous framing: {request:?}"),
        }
        Some(request)
    }

    /// The next chunk; empty at the end of the body, `None` when the connection ends before it is whole.
    fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = loop {
            if let Some(at) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                break at;
            }
            if self.read_more() == 0 {
                return None;
            }
        };
        let line: Vec<u8> = self.buffer.drain(..end + 2).take(end).collect();
        let line = String::from_utf8_lossy(&line).into_owned();
        let size = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("a chunk of size {line:?}"));
        let data = self.bytes(size);
        let ending = self.bytes(2);
        if ending.len() < 2 {
            return None;
        }
        assert_eq!(ending, b"\r\n", "what follows a chunk");
        Some(data)
    }

    /// Sends bytes; `false` when nobody takes them any more.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Whatever comes until the connection ends.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.read_more() > 0 {}
        std::mem::take(&mut self.buffer)
    }

    /// Nothing follows, but what comes is still read.
    pub fn stop_sending(&self) {
        let _ = self.stream.shutdown(Shutdown::Write); // the other side may be gone
    }

    /// Says and closes nothing until the other side closes; what comes meanwhile is read.
    pub fn hold(&mut self) {
        let _ = self.rest();
    }

    /// Has the connection closed with a reset when the script ends.
    ///
    /// # Panics
    ///
    /// When the system refuses.
    pub fn reset(&mut self) {
        // The copy would keep it open.
        locked(&self.shared.open).remove(&self.number);
        set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Connection;

    #[test]
    fn an_origin_plays_its_script_and_remembers() {
        let origin = Origin::playing(|line| {
            while let Some(request) = line.request() {
                let body = request.body.len();
                line.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{body}"));
            }
        });
        let mut connection = Connection::open(origin.address()).unwrap();
        let chunked = "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        for (request, length) in [(chunked, "3"), ("GET /b HTTP/1.1\r\n\r\n", "0")] {
            connection.send(request.as_bytes()).unwrap();
            assert_eq!(connection.response().unwrap().body, length);
        }
        assert_eq!((origin.accepted(), origin.open()), (1, 1));
        assert!(origin.received()[0].starts_with(chunked.as_bytes()));
        drop(connection);
        crate::until("the script ends", || (origin.open() == 0).then_some(()));
    }

    #[test]
    fn a_reset_is_seen() {
        let origin = Origin::playing(|line| {
            line.head();
            line.reset();
        });
        let mut connection = Connection::open(origin.address()).unwrap();
        let error = connection.get("/").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }

    #[test]
    #[should_panic(expected = "a script of a target failed")]
    fn ambiguous_framing_fails_the_test() {
        let origin = Origin::playing(|line| drop(line.request()));
        let mut connection = Connection::open(origin.address()).unwrap();
        let both = "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        connection.send(both.as_bytes()).unwrap();
        assert!(connection.response().is_err());
    }
}
