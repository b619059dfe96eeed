"""Versions, aliases, layers and URLs of functions of the API."""

import json
import urllib.request

from aws import ask, client, equal, refused, run
from lambda_package import ARN, active, create, layer_zip, package, says, updated
from resources import elb, forward, listener, load_balancer, name, remove

lambda_ = client("lambda")


# LAM-C-010, LAM-V-001, LAM-V-002, LAM-V-003, LAM-V-004, LAM-V-005, LAM-V-006, LAM-V-007, LAM-V-008, LAM-C-024, LAM-C-027,
# LAM-C-038, LAM-C-043
def test_versions():
    function, created = create(Publish=True, Environment={"Variables": {"STAGE": "a"}})
    equal((created["Version"], created["FunctionArn"]), ("1", ARN + function))
    active(function)
    again = lambda_.publish_version(FunctionName=function)
    equal((again["ResponseMetadata"]["HTTPStatusCode"], again["Version"], again["FunctionArn"]), (201, "1", f"{ARN}{function}:1"))
    lambda_.update_function_code(FunctionName=function, ZipFile=package("two"))
    updated(function)
    refused("InvalidParameterValueException", lambda_.publish_version, FunctionName=function, CodeSha256=created["CodeSha256"],
            contains=f"CodeSHA256 ({created['CodeSha256']}) is different from current CodeSHA256 in $LATEST (")
    refused("PreconditionFailedException", lambda_.publish_version, status=412, FunctionName=function,
            RevisionId=created["RevisionId"])
    two = lambda_.publish_version(FunctionName=function, Description="second")
    equal((two["Version"], two["State"], two["LastUpdateStatus"], two["Description"]), ("2", "Active", "Successful", "second"))
    for qualifier, expected in [(None, ("two", "$LATEST")), ("1", ("one", "1")), ("2", ("two", "2"))]:
        body, executed = says(function, **({"Qualifier": qualifier} if qualifier else {}))
        equal((body["says"], executed, body["version"]), (*expected, expected[1]))
    listed = lambda_.list_versions_by_function(FunctionName=function)["Versions"]
    equal([it["FunctionArn"] for it in listed], [f"{ARN}{function}:{it}" for it in ["$LATEST", "1", "2"]])
    latest = lambda_.get_function_configuration(FunctionName=function, Qualifier="$LATEST")
    equal((latest["FunctionArn"], latest["Version"]), (f"{ARN}{function}:$LATEST", "$LATEST"))
    refused("ResourceNotFoundException", lambda_.get_function, status=404, FunctionName=function, Qualifier="9",
            contains=f"Function not found: {ARN}{function}:9")
    refused("ResourceNotFoundException", lambda_.invoke, status=404, FunctionName=function, Qualifier="9",
            contains=f"Function not found: {ARN}{function}:9")
    refused("InvalidParameterValueException", lambda_.get_function, FunctionName=function + ":1", Qualifier="2",
            contains="The derived qualifier from the function name does not match the specified qualifier.")
    lambda_.delete_function(FunctionName=function, Qualifier="2")
    lambda_.update_function_configuration(FunctionName=function, Timeout=5)
    updated(function)
    equal(lambda_.publish_version(FunctionName=function)["Version"], "3")
    refused("InvalidParameterValueException", lambda_.delete_function, FunctionName=function, Qualifier="$LATEST",
            contains="$LATEST version cannot be deleted without deleting the function.")
    refused("InvalidParameterValueException", lambda_.delete_function, FunctionName=function, Qualifier="live",
            contains="Deletion of aliases is not currently supported.")
    lambda_.delete_function(FunctionName=function)
    refused("ResourceNotFoundException", lambda_.get_function, status=404, FunctionName=function, Qualifier="1")


def two_versions():
    function, _ = create(Publish=True)
    active(function)
    lambda_.update_function_code(FunctionName=function, ZipFile=package("two"), Publish=True)
    updated(function)
    return function


# LAM-V-009, LAM-V-010, LAM-V-011, LAM-V-013, LAM-V-014, LAM-V-015, LAM-V-016, LAM-V-017, LAM-V-018, LAM-V-019,
# LAM-V-012, LAM-V-020, LAM-V-021, LAM-C-025
def test_aliases():
    function = two_versions()
    alias = {"FunctionName": function, "Name": "live"}
    made = lambda_.create_alias(FunctionVersion="1", **alias)
    equal((made["AliasArn"], made["Description"], "RoutingConfig" in made), (f"{ARN}{function}:live", "", False))
    refused("ResourceConflictException", lambda_.create_alias, status=409, FunctionVersion="1",
            contains=f"Alias already exists: {ARN}{function}:live", **alias)
    body, executed = says(function, Qualifier="live")
    equal((body["says"], executed, body["invoked"]), ("one", "1", f"{ARN}{function}:live"))
    shown = lambda_.get_function_configuration(FunctionName=function, Qualifier="live")
    equal((shown["FunctionArn"], shown["Version"]), (f"{ARN}{function}:live", "1"))
    weights = lambda **weights: {"AdditionalVersionWeights": {key[1:]: value for key, value in weights.items()}}
    for weight, expected in [(1.0, "2"), (0.0, "1")]:
        changed = lambda_.update_alias(RoutingConfig=weights(_2=weight), **alias)
        equal(changed["RoutingConfig"], weights(_2=weight))
        equal({says(function + ":live")[1] for _ in range(8)}, {expected})
    lambda_.update_alias(RoutingConfig=weights(_2=0.5), **alias)
    executed = {says(function + ":live")[1] for _ in range(40)}
    equal(executed, {"1", "2"})
    assert "RoutingConfig" not in lambda_.update_alias(RoutingConfig={}, **alias)
    for routing, code, contains in [
        (weights(_1=0.5, _2=0.5), "InvalidParameterValueException", "AdditionalVersionWeights cannot be greater than 1"),
        (weights(_1=0.5), "InvalidParameterValueException", "Invalid function version 1. Function version 1 is already"),
        (weights(_2=2.0), "ValidationException", "Value '{2=2.0}' at 'routingConfig.additionalVersionWeights'"),
    ]:
        refused(code, lambda_.update_alias, RoutingConfig=routing, contains=contains, **alias)
    refused("InvalidParameterValueException", lambda_.create_alias, FunctionName=function, Name="newest",
            FunctionVersion="$LATEST", RoutingConfig=weights(_2=0.5), contains="$LATEST is not supported for an alias")
    newest = {"FunctionName": function, "Name": "newest"}
    equal(lambda_.create_alias(FunctionVersion="$LATEST", **newest)["FunctionVersion"], "$LATEST")
    error = refused("InvalidParameterValueException", lambda_.update_alias, RoutingConfig=weights(_2=0.5),
                    contains="$LATEST is not supported for an alias pointing to more than 1 version", **newest)
    assert "Type" not in error.response, error.response
    lambda_.delete_alias(**newest)
    refused("ValidationException", lambda_.create_alias, FunctionName=function, Name="12", FunctionVersion="1")
    missing = f"Alias not found: {ARN}{function}:none"
    refused("ResourceNotFoundException", lambda_.update_alias, status=404, FunctionName=function, Name="none", contains=missing)
    for owner in [function, "nobody"]:
        refused("ResourceNotFoundException", lambda_.get_alias, status=404, FunctionName=owner, Name="none",
                contains=f"Cannot find alias arn: {ARN}{owner}:none")
    refused("ResourceConflictException", lambda_.delete_function, status=409, FunctionName=function, Qualifier="1")
    equal([it["Name"] for it in lambda_.list_aliases(FunctionName=function)["Aliases"]], ["live"])
    for _ in range(2):
        lambda_.delete_alias(**alias)
    refused("ResourceNotFoundException", lambda_.invoke, status=404, FunctionName=function, Qualifier="live")
    lambda_.delete_function(FunctionName=function)


# LAM-P-007: an alias has a policy of its own, and a load balancer needs it. ALB-L-004: it can be a target
def test_an_alias_is_a_target():
    function = two_versions()
    alias = lambda_.create_alias(FunctionName=function, Name="live", FunctionVersion="1")["AliasArn"]
    group = elb.create_target_group(Name=name("tg"), TargetType="lambda")["TargetGroups"][0]["TargetGroupArn"]
    balancer = load_balancer()
    listener(balancer, 9002, forward({"TargetGroupArn": group}))
    grant = {"FunctionName": function, "StatementId": "lb", "Action": "lambda:InvokeFunction",
             "Principal": "elasticloadbalancing.amazonaws.com", "SourceArn": group}
    lambda_.add_permission(**grant)
    refused("AccessDenied", elb.register_targets, status=403, TargetGroupArn=group, Targets=[{"Id": alias}])
    lambda_.add_permission(Qualifier="live", **grant)
    equal(json.loads(lambda_.get_policy(FunctionName=function, Qualifier="live")["Policy"])["Statement"][0]["Resource"], alias)
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": alias}])
    equal(json.loads(ask(9002)[2])["says"], "one")
    lambda_.update_alias(FunctionName=function, Name="live", FunctionVersion="2")
    equal(json.loads(ask(9002)[2])["says"], "two")
    remove(balancer)
    elb.delete_target_group(TargetGroupArn=group)
    lambda_.delete_function(FunctionName=function)
    refused("ResourceNotFoundException", lambda_.get_policy, status=404, FunctionName=function, Qualifier="live")


# LAM-L-001, LAM-L-003, LAM-L-004, LAM-L-005, LAM-L-006, LAM-L-007, LAM-L-008, LAM-L-009, LAM-L-010, LAM-L-011
def test_layers():
    layer = name("layer")
    publish = lambda text: lambda_.publish_layer_version(LayerName=layer, Content={"ZipFile": layer_zip(text)},
                                                         CompatibleRuntimes=["provided.al2023"])
    one, same = publish("here"), publish("here")
    equal((one["Version"], same["Version"], one["Description"]), (1, 2, ""))
    equal(urllib.request.urlopen(one["Content"]["Location"]).read(), layer_zip("here"))
    arn = one["LayerVersionArn"]
    for layers, contains in [
        ([f"{arn[:-1]}{n}" for n in range(1, 7)], "Cannot reference more than 5 layers."),
        ([arn, same["LayerVersionArn"]], "Two different versions of the same layer are not allowed"),
        ([arn.replace("us-east-1", "eu-west-1")], "Layers are expected to be in region us-east-1."),
        ([arn[:-1] + "9"], f"Layer version {arn[:-1]}9 does not exist."),
    ]:
        refused("InvalidParameterValueException", create, Layers=layers, contains=contains)
    function, created = create(Layers=[arn])
    equal([it["Arn"] for it in created["Layers"]], [arn])
    active(function)
    equal(says(function)[0]["layer"], "here")
    versions = lambda_.list_layer_versions(LayerName=layer)["LayerVersions"]
    equal([it["Version"] for it in versions], [2, 1])
    equal(lambda_.list_layer_versions(LayerName="none")["LayerVersions"], [])
    equal(lambda_.get_layer_version_by_arn(Arn=arn)["LayerVersionArn"], arn)
    listed = [it for it in lambda_.list_layers()["Layers"] if it["LayerName"] == layer]
    equal([it["LatestMatchingVersion"]["Version"] for it in listed], [2])
    policy = {"LayerName": layer, "VersionNumber": 1}
    refused("ResourceNotFoundException", lambda_.get_layer_version_policy, status=404,
            contains="No policy is associated with the given resource.", **policy)
    statement = {"StatementId": "all", "Action": "lambda:GetLayerVersion", "Principal": "*"}
    equal(lambda_.add_layer_version_permission(**policy, **statement)["ResponseMetadata"]["HTTPStatusCode"], 201)
    refused("ResourceConflictException", lambda_.add_layer_version_permission, status=409, **policy, **statement)
    lambda_.remove_layer_version_permission(StatementId="all", **policy)
    for _ in range(2):
        lambda_.delete_layer_version(LayerName=layer, VersionNumber=2)
        lambda_.delete_layer_version(LayerName=layer, VersionNumber=1)
    refused("ResourceNotFoundException", lambda_.get_layer_version, status=404, LayerName=layer, VersionNumber=1)
    equal(publish("more")["Version"], 3)
    # It goes on with what it has.
    lambda_.update_function_configuration(FunctionName=function, Environment={"Variables": {"STAGE": "x"}})
    updated(function)
    body = says(function)[0]
    equal((body["layer"], body["stage"]), ("here", "x"))
    lambda_.delete_layer_version(LayerName=layer, VersionNumber=3)
    lambda_.delete_function(FunctionName=function)


def test_urls():
    function = two_versions()
    lambda_.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    url = {"FunctionName": function, "Qualifier": "live"}
    refused("ResourceNotFoundException", lambda_.get_function_url_config, status=404, **url)
    refused("ResourceNotFoundException", lambda_.create_function_url_config, status=404, FunctionName="nobody",
            AuthType="NONE", contains="Function does not exist")
    made = lambda_.create_function_url_config(AuthType="NONE", Cors={"AllowOrigins": ["*"]}, **url)
    equal((made["FunctionArn"], made["AuthType"], made["Cors"]), (f"{ARN}{function}:live", "NONE", {"AllowOrigins": ["*"]}))
    refused("ResourceConflictException", lambda_.create_function_url_config, status=409, AuthType="NONE",
            contains="Error message:  FunctionUrlConfig exists for this Lambda function", **url)
    changed = lambda_.update_function_url_config(InvokeMode="RESPONSE_STREAM", **url)
    equal((changed["InvokeMode"], changed["FunctionUrl"]), ("RESPONSE_STREAM", made["FunctionUrl"]))
    equal(len(lambda_.list_function_url_configs(FunctionName=function)["FunctionUrlConfigs"]), 1)
    refused("ValidationException", lambda_.create_function_url_config, FunctionName=function, Qualifier="1", AuthType="NONE")
    lambda_.delete_function_url_config(**url)
    refused("ResourceNotFoundException", lambda_.delete_function_url_config, status=404, **url)
    lambda_.delete_function(FunctionName=function)


run(globals())
