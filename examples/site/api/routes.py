"""The API of the site: JSON in, JSON out."""

import json
from urllib.parse import unquote_plus

FACTS = [
    {"about": "speed", "text": "An albacore swims up to 80 km/h."},
    {"about": "size", "text": "An albacore grows to 1.4 m."},
]


def handler(event, context):
    route = ROUTES.get((event["httpMethod"], event["path"]))
    if route is None:
        return answer(404, {"error": f"there is no {event['httpMethod']} {event['path']}"})
    return route(event)


def facts(event):
    # Parameters come as the client wrote them: `+` and `%20` are not decoded yet.
    about = unquote_plus(event["queryStringParameters"].get("about", ""))
    return answer(200, [fact for fact in FACTS if about in ("", fact["about"])])


def count(event):
    """How many characters a JSON text has."""
    try:
        text = json.loads(event["body"])["text"]
        return answer(200, {"characters": len(text)})
    except (ValueError, KeyError, TypeError):
        return answer(400, {"error": 'expected {"text": "..."}'})


def answer(status, document):
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
        "body": json.dumps(document),
    }


ROUTES = {
    ("GET", "/api/facts"): facts,
    ("POST", "/api/count"): count,
}
