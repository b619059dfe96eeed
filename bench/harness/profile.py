"""Where a server's processor time goes: samples of what it executes, sorted into parts of the program by the names of its
functions."""

import re
import subprocess
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .failure import Broken
from .load import Load
from .process import read
from .servers import Server

SAMPLES_PER_SECOND = 1999
"""No divisor of what happens at regular times."""


@dataclass(frozen=True)
class Sample:
    thread: str
    """Its name."""
    file: str
    """`[kernel]`, `[vdso]`, or the name of the program or library."""
    function: str
    """Empty outside the program itself."""


def sampled(server: Server, load: Load, seconds: int, file: Path) -> tuple[int, Counter[Sample]]:
    """Runs the load, and says how much was done and what the server executed meanwhile."""
    pid = server.tree.pids()[0]
    options = ["--quiet", "--event", "cpu-clock", "--freq", str(SAMPLES_PER_SECOND), "--pid", str(pid), "--output", str(file)]
    with subprocess.Popen(["perf", "record", *options], stdout=subprocess.DEVNULL) as recorder:
        done = load.generate(server, seconds)
        recorder.terminate()
    functions = Functions.of(Path(server.tree.command[0]), pid)
    script = ["perf", "script", "--input", str(file), "--fields", "comm,ip,dso"]
    told = subprocess.run(script, capture_output=True, text=True, check=False)
    # A thread may have spaces in its name; a file from before an update says `(deleted)`.
    lines = re.findall(r"^\s*(.+?)\s+([0-9a-f]+) \((.+?)\)$", told.stdout, re.MULTILINE)
    if not lines:
        raise Broken(f"perf has no samples: {told.stderr}")
    samples: Counter[Sample] = Counter()
    for thread, address, where in lines:
        inside = where == functions.program
        name = "[kernel]" if where.startswith("[kernel") or where.startswith("[guest.kernel") else Path(where).name
        samples[Sample(thread, name, functions.at(int(address, 16)) if inside else "")] += 1
    return done.units, samples


class Functions:
    """The functions of a program, and where it lies in the memory of a process."""

    def __init__(self, program: str, base: int, starts: list[int], names: list[str]):
        self.program = program
        self._base, self._starts, self._names = base, starts, names

    @staticmethod
    def of(program: Path, pid: int) -> "Functions":
        path = str(program.resolve())
        bases = [line.split("-")[0] for line in read(Path(f"/proc/{pid}/maps")).splitlines() if line.endswith(path)]
        symbols = subprocess.run(["nm", "--demangle", "--defined-only", path], capture_output=True, text=True, check=False)
        found = sorted(
            (int(address, 16), name)
            for address, kind, name in re.findall(r"^([0-9a-f]+) (\w) (.+)$", symbols.stdout, re.MULTILINE)
            if kind in "tTwW"
        )
        if not bases or not found:
            raise Broken(f"{path} has no symbols, or does not run: {symbols.stderr}")
        return Functions(path, int(bases[0], 16), [start for start, _ in found], [name for _, name in found])

    def at(self, address: int) -> str:
        index = bisect_right(self._starts, address - self._base) - 1
        return self._names[index] if index >= 0 else ""
