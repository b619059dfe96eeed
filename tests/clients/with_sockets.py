"""Bare sockets: requests in one piece, in many, half of one, and two that try to look like one."""

import json
import socket

from clients import BOUND, HTTP_PORT, equal, own_api, requests_for, run, until


def connect():
    connection = socket.create_connection(("127.0.0.1", HTTP_PORT), timeout=BOUND)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def answers(connection):
    """Everything until the other side closes: a list of status and body."""
    stream, found = connection.makefile("rb"), []
    while line := stream.readline():
        length = 0
        while (header := stream.readline().strip()) != b"":
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        found.append((int(line.split()[1]), stream.read(length)))
    return found


# ALB-H-049
def test_pipelined_requests_are_answered_in_order():
    with connect() as connection:
        # A function's answer takes longer than a fixed one, which stands behind it.
        paths = ["/echo?0", "/fixed", "/echo?2", "/fixed", "/missing?4"]
        last = len(paths) - 1
        closing = lambda number: "Connection: close\r\n" if number == last else ""
        requests = [f"GET {path} HTTP/1.1\r\nHost: a\r\n{closing(at)}\r\n" for at, path in enumerate(paths)]
        connection.sendall("".join(requests).encode())
        found = answers(connection)
        equal([status for status, _ in found], [200] * 5)
        equal([body == b"fixed" for _, body in found], [False, True, False, True, False])
        equal([json.loads(found[at][1])["queryStringParameters"] for at in (0, 2, 4)], [{"0": ""}, {"2": ""}, {"4": ""}])


def test_a_request_may_come_byte_by_byte():
    with connect() as connection:
        body = b'{"slow": true}'
        head = f"POST /bytes HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        for byte in head.encode() + b"Connection: close\r\n\r\n" + body:
            connection.sendall(bytes([byte]))
        ((status, answer),) = answers(connection)
        equal((status, json.loads(answer)["body"]), (200, body.decode()))


# ALB-D-002, ALB-D-004, ALB-D-021
def test_nothing_can_be_smuggled():
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    chunked = b"0\r\n\r\n" + smuggled
    for lines, body, expected in [
        (b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(smuggled), smuggled, [400]),
        (b"Content-Length: +%d\r\n" % len(smuggled), smuggled, [400]),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunked, [400]),
        (b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n" % len(chunked), chunked, [200]),
        (b"Transfer-Encoding : chunked\r\nContent-Length: %d\r\n" % len(chunked), chunked, [400]),
    ]:
        with connect() as connection:
            connection.sendall(b"POST /outer HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n" + body)
            equal([status for status, _ in answers(connection)], expected, repr(lines))
    # Every request before this one is in the records, once this one is.
    with connect() as connection:
        connection.sendall(b"GET /after-smuggling HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answers(connection)
    until("the last request is in the records", lambda: requests_for("/after-smuggling"))
    equal(requests_for("/smuggled"), [])
    equal(len(requests_for("/outer")), 5)


def test_half_a_request_harms_nobody():
    for half in [b"G", b"GET /fixed HTTP/1.1\r\nHo", b"POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1234"]:
        with connect() as connection:
            connection.sendall(half)
    with connect() as connection:
        connection.sendall(b"GET /fixed HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        equal(answers(connection), [(200, b"fixed")])
    until("no connection is left", lambda: own_api("status")["connections"] == 0)
    # The body never came whole, so no function was called.
    (half,) = until("the request is recorded", lambda: requests_for("/half"))
    equal((half["elb_status_code"], half["target_status_code"]), ("400", "-"))


# ALB-H-050
def test_a_host_is_wanted_of_http_1_1_alone():
    for line, expected in [(b"HTTP/1.1", 400), (b"HTTP/1.0", 200)]:
        with connect() as connection:
            connection.sendall(b"GET /fixed " + line + b"\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            equal([status for status, _ in answers(connection)], [expected])


run(globals())
