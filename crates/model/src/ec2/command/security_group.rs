//! Security groups and their rules. Source: EDG part 4.

use super::{Deciding, at_most, in_use, no_such};
use crate::ec2::Change;
use crate::ec2::default::everything_out;
use crate::ec2::ids::{SecurityGroupId, SecurityGroupRuleId, VpcId};
use crate::ec2::refusal::{Ec2Refusal, Kind};
use crate::ec2::resource::{Direction, Permission, RulePeer, SecurityGroup, SecurityGroupRule};
use crate::lambda::vpc::user_of;
use crate::limits::{RULES_PER_SECURITY_GROUP, SECURITY_GROUPS_PER_REGION};
use crate::tag::Tags;
use std::sync::Arc;

/// Creates a security group, which lets nothing in and everything out.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSecurityGroup {
    /// A fresh id.
    pub id: SecurityGroupId,
    /// The id of its first rule.
    pub rule: SecurityGroupRuleId,
    /// The VPC.
    pub vpc: VpcId,
    /// `GroupName`.
    pub name: String,
    /// `GroupDescription`.
    pub description: String,
    /// Its tags.
    pub tags: Tags,
}

/// Adds rules, all or none.
#[derive(Clone, Debug, PartialEq)]
pub struct Authorize {
    /// The group.
    pub group: SecurityGroupId,
    /// The rules, with fresh ids.
    pub rules: Vec<SecurityGroupRule>,
}

/// Takes rules away, all or none.
#[derive(Clone, Debug, PartialEq)]
pub struct Revoke {
    /// The group.
    pub group: SecurityGroupId,
    /// The direction of the rules.
    pub direction: Direction,
    /// The rules.
    pub rules: Vec<Revoked>,
}

/// A rule to take away.
#[derive(Clone, Debug, PartialEq)]
pub enum Revoked {
    /// By its id.
    Id(SecurityGroupRuleId),
    /// By what it says.
    What(Permission),
}

/// A rule that is to say something else. It stays in its direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Modified {
    /// Which one.
    pub id: SecurityGroupRuleId,
    /// What it says from now on; the direction is not looked at.
    pub what: Permission,
    /// What people say about it from now on.
    pub description: Option<String>,
}

/// A rule about which people say something else.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// Which one.
    pub rule: Revoked,
    /// What they say from now on.
    pub description: Option<String>,
}

pub(super) fn create(it: &Deciding<'_>, command: &CreateSecurityGroup) -> Result<Vec<Change>, Ec2Refusal> {
    let vpc = it.vpc(&command.vpc)?;
    if command.name == SecurityGroup::DEFAULT {
        return Err(Ec2Refusal::ReservedGroupName(command.name.clone()));
    }
    let groups = it.network.security_groups();
    if groups.iter().any(|it| it.vpc == vpc.id && it.name == command.name) {
        return Err(Ec2Refusal::GroupNameTaken {
            name: command.name.clone(),
            vpc: vpc.id.clone(),
        });
    }
    at_most(Kind::SecurityGroup, groups.len(), SECURITY_GROUPS_PER_REGION)?;
    if groups.iter().any(|it| it.id == command.id) {
        return Err(Ec2Refusal::IdTaken(command.id.to_string()));
    }
    put(SecurityGroup {
        id: command.id.clone(),
        scope: it.scope(),
        vpc: vpc.id.clone(),
        name: command.name.clone(),
        description: command.description.clone(),
        rules: vec![everything_out(command.rule.clone())],
        tags: command.tags.clone(),
    })
}

/// No load balancer may carry it, no function name it, and no rule of another group may name it.
pub(super) fn delete(it: &Deciding<'_>, id: &SecurityGroupId) -> Result<Vec<Change>, Ec2Refusal> {
    let group = it.group(id)?;
    if group.is_default() {
        return Err(Ec2Refusal::DefaultGroup(id.clone()));
    }
    if let Some(balancer) = it.state.load_balancers().find(|it| it.security_groups.contains(id)) {
        return Err(in_use(Kind::SecurityGroup, id, &balancer.arn));
    }
    if let Some(function) = user_of(it.state, |at| at.security_groups.contains(id)) {
        return Err(in_use(Kind::SecurityGroup, id, &function));
    }
    let names = |rule: &SecurityGroupRule| rule.what.peer == RulePeer::Group(id.clone());
    let groups = it.network.security_groups();
    let mut others = groups.iter().filter(|other| other.id != *id);
    match others.find(|other| other.rules.iter().any(names)) {
        Some(other) => Err(in_use(Kind::SecurityGroup, id, &other.id)),
        None => Ok(vec![Change::DeleteSecurityGroup(id.clone())]),
    }
}

pub(super) fn authorize(it: &Deciding<'_>, command: &Authorize) -> Result<Vec<Change>, Ec2Refusal> {
    let mut group = SecurityGroup::clone(&*it.group(&command.group)?);
    for rule in &command.rules {
        peer_exists(it, &group, &rule.what)?;
        if group.rules.iter().any(|it| it.what == rule.what) {
            return Err(Ec2Refusal::RuleExists(rule.what.clone()));
        }
        if group.rules.iter().any(|it| it.id == rule.id) {
            return Err(Ec2Refusal::IdTaken(rule.id.to_string()));
        }
        group.rules.push(rule.clone());
    }
    within_limit(&group)?;
    put(group)
}

pub(super) fn revoke(it: &Deciding<'_>, command: &Revoke) -> Result<Vec<Change>, Ec2Refusal> {
    let mut group = SecurityGroup::clone(&*it.group(&command.group)?);
    for rule in &command.rules {
        let at = position(&group, command.direction, rule)?;
        group.rules.remove(at);
    }
    put(group)
}

pub(super) fn modify(
    it: &Deciding<'_>,
    group: &SecurityGroupId,
    rules: &[Modified],
) -> Result<Vec<Change>, Ec2Refusal> {
    let mut group = SecurityGroup::clone(&*it.group(group)?);
    for modified in rules {
        let at = group.rules.iter().position(|rule| rule.id == modified.id);
        let at = at.ok_or_else(|| no_such(Kind::SecurityGroupRule, &modified.id))?;
        let what = Permission {
            direction: group.rules[at].what.direction,
            ..modified.what.clone()
        };
        peer_exists(it, &group, &what)?;
        let others = group.rules.iter().enumerate().filter(|(other, _)| *other != at);
        if others.into_iter().any(|(_, rule)| rule.what == what) {
            return Err(Ec2Refusal::RuleExists(what));
        }
        group.rules[at].what = what;
        group.rules[at].description = modified.description.clone();
    }
    within_limit(&group)?;
    put(group)
}

pub(super) fn describe(
    it: &Deciding<'_>,
    group: &SecurityGroupId,
    direction: Direction,
    rules: &[Described],
) -> Result<Vec<Change>, Ec2Refusal> {
    let mut group = SecurityGroup::clone(&*it.group(group)?);
    for described in rules {
        let at = position(&group, direction, &described.rule)?;
        group.rules[at].description = described.description.clone();
    }
    put(group)
}

fn position(group: &SecurityGroup, direction: Direction, wanted: &Revoked) -> Result<usize, Ec2Refusal> {
    let is_wanted = |rule: &SecurityGroupRule| match wanted {
        Revoked::Id(id) => rule.id == *id && rule.what.direction == direction,
        Revoked::What(what) => rule.what == *what,
    };
    group.rules.iter().position(is_wanted).ok_or_else(|| match wanted {
        Revoked::Id(id) => no_such(Kind::SecurityGroupRule, id),
        Revoked::What(what) => Ec2Refusal::NoSuchPermission(what.clone()),
    })
}

/// A rule names groups of its own VPC only: there is no peering.
fn peer_exists(it: &Deciding<'_>, group: &SecurityGroup, what: &Permission) -> Result<(), Ec2Refusal> {
    let RulePeer::Group(peer) = &what.peer else {
        return Ok(());
    };
    match it.group(peer)?.vpc == group.vpc {
        true => Ok(()),
        false => Err(no_such(Kind::SecurityGroup, peer)),
    }
}

/// Rules of IPv4 and of IPv6 are counted apart; one whose other side is a group counts for both.
fn within_limit(group: &SecurityGroup) -> Result<(), Ec2Refusal> {
    for direction in [Direction::Ingress, Direction::Egress] {
        for is_ipv4 in [true, false] {
            let counts = |rule: &&SecurityGroupRule| match rule.what.peer {
                RulePeer::Net(net) => net.is_ipv4() == is_ipv4,
                RulePeer::Group(_) => true,
            };
            if group.rules(direction).filter(counts).count() > RULES_PER_SECURITY_GROUP {
                return Err(Ec2Refusal::TooManyRules);
            }
        }
    }
    Ok(())
}

fn put(group: SecurityGroup) -> Result<Vec<Change>, Ec2Refusal> {
    Ok(vec![Change::PutSecurityGroup(Arc::new(group))])
}
