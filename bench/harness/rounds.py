"""Candidates interleaved: each once in every round, every other round in reverse, and ratios within one round.

What else happens on the machine drifts over minutes. Neighbours in time see the same of it, so a ratio of two runs of the
same round says more than a ratio of two medians.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from . import machine
from .context import Context
from .failure import Broken
from .load import Load, check_tls, reproducible
from .servers import Server


@dataclass(frozen=True)
class Candidate:
    name: str
    start: Callable[[], Server]


@dataclass(frozen=True)
class Run:
    """One candidate under load in one round."""

    requests: int
    cpu_ns: int
    own_cpu_ns: int
    """Of the process that was started, without its descendants."""
    p50_us: float | None
    wall_ns: int
    others_ns: int
    """What others took of the server's processor meanwhile."""
    anonymous_bytes: int
    """At the end of the load."""
    processes: int
    """At the end of the load."""
    logged: float
    """Lines in the access log for each request of the load that was answered: what is dropped is not work."""
    tls: str | None
    """What was negotiated."""
    commands: tuple[str, str]
    """Of the server and of its load."""

    @property
    def cpu_us_per_request(self) -> float:
        return self.cpu_ns / self.requests / 1000

    @property
    def own_cpu_us_per_request(self) -> float:
        return self.own_cpu_ns / self.requests / 1000

    @property
    def latency_us(self) -> float:
        if self.p50_us is None:
            raise Broken("the load generator tells no latency")
        return self.p50_us


@dataclass(frozen=True)
class Spread:
    """A figure over all rounds."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: list[float]) -> "Spread":
        return Spread(statistics.median(values), min(values), max(values))

    def text(self, digits: int = 2) -> str:
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}-{self.high:.{digits}f})"


def interleaved(candidates: list[Candidate], rounds: int, one: Callable[[Candidate], object]) -> dict[str, list]:
    """What `one` says of each candidate, in the order of the rounds."""
    said: dict[str, list] = {candidate.name: [] for candidate in candidates}
    for number in range(rounds):
        for candidate in candidates if number % 2 == 0 else reversed(candidates):
            said[candidate.name].append(one(candidate))
        print(f"bench:   round {number + 1} of {rounds}", file=sys.stderr)
    return said


def ratios(runs: dict[str, list], name: str, peer: str, figure: Callable[[object], float]) -> Spread:
    return Spread.of([figure(own) / figure(other) for own, other in zip(runs[name], runs[peer], strict=True)])


def under_load(context: Context, candidate: Candidate, load: Load) -> Run:
    """Starts the candidate, warms it up, and measures it under load."""
    with candidate.start() as server:
        tls = check_tls(server) if server.work.tls else None
        warm_up = load.generate(server, context.warm_up_seconds)
        cpu, own, busy = server.tree.cpu_ns(), server.tree.own_cpu_ns(), machine.busy_ns(server.work.cpu)
        wall = time.monotonic_ns()
        done = load.generate(server, context.seconds)
        wall = time.monotonic_ns() - wall
        cpu, own = server.tree.cpu_ns() - cpu, server.tree.own_cpu_ns() - own
        busy = machine.busy_ns(server.work.cpu) - busy
        server.tree.check_alive()
        if not done.units:
            raise Broken(f"{candidate.name}: nothing was answered")
        memory, processes = server.tree.anonymous_bytes(), len(server.tree.pids())
        commands = (reproducible(server.tree.command), reproducible(load.command(server, context.seconds)))
        lines = max(0, server.stop_and_count_lines() - server.probes)
        logged = lines / (warm_up.logged + done.logged)
        return Run(
            requests=done.units,
            cpu_ns=cpu,
            own_cpu_ns=own,
            p50_us=done.p50_us,
            wall_ns=wall,
            others_ns=max(0, busy - cpu),
            anonymous_bytes=memory,
            processes=processes,
            logged=logged,
            tls=tls,
            commands=commands,
        )
