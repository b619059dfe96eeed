//! A client that sends bytes as they are and reads answers with a `Content-Length`. Real clients are run as programs.

use crate::wait::BOUND;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

/// Sends a request.
///
/// # Panics
///
/// When nobody listens there, or the connection breaks.
#[track_caller]
pub fn send(address: SocketAddr, request: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(BOUND)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    socket
}

/// Reads the whole answer to a request that closes its connection: status, and body.
///
/// # Panics
///
/// When it is no answer in UTF-8.
#[track_caller]
pub fn receive(mut socket: TcpStream) -> (u16, String) {
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Asks for a path on a connection of its own: status, and body.
///
/// # Panics
///
/// When there is no answer.
#[track_caller]
pub fn get(address: SocketAddr, path: &str) -> (u16, String) {
    receive(send(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    ))
}

/// A connection that is kept.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    /// What was received and belongs to the next answer.
    rest: Vec<u8>,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Status line and headers as sent, without the empty line.
    pub head: String,
    /// The body as text; what is no UTF-8 is replaced.
    pub body: String,
    /// The body as sent.
    pub bytes: Vec<u8>,
}

impl Response {
    /// The values of every header line with this name, in order.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines
            .filter(|(its_name, _)| its_name.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }
}

impl Connection {
    /// Connects. Reads last at most [`BOUND`].
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(BOUND))?;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            rest: Vec::new(),
        })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// Asks for a path and reads the answer.
    ///
    /// # Errors
    ///
    /// Those of the system, and `UnexpectedEof` when the connection ends before a whole answer.
    pub fn get(&mut self, path: &str) -> io::Result<Response> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
        self.response()
    }

    /// Sends a request with `Host: localhost`, these headers and this body, and reads the answer. A body of no bytes is
    /// none: only others have a `Content-Length`.
    ///
    /// # Errors
    ///
    /// As those of [`get`](Self::get).
    pub fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Response> {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        request += "\r\n";
        self.send(&[request.as_bytes(), body].concat())?;
        self.response()
    }

    /// Reads one answer that has a `Content-Length`, or whose status allows no body.
    ///
    /// # Errors
    ///
    /// Those of the system, `UnexpectedEof` when the connection ends before a whole answer, and `InvalidData` when what
    /// comes is none.
    pub fn response(&mut self) -> io::Result<Response> {
        let head_end = loop {
            match self.rest.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(at) => break at,
                None => self.read_more()?,
            }
        };
        let invalid = |_| io::Error::from(io::ErrorKind::InvalidData);
        let head = String::from_utf8(self.rest[..head_end].to_vec()).map_err(invalid)?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
        // These two have no body, and 204 has no length either.
        let length = if matches!(status, Some(204 | 304)) {
            Some(0)
        } else {
            length
        };
        let (Some(status), Some(length)) = (status, length) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, head));
        };
        let body_start = head_end + 4;
        while self.rest.len() < body_start + length {
            self.read_more()?;
        }
        let left = self.rest.split_off(body_start + length);
        let answer = std::mem::replace(&mut self.rest, left);
        let bytes = answer[body_start..].to_vec();
        Ok(Response {
            status,
            head,
            body: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
        })
    }

    /// Sends the end: the other side reads no more than was sent.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn finish_sending(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)
    }

    fn read_more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        match self.socket.read(&mut buffer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            bytes => {
                self.rest.extend_from_slice(&buffer[..bytes]);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn answers_in_one_piece_or_many_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connection = Connection::open(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabHTTP/1.1 404 No\r\nContent-Le")
            .unwrap();
        let first = connection.response().unwrap();
        assert_eq!((first.status, first.body.as_str()), (200, "ab"));
        server.write_all(b"ngth: 0\r\n\r\nHTTP/1.1 204 N").unwrap();
        assert_eq!(connection.response().unwrap().status, 404);
        server
            .write_all(b"o Content\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\r\nHTTP/1.1 200 O")
            .unwrap();
        let empty = connection.response().unwrap();
        assert_eq!(empty.values("Set-Cookie"), ["a=1", "b=2"]);
        assert!(empty.bytes.is_empty());
        drop(server);
        assert_eq!(connection.response().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
