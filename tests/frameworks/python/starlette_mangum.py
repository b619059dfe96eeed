"""Starlette behind mangum."""

from mangum import Mangum
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from image import IMAGE


async def hello(request):
    return PlainTextResponse("hello")


async def item(request):
    if request.method == "DELETE":
        return Response(status_code=204)
    query = request.query_params
    return JSONResponse({"id": request.path_params["id"], "tags": query.getlist("tag"), "q": query.get("q")})


async def cookies(request):
    return JSONResponse(request.cookies)


async def set_cookie(request):
    response = PlainTextResponse("one")
    response.set_cookie("session", "abc", path="/", httponly=True)
    return response


async def set_cookies(request):
    response = PlainTextResponse("two")
    response.set_cookie("session", "abc", path="/", httponly=True)
    response.set_cookie("theme", "dark", path="/")
    return response


async def image(request):
    content = await request.body() if request.method == "POST" else IMAGE
    return Response(content, media_type="image/png")


async def moved(request):
    return RedirectResponse("/hello?from=moved", status_code=302)


async def json(request):
    return JSONResponse({"got": await request.json()})


async def form(request):
    fields = await request.form()
    return JSONResponse({"name": fields["name"], "tags": fields.getlist("tag")})


application = Starlette(
    routes=[
        Route("/hello", hello),
        Route("/items/{id}", item, methods=["GET", "DELETE"]),
        Route("/cookies", cookies),
        Route("/set-cookie", set_cookie),
        Route("/set-cookies", set_cookies),
        Route("/image", image, methods=["GET", "POST"]),
        Route("/moved", moved),
        Route("/json", json, methods=["POST"]),
        Route("/form", form, methods=["POST"]),
    ]
)
handler = Mangum(application, lifespan="off")
