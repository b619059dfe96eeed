"""Policies with conditions, asked about by users: tags of calls and of resources, services, names, times."""

import json

from aws import equal, run
from identities import ACCOUNT, TRUST_LAMBDA, allow, client, denied, iam, refused, user

REGION = "us-east-1"
TEAM = {"StringEquals": {"aws:ResourceTag/team": "a"}}
GIVEN = {"StringEquals": {"aws:RequestTag/team": "a"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["team", "stage"]}}


def tags(**values):
    return [{"Key": key, "Value": value} for key, value in values.items()]


def group(elb, name, **values):
    return elb.create_target_group(Name=name, TargetType="lambda", Tags=tags(**values))["TargetGroups"][0]["TargetGroupArn"]


def test_tags_of_resources():
    root = client("elbv2")
    own, other = group(root, "of-a", team="a"), group(root, "of-b", team="b")
    elb = client("elbv2", **user("by-tag", allow("elasticloadbalancing:*", Condition=TEAM)))
    elb.modify_target_group(TargetGroupArn=own, HealthCheckPath="/a")
    denied("elasticloadbalancing:ModifyTargetGroup", elb.modify_target_group, TargetGroupArn=other, HealthCheckPath="/a")
    denied("elasticloadbalancing:CreateTargetGroup", lambda: group(elb, "of-none", team="a"))
    # As soon as the tag is another one.
    root.add_tags(ResourceArns=[own], Tags=tags(team="b"))
    denied("elasticloadbalancing:DeleteTargetGroup", elb.delete_target_group, TargetGroupArn=own)
    # Under the name of the service, and put the other way round.
    iam.put_user_policy(UserName="by-tag", PolicyName="own", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "elasticloadbalancing:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "elasticloadbalancing:Delete*", "Resource": "*",
         "Condition": {"StringNotEquals": {"elasticloadbalancing:ResourceTag/team": "b"}}},
    ]}))
    plain = group(root, "of-nobody")
    denied("elasticloadbalancing:DeleteTargetGroup", elb.delete_target_group, TargetGroupArn=plain)
    elb.delete_target_group(TargetGroupArn=own)
    for arn in [other, plain]:
        root.delete_target_group(TargetGroupArn=arn)


def test_tags_of_calls():
    elb = client("elbv2", **user("giver", allow("elasticloadbalancing:*", Condition=GIVEN)))
    made = group(elb, "given", team="a", stage="dev")
    for name, values in [("none", {}), ("other", {"team": "b"}), ("more", {"team": "a", "cost": "1"})]:
        denied("elasticloadbalancing:CreateTargetGroup", lambda name=name, values=values: group(elb, name, **values))
    elb.add_tags(ResourceArns=[made], Tags=tags(team="a"))
    denied("elasticloadbalancing:AddTags", elb.add_tags, ResourceArns=[made], Tags=tags(team="b"))
    # Tags that differ by case only: nobody could say which one is meant.
    denied("elasticloadbalancing:AddTags", elb.add_tags, ResourceArns=[made], Tags=tags(team="a", Team="b"))
    # Whoever takes tags away names their keys.
    keys = {"ForAnyValue:StringEquals": {"aws:TagKeys": ["stage"]}}
    elb = client("elbv2", **user("taker", allow("elasticloadbalancing:RemoveTags", Condition=keys)))
    denied("elasticloadbalancing:RemoveTags", elb.remove_tags, ResourceArns=[made], TagKeys=["team"])
    elb.remove_tags(ResourceArns=[made], TagKeys=["stage"])
    client("elbv2").delete_target_group(TargetGroupArn=made)


def test_tags_of_identities():
    for name, team in [("of-a", "a"), ("of-b", "b")]:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST_LAMBDA), Tags=tags(team=team))
    own = {"StringEquals": {"iam:ResourceTag/team": "${aws:PrincipalTag/team}"}}
    key = user("of-team", allow("iam:GetRole", Condition=own))
    by_team = client("iam", **key)
    denied("iam:GetRole", by_team.get_role, RoleName="of-a")
    iam.tag_user(UserName="of-team", Tags=tags(team="a"))
    equal(by_team.get_role(RoleName="of-a")["Role"]["RoleName"], "of-a")
    denied("iam:GetRole", by_team.get_role, RoleName="of-b")
    maker = client("iam", **user("maker-of-users", allow("iam:CreateUser", "iam:TagUser", Condition=GIVEN)))
    denied("iam:CreateUser", maker.create_user, UserName="made")
    maker.create_user(UserName="made", Tags=tags(team="a"))
    iam.delete_user(UserName="made")


def test_tags_of_functions():
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:hello"
    functions = client("lambda", **user("of-function", allow("lambda:GetFunction", "lambda:ListTags", Condition=TEAM)))
    error = refused("AccessDeniedException", functions.get_function, status=403, FunctionName="hello")
    assert f"lambda:GetFunction on resource: {arn}" in str(error), error
    iam.put_user_policy(UserName="of-function", PolicyName="own", PolicyDocument=allow(
        "lambda:TagResource", "lambda:UntagResource", Condition={"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}))
    refused("AccessDeniedException", functions.tag_resource, status=403, Resource=arn, Tags={"cost": "1"})
    refused("AccessDeniedException", functions.untag_resource, status=403, Resource=arn, TagKeys=["team", "cost"])
    # The manifest owns the function: it is asked about the call, and it says no itself.
    error = refused("InvalidParameterValueException", functions.tag_resource, Resource=arn, Tags={"team": "a"})
    assert "albacore.yaml" in str(error), error


def test_times_and_addresses():
    def may(**condition):
        name = f"timed-{len(iam.list_users()['Users'])}"
        return client("iam", **user(name, allow("iam:ListUsers", Condition=condition)))

    may(DateGreaterThan={"aws:CurrentTime": "2020-01-01T00:00:00Z"}).list_users()
    denied("iam:ListUsers", may(DateLessThan={"aws:CurrentTime": "2020-01-01T00:00:00Z"}).list_users)
    may(Bool={"aws:SecureTransport": "false"}).list_users()
    denied("iam:ListUsers", may(Bool={"aws:SecureTransport": "true"}).list_users)
    denied("iam:ListUsers", may(NotIpAddress={"aws:SourceIp": "127.0.0.1/32"}).list_users)
    may(StringLike={"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:user/timed-*"}).list_users()
    may(Null={"aws:MultiFactorAuthPresent": "true"}, StringLike={"aws:UserAgent": "Boto3/*"}).list_users()
    denied("iam:ListUsers", may(Null={"aws:username": "true"}).list_users)


def test_networks_of_functions():
    ec2 = client("ec2")
    [vpc] = [it["VpcId"] for it in ec2.describe_vpcs()["Vpcs"] if it["IsDefault"]]
    subnet = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"][0]["SubnetId"]
    both = {"SubnetIds": [subnet], "SecurityGroupIds": ["sg-0123456789abcdef0"]}

    def functions(name, condition):
        made = client("lambda", **user(name, allow("lambda:CreateFunction", Condition=condition)))
        iam.put_user_policy(UserName=name, PolicyName="roles", PolicyDocument=allow("iam:PassRole"))
        role = f"arn:aws:iam::{ACCOUNT}:role/nobody"
        call = dict(FunctionName="in-vpc", Role=role, Runtime="provided.al2023", Handler="bootstrap", Code={"ZipFile": b"x"})
        return lambda **more: made.create_function(**call, **more)

    def stopped(call, **more):
        error = refused("AccessDeniedException", call, status=403, **more)
        assert "is not authorized to perform: lambda:CreateFunction on resource: " in str(error), error

    # What the policy lets through fails for want of the group.
    passed = lambda call, **more: refused("InvalidParameterValueException", call, contains="The security group 'sg-", **more)
    create = functions("of-networks", {"StringEquals": {"lambda:VpcIds": vpc}})
    stopped(create)
    stopped(create, VpcConfig=both | {"SubnetIds": ["subnet-0123456789abcdef0"]})
    passed(create, VpcConfig=both)
    create = functions("outside", {"Null": {"lambda:VpcIds": "true"}})
    stopped(create, VpcConfig=both)
    refused("InvalidParameterValueException", create)
    create = functions("of-groups", {"ForAnyValue:StringEquals": {"lambda:SecurityGroupIds": both["SecurityGroupIds"], "lambda:SubnetIds": [subnet]}})
    passed(create, VpcConfig=both)
    stopped(create, VpcConfig=both | {"SecurityGroupIds": ["sg-1"]})


run(globals())
