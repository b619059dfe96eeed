"""An answer that a function streams faster than it may go on: nothing of it is lost. That it is held back, and for how long, is
proven by a clock of their own in `stream_rate` and `lambda::stream`. Source: Lambda 2.6."""

import json

from aws import client, equal, run

PRELUDE = b'{"statusCode":201}' + bytes(8)
BURST = 6 << 20


def streamed(count):
    answer = client("lambda").invoke_with_response_stream(FunctionName="streams", Payload=json.dumps({"bytes": count}))
    pieces, end = [], None
    for event in answer["EventStream"]:
        pieces.append(event.get("PayloadChunk", {}).get("Payload", b""))
        end = event.get("InvokeComplete", end)
    return b"".join(pieces), end


def test_what_is_more_than_the_burst_comes_whole():
    whole, end = streamed(BURST + (2 << 20))
    assert whole == PRELUDE + b"x" * (BURST + (2 << 20)), len(whole)
    equal(end, {})


def test_less_than_the_burst_comes_whole():
    whole, end = streamed(1 << 20)
    assert whole == PRELUDE + b"x" * (1 << 20), len(whole)
    equal(end, {})


run(globals())
