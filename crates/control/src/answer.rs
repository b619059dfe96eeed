//! Answers of the endpoint.

use crate::server::LongCall;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};
use serde::Serialize;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;

pub(crate) type Answer = Response<AnswerBody>;

/// The body of an answer.
pub(crate) enum AnswerBody {
    Whole(Full<Bytes>),
    /// Comes piece by piece, and ends when the sender is dropped.
    Live {
        pieces: mpsc::Receiver<Bytes>,
        /// Keeps the connection open for as long as it takes.
        _call: LongCall,
    },
    /// A function's answer: a piece that is an error breaks it off, so that no client takes a part for the whole.
    Streamed {
        pieces: mpsc::Receiver<io::Result<Bytes>>,
        /// Why it broke off, held back once so that what came before is sent first.
        broken: Option<io::Error>,
        /// Keeps the connection open for as long as it takes.
        _call: LongCall,
    },
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Live { pieces, .. } => pieces
                .poll_recv(context)
                .map(|piece| piece.map(|piece| Ok(Frame::data(piece)))),
            Self::Streamed { pieces, broken, .. } => {
                if let Some(error) = broken.take() {
                    return Poll::Ready(Some(Err(error)));
                }
                match ready!(pieces.poll_recv(context)) {
                    Some(Err(error)) => {
                        // The connection throws away what it has not yet sent when a body fails, but sends it while the
                        // body has nothing.
                        *broken = Some(error);
                        context.waker().wake_by_ref();
                        Poll::Pending
                    }
                    piece => Poll::Ready(piece.map(|it| it.map(Frame::data))),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Live { .. } | Self::Streamed { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Live { .. } | Self::Streamed { .. } => SizeHint::default(),
        }
    }
}

/// An answer that comes piece by piece.
pub(crate) fn live(content_type: &'static str, pieces: mpsc::Receiver<Bytes>, call: LongCall) -> Answer {
    let mut answer = document(StatusCode::OK, content_type, Bytes::new());
    *answer.body_mut() = AnswerBody::Live { pieces, _call: call };
    answer
}

/// A whole document. No browser may guess its type or keep it.
pub(crate) fn document(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(AnswerBody::Whole(Full::new(body.into())));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// A JSON document, closed with a line end for people with curl.
pub(crate) fn json(status: StatusCode, document_: &impl Serialize) -> Answer {
    match serde_json::to_vec(document_) {
        Ok(mut body) => {
            body.push(b'\n');
            document(status, "application/json", body)
        }
        // Our documents are maps with text keys and plain numbers, which always serialize.
        Err(_) => document(StatusCode::INTERNAL_SERVER_ERROR, "application/json", "{}\n"),
    }
}

/// A refusal of the own API, for people.
pub(crate) fn refusal(status: StatusCode, message: &str) -> Answer {
    json(status, &serde_json::json!({ "error": message }))
}

/// Adds a header whose value is ASCII; anything else is left out.
pub(crate) fn with_header(mut answer: Answer, name: &'static str, value: &str) -> Answer {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(HeaderName::from_static(name), value);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::LongCalls;
    use http_body_util::BodyExt as _;
    use std::future::poll_fn;

    #[tokio::test]
    async fn what_came_before_a_failure_can_be_sent_first() {
        let (sender, pieces) = mpsc::channel(2);
        sender.try_send(Ok(Bytes::from_static(b"one"))).unwrap();
        sender.try_send(Err(io::Error::other("broken"))).unwrap();
        let mut body = AnswerBody::Streamed {
            pieces,
            broken: None,
            _call: LongCalls::default().begin(),
        };
        let piece = body.frame().await.unwrap().unwrap();
        assert_eq!(piece.into_data().unwrap(), "one");
        let nothing_yet = poll_fn(|context| Poll::Ready(Pin::new(&mut body).poll_frame(context).is_pending())).await;
        assert!(
            nothing_yet,
            "the connection sends what it has while the body has nothing"
        );
        assert!(body.frame().await.unwrap().is_err());
    }
}
