//! HTTP/2 frame by frame, for what no well-behaved client sends, and a well-behaved client.

use crate::secure::*;
use crate::support::*;
use bytes::Bytes;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use http::{HeaderMap, Request};
use rustls::pki_types::ServerName;
use std::io::{Read, Write};
use tokio_rustls::TlsConnector;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const WHOLE: u8 = END_STREAM | END_HEADERS;

/// `GET https://a/`, compressed.
pub(crate) const GET: &[u8] = b"\x82\x87\x84\x41\x01a";

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The error code of RST_STREAM and GOAWAY.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    pub(crate) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

pub(crate) fn encode(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A connection whose client is this test.
pub(crate) struct Raw {
    client: SecureClient,
    buffer: Vec<u8>,
    /// Whether pings are answered while reading.
    pub(crate) polite: bool,
}

impl Raw {
    /// Preface and settings are sent.
    pub(crate) fn open(server: &Server) -> Self {
        Self::begin(server.secure(Offer::alpn(&["h2"])))
    }

    /// The same with a receive buffer of so many bytes.
    pub(crate) fn open_with(server: &Server, receive_bytes: usize) -> Self {
        let client = server.secure(Offer::alpn(&["h2"]));
        socket2::SockRef::from(&client.stream.sock)
            .set_recv_buffer_size(receive_bytes)
            .unwrap();
        Self::begin(client)
    }

    /// The same on a connection that was made elsewhere.
    pub(crate) fn begin(client: SecureClient) -> Self {
        let mut raw = Self {
            client,
            buffer: Vec::new(),
            polite: true,
        };
        raw.bytes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        raw.send(SETTINGS, 0, 0, b"");
        raw
    }

    pub(crate) fn socket(&self) -> &std::net::TcpStream {
        &self.client.stream.sock
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.client.send(bytes);
    }

    /// As [`Raw::bytes`], where the server may have closed.
    pub(crate) fn try_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.client.stream.write_all(bytes)
    }

    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.bytes(&encode(kind, flags, stream, payload));
    }

    /// The next frame; `None` when the server has closed.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((head, rest)) = self.buffer.split_first_chunk::<9>() {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                if rest.len() >= length {
                    let frame = Frame {
                        kind: head[3],
                        flags: head[4],
                        stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
                        payload: rest[..length].to_vec(),
                    };
                    self.buffer.drain(..9 + length);
                    if self.polite && frame.kind == PING && frame.flags == 0 {
                        let _ = self.try_bytes(&encode(PING, ACK, 0, &frame.payload)); // it may have closed
                    }
                    return Some(frame);
                }
            }
            let mut bytes = [0; 16 * 1024];
            match self.client.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
                Err(error) => {
                    assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "the server says nothing");
                    return None;
                }
            }
        }
    }

    /// Skips to the next frame of a kind; `None` when the server closes before.
    pub(crate) fn until(&mut self, kind: u8) -> Option<Frame> {
        std::iter::from_fn(|| self.next()).find(|frame| frame.kind == kind)
    }

    /// Reads until `count` streams have ended; how many did before the server closed.
    pub(crate) fn answers(&mut self, count: usize) -> usize {
        std::iter::from_fn(|| self.next())
            .filter(Frame::ends_stream)
            .take(count)
            .count()
    }
}

/// Runs an asynchronous test, in bounded time.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let bounded = async { tokio::time::timeout(3 * PATIENCE, test).await.unwrap() };
    tokio::task::LocalSet::new().block_on(&runtime, bounded)
}

type Io = tokio_rustls::client::TlsStream<tokio::net::TcpStream>;

/// A well-behaved client, and its connection, which somebody has to poll.
pub(crate) async fn connect(server: &Server, builder: &Builder) -> (SendRequest<Bytes>, Connection<Io, Bytes>) {
    let tcp = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let connector = TlsConnector::from(Offer::alpn(&["h2"]).config());
    let name = ServerName::try_from("shop.example").unwrap();
    let tls = connector.connect(name, tcp).await.unwrap();
    builder.handshake(tls).await.unwrap()
}

/// A client whose connection runs by itself; the second half tells how it ended.
pub(crate) async fn client(server: &Server) -> (SendRequest<Bytes>, tokio::task::JoinHandle<Result<(), h2::Error>>) {
    let (requests, connection) = connect(server, &Builder::new()).await;
    (requests, tokio::task::spawn_local(connection))
}

pub(crate) fn get(path: &str) -> Request<()> {
    Request::get(format!("https://shop.example{path}")).body(()).unwrap()
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) async fn answer(response: ResponseFuture) -> Result<Answer, h2::Error> {
    let (parts, mut stream) = response.await?.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
    })
}

/// Sends a request without a body when the server allows it, and reads the answer.
pub(crate) async fn ask(requests: &SendRequest<Bytes>, request: Request<()>) -> Result<Answer, h2::Error> {
    let mut ready = requests.clone().ready().await?;
    let (response, _) = ready.send_request(request, true)?;
    answer(response).await
}

/// The same with a body.
pub(crate) async fn post(
    requests: &SendRequest<Bytes>,
    request: Request<()>,
    body: Vec<u8>,
) -> Result<Answer, h2::Error> {
    let mut ready = requests.clone().ready().await?;
    let (response, mut stream) = ready.send_request(request, false)?;
    stream.send_data(body.into(), true)?;
    answer(response).await
}
