"""What the shipped program is laid out by: one build of it counts what it executes while it is loaded here.

Nothing is measured. Whatever has to be fast belongs here, because what was never executed is taken for cold. Needs no peer
and nothing that is not on the machine.
"""

import argparse
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import functions, load, machine, programs, relays, servers
from .context import Context
from .failure import Broken
from .load import Done, Load
from .relays import Relaying
from .servers import HOST, Server, Work

TOOLS = {"wrk", "h2load", "openssl"}
SECONDS = 2
"""Of load for each part."""


def handshake_command(server: Server, seconds: int) -> list[str]:
    where = ["-connect", f"{HOST}:{server.port}", "-www", servers.REQUEST_PATH]
    return ["openssl", "s_time", "-new", "-time", str(seconds), *where]


def handshakes(server: Server, seconds: int) -> Done:
    """By a client that every machine has."""
    done = load.run(handshake_command(server, seconds))
    return Done(int(load.found(r"(\d+) connections in", done.stdout)))


HANDSHAKES = Load("handshake", handshake_command, handshakes)


@dataclass(frozen=True)
class Part:
    name: str
    start: Callable[[Context], Server]
    load: Load = load.REQUESTS


def relay(name: str, by: Load = load.REQUESTS, **work) -> Part:
    return Part(name, lambda context: relays.albacore(context, Relaying(**work)), by)


def fixed(name: str, by: Load = load.REQUESTS, **work) -> Part:
    return Part(name, lambda context: servers.albacore(context, Work(**work)), by)


PARTS = (
    fixed("a fixed response", rules=11),
    fixed("a fixed response over TLS", rules=11, tls=True),
    fixed("handshakes", HANDSHAKES, rules=0, tls=True),
    fixed("100 rules", rules=100),
    relay("a byte"),
    relay("a byte, one at a time", load.ONE_BY_ONE),
    relay("10 KB", body_bytes=10 * 1024),
    relay("a request of 4 KB", post_bytes=4096),
    relay("chunks", body_bytes=10 * 1024, chunked=True),
    relay("1 MB", body_bytes=1024 * 1024),
    relay("TLS", tls=True, body_bytes=10 * 1024),
    relay("HTTP/2", load.STREAMED, tls=True, http2=True),
    relay("HTTP/2, 10 KB", load.STREAMED, tls=True, http2=True, body_bytes=10 * 1024),
    relay("WebSocket", load.MESSAGES, websocket=True),
    Part("a function", lambda context: functions.albacore(context, functions.PYTHON), load.requests(functions.CONNECTIONS)),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/train", description="Loads albacore with what has to be fast.")
    parser.add_argument("binary", type=Path, help="the albacore that counts what it executes")
    parser.add_argument("seconds", type=int, nargs="?", default=SECONDS, help="of load for each part (default 2)")
    arguments = parser.parse_args()
    missing = machine.missing(TOOLS)
    if missing:
        print(f"train: {missing}", file=sys.stderr)
        return 2
    machine.raise_open_files()
    folder = machine.ROOT / "target/bench"
    shutil.rmtree(folder, ignore_errors=True)
    seconds = arguments.seconds
    context = Context(binary=arguments.binary.resolve(), rounds=1, seconds=seconds, warm_up_seconds=0, folder=folder)
    try:
        programs.relay()
        for part in PARTS:
            with part.start(context) as server:
                done = part.load.generate(server, seconds)
                server.tree.check_alive()
            print(f"train: {part.name}: {done.units} {part.load.unit}s", file=sys.stderr)
            if not done.units:
                raise Broken(f"{part.name}: nothing was answered")
    except Broken as broken:
        print(f"train: {broken}", file=sys.stderr)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0
