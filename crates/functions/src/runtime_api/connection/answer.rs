//! The bodies that a runtime posts: answers, whole or piece by piece, and errors. Source: Lambda 2.3 to 2.6.

use super::{Posted, Task};
use crate::failure::Failure;
use crate::runtime_api::answer::{Refusal, Reply};
use crate::runtime_api::body::{Body, Collected};
use crate::runtime_api::{error, request};
use crate::{ANSWER_BYTES_MAX, STREAM_BYTES_MAX};
use bytes::Bytes;
use invoke::PieceSender;
use std::io;

impl Posted {
    fn failure(self, body: Bytes) -> Failure {
        Failure::Posted {
            error_type: self.error_type,
            payload: if self.is_cause {
                error::without_cause(body)
            } else {
                body
            },
        }
    }
}

impl Task<'_> {
    pub(super) async fn take_response(&mut self, body: &mut Body) -> Reply {
        let collected = body.collect(&mut self.reader, &mut self.buffer, ANSWER_BYTES_MAX).await;
        let collected = collected.map(|collected| match collected {
            Collected::Whole(payload) => match request::trailing_error(body.trailers()) {
                None => Ok(payload),
                Some((error_type, error_body)) => Err(error::streamed_failure(error_type, error_body, payload)),
            },
            Collected::TooLarge => Err(Failure::AnswerTooLarge),
        });
        self.finish_answer(collected)
    }

    /// Hands the answer on as it comes. Who does not want it any more does not stop the function.
    pub(super) async fn take_stream(&mut self, pieces: PieceSender, body: &mut Body) -> Reply {
        let (mut is_wanted, mut left) = (true, STREAM_BYTES_MAX);
        let streamed = loop {
            match body.next_piece(&mut self.reader, &mut self.buffer).await {
                Err(error) => break Err(error),
                Ok(None) => {
                    break Ok(match request::trailing_error(body.trailers()) {
                        None => Ok(Bytes::new()),
                        Some((error_type, document)) => {
                            Err(error::streamed_failure(error_type, document, Bytes::new()))
                        }
                    });
                }
                Ok(Some(piece)) => {
                    left = match left.checked_sub(piece.len() as u64) {
                        Some(left) => left,
                        None => break Ok(Err(Failure::StreamTooLarge)),
                    };
                    self.environment.streamed(piece.len() as u64);
                    is_wanted = is_wanted && pieces.send(piece).await;
                }
            }
        };
        self.finish_answer(streamed)
    }

    pub(super) async fn take_error(&mut self, posted: Posted, body: &mut Body) -> Reply {
        let collected = body.collect(&mut self.reader, &mut self.buffer, ANSWER_BYTES_MAX).await;
        self.finish_answer(collected.map(|collected| match collected {
            Collected::Whole(payload) => Err(posted.failure(payload)),
            Collected::TooLarge => Err(Failure::AnswerTooLarge),
        }))
    }

    fn finish_answer(&self, answer: io::Result<Result<Bytes, Failure>>) -> Reply {
        match answer {
            Ok(answer) => {
                let is_too_large = matches!(answer, Err(Failure::AnswerTooLarge | Failure::StreamTooLarge));
                self.environment.finish_answer(answer);
                match is_too_large {
                    true => Reply::Refused(Refusal::TooLarge),
                    false => Reply::Accepted,
                }
            }
            Err(_) => {
                self.environment.break_off(Failure::AnswerTruncated);
                Reply::Refused(Refusal::Truncated)
            }
        }
    }

    pub(super) async fn take_init_error(&mut self, posted: Posted, body: &mut Body) -> Reply {
        match body.collect(&mut self.reader, &mut self.buffer, ANSWER_BYTES_MAX).await {
            Ok(Collected::Whole(payload)) => match self.environment.finish_init_error(posted.failure(payload)) {
                Ok(()) => Reply::Accepted,
                Err(refusal) => Reply::Refused(refusal),
            },
            Ok(Collected::TooLarge) => Reply::Refused(Refusal::TooLarge),
            Err(_) => Reply::Refused(Refusal::Truncated),
        }
    }
}
