"""Holds idle keep-alive connections: idle_client.py HOST PORT COUNT.

A process of its own, so that its sockets count against its own limit of open files. Opens the connections, makes one
request on each, and says `ready N`. A line on standard input asks how many are still open: `open N`. Ends with its input.
"""

import select
import socket
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.servers import request_head  # noqa: E402  (needs the path above)

AT_ONCE = 256
"""Connections being opened at a time: fewer than any server's backlog."""
ANSWER_BYTES_MAX = 16_384


def main(host: str, port: int, count: int) -> None:
    held: list[socket.socket] = []
    while len(held) < count:
        batch = [socket.create_connection((host, port), timeout=30) for _ in range(min(AT_ONCE, count - len(held)))]
        for connection in batch:
            connection.sendall(request_head())
        for connection in batch:
            read_answer(connection)
        held += batch
    print(f"ready {len(held)}", flush=True)
    for _ in sys.stdin:
        print(f"open {len(held) - closed(held)}", flush=True)


def read_answer(connection: socket.socket) -> None:
    answer = b""
    while not complete(answer):
        more = connection.recv(ANSWER_BYTES_MAX)
        if not more or len(answer) > ANSWER_BYTES_MAX:
            raise SystemExit(f"no complete answer: {answer[:200]!r}")
        answer += more
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"the answer is {answer[:200]!r}")


def complete(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(end) and bool(lengths) and len(body) >= int(lengths[0])


def closed(held: list[socket.socket]) -> int:
    """Idle connections have nothing to read; what can be read is the end."""
    poll = select.poll()
    for connection in held:
        poll.register(connection, select.POLLIN)
    return len(poll.poll(0))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
