"""IAM and STS: users and roles are made, and may what their policies say."""

import json
import urllib.error
import urllib.parse
import urllib.request

import aws
import botocore.auth
import botocore.awsrequest
import botocore.credentials
from aws import ENDPOINT, equal, run
from identities import ACCOUNT, BASIC, ROOT, TRUST_LAMBDA, allow, client, denied, iam, refused, session, sts, trust, user


def test_the_root_is_the_account():
    identity = sts.get_caller_identity()
    equal((identity["Arn"], identity["Account"]), (f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT))
    equal(sts.get_access_key_info(AccessKeyId=ROOT["access_key"])["Account"], ACCOUNT)
    refused("NotImplemented", sts.get_federation_token, status=501, Name="me")
    refused("NotImplemented", iam.create_login_profile, status=501, UserName="x", Password="x")
    equal(iam.list_account_aliases()["AccountAliases"], [])
    equal(iam.get_user()["User"]["Arn"], f"arn:aws:iam::{ACCOUNT}:root")


def test_users():
    made = iam.create_user(UserName="Anna", Path="/people/", Tags=[{"Key": "team", "Value": "a b"}])["User"]
    equal(made["Arn"], f"arn:aws:iam::{ACCOUNT}:user/people/Anna")
    assert made["UserId"].startswith("AIDA") and len(made["UserId"]) == 21, made
    equal(made["Tags"], [{"Key": "team", "Value": "a b"}])
    refused(iam.exceptions.EntityAlreadyExistsException, iam.create_user, status=409, UserName="anna")
    refused(iam.exceptions.NoSuchEntityException, iam.get_user, status=404, UserName="nobody")
    refused("ValidationError", iam.create_user, UserName="a b")
    refused("ValidationError", iam.create_user, UserName="x" * 65)
    refused("NoSuchEntity", iam.create_user, status=404, UserName="b", PermissionsBoundary=BASIC + "x")
    refused("ValidationError", iam.create_user, UserName="b", PermissionsBoundary="x")
    iam.tag_user(UserName="Anna", Tags=[{"Key": "stage", "Value": ""}])
    iam.untag_user(UserName="Anna", TagKeys=["team"])
    equal(iam.list_user_tags(UserName="Anna")["Tags"], [{"Key": "stage", "Value": ""}])
    iam.update_user(UserName="Anna", NewUserName="Bea", NewPath="/")
    found = iam.get_user(UserName="Bea")["User"]
    equal((found["UserId"], found["Arn"]), (made["UserId"], f"arn:aws:iam::{ACCOUNT}:user/Bea"))
    iam.delete_user(UserName="Bea")
    refused(iam.exceptions.NoSuchEntityException, iam.delete_user, status=404, UserName="Bea")


def test_users_have_keys_and_nothing_else():
    """What Terraform looks for before it deletes a user by force, and what it finds."""
    iam.create_user(UserName="plain")
    for call, found in [
        (iam.list_ssh_public_keys, "SSHPublicKeys"), (iam.list_mfa_devices, "MFADevices"),
        (iam.list_signing_certificates, "Certificates"), (iam.list_service_specific_credentials, "ServiceSpecificCredentials"),
        (iam.list_groups_for_user, "Groups"), (iam.list_access_keys, "AccessKeyMetadata"),
    ]:
        equal(call(UserName="plain")[found], [], found)
        refused("NoSuchEntity", call, status=404, UserName="nobody")
    equal(iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"], [])
    for call in [iam.get_login_profile, iam.delete_login_profile]:
        refused("NoSuchEntity", call, status=404, UserName="plain")
    refused("NoSuchEntity", iam.get_account_password_policy, status=404)
    equal(iam.list_server_certificates(PathPrefix="/")["ServerCertificateMetadataList"], [])
    equal((iam.list_saml_providers()["SAMLProviderList"], iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]), ([], []))
    iam.delete_user(UserName="plain")


def test_groups_are_renamed():
    for name in ["old", "taken"]:
        iam.create_group(GroupName=name)
    iam.create_user(UserName="member")
    iam.add_user_to_group(GroupName="old", UserName="member")
    iam.put_group_policy(GroupName="old", PolicyName="own", PolicyDocument=allow("iam:ListUsers"))
    refused("EntityAlreadyExists", iam.update_group, status=409, GroupName="old", NewGroupName="Taken")
    refused("NoSuchEntity", iam.update_group, status=404, GroupName="nobody", NewPath="/a/")
    before = iam.get_group(GroupName="old")["Group"]
    iam.update_group(GroupName="old", NewGroupName="New", NewPath="/people/")
    renamed = iam.get_group(GroupName="New")
    equal(renamed["Group"], {**before, "GroupName": "New", "Path": "/people/", "Arn": f"arn:aws:iam::{ACCOUNT}:group/people/New"})
    equal([it["UserName"] for it in renamed["Users"]], ["member"])
    equal([it["GroupName"] for it in iam.list_groups_for_user(UserName="member")["Groups"]], ["New"])
    equal(iam.list_group_policies(GroupName="New")["PolicyNames"], ["own"])
    refused("NoSuchEntity", iam.get_group, status=404, GroupName="old")
    iam.remove_user_from_group(GroupName="New", UserName="member")
    iam.delete_group_policy(GroupName="New", PolicyName="own")
    for name in ["New", "taken"]:
        iam.delete_group(GroupName=name)
    iam.delete_user(UserName="member")


def test_pages():
    names = [f"page-{number:02}" for number in range(7)]
    for name in names:
        iam.create_user(UserName=name, Path="/pages/")
    pages = list(iam.get_paginator("list_users").paginate(PathPrefix="/pages/", PaginationConfig={"PageSize": 3}))
    equal([len(page["Users"]) for page in pages], [3, 3, 1])
    equal([user["UserName"] for page in pages for user in page["Users"]], names)
    equal([page["IsTruncated"] for page in pages], [True, True, False])
    refused("ValidationError", iam.list_users, Marker="!")
    for name in names:
        iam.delete_user(UserName=name)


def test_keys():
    iam.create_user(UserName="keys")
    first, second = (iam.create_access_key(UserName="keys")["AccessKey"] for _ in range(2))
    assert first["AccessKeyId"].startswith("AKIA") and len(first["AccessKeyId"]) == 20, first
    equal((len(first["SecretAccessKey"]), first["Status"]), (40, "Active"))
    refused(iam.exceptions.LimitExceededException, iam.create_access_key, status=409, UserName="keys")
    listed = iam.list_access_keys(UserName="keys")["AccessKeyMetadata"]
    equal({key["AccessKeyId"] for key in listed}, {first["AccessKeyId"], second["AccessKeyId"]})
    assert "SecretAccessKey" not in listed[0], "a secret is shown once"
    key = {"access_key": first["AccessKeyId"], "secret_key": first["SecretAccessKey"]}
    equal(client("sts", **key).get_caller_identity()["Arn"], f"arn:aws:iam::{ACCOUNT}:user/keys")
    equal(sts.get_access_key_info(AccessKeyId=first["AccessKeyId"])["Account"], ACCOUNT)
    wrong = client("sts", **(key | {"secret_key": second["SecretAccessKey"]}))
    refused("SignatureDoesNotMatch", wrong.get_caller_identity, status=403)
    iam.update_access_key(UserName="keys", AccessKeyId=first["AccessKeyId"], Status="Inactive")
    refused("InvalidClientTokenId", client("sts", **key).get_caller_identity, status=403)
    iam.update_access_key(UserName="keys", AccessKeyId=first["AccessKeyId"], Status="Active")
    client("sts", **key).get_caller_identity()
    refused(iam.exceptions.DeleteConflictException, iam.delete_user, status=409, UserName="keys")
    for gone in (first, second):
        iam.delete_access_key(UserName="keys", AccessKeyId=gone["AccessKeyId"])
    refused("InvalidClientTokenId", client("sts", **key).get_caller_identity, status=403)
    iam.delete_user(UserName="keys")


def test_a_role_as_terraform_makes_it():
    """Create, read, update and delete as in its aws_iam_role and aws_iam_role_policy_attachment."""
    text = json.dumps(TRUST_LAMBDA, indent=1)
    made = iam.create_role(
        RoleName="tf", Path="/", AssumeRolePolicyDocument=text, MaxSessionDuration=3600, Tags=[{"Key": "a", "Value": "b"}]
    )["Role"]
    equal(made["Arn"], f"arn:aws:iam::{ACCOUNT}:role/tf")
    assert made["RoleId"].startswith("AROA") and len(made["RoleId"]) == 21, made
    read = iam.get_role(RoleName="tf")["Role"]
    equal(read["AssumeRolePolicyDocument"], TRUST_LAMBDA)
    for field in ("RoleId", "Path", "MaxSessionDuration", "CreateDate", "Tags"):
        equal(read[field], made[field], field)
    equal(iam.list_role_policies(RoleName="tf")["PolicyNames"], [])
    equal(iam.list_attached_role_policies(RoleName="tf")["AttachedPolicies"], [])

    iam.attach_role_policy(RoleName="tf", PolicyArn=BASIC)
    iam.attach_role_policy(RoleName="tf", PolicyArn=BASIC)
    attached = iam.list_attached_role_policies(RoleName="tf")["AttachedPolicies"]
    equal(attached, [{"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC}])
    refused("NoSuchEntity", iam.attach_role_policy, status=404, RoleName="tf", PolicyArn=BASIC + "x")
    inline = json.loads(allow("logs:*", resource="arn:aws:logs:*:*:log-group:/ä+%/*"))
    iam.put_role_policy(RoleName="tf", PolicyName="inline", PolicyDocument=json.dumps(inline))
    equal(iam.list_role_policies(RoleName="tf")["PolicyNames"], ["inline"])
    equal(iam.get_role_policy(RoleName="tf", PolicyName="inline")["PolicyDocument"], inline)

    iam.update_role(RoleName="tf", Description="what it is for", MaxSessionDuration=7200)
    iam.update_assume_role_policy(RoleName="tf", PolicyDocument=trust({"Service": "ec2.amazonaws.com"}))
    iam.tag_role(RoleName="tf", Tags=[{"Key": "c", "Value": "d"}])
    iam.untag_role(RoleName="tf", TagKeys=["a"])
    read = iam.get_role(RoleName="tf")["Role"]
    equal((read["Description"], read["MaxSessionDuration"]), ("what it is for", 7200))
    equal(read["Tags"], [{"Key": "c", "Value": "d"}])
    equal(read["AssumeRolePolicyDocument"]["Statement"][0]["Principal"], {"Service": "ec2.amazonaws.com"})

    conflict = iam.exceptions.DeleteConflictException
    error = refused(conflict, iam.delete_role, status=409, RoleName="tf")
    assert "must detach all policies first" in str(error), error
    equal(iam.list_instance_profiles_for_role(RoleName="tf")["InstanceProfiles"], [])
    iam.detach_role_policy(RoleName="tf", PolicyArn=BASIC)
    refused("NoSuchEntity", iam.detach_role_policy, status=404, RoleName="tf", PolicyArn=BASIC)
    refused(conflict, iam.delete_role, status=409, RoleName="tf")
    iam.delete_role_policy(RoleName="tf", PolicyName="inline")
    iam.delete_role(RoleName="tf")
    refused(iam.exceptions.NoSuchEntityException, iam.get_role, status=404, RoleName="tf")


def test_documents_that_are_none():
    malformed = iam.exceptions.MalformedPolicyDocumentException
    for text in ("{", "{}", trust({"Service": "lambda"}), trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody"})):
        refused(malformed, iam.create_role, status=400, RoleName="bad", AssumeRolePolicyDocument=text)
    error = refused(
        malformed,
        iam.create_role,
        RoleName="bad",
        AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody"}),
    )
    assert "Invalid principal in policy" in str(error), error
    iam.create_user(UserName="bad")
    for text in (
        allow("everything"),
        allow("s3:*", resource="box"),
        allow("s3:*", effect="allow"),
        allow("s3:*", Condition={"StringEqual": {"aws:username": "x"}}),
        allow("s3:*", Principal="*"),
        allow("s3:*").replace('"Effect"', '"Effect": "Deny", "Effect"'),
        "[" * 100_000,
    ):
        refused(malformed, iam.put_user_policy, UserName="bad", PolicyName="p", PolicyDocument=text)
    iam.delete_user(UserName="bad")


def test_managed_policies():
    made = iam.create_policy(PolicyName="mine", PolicyDocument=allow("s3:*"), Description="d", Path="/x/")["Policy"]
    arn = made["Arn"]
    equal((arn, made["DefaultVersionId"]), (f"arn:aws:iam::{ACCOUNT}:policy/x/mine", "v1"))
    refused("EntityAlreadyExists", iam.create_policy, status=409, PolicyName="Mine", PolicyDocument=allow("s3:*"))
    second = iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow("s3:Get*"), SetAsDefault=True)["PolicyVersion"]
    equal((second["VersionId"], second["IsDefaultVersion"]), ("v2", True))
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    equal([version["VersionId"] for version in versions], ["v2", "v1"])
    document = iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"]
    equal(document, json.loads(allow("s3:Get*")))
    refused("NoSuchEntity", iam.get_policy_version, status=404, PolicyArn=arn, VersionId="v9")
    refused("DeleteConflict", iam.delete_policy_version, status=409, PolicyArn=arn, VersionId="v2")
    refused("DeleteConflict", iam.delete_policy, status=409, PolicyArn=arn)
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    iam.create_user(UserName="granted")
    iam.create_group(GroupName="granted")
    iam.attach_user_policy(UserName="granted", PolicyArn=arn)
    iam.attach_group_policy(GroupName="granted", PolicyArn=arn)
    found = iam.list_entities_for_policy(PolicyArn=arn)
    equal([len(found[kind]) for kind in ("PolicyUsers", "PolicyGroups", "PolicyRoles")], [1, 1, 0])
    equal(iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"], 2)
    attached = iam.list_policies(Scope="Local", OnlyAttached=True)["Policies"]
    equal([policy["Arn"] for policy in attached], [arn])
    refused("DeleteConflict", iam.delete_policy, status=409, PolicyArn=arn)
    iam.detach_user_policy(UserName="granted", PolicyArn=arn)
    iam.detach_group_policy(GroupName="granted", PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)
    iam.delete_group(GroupName="granted")
    iam.delete_user(UserName="granted")

    of_aws = {policy["PolicyName"] for policy in iam.list_policies(Scope="AWS")["Policies"]}
    assert {"AWSLambdaBasicExecutionRole", "AWSLambda_FullAccess", "AdministratorAccess"} <= of_aws, of_aws
    version = iam.get_policy(PolicyArn=BASIC)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=BASIC, VersionId=version)["PolicyVersion"]["Document"]
    assert "logs:PutLogEvents" in document["Statement"][0]["Action"], document
    refused("AccessDenied", iam.delete_policy, status=403, PolicyArn=BASIC)


def test_users_may_what_their_policies_say():
    own = f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"
    key = user("limited", allow("iam:GetUser", "iam:ListAccessKeys", resource=own))
    limited = client("iam", **key)
    equal(limited.get_user()["User"]["UserName"], "limited")
    equal(len(limited.list_access_keys()["AccessKeyMetadata"]), 1)
    iam.create_user(UserName="other")
    text = denied("iam:GetUser", limited.get_user, UserName="other")
    assert f"User: arn:aws:iam::{ACCOUNT}:user/limited is not" in text, text
    assert "because no identity-based policy allows the iam:GetUser action" in text, text
    denied("iam:CreateUser", limited.create_user, UserName="third")
    equal(client("sts", **key).get_caller_identity()["Arn"], f"arn:aws:iam::{ACCOUNT}:user/limited")

    elb = client("elbv2", **key)
    denied("elasticloadbalancing:DescribeLoadBalancers", elb.describe_load_balancers)
    iam.attach_user_policy(UserName="limited", PolicyArn="arn:aws:iam::aws:policy/ElasticLoadBalancingReadOnly")
    elb.describe_load_balancers()
    denied("elasticloadbalancing:CreateTargetGroup", elb.create_target_group, Name="no", TargetType="lambda")

    # A group gives its members what it has, and a deny counts first.
    iam.create_group(GroupName="admins")
    iam.attach_group_policy(GroupName="admins", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    iam.add_user_to_group(GroupName="admins", UserName="limited")
    equal([user["UserName"] for user in iam.get_group(GroupName="admins")["Users"]], ["limited"])
    limited.get_user(UserName="other")
    group = elb.create_target_group(Name="yes", TargetType="lambda")["TargetGroups"][0]["TargetGroupArn"]
    forbid = allow("elasticloadbalancing:*", effect="Deny", resource=group)
    iam.put_user_policy(UserName="limited", PolicyName="forbid", PolicyDocument=forbid)
    text = denied("elasticloadbalancing:DeleteTargetGroup", elb.delete_target_group, TargetGroupArn=group)
    assert text.endswith("with an explicit deny in an identity-based policy"), text
    client("elbv2").delete_target_group(TargetGroupArn=group)
    iam.delete_user(UserName="other")


def test_boundaries_are_the_most_that_somebody_may():
    read = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    own = iam.create_policy(PolicyName="most", PolicyDocument=allow("iam:Get*", "sts:*", "lambda:*"))["Policy"]["Arn"]
    made = iam.create_user(UserName="bounded", PermissionsBoundary=own)["User"]
    boundary = lambda arn: {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
    equal(made["PermissionsBoundary"], boundary(own))
    iam.attach_user_policy(UserName="bounded", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    key = iam.create_access_key(UserName="bounded")["AccessKey"]
    bounded = client("iam", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    equal(bounded.get_user()["User"]["PermissionsBoundary"], boundary(own))
    text = denied("iam:CreateUser", bounded.create_user, UserName="no")
    assert "because no permissions boundary allows the iam:CreateUser action" in text, text
    denied("iam:DeleteUserPermissionsBoundary", bounded.delete_user_permissions_boundary, UserName="bounded")
    # It counts how often a policy is one, and keeps the policy.
    equal(iam.get_policy(PolicyArn=own)["Policy"]["PermissionsBoundaryUsageCount"], 1)
    used = iam.list_entities_for_policy(PolicyArn=own, PolicyUsageFilter="PermissionsBoundary")
    equal([it["UserName"] for it in used["PolicyUsers"]], ["bounded"])
    equal(iam.list_entities_for_policy(PolicyArn=own, PolicyUsageFilter="PermissionsPolicy")["PolicyUsers"], [])
    refused("DeleteConflict", iam.delete_policy, status=409, PolicyArn=own)
    iam.put_user_permissions_boundary(UserName="bounded", PermissionsBoundary=read)
    iam.delete_policy(PolicyArn=own)
    equal(len(bounded.list_users()["Users"]) > 0, True)
    denied("iam:CreateUser", bounded.create_user, UserName="no")
    iam.delete_user_permissions_boundary(UserName="bounded")
    assert "PermissionsBoundary" not in iam.get_user(UserName="bounded")["User"]
    bounded.create_user(UserName="yes")
    iam.delete_user(UserName="yes")
    # A role's holds for whoever assumes it, and a deny in it for everything.
    role = iam.create_role(RoleName="bounded", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}), PermissionsBoundary=read)["Role"]
    equal(role["PermissionsBoundary"], boundary(read))
    iam.attach_role_policy(RoleName="bounded", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    assumed = session(client("sts", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"]).assume_role(
        RoleArn=role["Arn"], RoleSessionName="one")["Credentials"])
    equal(client("iam", **assumed).get_role(RoleName="bounded")["Role"]["PermissionsBoundary"], boundary(read))
    denied("iam:CreateUser", client("iam", **assumed).create_user, UserName="no")
    # Somebody may make roles that have a certain boundary.
    condition = {"StringEquals": {"iam:PermissionsBoundary": read}}
    maker = client("iam", **user("maker", allow("iam:CreateRole", "iam:AttachRolePolicy", Condition=condition)))
    denied("iam:CreateRole", maker.create_role, RoleName="made", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))
    maker.create_role(RoleName="made", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}), PermissionsBoundary=read)
    maker.attach_role_policy(RoleName="made", PolicyArn=BASIC)
    iam.put_role_permissions_boundary(RoleName="made", PermissionsBoundary=BASIC)
    denied("iam:AttachRolePolicy", maker.attach_role_policy, RoleName="made", PolicyArn=read)
    iam.delete_role_permissions_boundary(RoleName="made")
    refused("NoSuchEntity", iam.put_role_permissions_boundary, status=404, RoleName="none", PermissionsBoundary=read)


def test_instance_profiles():
    made = iam.create_instance_profile(InstanceProfileName="Web", Path="/a/", Tags=[{"Key": "k", "Value": "v"}])["InstanceProfile"]
    equal((made["Arn"], made["Roles"]), (f"arn:aws:iam::{ACCOUNT}:instance-profile/a/Web", []))
    assert made["InstanceProfileId"].startswith("AIPA"), made
    refused("EntityAlreadyExists", iam.create_instance_profile, status=409, InstanceProfileName="web")
    iam.create_role(RoleName="web", AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))
    refused("NoSuchEntity", iam.add_role_to_instance_profile, status=404, InstanceProfileName="Web", RoleName="none")
    iam.add_role_to_instance_profile(InstanceProfileName="Web", RoleName="web")
    refused("LimitExceeded", iam.add_role_to_instance_profile, status=409, InstanceProfileName="Web", RoleName="web")
    read = iam.get_instance_profile(InstanceProfileName="Web")["InstanceProfile"]
    equal([it["RoleName"] for it in read["Roles"]], ["web"])
    equal({key: value for key, value in read.items() if key != "Roles"}, {key: value for key, value in made.items() if key != "Roles"})
    for found in [iam.list_instance_profiles_for_role(RoleName="web"), iam.list_instance_profiles(PathPrefix="/a/")]:
        equal([it["InstanceProfileName"] for it in found["InstanceProfiles"]], ["Web"])
    equal(iam.list_instance_profiles(PathPrefix="/b/")["InstanceProfiles"], [])
    iam.tag_instance_profile(InstanceProfileName="Web", Tags=[{"Key": "l", "Value": "w"}])
    iam.untag_instance_profile(InstanceProfileName="Web", TagKeys=["k"])
    equal(iam.list_instance_profile_tags(InstanceProfileName="Web")["Tags"], [{"Key": "l", "Value": "w"}])
    refused("DeleteConflict", iam.delete_role, status=409, RoleName="web")
    refused("DeleteConflict", iam.delete_instance_profile, status=409, InstanceProfileName="Web")
    iam.remove_role_from_instance_profile(InstanceProfileName="Web", RoleName="web")
    refused("NoSuchEntity", iam.remove_role_from_instance_profile, status=404, InstanceProfileName="Web", RoleName="web")
    iam.delete_instance_profile(InstanceProfileName="Web")
    refused("NoSuchEntity", iam.get_instance_profile, status=404, InstanceProfileName="Web")
    iam.delete_role(RoleName="web")


def test_every_service_asks():
    key = user("asked")
    functions, function = client("lambda", **key), f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:hello"

    def refused_(status, call, **parameters):
        error = refused("AccessDeniedException", call, status=status, **parameters)
        assert "asked is not authorized to perform: " in str(error), error
        return str(error)

    text = refused_(403, functions.invoke, FunctionName="hello")
    assert f"lambda:InvokeFunction on resource: {function} because" in text, text
    refused_(403, functions.invoke_with_response_stream, FunctionName="hello")
    refused_(403, functions.get_function, FunctionName="hello")
    refused_(400, client("acm", **key).list_certificates)
    refused_(400, client("logs", **key).describe_log_groups)
    error = refused("UnauthorizedOperation", client("ec2", **key).describe_vpcs, status=403)
    assert "ec2:DescribeVpcs" in str(error), error

    # The function's own policy is enough.
    arn = iam.get_user(UserName="asked")["User"]["Arn"]
    own = client("lambda")
    own.add_permission(FunctionName="hello", StatementId="asked", Action="lambda:InvokeFunction", Principal=arn)
    equal(functions.invoke(FunctionName="hello")["StatusCode"], 200)
    own.remove_permission(FunctionName="hello", StatementId="asked")
    refused_(403, functions.invoke, FunctionName="hello")
    # And so is the user's.
    grant = allow("lambda:InvokeFunction", resource=function)
    iam.put_user_policy(UserName="asked", PolicyName="invoke", PolicyDocument=grant)
    equal(functions.invoke(FunctionName="hello")["StatusCode"], 200)
    refused_(403, functions.invoke, FunctionName="streams")

    # Whoever makes a function must be allowed to hand on its role.
    iam.create_role(RoleName="passed", AssumeRolePolicyDocument=json.dumps(TRUST_LAMBDA))
    create = {"FunctionName": "made", "Runtime": "provided.al2023", "Handler": "x", "Code": {"ZipFile": b"x"}}
    create["Role"] = iam.get_role(RoleName="passed")["Role"]["Arn"]
    grant = allow("lambda:CreateFunction")
    iam.put_user_policy(UserName="asked", PolicyName="create", PolicyDocument=grant)
    text = refused_(403, functions.create_function, **create)
    assert f"iam:PassRole on resource: {create['Role']} because" in text, text


def test_urls_of_functions_ask_too():
    (url,) = [function["url"] for function in aws.own_api("status")["functions"] if function.get("url")]
    key = user("url")
    named = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:at_url"

    def status():
        request = botocore.awsrequest.AWSRequest("GET", url)
        credentials = botocore.credentials.Credentials(key["access_key"], key["secret_key"])
        botocore.auth.SigV4Auth(credentials, "lambda", "us-east-1").add_auth(request)
        host = urllib.parse.urlsplit(url).netloc
        sent = urllib.request.Request(f"http://{ENDPOINT}/", headers=dict(request.headers) | {"Host": host})
        try:
            with urllib.request.urlopen(sent, timeout=aws.BOUND) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    equal(status(), 403)
    for actions, expected in [
        (["lambda:InvokeFunctionUrl"], 403),
        (["lambda:InvokeFunction"], 403),
        (["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"], 200),
    ]:
        iam.put_user_policy(UserName="url", PolicyName="own", PolicyDocument=allow(*actions, resource=named))
        equal(status(), expected, f"{actions}")


def test_conditions():
    key = user("local", allow("iam:ListUsers", Condition={"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}))
    client("iam", **key).list_users()
    key = user("remote", allow("iam:ListUsers", Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}))
    denied("iam:ListUsers", client("iam", **key).list_users)
    # What nobody here knows never allows, however it is put.
    key = user("unknown", allow("iam:ListUsers", Condition={"StringNotEquals": {"some:Key": "x"}}))
    denied("iam:ListUsers", client("iam", **key).list_users)
    here = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    key = user("regional", allow("elasticloadbalancing:Describe*", Condition=here))
    denied("elasticloadbalancing:DescribeRules", client("elbv2", **key).describe_rules)
    client("elbv2", region="eu-west-1", **key).describe_load_balancers()


def test_roles_are_assumed_by_whom_they_trust():
    key = user("visitor", allow("sts:AssumeRole", resource=f"arn:aws:iam::{ACCOUNT}:role/allowed"))
    visitor = client("sts", **key)
    arn = iam.get_user(UserName="visitor")["User"]["Arn"]
    external = {"StringEquals": {"sts:ExternalId": "secret"}}
    for name, policy in {
        "allowed": trust({"AWS": ACCOUNT}),
        "unnamed": trust({"AWS": ACCOUNT}),
        "named": trust({"AWS": arn}),
        "external": trust({"AWS": arn}, Condition=external),
        "service": trust({"Service": "lambda.amazonaws.com"}),
    }.items():
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy)

    def assume(name, by=visitor, **more):
        return by.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{name}", RoleSessionName="visit", **more)

    for name in ("unnamed", "service", "external", "none"):
        denied("sts:AssumeRole", lambda name=name: assume(name))
    assume("allowed")
    assume("external", ExternalId="secret")
    assumed = assume("named", DurationSeconds=900)
    equal(assumed["AssumedRoleUser"]["Arn"], f"arn:aws:sts::{ACCOUNT}:assumed-role/named/visit")
    assert assumed["Credentials"]["AccessKeyId"].startswith("ASIA"), assumed
    refused("ValidationError", lambda: assume("named", DurationSeconds=7200))

    credentials = session(assumed["Credentials"])
    identity = client("sts", **credentials).get_caller_identity()
    equal(identity["Arn"], assumed["AssumedRoleUser"]["Arn"])
    equal(identity["UserId"], assumed["AssumedRoleUser"]["AssumedRoleId"])
    denied("iam:ListRoles", client("iam", **credentials).list_roles)
    iam.attach_role_policy(RoleName="named", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    client("iam", **credentials).list_roles()
    # A session is limited to what its own policy says, too.
    less = session(assume("named", Policy=allow("iam:ListUsers"))["Credentials"])
    client("iam", **less).list_users()
    text = denied("iam:ListRoles", client("iam", **less).list_roles)
    assert "because no session policy allows" in text, text

    # All three parts belong together.
    other = session(assume("allowed")["Credentials"])
    mixed = client("sts", **(credentials | {"session_token": other["session_token"]}))
    refused("InvalidClientTokenId", mixed.get_caller_identity, status=403)
    without = client("sts", **(credentials | {"session_token": None}))
    refused("InvalidClientTokenId", without.get_caller_identity, status=403)
    changed = client("sts", **(credentials | {"secret_key": "x" * 40}))
    refused("SignatureDoesNotMatch", changed.get_caller_identity, status=403)

    # Whoever is made anew by the same name is somebody else.
    iam.delete_role(RoleName="allowed")
    iam.create_role(RoleName="allowed", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))
    refused("InvalidClientTokenId", client("sts", **other).get_caller_identity, status=403)
    # The root may, too, as on no real account.
    assume("unnamed", by=sts)


def test_sessions_of_users():
    key = user("short", allow("iam:GetUser"))
    credentials = session(client("sts", **key).get_session_token(DurationSeconds=900)["Credentials"])
    equal(client("iam", **credentials).get_user()["User"]["UserName"], "short")
    equal(client("sts", **credentials).get_caller_identity()["Arn"], f"arn:aws:iam::{ACCOUNT}:user/short")
    denied("iam:ListUsers", client("iam", **credentials).list_users)


def test_presigned_with_a_session():
    key = user("presigned", allow("iam:ListUsers"))
    made = client("sts", **key).get_session_token()["Credentials"]
    url = f"http://{ENDPOINT}/?" + urllib.parse.urlencode({"Action": "GetCallerIdentity", "Version": "2011-06-15"})
    request = botocore.awsrequest.AWSRequest("GET", url)
    credentials = botocore.credentials.Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    botocore.auth.SigV4QueryAuth(credentials, "sts", "us-east-1").add_auth(request)
    with urllib.request.urlopen(request.url, timeout=aws.BOUND) as answer:
        assert b":user/presigned<" in answer.read()


run(globals())
