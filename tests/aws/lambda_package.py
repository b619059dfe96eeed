"""A small function as a package, and what is asked of it."""

import io
import json
import zipfile

from aws import client
from resources import name

lambda_ = client("lambda")
ROLE = "arn:aws:iam::000000000000:role/lambda"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"

BOOTSTRAP = """#!/usr/bin/env python3
import http.client, json, os, shutil
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    invocation = api.getresponse()
    invocation.read()
    path = "/2018-06-01/runtime/invocation/%s/response" % invocation.headers["Lambda-Runtime-Aws-Request-Id"]
    # Layers are in the search path, wherever they lie.
    marker = shutil.which("marker")
    layer = open(marker).read() if marker else None
    body = {"says": "SAYS", "version": os.environ["AWS_LAMBDA_FUNCTION_VERSION"], "layer": layer,
        "stage": os.environ.get("STAGE"), "invoked": invocation.headers["Lambda-Runtime-Invoked-Function-Arn"]}
    api.request("POST", path, json.dumps({"statusCode": 200, "body": json.dumps(body), **body}))
    api.getresponse().read()
"""


def role():
    """The role that functions here have, made once."""
    iam, trust = client("iam"), {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    try:
        iam.create_role(RoleName=ROLE.rpartition("/")[2], AssumeRolePolicyDocument=document)
    except iam.exceptions.EntityAlreadyExistsException:
        pass


role()


def package(says, **files):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path, text in ({"bootstrap": BOOTSTRAP.replace("SAYS", says)} | files).items():
            entry = zipfile.ZipInfo(path, (2026, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100755 << 16
            zipped.writestr(entry, text)
    return archive.getvalue()


def layer_zip(text):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        entry = zipfile.ZipInfo("bin/marker", (2026, 1, 1, 0, 0, 0))
        entry.external_attr = 0o100755 << 16
        zipped.writestr(entry, text)
    return archive.getvalue()


def create(function=None, says="one", **more):
    function = function or name("fn")
    created = lambda_.create_function(**{
        "FunctionName": function, "Role": ROLE, "Runtime": "provided.al2023", "Handler": "bootstrap",
        "Code": {"ZipFile": package(says)}, **more,
    })
    return function, created


def active(function):
    lambda_.get_waiter("function_active_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def updated(function):
    lambda_.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def says(function, **more):
    answer = lambda_.invoke(FunctionName=function, **more)
    return json.load(answer["Payload"]), answer.get("ExecutedVersion")
