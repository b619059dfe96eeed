"""Functions of the API: made, read, listed, updated, invoked, deleted."""

import base64
import hashlib
import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials
from aws import BOUND, ENDPOINT, REGION, client, equal, refused, run
from lambda_package import ARN, ROLE, active, create, package, says, updated

lambda_ = client("lambda")


# LAM-C-001, LAM-C-002, LAM-C-003, LAM-C-004, LAM-C-005, LAM-C-006, LAM-C-021, LAM-C-022, LAM-C-023, LAM-C-047, LAM-W-004
def test_a_function_is_made():
    function, created = create()
    equal(created["ResponseMetadata"]["HTTPStatusCode"], 201)
    equal(created["State"], "Pending")
    equal((created["StateReasonCode"], created["StateReason"]), ("Creating", "The function is being created."))
    assert "LastUpdateStatus" not in created, created
    active(function)
    got = lambda_.get_function(FunctionName=function)
    shown = got["Configuration"]
    equal((shown["State"], shown["LastUpdateStatus"]), ("Active", "Successful"))
    assert "StateReason" not in shown, shown
    assert shown["RevisionId"] != created["RevisionId"]
    equal((shown["Timeout"], shown["MemorySize"], shown["EphemeralStorage"], shown["Architectures"], shown["PackageType"]),
          (3, 128, {"Size": 512}, ["x86_64"], "Zip"))
    equal((shown["Description"], shown["FunctionArn"], shown["Version"], shown["Role"]), ("", ARN + function, "$LATEST", ROLE))
    equal(shown["LoggingConfig"], {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{function}"})
    equal((shown["TracingConfig"], shown["SnapStart"]),
          ({"Mode": "PassThrough"}, {"ApplyOn": "None", "OptimizationStatus": "Off"}))
    zipped = package("one")
    equal((shown["CodeSize"], shown["CodeSha256"]), (len(zipped), base64.b64encode(hashlib.sha256(zipped).digest()).decode()))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", shown["LastModified"]), shown["LastModified"]
    for absent in ["Environment", "Layers", "VpcConfig", "DeadLetterConfig"]:
        assert absent not in shown, shown
    assert "Tags" not in got and "Concurrency" not in got, got
    body, version = says(function)
    equal((body["says"], body["version"], version, body["invoked"]), ("one", "$LATEST", "$LATEST", ARN + function))
    lambda_.delete_function(FunctionName=function)


# LAM-C-029: the link leads to the package, and to nobody who was not given it
def test_the_package_can_be_downloaded():
    function, _ = create()
    code = lambda_.get_function(FunctionName=function)["Code"]
    equal(code["RepositoryType"], "S3")
    equal(urllib.request.urlopen(code["Location"]).read(), package("one"))
    try:
        urllib.request.urlopen(code["Location"].rpartition("&")[0])
        raise AssertionError("without a signature")
    except urllib.error.HTTPError as error:
        equal(error.code, 403)
    lambda_.delete_function(FunctionName=function)


# LAM-C-009, LAM-C-011, LAM-C-012, LAM-C-014, LAM-C-017, LAM-C-018, LAM-C-026, LAM-C-037, LAM-C-044, LAM-W-001,
# LAM-W-002, LAM-W-003
def test_mistakes_are_named():
    function, _ = create()
    refused("ResourceConflictException", create, status=409, contains=f"Function already exist: {function}", function=function)
    refused("InvalidParameterValueException", create, function="x" * 65,
            contains="at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64")
    refused("ValidationException", create, function=ARN + "x" * 140, contains="1 validation error detected: Value")
    more = [
        ({"Runtime": "cobol1"}, "InvalidParameterValueException", "Value cobol1 at 'runtime' failed to satisfy constraint"),
        ({"Handler": None}, "InvalidParameterValueException", "Runtime and Handler are mandatory parameters"),
        ({"Code": {"ZipFile": b"no zip"}}, "InvalidParameterValueException", "Could not unzip uploaded file."),
        ({"Code": {"S3Bucket": "b", "S3Key": "k"}}, "InvalidParameterValueException", "S3 Error Code: NoSuchBucket"),
        ({"Code": {"ImageUri": "i"}, "PackageType": "Image"}, "NotImplementedException", "images"),
        ({"VpcConfig": {"SubnetIds": ["subnet-1"]}}, "InvalidParameterValueException", "SubnetIds and SecurityIds must coexist"),
        ({"Timeout": 0}, "ValidationException", "Value '0' at 'timeout'"),
        ({"MemorySize": 10241}, "ValidationException", "have value less than or equal to 10240"),
        ({"Architectures": ["X86"]}, "ValidationException", "Value '[X86]' at 'architectures'"),
        ({"Role": "me"}, "ValidationException", "at 'role'"),
        ({"Role": ROLE + "-missing"}, "InvalidParameterValueException",
         "The role defined for the function cannot be assumed by Lambda."),
        ({"Environment": {"Variables": {"AWS_REGION": "x", "AWS_SESSION_TOKEN": "y"}}}, "InvalidParameterValueException",
         "Reserved keys used in this request: AWS_REGION, AWS_SESSION_TOKEN"),
        ({"Environment": {"Variables": {"BIG": "x" * 4096}}}, "InvalidParameterValueException", 'String measured: {"BIG":"x'),
        ({"LoggingConfig": {"LogFormat": "XML"}}, "ValidationException", "loggingConfig.logFormat"),
    ]
    for change, code, contains in more:
        change = dict(change)
        status = 501 if code.startswith("NotImplemented") else 400
        refused(code, create, status=status, contains=contains, **change)
    lambda_.delete_function(FunctionName=function)
    for call in [lambda_.get_function, lambda_.delete_function, lambda_.update_function_configuration]:
        refused("ResourceNotFoundException", call, status=404, contains=f"Function not found: {ARN}{function}",
                FunctionName=function)
    there = "arn:aws:lambda:eu-west-1:000000000000:function:f"
    refused("ResourceNotFoundException", lambda_.get_function, status=404, FunctionName=there,
            contains="Functions from 'eu-west-1' are not reachable in this region ('us-east-1')")


# LAM-C-007, LAM-C-008, LAM-C-019, LAM-C-020, LAM-C-030, LAM-C-031, LAM-C-033
def test_a_configuration_is_changed():
    function, _ = create(Environment={"Variables": {"STAGE": "a", "MORE": "b"}}, LoggingConfig={"LogFormat": "JSON"})
    active(function)
    shown = lambda_.get_function_configuration(FunctionName=function)
    equal((shown["LoggingConfig"]["ApplicationLogLevel"], shown["LoggingConfig"]["SystemLogLevel"]), ("INFO", "INFO"))
    equal(says(function)[0]["stage"], "a")
    stale = "00000000-0000-4000-8000-000000000000"
    refused("PreconditionFailedException", lambda_.update_function_configuration, status=412, FunctionName=function,
            RevisionId=stale, contains="GetFunction/GetAlias")
    changed = lambda_.update_function_configuration(
        FunctionName=function, Timeout=9, MemorySize=256, Description="d", Environment={"Variables": {"STAGE": "c"}},
        LoggingConfig={"LogFormat": "Text"}, EphemeralStorage={"Size": 1024}, TracingConfig={"Mode": "Active"},
        RevisionId=shown["RevisionId"],
    )
    equal((changed["State"], changed["LastUpdateStatus"], changed["LastUpdateStatusReasonCode"]),
          ("Active", "InProgress", "Creating"))
    updated(function)
    shown = lambda_.get_function_configuration(FunctionName=function)
    equal((shown["Timeout"], shown["MemorySize"], shown["Description"], shown["EphemeralStorage"], shown["TracingConfig"]),
          (9, 256, "d", {"Size": 1024}, {"Mode": "Active"}))
    equal(shown["Environment"], {"Variables": {"STAGE": "c"}})
    assert "ApplicationLogLevel" not in shown["LoggingConfig"], shown
    equal(says(function)[0]["stage"], "c")
    again = lambda_.update_function_configuration(FunctionName=function, Environment={"Variables": {}})
    equal((again["LastUpdateStatus"], again.get("Environment")), ("InProgress", None))
    assert again["RevisionId"] != shown["RevisionId"]
    empty, created = create(Environment={"Variables": {}})
    equal(created["Environment"], {"Variables": {}})
    lambda_.delete_function(FunctionName=empty)
    lambda_.delete_function(FunctionName=function)


# LAM-C-013: what AWS has not any more
def test_blocked_runtimes_are_refused():
    for runtime in ["nodejs14.x", "python3.7", "go1.x", "java8", "provided"]:
        text = f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions."
        refused("InvalidParameterValueException", create, Runtime=runtime, contains=text)


# LAM-C-016
def test_a_package_is_at_most_50_megabytes():
    large = bytes(52428801)
    refused("RequestEntityTooLargeException", create, status=413, Code={"ZipFile": large},
            contains="Zipped size must be smaller than 52428800 bytes")
    function, _ = create()
    active(function)
    refused("RequestEntityTooLargeException", lambda_.update_function_code, status=413, FunctionName=function, ZipFile=large,
            contains="Zipped size must be smaller than 52428800 bytes")
    lambda_.delete_function(FunctionName=function)


def raw(method, path, body=b"", **headers):
    """Status, error type and body of a call that no SDK would make."""
    request = botocore.awsrequest.AWSRequest(method, f"http://{ENDPOINT}{path}", data=body, headers=headers)
    botocore.auth.SigV4Auth(botocore.credentials.Credentials("test", "test-secret"), "lambda", REGION).add_auth(request)
    connection = http.client.HTTPConnection(ENDPOINT, timeout=BOUND)
    connection.request(method, path, body, dict(request.headers))
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.getheader("x-amzn-errortype"), body


# LAM-C-036, LAM-C-045, LAM-W-012, LAM-W-013
def test_a_function_has_several_names():
    function, _ = create()
    active(function)
    partial = f"000000000000:function:{function}"
    for named in [function, partial, ARN + function, urllib.parse.quote(ARN + function, safe="")]:
        status, _, body = raw("GET", f"/2015-03-31/functions/{named}/configuration")
        equal((status, json.loads(body)["FunctionArn"]), (200, ARN + function), named)
    equal(lambda_.get_function(FunctionName=partial)["Configuration"]["FunctionName"], function)
    long = ARN + "a" * (141 - len(ARN))
    refused("ValidationException", create, function=long, contains="Member must have length less than or equal to 140")
    body = json.dumps({"Timeout": 7, "Unheard": {"of": [1]}}).encode()
    status, _, body = raw("PUT", f"/2015-03-31/functions/{function}/configuration", body)
    equal((status, json.loads(body)["Timeout"]), (200, 7))
    updated(function)
    permission = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "Unheard": "of"}
    status, _, _ = raw("POST", f"/2015-03-31/functions/{function}/policy", json.dumps(permission).encode())
    equal(status, 201)
    equal(raw("DELETE", f"/2015-03-31/functions/{function}"), (204, None, b""))


def test_what_is_not_built_is_named():
    status, kind, body = raw("GET", "/2015-03-31/event-source-mappings/a")
    equal((status, kind), (501, "NotImplementedException"))
    equal(json.loads(body)["message"], "The operation GetEventSourceMapping of lambda is not built: there are no event sources")
    status, kind, body = raw("PATCH", "/2015-03-31/functions/a")
    equal((status, kind), (404, "UnknownOperationException"))
    equal(json.loads(body)["Message"], "Lambda has no operation PATCH /2015-03-31/functions/a")
    equal(lambda_.list_code_signing_configs()["CodeSigningConfigs"], [])
    dead = {"TargetArn": "arn:aws:sqs:us-east-1:000000000000:dead"}
    refused("NotImplementedException", create, status=501, DeadLetterConfig=dead, contains="DeadLetterConfig is not built")
    refused("NotImplementedException", create, status=501, DeadLetterConfig=dead, contains="that is a bucket of S3 (arn:aws:s3:::name)")
    status, kind, _ = raw("POST", "/2015-03-31/functions/hello/invocations", b"{}", **{"X-Amz-Tenant-Id": "a"})
    equal((status, kind), (400, "InvalidParameterValueException"))
    # Nobody knows the secret here; chunks must be well-formed all the same.
    chunks = {"X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Trailer": "x-amz-checksum-crc32",
              "X-Amz-Decoded-Content-Length": "2"}
    invocation = "/2015-03-31/functions/hello/invocations"
    status, kind, _ = raw("POST", invocation, b"2\r\n{}\r\n0\r\nx-amz-checksum-crc32:o6a/Qw==\r\n\r\n", **chunks)
    equal((status, kind), (200, None))
    status, kind, _ = raw("POST", invocation, b"2\r\n{}\r\n0\r\n\r\n", **chunks)
    equal((status, kind), (400, "IncompleteBodyException"))
    chunks["X-Amz-Content-SHA256"] = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
    status, kind, body = raw("POST", invocation, b"2\r\n{}\r\n0\r\n\r\n", **chunks)
    equal((status, kind), (501, "NotImplementedException"))
    assert b"STREAMING-" in body, body
    # Services that there are not are named with the operation, in both protocols.
    refused("NotImplemented", client("sns").list_topics, status=501, contains="(sns, operation ListTopics)")
    refused("NotImplementedException", client("dynamodb").list_tables, status=501,
            contains="(dynamodb, operation DynamoDB_20120810.ListTables)")


# LAM-C-034
def test_code_is_changed():
    function, created = create()
    active(function)
    before = lambda_.get_function_configuration(FunctionName=function)
    two = package("two")
    dry = lambda_.update_function_code(FunctionName=function, ZipFile=two, DryRun=True)
    equal((dry["CodeSize"], dry["RevisionId"]), (len(two), before["RevisionId"]))
    after = lambda_.get_function_configuration(FunctionName=function)
    equal((after["CodeSha256"], after["RevisionId"]), (before["CodeSha256"], before["RevisionId"]))
    equal(says(function)[0]["says"], "one")
    refused("InvalidParameterValueException", lambda_.update_function_code, FunctionName=function, ZipFile=b"PK\x05\x06",
            contains="Could not unzip uploaded file.")
    refused("InvalidParameterValueException", lambda_.update_function_code, FunctionName=function, ImageUri="x",
            contains="Please don't provide ImageUri when updating a function with packageType Zip.")
    changed = lambda_.update_function_code(FunctionName=function, ZipFile=two)
    equal(changed["CodeSize"], len(two))
    assert changed["CodeSha256"] != created["CodeSha256"]
    updated(function)
    equal(says(function)[0]["says"], "two")
    lambda_.delete_function(FunctionName=function)


# LAM-C-040, LAM-C-041, LAM-C-042
def test_functions_are_listed():
    names = sorted(create(Publish=True)[0] for _ in range(3))
    found = []
    for page in lambda_.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}):
        assert len(page["Functions"]) <= 2
        found += page["Functions"]
    mine = [it for it in found if it["FunctionName"] in names]
    equal([it["FunctionArn"] for it in mine], [ARN + it for it in names])
    assert all("State" not in it and "LastUpdateStatus" not in it for it in found), found
    # Those of the manifest stand there too.
    assert any(it["FunctionName"] == "hello" for it in found), found
    every = lambda_.list_functions(FunctionVersion="ALL", MaxItems=50)["Functions"]
    arns = [it["FunctionArn"] for it in every if it["FunctionName"] == names[0]]
    equal(arns, [f"{ARN}{names[0]}:$LATEST", f"{ARN}{names[0]}:1"])
    for function in names:
        lambda_.delete_function(FunctionName=function)


# LAM-W-005, LAM-W-006, LAM-W-007, LAM-W-008, LAM-W-009, LAM-W-010, LAM-W-011, LAM-C-028, LAM-N-002, LAM-N-003, LAM-N-004
def test_the_small_ones():
    before = lambda_.get_account_settings()
    function, created = create(Tags={"a": "1"})
    active(function)
    after = lambda_.get_account_settings()
    equal(after["AccountUsage"]["TotalCodeSize"] - before["AccountUsage"]["TotalCodeSize"], created["CodeSize"])
    equal(after["AccountUsage"]["FunctionCount"] - before["AccountUsage"]["FunctionCount"], 1)
    # Of each version, and of layers.
    lambda_.publish_version(FunctionName=function)
    layer = lambda_.publish_layer_version(LayerName="counted", Content={"ZipFile": package("layer")})
    used = lambda_.get_account_settings()["AccountUsage"]
    added = 2 * created["CodeSize"] + layer["Content"]["CodeSize"]
    equal(used["TotalCodeSize"] - before["AccountUsage"]["TotalCodeSize"], added)
    lambda_.delete_layer_version(LayerName="counted", VersionNumber=layer["Version"])
    arn = ARN + function
    lambda_.tag_resource(Resource=arn, Tags={"b": "2"})
    lambda_.untag_resource(Resource=arn, TagKeys=["a", "none"])
    equal(lambda_.list_tags(Resource=arn)["Tags"], {"b": "2"})
    equal(lambda_.get_function(FunctionName=function)["Tags"], {"b": "2"})
    refused("InvalidParameterValueException", lambda_.tag_resource, Resource=arn + ":1", Tags={"x": "y"},
            contains="Tags on function aliases and versions are not supported.")
    refused("InvalidParameterValueException", lambda_.tag_resource, Resource=arn, Tags={f"k{n}": "" for n in range(51)},
            contains="Number of tags exceeds resource tag limit.")
    equal(lambda_.get_function_concurrency(FunctionName=function).get("ReservedConcurrentExecutions"), None)
    refused("InvalidParameterValueException", lambda_.put_function_concurrency, FunctionName=function,
            ReservedConcurrentExecutions=901, contains="below its minimum value of [100]")
    refused("InvalidParameterValueException", lambda_.put_function_concurrency, FunctionName=function + ":x",
            ReservedConcurrentExecutions=1, contains="This operation is permitted on Lambda functions only.")
    lambda_.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    equal(lambda_.get_function(FunctionName=function)["Concurrency"], {"ReservedConcurrentExecutions": 0})
    refused("TooManyRequestsException", lambda_.invoke, status=429, FunctionName=function, contains="Rate Exceeded.")
    unreserved = lambda: lambda_.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    lambda_.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=7)
    seven = unreserved()
    lambda_.delete_function_concurrency(FunctionName=function)
    equal(unreserved() - seven, 7)
    equal(says(function)[0]["says"], "one")
    equal(lambda_.get_function_recursion_config(FunctionName=function)["RecursiveLoop"], "Terminate")
    lambda_.put_function_recursion_config(FunctionName=function, RecursiveLoop="Allow")
    equal(lambda_.get_function_recursion_config(FunctionName=function)["RecursiveLoop"], "Allow")
    equal(lambda_.get_runtime_management_config(FunctionName=function)["UpdateRuntimeOn"], "Auto")
    equal("CodeSigningConfigArn" in lambda_.get_function_code_signing_config(FunctionName=function), False)
    equal(lambda_.delete_function_code_signing_config(FunctionName=function)["ResponseMetadata"]["HTTPStatusCode"], 204)
    config = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-00000000000000000"
    refused("CodeSigningConfigNotFoundException", lambda_.put_function_code_signing_config, status=404,
            FunctionName="nobody", CodeSigningConfigArn=config, contains="The code signing configuration cannot be found.")
    equal(lambda_.list_event_source_mappings()["EventSourceMappings"], [])
    lambda_.delete_function(FunctionName=function)


def test_functions_of_the_manifest_are_left_alone():
    shown = lambda_.get_function(FunctionName="hello")["Configuration"]
    equal((shown["FunctionName"], shown["State"]), ("hello", "Active"))
    for call in [
        lambda: lambda_.delete_function(FunctionName="hello"),
        lambda: lambda_.update_function_code(FunctionName="hello", ZipFile=package("x")),
        lambda: lambda_.put_function_concurrency(FunctionName="hello", ReservedConcurrentExecutions=1),
        lambda: lambda_.publish_version(FunctionName="hello"),
        lambda: lambda_.tag_resource(Resource=ARN + "hello", Tags={"a": "b"}),
    ]:
        refused("InvalidParameterValueException", call, contains="belongs to the manifest")


run(globals())
