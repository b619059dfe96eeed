//! Answers that are passed on while the function writes them. Source: Lambda 2.6, 7.4.

use crate::{answer, refusal};
use bytes::{Bytes, BytesMut};
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use invoke::{AnswerStream, Piece};

/// The content type of an answer that begins with a prelude.
const INTEGRATION: &str = "application/vnd.awslambda.http-integration-response";

/// What stands between a prelude and the body.
const PRELUDE_END: [u8; 8] = [0; 8];

/// The longest prelude, in bytes (unverified).
const PRELUDE_BYTES_MAX: usize = 256 * 1024;

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// It comes piece by piece.
    Stream(Stream),
}

/// A body that still comes.
#[derive(Debug)]
pub struct Stream {
    /// What has come already.
    first: Option<Bytes>,
    rest: AnswerStream,
}

/// The function failed after its answer had begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl Stream {
    /// Waits for the next piece. `None`: that was all.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        match self.rest.next().await {
            Piece::Bytes(bytes) => Some(Ok(bytes)),
            Piece::End(end) => end.error.map(|_| Err(Broken)),
        }
    }
}

/// The beginning and the rest of what was collected of an answer with a prelude.
pub(crate) fn split_prelude(collected: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = collected
        .windows(PRELUDE_END.len())
        .position(|window| window == PRELUDE_END)?;
    Some((&collected[..at], &collected[at + PRELUDE_END.len()..]))
}

/// The answer, as soon as its head is known; or a sentence about why there is none.
pub(crate) async fn begin(mut stream: AnswerStream) -> Result<Response<Body>, String> {
    let essence = |it: &String| {
        it.split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .eq_ignore_ascii_case(INTEGRATION)
    };
    if stream.content_type.as_ref().is_some_and(essence) {
        return with_prelude(stream).await;
    }
    let first = match stream.next().await {
        Piece::Bytes(bytes) => bytes,
        Piece::End(end) if end.error.is_some() => return Ok(refusal::function().map(Body::Whole)),
        Piece::End(_) => Bytes::new(),
    };
    // A document that was not streamed is as it is: nothing is inferred from it. Its type is (unverified).
    let content_type = stream.content_type.as_deref().unwrap_or("application/json");
    let content_type = HeaderValue::from_str(content_type).map_err(|_| "its content type is none".to_owned())?;
    let mut response = Response::new(Body::Stream(Stream {
        first: Some(first).filter(|first| !first.is_empty()),
        rest: stream,
    }));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(response)
}

async fn with_prelude(mut stream: AnswerStream) -> Result<Response<Body>, String> {
    let mut collected = BytesMut::new();
    loop {
        match stream.next().await {
            Piece::Bytes(bytes) => collected.extend_from_slice(&bytes),
            Piece::End(end) if end.error.is_some() => return Ok(refusal::function().map(Body::Whole)),
            Piece::End(_) => return Err("its prelude does not end".to_owned()),
        }
        if let Some((prelude, body)) = split_prelude(&collected) {
            let head = answer::prelude(prelude)?;
            let first = Bytes::copy_from_slice(body);
            return Ok(head.map(|()| {
                Body::Stream(Stream {
                    first: Some(first).filter(|first| !first.is_empty()),
                    rest: stream,
                })
            }));
        }
        if collected.len() > PRELUDE_BYTES_MAX {
            return Err(format!("its prelude has more than {PRELUDE_BYTES_MAX} bytes"));
        }
    }
}
