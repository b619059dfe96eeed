"""Who sends requests: wrk, bench/handshakes.rs, the idle client. All of them run on the load's processor."""

import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

from . import machine
from .failure import Broken
from .servers import HOST, REQUEST_HEADERS, Server, shown

CONNECTIONS = 64
"""Keep-alive connections of wrk."""
HANDSHAKERS = 16
"""Clients that make handshakes at once, so that the server seldom waits for one of them."""


@dataclass(frozen=True)
class Done:
    """What a server has done in one run."""

    units: int
    p50_us: float | None = None
    """What half of the requests were answered within, where the load generator tells."""


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
    command = wrk_command(server, connections, seconds)
    with machine.on_cpu(machine.LOAD_CPU):
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=machine.ROOT)
    count, p50 = re.search(r"(\d+) requests in ", done.stdout), re.search(r"50% +([\d.]+)(us|ms|s)\n", done.stdout)
    if done.returncode != 0 or not count or "Socket errors" in done.stdout or "Non-2xx" in done.stdout:
        raise Broken(f"wrk: {done.stdout}{done.stderr}")
    in_us = {"us": 1, "ms": 1000, "s": 1_000_000}
    return Done(int(count.group(1)), float(p50.group(1)) * in_us[p50.group(2)] if p50 else None)


def handshakes_command(server: Server, seconds: int) -> list[str]:
    client = machine.ROOT / "target/release/examples/handshakes"
    return [str(client), str(server.port), str(seconds), str(HANDSHAKERS)]


def handshakes(server: Server, seconds: int) -> Done:
    """New connection, full handshake, one GET, close; again and again."""
    with machine.on_cpu(machine.LOAD_CPU):
        done = subprocess.run(handshakes_command(server, seconds), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Broken(f"bench/handshakes.rs: {done.stdout}{done.stderr}")
    return Done(int(done.stdout))


REQUESTS = requests(CONNECTIONS)
HANDSHAKES = Load("handshake", handshakes_command, handshakes)


def check_tls(server: Server) -> str:
    """What a client gets that leaves every choice to the server."""
    command = ["openssl", "s_client", "-connect", f"{HOST}:{server.port}"]
    done = subprocess.run(command, input="", capture_output=True, text=True, check=False)

    def found(pattern: str) -> str:
        match = re.search(pattern, done.stdout)
        if not match:
            raise Broken(f"openssl s_client saw no {pattern!r}: {done.stdout[-2000:]}{done.stderr[-500:]}")
        return match.group(1)

    version, suite = found(r"New, (TLSv[\d.]+), Cipher is"), found(r"Cipher is (\S+)")
    group, key = found(r"Server Temp Key: (\w+)"), found(r"Server public key is (\d+) bit")
    return f"{version}, {suite}, {group}, {key} bit certificate key, {found(r'Peer signature type: (.*)')}"


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
