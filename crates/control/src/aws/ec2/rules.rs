//! Rules of security groups. Source: EDG part 4.

use super::errors::not_found;
use super::input::{creation_tags, fresh, id, missing, plan, required, silent};
use super::permissions::{self, describe as description_of};
use super::select::{Kind, values};
use super::{security_groups, shapes};
use crate::aws::error::AwsError;
use crate::aws::query::call::{Call, Plan};
use model::ec2::command::{Authorize, Described, Modified, Revoke, Revoked, Verb};
use model::ec2::ids::SecurityGroupRuleId;
use model::ec2::refusal::Kind as RefusedKind;
use model::ec2::resource::{Direction, RulePeer, SecurityGroup, SecurityGroupRule};
use std::sync::Arc;
use wire::query::Fields;
use wire::xml::Xml;

type OfGroup = (Arc<SecurityGroup>, SecurityGroupRule);

const KIND: Kind<OfGroup> = Kind {
    ids: "SecurityGroupRuleId",
    set: "securityGroupRuleSet",
    unknown: |id| not_found(RefusedKind::SecurityGroupRule, id),
    id: |(_, rule)| rule.id.to_string(),
    tags: |(_, rule)| rule.tags.clone(),
    filters: &["group-id", "security-group-rule-id"],
    value: |_, (group, rule), name| match name {
        "group-id" => values([&group.id]),
        _ => values([&rule.id]),
    },
};

pub(super) fn describe(call: &Call<'_>) -> Result<Xml, AwsError> {
    let groups = call.state.ec2().network(call.scope).security_groups();
    let rules = groups.into_iter().flat_map(|group| {
        let rules = group.rules.clone();
        rules.into_iter().map(move |rule| (group.clone(), rule))
    });
    KIND.describe(call, rules.collect(), |xml, (group, rule)| {
        shape(xml, call, group, rule);
    })
}

fn shape(xml: &mut Xml, call: &Call<'_>, group: &SecurityGroup, rule: &SecurityGroupRule) {
    xml.value("securityGroupRuleId", &rule.id);
    xml.value("groupId", &group.id);
    xml.value("groupOwnerId", &call.scope.account);
    facts(xml, rule);
    if let RulePeer::Group(peer) = &rule.what.peer {
        xml.within("referencedGroupInfo", |xml| {
            xml.value("groupId", peer);
            xml.value("userId", &call.scope.account);
            xml.value("vpcId", &group.vpc);
        });
    }
    let arn = shapes::arn(call, "security-group-rule", rule.id.as_str());
    xml.text("securityGroupRuleArn", &arn);
    shapes::tags(xml, &rule.tags);
}

fn facts(xml: &mut Xml, rule: &SecurityGroupRule) {
    let (from, to) = rule.what.ports.unwrap_or((-1, -1));
    xml.value("isEgress", rule.what.direction == Direction::Egress);
    xml.value("ipProtocol", rule.what.protocol);
    xml.value("fromPort", from);
    xml.value("toPort", to);
    if let RulePeer::Net(net) = rule.what.peer {
        xml.value(if net.is_ipv4() { "cidrIpv4" } else { "cidrIpv6" }, net);
    }
    description_of(xml, rule);
}

pub(super) fn authorize_ingress(call: &Call<'_>) -> Result<Plan, AwsError> {
    authorize(call, Direction::Ingress)
}

pub(super) fn authorize_egress(call: &Call<'_>) -> Result<Plan, AwsError> {
    authorize(call, Direction::Egress)
}

fn authorize(call: &Call<'_>, direction: Direction) -> Result<Plan, AwsError> {
    let group = security_groups::named(call)?;
    let tags = creation_tags(call, "security-group-rule")?;
    let mut rules = Vec::new();
    for (what, description) in permissions::read(call, direction, &group.vpc)? {
        rules.push(SecurityGroupRule {
            id: fresh(SecurityGroupRuleId::fresh)?,
            what,
            description,
            tags: tags.clone(),
        });
    }
    if rules.is_empty() {
        return Err(missing("IpPermissions"));
    }
    let ids: Vec<_> = rules.iter().map(|rule| rule.id.clone()).collect();
    let id = group.id.clone();
    let command = Authorize {
        group: id.clone(),
        rules,
    };
    plan(call, vec![Verb::Authorize(command)], move |call| {
        let group = call.state.ec2().network(call.scope).security_group(&id);
        let group = group.ok_or_else(|| not_found(RefusedKind::SecurityGroup, id.as_str()))?;
        let made = group.rules.iter().filter(|rule| ids.contains(&rule.id));
        let mut xml = Xml::new();
        xml.text("return", "true");
        xml.items("securityGroupRuleSet", made, |xml, rule| shape(xml, call, &group, rule));
        Ok(xml)
    })
}

pub(super) fn revoke_ingress(call: &Call<'_>) -> Result<Plan, AwsError> {
    revoke(call, Direction::Ingress)
}

pub(super) fn revoke_egress(call: &Call<'_>) -> Result<Plan, AwsError> {
    revoke(call, Direction::Egress)
}

fn revoke(call: &Call<'_>, direction: Direction) -> Result<Plan, AwsError> {
    let group = security_groups::named(call)?;
    let rules = named(call, &group, direction)?;
    let gone = |rule: &&SecurityGroupRule| {
        rules.iter().any(|named| match named {
            Revoked::Id(id) => rule.id == *id,
            Revoked::What(what) => rule.what == *what,
        })
    };
    let revoked: Vec<SecurityGroupRule> = group.rules.iter().filter(gone).cloned().collect();
    let id = group.id.clone();
    let command = Revoke {
        group: id.clone(),
        direction,
        rules,
    };
    plan(call, vec![Verb::Revoke(command)], move |_| {
        let mut xml = Xml::new();
        xml.text("return", "true");
        xml.items("revokedSecurityGroupRuleSet", &revoked, |xml, rule| {
            xml.value("securityGroupRuleId", &rule.id);
            xml.value("groupId", &id);
            facts(xml, rule);
            if let RulePeer::Group(peer) = &rule.what.peer {
                xml.value("referencedGroupId", peer);
            }
        });
        Ok(xml)
    })
}

/// Rules by their ids or by what they say, not both.
fn named(call: &Call<'_>, group: &SecurityGroup, direction: Direction) -> Result<Vec<Revoked>, AwsError> {
    let ids = call.fields.flat_texts("SecurityGroupRuleId")?;
    let written = permissions::read(call, direction, &group.vpc)?;
    match (ids.is_empty(), written.is_empty()) {
        (true, true) => Err(missing("IpPermissions")),
        (false, false) => Err(AwsError::new(
            "InvalidParameterCombination",
            "The parameters IpPermissions and SecurityGroupRuleIds cannot be used together",
        )),
        (false, true) => ids.into_iter().map(|text| rule_id(text).map(Revoked::Id)).collect(),
        (true, false) => Ok(written.into_iter().map(|(what, _)| Revoked::What(what)).collect()),
    }
}

fn rule_id(text: &str) -> Result<SecurityGroupRuleId, AwsError> {
    id(text, "InvalidSecurityGroupRuleId.Malformed", "sgr-")
}

pub(super) fn modify(call: &Call<'_>) -> Result<Plan, AwsError> {
    let group = security_groups::named(call)?;
    let mut rules = Vec::new();
    for update in call.fields.flat_list("SecurityGroupRule")? {
        let id = rule_id(required(&update, "SecurityGroupRuleId")?)?;
        let said = update.structure("SecurityGroupRule");
        let (what, description) = permissions::read_single(&said.ok_or_else(|| missing("SecurityGroupRule"))?)?;
        rules.push(Modified { id, what, description });
    }
    if rules.is_empty() {
        return Err(missing("SecurityGroupRule"));
    }
    silent(call, vec![Verb::ModifyRules(group.id.clone(), rules)])
}

pub(super) fn update_ingress(call: &Call<'_>) -> Result<Plan, AwsError> {
    update_descriptions(call, Direction::Ingress)
}

pub(super) fn update_egress(call: &Call<'_>) -> Result<Plan, AwsError> {
    update_descriptions(call, Direction::Egress)
}

fn update_descriptions(call: &Call<'_>, direction: Direction) -> Result<Plan, AwsError> {
    let group = security_groups::named(call)?;
    let by_id = |update: &Fields<'_>| {
        Ok::<_, AwsError>(Described {
            rule: Revoked::Id(rule_id(required(update, "SecurityGroupRuleId")?)?),
            description: permissions::description(update)?,
        })
    };
    let updates = call.fields.flat_list("SecurityGroupRuleDescription")?;
    let mut described = updates.iter().map(by_id).collect::<Result<Vec<_>, _>>()?;
    let written = permissions::read(call, direction, &group.vpc)?;
    described.extend(written.into_iter().map(|(what, description)| Described {
        rule: Revoked::What(what),
        description,
    }));
    if described.is_empty() {
        return Err(missing("IpPermissions"));
    }
    silent(call, vec![Verb::DescribeRules(group.id.clone(), direction, described)])
}
