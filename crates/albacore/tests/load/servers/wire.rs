//! A client of HTTP/1.1 that reads whatever framing a response has, in clear text or over TLS.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use testkit::{BOUND, secure, trusting};

pub(crate) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A connection that is kept.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    rest: Vec<u8>,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// The connection ends with it.
    pub(crate) closes: bool,
}

impl Client {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(BOUND))?;
        stream.set_write_timeout(Some(BOUND))?;
        stream.set_nodelay(true)?;
        Ok(Self::over(Box::new(stream)))
    }

    pub(crate) fn open_secure(address: SocketAddr, config: &Arc<rustls::ClientConfig>) -> io::Result<Self> {
        Ok(Self::over(Box::new(secure(address, "localhost", config.clone())?)))
    }

    pub(crate) fn config() -> Arc<rustls::ClientConfig> {
        trusting(&["http/1.1"])
    }

    fn over(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            rest: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// So many bytes, whatever they are.
    pub(crate) fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.rest.len() < count {
            self.read_more()?;
        }
        Ok(self.rest.drain(..count).collect())
    }

    /// The head of a response, in small letters.
    pub(crate) fn head(&mut self) -> io::Result<String> {
        let end = loop {
            if let Some(at) = self.rest.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.read_more()?;
        };
        let head = self.take(end)?;
        Ok(String::from_utf8_lossy(&head).to_ascii_lowercase())
    }

    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let head = self.head()?;
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, head.clone());
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .ok_or_else(invalid)?;
        let value = |name: &str| {
            head.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let body = match (value("content-length"), value("transfer-encoding")) {
            (Some(length), None) => self.take(length.parse().map_err(|_| invalid())?)?,
            (None, Some("chunked")) => self.chunks()?,
            _ => return Err(invalid()),
        };
        let closes = value("connection") == Some("close");
        Ok(Answer { status, body, closes })
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = self.rest.windows(2).position(|window| window == b"\r\n") {
                    break at;
                }
                self.read_more()?;
            };
            let line = self.take(end + 2)?;
            let size = std::str::from_utf8(&line[..end])
                .ok()
                .and_then(|size| usize::from_str_radix(size, 16).ok());
            let size = size.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a chunk"))?;
            body.extend(self.take(size)?);
            if self.take(2)? != b"\r\n" {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the end of a chunk"));
            }
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn read_more(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.rest.extend_from_slice(&bytes[..count]);
                Ok(())
            }
        }
    }
}
