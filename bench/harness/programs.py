"""What is built or installed before anything is measured: albacore, our own programs, and peers from package registries.

Peers have one version each. They are installed into target/bench-peers, once.
"""

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from . import machine
from .failure import Broken

PEERS = machine.ROOT / "target/bench-peers"

CARGO_LAMBDA = "1.9.2"
SERVERLESS = "3.40.0"
"""The last one that works without an account."""
SERVERLESS_OFFLINE = "13.9.0"
"""The last one for it."""


def cargo_build(*what: str) -> Path:
    """Builds a release, and returns the folder of its programs."""
    run(["cargo", "build", "--quiet", "--release", "--locked", *what], machine.ROOT)
    return machine.ROOT / "target/release"


def shipped() -> tuple[Path, str]:
    """Builds the program as it is shipped, and returns it and how it was built."""
    run(["scripts/release.sh"], machine.ROOT)
    folder = machine.ROOT / "target/shipped"
    return folder / "albacore", (folder / "how").read_text().strip()


FUNCTIONS = machine.ROOT / "bench/lambda"
"""The project of the function and of the floor."""
FUNCTIONS_TARGET = machine.ROOT / "target/bench-lambda"


@cache
def functions() -> Path:
    """Builds the function that is called and the Runtime API with nothing in front, and returns their folder."""
    project = ["--manifest-path", str(FUNCTIONS / "Cargo.toml"), "--target-dir", str(FUNCTIONS_TARGET)]
    run(["cargo", "build", "--quiet", "--release", "--locked", *project], machine.ROOT)
    return FUNCTIONS_TARGET / "release"


@cache
def static_function() -> Path:
    """Builds the function without shared libraries, and returns it."""
    said = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    (host,) = [line.removeprefix("host: ") for line in said.splitlines() if line.startswith("host: ")]
    target = FUNCTIONS_TARGET / "static"
    project = ["--manifest-path", str(FUNCTIONS / "Cargo.toml"), "--target-dir", str(target), "--bin", "hello"]
    # With a target of its own, so that the flags are not those of what runs while it is built.
    flags = ["--target", host, "--config", f"target.{host}.rustflags=['-Ctarget-feature=+crt-static']"]
    run(["cargo", "build", "--quiet", "--release", "--locked", *project, *flags], machine.ROOT)
    return target / host / "release/hello"


RELAY = machine.ROOT / "bench/relay"
"""The project of the origin, the floor and the clients of what relays."""
RELAY_TARGET = machine.ROOT / "target/bench-relay"


@cache
def relay() -> Path:
    """Builds them, and returns their folder."""
    project = ["--manifest-path", str(RELAY / "Cargo.toml"), "--target-dir", str(RELAY_TARGET)]
    run(["cargo", "build", "--quiet", "--release", "--locked", *project], machine.ROOT)
    return RELAY_TARGET / "release"


def lambda_runtime() -> str:
    """The version of the runtime client that the function is built with."""
    lock = tomllib.loads((FUNCTIONS / "Cargo.lock").read_text())
    (package,) = [package for package in lock["package"] if package["name"] == "lambda_runtime"]
    return f"lambda_runtime {package['version']}"


def cargo_lambda() -> Path:
    """The program, in a virtual environment of its own."""
    folder = PEERS / f"cargo-lambda-{CARGO_LAMBDA}"
    program = folder / "bin/cargo-lambda"

    def install() -> None:
        run([sys.executable, "-m", "venv", str(folder)], machine.ROOT)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, f"cargo-lambda=={CARGO_LAMBDA}"], machine.ROOT)

    once(folder, f"cargo-lambda {CARGO_LAMBDA}", install)
    return program


def serverless_offline() -> Path:
    """The folder with `node_modules` in it."""
    folder = PEERS / f"serverless-offline-{SERVERLESS_OFFLINE}"

    def install() -> None:
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps({"private": True}))
        packages = [f"serverless@{SERVERLESS}", f"serverless-offline@{SERVERLESS_OFFLINE}"]
        run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact", *packages], folder)

    once(folder, f"serverless-offline {SERVERLESS_OFFLINE}", install)
    return folder


def once(folder: Path, name: str, install: Callable[[], None]) -> None:
    """Installs what is not complete in its folder."""
    complete = folder / "complete"
    if complete.exists():
        return
    print(f"bench: installing {name} into {folder.relative_to(machine.ROOT)}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    install()
    complete.touch()


def run(command: list[str], folder: Path) -> None:
    shown = " ".join(word.removeprefix(f"{machine.ROOT}/") for word in command)
    print(f"bench: {shown}", file=sys.stderr)
    try:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        raise Broken(f"{command[0]} is missing, and needed for `{shown}`") from None
    if done.returncode != 0:
        raise Broken(f"`{shown}` failed with status {done.returncode}")
