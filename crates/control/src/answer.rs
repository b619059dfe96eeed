//! Answers of the endpoint.

use crate::server::LongCall;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};
use serde::Serialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
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
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context),
            Self::Live { pieces, .. } => pieces
                .poll_recv(context)
                .map(|piece| piece.map(|piece| Ok(Frame::data(piece)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Live { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Live { .. } => SizeHint::default(),
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
