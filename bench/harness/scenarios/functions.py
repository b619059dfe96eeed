"""What a load balancer in front of a function costs."""

from .. import functions, programs, rounds
from ..context import Context
from ..functions import CONNECTIONS, TURNING
from ..load import requests
from ..report import Section, function_table, ratio_verdict
from ..rounds import Candidate

NAME = "functions"
SUMMARY = (
    f"a function of AWS's Rust runtime client behind the load balancer, {CONNECTIONS} requests at once, against {CONNECTIONS} "
    "processes of the same function that a bare Runtime API gives one event after the other, with no request at all"
)
TOOLS = ["wrk"]

ALBACORE, FLOOR = "albacore", "bare Runtime API"


def prepare() -> None:
    programs.functions()


def measure(context: Context) -> Section:
    loads = {ALBACORE: requests(CONNECTIONS), FLOOR: TURNING}
    candidates = [
        Candidate(ALBACORE, lambda: functions.albacore(context, functions.rust())),
        Candidate(FLOOR, lambda: functions.floor(context)),
    ]
    runs = rounds.interleaved(
        candidates, context.rounds, lambda candidate: functions.under_load(context, candidate, loads[candidate.name])
    )
    ratio = rounds.ratios(runs, ALBACORE, FLOOR, lambda run: run.cpu_us_per_request)
    return Section(
        verdicts=[ratio_verdict(f"CPU per request, albacore / {FLOOR}", ratio, 1.35)],
        table=function_table(runs, FLOOR),
        notes=[functions.LOGS, f"the function: bench/lambda/hello.rs, {programs.lambda_runtime()}"],
        commands=[*(runs[name][0].commands[0] for name in runs), runs[ALBACORE][0].commands[1]],
    )
