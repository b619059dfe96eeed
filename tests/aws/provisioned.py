"""Provisioned concurrency: asked for, waited for, moved with its alias, refused, gone; and again after a restart."""

import json
import os
import re

from aws import client, equal, refused, run, until
from lambda_package import ARN, ROLE, active, create, lambda_, package, updated

# The same as `lambda_package`'s, with what environments know about how they were started; one in `broken` ends at once.
BOOTSTRAP = """#!/usr/bin/env python3
import http.client, json, os, sys
if "SAYS" == "broken":
    sys.exit(3)
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    invocation = api.getresponse()
    invocation.read()
    path = "/2018-06-01/runtime/invocation/%s/response" % invocation.headers["Lambda-Runtime-Aws-Request-Id"]
    body = {"says": "SAYS", "started": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]}
    api.request("POST", path, json.dumps(body))
    api.getresponse().read()
"""


def zipped(says):
    return package(says, bootstrap=BOOTSTRAP.replace("SAYS", says))


def publish(function, says):
    lambda_.update_function_code(FunctionName=function, ZipFile=zipped(says))
    updated(function)
    return lambda_.publish_version(FunctionName=function)["Version"]


def made():
    function, _ = create(Code={"ZipFile": zipped("one")})
    active(function)
    return function, lambda_.publish_version(FunctionName=function)["Version"]


def put(function, qualifier, count):
    return lambda_.put_provisioned_concurrency_config(
        FunctionName=function, Qualifier=qualifier, ProvisionedConcurrentExecutions=count)


def get(function, qualifier):
    shown = lambda_.get_provisioned_concurrency_config(FunctionName=function, Qualifier=qualifier)
    shown.pop("ResponseMetadata")
    return shown


def ended(function, qualifier):
    """What is shown when the allocation has come to its end."""
    def look():
        shown = get(function, qualifier)
        return shown if shown["Status"] != "IN_PROGRESS" else None
    return until("the allocation is over", look)


def numbers(shown):
    return tuple(shown[f"{kind}ProvisionedConcurrentExecutions"] for kind in ["Requested", "Allocated", "Available"])


def started(function, **more):
    return json.load(lambda_.invoke(FunctionName=function, **more)["Payload"])["started"]


# LAM-N-007, LAM-N-008, LAM-N-010, LAM-N-012, LAM-N-013, LAM-N-014
def test_environments_are_kept_ready():
    function, one = made()
    refused("ProvisionedConcurrencyConfigNotFoundException", get, status=404, function=function, qualifier=one,
            contains="No Provisioned Concurrency Config found for this function")
    for latest in [{"Qualifier": "$LATEST"}, {}]:
        refused("InvalidParameterValueException", lambda_.put_provisioned_concurrency_config, FunctionName=function, **latest,
                ProvisionedConcurrentExecutions=1,
                contains="Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
    refused("InvalidParameterValueException", get, function=function, qualifier="$LATEST",
            contains="The function resource provided must be an alias or a published version.")
    refused("ResourceNotFoundException", put, status=404, function=function, qualifier="none", count=1,
            contains=f"Cannot find alias arn: {ARN}{function}:none")
    refused("ValidationException", put, function=function, qualifier=one, count=0,
            contains="Value '0' at 'provisionedConcurrentExecutions' failed to satisfy constraint")
    answer = put(function, one, 2)
    equal(answer["ResponseMetadata"]["HTTPStatusCode"], 202)
    equal((answer["Status"], numbers(answer)), ("IN_PROGRESS", (2, 0, 0)))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000", answer["LastModified"]), answer
    shown = ended(function, one)
    equal((shown["Status"], numbers(shown), shown["LastModified"]), ("READY", (2, 2, 2), answer["LastModified"]))
    equal((started(function, Qualifier=one), started(function)), ("provisioned-concurrency", "on-demand"))
    listed = lambda_.list_provisioned_concurrency_configs(FunctionName=function)["ProvisionedConcurrencyConfigs"]
    equal(listed, [shown | {"FunctionArn": f"{ARN}{function}:{one}"}])
    for _ in range(2):
        deleted = lambda_.delete_provisioned_concurrency_config(FunctionName=function, Qualifier=one)
        equal(deleted["ResponseMetadata"]["HTTPStatusCode"], 204)
    refused("ProvisionedConcurrencyConfigNotFoundException", get, status=404, function=function, qualifier=one)
    equal(lambda_.list_provisioned_concurrency_configs(FunctionName=function)["ProvisionedConcurrencyConfigs"], [])
    lambda_.delete_function(FunctionName=function)


# LAM-N-009
def test_an_init_that_fails():
    function, _ = made()
    broken = publish(function, "broken")
    put(function, broken, 1)
    shown = ended(function, broken)
    equal((shown["Status"], shown["StatusReason"], numbers(shown)), ("FAILED", "FUNCTION_ERROR_INIT_FAILURE", (1, 0, 0)))
    lambda_.delete_function(FunctionName=function)


# LAM-N-011, LAM-N-015
def test_an_alias_takes_its_environments_along():
    function, one = made()
    two = publish(function, "two")
    lambda_.create_alias(FunctionName=function, Name="live", FunctionVersion=one)
    put(function, "live", 2)
    equal(numbers(ended(function, "live")), (2, 2, 2))
    refused("ResourceConflictException", put, status=409, function=function, qualifier=one, count=1,
            contains="Version is pointed by a Provisioned Concurrency alias")
    lambda_.update_alias(FunctionName=function, Name="live", FunctionVersion=two)
    equal((ended(function, "live")["Status"], started(function, Qualifier="live")), ("READY", "provisioned-concurrency"))
    refused("ProvisionedConcurrencyConfigNotFoundException", get, status=404, function=function, qualifier=one)
    equal(started(function, Qualifier=one), "on-demand")
    # Each version has its part.
    lambda_.update_alias(FunctionName=function, Name="live", RoutingConfig={"AdditionalVersionWeights": {one: 0.5}})
    equal(numbers(ended(function, "live")), (2, 2, 2))
    equal(started(function, Qualifier=two), "provisioned-concurrency")
    refused("InvalidParameterValueException", lambda_.update_alias, FunctionName=function, Name="live",
            FunctionVersion="$LATEST", RoutingConfig={}, contains="unpublished function versions")
    lambda_.delete_alias(FunctionName=function, Name="live")
    refused("ResourceNotFoundException", get, status=404, function=function, qualifier="live",
            contains=f"Cannot find alias arn: {ARN}{function}:live")
    put(function, one, 1)
    lambda_.create_alias(FunctionName=function, Name="live", FunctionVersion=one)
    refused("ResourceConflictException", put, status=409, function=function, qualifier="live", count=1,
            contains="Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
    lambda_.delete_function(FunctionName=function)


# LAM-N-017, LAM-N-018
def test_what_is_reserved_is_the_limit():
    function, one = made()
    put(function, one, 2)
    refused("InvalidParameterValueException", lambda_.put_function_concurrency, FunctionName=function,
            ReservedConcurrentExecutions=1,
            contains=" ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2].")
    lambda_.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=2)
    refused("InvalidParameterValueException", put, function=function, qualifier=one, count=3,
            contains="Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
    equal(started(function, Qualifier=one) in ["provisioned-concurrency", "on-demand"], True)
    try:
        lambda_.invoke(FunctionName=function)
        raise AssertionError("nothing is left for $LATEST")
    except lambda_.exceptions.TooManyRequestsException as error:
        equal(error.response["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded")
    lambda_.delete_provisioned_concurrency_config(FunctionName=function, Qualifier=one)
    lambda_.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    for qualifier in [one, "$LATEST"]:
        error = refused("TooManyRequestsException", lambda_.invoke, status=429, FunctionName=function, Qualifier=qualifier,
                        contains="Rate Exceeded.")
        equal(error.response["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded", qualifier)
    lambda_.delete_function_concurrency(FunctionName=function)
    refused("InvalidParameterValueException", put, function=function, qualifier=one, count=901,
            contains="below its minimum value of [100]")
    refused("InvalidParameterValueException", put, function=function, qualifier=one, count=1001,
            contains="greater than account's unreserved concurrency [1000]")
    lambda_.delete_function(FunctionName=function)


KEPT = "kept-over-a-restart"


def first():
    function, _ = create(KEPT, Code={"ZipFile": zipped("one")})
    active(function)
    put(function, lambda_.publish_version(FunctionName=function)["Version"], 1)


def second():
    """Nobody has said anything since the start."""
    equal(numbers(ended(KEPT, "1")), (1, 1, 1))
    equal(started(KEPT, Qualifier="1"), "provisioned-concurrency")


if __name__ == "__main__":
    match os.environ["RUN"]:
        case "first":
            first()
        case "second":
            second()
        case _:
            run(globals())
