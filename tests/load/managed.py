"""The same for a managed runtime: the first part of the path says what to do."""

import os


def handler(event, context):
    if event["path"].startswith("/python-raising/"):
        raise ValueError("told to fail")
    if event["path"].startswith("/python-exiting/"):
        os._exit(1)
    return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": event["path"]}
