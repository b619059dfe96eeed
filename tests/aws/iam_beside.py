"""What a call needs beside its own action: the policy of what it names, tags that it gives, roles and layers that it hands on."""

import json

from aws import equal, refused, run, until
from identities import ACCOUNT, TRUST_LAMBDA, allow, client, iam, session, user
from lambda_package import ARN, BOOTSTRAP, ROLE, active, create, lambda_, layer_zip, package, says, updated
from resources import SUBNETS, VPC, fixed, listener, load_balancer

TAGS = [{"Key": "team", "Value": "a"}]


def statements(*documents):
    """Policies made one."""
    return json.dumps({"Version": "2012-10-17", "Statement": [it for text in documents for it in json.loads(text)["Statement"]]})


def stopped(action, call, status=403, resource="", **parameters):
    """The call is not allowed, in the words of the service."""
    code = {"lambda": "AccessDeniedException", "acm": "AccessDeniedException", "logs": "AccessDeniedException",
            "ec2": "UnauthorizedOperation"}.get(call.__self__.meta.service_model.signing_name, "AccessDenied")
    refused(code, call, status=status, contains=f"is not authorized to perform: {action} on resource: {resource}", **parameters)


# LAM-P-007, LAM-P-015: whoever calls is judged by the policy of what they name, and by no other
def test_policies_are_of_functions_versions_and_aliases():
    function, _ = create(Publish=True)
    active(function)
    lambda_.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    eve = client("lambda", **user("eve"))
    principal = f"arn:aws:iam::{ACCOUNT}:user/eve"

    def allowed():
        """What eve may invoke."""
        found = []
        for qualifier in [None, "$LATEST", "1", "live"]:
            more = {"Qualifier": qualifier} if qualifier else {}
            for call in [eve.invoke, eve.invoke_with_response_stream]:
                try:
                    call(FunctionName=function, **more)
                    found.append(qualifier)
                except eve.exceptions.ClientError as error:
                    equal(error.response["Error"]["Code"], "AccessDeniedException")
        return found

    equal(allowed(), [])
    for qualifier in [None, "1", "live"]:
        more = {"Qualifier": qualifier} if qualifier else {}
        lambda_.add_permission(FunctionName=function, StatementId="eve", Action="lambda:InvokeFunction", Principal=principal, **more)
        equal(allowed(), [qualifier] * 2, f"{qualifier}")
        lambda_.remove_permission(FunctionName=function, StatementId="eve", **more)
    equal(allowed(), [])
    lambda_.delete_function(FunctionName=function)


def test_a_session_limits_what_the_policy_of_a_function_allows():
    function, _ = create()
    active(function)
    role = iam.create_role(RoleName="named", AssumeRolePolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}]}))["Role"]["Arn"]
    lambda_.add_permission(FunctionName=function, StatementId="named", Action="lambda:InvokeFunction", Principal=role)

    def invoke(**more):
        made = client("sts").assume_role(RoleArn=role, RoleSessionName="one", **more)["Credentials"]
        return client("lambda", **session(made)).invoke

    equal(invoke()(FunctionName=function)["StatusCode"], 200)
    equal(invoke(Policy=allow("lambda:InvokeFunction"))(FunctionName=function)["StatusCode"], 200)
    stopped("lambda:InvokeFunction", invoke(Policy=allow("lambda:ListFunctions")), FunctionName=function)
    deny = statements(allow("lambda:*"), allow("lambda:InvokeFunction", effect="Deny"))
    stopped("lambda:InvokeFunction", invoke(Policy=deny), FunctionName=function)
    lambda_.delete_function(FunctionName=function)
    iam.delete_role(RoleName="named")


def test_what_limits_those_whom_a_policy_names():
    trust = lambda arn: json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"}]})
    first = iam.create_role(RoleName="first", AssumeRolePolicyDocument=trust(ACCOUNT))["Role"]["Arn"]
    assume = lambda by, arn, **more: client("sts", **by).assume_role(RoleArn=arn, RoleSessionName="one", **more)
    second = iam.create_role(RoleName="second", AssumeRolePolicyDocument=trust(first))["Role"]["Arn"]
    # A session's own policy limits it, also where a trust policy names its role.
    for more, expected in [({}, True), ({"Policy": allow("sts:AssumeRole")}, True), ({"Policy": allow("iam:ListUsers")}, False)]:
        by = session(assume({}, first, **more)["Credentials"])
        if expected:
            assume(by, second)
        else:
            refused("AccessDenied", client("sts", **by).assume_role, status=403, RoleArn=second, RoleSessionName="one",
                    contains="because no session policy allows the sts:AssumeRole action")
    # A boundary does not limit what the policy of a resource allows a user by name, unless it denies it.
    key = user("within", allow("lambda:InvokeFunction"))
    own = f"arn:aws:iam::{ACCOUNT}:user/within"
    function, _ = create()
    active(function)
    boundary = iam.create_policy(PolicyName="listing", PolicyDocument=allow("lambda:ListFunctions"))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName="within", PermissionsBoundary=boundary)
    invoke = client("lambda", **key).invoke
    stopped("lambda:InvokeFunction", invoke, FunctionName=function)
    lambda_.add_permission(FunctionName=function, StatementId="within", Action="lambda:InvokeFunction", Principal=own)
    equal(invoke(FunctionName=function)["StatusCode"], 200)
    deny = statements(allow("lambda:ListFunctions"), allow("lambda:InvokeFunction", effect="Deny"))
    iam.create_policy_version(PolicyArn=boundary, PolicyDocument=deny, SetAsDefault=True)
    stopped("lambda:InvokeFunction", invoke, FunctionName=function)
    lambda_.delete_function(FunctionName=function)


def test_destinations_are_the_role_s():
    tells = BOOTSTRAP.replace("    invocation.read()", "    print('told', invocation.read().decode(), flush=True)")
    to, _ = create(Code={"ZipFile": package("", bootstrap=tells)})
    function, _ = create()
    active(to)
    active(function)
    put, update = lambda_.put_function_event_invoke_config, lambda_.update_function_event_invoke_config
    lambda_.put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=0)
    text = f"The function's execution role does not have permissions to call InvokeFunction on {ARN}{to}"
    for change in [put, update]:
        for on in ["OnSuccess", "OnFailure"]:
            refused("InvalidParameterValueException", change, status=400, FunctionName=function,
                    DestinationConfig={on: {"Destination": ARN + to}}, contains=text)
    # What can be no destination is refused as such.
    for wrong, text in [(function, "You can't specify the function as a destination for itself."),
                        ("nobody", f"The destination ARN {ARN}nobody is invalid.")]:
        refused("InvalidParameterValueException", put, status=400, FunctionName=function,
                DestinationConfig={"OnSuccess": {"Destination": ARN + wrong}}, contains=text)
    role = ROLE.rpartition("/")[2]
    iam.put_role_policy(RoleName=role, PolicyName="to", PolicyDocument=allow("lambda:InvokeFunction", resource=ARN + to))
    put(FunctionName=function, DestinationConfig={"OnSuccess": {"Destination": ARN + to}})
    # A version of it is another resource.
    refused("InvalidParameterValueException", put, status=400, FunctionName=function,
            DestinationConfig={"OnSuccess": {"Destination": f"{ARN}{to}:$LATEST"}}, contains=f"{ARN}{to}:$LATEST")

    def told():
        groups = client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{to}")["logGroups"]
        if not groups:
            return 0
        events = client("logs").filter_log_events(logGroupName=f"/aws/lambda/{to}", filterPattern="told")["events"]
        return sum(it["message"].startswith("told") for it in events)

    def send():
        lambda_.invoke(FunctionName=function, InvocationType="Event", Payload=b"1")

    send()
    until("the record", lambda: told() == 1)
    # The destination's own policy is as good.
    iam.delete_role_policy(RoleName=role, PolicyName="to")
    refused("InvalidParameterValueException", put, status=400, FunctionName=function,
            DestinationConfig={"OnSuccess": {"Destination": ARN + to}}, contains="to call InvokeFunction on")
    lambda_.add_permission(FunctionName=to, StatementId="role", Action="lambda:InvokeFunction", Principal=ROLE)
    put(FunctionName=function, DestinationConfig={"OnSuccess": {"Destination": ARN + to}})
    send()
    until("the second record", lambda: told() == 2)
    for made in [function, to]:
        lambda_.delete_function(FunctionName=made)


def creations():
    """Calls that make something with tags: service, operation, its arguments, the action that gives tags, and what it is about."""
    of = f"us-east-1:{ACCOUNT}"
    balancer = load_balancer()
    made = listener(balancer, 9003, fixed("x"))
    lb, on = balancer["LoadBalancerArn"], made["ListenerArn"]
    specification = lambda kind: {"TagSpecifications": [{"ResourceType": kind, "Tags": TAGS}]}
    yield "elbv2", "create_target_group", {"Name": "given", "TargetType": "lambda", "Tags": TAGS}, \
        "elasticloadbalancing:AddTags", f"arn:aws:elasticloadbalancing:{of}:targetgroup/given/*"
    yield "elbv2", "create_load_balancer", {"Name": "given", "Subnets": SUBNETS[:2], "Tags": TAGS}, \
        "elasticloadbalancing:AddTags", f"arn:aws:elasticloadbalancing:{of}:loadbalancer/app/given/*"
    yield "elbv2", "create_listener", {"LoadBalancerArn": lb, "Protocol": "HTTP", "Port": 9004, "DefaultActions": fixed("y"), "Tags": TAGS}, \
        "elasticloadbalancing:AddTags", lb.replace(":loadbalancer/", ":listener/") + "/*"
    yield "elbv2", "create_rule", {"ListenerArn": on, "Priority": 1, "Conditions": [{"Field": "path-pattern", "Values": ["/x"]}],
                                   "Actions": fixed("z"), "Tags": TAGS}, \
        "elasticloadbalancing:AddTags", on.replace(":listener/", ":listener-rule/") + "/*"
    document = json.dumps(TRUST_LAMBDA)
    yield "iam", "create_role", {"RoleName": "given", "Path": "/p/", "AssumeRolePolicyDocument": document, "Tags": TAGS}, \
        "iam:TagRole", f"arn:aws:iam::{ACCOUNT}:role/p/given"
    yield "iam", "create_user", {"UserName": "given", "Tags": TAGS}, "iam:TagUser", f"arn:aws:iam::{ACCOUNT}:user/given"
    yield "iam", "create_policy", {"PolicyName": "given", "PolicyDocument": allow("s3:*"), "Tags": TAGS}, \
        "iam:TagPolicy", f"arn:aws:iam::{ACCOUNT}:policy/given"
    yield "iam", "create_instance_profile", {"InstanceProfileName": "given", "Tags": TAGS}, \
        "iam:TagInstanceProfile", f"arn:aws:iam::{ACCOUNT}:instance-profile/given"
    for operation, kind, arguments in [
        ("create_security_group", "security-group", {"GroupName": "given", "Description": "d", "VpcId": VPC}),
        ("create_vpc", "vpc", {"CidrBlock": "10.9.0.0/16"}),
        ("create_internet_gateway", "internet-gateway", {}),
        ("create_route_table", "route-table", {"VpcId": VPC}),
    ]:
        yield "ec2", operation, {**arguments, **specification(kind)}, "ec2:CreateTags", f"arn:aws:ec2:{of}:{kind}/*"
    yield "acm", "request_certificate", {"DomainName": "given.test", "Tags": TAGS}, \
        "acm:AddTagsToCertificate", f"arn:aws:acm:{of}:certificate/*"
    yield "logs", "create_log_group", {"logGroupName": "given", "tags": {"team": "a"}}, \
        "logs:TagResource", f"arn:aws:logs:{of}:log-group:given:*"
    yield "lambda", "create_function", {"FunctionName": "given", "Role": ROLE, "Runtime": "provided.al2023", "Handler": "x",
                                        "Code": {"ZipFile": package("x")}, "Tags": {"team": "a"}}, \
        "lambda:TagResource", ARN + "given"


def test_tags_of_what_is_made_ask_for_their_own_action():
    key = user("giver-of-tags")
    put = lambda *documents: iam.put_user_policy(UserName="giver-of-tags", PolicyName="own", PolicyDocument=statements(*documents))
    everything = allow("*")
    for service, operation, arguments, action, resource in creations():
        call = getattr(client(service, **key), operation)
        status = 400 if service in ("acm", "logs") else 403
        tagging = [action, "logs:TagLogGroup"] if service == "logs" else [action]
        shown = resource.replace("log-group:given:*", "log-group:given")
        put(everything, allow(*tagging, effect="Deny"))
        stopped(action, call, status, resource=shown, **arguments)
        # Another tag than may be given; another resource; made by another operation.
        without = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "NotAction": tagging, "Resource": "*"}]})
        put(without, allow(action, Condition={"StringEquals": {"aws:RequestTag/team": "b"}}))
        stopped(action, call, status, **arguments)
        put(without, allow(action, resource=resource.replace("given", "other").replace(VPC, "vpc-1") + "x"))
        stopped(action, call, status, **arguments)
        condition = {"StringEquals": {"aws:RequestTag/team": "a"}}
        if service in ("elbv2", "ec2"):
            name_of = "elasticloadbalancing:CreateAction" if service == "elbv2" else "ec2:CreateAction"
            camel = "".join(word.capitalize() for word in operation.split("_"))
            put(without, allow(action, Condition={"StringEquals": {name_of: "CreateNothing"}}))
            stopped(action, call, status, **arguments)
            condition["StringEquals"][name_of] = camel
        put(without, allow(action, resource=resource, Condition=condition))
        call(**arguments)
    # Without tags nobody asks.
    put(allow("*"), allow("elasticloadbalancing:AddTags", effect="Deny"))
    client("elbv2", **key).create_target_group(Name="without-tags", TargetType="lambda")


def test_tags_of_what_is_there_are_made_by_no_operation():
    key = user("tagger", allow("ec2:CreateTags", Condition={"StringEquals": {"ec2:CreateAction": "CreateVpc"}}))
    stopped("ec2:CreateTags", client("ec2", **key).create_tags, Resources=[VPC], Tags=TAGS)
    iam.put_user_policy(UserName="tagger", PolicyName="own", PolicyDocument=allow(
        "ec2:CreateTags", Condition={"Null": {"ec2:CreateAction": "true"}}))
    client("ec2", **key).create_tags(Resources=[VPC], Tags=TAGS)


def test_a_role_in_an_instance_profile_is_handed_on():
    iam.create_instance_profile(InstanceProfileName="machine")
    trust = json.dumps(TRUST_LAMBDA).replace("lambda.", "ec2.")
    arn = iam.create_role(RoleName="machine", Path="/m/", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    key = user("profiler")
    call = client("iam", **key).add_role_to_instance_profile
    arguments = {"InstanceProfileName": "machine", "RoleName": "machine"}
    put = lambda *documents: iam.put_user_policy(UserName="profiler", PolicyName="own", PolicyDocument=statements(*documents))
    add, to = allow("iam:AddRoleToInstanceProfile"), lambda service: {"StringEquals": {"iam:PassedToService": service}}
    for more in [allow("iam:PassRole", resource=arn.replace("/m/", "/")), allow("iam:PassRole", Condition=to("lambda.amazonaws.com")),
                 statements(allow("iam:PassRole"), allow("iam:PassRole", effect="Deny", resource=arn))]:
        put(add, more)
        stopped("iam:PassRole", call, resource=arn, **arguments)
    put(add)
    stopped("iam:PassRole", call, resource=arn, **arguments)
    put(add, allow("iam:PassRole", resource=arn, Condition=to("ec2.amazonaws.com")))
    call(**arguments)


def test_layers_are_read_by_whoever_attaches_them():
    published = lambda_.publish_layer_version(LayerName="beside", Content={"ZipFile": layer_zip("here")})
    layer = published["LayerVersionArn"]
    function, _ = create()
    active(function)
    key = user("attacher")
    call = client("lambda", **key).update_function_configuration
    put = lambda *documents: iam.put_user_policy(UserName="attacher", PolicyName="own", PolicyDocument=statements(*documents))
    put(allow("lambda:UpdateFunctionConfiguration"))
    stopped("lambda:GetLayerVersion", call, resource=layer, FunctionName=function, Layers=[layer])
    stopped("lambda:GetLayerVersion", client("lambda", **key).get_layer_version_by_arn, resource=layer, Arn=layer)
    put(allow("lambda:*"), allow("lambda:GetLayerVersion", effect="Deny", resource=layer))
    stopped("lambda:GetLayerVersion", call, resource=layer, FunctionName=function, Layers=[layer])
    stopped("lambda:GetLayerVersion", client("lambda", **key).get_layer_version, resource=layer, LayerName="beside", VersionNumber=1)
    put(allow("lambda:UpdateFunctionConfiguration"), allow("lambda:GetLayerVersion", resource=layer))
    call(FunctionName=function, Layers=[layer])
    updated(function)
    equal(says(function)[0]["layer"], "here")
    lambda_.delete_function(FunctionName=function)
    lambda_.delete_layer_version(LayerName="beside", VersionNumber=1)


def test_layers_of_other_accounts_are_closed():
    layer = "arn:aws:lambda:us-east-1:123456789012:layer:theirs:1"
    function, _ = create()
    active(function)
    key = user("borrower", allow("lambda:*"))
    for caller, who in [(lambda_, f"arn:aws:iam::{ACCOUNT}:root"), (client("lambda", **key), f"arn:aws:iam::{ACCOUNT}:user/borrower")]:
        text = (f"User: {who} is not authorized to perform: lambda:GetLayerVersion on resource: {layer} because no "
                "resource-based policy allows the lambda:GetLayerVersion action")
        for call, more in [(caller.update_function_configuration, {"FunctionName": function, "Layers": [layer]}),
                           (caller.get_layer_version_by_arn, {"Arn": layer}),
                           (caller.get_layer_version, {"LayerName": layer[:-2], "VersionNumber": 1})]:
            refused("AccessDeniedException", call, status=403, contains=text, **more)
    refused("AccessDeniedException", create, status=403, Layers=[layer], contains=f"root is not authorized to perform: lambda:GetLayerVersion on resource: {layer}")
    refused("AccessDeniedException", lambda_.publish_layer_version, status=403, LayerName=layer[:-2], Content={"ZipFile": layer_zip("x")},
            contains=f"lambda:PublishLayerVersion on resource: {layer[:-2]} because")
    lambda_.delete_function(FunctionName=function)


run(globals())
