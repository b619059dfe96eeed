"""What every stock function of these tests does, behind the stock runtime client."""

import json
import os

if os.environ.get("INIT") == "fail":
    raise RuntimeError("told to fail at init")


def handler(event, context):
    if event["path"] == "/hello":
        return answer("text/plain", "Hello from python " + context.function_name)
    if event["path"] == "/fail":
        raise ValueError("told to fail")
    # The client hands over a dictionary, which keeps the order of the document.
    return answer("application/json", json.dumps(event, separators=(",", ":"), ensure_ascii=False))


def answer(content_type, body):
    return {
        "statusCode": 200,
        "headers": {"content-type": content_type},
        "multiValueHeaders": {"content-type": [content_type]},
        "body": body,
    }
