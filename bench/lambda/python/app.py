"""The same as node/index.js, and as little."""


def handler(event, context):
    return {"statusCode": 200, "body": "hello"}
