"""Where the time of a relayed request goes."""

import re
import sys
from collections import Counter

from .. import profile, relays
from ..context import Context
from ..load import REQUESTS, reproducible
from ..profile import Sample
from ..relays import Relaying
from ..report import Section
from ..servers import new_folder
from .relay import prepare

__all__ = ["NAME", "SUMMARY", "TOOLS", "measure", "prepare"]

NAME = "relay-user-time"
SUMMARY = "what albacore executes in relay, sampled; a function counts with what the compiler has put into it"
TOOLS = ["perf", "wrk"]

LOG_THREAD = "access-log"
KERNEL = "[kernel]"

PARTS = [
    ("time of day", r"clock_gettime|Timespec|time::Instant|SystemTime"),
    ("heads: reading, judging, writing (http1)", r"\bhttp1::|memchr::"),
    ("routing", r"\brouting::|proxy::handler"),
    ("access-log line and counters", r"proxy::(line|record|logs|clock)|Core::finish|proxy::metrics|observe::|itoa"),
    ("headers of ours", r"proxy::(headers|trace|lambda)"),
    ("choosing a target, its connection", r"proxy::(balance|sticky|target)"),
    ("client's connection, body and order of requests", r"proxy::(exchange|connection|work|view|listener)"),
    ("carrying a request out", r"proxy::relay"),
    ("timers", r"proxy::wheel"),
    ("tasks and readiness (tokio, mio)", r"tokio|mio::"),
    ("memory", r"\bmi_|_mi_|mimalloc|__rust_|alloc::"),
]
"""By the names of functions in the program itself; the first that fits."""


def measure(context: Context) -> Section:
    seen: Counter[str] = Counter()
    requests = cpu_ns = 0
    for number in range(context.rounds):
        with relays.albacore(context, Relaying()) as server:
            REQUESTS.generate(server, context.warm_up_seconds)
            before = server.tree.cpu_ns()
            file = new_folder(context, "perf") / "samples"
            units, samples = profile.sampled(server, REQUESTS, context.seconds, file)
            cpu_ns += server.tree.cpu_ns() - before
            requests += units
            commands = [reproducible(server.tree.command), reproducible(REQUESTS.command(server, context.seconds))]
            server.stop_and_count_lines()
        for sample, count in samples.items():
            seen[part(sample)] += count
        print(f"bench:   round {number + 1} of {context.rounds}", file=sys.stderr)
    total = seen.total()
    us = cpu_ns / requests / 1000
    user = total - sum(count for name, count in seen.items() if name.startswith("kernel"))
    table = [["part", "share", "us per request"]]
    table += [[name, f"{count / total:.1%}", f"{us * count / total:.2f}"] for name, count in seen.most_common()]
    table += [["all outside the kernel", f"{user / total:.1%}", f"{us * user / total:.2f}"], ["all", "100 %", f"{us:.2f}"]]
    note = f"{total} samples, {profile.SAMPLES_PER_SECOND} a second; being sampled costs a little itself"
    return Section([], table, [note], commands)


def part(sample: Sample) -> str:
    if sample.file == KERNEL:
        return "kernel, writing the access log" if sample.thread == LOG_THREAD else "kernel"
    if sample.file == "[vdso]":
        return PARTS[0][0]
    if not sample.function:
        return f"{sample.file}: copying, comparing, the way into the kernel"
    return next((name for name, pattern in PARTS if re.search(pattern, sample.function)), "others")
