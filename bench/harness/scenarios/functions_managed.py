"""What functions of managed runtimes cost."""

from .. import functions, programs, rounds
from ..context import Context
from ..load import requests
from ..report import Section, function_table, ratio_verdict
from ..rounds import Candidate

NAME = "functions-managed"
SUMMARY = (
    "functions in Node and Python that answer at once, one request at a time, against the same function in Node behind the "
    "ALB mode of serverless-offline"
)
TOOLS = ["wrk", "node", "npm", "python3"]

NODE, PYTHON = "albacore, Node", "albacore, Python"
PEER, IN_PROCESS = "serverless-offline", "serverless-offline, useInProcess"


def prepare() -> None:
    programs.serverless_offline()


def measure(context: Context) -> Section:
    return section(context, connections=1)


def section(context: Context, connections: int) -> Section:
    candidates = [
        Candidate(NODE, lambda: functions.albacore(context, functions.NODE)),
        Candidate(PYTHON, lambda: functions.albacore(context, functions.PYTHON)),
        Candidate(PEER, lambda: functions.serverless_offline(context, in_process=False)),
        Candidate(IN_PROCESS, lambda: functions.serverless_offline(context, in_process=True)),
    ]
    load = requests(connections)
    runs = rounds.interleaved(candidates, context.rounds, lambda candidate: functions.under_load(context, candidate, load))

    def against(name: str, peer: str) -> rounds.Spread:
        return rounds.ratios(runs, name, peer, lambda run: run.cpu_us_per_request)

    in_process = ", ".join(f"{name} {against(name, IN_PROCESS).text()}" for name in (NODE, PYTHON))
    return Section(
        verdicts=[ratio_verdict(f"CPU per request, {name} / {PEER}", against(name, PEER), 0.15) for name in (NODE, PYTHON)],
        table=function_table(runs, PEER),
        notes=[
            functions.LOGS,
            "serverless-offline runs a function in worker threads, unless `useInProcess` makes it run in the server's own "
            f"thread, where invocations share one global scope; against that: {in_process}",
            f"serverless-offline {programs.SERVERLESS_OFFLINE} with serverless {programs.SERVERLESS}; it writes two lines for "
            "each invocation to its standard output, a file",
        ],
        commands=[command for name in runs for command in runs[name][0].commands],
    )
