//! The operation InvokeWithResponseStream: the answer of a function, frame by frame, while it still runs.
//! Source: Lambda 5.7.

use super::{Call, Kind, Mode, refused};
use crate::answer::{self, Answer};
use crate::aws;
use crate::server::{LongCall, Payload, Shared};
use crate::source::Source;
use crate::stream_rate::StreamRate;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::HeaderMap;
use invoke::{AnswerStream, Piece, StreamEnd, Streaming};
use model::Scope;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use wire::event_stream;

/// What the path of the operation is around the name of a function.
pub(crate) const PATH: (&str, &str) = ("/2021-11-15/functions/", "/response-streaming-invocations");

/// Frames that may wait for the client; then the function waits.
const FRAMES_MAX: usize = 4;

/// Invokes a function and answers as soon as its answer begins. `call` keeps the connection open until it ends.
pub(crate) async fn invoke<S: Source>(
    shared: &Shared<S>,
    scope: &Scope,
    name: &str,
    qualifier: Option<&str>,
    headers: &HeaderMap,
    payload: Payload,
    call: LongCall,
) -> Answer {
    let read = match Call::read(
        &shared.source,
        scope,
        name,
        qualifier,
        headers,
        payload,
        Mode::Streaming,
    ) {
        Ok(read) => read,
        Err(error) => return error.answer(&aws::request_id()),
    };
    if read.kind == Kind::DryRun {
        let answer = answer::document(StatusCode::NO_CONTENT, "application/json", Bytes::new());
        return answer::with_header(answer, "x-amzn-requestid", &aws::request_id());
    }
    let trace_id = read.invocation.trace_id.clone().unwrap_or_default();
    let stream = match shared.source.invoke_streaming(read.invocation).await {
        Streaming::Began(stream) => stream,
        Streaming::Refused(refusal) => {
            return refused(refusal, &read.function, read.is_reserved).answer(&aws::request_id());
        }
    };
    let request_id = stream.request_id;
    let (frames, pieces) = mpsc::channel(FRAMES_MAX);
    shared.tasks.spawn(hand_on(stream, frames, shared.limits.stream_rate));
    let mut answer = answer::live(event_stream::CONTENT_TYPE, pieces, call);
    for (name, value) in [
        ("x-amzn-requestid", request_id.as_str()),
        ("x-amz-executed-version", super::executed_version(&read.function)),
        ("x-amzn-trace-id", &trace_id),
    ] {
        answer = answer::with_header(answer, name, value);
    }
    answer
}

/// Makes frames of the answer until its end, or until nobody reads them any more.
async fn hand_on(mut stream: AnswerStream, frames: mpsc::Sender<Bytes>, rate: StreamRate) {
    let mut pace = rate.begin();
    loop {
        let piece = tokio::select! {
            biased;
            // Also while the function writes nothing.
            () = frames.closed() => return,
            piece = stream.next() => piece,
        };
        match piece {
            Piece::Bytes(bytes) => {
                for part in bytes.chunks(event_stream::PAYLOAD_BYTES_MAX) {
                    tokio::select! {
                        () = frames.closed() => return,
                        () = pace.wait_for(part.len()) => {}
                    }
                    let frame = event_stream::event("PayloadChunk", "application/octet-stream", part);
                    if frames.send(frame.into()).await.is_err() {
                        return;
                    }
                }
            }
            Piece::End(end) => {
                // An error says that nobody reads it.
                let _ = frames.send(complete(end)).await;
                return;
            }
        }
    }
}

/// The last frame.
fn complete(end: StreamEnd) -> Bytes {
    let mut document = Map::new();
    if let Some(error) = end.error {
        document.insert("ErrorCode".to_owned(), "Unhandled".into());
        document.insert(
            "ErrorDetails".to_owned(),
            String::from_utf8_lossy(&error.payload).into(),
        );
    }
    if let Some(tail) = end.log_tail {
        document.insert("LogResult".to_owned(), STANDARD.encode(tail).into());
    }
    let document = Value::Object(document).to_string();
    event_stream::event("InvokeComplete", "application/json", document.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use invoke::RequestId;
    use std::time::Duration;
    use tokio::time::Instant;

    const MIB: usize = 1024 * 1024;

    /// How long an answer of so many megabytes takes by the clock that stands still while anybody works. All of it comes.
    async fn handed_on(megabytes: usize, rate: StreamRate) -> Duration {
        let id = RequestId::from_random([7; 16]);
        let bytes = Bytes::from(vec![b'a'; megabytes * MIB]);
        let stream = AnswerStream::whole(id, bytes, StreamEnd::default());
        let (sender, mut frames) = mpsc::channel(FRAMES_MAX);
        let began = Instant::now();
        let receive = async {
            let mut received = Vec::new();
            while let Some(frame) = frames.recv().await {
                received.push(frame);
            }
            received
        };
        let ((), mut received) = tokio::join!(hand_on(stream, sender, rate), receive);
        let last = received.pop().unwrap();
        assert_eq!(last, complete(StreamEnd::default()));
        let without = event_stream::event("PayloadChunk", "application/octet-stream", &[]).len();
        let count: usize = received.iter().map(|frame| frame.len() - without).sum();
        assert_eq!(count, megabytes * MIB);
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn frames_go_on_as_fast_as_they_do_on_lambda() {
        for (megabytes, seconds) in [(1, 0), (6, 0), (8, 1), (10, 2)] {
            let took = handed_on(megabytes, StreamRate::Lambda).await;
            assert_eq!(took, Duration::from_secs(seconds), "{megabytes} MB");
        }
        assert_eq!(handed_on(64, StreamRate::Unlimited).await, Duration::ZERO);
    }
}
