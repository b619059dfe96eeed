//! Tags. Source: ALB 9.5.

use super::call::{Call, Plan};
use super::input::{required, required_list, required_texts, shown};
use super::load_balancers::at_most;
use super::{errors, find, shapes};
use crate::aws::error::AwsError;
use model::{Command, TaggedArn, Tags};
use wire::query::Fields;
use wire::xml::Xml;

pub(super) fn describe(call: &Call<'_>) -> Result<Xml, AwsError> {
    let named = required_texts(&call.fields, "ResourceArns")?;
    at_most(&named, "resource ARNs")?;
    let resources: Result<Vec<_>, _> = named.iter().map(|text| resource(call, text)).collect();
    let mut xml = Xml::new();
    xml.list("TagDescriptions", resources?, |xml, resource| {
        xml.value("ResourceArn", &resource);
        shapes::tags(xml, &call.state.tags(&resource));
    });
    Ok(xml)
}

pub(super) fn add(call: &Call<'_>) -> Result<Plan, AwsError> {
    let resources = resources(call)?;
    let tags = tags(&required_list(&call.fields, "Tags")?)?;
    Ok(Plan::silent(vec![Command::AddTags { resources, tags }]))
}

pub(super) fn remove(call: &Call<'_>) -> Result<Plan, AwsError> {
    let resources = resources(call)?;
    let keys = required_texts(&call.fields, "TagKeys")?;
    let keys = keys.into_iter().map(str::to_owned).collect();
    Ok(Plan::silent(vec![Command::RemoveTags { resources, keys }]))
}

/// The tags in a call that creates something.
pub(super) fn of_creation(call: &Call<'_>) -> Result<Tags, AwsError> {
    tags(&call.fields.list("Tags")?)
}

/// Whether a resource that is there has just the tags of the call that would create it.
pub(super) fn are_those_of_creation(call: &Call<'_>, resource: &TaggedArn) -> Result<bool, AwsError> {
    Ok(of_creation(call)? == *call.state.tags(resource))
}

/// The command that gives something new its tags, if it has any.
pub(super) fn added(resource: TaggedArn, tags: Tags) -> Option<Command> {
    let resources = vec![resource];
    (!tags.is_empty()).then_some(Command::AddTags { resources, tags })
}

fn tags(list: &[Fields<'_>]) -> Result<Tags, AwsError> {
    let pair = |tag: &Fields<'_>| -> Result<(String, String), AwsError> {
        let value = tag.text("Value").unwrap_or_default();
        Ok((required(tag, "Key")?.to_owned(), value.to_owned()))
    };
    let pairs: Vec<_> = list.iter().map(pair).collect::<Result<_, _>>()?;
    Tags::new(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))).map_err(errors::tags)
}

fn resources(call: &Call<'_>) -> Result<Vec<TaggedArn>, AwsError> {
    let named = required_texts(&call.fields, "ResourceArns")?;
    let resources: Result<Vec<_>, _> = named.iter().map(|text| resource(call, text)).collect();
    let mut resources = resources?;
    resources.sort_unstable();
    resources.dedup();
    Ok(resources)
}

fn resource(call: &Call<'_>, text: &str) -> Result<TaggedArn, AwsError> {
    let arn = TaggedArn::try_from(text).ok();
    let arn = arn.filter(|arn| !matches!(arn, TaggedArn::Function(_) | TaggedArn::Certificate(_)));
    let arn = arn.ok_or_else(|| AwsError::validation(format!("'{}' is not a valid ARN", shown(text))))?;
    match &arn {
        TaggedArn::LoadBalancer(_) => find::load_balancer(call, text).map(drop)?,
        TaggedArn::Listener(_) => find::listener(call, text).map(drop)?,
        TaggedArn::Rule(_) => find::rule(call, text).map(drop)?,
        TaggedArn::TargetGroup(_) => find::target_group(call, text).map(drop)?,
        TaggedArn::TrustStore(_) | TaggedArn::Function(_) | TaggedArn::Certificate(_) => {
            find::trust_store(call, text).map(drop)?;
        }
    }
    Ok(arn)
}
