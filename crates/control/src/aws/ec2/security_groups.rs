//! Security groups. Source: EDG part 4.

use super::errors::not_found;
use super::input::{creation_tags, fresh, id, missing, plan, required};
use super::permissions::{check_text, write};
use super::select::{Kind, values};
use super::{shapes, vpcs};
use crate::aws::error::AwsError;
use crate::aws::query::call::{Call, Plan};
use model::ec2::command::{CreateSecurityGroup, Verb};
use model::ec2::ids::{SecurityGroupId, SecurityGroupRuleId};
use model::ec2::refusal::Kind as RefusedKind;
use model::ec2::resource::{Direction, RulePeer, SecurityGroup};
use std::sync::Arc;
use wire::xml::Xml;

const KIND: Kind<Arc<SecurityGroup>> = Kind {
    ids: "GroupId",
    set: "securityGroupInfo",
    unknown: |text| match id::<SecurityGroupId>(text, "InvalidGroupId.Malformed", "sg-") {
        Ok(_) => not_found(RefusedKind::SecurityGroup, text),
        Err(malformed) => malformed,
    },
    id: |it| it.id.to_string(),
    tags: |it| it.tags.clone(),
    filters: &[
        "description",
        "egress.ip-permission.cidr",
        "egress.ip-permission.from-port",
        "egress.ip-permission.group-id",
        "egress.ip-permission.ipv6-cidr",
        "egress.ip-permission.protocol",
        "egress.ip-permission.to-port",
        "group-id",
        "group-name",
        "ip-permission.cidr",
        "ip-permission.from-port",
        "ip-permission.group-id",
        "ip-permission.ipv6-cidr",
        "ip-permission.protocol",
        "ip-permission.to-port",
        "owner-id",
        "vpc-id",
    ],
    value,
};

fn value(call: &Call<'_>, it: &Arc<SecurityGroup>, name: &str) -> Vec<String> {
    let rules = |direction: Direction, what: &str| {
        let of_rule = |rule: &model::ec2::resource::SecurityGroupRule| {
            let what_ = &rule.what;
            match (what, &what_.peer) {
                ("cidr", RulePeer::Net(net)) if net.is_ipv4() => Some(net.to_string()),
                ("ipv6-cidr", RulePeer::Net(net)) if !net.is_ipv4() => Some(net.to_string()),
                ("group-id", RulePeer::Group(group)) => Some(group.to_string()),
                ("protocol", _) => Some(what_.protocol.to_string()),
                ("from-port", _) => what_.ports.map(|(from, _)| from.to_string()),
                ("to-port", _) => what_.ports.map(|(_, to)| to.to_string()),
                _ => None,
            }
        };
        it.rules(direction).filter_map(of_rule).collect()
    };
    if let Some(what) = name.strip_prefix("ip-permission.") {
        return rules(Direction::Ingress, what);
    }
    if let Some(what) = name.strip_prefix("egress.ip-permission.") {
        return rules(Direction::Egress, what);
    }
    match name {
        "description" => values([&it.description]),
        "group-name" => values([&it.name]),
        "owner-id" => values([&call.scope.account]),
        "vpc-id" => values([&it.vpc]),
        _ => values([&it.id]),
    }
}

pub(super) fn describe(call: &Call<'_>) -> Result<Xml, AwsError> {
    let network = call.state.ec2().network(call.scope);
    let mut all = network.security_groups();
    // Names are those of the default VPC, as everywhere they may stand for ids.
    let names = call.fields.flat_texts("GroupName")?;
    if !names.is_empty() {
        let vpc = &network.default_vpc().vpc.id;
        let is_named = |it: &Arc<SecurityGroup>, name: &str| it.vpc == *vpc && it.name == name;
        if let Some(unknown) = names.iter().find(|name| !all.iter().any(|it| is_named(it, name))) {
            return Err(not_found(RefusedKind::SecurityGroup, unknown));
        }
        all.retain(|it| names.iter().any(|name| is_named(it, name)));
    }
    KIND.describe(call, all, |xml, it| shape(xml, call, it))
}

fn shape(xml: &mut Xml, call: &Call<'_>, it: &SecurityGroup) {
    xml.value("ownerId", &call.scope.account);
    xml.value("groupId", &it.id);
    xml.text("securityGroupArn", &shapes::arn(call, "security-group", it.id.as_str()));
    xml.text("groupName", &it.name);
    xml.text("groupDescription", &it.description);
    xml.value("vpcId", &it.vpc);
    write(xml, "ipPermissions", call, it, Direction::Ingress);
    write(xml, "ipPermissionsEgress", call, it, Direction::Egress);
    shapes::tags(xml, &it.tags);
}

pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    let fields = &call.fields;
    let name = required(fields, "GroupName")?;
    let description = required(fields, "GroupDescription")?;
    check_text("security group", name)?;
    check_text("security group", description)?;
    if name.starts_with("sg-") {
        let message = format!("Invalid group name: {name}. Names must not begin with sg-");
        return Err(AwsError::new("InvalidParameterValue", message));
    }
    let id = fresh(SecurityGroupId::fresh)?;
    let create = CreateSecurityGroup {
        id: id.clone(),
        rule: fresh(SecurityGroupRuleId::fresh)?,
        vpc: vpcs::named_or_default(call)?,
        name: name.to_owned(),
        description: description.to_owned(),
        tags: creation_tags(call, "security-group")?,
    };
    plan(call, vec![Verb::CreateSecurityGroup(create)], move |call| {
        let group = call.state.ec2().network(call.scope).security_group(&id);
        let group = group.ok_or_else(|| not_found(RefusedKind::SecurityGroup, id.as_str()))?;
        let mut xml = Xml::new();
        xml.text("return", "true");
        xml.value("groupId", &id);
        xml.text("securityGroupArn", &shapes::arn(call, "security-group", id.as_str()));
        shapes::tags(&mut xml, &group.tags);
        Ok(xml)
    })
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    let group = named(call)?.id.clone();
    plan(call, vec![Verb::DeleteSecurityGroup(group.clone())], move |_| {
        let mut xml = Xml::new();
        xml.text("return", "true");
        xml.value("groupId", group);
        Ok(xml)
    })
}

/// The group that a call names by its id, or by its name in the default VPC.
pub(super) fn named(call: &Call<'_>) -> Result<Arc<SecurityGroup>, AwsError> {
    let network = call.state.ec2().network(call.scope);
    let (by_id, by_name) = (call.fields.text("GroupId"), call.fields.text("GroupName"));
    let (found, text) = match (by_id, by_name) {
        (Some(text), _) => {
            let id: SecurityGroupId = id(text, "InvalidGroupId.Malformed", "sg-")?;
            (network.security_group(&id), text)
        }
        (None, Some(name)) => {
            let mut groups = network.security_groups().into_iter();
            let vpc = &network.default_vpc().vpc.id;
            (groups.find(|it| it.vpc == *vpc && it.name == name), name)
        }
        (None, None) => return Err(missing("GroupId")),
    };
    found.ok_or_else(|| not_found(RefusedKind::SecurityGroup, text))
}
