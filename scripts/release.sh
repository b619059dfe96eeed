#!/usr/bin/env bash
# Builds the program as it is shipped, target/shipped/albacore; target/shipped/how says in a line how.
#
# It is built twice. The first build counts what it executes while bench/train loads it; the second is laid out by these
# counts: what follows each other lies together, and what is called often is inlined, across all rooms. A relayed
# request executes a tenth fewer instructions then. Where counting is impossible, because the toolchain has no
# llvm-profdata or the machine no load generator, it says so and builds without.
#
# TRAINING_SECONDS=2 is how long each part of the load lasts. Nothing is fetched but what Cargo.lock names.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$PWD/target/shipped
counts=$folder/counts
host=$(rustc -vV | sed -n 's/^host: //p')
profdata=$(rustc --print target-libdir)/../bin/llvm-profdata
mkdir -p "$folder"

# Naming the target keeps the flags from build scripts, whose counts nobody wants. Each build has a folder of its own, so that
# the next release builds again only what has changed.
build() {
    RUSTFLAGS=$2 cargo build --quiet --release --locked --package albacore --target "$host" --target-dir "$folder/$1"
}

built() { echo "$folder/$1/$host/release/albacore"; }

# ship NAME HOW: under its name in one step, because somebody may be running the one before.
ship() {
    cp "$(built "$1")" "$folder/albacore.new"
    mv "$folder/albacore.new" "$folder/albacore"
    echo "$2" >"$folder/how"
    echo "target/shipped/albacore: $2"
    exit
}

without() {
    echo "release: $1; building without counts: relayed requests will execute a tenth more instructions" >&2
    build plain ""
    ship plain "cargo build --release, without counts: $1"
}

[ -x "$profdata" ] || without "the toolchain has no llvm-profdata (rustup component add llvm-tools)"

echo "release: building the one that counts" >&2
build counting "-Cprofile-generate=$counts"
rm -rf "$counts"
trained=0
# %m joins the counts of all processes of one program.
LLVM_PROFILE_FILE=$counts/albacore-%4m.profraw bench/train "$(built counting)" ${TRAINING_SECONDS:-} || trained=$?
case $trained in
    0) ;;
    2) without "this machine cannot run bench/train" ;;
    *) exit "$trained" ;;
esac
"$profdata" merge --output "$counts/merged.profdata" "$counts"/albacore-*.profraw

# Cargo does not look into the file: under another name it is a reason to build again.
name=$(sha256sum "$counts/merged.profdata" | cut -c1-16).profdata
mv "$counts/merged.profdata" "$folder/$name"
echo "release: building the one that is laid out by $name" >&2
build laid-out "-Cprofile-use=$folder/$name"
find "$folder" -maxdepth 1 -name '*.profdata' ! -name "$name" -delete
ship laid-out "scripts/release.sh, laid out by counts of bench/train"
