# The ways into albacore: thin, and the same commands as CI. `make` alone lists them.

# Seconds that each fuzz target runs.
FUZZ_SECONDS ?= 60
# Seconds that `make soak` lasts.
SOAK_SECONDS ?= 1800
# The Python that the tests' clients run on, made by `make setup`.
export ALBACORE_TEST_PYTHON ?= $(CURDIR)/target/pytest-venv/bin/python

CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help tools setup up release test soak check bench instructions fuzz tidy conformance

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: tools ## install what building and testing need
	@scripts/setup-tests.sh

tools:
	@scripts/setup.sh

up: tools ## build albacore and run the hello example
	$(CARGO) build --release --locked
	target/release/albacore up examples/hello/albacore.yaml

# `bench/run --shipped` measures it.
release: tools ## build the program as it is shipped, laid out by what it executes under load: target/shipped/albacore
	scripts/release.sh

test: setup ## run every test
	$(CARGO) xtask test

# The same test is a part of `make test`, where it lasts for a moment.
soak: setup ## load the release for SOAK_SECONDS=1800 while targets come and go and it is taken over
	ALBACORE_SOAK_SECONDS=$(SOAK_SECONDS) $(CARGO) test --release --package albacore --test load --locked -- \
		--nocapture servers::

# `tidy` includes `cargo xtask conformance --check`. The tests come last, because they take longest.
check: setup ## everything CI asks for
	scripts/stage format $(CARGO) fmt --all --check
	scripts/stage clippy $(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" scripts/stage documentation $(CARGO) doc --no-deps --workspace --locked
	scripts/stage tidy $(CARGO) xtask tidy
	scripts/stage licences $(CARGO) xtask licences
	scripts/stage deny scripts/deny.sh
	scripts/stage instructions $(MAKE) --no-print-directory instructions
	scripts/stage test $(MAKE) --no-print-directory test

# BENCH="fixed rules --rounds 9 --write" chooses; `bench/run --help` tells more.
bench: ## measure the whole server against its peers (bench/)
	bench/run $(BENCH)

instructions: ## count the instructions of codec and routing, and hold them to their limits
	scripts/instructions.sh

fuzz: tools ## feed hostile bytes to every parser, FUZZ_SECONDS=60 for each
	scripts/fuzz.sh $(FUZZ_SECONDS)

tidy: ## the rules of the house that no compiler knows
	$(CARGO) xtask tidy

conformance: ## write docs/conformance.md anew
	$(CARGO) xtask conformance
