"""What many rules cost."""

from .. import rounds, servers
from ..context import Context
from ..load import CONNECTIONS, REQUESTS
from ..report import Section, load_table, ratio_verdict
from ..rounds import Candidate
from ..servers import Work

NAME = "rules"
SUMMARY = f"100 rules instead of 10, host and path conditions, the last one matching; {CONNECTIONS} keep-alive connections"
TOOLS = ["wrk"]

FEW, MANY = "10 rules", "100 rules"


def measure(context: Context) -> Section:
    candidates = [
        Candidate(FEW, lambda: servers.albacore(context, Work(rules=10))),
        Candidate(MANY, lambda: servers.albacore(context, Work(rules=100))),
    ]
    runs = rounds.interleaved(
        candidates, context.rounds, lambda candidate: rounds.under_load(context, candidate, REQUESTS)
    )
    ratio = rounds.ratios(runs, MANY, FEW, lambda run: run.cpu_us_per_request)
    return Section(
        verdicts=[ratio_verdict("CPU per request, 100 rules / 10 rules", ratio, 1.05)],
        table=load_table(runs, FEW),
        commands=list(runs[FEW][0].commands),
    )
