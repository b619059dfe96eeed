#!/usr/bin/env -S python3 -SE
"""A function that behaves as the first part of the path says. It speaks the Runtime API over a bare socket, so that it
starts fast and can say what no library would."""

import os
import select
import signal
import socket

HOST, PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].rsplit(":", 1)


def connect():
    return socket.create_connection((HOST, int(PORT)))


def exchange(connection, method, path, body=b""):
    """Sends a request; returns the answer's head and body."""
    head = f"{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += receive(connection)
    head, body = answer.split(b"\r\n\r\n", 1)
    length = int(header(head, b"content-length"))
    while len(body) < length:
        body += receive(connection)
    return head, body


def receive(connection):
    received = connection.recv(65536)
    if not received:
        raise SystemExit("the Runtime API has closed the connection")
    return received


def header(head, name):
    for line in head.split(b"\r\n"):
        if line.lower().startswith(name + b":"):
            return line.split(b":", 1)[1].strip().decode()


def answer(text):
    return b'{"statusCode":200,"headers":{"content-type":"text/plain"},"body":"%s"}' % text


def leave_children():
    """Two children, one in a session of its own whose parent is gone: both want to live on."""
    if os.fork() == 0:
        signal.pause()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.pause()
        os._exit(0)


def talk_nonsense(request_id):
    """Bytes that are no HTTP, and answers to what was never asked."""
    other = connect()
    other.sendall(b"\x16\x03\x01\x00nonsense\r\n\r\n")
    other.close()
    exchange(connection, "POST", "invocation/00000000-0000-0000-0000-000000000000/response", answer(b"wrong"))
    exchange(connection, "POST", f"invocation/{request_id}/response", b"\x00\xff no document")
    # The second answer to the same request.
    exchange(connection, "POST", f"invocation/{request_id}/response", answer(b"too late"))


connection = connect()
while True:
    head, event = exchange(connection, "GET", "invocation/next")
    request_id = header(head, b"lambda-runtime-aws-request-id")
    path = event.split(b'"path":"', 1)[1].split(b'"', 1)[0]
    behaviour = path.split(b"/")[1].decode()
    if behaviour == "garbage":
        talk_nonsense(request_id)
        continue
    if behaviour == "failing":
        error = b'{"errorType":"Told","errorMessage":"told to fail"}'
        exchange(connection, "POST", f"invocation/{request_id}/error", error)
        continue
    if behaviour == "slow":
        # As long as its work takes.
        select.select([], [], [], 0.2)
    elif behaviour == "hanging":
        signal.pause()
    elif behaviour == "exiting":
        os._exit(1)
    elif behaviour == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif behaviour == "forking":
        leave_children()
    exchange(connection, "POST", f"invocation/{request_id}/response", answer(path))
    if behaviour == "forking":
        os._exit(0)
