//! StartLiveTail: events as they are written, a message a second. Source: CloudWatch Logs `StartLiveTail`.

use super::filter::{Streams, pattern};
use super::pattern::Pattern;
use super::{Asked, Call};
use crate::answer::{self, Answer};
use crate::aws::error::AwsError;
use crate::server::{LongCalls, Shared};
use crate::source::Source;
use bytes::Bytes;
use observe::{Direction, LogGroupReader, LogPosition, LogQuery, StoredLogEvent};
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::debug;
use wire::event_stream;

/// How often events are sent; AWS sends as often, whether or not there are any.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a session may take.
const SESSION: Duration = Duration::from_secs(3 * 60 * 60);
/// Groups of one session.
const GROUPS_MAX: usize = 10;
/// Events of one message; of more, these and the word that there were more.
const EVENTS_MAX: usize = 500;
/// How much of one group is read for one message, in bytes.
const READ_BYTES_MAX: u64 = 1024 * 1024;
/// Messages that wait for a slow reader.
const PIECES_MAX: usize = 2;

/// Begins a session.
pub(super) async fn answer<S: Source>(
    shared: &Arc<Shared<S>>,
    long_calls: &LongCalls,
    asked: Asked,
    request_id: &str,
) -> Result<Answer, AwsError> {
    let followers = match asked.at_door {
        true => &shared.doors.followers,
        false => &shared.followers,
    };
    let state = shared.source.state();
    let session = asked
        .blocking(move |asked| {
            let mut session = asked.call(&state, Session::read)?;
            session.begin(&asked.reader);
            Ok(session)
        })
        .await?;
    let place = followers.clone().try_acquire_owned().map_err(|_| {
        let message = "As many Live Tail sessions as there may be are open already.";
        AwsError::new("LimitExceededException", message)
    })?;
    let (pieces, body) = mpsc::channel(PIECES_MAX);
    let first = session.start(request_id);
    let shared_ = shared.clone();
    shared.tasks.spawn(async move {
        let stopping = shared_.stopping.clone();
        tokio::select! {
            () = stopping.cancelled() => {}
            () = session.run(first, pieces, shared_.limits.request_timeout) => {}
        }
        drop(place);
    });
    Ok(answer::live(event_stream::CONTENT_TYPE, body, long_calls.begin()))
}

/// What is followed, and how far.
struct Session {
    groups: Vec<Followed>,
    streams: Streams,
    pattern: Pattern,
    pattern_text: String,
    /// As the caller named them.
    names: Vec<String>,
    prefixes: Vec<String>,
    reader: LogGroupReader,
}

struct Followed {
    name: String,
    /// What events say of it.
    identifier: String,
    at: LogPosition,
}

impl Session {
    fn read(call: &Call<'_>) -> Result<Self, AwsError> {
        let fields = &call.fields;
        let identifiers = fields.texts("logGroupIdentifiers")?;
        if identifiers.is_empty() || identifiers.len() > GROUPS_MAX {
            let rule = format!("Member must have length between 1 and {GROUPS_MAX}");
            return Err(fields.broken("logGroupIdentifiers", &rule));
        }
        let mut groups = Vec::new();
        for identifier in identifiers {
            let Some(name) = call.name_in_arn(identifier).filter(|_| !identifier.ends_with(":*")) else {
                let message =
                    "The logGroupIdentifiers of a Live Tail session are ARNs of log groups, without :* at the end.";
                return Err(AwsError::new("InvalidParameterException", message));
            };
            let group = call.identified(name)?;
            groups.push(Followed {
                name: group.name.as_str().to_owned(),
                identifier: format!("{}:{}", call.scope.account, group.name.as_str()),
                at: LogPosition::START,
            });
        }
        let streams = Streams::read(call, "logStreamNames", "logStreamNamePrefixes")?;
        if groups.len() > 1 && !streams.is_any() {
            let message = "Log streams can only be named when there is one log group.";
            return Err(AwsError::new("InvalidParameterException", message));
        }
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
        Ok(Self {
            groups,
            streams,
            pattern: pattern(call, "logEventFilterPattern")?,
            pattern_text: fields.text("logEventFilterPattern")?.unwrap_or_default().to_owned(),
            names: owned(fields.texts("logStreamNames")?),
            prefixes: owned(fields.texts("logStreamNamePrefixes")?),
            reader: call.reader.clone(),
        })
    }

    /// From the end of what there is.
    fn begin(&mut self, reader: &LogGroupReader) {
        for group in &mut self.groups {
            let last = LogQuery {
                limit: 1,
                ..LogQuery::new(Direction::BackwardFrom(None))
            };
            // What cannot be read now is followed from its beginning.
            group.at = reader
                .read(&group.name, &last)
                .map_or(LogPosition::START, |page| page.end);
        }
    }

    /// The first messages. The protocol wants an empty answer before the events.
    fn start(&self, request_id: &str) -> Bytes {
        let identifiers: Vec<&str> = self.groups.iter().map(|group| group.name.as_str()).collect();
        let start = json!({
            "requestId": request_id,
            "sessionId": crate::aws::request_id(),
            "logGroupIdentifiers": identifiers,
            "logStreamNames": self.names,
            "logStreamNamePrefixes": self.prefixes,
            "logEventFilterPattern": self.pattern_text,
        });
        let mut messages = event_stream::event("initial-response", "application/json", b"{}");
        messages.extend(event_stream::event(
            "sessionStart",
            "application/json",
            start.to_string().as_bytes(),
        ));
        messages.into()
    }

    /// Until nobody reads it any more, or its time is over.
    async fn run(mut self, first: Bytes, pieces: mpsc::Sender<Bytes>, patience: Duration) {
        let end = tokio::time::Instant::now() + SESSION;
        let mut interval = tokio::time::interval(INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut message = first;
        loop {
            if !matches!(tokio::time::timeout(patience, pieces.send(message)).await, Ok(Ok(()))) {
                return;
            }
            tokio::select! {
                _ = interval.tick() => {}
                () = pieces.closed() => return,
            }
            if tokio::time::Instant::now() >= end {
                let timeout = json!({ "message": "The session has reached its three hours." });
                let last = event_stream::exception("SessionTimeoutException", timeout.to_string().as_bytes());
                let _ = tokio::time::timeout(patience, pieces.send(last.into())).await;
                return;
            }
            let round = tokio::task::spawn_blocking(move || {
                let update = self.update();
                (self, update)
            });
            let Ok((session, update)) = round.await else { return };
            self = session;
            message = match update {
                Ok(update) => {
                    event_stream::event("sessionUpdate", "application/json", update.to_string().as_bytes()).into()
                }
                Err(error) => {
                    debug!(%error, "a log group that is followed cannot be read");
                    return;
                }
            };
        }
    }

    /// What came since the last message.
    fn update(&mut self) -> io::Result<Value> {
        let (mut results, mut sampled) = (Vec::new(), false);
        for group in &mut self.groups {
            let streams = &self.streams;
            let query = LogQuery {
                streams: &|stream| streams.takes(stream),
                read_bytes_max: READ_BYTES_MAX,
                ..LogQuery::new(Direction::ForwardFrom(group.at))
            };
            let page = self.reader.read(&group.name, &query)?;
            group.at = page.end;
            let wanted = page.events.iter().filter(|event| self.pattern.takes(&event.message));
            for event in wanted {
                match results.len() < EVENTS_MAX {
                    true => results.push(output(&group.identifier, event)),
                    false => sampled = true,
                }
            }
        }
        Ok(json!({ "sessionMetadata": { "sampled": sampled }, "sessionResults": results }))
    }
}

fn output(identifier: &str, event: &StoredLogEvent) -> Value {
    json!({
        "logGroupIdentifier": identifier,
        "logStreamName": event.stream,
        "timestamp": event.timestamp_ms,
        "ingestionTime": event.ingested_ms,
        "message": event.message,
    })
}
