"""What calls of the AWS API cost, with little in the state and with much."""

import collections
import math
import os
import re
import statistics
import threading
import time
from collections.abc import Callable

from .. import api, load, machine, servers
from ..api import Api, Running, found, path_condition
from ..context import Context
from ..report import Section, Verdict, ratio_verdict
from ..rounds import Spread

NAME = "api"
SUMMARY = "calls of the AWS API one after the other and 16 at once; start, pages and live changes with 10,000 rules and functions, and what changes do to traffic"
TOOLS = ["h2load"]

CALLS = 200
CALLERS = 16
MUTATION_MS, PAGE_MS, LIVE_MS, START_MS = 2, 5, 20, 300
MUTATIONS_A_SECOND = 100
CONNECTIONS, REQUESTS_A_SECOND = 32, 2_000
"""Of the traffic that changes must not disturb: far from what a core can do, so that it waits for nothing of its own."""
DISTURBED_MAX = 1.05
RUN_LENGTHS = 4
"""So many times longer than others are run: a slow request in a hundred is mostly somebody else's doing."""


def measure(context: Context) -> Section:
    folder = servers.new_folder(context, "api")
    small, without_sync, together = with_little(context, folder)
    start, page, listed, live, disturbed = with_much(context, folder)
    verdicts = [
        verdict("a change without its fsync (--ephemeral), p50", without_sync, MUTATION_MS),
        verdict("a page of rules, of 10,000, p50", page, PAGE_MS),
        verdict("a page of functions, of 10,000, p50", listed, PAGE_MS),
        verdict("a rule change among 10,000 rules and its first request, p50", live, LIVE_MS),
        verdict("start with 10,000 rules and 10,000 functions, median of 5", start, START_MS),
        ratio_verdict(
            f"p99 of {REQUESTS_A_SECOND:,} requests a second, with / without {MUTATIONS_A_SECOND} changes a second among 10,000 rules",
            disturbed,
            DISTURBED_MAX,
        ),
    ]
    table = [
        ["changes, one fsync for those that wait together", "a second"],
        ["one caller", f"{CALLS / small * 1000:.0f}"],
        [f"{CALLERS} callers", f"{together:.0f}"],
    ]
    return Section(verdicts, table)


def verdict(what: str, ms: float, limit: float) -> Verdict:
    return Verdict(what, f"{ms:.2f} ms", f"<= {limit} ms", ms <= limit)


def p50(call: Callable[[int], object], calls: int = CALLS) -> float:
    """Milliseconds."""
    times = []
    for number in range(calls):
        begun = time.perf_counter_ns()
        call(number)
        times.append((time.perf_counter_ns() - begun) / 1e6)
    return statistics.median(times)


def with_little(context: Context, folder) -> tuple[float, float, float]:
    """Milliseconds of CALLS changes with fsync, of the median one without, and how many a second many callers make."""
    port = servers.free_port()
    with Running(context.binary, folder / "ephemeral", servers.free_port(), ["--ephemeral"], (0,)) as running:
        client = Api(running.endpoint)
        rule = client.rule(client.load_balancer("bench", port), 1)
        without_sync = p50(lambda number: change(client, rule, number))
    with Running(context.binary, folder / "durable", servers.free_port(), [], (0,)) as running:
        client = Api(running.endpoint)
        listener = client.load_balancer("bench", port)
        rules = [client.rule(listener, priority) for priority in range(1, CALLERS + 1)]
        begun = time.perf_counter_ns()
        for number in range(CALLS):
            change(client, rules[0], number)
        alone = (time.perf_counter_ns() - begun) / 1e6
        together = crowd(running.endpoint, rules)
    return alone, without_sync, together


def change(client: Api, rule: str, number: int) -> None:
    client("ModifyRule", RuleArn=rule, **path_condition(f"/changed/{number}/*"))


def crowd(endpoint: int, rules: list[str]) -> float:
    """Changes a second."""

    def one(rule: str) -> None:
        client = Api(endpoint)
        for number in range(CALLS):
            change(client, rule, number)

    callers = [threading.Thread(target=one, args=(rule,)) for rule in rules]
    begun = time.perf_counter()
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return CALLS * len(callers) / (time.perf_counter() - begun)


def with_much(context: Context, folder) -> tuple[float, float, float, float, Spread]:
    """Milliseconds: the start, a page of rules, a page of functions, a change until it is live. Then what changes make of the
    p99 of traffic."""
    endpoint, port = servers.free_port(), servers.free_port()
    with Running(context.binary, folder / "much", endpoint, [], (0,)) as running:
        listener = api.fill(running.endpoint, port)
    starts = []
    for _ in range(5):
        with Running(context.binary, folder / "much", endpoint, [], (0,)) as running:
            starts.append(running.ready_ms)
    with Running(context.binary, folder / "much", endpoint, [], (0,)) as running:
        client = Api(running.endpoint, api.REGIONS[-1])
        rules = client("DescribeRules", ListenerArn=listener, PageSize=400)
        rule = re.findall("<RuleArn>([^<]+)", rules)[0]
        page = p50(lambda _: client("DescribeRules", ListenerArn=listener, PageSize=400))
        listed = p50(lambda _: client.get("/2015-03-31/functions?MaxItems=50", "lambda"))
        balancer = found("DNSName", client("DescribeLoadBalancers", **{"Names.member.1": f"bench-{api.LOAD_BALANCERS - 1}"}))
        live = p50(lambda number: live_change(client, rule, port, balancer, number), 50)
        client("ModifyRule", RuleArn=rule, **path_condition("/steady"))
        disturbed = traffic(context, folder, running.endpoint, re.findall("<RuleArn>([^<]+)", rules)[1], port, balancer)
    return statistics.median(starts), page, listed, live, disturbed


def traffic(context: Context, folder, endpoint: int, rule: str, port: int, host: str) -> Spread:
    """The p99 while rules change, as a ratio to the p99 while nothing does: of seconds that follow each other in one run, so that
    what drifts, and what others do, is the same for both."""
    seconds = context.rounds * context.seconds * RUN_LENGTHS
    stop, made = threading.Event(), []
    begun = time.time() + 1

    def changer() -> None:
        client, due = Api(endpoint, api.REGIONS[-1]), 0.0
        # What is asked for is what the server does to traffic, and not what this thread does to h2load.
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        with machine.on_cpu(machine.LOAD_CPU):
            while not stop.is_set():
                if changes_at(int(time.time() - begun)):
                    change(client, rule, len(made))
                    made.append(time.time())
                due = max(due + 1 / MUTATIONS_A_SECOND, time.perf_counter() - 1 / MUTATIONS_A_SECOND)
                stop.wait(max(0.0, due - time.perf_counter()))

    thread = threading.Thread(target=changer)
    thread.start()
    try:
        times = times_of_seconds(folder, seconds + 2, begun, port, host)
    finally:
        stop.set()
        thread.join()
    a_second = sum(at - begun < seconds for at in made) / (seconds / 2)
    if a_second < 0.9 * MUTATIONS_A_SECOND:
        raise servers.Broken(f"only {a_second:.0f} changes a second were made")
    ratios = []
    for first in range(0, seconds, 2):
        without, changing = (times[it] for it in sorted((first, first + 1), key=changes_at))
        if min(len(without), len(changing)) < 0.9 * REQUESTS_A_SECOND:
            raise servers.Broken(f"h2load has sent too little: {len(without)} and {len(changing)} requests in a second")
        ratios.append(p99(changing) / p99(without))
    return Spread.of(ratios)


def changes_at(second: int) -> bool:
    """The first, not the second; then the other way around, so that neither is always the earlier one of two."""
    return second >= 0 and second % 4 in (0, 3)


def p99(times: list[int]) -> float:
    return float(sorted(times)[len(times) * 99 // 100])


def times_of_seconds(folder, seconds: int, begun: float, port: int, host: str) -> dict[int, list[int]]:
    """How long requests took, in microseconds, by the second in which they were sent, from `begun` on."""
    log = folder / "times"
    log.unlink(missing_ok=True)
    command = [
        *["h2load", "--h1", "-t1", f"-c{CONNECTIONS}", f"--rps={REQUESTS_A_SECOND / CONNECTIONS}", f"-D{seconds}"],
        *[f"--log-file={log}", "-H", f":authority: {host}", f"http://{servers.HOST}:{port}/steady"],
    ]
    done = load.run(command)
    # The time it began, the status, microseconds.
    lines = [line.split("\t") for line in log.read_text().splitlines()] if log.exists() else []
    if done.returncode != 0 or not lines or any(status != "200" for _, status, _ in lines):
        raise servers.Broken(f"h2load: {done.stdout}{done.stderr}")
    times = collections.defaultdict(list)
    for sent_us, _, time_us in lines:
        times[math.floor(int(sent_us) / 1e6 - begun)].append(int(time_us))
    return times


def live_change(client: Api, rule: str, port: int, host: str, number: int) -> None:
    change(client, rule, number)
    connection = servers.http.client.HTTPConnection(servers.HOST, port, timeout=5)
    connection.request("GET", f"/changed/{number}/x", headers={"Host": host})
    answer = connection.getresponse()
    connection.close()
    if answer.status != 200:
        raise servers.Broken(f"a changed rule is not live: {answer.status}")
