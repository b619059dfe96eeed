#!/usr/bin/env bash
# Runs every fuzz target for a while: scripts/fuzz.sh SECONDS. The differential targets compare our reading of
# requests and responses with other parsers' and run among them.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:?usage: scripts/fuzz.sh SECONDS}
if ! [[ $seconds =~ ^[1-9][0-9]*$ ]]; then
    echo "FUZZ_SECONDS is a whole number of seconds, not '$seconds'" >&2
    exit 2
fi
if [ ! -f fuzz/Cargo.toml ]; then
    echo "there is no fuzz/Cargo.toml, so nothing to run" >&2
    exit 1
fi
if ! command -v cargo-fuzz >/dev/null 2>&1; then
    cargo install --quiet --locked cargo-fuzz
fi
# libFuzzer's instrumentation is unstable, and the toolchain of this repository is not: the variable unlocks it.
export RUSTC_BOOTSTRAP=1
targets=$(cargo fuzz list)
for target in $targets; do
    # New inputs go into the first folder, which is not committed; the committed corpus is the second and only read.
    mkdir -p "fuzz/target/corpus/$target" "fuzz/corpus/$target"
    scripts/stage "fuzz $target" cargo fuzz run "$target" "fuzz/target/corpus/$target" "fuzz/corpus/$target" \
        -- -max_total_time="$seconds"
done
