//! The Runtime API with nothing in front, for `bench/run lambda`: `floor PORT FUNCTION COUNT HEAD EVENT`.
//!
//! Starts COUNT processes of the program FUNCTION and gives each the same event as soon as it asks for one, without end:
//! what a function costs when nothing but the Runtime API stands before it. One thread, one epoll, one read and one write
//! for each request. HEAD is a file with the header fields of the event's response, EVENT one with the event.
//!
//! `GET /answered` says how many answers there were. Nothing a function sends is checked beyond its framing: this is a lower
//! bound and no server.
#![forbid(unsafe_code)]

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

type Failure = Box<dyn Error>;

const USAGE: &str = "usage: floor PORT FUNCTION COUNT HEAD EVENT";
const LISTENER: u64 = u64::MAX;
const READ_BYTES: usize = 64 * 1024;
const ACCEPTED: &[u8] =
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n";

struct Connection {
    socket: TcpStream,
    /// A request that is not complete yet.
    rest: Vec<u8>,
}

struct Floor {
    /// The whole response to `next`.
    event: Vec<u8>,
    answered: u64,
    out: Vec<u8>,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, function, count, head, event] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse()?))?;
    listener.set_nonblocking(true)?;
    for _ in 0..count.parse()? {
        start(function, port)?;
    }
    let (head, event) = (std::fs::read_to_string(head)?, std::fs::read_to_string(event)?);
    let fields: String = head.lines().map(|field| format!("{field}\r\n")).collect();
    let length = event.len();
    let floor = Floor {
        event: format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {length}\r\n\r\n{event}").into_bytes(),
        answered: 0,
        out: Vec::new(),
    };
    serve(&listener, floor)
}

/// A function's process. It ends by itself when its connection to us does.
fn start(function: &str, port: &str) -> Result<(), Failure> {
    let mut command = Command::new(function);
    command
        .env("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{port}"))
        .env("AWS_LAMBDA_FUNCTION_NAME", "hello")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/hello")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "floor")
        .stdin(Stdio::null());
    command.spawn()?;
    Ok(())
}

fn serve(listener: &TcpListener, mut floor: Floor) -> Result<(), Failure> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(
        &epoll,
        listener,
        epoll::EventData::new_u64(LISTENER),
        epoll::EventFlags::IN,
    )?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut ready = Vec::with_capacity(64);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        epoll::wait(&epoll, spare_capacity(&mut ready), None)?;
        for event in ready.drain(..) {
            let number = event.data.u64();
            if number == LISTENER {
                let (socket, _) = listener.accept()?;
                socket.set_nonblocking(true)?;
                socket.set_nodelay(true)?;
                let data = epoll::EventData::new_u64(connections.len() as u64);
                epoll::add(&epoll, &socket, data, epoll::EventFlags::IN)?;
                let rest = Vec::new();
                connections.push(Some(Connection { socket, rest }));
            } else if let Some(slot) = connections.get_mut(number as usize)
                && let Some(connection) = slot
                && !floor.read(connection, &mut buffer)?
            {
                *slot = None;
            }
        }
    }
}

impl Floor {
    /// Reads once and answers what is complete, in one write. False at the end of the connection.
    fn read(&mut self, connection: &mut Connection, buffer: &mut [u8]) -> Result<bool, Failure> {
        let bytes = match connection.socket.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        self.out.clear();
        if connection.rest.is_empty() {
            let used = self.answer(&buffer[..bytes])?;
            connection.rest.extend_from_slice(&buffer[used..bytes]);
        } else {
            connection.rest.extend_from_slice(&buffer[..bytes]);
            let used = self.answer(&connection.rest)?;
            connection.rest.drain(..used);
        }
        if !self.out.is_empty() {
            // What fits a socket that has been read to its end is taken whole.
            connection.socket.write_all(&self.out)?;
        }
        Ok(true)
    }

    /// Answers every complete request in `input`, and says how many bytes those are.
    fn answer(&mut self, input: &[u8]) -> Result<usize, Failure> {
        let mut used = 0;
        while let Some(head) = input[used..].windows(4).position(|window| window == b"\r\n\r\n") {
            let request = &input[used..used + head];
            let body = content_length(request)?;
            if input.len() < used + head + 4 + body {
                break;
            }
            if request.starts_with(b"GET /answered ") {
                let count = self.answered.to_string();
                write!(
                    self.out,
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{count}",
                    count.len()
                )?;
            } else if request.starts_with(b"GET ") {
                self.out.extend_from_slice(&self.event);
            } else {
                self.answered += 1;
                self.out.extend_from_slice(ACCEPTED);
            }
            used += head + 4 + body;
        }
        Ok(used)
    }
}

/// Of a request head. Runtimes that send chunks are not served.
fn content_length(head: &[u8]) -> Result<usize, Failure> {
    const NAME: &[u8] = b"content-length:";
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        if line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            return Ok(std::str::from_utf8(&line[NAME.len()..])?.trim().parse()?);
        }
    }
    Ok(0)
}
