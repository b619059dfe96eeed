//! FilterLogEvents: events of a group, by stream, time and pattern.

use super::events::times;
use super::groups::with_token;
use super::pattern::Pattern;
use super::{Call, disk};
use crate::aws::error::AwsError;
use crate::aws::json::page;
use observe::{Direction, LogPosition, LogQuery, StoredLogEvent};
use serde_json::{Value, json};

/// Bytes of messages that one answer holds.
const ANSWER_BYTES_MAX: usize = 1_048_576;
/// Bytes that are read at once, and for one answer; a caller goes on with the token.
const READ_BYTES: u64 = 1024 * 1024;
const READS_MAX: u32 = 64;
/// Streams that a call names.
const STREAMS_MAX: usize = 100;

pub(super) fn filter(call: &Call<'_>) -> Result<Value, AwsError> {
    let fields = &call.fields;
    let group = call.group_of_either()?;
    let streams = Streams::read(call, "logStreamNames", "logStreamNamePrefix")?;
    let (from, until) = times(call, &group)?;
    let limit = fields.number_within("limit", 1..=10_000)?.unwrap_or(10_000);
    let limit = usize::try_from(limit).unwrap_or(1);
    let pattern = pattern(call, "filterPattern")?;
    // Events have been interleaved whatever it says since 2019.
    fields.flag("interleaved")?;
    fields.flag("unmask")?;
    if fields.flag("startFromHead")? == Some(false) {
        return Err(AwsError::not_built("startFromHead: only true is built"));
    }
    let mut at = match fields.text("nextToken")? {
        None => LogPosition::START,
        Some(token) => position(token)
            .ok_or_else(|| AwsError::new("InvalidParameterException", "The specified nextToken is invalid."))?,
    };
    let (mut found, mut bytes, mut is_last) = (Vec::new(), 0, false);
    'reading: for _ in 0..READS_MAX {
        let page = call.reader.read(
            group.name.as_str(),
            &LogQuery {
                streams: &|stream| streams.takes(stream),
                from_ms: Some(from),
                until_ms: until,
                read_bytes_max: READ_BYTES,
                ..LogQuery::new(Direction::ForwardFrom(at))
            },
        );
        let page = page.map_err(|error| disk(&error))?;
        for event in page.events {
            if !pattern.takes(&event.message) {
                continue;
            }
            bytes += event.message.len();
            if found.len() == limit || bytes > ANSWER_BYTES_MAX && !found.is_empty() {
                at = event.position;
                break 'reading;
            }
            found.push(event);
        }
        (at, is_last) = (page.end, page.is_last);
        if is_last {
            break;
        }
    }
    found.sort_by_key(|event| event.timestamp_ms);
    let events: Vec<Value> = found.iter().map(output).collect();
    let next = (!is_last).then(|| page::write(&format!("{} {}", at.segment, at.offset)));
    Ok(with_token(json!({ "events": events, "searchedLogStreams": [] }), next))
}

/// The pattern in a member; none takes everything.
pub(super) fn pattern(call: &Call<'_>, member: &str) -> Result<Pattern, AwsError> {
    let text = call.fields.text(member)?.unwrap_or_default();
    Pattern::read(text).map_err(|error| {
        let message = format!("Invalid filter pattern: {}", error.0);
        AwsError::new("InvalidParameterException", message)
    })
}

/// Which streams are meant.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    names: Vec<String>,
    prefixes: Vec<String>,
}

impl Streams {
    /// The names in one member, or what names begin with in another, a text or a list.
    pub(super) fn read(call: &Call<'_>, names: &str, prefixes: &str) -> Result<Self, AwsError> {
        let fields = &call.fields;
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let prefix_list = match prefixes.ends_with('s') {
            true => owned(fields.texts(prefixes)?),
            false => fields.text(prefixes)?.map(str::to_owned).into_iter().collect(),
        };
        let streams = Self {
            names: owned(fields.texts(names)?),
            prefixes: prefix_list,
        };
        if streams.names.len() > STREAMS_MAX || streams.prefixes.len() > STREAMS_MAX {
            let rule = format!("Member must have length less than or equal to {STREAMS_MAX}");
            return Err(fields.broken(names, &rule));
        }
        if !streams.names.is_empty() && !streams.prefixes.is_empty() {
            let message = format!("{names} and {prefixes} cannot be specified together.");
            return Err(AwsError::new("InvalidParameterException", message));
        }
        Ok(streams)
    }

    pub(super) fn is_any(&self) -> bool {
        self.names.is_empty() && self.prefixes.is_empty()
    }

    pub(super) fn takes(&self, stream: &str) -> bool {
        self.is_any()
            || self.names.iter().any(|name| name == stream)
            || self.prefixes.iter().any(|prefix| stream.starts_with(prefix.as_str()))
    }
}

fn position(token: &str) -> Option<LogPosition> {
    let text = page::read(token)?;
    let (segment, offset) = text.split_once(' ')?;
    Some(LogPosition {
        segment: segment.parse().ok()?,
        offset: offset.parse().ok()?,
    })
}

fn output(event: &StoredLogEvent) -> Value {
    // 56 digits, as AWS's are. No other event has them.
    let LogPosition { segment, offset } = event.position;
    json!({
        "logStreamName": event.stream,
        "timestamp": event.timestamp_ms,
        "message": event.message,
        "ingestionTime": event.ingested_ms,
        "eventId": format!("{:020}{segment:016}{offset:020}", event.timestamp_ms),
    })
}
