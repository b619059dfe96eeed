"""albacore against its peers, with a server behind: what the `relay` scenarios share."""

from collections.abc import Mapping

from .. import relays, rounds
from ..context import Context
from ..load import Load
from ..relays import ALBACORE, FLOOR, HAPROXY, NGINX, Relaying
from ..report import Section, load_table, ratio_verdict
from .comparison import negotiated

SMALL = {HAPROXY: 0.75, NGINX: 0.70, FLOOR: 1.20}
"""What a small request may cost in relation to peers."""
HTTP_TOOLS = ["haproxy", "nginx", "wrk"]
TLS_TOOLS = [*HTTP_TOOLS, "openssl"]


def compared(
    context: Context, work: Relaying, load: Load, limits: Mapping[str, float], *others: str, notes: tuple[str, ...] = ()
) -> Section:
    """`limits` are the budgets for the ratio to a peer; `others` are measured for the reader."""
    candidates = relays.candidates(context, work, *limits, *others)
    runs = rounds.interleaved(candidates, context.rounds, lambda candidate: rounds.under_load(context, candidate, load))
    what = f"CPU per {load.unit}, {ALBACORE} /"

    def against(peer: str) -> rounds.Spread:
        return rounds.ratios(runs, ALBACORE, peer, lambda run: run.cpu_us_per_request)

    return Section(
        verdicts=[ratio_verdict(f"{what} {peer}", against(peer), limit) for peer, limit in limits.items()],
        table=load_table(runs, HAPROXY, load.unit),
        notes=[*(f"{what} {peer}: {against(peer).text()}" for peer in others), *negotiated(runs), *notes],
        commands=[*(runs[name][0].commands[0] for name in runs), runs[ALBACORE][0].commands[1]],
    )
