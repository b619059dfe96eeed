//! The network: VPCs, subnets, security groups, internet gateways and route tables.

use super::value::{Text, Word};
use super::{Invalid, Kind, RecordError, Shape, raw};
use model::ec2::Change;
use model::ec2::ids::{
    InternetGatewayId, InvalidNetworkId, NetworkAclId, RouteAssociationId, RouteTableId, SecurityGroupId,
    SecurityGroupRuleId, SubnetId, VpcCidrAssociationId, VpcId,
};
use model::ec2::net::Net;
use model::ec2::resource::{
    Direction, HostnameType, InternetGateway, Permission, PrivateNames, Protocol, Route, RouteAssociation, RouteTable,
    RulePeer, SecurityGroup, SecurityGroupRule, Subnet, Tenancy, Vpc,
};
use model::{AccountId, Region, Scope, Tags};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a change is about.
pub(super) fn subject(change: &Change) -> (Kind, &str) {
    match change {
        Change::PutVpc(it) => (Kind::Vpc, it.id.as_str()),
        Change::DeleteVpc(id) => (Kind::Vpc, id.as_str()),
        Change::PutSubnet(it) => (Kind::Subnet, it.id.as_str()),
        Change::DeleteSubnet(id) => (Kind::Subnet, id.as_str()),
        Change::PutSecurityGroup(it) => (Kind::SecurityGroup, it.id.as_str()),
        Change::DeleteSecurityGroup(id) => (Kind::SecurityGroup, id.as_str()),
        Change::PutInternetGateway(it) => (Kind::InternetGateway, it.id.as_str()),
        Change::DeleteInternetGateway(id) => (Kind::InternetGateway, id.as_str()),
        Change::PutRouteTable(it) => (Kind::RouteTable, it.id.as_str()),
        Change::DeleteRouteTable(id) => (Kind::RouteTable, id.as_str()),
    }
}

/// Whether two changes share what they put.
pub(super) fn is_shared(left: &Change, right: &Change) -> bool {
    match (left, right) {
        (Change::PutVpc(left), Change::PutVpc(right)) => Arc::ptr_eq(left, right),
        (Change::PutSubnet(left), Change::PutSubnet(right)) => Arc::ptr_eq(left, right),
        (Change::PutSecurityGroup(left), Change::PutSecurityGroup(right)) => Arc::ptr_eq(left, right),
        (Change::PutInternetGateway(left), Change::PutInternetGateway(right)) => Arc::ptr_eq(left, right),
        (Change::PutRouteTable(left), Change::PutRouteTable(right)) => Arc::ptr_eq(left, right),
        _ => false,
    }
}

/// What is put; `None`: it is a deletion.
pub(super) fn put(change: &Change) -> Option<Box<RawValue>> {
    match change {
        Change::PutVpc(it) => Some(raw(&VpcV1::of(it))),
        Change::PutSubnet(it) => Some(raw(&SubnetV1::of(it))),
        Change::PutSecurityGroup(it) => Some(raw(&SecurityGroupV1::of(it))),
        Change::PutInternetGateway(it) => Some(raw(&InternetGatewayV1::of(it))),
        Change::PutRouteTable(it) => Some(raw(&RouteTableV1::of(it))),
        Change::DeleteVpc(_)
        | Change::DeleteSubnet(_)
        | Change::DeleteSecurityGroup(_)
        | Change::DeleteInternetGateway(_)
        | Change::DeleteRouteTable(_) => None,
    }
}

/// A deletion. `kind` is one of this file's.
pub(super) fn delete(kind: Kind, id: &str) -> Result<Change, RecordError> {
    let change = match kind {
        Kind::Subnet => SubnetId::try_from(id).map(Change::DeleteSubnet),
        Kind::SecurityGroup => SecurityGroupId::try_from(id).map(Change::DeleteSecurityGroup),
        Kind::InternetGateway => InternetGatewayId::try_from(id).map(Change::DeleteInternetGateway),
        Kind::RouteTable => RouteTableId::try_from(id).map(Change::DeleteRouteTable),
        _ => VpcId::try_from(id).map(Change::DeleteVpc),
    };
    change.map_err(|error: InvalidNetworkId| Invalid::because(error).of(kind))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeV1 {
    account: Text<AccountId>,
    region: Text<Region>,
}

impl ScopeV1 {
    fn of(scope: &Scope) -> Self {
        Self {
            account: Text(scope.account.clone()),
            region: Text(scope.region.clone()),
        }
    }

    fn into_scope(self) -> Scope {
        Scope {
            region: self.region.0,
            account: self.account.0,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct TagsV1(BTreeMap<String, String>);

impl TagsV1 {
    fn of(tags: &Tags) -> Self {
        let tags = tags.iter();
        Self(tags.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    fn into_tags(self) -> Result<Tags, Invalid> {
        let tags = self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        Tags::new(tags).map_err(Invalid::because)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VpcV1 {
    id: Text<VpcId>,
    scope: ScopeV1,
    cidr: Text<Net>,
    cidr_association: Text<VpcCidrAssociationId>,
    tenancy: Word<Tenancy>,
    dns_support: bool,
    dns_hostnames: bool,
    address_metrics: bool,
    network_acl: Text<NetworkAclId>,
    is_default: bool,
    tags: TagsV1,
}

impl Shape for VpcV1 {
    type Resource = Vpc;

    fn of(resource: &Vpc) -> Self {
        let Vpc {
            id,
            scope,
            cidr,
            cidr_association,
            tenancy,
            dns_support,
            dns_hostnames,
            address_metrics,
            network_acl,
            is_default,
            tags,
        } = resource.clone();
        Self {
            id: Text(id),
            scope: ScopeV1::of(&scope),
            cidr: Text(cidr),
            cidr_association: Text(cidr_association),
            tenancy: Word(tenancy),
            dns_support,
            dns_hostnames,
            address_metrics,
            network_acl: Text(network_acl),
            is_default,
            tags: TagsV1::of(&tags),
        }
    }

    fn into_resource(self) -> Result<Vpc, Invalid> {
        Ok(Vpc {
            id: self.id.0,
            scope: self.scope.into_scope(),
            cidr: self.cidr.0,
            cidr_association: self.cidr_association.0,
            tenancy: self.tenancy.0,
            dns_support: self.dns_support,
            dns_hostnames: self.dns_hostnames,
            address_metrics: self.address_metrics,
            network_acl: self.network_acl.0,
            is_default: self.is_default,
            tags: self.tags.into_tags()?,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubnetV1 {
    id: Text<SubnetId>,
    scope: ScopeV1,
    vpc: Text<VpcId>,
    cidr: Text<Net>,
    zone: String,
    map_public_ip: bool,
    hostname: Word<HostnameType>,
    a_record: bool,
    aaaa_record: bool,
    is_default: bool,
    tags: TagsV1,
}

impl Shape for SubnetV1 {
    type Resource = Subnet;

    fn of(resource: &Subnet) -> Self {
        let Subnet {
            id,
            scope,
            vpc,
            cidr,
            zone,
            map_public_ip,
            private_names:
                PrivateNames {
                    hostname,
                    a_record,
                    aaaa_record,
                },
            is_default,
            tags,
        } = resource.clone();
        Self {
            id: Text(id),
            scope: ScopeV1::of(&scope),
            vpc: Text(vpc),
            cidr: Text(cidr),
            zone,
            map_public_ip,
            hostname: Word(hostname),
            a_record,
            aaaa_record,
            is_default,
            tags: TagsV1::of(&tags),
        }
    }

    fn into_resource(self) -> Result<Subnet, Invalid> {
        Ok(Subnet {
            id: self.id.0,
            scope: self.scope.into_scope(),
            vpc: self.vpc.0,
            cidr: self.cidr.0,
            zone: self.zone,
            map_public_ip: self.map_public_ip,
            private_names: PrivateNames {
                hostname: self.hostname.0,
                a_record: self.a_record,
                aaaa_record: self.aaaa_record,
            },
            is_default: self.is_default,
            tags: self.tags.into_tags()?,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecurityGroupV1 {
    id: Text<SecurityGroupId>,
    scope: ScopeV1,
    vpc: Text<VpcId>,
    name: String,
    description: String,
    rules: Vec<RuleV1>,
    tags: TagsV1,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleV1 {
    id: Text<SecurityGroupRuleId>,
    direction: Word<Direction>,
    protocol: Text<Protocol>,
    ports: Option<(i32, i32)>,
    peer: PeerV1,
    description: Option<String>,
    tags: TagsV1,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PeerV1 {
    Net(Text<Net>),
    Group(Text<SecurityGroupId>),
}

impl RuleV1 {
    fn of(rule: &SecurityGroupRule) -> Self {
        let SecurityGroupRule {
            id,
            what:
                Permission {
                    direction,
                    protocol,
                    ports,
                    peer,
                },
            description,
            tags,
        } = rule.clone();
        Self {
            id: Text(id),
            direction: Word(direction),
            protocol: Text(protocol),
            ports,
            peer: match peer {
                RulePeer::Net(net) => PeerV1::Net(Text(net)),
                RulePeer::Group(group) => PeerV1::Group(Text(group)),
            },
            description,
            tags: TagsV1::of(&tags),
        }
    }

    fn into_rule(self) -> Result<SecurityGroupRule, Invalid> {
        Ok(SecurityGroupRule {
            id: self.id.0,
            what: Permission {
                direction: self.direction.0,
                protocol: self.protocol.0,
                ports: self.ports,
                peer: match self.peer {
                    PeerV1::Net(net) => RulePeer::Net(net.0),
                    PeerV1::Group(group) => RulePeer::Group(group.0),
                },
            },
            description: self.description,
            tags: self.tags.into_tags()?,
        })
    }
}

impl Shape for SecurityGroupV1 {
    type Resource = SecurityGroup;

    fn of(resource: &SecurityGroup) -> Self {
        let SecurityGroup {
            id,
            scope,
            vpc,
            name,
            description,
            rules,
            tags,
        } = resource.clone();
        Self {
            id: Text(id),
            scope: ScopeV1::of(&scope),
            vpc: Text(vpc),
            name,
            description,
            rules: rules.iter().map(RuleV1::of).collect(),
            tags: TagsV1::of(&tags),
        }
    }

    fn into_resource(self) -> Result<SecurityGroup, Invalid> {
        let rules = self.rules.into_iter().map(RuleV1::into_rule);
        Ok(SecurityGroup {
            id: self.id.0,
            scope: self.scope.into_scope(),
            vpc: self.vpc.0,
            name: self.name,
            description: self.description,
            rules: rules.collect::<Result<_, _>>()?,
            tags: self.tags.into_tags()?,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InternetGatewayV1 {
    id: Text<InternetGatewayId>,
    scope: ScopeV1,
    vpc: Option<Text<VpcId>>,
    tags: TagsV1,
}

impl Shape for InternetGatewayV1 {
    type Resource = InternetGateway;

    fn of(resource: &InternetGateway) -> Self {
        let InternetGateway { id, scope, vpc, tags } = resource.clone();
        Self {
            id: Text(id),
            scope: ScopeV1::of(&scope),
            vpc: vpc.map(Text),
            tags: TagsV1::of(&tags),
        }
    }

    fn into_resource(self) -> Result<InternetGateway, Invalid> {
        Ok(InternetGateway {
            id: self.id.0,
            scope: self.scope.into_scope(),
            vpc: self.vpc.map(|it| it.0),
            tags: self.tags.into_tags()?,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteTableV1 {
    id: Text<RouteTableId>,
    scope: ScopeV1,
    vpc: Text<VpcId>,
    routes: Vec<RouteV1>,
    associations: Vec<AssociationV1>,
    tags: TagsV1,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteV1 {
    destination: Text<Net>,
    gateway: Text<InternetGatewayId>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AssociationV1 {
    id: Text<RouteAssociationId>,
    subnet: Option<Text<SubnetId>>,
}

impl Shape for RouteTableV1 {
    type Resource = RouteTable;

    fn of(resource: &RouteTable) -> Self {
        let RouteTable {
            id,
            scope,
            vpc,
            routes,
            associations,
            tags,
        } = resource.clone();
        let route = |it: Route| RouteV1 {
            destination: Text(it.destination),
            gateway: Text(it.gateway),
        };
        let association = |it: RouteAssociation| AssociationV1 {
            id: Text(it.id),
            subnet: it.subnet.map(Text),
        };
        Self {
            id: Text(id),
            scope: ScopeV1::of(&scope),
            vpc: Text(vpc),
            routes: routes.into_iter().map(route).collect(),
            associations: associations.into_iter().map(association).collect(),
            tags: TagsV1::of(&tags),
        }
    }

    fn into_resource(self) -> Result<RouteTable, Invalid> {
        let route = |it: RouteV1| Route {
            destination: it.destination.0,
            gateway: it.gateway.0,
        };
        let association = |it: AssociationV1| RouteAssociation {
            id: it.id.0,
            subnet: it.subnet.map(|it| it.0),
        };
        Ok(RouteTable {
            id: self.id.0,
            scope: self.scope.into_scope(),
            vpc: self.vpc.0,
            routes: self.routes.into_iter().map(route).collect(),
            associations: self.associations.into_iter().map(association).collect(),
            tags: self.tags.into_tags()?,
        })
    }
}
