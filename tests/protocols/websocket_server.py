"""A server of WebSockets, as the package `websockets` has it. What it does with a message depends on the path."""

import asyncio
import http
import json

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosedError


def refuse(connection, request):
    if request.path == "/refused":
        return connection.respond(http.HTTPStatus.FORBIDDEN, "not you\n")
    return None


async def pieces(text, count):
    for at in range(count):
        yield text[at::count]


async def handle(connection):
    try:
        await serve_messages(connection)
    except ConnectionClosedError:
        pass  # clients may leave as they like


async def serve_messages(connection):
    request = connection.request
    if request.path == "/told":
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        await connection.send(json.dumps({"headers": headers, "subprotocol": connection.subprotocol}))
    async for message in connection:
        match request.path:
            case "/close":
                code, reason = message.split(" ", 1)
                await connection.close(int(code), reason)
            case "/ping":
                await (await connection.ping(message.encode()))
                await connection.send("ponged")
            case "/fragments":
                await connection.send(pieces("abcdef" * 1000, int(message)))
            case "/die":
                connection.transport.abort()
            case "/quiet":
                pass
            case _:
                await connection.send(message)


def select(connection, offered):
    return next((known for known in ("chat.v2", "chat.v1") if known in offered), None)


async def main():
    options = {"max_size": None, "ping_interval": None, "select_subprotocol": select, "process_request": refuse}
    async with serve(handle, "127.0.0.1", 0, **options) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


asyncio.run(main())
