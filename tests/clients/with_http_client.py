"""Python's `http.client`: chunks, HEAD, and answers without a body on a connection that is kept."""

import http.client
import json
import ssl

from clients import BOUND, CA, HTTP_PORT, HTTPS_PORT, equal, run


def connections():
    """One over HTTP and one over HTTPS."""
    yield http.client.HTTPConnection("127.0.0.1", HTTP_PORT, timeout=BOUND)
    trust = ssl.create_default_context(cafile=CA)
    yield http.client.HTTPSConnection("localhost", HTTPS_PORT, timeout=BOUND, context=trust)


def ask(connection, method, path, **more):
    connection.request(method, path, **more)
    answer = connection.getresponse()
    return answer, answer.read()


# ALB-L-025
def test_chunks_arrive_as_one_body():
    for connection in connections():
        body = (piece for piece in [b"one ", b"two ", b"x" * 5000])
        _, answer = ask(connection, "POST", "/chunks", body=body, headers={"Content-Type": "text/plain"}, encode_chunked=True)
        event = json.loads(answer)
        equal(event["body"], "one two " + "x" * 5000)
        assert "content-length" not in event["headers"], event["headers"]


# ALB-A-021, ALB-A-022, ALB-L-060
def test_head_has_headers_alone():
    for connection in connections():
        head, nothing = ask(connection, "HEAD", "/fixed")
        equal((head.status, head.headers["content-length"], nothing), (200, "5", b""))
        equal(head.headers["server"], "awselb/2.0")
        before = connection.sock
        head, nothing = ask(connection, "HEAD", "/echo")
        equal((head.status, nothing), (200, b""))
        assert int(head.headers["content-length"]) > 100, head.headers
        _, body = ask(connection, "GET", "/fixed")
        equal(body, b"fixed")
        assert connection.sock is before, "the connection was not kept"


def test_answers_without_body_leave_the_connection_usable():
    for connection in connections():
        before = None
        for status in [204, 304, 200, 204, 404]:
            answer, body = ask(connection, "GET", f"/status/{status}")
            equal(answer.status, status)
            equal(body, b"" if status in (204, 304) else b"said so")
            before = before or connection.sock
            assert connection.sock is before, f"the connection was not kept after {status}"


# ALB-H-027, ALB-H-044, ALB-H-045
def test_an_error_page_is_the_load_balancers():
    for connection in connections():
        answer, body = ask(connection, "TRACE", "/fixed")
        equal((answer.status, answer.reason, answer.headers["content-type"]), (405, "Not Allowed", "text/html"))
        title = b"405 Not Allowed"
        equal(len(body), 92 + 2 * len(title))
        assert body.count(b"\r\n") == 6 and body.count(title) == 2, body


run(globals())
