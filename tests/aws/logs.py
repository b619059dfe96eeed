"""Log groups and streams: made, written, read in every way, followed, and taken away."""

import json
import threading
import time

from aws import client, equal, refused, run, until

logs = client("logs")
functions = client("lambda")
# Its own host name would be needed otherwise, which no loopback address has.
live = client("logs", inject_host_prefix=False)
NOW = int(time.time() * 1000)
ARN = "arn:aws:logs:us-east-1:000000000000:log-group:"


def group(name, *streams):
    logs.create_log_group(logGroupName=name)
    for stream in streams:
        logs.create_log_stream(logGroupName=name, logStreamName=stream)
    return name


def put(name, stream, *messages, at=NOW):
    events = [{"timestamp": at + number, "message": message} for number, message in enumerate(messages)]
    return logs.put_log_events(logGroupName=name, logStreamName=stream, logEvents=events)


def messages(answer):
    return [event["message"] for event in answer["events"]]


def test_groups():
    name = "/test/groups"
    logs.create_log_group(logGroupName=name, tags={"team": "web"})
    refused("ResourceAlreadyExistsException", logs.create_log_group, logGroupName=name,
            contains="The specified log group already exists")
    (found,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    equal(found["arn"], f"{ARN}{name}:*")
    equal(found["logGroupArn"], f"{ARN}{name}")
    equal([found[key] for key in ("logGroupName", "storedBytes", "metricFilterCount", "logGroupClass")], [name, 0, 0, "STANDARD"])
    assert "retentionInDays" not in found and abs(found["creationTime"] - NOW) < 600_000
    logs.put_retention_policy(logGroupName=name, retentionInDays=7)
    equal(logs.describe_log_groups(logGroupNamePattern="st/gro")["logGroups"][0]["retentionInDays"], 7)
    refused("InvalidParameterException", logs.put_retention_policy, logGroupName=name, retentionInDays=2)
    logs.delete_retention_policy(logGroupName=name)
    assert "retentionInDays" not in logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]
    logs.put_log_group_deletion_protection(logGroupIdentifier=name, deletionProtectionEnabled=True)
    refused("ValidationException", logs.delete_log_group, logGroupName=name)
    logs.put_log_group_deletion_protection(logGroupIdentifier=f"{ARN}{name}", deletionProtectionEnabled=False)
    logs.delete_log_group(logGroupName=name)
    refused("ResourceNotFoundException", logs.delete_log_group, logGroupName=name,
            contains="The specified log group does not exist.")
    refused("InvalidParameterException", logs.create_log_group, logGroupName="a b")
    refused("InvalidParameterException", logs.create_log_group)
    refused("NotImplementedException", logs.create_log_group, status=501, logGroupName="k", kmsKeyId="key")
    refused("NotImplementedException", logs.start_query, status=501, startTime=0, endTime=1, queryString="x",
            contains="StartQuery")


def test_groups_have_pages():
    names = [group(f"/pages/{number}") for number in range(5)]
    pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/pages/", PaginationConfig={"PageSize": 2})
    pages = [[it["logGroupName"] for it in page["logGroups"]] for page in pages]
    equal(pages, [names[:2], names[2:4], names[4:]])
    equal([it["logGroupName"] for it in logs.list_log_groups(logGroupNamePattern="^/pages|nothing")["logGroups"]], names)
    refused("InvalidParameterException", logs.describe_log_groups, limit=51)
    refused("InvalidParameterException", logs.describe_log_groups, nextToken="x")
    refused("InvalidParameterException", logs.describe_log_groups, logGroupNamePrefix="a", logGroupNamePattern="b")
    for name in names:
        logs.delete_log_group(logGroupName=name)


def test_tags():
    name = group("/test/tags")
    arn = f"{ARN}{name}"
    logs.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
    logs.tag_log_group(logGroupName=name, tags={"b": "3"})
    equal(logs.list_tags_for_resource(resourceArn=arn)["tags"], {"a": "1", "b": "3"})
    equal(logs.list_tags_for_resource(resourceArn=f"{arn}:*")["tags"], {"a": "1", "b": "3"})
    logs.untag_resource(resourceArn=arn, tagKeys=["a"])
    logs.untag_log_group(logGroupName=name, tags=["x"])
    equal(logs.list_tags_log_group(logGroupName=name)["tags"], {"b": "3"})
    refused("InvalidParameterException", logs.tag_resource, resourceArn="x", tags={"a": "1"})
    refused("ResourceNotFoundException", logs.list_tags_for_resource, resourceArn=f"{ARN}/missing")
    refused("TooManyTagsException", logs.tag_resource, resourceArn=arn, tags={f"k{n}": "" for n in range(50)})
    logs.delete_log_group(logGroupName=name)


def test_streams():
    name = group("/test/streams", "b", "a", "c")
    refused("ResourceAlreadyExistsException", logs.create_log_stream, logGroupName=name, logStreamName="a")
    refused("InvalidParameterException", logs.create_log_stream, logGroupName=name, logStreamName="a:b")
    refused("ResourceNotFoundException", logs.create_log_stream, logGroupName="/missing", logStreamName="a")
    names = lambda **more: [it["logStreamName"] for it in logs.describe_log_streams(logGroupName=name, **more)["logStreams"]]
    equal(names(), ["a", "b", "c"])
    put(name, "b", "new", at=NOW)
    put(name, "c", "old", at=NOW - 5000)
    equal(names(orderBy="LastEventTime", descending=True), ["b", "c", "a"])
    equal(names(logStreamNamePrefix="a"), ["a"])
    equal(names(descending=True), ["c", "b", "a"])
    pages = logs.get_paginator("describe_log_streams").paginate(
        logGroupName=name, orderBy="LastEventTime", PaginationConfig={"PageSize": 1})
    equal([it["logStreamName"] for page in pages for it in page["logStreams"]], ["a", "c", "b"])
    (found,) = logs.describe_log_streams(logGroupIdentifier=f"{ARN}{name}", logStreamNamePrefix="b")["logStreams"]
    equal(found["arn"], f"{ARN}{name}:log-stream:b")
    equal((found["firstEventTimestamp"], found["lastEventTimestamp"]), (NOW, NOW))
    assert found["lastIngestionTime"] >= NOW and found["creationTime"]
    refused("InvalidParameterException", names, orderBy="LastEventTime", logStreamNamePrefix="a")
    logs.delete_log_stream(logGroupName=name, logStreamName="b")
    equal(names(), ["a", "c"])
    refused("ResourceNotFoundException", logs.get_log_events, logGroupName=name, logStreamName="b")
    equal(messages(logs.filter_log_events(logGroupName=name)), ["old"])
    logs.delete_log_group(logGroupName=name)


def test_events_are_bounded_and_in_order():
    name = group("/test/bounds", "s")
    day = 24 * 60 * 60 * 1000
    event = lambda at, message="x": {"timestamp": at, "message": message}
    put_events = lambda events: logs.put_log_events(logGroupName=name, logStreamName="s", logEvents=events)
    for events, message in [
        ([], "logEvents"),
        ([event(NOW, "")], "message"),
        ([event(NOW), event(NOW - 1)], "chronological"),
        ([event(NOW - day - 1), event(NOW)], "24 hours"),
        ([event(NOW, "x" * 1048576)], "too large"),
        ([event(NOW, "x" * 600000), event(NOW, "x" * 600000)], "Upload too large"),
        ([event(NOW)] * 10001, "10000"),
    ]:
        refused("InvalidParameterException", logs.put_log_events, contains=message, logGroupName=name,
                logStreamName="s", logEvents=events)
    refused("ResourceNotFoundException", logs.put_log_events, logGroupName=name, logStreamName="none", logEvents=[event(NOW)],
            contains="The specified log stream does not exist.")
    rejected = put_events([event(NOW - 15 * day), event(NOW - 15 * day + 1)])["rejectedLogEventsInfo"]
    equal(rejected, {"tooOldLogEventEndIndex": 2})
    rejected = put_events([event(NOW, "kept"), event(NOW + 3 * 3600_000)])["rejectedLogEventsInfo"]
    equal(rejected, {"tooNewLogEventStartIndex": 1})
    logs.put_retention_policy(logGroupName=name, retentionInDays=1)
    rejected = put_events([event(NOW - 2 * day)])["rejectedLogEventsInfo"]
    equal(rejected, {"expiredLogEventEndIndex": 1})
    answer = put_events([event(NOW, "more")])
    assert "rejectedLogEventsInfo" not in answer and answer["nextSequenceToken"]
    equal(messages(logs.get_log_events(logGroupName=name, logStreamName="s")), ["kept", "more"])
    logs.delete_log_group(logGroupName=name)


def test_retention_hides_what_is_too_old():
    name = group("/test/retention", "s")
    day = 24 * 60 * 60 * 1000
    put(name, "s", "old", at=NOW - 3 * day)
    put(name, "s", "new")
    equal(messages(logs.filter_log_events(logGroupName=name)), ["old", "new"])
    logs.put_retention_policy(logGroupName=name, retentionInDays=1)
    equal(messages(logs.filter_log_events(logGroupName=name)), ["new"])
    equal(messages(logs.get_log_events(logGroupName=name, logStreamName="s", startFromHead=True)), ["new"])
    logs.delete_log_group(logGroupName=name)


def test_tokens_lead_both_ways_and_stay_at_the_end():
    name = group("/test/tokens", "s", "other")
    for number in range(10):
        put(name, "s", f"m{number}", at=NOW + number)
        put(name, "other", "noise", at=NOW + number)
    get = lambda **more: logs.get_log_events(logGroupName=name, logStreamName="s", **more)
    # The newest ones first, in the order of their time.
    answer = get(limit=3)
    equal(messages(answer), ["m7", "m8", "m9"])
    seen, token = messages(answer), answer["nextBackwardToken"]
    while True:
        page = get(limit=3, nextToken=token)
        seen = messages(page) + seen
        if page["nextBackwardToken"] == token:
            break
        token = page["nextBackwardToken"]
    equal(seen, [f"m{number}" for number in range(10)])
    answer = get(limit=4, startFromHead=True)
    seen, token = messages(answer), answer["nextForwardToken"]
    while (page := get(limit=4, nextToken=token))["nextForwardToken"] != token:
        seen += messages(page)
        token = page["nextForwardToken"]
    equal(seen, [f"m{number}" for number in range(10)])
    put(name, "s", "later", at=NOW + 99)
    equal(messages(get(nextToken=token)), ["later"])
    equal(messages(get(startTime=NOW + 2, endTime=NOW + 4)), ["m2", "m3"])
    event = get(limit=1)["events"][0]
    assert event["timestamp"] == NOW + 99 and event["ingestionTime"] >= NOW
    refused("InvalidParameterException", get, nextToken="f/x")
    refused("InvalidParameterException", get, limit=0)
    logs.delete_log_group(logGroupName=name)


def test_filters():
    name = group("/test/filters", "web-1", "web-2", "db")
    put(name, "web-1", "ERROR not found", "INFO fine", json.dumps({"status": 503, "path": "/a"}))
    put(name, "web-2", "ERROR twice", "10.0.0.1 GET 404", at=NOW + 10)
    put(name, "db", "ERROR in db", at=NOW + 20)
    find = lambda **more: messages(logs.filter_log_events(logGroupName=name, **more))
    equal(find(filterPattern="ERROR"), ["ERROR not found", "ERROR twice", "ERROR in db"])
    equal(find(filterPattern='ERROR -"in db"'), ["ERROR not found", "ERROR twice"])
    equal(find(filterPattern="?INFO ?twice"), ["INFO fine", "ERROR twice"])
    equal(len(find(filterPattern="{ $.status >= 500 && $.path = \"/*\" }")), 1)
    equal(find(filterPattern="[ip, method, status = 4*]"), ["10.0.0.1 GET 404"])
    equal(find(filterPattern="ERROR", logStreamNamePrefix="web"), ["ERROR not found", "ERROR twice"])
    equal(find(logStreamNames=["db"]), ["ERROR in db"])
    equal(find(startTime=NOW + 10, endTime=NOW + 20), ["ERROR twice", "10.0.0.1 GET 404"])
    for bad in ["%re%", "a.b", "{ $.a }", "[a", '"open']:
        refused("InvalidParameterException", logs.filter_log_events, logGroupName=name, filterPattern=bad,
                contains="Invalid filter pattern")
    refused("InvalidParameterException", logs.filter_log_events, logGroupName=name, logStreamNames=["a"], logStreamNamePrefix="b")
    refused("ResourceNotFoundException", logs.filter_log_events, logGroupName="/missing")
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=name, PaginationConfig={"PageSize": 2})
    events = [event for page in pages for event in page["events"]]
    equal(len(events), 6)
    equal(len({event["eventId"] for event in events}), 6)
    equal({event["logStreamName"] for event in events}, {"web-1", "web-2", "db"})
    logs.delete_log_group(logGroupName=name)


def test_what_functions_wrote_is_there():
    functions.invoke(FunctionName="hello", Payload=b"{}")
    name = "/aws/lambda/hello"
    found = until("END in the log", lambda: messages(logs.filter_log_events(logGroupName=name, filterPattern="END")))
    assert "RequestId" in found[0]
    (stream, *_) = logs.describe_log_streams(logGroupName=name, orderBy="LastEventTime", descending=True)["logStreams"]
    assert "[$LATEST]" in stream["logStreamName"]
    events = logs.get_log_events(logGroupName=name, logStreamName=stream["logStreamName"], startFromHead=True)["events"]
    assert any(event["message"].startswith("START RequestId") for event in events)
    equal([it["logGroupName"] for it in logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]], [name])
    # It becomes one that is known, and keeps what was written.
    logs.put_retention_policy(logGroupName=name, retentionInDays=30)
    logs.tag_log_group(logGroupName=name, tags={"a": "b"})
    refused("ResourceAlreadyExistsException", logs.create_log_group, logGroupName=name)
    logs.delete_log_group(logGroupName=name)
    refused("ResourceNotFoundException", logs.filter_log_events, logGroupName=name)
    functions.invoke(FunctionName="hello", Payload=b"{}")
    until("the group again", lambda: logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"])


def test_there_are_no_filters():
    name = group("/test/filters")
    equal(logs.describe_subscription_filters(logGroupName=name, filterNamePrefix="a", limit=1)["subscriptionFilters"], [])
    equal(logs.describe_metric_filters()["metricFilters"], [])
    equal(logs.describe_metric_filters(logGroupName=name)["metricFilters"], [])
    for call in [logs.describe_subscription_filters, logs.describe_metric_filters]:
        refused("ResourceNotFoundException", call, logGroupName="/missing")
        refused("InvalidParameterException", call, logGroupName=name, limit=51)
    refused("NotImplementedException", logs.put_subscription_filter, status=501, logGroupName=name, filterName="a",
            filterPattern="", destinationArn="arn:aws:lambda:us-east-1:000000000000:function:hello")
    logs.delete_log_group(logGroupName=name)


def test_a_live_tail():
    name = group("/test/tail", "s")
    put(name, "s", "before")
    stream = live.start_live_tail(logGroupIdentifiers=[f"{ARN}{name}"], logEventFilterPattern="yes")["responseStream"]
    events = iter(stream)
    start = next(events)["sessionStart"]
    equal(start["logGroupIdentifiers"], [name])
    assert start["sessionId"] and start["logEventFilterPattern"] == "yes"
    put(name, "s", "no", "yes 1")
    writer = threading.Thread(target=put, args=(name, "s", "yes 2"))
    writer.start()
    seen = []
    for event in events:
        update = event["sessionUpdate"]
        equal(update["sessionMetadata"], {"sampled": False})
        seen += [(it["logStreamName"], it["message"]) for it in update["sessionResults"]]
        if len(seen) == 2:
            break
    writer.join()
    stream.close()
    equal(sorted(seen), [("s", "yes 1"), ("s", "yes 2")])
    refused("InvalidParameterException", live.start_live_tail, logGroupIdentifiers=[name])
    refused("ResourceNotFoundException", live.start_live_tail, logGroupIdentifiers=[f"{ARN}/missing"])
    refused("InvalidParameterException", live.start_live_tail, logGroupIdentifiers=[f"{ARN}{name}"], logEventFilterPattern="%x%")
    logs.delete_log_group(logGroupName=name)


run(globals())
