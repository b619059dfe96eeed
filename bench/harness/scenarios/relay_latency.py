"""How much later an answer comes because of what stands in between.

Measured twice. With the load balancer on a processor of its own, as everywhere else, a request wakes the other processor
four times, which in a virtual machine takes longer than all of the work. With everything on one processor what remains is
the work itself: one connection has never two things to do at once.

albacore polls for the target's answer before it sleeps, unless told not to; HAProxy polls for everything and never
sleeps, if told to.
"""

from .. import machine, relays, rounds
from ..context import Context
from ..load import ONE_BY_ONE
from ..relays import ALBACORE, FLOOR, HAPROXY, NGINX, POLLING, SLEEPING, Relaying
from ..report import Section, ratio_verdict
from ..rounds import Candidate, Run, Spread
from .relay import prepare

__all__ = ["NAME", "SUMMARY", "TOOLS", "measure", "prepare"]

NAME = "relay-latency"
SUMMARY = (
    "as relay, one connection: what is added to the median (p50) of the same client asking the server itself in the same "
    "round, with the load balancer on a processor of its own, and with all on one"
)
TOOLS = ["haproxy", "nginx"]

ALONE = "nothing in between"
PEERS = (HAPROXY, NGINX, FLOOR, SLEEPING, POLLING)
APART = Relaying()
TOGETHER = Relaying(cpu=machine.LOAD_CPU)
ON_ONE = ", one processor"


def measure(context: Context) -> Section:
    together = relays.candidates(context, TOGETHER, *PEERS)
    candidates = [
        Candidate(ALONE, lambda: relays.alone(context, APART)),
        *relays.candidates(context, APART, *PEERS),
        *(Candidate(candidate.name + ON_ONE, candidate.start) for candidate in together),
    ]
    runs = rounds.interleaved(
        candidates, context.rounds, lambda candidate: rounds.under_load(context, candidate, ONE_BY_ONE)
    )
    header = ["candidate", "p50 us", "added us", "x HAProxy", "CPU us per request", "busy", "others", "logged"]
    return Section(
        verdicts=[
            ratio_verdict("latency added at p50, two processors, albacore / HAProxy", ratio(runs, ALBACORE, HAPROXY), 0.90),
            ratio_verdict(
                "latency added at p50, one processor, albacore / HAProxy",
                ratio(runs, ALBACORE + ON_ONE, HAPROXY + ON_ONE),
                0.90,
            ),
        ],
        table=[header, *(row(runs, name) for name in runs)],
        notes=["*CPU*, *busy*: of what stands in between"],
        commands=[*(runs[name][0].commands[0] for name in (ALONE, ALBACORE, *PEERS)), runs[ALBACORE][0].commands[1]],
    )


def added(runs: dict[str, list[Run]], name: str) -> list[float]:
    return [own.latency_us - alone.latency_us for own, alone in zip(runs[name], runs[ALONE], strict=True)]


def ratio(runs: dict[str, list[Run]], name: str, peer: str) -> Spread:
    return Spread.of([own / other for own, other in zip(added(runs, name), added(runs, peer), strict=True)])


def row(runs: dict[str, list[Run]], name: str) -> list[str]:
    of_name = runs[name]
    p50 = Spread.of([run.latency_us for run in of_name]).text(1)
    if name == ALONE:
        return [name, p50, *(["-"] * 6)]
    is_apart = not name.endswith(ON_ONE)
    return [
        name,
        p50,
        Spread.of(added(runs, name)).text(1),
        ratio(runs, name, HAPROXY if is_apart else HAPROXY + ON_ONE).text(),
        Spread.of([run.cpu_us_per_request for run in of_name]).text(),
        f"{Spread.of([run.cpu_ns / run.wall_ns for run in of_name]).median:.2f}",
        # The load is there too, otherwise.
        f"{max(run.others_ns / run.wall_ns for run in of_name):.2f}" if is_apart else "-",
        f"{min(run.logged for run in of_name):.3f}",
    ]
