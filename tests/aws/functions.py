"""A function of the manifest behind a load balancer of the API: permission, target, traffic, and no longer."""

import io
import json

from aws import ask, client, equal, refused, run
from resources import elb, forward, listener, load_balancer, name, remove

functions = client("lambda")
ARN = "arn:aws:lambda:us-east-1:000000000000:function:hello"


def group_of_function():
    return elb.create_target_group(Name=name("tg"), TargetType="lambda")["TargetGroups"][0]


# LAM-P-001, LAM-P-002, LAM-P-003, LAM-P-005, LAM-P-008, LAM-P-009, LAM-P-010, LAM-P-011, LAM-P-012
def test_policies():
    refused("ResourceNotFoundException", functions.get_policy, status=404, FunctionName="hello",
            contains="The resource you requested does not exist.")
    source = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/*"
    permission = {
        "FunctionName": "hello",
        "StatementId": "lb",
        "Action": "lambda:InvokeFunction",
        "Principal": "elasticloadbalancing.amazonaws.com",
        "SourceArn": source,
        "SourceAccount": "000000000000",
    }
    answer = functions.add_permission(**permission)
    equal(answer["ResponseMetadata"]["HTTPStatusCode"], 201)
    statement = answer["Statement"]
    expected = (
        '{"Sid":"lb","Effect":"Allow","Principal":{"Service":"elasticloadbalancing.amazonaws.com"},'
        f'"Action":"lambda:InvokeFunction","Resource":"{ARN}","Condition":{{"StringEquals":{{"AWS:SourceAccount":"000000000000"}},'
        f'"ArnLike":{{"AWS:SourceArn":"{source}"}}}}}}'
    )
    equal(statement, expected)
    message = "The statement id (lb) provided already exists."
    refused("ResourceConflictException", functions.add_permission, status=409, contains=message, **permission)
    for principal, shown in [("111122223333", {"AWS": "arn:aws:iam::111122223333:root"}), ("*", "*")]:
        more = {"FunctionName": ARN, "StatementId": "more", "Action": "lambda:*", "Principal": principal}
        equal(json.loads(functions.add_permission(**more)["Statement"])["Principal"], shown)
        functions.remove_permission(FunctionName="hello", StatementId="more")
    answer = functions.get_policy(FunctionName="hello")
    policy = json.loads(answer["Policy"])
    equal((policy["Version"], policy["Id"], len(policy["Statement"])), ("2012-10-17", "default", 1))
    stale = {**more, "StatementId": "stale", "RevisionId": "00000000-0000-4000-8000-000000000000"}
    refused("PreconditionFailedException", functions.add_permission, status=412, contains="GetPolicy", **stale)
    functions.add_permission(**{**stale, "RevisionId": answer["RevisionId"]})
    functions.remove_permission(FunctionName="hello", StatementId="stale")
    for bad, code in [
        ({"Principal": "me"}, "InvalidParameterValueException"),
        ({"Action": "dance"}, "ValidationException"),
        ({"StatementId": "a b"}, "ValidationException"),
        ({"SourceArn": "here"}, "ValidationException"),
        ({"PrincipalOrgID": "o-1"}, "ValidationException"),
        ({"Qualifier": "$LATEST"}, "InvalidParameterValueException"),
    ]:
        refused(code, functions.add_permission, **{**permission, "StatementId": "bad", **bad})
    refused("ResourceNotFoundException", functions.add_permission, status=404, **{**permission, "FunctionName": "nobody"})
    message = "Statement other is not found in resource policy."
    remove_it = lambda sid: functions.remove_permission(FunctionName="hello", StatementId=sid)
    refused("ResourceNotFoundException", lambda: remove_it("other"), status=404, contains=message)
    remove_it("lb")
    refused("ResourceNotFoundException", functions.get_policy, status=404, FunctionName="hello")
    refused("ResourceNotFoundException", lambda: remove_it("lb"), status=404, contains="No policy is associated")


# LAM-P-013, ALB-L-001: only with a permission, at each request. ALB-L-068: without the function 503
def test_a_load_balancer_invokes():
    balancer, group = load_balancer(), group_of_function()
    arn = group["TargetGroupArn"]
    listener(balancer, 9001, forward(group))
    target = [{"Id": ARN}]
    refused("AccessDenied", elb.register_targets, status=403, TargetGroupArn=arn, Targets=target)
    # For another target group it is no permission.
    other = {"FunctionName": "hello", "Action": "lambda:InvokeFunction", "Principal": "elasticloadbalancing.amazonaws.com"}
    functions.add_permission(StatementId="other", SourceArn=arn + "0", **other)
    refused("AccessDenied", elb.register_targets, status=403, TargetGroupArn=arn, Targets=target)
    functions.add_permission(StatementId="this", SourceArn=arn, **other)
    equal(ask(9001)[0], 503)
    for _ in range(2):
        elb.register_targets(TargetGroupArn=arn, Targets=target)
    equal(ask(9001)[::2], (200, "hello"))
    # One entry, as Terraform expects it.
    health = elb.describe_target_health(TargetGroupArn=arn, Targets=target)["TargetHealthDescriptions"]
    equal([it["Target"] for it in health], [{"Id": ARN, "AvailabilityZone": "all"}])
    functions.remove_permission(FunctionName="hello", StatementId="this")
    equal(ask(9001)[0], 502)
    functions.add_permission(StatementId="this", SourceArn=arn, **other)
    equal(ask(9001)[0], 200)
    elb.deregister_targets(TargetGroupArn=arn, Targets=target)
    equal(ask(9001)[0], 503)
    for sid in ["this", "other"]:
        functions.remove_permission(FunctionName="hello", StatementId=sid)
    remove(balancer)
    elb.delete_target_group(TargetGroupArn=arn)


def test_invocations():
    answer = functions.invoke(FunctionName="hello", Payload=json.dumps({"a": 1}))
    equal((answer["StatusCode"], answer["ExecutedVersion"]), (200, "$LATEST"))
    equal(json.load(answer["Payload"]), {"statusCode": 200, "body": "hello"})
    answer = functions.invoke(FunctionName=ARN, Payload=io.BytesIO(b"{}"), LogType="Tail")
    assert "LogResult" in answer, answer
    refused("ResourceNotFoundException", functions.invoke, status=404, FunctionName="nobody")
    refused("InvalidRequestContentException", functions.invoke, FunctionName="hello", Payload=b"{")
    there = client("lambda", region="eu-west-1")
    refused("ResourceNotFoundException", there.invoke, status=404, FunctionName="hello")
    refused("NotImplementedException", functions.get_event_source_mapping, status=501, UUID="a",
            contains="The operation GetEventSourceMapping of lambda is not built")


run(globals())
