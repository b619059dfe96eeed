//! A relay that parses nothing, for `bench/run relay`: `floor PORT TARGET_PORT`.
//!
//! One connection to the target for each connection of a client, bytes to and fro: what the kernel alone takes for two
//! reads and two writes. One thread, one epoll, one buffer; nothing is read that cannot be written on.
#![forbid(unsafe_code)]

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventFlags};
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

type Failure = Box<dyn Error>;

const USAGE: &str = "usage: floor PORT TARGET_PORT";
const LISTENER: u64 = u64::MAX;
const READ_BYTES: usize = 64 * 1024;
const EVENTS: usize = 256;
const BACKLOG: i32 = 4096;

struct Side {
    socket: TcpStream,
    /// What the other side has sent and this socket has not taken yet. While there is any, the other side is not read.
    unsent: Vec<u8>,
    /// The other side has ended, and nothing comes after `unsent`.
    last: bool,
    interest: EventFlags,
}

/// The client, then the target.
type Pair = [Side; 2];

struct Relay {
    epoll: OwnedFd,
    target: u16,
    pairs: Vec<Option<Pair>>,
    /// Places in `pairs` that nobody has.
    free: Vec<usize>,
}

fn main() -> Result<(), Failure> {
    let mut ports = std::env::args().skip(1).map(|text| text.parse::<u16>());
    let mut port = || ports.next().ok_or(USAGE)?.map_err(|_| USAGE);
    let (port, target) = (port()?, port()?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    // The library asks for 128, fewer than come at once where thousands of connections are held.
    rustix::net::listen(&listener, BACKLOG)?;
    let relay = Relay {
        epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        target,
        pairs: Vec::new(),
        free: Vec::new(),
    };
    relay.serve(&listener)
}

impl Relay {
    fn serve(mut self, listener: &TcpListener) -> Result<(), Failure> {
        epoll::add(
            &self.epoll,
            listener,
            epoll::EventData::new_u64(LISTENER),
            EventFlags::IN,
        )?;
        let mut ready = Vec::with_capacity(EVENTS);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            epoll::wait(&self.epoll, spare_capacity(&mut ready), None)?;
            for event in ready.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept(listener)?,
                    token => self.ready(token, event.flags, &mut buffer)?,
                }
            }
        }
    }

    fn accept(&mut self, listener: &TcpListener) -> Result<(), Failure> {
        let client = match listener.accept() {
            Ok((client, _)) => client,
            // It was there, and has gone.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let target = TcpStream::connect((Ipv4Addr::LOCALHOST, self.target))?;
        let number = self.free.pop().unwrap_or_else(|| {
            self.pairs.push(None);
            self.pairs.len() - 1
        });
        let pair = [client, target].map(|socket| Side {
            socket,
            unsent: Vec::new(),
            last: false,
            interest: EventFlags::IN,
        });
        for (side, which) in pair.iter().zip(0..) {
            side.socket.set_nonblocking(true)?;
            side.socket.set_nodelay(true)?;
            epoll::add(&self.epoll, &side.socket, token(number, which), side.interest)?;
        }
        self.pairs[number] = Some(pair);
        Ok(())
    }

    fn ready(&mut self, token: u64, flags: EventFlags, buffer: &mut [u8]) -> Result<(), Failure> {
        let (number, which) = ((token / 2) as usize, (token % 2) as usize);
        let Some(pair) = &mut self.pairs[number] else {
            return Ok(());
        };
        if !moved(pair, which, flags, buffer)? {
            self.pairs[number] = None;
            self.free.push(number);
            return Ok(());
        }
        for (of, other) in [(0, 1), (1, 0)] {
            let mut interest = EventFlags::empty();
            interest.set(EventFlags::IN, pair[other].unsent.is_empty() && !pair[other].last);
            interest.set(EventFlags::OUT, !pair[of].unsent.is_empty());
            if interest != pair[of].interest {
                pair[of].interest = interest;
                epoll::modify(&self.epoll, &pair[of].socket, self::token(number, of as u64), interest)?;
            }
        }
        Ok(())
    }
}

fn token(number: usize, which: u64) -> epoll::EventData {
    epoll::EventData::new_u64(number as u64 * 2 + which)
}

/// Does for one side what its socket is ready for. False when the pair is done with.
fn moved(pair: &mut Pair, which: usize, flags: EventFlags, buffer: &mut [u8]) -> Result<bool, Failure> {
    let [client, target] = pair;
    let (side, other) = if which == 0 { (client, target) } else { (target, client) };
    if flags.contains(EventFlags::OUT) && !side.unsent.is_empty() {
        let unsent = std::mem::take(&mut side.unsent);
        if !side.pass_on(&unsent)? {
            return Ok(false);
        }
    }
    if !flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
        return Ok(true);
    }
    match side.socket.read(buffer) {
        Ok(0) => other.end(),
        Ok(bytes) => other.pass_on(&buffer[..bytes]),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
        Err(error) => gone(error),
    }
}

impl Side {
    /// Writes, and keeps what the socket does not take. False when it takes nothing any more.
    fn pass_on(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        let sent = match self.socket.write(bytes) {
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return gone(error),
        };
        self.unsent.extend_from_slice(&bytes[sent..]);
        if self.last && self.unsent.is_empty() {
            return self.shut_down();
        }
        Ok(true)
    }

    /// The other side has ended. False when this one had already.
    fn end(&mut self) -> Result<bool, Failure> {
        if self.last {
            return Ok(false);
        }
        self.last = true;
        if self.unsent.is_empty() {
            self.shut_down()
        } else {
            Ok(true)
        }
    }

    fn shut_down(&mut self) -> Result<bool, Failure> {
        match self.socket.shutdown(Shutdown::Write) {
            Ok(()) => Ok(true),
            Err(error) => gone(error),
        }
    }
}

/// A peer that has left ends its pair, and nothing else.
fn gone(error: std::io::Error) -> Result<bool, Failure> {
    match error.kind() {
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::NotConnected => Ok(false),
        _ => Err(error.into()),
    }
}
