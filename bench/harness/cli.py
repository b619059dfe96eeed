"""Arguments, which scenarios run, where the results go."""

import argparse
import shutil
import sys
import traceback
from pathlib import Path

from . import machine, programs, report
from .context import Context
from .failure import Broken
from .scenarios import SCENARIOS

EPILOG = """\
Examples:
  bench/run                              every scenario; prints the sections
  bench/run --write                      ... and puts them into bench/RESULTS.md
  bench/run fixed rules --rounds 9       two of them, more rounds
  bench/run functions --quick            whether it works; the figures say little

The exit status is 0 when everything was measured, whether or not a budget was met; 1 when a scenario broke; 2 when this
machine lacks something, which is then named."""


def main() -> int:
    arguments = parse()
    scenarios = [SCENARIOS[name] for name in SCENARIOS if name in arguments.scenarios or not arguments.scenarios]
    missing = machine.missing({tool for scenario in scenarios for tool in scenario.TOOLS})
    if missing:
        print(f"bench: {missing}", file=sys.stderr)
        return 2
    try:
        binary, build = chosen(arguments)
        for scenario in scenarios:
            getattr(scenario, "prepare", lambda: None)()
    except Broken as broken:
        print(f"bench: {broken}", file=sys.stderr)
        return 2
    if not binary.is_file():
        print(f"bench: {binary} is not there to be measured", file=sys.stderr)
        return 2
    machine.raise_open_files()
    context = Context(
        binary=binary,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        warm_up_seconds=1,
        folder=machine.ROOT / "target/bench",
    )
    shutil.rmtree(context.folder, ignore_errors=True)
    about = machine.About.read(binary, build)
    broken = [scenario.NAME for scenario in scenarios if not measured(scenario, context, about, arguments)]
    if broken:
        print(f"bench: broken: {', '.join(broken)}; what the servers said is under target/bench", file=sys.stderr)
        return 1
    shutil.rmtree(context.folder, ignore_errors=True)
    return 0


def chosen(arguments: argparse.Namespace) -> tuple[Path, str]:
    """The program that is measured, and how it was built."""
    if arguments.binary:
        return arguments.binary.resolve(), f"--binary {arguments.binary}"
    if arguments.shipped:
        return programs.shipped()
    return programs.cargo_build("--package", "albacore").resolve() / "albacore", "cargo build --release"


def parse() -> argparse.Namespace:
    lines = "\n".join(f"  {name:<18} {scenario.SUMMARY}" for name, scenario in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="bench/run",
        description=f"Measures the whole server.\n\nScenarios:\n{lines}",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="which to run; all if none is named")
    parser.add_argument("--rounds", type=positive, default=5, help="rounds of each comparison (default 5)")
    parser.add_argument("--seconds", type=positive, default=5, help="seconds of load in each run (default 5)")
    parser.add_argument("--quick", action="store_true", help="one round of a second each: tries the scenarios out")
    parser.add_argument("--write", action="store_true", help="replace the scenarios' sections in bench/RESULTS.md")
    parser.add_argument("--shipped", action="store_true", help="measure what scripts/release.sh builds, as it is shipped")
    parser.add_argument("--binary", type=Path, help="measure this albacore instead of building target/release/albacore")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.scenarios if name not in SCENARIOS]
    if unknown:
        parser.error(f"no scenario is called {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    if arguments.quick:
        if arguments.write:
            parser.error("what --quick measures is not worth --write")
        arguments.rounds, arguments.seconds = 1, 1
    return arguments


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a whole number of at least 1")
    return number


def measured(scenario, context: Context, about: machine.About, arguments: argparse.Namespace) -> bool:
    """Runs one scenario and shows its section. False if it broke; the others go on."""
    print(f"bench: {scenario.NAME}", file=sys.stderr)
    load_before = machine.load_average()
    try:
        section = scenario.measure(context)
    except Broken as broken:
        print(f"bench: {scenario.NAME}: {broken}", file=sys.stderr)
        return False
    except Exception:  # a mistake of ours in one scenario leaves the others their chance
        traceback.print_exc()
        return False
    text = report.render(scenario, section, about, context, load_before)
    print(text)
    if arguments.write:
        report.write(machine.ROOT / "bench/RESULTS.md", list(SCENARIOS), scenario.NAME, text)
    return True
