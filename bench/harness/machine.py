"""What is measured on: processors, versions, commit, missing tools, open files."""

import os
import platform
import resource
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SERVER_CPU = 0
"""Where the process under test runs, alone."""
LOAD_CPU = 1
"""Where everything that loads it runs."""

OPEN_FILES = 32_768
"""What servers and clients are allowed, if we may: more than any scenario has connections."""

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


PACKAGES = {"bwrap": "bubblewrap", "h2load": "nghttp2-client", "node": "nodejs", "perf": "linux-perf"}
"""Where a tool's package in Debian and Ubuntu is not called like the tool."""


def missing(tools: set[str]) -> str | None:
    """What this machine lacks, and how to get it."""
    if len({SERVER_CPU, LOAD_CPU} & os.sched_getaffinity(0)) < 2:
        return f"needs the processors {SERVER_CPU} and {LOAD_CPU}: one for the server, one for what loads it"
    absent = sorted(tool for tool in tools if not find(tool))
    if absent:
        packages = " ".join(PACKAGES.get(tool, tool) for tool in absent)
        install = f"apt-get install --yes --no-install-recommends {packages}"
        return f"missing: {' '.join(absent)}. On Debian or Ubuntu:\n  {install}"
    return None


def find(tool: str) -> str | None:
    """Debian keeps servers in a folder that is not on every user's path."""
    return shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def is_root() -> bool:
    return os.geteuid() == 0


def raise_open_files() -> None:
    """As far as we may; a scenario that needs more says so itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else max(hard, OPEN_FILES)
    for limits in [(wanted, wanted), (hard, hard), (soft, hard)]:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            return
        except (ValueError, OSError):
            continue


@contextmanager
def on_cpu(*cpus: int):
    """What is started inside runs on these processors, from its first instruction: affinity is inherited."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def busy_ns(cpu: int) -> int:
    """Time this processor has spent on anybody, stolen by the hypervisor included."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{cpu}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, ticks[:8])
            return (user + nice + system + irq + softirq + steal) * TICK_NS
    raise RuntimeError(f"/proc/stat does not name cpu{cpu}")


def load_average() -> str:
    return Path("/proc/loadavg").read_text().split()[0]


@dataclass(frozen=True)
class About:
    """What stands under every section."""

    date: str
    commit: str
    machine: str
    system: str
    albacore: str

    @staticmethod
    def read(binary: Path, build: str) -> "About":
        return About(
            date=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            commit=commit(),
            machine=f"{os.cpu_count()} processors ({processor()}), {memory_gib()} GiB of memory{hypervisor()}",
            system=f"Linux {platform.release()}, {distribution()}",
            albacore=f"{output([str(binary), '--version'])} ({build})",
        )


def commit() -> str:
    # The checkout may belong to another user, which Git refuses to read otherwise.
    git = ["git", "-C", str(ROOT), "-c", "safe.directory=*"]
    name = output([*git, "rev-parse", "--short=12", "HEAD"])
    return f"{name} with uncommitted changes" if output([*git, "status", "--porcelain"]) else name


def version(tool: str) -> str:
    """What a tool says about itself in its first line, without what is not its version."""
    flags = {"bwrap": "--version", "h2load": "--version", "openssl": "version", "python3": "--version"}
    said = output([find(tool) or tool, flags.get(tool, "-v")]).splitlines()[0]
    for not_version in (" https", " Copyright", " (Library"):
        said = said.split(not_version)[0]
    return said if tool.removesuffix("3") in said.lower() or tool == "bwrap" else f"{tool} {said}"


def output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip()


def processor() -> str:
    lines = (line.partition(":") for line in cpu_info().splitlines())
    fields = {name.strip(): value.strip() for name, _, value in lines}
    name = fields.get("model name", platform.machine())
    return f"{name}, family {fields['cpu family']} model {fields['model']}" if "model" in fields else name


def hypervisor() -> str:
    return ", virtual machine" if " hypervisor" in cpu_info() else ""


def cpu_info() -> str:
    return Path("/proc/cpuinfo").read_text()


def memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def distribution() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown distribution")
