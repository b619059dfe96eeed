//! Tags of functions. Source: Lambda 8.8.

use super::{Call, Document, Plan};
use crate::lambda::error::LambdaError;
use crate::lambda::name::Reference;
use hyper::StatusCode;
use model::tag::TagRefusal;
use model::{Command, FunctionArn, TaggedArn, Tags};
use serde_json::{Map, Value, json};

pub(super) fn tag(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let resource = resource(call)?;
    let members = call.members()?;
    let pairs = members.pairs("Tags")?.unwrap_or_default();
    if pairs.is_empty() {
        return Err(LambdaError::invalid_parameter(
            "An error occurred and the request cannot be processed.",
        ));
    }
    let tags = read(pairs)?;
    let resources = vec![TaggedArn::Function(resource)];
    Ok(done(Command::AddTags { resources, tags }))
}

pub(super) fn untag(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let resource = resource(call)?;
    let keys = call.parameters.iter().filter(|(name, _)| name == "tagKeys");
    let keys: Vec<String> = keys.map(|(_, value)| value.clone()).collect();
    if keys.is_empty() {
        return Err(LambdaError::null("tagKeys"));
    }
    let resources = vec![TaggedArn::Function(resource)];
    Ok(done(Command::RemoveTags { resources, keys }))
}

pub(super) fn list(call: &Call<'_>) -> Result<Document, LambdaError> {
    let resource = resource(call)?;
    let tags = call.state.tags(&TaggedArn::Function(resource));
    Ok((StatusCode::OK, Some(json!({ "Tags": shown(&tags) }))))
}

fn done(command: Command) -> Plan {
    Plan::new(vec![command], |_| Ok((StatusCode::NO_CONTENT, None)))
}

/// The function whose ARN the path has.
fn resource(call: &Call<'_>) -> Result<FunctionArn, LambdaError> {
    let text = call.named.first().map(String::as_str).unwrap_or_default();
    let reference = Reference::read(text, None, call.scope)?;
    let arn = reference.arn(call.scope);
    if reference.qualifier().is_some() {
        return Err(LambdaError::invalid_parameter(
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        ));
    }
    match call.state.function(&arn) {
        Some(_) => Ok(arn),
        None => Err(call.no_function(&arn)),
    }
}

pub(super) fn read(pairs: Vec<(&str, &str)>) -> Result<Tags, LambdaError> {
    Tags::new(pairs).map_err(|refusal| refused(&refusal))
}

pub(super) fn refused(refusal: &TagRefusal) -> LambdaError {
    match refusal {
        TagRefusal::TooMany => LambdaError::invalid_parameter("Number of tags exceeds resource tag limit."),
        refusal => LambdaError::invalid_parameter(&refusal.to_string()),
    }
}

pub(super) fn shown(tags: &Tags) -> Value {
    let pairs: Map<_, _> = tags.iter().map(|(key, value)| (key.to_owned(), json!(value))).collect();
    Value::Object(pairs)
}
