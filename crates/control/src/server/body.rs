//! Bodies of requests, read whole within a bound.

use crate::answer::{self, Answer};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body, Incoming};

/// The body of a request.
#[derive(Debug)]
pub(crate) enum Payload {
    Whole(Bytes),
    /// It was larger than it may be.
    TooLarge,
}

/// Reads a body. Of one that is too large as much again is thrown away: a client that still sends when it is answered
/// would lose the answer.
pub(crate) async fn whole<B>(mut body: B, bytes_max: usize) -> Result<Payload, Box<Answer>>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut bytes = Vec::new();
    let mut seen = 0_usize;
    // A little too much is read to its end, so that whoever sends it gets the answer.
    let patience = bytes_max.saturating_mul(2);
    if body.size_hint().lower() > patience as u64 {
        return Ok(Payload::TooLarge);
    }
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            let message = "the body did not arrive whole";
            return Err(Box::new(answer::refusal(StatusCode::BAD_REQUEST, message)));
        };
        let Ok(data) = frame.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= bytes_max {
            bytes.extend_from_slice(&data);
        } else {
            bytes = Vec::new();
            if seen > patience {
                break;
            }
        }
    }
    Ok(if seen > bytes_max {
        Payload::TooLarge
    } else {
        Payload::Whole(bytes.into())
    })
}

/// Reads so much of a body for nothing.
pub(super) async fn thrown_away(mut body: Incoming, bytes_max: usize) {
    let mut seen = 0_usize;
    while let Some(Ok(frame)) = body.frame().await {
        seen = seen.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if seen > bytes_max {
            break;
        }
    }
}
