"""What a caller is told of mistakes: all parameters that break rules of their own at once, and in AWS's words."""

import http.client
import json
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials
from aws import BOUND, ENDPOINT, REGION, client, equal, refused, run
from lambda_package import ARN, ROLE, active, create, layer_zip, package
from resources import GROUPS, SUBNETS, VPC, elb, fixed, forward, listener, load_balancer, name, pairs, remove, rule, target_group

lambda_ = client("lambda")
ec2 = client("ec2")
sts = client("sts")
acm = client("acm")
logs = client("logs")
ZIP = {"ZipFile": package("one")}


def told(error):
    return error.response["Error"]["Message"]


def violations(code, count, call, *places, **arguments):
    """So many mistakes are told, in this order, each once."""
    message = told(refused(code, call, **arguments))
    errors = "error" if count == 1 else "errors"
    assert message.startswith(f"{count} validation {errors} detected: "), message
    each = message.split("detected: ", 1)[1].split("; ")
    equal([it.split("at '")[1].split("'")[0] for it in each], list(places), message)
    return each


def signed(method, path, service="lambda", body=None):
    """Status and body of a call that no SDK makes."""
    request = botocore.awsrequest.AWSRequest(method=method, url=f"http://{ENDPOINT}{path}", data=body)
    credentials = botocore.credentials.Credentials("test", "test-secret")
    botocore.auth.SigV4Auth(credentials, service, REGION).add_auth(request)
    connection = http.client.HTTPConnection(ENDPOINT, timeout=BOUND)
    connection.request(method, path, body=body, headers=dict(request.headers))
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


# LAM-W-003
def test_all_mistakes_of_a_function_are_told():
    each = violations("ValidationException", 2, create, "timeout", "memorySize", Timeout=0, MemorySize=1)
    equal(each, [
        "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1",
        "Value '1' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128",
    ])
    violations(
        "ValidationException", 12, lambda_.create_function,
        "functionName", "code", "packageType", "architectures", "role", "handler", "description", "timeout",
        "ephemeralStorage.size", "tracingConfig.mode", "environment.variables", "loggingConfig.logGroup",
        FunctionName="a b", PackageType="Tar", Architectures=["x87"], Role="nobody", Handler="a b", Description="x" * 257,
        Timeout=901, EphemeralStorage={"Size": 1}, TracingConfig={"Mode": "On"}, Environment={"Variables": {"1": "2"}},
        LoggingConfig={"LogGroup": "?"}, Runtime="nothing-of-this-name",
    )
    violations("ValidationException", 2, lambda_.create_function, "functionName", "role", Code=ZIP, Runtime="provided.al2023")
    # One alone is told as ever, and what the call itself must be like comes after that.
    violations("ValidationException", 1, create, "timeout", Timeout=901, Runtime=None)
    refused("InvalidParameterValueException", create, Runtime=None, contains="Runtime and Handler are mandatory")
    # What is no number has no bounds yet.
    refused("InvalidRequestContentException", create, Timeout=0, MemorySize="much")


def test_all_mistakes_of_an_update_are_told():
    function, _ = create()
    active(function)
    change = lambda_.update_function_configuration
    violations("ValidationException", 2, change, "timeout", "ephemeralStorage.size",
               FunctionName=function, Timeout=0, EphemeralStorage={"Size": 10241})
    equal(lambda_.get_function_configuration(FunctionName=function)["Timeout"], 3, "nothing has changed")
    violations("ValidationException", 2, change, "memorySize", "functionName", FunctionName="a.b", MemorySize=1)
    violations("ValidationException", 1, change, "memorySize", FunctionName="nobody", MemorySize=1)
    refused("ResourceNotFoundException", change, status=404, FunctionName="nobody", MemorySize=128)
    violations("ValidationException", 2, lambda_.create_alias, "name", "functionVersion",
               FunctionName=function, Name="1", FunctionVersion="one")
    violations("ValidationException", 2, lambda_.create_function_url_config, "authType", "invokeMode",
               FunctionName=function, AuthType="SOME", InvokeMode="LATER")
    violations("ValidationException", 2, lambda_.add_permission, "statementId", "sourceAccount", FunctionName=function,
               StatementId="a b", Action="lambda:InvokeFunction", Principal="*", SourceAccount="1")
    violations("ValidationException", 2, lambda_.publish_layer_version, "description", "licenseInfo",
               LayerName=name("layer"), Content={"ZipFile": layer_zip("x")}, Description="x" * 257, LicenseInfo="x" * 513)
    lambda_.delete_function(FunctionName=function)


def test_a_name_of_a_variable_is_told_without_its_value():
    for bad in [{"a": "secret"}, {"1A": "secret"}, {"A-B": "secret"}]:
        error = refused("ValidationException", create, Environment={"Variables": bad})
        equal(told(error), "1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: Map keys "
              "must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]")


def test_names_of_functions_with_dots():
    message = told(refused("ValidationException", create, function="a.b"))
    assert message.endswith("(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?"), message
    refused("ResourceNotFoundException", lambda_.get_function, status=404, FunctionName="a.b", contains=f"Function not found: {ARN}a.b")


def test_runtimes_of_a_newer_system():
    for runtime in ["java8.al2023", "java11.al2023", "java17.al2023"]:
        function, created = create(Runtime=runtime)
        equal(created["Runtime"], runtime)
        lambda_.delete_function(FunctionName=function)
    refused("NotImplementedException", create, status=501, Runtime="custom", contains="custom")
    assert "java17.al2023, " in told(refused("InvalidParameterValueException", create, Runtime="cobol"))


def test_code_signing_configurations_that_are_not_there():
    config = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-00000000000000000"
    for call, more in [
        (lambda_.get_code_signing_config, {}),
        (lambda_.delete_code_signing_config, {}),
        (lambda_.update_code_signing_config, {"Description": "x"}),
    ]:
        refused("ResourceNotFoundException", call, status=404, CodeSigningConfigArn=config, **more,
                contains=f"The Lambda code signing configuration {config} can not be found.")
    violations("ValidationException", 1, lambda_.get_code_signing_config, "codeSigningConfigArn", CodeSigningConfigArn="x")
    status, _, body = signed("GET", "/2020-04-22/code-signing-configs/" + urllib.parse.quote(config, safe=""))
    equal((status, sorted(json.loads(body))), (404, ["Message"]), "no Type")


# As policies of functions have them
def test_statements_of_layers_have_their_keys_in_order():
    layer = name("layer")
    made = lambda_.publish_layer_version(LayerName=layer, Content={"ZipFile": layer_zip("x")})
    shown = lambda_.add_layer_version_permission(
        LayerName=layer, VersionNumber=1, StatementId="all", Action="lambda:GetLayerVersion", Principal="*", OrganizationId="o-0123456789",
    )["Statement"]
    order = ["Sid", "Effect", "Principal", "Action", "Resource", "Condition"]
    equal(list(json.loads(shown)), order)
    policy = json.loads(lambda_.get_layer_version_policy(LayerName=layer, VersionNumber=1)["Policy"])
    equal((list(policy), list(policy["Statement"][0])), (["Version", "Id", "Statement"], order))
    equal(policy["Statement"][0], {
        "Sid": "all", "Effect": "Allow", "Principal": "*", "Action": "lambda:GetLayerVersion", "Resource": made["LayerVersionArn"],
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-0123456789"}},
    })
    violations("ValidationException", 3, lambda_.add_layer_version_permission, "statementId", "action", "principal",
               LayerName=layer, VersionNumber=1, StatementId="a b", Action="lambda:*", Principal="somebody")


def test_all_mistakes_of_load_balancing_are_told():
    group = {"Name": name("tg"), "Protocol": "HTTP", "VpcId": VPC}
    each = violations("ValidationError", 2, elb.create_target_group, "port", "healthCheckIntervalSeconds",
                      **group, Port=0, HealthCheckIntervalSeconds=4)
    equal(each[0], "Value '0' at 'port' failed to satisfy constraint: Member must have value greater than or equal to 1")
    violations("ValidationError", 6, elb.create_target_group, "name", "port", "protocolVersion", "healthCheckProtocol",
               "healthyThresholdCount", "targetType", TargetType="cloud", Port=70000, ProtocolVersion="HTTP9",
               HealthCheckProtocol="FTP", HealthyThresholdCount=1)
    violations("ValidationError", 3, elb.create_load_balancer, "type", "scheme", "ipAddressType",
               Name="-", Type="heavy", Scheme="sideways", IpAddressType="ipv5")
    balancer = load_balancer()
    arn = balancer["LoadBalancerArn"]
    bad = {"Type": "fixed-response", "Order": 0, "FixedResponseConfig": {"StatusCode": "300", "MessageBody": "x" * 1025}}
    places = ["defaultActions.1.member.order", "defaultActions.1.member.fixedResponseConfig.statusCode",
              "defaultActions.1.member.fixedResponseConfig.messageBody"]
    create_listener = elb.create_listener
    violations("ValidationError", 5, create_listener, "port", "protocol", *places,
               LoadBalancerArn=arn, Port=0, Protocol="SMTP", DefaultActions=[bad])
    # Whether or not what the call is about is there.
    violations("ValidationError", 1, create_listener, "port", LoadBalancerArn=arn[:-4] + "0000", Port=0, Protocol="HTTP",
               DefaultActions=fixed("x"))
    opened = listener(balancer, 9011)
    violations("ValidationError", 5, elb.create_rule, "priority", "conditions", *[it.replace("defaultActions", "actions") for it in places],
               ListenerArn=opened["ListenerArn"], Priority=50001, Actions=[bad], Conditions=[])
    violations("ValidationError", 2, elb.modify_listener, "port", "defaultActions.1.member.type",
               ListenerArn=opened["ListenerArn"], Port=0, DefaultActions=[{"Type": "shrug"}])
    equal(elb.describe_rules(ListenerArn=opened["ListenerArn"])["Rules"][0]["IsDefault"], True, "no rule was made")
    remove(balancer)


def test_all_mistakes_of_other_services_are_told():
    violations("ValidationError", 3, sts.assume_role, "roleArn", "roleSessionName", "durationSeconds",
               RoleArn="x", RoleSessionName="s", DurationSeconds=1)
    assert told(refused("ValidationError", sts.assume_role, RoleArn=ROLE, RoleSessionName="s")).endswith(
        "Member must have length greater than or equal to 2")
    violations("ValidationException", 2, acm.list_certificates, "maxItems", "sortBy", MaxItems=0, SortBy="NAME")
    violations("InvalidParameterException", 2, logs.describe_log_streams, "orderBy", "limit",
               logGroupName=group_of_logs(), orderBy="Age", limit=51)
    refused("InvalidGroupId.Malformed", ec2.describe_security_groups, GroupIds=["foo"],
            contains='Invalid id: "foo" (expecting "sg-...")')
    refused("InvalidGroup.NotFound", ec2.describe_security_groups, GroupIds=["sg-0123456789abcdef0"])


def group_of_logs():
    group = name("logs")
    logs.create_log_group(logGroupName=group)
    return group


# Clients compare what they wrote with what they read
def test_the_order_of_an_action_round_trips():
    balancer, group = load_balancer(), target_group()
    actions = lambda order: [{**forward(group)[0], "Order": order}]
    opened = listener(balancer, 9012, actions=actions(5))
    arn = opened["ListenerArn"]
    equal(opened["DefaultActions"][0]["Order"], 5)
    equal(elb.describe_listeners(ListenerArns=[arn])["Listeners"][0]["DefaultActions"][0]["Order"], 5)
    ordered = lambda actions, order: [{**actions[0], "Order": order}]
    made = rule(opened, 1, actions=ordered(fixed("x"), 50000))
    equal(made["Actions"][0]["Order"], 50000)
    redirect = [{"Type": "redirect", "Order": 7, "RedirectConfig": {"StatusCode": "HTTP_301", "Host": "a.example"}}]
    equal(elb.modify_rule(RuleArn=made["RuleArn"], Actions=redirect)["Rules"][0]["Actions"][0]["Order"], 7)
    equal(elb.modify_listener(ListenerArn=arn, DefaultActions=fixed("x"))["Listeners"][0]["DefaultActions"][0]["Order"], 1)
    # The same again, said the same way, is the same; with another order it is another.
    again = {"LoadBalancerArn": balancer["LoadBalancerArn"], "Protocol": "HTTP", "Port": 9012}
    equal(elb.create_listener(**again, DefaultActions=fixed("x"))["Listeners"][0]["ListenerArn"], arn)
    error = refused("DuplicateListener", elb.create_listener, **again, DefaultActions=ordered(fixed("x"), 2))
    equal(told(error), f"A listener already exists on this port for this load balancer '{balancer['LoadBalancerArn']}'")
    remove(balancer)


def test_attributes_that_cannot_be_changed():
    for scheme, has, other in [("internet-facing", "false", "true"), ("internal", "true", "false")]:
        balancer = load_balancer(Scheme=scheme)
        arn = balancer["LoadBalancerArn"]
        modify = lambda key, value: elb.modify_load_balancer_attributes(
            LoadBalancerArn=arn, Attributes=[{"Key": key, "Value": value}])
        key = "ipv6.deny_all_igw_traffic"
        equal(pairs(modify(key, has))[key], has)
        refused("InvalidConfigurationRequest", lambda: modify(key, other), contains="is not supported on load balancers with IP "
                "address type 'ipv4'")
        refused("ValidationError", lambda: modify("load_balancing.cross_zone.enabled", "false"), contains="it must be `true`")
        remove(balancer)


def test_arns_of_elsewhere_cannot_be_meant():
    balancer, group = load_balancer(), target_group()
    for call, argument, arn in [
        (elb.delete_load_balancer, "LoadBalancerArn", balancer["LoadBalancerArn"]),
        (elb.delete_target_group, "TargetGroupArn", group["TargetGroupArn"]),
    ]:
        for elsewhere in [arn.replace("us-east-1", "eu-west-1"), arn.replace("000000000000", "111122223333")]:
            refused("ValidationError", call, **{argument: elsewhere}, contains=f"'{elsewhere}' is not a valid ")
        call(**{argument: arn[:-4] + "0000"})
        call(**{argument: arn})


# ALB 9.6
def test_words_of_load_balancing():
    for bad in ["a--b", "-a", "a-"]:
        error = refused("ValidationError", elb.create_target_group, Name=bad, Protocol="HTTP", Port=80, VpcId=VPC)
        equal(told(error), f"1 validation error detected: Value '{bad}' at 'targetGroup.targetGroupArn.targetGroupName' failed to "
              "satisfy constraint: Member must satisfy regular expression pattern: (?!.*--)(?!^-)(?!.*-$)^[A-Za-z0-9-]+$")
    group = target_group()
    modify = lambda **given: elb.modify_target_group_attributes(
        TargetGroupArn=group["TargetGroupArn"],
        Attributes=[{"Key": key.replace("__", "."), "Value": value} for key, value in given.items()])
    for given, code, message in [
        ({"stickiness__type": "source_ip"}, "InvalidConfigurationRequest",
         "Stickiness type 'source_ip' is not supported for target groups with the HTTP protocol"),
        ({"deregistration_delay__timeout_seconds": "3601"}, "ValidationError",
         "'deregistration_delay.timeout_seconds' value '3601' must be between '0-3600' inclusive"),
        ({"stickiness__enabled": "true", "load_balancing__cross_zone__enabled": "false"}, "InvalidConfigurationRequest",
         "'stickiness.enabled' must be false while 'load_balancing.cross_zone.enabled' is false"),
        ({"stickiness__type": "app_cookie"}, "InvalidConfigurationRequest",
         "You must set an application cookie name to enable stickiness of type 'app_cookie'"),
    ]:
        equal(told(refused(code, modify, **given)), message)
    functions = elb.create_target_group(Name=name("tg"), TargetType="lambda")["TargetGroups"][0]["TargetGroupArn"]
    for elsewhere in [f"{ARN}f".replace("us-east-1", "eu-west-1"), f"{ARN}f".replace("000000000000", "111122223333")]:
        refused("ValidationError", elb.register_targets, TargetGroupArn=functions, Targets=[{"Id": elsewhere}],
                contains=f"The function '{elsewhere}' is of another account or region")
    refused("ValidationError", elb.register_targets, TargetGroupArn=functions, Targets=[{"Id": "f"}],
            contains="'f' is not a valid function ARN")


# ALB-R-005
def test_dns_names_keep_the_case_of_the_name():
    for scheme, prefix in [("internet-facing", ""), ("internal", "internal-")]:
        made = load_balancer(Name=f"Shop-{len(prefix)}", Scheme=scheme, SecurityGroups=GROUPS, Subnets=SUBNETS)
        assert made["DNSName"].startswith(f"{prefix}Shop-{len(prefix)}-"), made["DNSName"]
        remove(made)


run(globals())
