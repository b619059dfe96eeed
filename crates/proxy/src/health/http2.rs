//! A check over HTTP/2, plain or gRPC: one request on a connection of its own. Source: ALB 5.6.

use super::judge::Ended;
use super::request::EMPTY_GRPC_MESSAGE;
use super::server::{Stream, Unanswered};
use bytes::Bytes;
use h2::RecvStream;
use h2::client::{Connection, SendRequest};
use http::{HeaderMap, Request, Response, StatusCode};
use model::elb::health_check::{GrpcMatcher, HttpMatcher};
use std::future::poll_fn;
use std::pin::{Pin, pin};

/// What a target may answer. Source: ALB 4.5.
const HEADERS_BYTES_MAX: u32 = 32 * 1024;
/// Bytes of messages that are read over on the way to the trailers of a gRPC answer.
const MESSAGES_BYTES_MAX: usize = 64 * 1024;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Want<'a> {
    /// A status that passes.
    Status(&'a HttpMatcher),
    /// A call whose `grpc-status` passes.
    GrpcStatus(&'a GrpcMatcher),
}

/// A connection whose answer has been read; `None` if it has ended.
pub(super) type Open = Option<Box<Connection<Box<dyn Stream>, Bytes>>>;

/// Sends the request and reads the answer: of HTTP its headers, of gRPC as far as its status.
pub(super) async fn ask(
    stream: Box<dyn Stream>,
    request: Request<()>,
    want: Want<'_>,
) -> Result<(Ended, Open), Unanswered> {
    let (sender, connection) = h2::client::Builder::new()
        .enable_push(false)
        .max_header_list_size(HEADERS_BYTES_MAX)
        .handshake::<_, Bytes>(stream)
        .await?;
    let mut open = Some(Box::new(connection));
    let ended = {
        let mut exchange = pin!(exchange(sender, request, want));
        poll_fn(|cx| {
            // The exchange hears from the connection what it has received, and why it ended if it has.
            if open.as_mut().is_some_and(|open| Pin::new(open).poll(cx).is_ready()) {
                open = None;
            }
            exchange.as_mut().poll(cx)
        })
        .await?
    };
    Ok((ended, open))
}

async fn exchange(sender: SendRequest<Bytes>, request: Request<()>, want: Want<'_>) -> Result<Ended, Unanswered> {
    let mut sender = sender.ready().await?;
    match want {
        Want::Status(matcher) => {
            let (response, _) = sender.send_request(request, true)?;
            let status = response.await?.status().as_u16();
            Ok(Ended::of_status(status, matcher.matches(status)))
        }
        Want::GrpcStatus(matcher) => {
            let (response, mut message) = sender.send_request(request, false)?;
            message.send_data(EMPTY_GRPC_MESSAGE, true)?;
            judge_grpc(response.await?, matcher).await
        }
    }
}

/// The status stands in the trailers, or in the headers of an answer that has nothing else. An answer that is none of
/// gRPC, such as the 404 of another server, is judged by its HTTP status, which says more than a missing `grpc-status`
/// (unverified).
async fn judge_grpc(response: Response<RecvStream>, matcher: &GrpcMatcher) -> Result<Ended, Unanswered> {
    let (head, body) = response.into_parts();
    let status = match grpc_status(&head.headers)? {
        None if head.status != StatusCode::OK => return Ok(Ended::WrongCode(head.status.as_u16())),
        None => grpc_status(&trailers(body).await?)?,
        status => status,
    };
    Ok(match status {
        None => Ended::NoGrpcStatus,
        Some(status) if matcher.matches(status) => Ended::Passed(status),
        Some(status) => Ended::WrongGrpcStatus(status),
    })
}

async fn trailers(mut body: RecvStream) -> Result<HeaderMap, Unanswered> {
    let mut received = 0;
    while let Some(data) = body.data().await {
        let bytes = data?.len();
        received += bytes;
        if received > MESSAGES_BYTES_MAX {
            return Err(Unanswered::malformed("the answer is too long"));
        }
        body.flow_control().release_capacity(bytes)?;
    }
    Ok(body.trailers().await?.unwrap_or_default())
}

/// `None` if there is none, or an empty one.
fn grpc_status(fields: &HeaderMap) -> Result<Option<u16>, Unanswered> {
    let value = fields.get("grpc-status").map(|value| value.as_bytes());
    match value {
        None | Some(b"") => Ok(None),
        Some(digits) if digits.len() <= 4 && digits.iter().all(u8::is_ascii_digit) => {
            let number = |number, digit: &u8| number * 10 + u16::from(digit - b'0');
            Ok(Some(digits.iter().fold(0, number)))
        }
        Some(_) => Err(Unanswered::malformed("grpc-status is no number")),
    }
}

/// Says goodbye. The caller bounds the time.
pub(super) async fn finish(open: Open) -> Result<(), h2::Error> {
    match open {
        Some(connection) => connection.await,
        None => Ok(()),
    }
}
