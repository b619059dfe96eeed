"""Functions call AWS's APIs from inside of their environments, as their roles, with an SDK that is told nothing.

The second half is hostile: other credentials than its own open no door, and its own open no other one.
"""

import http.client
import io
import json
import os
import urllib.parse
import zipfile

import boto3
import botocore
import dateutil
import jmespath
import s3transfer
import six
import urllib3
from aws import ENDPOINT, client, equal, refused, run, until
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCOUNT = "000000000000"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}})
# What the SDK knows of services that no function here calls.
DATA = ("endpoints.json", "partitions.json", "sdk-default-configuration.json", "_retry.json", "lambda", "sts", "logs", "iam")
# Does what it is told, with whatever it is told to use.
HANDLER = """
import json, os, traceback
def handler(event, context):
    names = {"event": event, "context": context}
    if "python" not in event:
        return event["requestContext"]["authorizer"]
    try:
        exec(event["python"], names)
        return {"found": json.loads(json.dumps(names.get("found"), default=str))}
    except Exception as error:
        response = getattr(error, "response", None) or {}
        return {"error": response.get("Error", {}).get("Code") or type(error).__name__, "message": str(error)}
"""

iam, lambda_ = client("iam"), client("lambda")


def package():
    """The handler, and the SDK as it is installed here."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        # Not one that nobody else may read, which is what a text gets.
        entry = zipfile.ZipInfo("app.py", (2026, 1, 1, 0, 0, 0))
        entry.external_attr = 0o100644 << 16
        zipped.writestr(entry, HANDLER)
        zipped.write(six.__file__, "six.py")
        for module in (boto3, botocore, dateutil, jmespath, s3transfer, urllib3):
            top = os.path.dirname(module.__file__)
            for folder, _, files in os.walk(top):
                inside = os.path.relpath(folder, os.path.dirname(top))
                parts = inside.split(os.sep)
                if module is botocore and parts[1:2] == ["data"] and len(parts) > 2 and parts[2] not in DATA:
                    continue
                for file in files:
                    if not file.endswith(".pyc"):
                        zipped.write(os.path.join(folder, file), os.path.join(inside, file))
    return archive.getvalue()


PACKAGE = package()


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in statements]})


def role(name, *statements):
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(*statements))
    return arn


def function(name, role_arn, **more):
    made = lambda_.create_function(FunctionName=name, Role=role_arn, Runtime="python3.12", Handler="app.handler",
        Code={"ZipFile": PACKAGE}, Timeout=60, MemorySize=1769, **more)
    lambda_.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return made["FunctionArn"]


def ask(name, python, **event):
    answer = lambda_.invoke(FunctionName=name, Payload=json.dumps({"python": python, **event}))
    assert "FunctionError" not in answer, answer["Payload"].read()
    return json.load(answer["Payload"])


def found(name, python, **event):
    answer = ask(name, python, **event)
    assert "found" in answer, answer
    return answer["found"]


def fails(code, name, python, **event):
    answer = ask(name, python, **event)
    equal(answer.get("error"), code, f"{answer}")
    return answer["message"]


IDENTITY = "import boto3; found = boto3.client('sts').get_caller_identity()['Arn']"
KEYS = """import os
found = [os.environ[name] for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN')]"""
WITH_KEYS = """import boto3
key, secret, token = event["keys"]
found = boto3.client('sts', aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token).get_caller_identity()['Arn']"""
RAW = """import os, http.client, urllib.parse
door = urllib.parse.urlparse(os.environ['AWS_ENDPOINT_URL'])
line = http.client.HTTPConnection(door.hostname, door.port, timeout=30)
line.request(event["method"], event["path"], event.get("body", ""), event.get("headers", {}))
found = line.getresponse().status"""

CALLED = function("door-called", role("door-nothing"))
CALLER = function("door-caller", role("door-may-invoke",
    ("lambda:InvokeFunction", CALLED), ("logs:DescribeLogGroups", "*"), ("sts:AssumeRole", "*")))


# LAM-E-015: the credentials are those of the role
def test_a_function_is_its_role():
    equal(found("door-caller", IDENTITY), f"arn:aws:sts::{ACCOUNT}:assumed-role/door-may-invoke/door-caller")
    equal(found("door-called", IDENTITY), f"arn:aws:sts::{ACCOUNT}:assumed-role/door-nothing/door-called")


def test_a_function_invokes_another_one_if_its_role_may():
    invoke = """import boto3, json
answer = boto3.client('lambda').invoke(FunctionName='door-called', Payload=json.dumps({"python": "found = 6 * 7"}))
found = json.load(answer['Payload'])"""
    equal(found("door-caller", invoke), {"found": 42})
    message = fails("AccessDeniedException", "door-called", invoke.replace("door-called", "door-caller"))
    assert "assumed-role/door-nothing/door-called is not authorized to perform: lambda:InvokeFunction" in message, message
    fails("AccessDeniedException", "door-caller", "import boto3; boto3.client('lambda').list_functions()")


# LAM-P-015: a role is judged by the policy of what it names, too
def test_a_function_invokes_what_the_policy_of_that_lets_its_role():
    version = lambda_.publish_version(FunctionName="door-caller")["Version"]
    lambda_.create_alias(FunctionName="door-caller", Name="live", FunctionVersion=version)
    invoke = """import boto3, json
answer = boto3.client('lambda').invoke(FunctionName=event["to"], Payload=json.dumps({"python": "found = 6 * 7"}))
found = json.load(answer['Payload'])"""
    names = {None: "door-caller", "live": "door-caller:live", version: f"door-caller:{version}"}
    for qualifier in [None, "live"]:
        more = {"FunctionName": "door-caller", "StatementId": "door", **({"Qualifier": qualifier} if qualifier else {})}
        lambda_.add_permission(Action="lambda:InvokeFunction", Principal=f"arn:aws:iam::{ACCOUNT}:role/door-nothing", **more)
        for other, name in names.items():
            if other == qualifier:
                equal(found("door-called", invoke, to=name), {"found": 42})
            else:
                fails("AccessDeniedException", "door-called", invoke, to=name)
        lambda_.remove_permission(**more)
    lambda_.delete_alias(FunctionName="door-caller", Name="live")
    assert isinstance(found("door-caller", "import boto3; found = boto3.client('logs').describe_log_groups()['logGroups']"), list)


def test_what_a_role_may_is_asked_for_every_call():
    listing = "import boto3; found = len(boto3.client('lambda').list_functions()['Functions'])"
    fails("AccessDeniedException", "door-called", listing)
    iam.put_role_policy(RoleName="door-nothing", PolicyName="more", PolicyDocument=policy(("lambda:ListFunctions", "*")))
    assert found("door-called", listing) >= 2
    iam.delete_role_policy(RoleName="door-nothing", PolicyName="more")
    fails("AccessDeniedException", "door-called", listing)


def test_a_function_assumes_another_role():
    trust = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/door-may-invoke"}}})
    arn = iam.create_role(RoleName="door-next", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    assume = """import boto3
it = boto3.client('sts').assume_role(RoleArn=event["role"], RoleSessionName='next')['Credentials']
found = boto3.client('sts', aws_access_key_id=it['AccessKeyId'], aws_secret_access_key=it['SecretAccessKey'],
    aws_session_token=it['SessionToken']).get_caller_identity()['Arn']"""
    equal(found("door-caller", assume, role=arn), f"arn:aws:sts::{ACCOUNT}:assumed-role/door-next/next")
    fails("AccessDenied", "door-called", assume, role=arn)


# LAM-U-021: whoever signs is known to the function
def test_credentials_of_a_role_sign_a_url():
    """What a function was given through its door is good outside of it, too: for a URL that asks for signatures."""
    trust = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/door-may-invoke"}}})
    arn = iam.create_role(RoleName="door-signer", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    url = lambda_.create_function_url_config(FunctionName="door-called", AuthType="AWS_IAM")["FunctionUrl"]
    assume = """import boto3
it = boto3.client('sts').assume_role(RoleArn=event["role"], RoleSessionName='url')['Credentials']
found = [it['AccessKeyId'], it['SecretAccessKey'], it['SessionToken']]"""
    keys = found("door-caller", assume, role=arn)

    def get(keys):
        request = AWSRequest("GET", url)
        SigV4Auth(Credentials(*keys), "lambda", "us-east-1").add_auth(request)
        line = http.client.HTTPConnection(ENDPOINT, timeout=60)
        line.request("GET", "/", headers={**dict(request.headers), "Host": urllib.parse.urlsplit(url).netloc})
        answer = line.getresponse()
        return answer.status, answer.read()

    equal(get(keys)[0], 403, "the role may not yet")
    iam.put_role_policy(RoleName="door-signer", PolicyName="own", PolicyDocument=policy(
        ("lambda:InvokeFunctionUrl", CALLED), ("lambda:InvokeFunction", CALLED)))
    status, body = get(keys)
    equal(status, 200, f"{body}")
    signer = json.loads(body)["iam"]
    equal((signer["userArn"], signer["accessKey"]), (f"arn:aws:sts::{ACCOUNT}:assumed-role/door-signer/url", keys[0]))
    # What opens a door opens no URL, and neither does a part of what the role was given.
    for wrong in (found("door-caller", KEYS), [*keys[:2], None], [keys[0], keys[1], keys[2] + "x"]):
        equal(get(wrong)[0], 403)


def test_a_customers_endpoint_wins_and_reserved_names_are_refused():
    lambda_.update_function_configuration(FunctionName="door-called", Environment={"Variables": {"AWS_ENDPOINT_URL": "http://mine"}})
    lambda_.get_waiter("function_updated_v2").wait(FunctionName="door-called", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    equal(found("door-called", "import os; found = os.environ['AWS_ENDPOINT_URL']"), "http://mine")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        refused("InvalidParameterValueException", lambda_.update_function_configuration, FunctionName="door-called",
            Environment={"Variables": {name: "x"}}, contains="reserved keys")
    lambda_.update_function_configuration(FunctionName="door-called", Environment={"Variables": {}})
    lambda_.get_waiter("function_updated_v2").wait(FunctionName="door-called", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    found("door-called", IDENTITY)


def test_other_credentials_open_no_door():
    own, other = found("door-caller", KEYS), found("door-called", KEYS)
    assert own != other and own[0].startswith("ASIA"), own[0]
    # Outside anybody is the root here, and a function is not.
    equal(client("sts").get_caller_identity()["Arn"], f"arn:aws:iam::{ACCOUNT}:root")
    user = iam.create_user(UserName="door-user")["User"]["Arn"]
    key = iam.create_access_key(UserName="door-user")["AccessKey"]
    user_keys = {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}
    equal(client("sts", **user_keys).get_caller_identity()["Arn"], user)
    root = client("sts").get_session_token()["Credentials"]
    for keys in (
        other,
        ["test", "test-secret", None],
        [own[0], own[1], None],
        [own[0], own[1], other[2]],
        [own[0], own[1], own[2] + "x"],
        ["AKIAIOSFODNN7EXAMPLE", "x" * 40, None],
        [key["AccessKeyId"], key["SecretAccessKey"], None],
        [root["AccessKeyId"], root["SecretAccessKey"], root["SessionToken"]],
    ):
        fails("InvalidClientTokenId", "door-caller", WITH_KEYS, keys=keys)
    fails("SignatureDoesNotMatch", "door-caller", WITH_KEYS, keys=[own[0], other[1], own[2]])
    # And what opens a door opens nothing outside of it.
    mine = dict(zip(("access_key", "secret_key", "session_token"), own))
    refused("InvalidClientTokenId", client("sts", **mine).get_caller_identity, status=403)


def test_credentials_end_with_their_environment():
    before = found("door-caller", KEYS)
    lambda_.update_function_configuration(FunctionName="door-caller", Description="another", MemorySize=1770)
    lambda_.get_waiter("function_updated_v2").wait(FunctionName="door-caller", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    after = until("another environment", lambda: (keys := found("door-caller", KEYS)) != before and keys)
    assert after[0] != before[0]
    fails("InvalidClientTokenId", "door-caller", WITH_KEYS, keys=before)
    equal(found("door-caller", WITH_KEYS, keys=after), f"arn:aws:sts::{ACCOUNT}:assumed-role/door-may-invoke/door-caller")


def test_what_is_not_signed_is_refused():
    form = "Action=GetCallerIdentity&Version=2011-06-15"
    typed = {"Content-Type": "application/x-www-form-urlencoded"}
    raw = lambda method, path, body="", headers=None: found(
        "door-caller", RAW, method=method, path=path, body=body, headers=headers or {})
    equal(raw("POST", "/", form, typed), 403)
    equal(raw("GET", "/?" + form), 403)
    scope = "Credential=test/20260101/us-east-1/sts/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
    equal(raw("POST", "/", form, typed | {"Authorization": "AWS4-HMAC-SHA256 " + scope, "X-Amz-Date": "20260101T000000Z"}), 403)
    equal(raw("POST", "/2015-03-31/functions/door-called/invocations", "{}"), 403)
    equal(raw("POST", "/2021-11-15/functions/door-called/response-streaming-invocations", "{}"), 403)
    # Neither the own API nor function URLs are behind the door, however they are asked for.
    equal(raw("GET", "/_albacore/status"), 403)
    equal(raw("POST", "/_albacore/functions/door-called/invocations", "{}", {"X-Albacore": "1"}), 403)
    equal(raw("GET", "/", headers={"Host": "a" * 32 + ".lambda-url.us-east-1.localhost"}), 403)
    equal(raw("GET", "/", headers={"Host": "example.com"}), 403)
    equal(raw("POST", "/", form, typed | {"Origin": "https://evil.example"}), 403)
    equal(raw("POST", "/", form, typed | {"X-Forwarded-For": "127.0.0.1"}), 403)


def test_the_door_of_another_environment_is_closed():
    """Its address is known to all; only its own processes reach it."""
    address = found("door-called", "import os; found = os.environ['AWS_ENDPOINT_URL']")
    other = found("door-called", KEYS)
    stolen = WITH_KEYS.replace("boto3.client('sts',", "boto3.client('sts', endpoint_url=event['door'], config=config,").replace(
        "import boto3", "import boto3; from botocore.config import Config; config = Config(retries={'total_max_attempts': 1})")
    answer = ask("door-caller", stolen, keys=other, door=address)
    assert answer.get("error"), answer
    own = found("door-caller", KEYS)
    # And the endpoint itself, where it can be reached at all, knows no credentials of environments.
    assert ask("door-caller", stolen, keys=own, door=f"http://{ENDPOINT}").get("error")


def test_a_function_cannot_take_all_connections():
    hold = """import os, socket, urllib.parse
door = urllib.parse.urlparse(os.environ['AWS_ENDPOINT_URL'])
lines = []
for _ in range(100):
    line = socket.socket()
    line.settimeout(1)
    try:
        line.connect((door.hostname, door.port))
        line.sendall(b"POST / HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 4000000\\r\\n\\r\\n")
        lines.append(line)
    except OSError:
        pass
import builtins
builtins.kept = lines
found = len(lines)"""
    assert found("door-called", hold) >= 16
    equal(found("door-caller", IDENTITY).rpartition("/")[2], "door-caller", "others are served")
    equal(client("sts").get_caller_identity()["Account"], ACCOUNT, "the endpoint answers")
    found("door-called", "import builtins; [line.close() for line in builtins.kept]; found = 1")
    equal(found("door-called", IDENTITY).rpartition("/")[2], "door-called", "and so is it again")


# Signed by hand: a client of the SDK takes a second to be made, and this makes many.
LOOP = """import http.client, json, os, urllib.parse
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
runs, door = event["runs"] + 1, os.environ['AWS_ENDPOINT_URL']
path = '/2015-03-31/functions/%s/invocations' % event["loops"]
body = json.dumps({**event, "runs": runs})
request = AWSRequest('POST', door + path, data=body, headers={'X-Amz-Invocation-Type': event.get("type", "RequestResponse")})
keys = [os.environ[name] for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN')]
SigV4Auth(Credentials(*keys), 'lambda', os.environ['AWS_REGION']).add_auth(request)
line = http.client.HTTPConnection(urllib.parse.urlparse(door).netloc, timeout=60)
if runs < event["most"]:
    line.request('POST', path, body, dict(request.headers))
    answer = line.getresponse()
    document = answer.read()
    kind = answer.headers['x-amzn-errortype']
    found = [runs, kind] if answer.status != 200 else json.loads(document)["found"]
else:
    found = "stopped by itself"
"""


def test_a_loop_is_stopped():
    arn = role("door-loop", ("lambda:InvokeFunction", "*"))
    function("door-loop-a", arn)
    equal(found("door-loop-a", LOOP, runs=0, loops="door-loop-a", most=20), [16, "RecursiveInvocationException"])
    equal(lambda_.get_function_recursion_config(FunctionName="door-loop-a")["RecursiveLoop"], "Terminate")
    lambda_.put_function_recursion_config(FunctionName="door-loop-a", RecursiveLoop="Allow")
    equal(found("door-loop-a", LOOP, runs=0, loops="door-loop-a", most=18), "stopped by itself")


# Loops take their time, and have a run of their own.
run({name: test for name, test in globals().items() if ("loop" in name) == (os.environ["RUN"] == "loop")})
