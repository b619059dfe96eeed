//! A client of HTTP/2 that says what it saw of a response.

use crate::world::World;
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use std::io;
use testkit::{BOUND, trusting};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Answer {
    /// 0: the stream was reset before a head.
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) trailers: HeaderMap,
    /// The stream came to its end, and was not reset.
    pub(crate) whole: bool,
}

/// What kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Get,
    /// A call of gRPC with one empty message.
    Grpc,
}

/// Sends all of these at once on one connection, and waits for all of them.
#[track_caller]
pub(crate) fn fetch_all(world: &World, call: Call, paths: &[String]) -> Vec<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let requests = open(world).await.unwrap();
        let running = paths.iter().map(|path| {
            let request = send(requests.clone(), call, path.clone());
            tokio::task::spawn_local(tokio::time::timeout(BOUND, request))
        });
        let running: Vec<_> = running.collect();
        let mut answers = Vec::new();
        for (request, path) in running.into_iter().zip(paths) {
            let answer = request.await.unwrap();
            answers.push(answer.unwrap_or_else(|_| panic!("{path}: no end")));
        }
        answers
    })
}

async fn open(world: &World) -> io::Result<SendRequest<Bytes>> {
    let socket = TcpStream::connect(world.secure_listener()).await?;
    let name = rustls::pki_types::ServerName::try_from("localhost").map_err(io::Error::other)?;
    let stream = TlsConnector::from(trusting(&["h2"])).connect(name, socket).await?;
    let (requests, connection) = h2::client::handshake(stream).await.map_err(io::Error::other)?;
    tokio::task::spawn_local(connection);
    Ok(requests)
}

async fn send(requests: SendRequest<Bytes>, call: Call, path: String) -> Answer {
    let mut answer = Answer {
        status: 0,
        headers: HeaderMap::new(),
        body: String::new(),
        trailers: HeaderMap::new(),
        whole: false,
    };
    answer.whole = receive(requests, call, &path, &mut answer).await.is_ok();
    answer
}

async fn receive(requests: SendRequest<Bytes>, call: Call, path: &str, answer: &mut Answer) -> Result<(), h2::Error> {
    let request = Request::builder().uri(format!("https://localhost{path}"));
    let request = match call {
        Call::Get => request,
        Call::Grpc => request
            .method("POST")
            .header("content-type", "application/grpc")
            .header("te", "trailers"),
    };
    let request = request.body(()).unwrap();
    let mut requests = requests.ready().await?;
    let (response, mut sending) = requests.send_request(request, call == Call::Get)?;
    if call == Call::Grpc {
        sending.send_data(Bytes::from_static(&[0; 5]), true)?;
    }
    let (head, mut body) = response.await?.into_parts();
    (answer.status, answer.headers) = (head.status.as_u16(), head.headers);
    while let Some(some) = body.data().await {
        let some = some?;
        let _ = body.flow_control().release_capacity(some.len()); // the stream may be over
        answer.body.push_str(&String::from_utf8_lossy(&some));
    }
    answer.trailers = body.trailers().await?.unwrap_or_default();
    Ok(())
}
