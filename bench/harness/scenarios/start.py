"""How soon a fresh server answers."""

import time

from .. import servers
from ..context import Context
from ..report import Section, Verdict
from ..rounds import Spread
from ..servers import Work

NAME = "start"
SUMMARY = "from the start of `albacore up` with one fixed-response listener and an empty data folder to its first answer"
TOOLS: list[str] = []

STARTS = 20
LIMIT_MS = 50


def measure(context: Context) -> Section:
    times = [once(context) for _ in range(STARTS)]
    spread = Spread.of(times)
    verdict = Verdict("median", f"{spread.median:.1f} ms", f"<= {LIMIT_MS} ms", spread.median <= LIMIT_MS)
    header = ["starts", "median, ms", "fastest, ms", "slowest, ms"]
    row = [str(STARTS), *(f"{figure:.1f}" for figure in (spread.median, spread.low, spread.high))]
    return Section([verdict], [header, row])


def once(context: Context) -> float:
    """Milliseconds. The manifest is written and the port chosen before the clock starts."""
    with servers.albacore(context, Work(rules=0)) as server:
        return (time.monotonic_ns() - server.tree.started_ns) / 1e6
