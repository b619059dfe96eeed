//! `logs`: what functions wrote, as JSON documents a line, and live if asked to.

mod filter;
mod wish;

use crate::answer::{self, Answer};
use crate::server::{LongCalls, Shared};
use crate::source::Source;
use bytes::Bytes;
use filter::Filter;
use hyper::StatusCode;
use model::State;
use model::lambda::function::FunctionName;
use observe::{Direction, LogGroupReader, LogPosition, LogQuery, StoredLogEvent};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};
use tracing::debug;
use wish::{Wish, default_group, function_of};

/// Bytes of messages that are shown at once; of more, the newest.
const SHOWN_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long a query waits for the disk to take what was written before it. Longer than that the disk hangs, and what
/// there is is shown.
const CATCH_UP_TIMEOUT: Duration = Duration::from_millis(500);
/// How much of one group is read to find events, in bytes.
const READ_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How much is read of one group before a follower is sent it, in bytes.
const FOLLOW_BYTES_MAX: u64 = 1024 * 1024;
/// Events that are looked at in one go when some of them may not be shown.
const PAGE: usize = 10_000;
/// The longest invocation, in milliseconds. Source: Lambda 9.1.
const INVOCATION_MS_MAX: u64 = 900_000;
/// Pieces that wait for a slow follower.
const PIECES_MAX: usize = 2;

/// An event as it is shown.
#[derive(Serialize)]
struct Shown<'a> {
    timestamp: u64,
    function: &'a str,
    group: &'a str,
    stream: &'a str,
    message: &'a str,
}

/// Answers a call.
pub(super) async fn answer<S: Source>(shared: &Arc<Shared<S>>, long_calls: &LongCalls, query: &str) -> Answer {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let wish = match Wish::read(query, u64::try_from(now.as_millis()).unwrap_or(u64::MAX)) {
        Ok(wish) => wish,
        Err(message) => return answer::refusal(StatusCode::BAD_REQUEST, &message),
    };
    let (reader, changed) = shared.source.logs();
    // What a function said before somebody asks is shown to them.
    let writer = reader.clone();
    let _ = tokio::task::spawn_blocking(move || writer.catch_up(CATCH_UP_TIMEOUT)).await;
    let logs = Logs {
        filter: Filter::new(&wish),
        wish,
        reader,
        positions: BTreeMap::new(),
    };
    if let Some(refusal) = logs.refusal(&shared.source.state()).await {
        return refusal;
    }
    let place = match (logs.wish.follow, shared.followers.clone().try_acquire_owned()) {
        (false, _) => None,
        (true, Ok(place)) => Some(place),
        (true, Err(_)) => {
            let message = "as many followers as there may be are connected already";
            return answer::refusal(StatusCode::TOO_MANY_REQUESTS, message);
        }
    };
    let (logs, first) = match logs.round(shared.source.state(), Logs::newest).await {
        Ok(round) => round,
        Err(error) => {
            let message = format!("the log groups cannot be read: {error}");
            return answer::refusal(StatusCode::INTERNAL_SERVER_ERROR, &message);
        }
    };
    let Some(place) = place else {
        return answer::document(StatusCode::OK, CONTENT_TYPE, first.bytes);
    };
    let (pieces, body) = mpsc::channel(PIECES_MAX);
    let follower = Follower {
        shared: shared.clone(),
        logs,
        pieces,
    };
    shared.tasks.spawn(async move {
        follower.run(first.bytes, changed).await;
        drop(place);
    });
    answer::live(CONTENT_TYPE, body, long_calls.begin())
}

const CONTENT_TYPE: &str = "application/x-ndjson";

/// Somebody's wish, and how far it was fulfilled.
struct Logs {
    wish: Wish,
    filter: Filter,
    reader: LogGroupReader,
    /// Where to go on in each group that was seen.
    positions: BTreeMap<String, LogPosition>,
}

/// Lines to be sent.
struct Lines {
    bytes: Bytes,
    /// More is there already.
    more: bool,
}

/// An event with its group.
type Found = (String, StoredLogEvent);

impl Logs {
    /// Why there is nothing to be shown.
    async fn refusal(&self, state: &State) -> Option<Answer> {
        let exists = |name: &FunctionName| state.functions().any(|function| function.name == *name);
        // A function that is gone may have left its log.
        let needed: Vec<_> = match &self.wish.group {
            Some(group) => vec![(group.clone(), None)],
            None => {
                let gone = self.wish.functions.iter().filter(|name| !exists(name));
                gone.map(|name| (default_group(name), Some(name))).collect()
            }
        };
        if needed.is_empty() {
            return None;
        }
        let reader = self.reader.clone();
        let groups = tokio::task::spawn_blocking(move || reader.groups()).await;
        let groups = groups.ok().and_then(Result::ok).unwrap_or_default();
        let (group, function) = needed.iter().find(|(group, _)| !groups.contains(group))?;
        let list = |names: Vec<&str>| match names.is_empty() {
            true => "there is none yet".to_owned(),
            false => format!("there are {}", names.join(", ")),
        };
        let message = match function {
            Some(name) => {
                let names = state.functions().map(|function| function.name.as_str()).collect();
                format!("function {} does not exist; {}", name.as_str(), list(names))
            }
            None => {
                let names = groups.iter().map(String::as_str).collect();
                format!("log group {group} does not exist; {}", list(names))
            }
        };
        Some(answer::refusal(StatusCode::NOT_FOUND, &message))
    }

    /// Reads on a thread that may wait for the disk.
    async fn round(
        mut self,
        state: Arc<State>,
        read: fn(&mut Self, &State) -> io::Result<Lines>,
    ) -> io::Result<(Self, Lines)> {
        let work = move || {
            let lines = read(&mut self, &state)?;
            Ok((self, lines))
        };
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }

    /// The last events, and from then on the positions behind them.
    fn newest(&mut self, state: &State) -> io::Result<Lines> {
        if self.filter.needs_order() {
            return self.newest_in_order(state);
        }
        let mut found: Vec<Found> = Vec::new();
        for group in self.wish.groups(state, &self.reader)? {
            let (mut before, mut read) = (None, 0);
            let mut wanted = self.wish.limit;
            loop {
                let query = LogQuery {
                    streams: &|stream| self.wish.wants(&group, stream),
                    from_ms: self.wish.since_ms,
                    // Those that are not shown do not count.
                    limit: if self.wish.level.is_some() { PAGE } else { wanted },
                    ..LogQuery::new(Direction::BackwardFrom(before))
                };
                let page = self.reader.read(&group, &query)?;
                if before.is_none() {
                    self.positions.insert(group.clone(), page.end);
                }
                let events = page.events.into_iter().filter(|event| self.filter.shows(&group, event));
                let before_these = found.len();
                found.extend(events.map(|event| (group.clone(), event)));
                wanted = wanted.saturating_sub(found.len() - before_these);
                keep_newest(&mut found, self.wish.limit);
                read += query.read_bytes_max;
                if page.is_last || wanted == 0 || read >= READ_BYTES_MAX {
                    break;
                }
                before = Some(page.start);
            }
        }
        Ok(lines(&found, false))
    }

    /// The same where an event's place among others decides: everything is read, in the order in which it was written.
    fn newest_in_order(&mut self, state: &State) -> io::Result<Lines> {
        let since = self.wish.since_ms.unwrap_or(0);
        let mut found: Vec<Found> = Vec::new();
        for group in self.wish.groups(state, &self.reader)? {
            let mut from = LogPosition::START;
            loop {
                let query = LogQuery {
                    streams: &|stream| self.wish.wants(&group, stream),
                    // What began before is shown from here on.
                    from_ms: Some(since.saturating_sub(INVOCATION_MS_MAX)),
                    ..LogQuery::new(Direction::ForwardFrom(from))
                };
                let page = self.reader.read(&group, &query)?;
                from = page.end;
                let events = page.events.into_iter();
                let shown = events.filter(|event| self.filter.shows(&group, event) && event.timestamp_ms >= since);
                found.extend(shown.map(|event| (group.clone(), event)));
                keep_newest(&mut found, self.wish.limit);
                if page.is_last {
                    break;
                }
            }
            self.positions.insert(group, from);
        }
        Ok(lines(&found, false))
    }

    /// What has come since.
    fn following(&mut self, state: &State) -> io::Result<Lines> {
        let (mut found, mut more): (Vec<Found>, bool) = (Vec::new(), false);
        for group in self.wish.groups(state, &self.reader)? {
            let from = self.positions.get(&group).copied().unwrap_or_default();
            let query = LogQuery {
                streams: &|stream| self.wish.wants(&group, stream),
                read_bytes_max: FOLLOW_BYTES_MAX,
                ..LogQuery::new(Direction::ForwardFrom(from))
            };
            let page = self.reader.read(&group, &query)?;
            more |= !page.is_last;
            self.positions.insert(group.clone(), page.end);
            let shown = page.events.into_iter().filter(|event| self.filter.shows(&group, event));
            found.extend(shown.map(|event| (group.clone(), event)));
        }
        found.sort_by_key(|(_, event)| event.timestamp_ms);
        Ok(lines(&found, more))
    }
}

/// In the order of time; those of one group and time stay as they are.
fn keep_newest(found: &mut Vec<Found>, limit: usize) {
    found.sort_by(|(group, event), (other_group, other)| {
        let place = |group: &str, event: &StoredLogEvent| (event.timestamp_ms, group.to_owned(), event.position);
        place(group, event).cmp(&place(other_group, other))
    });
    let mut bytes = 0;
    let kept = found.iter().rev().take(limit).take_while(|(_, event)| {
        bytes += event.message.len();
        bytes <= SHOWN_BYTES_MAX
    });
    let superfluous = found.len() - kept.count();
    found.drain(..superfluous);
}

fn lines(found: &[Found], more: bool) -> Lines {
    let mut bytes = Vec::new();
    for (group, event) in found {
        let shown = Shown {
            timestamp: event.timestamp_ms,
            function: function_of(group, &event.stream),
            group,
            stream: &event.stream,
            message: &event.message,
        };
        // Text and numbers always serialize, and a vector takes them.
        if serde_json::to_writer(&mut bytes, &shown).is_ok() {
            bytes.push(b'\n');
        }
    }
    let bytes = bytes.into();
    Lines { bytes, more }
}

/// Sends what comes, until nobody wants it any more.
struct Follower<S> {
    shared: Arc<Shared<S>>,
    logs: Logs,
    pieces: mpsc::Sender<Bytes>,
}

impl<S: Source> Follower<S> {
    async fn run(mut self, first: Bytes, mut changed: watch::Receiver<u64>) {
        // What came while the first events were read counts as news.
        changed.mark_changed();
        if !self.send(first).await {
            return;
        }
        let mut is_over = false;
        while !is_over {
            tokio::select! {
                biased;
                () = self.pieces.closed() => return,
                () = self.shared.stopping.cancelled() => is_over = true,
                told = changed.changed() => is_over = told.is_err(),
            }
            // At the end once more: whatever was written before it belongs to it.
            loop {
                let (logs, lines) = match self.logs.round(self.shared.source.state(), Logs::following).await {
                    Ok(round) => round,
                    Err(error) => return debug!(%error, "a follower of logs is let go"),
                };
                self.logs = logs;
                let more = lines.more;
                if !self.send(lines.bytes).await {
                    return;
                }
                if !more {
                    break;
                }
            }
        }
    }

    /// False when the client has gone, or takes nothing for longer than a request may take.
    async fn send(&self, bytes: Bytes) -> bool {
        let patience: Duration = self.shared.limits.request_timeout;
        let sent = async {
            let is_empty = bytes.is_empty();
            is_empty || self.pieces.send(bytes).await.is_ok()
        };
        tokio::time::timeout(patience, sent).await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept() {
        let event = |timestamp_ms: u64, bytes: usize| {
            let event = StoredLogEvent {
                timestamp_ms,
                ingested_ms: timestamp_ms,
                stream: String::new(),
                message: "x".repeat(bytes),
                position: LogPosition::START,
            };
            (String::new(), event)
        };
        let times = |found: &[Found]| found.iter().map(|(_, event)| event.timestamp_ms).collect::<Vec<_>>();
        let mut found: Vec<_> = [3, 1, 2].map(|time| event(time, 1)).into();
        keep_newest(&mut found, 2);
        assert_eq!(times(&found), [2, 3]);
        found.push(event(1, SHOWN_BYTES_MAX));
        keep_newest(&mut found, 9);
        assert_eq!(times(&found), [2, 3], "too much to be shown");
    }
}
