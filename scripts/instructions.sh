#!/usr/bin/env bash
# Counts the instructions of the codec and of routing under valgrind, and fails when a count is over its limit. The limits
# stand in crates/*/benches/instructions.rs. Installs what it needs: valgrind with apt-get when run as root, the runner of
# the benchmarks into target/tools.
set -euo pipefail
cd "$(dirname "$0")/.."

# The limits hold where our code and the C library choose their AVX2 paths; elsewhere the counts are other ones.
if [ "$(uname -m)" != x86_64 ] || ! grep -qw avx2 /proc/cpuinfo; then
    echo "skipped: the limits are for x86-64 processors with AVX2"
    exit 0
fi

if ! command -v valgrind >/dev/null 2>&1; then
    install="apt-get install --yes --no-install-recommends valgrind"
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "valgrind is missing; on Debian or Ubuntu: sudo $install" >&2
        exit 1
    fi
    echo "installing valgrind"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq </dev/null
    $install -qq </dev/null >/dev/null
fi

# The runner has to have the version of the library. Its optimisation would take longer to build than it saves.
version=$(sed -n '/^name = "gungraun"$/{n;s/^version = "\(.*\)"$/\1/p}' Cargo.lock)
export GUNGRAUN_RUNNER="$PWD/target/tools/bin/gungraun-runner"
if [ "$("$GUNGRAUN_RUNNER" --version 2>/dev/null)" != "gungraun-runner $version" ]; then
    echo "installing gungraun-runner $version into target/tools"
    CARGO_PROFILE_DEV_DEBUG=false cargo install --quiet --locked --debug --root target/tools gungraun-runner --version "$version"
fi

# Instructions alone: the other figures are estimates of a made-up cache.
export GUNGRAUN_CALLGRIND_METRICS=ir
cargo bench --quiet --locked --no-fail-fast --package albacore-http1 --package albacore-routing --bench instructions
