# shellcheck shell=bash
# What the scripts share: where things are, how they speak, and when a step is already done.
# Sourced, never run.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
deps=$root/.deps
cd "$root"

# rustup's own directory, which a non-login shell (CI, a service) does not have on its path.
PATH=$PATH:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin

say() { printf '==> %s\n' "$*"; }
die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# Where cargo puts what it builds; the same answer as cargo's own.
target_dir() { printf '%s\n' "${CARGO_TARGET_DIR:-$root/target}"; }

# A step is done when its stamp holds the key it was done for: the versions and checksums it is
# pinned to. A changed pin changes the key, and the step runs again.
stamped() { [ "$(cat "$deps/stamps/$1" 2>/dev/null)" = "$2" ]; }
stamp() {
	mkdir -p "$deps/stamps"
	printf '%s\n' "$2" >"$deps/stamps/$1"
}
key_of_files() { cat "$@" | sha256sum | cut -d ' ' -f 1; }
