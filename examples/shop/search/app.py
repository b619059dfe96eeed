"""Shows what a target group with multi-value headers is for: parameters, headers and cookies that come more than once."""

import json


def handler(event, context):
    # {"name": ["foo", "bar"]} for ?name=foo&name=bar
    parameters = event["multiValueQueryStringParameters"]
    found = {"names": parameters.get("name", []), "languages": event["multiValueHeaders"].get("accept-language", [])}
    return {
        "statusCode": 200,
        # Lists here too: `headers` would be ignored. Two cookies need two header lines.
        "multiValueHeaders": {
            "Content-Type": ["application/json"],
            "Set-Cookie": ["seen=yes; Path=/", "theme=dark; Path=/"],
        },
        "body": json.dumps(found),
    }
