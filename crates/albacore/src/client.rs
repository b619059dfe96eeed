//! Asks a running server: one request on one connection.

use crate::cli::ServerPlace;
use crate::data_dir::Endpoint;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Longer than the server lets an invocation take.
const INVOKE_TIMEOUT: Duration = Duration::from_secs(21 * 60);
/// The largest answer, in bytes: an explanation with an event of 1 MB, and much room.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The largest head of an answer, in bytes.
const HEAD_BYTES_MAX: u64 = 64 * 1024;

/// A running server.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    /// Whom we mean, if we know.
    instance: Option<String>,
    /// What it wants to be shown, if we know.
    token: Option<String>,
}

/// What a server said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first header with this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The message of a refusal, from the own API or in a shape of AWS.
    pub(crate) fn refusal(&self) -> String {
        let document: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let message = ["error", "Message", "message"]
            .iter()
            .find_map(|key| document[key].as_str());
        message.map_or_else(
            || format!("the running albacore answered {}", self.status),
            str::to_owned,
        )
    }
}

/// What is asked.
struct Request<'a> {
    method: &'a str,
    /// The path in the own API.
    name: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
    timeout: Duration,
}

impl Client {
    /// The server that was named, or the one of the data folder.
    pub(crate) fn find(place: &ServerPlace) -> Result<Self> {
        // Port 0 is how a server is told to take any, and names none.
        if let Some(address) = place.endpoint.filter(|address| address.port() != 0) {
            // The folder may be another server's, or not be ours to read.
            let announced = Endpoint::read(&place.data_dir).ok().flatten();
            return Ok(Self {
                address,
                instance: None,
                token: announced.filter(|it| it.address == address).map(|it| it.token),
            });
        }
        let folder = place.data_dir.display();
        match Endpoint::read(&place.data_dir)? {
            Some(endpoint) => Ok(Self {
                address: endpoint.address,
                instance: Some(endpoint.instance),
                token: Some(endpoint.token),
            }),
            None => bail!("no albacore is running on {folder}; start one with `albacore up`"),
        }
    }

    /// Reads a path of the own API.
    pub(crate) fn get(&self, name: &str) -> Result<Answer> {
        self.ask(&Request {
            method: "GET",
            name,
            headers: &[],
            body: &[],
            timeout: ANSWER_TIMEOUT,
        })
    }

    /// Posts a JSON document to a path of the own API.
    pub(crate) fn post(&self, name: &str, document: &[u8]) -> Result<Answer> {
        self.ask(&Request {
            method: "POST",
            name,
            headers: &[],
            body: document,
            timeout: ANSWER_TIMEOUT,
        })
    }

    /// Runs a function, which may take long.
    pub(crate) fn invoke(&self, function: &str, headers: &[(&str, &str)], payload: &[u8]) -> Result<Answer> {
        self.ask(&Request {
            method: "POST",
            name: &format!("functions/{}/invocations", escaped(function)),
            headers,
            body: payload,
            timeout: INVOKE_TIMEOUT,
        })
    }

    /// Hands on the lines of an answer as they come, for as long as they come and are wanted. `Some` is a refusal.
    pub(crate) fn lines(&self, name: &str, mut line: impl FnMut(&[u8]) -> ControlFlow<()>) -> Result<Option<Answer>> {
        let request = Request {
            method: "GET",
            name,
            headers: &[],
            body: &[],
            timeout: ANSWER_TIMEOUT,
        };
        let broken = || format!("the albacore at {} broke off", self.address);
        // HTTP/1.0 knows no chunks: the lines are as they are until the connection ends.
        let opened = self.send(&request, "1.0");
        let mut socket = BufReader::new(opened.map_err(|error| self.unreachable(error))?);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let room = HEAD_BYTES_MAX.saturating_sub(head.len() as u64);
            let read = (&mut socket)
                .take(room)
                .read_until(b'\n', &mut head)
                .with_context(broken)?;
            if read == 0 {
                bail!(self.gone());
            }
        }
        let Some(mut answer) = read_head(&head) else {
            bail!(self.gone())
        };
        self.check_instance(&answer)?;
        if answer.status != 200 {
            socket
                .take(ANSWER_BYTES_MAX)
                .read_to_end(&mut answer.body)
                .with_context(broken)?;
            return Ok(Some(answer));
        }
        // Nobody knows when the next line comes.
        socket.get_ref().set_read_timeout(None)?;
        let mut text = Vec::new();
        loop {
            text.clear();
            let read = (&mut socket).take(ANSWER_BYTES_MAX).read_until(b'\n', &mut text);
            match read {
                Ok(0) => return Ok(None),
                // A server that was killed ends all the same.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
                read => read.with_context(broken)?,
            };
            if line(&text).is_break() {
                return Ok(None);
            }
        }
    }

    fn ask(&self, request: &Request<'_>) -> Result<Answer> {
        let answer = self.exchange(request).map_err(|error| self.unreachable(error))?;
        self.check_instance(&answer)?;
        Ok(answer)
    }

    fn gone(&self) -> String {
        let address = self.address;
        format!("no albacore answers at {address}; it may have been killed. Start one with `albacore up`")
    }

    fn unreachable(&self, error: io::Error) -> anyhow::Error {
        match error.kind() {
            ErrorKind::ConnectionRefused => anyhow::anyhow!(self.gone()),
            _ => anyhow::Error::new(error).context(format!("cannot ask the albacore at {}", self.address)),
        }
    }

    /// Somebody else may have the port of a server that was killed.
    fn check_instance(&self, answer: &Answer) -> Result<()> {
        let instance = answer.header(control::INSTANCE_HEADER);
        let is_meant = match &self.instance {
            Some(meant) => instance == Some(meant),
            None => instance.is_some(),
        };
        if !is_meant {
            bail!(self.gone());
        }
        Ok(())
    }

    fn exchange(&self, request: &Request<'_>) -> io::Result<Answer> {
        let socket = self.send(request, "1.1")?;
        let mut bytes = Vec::new();
        socket.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes)?;
        read_answer(&bytes).ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "the answer is not whole"))
    }

    fn send(&self, request: &Request<'_>, version: &str) -> io::Result<TcpStream> {
        let mut socket = TcpStream::connect_timeout(&self.address, CONNECT_TIMEOUT)?;
        socket.set_read_timeout(Some(request.timeout))?;
        socket.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let Request { method, name, body, .. } = request;
        let mut head = format!(
            "{method} {}{name} HTTP/{version}\r\nHost: {}\r\nX-Albacore: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n",
            control::PREFIX,
            self.address,
            self.token.as_deref().unwrap_or(control::NO_TOKEN),
            body.len()
        );
        for (name, value) in request.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        socket.write_all(&[head.as_bytes(), body].concat())?;
        Ok(socket)
    }
}

/// A text as a part of a path or a query.
pub(crate) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let escape = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// Reads a head up to its empty line.
fn read_head(head: &[u8]) -> Option<Answer> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    Some(Answer {
        status,
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect(),
        body: Vec::new(),
    })
}

/// Reads an answer with a `Content-Length`, as the endpoint gives them. One without content has none.
fn read_answer(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let answer = read_head(&bytes[..end])?;
    let body = bytes[end + 4..].to_vec();
    let length = match answer.status {
        204 => 0,
        _ => answer.header("content-length")?.parse().ok()?,
    };
    (body.len() == length).then_some(Answer { body, ..answer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_answers_count() {
        let whole = b"HTTP/1.1 200 OK\r\nX-Albacore-Instance: 01\r\ncontent-length: 2\r\n\r\nhi";
        let answer = read_answer(whole).unwrap();
        assert_eq!(
            (answer.status, answer.header(control::INSTANCE_HEADER), &answer.body[..]),
            (200, Some("01"), &b"hi"[..])
        );
        for end in 0..whole.len() {
            assert_eq!(read_answer(&whole[..end]), None, "{end}");
        }
        assert_eq!(read_answer(b"SSH-2.0-x\r\n\r\n"), None);
    }

    #[test]
    fn refusals_are_read_in_any_shape() {
        for (body, expected) in [
            ("{\"error\":\"no\"}", "no"),
            ("{\"Message\":\"no\",\"Type\":\"User\"}", "no"),
            ("{\"Reason\":\"x\",\"message\":\"no\"}", "no"),
            ("<html>", "the running albacore answered 500"),
        ] {
            let answer = Answer {
                status: 500,
                headers: Vec::new(),
                body: body.into(),
            };
            assert_eq!(answer.refusal(), expected);
        }
    }

    #[test]
    fn names_are_escaped() {
        assert_eq!(escaped("orders-1_a.b"), "orders-1_a.b");
        assert_eq!(escaped("arn:aws/\u{fc} &"), "arn%3Aaws%2F%C3%BC%20%26");
    }
}
