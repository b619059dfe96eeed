"""The resolver for ALB's events of Powertools for AWS Lambda."""

import base64
from http.cookies import SimpleCookie
from urllib.parse import parse_qs

from aws_lambda_powertools.event_handler import ALBResolver, Response
from aws_lambda_powertools.shared.cookies import Cookie

from image import IMAGE

application = ALBResolver(decode_query_parameters=True)


def text(body, **more):
    return Response(status_code=200, content_type="text/plain", body=body, **more)


@application.get("/hello")
def hello():
    return text("hello")


@application.get("/items/<id>")
def item(id):
    query = application.current_event.resolved_query_string_parameters
    return {"id": id, "tags": query.get("tag") or [], "q": (query.get("q") or [None])[0]}


@application.delete("/items/<id>")
def delete_item(id):
    return Response(status_code=204)


@application.get("/cookies")
def cookies():
    header = application.current_event.resolved_headers_field["cookie"]
    parsed = SimpleCookie("; ".join(header) if isinstance(header, list) else header)
    return {name: morsel.value for name, morsel in parsed.items()}


SESSION = Cookie(name="session", value="abc", path="/", http_only=True, secure=False)
THEME = Cookie(name="theme", value="dark", path="/", secure=False)


@application.get("/set-cookie")
def set_cookie():
    return text("one", cookies=[SESSION])


@application.get("/set-cookies")
def set_cookies():
    return text("two", cookies=[SESSION, THEME])


@application.get("/image")
def image():
    return Response(status_code=200, content_type="image/png", body=IMAGE)


@application.post("/image")
def post_image():
    body = base64.b64decode(application.current_event.body)
    return Response(status_code=200, content_type="image/png", body=body)


@application.get("/moved")
def moved():
    return Response(status_code=302, headers={"Location": "/hello?from=moved"})


@application.post("/json")
def json():
    return {"got": application.current_event.json_body}


@application.post("/form")
def form():
    fields = parse_qs(application.current_event.decoded_body)
    return {"name": fields["name"][0], "tags": fields.get("tag", [])}


def handler(event, context):
    return application.resolve(event, context)
