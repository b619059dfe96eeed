//! The network.

use super::{Draw, NAMES};
use model::ec2::Change;
use model::ec2::ids::{
    InternetGatewayId, NetworkAclId, RouteAssociationId, RouteTableId, SecurityGroupId, SecurityGroupRuleId, SubnetId,
    VpcCidrAssociationId, VpcId,
};
use model::ec2::net::Net;
use model::ec2::resource::{
    Direction, HostnameType, InternetGateway, Permission, PrivateNames, Protocol, Route, RouteAssociation, RouteTable,
    RulePeer, SecurityGroup, SecurityGroupRule, Subnet, Tenancy, Vpc,
};
use model::tag::Tags;
use std::sync::Arc;

impl Draw {
    pub(super) fn ec2(&mut self) -> Change {
        match self.below(10) {
            0 => Change::DeleteVpc(VpcId::fresh(self.id())),
            1 => Change::DeleteSubnet(SubnetId::fresh(self.id())),
            2 => Change::DeleteSecurityGroup(SecurityGroupId::fresh(self.id())),
            3 => Change::DeleteInternetGateway(InternetGatewayId::fresh(self.id())),
            4 => Change::DeleteRouteTable(RouteTableId::fresh(self.id())),
            5 => Change::PutVpc(Arc::new(self.vpc())),
            6 => Change::PutSubnet(Arc::new(self.subnet())),
            7 => Change::PutSecurityGroup(Arc::new(self.security_group())),
            8 => Change::PutInternetGateway(Arc::new(InternetGateway {
                id: InternetGatewayId::fresh(self.id()),
                scope: self.scope(),
                vpc: self.optional_vpc(),
                tags: self.network_tags(),
            })),
            _ => Change::PutRouteTable(Arc::new(self.route_table())),
        }
    }

    pub(super) fn optional_vpc(&mut self) -> Option<VpcId> {
        self.maybe(|draw| VpcId::fresh(draw.id()))
    }

    fn net(&mut self) -> Net {
        Net::try_from(self.pick(&["10.0.0.0/16", "0.0.0.0/0", "::/0", "2001:db8::/32"])).unwrap()
    }

    fn network_tags(&mut self) -> Tags {
        let pairs = self.pick(&[vec![], vec![("Name", "a"), ("stage", "")], vec![("Größe", "ä b")]]);
        Tags::new(pairs).unwrap()
    }

    fn vpc(&mut self) -> Vpc {
        Vpc {
            id: VpcId::fresh(self.id()),
            scope: self.scope(),
            cidr: self.net(),
            cidr_association: VpcCidrAssociationId::fresh(self.id()),
            tenancy: self.pick(&[Tenancy::Default, Tenancy::Dedicated]),
            dns_support: self.chance(50),
            dns_hostnames: self.chance(50),
            address_metrics: self.chance(50),
            network_acl: NetworkAclId::fresh(self.id()),
            is_default: self.chance(50),
            tags: self.network_tags(),
        }
    }

    fn subnet(&mut self) -> Subnet {
        Subnet {
            id: SubnetId::fresh(self.id()),
            scope: self.scope(),
            vpc: VpcId::fresh(self.id()),
            cidr: self.net(),
            zone: self.pick(&["us-east-1a", "us-east-1c"]).to_owned(),
            map_public_ip: self.chance(50),
            private_names: PrivateNames {
                hostname: self.pick(&[HostnameType::IpName, HostnameType::ResourceName]),
                a_record: self.chance(50),
                aaaa_record: self.chance(50),
            },
            is_default: self.chance(50),
            tags: self.network_tags(),
        }
    }

    fn security_group(&mut self) -> SecurityGroup {
        SecurityGroup {
            id: SecurityGroupId::fresh(self.id()),
            scope: self.scope(),
            vpc: VpcId::fresh(self.id()),
            name: self.pick(&NAMES).to_owned(),
            description: self.text(),
            rules: self.some(3, |draw| SecurityGroupRule {
                id: SecurityGroupRuleId::fresh(draw.id()),
                what: Permission {
                    direction: draw.pick(&[Direction::Ingress, Direction::Egress]),
                    protocol: draw.pick(&[
                        Protocol::All,
                        Protocol::Tcp,
                        Protocol::Udp,
                        Protocol::Icmp,
                        Protocol::IcmpV6,
                        Protocol::Number(50),
                    ]),
                    ports: draw.pick(&[None, Some((80, 443)), Some((-1, -1))]),
                    peer: match draw.chance(50) {
                        true => RulePeer::Net(draw.net()),
                        false => RulePeer::Group(SecurityGroupId::fresh(draw.id())),
                    },
                },
                description: draw.maybe(Self::text),
                tags: draw.network_tags(),
            }),
            tags: self.network_tags(),
        }
    }

    fn route_table(&mut self) -> RouteTable {
        RouteTable {
            id: RouteTableId::fresh(self.id()),
            scope: self.scope(),
            vpc: VpcId::fresh(self.id()),
            routes: self.some(2, |draw| Route {
                destination: draw.net(),
                gateway: InternetGatewayId::fresh(draw.id()),
            }),
            associations: self.some(2, |draw| RouteAssociation {
                id: RouteAssociationId::fresh(draw.id()),
                subnet: draw.maybe(|draw| SubnetId::fresh(draw.id())),
            }),
            tags: self.network_tags(),
        }
    }
}
