//! The default VPC that an account has in each region, with what comes with it. Its ids follow from account and region, as those
//! of the manifest's resources do.

use super::ids::{
    DhcpOptionsId, InternetGatewayId, NetworkAclAssociationId, NetworkAclId, RouteAssociationId, RouteTableId,
    SecurityGroupId, SecurityGroupRuleId, SubnetId, VpcCidrAssociationId, VpcId,
};
use super::net::Net;
use super::resource::{
    Direction, InternetGateway, Permission, PrivateNames, Protocol, Route, RouteAssociation, RouteTable, RulePeer,
    SecurityGroup, SecurityGroupRule, Subnet, Tenancy, Vpc,
};
use super::zone;
use crate::ids::{ResourceId, Scope};
use crate::tag::Tags;

/// What an account has in a region from the beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct DefaultVpc {
    /// The VPC.
    pub vpc: Vpc,
    /// One subnet in each zone.
    pub subnets: Vec<Subnet>,
    /// Its default security group.
    pub security_group: SecurityGroup,
    /// Its way out.
    pub internet_gateway: InternetGateway,
    /// Its main route table.
    pub route_table: RouteTable,
}

impl DefaultVpc {
    /// That of this account and region.
    pub fn of(scope: &Scope) -> Self {
        let id = |what: &str| hash(scope, what);
        let vpc = Vpc {
            id: VpcId::fresh(id("vpc")),
            scope: scope.clone(),
            cidr: Net::v4([172, 31, 0, 0], 16),
            cidr_association: VpcCidrAssociationId::fresh(id("cidr block")),
            tenancy: Tenancy::Default,
            dns_support: true,
            dns_hostnames: true,
            address_metrics: false,
            network_acl: NetworkAclId::fresh(id("network acl")),
            is_default: true,
            tags: Tags::default(),
        };
        let internet_gateway = InternetGateway {
            id: InternetGatewayId::fresh(id("internet gateway")),
            scope: scope.clone(),
            vpc: Some(vpc.id.clone()),
            tags: Tags::default(),
        };
        let subnet = |at: usize| Subnet {
            id: SubnetId::fresh(id(&format!("subnet {}", zone::LETTERS[at]))),
            scope: scope.clone(),
            vpc: vpc.id.clone(),
            cidr: Net::v4([172, 31, 16 * at as u8, 0], 20),
            zone: format!("{}{}", scope.region, zone::LETTERS[at]),
            map_public_ip: true,
            private_names: PrivateNames::default(),
            is_default: true,
            tags: Tags::default(),
        };
        let mut route_table = main_route_table(
            &vpc,
            RouteTableId::fresh(id("route table")),
            RouteAssociationId::fresh(id("main route table")),
        );
        route_table.routes.push(Route {
            destination: Net::ANYWHERE,
            gateway: internet_gateway.id.clone(),
        });
        let rules = [id("default ingress"), id("default egress")].map(SecurityGroupRuleId::fresh);
        Self {
            subnets: (0..zone::LETTERS.len()).map(subnet).collect(),
            security_group: default_group(&vpc, SecurityGroupId::fresh(id("security group")), rules),
            internet_gateway,
            route_table,
            vpc,
        }
    }
}

/// The group that a VPC comes with: it lets in what comes from itself, and lets everything out.
pub(super) fn default_group(vpc: &Vpc, id: SecurityGroupId, rules: [SecurityGroupRuleId; 2]) -> SecurityGroup {
    let [ingress, egress] = rules;
    let itself = SecurityGroupRule {
        id: ingress,
        what: Permission {
            direction: Direction::Ingress,
            protocol: Protocol::All,
            ports: None,
            peer: RulePeer::Group(id.clone()),
        },
        description: None,
        tags: Tags::default(),
    };
    SecurityGroup {
        id,
        scope: vpc.scope.clone(),
        vpc: vpc.id.clone(),
        name: SecurityGroup::DEFAULT.to_owned(),
        description: "default VPC security group".to_owned(),
        rules: vec![itself, everything_out(egress)],
        tags: Tags::default(),
    }
}

/// The rule that every group is born with.
pub(super) fn everything_out(id: SecurityGroupRuleId) -> SecurityGroupRule {
    SecurityGroupRule {
        id,
        what: Permission {
            direction: Direction::Egress,
            protocol: Protocol::All,
            ports: None,
            peer: RulePeer::Net(Net::ANYWHERE),
        },
        description: None,
        tags: Tags::default(),
    }
}

/// The route table that a VPC comes with.
pub(super) fn main_route_table(vpc: &Vpc, id: RouteTableId, association: RouteAssociationId) -> RouteTable {
    RouteTable {
        id,
        scope: vpc.scope.clone(),
        vpc: vpc.id.clone(),
        routes: Vec::new(),
        associations: vec![RouteAssociation {
            id: association,
            subnet: None,
        }],
        tags: Tags::default(),
    }
}

/// The DHCP options of a region, the only ones.
pub fn dhcp_options(scope: &Scope) -> DhcpOptionsId {
    DhcpOptionsId::fresh(hash(scope, "dhcp options"))
}

/// That a subnet uses the network ACL of its VPC.
pub fn network_acl_association(subnet: &Subnet) -> NetworkAclAssociationId {
    NetworkAclAssociationId::fresh(hash(&subnet.scope, &format!("network acl {}", subnet.id)))
}

/// FNV-1a over 64 bits: the ids shall differ and stay as they are, nothing more.
pub(super) fn hash(scope: &Scope, what: &str) -> ResourceId {
    let text = format!("{}\0{}\0{what}", scope.account, scope.region);
    ResourceId(text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AccountId, Region};

    fn scope(region: &str) -> Scope {
        Scope {
            region: Region::try_from(region).unwrap(),
            account: AccountId::try_from("000000000000").unwrap(),
        }
    }

    #[test]
    fn the_default_vpc_is_the_same_every_time() {
        let default = DefaultVpc::of(&scope("us-east-1"));
        // Written down: these ids are in people's scripts, so they must never change.
        assert_eq!(default.vpc.id.as_str(), "vpc-0431c2f94c9997c9e");
        let zones: Vec<_> = default.subnets.iter().map(|subnet| subnet.zone.as_str()).collect();
        assert_eq!(zones, ["us-east-1a", "us-east-1b", "us-east-1c"]);
        let blocks: Vec<_> = default.subnets.iter().map(|subnet| subnet.cidr.to_string()).collect();
        assert_eq!(blocks, ["172.31.0.0/20", "172.31.16.0/20", "172.31.32.0/20"]);
        assert_ne!(default.subnets[0].id, default.subnets[1].id);
        assert_ne!(default.vpc.id, DefaultVpc::of(&scope("us-east-2")).vpc.id);
    }
}
