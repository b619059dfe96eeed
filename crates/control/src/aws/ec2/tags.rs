//! Tags.

use super::errors;
use super::input::{missing, silent, tag_pairs};
use super::select::{Kind, values};
use crate::aws::error::AwsError;
use crate::aws::query::call::{Call, Plan};
use crate::aws::query::input::shown;
use model::Tags;
use model::ec2::command::{AnyId, ChangeTags, Verb};
use wire::xml::Xml;

/// Resources of one call.
const RESOURCES_MAX: usize = 1000;

/// One tag of one resource.
struct Tagged {
    resource: String,
    kind: &'static str,
    key: String,
    value: String,
}

const KIND: Kind<Tagged> = Kind {
    ids: "",
    set: "tagSet",
    unknown: |id| AwsError::new("InvalidID", format!("The ID '{}' is not valid", shown(id))),
    id: |it| format!("{} {}", it.resource, it.key),
    tags: |_| Tags::default(),
    filters: &["key", "resource-id", "resource-type", "tag-value", "value"],
    value: |_, it, name| match name {
        "key" => values([&it.key]),
        "resource-id" => values([&it.resource]),
        "resource-type" => values([it.kind]),
        _ => values([&it.value]),
    },
};

pub(super) fn describe(call: &Call<'_>) -> Result<Xml, AwsError> {
    let network = call.state.ec2().network(call.scope);
    let mut all = Vec::new();
    let mut add = |kind: &'static str, id: &str, tags: &Tags| {
        all.extend(tags.iter().map(|(key, value)| Tagged {
            resource: id.to_owned(),
            kind,
            key: key.to_owned(),
            value: value.to_owned(),
        }));
    };
    network
        .vpcs()
        .iter()
        .for_each(|it| add("vpc", it.id.as_str(), &it.tags));
    network
        .subnets()
        .iter()
        .for_each(|it| add("subnet", it.id.as_str(), &it.tags));
    for group in network.security_groups() {
        add("security-group", group.id.as_str(), &group.tags);
        let rules = group.rules.iter();
        rules.for_each(|it| add("security-group-rule", it.id.as_str(), &it.tags));
    }
    let gateways = network.internet_gateways();
    gateways
        .iter()
        .for_each(|it| add("internet-gateway", it.id.as_str(), &it.tags));
    let tables = network.route_tables();
    tables
        .iter()
        .for_each(|it| add("route-table", it.id.as_str(), &it.tags));
    KIND.describe(call, all, |xml, it| {
        xml.text("resourceId", &it.resource);
        xml.text("resourceType", it.kind);
        xml.text("key", &it.key);
        xml.text("value", &it.value);
    })
}

pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    let pairs = tag_pairs(&call.fields)?;
    if pairs.is_empty() {
        return Err(missing("Tag"));
    }
    let pairs = pairs.iter().map(|(key, value)| (*key, value.unwrap_or_default()));
    let added = Tags::new(pairs).map_err(|refusal| errors::tag(&refusal))?;
    let verb = |resource| {
        Verb::Tag(ChangeTags {
            resource,
            added: added.clone(),
            removed: Vec::new(),
            clear: false,
        })
    };
    silent(call, resources(call)?.into_iter().map(verb).collect())
}

/// Without tags all are taken away; one with a value is taken away where it has that value.
pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    let pairs = tag_pairs(&call.fields)?;
    let removed: Vec<(String, Option<String>)> = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned)))
        .collect();
    let verb = |resource| {
        Verb::Tag(ChangeTags {
            resource,
            added: Tags::default(),
            clear: removed.is_empty(),
            removed: removed.clone(),
        })
    };
    silent(call, resources(call)?.into_iter().map(verb).collect())
}

fn resources(call: &Call<'_>) -> Result<Vec<AnyId>, AwsError> {
    let ids = call.fields.flat_texts("ResourceId")?;
    if ids.is_empty() || ids.len() > RESOURCES_MAX {
        return Err(missing("ResourceIdSet"));
    }
    ids.into_iter().map(any).collect()
}

fn any(text: &str) -> Result<AnyId, AwsError> {
    let unknown = |_| AwsError::new("InvalidID", format!("The ID '{}' is not valid", shown(text)));
    match text.split('-').next() {
        Some("vpc") => text.try_into().map(AnyId::Vpc).map_err(unknown),
        Some("subnet") => text.try_into().map(AnyId::Subnet).map_err(unknown),
        Some("sg") => text.try_into().map(AnyId::SecurityGroup).map_err(unknown),
        Some("sgr") => text.try_into().map(AnyId::SecurityGroupRule).map_err(unknown),
        Some("igw") => text.try_into().map(AnyId::InternetGateway).map_err(unknown),
        Some("rtb") => text.try_into().map(AnyId::RouteTable).map_err(unknown),
        Some("acl" | "eni") => Err(AwsError::not_built(format!("Tags of '{}' are not built", shown(text)))),
        _ => Err(AwsError::new(
            "InvalidID",
            format!("The ID '{}' is not valid", shown(text)),
        )),
    }
}
