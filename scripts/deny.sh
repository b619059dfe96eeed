#!/usr/bin/env bash
# Asks cargo-deny, where it is installed; `cargo xtask licences` has already asked what needs no tool.
set -euo pipefail
cd "$(dirname "$0")/.."
if command -v cargo-deny >/dev/null 2>&1; then
    exec cargo deny --locked check
fi
echo "skipped: cargo-deny is not installed, so advisories were not looked up (cargo install --locked cargo-deny)"
