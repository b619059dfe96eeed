"""The client of the package `websockets`, through albacore: in clear text and over TLS."""

import asyncio
import hashlib
import json
import os
import socket

from shared import BOUND, HTTPS_PORT, HTTP_PORT, equal, records, run, trusting, until
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus

SCHEMES = ("ws", "wss")


def opened(scheme, path, **options):
    port, context = (HTTPS_PORT, trusting()) if scheme == "wss" else (HTTP_PORT, None)
    options = {"max_size": None, "open_timeout": BOUND, "ping_interval": None, "proxy": None} | options
    return connect(f"{scheme}://localhost:{port}{path}", ssl=context, **options)


async def soon(coming):
    """What comes within the bound."""
    return await asyncio.wait_for(coming, BOUND)


async def echoes(websocket, message):
    await websocket.send(message)
    equal(await soon(websocket.recv()), message)


async def parts(pieces):
    for piece in pieces:
        yield piece


# ALB-H-042
async def test_messages_go_both_ways():
    for scheme in SCHEMES:
        async with opened(scheme, "/echo") as websocket:
            for message in ("", "text", "löng " * 20_000, b"", b"\x00\xff", bytes(range(256)) * 500):
                await echoes(websocket, message)
            for number in range(200):
                await websocket.send(f"message {number}")
            for number in range(200):
                equal(await soon(websocket.recv()), f"message {number}")


# ALB-H-042
async def test_fragments_arrive_as_one_message():
    for scheme in SCHEMES:
        async with opened(scheme, "/echo", compression=None) as websocket:
            await websocket.send(parts(("one ", "two ", "", "three")))
            equal(await soon(websocket.recv()), "one two three")
            many = [bytes([number]) * 10_000 for number in range(30)]
            await websocket.send(parts(many))
            equal(await soon(websocket.recv()), b"".join(many))
        async with opened(scheme, "/fragments") as websocket:
            for count in (1, 2, 7):
                await websocket.send(str(count))
                pieces = [piece async for piece in websocket.recv_streaming()]
                equal("".join(pieces), "".join(("abcdef" * 1000)[at::count] for at in range(count)))


async def test_a_ping_may_come_between_fragments():
    for scheme in SCHEMES:
        async with opened(scheme, "/echo", compression=None) as websocket:

            async def interrupted():
                for piece in (b"one ", b"two ", b"three"):
                    yield piece
                    # The answer overtakes the message, whose end has not been sent.
                    await soon(await websocket.ping())

            await websocket.send(interrupted())
            equal(await soon(websocket.recv()), b"one two three")


async def test_a_close_may_say_nothing():
    for scheme in SCHEMES:
        async with opened(scheme, "/echo") as websocket:
            websocket.protocol.send_close()
            for data in websocket.protocol.data_to_send():
                websocket.transport.write(data)
            await soon(websocket.wait_closed())
            # No code is 1005, and it is answered with none.
            equal((websocket.protocol.close_rcvd.code, websocket.protocol.close_sent.code), (1005, 1005))


async def test_pings_and_pongs_of_both_sides():
    for scheme in SCHEMES:
        async with opened(scheme, "/ping") as websocket:
            for payload in (b"", b"are you there", b"x" * 125):
                await soon(await websocket.ping(payload))
            await websocket.send("is the client there")
            equal(await soon(websocket.recv()), "ponged")


async def test_codes_and_reasons_of_closing_pass_both_ways():
    for scheme in SCHEMES:
        for code, reason in ((1000, ""), (1001, "going"), (3000, "a reason"), (4999, "ü" * 60)):
            async with opened(scheme, "/close") as websocket:
                await websocket.send(f"{code} {reason}")
                try:
                    await soon(websocket.recv())
                    raise AssertionError("it is still open")
                except (ConnectionClosedOK, ConnectionClosedError) as closed:
                    equal((closed.rcvd.code, closed.rcvd.reason), (code, reason))
            async with opened(scheme, "/echo") as websocket:
                await websocket.close(code, reason)
                # The other side answers with the code that it was told.
                equal((websocket.protocol.close_rcvd.code, websocket.protocol.close_sent.code), (code, code))


async def test_sixty_four_megabytes():
    # Python takes long over TLS; the client in JavaScript sends as much there.
    for scheme, size in (("ws", 64 << 20), ("wss", 8 << 20)):
        message = os.urandom(size)
        async with opened(scheme, "/echo", compression=None) as websocket:
            sending = asyncio.create_task(websocket.send(message))
            echoed = await soon(websocket.recv())
            await sending
            equal(len(echoed), len(message))
            equal(hashlib.sha256(echoed).digest(), hashlib.sha256(message).digest())


async def test_deflate_is_agreed_on_by_the_two_ends():
    message = "the same again and again " * 100_000
    for scheme in SCHEMES:
        path = f"/deflated/{scheme}"
        async with opened(scheme, path) as websocket:
            assert "permessage-deflate" in websocket.response.headers["Sec-WebSocket-Extensions"]
            for _ in range(3):
                await echoes(websocket, message)
        [record] = until("it is logged", lambda: records(path))
        assert int(record["received_bytes"]) < len(message) / 10, "it was compressed on its way"


async def test_subprotocols_and_headers():
    for scheme in SCHEMES:
        options = {"subprotocols": ["none", "chat.v1"], "additional_headers": {"X-Own": "a"}}
        async with opened(scheme, "/told", **options) as websocket:
            equal(websocket.subprotocol, "chat.v1")
            told = json.loads(await soon(websocket.recv()))
            equal(told["subprotocol"], "chat.v1")
            headers = told["headers"]
            equal((headers["upgrade"].lower(), headers["connection"].lower()), ("websocket", "upgrade"))
            equal((headers["x-own"], headers["x-forwarded-for"]), ("a", "127.0.0.1"))
            equal(headers["x-forwarded-proto"], "https" if scheme == "wss" else "http")
            assert headers["x-amzn-trace-id"].startswith("Root=1-")
        async with opened(scheme, "/echo") as websocket:
            equal(websocket.subprotocol, None)


async def test_a_refusal_is_an_ordinary_response():
    for scheme in SCHEMES:
        try:
            await opened(scheme, "/refused")
            raise AssertionError("it was let in")
        except InvalidStatus as refused:
            equal((refused.response.status_code, refused.response.body), (403, b"not you\n"))
    found = until("both are logged", lambda: len(found := records("/refused")) == 2 and found)
    told = {(record["type"], record["elb_status_code"], record["target_status_code"]) for record in found}
    equal(told, {("http", "403", "403"), ("https", "403", "403")})


# ALB-H-043
async def test_the_log_has_one_line_at_the_end():
    for scheme in SCHEMES:
        path = f"/logged/{scheme}"
        async with opened(scheme, path, compression=None) as websocket:
            for _ in range(3):
                await echoes(websocket, "x" * 10_000)
            equal(records(path), [], "while it is open")
        [record] = until("it is logged", lambda: records(path))
        equal((record["type"], record["elb_status_code"], record["target_status_code"]), (scheme, "101", "101"))
        for field in ("received_bytes", "sent_bytes"):
            # Heads, three messages with their frames, and the frame that closes.
            assert 30_000 < int(record[field]) < 31_500, (field, record[field])


async def test_a_target_that_dies():
    for scheme in SCHEMES:
        async with opened(scheme, "/die") as websocket:
            await websocket.send("now")
            try:
                await soon(websocket.recv())
                raise AssertionError("it is still open")
            except ConnectionClosedError as closed:
                equal(closed.rcvd, None)


async def test_a_client_that_dies():
    for scheme in SCHEMES:
        path = f"/dead/{scheme}"
        async with opened(scheme, path) as websocket:
            await echoes(websocket, "alive")
            websocket.transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        [record] = until("it is logged", lambda: records(path))
        equal((record["type"], record["elb_status_code"]), (scheme, "101"))


async def test_who_says_nothing_is_closed():
    port = os.environ["IMPATIENT_PORT"]
    async with connect(f"ws://localhost:{port}/quiet", ping_interval=None, proxy=None) as websocket:
        # Whoever speaks may stay, for longer than the timeout of two seconds.
        for _ in range(5):
            await websocket.send("still here")
            await asyncio.wait([asyncio.ensure_future(websocket.wait_closed())], timeout=0.5)
        await soon(await websocket.ping())
        try:
            await soon(websocket.recv())
            raise AssertionError("something was said")
        except ConnectionClosedError as closed:
            equal(closed.rcvd, None)


run(globals())
