//! Log streams.

use super::group::Stream;
use super::groups::with_token;
use super::{Call, Plan};
use crate::aws::error::AwsError;
use crate::aws::json::page::{Order, page};
use model::Command;
use model::command::logs::Command as LogsCommand;
use model::logs::LogStream;
use serde_json::{Value, json};

const PAGE_SIZE_MAX: i64 = 50;

pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    let group = call.group()?;
    let id = group.stream_id(call, "logStreamName")?;
    let is_there = group.streams(call)?.contains_key(id.stream());
    if is_there {
        let message = "The specified log stream already exists";
        return Err(AwsError::new("ResourceAlreadyExistsException", message));
    }
    let stream = LogStream {
        id,
        created_at: call.now,
    };
    Ok(Plan::new(Command::Logs(LogsCommand::CreateStream(stream))))
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    let group = call.group()?;
    let id = group.stream(call, "logStreamName")?;
    let (its_group, its_name) = (group.name.as_str().to_owned(), id.stream().to_owned());
    Ok(Plan {
        files: Some(Box::new(move |keeper| keeper.delete_stream(&its_group, &its_name))),
        ..Plan::new(Command::Logs(LogsCommand::DeleteStream(id)))
    })
}

pub(super) fn describe(call: &Call<'_>) -> Result<Value, AwsError> {
    let fields = &call.fields;
    let group = call.group_of_either()?;
    let prefix = fields.text("logStreamNamePrefix")?;
    let by_time = fields.word("orderBy", &[("LogStreamName", false), ("LastEventTime", true)])?;
    let by_time = by_time.unwrap_or(false);
    if by_time && prefix.is_some() {
        let message = "Cannot order by LastEventTime with a logStreamNamePrefix.";
        return Err(AwsError::new("InvalidParameterException", message));
    }
    let order = match fields.flag("descending")?.unwrap_or(false) {
        true => Order::Descending,
        false => Order::Ascending,
    };
    let size = fields
        .number_within("limit", 1..=PAGE_SIZE_MAX)?
        .unwrap_or(PAGE_SIZE_MAX);
    let streams = group.streams(call)?.into_iter();
    let wanted: Vec<(String, Stream)> = streams
        .filter(|(name, _)| prefix.is_none_or(|prefix| name.starts_with(prefix)))
        .collect();
    let key = |(name, stream): &(String, Stream)| match by_time {
        // Those without events are the oldest.
        true => format!("{:020} {name}", stream.facts.map_or(0, |facts| facts.last_ms)),
        false => name.clone(),
    };
    let size = usize::try_from(size).unwrap_or(1);
    let page = page(fields, "nextToken", wanted, order, size, key)?;
    let name = group.name.as_str();
    let shown: Vec<Value> = page.items.iter().map(|stream| detail(call, name, stream)).collect();
    Ok(with_token(json!({ "logStreams": shown }), page.next))
}

fn detail(call: &Call<'_>, group: &str, (name, stream): &(String, Stream)) -> Value {
    let mut shown = json!({
        "logStreamName": name,
        "creationTime": stream.created_at.0,
        "arn": call.arn_of(&format!("log-group:{group}:log-stream:{name}")),
        // AWS counts no bytes of streams since 2019.
        "storedBytes": 0,
    });
    if let Some(facts) = stream.facts {
        shown["firstEventTimestamp"] = json!(facts.first_ms);
        shown["lastEventTimestamp"] = json!(facts.last_ms);
        shown["lastIngestionTime"] = json!(facts.ingested_ms);
        // It means nothing since 2023, and is still there.
        shown["uploadSequenceToken"] = json!(super::events::SEQUENCE_TOKEN);
    }
    shown
}
