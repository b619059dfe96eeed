"""Code and layers that are taken from objects."""

import json
import os

from aws import client, equal, refused, run
from lambda_package import ROLE, active, lambda_, package, says, updated
from resources import name


def put(key, content):
    path = os.path.join(os.environ["OBJECTS"], "code", key)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def create(code, using=lambda_, function=None):
    return {"FunctionName": function or name("object"), "Role": ROLE, "Runtime": "provided.al2023", "Handler": "bootstrap", "Code": code}


def at(key, **more):
    return {"S3Bucket": "code", "S3Key": key, **more}


def test_code_and_layers_are_objects():
    put("one.zip", package("one"))
    put("a/two.zip", package("two"))
    put("layer.zip", package("layer", **{"bin/marker": "found"}))
    layer = lambda_.publish_layer_version(LayerName=name("layer"), Content=at("layer.zip"))["LayerVersionArn"]
    arguments = create(at("one.zip"))
    function = arguments["FunctionName"]
    created = lambda_.create_function(**arguments, Layers=[layer])
    sent = lambda_.create_function(**{**arguments, "FunctionName": name("sent"), "Code": {"ZipFile": package("one")}})
    equal((created["CodeSha256"], created["CodeSize"]), (sent["CodeSha256"], sent["CodeSize"]))
    active(function)
    answer = says(function)[0]
    equal((answer["says"], answer["layer"]), ("one", "found"))
    tried = lambda_.update_function_code(FunctionName=function, **at("a/two.zip"), DryRun=True)
    assert tried["CodeSha256"] != created["CodeSha256"], tried
    equal(says(function)[0]["says"], "one")
    lambda_.update_function_code(FunctionName=function, **at("a/two.zip"))
    updated(function)
    equal(says(function)[0]["says"], "two")
    # It was copied: the object may go, or change.
    os.remove(os.path.join(os.environ["OBJECTS"], "code", "a", "two.zip"))
    lambda_.update_function_configuration(FunctionName=function, Environment={"Variables": {"STAGE": "x"}})
    updated(function)
    equal((says(function)[0]["says"], says(function)[0]["stage"]), ("two", "x"))


def test_objects_that_are_not_there():
    put("one.zip", package("one"))
    put("text.zip", b"no zip")
    outside = os.path.join(os.environ["OBJECTS"], "..", "outside.zip")
    with open(outside, "wb") as file:
        file.write(package("one"))
    missing = lambda contains, code: refused(
        "InvalidParameterValueException", lambda_.create_function, contains=contains, **create(code)
    )
    words = "Error occurred while GetObject. S3 Error Code: "
    for key in ["none.zip", "../outside.zip", "../../outside.zip", "/etc/passwd"]:
        missing(words + "NoSuchKey", at(key))
    missing(words + "NoSuchBucket", {"S3Bucket": "none", "S3Key": "one.zip"})
    missing(words + "NoSuchBucket", {"S3Bucket": "..", "S3Key": "outside.zip"})
    missing(words + "NoSuchVersion", at("one.zip", S3ObjectVersion="1"))
    missing("Could not unzip uploaded file", at("text.zip"))
    missing("Please do not provide other FunctionCode parameters", at("one.zip", ZipFile=package("one")))
    missing("both the S3Bucket and the S3Key", {"S3Bucket": "code"})


def test_callers_need_the_permission_to_read():
    put("one.zip", package("one"))
    iam = client("iam")
    iam.create_user(UserName="coder")
    allow = lambda *actions: iam.put_user_policy(UserName="coder", PolicyName="all", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}))
    allow("lambda:*", "iam:PassRole")
    key = iam.create_access_key(UserName="coder")["AccessKey"]
    coder = client("lambda", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    arguments = create(at("one.zip"))
    refused("AccessDeniedException", coder.create_function, status=403, contains="have permission to GetObject for code/one.zip", **arguments)
    allow("lambda:*", "iam:PassRole", "s3:GetObject")
    equal(coder.create_function(**arguments)["State"], "Pending")


run(globals())
