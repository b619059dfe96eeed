"""Who sends requests: wrk, bench/handshakes.rs, the idle client. All of them run on the load's processor."""

import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

from . import machine
from .failure import Broken
from .servers import HOST, REQUEST_HEADERS, Server

CONNECTIONS = 64
"""Keep-alive connections of wrk."""
HANDSHAKERS = 16
"""Clients that make handshakes at once, so that the server seldom waits for one of them."""


@dataclass(frozen=True)
class Load:
    """A way to keep a server busy."""

    unit: str
    """What is counted."""
    command: Callable[[Server, int], list[str]]
    """For so many seconds."""
    generate: Callable[[Server, int], int]
    """Runs the command and returns how many units the server has done."""


def wrk_command(server: Server, seconds: int) -> list[str]:
    headers = [part for name, value in REQUEST_HEADERS.items() for part in ("-H", f"{name}: {value}")]
    return ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", *headers, server.url]


def wrk(server: Server, seconds: int) -> int:
    """Keeps every connection busy. Returns how many requests were answered, all of them with 200."""
    with machine.on_cpu(machine.LOAD_CPU):
        done = subprocess.run(wrk_command(server, seconds), capture_output=True, text=True, check=False)
    requests = re.search(r"(\d+) requests in ", done.stdout)
    if done.returncode != 0 or not requests or "Socket errors" in done.stdout or "Non-2xx" in done.stdout:
        raise Broken(f"wrk: {done.stdout}{done.stderr}")
    return int(requests.group(1))


def handshakes_command(server: Server, seconds: int) -> list[str]:
    client = machine.ROOT / "target/release/examples/handshakes"
    return [str(client), str(server.port), str(seconds), str(HANDSHAKERS)]


def handshakes(server: Server, seconds: int) -> int:
    """New connection, full handshake, one GET, close; again and again. Returns how many there were."""
    with machine.on_cpu(machine.LOAD_CPU):
        done = subprocess.run(handshakes_command(server, seconds), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Broken(f"bench/handshakes.rs: {done.stdout}{done.stderr}")
    return int(done.stdout)


REQUESTS = Load("request", wrk_command, wrk)
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
