//! Sends WebSocket messages and waits for their echoes: `websocket PORT SECONDS CONNECTIONS HEAD`.
//!
//! HEAD is a file with the request that asks for the upgrade. On each connection one masked text message of 125 bytes is
//! under way: its echo is compared, and the next one sent. One thread and one epoll; the message is made once, because this
//! has to cost less than what is measured. At the end every connection is closed as RFC 6455 section 7 asks.
//!
//! Prints one JSON object: how many messages came back, and over how many connections.
#![forbid(unsafe_code)]

use memchr::memmem;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

type Failure = Box<dyn Error>;

const USAGE: &str = "usage: websocket PORT SECONDS CONNECTIONS HEAD";
const MESSAGE_BYTES: usize = 125;
const ECHO_BYTES: usize = 2 + MESSAGE_BYTES;
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const MASKED: u8 = 0x80;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// A connection that hangs must not keep the measurement.
const TIMEOUT: Duration = Duration::from_secs(5);
const EVENTS: usize = 256;

struct Connection {
    socket: TcpStream,
    echo: [u8; ECHO_BYTES],
    filled: usize,
}

struct Message {
    /// As it is sent.
    masked: Vec<u8>,
    echo: [u8; ECHO_BYTES],
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, seconds, count, head] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let (port, seconds) = (port.parse()?, Duration::from_secs(seconds.parse()?));
    let head = std::fs::read(head)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut connections = Vec::new();
    for number in 0..count.parse()? {
        let connection = Connection::open(port, &head)?;
        let data = epoll::EventData::new_u64(number);
        epoll::add(&epoll, &connection.socket, data, epoll::EventFlags::IN)?;
        connections.push(connection);
    }
    let messages = exchange(&epoll, &mut connections, &Message::new(), seconds)?;
    for connection in &mut connections {
        connection.close()?;
    }
    println!(r#"{{"messages": {messages}, "connections": {}}}"#, connections.len());
    Ok(())
}

/// Keeps one message under way on each connection until the time is over, then waits for the last echoes. Returns how many
/// there were.
fn exchange(epoll: &OwnedFd, all: &mut [Connection], message: &Message, time: Duration) -> Result<u64, Failure> {
    let end = Instant::now() + time;
    for connection in all.iter_mut() {
        connection.socket.write_all(&message.masked)?;
    }
    let (mut messages, mut under_way) = (0, all.len());
    let mut ready = Vec::with_capacity(EVENTS);
    while under_way > 0 {
        let timeout = Timespec::try_from(TIMEOUT)?;
        if epoll::wait(epoll, spare_capacity(&mut ready), Some(&timeout))? == 0 {
            return Err(format!("{under_way} messages do not come back").into());
        }
        let goes_on = Instant::now() < end;
        for event in ready.drain(..) {
            let connection = &mut all[event.data.u64() as usize];
            if !connection.read_echo(message)? {
                continue;
            }
            messages += 1;
            if goes_on {
                connection.socket.write_all(&message.masked)?;
            } else {
                under_way -= 1;
            }
        }
    }
    Ok(messages)
}

impl Message {
    fn new() -> Self {
        let text: Vec<u8> = (b'a'..=b'z').cycle().take(MESSAGE_BYTES).collect();
        let mut echo = [0; ECHO_BYTES];
        echo[..2].copy_from_slice(&[TEXT, MESSAGE_BYTES as u8]);
        echo[2..].copy_from_slice(&text);
        Self {
            masked: masked(TEXT, &text),
            echo,
        }
    }
}

fn masked(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind, MASKED | payload.len() as u8];
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

impl Connection {
    fn open(port: u16, head: &[u8]) -> Result<Self, Failure> {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        socket.write_all(head)?;
        let mut answer = Vec::new();
        // Byte by byte, so as not to read beyond it: this happens once.
        while memmem::find(&answer, b"\r\n\r\n").is_none() {
            let mut byte = [0];
            socket.read_exact(&mut byte)?;
            answer.push(byte[0]);
        }
        if !answer.starts_with(b"HTTP/1.1 101 ") {
            return Err(format!("the answer is {:?}", String::from_utf8_lossy(&answer)).into());
        }
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            echo: [0; ECHO_BYTES],
            filled: 0,
        })
    }

    /// Reads once. True when an echo is complete.
    fn read_echo(&mut self, message: &Message) -> Result<bool, Failure> {
        match self.socket.read(&mut self.echo[self.filled..]) {
            Ok(0) => return Err("a connection ended".into()),
            Ok(bytes) => self.filled += bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        if self.filled < ECHO_BYTES {
            return Ok(false);
        }
        self.filled = 0;
        match self.echo == message.echo {
            true => Ok(true),
            false => Err(format!("the echo is {:?}", String::from_utf8_lossy(&self.echo)).into()),
        }
    }

    /// Sends a close frame, and waits for its echo and the end.
    fn close(&mut self) -> Result<(), Failure> {
        const NORMAL: [u8; 2] = 1000_u16.to_be_bytes();
        self.socket.set_nonblocking(false)?;
        self.socket.write_all(&masked(CLOSE, &NORMAL))?;
        let mut rest = Vec::new();
        self.socket.read_to_end(&mut rest)?;
        match rest.as_slice() {
            [CLOSE, 2, code @ ..] if *code == NORMAL => Ok(()),
            _ => Err(format!("a connection ended with {rest:?}").into()),
        }
    }
}
