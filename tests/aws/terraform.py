"""What Terraform's AWS provider asks while it applies, plans, changes and destroys a small service: network, role, function out
of a bucket, certificate, load balancer, listeners and rules. Source: clients.md 1."""

import json
import os

from aws import POLLS, ask, client, equal, refused, run, until
from lambda_package import package
from plans import PLANS, TAGS, change, filters, one, plan, planned, specification, tag_list, tag_map

ec2, elb, iam, lambda_, acm, logs, sts = (client(name) for name in ["ec2", "elbv2", "iam", "lambda", "acm", "logs", "sts"])
ACCOUNT = "000000000000"
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


# data sources

def data():
    equal(sts.get_caller_identity()["Account"], ACCOUNT)
    zones = ec2.describe_availability_zones(Filters=filters(state="available"))["AvailabilityZones"]
    assert all(zone["ZoneId"] and zone["ZoneType"] == "availability-zone" for zone in zones), zones
    return [zone["ZoneName"] for zone in zones]


# aws_vpc, aws_subnet, aws_internet_gateway, aws_route_table, aws_route, aws_route_table_association

def vpc():
    id = ec2.create_vpc(CidrBlock="10.77.0.0/16", InstanceTenancy="default", TagSpecifications=specification("vpc"))["Vpc"]["VpcId"]
    until("the VPC is available", lambda: ec2.describe_vpcs(VpcIds=[id])["Vpcs"][0]["State"] == "available")
    ec2.modify_vpc_attribute(VpcId=id, EnableDnsHostnames={"Value": True})

    def read():
        it = one(ec2.describe_vpcs(VpcIds=[id])["Vpcs"])
        attribute = lambda name: ec2.describe_vpc_attribute(VpcId=id, Attribute=name[0].lower() + name[1:])[name]["Value"]
        main = [{"Name": "association.main", "Values": ["true"]}, *filters(vpc_id=id)]
        return {
            "cidr": it["CidrBlock"], "tenancy": it["InstanceTenancy"], "owner": it["OwnerId"], "tags": tag_map(it["Tags"]),
            "associations": [block["CidrBlockState"]["State"] for block in it["CidrBlockAssociationSet"]],
            "attributes": [attribute(name) for name in ["EnableDnsHostnames", "EnableDnsSupport", "EnableNetworkAddressUsageMetrics"]],
            "acl": one(ec2.describe_network_acls(Filters=filters(default="true", vpc_id=id))["NetworkAcls"])["NetworkAclId"],
            "table": one(ec2.describe_route_tables(Filters=main)["RouteTables"])["RouteTableId"],
            "group": one(ec2.describe_security_groups(Filters=filters(group_name="default", vpc_id=id))["SecurityGroups"])["GroupId"],
        }

    plan("vpc", read, {"cidr": "10.77.0.0/16", "tenancy": "default", "owner": ACCOUNT, "tags": TAGS,
                       "associations": ["associated"], "attributes": [True, True, False]})
    return id


def subnet(vpc, zone, number):
    made = ec2.create_subnet(
        VpcId=vpc, AvailabilityZone=zone, CidrBlock=f"10.77.{number}.0/24", TagSpecifications=specification("subnet")
    )["Subnet"]
    id = made["SubnetId"]
    ec2.modify_subnet_attribute(SubnetId=id, MapPublicIpOnLaunch={"Value": True})

    def read():
        it = one(ec2.describe_subnets(SubnetIds=[id])["Subnets"])
        names = ["VpcId", "AvailabilityZone", "CidrBlock", "MapPublicIpOnLaunch", "AssignIpv6AddressOnCreation",
                 "State", "SubnetArn", "OwnerId", "EnableDns64", "Ipv6Native", "Ipv6CidrBlockAssociationSet",
                 "MapCustomerOwnedIpOnLaunch", "AvailabilityZoneId"]
        options = it["PrivateDnsNameOptionsOnLaunch"]
        return {name: it.get(name) for name in names} | {"tags": tag_map(it["Tags"]), "hostnames": options["HostnameType"]}

    plan(f"subnet {number}", read, {
        "VpcId": vpc, "AvailabilityZone": zone, "CidrBlock": f"10.77.{number}.0/24", "MapPublicIpOnLaunch": True,
        "AssignIpv6AddressOnCreation": False, "State": "available", "OwnerId": ACCOUNT, "EnableDns64": False,
        "SubnetArn": f"arn:aws:ec2:us-east-1:{ACCOUNT}:subnet/{id}", "tags": TAGS, "hostnames": "ip-name",
    })
    return id


def routes(vpc, subnets):
    gateway = ec2.create_internet_gateway(TagSpecifications=specification("internet-gateway"))["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)

    def attachments():
        it = one(ec2.describe_internet_gateways(InternetGatewayIds=[gateway])["InternetGateways"])
        return {"attachments": it["Attachments"], "tags": tag_map(it["Tags"])}

    plan("gateway", attachments, {"attachments": [{"State": "available", "VpcId": vpc}], "tags": TAGS})
    table = ec2.create_route_table(VpcId=vpc, TagSpecifications=specification("route-table"))["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    associations = [ec2.associate_route_table(RouteTableId=table, SubnetId=id) for id in subnets]
    equal([it["AssociationState"]["State"] for it in associations], ["associated"] * len(subnets))
    ids = [it["AssociationId"] for it in associations]

    def read():
        it = one(ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"])
        return {
            "routes": sorted((route["DestinationCidrBlock"], route["GatewayId"], route["State"]) for route in it["Routes"]),
            "associations": {at["RouteTableAssociationId"]: at["SubnetId"] for at in it["Associations"]},
            "tags": tag_map(it["Tags"]), "propagates": it["PropagatingVgws"],
        }

    plan("routes", read, {
        "routes": [("0.0.0.0/0", gateway, "active"), ("10.77.0.0/16", "local", "active")],
        "associations": dict(zip(ids, subnets)), "tags": TAGS, "propagates": [],
    })
    # Its route and an association lead elsewhere, and back.
    spare = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.replace_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    for to in [spare, table]:
        replaced = ec2.replace_route_table_association(AssociationId=ids[0], RouteTableId=to)
        equal(replaced["AssociationState"]["State"], "associated")
        ids[0] = replaced["NewAssociationId"]
    PLANS["routes"][1]["associations"] = dict(zip(ids, subnets))
    ec2.delete_route_table(RouteTableId=spare)
    return gateway, table, ids


# aws_security_group

def security_group(vpc):
    id = ec2.create_security_group(
        GroupName="shop", Description="Managed by Terraform", VpcId=vpc, TagSpecifications=specification("security-group")
    )["GroupId"]
    anywhere = [{"IpProtocol": "-1", "FromPort": 0, "ToPort": 0, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.revoke_security_group_egress(GroupId=id, IpPermissions=anywhere)
    everywhere = [{"IpProtocol": "-1", "FromPort": 0, "ToPort": 0, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}]
    refused("InvalidPermission.NotFound", ec2.revoke_security_group_egress, GroupId=id, IpPermissions=everywhere)
    web = {"IpProtocol": "tcp", "FromPort": 9001, "ToPort": 9009, "IpRanges": [{"CidrIp": "127.0.0.0/8", "Description": "web"}]}
    ec2.authorize_security_group_ingress(GroupId=id, IpPermissions=[web])
    ec2.authorize_security_group_egress(GroupId=id, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])

    def read():
        it = one(ec2.describe_security_groups(GroupIds=[id])["SecurityGroups"])
        rules = lambda list: [
            (rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort"), [sorted(at.items()) for at in rule["IpRanges"]]) for rule in list
        ]
        return {"owner": it["OwnerId"], "name": it["GroupName"], "description": it["Description"], "vpc": it["VpcId"],
                "in": rules(it["IpPermissions"]), "out": rules(it["IpPermissionsEgress"]), "tags": tag_map(it["Tags"])}

    plan("group", read, {
        "owner": ACCOUNT, "name": "shop", "description": "Managed by Terraform", "vpc": vpc, "tags": TAGS,
        "in": [("tcp", 9001, 9009, [[("CidrIp", "127.0.0.0/8"), ("Description", "web")]])],
        "out": [("-1", None, None, [[("CidrIp", "0.0.0.0/0")]])],
    })
    return id


# aws_iam_role, aws_iam_role_policy, aws_iam_role_policy_attachment, aws_cloudwatch_log_group

def role():
    trust = {"Version": "2012-10-17", "Statement": [
        {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}]}
    iam.create_role(
        RoleName="shop", Path="/", AssumeRolePolicyDocument=json.dumps(trust), MaxSessionDuration=3600, Tags=tag_list()
    )
    inline = {"Version": "2012-10-17", "Statement": [{"Action": ["s3:GetObject"], "Effect": "Allow", "Resource": "*"}]}
    iam.put_role_policy(RoleName="shop", PolicyName="inline", PolicyDocument=json.dumps(inline))
    iam.attach_role_policy(RoleName="shop", PolicyArn=BASIC)

    def read():
        it = iam.get_role(RoleName="shop")["Role"]
        names = iam.list_role_policies(RoleName="shop")["PolicyNames"]
        return {
            "arn": it["Arn"], "path": it["Path"], "id": it["RoleId"], "session": it["MaxSessionDuration"], "created": it["CreateDate"],
            "trust": it["AssumeRolePolicyDocument"], "tags": tag_map(it["Tags"]), "description": it.get("Description"),
            "inline": {name: iam.get_role_policy(RoleName="shop", PolicyName=name)["PolicyDocument"] for name in names},
            "attached": [at["PolicyArn"] for at in iam.list_attached_role_policies(RoleName="shop")["AttachedPolicies"]],
            "policy": iam.get_policy(PolicyArn=BASIC)["Policy"]["DefaultVersionId"],
        }

    arn = f"arn:aws:iam::{ACCOUNT}:role/shop"
    plan("role", read, {"arn": arn, "path": "/", "session": 3600, "trust": trust, "tags": TAGS, "description": None,
                        "inline": {"inline": inline}, "attached": [BASIC]})
    return arn


def log_group():
    logs.create_log_group(logGroupName="/aws/lambda/shop", tags=TAGS, logGroupClass="STANDARD")
    logs.put_retention_policy(logGroupName="/aws/lambda/shop", retentionInDays=14)

    def read():
        found = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/shop")["logGroups"]
        it = one([group for group in found if group["logGroupName"] == "/aws/lambda/shop"])
        arn = it["logGroupArn"]
        return {"arn": arn, "days": it.get("retentionInDays"), "class": it["logGroupClass"], "key": it.get("kmsKeyId"),
                "tags": logs.list_tags_for_resource(resourceArn=arn)["tags"]}

    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/shop"
    plan("log group", read, {"arn": arn, "days": 14, "class": "STANDARD", "key": None, "tags": TAGS})


# aws_lambda_function with s3_bucket and s3_key, aws_lambda_permission

def put(key, content):
    path = os.path.join(os.environ["OBJECTS"], "code", key)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def function(role):
    put("shop/one.zip", package("one"))
    # The provider tries again for as long as a new role is not known: this is how it finds out.
    refused("InvalidParameterValueException", lambda_.create_function, contains="cannot be assumed by Lambda",
            FunctionName="shop", Role=role + "-not-yet", Runtime="provided.al2023", Handler="bootstrap",
            Code={"S3Bucket": "code", "S3Key": "shop/one.zip"})
    created = lambda_.create_function(
        FunctionName="shop", Role=role, Runtime="provided.al2023", Handler="bootstrap", PackageType="Zip", Timeout=10,
        MemorySize=256, Publish=False, Architectures=["x86_64"], Code={"S3Bucket": "code", "S3Key": "shop/one.zip"},
        EphemeralStorage={"Size": 512}, LoggingConfig={"LogFormat": "Text", "LogGroup": "/aws/lambda/shop"},
        TracingConfig={"Mode": "PassThrough"}, Tags=TAGS,
    )
    equal((created["State"], created["CodeSize"] > 0), ("Pending", True))
    lambda_.get_waiter("function_active_v2").wait(FunctionName="shop", WaiterConfig=POLLS)
    lambda_.put_function_concurrency(FunctionName="shop", ReservedConcurrentExecutions=5)

    def read():
        it = lambda_.get_function(FunctionName="shop")
        pages = lambda_.get_paginator("list_versions_by_function").paginate(FunctionName="shop", PaginationConfig={"PageSize": 1})
        last = [version for page in pages for version in page["Versions"]][-1]
        signing = lambda_.get_function_code_signing_config(FunctionName="shop")
        names = ["FunctionArn", "Role", "Runtime", "Handler", "PackageType", "Timeout", "MemorySize", "Architectures", "CodeSha256",
                 "CodeSize", "EphemeralStorage", "LoggingConfig", "TracingConfig", "SnapStart", "LastModified", "RevisionId",
                 "Environment", "VpcConfig", "State", "LastUpdateStatus", "Description", "Layers", "DeadLetterConfig"]
        return {name: it["Configuration"].get(name) for name in names} | {
            "tags": it["Tags"], "reserved": it.get("Concurrency"), "repository": it["Code"]["RepositoryType"],
            "last": last["Version"], "signing": signing.get("CodeSigningConfigArn"),
        }

    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:shop"
    plan("function", read, {
        "FunctionArn": arn, "Role": role, "Runtime": "provided.al2023", "Handler": "bootstrap", "PackageType": "Zip", "Timeout": 10,
        "MemorySize": 256, "Architectures": ["x86_64"], "CodeSha256": created["CodeSha256"], "EphemeralStorage": {"Size": 512},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/shop"}, "TracingConfig": {"Mode": "PassThrough"},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"}, "Environment": None, "State": "Active",
        "LastUpdateStatus": "Successful", "Description": "", "Layers": None, "DeadLetterConfig": None, "tags": TAGS,
        "reserved": {"ReservedConcurrentExecutions": 5}, "repository": "S3", "last": "$LATEST", "signing": None,
    })
    return arn


def permission(arn, group):
    lambda_.add_permission(
        FunctionName="shop", StatementId="alb", Action="lambda:InvokeFunction",
        Principal="elasticloadbalancing.amazonaws.com", SourceArn=group,
    )

    def read():
        statements = json.loads(lambda_.get_policy(FunctionName="shop")["Policy"])["Statement"]
        return one([it for it in statements if it["Sid"] == "alb"])

    plan("permission", read, {
        "Principal": {"Service": "elasticloadbalancing.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Resource": arn,
        "Effect": "Allow", "Condition": {"ArnLike": {"AWS:SourceArn": group}},
    })


# aws_acm_certificate, aws_acm_certificate_validation

def certificate(name):
    arn = acm.request_certificate(
        DomainName=name, ValidationMethod="DNS", IdempotencyToken=f"terraform_{name[:3]}", Tags=tag_list(), KeyAlgorithm="RSA_2048",
        Options={"CertificateTransparencyLoggingPreference": "ENABLED"},
    )["CertificateArn"]
    detail = lambda: acm.describe_certificate(CertificateArn=arn)["Certificate"]
    until("there are records", lambda: all("ResourceRecord" in it for it in detail()["DomainValidationOptions"]))
    until("it is issued", lambda: detail()["Status"] == "ISSUED")

    def read():
        it = detail()
        names = ["DomainName", "SubjectAlternativeNames", "KeyAlgorithm", "Type", "NotBefore", "NotAfter", "RenewalEligibility",
                 "Options", "Status"]
        return {key: it.get(key) for key in names} | {
            "records": [(at["DomainName"], at["ResourceRecord"]["Type"], at["ValidationStatus"]) for at in it["DomainValidationOptions"]],
            "tags": tag_map(acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]),
        }

    plan(f"certificate {name}", read, {
        "DomainName": name, "SubjectAlternativeNames": [name], "Type": "AMAZON_ISSUED", "Status": "ISSUED",
        "records": [(name, "CNAME", "SUCCESS")], "tags": TAGS,
    })
    return arn


# aws_lb

ATTRIBUTES = {
    "access_logs.s3.enabled": "false", "client_keep_alive.seconds": "3600", "connection_logs.s3.enabled": "false",
    "deletion_protection.enabled": "false", "idle_timeout.timeout_seconds": "61", "load_balancing.cross_zone.enabled": "true",
    "routing.http.desync_mitigation_mode": "defensive", "routing.http.drop_invalid_header_fields.enabled": "true",
    "routing.http.preserve_host_header.enabled": "false", "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
    "routing.http.xff_client_port.enabled": "false", "routing.http.xff_header_processing.mode": "append",
    "routing.http2.enabled": "true", "waf.fail_open.enabled": "false", "zonal_shift.config.enabled": "false",
}


def load_balancer(vpc, subnets, group):
    refused("LoadBalancerNotFound", elb.describe_load_balancers, Names=["shop"])
    made = one(elb.create_load_balancer(
        Name="shop", Type="application", SecurityGroups=[group], Subnets=subnets, Tags=tag_list(), IpAddressType="ipv4",
    )["LoadBalancers"])
    arn = made["LoadBalancerArn"]
    until("active", lambda: one(elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"])["State"]["Code"] == "active")
    elb.modify_load_balancer_attributes(
        LoadBalancerArn=arn, Attributes=[{"Key": key, "Value": value} for key, value in ATTRIBUTES.items()]
    )

    def read():
        it = one(elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"])
        capacity = elb.describe_capacity_reservation(LoadBalancerArn=arn)
        attributes = elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
        names = ["LoadBalancerName", "Scheme", "Type", "VpcId", "IpAddressType", "SecurityGroups", "DNSName", "CanonicalHostedZoneId"]
        return {name: it.get(name) for name in names} | {
            "SecurityGroups": sorted(it["SecurityGroups"]), "state": it["State"]["Code"], "attributes": {at["Key"]: at["Value"] for at in attributes},
            "subnets": sorted(zone["SubnetId"] for zone in it["AvailabilityZones"]),
            "zones": all(zone["ZoneName"] for zone in it["AvailabilityZones"]),
            "reserved": capacity.get("MinimumLoadBalancerCapacity"),
            "tags": tag_map(one(elb.describe_tags(ResourceArns=[arn])["TagDescriptions"])["Tags"]),
        }

    attributes = read()["attributes"]
    equal({key: attributes.get(key) for key in ATTRIBUTES}, ATTRIBUTES)
    plan("load balancer", read, {
        "LoadBalancerName": "shop", "Scheme": "internet-facing", "Type": "application", "VpcId": vpc, "IpAddressType": "ipv4",
        "SecurityGroups": [group], "DNSName": made["DNSName"], "CanonicalHostedZoneId": made["CanonicalHostedZoneId"],
        "state": "active", "subnets": sorted(subnets), "zones": True, "reserved": None, "tags": TAGS, "attributes": attributes,
    })
    return arn


# aws_lb_target_group of a function

def target_group():
    refused("TargetGroupNotFound", elb.describe_target_groups, Names=["shop"])
    arn = one(elb.create_target_group(
        Name="shop", TargetType="lambda", HealthCheckEnabled=False, HealthCheckIntervalSeconds=35, HealthCheckTimeoutSeconds=30,
        HealthyThresholdCount=5, UnhealthyThresholdCount=2, HealthCheckPath="/", Matcher={"HttpCode": "200"}, Tags=tag_list(),
    )["TargetGroups"])["TargetGroupArn"]
    elb.modify_target_group_attributes(
        TargetGroupArn=arn, Attributes=[{"Key": "lambda.multi_value_headers.enabled", "Value": "true"}]
    )

    def read():
        it = one(elb.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"])
        names = ["TargetType", "Port", "Protocol", "VpcId", "HealthCheckEnabled", "HealthCheckIntervalSeconds", "IpAddressType",
                 "HealthCheckTimeoutSeconds", "HealthyThresholdCount", "UnhealthyThresholdCount", "HealthCheckPath", "Matcher"]
        attributes = elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
        return {name: it.get(name) for name in names} | {
            "attributes": {at["Key"]: at["Value"] for at in attributes},
            "tags": tag_map(one(elb.describe_tags(ResourceArns=[arn])["TagDescriptions"])["Tags"]),
        }

    plan("target group", read, {
        "TargetType": "lambda", "Port": None, "Protocol": None, "VpcId": None, "HealthCheckEnabled": False,
        "HealthCheckIntervalSeconds": 35, "HealthCheckTimeoutSeconds": 30, "HealthyThresholdCount": 5, "UnhealthyThresholdCount": 2,
        "HealthCheckPath": "/", "Matcher": {"HttpCode": "200"}, "tags": TAGS, "attributes": read()["attributes"],
    })
    equal(read()["attributes"]["lambda.multi_value_headers.enabled"], "true")
    return arn


def attachment(group, function):
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": function}])

    def read():
        it = one(elb.describe_target_health(TargetGroupArn=group, Targets=[{"Id": function}])["TargetHealthDescriptions"])
        return {"target": it["Target"]["Id"], "port": it["Target"].get("Port")}

    plan("attachment", read, {"target": function, "port": None})


# aws_lb_listener, aws_lb_listener_certificate, aws_lb_listener_rule

def listener(balancer, port, certificate, group):
    config = {"TargetGroups": [{"TargetGroupArn": group, "Weight": 1}], "TargetGroupStickinessConfig": {"Enabled": False}}
    arn = one(elb.create_listener(
        LoadBalancerArn=balancer, Port=port, Protocol="HTTPS", SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06",
        Certificates=[{"CertificateArn": certificate}], Tags=tag_list(),
        DefaultActions=[{"Type": "forward", "Order": 1, "TargetGroupArn": group}],
    )["Listeners"])["ListenerArn"]

    def read():
        it = one(elb.describe_listeners(ListenerArns=[arn])["Listeners"])
        attributes = elb.describe_listener_attributes(ListenerArn=arn)["Attributes"]
        names = ["LoadBalancerArn", "Port", "Protocol", "SslPolicy", "Certificates", "MutualAuthentication", "AlpnPolicy"]
        return {name: it.get(name) for name in names} | {
            "actions": it["DefaultActions"], "attributes": {at["Key"]: at["Value"] for at in attributes},
            "tags": tag_map(one(elb.describe_tags(ResourceArns=[arn])["TagDescriptions"])["Tags"]),
        }

    plan("listener", read, {
        "LoadBalancerArn": balancer, "Port": port, "Protocol": "HTTPS", "SslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
        "Certificates": [{"CertificateArn": certificate}], "AlpnPolicy": None, "tags": TAGS,
        "actions": [{"Type": "forward", "Order": 1, "TargetGroupArn": group, "ForwardConfig": config}],
        "attributes": read()["attributes"],
    })
    return arn


def further_certificate(listener, certificate):
    elb.add_listener_certificates(ListenerArn=listener, Certificates=[{"CertificateArn": certificate}])

    def read():
        pages = elb.get_paginator("describe_listener_certificates").paginate(ListenerArn=listener)
        return {it["CertificateArn"]: it["IsDefault"] for page in pages for it in page["Certificates"]}

    plan("further certificate", read, {certificate: False})


def rule(listener, group):
    # Without a priority the provider looks for the highest, and takes the next.
    taken = [it["Priority"] for it in elb.describe_rules(ListenerArn=listener)["Rules"]]
    equal(taken, ["default"])
    conditions = [
        {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/shop/*"]}},
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "x-stage", "Values": ["dev*"]}},
    ]
    weights = {"TargetGroups": [{"TargetGroupArn": group, "Weight": 3}], "TargetGroupStickinessConfig": {"Enabled": False}}
    arn = one(elb.create_rule(
        ListenerArn=listener, Priority=1, Conditions=conditions, Tags=tag_list(),
        Actions=[{"Type": "forward", "Order": 1, "ForwardConfig": weights}],
    )["Rules"])["RuleArn"]
    # The provider makes the listener's ARN from the rule's.
    equal(arn.replace(":listener-rule/", ":listener/").rpartition("/")[0], listener)

    def read():
        it = one(elb.describe_rules(RuleArns=[arn])["Rules"])
        typed = lambda at: {key: value for key, value in at.items() if key != "Values"}
        return {
            "priority": it["Priority"], "conditions": sorted((typed(at) for at in it["Conditions"]), key=lambda at: at["Field"]),
            "actions": it["Actions"], "transforms": it.get("Transforms", []), "default": it["IsDefault"],
            "tags": tag_map(one(elb.describe_tags(ResourceArns=[arn])["TagDescriptions"])["Tags"]),
        }

    plan("rule", read, {
        "priority": "1", "conditions": sorted(conditions, key=lambda at: at["Field"]), "default": False, "tags": TAGS, "transforms": [],
    })
    action = one(read()["actions"])
    equal((action["Type"], action["Order"], action["ForwardConfig"]["TargetGroups"]), ("forward", 1, weights["TargetGroups"]))
    PLANS["rule"][1]["actions"] = [action]
    return arn


# changes

def updated(made):
    put("shop/two.zip", package("two"))
    lambda_.update_function_configuration(FunctionName="shop", Timeout=20, Description="the shop", Environment={"Variables": {"STAGE": "b"}})
    lambda_.get_waiter("function_updated_v2").wait(FunctionName="shop", WaiterConfig=POLLS)
    changed = lambda_.update_function_code(FunctionName="shop", S3Bucket="code", S3Key="shop/two.zip", Publish=False)
    lambda_.get_waiter("function_updated_v2").wait(FunctionName="shop", WaiterConfig=POLLS)
    lambda_.tag_resource(Resource=made["function"], Tags={"more": "1"})
    lambda_.untag_resource(Resource=made["function"], TagKeys=["stage"])
    lambda_.delete_function_concurrency(FunctionName="shop")
    change("function", reserved=None, Timeout=20, Description="the shop", Environment={"Variables": {"STAGE": "b"}},
           CodeSha256=changed["CodeSha256"], tags={"Name": "shop", "more": "1"})
    iam.update_role(RoleName="shop", Description="of the shop", MaxSessionDuration=7200)
    iam.untag_role(RoleName="shop", TagKeys=["stage"])
    iam.tag_role(RoleName="shop", Tags=[{"Key": "team", "Value": "a"}])
    services = ["edgelambda.amazonaws.com", "lambda.amazonaws.com"]
    trust = {"Version": "2012-10-17", "Statement": [
        {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": services}}]}
    iam.update_assume_role_policy(RoleName="shop", PolicyDocument=json.dumps(trust))
    inline = {"Version": "2012-10-17", "Statement": [{"Action": "s3:GetObject", "Effect": "Allow", "Resource": "arn:aws:s3:::code/*"}]}
    iam.put_role_policy(RoleName="shop", PolicyName="inline", PolicyDocument=json.dumps(inline))
    change("role", description="of the shop", session=7200, tags={"Name": "shop", "team": "a"}, trust=trust, inline={"inline": inline})
    logs.put_retention_policy(logGroupName="/aws/lambda/shop", retentionInDays=30)
    logs.untag_resource(resourceArn=f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/shop", tagKeys=["stage"])
    change("log group", days=30, tags={"Name": "shop"})
    idle = [{"Key": "idle_timeout.timeout_seconds", "Value": "30"}]
    elb.modify_load_balancer_attributes(LoadBalancerArn=made["balancer"], Attributes=idle)
    attributes = PLANS["load balancer"][1]["attributes"]
    change("load balancer", attributes={**attributes, "idle_timeout.timeout_seconds": "30"})
    network(made)
    acm.add_tags_to_certificate(CertificateArn=made["certificate"], Tags=[{"Key": "stage", "Value": "prod"}])
    acm.remove_tags_from_certificate(CertificateArn=made["certificate"], Tags=[{"Key": "Name"}])
    acm.update_certificate_options(
        CertificateArn=made["certificate"], Options={"CertificateTransparencyLoggingPreference": "DISABLED"}
    )
    options = {**PLANS["certificate shop.localhost"][0]()["Options"], "CertificateTransparencyLoggingPreference": "DISABLED"}
    change("certificate shop.localhost", tags={"stage": "prod"}, Options=options)
    elb.modify_target_group(TargetGroupArn=made["group"], HealthCheckEnabled=True, HealthCheckPath="/health",
                            HealthCheckIntervalSeconds=40, HealthyThresholdCount=3, Matcher={"HttpCode": "200-299"})
    change("target group", HealthCheckEnabled=True, HealthCheckPath="/health", HealthCheckIntervalSeconds=40,
           HealthyThresholdCount=3, Matcher={"HttpCode": "200-299"})
    elb.set_rule_priorities(RulePriorities=[{"RuleArn": made["rule"], "Priority": 7}])
    conditions = [{"Field": "host-header", "HostHeaderConfig": {"Values": ["shop.*"]}}]
    elb.modify_rule(RuleArn=made["rule"], Conditions=conditions)
    change("rule", priority="7", conditions=conditions)
    elb.modify_listener(ListenerArn=made["listener"], SslPolicy="ELBSecurityPolicy-2016-08", Port=9003)
    headers = {"routing.http.response.server.enabled": "false", "routing.http.response.x_frame_options.header_value": "DENY",
               "routing.http.request.x_amzn_tls_version.header_name": "X-Tls"}
    elb.modify_listener_attributes(ListenerArn=made["listener"], Attributes=[{"Key": key, "Value": headers[key]} for key in headers])
    elb.add_tags(ResourceArns=[made["listener"]], Tags=[{"Key": "stage", "Value": "prod"}])
    elb.remove_tags(ResourceArns=[made["listener"]], TagKeys=["Name"])
    attributes = PLANS["listener"][1]["attributes"]
    change("listener", SslPolicy="ELBSecurityPolicy-2016-08", Port=9003, attributes={**attributes, **headers}, tags={"stage": "prod"})


def network(made):
    """Of the network, and of the load balancer in it."""
    ec2.create_tags(Resources=[made["vpc"]], Tags=[{"Key": "stage", "Value": "prod"}])
    ec2.delete_tags(Resources=[made["vpc"]], Tags=[{"Key": "Name"}])
    ec2.modify_vpc_attribute(VpcId=made["vpc"], EnableDnsHostnames={"Value": False})
    ec2.modify_vpc_attribute(VpcId=made["vpc"], EnableNetworkAddressUsageMetrics={"Value": True})
    change("vpc", tags={"stage": "prod"}, attributes=[False, True, True])
    ec2.modify_subnet_attribute(SubnetId=made["subnets"][0], MapPublicIpOnLaunch={"Value": False})
    change("subnet 1", MapPublicIpOnLaunch=False)
    old = {"IpProtocol": "tcp", "FromPort": 9001, "ToPort": 9009, "IpRanges": [{"CidrIp": "127.0.0.0/8", "Description": "web"}]}
    new = {**old, "FromPort": 9002, "IpRanges": [{"CidrIp": "127.0.0.0/8"}]}
    ec2.revoke_security_group_ingress(GroupId=made["guard"], IpPermissions=[old])
    ec2.authorize_security_group_ingress(GroupId=made["guard"], IpPermissions=[new])
    change("group", **{"in": [("tcp", 9002, 9009, [[("CidrIp", "127.0.0.0/8")]])]})
    elb.set_security_groups(LoadBalancerArn=made["balancer"], SecurityGroups=[made["guard"], made["default"]])
    elb.set_subnets(LoadBalancerArn=made["balancer"], Subnets=made["subnets"])
    elb.set_ip_address_type(LoadBalancerArn=made["balancer"], IpAddressType="ipv4")
    equal(elb.modify_capacity_reservation(LoadBalancerArn=made["balancer"], ResetCapacityReservation=True)["CapacityReservationState"], [])
    equal(elb.modify_ip_pools(LoadBalancerArn=made["balancer"], RemoveIpamPools=["ipv4"]).get("IpamPools", {}), {})
    groups = sorted([made["guard"], made["default"]])
    change("load balancer", subnets=sorted(made["subnets"]), SecurityGroups=groups)


# destruction, with what the provider looks at to know that it is over

def destroyed(made):
    elb.delete_rule(RuleArn=made["rule"])
    refused("RuleNotFound", elb.describe_rules, RuleArns=[made["rule"]])
    elb.remove_listener_certificates(ListenerArn=made["listener"], Certificates=[{"CertificateArn": made["further"]}])
    refused("ResourceInUse", elb.delete_target_group, TargetGroupArn=made["group"], contains="is currently in use by a listener or a rule")
    refused("ResourceInUseException", acm.delete_certificate, CertificateArn=made["certificate"])
    elb.delete_listener(ListenerArn=made["listener"])
    refused("ListenerNotFound", elb.describe_listeners, ListenerArns=[made["listener"]])
    elb.deregister_targets(TargetGroupArn=made["group"], Targets=[{"Id": made["function"]}])
    elb.delete_target_group(TargetGroupArn=made["group"])
    refused("TargetGroupNotFound", elb.describe_target_groups, TargetGroupArns=[made["group"]])
    refused("DependencyViolation", ec2.delete_security_group, GroupId=made["guard"])
    elb.delete_load_balancer(LoadBalancerArn=made["balancer"])
    refused("LoadBalancerNotFound", elb.describe_load_balancers, LoadBalancerArns=[made["balancer"]])
    description = "ELB " + made["balancer"].partition(":loadbalancer/")[2]
    of_balancer = filters(**{"attachment.instance-owner-id": "amazon-elb", "description": description})
    until("its interfaces are gone", lambda: not ec2.describe_network_interfaces(Filters=of_balancer)["NetworkInterfaces"])
    for arn in [made["certificate"], made["further"]]:
        acm.delete_certificate(CertificateArn=arn)
        refused("ResourceNotFoundException", acm.describe_certificate, CertificateArn=arn)
    lambda_.remove_permission(FunctionName="shop", StatementId="alb")
    refused("ResourceNotFoundException", lambda_.get_policy, status=404, FunctionName="shop")
    lambda_.delete_function(FunctionName="shop")
    refused("ResourceNotFoundException", lambda_.get_function, status=404, FunctionName="shop")
    logs.delete_log_group(logGroupName="/aws/lambda/shop")
    equal(logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/shop")["logGroups"], [])
    equal(iam.list_instance_profiles_for_role(RoleName="shop")["InstanceProfiles"], [])
    iam.detach_role_policy(RoleName="shop", PolicyArn=BASIC)
    iam.delete_role_policy(RoleName="shop", PolicyName="inline")
    iam.delete_role(RoleName="shop")
    refused("NoSuchEntity", iam.get_role, status=404, RoleName="shop")
    for id in made["associations"]:
        ec2.disassociate_route_table(AssociationId=id)
    ec2.delete_route(RouteTableId=made["table"], DestinationCidrBlock="0.0.0.0/0")
    ec2.delete_route_table(RouteTableId=made["table"])
    refused("InvalidRouteTableID.NotFound", ec2.describe_route_tables, RouteTableIds=[made["table"]])
    ec2.detach_internet_gateway(InternetGatewayId=made["gateway"], VpcId=made["vpc"])
    ec2.delete_internet_gateway(InternetGatewayId=made["gateway"])
    refused("InvalidInternetGatewayID.NotFound", ec2.describe_internet_gateways, InternetGatewayIds=[made["gateway"]])
    equal(ec2.describe_network_interfaces(Filters=filters(group_id=made["guard"]))["NetworkInterfaces"], [])
    ec2.delete_security_group(GroupId=made["guard"])
    refused("InvalidGroup.NotFound", ec2.describe_security_groups, GroupIds=[made["guard"]])
    refused("DependencyViolation", ec2.delete_vpc, VpcId=made["vpc"])
    for id in made["subnets"]:
        equal(ec2.describe_network_interfaces(Filters=filters(subnet_id=id))["NetworkInterfaces"], [])
        ec2.delete_subnet(SubnetId=id)
        refused("InvalidSubnetID.NotFound", ec2.describe_subnets, SubnetIds=[id])
    ec2.delete_vpc(VpcId=made["vpc"])
    refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=[made["vpc"]])


def test_applied_planned_changed_and_destroyed():
    zones, made = data(), {}
    made["vpc"] = vpc()
    made["subnets"] = [subnet(made["vpc"], zone, number) for number, zone in enumerate(zones[:3], 1)]
    made["gateway"], made["table"], made["associations"] = routes(made["vpc"], made["subnets"])
    made["guard"], made["default"] = security_group(made["vpc"]), PLANS["vpc"][0]()["group"]
    log_group()
    made["function"] = function(role())
    made["certificate"], made["further"] = certificate("shop.localhost"), certificate("further.localhost")
    made["balancer"] = load_balancer(made["vpc"], made["subnets"][:2], made["guard"])
    made["group"] = target_group()
    # The provider tries again for as long as it is refused: this is how it waits for the permission.
    refused("AccessDenied", elb.register_targets, status=403, TargetGroupArn=made["group"], Targets=[{"Id": made["function"]}])
    permission(made["function"], made["group"])
    attachment(made["group"], made["function"])
    made["listener"] = listener(made["balancer"], 9001, made["certificate"], made["group"])
    further_certificate(made["listener"], made["further"])
    made["rule"] = rule(made["listener"], made["group"])
    planned()
    updated(made)
    planned()
    destroyed(made)


run(globals())
