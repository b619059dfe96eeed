//! Many requests at once on one connection with HTTP/2.

use super::traffic::pattern;
use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use testkit::{BOUND, trusting};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio_rustls::TlsConnector;

/// Streams at once.
const STREAMS: usize = 16;

/// A request and the body that answers it.
pub(crate) struct Ask {
    path: String,
    body: Option<Vec<u8>>,
    expected: Vec<u8>,
}

impl Ask {
    /// Answered with its path.
    pub(crate) fn get(path: String) -> Self {
        let expected = path.clone().into_bytes();
        Self {
            path,
            body: None,
            expected,
        }
    }

    pub(crate) fn upload(path: String, length: usize) -> Self {
        let expected = format!("{path} {length}").into_bytes();
        Self {
            path,
            body: Some(pattern(length)),
            expected,
        }
    }

    pub(crate) fn download(path: String, length: usize) -> Self {
        Self {
            path,
            body: None,
            expected: pattern(length),
        }
    }
}

/// The path, or what is wrong.
type Outcome = Result<String, String>;

/// Sends all of them on one connection, until `stop` or until the server says goodbye.
pub(crate) fn run(address: SocketAddr, asks: Vec<Ask>, stop: &AtomicBool) -> io::Result<Vec<Outcome>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let all = tokio::time::timeout(BOUND, send_all(address, asks, stop));
        all.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    })
}

async fn send_all(address: SocketAddr, asks: Vec<Ask>, stop: &AtomicBool) -> io::Result<Vec<Outcome>> {
    let socket = TcpStream::connect(address).await?;
    let name = rustls::pki_types::ServerName::try_from("localhost").map_err(io::Error::other)?;
    let stream = TlsConnector::from(trusting(&["h2"])).connect(name, socket).await?;
    let (requests, connection) = h2::client::handshake(stream).await.map_err(io::Error::other)?;
    let connection = tokio::task::spawn_local(connection);
    let (mut running, mut outcomes) = (JoinSet::new(), Vec::new());
    for ask in asks {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        match requests.clone().ready().await {
            Ok(ready) => running.spawn_local(send(ready, ask)),
            Err(error) if is_goodbye(&error) => break,
            Err(error) => return Err(io::Error::other(error)),
        };
        while running.len() >= STREAMS {
            outcomes.extend(running.join_next().await.and_then(Result::ok).flatten());
        }
    }
    drop(requests);
    while let Some(outcome) = running.join_next().await {
        outcomes.extend(outcome.map_err(io::Error::other)?);
    }
    connection.abort();
    Ok(outcomes)
}

/// `None`: the server says that it has not begun it.
async fn send(mut requests: SendRequest<Bytes>, ask: Ask) -> Option<Outcome> {
    let path = ask.path.clone();
    match exchange(&mut requests, ask).await {
        Ok((200, true)) => Some(Ok(path)),
        Ok((status, is_expected)) => Some(Err(format!("{path}: {status}, with the right body: {is_expected}"))),
        Err(error) if is_goodbye(&error) => None,
        Err(error) => Some(Err(format!("{path}: {error}"))),
    }
}

async fn exchange(requests: &mut SendRequest<Bytes>, ask: Ask) -> Result<(u16, bool), h2::Error> {
    let method = if ask.body.is_some() { "POST" } else { "GET" };
    let request = Request::builder()
        .method(method)
        .uri(format!("https://localhost{}", ask.path));
    let request = request.body(()).expect("a request that can be sent");
    let (response, mut stream) = requests.send_request(request, ask.body.is_none())?;
    let upload = async {
        let Some(body) = ask.body else { return Ok(()) };
        let mut left = Bytes::from(body);
        while !left.is_empty() {
            stream.reserve_capacity(left.len());
            match std::future::poll_fn(|cx| stream.poll_capacity(cx)).await {
                Some(Ok(0)) => {}
                Some(Ok(count)) => stream.send_data(left.split_to(count.min(left.len())), false)?,
                Some(Err(error)) => return Err(error),
                None => return Ok(()), // it was answered early
            }
        }
        stream.send_data(Bytes::new(), true)
    };
    let download = async {
        let (head, mut body) = response.await?.into_parts();
        let mut received = Vec::new();
        while let Some(piece) = body.data().await {
            let piece = piece?;
            body.flow_control().release_capacity(piece.len())?;
            received.extend_from_slice(&piece);
        }
        Ok::<_, h2::Error>((head.status.as_u16(), received == ask.expected))
    };
    let (uploaded, downloaded) = tokio::join!(upload, download);
    let answer = downloaded?;
    uploaded?;
    Ok(answer)
}

/// Whether the server ends the connection as RFC 9113 6.8 has it: what it has not begun may be sent to another one.
fn is_goodbye(error: &h2::Error) -> bool {
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    refused || (error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR))
}
