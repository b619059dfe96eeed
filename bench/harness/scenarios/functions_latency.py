"""How soon one request is answered when nothing else is under way."""

from .. import functions, programs, rounds
from ..context import Context
from ..load import requests
from ..report import Section, function_table, ratio_verdict
from ..rounds import Candidate

NAME = "functions-latency"
SUMMARY = (
    "a function of AWS's Rust runtime client, one connection; `cargo lambda watch` gets the same event as JSON on its invoke "
    "endpoint, so builds no event and reads no answer"
)
TOOLS = ["wrk"]

ALBACORE, PEER = "albacore", "cargo lambda watch"


def prepare() -> None:
    programs.functions()
    programs.cargo_lambda()


def measure(context: Context) -> Section:
    candidates = [
        Candidate(ALBACORE, lambda: functions.albacore(context, functions.rust())),
        Candidate(PEER, lambda: functions.cargo_lambda(context)),
    ]
    load = requests(1)
    runs = rounds.interleaved(candidates, context.rounds, lambda candidate: functions.under_load(context, candidate, load))
    ratio = rounds.ratios(runs, ALBACORE, PEER, lambda run: run.latency_us)
    return Section(
        verdicts=[ratio_verdict(f"p50, albacore / {PEER}", ratio, 0.60)],
        table=function_table(runs, PEER),
        notes=[
            functions.LOGS,
            f"the function: bench/lambda/hello.rs, {programs.lambda_runtime()}; cargo-lambda {programs.CARGO_LAMBDA}",
        ],
        commands=[command for name in runs for command in runs[name][0].commands],
    )
