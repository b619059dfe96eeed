"""`httpx` with HTTP/2: many streams on one connection."""

import asyncio

import httpx
from clients import CA, HTTPS, equal, requests_for, run, until

STREAMS = 50


def test_fifty_requests_share_a_connection():
    asyncio.run(fifty_requests_at_once())
    records = until("all are recorded", lambda: len(found := requests_for("/stream/")) == STREAMS and found)
    equal(len({record["client:port"] for record in records}), 1, "connections")
    equal({(record["type"], record["elb_status_code"]) for record in records}, {("h2", "200")})


async def fifty_requests_at_once():
    limits = httpx.Limits(max_connections=1)
    async with httpx.AsyncClient(http2=True, verify=httpx.create_ssl_context(verify=CA), limits=limits, timeout=60) as client:
        # Fixed responses overtake functions: answers come in another order than requests.
        paths = [f"/stream/{number}" if number % 5 == 0 else f"/fixed/stream/{number}" for number in range(STREAMS)]
        answers = await asyncio.gather(*[client.get(HTTPS + path) for path in paths])
    for path, answer in zip(paths, answers):
        equal((answer.status_code, answer.http_version), (200, "HTTP/2"), path)
        if path.startswith("/stream"):
            equal(answer.json()["path"], path)
        else:
            equal(answer.text, "fixed")


# ALB-H-048
def test_headers_are_those_of_http_2():
    with httpx.Client(http2=True, verify=httpx.create_ssl_context(verify=CA), timeout=60) as client:
        answer = client.get(f"{HTTPS}/fixed", headers={"X-Mixed-Case": "a"})
        equal([name for name, _ in answer.headers.raw if name != name.lower()], [])
        assert "connection" not in answer.headers and "transfer-encoding" not in answer.headers, answer.headers
        event = client.post(f"{HTTPS}/echo", json={"a": 1}, headers={"X-Mixed-Case": "a"}).json()
        equal((event["headers"]["x-mixed-case"], event["headers"]["host"]), ("a", HTTPS.removeprefix("https://")))
        equal(event["body"].replace(" ", ""), '{"a":1}')


def test_a_client_without_http_2_gets_http_1():
    with httpx.Client(http2=False, verify=httpx.create_ssl_context(verify=CA), timeout=60) as client:
        equal(client.get(f"{HTTPS}/fixed").http_version, "HTTP/1.1")


def test_a_stream_that_is_given_up_leaves_the_others():
    with httpx.Client(http2=True, verify=httpx.create_ssl_context(verify=CA), timeout=60) as client:
        with client.stream("GET", f"{HTTPS}/echo") as answer:
            equal(answer.status_code, 200)
        equal(client.get(f"{HTTPS}/fixed").text, "fixed")


run(globals())
