"""What the load balancer's part of an invocation costs by itself."""

import re
import subprocess

from .. import machine, programs
from ..context import Context
from ..failure import Broken
from ..load import reproducible
from ..report import Section, Verdict
from ..rounds import Spread

NAME = "functions-codec"
SUMMARY = "the event made of a parsed request head, and the function's answer read, by bench/lambda_codec.rs without any server"
TOOLS: list[str] = []

LIMIT_NS = 1500
COMMAND = [str(machine.ROOT / "target/release/examples/lambda_codec")]


def prepare() -> None:
    programs.cargo_build("--package", "albacore-proxy", "--example", "lambda_codec")


def measure(context: Context) -> Section:
    # The program repeats each many times, and tells the best and the median of its rounds.
    runs = [once() for _ in range(context.rounds)]
    table = [["what", "best, ns", "median, ns"]]
    for what in runs[0]:
        best, median = (Spread.of([run[what][column] for run in runs]) for column in (0, 1))
        table.append([what, best.text(0), median.text(0)])
    together = Spread.of([run["together"][1] for run in runs])
    verdict = Verdict("event and answer", f"{together.text(0)} ns", f"<= {LIMIT_NS} ns", together.median <= LIMIT_NS)
    return Section([verdict], table, commands=[reproducible(COMMAND)])


def once() -> dict[str, tuple[float, float]]:
    with machine.on_cpu(machine.SERVER_CPU):
        done = subprocess.run(COMMAND, capture_output=True, text=True, check=False)
    rows = re.findall(r"^(\w+) +best +([\d.]+) ns +median +([\d.]+) ns$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or "together" not in {row[0] for row in rows}:
        raise Broken(f"bench/lambda_codec.rs: {done.stdout}{done.stderr}")
    return {what: (float(best), float(median)) for what, best, median in rows}
