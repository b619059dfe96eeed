"""Users and roles for the tests of IAM, and calls that they may not make. Calls are signed with the root's key."""

import json
import os

import aws
from aws import equal

ROOT = {"access_key": os.environ["ACCESS_KEY"], "secret_key": os.environ["SECRET_KEY"]}
ACCOUNT = "000000000000"
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
TRUST_LAMBDA = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def client(service, **more):
    return aws.client(service, **(ROOT | more))


iam = client("iam")
sts = client("sts")


def refused(code, call, status=400, **parameters):
    """The call fails with a code, or with an exception of the client's own."""
    if isinstance(code, str):
        return aws.refused(code, call, status=status, **parameters)
    try:
        answer = call(**parameters)
    except code as error:
        equal(error.response["ResponseMetadata"]["HTTPStatusCode"], status)
        return error
    raise AssertionError(f"expected {code}, got {answer}")


def allow(*actions, resource="*", effect="Allow", **more):
    statement = {"Effect": effect, "Action": list(actions), "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(principal, **more):
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def denied(action, call, **parameters):
    error = refused("AccessDenied", call, status=403, **parameters)
    assert f"is not authorized to perform: {action} on resource: " in str(error), error
    return str(error)


def user(name, policy=None):
    """A user with a policy, and what their calls are signed with."""
    iam.create_user(UserName=name)
    if policy:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}


def session(credentials):
    return {
        "access_key": credentials["AccessKeyId"],
        "secret_key": credentials["SecretAccessKey"],
        "session_token": credentials["SessionToken"],
    }
