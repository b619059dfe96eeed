"""One server's process tree: start, processor time, memory, stop.

albacore has threads and a child that spawns execution environments; HAProxy runs as one process. Both are measured the
same way: over the process that was started and all its descendants.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from . import machine
from .failure import Broken

STOP_SECONDS = 10
SETTLE_SECONDS = 3
"""After which allocators have given back what they mean to give back."""


class Tree:
    """A started server, pinned to the server's processor unless others are named."""

    def __init__(
        self,
        command: list[str],
        output: Path,
        folder: Path = machine.ROOT,
        variables: Mapping[str, str] = {},
        cpus: Sequence[int] = (machine.SERVER_CPU,),
    ):
        self.command = command
        self.output = output
        """Standard output and standard error; HAProxy's access log is its standard output."""
        # Settings of the person who measures do not belong into the result.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("ALBACORE_", "AWS_"))}
        with machine.on_cpu(*cpus), output.open("wb") as file:
            self.started_ns = time.monotonic_ns()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment | variables,
            )

    def check_alive(self) -> None:
        status = self._process.poll()
        if status is not None:
            raise Broken(f"{self.command[0]} ended with status {status}:\n{self.tail()}")

    def tail(self) -> str:
        return self.output.read_bytes()[-2000:].decode(errors="replace")

    def cpu_ns(self) -> int:
        """Processor time of all threads so far."""
        return sum(run_time_ns(pid) for pid in self.pids())

    def own_cpu_ns(self) -> int:
        """The same without descendants: without the functions."""
        return run_time_ns(self._process.pid)

    def anonymous_bytes(self) -> int:
        """Resident memory that belongs to no file, so is not shared with others who run the same program."""
        return sum(anonymous_bytes(pid) for pid in self.pids())

    def pids(self) -> list[int]:
        pids = [self._process.pid]
        for pid in pids:  # grows while it is walked
            pids.extend(children(pid))
        return pids

    def pin_threads(self, name: str, cpus: Sequence[int]) -> None:
        """The threads `name-0`, `name-1` and so on of the process that was started, each to a processor of its own."""
        found = {read(task / "comm").strip(): int(task.name) for task in tasks(self._process.pid)}
        for number, cpu in enumerate(cpus):
            thread = found.get(f"{name}-{number}")
            if thread is None:
                raise Broken(f"{self.command[0]} has no thread {name}-{number}, but {', '.join(found)}")
            os.sched_setaffinity(thread, {cpu})

    def stop(self) -> None:
        """Asks it to end, and kills what is left of the tree: not every peer takes its functions with it."""
        with ExitStack() as held:
            descendants = [held.enter_context(Handle(pid)) for pid in self.pids()[1:]]
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            for descendant in descendants:
                descendant.kill()


class Handle:
    """A process, whoever has its number by now."""

    def __init__(self, pid: int):
        try:
            self._fd: int | None = os.pidfd_open(pid)
        except ProcessLookupError:  # it has just ended
            self._fd = None

    def __enter__(self) -> "Handle":
        return self

    def kill(self) -> None:
        if self._fd is not None:
            with suppress(ProcessLookupError):  # it has ended by itself
                signal.pidfd_send_signal(self._fd, signal.SIGKILL)

    def __exit__(self, *_) -> None:
        if self._fd is not None:
            os.close(self._fd)


def tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except FileNotFoundError:  # it has just ended
        return []


def children(pid: int) -> list[int]:
    return [int(child) for task in tasks(pid) for child in read(task / "children").split()]


def run_time_ns(pid: int) -> int:
    return sum(int((read(task / "schedstat") or "0").split()[0]) for task in tasks(pid))


def anonymous_bytes(pid: int) -> int:
    for line in read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024
    return 0


def read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):  # the thread has just ended
        return ""


def settled_bytes(tree: Tree) -> int:
    """The anonymous memory of a tree that has had time to come to rest."""
    time.sleep(SETTLE_SECONDS)
    tree.check_alive()
    return tree.anonymous_bytes()


def wait_until(condition, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Broken(f"{what} after {seconds} s")
        time.sleep(0.0005)  # the start is measured with it
