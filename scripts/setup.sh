#!/usr/bin/env bash
# Brings everything that building, testing and the demo need, at pinned versions with checked hashes.
# Safe to repeat; what is already there is not fetched again.
#
# usage: scripts/setup.sh [STEP…]    steps: system rust libduckdb extensions python fakesnow
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

duckdb_version=1.5.5
bindings_version=$duckdb_version-r.5
extensions=(httpfs ducklake postgres_scanner sqlite_scanner tpch)

# The architecture in each party's words, and the sha512 of DuckDB's package for it.
case $(uname -s)-$(uname -m) in
Linux-x86_64)
	npm_arch=x64 duckdb_platform=linux_amd64
	bindings_sha512=902caae815e19fa4177f017cc957552ab8924873feadf556709e7a706f2a67394e669c72bd3e561a6ea332c871838762b4b94eb07b0837f0f8ed162b7235ee1d
	;;
Linux-aarch64)
	npm_arch=arm64 duckdb_platform=linux_arm64
	bindings_sha512=09a7c7d8022f5eda700f29c6dca07fe2e10e1d11a516807b6ae091308c07dc128d2286ec00d5792d2a43277b5fc9108522c2ba7bc013d5eb1e5959eed83bf773
	;;
*) die "only Linux on x86_64 and aarch64 is supported, this is $(uname -s) on $(uname -m)" ;;
esac

# ---- system: what only the distribution can bring ------------------------------------------------

has_postgres() { have postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }
has_venv() { python3 -c 'import ensurepip, venv' >/dev/null 2>&1; }

have_pooler() { have pgbouncer || [ -x /usr/sbin/pgbouncer ]; }

missing_packages() {
	have cc || echo build-essential
	have npm || echo nodejs npm
	has_venv || echo python3 python3-venv
	has_postgres || echo postgresql
	have strace || echo strace
	have_pooler || echo pgbouncer
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif have sudo; then
		sudo "$@"
	else
		die "this needs root and there is no sudo; run as root: $*"
	fi
}

# Tests start their own clusters; the one Debian would make and start is in nobody's interest.
no_main_cluster() {
	[ -e /etc/postgresql-common/createcluster.conf ] && return
	as_root mkdir -p /etc/postgresql-common
	echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
}

# A package's own service is not started: tests start what they need where they need it.
without_services() {
	local policy=/usr/sbin/policy-rc.d code=0
	if [ -e "$policy" ]; then
		"$@"
		return
	fi
	printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
	as_root chmod +x "$policy"
	"$@" || code=$?
	as_root rm -f "$policy"
	return "$code"
}

install_packages() {
	say "system packages: $*"
	have apt-get || die "no apt-get here; install what these Debian packages bring: $*"
	[ "$(id -u)" = 0 ] || have sudo ||
		die "packages are missing and there is no sudo; run as root: apt-get update && apt-get install --yes $*"
	has_postgres || no_main_cluster
	as_root apt-get update --quiet=2
	without_services as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install --quiet=2 --yes --no-install-recommends "$@"
}

# PostgreSQL refuses to run as root, so root's test clusters belong to this user.
test_user() {
	[ "$(id -u)" != 0 ] || getent passwd ducksync-test >/dev/null ||
		useradd --system --user-group --no-create-home --shell /usr/sbin/nologin ducksync-test
}

step_system() {
	local packages
	read -r -d '' -a packages < <(missing_packages && printf '\0')
	[ ${#packages[@]} = 0 ] || install_packages "${packages[@]}"
	test_user
}

# ---- rust: the one prerequisite that is not brought ----------------------------------------------

step_rust() {
	have cargo || die "Rust is missing. Install rustup, as rust-lang.org/tools/install says (any channel: \
rust-toolchain.toml names the version), open a new shell and run this again."
}

# ---- libduckdb: the library that the engine links ------------------------------------------------

step_libduckdb() {
	local key=$bindings_version-$npm_arch-$bindings_sha512 work archive
	! stamped libduckdb "$key" || [ ! -e "$deps/libduckdb/libduckdb.so" ] || return 0
	say "libduckdb $duckdb_version ($npm_arch)"
	work=$(mktemp -d)
	archive=$(cd "$work" && npm pack --silent "@duckdb/node-bindings-linux-$npm_arch@$bindings_version")
	echo "$bindings_sha512  $work/$archive" | sha512sum --check --quiet ||
		die "libduckdb: the package is not the one that is pinned"
	mkdir -p "$deps/libduckdb"
	tar --extract --gzip --file "$work/$archive" --directory "$work" package/libduckdb.so
	# Moved, not written in place: a running program may have the old one open.
	mv "$work/package/libduckdb.so" "$deps/libduckdb/.libduckdb.so.new"
	mv "$deps/libduckdb/.libduckdb.so.new" "$deps/libduckdb/libduckdb.so"
	rm -rf "$work"
	stamp libduckdb "$key"
}

# ---- extensions: signed, laid out as DuckDB's extension_directory wants --------------------------

step_extensions() {
	local list=scripts/requirements-extensions.txt out=$deps/extensions/v$duckdb_version/$duckdb_platform
	local key work wheel
	key=$(key_of_files "$list")-$duckdb_platform-${extensions[*]}
	! stamped extensions "$key" || ! complete_extensions "$out" || return 0
	say "DuckDB extensions: ${extensions[*]}"
	venv "$deps/venv"
	work=$(mktemp -d)
	"$deps/venv/bin/pip" download --quiet --no-deps --require-hashes --only-binary :all: \
		--dest "$work" --requirement "$list"
	for wheel in "$work"/*.whl; do
		python3 -m zipfile --extract "$wheel" "$work"
	done
	mkdir -p "$out"
	mv "$work"/duckdb_extension_*/extensions/"v$duckdb_version"/*.duckdb_extension "$out"
	rm -rf "$work"
	complete_extensions "$out" || die "extensions: some of ${extensions[*]} were not in their wheels"
	stamp extensions "$key"
}

complete_extensions() {
	local name
	for name in "${extensions[@]}"; do
		[ -e "$1/$name.duckdb_extension" ] || return 1
	done
}

# ---- python: the test clients, each in a virtual environment of its own --------------------------

venv() { [ -x "$1/bin/pip" ] || python3 -m venv "$1"; }

pip_install() {
	local name=$1 dir=$deps/$1 list=$2 key
	key=$(key_of_files "$list")-$(python3 --version)
	! stamped "$name" "$key" || [ ! -x "$dir/bin/python" ] || return 0
	say "Python packages: $list"
	venv "$dir"
	"$dir/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --requirement "$list"
	stamp "$name" "$key"
}

step_python() {
	pip_install venv tests/requirements.txt
	local key
	key=$(cat "$deps/stamps/venv" "$deps/stamps/extensions" 2>/dev/null | sha256sum)
	! stamped loaded "$key" || return 0
	load_extensions
	stamp loaded "$key"
}

# Signature checks are on: what loads here is what DuckDB's makers signed.
load_extensions() {
	"$deps/venv/bin/python" - "$deps/extensions" "${extensions[@]}" <<'PYTHON'
import sys, duckdb
directory, *names = sys.argv[1:]
connection = duckdb.connect(config={"extension_directory": directory, "autoinstall_known_extensions": False})
for name in names:
    connection.execute(f"LOAD {name}")
PYTHON
}

step_fakesnow() { pip_install venv-fakesnow tests/requirements-fakesnow.txt; }

[ $# -gt 0 ] || set -- system rust libduckdb extensions python fakesnow
for step in "$@"; do
	[ "$(type -t "step_$step")" = function ] || die "no step '$step'"
	"step_$step"
done
