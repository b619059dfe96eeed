"""`VpcConfig` of functions: kept, shown and guarded, as Terraform's calls need it. Twice: the second run finds what the first has left
when the server was killed. Source: clients.md 1, Lambda 1.3, 1.4, 8.4."""

import json
import os

from aws import client, equal, refused, run
from lambda_package import ARN, ROLE, active, create, package, updated
from plans import change, plan, planned
from resources import GROUPS, SUBNETS, VPC, ec2, name

lambda_, iam = client("lambda"), client("iam")
ACCESS = "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"
DETACHED = {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": "", "Ipv6AllowedForDualStack": False}
MISSING = {"subnet": "subnet-0123456789abcdef0", "sg": "sg-0123456789abcdef0"}
FIRST = os.environ["RUN"] == "first"


def allow():
    iam.attach_role_policy(RoleName=ROLE.rpartition("/")[2], PolicyArn=ACCESS)


def network():
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{n}.0/24")["Subnet"]["SubnetId"] for n in range(2)]
    group = ec2.create_security_group(GroupName=name("group"), Description="of functions", VpcId=vpc)["GroupId"]
    return vpc, subnets, group


def attached(subnets, groups, vpc, ipv6=False):
    return {"SubnetIds": subnets, "SecurityGroupIds": groups, "VpcId": vpc, "Ipv6AllowedForDualStack": ipv6}


def shown(function, **more):
    return lambda_.get_function_configuration(FunctionName=function, **more).get("VpcConfig")


def configure(function, **config):
    answer = lambda_.update_function_configuration(FunctionName=function, VpcConfig=config)
    updated(function)
    return answer["VpcConfig"]


def test_the_role_must_be_allowed_to_make_interfaces():
    if not FIRST:
        return
    wanted = {"SubnetIds": SUBNETS[:1], "SecurityGroupIds": GROUPS}
    text = "The provided execution role does not have permissions to call CreateNetworkInterface on EC2"
    refused("InvalidParameterValueException", create, contains=text, VpcConfig=wanted)
    role = ROLE.rpartition("/")[2]
    document = lambda *resources: json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "ec2:CreateNetworkInterface", "Resource": [f"arn:aws:ec2:*:*:{it}" for it in resources]}]})
    iam.put_role_policy(RoleName=role, PolicyName="some", PolicyDocument=document("subnet/*", "network-interface/*"))
    refused("InvalidParameterValueException", create, contains=text, VpcConfig=wanted)
    iam.put_role_policy(RoleName=role, PolicyName="some", PolicyDocument=document("subnet/*", "network-interface/*", "security-group/*"))
    function, _ = create(VpcConfig=wanted)
    active(function)
    iam.delete_role_policy(RoleName=role, PolicyName="some")
    # What stays as it is is not asked about again, as long as the role stays, too.
    lambda_.update_function_configuration(FunctionName=function, Description="two")
    lambda_.delete_function(FunctionName=function)


def test_mistakes_are_named():
    if not FIRST:
        return
    allow()
    vpc, subnets, group = network()
    both = {"SubnetIds": SUBNETS[:1], "SecurityGroupIds": GROUPS}
    unpaired = "SubnetIds and SecurityIds must coexist or be both empty list."
    for config, code, contains in [
        ({"SubnetIds": SUBNETS[:1]}, "InvalidParameterValueException", unpaired),
        ({"SecurityGroupIds": GROUPS}, "InvalidParameterValueException", unpaired),
        (both | {"SubnetIds": [MISSING["subnet"]]}, "InvalidParameterValueException",
         "Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. EC2 Error Message: The subnet ID "
         f"'{MISSING['subnet']}' does not exist"),
        (both | {"SecurityGroupIds": [MISSING["sg"]]}, "InvalidParameterValueException",
         "Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. EC2 Error Message: The security group "
         f"'{MISSING['sg']}' does not exist"),
        (both | {"SecurityGroupIds": [group]}, "InvalidParameterValueException", "Security Groups are required to be in the same VPC."),
        (both | {"SubnetIds": [SUBNETS[0], subnets[0]]}, "InvalidParameterValueException", "Subnets are required to be in the same VPC."),
        (both | {"SubnetIds": ["Subnet-1"]}, "ValidationException", "at 'vpcConfig.subnetIds'"),
        (both | {"SecurityGroupIds": ["sg-1", "g"]}, "ValidationException", "Value '[sg-1, g]' at 'vpcConfig.securityGroupIds'"),
        (both | {"SubnetIds": SUBNETS[:1] * 17}, "ValidationException", "have length less than or equal to 16"),
        (both | {"SecurityGroupIds": GROUPS * 6}, "ValidationException", "have length less than or equal to 5"),
    ]:
        refused(code, create, contains=contains, VpcConfig=config)
    function, _ = create()
    active(function)
    refused("InvalidParameterValueException", lambda_.update_function_configuration, contains=unpaired, FunctionName=function,
            VpcConfig={"SubnetIds": SUBNETS[:1]})
    equal(shown(function), None)
    # Ids are of one region.
    elsewhere = client("lambda", region="eu-west-1")
    refused("InvalidParameterValueException", elsewhere.create_function, contains="InvalidSubnetID.NotFound", FunctionName="there",
            Role=ROLE, Runtime="provided.al2023", Handler="bootstrap", Code={"ZipFile": package("one")}, VpcConfig=both)
    lambda_.delete_function(FunctionName=function)


# LAM-C-046
def test_a_function_is_attached_moved_and_detached():
    if not FIRST:
        return
    allow()
    function, created = create(VpcConfig={"SubnetIds": SUBNETS[:2], "SecurityGroupIds": GROUPS})
    whole = attached(SUBNETS[:2], GROUPS, VPC)
    equal(created["VpcConfig"], whole)
    active(function)
    equal(lambda_.get_function(FunctionName=function)["Configuration"]["VpcConfig"], whole)
    [listed] = [it for it in lambda_.list_functions()["Functions"] if it["FunctionName"] == function]
    equal(listed["VpcConfig"], whole)
    equal(lambda_.update_function_configuration(FunctionName=function, Description="more")["VpcConfig"], whole)
    updated(function)
    # What is not given stays.
    equal(configure(function, SubnetIds=SUBNETS[:1], Ipv6AllowedForDualStack=True), attached(SUBNETS[:1], GROUPS, VPC, ipv6=True))
    equal(lambda_.publish_version(FunctionName=function)["VpcConfig"], attached(SUBNETS[:1], GROUPS, VPC, ipv6=True))
    equal(configure(function, SubnetIds=[], SecurityGroupIds=[]), DETACHED)
    equal(shown(function), DETACHED)
    equal(shown(function, Qualifier="1"), attached(SUBNETS[:1], GROUPS, VPC, ipv6=True))
    lambda_.delete_function(FunctionName=function)


def test_what_a_function_names_stays():
    if not FIRST:
        return
    allow()
    vpc, [one, two], group = network()
    function, _ = create(VpcConfig={"SubnetIds": [one], "SecurityGroupIds": [group]})
    guarded = lambda: [
        refused("DependencyViolation", ec2.delete_subnet, SubnetId=one, contains=function),
        refused("DependencyViolation", ec2.delete_security_group, GroupId=group, contains=function),
        refused("DependencyViolation", ec2.delete_vpc, VpcId=vpc),
    ]
    guarded()
    active(function)
    guarded()
    # A version needs them as the function does.
    lambda_.publish_version(FunctionName=function)
    configure(function, SubnetIds=[], SecurityGroupIds=[])
    guarded()
    ec2.delete_subnet(SubnetId=two)
    lambda_.delete_function(FunctionName=function, Qualifier="1")
    ec2.delete_subnet(SubnetId=one)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_vpc(VpcId=vpc)
    lambda_.delete_function(FunctionName=function)


def test_applied_planned_changed_and_destroyed():
    function = "in-vpc"
    if FIRST:
        allow()
        vpc, subnets, group = network()
        create(function, VpcConfig={"SubnetIds": subnets, "SecurityGroupIds": [group], "Ipv6AllowedForDualStack": False})
        active(function)
        with open(os.environ["NOTES"], "w") as file:
            json.dump([vpc, subnets, group], file)
    else:
        with open(os.environ["NOTES"]) as file:
            vpc, subnets, group = json.load(file)

    def read():
        it = shown(function)
        return it | {"SubnetIds": sorted(it["SubnetIds"])}

    plan("function", read, attached(sorted(subnets), [group], vpc))
    planned()
    if FIRST:
        return
    refused("DependencyViolation", ec2.delete_security_group, GroupId=group, contains=function)
    configure(function, SubnetIds=subnets[:1], SecurityGroupIds=[group], Ipv6AllowedForDualStack=True)
    change("function", SubnetIds=subnets[:1], Ipv6AllowedForDualStack=True)
    planned()
    # The provider takes the block away so.
    configure(function, SubnetIds=[], SecurityGroupIds=[], Ipv6AllowedForDualStack=False)
    change("function", **DETACHED)
    planned()
    lambda_.delete_function(FunctionName=function)
    for subnet in subnets:
        ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_vpc(VpcId=vpc)


run(globals())
