//! A client that sends whatever it is told to, and reads answers one after the other.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use testkit::BOUND;

/// A connection. Its bytes are read when somebody asks for an answer.
pub(crate) struct Client {
    socket: TcpStream,
    rest: Vec<u8>,
    is_over: bool,
}

/// What a client got.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// Status, body, and whether the connection goes on.
    Answer(u16, String, bool),
    /// The end of the connection; what has no head, as in HTTP/0.9, is passed over.
    End,
}

impl Client {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(BOUND)).unwrap();
        socket.set_write_timeout(Some(BOUND)).unwrap();
        Self {
            socket,
            rest: Vec::new(),
            is_over: false,
        }
    }

    /// From now on nothing is waited for in [`Client::poll`].
    pub(crate) fn wait_for_nothing(&self) {
        self.socket.set_nonblocking(true).unwrap();
    }

    /// It may be closed in the middle of it.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes);
    }

    /// The next answer. Interim ones are read over.
    pub(crate) fn answer(&mut self) -> Got {
        self.poll().unwrap_or_else(|| panic!("no answer at all"))
    }

    /// The same; `None` while there is none.
    pub(crate) fn poll(&mut self) -> Option<Got> {
        loop {
            if let Some((got, length)) = parse(&self.rest, self.is_over) {
                self.rest.drain(..length);
                if !matches!(got, Got::Answer(100, ..)) {
                    return Some(got);
                }
            } else if self.is_over {
                return Some(Got::End);
            } else {
                let mut bytes = [0; 16 * 1024];
                match self.socket.read(&mut bytes) {
                    Ok(count) if count > 0 => self.rest.extend_from_slice(&bytes[..count]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                    _ => self.is_over = true,
                }
            }
        }
    }
}

/// An answer at the beginning of these bytes, and its length.
fn parse(bytes: &[u8], is_over: bool) -> Option<(Got, usize)> {
    let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..head_end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = &bytes[head_end + 4..];
    let mut lines = head.lines();
    let told: Option<usize> = lines.find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let length = match told {
        Some(length) => length,
        None if status == 100 => 0,
        None => is_over.then_some(body.len())?,
    };
    let body = body.get(..length)?.iter().map(|byte| char::from(*byte)).collect();
    let goes_on = head.contains("\r\nconnection: keep-alive");
    Some((Got::Answer(status, body, goes_on), head_end + 4 + length))
}

#[test]
fn answers_are_read_one_by_one() {
    let first = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nab";
    let both = format!("{first}HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_eq!(
        parse(both.as_bytes(), false),
        Some((Got::Answer(200, "ab".to_owned(), true), first.len()))
    );
    assert_eq!(
        parse(&both.as_bytes()[first.len()..], false).map(|(got, _)| got),
        Some(Got::Answer(400, String::new(), false))
    );
    assert_eq!(parse(&first.as_bytes()[..first.len() - 1], true), None);
}
