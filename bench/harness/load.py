"""Who sends requests: wrk, h2load, our own clients, the idle client. All of them run on the load's processor."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

from . import machine, programs
from .failure import Broken
from .servers import HOST, REQUEST_HEADERS, Server, request_head, shown

CONNECTIONS = 64
"""Keep-alive connections of wrk."""
HANDSHAKERS = 16
"""Clients that make handshakes at once, so that the server seldom waits for one of them."""
STREAMS = 8
"""At once on each connection of h2load."""


@dataclass(frozen=True)
class Done:
    """What a server has done in one run."""

    units: int
    p50_us: float | None = None
    """What half of the requests were answered within, where the load generator tells."""
    requests: int | None = None
    """Where they are not what is counted."""

    @property
    def logged(self) -> int:
        """How many lines there should be in an access log."""
        return self.units if self.requests is None else self.requests


@dataclass(frozen=True)
class Load:
    """A way to keep a server busy."""

    unit: str
    """What is counted."""
    command: Callable[[Server, int], list[str]]
    """For so many seconds."""
    generate: Callable[[Server, int], Done]
    """Runs the command."""


def requests(connections: int) -> Load:
    """wrk keeps so many connections busy."""
    return Load(
        "request",
        lambda server, seconds: wrk_command(server, connections, seconds),
        lambda server, seconds: wrk(server, connections, seconds),
    )


def wrk_command(server: Server, connections: int, seconds: int) -> list[str]:
    headers = [part for name, value in REQUEST_HEADERS.items() for part in ("-H", f"{name}: {value}")]
    script = ["-s", shown(server.script)] if server.script else []
    return ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *script, *headers, server.url]


def wrk(server: Server, connections: int, seconds: int) -> Done:
    """What was answered, all of it with 200."""
    done = run(wrk_command(server, connections, seconds))
    return wrk_done(server, done)


def wrk_done(server: Server, done: subprocess.CompletedProcess[str]) -> Done:
    count, p50 = re.search(r"(\d+) requests in ", done.stdout), re.search(r"50% +([\d.]+)(us|ms|s)\n", done.stdout)
    if done.returncode != 0 or not count or "Socket errors" in done.stdout or "Non-2xx" in done.stdout:
        raise Broken(f"wrk: {done.stdout}{done.stderr}")
    units = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    bytes_read = re.search(r" ([\d.]+)([KMG]?)B read\n", done.stdout)
    # It rounds to two decimals.
    if float(bytes_read.group(1)) * units[bytes_read.group(2)] * 1.01 < int(count.group(1)) * len(server.body):
        raise Broken(f"wrk read too little: {done.stdout}")
    in_us = {"us": 1, "ms": 1000, "s": 1_000_000}
    return Done(int(count.group(1)), float(p50.group(1)) * in_us[p50.group(2)] if p50 else None)


def handshakes_command(server: Server, seconds: int) -> list[str]:
    client = machine.ROOT / "target/release/examples/handshakes"
    return [str(client), str(server.port), str(seconds), str(HANDSHAKERS)]


def handshakes(server: Server, seconds: int) -> Done:
    """New connection, full handshake, one GET, close; again and again."""
    done = run(handshakes_command(server, seconds))
    if done.returncode != 0:
        raise Broken(f"bench/handshakes.rs: {done.stdout}{done.stderr}")
    return Done(int(done.stdout))


def h2load_command(server: Server, *how_much: str) -> list[str]:
    names = {"Host": ":authority", "User-Agent": "user-agent"}
    fields = [f"{names.get(name, name.lower())}: {value}" for name, value in REQUEST_HEADERS.items()]
    return ["h2load", "-t1", *how_much, *(part for field in fields for part in ("-H", field)), server.url]


def streams_command(server: Server, seconds: int) -> list[str]:
    return h2load_command(server, f"-c{CONNECTIONS}", f"-m{STREAMS}", f"-D{seconds}")


def streams(server: Server, seconds: int) -> Done:
    """HTTP/2 connections with several requests at once on each; all of them answered with 200 and the whole body."""
    said = h2load(h2load_command(server, "-c1", "-m1", "-n1"))
    requests, body = (found(pattern, said) for pattern in (H2LOAD_COUNTED, r"\((\d+)\) data\n"))
    if (requests, body) != ("1", str(len(server.body))):
        raise Broken(f"h2load misses something: {said}")
    server.probes += 1
    return Done(int(found(H2LOAD_COUNTED, h2load(streams_command(server, seconds)))))


H2LOAD_COUNTED = r"status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx\n"


def h2load(command: list[str]) -> str:
    done = run(command)
    whole = " 0 failed, 0 errored, 0 timeout" in done.stdout and "Application protocol: h2\n" in done.stdout
    if done.returncode != 0 or not whole:
        raise Broken(f"h2load: {done.stdout}{done.stderr}")
    return done.stdout


def latency_command(server: Server, seconds: int) -> list[str]:
    head = server.file("request", request_head())
    return [str(programs.RELAY_TARGET / "release/latency"), str(server.port), str(seconds), shown(head)]


def latency(server: Server, seconds: int) -> Done:
    """One request at a time on one connection."""
    done = run(latency_command(server, seconds))
    if done.returncode != 0:
        raise Broken(f"bench/relay/latency.rs: {done.stdout}{done.stderr}")
    said = json.loads(done.stdout)
    return Done(said["requests"], said["p50_ns"] / 1000)


def messages_command(server: Server, seconds: int) -> list[str]:
    # The key is the one of RFC 6455, to which the origin knows the answer.
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    head = request_head(upgrade | {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    client = programs.RELAY_TARGET / "release/websocket"
    return [str(client), str(server.port), str(seconds), str(CONNECTIONS), shown(server.file("request", head))]


def messages(server: Server, seconds: int) -> Done:
    """WebSocket messages and their echoes, one at a time on each connection."""
    done = run(messages_command(server, seconds))
    if done.returncode != 0:
        raise Broken(f"bench/relay/websocket.rs: {done.stdout}{done.stderr}")
    said = json.loads(done.stdout)
    return Done(said["messages"], requests=said["connections"])


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    with machine.on_cpu(machine.LOAD_CPU):
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=machine.ROOT)


def found(pattern: str, said: str) -> str:
    match = re.search(pattern, said)
    if not match:
        raise Broken(f"no {pattern!r} in: {said[-2000:]}")
    return match.group(1)


REQUESTS = requests(CONNECTIONS)
HANDSHAKES = Load("handshake", handshakes_command, handshakes)
STREAMED = Load("request", streams_command, streams)
ONE_BY_ONE = Load("request", latency_command, latency)
MESSAGES = Load("message", messages_command, messages)


def check_tls(server: Server) -> str:
    """What a client gets that leaves every choice to the server."""
    command = ["openssl", "s_client", "-connect", f"{HOST}:{server.port}"]
    if server.work.http2:
        command += ["-alpn", "h2,http/1.1"]
    # What the server says first over HTTP/2 is no text.
    done = subprocess.run(command, input="", capture_output=True, text=True, errors="replace", check=False)
    patterns = [
        r"New, (TLSv[\d.]+), Cipher is",
        r"Cipher is (\S+)",
        r"Server Temp Key: (\w+)",
        r"Server public key is (\d+ bit)",
        r"Peer signature type: (.*)",
        *([r"ALPN protocol: (.*)"] if server.work.http2 else []),
    ]
    version, suite, group, key, *rest = (found(pattern, done.stdout) for pattern in patterns)
    return ", ".join([version, suite, group, f"{key} certificate key", *rest])


@contextmanager
def idle_connections(server: Server, count: int):
    """Opens keep-alive connections, makes one request on each, and holds them. They must all live to the end."""
    client = machine.ROOT / "bench/harness/idle_client.py"
    with machine.on_cpu(machine.LOAD_CPU):
        process = subprocess.Popen(
            [sys.executable, str(client), HOST, str(server.port), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    try:
        expect(process, f"ready {count}")
        yield
        process.stdin.write("count\n")
        process.stdin.flush()
        expect(process, f"open {count}")
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def expect(process: subprocess.Popen, expected: str) -> None:
    line = process.stdout.readline().strip()
    if line != expected:
        raise Broken(f"the idle client says {line!r} instead of {expected!r}")


def reproducible(command: list[str]) -> str:
    """A command as one would type it at the root of the repository."""
    words = [word.removeprefix(f"{machine.ROOT}/") for word in command]
    return " ".join(f"'{word}'" if re.search(r"[\s;*?&()$]", word) else word for word in words)
