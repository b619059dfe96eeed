//! PutLogEvents and GetLogEvents.

use super::group::Group;
use super::{Call, disk};
use crate::aws::error::AwsError;
use observe::{Direction, LogGroupEvent, LogPosition, LogQuery, StoredLogEvent};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What AWS answers, and what nobody needs since 2023.
pub(super) const SEQUENCE_TOKEN: &str = "49039859637286236012857138436478264863586512684684684684";
/// Events of one call, and bytes of their messages with 26 more for each. Source: CloudWatch Logs `PutLogEvents`.
const EVENTS_MAX: usize = 10_000;
const BATCH_BYTES_MAX: usize = 1_048_576;
const EVENT_BYTES_MORE: usize = 26;
const HOUR_MS: u64 = 60 * 60 * 1000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// How far events may lie ahead, and behind.
const AHEAD_MS: u64 = 2 * HOUR_MS;
const BEHIND_MS: u64 = 14 * DAY_MS;
/// Bytes of messages that one answer holds.
const ANSWER_BYTES_MAX: usize = 1_048_576;
/// Bytes that are read for one answer.
const READ_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InputEvent<'a> {
    timestamp: i64,
    #[serde(borrow)]
    message: std::borrow::Cow<'a, str>,
}

/// Puts events where they are kept. They are there when it returns.
pub(super) fn put(call: &Call<'_>) -> Result<Value, AwsError> {
    let fields = &call.fields;
    let group = call.group()?;
    let id = group.stream(call, "logStreamName")?;
    // Nobody needs it since 2023, and who sends one is not refused.
    fields.text("sequenceToken")?;
    // What the events are of. AWS shows it elsewhere, and answers the same.
    fields.value("entity");
    let events = fields.value("logEvents").ok_or_else(|| fields.is_null("logEvents"))?;
    let events = Vec::<InputEvent<'_>>::deserialize(events)
        .map_err(|error| AwsError::new("SerializationException", format!("logEvents: {error}")))?;
    check(&events)?;
    // Nothing is written for a call that is refused.
    fields.told(Ok(()))?;
    let now = call.now.0;
    let (mut too_old, mut expired, mut too_new) = (None, None, None);
    let begin = group.begin(call.now);
    let mut taken = Vec::with_capacity(events.len());
    for (at, event) in events.iter().enumerate() {
        let time = u64::try_from(event.timestamp).unwrap_or(0);
        if time + BEHIND_MS < now {
            too_old = Some(at + 1);
        } else if time < begin {
            expired = Some(at + 1);
        } else if time > now + AHEAD_MS {
            too_new.get_or_insert(at);
        } else {
            taken.push(LogGroupEvent {
                group: group.name.as_str(),
                stream: id.stream(),
                timestamp_ms: time,
                message: event.message.as_bytes(),
            });
        }
    }
    if !taken.is_empty() {
        let appended = call.keeper.append(group.name.as_str(), &taken, now);
        appended.map_err(|error| disk(&error))?;
    }
    let mut rejected = Map::new();
    for (member, at) in [
        ("tooOldLogEventEndIndex", too_old),
        ("expiredLogEventEndIndex", expired),
        ("tooNewLogEventStartIndex", too_new),
    ] {
        if let Some(at) = at {
            rejected.insert(member.to_owned(), json!(at));
        }
    }
    let mut answer = json!({ "nextSequenceToken": SEQUENCE_TOKEN });
    if !rejected.is_empty() {
        answer["rejectedLogEventsInfo"] = Value::Object(rejected);
    }
    Ok(answer)
}

fn check(events: &[InputEvent<'_>]) -> Result<(), AwsError> {
    let invalid = |message: String| Err(AwsError::new("InvalidParameterException", message));
    if events.is_empty() || events.len() > EVENTS_MAX {
        let rule = match events.is_empty() {
            true => "Member must have length greater than or equal to 1".to_owned(),
            false => format!("Member must have length less than or equal to {EVENTS_MAX}"),
        };
        let message = format!("1 validation error detected: Value at 'logEvents' failed to satisfy constraint: {rule}");
        return invalid(message);
    }
    let mut bytes = 0;
    for event in events {
        if event.timestamp < 0 || event.message.is_empty() {
            return invalid(
                "1 validation error detected: a log event has a timestamp from 0 on and a message of at least 1 character"
                    .to_owned(),
            );
        }
        let size = event.message.len() + EVENT_BYTES_MORE;
        if size > BATCH_BYTES_MAX {
            return invalid(format!(
                "Log event too large: {size} bytes exceeds limit of {BATCH_BYTES_MAX}"
            ));
        }
        bytes += size;
    }
    if bytes > BATCH_BYTES_MAX {
        return invalid(format!(
            "Upload too large: {bytes} bytes exceeds limit of {BATCH_BYTES_MAX}"
        ));
    }
    if !events.is_sorted_by_key(|event| event.timestamp) {
        return invalid("Log events in a single PutLogEvents request must be in chronological order.".to_owned());
    }
    // They are in order.
    let span = match events {
        [first, .., last] => last.timestamp.abs_diff(first.timestamp),
        _ => 0,
    };
    if span > DAY_MS {
        return invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.".to_owned(),
        );
    }
    Ok(())
}

/// One stream's events, a page at a time, either way. At an end the token is the one that was given.
pub(super) fn get(call: &Call<'_>) -> Result<Value, AwsError> {
    let fields = &call.fields;
    let group = call.group_of_either()?;
    let id = group.stream(call, "logStreamName")?;
    let (from, until) = times(call, &group)?;
    let limit = fields.number_within("limit", 1..=10_000)?.unwrap_or(10_000);
    fields.flag("unmask")?;
    let from_head = fields.flag("startFromHead")?.unwrap_or(false);
    let given = fields.text("nextToken")?;
    let direction = match given.map(Token::read) {
        Some(Some(Token::Forward(at))) => Direction::ForwardFrom(at),
        Some(Some(Token::Backward(at))) => Direction::BackwardFrom(Some(at)),
        Some(None) => {
            return Err(AwsError::new(
                "InvalidParameterException",
                "The specified nextToken is invalid.",
            ));
        }
        None if from_head => Direction::ForwardFrom(LogPosition::START),
        None => Direction::BackwardFrom(None),
    };
    let page = call.reader.read(
        group.name.as_str(),
        &LogQuery {
            streams: &|stream| stream == id.stream(),
            from_ms: Some(from),
            until_ms: until,
            limit: usize::try_from(limit).unwrap_or(1),
            read_bytes_max: READ_BYTES_MAX,
            ..LogQuery::new(direction)
        },
    );
    let mut page = page.map_err(|error| disk(&error))?;
    fit(&mut page, direction);
    let (mut forward, mut backward) = (Token::Forward(page.end).write(), Token::Backward(page.start).write());
    if page.events.is_empty()
        && page.is_last
        && let Some(given) = given
    {
        match direction {
            Direction::ForwardFrom(_) => given.clone_into(&mut forward),
            Direction::BackwardFrom(_) => given.clone_into(&mut backward),
        }
    }
    page.events.sort_by_key(|event| event.timestamp_ms);
    let events: Vec<Value> = page.events.iter().map(output).collect();
    Ok(json!({ "events": events, "nextForwardToken": forward, "nextBackwardToken": backward }))
}

/// Leaves what one answer holds: of a page forward the first events, of one backward the last.
fn fit(page: &mut observe::Page, direction: Direction) {
    let mut bytes = 0;
    let mut fits = |event: &StoredLogEvent| {
        bytes += event.message.len() + EVENT_BYTES_MORE;
        bytes <= ANSWER_BYTES_MAX
    };
    match direction {
        Direction::ForwardFrom(_) => {
            let count = page.events.iter().take_while(|event| fits(event)).count().max(1);
            if let Some(next) = page.events.get(count) {
                page.end = next.position;
                page.is_last = false;
                page.events.truncate(count);
            }
        }
        Direction::BackwardFrom(_) => {
            let count = page.events.iter().rev().take_while(|event| fits(event)).count().max(1);
            let gone = page.events.len().saturating_sub(count);
            if gone > 0 {
                page.events.drain(..gone);
                page.start = page.events.first().map_or(page.start, |event| event.position);
                page.is_last = false;
            }
        }
    }
}

/// `startTime` and `endTime`; what is too old for the group is gone.
pub(super) fn times(call: &Call<'_>, group: &Group) -> Result<(u64, Option<u64>), AwsError> {
    let time = |member: &str| -> Result<Option<u64>, AwsError> {
        let number = call.fields.number_within(member, 0..=i64::MAX)?;
        Ok(number.and_then(|number| u64::try_from(number).ok()))
    };
    let (from, until) = (time("startTime")?.unwrap_or(0), time("endTime")?);
    Ok((from.max(group.begin(call.now)), until))
}

fn output(event: &StoredLogEvent) -> Value {
    json!({
        "timestamp": event.timestamp_ms,
        "message": event.message,
        "ingestionTime": event.ingested_ms,
    })
}

/// Where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Forward(LogPosition),
    Backward(LogPosition),
}

impl Token {
    fn write(self) -> String {
        let (way, at) = match self {
            Self::Forward(at) => ('f', at),
            Self::Backward(at) => ('b', at),
        };
        format!("{way}/{:028}{:028}/s", at.segment, at.offset)
    }

    fn read(text: &str) -> Option<Self> {
        let (way, rest) = text.split_once('/')?;
        let digits = rest.strip_suffix("/s").filter(|it| it.len() == 56 && it.is_ascii())?;
        let (segment, offset) = digits.split_at(28);
        let at = LogPosition {
            segment: segment.parse().ok()?,
            offset: offset.parse().ok()?,
        };
        match way {
            "f" => Some(Self::Forward(at)),
            "b" => Some(Self::Backward(at)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_back() {
        let at = LogPosition {
            segment: 7,
            offset: u64::MAX,
        };
        for token in [
            Token::Forward(at),
            Token::Backward(at),
            Token::Forward(LogPosition::START),
        ] {
            assert_eq!(Token::read(&token.write()), Some(token));
        }
        for text in [
            "",
            "f/1/s",
            "x/00000000000000000000000000000000000000000000000000000000/s",
            "f/",
        ] {
            assert_eq!(Token::read(text), None, "{text}");
        }
        let long = format!("f/{}/s", "9".repeat(56));
        assert_eq!(Token::read(&long), None);
    }
}
