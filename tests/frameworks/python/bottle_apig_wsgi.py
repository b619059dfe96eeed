"""Bottle behind apig-wsgi."""

from apig_wsgi import make_lambda_handler
from bottle import Bottle, HTTPResponse, redirect, request, response

from image import IMAGE

application = Bottle()


@application.get("/hello")
def hello():
    response.content_type = "text/plain"
    return "hello"


@application.get("/items/<id>")
def item(id):
    query = request.query.decode()
    return {"id": id, "tags": query.getall("tag"), "q": query.get("q")}


@application.delete("/items/<id>")
def delete_item(id):
    return HTTPResponse(status=204)


@application.get("/cookies")
def cookies():
    return dict(request.cookies)


@application.get("/set-cookie")
def set_cookie():
    response.set_cookie("session", "abc", path="/", httponly=True)
    return "one"


@application.get("/set-cookies")
def set_cookies():
    response.set_cookie("session", "abc", path="/", httponly=True)
    response.set_cookie("theme", "dark", path="/")
    return "two"


@application.get("/image")
def image():
    response.content_type = "image/png"
    return IMAGE


@application.post("/image")
def post_image():
    response.content_type = "image/png"
    return request.body.read()


@application.get("/moved")
def moved():
    redirect("/hello?from=moved", 302)


@application.post("/json")
def json():
    return {"got": request.json}


@application.post("/form")
def form():
    fields = request.forms.decode()
    return {"name": fields["name"], "tags": fields.getall("tag")}


handler = make_lambda_handler(application)
