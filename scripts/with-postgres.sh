#!/usr/bin/env bash
# Runs a command with a throw-away PostgreSQL server, whose address it finds in
# DUCKSYNC_TEST_POSTGRES (an administrator's: make a database of your own there).
#
# usage: scripts/with-postgres.sh COMMAND…
#
# Sources no lib.sh: the command runs in the caller's directory.
set -euo pipefail
exec python3 "$(dirname "${BASH_SOURCE[0]}")/../tests/harness/postgres.py" "$@"
