//! The operations of EC2's network: who answers them. AWS has more than seven hundred; the others are not built, and answer so.
//!
//! The dispatcher looks calls up here, and `docs/aws-api.md` is made from these lines, one operation each.

use super::{acls, facts, gateways, interfaces, route_tables, rules, security_groups, subnets, tags, vpcs};
use crate::aws::query::service::{Operation, change, nobody, read};

const IPV6: &str = "no IPv6 blocks and no address pools";
const ROUTES: &str = "routes lead to internet gateways";
const RULES: &str = "no prefix lists; groups of the same VPC";

#[rustfmt::skip]
pub(crate) const OPERATIONS: &[Operation] = &[
    nobody("AllocateAddress", "there are no Elastic IPs"),
    nobody("AssociateDhcpOptions", "the DHCP options are the region's own"),
    change("AssociateRouteTable", route_tables::associate, "to subnets, not to gateways"),
    nobody("AssociateSubnetCidrBlock", IPV6),
    nobody("AssociateVpcCidrBlock", "a VPC has one block"),
    change("AttachInternetGateway", gateways::attach, ""),
    change("AuthorizeSecurityGroupEgress", rules::authorize_egress, RULES),
    change("AuthorizeSecurityGroupIngress", rules::authorize_ingress, RULES),
    change("CreateInternetGateway", gateways::create, ""),
    nobody("CreateNatGateway", ROUTES),
    nobody("CreateNetworkAcl", "a VPC has its default network ACL"),
    nobody("CreateNetworkInterface", "network interfaces are those of load balancers"),
    change("CreateRoute", route_tables::create_route, ROUTES),
    change("CreateRouteTable", route_tables::create, ""),
    change("CreateSecurityGroup", security_groups::create, ""),
    change("CreateSubnet", subnets::create, IPV6),
    change("CreateTags", tags::create, ""),
    change("CreateVpc", vpcs::create, IPV6),
    change("DeleteInternetGateway", gateways::delete, ""),
    change("DeleteRoute", route_tables::delete_route, ""),
    change("DeleteRouteTable", route_tables::delete, ""),
    change("DeleteSecurityGroup", security_groups::delete, ""),
    change("DeleteSubnet", subnets::delete, "those of the default VPC stay"),
    change("DeleteTags", tags::delete, ""),
    change("DeleteVpc", vpcs::delete, "the default VPC stays"),
    read("DescribeAccountAttributes", facts::account_attributes, ""),
    read("DescribeAvailabilityZones", facts::zones, "three zones in every region"),
    read("DescribeInternetGateways", gateways::describe, ""),
    read("DescribeNetworkAcls", acls::describe, "each VPC's default one"),
    read("DescribeNetworkInterfaces", interfaces::describe, "those of load balancers"),
    read("DescribeRegions", facts::regions, ""),
    read("DescribeRouteTables", route_tables::describe, ""),
    read("DescribeSecurityGroupRules", rules::describe, ""),
    read("DescribeSecurityGroups", security_groups::describe, ""),
    read("DescribeSubnets", subnets::describe, ""),
    read("DescribeTags", tags::describe, ""),
    read("DescribeVpcAttribute", vpcs::describe_attribute, ""),
    read("DescribeVpcs", vpcs::describe, ""),
    change("DetachInternetGateway", gateways::detach, "the default VPC keeps its own"),
    change("DisassociateRouteTable", route_tables::disassociate, ""),
    change("ModifySecurityGroupRules", rules::modify, RULES),
    change("ModifySubnetAttribute", subnets::modify, IPV6),
    change("ModifyVpcAttribute", vpcs::modify, ""),
    change("ReplaceRoute", route_tables::replace_route, ROUTES),
    change("ReplaceRouteTableAssociation", route_tables::replace_association, ""),
    change("RevokeSecurityGroupEgress", rules::revoke_egress, RULES),
    change("RevokeSecurityGroupIngress", rules::revoke_ingress, RULES),
    nobody("RunInstances", "there are no instances"),
    change("UpdateSecurityGroupRuleDescriptionsEgress", rules::update_egress, ""),
    change("UpdateSecurityGroupRuleDescriptionsIngress", rules::update_ingress, ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_listed_once() {
        assert!(OPERATIONS.is_sorted_by(|one, other| one.name < other.name));
    }
}
