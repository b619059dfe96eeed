//! Tags of certificates.

use super::{Call, Plan, errors};
use crate::aws::error::AwsError;
use model::{Command, TaggedArn, Tags};
use serde_json::{Value, json};

pub(super) fn list(call: &Call<'_>) -> Result<Value, AwsError> {
    let resource = TaggedArn::Certificate(call.certificate()?.arn.clone());
    let tags = call.state.tags(&resource);
    let tags: Vec<Value> = tags
        .iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect();
    Ok(json!({ "Tags": tags }))
}

pub(super) fn add(call: &Call<'_>) -> Result<Plan, AwsError> {
    let resource = TaggedArn::Certificate(call.certificate()?.arn.clone());
    let tags = of_call(call)?;
    if tags.is_empty() {
        return Err(call.fields.is_null("Tags"));
    }
    Ok(Plan {
        commands: vec![Command::AddTags {
            resources: vec![resource],
            tags,
        }],
        answer: Value::Null,
    })
}

/// Of a key with a value only that value is taken away.
pub(super) fn remove(call: &Call<'_>) -> Result<Plan, AwsError> {
    let resource = TaggedArn::Certificate(call.certificate()?.arn.clone());
    let existing = call.state.tags(&resource);
    let mut keys = Vec::new();
    let named = call.fields.objects("Tags")?;
    if named.is_empty() {
        return Err(call.fields.is_null("Tags"));
    }
    for tag in named {
        let (key, value) = (tag.required_text("Key")?, tag.text("Value")?);
        let is_meant = |(its_key, its_value): (&str, &str)| its_key == key && value.is_none_or(|it| it == its_value);
        if existing.iter().any(is_meant) {
            keys.push(key.to_owned());
        }
    }
    let resources = vec![resource];
    Ok(Plan {
        commands: vec![Command::RemoveTags { resources, keys }],
        answer: Value::Null,
    })
}

/// The tags in a call.
pub(super) fn of_call(call: &Call<'_>) -> Result<Tags, AwsError> {
    let mut pairs = Vec::new();
    for tag in call.fields.objects("Tags")? {
        pairs.push((tag.required_text("Key")?, tag.text("Value")?.unwrap_or_default()));
    }
    Tags::new(pairs).map_err(|refusal| errors::tags(&refusal))
}

/// The command that gives something new its tags, if it has any.
pub(super) fn added(resource: TaggedArn, tags: Tags) -> Option<Command> {
    let resources = vec![resource];
    (!tags.is_empty()).then_some(Command::AddTags { resources, tags })
}
