#!/usr/bin/env bash
# Installs Debian packages when run as root, and says what to do when not: scripts/install-packages.sh NAME...
set -euo pipefail

if [ "$#" -eq 0 ]; then
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: missing on this machine: $* (named as Debian names them); please install them" >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "setup: some tools are missing; please run" >&2
    echo "  sudo apt-get update && sudo apt-get install --yes --no-install-recommends $*" >&2
    exit 1
fi
echo "setup: installing $*"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq </dev/null
apt-get install -qq --yes --no-install-recommends "$@" </dev/null >/dev/null
