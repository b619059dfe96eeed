//! Asks a running server: one request on one connection.

use crate::cli::ServerPlace;
use crate::data_dir::Endpoint;
use anyhow::{Context, Result, bail};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer, in bytes: an explanation with an event of 1 MB, and much room.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A running server.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    /// Whom we mean, if we know.
    instance: Option<String>,
}

/// What a server said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) instance: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// The server that was named, or the one of the data folder.
    pub(crate) fn find(place: &ServerPlace) -> Result<Self> {
        // Port 0 is how a server is told to take any, and names none.
        if let Some(address) = place.endpoint.filter(|address| address.port() != 0) {
            return Ok(Self {
                address,
                instance: None,
            });
        }
        let folder = place.data_dir.display();
        match Endpoint::read(&place.data_dir)? {
            Some(endpoint) => Ok(Self {
                address: endpoint.address,
                instance: Some(endpoint.instance),
            }),
            None => bail!("no albacore is running on {folder}; start one with `albacore up`"),
        }
    }

    /// Reads a path of the own API.
    pub(crate) fn get(&self, name: &str) -> Result<Answer> {
        self.ask("GET", name, &[])
    }

    /// Posts a JSON document to a path of the own API.
    pub(crate) fn post(&self, name: &str, document: &[u8]) -> Result<Answer> {
        self.ask("POST", name, document)
    }

    fn ask(&self, method: &str, name: &str, body: &[u8]) -> Result<Answer> {
        let Self { address, instance } = self;
        let gone =
            || format!("no albacore answers at {address}; it may have been killed. Start one with `albacore up`");
        let answer = match self.exchange(method, name, body) {
            Ok(answer) => answer,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => bail!(gone()),
            Err(error) => return Err(error).with_context(|| format!("cannot ask the albacore at {address}")),
        };
        // Somebody else may have the port of a server that was killed.
        let is_meant = match instance {
            Some(instance) => answer.instance.as_ref() == Some(instance),
            None => answer.instance.is_some(),
        };
        if !is_meant {
            bail!(gone());
        }
        Ok(answer)
    }

    fn exchange(&self, method: &str, name: &str, body: &[u8]) -> io::Result<Answer> {
        let mut socket = TcpStream::connect_timeout(&self.address, CONNECT_TIMEOUT)?;
        socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        socket.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let head = format!(
            "{method} {}{name} HTTP/1.1\r\nHost: {}\r\nX-Albacore: 1\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            control::PREFIX,
            self.address,
            body.len()
        );
        socket.write_all(&[head.as_bytes(), body].concat())?;
        let mut bytes = Vec::new();
        socket.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes)?;
        read_answer(&bytes).ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "the answer is not whole"))
    }
}

/// Reads an answer with a `Content-Length`, as the endpoint gives them.
fn read_answer(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let body = &bytes[end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = lines.filter_map(|line| line.split_once(':')).collect();
    let header = |name: &str| {
        let found = headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    };
    let length: usize = header("content-length")?.parse().ok()?;
    (body.len() == length).then(|| Answer {
        status,
        instance: header(control::INSTANCE_HEADER).map(str::to_owned),
        body: body.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_answers_count() {
        let whole = b"HTTP/1.1 200 OK\r\nX-Albacore-Instance: 01\r\ncontent-length: 2\r\n\r\nhi";
        let answer = read_answer(whole).unwrap();
        assert_eq!(
            (answer.status, answer.instance.as_deref(), &answer.body[..]),
            (200, Some("01"), &b"hi"[..])
        );
        for end in 0..whole.len() {
            assert_eq!(read_answer(&whole[..end]), None, "{end}");
        }
        assert_eq!(read_answer(b"SSH-2.0-x\r\n\r\n"), None);
    }
}
