"""A section of bench/RESULTS.md: what was asked, what came out, and where, with what and how it was measured."""

from dataclasses import dataclass, field
from pathlib import Path

from . import machine
from .context import Context
from .rounds import Run, Spread, ratios


@dataclass(frozen=True)
class Verdict:
    """One budget and what was measured against it."""

    what: str
    measured: str
    limit: str
    met: bool

    def line(self) -> str:
        return f"- {self.what}: **{self.measured}**; budget {self.limit}: **{'met' if self.met else 'NOT MET'}**"


@dataclass(frozen=True)
class Section:
    """What a scenario found out."""

    verdicts: list[Verdict]
    table: list[list[str]]
    """Its header first."""
    notes: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)


def ratio_verdict(what: str, spread: Spread, limit: float) -> Verdict:
    return Verdict(what, spread.text(), f"<= {limit:.2f}", spread.median <= limit)


def load_table(runs: dict[str, list[Run]], base: str, unit: str = "request") -> list[list[str]]:
    """One row for each candidate of a comparison under load, `base` being the one that the others are held against."""
    header = [
        "candidate",
        f"CPU us per {unit}",
        f"x {base}",
        f"{unit}s per second",
        "busy",
        "others",
        "logged",
        "memory MiB",
    ]
    rows = [header]
    for name, of_name in runs.items():
        rows.append(
            [
                name,
                Spread.of([run.cpu_us_per_request for run in of_name]).text(),
                ratios(runs, name, base, lambda run: run.cpu_us_per_request).text(),
                f"{Spread.of([run.requests / run.wall_ns * 1e9 for run in of_name]).median:.0f}",
                f"{Spread.of([run.cpu_ns / run.wall_ns for run in of_name]).median:.2f}",
                f"{max(run.others_ns / run.wall_ns for run in of_name):.2f}",
                f"{min(run.logged for run in of_name):.3f}",
                mebibytes(Spread.of([run.anonymous_bytes for run in of_name]).median),
            ]
        )
    return rows


def function_table(runs: dict[str, list[Run]], base: str) -> list[list[str]]:
    """The same where functions are called: what the front takes, what the functions."""
    header = [
        "candidate",
        "CPU us per request",
        f"x {base}",
        "front",
        "functions",
        "requests per second",
        "p50 us",
        "busy",
        "others",
        "logged",
        "processes",
        "memory MiB",
    ]
    rows = [header]
    for name, of_name in runs.items():
        latencies = [run.p50_us for run in of_name if run.p50_us is not None]
        functions = [max(0, run.cpu_ns - run.own_cpu_ns) / run.requests / 1000 for run in of_name]
        rows.append(
            [
                name,
                Spread.of([run.cpu_us_per_request for run in of_name]).text(),
                ratios(runs, name, base, lambda run: run.cpu_us_per_request).text(),
                f"{Spread.of([run.own_cpu_us_per_request for run in of_name]).median:.2f}",
                f"{Spread.of(functions).median:.2f}",
                f"{Spread.of([run.requests / run.wall_ns * 1e9 for run in of_name]).median:.0f}",
                Spread.of(latencies).text(0) if latencies else "-",
                f"{Spread.of([run.cpu_ns / run.wall_ns for run in of_name]).median:.2f}",
                f"{max(run.others_ns / run.wall_ns for run in of_name):.2f}",
                f"{min(run.logged for run in of_name):.3f}",
                str(max(run.processes for run in of_name)),
                mebibytes(Spread.of([run.anonymous_bytes for run in of_name]).median),
            ]
        )
    return rows


def mebibytes(count: float) -> str:
    return f"{count / 2**20:.1f}"


def render(scenario, section: Section, about: machine.About, context: Context, load_before: str) -> str:
    versions = [about.albacore, *(machine.version(tool) for tool in sorted(scenario.TOOLS))]
    header, *rows = section.table
    lines = [
        f"## {scenario.NAME}",
        "",
        f"{scenario.SUMMARY[0].upper()}{scenario.SUMMARY[1:]}.",
        "",
        *(verdict.line() for verdict in section.verdicts),
        "",
        row(header),
        row(["---"] + ["---:"] * (len(header) - 1)),
        *map(row, rows),
        "",
        *(f"- {note}" for note in section.notes),
        f"- {about.date}, commit {about.commit}, `bench/run {scenario.NAME} --rounds {context.rounds} "
        f"--seconds {context.seconds}`",
        f"- {about.machine}; {about.system}; load average before: {load_before}",
        f"- {'; '.join(versions)}",
    ]
    if section.commands:
        lines += ["", "```", *section.commands, "```"]
    return "\n".join(lines) + "\n"


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def write(page: Path, order: list[str], name: str, text: str) -> None:
    """Replaces one scenario's section, or puts it where `order` says. The text before the first section stays."""
    head, sections = parted(page.read_text())
    sections[name] = text
    known = [sections[of] for of in order if of in sections]
    page.write_text("\n".join([head, *known]))


def parted(text: str) -> tuple[str, dict[str, str]]:
    head, *rest = text.split("\n## ")
    sections = {}
    for part in rest:
        name = part.split("\n", 1)[0].strip()
        sections[name] = f"## {part.rstrip()}\n"
    return f"{head.rstrip()}\n", sections
