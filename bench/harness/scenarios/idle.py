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
    work = Work(rules=11, connections_max=CONNECTIONS)
    candidates = [
        Candidate(ALBACORE, lambda: servers.albacore(context, work)),
        Candidate(HAPROXY, lambda: servers.haproxy(context, work, log=True)),
    ]
    return section(context, candidates)


def section(context: Context, candidates: list[Candidate]) -> Section:
    """`candidates` are albacore, HAProxy and whoever else."""
    # albacore keeps a quarter at most for functions, and takes 7/16 of the rest for clients; as much is for targets.
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    count = min(CONNECTIONS, (allowed * 3 // 4 - 1000) * 7 // 16)
    if count < CONNECTIONS // 2:
        needed = (CONNECTIONS * 16 // 7 + 1000) * 4 // 3
        raise Broken(f"{allowed} open files are allowed; try as root, or `ulimit -n {needed}` first")
    seen = rounds.interleaved(candidates, context.rounds, lambda candidate: of_one(candidate, count))
    ratio = rounds.ratios(seen, ALBACORE, HAPROXY, lambda memory: memory.held)
    table = [["candidate", "before, MiB", "with them, MiB", "bytes per connection"]]
    for name, of_name in seen.items():
        before = Spread.of([memory.before / 2**20 for memory in of_name])
        held = Spread.of([memory.held / 2**20 for memory in of_name])
        each = Spread.of([(memory.held - memory.before) / count for memory in of_name])
        table.append([name, before.text(1), held.text(1), each.text(0)])
    verdict = ratio_verdict(f"memory with {count:,} connections, albacore / HAProxy", ratio, 1.00)
    notes = [] if count == CONNECTIONS else [f"{count:,} connections, because no more than {allowed} open files are allowed here"]
    return Section([verdict], table, notes)


def of_one(candidate: Candidate, count: int) -> Memory:
    with candidate.start() as server:
        before = settled_bytes(server.tree)
        with idle_connections(server, count):
            return Memory(before, settled_bytes(server.tree))
