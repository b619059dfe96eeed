"""CloudWatch: what others measure is kept and told again, with boto3 and in older protocols."""

import datetime
import json
import urllib.parse
import urllib.request

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from aws import BOUND, ENDPOINT, REGION, client, equal, refused, run

UTC = datetime.timezone.utc
MINUTE = datetime.timedelta(minutes=1)
# A whole minute, so that what is measured in it is told as of it.
NOW = datetime.datetime.now(UTC).replace(second=0, microsecond=0)
SIZE = [{"Name": "Size", "Value": "größe & <1>"}]
cloudwatch = client("cloudwatch")


def put(name, **more):
    cloudwatch.put_metric_data(Namespace="Shop/Tests", MetricData=[{"MetricName": name, **more}])


def stat(identity, name, stat="Sum", dimensions=(), period=60, **more):
    metric = {"Namespace": "Shop/Tests", "MetricName": name, "Dimensions": list(dimensions)}
    return {"Id": identity, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}, **more}


def data(*queries, since=60, **more):
    return cloudwatch.get_metric_data(
        MetricDataQueries=list(queries), StartTime=NOW - since * MINUTE, EndTime=NOW + 5 * MINUTE, **more
    )


def test_one_value_is_told_at_once():
    put("Sold", Value=7.5, Unit="Count", Dimensions=SIZE, Timestamp=NOW)
    result = data(stat("sold", "Sold", dimensions=SIZE))["MetricDataResults"][0]
    equal((result["Id"], result["Label"], result["StatusCode"]), ("sold", "Sold", "Complete"))
    equal((result["Timestamps"], result["Values"]), ([NOW], [7.5]))
    other = data(stat("sold", "Sold"))["MetricDataResults"][0]
    equal((other["Timestamps"], other["Values"]), ([], []), "other dimensions are another metric")


def test_statistics_of_periods():
    for minute, value in enumerate([4, 1, 9, 2]):
        put("Waits", Value=value, Unit="Seconds", Timestamp=NOW - (10 - minute) * MINUTE)
    found = cloudwatch.get_metric_statistics(
        Namespace="Shop/Tests",
        MetricName="Waits",
        StartTime=NOW - 10 * MINUTE,
        EndTime=NOW,
        Period=180,
        Statistics=["Sum", "Average", "Minimum", "Maximum", "SampleCount"],
    )
    equal(found["Label"], "Waits")
    first, second = sorted(found["Datapoints"], key=lambda it: it["Timestamp"])
    equal(first.pop("Timestamp"), NOW - 10 * MINUTE)
    expected = {"SampleCount": 3.0, "Average": 14 / 3, "Sum": 14.0, "Minimum": 1.0, "Maximum": 9.0, "Unit": "Seconds"}
    equal(first, expected)
    equal((second["Timestamp"], second["Sum"]), (NOW - 7 * MINUTE, 2.0))


def test_sets_values_and_counts():
    put("Set", StatisticValues={"SampleCount": 3, "Sum": 12, "Minimum": 2, "Maximum": 6}, Timestamp=NOW)
    put("Set", Values=[1.0, 5.0], Counts=[2.0, 1.0], Timestamp=NOW)
    put("Set", Values=[8.0], Timestamp=NOW)
    queries = [stat(name.lower(), "Set", name) for name in ["Sum", "Minimum", "Maximum", "SampleCount", "Average"]]
    values = {it["Id"]: it["Values"] for it in data(*queries)["MetricDataResults"]}
    equal(values, {"sum": [27.0], "minimum": [1.0], "maximum": [8.0], "samplecount": [7.0], "average": [27 / 7]})


def test_percentiles_are_told_where_they_are_known():
    put("Same", Values=[3.0], Counts=[9.0], Timestamp=NOW)
    put("Different", Values=[3.0, 4.0], Timestamp=NOW)
    results = data(stat("a", "Same", "p99.9"), stat("b", "Different", "p99.9"))["MetricDataResults"]
    equal([it["Values"] for it in results], [[3.0], []])


def test_order_and_pages():
    for minute in range(20):
        put("Many", Value=minute, Timestamp=NOW - minute * MINUTE)
    newest = data(stat("many", "Many"))["MetricDataResults"][0]
    equal(newest["Values"], [float(it) for it in range(20)])
    oldest = data(stat("many", "Many"), ScanBy="TimestampAscending")["MetricDataResults"][0]
    equal(oldest["Values"], [float(it) for it in reversed(range(20))])
    paginator = cloudwatch.get_paginator("get_metric_data")
    values, pages = [], 0
    for page in paginator.paginate(
        MetricDataQueries=[stat("many", "Many"), stat("hidden", "Many", ReturnData=False)],
        StartTime=NOW - 60 * MINUTE,
        EndTime=NOW + MINUTE,
        MaxDatapoints=8,
    ):
        pages += 1
        for result in page["MetricDataResults"]:
            equal(result["Id"], "many")
            values += result["Values"]
    equal((pages, values), (3, [float(it) for it in range(20)]))


def test_metrics_are_listed():
    put("Listed", Value=1, Dimensions=[{"Name": "A", "Value": "1"}, {"Name": "B", "Value": "2"}])
    listed = {"Namespace": "Shop/Tests", "MetricName": "Listed"}
    expected = {**listed, "Dimensions": [{"Name": "A", "Value": "1"}, {"Name": "B", "Value": "2"}]}
    for filters in [{}, {"Dimensions": [{"Name": "A"}]}, {"Dimensions": [{"Name": "B", "Value": "2"}]}]:
        equal(cloudwatch.list_metrics(**listed, **filters, RecentlyActive="PT3H")["Metrics"], [expected])
    equal(cloudwatch.list_metrics(**listed, Dimensions=[{"Name": "B", "Value": "3"}])["Metrics"], [])
    owned = cloudwatch.list_metrics(**listed, IncludeLinkedAccounts=True)
    equal(owned["OwningAccounts"], ["000000000000"])
    # Large calls are packed by the SDK.
    batch = [{"MetricName": f"M{number:04}", "Value": number} for number in range(600)]
    cloudwatch.put_metric_data(Namespace="Shop/Pages", MetricData=batch)
    pages = list(cloudwatch.get_paginator("list_metrics").paginate(Namespace="Shop/Pages"))
    names = [metric["MetricName"] for page in pages for metric in page["Metrics"]]
    equal((len(pages), names), (2, [f"M{number:04}" for number in range(600)]))


def typed(exception, call, **arguments):
    """The call fails with this exception of the SDK."""
    try:
        answer = call(**arguments)
    except exception as error:
        equal(error.response["ResponseMetadata"]["HTTPStatusCode"], 400)
        return error
    raise AssertionError(f"expected {exception}, got {answer}")


def test_errors_are_typed():
    errors, put_data = cloudwatch.exceptions, cloudwatch.put_metric_data
    now = {"MetricName": "Now", "Timestamp": NOW, "Value": 1}
    typed(errors.InvalidParameterValueException, put_data, Namespace="AWS/X", MetricData=[now])
    old = {**now, "Timestamp": NOW - datetime.timedelta(days=15)}
    typed(errors.InvalidParameterValueException, put_data, Namespace="X", MetricData=[old])
    typed(errors.MissingRequiredParameterException, put_data, Namespace="X")
    asked = {"Namespace": "X", "MetricName": "Y", "StartTime": NOW - MINUTE, "EndTime": NOW, "Period": 60}
    typed(errors.InvalidParameterCombinationException, cloudwatch.get_metric_statistics, **asked)
    many = {**asked, "StartTime": NOW - 1441 * MINUTE, "Statistics": ["Sum"]}
    error = typed(errors.InvalidParameterCombinationException, cloudwatch.get_metric_statistics, **many)
    assert "exceeds the limit of 1,440" in str(error), error
    refused("ValidationError", lambda: data(stat("Big", "X")))
    typed(errors.InvalidNextToken, lambda: data(stat("a", "X"), NextToken="x"))
    for call in [
        lambda: data({"Id": "e", "Expression": "SEARCH('x', 'Sum', 60)"}),
        lambda: data(stat("a", "X", "tm90")),
        lambda: cloudwatch.put_metric_alarm(AlarmName="a"),
    ]:
        refused("NotImplemented", call, status=501)


def raw(headers, body, path="/"):
    """A call in another protocol than the SDK prefers, signed by the SDK's signer."""
    request = AWSRequest("POST", f"http://{ENDPOINT}{path}", headers=headers, data=body)
    SigV4Auth(Credentials("test", "secret"), "monitoring", REGION).add_auth(request)
    sent = urllib.request.Request(request.url, body.encode(), dict(request.headers.items()))
    with urllib.request.urlopen(sent, timeout=BOUND) as answer:
        return answer.read().decode()


def test_older_protocols_say_the_same():
    put("Older", Value=2, Timestamp=NOW)
    times = {"StartTime": (NOW - MINUTE).timestamp(), "EndTime": (NOW + MINUTE).timestamp()}
    target = {"X-Amz-Target": "GraniteServiceVersion20100801.GetMetricStatistics"}
    asked = {"Namespace": "Shop/Tests", "MetricName": "Older", "Period": 60, "Statistics": ["Sum"], **times}
    document = json.loads(raw({**target, "Content-Type": "application/x-amz-json-1.0"}, json.dumps(asked)))
    point = {"Timestamp": NOW.timestamp(), "Sum": 2.0, "Unit": "None"}
    equal(document, {"Label": "Older", "Datapoints": [point]})
    form = {
        "Action": "GetMetricStatistics",
        "Version": "2010-08-01",
        "Namespace": "Shop/Tests",
        "MetricName": "Older",
        "Period": "60",
        "Statistics.member.1": "Sum",
        "StartTime": (NOW - MINUTE).isoformat(),
        "EndTime": (NOW + MINUTE).isoformat(),
    }
    xml = raw({"Content-Type": "application/x-www-form-urlencoded"}, urllib.parse.urlencode(form))
    stamp = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    expected = (
        "<GetMetricStatisticsResult><Label>Older</Label><Datapoints><member>"
        f"<Timestamp>{stamp}</Timestamp><Sum>2</Sum><Unit>None</Unit></member></Datapoints></GetMetricStatisticsResult>"
    )
    assert expected in xml, xml


def test_policies_decide_for_users():
    iam = client("iam")
    iam.create_user(UserName="measures")
    key = iam.create_access_key(UserName="measures")["AccessKey"]
    user = client("cloudwatch", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    refused("AccessDenied", user.list_metrics, status=403, contains="cloudwatch:ListMetrics")
    own = {"StringEquals": {"cloudwatch:namespace": "Own"}}
    statement = {"Effect": "Allow", "Action": "cloudwatch:PutMetricData", "Resource": "*", "Condition": own}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="measures", PolicyName="own", PolicyDocument=document)
    one = [{"MetricName": "One", "Value": 1}]
    user.put_metric_data(Namespace="Own", MetricData=one)
    # Packed, what is in it counts all the same.
    many = [{"MetricName": f"Packed{number}", "Value": 1, "Unit": "Count/Second"} for number in range(500)]
    for data_ in [one, many]:
        refused("AccessDenied", user.put_metric_data, status=403, Namespace="Other", MetricData=data_)
    equal(cloudwatch.list_metrics(Namespace="Other")["Metrics"], [])


def test_there_are_no_alarms():
    answer = cloudwatch.describe_alarms()
    equal((answer["MetricAlarms"], answer["CompositeAlarms"]), ([], []))
    equal(cloudwatch.describe_alarms_for_metric(MetricName="X", Namespace="Y")["MetricAlarms"], [])
    equal(cloudwatch.list_dashboards()["DashboardEntries"], [])


run(globals())
