"""InvokeWithResponseStream: pieces come while the function still runs, and its end says how it went."""

import json

from aws import client, equal, own_api, refused, run

# What the function `streams` writes first: the prelude of an HTTP answer passes through as it is.
PRELUDE = b'{"statusCode":201}' + bytes(8)
# More than may wait anywhere between the function and its reader.
LONG = 64 * 1024 * 1024


def invoke(name, event, **more):
    answer = client("lambda").invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event), **more)
    equal(answer["StatusCode"], 200)
    equal(answer["ExecutedVersion"], "$LATEST")
    return iter(answer["EventStream"])


def rest(events):
    """How many bytes come, the last of them, and what the end says."""
    count, last = 0, b""
    for event in events:
        if "InvokeComplete" in event:
            assert next(events, None) is None, "something came after the end"
            return count, last, event["InvokeComplete"]
        last = event["PayloadChunk"]["Payload"]
        count += len(last)
    raise AssertionError("there was no end")


def busy(name):
    reports = [it for it in own_api("status")["functions"] if it["name"] == name]
    return reports[0]["busy"]


def test_a_stream_comes_while_it_is_written():
    events = invoke("streams", {"bytes": LONG})
    first = next(events)["PayloadChunk"]["Payload"]
    equal(first[: len(PRELUDE)], PRELUDE)
    # It cannot have ended: nobody has read the rest.
    equal(busy("streams"), 1)
    count, _, end = rest(events)
    equal((len(first) + count, end), (len(PRELUDE) + LONG, {}))


def test_an_error_in_the_middle_is_in_the_end():
    count, last, end = rest(invoke("streams", {"fail": True}, LogType="Tail"))
    equal((count, last), (len(PRELUDE), PRELUDE))
    equal((end["ErrorCode"], json.loads(end["ErrorDetails"])), ("Unhandled", {"errorMessage": "late"}))
    assert end["LogResult"], end


def test_a_whole_answer_is_a_stream_too():
    _, last, end = rest(invoke("hello", {}))
    equal((json.loads(last)["body"], end), ("hello", {}))


def test_what_does_not_exist_is_an_error():
    call = client("lambda").invoke_with_response_stream
    refused("ResourceNotFoundException", call, status=404, contains="function:nobody", FunctionName="nobody")


run(globals())
