//! Clients of many kinds that send one request after the other until they are told to stop, and look at every byte of what
//! comes back.

use super::wire::Client;
use super::{h2, world::Listeners};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle};

/// What a client has done.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Requests that were answered as they should be.
    pub(crate) answered: Tally,
    /// Their paths, if they are kept. Each is sent once.
    pub(crate) paths: Vec<String>,
    /// Requests to the targets that are killed, and that failed as they may.
    pub(crate) excused: u64,
    /// Everything else.
    pub(crate) problems: Vec<String>,
}

/// Requests, however many: how many, and a sum over their paths. Two that are equal are of the same requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    paths: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, path: &str) {
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        self.merge(Self {
            count: 1,
            paths: hasher.finish(),
        });
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.paths = self.paths.wrapping_add(other.paths);
    }
}

/// A client: goes on until `stop`.
struct Worker<'a> {
    name: &'static str,
    number: usize,
    listeners: Listeners,
    stop: &'a AtomicBool,
    report: Report,
    keeps_paths: bool,
    sent: u64,
}

/// Requests on one connection, before the client closes it.
const REQUESTS_OF_CONNECTION: usize = 50;

/// What one kind of client does, over and over.
type Asks = fn(&mut Worker<'_>) -> io::Result<()>;

/// How many clients there are of each kind.
const KINDS: &[(&str, usize, Asks)] = &[
    ("kept", 3, |worker| worker.gets(Transport::Clear)),
    ("secure", 2, |worker| worker.gets(Transport::Secure)),
    ("fresh", 1, |worker| worker.fresh()),
    ("upload", 2, |worker| worker.uploads(Transport::Clear)),
    ("secure-upload", 1, |worker| worker.uploads(Transport::Secure)),
    ("download", 2, |worker| worker.downloads(Transport::Clear)),
    ("secure-download", 1, |worker| worker.downloads(Transport::Secure)),
    ("echo", 1, |worker| worker.echoes()),
    ("pipelined", 1, |worker| worker.pipelines()),
    ("websocket", 1, |worker| worker.websockets()),
    ("http2", 2, |worker| worker.http2()),
    ("fragile", 2, |worker| worker.fragile()),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Clear,
    Secure,
}

/// Starts every client on a thread of its own. `keeps_paths` says whether every path is remembered.
pub(crate) fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    listeners: Listeners,
    stop: &'scope AtomicBool,
    keeps_paths: bool,
) -> Vec<ScopedJoinHandle<'scope, (&'static str, Report)>> {
    let all = KINDS
        .iter()
        .flat_map(|kind| (0..kind.1).map(move |number| (kind, number)));
    all.map(|(&(name, _, work), number)| {
        let mut worker = Worker {
            name,
            number,
            listeners,
            stop,
            report: Report::default(),
            keeps_paths,
            sent: 0,
        };
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) && worker.report.problems.len() < 10 {
                if let Err(error) = work(&mut worker) {
                    let sent = worker.sent;
                    let problem = format!("{name} {number} after {sent} requests: {error}");
                    worker.report.problems.push(problem);
                }
            }
            (name, worker.report)
        })
    })
    .collect()
}

/// Byte number `i` of a body is `i` modulo 251.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// Lengths of bodies: none, small, about as large as buffers, larger.
const LENGTHS: [usize; 8] = [0, 1, 100, 8_192, 16_384, 65_535, 65_536, 300_000];

impl Worker<'_> {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// A path of its own under a rule.
    fn path(&mut self, under: &str) -> String {
        self.sent += 1;
        format!("/{under}/{}/{}/{}", self.name, self.number, self.sent)
    }

    /// A path that asks the target for something. The target reads two words after the rule, and the rest tells them apart.
    fn asking(&mut self, what: &str) -> String {
        let path = self.path(what);
        format!("/servers{path}")
    }

    fn length(&self) -> usize {
        LENGTHS[self.sent as usize % LENGTHS.len()]
    }

    fn connect(&self, transport: Transport) -> io::Result<Client> {
        match transport {
            Transport::Clear => Client::open(self.listeners.clear),
            Transport::Secure => Client::open_secure(self.listeners.secure, &Client::config()),
        }
    }

    fn answered(&mut self, path: String) {
        self.report.answered.add(&path);
        if self.keeps_paths {
            self.report.paths.push(path);
        }
    }

    /// Takes note of an answer; whether the connection goes on.
    fn note(&mut self, path: String, answer: &super::wire::Answer, expected: &[u8]) -> bool {
        if answer.status == 200 && answer.body == expected {
            self.answered(path);
        } else {
            let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(200)]).into_owned();
            let problem = format!("{path}: {} with {} bytes: {body}", answer.status, answer.body.len());
            self.report.problems.push(problem);
        }
        !answer.closes
    }

    /// Small requests on kept connections, to servers and functions behind one rule.
    fn gets(&mut self, transport: Transport) -> io::Result<()> {
        let mut client = self.connect(transport)?;
        for _ in 0..REQUESTS_OF_CONNECTION {
            let path = self.path("mixed");
            client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
            let answer = client.answer()?;
            let expected = path.clone().into_bytes();
            if !self.note(path, &answer, &expected) || !self.goes_on() {
                break;
            }
        }
        Ok(())
    }

    /// A connection for each request.
    fn fresh(&mut self) -> io::Result<()> {
        let path = self.path("mixed");
        let mut client = self.connect(Transport::Clear)?;
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())?;
        let answer = client.answer()?;
        let expected = path.clone().into_bytes();
        self.note(path, &answer, &expected);
        Ok(())
    }

    fn uploads(&mut self, transport: Transport) -> io::Result<()> {
        let mut client = self.connect(transport)?;
        for _ in 0..REQUESTS_OF_CONNECTION {
            let (path, length) = (self.asking("upload"), self.length());
            let body = pattern(length);
            let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n");
            if self.sent.is_multiple_of(2) {
                client.send(format!("{head}Content-Length: {length}\r\n\r\n").as_bytes())?;
                client.send(&body)?;
            } else {
                client.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes())?;
                for chunk in body.chunks(10_000) {
                    client.send(&[format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())?;
                }
                client.send(b"0\r\n\r\n")?;
            }
            let answer = client.answer()?;
            let expected = format!("{path} {length}").into_bytes();
            if !self.note(path, &answer, &expected) || !self.goes_on() {
                break;
            }
        }
        Ok(())
    }

    fn downloads(&mut self, transport: Transport) -> io::Result<()> {
        let mut client = self.connect(transport)?;
        for _ in 0..REQUESTS_OF_CONNECTION {
            let length = self.length();
            let path = self.asking(&format!("download/{length}"));
            client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
            let answer = client.answer()?;
            if !self.note(path, &answer, &pattern(length)) || !self.goes_on() {
                break;
            }
        }
        Ok(())
    }

    /// Both bodies at once: what comes back fits into the sockets, if it must.
    fn echoes(&mut self) -> io::Result<()> {
        let mut client = self.connect(Transport::Clear)?;
        for _ in 0..REQUESTS_OF_CONNECTION {
            let path = self.asking("echo");
            let body = pattern(self.length().min(65_536));
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            client.send(&[head.as_bytes(), &body].concat())?;
            let answer = client.answer()?;
            if !self.note(path, &answer, &body) || !self.goes_on() {
                break;
            }
        }
        Ok(())
    }

    /// Several requests with one write.
    fn pipelines(&mut self) -> io::Result<()> {
        let mut client = self.connect(Transport::Clear)?;
        let paths: Vec<_> = (0..5).map(|_| self.path("mixed")).collect();
        let requests: String = paths
            .iter()
            .map(|path| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            .collect();
        client.send(requests.as_bytes())?;
        for path in paths {
            let answer = client.answer()?;
            let expected = path.clone().into_bytes();
            if !self.note(path, &answer, &expected) {
                break; // those behind it were not begun
            }
        }
        Ok(())
    }

    fn websockets(&mut self) -> io::Result<()> {
        let path = self.asking("websocket");
        let mut client = self.connect(Transport::Clear)?;
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        client.send(head.as_bytes())?;
        let switched = client.head()?;
        if !switched.starts_with("http/1.1 101 ") {
            self.report.problems.push(format!("{path}: {switched}"));
            return Ok(());
        }
        for length in [1, 125, 4_000, 20_000] {
            let message = pattern(length);
            client.send(&message)?;
            if client.take(length)? != message {
                self.report.problems.push(format!("{path}: other bytes came back"));
            }
        }
        self.answered(path);
        Ok(())
    }

    /// Many streams at once on one connection, to everything there is.
    fn http2(&mut self) -> io::Result<()> {
        let mut asks = Vec::new();
        for index in 0..200_usize {
            let length = LENGTHS[index % LENGTHS.len()];
            asks.push(match index % 5 {
                0 => h2::Ask::get(self.path("mixed")),
                1 => h2::Ask::get(self.path("http2")),
                2 => h2::Ask::upload(format!("/http2{}", self.path("upload")), length),
                3 => h2::Ask::upload(self.asking("upload"), length),
                _ => h2::Ask::download(self.asking(&format!("download/{length}")), length),
            });
        }
        let stop = self.stop;
        for result in h2::run(self.listeners.secure, asks, stop)? {
            match result {
                Ok(path) => self.answered(path),
                Err(problem) => self.report.problems.push(problem),
            }
        }
        Ok(())
    }

    /// Requests to targets that are killed in the middle of them. Such a request fails as ALB 4.10 says, and no other way.
    fn fragile(&mut self) -> io::Result<()> {
        let mut client = self.connect(Transport::Clear)?;
        for _ in 0..REQUESTS_OF_CONNECTION {
            let length = self.length();
            let path = format!("/fragile{}", self.path(&format!("download/{length}")));
            client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
            match client.answer() {
                Ok(answer) if matches!(answer.status, 502 | 504) => {
                    self.report.excused += 1;
                    if answer.closes {
                        break;
                    }
                }
                Ok(answer) => {
                    if !self.note(path, &answer, &pattern(length)) {
                        break;
                    }
                }
                // In the middle of the body.
                Err(_) => {
                    self.report.excused += 1;
                    break;
                }
            }
            if !self.goes_on() {
                break;
            }
        }
        Ok(())
    }
}

/// How many requests of each kind were answered. Panics with all problems, if there are any.
pub(crate) fn judge(reports: Vec<(&'static str, Report)>) -> BTreeMap<&'static str, Report> {
    let mut all: BTreeMap<&'static str, Report> = BTreeMap::new();
    for (name, report) in reports {
        let sum = all.entry(name).or_default();
        sum.answered.merge(report.answered);
        sum.paths.extend(report.paths);
        sum.excused += report.excused;
        sum.problems.extend(report.problems);
    }
    let problems: Vec<_> = all.values().flat_map(|report| &report.problems).collect();
    assert!(problems.is_empty(), "{} problems: {problems:#?}", problems.len());
    for (name, report) in &all {
        let answered = report.answered.count;
        println!("{name}: {answered} answered, {} excused", report.excused);
        assert!(answered > 10, "{name} got hardly an answer");
    }
    all
}
