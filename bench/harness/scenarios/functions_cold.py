"""How soon a function answers that nobody has called before."""

import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .. import functions, machine, process, programs
from ..context import Context
from ..report import Section, Verdict
from ..rounds import Spread
from ..servers import HOST, Server, albacore_tree, free_port, new_folder, shown

NAME = "functions-cold"
SUMMARY = (
    "the first request to a function, from the listener to its answer, beside the bare start of the same program up to its "
    "first request for an event; bubblewrap and runc around that start"
)
TOOLS = ["python3", "node", "bwrap", "runc"]

STARTS = 30
QUIET_SECONDS = 0.5
"""Between two starts: what is made ahead for the next one is made in it, as in all life but in bursts."""
MORE_MS = {"custom": 2.0}
"""Above the bare start."""
WHOLE_MS = {"Python": 10.0, "Node": 10.0}
MORE_CPU_MS = {"custom": 0.5}
"""What being confined costs the process itself. Interpreters that wait do more than bare ones: they rehearse."""
PRIVATE_MB = {"custom": 0.3, "Python": 5.0, "Node": 8.0}
"""Of an idle environment: what no other one shares, its init included."""


def custom() -> functions.Function:
    return functions.Function(programs.static_function())


KINDS = {"custom": custom, "Python": lambda: functions.PYTHON, "Node": lambda: functions.NODE}


@dataclass
class Starts:
    """What was seen of starts that are alike."""

    ms: list[float] = field(default_factory=list)
    """From the request to the answer, or up to the first request for an event."""
    cpu_ms: list[float] = field(default_factory=list)
    """Of the process, until it first asks for an event."""
    private_mb: list[float] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    """The control groups that such a process is in."""


def prepare() -> None:
    programs.static_function()


def measure(context: Context) -> Section:
    rows = [["start", "starts", "median, ms", "fastest, ms", "slowest, ms", "CPU of the process, ms"]]
    verdicts, groups = [], []
    for kind, function_of in KINDS.items():
        own = answers(context, function_of())
        groups = own.groups
        own.cpu_ms = inits(context, function_of())
        command, variables = bare_command(function_of())
        ways: dict[str, Callable[[list[str]], list[str]]] = {
            "bare": lambda command: command,
            "bubblewrap": bubblewrapped,
            "runc": lambda command: contained(context, command, variables),
        }
        others = {way: nexts(command_of(command), variables) for way, command_of in ways.items()}
        for name, starts in ({"albacore, request to answer": own} | others).items():
            spread = Spread.of(starts.ms)
            figures = [f"{figure:.1f}" for figure in (spread.median, spread.low, spread.high)]
            cpu = f"{statistics.median(starts.cpu_ms):.2f}" if starts.cpu_ms else "-"
            rows.append([f"{kind}: {name}", str(len(starts.ms)), *figures, cpu])
        verdicts += verdicts_of(kind, own, others["bare"])
    notes = [
        f"control groups of a function: {'; '.join(groups) or 'none'}",
        "processor time by memory (`--cpu-share memory`), 128 MB each: the init is not limited, what follows is",
        f"{QUIET_SECONDS} s between two starts; every function is called once",
        "bubblewrap and runc: every namespace but the network's, the same program up to its first request for an event",
        "CPU: of the process alone until its first request for an event; with albacore from when it was forked, and in "
        "environments that are provisioned, so that it waits there; interpreters have been started ahead and have rehearsed an "
        "invocation, which bare ones do not",
        "500 environments made and destroyed leave no process, mount, control group, namespace or descriptor: "
        "`crates/sandbox/tests/spawner/namespace.rs` counts them",
        "published, not measured here: LocalStack's documents give about 3 s for a call of an empty Python function with a container "
        "for each call (https://docs.localstack.cloud/localstack/lambda-executors/)",
    ]
    return Section(verdicts, rows, notes=notes)


def verdicts_of(kind: str, own: Starts, bare: Starts) -> list[Verdict]:
    def below(what: str, figure: float, limit: float, unit: str, digits: int = 1) -> Verdict:
        return Verdict(f"{kind}: {what}", f"{figure:.{digits}f} {unit}", f"<= {limit} {unit}", figure <= limit)

    median = statistics.median(own.ms)
    verdicts = []
    if kind in MORE_MS:
        verdicts.append(below("above the bare start", median - statistics.median(bare.ms), MORE_MS[kind], "ms"))
    if kind in WHOLE_MS:
        verdicts.append(below("median", median, WHOLE_MS[kind], "ms"))
    if kind in MORE_CPU_MS:
        more = statistics.median(own.cpu_ms) - statistics.median(bare.cpu_ms)
        verdicts.append(below("CPU above the bare start", more, MORE_CPU_MS[kind], "ms", digits=2))
    verdicts.append(below("private memory, idle", statistics.median(own.private_mb), PRIVATE_MB[kind], "MB", digits=2))
    return verdicts


def answers(context: Context, function: functions.Function) -> Starts:
    """From the first byte of a request to the last of its answer, for functions that are all alike."""
    starts = Starts()
    folder, port = new_folder(context, "cold"), free_port()
    # On all processors, as the bare starts.
    cpus = sorted(os.sched_getaffinity(0))
    tree = albacore_tree(context, folder, manifest_text(function, port), cpus=cpus, cpu_share="memory")
    with Server(tree, port, functions.WORK, folder) as server:
        for number in range(STARTS):
            time.sleep(QUIET_SECONDS)
            starts.ms.append(once(server, number))
            pid = process_of(server, number)
            starts.groups = groups_of(pid)
        # Until they are frozen.
        time.sleep(QUIET_SECONDS)
        for number in range(STARTS):
            starts.private_mb.append(private_mb(process_of(server, number)))
    return starts


def inits(context: Context, function: functions.Function) -> list[float]:
    """Processor time of such functions up to their first request for an event, in milliseconds: of environments that are
    provisioned, one after the other, and wait there."""
    folder, port = new_folder(context, "kept"), free_port()
    tree = albacore_tree(context, folder, manifest_text(function, port), cpus=sorted(os.sched_getaffinity(0)), cpu_share="memory")
    cpu_ms = []
    with Server(tree, port, functions.WORK, folder) as server:
        for number in range(STARTS):
            (folder / "manifest/albacore.yaml").write_text(manifest_text(function, port, provisioned=number + 1))
            deadline = time.monotonic() + functions.READY_SECONDS
            while len(mains(server)) <= number and time.monotonic() < deadline:
                time.sleep(QUIET_SECONDS / 10)
            # Until it waits.
            time.sleep(QUIET_SECONDS)
            cpu_ms.append(process.run_time_ns(process_of(server, number)) / 1e6)
    return cpu_ms


def process_of(server: Server, number: int) -> int:
    """The runtime of a function."""
    found = mains(server)
    if len(found) <= number:
        raise functions.Broken(f"{len(found)} functions run, and not {number + 1}")
    return found[number]


def mains(server: Server) -> list[int]:
    """The runtimes of functions, the oldest first. An interpreter that has waited got its variables later, so it is known by what
    it is not."""
    found = [pid for pid in server.tree.pids() if parent_name(pid) == "albacore-init"]
    # Those that wait for a function have the descriptor through which they get one.
    found = [pid for pid in found if not os.path.lexists(f"/proc/{pid}/fd/63")]
    # Those that nobody has asked for yet.
    found = [pid for pid in found if process.read(Path(f"/proc/{pid}/comm")).strip() != "albacore-wait"]
    return sorted(found, key=started_at)


def parent_name(pid: int) -> str:
    parent = stat_of(pid)[1]
    return process.read(Path(f"/proc/{parent}/comm")).strip()


def started_at(pid: int) -> int:
    return int(stat_of(pid)[19])


def stat_of(pid: int) -> list[str]:
    """From the state on."""
    return process.read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split() or ["?", "0", *["0"] * 18]


def groups_of(pid: int) -> list[str]:
    """Those that albacore has made."""
    found = []
    for line in process.read(Path(f"/proc/{pid}/cgroup")).splitlines():
        number, controllers, path = line.split(":", 2)
        if "/albacore-" in path:
            found.append(f"{controllers} (v1)" if controllers else "v2 (a process is born in it)")
    return sorted(found)


def private_mb(pid: int) -> float:
    """Of a process and its init."""
    lines = [
        line.split()
        for it in (pid, int(stat_of(pid)[1]))
        for line in process.read(Path(f"/proc/{it}/smaps_rollup")).splitlines()
    ]
    return sum(int(words[1]) for words in lines if words[0] in ("Private_Clean:", "Private_Dirty:")) / 1024


def once(server: Server, number: int) -> float:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=functions.READY_SECONDS)
    connection.connect()
    try:
        began = time.monotonic_ns()
        connection.request("GET", f"/cold/{number}")
        answer = connection.getresponse()
        body = answer.read()
        ended = time.monotonic_ns()
    finally:
        connection.close()
    if answer.status != 200:
        raise functions.Broken(f"function {number} answers {answer.status} {body!r}")
    return (ended - began) / 1e6


def manifest_text(function: functions.Function, port: int, provisioned: int = 0) -> str:
    """Of so many of the functions an environment is kept."""
    handler = f", handler: {function.handler}" if function.handler else ""
    lines = ["functions:"]
    for n in range(STARTS):
        kept = ", provisioned_concurrency: 1" if n < provisioned else ""
        lines.append(f"  f{n}: {{ runtime: {function.runtime}{handler}, code: {function.code}{kept} }}")
    lines += ["target_groups:", *(f"  f{n}: {{ function: f{n} }}" for n in range(STARTS))]
    lines += ["load_balancers:", "  bench:", "    listeners:", f"      - port: {port}", "        rules:"]
    lines += [f'          - {{ priority: {n + 1}, path: "/cold/{n}", forward: f{n} }}' for n in range(STARTS)]
    # What the harness waits for.
    answer = f"fixed_response: {{ status: 200, content_type: text/plain, body: {functions.BODY} }}"
    return "\n".join([*lines, f"        default: {{ {answer} }}", ""])


def bare_command(function: functions.Function) -> tuple[list[str], dict[str, str]]:
    """What albacore would execute, without anything around it; what it lacks is the address of the Runtime API."""
    variables = {"LAMBDA_TASK_ROOT": str(function.code), "_HANDLER": function.handler or "", "PATH": os.environ["PATH"]}
    runtimes = machine.ROOT / "runtimes"
    if function is functions.PYTHON:
        return [program("python3"), "-S", "-B", "-X", "utf8", str(runtimes / "python/bootstrap.py")], variables
    if function is functions.NODE:
        return [program("node"), str(runtimes / "node/bootstrap.cjs")], variables
    names = {f"AWS_LAMBDA_FUNCTION_{name}": "1" for name in ("NAME", "MEMORY_SIZE", "VERSION")}
    streams = {f"AWS_LAMBDA_LOG_{name}_NAME": "1" for name in ("GROUP", "STREAM")}
    return [str(function.code)], variables | names | streams


def program(name: str) -> str:
    """Not a script that looks for the interpreter."""
    code = {"python3": ["-c", "import sys; print(sys.executable)"], "node": ["-p", "process.execPath"]}[name]
    said = subprocess.run([name, *code], capture_output=True, text=True, check=True)
    return os.path.realpath(said.stdout.strip())


def nexts(command: list[str], variables: dict[str, str]) -> Starts:
    """Up to the first request for an event."""
    starts = Starts()
    program = shutil.which(command[0]) or command[0]
    is_bare = command[0] not in ("bwrap", "sh")
    for _ in range(STARTS):
        # For each its own: what is killed may still connect once more.
        with socket.create_server((HOST, 0)) as listener:
            listener.settimeout(functions.READY_SECONDS)
            address = {"AWS_LAMBDA_RUNTIME_API": f"{HOST}:{listener.getsockname()[1]}"}
            began = time.monotonic_ns()
            child = subprocess.Popen(
                [program, *command[1:]], env=variables | address, close_fds=False, stderr=subprocess.DEVNULL
            )
            try:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1)
                    starts.ms.append((time.monotonic_ns() - began) / 1e6)
                    if is_bare:
                        starts.cpu_ms.append(process.run_time_ns(child.pid) / 1e6)
                    child.kill()
                    child.wait()
            except TimeoutError:
                raise functions.Broken(f"`{' '.join(command)}` asks for no event") from None
            finally:
                child.kill()
                child.wait()
                if command[0] == "sh":
                    # It outlives the one who has started it.
                    subprocess.run(["runc", "delete", "--force", f"bench-{child.pid}"], check=False, capture_output=True)
        time.sleep(QUIET_SECONDS / 5)
    return starts


def bubblewrapped(command: list[str]) -> list[str]:
    """Every namespace but the network, through which it has to speak."""
    mounts = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/run"]
    return ["bwrap", *mounts, "--unshare-all", "--share-net", "--die-with-parent", *command]


def contained(context: Context, command: list[str], variables: dict[str, str]) -> list[str]:
    """A bundle with this machine's folders, read-only. The address of the Runtime API comes with the environment of runc, so a
    shell in the container cannot have it: the bundle is written anew by the shell outside."""
    bundle = new_folder(context, "runc").resolve()
    subprocess.run(["runc", "spec", "--bundle", str(bundle)], check=True)
    file = bundle / "config.json"
    spec = json.loads(file.read_text())
    spec["root"] = {"path": "root", "readonly": True}
    # Without a network of its own it may not mount /sys, where the control groups are shown, too.
    spec["mounts"] = [it for it in spec["mounts"] if not it["destination"].startswith("/sys")] + folders(bundle / "root")
    variables_of = [f"{name}={value}" for name, value in variables.items()] + ["AWS_LAMBDA_RUNTIME_API=@API@"]
    spec["process"] |= {"terminal": False, "args": command, "env": variables_of}
    spec["linux"]["namespaces"] = [it for it in spec["linux"]["namespaces"] if it["type"] != "network"]
    (bundle / "template.json").write_text(json.dumps(spec))
    write = f'sed "s/@API@/$AWS_LAMBDA_RUNTIME_API/" {bundle}/template.json > {file}'
    return ["sh", "-c", f"{write} && exec runc run --bundle {bundle} bench-$$"]


def folders(root: Path) -> list[dict]:
    """Mounts of everything at this machine's root, for a container with this root."""
    mounts = []
    for entry in sorted(Path("/").iterdir()):
        place = root / entry.name
        if entry.is_symlink():
            place.parent.mkdir(exist_ok=True)
            place.symlink_to(entry.readlink())
        elif entry.is_dir() and entry.name not in ("dev", "proc", "sys"):
            place.mkdir(parents=True)
            options = ["rbind", "ro"]
            mounts.append({"destination": str(entry), "type": "bind", "source": str(entry), "options": options})
    return mounts
