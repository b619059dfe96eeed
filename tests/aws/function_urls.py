"""URLs of functions: made, read, changed, open to those whom a policy lets, gone."""

import http.client
import json
import os
import re
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials
from aws import BOUND, ENDPOINT, client, equal, refused, run
from lambda_package import ARN, active, create, lambda_, package, updated

URL = r"http://([a-z0-9]{32})\.lambda-url\.us-east-1\.localhost:\d+/"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
TO_URL = {"Action": "lambda:InvokeFunctionUrl", "Principal": "*", "FunctionUrlAuthType": "NONE"}
BY_URL = {"Action": "lambda:InvokeFunction", "Principal": "*", "InvokedViaFunctionUrl": True}
KEPT = "kept-with-a-url"


def made(**more):
    function, _ = create()
    active(function)
    return function, lambda_.create_function_url_config(FunctionName=function, AuthType="NONE", **more)


def get(url, headers=None):
    """Status, headers and body of what a URL answers."""
    connection = http.client.HTTPConnection(ENDPOINT, timeout=BOUND)
    connection.request("GET", "/", headers={"Host": urllib.parse.urlsplit(url).netloc, **(headers or {})})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


def closed(url):
    status, headers, body = get(url)
    equal((status, headers["x-amzn-errortype"]), (403, "AccessDeniedException"))
    return json.loads(body)["Message"]


def allow(function, *statements, **more):
    for number, statement in enumerate(statements):
        lambda_.add_permission(FunctionName=function, StatementId=f"s{number}", **statement, **more)


def statements(function, **more):
    return json.loads(lambda_.get_policy(FunctionName=function, **more)["Policy"])["Statement"]


# LAM-U-001, LAM-U-002
def test_a_url_is_made_and_read():
    function, url = made()
    equal(url["ResponseMetadata"]["HTTPStatusCode"], 201)
    assert re.fullmatch(URL, url["FunctionUrl"]), url
    equal((url["FunctionArn"], url["AuthType"]), (ARN + function, "NONE"))
    assert re.fullmatch(TIME, url["CreationTime"]), url
    assert "InvokeMode" not in url and "LastModifiedTime" not in url and "Cors" not in url, url
    got = lambda_.get_function_url_config(FunctionName=function)
    equal((got["InvokeMode"], got["LastModifiedTime"]), ("BUFFERED", url["CreationTime"]))
    equal((got["FunctionUrl"], got["CreationTime"]), (url["FunctionUrl"], url["CreationTime"]))
    cors = {"AllowOrigins": ["https://a.example"], "MaxAge": 60}
    changed = lambda_.update_function_url_config(FunctionName=function, InvokeMode="RESPONSE_STREAM", Cors=cors)
    equal((changed["InvokeMode"], changed["Cors"], changed["CreationTime"]), ("RESPONSE_STREAM", cors, url["CreationTime"]))
    assert changed["LastModifiedTime"] >= changed["CreationTime"], changed
    _, streaming = made(InvokeMode="RESPONSE_STREAM")
    equal(streaming["InvokeMode"], "RESPONSE_STREAM")
    pages = lambda_.get_paginator("list_function_url_configs").paginate(FunctionName=function)
    equal([it["FunctionUrl"] for page in pages for it in page["FunctionUrlConfigs"]], [url["FunctionUrl"]])


# LAM-U-003, LAM-U-004
def test_what_no_url_can_be_is_refused():
    function, _ = made()
    again = f"Failed to create function url config for [functionArn = {ARN + function}]. Error message:  FunctionUrlConfig exists"
    refused("ResourceConflictException", lambda_.create_function_url_config, 409, again, FunctionName=function, AuthType="NONE")
    for qualifier in ["1", "$LATEST"]:
        refused("ValidationException", lambda_.create_function_url_config, 400, "at 'qualifier'",
                FunctionName=function, Qualifier=qualifier, AuthType="NONE")
    for missing in [{"FunctionName": "nobody"}, {"FunctionName": function, "Qualifier": "nobody"}]:
        refused("ResourceNotFoundException", lambda_.create_function_url_config, 404, "Function does not exist",
                AuthType="NONE", **missing)
    plain, _ = create()
    refused("ValidationException", lambda_.create_function_url_config, 400, "at 'authType'", FunctionName=plain, AuthType="ALL")
    for call in [lambda_.get_function_url_config, lambda_.delete_function_url_config]:
        refused("ResourceNotFoundException", call, 404, "The resource you requested does not exist.", FunctionName=plain)


# LAM-U-006, LAM-U-007: both actions are needed, always. LAM-P-004: what statements say of URLs
def test_a_url_is_open_by_its_policy():
    function, url = made()
    forbidden = "Forbidden. For troubleshooting Function URL authorization issues"
    assert closed(url["FunctionUrl"]).startswith(forbidden)
    allow(function, TO_URL)
    assert closed(url["FunctionUrl"]).startswith(forbidden)
    lambda_.add_permission(FunctionName=function, StatementId="by", **BY_URL)
    status, _, body = get(url["FunctionUrl"])
    equal((status, json.loads(body)["says"]), (200, "one"))
    conditions = [it["Condition"] for it in statements(function)]
    equal(conditions, [{"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
                       {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}])
    lambda_.remove_permission(FunctionName=function, StatementId="s0")
    closed(url["FunctionUrl"])
    # What opens the URL of a function opens it to nobody else.
    refused("ResourceNotFoundException", lambda_.get_function_url_config, 404, FunctionName=function, Qualifier="other")
    for wrong in [{**TO_URL, "FunctionUrlAuthType": "AWS_IAM"}, {**TO_URL, "Principal": "111122223333"},
                  {**TO_URL, "SourceAccount": "111122223333"}, {**TO_URL, "PrincipalOrgID": "o-0123456789"}]:
        lambda_.add_permission(FunctionName=function, StatementId="wrong", **wrong)
        closed(url["FunctionUrl"])
        lambda_.remove_permission(FunctionName=function, StatementId="wrong")


# LAM-U-006: whoever signs needs a policy, too
def test_a_signed_url_asks_the_policy():
    function, _ = create()
    active(function)
    url = lambda_.create_function_url_config(FunctionName=function, AuthType="AWS_IAM")["FunctionUrl"]
    iam = client("iam")
    iam.create_user(UserName="by-url")
    key = iam.create_access_key(UserName="by-url")["AccessKey"]
    principal = iam.get_user(UserName="by-url")["User"]["Arn"]

    def signed():
        request = botocore.awsrequest.AWSRequest("GET", url)
        credentials = botocore.credentials.Credentials(key["AccessKeyId"], key["SecretAccessKey"])
        botocore.auth.SigV4Auth(credentials, "lambda", "us-east-1").add_auth(request)
        return get(url, dict(request.headers))[0]

    allow(function, TO_URL, BY_URL)
    equal(signed(), 403, "a statement about URLs that ask for no signature")
    to_url = {**TO_URL, "FunctionUrlAuthType": "AWS_IAM", "Principal": principal}
    lambda_.add_permission(FunctionName=function, StatementId="signed", **to_url)
    equal(signed(), 200)
    equal(get(url)[0], 403, "nobody signed")
    # A statement about URLs lets nobody invoke by the API.
    with_key = client("lambda", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    refused("AccessDeniedException", with_key.invoke, 403, FunctionName=function)


# LAM-U-024: with the alias its URL goes. LAM-P-007: the policy is the alias'
def test_an_alias_has_a_url_of_its_own():
    function, _ = made()
    lambda_.publish_version(FunctionName=function)
    lambda_.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    url = lambda_.create_function_url_config(FunctionName=function, Qualifier="live", AuthType="NONE")
    equal(url["FunctionArn"], f"{ARN}{function}:live")
    allow(function, TO_URL, BY_URL)
    closed(url["FunctionUrl"])
    allow(function, TO_URL, BY_URL, Qualifier="live")
    lambda_.update_function_code(FunctionName=function, ZipFile=package("two"))
    updated(function)
    equal(json.loads(get(url["FunctionUrl"])[2])["version"], "1")
    lambda_.delete_alias(FunctionName=function, Name="live")
    equal(closed(url["FunctionUrl"]), None)


# LAM-C-039: nothing of a function is left
def test_a_url_goes_with_its_function():
    function, url = made()
    allow(function, TO_URL, BY_URL)
    equal(get(url["FunctionUrl"])[0], 200)
    lambda_.delete_function(FunctionName=function)
    equal(closed(url["FunctionUrl"]), None)
    create(function)
    active(function)
    refused("ResourceNotFoundException", lambda_.get_function_url_config, 404, FunctionName=function)
    refused("ResourceNotFoundException", lambda_.get_policy, 404, FunctionName=function)


# LAM-P-004, LAM-P-006
def test_conditions_of_statements():
    function, _ = create()
    more = {"SourceAccount": "123456789012", "SourceArn": "arn:aws:s3:::b", "EventSourceToken": "to.k-e_n",
            "PrincipalOrgID": "o-abcdefghij"}
    added = lambda_.add_permission(FunctionName=function, StatementId="all", Action="lambda:InvokeFunction",
                                   Principal="s3.amazonaws.com", **more)
    equal(json.loads(added["Statement"])["Condition"], {
        "StringEquals": {"AWS:SourceAccount": "123456789012", "lambda:EventSourceToken": "to.k-e_n",
                         "aws:PrincipalOrgID": "o-abcdefghij"},
        "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"},
    })
    refused("InvalidParameterValueException", lambda_.add_permission, 400, "We currently do not support adding policies for $LATEST.",
            FunctionName=function, Qualifier="$LATEST", StatementId="x", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
    good = {"FunctionName": function, "StatementId": "x", "Action": "lambda:InvokeFunction", "Principal": "*"}
    for wrong, path in [({"FunctionUrlAuthType": "ALL"}, "functionUrlAuthType"), ({"EventSourceToken": "a b"}, "eventSourceToken"),
                        ({"PrincipalOrgID": "o-1"}, "principalOrgID"), ({"SourceAccount": "1"}, "sourceAccount")]:
        refused("ValidationException", lambda_.add_permission, 400, f"at '{path}'", **good, **wrong)
    missing = "2 validation errors detected: Value null at 'action' failed to satisfy constraint: Member must not be null; "
    refused("ValidationException", lambda_.add_permission, 400, missing, FunctionName=function, StatementId="x")


def first():
    function, _ = create(KEPT)
    active(function)
    url = lambda_.create_function_url_config(FunctionName=function, AuthType="NONE")
    allow(function, TO_URL, BY_URL)
    equal(get(url["FunctionUrl"])[0], 200)
    run(globals())


def second():
    """After kill -9: the URL is where it was, and its policy holds."""
    got = lambda_.get_function_url_config(FunctionName=KEPT)
    assert re.fullmatch(TIME, got["CreationTime"]), got
    equal(len(statements(KEPT)), 2)
    equal(get(got["FunctionUrl"])[0], 200)
    lambda_.remove_permission(FunctionName=KEPT, StatementId="s1")
    closed(got["FunctionUrl"])


if __name__ == "__main__":
    {"first": first, "second": second}[os.environ["RUN"]]()
