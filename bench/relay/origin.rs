//! The server behind the load balancers that `bench/run` compares: `origin PORT BYTES [chunked]`.
//!
//! Answers every request with the same ready-made response, whose body has BYTES bytes of `hellohello...`. One thread, one
//! epoll, one read and one write for each request, so that it costs less than what is measured. Besides:
//!
//! - `GET /healthz` is answered with 200, and the connection ends.
//! - `GET /orders/head` is answered with the head that arrived, so that one can see what a load balancer adds to it.
//! - An upgrade to WebSocket is accepted for the one key that bench/relay/websocket.rs sends. Short messages are echoed.
//!
//! It is a peer for clients that are known: what it does not understand ends the connection with a line on standard error.
#![forbid(unsafe_code)]

use memchr::memmem;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

type Failure = Box<dyn Error>;

const USAGE: &str = "usage: origin PORT BYTES [chunked]";
const LISTENER: u64 = u64::MAX;
const READ_BYTES: usize = 64 * 1024;
const EVENTS: usize = 256;
const BACKLOG: i32 = 4096;
/// Of a request, with its body.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;
const CHUNK_BYTES: usize = 4096;

/// What servers usually say, so that a load balancer has something to read.
const FIELDS: &str = "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nServer: origin\r\nContent-Type: text/plain; charset=utf-8\r\n\
     Cache-Control: private, max-age=0\r\nETag: \"0123456789abcdef\"\r\n";
const HEALTHY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
/// The answer to the key of RFC 6455 section 1.3.
const ACCEPTED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const KEY: &[u8] = b"dGhlIHNhbXBsZSBub25jZQ==";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (port, bytes, chunked) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [port, bytes] => (port, bytes, false),
        [port, bytes, "chunked"] => (port, bytes, true),
        _ => return Err(USAGE.into()),
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse()?))?;
    listener.set_nonblocking(true)?;
    // The library asks for 128, fewer than come at once where thousands of connections are held.
    rustix::net::listen(&listener, BACKLOG)?;
    Origin::new(answer(bytes.parse()?, chunked))?.serve(&listener)
}

fn answer(bytes: usize, chunked: bool) -> Vec<u8> {
    let body: Vec<u8> = b"hello".iter().copied().cycle().take(bytes).collect();
    if !chunked {
        let mut answer = format!("HTTP/1.1 200 OK\r\n{FIELDS}Content-Length: {bytes}\r\n\r\n").into_bytes();
        answer.extend_from_slice(&body);
        return answer;
    }
    let mut answer = format!("HTTP/1.1 200 OK\r\n{FIELDS}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.chunks(CHUNK_BYTES) {
        answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        answer.extend_from_slice(chunk);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    answer
}

struct Origin {
    epoll: OwnedFd,
    /// The response to everything.
    answer: Vec<u8>,
    connections: Vec<Option<Connection>>,
    /// Places in `connections` that nobody has.
    free: Vec<usize>,
}

struct Connection {
    socket: TcpStream,
    /// What has arrived and is not dealt with.
    rest: Vec<u8>,
    /// How much of the answer is sent, while there is more of it.
    sent: Option<usize>,
    echoes: bool,
}

/// What becomes of a connection.
enum Next {
    Read,
    /// The answer is longer than what the socket takes.
    Write,
    Close,
}

impl Origin {
    fn new(answer: Vec<u8>) -> Result<Self, Failure> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            answer,
            connections: Vec::new(),
            free: Vec::new(),
        })
    }

    fn serve(mut self, listener: &TcpListener) -> Result<(), Failure> {
        let data = epoll::EventData::new_u64(LISTENER);
        epoll::add(&self.epoll, listener, data, epoll::EventFlags::IN)?;
        let mut ready = Vec::with_capacity(EVENTS);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            epoll::wait(&self.epoll, spare_capacity(&mut ready), None)?;
            for event in ready.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept(listener)?,
                    number => self.ready(number as usize, &mut buffer)?,
                }
            }
        }
    }

    fn accept(&mut self, listener: &TcpListener) -> Result<(), Failure> {
        let socket = match listener.accept() {
            Ok((socket, _)) => socket,
            // It was there, and has gone.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let number = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&self.epoll, &socket, data, epoll::EventFlags::IN)?;
        self.connections[number] = Some(Connection {
            socket,
            rest: Vec::new(),
            sent: None,
            echoes: false,
        });
        Ok(())
    }

    fn ready(&mut self, number: usize, buffer: &mut [u8]) -> Result<(), Failure> {
        let Some(connection) = &mut self.connections[number] else {
            return Ok(());
        };
        let waited = connection.sent.is_some();
        let next = connection.go_on(&self.answer, buffer).unwrap_or_else(|failure| {
            eprintln!("origin: {failure}");
            Next::Close
        });
        let flags = match next {
            Next::Close => {
                self.connections[number] = None;
                self.free.push(number);
                return Ok(());
            }
            Next::Read if waited => epoll::EventFlags::IN,
            Next::Write if !waited => epoll::EventFlags::OUT,
            Next::Read | Next::Write => return Ok(()),
        };
        let data = epoll::EventData::new_u64(number as u64);
        Ok(epoll::modify(&self.epoll, &connection.socket, data, flags)?)
    }
}

impl Connection {
    /// Writes what is left of an answer, or reads once and answers what is complete.
    fn go_on(&mut self, answer: &[u8], buffer: &mut [u8]) -> Result<Next, Failure> {
        if self.sent.is_some() {
            if !self.write(answer)? {
                return Ok(Next::Write);
            }
            let input = std::mem::take(&mut self.rest);
            return self.take(&input, answer);
        }
        let bytes = match self.socket.read(buffer) {
            Ok(0) => return Ok(Next::Close),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Next::Read),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(Next::Close),
            Err(error) => return Err(error.into()),
        };
        if self.rest.is_empty() {
            return self.take(&buffer[..bytes], answer);
        }
        let mut input = std::mem::take(&mut self.rest);
        input.extend_from_slice(&buffer[..bytes]);
        self.take(&input, answer)
    }

    /// Deals with what is complete in `input`, and keeps the rest.
    fn take(&mut self, mut input: &[u8], answer: &[u8]) -> Result<Next, Failure> {
        while !self.echoes {
            let Some((head, used)) = request(input)? else {
                self.rest.extend_from_slice(input);
                return Ok(Next::Read);
            };
            input = &input[used..];
            if head.starts_with(b"GET /healthz ") {
                self.write_small(HEALTHY)?;
                return Ok(Next::Close);
            }
            if head.starts_with(b"GET /orders/head ") {
                let length = head.len();
                let mut back = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
                back.extend_from_slice(head);
                self.write_small(&back)?;
            } else if memmem::find(head, KEY).is_some() {
                self.write_small(ACCEPTED)?;
                self.echoes = true;
            } else {
                self.sent = Some(0);
                if !self.write(answer)? {
                    self.rest.extend_from_slice(input);
                    return Ok(Next::Write);
                }
            }
        }
        self.echo(input)
    }

    /// Writes on from where the answer was left. True when all of it is sent.
    fn write(&mut self, answer: &[u8]) -> Result<bool, Failure> {
        let mut sent = self.sent.unwrap_or(0);
        while sent < answer.len() {
            match self.socket.write(&answer[sent..]) {
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.sent = Some(sent);
                    return Ok(false);
                }
                Err(error) => return gone(error).map(|()| true),
            }
        }
        self.sent = None;
        Ok(true)
    }

    /// What fits a socket that nothing else is being written to.
    fn write_small(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.socket.write_all(bytes).or_else(gone)
    }

    /// Sends every complete message back, all of them in one write.
    fn echo(&mut self, mut input: &[u8]) -> Result<Next, Failure> {
        const MASKED: u8 = 0x80;
        const CLOSE: u8 = 0x88;
        const LENGTH_MAX: u8 = 125;
        let mut back = Vec::with_capacity(256);
        let mut next = Next::Read;
        while let [first, second, m0, m1, m2, m3, rest @ ..] = input {
            let length = second & !MASKED;
            if !matches!(*first, 0x81 | 0x82 | CLOSE) || second & MASKED == 0 || length > LENGTH_MAX {
                return Err(format!("a frame begins with {first:#x} {second:#x}").into());
            }
            let Some((masked, after)) = rest.split_at_checked(length.into()) else {
                break;
            };
            back.extend_from_slice(&[*first, length]);
            let mask = [*m0, *m1, *m2, *m3];
            back.extend(masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            input = after;
            if *first == CLOSE {
                next = Next::Close;
                break;
            }
        }
        self.rest.extend_from_slice(input);
        if !back.is_empty() {
            self.write_small(&back)?;
        }
        Ok(next)
    }
}

/// The first complete request: its head, and its length with the body.
fn request(input: &[u8]) -> Result<Option<(&[u8], usize)>, Failure> {
    let Some(end) = memmem::find(input, b"\r\n\r\n").map(|position| position + 4) else {
        return bounded(input);
    };
    let head = &input[..end];
    // Only what is no GET is searched for a body.
    let used = if head.starts_with(b"GET ") {
        end
    } else {
        end + content_length(head)?
    };
    if input.len() < used {
        return bounded(input);
    }
    Ok(Some((head, used)))
}

fn bounded(input: &[u8]) -> Result<Option<(&[u8], usize)>, Failure> {
    if input.len() > REQUEST_BYTES_MAX {
        return Err("a request is too long".into());
    }
    Ok(None)
}

fn content_length(head: &[u8]) -> Result<usize, Failure> {
    const NAME: &[u8] = b"content-length:";
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        if line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            return Ok(std::str::from_utf8(&line[NAME.len()..])?.trim().parse()?);
        }
    }
    Err(format!("a request without length: {}", String::from_utf8_lossy(head)).into())
}

/// A peer that has left is no failure of ours; the next read sees the end of its connection.
fn gone(error: std::io::Error) -> Result<(), Failure> {
    match error.kind() {
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Ok(()),
        _ => Err(error.into()),
    }
}
