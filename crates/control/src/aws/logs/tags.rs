//! Tags of log groups, by ARN and, as they used to be, by name.

use super::group::Group;
use super::{Call, Plan};
use crate::aws::error::AwsError;
use crate::aws::json::Fields;
use model::command::logs::Command as LogsCommand;
use model::logs::LogGroup;
use model::tag::TagRefusal;
use model::{Command, Tags};
use serde_json::{Map, Value, json};

pub(super) fn list(call: &Call<'_>) -> Result<Value, AwsError> {
    Ok(shown(&resource(call)?))
}

pub(super) fn list_of_group(call: &Call<'_>) -> Result<Value, AwsError> {
    Ok(shown(&call.group()?))
}

pub(super) fn add(call: &Call<'_>) -> Result<Plan, AwsError> {
    added(call, resource(call)?)
}

pub(super) fn add_to_group(call: &Call<'_>) -> Result<Plan, AwsError> {
    added(call, call.group()?)
}

pub(super) fn remove(call: &Call<'_>) -> Result<Plan, AwsError> {
    let keys = call.fields.texts("tagKeys")?;
    Ok(removed(resource(call)?, &keys))
}

pub(super) fn remove_from_group(call: &Call<'_>) -> Result<Plan, AwsError> {
    let keys = call.fields.texts("tags")?;
    Ok(removed(call.group()?, &keys))
}

/// The tags in a member.
pub(super) fn of(fields: &Fields<'_>, member: &str) -> Result<Tags, AwsError> {
    Tags::new(fields.map(member)?).map_err(|refusal| refused(&refusal))
}

fn resource(call: &Call<'_>) -> Result<Group, AwsError> {
    let arn = call.fields.required_text("resourceArn")?;
    match call.name_in_arn(arn) {
        Some(name) => call.identified(name),
        None => {
            let message = format!("Invalid resource ARN: {}", crate::aws::json::shown(arn));
            Err(AwsError::new("InvalidParameterException", message))
        }
    }
}

fn shown(group: &Group) -> Value {
    let tags = group.record.tags.iter();
    let tags: Map<String, Value> = tags.map(|(key, value)| (key.to_owned(), json!(value))).collect();
    json!({ "tags": tags })
}

fn added(call: &Call<'_>, group: Group) -> Result<Plan, AwsError> {
    let tags = of(&call.fields, "tags")?;
    if tags.is_empty() {
        return Err(call.fields.is_null("tags"));
    }
    let tags = group.record.tags.with(&tags).map_err(|refusal| refused(&refusal))?;
    Ok(put(group, tags))
}

fn removed(group: Group, keys: &[&str]) -> Plan {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let tags = group.record.tags.without(&keys);
    put(group, tags)
}

fn put(group: Group, tags: Tags) -> Plan {
    let record = LogGroup {
        tags: tags.into(),
        ..group.record
    };
    Plan::new(Command::Logs(LogsCommand::PutGroup(record)))
}

fn refused(refusal: &TagRefusal) -> AwsError {
    let code = match refusal {
        TagRefusal::TooMany => "TooManyTagsException",
        _ => "InvalidParameterException",
    };
    AwsError::new(code, refusal.to_string())
}
