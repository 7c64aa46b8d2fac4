#!/usr/bin/env bash
# Builds the server and the simulator, and lets the demo show them.
#
# usage: scripts/demo.sh [--once]
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cargo build --quiet --workspace --bins --locked
PYTHONPATH=tests exec "$deps/venv/bin/python" examples/demo.py "$@"
