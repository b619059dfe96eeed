//! A check over HTTP/1.1: one request, the head of one response. Source: ALB 5.6.

use super::server::{Stream, Unanswered};
use http1::{HeadLimits, HeadScanner, ResponseFraming, ResponseHead, Scan, response_framing};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Room for one read; a head is mostly a few hundred bytes.
const READ_BYTES: usize = 4096;
/// Interim responses that are read over, in bytes with the head that follows them. Each may be as long as a head.
const HEADS_BYTES_MAX: usize = 2 * HeadLimits::ALB_RESPONSE.headers_bytes_max;
/// Bytes of a body that are read only so that the target can write it to its end.
const BODY_BYTES_MAX: u64 = 64 * 1024;

/// What a complete head says.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Bytes of the body that have not been read; without a length all that come.
    pub(super) left: u64,
}

/// Sends the request and reads the head of the response. Interim responses are read over.
pub(super) async fn ask(stream: &mut dyn Stream, request: &[u8]) -> Result<Answer, Unanswered> {
    stream.write_all(request).await?;
    stream.flush().await?;
    let (mut scanner, mut head) = (HeadScanner::new(), ResponseHead::new());
    let (mut buffer, mut begin) = (Vec::new(), 0);
    loop {
        match head.read(&mut scanner, &buffer[begin..], &HeadLimits::ALB_RESPONSE) {
            Ok(Scan::Complete { head_len }) if is_interim(head.status()) => begin += head_len,
            Ok(Scan::Complete { head_len }) => {
                let (bytes, body) = buffer[begin..].split_at(head_len);
                let left = body_bytes(&head, bytes).saturating_sub(body.len() as u64);
                let status = head.status();
                return Ok(Answer { status, left });
            }
            Ok(Scan::TooLarge(_)) => return Err(Unanswered::malformed("the response's head is too large")),
            Ok(Scan::Partial) if buffer.len() > HEADS_BYTES_MAX => {
                return Err(Unanswered::malformed("too many interim responses"));
            }
            Ok(Scan::Partial) => {
                buffer.reserve(READ_BYTES);
                if stream.read_buf(&mut buffer).await? == 0 {
                    return Err(closed(buffer.len()));
                }
            }
            Err(error) => return Err(Unanswered::malformed(error.to_string())),
        }
    }
}

/// Before the response that counts. 101 is a last one; it is what a target answers that upgrades unasked.
fn is_interim(status: u16) -> bool {
    matches!(status, 100 | 102..=199)
}

/// Only to know when a target has done; what it says wrongly about its body is no matter of a check.
fn body_bytes(head: &ResponseHead, bytes: &[u8]) -> u64 {
    match response_framing(head, bytes, false) {
        Ok(ResponseFraming::None) => 0,
        Ok(ResponseFraming::Length(length)) => length,
        Ok(ResponseFraming::Chunked | ResponseFraming::UntilClose) | Err(_) => u64::MAX,
    }
}

fn closed(received: usize) -> Unanswered {
    let sentence = match received {
        0 => "the target closed the connection without an answer",
        _ => "the target closed the connection before the response's headers were complete",
    };
    Unanswered::NoConnection(io::Error::new(io::ErrorKind::UnexpectedEof, sentence))
}

/// Reads what is left of a response and closes. Closed with bytes unread, a connection is reset, and targets log an error
/// for every check. The caller bounds the time.
pub(super) async fn finish(stream: &mut dyn Stream, left: u64) -> io::Result<()> {
    let mut rest = stream.take(left.min(BODY_BYTES_MAX));
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    rest.into_inner().shutdown().await
}
