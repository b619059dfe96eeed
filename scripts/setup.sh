#!/usr/bin/env bash
# Makes sure that this machine has what building and testing albacore need, and installs what is missing: system
# packages with apt-get when run as root, the tests' Python packages into target/pytest-venv. Says nothing and takes
# no time when everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."

node_major_min=18
venv=target/pytest-venv
requirements=tests/requirements.txt

have() { command -v "$1" >/dev/null 2>&1; }

# Tools and the Debian packages that bring them. The crypto library builds with a C compiler alone on the platforms
# we serve; cmake and pkg-config are not needed.
packages=()
have cc || packages+=(gcc libc6-dev)
have make || packages+=(make)
have git || packages+=(git)
have curl || packages+=(curl ca-certificates)
have openssl || packages+=(openssl)
have python3 || packages+=(python3)
have node || packages+=(nodejs)
# Debian splits the parts of `venv` off; only the venv that is not there yet needs them.
if [ ! -x "$venv/bin/python" ] && ! { have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }; then
    packages+=(python3-venv)
fi

if [ "${#packages[@]}" -gt 0 ]; then
    if ! have apt-get; then
        echo "setup: missing on this machine: ${packages[*]} (named as Debian names them); please install them" >&2
        exit 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "setup: some tools are missing; please run" >&2
        echo "  sudo apt-get update && sudo apt-get install --yes --no-install-recommends ${packages[*]}" >&2
        exit 1
    fi
    echo "setup: installing ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq </dev/null
    apt-get install -qq --yes --no-install-recommends "${packages[@]}" </dev/null >/dev/null
fi

# Cargo is not taken from the system's packages: rust-toolchain.toml pins a toolchain that only rustup can fetch.
if ! have cargo; then
    echo "setup: cargo is missing; install rustup from https://rustup.rs and run this again" >&2
    exit 1
fi

# Node is asked for its version only when another one may stand in its place: starting it takes most of our time.
node_file=$(command -v node)
node_stamp=target/setup-node
if [ ! "$node_stamp" -nt "$node_file" ] || [ "$(cat "$node_stamp")" != "$node_file" ]; then
    node_version=$(node --version)
    node_major=${node_version#v}
    if [ "${node_major%%.*}" -lt "$node_major_min" ]; then
        echo "setup: node $node_version is too old; the tests need $node_major_min or newer" >&2
        exit 1
    fi
    mkdir -p target
    echo "$node_file" >"$node_stamp"
fi

# The venv is complete when it holds a copy of the requirements it was made from.
if [ ! -x "$venv/bin/python" ] || ! cmp -s "$requirements" "$venv/requirements.txt"; then
    echo "setup: Python packages for the tests into $venv"
    rm -rf "$venv"
    mkdir -p target
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
    cp "$requirements" "$venv/requirements.txt"
fi
