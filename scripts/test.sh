#!/usr/bin/env bash
# Runs every check, says how long each took against its budget, and ends with one line of counts.
# One that fails does not keep the others from running.
#
# usage: scripts/test.sh [SUITE…]
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# In the order they run: what is quick or builds what others need comes first.
# Budgets are minutes of two cores with nothing built before.
suites=(fmt compose build rust foreign clients demo clippy docs)
declare -A budget=([fmt]=1 [compose]=1 [build]=20 [rust]=25 [foreign]=5 [clients]=15 [demo]=3 [clippy]=15 [docs]=5)

suite_fmt() {
	cargo fmt --all --check
	cargo fmt --check --manifest-path tests/snowflake-api/Cargo.toml
}
suite_build() { cargo build --workspace --bins --locked; }
suite_rust() { scripts/with-postgres.sh cargo test --workspace --locked --no-fail-fast; }
suite_foreign() { cargo build --locked --manifest-path tests/snowflake-api/Cargo.toml --target-dir "$deps/snowflake-api"; }
suite_clients() { "$deps/venv/bin/pytest" tests; }
suite_demo() { scripts/demo.sh --once; }
suite_clippy() { cargo clippy --workspace --all-targets --locked -- -D warnings; }
suite_docs() { RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items --locked; }
suite_compose() {
	docker compose version >/dev/null 2>&1 || skip 'docker compose is not installed (that the file is YAML is among the clients)'
	docker compose --file docker-compose.yml config --quiet
}

# A suite that cannot run here says why and ends with 77, as automake's tests do.
skip() {
	echo "SKIPPED: $*"
	exit 77
}

logs=$deps/test-logs
passed=0 failed=0 skipped=0
table=() left_out=()

# Adds up what the suite's own runner counted; a suite without a count of its own counts as one.
count() {
	local suite=$1 code=$2 log=$logs/$1.log pass=0 fail=0 skips=0
	case $suite in
	rust) read -r pass fail skips < <(awk '/^test result:/ { p += $4; f += $6; s += $8 } END { print p+0, f+0, s+0 }' "$log") ;;
	clients) read -r pass fail skips < <(awk '/ in [0-9.]+s/ && /passed|failed|error|skipped|no tests/ { line = $0 }
		END { n = split(line, w, /[ ,]+/); for (i = 2; i <= n; i++) {
			if (w[i] ~ /^passed/) p = w[i-1]; if (w[i] ~ /^(failed|errors?)/) f += w[i-1]; if (w[i] ~ /^skipped/) s = w[i-1] }
			print p+0, f+0, s+0 }' "$log") ;;
	*) [ "$code" != 0 ] || pass=1 ;;
	esac
	[ "$code" != 77 ] || skips=1
	# It failed otherwise than by a test: did not compile, was killed, found no test.
	case $code in 0 | 77) ;; *) [ "$fail" != 0 ] || fail=1 ;; esac
	passed=$((passed + pass)) failed=$((failed + fail)) skipped=$((skipped + skips))
}

note_skips() {
	local line
	while IFS= read -r line; do
		left_out+=("$1: $line")
	done < <(sed -nE 's/^SKIPPED:? ?//p; s/^test (.*) \.\.\. ignored/\1/p' "$logs/$1.log")
}

run() {
	local suite=$1 began=$SECONDS code result=ok seconds
	say "$suite"
	set +e
	# Without a terminal's colours the runners' lines can be read.
	(
		set -e
		export NO_COLOR=1 CARGO_TERM_COLOR=never
		"suite_$suite"
	) 2>&1 | tee "$logs/$suite.log"
	code=${PIPESTATUS[0]}
	set -e
	seconds=$((SECONDS - began))
	case $code in 0) ;; 77) result=skipped ;; *) result="FAILED ($code)" ;; esac
	[ "$seconds" -le $((budget[$suite] * 60)) ] || result+=", OVER BUDGET"
	count "$suite" "$code"
	note_skips "$suite"
	table+=("$(printf '%-10s %8d %8d  %s' "$suite" "$seconds" $((budget[$suite] * 60)) "$result")")
}

summary() {
	printf '\n%-10s %8s %8s  %s\n' suite seconds budget result
	printf '%s\n' "${table[@]}"
	if [ ${#left_out[@]} -gt 0 ]; then
		printf '\nskipped:\n'
		printf '  %s\n' "${left_out[@]}"
	fi
	printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
}

mkdir -p "$logs"
[ $# -gt 0 ] || set -- "${suites[@]}"
for suite in "$@"; do
	[ -n "${budget[$suite]:-}" ] || die "no suite '$suite'; there are: ${suites[*]}"
done
for suite in "$@"; do
	run "$suite"
done
summary
[ "$failed" = 0 ]
