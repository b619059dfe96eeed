"""What traffic threads cost each other.

There are two processors and no third for the load, so the load shares both with every candidate in the same way: an origin
and half of the clients on each. One thread on one processor would leave the other one to the load, which is a different
machine to work on; therefore two threads of one process are held against two processes with one thread each. Both have a
traffic thread on either processor; half of the clients and half of the targets are on the other processor for both.
"""

import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from .. import machine, relays, rounds
from ..context import Context
from ..load import reproducible, wrk_command, wrk_done
from ..relays import Relay, Relaying
from ..report import Section, ratio_verdict
from ..rounds import Spread
from ..servers import new_folder
from .relay import prepare

__all__ = ["NAME", "SUMMARY", "TOOLS", "measure", "prepare"]

NAME = "relay-cores"
SUMMARY = (
    "as relay, albacore with two traffic threads against two albacores with one each; a traffic thread, an origin and half "
    "of the clients on either processor"
)
TOOLS = ["wrk"]

CPUS = (machine.SERVER_CPU, machine.LOAD_CPU)
WORK = Relaying()
CLIENTS_EACH = 2
"""wrk processes on a processor: one for each listener, or two for the only one."""
CONNECTIONS_EACH = 16


@dataclass(frozen=True)
class Kind:
    name: str
    processes: Sequence[Sequence[int]]
    """The processors of the traffic threads of each."""


TOGETHER = Kind("two threads", [CPUS])
APART = Kind("two processes with one thread each", [[cpu] for cpu in CPUS])
SINGLE = Kind("one thread", [[machine.SERVER_CPU]])


@dataclass(frozen=True)
class Shared:
    """All processes of a kind under load in one round."""

    requests: int
    cpu_ns: int
    wall_ns: int
    logged: float
    command: str

    @property
    def cpu_us_per_request(self) -> float:
        return self.cpu_ns / self.requests / 1000


def measure(context: Context) -> Section:
    runs = rounds.interleaved([TOGETHER, APART, SINGLE], context.rounds, lambda kind: of_one(context, kind))

    def against(name: str, peer: Kind) -> Spread:
        return rounds.ratios(runs, name, peer.name, lambda run: run.cpu_us_per_request)

    table = [["albacore", "CPU us per request", f"x {APART.name}", "requests per second", "processors used", "logged"]]
    for name, of_name in runs.items():
        table.append(
            [
                name,
                Spread.of([run.cpu_us_per_request for run in of_name]).text(),
                against(name, APART).text(),
                f"{Spread.of([run.requests / run.wall_ns * 1e9 for run in of_name]).median:.0f}",
                f"{Spread.of([run.cpu_ns / run.wall_ns for run in of_name]).median:.2f}",
                f"{min(run.logged for run in of_name):.3f}",
            ]
        )
    return Section(
        verdicts=[ratio_verdict("CPU per request, two threads / one", against(TOGETHER.name, APART), 1.10)],
        table=table,
        notes=[
            f"two threads / one thread that all of the load goes to: {against(TOGETHER.name, SINGLE).text()}; the other "
            "processor is left to the load there",
            f"{len(CPUS) * CLIENTS_EACH} times wrk with {CONNECTIONS_EACH} connections; both origins are targets of each",
        ],
        commands=[runs[kind.name][0].command for kind in (TOGETHER, APART)],
    )


def of_one(context: Context, kind: Kind) -> Shared:
    with ExitStack() as held:
        servers = start(context, kind, held)
        warm_up = load(servers, context.warm_up_seconds)
        cpu, wall = used(servers), time.monotonic_ns()
        requests = load(servers, context.seconds)
        cpu, wall = used(servers) - cpu, time.monotonic_ns() - wall
        for server in servers:
            server.tree.check_alive()
        lines = sum(server.stop_and_count_lines() - server.probes for server in servers)
        command = reproducible(servers[0].tree.command)
        return Shared(requests, cpu, wall, lines / (warm_up + requests), command)


def start(context: Context, kind: Kind, held: ExitStack) -> list[Relay]:
    folder = new_folder(context, "origins")
    origins = [held.enter_context(relays.origin(WORK, folder, cpu)) for cpu in CPUS]
    servers = []
    for cpus in kind.processes:
        server = held.enter_context(relays.albacore_on(context, WORK, origins, cpus))
        server.tree.pin_threads("core", cpus)
        servers.append(server)
    return servers


def used(servers: list[Relay]) -> int:
    return sum(server.tree.cpu_ns() for server in servers)


def load(servers: list[Relay], seconds: int) -> int:
    """How many requests were answered to all clients. Each listener has as many clients on one processor as on the other."""
    clients = []
    for cpu in CPUS:
        for number in range(CLIENTS_EACH):
            server = servers[number % len(servers)]
            clients.append((server, client_on(cpu, wrk_command(server, CONNECTIONS_EACH, seconds))))
    done = [(server, completed(client)) for server, client in clients]
    return sum(wrk_done(server, client).units for server, client in done)


def client_on(cpu: int, command: list[str]) -> subprocess.Popen[str]:
    with machine.on_cpu(cpu):
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=machine.ROOT)


def completed(client: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, failures = client.communicate()
    return subprocess.CompletedProcess(client.args, client.returncode, out, failures)
