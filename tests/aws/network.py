"""The network as infrastructure clients make, read, change and delete it: the call sequences of clients.md 1."""

import re

from aws import client, equal, refused, run
from resources import SUBNETS, VPC, ec2, elb, load_balancer, name

ANYWHERE = [{"CidrIp": "0.0.0.0/0"}]


def filters(**wanted):
    return [{"Name": key.replace("_", "-"), "Values": [value]} for key, value in wanted.items()]


def tags_of(kind, **tags):
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def vpc(cidr="10.0.0.0/16", **more):
    return ec2.create_vpc(CidrBlock=cidr, **more)["Vpc"]["VpcId"]


def group(of=VPC, **more):
    return ec2.create_security_group(GroupName=name("group"), Description="made by a test", VpcId=of, **more)["GroupId"]


def permission(port, *cidrs, protocol="tcp"):
    ports = {} if protocol == "-1" else {"FromPort": port, "ToPort": port}
    return {"IpProtocol": protocol, **ports, "IpRanges": [{"CidrIp": cidr} for cidr in cidrs]}


def test_the_default_vpc_is_there():
    found = ec2.describe_vpcs(VpcIds=[VPC])["Vpcs"][0]
    equal((found["IsDefault"], found["CidrBlock"], found["State"]), (True, "172.31.0.0/16", "available"))
    attributes = ec2.describe_account_attributes(AttributeNames=["default-vpc", "supported-platforms"])["AccountAttributes"]
    told = {it["AttributeName"]: it["AttributeValues"][0]["AttributeValue"] for it in attributes}
    equal(told, {"default-vpc": VPC, "supported-platforms": "VPC"})
    subnets = ec2.describe_subnets(SubnetIds=SUBNETS)["Subnets"]
    equal(sorted(it["AvailabilityZone"] for it in subnets), ["us-east-1a", "us-east-1b", "us-east-1c"])
    assert all(it["DefaultForAz"] and it["MapPublicIpOnLaunch"] for it in subnets), subnets
    table = ec2.describe_route_tables(Filters=filters(vpc_id=VPC) + [{"Name": "association.main", "Values": ["true"]}])
    routes = {it["DestinationCidrBlock"]: it["GatewayId"] for it in table["RouteTables"][0]["Routes"]}
    gateway = ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [VPC]}])["InternetGateways"][0]
    equal(routes, {"172.31.0.0/16": "local", "0.0.0.0/0": gateway["InternetGatewayId"]})
    refused("OperationNotPermitted", ec2.delete_vpc, VpcId=VPC)
    refused("OperationNotPermitted", ec2.delete_subnet, SubnetId=SUBNETS[0])
    other = client("ec2", region="eu-west-1").describe_vpcs()["Vpcs"]
    assert [it["VpcId"] for it in other] != [VPC], other


def test_zones_and_regions():
    zones = ec2.describe_availability_zones(Filters=filters(state="available"))["AvailabilityZones"]
    equal([(it["ZoneName"], it["ZoneId"]) for it in zones][0], ("us-east-1a", "use1-az1"))
    equal({it["OptInStatus"] for it in zones}, {"opt-in-not-required"})
    one = ec2.describe_availability_zones(ZoneIds=["use1-az2"])["AvailabilityZones"]
    equal([it["ZoneName"] for it in one], ["us-east-1b"])
    regions = ec2.describe_regions(RegionNames=["us-east-1"])["Regions"]
    equal(regions[0]["Endpoint"], "ec2.us-east-1.amazonaws.com")
    refused("InvalidParameterValue", ec2.describe_regions, RegionNames=["nowhere"])


# clients.md 1, aws_vpc
def test_a_vpc_is_made_read_changed_and_deleted():
    made = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tags_of("vpc", Name="a", stage="dev"))["Vpc"]
    id = made["VpcId"]
    assert re.fullmatch("vpc-[0-9a-f]{17}", id), id
    ec2.get_waiter("vpc_available").wait(VpcIds=[id])
    found = ec2.describe_vpcs(VpcIds=[id])["Vpcs"][0]
    equal(found, made)
    equal((found["OwnerId"], found["InstanceTenancy"], found["IsDefault"]), ("000000000000", "default", False))
    equal(found["CidrBlockAssociationSet"][0]["CidrBlockState"], {"State": "associated"})
    equal({it["Key"]: it["Value"] for it in found["Tags"]}, {"Name": "a", "stage": "dev"})

    def attribute(key, answer):
        return ec2.describe_vpc_attribute(VpcId=id, Attribute=key)[answer]["Value"]

    equal(attribute("enableDnsSupport", "EnableDnsSupport"), True)
    equal(attribute("enableDnsHostnames", "EnableDnsHostnames"), False)
    equal(attribute("enableNetworkAddressUsageMetrics", "EnableNetworkAddressUsageMetrics"), False)
    ec2.modify_vpc_attribute(VpcId=id, EnableDnsHostnames={"Value": True})
    equal(attribute("enableDnsHostnames", "EnableDnsHostnames"), True)
    acls = ec2.describe_network_acls(Filters=filters(vpc_id=id, default="true"))["NetworkAcls"]
    equal([len(it["Entries"]) for it in acls], [4])
    mains = [{"Name": "association.main", "Values": ["true"]}, *filters(vpc_id=id)]
    table = ec2.describe_route_tables(Filters=mains)["RouteTables"][0]
    equal([it["Origin"] for it in table["Routes"]], ["CreateRouteTable"])
    groups = ec2.describe_security_groups(Filters=filters(vpc_id=id, group_name="default"))["SecurityGroups"]
    itself = groups[0]["IpPermissions"][0]
    equal((itself["IpProtocol"], itself["UserIdGroupPairs"][0]["GroupId"]), ("-1", groups[0]["GroupId"]))
    assert "FromPort" not in itself, itself
    refused("CannotDelete", ec2.delete_security_group, GroupId=groups[0]["GroupId"])
    ec2.create_tags(Resources=[id], Tags=[{"Key": "stage", "Value": "prod"}])
    ec2.delete_tags(Resources=[id], Tags=[{"Key": "Name"}, {"Key": "stage", "Value": "other"}])
    equal(ec2.describe_vpcs(VpcIds=[id])["Vpcs"][0]["Tags"], [{"Key": "stage", "Value": "prod"}])
    told = ec2.describe_tags(Filters=filters(resource_id=id))["Tags"]
    equal([(it["ResourceType"], it["Key"]) for it in told], [("vpc", "stage")])
    refused("DryRunOperation", ec2.delete_vpc, status=412, VpcId=id, DryRun=True)
    ec2.delete_vpc(VpcId=id)
    refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=[id], contains=id)
    refused("InvalidVpcID.NotFound", ec2.delete_vpc, VpcId=id)


def test_vpcs_that_cannot_be():
    refused("InvalidVpc.Range", ec2.create_vpc, CidrBlock="10.0.0.0/8")
    refused("InvalidParameterValue", ec2.create_vpc, CidrBlock="10.0.0.0")
    refused("MissingParameter", ec2.create_vpc)
    refused("InvalidVpcID.Malformed", ec2.delete_vpc, VpcId="x")
    refused("NotImplemented", ec2.create_vpc, status=501, CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)
    refused("InvalidParameterValue", ec2.describe_vpcs, Filters=filters(colour="red"), contains="colour")
    made = [vpc(f"10.{number}.0.0/16") for number in range(4)]
    refused("VpcLimitExceeded", ec2.create_vpc, CidrBlock="10.9.0.0/16")
    refused("VpcLimitExceeded", ec2.create_vpc, CidrBlock="10.9.0.0/16", DryRun=True)
    for id in made:
        ec2.delete_vpc(VpcId=id)
    refused("NotImplemented", ec2.describe_instances, status=501, contains="DescribeInstances")


# clients.md 1, aws_subnet
def test_subnets():
    id = vpc()
    create = {"VpcId": id, "CidrBlock": "10.0.1.0/24", "AvailabilityZone": "us-east-1b"}
    made = ec2.create_subnet(**create, TagSpecifications=tags_of("subnet", Name="s"))["Subnet"]
    subnet = made["SubnetId"]
    ec2.get_waiter("subnet_available").wait(SubnetIds=[subnet])
    found = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]
    equal(found, made)
    equal((found["AvailabilityZoneId"], found["MapPublicIpOnLaunch"], found["AvailableIpAddressCount"]), ("use1-az2", False, 251))
    equal(found["SubnetArn"], f"arn:aws:ec2:us-east-1:000000000000:subnet/{subnet}")
    options = {"HostnameType": "ip-name", "EnableResourceNameDnsARecord": False, "EnableResourceNameDnsAAAARecord": False}
    equal(found["PrivateDnsNameOptionsOnLaunch"], options)
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    ec2.modify_subnet_attribute(SubnetId=subnet, PrivateDnsHostnameTypeOnLaunch="resource-name")
    found = ec2.describe_subnets(Filters=filters(vpc_id=id, map_public_ip_on_launch="true"))["Subnets"][0]
    equal(found["PrivateDnsNameOptionsOnLaunch"]["HostnameType"], "resource-name")
    refused("InvalidSubnet.Conflict", ec2.create_subnet, VpcId=id, CidrBlock="10.0.1.128/25")
    refused("InvalidSubnet.Range", ec2.create_subnet, VpcId=id, CidrBlock="10.1.0.0/24")
    refused("InvalidParameterValue", ec2.create_subnet, VpcId=id, CidrBlock="10.0.2.0/24", AvailabilityZone="us-east-1x")
    refused("InvalidVpcID.NotFound", ec2.create_subnet, VpcId="vpc-0123abcd", CidrBlock="10.0.2.0/24")
    refused("DependencyViolation", ec2.delete_vpc, VpcId=id)
    equal(ec2.describe_network_interfaces(Filters=filters(subnet_id=subnet))["NetworkInterfaces"], [])
    ec2.delete_subnet(SubnetId=subnet)
    refused("InvalidSubnetID.NotFound", ec2.describe_subnets, SubnetIds=[subnet])
    ec2.delete_vpc(VpcId=id)


# clients.md 1, IGW, route table, route, association
def test_gateways_and_routes():
    id = vpc()
    subnet = ec2.create_subnet(VpcId=id, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    table = ec2.create_route_table(VpcId=id)["RouteTable"]["RouteTableId"]
    route = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway}
    refused("InvalidParameterValue", ec2.create_route, **route, contains="different networks")
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=id)
    refused("Resource.AlreadyAssociated", ec2.attach_internet_gateway, InternetGatewayId=gateway, VpcId=id)
    attached = ec2.describe_internet_gateways(InternetGatewayIds=[gateway])["InternetGateways"][0]["Attachments"]
    equal(attached, [{"State": "available", "VpcId": id}])
    ec2.create_route(**route)
    refused("RouteAlreadyExists", ec2.create_route, **route)
    ec2.replace_route(**route)
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    equal(association["AssociationState"], {"State": "associated"})
    refused("Resource.AlreadyAssociated", ec2.associate_route_table, RouteTableId=table, SubnetId=subnet)
    found = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]
    equal([(it["GatewayId"], it["State"]) for it in found["Routes"]], [("local", "active"), (gateway, "active")])
    equal([(it["SubnetId"], it["Main"]) for it in found["Associations"]], [(subnet, False)])
    refused("DependencyViolation", ec2.delete_route_table, RouteTableId=table)
    refused("DependencyViolation", ec2.delete_internet_gateway, InternetGatewayId=gateway)
    other = ec2.create_route_table(VpcId=id)["RouteTable"]["RouteTableId"]
    moved = ec2.replace_route_table_association(AssociationId=association["AssociationId"], RouteTableId=other)
    refused("InvalidAssociationID.NotFound", ec2.disassociate_route_table, AssociationId=association["AssociationId"])
    ec2.disassociate_route_table(AssociationId=moved["NewAssociationId"])
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=id)
    refused("Gateway.NotAttached", ec2.detach_internet_gateway, InternetGatewayId=gateway, VpcId=id)
    states = [it["State"] for it in ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]]
    equal(states, ["active", "blackhole"])
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    refused("InvalidRoute.NotFound", ec2.delete_route, RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    refused("DependencyViolation", ec2.delete_vpc, VpcId=id)
    for made in [table, other]:
        ec2.delete_route_table(RouteTableId=made)
    refused("InvalidRouteTableID.NotFound", ec2.describe_route_tables, RouteTableIds=[table])
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=id)
    # Terraform deletes both at once.
    refused("Gateway.NotAttached", ec2.detach_internet_gateway, InternetGatewayId=gateway, VpcId=id)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    refused("InvalidInternetGatewayID.NotFound", ec2.describe_internet_gateways, InternetGatewayIds=[gateway])


# clients.md 1, aws_security_group. EDG-136: a rule twice, a group in use
def test_security_groups():
    made = ec2.create_security_group(GroupName="web", Description="the web", VpcId=VPC, TagSpecifications=tags_of("security-group", a="b"))
    id = made["GroupId"]
    refused("InvalidGroup.Duplicate", ec2.create_security_group, GroupName="web", Description="x", VpcId=VPC)
    refused("InvalidParameterValue", ec2.create_security_group, GroupName="default", Description="x", VpcId=VPC)
    found = ec2.describe_security_groups(GroupIds=[id])["SecurityGroups"][0]
    equal((found["OwnerId"], found["VpcId"], found["IpPermissions"]), ("000000000000", VPC, []))
    out = {"IpProtocol": "-1", "UserIdGroupPairs": [], "IpRanges": ANYWHERE, "Ipv6Ranges": [], "PrefixListIds": []}
    equal(found["IpPermissionsEgress"], [out])
    ec2.revoke_security_group_egress(GroupId=id, IpPermissions=[{"IpProtocol": "-1", "IpRanges": ANYWHERE}])
    v6 = [{"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}]
    refused("InvalidPermission.NotFound", ec2.revoke_security_group_egress, GroupId=id, IpPermissions=v6)
    ranges = [{"CidrIp": "10.0.0.5/8", "Description": "inside"}, {"CidrIp": "192.0.2.0/24"}]
    allow = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 443, "IpRanges": ranges, "UserIdGroupPairs": [{"GroupId": id}]}]
    rules = ec2.authorize_security_group_ingress(GroupId=id, IpPermissions=allow)["SecurityGroupRules"]
    equal(sorted(it.get("CidrIpv4", "") for it in rules), ["", "10.0.0.0/8", "192.0.2.0/24"])
    assert all(re.fullmatch("sgr-[0-9a-f]{17}", it["SecurityGroupRuleId"]) for it in rules), rules
    refused("InvalidPermission.Duplicate", ec2.authorize_security_group_ingress, GroupId=id, IpPermissions=allow)
    found = ec2.describe_security_groups(GroupIds=[id])["SecurityGroups"][0]["IpPermissions"]
    equal(len(found), 1)
    equal(found[0]["IpRanges"], [{"CidrIp": "10.0.0.0/8", "Description": "inside"}, {"CidrIp": "192.0.2.0/24"}])
    equal(found[0]["UserIdGroupPairs"], [{"UserId": "000000000000", "GroupId": id}])
    first = next(it for it in rules if it.get("CidrIpv4") == "192.0.2.0/24")["SecurityGroupRuleId"]
    changed = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "198.51.100.0/24", "Description": "ssh"}
    ec2.modify_security_group_rules(GroupId=id, SecurityGroupRules=[{"SecurityGroupRuleId": first, "SecurityGroupRule": changed}])
    told = ec2.describe_security_group_rules(SecurityGroupRuleIds=[first])["SecurityGroupRules"][0]
    equal({key: told[key] for key in changed}, changed)
    equal(told["IsEgress"], False)
    ec2.revoke_security_group_ingress(GroupId=id, SecurityGroupRuleIds=[first])
    refused("InvalidSecurityGroupRuleId.NotFound", ec2.describe_security_group_rules, SecurityGroupRuleIds=[first])
    left = ec2.describe_security_group_rules(Filters=filters(group_id=id))["SecurityGroupRules"]
    equal(len(left), 2)
    for bad, code in [
        ({"IpProtocol": "x", "IpRanges": ANYWHERE}, "InvalidPermission.Malformed"),
        ({"IpProtocol": "tcp", "IpRanges": ANYWHERE}, "InvalidParameterValue"),
        ({"IpProtocol": "tcp", "FromPort": 2, "ToPort": 1, "IpRanges": ANYWHERE}, "InvalidParameterValue"),
        ({"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/33"}]}, "InvalidParameterValue"),
        ({"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-0123abcd"}]}, "InvalidGroup.NotFound"),
    ]:
        refused(code, ec2.authorize_security_group_ingress, GroupId=id, IpPermissions=[bad])
    lists = {"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": "pl-0123abcd"}]}
    refused("NotImplemented", ec2.authorize_security_group_ingress, status=501, GroupId=id, IpPermissions=[lists])
    many = [permission(port, "10.0.0.0/8") for port in range(1, 61)]
    refused("RulesPerSecurityGroupLimitExceeded", ec2.authorize_security_group_ingress, GroupId=id, IpPermissions=many)
    other = group()
    pair = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": id}]}]
    ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=pair)
    refused("DependencyViolation", ec2.delete_security_group, GroupId=id)
    ec2.delete_security_group(GroupId=other)
    equal(ec2.delete_security_group(GroupId=id)["GroupId"], id)
    refused("InvalidGroup.NotFound", ec2.describe_security_groups, GroupIds=[id])
    refused("InvalidGroup.NotFound", ec2.delete_security_group, GroupId=id)


def test_pages_have_everything_once():
    made = sorted(group() for _ in range(12))
    pages = ec2.get_paginator("describe_security_groups").paginate(MaxResults=5, Filters=[{"Name": "group-id", "Values": made}])
    sizes = [[it["GroupId"] for it in page["SecurityGroups"]] for page in pages]
    equal([len(it) for it in sizes], [5, 5, 2])
    equal(sum(sizes, []), made)
    refused("InvalidParameterValue", ec2.describe_security_groups, MaxResults=4)
    refused("InvalidParameterValue", ec2.describe_security_groups, NextToken="x")
    for id in made:
        ec2.delete_security_group(GroupId=id)


# clients.md 1, aws_lb: subnets and groups of a VPC of one's own
def test_a_load_balancer_stands_in_a_vpc():
    id = vpc()
    subnets = [
        ec2.create_subnet(VpcId=id, CidrBlock=f"10.0.{at}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"]["SubnetId"]
        for at, zone in enumerate("ab")
    ]
    create = {"Name": name("lb"), "Subnets": subnets}
    refused("InvalidSubnet", elb.create_load_balancer, **create, contains="has no internet gateway")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=id)
    refused("InvalidSubnet", elb.create_load_balancer, Name="x", Subnets=[subnets[0], SUBNETS[1]])
    ours, theirs = group(id), group()
    refused("InvalidSecurityGroup", elb.create_load_balancer, **create, SecurityGroups=[theirs])
    balancer = elb.create_load_balancer(**create, SecurityGroups=[ours])["LoadBalancers"][0]
    arn = balancer["LoadBalancerArn"]
    equal((balancer["VpcId"], balancer["SecurityGroups"]), (id, [ours]))
    equal([(it["ZoneName"], it["SubnetId"]) for it in balancer["AvailabilityZones"]], list(zip(["us-east-1a", "us-east-1b"], subnets)))
    named = f"ELB {arn.split('loadbalancer/')[1]}"
    owner = [{"Name": "attachment.instance-owner-id", "Values": ["amazon-elb"]}, *filters(description=named)]
    interfaces = ec2.describe_network_interfaces(Filters=owner)["NetworkInterfaces"]
    equal(sorted(it["SubnetId"] for it in interfaces), sorted(subnets))
    equal({it["RequesterId"] for it in interfaces}, {"amazon-elb"})
    equal([it["GroupId"] for it in interfaces[0]["Groups"]], [ours])
    equal(ec2.describe_subnets(SubnetIds=subnets[:1])["Subnets"][0]["AvailableIpAddressCount"], 250)
    for call in [
        lambda: refused("DependencyViolation", ec2.delete_security_group, GroupId=ours),
        lambda: refused("DependencyViolation", ec2.delete_subnet, SubnetId=subnets[0]),
        lambda: refused("DependencyViolation", ec2.detach_internet_gateway, InternetGatewayId=gateway, VpcId=id),
        lambda: refused("DependencyViolation", ec2.delete_vpc, VpcId=id),
    ]:
        call()
    default = ec2.describe_security_groups(Filters=filters(vpc_id=id, group_name="default"))["SecurityGroups"][0]["GroupId"]
    set_to = elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[default])["SecurityGroupIds"]
    equal(set_to, [default])
    refused("InvalidSecurityGroup", elb.set_security_groups, LoadBalancerArn=arn, SecurityGroups=[theirs])
    many = [group(id) for _ in range(6)]
    refused("InvalidConfigurationRequest", elb.set_security_groups, LoadBalancerArn=arn, SecurityGroups=many)
    servers = elb.create_target_group(Name=name("tg"), Protocol="HTTP", Port=80, VpcId=id, TargetType="ip")["TargetGroups"][0]
    equal(servers["VpcId"], id)
    elb.delete_target_group(TargetGroupArn=servers["TargetGroupArn"])
    elb.delete_load_balancer(LoadBalancerArn=arn)
    equal(ec2.describe_network_interfaces(Filters=owner)["NetworkInterfaces"], [])
    for made in [ours, theirs, *many]:
        ec2.delete_security_group(GroupId=made)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=id)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    for subnet in subnets:
        ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=id)


def test_a_load_balancer_without_groups_has_the_default_one():
    balancer = load_balancer()
    default = ec2.describe_security_groups(Filters=filters(vpc_id=VPC, group_name="default"))["SecurityGroups"][0]
    equal(balancer["SecurityGroups"], [default["GroupId"]])
    elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])


run(globals())
