"""The application in Flask, which does what every application of these tests does."""

from flask import Flask, Response, jsonify, make_response, redirect, request

from image import IMAGE

application = Flask(__name__)


@application.get("/hello")
def hello():
    return Response("hello", mimetype="text/plain")


@application.get("/items/<id>")
def item(id):
    return jsonify(id=id, tags=request.args.getlist("tag"), q=request.args.get("q"))


@application.delete("/items/<id>")
def delete_item(id):
    return "", 204


@application.get("/cookies")
def cookies():
    return jsonify(request.cookies)


@application.get("/set-cookie")
def set_cookie():
    response = make_response("one")
    response.set_cookie("session", "abc", httponly=True)
    return response


@application.get("/set-cookies")
def set_cookies():
    response = make_response("two")
    response.set_cookie("session", "abc", httponly=True)
    response.set_cookie("theme", "dark")
    return response


@application.get("/image")
def image():
    return Response(IMAGE, mimetype="image/png")


@application.post("/image")
def post_image():
    return Response(request.get_data(), mimetype="image/png")


@application.get("/moved")
def moved():
    return redirect("/hello?from=moved")


@application.post("/json")
def json():
    return jsonify(got=request.get_json())


@application.post("/form")
def form():
    return jsonify(name=request.form["name"], tags=request.form.getlist("tag"))
