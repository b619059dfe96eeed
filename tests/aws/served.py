"""Two runs around a stop of the server: what the first had served is told by the metrics that the second reads."""

import datetime
import json
import os
import urllib.request

from aws import BOUND, ENDPOINT, ask, client, equal, run

UTC = datetime.timezone.utc
cloudwatch = client("cloudwatch")
REQUESTS = 3


def serve():
    for _ in range(REQUESTS):
        equal(ask(8080, "/hello")[2], "hello")
    answer = client("lambda").invoke(FunctionName="hello", Payload=json.dumps({}))
    equal(answer["StatusCode"], 200)
    with urllib.request.urlopen(f"http://{ENDPOINT}/_albacore/metrics", timeout=BOUND) as answer:
        metrics = answer.read().decode()
    assert 'albacore_functions_duration_seconds_count{function="hello"}' in metrics, metrics


def total(namespace, name, dimensions, stat="Sum"):
    """Over all minutes, as a run may have been in two."""
    now = datetime.datetime.now(UTC)
    hour = datetime.timedelta(hours=1)
    found = cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - hour,
        EndTime=now + hour,
        Period=7200,
        **({"ExtendedStatistics": [stat]} if stat.startswith("p") else {"Statistics": [stat]}),
    )["Datapoints"]
    equal(len(found), 1, f"{name} {dimensions}")
    return found[0]["ExtendedStatistics"][stat] if stat.startswith("p") else found[0][stat]


def test_what_was_served_is_told():
    if os.environ["RUN"] == "first":
        return serve()
    invocations = REQUESTS + 1
    listed = cloudwatch.list_metrics(Namespace="AWS/Lambda", MetricName="Invocations")["Metrics"]
    sets = [{it["Name"]: it["Value"] for it in metric["Dimensions"]} for metric in listed]
    for dimensions in [{}, {"FunctionName": "hello"}, {"FunctionName": "hello", "Resource": "hello"}]:
        assert dimensions in sets, sets
        equal(total("AWS/Lambda", "Invocations", dimensions), invocations)
        equal(total("AWS/Lambda", "Errors", dimensions), 0)
        equal(total("AWS/Lambda", "Errors", dimensions, "SampleCount"), invocations)
        equal(total("AWS/Lambda", "Duration", dimensions, "SampleCount"), invocations)
    function = {"FunctionName": "hello"}
    shortest, longest = (total("AWS/Lambda", "Duration", function, it) for it in ["Minimum", "Maximum"])
    assert 0 < shortest <= total("AWS/Lambda", "Duration", function, "p50") <= longest < 30_000, (shortest, longest)
    assert 1 <= total("AWS/Lambda", "ConcurrentExecutions", function, "Maximum") <= invocations
    # The load balancer's own, by the name that its ARN has.
    arn = client().describe_load_balancers(Names=["owned"])["LoadBalancers"][0]["LoadBalancerArn"]
    balancer = {"LoadBalancer": arn.split(":loadbalancer/")[1]}
    equal(total("AWS/ApplicationELB", "RequestCount", balancer), REQUESTS)
    percentile = total("AWS/ApplicationELB", "TargetResponseTime", balancer, "p99")
    assert 0 < percentile < 30, percentile


run(globals())
