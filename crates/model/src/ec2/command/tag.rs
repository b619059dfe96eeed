//! Tags, which are part of what has them.

use super::{Deciding, no_such};
use crate::ec2::Change;
use crate::ec2::ids::{InternetGatewayId, RouteTableId, SecurityGroupId, SecurityGroupRuleId, SubnetId, VpcId};
use crate::ec2::refusal::{Ec2Refusal, Kind};
use crate::ec2::resource::{InternetGateway, RouteTable, SecurityGroup, Subnet, Vpc};
use crate::tag::Tags;
use std::sync::Arc;

/// The id of something that has tags.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the resources by their names
pub enum AnyId {
    Vpc(VpcId),
    Subnet(SubnetId),
    SecurityGroup(SecurityGroupId),
    SecurityGroupRule(SecurityGroupRuleId),
    InternetGateway(InternetGatewayId),
    RouteTable(RouteTableId),
}

/// Puts tags on something, or takes them away.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeTags {
    /// What has them.
    pub resource: AnyId,
    /// Put on; of a key that is there the value is replaced.
    pub added: Tags,
    /// Taken away: keys, with the value they must have for that if one is named.
    pub removed: Vec<(String, Option<String>)>,
    /// Whether all are taken away first.
    pub clear: bool,
}

impl ChangeTags {
    fn applied(&self, tags: &Tags) -> Result<Tags, Ec2Refusal> {
        if self.clear {
            return Ok(self.added.clone());
        }
        let has = |key: &str, wanted: &str| tags.iter().any(|(k, value)| k == key && value == wanted);
        let goes = |(key, value): &&(String, Option<String>)| value.as_ref().is_none_or(|value| has(key, value));
        let gone: Vec<String> = self.removed.iter().filter(goes).map(|(key, _)| key.clone()).collect();
        Ok(tags.without(&gone).with(&self.added)?)
    }
}

pub(super) fn change(it: &Deciding<'_>, command: &ChangeTags) -> Result<Vec<Change>, Ec2Refusal> {
    Ok(vec![match &command.resource {
        AnyId::Vpc(id) => {
            let mut resource = Vpc::clone(&*it.vpc(id)?);
            resource.tags = command.applied(&resource.tags)?;
            Change::PutVpc(Arc::new(resource))
        }
        AnyId::Subnet(id) => {
            let mut resource = Subnet::clone(&*it.subnet(id)?);
            resource.tags = command.applied(&resource.tags)?;
            Change::PutSubnet(Arc::new(resource))
        }
        AnyId::SecurityGroup(id) => {
            let mut resource = SecurityGroup::clone(&*it.group(id)?);
            resource.tags = command.applied(&resource.tags)?;
            Change::PutSecurityGroup(Arc::new(resource))
        }
        AnyId::SecurityGroupRule(id) => {
            let groups = it.network.security_groups().into_iter();
            let group = groups
                .into_iter()
                .find(|group| group.rules.iter().any(|rule| rule.id == *id));
            let group = group.ok_or_else(|| no_such(Kind::SecurityGroupRule, id))?;
            let mut group = SecurityGroup::clone(&group);
            for rule in group.rules.iter_mut().filter(|rule| rule.id == *id) {
                rule.tags = command.applied(&rule.tags)?;
            }
            Change::PutSecurityGroup(Arc::new(group))
        }
        AnyId::InternetGateway(id) => {
            let mut resource = InternetGateway::clone(&*it.gateway(id)?);
            resource.tags = command.applied(&resource.tags)?;
            Change::PutInternetGateway(Arc::new(resource))
        }
        AnyId::RouteTable(id) => {
            let mut resource = RouteTable::clone(&*it.table(id)?);
            resource.tags = command.applied(&resource.tags)?;
            Change::PutRouteTable(Arc::new(resource))
        }
    }])
}
