"""Memory of idle keep-alive connections."""

import resource
from dataclasses import dataclass

from .. import rounds, servers
from ..context import Context
from ..failure import Broken
from ..load import idle_connections
from ..process import settled_bytes
from ..report import Section, ratio_verdict
from ..rounds import Candidate, Spread
from ..servers import Work

CONNECTIONS = 10_000
NAME = "idle"
SUMMARY = f"anonymous memory with {CONNECTIONS:,} idle keep-alive connections, each of which has made one request"
TOOLS = ["haproxy"]

ALBACORE, HAPROXY = "albacore", "HAProxy"


@dataclass(frozen=True)
class Memory:
    before: int
    """Bytes, without connections."""
    held: int
    """Bytes, with all of them."""


def measure(context: Context) -> Section:
    needed = CONNECTIONS + 1000
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed < needed:
        raise Broken(f"needs {needed} open files, and {allowed} are allowed; try as root, or `ulimit -n {needed}` first")
    work = Work(rules=11, connections_max=CONNECTIONS)
    candidates = [
        Candidate(ALBACORE, lambda: servers.albacore(context, work)),
        Candidate(HAPROXY, lambda: servers.haproxy(context, work, log=True)),
    ]
    seen = rounds.interleaved(candidates, context.rounds, of_one)
    ratio = rounds.ratios(seen, ALBACORE, HAPROXY, lambda memory: memory.held)
    table = [["candidate", "before, MiB", "with them, MiB", "bytes per connection"]]
    for name, of_name in seen.items():
        before = Spread.of([memory.before / 2**20 for memory in of_name])
        held = Spread.of([memory.held / 2**20 for memory in of_name])
        each = Spread.of([(memory.held - memory.before) / CONNECTIONS for memory in of_name])
        table.append([name, before.text(1), held.text(1), each.text(0)])
    return Section([ratio_verdict("memory with the connections, albacore / HAProxy", ratio, 1.00)], table)


def of_one(candidate: Candidate) -> Memory:
    with candidate.start() as server:
        before = settled_bytes(server.tree)
        with idle_connections(server, CONNECTIONS):
            return Memory(before, settled_bytes(server.tree))
