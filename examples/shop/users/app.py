"""Users by name: /users lists them, /users/ada shows one."""

import json
from urllib.parse import unquote

# A module beside this one, imported as on AWS.
from directory import USERS


def handler(event, context):
    # The path comes as the client wrote it: nothing is decoded yet.
    _, _, name = event["path"].removeprefix("/users").partition("/")
    if not name:
        return answer(200, sorted(USERS))
    user = USERS.get(unquote(name))
    if user is None:
        return answer(404, {"error": "no such user"})
    print(f"{context.aws_request_id} shows {user['name']}")
    return answer(200, user)


def answer(status, document):
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json; charset=utf-8"},
        "body": json.dumps(document, ensure_ascii=False),
    }
