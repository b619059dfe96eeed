"""Memory of a server that has nothing to do."""

from .. import rounds, servers
from ..context import Context
from ..process import settled_bytes
from ..report import Section, Verdict
from ..rounds import Candidate, Spread
from ..servers import Work

NAME = "memory"
SUMMARY = "anonymous memory after the start, one listener with a fixed response, one request answered"
TOOLS = ["haproxy"]

LIMIT_MIB = 15
ALBACORE, HAPROXY = "albacore, all its processes", "HAProxy"


def measure(context: Context) -> Section:
    work = Work(rules=0)
    candidates = [
        Candidate(ALBACORE, lambda: servers.albacore(context, work)),
        Candidate(HAPROXY, lambda: servers.haproxy(context, work, log=True)),
    ]
    seen = rounds.interleaved(candidates, context.rounds, of_one)
    spreads = {name: Spread.of(of_name) for name, of_name in seen.items()}
    measured = spreads[ALBACORE]
    verdict = Verdict("idle memory", f"{measured.text(1)} MiB", f"<= {LIMIT_MIB} MiB", measured.median <= LIMIT_MIB)
    return Section([verdict], [["candidate", "MiB"], *([name, spread.text(1)] for name, spread in spreads.items())])


def of_one(candidate: Candidate) -> float:
    with candidate.start() as server:
        return settled_bytes(server.tree) / 2**20
