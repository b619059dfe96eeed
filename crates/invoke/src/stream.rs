//! An answer that comes piece by piece while the function still runs. Source: Lambda 2.6, 5.7.
//!
//! The pieces wait in a queue with a bound: a slow caller holds up the function's writing, and not our memory. A caller that
//! drops the stream loses the rest; the function runs to its end.

use crate::{InvokeRefusal, RequestId};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// Pieces that may wait for the caller. Each is as long as what was read at once.
const PIECES_MAX: usize = 8;

/// How a streaming invocation began.
#[derive(Debug)]
pub enum Streaming {
    /// The function was run, and this is what comes of it. An error before the first byte is a stream with nothing in it but
    /// the error.
    Began(AnswerStream),
    /// The function was not run.
    Refused(InvokeRefusal),
}

/// The answer of one invocation.
#[derive(Debug)]
pub struct AnswerStream {
    /// As it stands in the function's log.
    pub request_id: RequestId,
    /// The content type that the runtime named for a streamed answer. `None` for an answer that came whole.
    pub content_type: Option<String>,
    pieces: Option<mpsc::Receiver<Bytes>>,
    end: Option<oneshot::Receiver<StreamEnd>>,
}

/// What comes next of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes, as the function wrote them.
    Bytes(Bytes),
    /// There is nothing more.
    End(StreamEnd),
}

/// How a streamed answer ended. The bytes that have come stand in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamEnd {
    /// If the function failed.
    pub error: Option<StreamError>,
    /// The end of the log, if it was asked for.
    pub log_tail: Option<Bytes>,
}

/// The failure of a function that streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamError {
    /// For example `Runtime.ExitError` or `Sandbox.Timedout`.
    pub error_type: String,
    /// The error document.
    pub payload: Bytes,
}

/// Where the pieces of an answer go in.
#[derive(Debug)]
pub struct PieceSender(mpsc::Sender<Bytes>);

/// Where its end goes in. Dropped without a word, it is an end without an error type that Lambda has.
#[derive(Debug)]
pub struct EndSender(oneshot::Sender<StreamEnd>);

impl AnswerStream {
    /// An answer whose pieces are still to come.
    pub fn new(request_id: RequestId, content_type: Option<String>) -> (Self, PieceSender, EndSender) {
        let (piece_sender, pieces) = mpsc::channel(PIECES_MAX);
        let (end_sender, end) = oneshot::channel();
        let stream = Self {
            request_id,
            content_type,
            pieces: Some(pieces),
            end: Some(end),
        };
        (stream, PieceSender(piece_sender), EndSender(end_sender))
    }

    /// An answer that is there already, with its end.
    pub fn whole(request_id: RequestId, bytes: Bytes, end: StreamEnd) -> Self {
        let (stream, pieces, end_sender) = Self::new(request_id, None);
        if !bytes.is_empty() {
            // There is room for the first one.
            let _ = pieces.0.try_send(bytes);
        }
        end_sender.send(end);
        stream
    }

    /// Waits for what comes next. After the end, the same end without its log comes again.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Piece {
        loop {
            let Some(end) = &mut self.end else {
                return Piece::End(StreamEnd::default());
            };
            let ended = match &mut self.pieces {
                Some(pieces) => tokio::select! {
                    // What was written before the end comes before it.
                    biased;
                    piece = pieces.recv() => match piece {
                        Some(bytes) => return Piece::Bytes(bytes),
                        None => {
                            self.pieces = None;
                            continue;
                        }
                    },
                    ended = end => ended,
                },
                None => end.await,
            };
            (self.pieces, self.end) = (None, None);
            return Piece::End(ended.unwrap_or_else(|_| StreamEnd {
                error: Some(StreamError {
                    error_type: "Sandbox.Failure".to_owned(),
                    payload: Bytes::from_static(
                        b"{\"errorType\":\"Sandbox.Failure\",\"errorMessage\":\"the platform has ended\"}",
                    ),
                }),
                log_tail: None,
            }));
        }
    }
}

impl PieceSender {
    /// Waits for room, and hands on a piece. False if nobody wants it any more.
    pub async fn send(&self, bytes: Bytes) -> bool {
        self.0.send(bytes).await.is_ok()
    }
}

impl EndSender {
    /// The answer has ended. To be said after the last piece was taken.
    pub fn send(self, end: StreamEnd) {
        // An error says that nobody listens any more.
        let _ = self.0.send(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    fn id() -> RequestId {
        RequestId::from_random([7; 16])
    }

    #[tokio::test]
    async fn pieces_come_in_order_and_before_the_end() {
        let (mut stream, pieces, end) = AnswerStream::new(id(), Some("text/plain".to_owned()));
        for text in ["a", "b"] {
            assert!(pieces.send(bytes(text)).await);
        }
        let said = StreamEnd {
            error: None,
            log_tail: Some(bytes("log")),
        };
        end.send(said.clone());
        assert_eq!(stream.next().await, Piece::Bytes(bytes("a")));
        assert_eq!(stream.next().await, Piece::Bytes(bytes("b")));
        assert_eq!(stream.next().await, Piece::End(said));
        assert_eq!(stream.next().await, Piece::End(StreamEnd::default()));
        assert!(!pieces.send(bytes("c")).await, "nobody wants it");
    }

    #[tokio::test]
    async fn a_slow_caller_holds_up_the_writer() {
        let (mut stream, pieces, _end) = AnswerStream::new(id(), None);
        for _ in 0..PIECES_MAX {
            assert!(pieces.send(bytes("x")).await);
        }
        let one_more = pieces.send(bytes("x"));
        tokio::pin!(one_more);
        let waits = tokio::select! {
            biased;
            _ = &mut one_more => false,
            () = tokio::task::yield_now() => true,
        };
        assert!(waits);
        assert_eq!(stream.next().await, Piece::Bytes(bytes("x")));
        assert!(one_more.await);
    }

    #[tokio::test]
    async fn an_end_without_a_word_is_a_failure() {
        let (mut stream, pieces, end) = AnswerStream::new(id(), None);
        drop((pieces, end));
        let Piece::End(StreamEnd { error: Some(error), .. }) = stream.next().await else {
            panic!("an error");
        };
        assert_eq!(error.error_type, "Sandbox.Failure");
        let mut whole = AnswerStream::whole(id(), bytes("all"), StreamEnd::default());
        assert_eq!(whole.next().await, Piece::Bytes(bytes("all")));
        assert_eq!(whole.next().await, Piece::End(StreamEnd::default()));
    }
}
