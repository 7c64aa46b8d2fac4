# The few commands there are; what they do is in scripts/.
# ARGS passes words on: make demo ARGS=--once. SUITES chooses: make test SUITES="fmt rust".

.DEFAULT_GOAL := help
# rustup puts cargo here, where a shell that is no login shell does not look.
export PATH := $(PATH):$(HOME)/.cargo/bin
.PHONY: help setup build lint test demo bench clean

help: ## list these commands
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

setup: ## bring every dependency, pinned and checked (about a minute; a second when done)
	@scripts/setup.sh

build: setup ## build the server and the simulator
	cargo build --workspace --bins

lint: setup ## formatting, clippy and rustdoc, warnings being errors
	@scripts/test.sh fmt clippy docs

test: setup ## run every check
	@scripts/test.sh $(SUITES)

demo: setup ## a server in front of a simulated Snowflake; ARGS=--once runs through it and ends
	@scripts/demo.sh $(ARGS)

bench: setup ## run the benchmarks: ratios of one run, see docs/benchmarks.md
	cargo build --workspace --bins --release --locked
	PYTHONPATH=tests .deps/venv/bin/python benches/run.py $(ARGS)

clean: ## remove what was built, not what was fetched (that is .deps)
	cargo clean
