#!/usr/bin/env bash
# Makes sure that this machine has what building and running albacore need, and installs what is missing: system
# packages with apt-get when run as root. Says nothing and takes no time when everything is there. What only the tests
# need comes with scripts/setup-tests.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

have() { command -v "$1" >/dev/null 2>&1; }

# Tools and the Debian packages that bring them. The crypto library builds with a C compiler alone on the platforms
# we serve; cmake and pkg-config are not needed.
packages=()
have cc || packages+=(gcc libc6-dev)
have make || packages+=(make)
have git || packages+=(git)
have curl || packages+=(curl ca-certificates)
have python3 || packages+=(python3)
have node || packages+=(nodejs)
scripts/install-packages.sh "${packages[@]}"

# Cargo is not taken from the system's packages: rust-toolchain.toml pins a toolchain that only rustup can fetch.
if ! have cargo; then
    echo "setup: cargo is missing; install rustup from https://rustup.rs and run this again" >&2
    exit 1
fi
