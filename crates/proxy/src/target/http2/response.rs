//! The response of a target over HTTP/2, as far as it has come. Source: ALB 4.5, 4.10.

use crate::exchange::Piece;
use crate::target::TargetFailure;
use ::http1::{ResponseFraming, ResponseHead};
use bytes::{Buf, Bytes};
use h2::RecvStream;
use http::HeaderMap;
use std::task::{Context, Poll, ready};

/// Header bytes of a response; more is answered 502. Source: ALB 4.5.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// A response whose head is here.
pub(crate) struct Response {
    head: ResponseHead,
    bytes: Vec<u8>,
    framing: ResponseFraming,
    stream: RecvStream,
    /// Bytes of the body that nobody has taken yet.
    at_hand: Bytes,
    /// What its length still promises.
    owed: u64,
    ended: bool,
    trailers: Option<HeaderMap>,
}

impl Response {
    /// `is_head` says that HEAD was asked. An error says what is wrong with it.
    pub(crate) fn new(response: http::Response<RecvStream>, is_head: bool) -> Result<Self, (TargetFailure, String)> {
        let (parts, stream) = response.into_parts();
        let (mut head, mut bytes) = (ResponseHead::new(), Vec::with_capacity(512));
        head.begin(&mut bytes, parts.status.as_u16());
        for (name, value) in &parts.headers {
            // Blanks around a value are no part of it, as in HTTP/1. Source: RFC 9113, 8.2.1.
            let value = value.as_bytes().trim_ascii();
            let pushed = head.push(&mut bytes, name.as_str().as_bytes(), value);
            pushed.map_err(|error| (TargetFailure::Malformed, error.to_string()))?;
        }
        if bytes.len() > HEAD_BYTES_MAX {
            return Err((TargetFailure::HeadTooLarge, "its headers are over 32 K".to_owned()));
        }
        let framing = match ::http1::response_framing(&head, &bytes, is_head) {
            Ok(ResponseFraming::UntilClose) if stream.is_end_stream() => ResponseFraming::None,
            Ok(ResponseFraming::UntilClose) => ResponseFraming::Chunked,
            Ok(framing) => framing,
            Err(error) => return Err((TargetFailure::Malformed, error.to_string())),
        };
        let owed = match framing {
            ResponseFraming::Length(length) => length,
            _ => 0,
        };
        Ok(Self {
            head,
            bytes,
            framing,
            stream,
            at_hand: Bytes::new(),
            owed,
            ended: false,
            trailers: None,
        })
    }

    pub(crate) fn head(&self) -> (&ResponseHead, &[u8]) {
        (&self.head, &self.bytes)
    }

    /// A response may be long on its way, and its head is not asked for again.
    pub(super) fn forget_head(&mut self) {
        (self.head, self.bytes) = (ResponseHead::new(), Vec::new());
    }

    pub(crate) fn framing(&self) -> ResponseFraming {
        self.framing
    }

    /// Its length promises more than has come.
    pub(super) fn is_owed(&self) -> bool {
        self.owed > 0
    }

    /// The stream has ended on the target's side.
    pub(super) fn has_ended(&self) -> bool {
        self.ended || self.stream.is_end_stream()
    }

    /// Also says whether something came.
    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(Piece, bool), h2::Error>> {
        if !self.at_hand.is_empty() {
            return Poll::Ready(Ok((Piece::Data, false)));
        }
        // What follows a head that has no body is nobody's.
        if self.ended || self.framing == ResponseFraming::None {
            return Poll::Ready(Ok((Piece::End, false)));
        }
        loop {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(data)) => {
                    self.owed = self.owed.saturating_sub(data.len() as u64);
                    self.at_hand = data;
                    return Poll::Ready(Ok((Piece::Data, true)));
                }
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => {
                    self.trailers = ready!(self.stream.poll_trailers(cx))?;
                    self.ended = true;
                    return Poll::Ready(Ok((Piece::End, true)));
                }
            }
        }
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.at_hand
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.at_hand.advance(count.min(self.at_hand.len()));
        let _ = self.stream.flow_control().release_capacity(count); // the stream may have been reset
    }

    pub(super) fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }
}
