"""Asynchronous invocations: their settings, their limits, and what callers are answered."""

import io
import json
import os

from aws import client, equal, refused, run
from lambda_package import ROLE, active, create

functions = client("lambda")
iam = client("iam")
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


# LAM-I-001, LAM-I-002, LAM-I-006, LAM-I-008
def test_events_are_accepted():
    answer = functions.invoke(FunctionName="hello", InvocationType="Event", Payload=b'{"a":1}')
    equal((answer["StatusCode"], answer["Payload"].read()), (202, b""))
    equal(answer.get("ExecutedVersion"), None)
    answer = functions.invoke(FunctionName="hello", InvocationType="DryRun")
    equal((answer["StatusCode"], answer.get("ExecutedVersion")), (204, None))
    answer = functions.invoke_async(FunctionName="hello", InvokeArgs=io.BytesIO(b"{}"))
    equal(answer["Status"], 202)
    fits = b'"' + b"x" * (1048576 - 2) + b'"'
    equal(functions.invoke(FunctionName="hello", InvocationType="Event", Payload=fits)["StatusCode"], 202)
    refused("RequestEntityTooLargeException", functions.invoke, status=413, FunctionName="hello",
            InvocationType="Event", Payload=fits + b" ",
            contains="1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)")
    refused("InvalidRequestContentException", functions.invoke, status=400, FunctionName="hello",
            InvocationType="Event", Payload=b"{", contains="Could not parse request body into json")
    refused("ResourceNotFoundException", functions.invoke, status=404, FunctionName="nobody",
            InvocationType="Event", contains=f"Function not found: {ARN}nobody:$LATEST")
    refused("ValidationException", functions.invoke, status=400, FunctionName="hello", InvocationType="Later",
            contains="Value 'Later' at 'invocationType'")


def test_functions_of_the_manifest_are_left_alone():
    if os.environ["RUN"] == "unlocked":
        return
    refused("InvalidParameterValueException", functions.put_function_event_invoke_config, status=400,
            FunctionName="hello", MaximumRetryAttempts=1, contains="belongs to the manifest")


# LAM-A-012, LAM-A-013
def test_settings_are_put_and_merged_and_deleted():
    if os.environ["RUN"] == "locked":
        return
    answer = functions.put_function_event_invoke_config(
        FunctionName="hello", MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": ARN + "streams"}})
    equal(answer["FunctionArn"], ARN + "hello:$LATEST")
    equal(answer["DestinationConfig"], {"OnSuccess": {}, "OnFailure": {"Destination": ARN + "streams"}})
    equal((answer["MaximumRetryAttempts"], "MaximumEventAgeInSeconds" in answer), (1, False))
    first = answer["LastModified"]
    answer = functions.update_function_event_invoke_config(
        FunctionName=ARN + "hello", Qualifier="$LATEST", MaximumEventAgeInSeconds=60)
    equal((answer["MaximumRetryAttempts"], answer["MaximumEventAgeInSeconds"]), (1, 60))
    equal(answer["DestinationConfig"]["OnFailure"], {"Destination": ARN + "streams"})
    assert answer["LastModified"] >= first
    answer.pop("ResponseMetadata")
    kept = functions.get_function_event_invoke_config(FunctionName="hello")
    kept.pop("ResponseMetadata")
    equal(kept, answer)
    listed = functions.list_function_event_invoke_configs(FunctionName="hello", MaxItems=1)
    equal((listed["FunctionEventInvokeConfigs"], listed.get("NextMarker")), ([kept], None))
    answer = functions.put_function_event_invoke_config(FunctionName="hello", MaximumRetryAttempts=0)
    equal(("MaximumEventAgeInSeconds" in answer, answer["DestinationConfig"]), (False, {"OnSuccess": {}, "OnFailure": {}}))
    answer = functions.delete_function_event_invoke_config(FunctionName="hello")
    equal(answer["ResponseMetadata"]["HTTPStatusCode"], 204)
    for gone in [functions.get_function_event_invoke_config, functions.delete_function_event_invoke_config]:
        refused("ResourceNotFoundException", gone, status=404, FunctionName="hello",
                contains=f"The function {ARN}hello:$LATEST doesn't have an EventInvokeConfig")
    refused("ResourceNotFoundException", functions.update_function_event_invoke_config, status=404,
            FunctionName="hello", MaximumRetryAttempts=1, contains="doesn't have an EventInvokeConfig")


# LAM-A-016: what is said of $LATEST is said of no version
def test_settings_belong_to_a_qualifier():
    if os.environ["RUN"] == "locked":
        return
    function, _ = create()
    active(function)
    functions.put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=1)
    functions.publish_version(FunctionName=function)
    refused("ResourceNotFoundException", functions.get_function_event_invoke_config, status=404, FunctionName=function,
            Qualifier="1", contains=f"The function {ARN}{function}:1 doesn't have an EventInvokeConfig")
    functions.put_function_event_invoke_config(FunctionName=function, Qualifier="1", MaximumRetryAttempts=0)
    for qualifier, attempts in [("$LATEST", 1), ("1", 0)]:
        got = functions.get_function_event_invoke_config(FunctionName=function, Qualifier=qualifier)
        equal((got["FunctionArn"], got["MaximumRetryAttempts"]), (f"{ARN}{function}:{qualifier}", attempts))
    functions.delete_function(FunctionName=function)


def test_failures_may_go_into_a_bucket():
    if os.environ["RUN"] == "locked":
        return
    bucket, there = "arn:aws:s3:::dead-letters", os.path.join(os.environ["OBJECTS"], "dead-letters")
    to = {"OnFailure": {"Destination": bucket}}
    put, update = functions.put_function_event_invoke_config, functions.update_function_event_invoke_config
    function, _ = create()
    active(function)
    equal(put(FunctionName=function, MaximumRetryAttempts=1)["MaximumRetryAttempts"], 1)
    # The role comes first, then the bucket.
    text = f"The function's execution role does not have permissions to call PutObject on {bucket}"
    for change in [put, update]:
        refused("InvalidParameterValueException", change, status=400, FunctionName=function, DestinationConfig=to, contains=text)
    document = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"{bucket}/aws/lambda/async/{function}/*"}]}
    role = ROLE.rpartition("/")[2]
    iam.put_role_policy(RoleName=role, PolicyName="dead", PolicyDocument=json.dumps(document))
    text = ("The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination="
            f"{bucket})) is invalid.")
    for change in [put, update]:
        refused("InvalidParameterValueException", change, status=400, FunctionName=function, DestinationConfig=to, contains=text)
    os.makedirs(there)
    answer = update(FunctionName=function, DestinationConfig=to)
    equal((answer["DestinationConfig"], answer["MaximumRetryAttempts"]), ({"OnSuccess": {}, **to}, 1))
    equal(functions.get_function_event_invoke_config(FunctionName=function)["DestinationConfig"]["OnFailure"], to["OnFailure"])
    refused("InvalidParameterValueException", put, status=400, FunctionName=function,
            DestinationConfig={"OnSuccess": to["OnFailure"]}, contains=f"onSuccess=OnSuccess(destination={bucket}), onFailure=null)")
    refused("ResourceNotFoundException", put, status=404, FunctionName="nobody", DestinationConfig=to,
            contains="The function doesn't exist.")
    iam.delete_role_policy(RoleName=role, PolicyName="dead")
    functions.delete_function(FunctionName=function)


# LAM-A-014, LAM-A-015
def test_what_is_refused():
    if os.environ["RUN"] == "locked":
        return
    put = functions.put_function_event_invoke_config
    for missing in [put, functions.update_function_event_invoke_config]:
        refused("ResourceNotFoundException", missing, status=404, FunctionName="nobody", MaximumRetryAttempts=1,
                contains="The function doesn't exist.")
    refused("ResourceNotFoundException", functions.list_function_event_invoke_configs, status=404,
            FunctionName="nobody", contains="The function doesn't exist.")
    refused("ResourceNotFoundException", functions.get_function_event_invoke_config, status=404,
            FunctionName="nobody", contains=f"The function {ARN}nobody:$LATEST doesn't have an EventInvokeConfig")
    to = lambda arn: {"OnSuccess": {"Destination": arn}}
    sns = "arn:aws:sns:us-east-1:000000000000:topic"
    for more, code, text in [
        ({}, "InvalidParameterValueException",
         "You must specify at least one of error handling or destination setting."),
        ({"DestinationConfig": to(ARN + "hello")}, "InvalidParameterValueException",
         "You can't specify the function as a destination for itself."),
        ({"DestinationConfig": to(ARN + "nobody")}, "InvalidParameterValueException",
         f"The destination ARN {ARN}nobody is invalid."),
        ({"DestinationConfig": to("arn:aws:kinesis:us-east-1:000000000000:stream/x")},
         "InvalidParameterValueException", "The provided destination config DestinationConfig(onSuccess=OnSuccess("
         "destination=arn:aws:kinesis:us-east-1:000000000000:stream/x), onFailure=null) is invalid."),
        ({"DestinationConfig": to("nothing")}, "ValidationException",
         "1 validation error detected: Value 'nothing' at 'destinationConfig.onSuccess.destination'"),
        ({"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 59}, "ValidationException",
         "2 validation errors detected: Value '3' at 'maximumRetryAttempts' failed to satisfy constraint: Member must "
         "have value less than or equal to 2; Value '59' at 'maximumEventAgeInSeconds' failed to satisfy constraint: "
         "Member must have value greater than or equal to 60"),
    ]:
        refused(code, put, status=400, FunctionName="hello", contains=text, **more)
    for name in ["sns", "sqs", "events"]:
        other = sns.replace("sns", name)
        for on in ["OnSuccess", "OnFailure"]:
            refused("NotImplementedException", put, status=501, FunctionName="hello",
                    DestinationConfig={on: {"Destination": other}}, contains=f"The destination {other} is not built: "
                    "destinations are functions, and OnFailure may be a bucket of S3 (arn:aws:s3:::name).")
    refused("ValidationException", functions.list_function_event_invoke_configs, status=400, FunctionName="hello",
            MaxItems=51, contains="Member must have value less than or equal to 50")


run(globals())
