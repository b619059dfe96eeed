//! The HTTP/2 library as the proxy uses it, over memory: heads go in as bytes, and what it sends is read by another decoder.

use crate::played::Field;
use bytes::Bytes;
use h2::RecvStream;
use h2::client::{self, ResponseFuture};
use h2::server::{self, SendResponse};
use http::{Request, Response};
use std::cell::RefCell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What the proxy's listeners take of header fields.
const HEADERS_BYTES_MAX: u32 = 128 * 1024;
/// As large as a frame may be without being asked for.
const FRAME_BYTES_MAX: usize = 16 * 1024;
/// A head takes no more turns than this.
const TURNS_MAX: usize = 16;

/// Two buffers; more may be put into the first at any time.
#[derive(Clone, Debug, Default)]
struct Memory(Rc<RefCell<Buffers>>);

#[derive(Debug, Default)]
struct Buffers {
    input: Vec<u8>,
    output: Vec<u8>,
}

impl AsyncRead for Memory {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let input = &mut self.0.borrow_mut().input;
        if input.is_empty() {
            return Poll::Pending;
        }
        let count = input.len().min(into.remaining());
        into.put_slice(&input[..count]);
        input.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().output.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Memory {
    fn put(&self, bytes: &[u8]) {
        self.0.borrow_mut().input.extend_from_slice(bytes);
    }

    /// The fields of the one head that was sent.
    fn sent(&self) -> Vec<Field> {
        let output = &self.0.borrow().output;
        let mut rest = output.strip_prefix(PREFACE).unwrap_or(output);
        let mut block = Vec::new();
        while let [a, b, c, kind, _flags, _, _, _, _, after @ ..] = rest {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            if matches!(*kind, HEADERS | CONTINUATION) {
                block.extend_from_slice(&after[..length]);
            }
            rest = &after[length..];
        }
        loona_hpack::Decoder::new()
            .decode(&block)
            .expect("a head that can be decoded")
    }
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn poll<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    (0..TURNS_MAX).find_map(|_| match future.as_mut().poll(&mut cx()) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    })
}

/// One head on stream 1: every field literal, nothing of it looked at.
fn head(fields: &[Field], ends: bool) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            push_length(text.len(), &mut block);
            block.extend_from_slice(text);
        }
    }
    let mut out = Vec::new();
    let pieces: Vec<&[u8]> = block.chunks(FRAME_BYTES_MAX).collect();
    let count = pieces.len().max(1);
    for at in 0..count {
        let kind = if at == 0 { HEADERS } else { CONTINUATION };
        let mut flags = if at + 1 == count { END_HEADERS } else { 0 };
        if at == 0 && ends {
            flags |= END_STREAM;
        }
        push_frame(kind, flags, 1, pieces.get(at).copied().unwrap_or_default(), &mut out);
    }
    out
}

/// RFC 7541, 5.1, with a prefix of seven bits; no Huffman code.
fn push_length(length: usize, out: &mut Vec<u8>) {
    if length < 127 {
        out.push(length as u8);
        return;
    }
    out.push(127);
    let mut left = length - 127;
    while left >= 128 {
        out.push((left % 128) as u8 | 128);
        left /= 128;
    }
    out.push(left as u8);
}

fn push_frame(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// The proxy's side towards a client, with a request that it got.
pub struct Server {
    memory: Memory,
    connection: server::Connection<Memory, Bytes>,
    respond: SendResponse<Bytes>,
}

impl Server {
    /// `None` when the library does not let the request through.
    pub fn get(fields: &[Field], ends: bool) -> Option<(Self, Request<RecvStream>)> {
        let memory = Memory::default();
        memory.put(PREFACE);
        let mut settings = Vec::new();
        push_frame(SETTINGS, 0, 0, b"", &mut settings);
        memory.put(&settings);
        memory.put(&head(fields, ends));
        let handshake = server::Builder::new()
            .max_header_list_size(HEADERS_BYTES_MAX)
            .handshake::<_, Bytes>(memory.clone());
        let mut connection = poll(handshake)?.ok()?;
        let accepted = (0..TURNS_MAX).find_map(|_| match connection.poll_accept(&mut cx()) {
            Poll::Ready(accepted) => Some(accepted),
            Poll::Pending => None,
        });
        let (request, respond) = accepted??.ok()?;
        let server = Self {
            memory,
            connection,
            respond,
        };
        Some((server, request))
    }

    /// What the client gets.
    pub fn answer(mut self, response: Response<()>) -> Vec<Field> {
        let sent = self.respond.send_response(response, false);
        let _stream = sent.expect("a response that can be sent");
        let _ = self.connection.poll_closed(&mut cx());
        self.memory.sent()
    }
}

/// What a target gets.
pub fn asked(request: Request<()>, ends: bool) -> Vec<Field> {
    let mut client = Client::new();
    let _response = client.ask(request, ends);
    client.memory.sent()
}

/// What the proxy gets of a target that answers so; `None` when the library does not let it through.
pub fn answered(is_head: bool, fields: &[Field], ends: bool) -> Option<Response<RecvStream>> {
    let mut client = Client::new();
    let mut request = Request::get("http://a/").body(()).expect("a request");
    if is_head {
        *request.method_mut() = http::Method::HEAD;
    }
    let response = client.ask(request, true);
    let mut frames = Vec::new();
    push_frame(SETTINGS, 0, 0, b"", &mut frames);
    frames.extend_from_slice(&head(fields, ends));
    client.memory.put(&frames);
    let _ = Pin::new(&mut client.connection).poll(&mut cx());
    poll(response)?.ok()
}

/// The proxy's side towards a target.
struct Client {
    memory: Memory,
    requests: client::SendRequest<Bytes>,
    connection: client::Connection<Memory, Bytes>,
}

impl Client {
    fn new() -> Self {
        let memory = Memory::default();
        let handshake = client::Builder::new().handshake::<_, Bytes>(memory.clone());
        let (requests, connection) = poll(handshake).expect("no waiting").expect("a connection");
        Self {
            memory,
            requests,
            connection,
        }
    }

    fn ask(&mut self, request: Request<()>, ends: bool) -> ResponseFuture {
        assert!(self.requests.poll_ready(&mut cx()).is_ready());
        let sent = self.requests.send_request(request, ends);
        let (response, _stream) = sent.expect("a request that can be sent");
        let _ = Pin::new(&mut self.connection).poll(&mut cx());
        response
    }
}
